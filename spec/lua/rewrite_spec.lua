-- What is rewritten before anything is planned: seen in the plan, and that no answer changes.
local find = require "lion.find"
local lion = require "lion"

describe("A query's rewriting", function()
  local conn, db

  setup(function()
    conn = lion.connect "mem:"
    conn:transact(lion.schema {
      p = { name = "string", age = "long", height = "double", nick = { "string", index = false },
        friend = "ref", lucky = { "long", many = true } },
    })
    local tx = {}
    for i = 1, 400 do
      tx[i] = { ["db/id"] = "p" .. i, ["p/name"] = "n" .. i % 50, ["p/age"] = i % 40,
        ["p/height"] = i % 7 + 0.0,
        ["p/nick"] = "n" .. i % 30, ["p/friend"] = "p" .. i % 400 + 1, ["p/lucky"] = i % 3 }
    end
    conn:transact(tx)
    conn:request_index()
    db = conn:db()
  end)
  teardown(function() conn:close() end)

  local function plan(query, ...) return db:explain(query, ...).text end
  local function has(text, part) assert.is_truthy(text:find(part, 1, true), text) end
  local function lacks(text, part) assert.is_nil(text:find(part, 1, true), text) end
  local function rows(query, ...) return #db:q(query, ...) end

  it("makes one variable of two that are equal, where their values are of one type", function()
    local query = "[:find ?e ?f :where [?e :p/name ?a] [?f :p/nick ?b] [(= ?a ?b)] [?e :p/age 7]]"
    has(plan(query), "hash-join ?a")
    lacks(plan(query), "filter")
    assert.equal(rows "[:find ?e ?f :where [?e :p/name ?a] [?f :p/nick ?a] [?e :p/age 7]]", rows(query))
    -- both are found: the second has the value of the first
    local both = db:q "[:find ?a ?b :where [?e :p/name ?a] [?f :p/nick ?b] [(= ?a ?b)] [?e :p/age 7]]"
    assert.is_true(#both > 0)
    for _, row in ipairs(both) do assert.equal(row[1], row[2]) end
  end)

  it("joins an entity to a reference that must be equal", function()
    local query = "[:find ?e ?f :where [?e :p/age 3] [?e :p/friend ?x] [?f :p/age 4] [(= ?x ?f)]]"
    lacks(plan(query), "filter")
    assert.equal(10, rows(query))
  end)

  it("keeps an equality of values of two types, and of doubles, a filter", function()
    local query = "[:find ?e ?f :where [?e :p/age ?a] [?f :p/height ?b] [(= ?a ?b)] [?e :p/name \"n2\"]]"
    has(plan(query), "filter [(= ?a ?b)]")
    local all = 0
    for _, age in ipairs(db:q "[:find [?a ...] :with ?e :where [?e :p/name \"n2\"] [?e :p/age ?a]]") do
      all = all + rows("[:find ?f :in $ ?h :where [?f :p/height ?h]]", age + 0.0)
    end
    assert.equal(all, rows(query))
    has(plan "[:find ?e ?f :where [?e :p/height ?a] [?f :p/height ?b] [(= ?a ?b)] [?e :p/age 1]]", "filter")
  end)

  it("computes functions of what is known, and reads the range that a comparison with them leaves", function()
    has(plan "[:find ?e :where [?e :p/age ?a] [(- 10 8) ?top] [(< ?a ?top)]]",
      "range [?e :p/age ?a]  avet .. 2")
    has(plan("[:find ?e :in $ ?x :where [?e :p/age ?a] [(- ?x 4) ?min] [(> ?a ?min)]]", 40), "avet 36 ..")
    assert.equal(30, rows("[:find ?e :in $ ?x :where [?e :p/age ?a] [(- ?x 4) ?min] [(> ?a ?min)]]", 40))
    assert.equal(20, rows "[:find ?e :where [(ground [1 2]) [?a ...]] [?e :p/age ?a]]")
    assert.equal(0, rows "[:find ?e :where [(ground []) [?a ...]] [?e :p/age ?a]]")
  end)

  it("computes functions of what is known once for all threads", function()
    local query = "[:find ?e ?n ?m ?x :in $ ?x :where "
      .. "[?e :p/lucky _] [(- 10 8) ?n] [(+ ?n ?x) ?m] [?e :p/age _]]"
    for seed = 1, 12 do
      local found = find.all(query, { db, 5 }, 2, { plan_seed = seed, threads = 3 })
      assert.equal(400, #found)
      for _, row in ipairs(found) do assert.same({ 2, 7, 5 }, { unpack(row, 2) }) end
    end
  end)

  it("leaves what cannot be computed to fail when a row comes to it", function()
    assert.has_error(function() db:q "[:find ?e ?x :where [?e :p/age 1] [(/ 1 0) ?x]]" end)
    assert.equal(0, rows "[:find ?e ?x :where [?e :p/age 1] [?e :p/age 77] [(/ 1 0) ?x]]")
    assert.has_error(function() db:q '[:find ?e :where [?e :p/name ?n] [(< ?n 3)] [(> ?n 5)]]' end)
  end)

  it("reads nothing where a condition of what is known does not hold", function()
    local text = plan("[:find ?e :in $ ?x :where [?e :p/age ?a] [(> ?x 3)]]", 2)
    has(text, "nothing [(> ?x 3)]")
    assert.equal(0, rows("[:find ?e :in $ ?x :where [?e :p/age ?a] [(> ?x 3)]]", 2))
    assert.equal(400, rows("[:find ?e :in $ ?x :where [?e :p/age ?a] [(> ?x 3)]]", 4))
  end)

  it("reads nothing where an entity would have two values of an attribute of cardinality one", function()
    has(plan "[:find ?e :where [?e :p/age 3] [?e :p/age 4]]", "nothing")
    lacks(plan("[:find ?e :where [?e :p/lucky 1] [?e :p/lucky 2]]"), "nothing")
    -- over all time an entity may have had both
    local e = db:q "[:find ?e . :where [?e :p/age 3]]"
    local after = db:with({ { "db/add", e, "p/age", 4 } }).db_after
    assert.equal(1, #after:history():q "[:find ?e :where [?e :p/age 3] [?e :p/age 4]]")
    assert.equal(0, #after:q "[:find ?e :where [?e :p/age 3] [?e :p/age 4]]")
  end)

  it("reads nothing where bounds exclude each other, in a branch too", function()
    has(plan "[:find ?e :where [?e :p/age ?a] [(< ?a 3)] [(> ?a 5)]]", "nothing")
    local query = "[:find ?e :where (or-join [?e] (and [?e :p/age ?a] [(< ?a 3)] [(> ?a 5)]) [?e :p/age 7])]"
    has(plan(query), "without 1 that cannot hold")
    assert.equal(10, rows(query))
    query = "[:find ?e :where [?e :p/age 7] (not-join [?e] [?e :p/age ?a] [(< ?a 3)] [(> ?a 5)])]"
    lacks(plan(query), "not (")
    assert.equal(10, rows(query))
  end)

  it("computes what is known in branches and rules, which then cannot hold, or read a range", function()
    local query = "[:find ?e :in $ ?x :where "
      .. "(or-join [?e ?x] (and [?e :p/age ?a] [(> ?x 3)]) (and [?e :p/age 7] [(> ?x 0)]))]"
    has(plan(query, 2), "without 1 that cannot hold")
    assert.equal(10, rows(query, 2))
    assert.equal(400, rows(query, 4))
    query = "[:find ?e :where (or-join [?e] (and [(+ 1 1) ?y] [?e :p/age ?a] [(< ?a ?y)]) [?e :p/age 7])]"
    has(plan(query), "range [?e :p/age ?a]  avet .. 2")
    assert.equal(30, rows(query))
    query = "[:find ?e :where (or-join [?e] (and [?e :p/age 1] [(< 3 2)]) (and [?e :p/age 2] [(> 1 2)]))]"
    has(plan(query), "nothing no branch of")
    assert.equal(0, rows(query))
    local rules = [=[[[(near ?a ?b) [?a :p/friend ?b] [(< 2 1)]]
      [(near ?a ?b) [?a :p/friend ?b] [(+ 2 1) ?x] [?b :p/age ?y] [(< ?y ?x)]]
      [(near ?a ?b) [?a :p/friend ?m] [?m :p/age 1] (near ?m ?b)]]]=]
    assert.equal(40, rows("[:find ?a ?b :in $ % :where (near ?a ?b)]", rules))
  end)

  it("reads a part of an index in the branches, too, where a comparison stands outside", function()
    local query = "[:find ?e :where (or [?e :p/age ?a] [?e :p/lucky ?a]) [(> ?a 37)]]"
    has(plan(query), "range [?e :p/age ?a]  avet 37")
    assert.equal(20, rows(query))
  end)

  it("does once what stands twice, and not what another clause says", function()
    local query = "[:find ?n :where [?e :p/name ?n] [?e :p/age 3] "
      .. "[?e :p/name _] [?e :p/age ?x] [?e :p/age 3]]"
    local text = plan(query)
    local _, count = text:gsub("%[%?e ", "")
    assert.equal(2, count)
    assert.equal(rows "[:find ?n :where [?e :p/name ?n] [?e :p/age 3]]", rows(query))
  end)

  it("gives the rows of an or once each, in whatever order its branches give them", function()
    local query = "[:find ?e :where [?e :p/friend ?f] [?f :p/age ?y] [(< ?y 9)] "
      .. "(or-join [?f ?x] [?f :p/lucky ?x] [?f :p/age ?x] [?f :p/friend ?x])]"
    local seen = {}
    for _, row in ipairs(db:q(query)) do
      assert.is_nil(seen[row[1]])
      seen[row[1]] = true
    end
    assert.equal(90, #db:q(query))
  end)
end)
