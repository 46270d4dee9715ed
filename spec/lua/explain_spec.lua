-- Plans as people read them: rows estimated and actual, what is read, and advice; and queries that are slow.
local lion = require "lion"

local function people(count)
  local conn = lion.connect "mem:"
  conn:transact(lion.schema {
    p = { name = "string", age = "long", note = { "string", index = false }, boss = "ref" },
  })
  local tx = {}
  for i = 1, count do
    tx[i] = { ["db/id"] = "p" .. i, ["p/name"] = "n" .. i, ["p/age"] = i % 80, ["p/note"] = "x" .. i,
      ["p/boss"] = "p" .. math.floor(i / 2) + (i == 1 and 1 or 0) }
  end
  conn:transact(tx)
  return conn
end

-- All operators of a plan, the last one first.
local function operators(tree, list)
  list = list or {}
  list[#list + 1] = tree
  for _, child in ipairs(tree.children) do operators(child, list) end
  return list
end

local function find(tree, detail)
  for _, operator in ipairs(operators(tree)) do
    if operator.detail:find(detail, 1, true) then return operator end
  end
end

describe("A plan", function()
  local conn, db

  setup(function()
    conn = people(1200)
    db = conn:db()
  end)
  teardown(function() conn:close() end)

  it("tells of each operator what it read and how many rows it made", function()
    local plan = db:explain "[:find ?n :where [?e :p/age 7] [?e :p/name ?n]]"
    local age, name = find(plan.tree, ":p/age"), find(plan.tree, ":p/name")
    assert.equal("avet", age.index)
    assert.equal(15, age.rows)
    assert.equal(15, age.rows_estimated)
    assert.equal("aevt", name.index)
    assert.equal(15, name.rows)
    assert.is_true(name.time_ns >= age.time_ns)
    assert.is_number(name.memory)
    assert.matches("%[%?e :p/age 7%]  avet  ~15 rows, 15 actual, [%d.]+ ms, %d+ KiB\n", plan.text)
  end)

  it("tells the memory that each operator had at most for itself", function()
    local function sum(tree)
      local bytes = tree.memory
      for _, child in ipairs(tree.children) do bytes = bytes + sum(child) end
      return bytes
    end
    local plan = db:explain "[:find ?n ?a :where [?e :p/age ?a] [?e :p/name ?n]]"
    local set, column, row = plan.tree, 8, 8
    assert.equal("distinct", set.op)
    assert.is_true(set.memory >= set.rows * (2 * column + row))
    assert.is_true(sum(plan.tree) <= plan.tree.memory_peak)
  end)

  it("tells what is made of its rows: groups, an order, the first of them", function()
    local grouped = db:explain [=[[:find ?a (count ?e) (max ?n) :where [?e :p/age ?a] [?e :p/name ?n]
      :order-by [?a :desc]]]=].tree
    local groups, rows = grouped.children[1], grouped.children[1].children[1]
    assert.equal("sort by ?a desc", grouped.op .. " " .. grouped.detail)
    assert.equal("group (count ?e), (max ?n) by ?a", groups.op .. " " .. groups.detail)
    assert.same({ 80, 80, 1200 }, { grouped.rows, groups.rows, rows.rows })
    assert.is_true(grouped.time_ns >= groups.time_ns and groups.time_ns >= rows.time_ns)
    assert.is_true(grouped.memory > 0 and groups.memory > 0)

    local first = db:explain "[:find ?e ?a :where [?e :p/age ?a] :order-by [?a ?e] :limit 5 :offset 10]".tree
    assert.equal("first 5 after 10 by ?a, ?e", first.op .. " " .. first.detail)
    assert.same({ 5, 5 }, { first.rows, first.rows_estimated })
    local streamed = db:explain "[:find ?e :where [?e :p/age 7] :limit 4]".tree
    assert.equal("first 4", streamed.op .. " " .. streamed.detail)
    assert.equal(4, streamed.rows)
  end)

  it("tells the range of an index that comparisons leave", function()
    local plan = db:explain "[:find ?e :where [?e :p/age ?a] [(> ?a 75)] [(< ?a 77)]]"
    assert.equal("75 .. 77", find(plan.tree, ":p/age").range)
    assert.matches("avet 75 %.%. 77", plan.text)
  end)

  it("says where an index is missing", function()
    local plan = db:explain '[:find ?e :where [?e :p/note "x7"]]'
    assert.matches("no index on p/note", find(plan.tree, ":p/note").advice)
    assert.matches("\n *! no index on p/note", plan.text)
  end)

  it("says where nothing joins two parts", function()
    local plan = db:explain "[:find ?a ?b :where [?a :p/age 7] [?b :p/age 8]]"
    assert.matches("cartesian product between %?[ab] and %?[ab]", plan.text)
  end)

  it("says why a rule is computed for all", function()
    local rules = [=[[[(above ?a ?b) [?a :p/boss ?b]]
      [(above ?a ?b) [?a :p/boss ?c] (above ?c ?b) [?c :p/age]]]]=]
    local plan = db:explain("[:find (count ?a) . :in $ % :where (above ?a ?b)]", rules)
    assert.matches("computed unbound because no clause or input binds %?a", plan.text)
    local bound = db:explain('[:find ?b :in $ % :where [?a :p/name "n9"] (above ?a ?b)]', rules)
    assert.is_nil(bound.text:find("unbound", 1, true))
  end)

  it("says that every datom is read", function()
    assert.matches("every datom is read", db:explain("[:find (count ?e) . :where [?e ?a ?v]]").text)
  end)

  it("is what { stats = true } gives beside the result", function()
    local query = "[:find ?n . :where [?e :p/age 7] [?e :p/name ?n]]"
    local answer = lion.q { query = query, args = { db }, stats = true }
    assert.matches("^n%d+$", answer.ret)
    assert.equal("avet", find(answer.query_stats, ":p/age").index)
  end)
end)

describe("A slow query", function()
  after_each(function() lion.on_slow_query(nil) end)

  it("is told with its plan and inputs", function()
    local conn, told = people(50), {}
    local db = conn:db()
    lion.on_slow_query(function(slow) told[#told + 1] = slow end, 0)
    local query = "[:find [?e ...] :in $ ?a :where [?e :p/age ?a]]"
    assert.equal(1, #db:q(query, 7))
    for _ in db:rows(lion.prepare(query), 8) do assert.is_table(told) end
    assert.equal(2, #told)
    assert.equal(query, told[1].query)
    assert.equal(query, told[2].query)
    assert.same({ db, 7 }, told[1].inputs)
    assert.is_number(told[1].ms)
    assert.matches(":p/age", told[1].plan)
    assert.equal(1, find(told[1].tree, ":p/age").rows)
    conn:close()
  end)

  it("is one from so many milliseconds on", function()
    local conn, told = people(5), 0
    lion.on_slow_query(function() told = told + 1 end, 1e9)
    conn:db():q "[:find ?e :where [?e :p/age 7]]"
    assert.equal(0, told)
    conn:close()
  end)

  it("is told to functions alone", function()
    assert.has_error(function() lion.on_slow_query "x" end)
    assert.has_error(function() lion.on_slow_query(print, "x") end)
  end)
end)
