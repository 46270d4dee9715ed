-- luacheck: max line length 130 (queries stand on one line)
--- A merge join: two plans in the order of the one variable that both have find what look-ups and hash joins find.
package.path = "spec/?.lua;" .. package.path

local call = require "lion.call"
local core = require "lion.core"
local find = require "lion.find"
local lion = require "lion"
local random_numbers = require "model.random"

local SEED = tonumber(os.getenv "LION_SEED") or 11

local SCHEMA = lion.schema {
  a = { long = "long", double = "double", text = "string", word = "keyword", to = "ref", many = { "long", many = true },
    note = "string" },
  b = { long = "long", double = "double", text = "string", word = "keyword", to = "ref", many = { "long", many = true },
    note = "string" },
}

-- Facts of these attributes, a list of values for each: entity i of a list has the i-th.
local function world(lists, options)
  local conn = lion.connect "mem:"
  conn:transact(SCHEMA)
  local tx = {}
  for name, values in pairs(lists) do
    local space = name:match "^%a+"
    for i, value in ipairs(values) do
      local id = ("%s-%s-%d"):format(space, name:sub(3), i)
      tx[#tx + 1] = { ["db/id"] = id, [name] = value, [space .. "/note"] = id }
    end
  end
  conn:transact(tx)
  if not (options and options.novel) then conn:request_index() end
  return conn
end

local function finish(handle)
  for count in function() return core.query_next(handle) end do
    if count == 0 then call.answer(handle) end -- a filter is wanted
  end
end

-- The answer's rows as texts, in their order, and the plan's tree.
local function run(db, query, options)
  local rows, texts = find.all(query, { db }, 1, options), {}
  for i, row in ipairs(rows) do texts[i] = table.concat(row, " ") end
  options.statistics = 1
  local handle = find.open(query, { db }, 1, options)
  options.statistics = nil
  finish(handle)
  local tree = core.explain(handle)
  core.step_close(handle)
  return texts, tree
end

local function operators(tree, list)
  list = list or {}
  list[#list + 1] = tree
  for _, child in ipairs(tree.children) do operators(child, list) end
  return list
end

local function named(tree, name)
  local list = {}
  for _, operator in ipairs(operators(tree)) do
    if operator.op == name then list[#list + 1] = operator end
  end
  return list
end

-- The rows of the merge, after they were found to be those of any other way; and its tree.
local function merged(db, query, options)
  options = options or {}
  options.plan_without = { "merge-join" }
  local expected = run(db, query, options)
  options.plan_without, options.plan_with = nil, { "merge-join" }
  local rows, tree = run(db, query, options)
  local sorted = {}
  for i, row in ipairs(rows) do sorted[i] = row end
  table.sort(sorted)
  table.sort(expected)
  assert.same(expected, sorted)
  return rows, tree
end

local function is_merged(tree) return #named(tree, "merge-join") > 0 end

local BY = "[:find ?x ?y :where [?x :a/%s ?v] [?y :b/%s ?v]]"
local function by(kind, other) return BY:format(kind, other or kind) end

describe("A merge join", function()
  for _, case in ipairs {
    { "whole numbers", "long", { 1, 3, 3, 5, 9 }, { 3, 4, 5, 5, 7 }, 4 },
    { "doubles", "double", { -1.5, 0, 2.25, 7 }, { 0, 2.25, 2.25, 8.5 }, 3 },
    { "texts", "text", { "b", "a", "ab", "" }, { "ab", "b", "b", "c" }, 3 },
    { "keywords", "word", { ":k/a", ":b", ":c" }, { ":c", ":k/a", ":k/b" }, 2 },
    { "values of attributes with several", "many", { { 1, 2 }, { 2, 3 } }, { { 2, 3 }, { 4 }, { 1 } }, 3 },
  } do
    it("finds " .. case[1] .. " that two attributes have", function()
      local conn = world { ["a/" .. case[2]] = case[3], ["b/" .. case[2]] = case[4] }
      local rows, tree = merged(conn:db(), by(case[2]))
      assert.is_true(is_merged(tree))
      assert.equal(case[5], #rows)
      conn:close()
    end)
  end

  it("leaves values of two types, such as 1 and 1.0, to look-ups", function()
    local conn = world { ["a/long"] = { 1, 2, 3 }, ["b/double"] = { 1, 2.5, 3 } }
    local rows, tree = merged(conn:db(), by("long", "double"))
    assert.is_false(is_merged(tree))
    assert.equal(2, #rows)
    conn:close()
  end)

  it("joins references with the entities that they name, and with each other", function()
    local conn = lion.connect "mem:"
    conn:transact(SCHEMA)
    local tx = {}
    for i = 1, 400 do
      tx[#tx + 1] = { ["db/id"] = "t" .. i, ["a/text"] = "t" .. i, ["a/long"] = i % 7 }
      tx[#tx + 1] = { ["a/to"] = "t" .. (i * i % 400 + 1), ["a/note"] = "a" .. i }
      tx[#tx + 1] = { ["b/to"] = "t" .. (i * 3 % 400 + 1), ["b/note"] = "b" .. i % 50 }
    end
    conn:transact(tx)
    conn:request_index()
    local _, tree = merged(conn:db(), "[:find ?n ?m ?l :where [?x :a/to ?t] [?x :a/note ?n] "
      .. "[?y :b/to ?t] [?y :b/note ?m] [?t :a/long ?l]]")
    assert.is_true(is_merged(tree))
    _, tree = merged(conn:db(), "[:find ?m ?s :where [?y :b/to ?t] [?y :b/note ?m] [?t :a/text ?s] [?t :a/long 3]]")
    assert.is_true(is_merged(tree))
    conn:close()
  end)

  for _, case in ipairs { { "none on the left", {}, { 1, 2 } }, { "none on the right", { 1, 2 }, {} },
    { "only smaller ones on the left", { 1, 2 }, { 8, 9 } }, { "only greater ones on the left", { 8, 9 }, { 1, 2 } } } do
    it("finds nothing where there are " .. case[1], function()
      local conn = world { ["a/long"] = case[2], ["b/long"] = case[3] }
      assert.same({}, (merged(conn:db(), by "long")))
      conn:close()
    end)
  end

  describe("of values that come often", function()
    local conn, db

    -- On the left 30 rows of 5 and one of 6; on the right 3,000 of 5, which no batch holds, and others.
    setup(function()
      local left, right = { 6, 1 }, { 4, 6, 6 }
      for _ = 1, 30 do left[#left + 1] = 5 end
      for i = 1, 3000 do right[#right + 1] = i % 1000 == 0 and 7 or 5 end
      conn = world { ["a/long"] = left, ["b/long"] = right }
      db = conn:db()
    end)
    teardown(function() conn:close() end)

    it("makes every row of the one with every row of the other", function()
      local rows, tree = merged(db, by "long")
      assert.is_true(is_merged(tree))
      assert.equal(30 * 2997 + 2, #rows)
    end)

    it("keeps what has no room in a temporary file", function()
      local rows = merged(db, by "long", { table_rows_max = 100 })
      assert.equal(30 * 2997 + 2, #rows)
    end)

    it("meets each row but once where nobody asks for more of the other", function()
      local rows, tree = merged(db, "[:find ?y :where [?x :a/long ?v] [?y :b/long ?v]]")
      assert.is_true(is_merged(tree))
      assert.equal(2999, #rows)
    end)

    it("has rows of the other once, whatever told them apart before", function()
      local rows = merged(db, "[:find ?x ?v :where [?x :a/long ?v] [?y :b/long ?v] [?y :b/note ?n]]")
      assert.equal(31, #rows)
    end)

    it("ends when it is told, within a value", function()
      local options = { plan_with = { "merge-join" }, rows_max = 5000 }
      local query = "[:find (count ?n) . :with ?x ?y :where [?x :a/long ?v] [?y :b/long ?v] [?y :b/note ?n] [(not= ?x ?y)]]"
      local ok, e = pcall(find.all, query, { db }, 1, options)
      assert.is_false(ok)
      assert.equal("lion/limit", e.code)
      ok, e = pcall(find.all, query, { db }, 1, { plan_with = { "merge-join" }, memory_max = 60000, temp_max = 0 })
      assert.is_false(ok)
      assert.equal("lion/limit", e.code)
    end)
  end)

  it("leaves out what is between, where one side has few", function()
    local left, right = {}, {}
    for i = 1, 20 do left[i] = i * 4000 end
    for i = 1, 80000 do right[i] = i end
    local conn = world { ["a/long"] = left, ["b/long"] = right }
    local rows, tree = merged(conn:db(), by "long")
    assert.equal(20, #rows)
    for _, scan in ipairs(named(tree, "scan")) do assert.is_true(scan.rows < 45000, scan.rows) end
    local asked = 0
    local filtered = conn:db():filter(function()
      asked = asked + 1
      assert(asked < 200000, "asked again and again")
      return true
    end)
    assert.equal(20, #run(filtered, by "long", { plan_with = { "merge-join" } }))
    assert.is_true(asked < 2 * 45000, asked) -- by run, twice
    conn:close()
  end)

  it("is in the order of the variable, so that another can follow", function()
    local list = {}
    for i = 1, 3000 do list[i] = i * 7 % 500 end
    local conn = world { ["a/long"] = list, ["a/many"] = list, ["b/long"] = { 3, 3, 77, 420, 499 }, ["b/many"] = list }
    local query = "[:find ?v ?x ?y ?z :where [?x :a/long ?v] [?y :b/long ?v] [?z :b/many ?v]]"
    local rows, tree = merged(conn:db(), query)
    assert.equal(2, #named(tree, "merge-join"))
    local last = -1
    for _, row in ipairs(rows) do
      local v = tonumber(row:match "%d+")
      assert.is_true(v >= last)
      last = v
    end
    conn:close()
  end)

  it("remembers rows of one value alone, for a distinct on it", function()
    local list = {}
    for i = 1, 20000 do list[i] = i % 5000 end
    local conn = world { ["a/long"] = list, ["b/long"] = list }
    local query = "[:find ?v ?l :where [?x :a/long ?v] [?x :a/note ?n] [?y :b/long ?v] [?y :b/note ?m] [(subs ?m 0 6) ?l]]"
    local rows, tree = merged(conn:db(), query)
    assert.equal(5000, #rows)
    assert.is_true(#named(tree, "distinct") > 0)
    for _, distinct in ipairs(named(tree, "distinct")) do assert.is_true(distinct.memory < 400 * 1024, distinct.memory) end
    conn:close()
  end)

  it("takes what comparisons leave of an index in its order, in novelty too", function()
    for _, novel in ipairs { false, true } do
      local random, left, right = random_numbers.new(SEED), {}, {}
      for i = 1, 3000 do left[i], right[i] = random(2000), random(2000) end
      local conn = world({ ["a/long"] = left, ["b/long"] = right }, { novel = novel })
      local more = {}
      for i = 1, 500 do more[i] = { ["a/long"] = random(2000), ["b/long"] = random(2000) } end
      conn:transact(more)
      local query = "[:find ?x ?y ?v :where [?x :a/long ?v] [?y :b/long ?v] [(> ?v 1000)] [(< ?v 1100)]]"
      local _, tree = merged(conn:db(), query)
      assert.is_true(is_merged(tree) and #named(tree, "range") == 2)
      conn:close()
    end
  end)

  -- Values that come, change and go, a part of them indexed.
  local function changing()
    local random, ids = random_numbers.new(SEED), {}
    local conn = world { ["a/long"] = {}, ["b/long"] = {} }
    local tx = {}
    for i = 1, 1500 do tx[i] = { ["db/id"] = "e" .. i, ["a/long"] = random(300), ["b/long"] = random(900) } end
    local report = conn:transact(tx)
    for i = 1, 1500 do ids[i] = report.tempids["e" .. i] end
    conn:request_index()
    local between = conn:db().basis_t
    tx = {}
    for i = 1, 1500, 3 do tx[#tx + 1] = { ["db/id"] = ids[i], ["a/long"] = random(300), ["b/long"] = random(900) } end
    conn:transact(tx)
    return conn, between, tx
  end

  for _, case in ipairs {
    { "now", function(db) return db end },
    { "earlier", function(db, t) return db:as_of(t) end },
    { "since then", function(db, t) return db:since(t) end },
    { "of all times", function(db) return db:history() end },
    { "with what might be", function(db, _, tx) return db:as_of(db.basis_t):with(tx).db_after end },
    { "that a filter lets through", function(db) return db:filter(function(_, datom) return datom.e % 3 > 0 end) end },
  } do
    it("reads the database as it is " .. case[1], function()
      local conn, t, tx = changing()
      local ok, db = pcall(case[2], conn:db(), t, tx)
      if not ok then db = conn:db():with(tx).db_after end
      local rows, tree = merged(db, by "long")
      assert.is_true(is_merged(tree) and #rows > 100)
      conn:close()
    end)
  end

  it("joins two databases", function()
    local one, other = world { ["a/long"] = { 1, 2, 3, 5 } }, world { ["b/long"] = { 2, 3, 3, 4 } }
    local query = "[:find ?v ?y :in $ $2 :where [?x :a/long ?v] [$2 ?y :b/long ?v]]"
    local inputs = { one:db(), other:db() }
    local rows = find.all(query, inputs, 2, { plan_with = { "merge-join" } })
    assert.equal(3, #rows)
    local handle = find.open(query, inputs, 2, { plan_with = { "merge-join" } })
    finish(handle)
    assert.is_true(is_merged((core.explain(handle))))
    core.step_close(handle)
    one:close()
    other:close()
  end)

  it("stays in one thread, with both sides read by several", function()
    local random, left, right = random_numbers.new(SEED), {}, {}
    for i = 1, 20000 do left[i], right[i] = random(9000), random(9000) end
    local conn = world { ["a/long"] = left, ["b/long"] = right }
    local query = "[:find ?x ?y ?v :where [?x :a/long ?v] [?y :b/long ?v] [?y :b/note ?n]]"
    local alone = run(conn:db(), query, { plan_with = { "merge-join" } })
    local shared, tree = run(conn:db(), query, { plan_with = { "merge-join", "parallel" }, threads = 3 })
    assert.is_true(#named(tree, "parallel") > 0)
    assert.same(alone, shared)
    conn:close()
  end)

  it("relies on no order that a not below it loses where its keys have no room", function()
    local conn = lion.connect "mem:"
    conn:transact(SCHEMA)
    local tx, without_room = {}, 0
    for i = 1, 200 do
      tx[i] = { ["db/id"] = "e" .. i, ["a/text"] = "text " .. i * 7 % 90 }
      if i % 2 == 0 then tx[i]["a/to"] = "e" .. i * 3 % 200 + 1 end
      if i % 3 > 0 then tx[i]["a/long"] = i end
    end
    conn:transact(tx)
    conn:request_index()
    local query = "[:find ?x :where [?x :a/text ?v] [?y :a/to ?t] (not-join [?t] [?t :a/to ?z] [?z :a/long _]) [?y :a/text ?v]]"
    for seed = 1, 40 do
      local options = { plan_seed = seed, table_rows_max = 3, threads = 2, rows_max = 100000 }
      local rows, tree = merged(conn:db(), query, options)
      assert.equal(100, #rows, "plan " .. seed)
      for _, operator in ipairs(named(tree, "not")) do
        local is_told = operator.advice and operator.advice:find("no room", 1, true)
        without_room = without_room + (is_told and 1 or 0)
      end
    end
    assert.is_true(without_room > 0)
    conn:close()
  end)

  it("is taken where both sides are large, and not where one row of the other would do", function()
    local random, left, right = random_numbers.new(SEED), {}, {}
    for i = 1, 5000 do left[i], right[i] = random(1000), random(1000) end
    local conn = world { ["a/long"] = left, ["b/long"] = right }
    local _, tree = run(conn:db(), by "long", {})
    assert.is_true(is_merged(tree))
    _, tree = run(conn:db(), '[:find ?y :where [?x :a/note "a-long-7"] [?x :a/long ?v] [?y :b/long ?v]]', {})
    assert.is_false(is_merged(tree))
    conn:close()
  end)

  for round = 1, 4 do
    it("finds what is found otherwise, of any values (" .. round .. ", seed " .. SEED .. ")", function()
      local random, lists = random_numbers.new(SEED + round * 101), {}
      for _, name in ipairs { "a/long", "b/long", "a/many", "b/many" } do
        local list, spread = {}, ({ 3, 40, 500, 5000 })[random(4)]
        for i = 1, random(250) do list[i] = random(4) == 1 and random(10) * 100 or random(spread) end
        lists[name] = list
      end
      local conn = world(lists, { novel = random(2) == 1 })
      local function number() return ({ "long", "many" })[random(2)] end
      for _ = 1, 4 do
        local query = ("[:find %s :where [?x :a/%s ?v] [?y :b/%s ?v]%s%s]"):format(
          ({ "?x ?y", "?x", "?y", "?v", "?v ?y" })[random(5)], number(), number(),
          random(2) == 1 and " [?y :b/note ?n]" or "", random(3) == 1 and " [?z :a/many ?v]" or "")
        merged(conn:db(), query, { table_rows_max = random(3) == 1 and random(20) or 0, threads = random(2) })
      end
      conn:close()
    end)
  end
end)
