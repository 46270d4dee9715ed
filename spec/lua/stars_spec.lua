-- Stars over thousands of entities, of which each attribute has all, most, few, or whole stretches: indexed,
-- changed since, and as they were before. LION_SEED repeats a run.
local lion = require "lion"

local SEED = tonumber(os.getenv "LION_SEED") or os.time()

local TYPES = {
  all = "long", most = "long", few = "long", stretches = "double", words = "string", texts = "string",
}
local NAMES = { "all", "most", "few", "stretches", "words", "texts" }

local random = math.random

-- Whether the i-th entity has the attribute.
local function has(name, i)
  if name == "most" then return random(10) > 1 end
  if name == "few" then return random(20) == 1 end
  if name == "stretches" then return math.floor(i / 300) % 2 == 0 end
  return name ~= "texts" or random(2) == 1
end

local function value_of(name)
  if name == "words" then return "word " .. random(30) end
  if name == "texts" then return "text " .. random(1000000) end
  if name == "stretches" then return random(1000) / 8 end
  return name == "all" and random(100) or random(-100000, 100000)
end

local function add_rows(conn, rows, count)
  local tx = {}
  for i = #rows + 1, #rows + count do
    local row, entity = { i = i }, { ["n/i"] = i }
    for _, name in ipairs(NAMES) do
      if has(name, i) then
        row[name] = value_of(name)
        entity["n/" .. name] = row[name]
      end
    end
    rows[i] = row
    tx[#tx + 1] = entity
    if random(400) == 1 then tx[#tx + 1] = { ["db/doc"] = "neither" } end -- an id that is none of the table's
  end
  conn:transact(tx)
end

local function make()
  local conn, attributes, rows = lion.connect "mem:", { i = { "long", unique = "identity" } }, {}
  for name, kind in pairs(TYPES) do attributes[name] = kind end
  conn:transact(lion.schema { n = attributes })
  for _ = 1, 4 do add_rows(conn, rows, random(1500)) end
  return conn, rows
end

-- Some rows lose a value, or get another one: what to transact, and the rows then.
local function changes_of(rows)
  local tx, copies = {}, {}
  for i, row in ipairs(rows) do
    local copy = {}
    for name, value in pairs(row) do copy[name] = value end
    copies[i] = copy
    local name = NAMES[random(#NAMES)]
    if random(15) == 1 and copy[name] then
      local is_gone = random(2) == 1
      local value = not is_gone and value_of(name) or nil
      local operation = is_gone and "db/retract" or "db/add"
      tx[#tx + 1] = { operation, { "n/i", i }, "n/" .. name, value or copy[name] }
      copy[name] = value
    end
  end
  return tx, copies
end

local function digest(list)
  table.sort(list)
  return table.concat(list, "\n")
end

local function check(db, rows, first, second, low, high)
  local text = ("[:find ?i ?x ?y :where [?e :n/%s ?x] [(<= %d ?i %d)] [?e :n/%s ?y] [?e :n/i ?i]]")
  local found, expected = {}, {}
  for _, row in ipairs(db:q(text:format(first, low, high, second))) do
    found[#found + 1] = ("%d %s %s"):format(row[1], row[2], row[3])
  end
  for i = low, math.min(high, #rows) do
    local x, y = rows[i][first], rows[i][second]
    if x and y then expected[#expected + 1] = ("%d %s %s"):format(i, x, y) end
  end
  assert.equal(#expected, #found)
  assert.equal(digest(expected), digest(found))
end

-- Of those whose value is below a bound, which are many or few, in no order.
local function check_below(db, rows, name, bound)
  local found, expected = {}, {}
  local text = "[:find ?i ?y :where [?e :n/all ?x] [(< ?x %d)] [?e :n/%s ?y] [?e :n/i ?i]]"
  for _, row in ipairs(db:q(text:format(bound, name))) do
    found[#found + 1] = ("%d %s"):format(row[1], row[2])
  end
  for i, row in ipairs(rows) do
    local is_below = row.all and row.all < bound
    if is_below and row[name] then expected[#expected + 1] = ("%d %s"):format(i, row[name]) end
  end
  assert.equal(digest(expected), digest(found))
end

-- Entities of some values: looked up one by one, and more often than reading what is not indexed takes.
local function check_values(db, rows, name, values)
  local wanted, expected = {}, {}
  for _, value in ipairs(values) do wanted[value] = true end
  for i, row in ipairs(rows) do
    if wanted[row[name]] then expected[#expected + 1] = ("%d %s"):format(i, row[name]) end
  end
  local text = ("[:find ?i ?x :in $ [?x ...] :where [?e :n/%s ?x] [?e :n/i ?i]]"):format(name)
  for _ = 1, 4 do
    local found = {}
    for _, row in ipairs(db:q(text, values)) do found[#found + 1] = ("%d %s"):format(row[1], row[2]) end
    assert.equal(digest(expected), digest(found))
  end
end

local function check_all(db, rows)
  check_values(db, rows, "words", { "word 1", "word 7", "word 30", "no word" })
  check_values(db, rows, "all", { random(100), random(100), 1000 })
  check_values(db, rows, "stretches", { 0.125, 0.5, 125 })
  for _, first in ipairs(NAMES) do
    for _, second in ipairs(NAMES) do
      if first ~= second then
        check(db, rows, first, second, 1, #rows)
        local low = random(#rows)
        check(db, rows, first, second, low, low + random(500))
      end
    end
    check_below(db, rows, first, random(100))
  end
end

describe("A star, with seed " .. SEED, function()
  math.randomseed(SEED)
  local conn, rows = make()
  conn:request_index()
  local before = conn:db()
  local tx, changed = changes_of(rows)
  conn:transact(tx)
  add_rows(conn, changed, random(1500))

  it("has what is indexed", function() check_all(before, rows) end)
  it("has what was changed and added since", function() check_all(conn:db(), changed) end)
  it("has what is changed as if", function()
    local changes, rows_then = changes_of(changed)
    check_all(conn:db():with(changes).db_after, rows_then)
  end)
  it("has what was before", function() check_all(conn:db():as_of(before.basis_t), rows) end)
  it("has what is indexed anew", function()
    conn:request_index()
    check_all(conn:db(), changed)
  end)
end)

-- An answer is determined by what it is computed of: where that is, rows are counted without a set of them.
describe("Rows of a star that are only counted", function()
  local conn = lion.connect "mem:"
  conn:transact(lion.schema { n = { a = "long", b = "long", many = { "long", many = true } } })
  local tx = {}
  for i = 1, 300 do tx[i] = { ["n/a"] = i % 7, ["n/b"] = i % 5, ["n/many"] = { i % 3, i % 4 + 10 } } end
  conn:transact(tx)
  conn:request_index()
  local db = conn:db()

  local function query_of(clauses) return "[:find (count ?e) . :in $ ?k :where " .. clauses .. "]" end
  local function count_of(clauses) return db:q(query_of(clauses), 1) end
  local function is_set(clauses) return db:explain(query_of(clauses), 1).text:match "distinct" ~= nil end

  it("are counted as entities, whatever is computed of their values", function()
    local clauses = "[?e :n/a ?a] [?e :n/b ?b] [(* ?a 0.5) ?h] [(- 3 ?h) ?m] [(+ ?m ?b ?k) ?x] [(< ?x 5)]"
    local expected = 0
    for i = 1, 300 do if 3 - i % 7 * 0.5 + i % 5 + 1 < 5 then expected = expected + 1 end end
    assert.equal(expected, count_of(clauses))
    assert.is_false(is_set(clauses))
  end)

  it("are a set where an argument has several values", function()
    local clauses = "[?e :n/a ?a] [?e :n/many ?m] [(+ ?a ?m) ?x] [(< ?x 100)]"
    assert.equal(300, count_of(clauses))
    assert.is_true(is_set(clauses))
  end)

  it("are a set where the answer is of chance", function()
    assert.equal(300, count_of "[?e :n/many ?m] [(rand 1000) ?r] [(< ?r 1000)]")
    assert.is_true(is_set "[?e :n/many ?m] [(rand 1000) ?r] [(< ?r 1000)]")
  end)
end)

describe("A second thread", function()
  local conn = lion.connect "mem:"
  conn:transact(lion.schema { n = { a = "long", b = "long" } })
  local tx = {}
  for i = 1, 30000 do tx[i] = { ["n/a"] = i % 700, ["n/b"] = i % 500 } end
  conn:transact(tx)
  conn:request_index()

  local function has_operator(tree, op)
    for _, child in ipairs(tree.children or {}) do
      if has_operator(child, op) then return true end
    end
    return tree.op == op
  end
  local function is_shared(text)
    local one = lion.q { query = text, args = { conn:db() }, threads = 1 }
    local two = lion.q { query = text, args = { conn:db() }, threads = 2, stats = true }
    assert.same(one, two.ret)
    return has_operator(two.query_stats, "parallel")
  end

  it("is for what is called row by row", function()
    assert.is_true(is_shared [=[[:find (max ?c) . :where [?e :n/a ?a] [?e :n/b ?b] [(str ?a ?b) ?x]
      [(count ?x) ?c]]]=])
  end)

  it("is not for loops over columns, which are over before it is there", function()
    assert.is_false(is_shared "[:find (sum ?x) . :with ?e :where [?e :n/a ?a] [?e :n/b ?b] [(* ?a ?b) ?x]]")
  end)

  it("is not for a star whose rows all have to cross", function()
    assert.is_false(is_shared "[:find ?a (median ?b) :with ?e :where [?e :n/a ?a] [?e :n/b ?b]]")
  end)
end)
