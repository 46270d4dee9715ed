-- What the contract refuses in passing: options that nobody knows, queries that say two things.
local lion = require "lion"

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_table(e)
  assert.is_string(e.message)
  return e
end

describe("An option of connect that nobody knows", function()
  it("is refused with the list of the known ones", function()
    local e = raised(lion.connect, "mem:", { durabilty = "none" })
    assert.equal("incorrect", e.category)
    assert.truthy(e.message:find("durabilty", 1, true))
    assert.truthy(e.message:find("durability, ", 1, true))
  end)
end)

describe("An attribute given by its bare name", function()
  it("is an input like its keyword, and comes back as that", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { v = { n = "long" } })
    conn:transact { { ["v/n"] = 7 } }
    local query = "[:find [?a ?v] :in $ ?a :where [_ ?a ?v]]"
    for _, name in ipairs { "v/n", ":v/n" } do
      assert.same({ ":v/n", 7 }, conn:db():q(query, name))
    end
    conn:close()
  end)
end)

describe("A query", function()
  it("may be a list", function()
    assert.same({ 1, 2 }, lion.q("(:find [?x ...] :in [?x ...] :order-by ?x)", { 2, 1 }))
  end)

  it("of a table with a hole is refused: what may be anything is a blank", function()
    local conn = lion.connect "mem:"
    local e = raised(conn.db(conn).q, conn:db(), { find = { "?e" }, where = { { "?e", nil, 3 } } })
    assert.equal("incorrect", e.category)
    assert.truthy(e.message:find('"_"', 1, true))
    conn:close()
  end)

  it("that calls a rule as its head is written is told so", function()
    local rules = "[[(next [?x] ?y) [(inc ?x) ?y]]]"
    local e = raised(lion.q, "[:find ?y :in ?x % :where (next [?x] ?y)]", 1, rules)
    assert.equal("lion/syntax", e.code)
    assert.truthy(e.message:find("one by one", 1, true))
  end)

  for name, text in pairs {
    ["with two kinds of keys"] = "[:find ?e :keys a :strs b :where [?e :v/n]]",
    ["with nil as the default of get-else"] =
      "[:find ?x :where [?e :v/n] [(get-else $ ?e :v/n nil) ?x]]",
  } do
    it(name .. " is refused", function()
      local conn = lion.connect "mem:"
      conn:transact(lion.schema { v = { n = "long" } })
      local db = conn:db()
      assert.equal("incorrect", raised(function() return db:q(text) end).category)
      conn:close()
    end)
  end
end)
