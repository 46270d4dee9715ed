--- Connections to a node that name an application: queries, filters and pulls call what it allows, by name.
local lion = require "lion"
local node = require "spec.node.node"

local FILES = {
  ["ion.lua"] = [[return { app = "shop",
    allow = { "shop.fns/adults", "shop.fns/shout", "shop.fns/older", "shop.fns/forever" } }]],
  ["shop/fns.lua"] = [==[
local fns = {}
function fns.adults(db, datom)
  if datom.a ~= "person/age" then return true end
  return datom.v >= 18
end
function fns.shout(text) return text:upper() end
function fns.older(db, name)
  local age = db:q("[:find ?a . :in $ ?n :where [?e :person/name ?n] [?e :person/age ?a]]", name)
  return { { ["person/name"] = name, ["person/age"] = age + 1 } }
end
function fns.forever() while true do end end
return fns
]==],
}

describe("A connection to a node with an application's functions", function()
  local cluster, one, conn

  setup(function()
    cluster = node.cluster()
    one = cluster:start { name = "one", group = "main", workers = 1 }
    cluster:run(one, FILES, "main")
    conn = lion.connect(one.door .. "/people", { app = "shop" })
    conn:transact(lion.schema { person = { name = { "string", unique = "identity" }, age = "long" } })
    local tx = {}
    for i = 1, 500 do tx[i] = { ["person/name"] = "name" .. i, ["person/age"] = i % 100 } end
    conn:transact(tx)
  end)

  teardown(function()
    if conn then conn:close() end
    cluster:close()
  end)

  local function refused(code, fn, ...)
    local ok, e = pcall(fn, ...)
    assert.is_false(ok)
    assert.equal(code, type(e) == "table" and e.code or e)
    return e
  end

  it("calls them in queries and pulls", function()
    local db = conn:db()
    assert.equal("NAME7", db:q("[:find ?N . :where [?e :person/name \"name7\"] [?e :person/name ?n] "
      .. "[(shop.fns/shout ?n) ?N]]"))
    assert.same({ ["person/name"] = "NAME7" }, db:pull("[(:person/name :xform shop.fns/shout)]",
      { "person/name", "name7" }))
    assert.equal(500, #lion.q("[:find [?N ...] :where [_ :person/name ?n] [(shop.fns/shout ?n) ?N]]", db))
  end)

  it("filters by name, and the filter is part of the value", function()
    local db = conn:db()
    local adults = db:filter "shop.fns/adults"
    assert.is_true(adults.is_filtered)
    assert.equal(410, adults:count("aevt", "person/age"))
    assert.is_nil(adults:entity { "person/name", "name7" }["person/age"])
    assert.is_true(adults == db:filter "shop.fns/adults")
    assert.is_false(adults == db)
    local count = 0
    for datom in adults:datoms("aevt", "person/age") do
      count = count + 1
      assert.is_true(datom.v >= 18)
    end
    assert.equal(410, count)
    refused("lion/not-found", db.filter, db, "shop.fns/nothing")
  end)

  it("calls them in transactions, and in those that are not made", function()
    local with = conn:db():with { { "shop.fns/older", "name7" } }
    assert.equal(8, with.db_after:pull("[:person/age]", { "person/name", "name7" })["person/age"])
    conn:transact { { "shop.fns/older", "name7" } }
    assert.equal(8, conn:db():entity { "person/name", "name7" }["person/age"])
  end)

  it("goes on where its worker was replaced", function()
    local db = conn:db():filter "shop.fns/adults"
    node.kill(one:pids("worker")[1])
    assert.equal(410, db:count("aevt", "person/age"))
  end)

  it("is not held by a function without an end", function()
    local ENDLESS = "[:find ?x . :where [_ :person/name ?n] [(shop.fns/forever ?n) ?x]]"
    refused("lion/timeout", lion.q, { query = ENDLESS,
      args = { conn:db() }, timeout = 300 })
    assert.equal("NAME1", conn:db():q("[:find ?N . :in $ ?n :where [(shop.fns/shout ?n) ?N]]", "name1"))
  end)

  it("says when the application does not run there", function()
    local other = lion.connect(one.door .. "/people", { app = "nobody" })
    local e = refused("lion/not-found", function() return other:db():count "eavt" end)
    assert.is_truthy(e.message:find "nobody")
    other:close()
    refused("lion/syntax", lion.connect, one.door .. "/people", { app = "a/b" })
  end)
end)
