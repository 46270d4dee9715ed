-- What a rule finds beyond a query's memory goes on in a temporary file: the answers are those of a query
-- with room, memory is kept to, and where there is no room on disk either the query says so.
local find = require "lion.find"
local lion = require "lion"

local MB = 2 ^ 20

-- Nodes 1 to count, each with edges to three others and a parent: all reach all.
local function graph(count)
  local conn = lion.connect "mem:"
  conn:transact(lion.schema { n = { to = { "ref", many = true }, up = { "ref" }, k = { "long" },
    long = { "long" }, double = { "double" }, word = { "string" } } })
  local tx = {}
  for i = 1, count do
    local node = { ["db/id"] = "n" .. i, ["n/k"] = i }
    node["n/to"] = { "n" .. i % count + 1, "n" .. i * 7 % count + 1, "n" .. (i * i + 3) % count + 1 }
    if i > 1 then node["n/up"] = "n" .. math.floor((i + 8) / 10) end
    local value = math.floor(i / 3) -- 2 is what 2.0 is
    if i % 3 == 0 then node["n/long"] = value elseif i % 3 == 1 then node["n/double"] = value end
    if i % 2 == 0 then node["n/word"] = "w" .. i end
    tx[i] = node
  end
  conn:transact(tx)
  conn:request_index()
  return conn
end

-- Closures that are no path through a graph, as they compare what they find.
local LINEAR = [=[[[(reach ?a ?b) [?a :n/to ?b] [(!= ?a ?b)]]
  [(reach ?a ?b) [?a :n/to ?m] [(!= ?a ?m)] (reach ?m ?b)]]]=]
local LEFT = [=[[[(reach ?a ?b) [?a :n/to ?b] [(!= ?a ?b)]]
  [(reach ?a ?b) (reach ?a ?m) [?m :n/to ?b] [(!= ?b ?m)]]]]=]
local NON_LINEAR = [=[[[(reach ?a ?b) [?a :n/to ?b] [(!= ?a ?b)]]
  [(reach ?a ?b) (reach ?a ?m) [?m :n/k _] (reach ?m ?b)]]]=]
local MUTUAL = [=[[[(odd ?a ?b) [?a :n/to ?b] [(!= ?a ?b)]] [(odd ?a ?b) (even ?a ?m) [?m :n/to ?b]]
  [(even ?a ?b) (odd ?a ?m) (odd ?m ?b)] [(reach ?a ?b) (odd ?a ?b)] [(reach ?a ?b) (even ?a ?b)]]]=]
local LEVEL = [=[[[(reach ?a ?b) [?a :n/up ?p] [?b :n/up ?p]]
  [(reach ?a ?b) [?a :n/up ?x] (reach ?x ?y) [?b :n/up ?y]]]]=]
local VALUES = [=[[[(has ?a ?v) [?a :n/long ?v]] [(has ?a ?v) [?a :n/double ?v]] [(has ?a ?v) [?a :n/word ?v]]
  [(has ?a ?v) [?a :n/to ?m] [(!= ?a ?m)] (has ?m ?v)]]]=]

-- A query's rows in order, and what it took.
local function ask(db, query, rules, options)
  options.statistics = 1
  local answer = find.all(lion.prepare(query), { db, rules }, 2, options)
  local rows = {}
  for i, row in ipairs(answer.ret) do
    for k = 1, #row do row[k] = tostring(row[k]) end
    rows[i] = table.concat(row, " ")
  end
  table.sort(rows)
  return rows, answer.query_stats
end

-- The operator of that name in a plan.
local function operator_in(tree, name)
  if tree.op == name then return tree end
  for _, child in ipairs(tree.children) do
    local found = operator_in(child, name)
    if found then return found end
  end
end

describe("A rule beyond the memory of its query", function()
  local conn, db

  setup(function()
    conn = graph(45)
    db = conn:db()
  end)
  teardown(function() conn:close() end)

  local function check(query, rules, least)
    local expected = ask(db, query, rules, {})
    assert.is_true(#expected > least)
    for _, rows_max in ipairs { 7, 100, 2000 } do
      local rows, tree = ask(db, query, rules, { table_rows_max = rows_max })
      assert.same(expected, rows)
      if rows_max == 7 then
        assert.is_true(tree.temp_peak > 0)
        assert.matches("%d+ answers in a temporary file, %d+ rounds", operator_in(tree, "rule").detail)
      end
    end
  end

  local CASES = {
    { "that calls itself last", LINEAR, "(reach ?a ?b)" },
    { "that calls itself first", LEFT, "(reach ?a ?b)" },
    { "that calls itself twice", NON_LINEAR, "(reach ?a ?b)" },
    { "that others call, which it calls", MUTUAL, "(reach ?a ?b)" },
    { "that calls itself in between", LEVEL, "(reach ?a ?b)" },
    { "asked from one end", LINEAR, "[?a :n/k ?i] [(< ?i 30)] (reach ?a ?b)" },
    { "asked from the other", NON_LINEAR, "[?b :n/k ?i] [(< ?i 30)] (reach ?a ?b)" },
    { "asked at both ends", NON_LINEAR, "[?a :n/k ?i] [?b :n/k ?j] [(< ?i ?j)] (reach ?a ?b)" },
    { "with one variable twice", LEVEL, "(reach ?a ?a) [?b :n/k _]" },
    { "in a not", LEVEL, "[?a :n/up _] [?b :n/up _] (not (reach ?a ?b))" },
    { "asked by what it found", LEVEL, "(reach ?a ?m) (reach ?m ?b)" },
    { "asked again while it is read", MUTUAL,
      "[?a :n/k ?i] [(< ?i 20)] (odd ?a ?m) [?m :n/up ?p] (even ?p ?b)" },
    { "in an or", LEVEL, "(or-join [?a ?b] (reach ?a ?b) (and [?a :n/to ?m] (reach ?m ?b)))" },
  }
  for _, case in ipairs(CASES) do
    it(case[1] .. " has the same answers", function()
      check("[:find ?a ?b :in $ % :where " .. case[3] .. "]", case[2], case[4] or 100)
    end)
  end

  it("finds values of any type, those that are equal once", function()
    check("[:find ?a ?v :in $ % :where (has ?a ?v)]", VALUES, 1000)
  end)

  it("is grouped as any other", function()
    check("[:find ?a (count ?b) (max ?k) :in $ % :where (reach ?a ?b) [?b :n/k ?k]]", LEFT, 40)
  end)

  it("is counted by another rule", function()
    local rules = LINEAR:sub(1, -2) .. [=[[(some ?a ?k) [?a :n/k ?k]]
      [(some ?a ?k) (reach ?a ?b) [?b :n/up ?p] (some ?p ?k)]]]=]
    check("[:find ?a ?k :in $ % :where (some ?a ?k)]", rules, 40)
  end)

  it("asks functions of the program as any other", function()
    local name = "spec.rules-memory/near"
    lion.fn(name, function(a, b) return math.abs(a - b) < 40 end)
    local rules = ([=[[[(reach ?a ?b) [?a :n/to ?b]]
      [(reach ?a ?b) (reach ?a ?m) [?m :n/k ?i] [?a :n/k ?j] [(NAME ?i ?j)] (reach ?m ?b)]]]=])
      :gsub("NAME", name)
    check("[:find ?a ?b :in $ % :where (reach ?a ?b)]", rules, 500)
  end)

  it("ends with an error where there may be no file, or it is full", function()
    local query = "[:find ?a ?b :in $ % :where (reach ?a ?b)]"
    local none, full = { temp_max = 0, memory_max = MB / 2 }, { temp_max = 20000, table_rows_max = 10 }
    for _, limits in ipairs { none, full } do
      local ok, e = pcall(ask, db, query, NON_LINEAR, limits)
      assert.is_false(ok)
      assert.equal("lion/limit", e.code)
      assert.equal("interrupted", e.category)
      assert.matches(limits == none and "memory_mb" or "temp_mb", e.message)
    end
  end)
end)

describe("A rule of 1,000,000 answers", function()
  it("needs no more than 8 MiB of memory", function()
    local conn = graph(1000)
    local db = conn:db()
    for _, rules in ipairs { LINEAR, LEFT } do
      local query = "[:find ?a (count ?b) :in $ % :where (reach ?a ?b)]"
      local rows, tree = ask(db, query, rules, { memory_max = 8 * MB })
      assert.equal(1000, #rows)
      for _, row in ipairs(rows) do assert.matches(" 1000$", row) end
      assert.is_true(tree.memory_peak <= 8 * MB)
      assert.matches("1000000 answers in a temporary file", operator_in(tree, "rule").detail)
    end
    conn:close()
  end)

  it("is asked for many rows at once where a few already have no room", function()
    local conn = graph(400)
    local db = conn:db()
    local query = "[:find ?a (count ?b) :in $ % :where [?a :n/up _] (reach ?a ?b)]"
    local expected = ask(db, query, LEVEL, {})
    local rows, tree = ask(db, query, LEVEL, { memory_max = 2.5 * MB })
    assert.same(expected, rows)
    assert.is_true(tree.memory_peak <= 2.5 * MB)
    conn:close()
  end)
end)

describe("A search for paths", function()
  it("stays in the trees where arrays have no room, and says so", function()
    local conn = graph(300)
    local db = conn:db()
    local rules = "[[(path ?a ?b) [?a :n/to ?b]] [(path ?a ?b) [?a :n/to ?m] (path ?m ?b)]]"
    local query = "[:find ?a (count ?b) :in $ % :where (path ?a ?b)]"
    local rows, tree = ask(db, query, rules, { table_rows_max = 100 })
    assert.matches("in the trees for want of memory", operator_in(tree, "path-search").detail)
    assert.matches("raise memory_mb", operator_in(tree, "path-search").advice)
    local expected, with_arrays = ask(db, query, rules, {}) -- which are kept from then on
    assert.matches("in arrays of %d+ references", operator_in(with_arrays, "path-search").detail)
    assert.same(expected, rows)
    conn:close()
  end)

  -- Of nodes whose ids are far apart, arrays take more than a search expects of them.
  it("begins again without arrays where they turn out to have no room, and says so", function()
    local conn, nodes = lion.connect "mem:", 4000
    conn:transact(lion.schema { n = { to = { "ref", many = true }, k = "long" } })
    local tx = {}
    for i = 1, nodes do
      for k = 1, 9 do tx[#tx + 1] = { ["db/id"] = "between" .. i .. "-" .. k, ["n/k"] = 0 } end
      tx[#tx + 1] = { ["db/id"] = "n" .. i, ["n/k"] = i, ["n/to"] = { "n" .. i % nodes + 1 } }
    end
    conn:transact(tx)
    local db, memory_max, is_again = conn:db(), MB, false
    local rules = "[[(path ?a ?b) [?a :n/to ?b]] [(path ?a ?b) [?a :n/to ?m] (path ?m ?b)]]"
    while true do
      local query = "[:find ?b :in $ % :where [?a :n/k ?k] [(< 0 ?k 2000)] (path ?a ?b)]"
      local ok, rows, tree = pcall(ask, db, query, rules, { memory_max = memory_max })
      if not ok then
        assert.equal("lion/limit", rows.code)
        break
      end
      assert.equal(nodes, #rows)
      is_again = is_again or (tree.advice or ""):find("begun again", 1, true) ~= nil
      memory_max = memory_max - 8192
    end
    assert.is_true(is_again)
    conn:close()
  end)
end)

describe("A query with a bound of memory", function()
  it("does not begin again for another limit", function()
    local conn, calls = lion.connect "mem:", 0
    conn:transact(lion.schema { n = { k = "long" } })
    local tx = {}
    for i = 1, 200 do tx[i] = { ["n/k"] = i } end
    conn:transact(tx)
    lion.fn("spec.memory/counted", function()
      calls = calls + 1
      return true
    end)
    local query = [=[[:find (sum ?l) . :with ?e :where [?e :n/k ?k] [(spec.memory/counted ?k)]
      [(ground [1 2 3]) [?l ...]]]]=]
    local ok, failure = pcall(find.all, query, { conn:db() }, 1, { rows_max = 300, memory_max = MB })
    assert.is_false(ok)
    assert.equal("lion/limit", failure.code)
    assert.equal(200, calls)
    conn:close()
  end)
end)
