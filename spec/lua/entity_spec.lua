-- luacheck: max line length 140 (a transaction or a query stands on one line)
local lion = require "lion"

local function order()
  local conn = lion.connect "mem:"
  conn:transact(lion.schema {
    order = { no = { "string", unique = "identity" }, line = { "ref", many = true, component = true }, status = "ref", to = "ref" },
    line = { qty = "long", note = { "ref", component = true } }, note = { text = "string" } })
  conn:transact { { ["db/ident"] = ":status/open" } }
  local ids = conn:transact({ { ["db/id"] = "o", ["order/no"] = "N1", ["order/status"] = ":status/open", ["order/to"] = "p",
    ["order/line"] = { { ["db/id"] = "l", ["line/qty"] = 2, ["line/note"] = { ["db/id"] = "n", ["note/text"] = "gift" } } } },
    { ["db/id"] = "p", ["db/doc"] = "somebody" } }).tempids
  return conn:db(), ids
end

describe("An entity", function()
  it("reads attributes forward and back", function()
    local db, ids = order()
    local e = db:entity { "order/no", "N1" }
    assert.equal(ids.o, e.id)
    assert.is_true(e.db == db)
    assert.equal("N1", e["order/no"])
    assert.equal("N1", e[":order/no"])
    assert.equal(":status/open", e["order/status"])
    assert.equal("somebody", e["order/to"]["db/doc"])
    assert.equal(2, e["order/line"][1]["line/qty"])
    assert.equal(ids.o, db:entity(ids.l)["order/_line"].id)
    assert.equal(ids.o, db:entity(ids.p)["order/_to"][1].id)
    assert.equal(ids.o, db:entity(":status/open")["order/_status"][1].id)
    assert.equal(ids.o, e["db/id"])
    assert.is_nil(e["order/_nothing"])
    assert.is_nil(e["nothing/here"])
  end)

  it("is touched whole, with its components", function()
    local db, ids = order()
    local seen = {}
    for key, value in pairs(db:entity(ids.o):touch()) do seen[key] = value end
    local names = {}
    for key in pairs(seen) do names[#names + 1] = key end
    table.sort(names)
    assert.same({ "order/line", "order/no", "order/status", "order/to" }, names)
    assert.equal("gift", rawget(rawget(seen["order/line"][1], "line/note"), "note/text"))
    assert.is_nil(rawget(seen["order/to"], "db/doc"))
  end)

  it("is written as a map of its id and what was read of it", function()
    local db, ids = order()
    local e = db:entity(ids.l)
    assert.equal(("{:db/id %.0f}"):format(ids.l), lion.edn.write(e))
    assert.equal(('{"db/id":%.0f}'):format(ids.l), lion.json.write(e))
    local text = lion.json.write(db:entity(ids.o):touch())
    assert.truthy(text:find('"order/no":"N1"', 1, true))
    assert.truthy(text:find('"note/text":"gift"', 1, true))
  end)

  it("is equal by id and database, read only, and itself a value", function()
    local db, ids = order()
    local e = db:entity(ids.o)
    assert.is_true(e == db:entity(ids.o))
    assert.is_false(e == db:entity(ids.l))
    assert.has_error(function() e.x = 1 end)
    assert.equal("N1", db:q("[:find ?n . :in $ ?e :where [?e :order/no ?n]]", e))
    assert.equal(ids.o, db:entid(e))
  end)
end)

it("An entity is touched with components of any depth", function()
  local DEPTH = 5000
  local conn = lion.connect "mem:"
  conn:transact(lion.schema { node = { n = "long", part = { "ref", component = true } } })
  local tx = {}
  for i = 1, DEPTH do
    tx[i] = { ["db/id"] = "n" .. i, ["node/n"] = i, ["node/part"] = i < DEPTH and "n" .. i + 1 or nil }
  end
  local report = conn:transact(tx)
  local part, count = report.db_after:entity(report.tempids.n1):touch(), 0
  while part do
    count = count + 1
    assert.equal(count, rawget(part, "node/n"))
    part = rawget(part, "node/part")
  end
  assert.equal(DEPTH, count)
  conn:close()
end)
