-- luacheck: max line length 130 (a query stands on one line)
-- Lookup refs as inputs of queries: on every kind of database value, in every shape of binding.
local lion = require "lion"

local conn = lion.connect "mem:"
conn:transact(lion.schema { person = { email = { "string", unique = "identity" }, name = "string", boss = "ref" } })
local before = conn:db().basis_t
local ids = conn:transact({
  { ["db/id"] = "ann", ["person/email"] = "ann@x", ["person/name"] = "Ann" },
  { ["db/id"] = "bob", ["person/email"] = "bob@x", ["person/name"] = "Bob", ["person/boss"] = "ann" },
  { ["db/id"] = "cid", ["person/email"] = "cid@x", ["person/name"] = "Cid", ["person/boss"] = "ann" },
}).tempids
local db = conn:db()
local ANN, BOB, NOBODY = { "person/email", "ann@x" }, { "person/email", "bob@x" }, { "person/email", "no@x" }

local function sorted(list)
  table.sort(list)
  return list
end

local names = "[:find [?n ...] :in $ %s :where [?e :person/name ?n]]"
local function names_by(value, binding, input) return sorted(value:q(names:format(binding), input)) end

for name, value in pairs {
  ["the present"] = db,
  ["as-of"] = db:as_of(db.basis_t),
  ["since"] = db:since(before),
  ["history"] = db:history(),
  ["a filtered value"] = db:filter(function() return true end),
  ["a filtered history"] = db:history():filter(function() return true end),
  ["what with made"] = db:with({ { ["person/name"] = "New" } }).db_after,
} do
  describe("A lookup ref as an input on " .. name, function()
    it("is an entity in each binding", function()
      assert.same({ "Ann" }, names_by(value, "?e", ANN))
      assert.same({ "Ann" }, names_by(value, "?e", lion.lookup("person/email", "ann@x")))
      assert.same({ "Ann" }, names_by(value, "[?e _]", { ANN, 1 }))
      assert.same({ "Ann", "Bob" }, names_by(value, "[?e ...]", { ANN, BOB }))
      assert.same({ "Ann", "Bob" }, names_by(value, "[[?e _]]", { { ANN, 1 }, { BOB, 2 } }))
    end)

    it("is one among ids, and nobody where it finds none", function()
      assert.same({ "Ann", "Bob" }, names_by(value, "[?e ...]", { ids.ann, BOB, NOBODY }))
      assert.same({}, names_by(value, "?e", NOBODY))
    end)

    it("is the value of a ref, of not, of a rule, of get-else", function()
      local rules = "[[(under ?e ?b) [?e :person/boss ?b]]]"
      local function staff(clauses)
        return sorted(value:q("[:find [?n ...] :in $ ?b % :where " .. clauses .. "]", ANN, rules))
      end
      assert.same({ "Bob", "Cid" }, staff "[?e :person/boss ?b] [?e :person/name ?n]")
      assert.same({ "Bob", "Cid" }, staff "(under ?e ?b) [?e :person/name ?n]")
      local others = staff "[?e :person/name ?n] [?e :person/email] (not [?e :person/boss ?b])"
      assert.same({ "Ann" }, others)
      assert.same({ "Ann" }, staff '[(get-else $ ?b :person/name "?") ?n]')
    end)
  end)
end

describe("A lookup ref as an input", function()
  it("is not seen where the fact it names is not", function()
    assert.same({}, names_by(db:as_of(before), "?e", ANN))
    assert.same({}, names_by(db:since(db.basis_t), "?e", ANN))
  end)

  it("can be pulled, as an ident can", function()
    local pulled = "[:find [(pull ?e [:person/name]) ...] :in $ [?e ...]]"
    assert.same({ { ["person/name"] = "Ann" } }, db:q(pulled, { ANN }))
    assert.same({ ["db/ident"] = ":person/name" }, db:q("[:find (pull ?e [:db/ident]) . :in $ ?e]", ":person/name"))
    assert.same({ lion.null }, db:q(pulled, { NOBODY }))
  end)
end)

describe("What is no entity", function()
  it("is nothing to pull: a text that names nobody, an error what cannot name anybody", function()
    assert.same({ lion.null }, db:q('[:find [(pull ?n [*]) ...] :where [?e :person/name ?n] [?e :person/email "bob@x"]]'))
    local ok, e = pcall(db.q, db, "[:find (pull ?x [*]) :in $ ?x]", 1.5)
    assert.is_false(ok)
    assert.equal("db.error/not-an-entity", e.code)
  end)
end)
