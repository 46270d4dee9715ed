-- luacheck: max line length 130 (a query stands on one line)
-- Comparing in queries: within a kind of values; between kinds there is no order.
local lion = require "lion"

local function ask(call, a, b)
  return lion.q("[:find ?r . :in ?a ?b :where [(" .. call .. ") ?r]]", a, b)
end

local function refused(call, a, b)
  local ok, e = pcall(ask, call, a, b)
  assert.is_false(ok)
  assert.equal("incorrect", e.category)
  return e
end

describe("Values of one kind", function()
  for _, case in ipairs {
    { "< ?a ?b", 1, 2, true }, { "< ?a ?b", 2, 1.5, false }, { "<= ?a ?b", 2, 2.0, true },
    { "> ?a ?b", "b", "a", true }, { ">= ?a ?b", ":a/b", ":a/c", false }, { "< ?a ?b", false, true, true },
    { "< ?a ?b", { 1, 2 }, { 1, 3 }, true }, { "compare ?a ?b", "a", "b", -1 }, { "compare ?a ?b", lion.null, 1, -1 },
    { "= ?a ?b", 2, 2.0, true }, { "= ?a ?b", 1, "1", false }, { "not= ?a ?b", 1, "1", true }, { "= ?a ?b", ":a", "a", false },
  } do
    it("compare: " .. case[1] .. " of " .. tostring(case[2]) .. ", " .. tostring(case[3]), function()
      assert.equal(case[4], ask(case[1], case[2], case[3]))
    end)
  end
end)

describe("Values of different kinds", function()
  for _, name in ipairs { "<", "<=", ">", ">=", "compare" } do
    it("have no order: " .. name, function()
      for _, pair in ipairs {
        { 1, "x", '"x"' }, { "x", 1, '"x"' }, { ":k", "k", ":k" }, { true, 1, "true" }, { { 1 }, 1, "[1]" },
      } do
        local e = refused(name .. " ?a ?b", pair[1], pair[2])
        assert.truthy(e.message:find(pair[3], 1, true))
      end
    end)
  end

  it("have none where an index could be ranged over", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { v = { n = "long" } })
    conn:transact { { ["v/n"] = 1 } }
    local ok, e = pcall(conn.db(conn).q, conn:db(), '[:find ?n :where [_ :v/n ?n] [(< ?n "x")]]')
    assert.is_false(ok)
    assert.equal("incorrect", e.category)
    conn:close()
  end)

  it("have a least and a greatest all the same", function()
    assert.same({ 1, "x" }, lion.q("[:find [(min ?x) (max ?x)] :in [?x ...]]", { "x", 1, 2 }))
  end)
end)

describe("A text beside what is written as text", function()
  local conn = lion.connect "mem:"
  conn:transact(lion.schema { v = { at = "instant", id = "uuid", uri = "uri", sym = "symbol" } })
  conn:transact { { ["v/at"] = "2013-01-01T00:00:00Z", ["v/id"] = "5b0d8c0e-1111-4c2b-9f00-00000000000a",
    ["v/uri"] = "http://x", ["v/sym"] = "a/b" } }
  local db = conn:db()

  it("is read as it", function()
    for _, case in ipairs {
      { "v/at", "(< ?x ?y)", "2014-01-01T00:00:00Z" }, { "v/at", "(> ?x ?y)", "2012-12-31" },
      { "v/at", "(= ?x ?y)", "2013-01-01T01:00:00+01:00" }, { "v/id", "(= ?x ?y)", "5B0D8C0E-1111-4C2B-9F00-00000000000A" },
      { "v/uri", "(= ?y ?x)", "http://x" }, { "v/sym", "(= ?x ?y)", "a/b" },
    } do
      local query = "[:find ?x :in $ ?y :where [_ :" .. case[1] .. " ?x] [" .. case[2] .. "]]"
      assert.equal(1, #db:q(query, case[3]), query)
    end
  end)

  it("is refused where it cannot be", function()
    local ok, e = pcall(db.q, db, '[:find ?x :where [_ :v/at ?x] [(< ?x "soon")]]')
    assert.is_false(ok)
    assert.equal("incorrect", e.category)
    assert.same({}, db:q '[:find ?x :where [_ :v/at ?x] [(= ?x "soon")]]')
  end)
end)

describe("NaN", function()
  it("equals nothing, not even itself, and is neither below nor above", function()
    for _, call in ipairs { "= ?a ?a", "== ?a ?a", "= ?a ?b", "< ?a ?b", "> ?a ?b", "<= ?a ?a", ">= ?a ?a" } do
      assert.equal(false, ask(call, 0 / 0, 1), call)
    end
    assert.equal(true, ask("not= ?a ?a", 0 / 0, 1))
    assert.equal(true, ask("= ?a", 0 / 0, 1))
  end)
end)

describe("tuple", function()
  it("takes one to eight values, vector any number", function()
    assert.same({ 1 }, lion.q "[:find ?r . :where [(tuple 1) ?r]]")
    assert.same({}, lion.q "[:find ?r . :where [(vector) ?r]]")
    for _, call in ipairs { "tuple", "tuple 1 2 3 4 5 6 7 8 9" } do refused(call, 1, 2) end
  end)
end)
