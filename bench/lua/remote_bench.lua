--- What a connection to a node costs beside an embedded one: the same questions of the same entities.
--
--     build/lion run bench/lua/remote_bench.lua unix:DIR/control.sock [ENTITIES (10000)]
local core = require "lion.core"
local lion = require "lion"

local address, entities = arg[1], tonumber(arg[2] or 10000)
if not address then error("usage: remote_bench.lua unix:DIR/control.sock [ENTITIES]", 0) end

local ROUNDS, CALLS = 5, 2000
local QUERY = "[:find ?age . :in $ ?name :where [?e :bench/name ?name] [?e :bench/age ?age]]"

local function fill(conn)
  conn:transact(lion.schema { bench = { name = { "string", unique = "identity" }, age = "long" } })
  local tx = {}
  for i = 1, entities do
    tx[#tx + 1] = { ["bench/name"] = "name" .. i, ["bench/age"] = i }
    if #tx == 1000 or i == entities then
      conn:transact(tx)
      tx = {}
    end
  end
  return conn:db()
end

local function name_of(i) return "name" .. i * 7919 % entities + 1 end

local WAYS = {
  { "q", function(db, i) return db:q(QUERY, name_of(i)) end },
  { "entid", function(db, i) return db:entid { "bench/name", name_of(i) } end },
  { "pull", function(db, i) return db:pull("[:bench/age]", { "bench/name", name_of(i) })["bench/age"] end },
  { "entity", function(db, i) return db:entity { "bench/name", name_of(i) }["bench/age"] end },
  { "datoms, 1000", function(db)
    local count, datoms = 0, db:datoms("aevt", "bench/age")
    while count < 1000 and datoms() do count = count + 1 end
  end },
}

-- µs a call, of the best round.
local function measure(fn, db, calls)
  local best = math.huge
  for _ = 1, ROUNDS do
    local begun = core.monotonic_ms()
    for i = 1, calls do fn(db, i) end
    best = math.min(best, (core.monotonic_ms() - begun) * 1000 / calls)
  end
  return best
end

local far = lion.connect(("%s/bench%s"):format(address, (lion.uuid():gsub("-", ""))))
local near = lion.connect "mem:"
local there, here = fill(far), fill(near)
print(("%-14s %12s %12s %12s"):format("µs a call", "embedded", "remote", "more"))
for _, way in ipairs(WAYS) do
  local calls = way[1]:find "^datoms" and CALLS / 20 or CALLS
  local own, other = measure(way[2], here, calls), measure(way[2], there, calls)
  print(("%-14s %12.1f %12.1f %12.1f"):format(way[1], own, other, other - own))
end
far:close()
near:close()
