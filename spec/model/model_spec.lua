-- The engine against the reference on random histories, views and queries; each also after an index
-- job and after
-- reopening, with tiny segments, so that every path of the merge is walked. LION_SEED repeats a
-- run.
package.path = "spec/?.lua;" .. package.path

local lion = require "lion"
local model = require "model.model"
local random_numbers = require "model.random"

local SEED = tonumber(os.getenv "LION_SEED") or os.time()
local HISTORIES = tonumber(os.getenv "LION_HISTORIES") or 12

-- Trees of many leaves and branches out of few datoms.
local function tiny(options)
  options.segment_size, options.node_entries = 512, 4
  return options
end

local SCHEMA = {
  ["m/one"] = { type = "long" },
  ["m/text"] = { type = "string" },
  ["m/many"] = { type = "long", many = true },
  ["m/tags"] = { type = "string", many = true },
  ["m/to"] = { type = "ref", many = true, ref = true },
  ["m/boss"] = { type = "ref", ref = true },
}
local NAMES = { "m/one", "m/text", "m/many", "m/tags", "m/to", "m/boss" }

local function schema_tx()
  local spec = {}
  for name, attribute in pairs(SCHEMA) do
    spec[name:match("/(.*)$")] = { attribute.type, many = attribute.many }
  end
  return lion.schema { m = spec }
end

local function random_value(random, ids, name)
  local kind = SCHEMA[name].type
  if kind == "long" then return random(9) - 4 end
  if kind == "string" then
    local word = ("abc"):sub(1, random(3))
    return random(12) == 1 and word:rep(700) or word .. random(4)
  end
  return ids[random(#ids)]
end

-- One random transaction: each (e, a) is touched once, so nothing contradicts itself.
local function random_ops(random, ids)
  local ops, touched = {}, {}
  for _ = 1, random(8) do
    local e, name = ids[random(#ids)], NAMES[random(#NAMES)]
    if not touched[e .. name] then
      touched[e .. name] = true
      ops[#ops + 1] =
        { random(4) == 1 and "retract" or "add", e, name, random_value(random, ids, name) }
    end
  end
  return ops
end

local function to_tx(ops)
  local tx = {}
  for i, op in ipairs(ops) do
    tx[i] = { "db/" .. op[1], op[2], op[3], op[4] }
  end
  return tx
end

local function sorted(rows)
  local texts = {}
  for i, row in ipairs(rows) do
    local parts = {}
    for k, value in ipairs(row) do
      parts[k] = type(value) .. ":" .. tostring(value)
    end
    texts[i] = table.concat(parts, "|")
  end
  table.sort(texts)
  return texts
end

local function db_view(db, view)
  if view.upper and not view.is_basis then db = db:as_of(view.upper) end
  if view.since then db = db:since(view.since) end
  if view.history then db = db:history() end
  return db
end

local function datoms_of(db, index, name)
  local rows = {}
  for d in db:datoms(index, name) do
    rows[#rows + 1] = { d.e, d.a, d.v, lion.tx_to_t(d.tx), d.added }
  end
  return rows
end

local function random_query(random)
  local clauses = { { "?e", NAMES[random(#NAMES)], "?v" } }
  local find = { "?e", "?v" }
  local shape = random(6)
  if shape == 1 then
    clauses[2] = { "?e", NAMES[random(#NAMES)], "?w" }
    find[3] = "?w"
  elseif shape == 2 then
    clauses = {
      { "?e", random(2) == 1 and "m/to" or "m/boss", "?v" },
      { "?v", NAMES[random(#NAMES)], "?w" },
    }
    find[3] = "?w"
  elseif shape == 3 then
    clauses[2] = { "not", { "?e", NAMES[random(#NAMES)], "_" } }
  elseif shape == 4 then
    clauses = {
      { "?e", "m/one", "?v" },
      { { ({ "<", ">", "<=", ">=", "=", "!=" })[random(6)], "?v", random(9) - 4 } },
    }
  elseif shape == 5 then
    clauses =
      { { "or", { "?e", NAMES[random(#NAMES)], "?v" }, { "?e", NAMES[random(#NAMES)], "?v" } } }
  end
  return find, clauses
end

local function check_view(random, db, reference, view, note)
  local shown = db_view(db, view)
  local expected = {}
  for _, d in ipairs(reference:view(view)) do
    expected[d[2]] = expected[d[2]] or {}
    table.insert(expected[d[2]], d)
  end
  for _, name in ipairs(NAMES) do
    local rows = sorted(expected[name] or {})
    assert.same(rows, sorted(datoms_of(shown, "aevt", name)), note .. " aevt " .. name)
    assert.same(rows, sorted(datoms_of(shown, "avet", name)), note .. " avet " .. name)
    assert.equal(#rows, shown:count("aevt", name), note .. " count " .. name)
  end
  if view.history then return end
  for _ = 1, 4 do
    local find, clauses = random_query(random)
    assert.same(
      sorted(reference:q(view, find, clauses)),
      sorted(shown:q { find = find, where = clauses }),
      note .. " query " .. lion.edn.write(clauses)
    )
  end
end

local function random_views(random, ts)
  local views = { {}, { history = true } }
  for _ = 1, 3 do
    views[#views + 1] = { upper = ts[random(#ts)] }
    views[#views + 1] = { since = ts[random(#ts)] }
    local a, b = ts[random(#ts)], ts[random(#ts)]
    views[#views + 1] =
      { since = math.min(a, b), upper = math.max(a, b), history = random(2) == 1 or nil }
  end
  return views
end

local function check_all(random, db, reference, ts, note)
  for i, view in ipairs(random_views(random, ts)) do
    check_view(random, db, reference, view, note .. ", view " .. i)
  end
end

local function live(random, conn, reference, ids, ts, count)
  for _ = 1, count do
    local ops = random_ops(random, ids)
    local report = conn:transact(to_tx(ops))
    reference:transact(report.t, ops)
    ts[#ts + 1] = report.t
  end
end

local function begin(conn)
  conn:transact(schema_tx())
  local tx, ids = {}, {}
  for i = 1, 8 do
    tx[i] = { ["db/id"] = "e" .. i, ["db/doc"] = "entity " .. i }
  end
  local tempids = conn:transact(tx).tempids
  for i = 1, 8 do
    ids[i] = tempids["e" .. i]
  end
  return ids
end

describe("The engine answers as the reference does (seed " .. SEED .. ")", function()
  for history = 1, HISTORIES do
    it("in memory, history " .. history, function()
      local random = random_numbers.new(SEED + history)
      local conn = lion.connect("mem:", tiny {})
      local ids, reference, ts = begin(conn), model.new(SCHEMA), {}
      live(random, conn, reference, ids, ts, 30)
      check_all(random, conn:db(), reference, ts, "before indexing")
      conn:request_index()
      check_all(random, conn:db(), reference, ts, "indexed")
      live(random, conn, reference, ids, ts, 20)
      check_all(random, conn:db(), reference, ts, "with novelty on top")
      conn:close()
    end)

    it("on a file, history " .. history, function()
      local random = random_numbers.new(SEED + 1000 + history)
      local path = os.tmpname() .. ".lion"
      local conn = lion.connect(path, tiny { durability = "none" })
      local ids, reference, ts = begin(conn), model.new(SCHEMA), {}
      for round = 1, 3 do
        live(random, conn, reference, ids, ts, 15)
        if round == 2 then conn:request_index() end
        check_all(random, conn:db(), reference, ts, "round " .. round)
        conn:close()
        conn = lion.connect(path, tiny { durability = "none" })
        check_all(random, conn:db(), reference, ts, "reopened in round " .. round)
      end
      conn:close()
      lion.delete(path)
    end)

    it("for values held while their roots are retired, history " .. history, function()
      local random = random_numbers.new(SEED + 2000 + history)
      local conn = lion.connect("mem:", tiny { roots_max = 1 + history % 3 })
      local ids, reference, ts = begin(conn), model.new(SCHEMA), {}
      local held = {}
      for round = 1, 6 do
        live(random, conn, reference, ids, ts, 10)
        held[round] = { db = conn:db(), t = ts[#ts], old = conn:db():as_of(ts[random(#ts)]) }
        held[round].since = held[round].db:since(ts[random(#ts)])
        if round % 2 == 0 then live(random, conn, reference, ids, ts, 3) end
        conn:request_index()
        conn:sync()
        for i, value in ipairs(held) do
          local function check(db, view)
            view.is_basis = true
            check_view(random, db, reference, view, ("round %d, value %d"):format(round, i))
          end
          check(value.db, { upper = value.t })
          check(value.db:history(), { upper = value.t, history = true })
          check(value.old, { upper = value.old.as_of_t })
          check(value.since, { upper = value.t, since = value.since.since_t })
        end
      end
      conn:close()
    end)
  end
end)
