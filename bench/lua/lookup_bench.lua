--- An entity by its unique key with five of its attributes, from Lua: lion run bench/lua/lookup_bench.lua
-- [entities] [path of lookup_bench], default 100,000 and build/lookup_bench, which measures one get of the
-- same record in LMDB on the same machine right before. Each line: how many a second, and that as a part of
-- LMDB's. Best of seven; keys in random order; what it takes to make the keys alone is taken off.
local lion = require "lion"

local entities = tonumber(arg[1]) or 100000
local peer = arg[2] or "build/lookup_bench"
local BATCH = 10000
local PROBES = 300000
local RUNS = 7

local path = os.tmpname()
os.remove(path)
path = path .. ".lion"
local conn = lion.connect(path, { durability = "none" })
conn:transact(lion.schema { item = {
  key = { "string", unique = "identity" }, name = "string", count = "long", price = "double", other = "long",
  done = "boolean" } })
for at = 0, entities - 1, BATCH do
  local tx = {}
  for i = at, math.min(at + BATCH, entities) - 1 do
    tx[#tx + 1] = { ["item/key"] = ("key-%08d"):format(i * 7919 % entities), ["item/name"] = "name of " .. i,
                    ["item/count"] = i, ["item/price"] = i / 4, ["item/other"] = i % 100,
                    ["item/done"] = i % 2 == 0 }
  end
  conn:transact(tx)
end
local fresh = conn:db()
conn:request_index()
local indexed = conn:db()

local random = math.random

local function next_key() return ("key-%08d"):format(random(0, entities - 1)) end

local function by_nothing()
  local sum = 0
  for _ = 1, PROBES do sum = sum + #next_key() end
  return sum
end

local function by_entity(db)
  local sum = 0
  for _ = 1, PROBES do
    local e = db:entity { "item/key", next_key() }
    sum = sum + e["item/count"] + e["item/price"] + e["item/other"] + #e["item/name"]
      + (e["item/done"] and 1 or 0)
  end
  return sum
end

local PATTERN = { "item/name", "item/count", "item/price", "item/other", "item/done" }

local function by_pull(db)
  local sum = 0
  for _ = 1, PROBES do
    local e = db:pull(PATTERN, { "item/key", next_key() })
    sum = sum + e["item/count"] + e["item/price"] + e["item/other"] + #e["item/name"]
      + (e["item/done"] and 1 or 0)
  end
  return sum
end

local TEXT = "[:item/name :item/count :item/price :item/other :item/done]"

local function by_text(db)
  local sum = 0
  for _ = 1, PROBES do
    local e = db:pull(TEXT, { "item/key", next_key() })
    sum = sum + e["item/count"] + e["item/price"] + e["item/other"] + #e["item/name"]
      + (e["item/done"] and 1 or 0)
  end
  return sum
end

local function seconds_of(run, db)
  local least = math.huge
  for _ = 1, RUNS do
    local start = os.clock()
    assert(run(db) > 0)
    least = math.min(least, os.clock() - start)
  end
  return least
end

-- What lookup_bench says of LMDB, in ns a get; nil where it is not built.
local function rate_of_lmdb()
  local program = io.popen(("%s %d 2>/dev/null"):format(peer, entities))
  local ns = program:read("*a"):match "lmdb, one record%s+(%d+)"
  program:close()
  return ns and 1e9 / ns
end

local lmdb, made = rate_of_lmdb(), seconds_of(by_nothing)
print(("%d entities by unique key with 5 attributes; LMDB, one record: %s a second"):format(
  entities, lmdb and ("%.0f"):format(lmdb) or "not measured"))
for _, case in ipairs {
  { "db:entity, five reads", by_entity, indexed },
  { "db:pull, a table", by_pull, indexed },
  { "db:pull, text", by_text, indexed },
  { "db:entity, in memory", by_entity, fresh },
} do
  local rate = PROBES / (seconds_of(case[2], case[3]) - made)
  print(("  %-24s %8.0f a second%s"):format(case[1], rate,
    lmdb and ("   %.2f x LMDB"):format(rate / lmdb) or ""))
end
conn:close()
lion.delete(path)
