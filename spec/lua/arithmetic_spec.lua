-- Built-in arithmetic and predicates over columns say of each row what they say of its values alone, and fail
-- where the first row fails that comes to them. LION_SEED repeats a run.
local lion = require "lion"

local SEED = tonumber(os.getenv "LION_SEED") or os.time()
local ROWS = 50

-- The values of an attribute of each type: near each other, and at the ends.
local VALUES = {
  long = { 0, 1, -1, 2, 3, 7, -12, 1000, 9007199254740993LL, 9223372036854775807LL,
    -9223372036854775807LL - 1LL },
  double = { 0.5, -0.25, 1, 3, -0.0, 0, 1e300, -1e300, 9007199254740992, 1e19, 0 / 0 },
  instant = { "1970-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
    "2013-05-05T00:00:00.5Z" },
  string = { "", "a", "ab", "abc", "b", "bab" },
  bigdec = { "1.5", "-0.25", "3", "0" },
  boolean = { true, false },
}
local TYPES = { "long", "long", "double", "double", "instant", "string", "bigdec", "boolean" }
local CALLS = {
  "+ ?x ?y", "- ?x ?y", "* ?x ?y", "/ ?x ?y", "quot ?x ?y", "rem ?x ?y", "mod ?x ?y",
  "min ?x ?y", "max ?x ?y", "inc ?x", "dec ?x", "abs ?x", "- ?x", "/ ?x", "+ ?x", "* ?x",
  "+ ?x 1", "- 1 ?x", "* ?x 0.5", "/ ?x 2", "mod ?x 10",
  "+ ?x ?y 1", "* ?x 2 ?y", "- ?x ?y 0.5 1", "/ ?x ?y 3", "max ?x ?y 2", "min 1 ?x ?y",
}
local TESTS = {
  "< ?x ?y", "<= ?x ?y", "> ?x ?y", ">= ?x ?y", "= ?x ?y", "not= ?x ?y",
  "< ?x 2", ">= 0.5 ?x", "= ?x 1", "!= ?x 3",
  "< -1 ?x ?y", "<= ?x ?y 7", "> 5 ?x -5 ?y", "= ?x ?y 1", "not= ?x ?y 1", "zero? ?x",
  "pos? ?x", "neg? ?y", "even? ?x", "odd? ?x", 'starts-with? ?x "a"', "ends-with? ?x ?y", "includes? ?x ?y",
}

local function database()
  local conn, attributes = lion.connect "mem:", { i = "long" }
  for name in pairs(VALUES) do attributes["x-" .. name], attributes["y-" .. name] = name, name end
  conn:transact(lion.schema { n = attributes })
  return conn
end

local function fill(conn, random, x_type, y_type, is_near)
  local rows, tx = {}, {}
  local function value(kind)
    local values = VALUES[kind]
    return values[random(is_near and math.min(7, #values) or #values)]
  end
  for i = 1, ROWS do
    rows[i] = { x = value(x_type), y = value(y_type) }
    tx[i] = { ["n/i"] = i, ["n/x-" .. x_type] = rows[i].x, ["n/y-" .. y_type] = rows[i].y }
  end
  conn:transact(tx)
  return rows
end

local function shown(value) return value ~= value and "nan" or type(value) .. " " .. tostring(value) end

-- What the call says of one row: its answer or its error, as text; nil: nothing.
local function alone(db, i, find, patterns, call, bound)
  local text = ("[:find %s . :in $ ?i :where [?e :n/i ?i] %s [(%s) %s]]"):format(find, patterns, call, bound)
  local ok, answer = pcall(db.q, db, text, i)
  if ok then return answer ~= nil and shown(answer) or nil end
  return nil, tostring(answer)
end

-- The same of all rows at once: by row, or the error.
local function together(db, find, patterns, call, bound)
  local text = ("[:find ?i %s :where [?e :n/i ?i] %s [(%s) %s]]"):format(find, patterns, call, bound)
  local ok, found = pcall(db.q, db, text)
  if not ok then return nil, tostring(found) end
  local by_row = {}
  for _, row in ipairs(found) do by_row[row[1]] = shown(row[2]) end
  return by_row
end

local function compare(db, find, patterns, call, bound)
  local found, message = together(db, find, patterns, call, bound)
  local expected_message
  for i = 1, ROWS do
    local answer, failed = alone(db, i, find, patterns, call, bound)
    expected_message = expected_message or failed
    if found then assert.equal(answer, found[i], ("%s of row %d"):format(call, i)) end
  end
  assert.equal(expected_message, message, call)
end

describe("Over columns, with seed " .. SEED, function()
  math.randomseed(SEED)
  local random = math.random

  for round = 1, 6 do
    local x_type, y_type = TYPES[random(#TYPES)], TYPES[random(#TYPES)]
    if round % 2 == 0 then y_type = x_type end
    local conn = database()
    fill(conn, random, x_type, y_type, round % 4 < 2)
    local db = conn:db()
    local patterns = ("[?e :n/x-%s ?x] [?e :n/y-%s ?y]"):format(x_type, y_type)
    it(("a function of %s and %s answers each row as by itself"):format(x_type, y_type), function()
      for _, call in ipairs(CALLS) do compare(db, "?z", patterns, call, "?z") end
    end)
    it(("a predicate of %s and %s passes each row as by itself"):format(x_type, y_type), function()
      for _, call in ipairs(TESTS) do compare(db, "?i", patterns, call, "") end
    end)
    it(("what is selected of %s and %s alone is computed"):format(x_type, y_type), function()
      patterns = patterns .. " [?e :n/i ?k] [(odd? ?k)]"
      for _, call in ipairs(CALLS) do compare(db, "?z", patterns, call, "?z") end
    end)
  end
end)

describe("Arithmetic", function()
  local function answers(text, ...) return lion.q(text, ...) end

  it("goes on where an answer is an argument", function()
    local text = [=[[:find ?i ?z :in [[?i ?p ?d]]
      :where [(- 1 ?d) ?rest] [(* ?rest ?p) ?z] :order-by [?i]]]=]
    assert.same({ { 1, 75 }, { 2, 50 } }, answers(text, { { 1, 100, 0.25 }, { 2, 200, 0.75 } }))
  end)

  it("takes rows of any types beside each other", function()
    local rows = { { 1, 2 }, { 2, 2.5 }, { 3, -0.0 }, { 4, 9007199254740993LL } }
    local found = answers("[:find ?i ?z :in [[?i ?x]] :where [(+ ?x 1) ?z] :order-by [?i]]", rows)
    assert.same({ { 1, 3 }, { 2, 3.5 }, { 3, 1 }, { 4, 9007199254740994LL } }, found)
  end)

  it("tells rows that have the answer already", function()
    local rows = { { 1, 1, 2 }, { 2, 5, 5 }, { 3, 0.5, 1.5 }, { 4, 2, 3 } }
    local text = "[:find [?i ...] :in [[?i ?x ?y]] :where [(+ ?x 1) ?y] :order-by [?i]]"
    assert.same({ 1, 3, 4 }, answers(text, rows))
  end)

  it("fails of no row that an earlier predicate has dropped", function()
    local rows = { { 1, 10, 2 }, { 2, 10, 0 }, { 3, 9, 3 } }
    local text = "[:find ?i ?z :in [[?i ?x ?y]] :where [(not= ?y 0)] [(quot ?x ?y) ?z] :order-by [?i]]"
    assert.same({ { 1, 5 }, { 3, 3 } }, answers(text, rows))
  end)

  it("fails as the first row fails that comes to it", function()
    local rows = {}
    for i = 1, 3000 do rows[i] = { i, i % 1700 } end
    local ok, e = pcall(answers, "[:find ?i ?z :in [[?i ?y]] :where [(quot ?i ?y) ?z]]", rows)
    assert.is_false(ok)
    assert.equal("lion/division-by-zero", e.code)
    rows[1700][2], rows[900] = 1, { 9223372036854775807LL, 2 }
    ok, e = pcall(answers, "[:find ?i ?z :in [[?i ?y]] :where [(* ?i ?y) ?z]]", rows)
    assert.is_false(ok)
    assert.equal("(* 9223372036854775807 2) does not fit into 64 bits", e.message)
  end)

  it("gives the rows before one that fails to whom they are enough", function()
    local rows = {}
    for i = 1, 60 do rows[i] = { i, 50 - i } end
    local text = "[:find ?i ?z :in [[?i ?y]] :where [(quot 100 ?y) ?z] :limit 5]"
    assert.equal(5, #answers(text, rows))
  end)

  it("has no answer of nil", function()
    assert.same({}, answers("[:find ?z :in [?x ...] :where [(min ?x) ?z]]", { lion.null }))
  end)
end)
