local column_code = require "lion.column_code"
local lion = require "lion"

local NAN, INFINITY = 0 / 0, 1 / 0

-- Where arithmetic is peculiar, and more rows than one round of registers has.
local NUMBERS = {
  0, -0.0, 1, -1, 2, 3, -3, 0.5, -0.5, 2.5, 1e300, -1e300, 2 ^ 53, -2 ^ 53, INFINITY, -INFINITY, NAN,
}
for i = 1, 300 do NUMBERS[#NUMBERS + 1] = (i * 7919 % 101 - 50) / (i % 3 + 1) end

local function rows_of(numbers)
  local rows = {}
  for i = 1, #numbers do rows[i] = { i, numbers[i], numbers[i * 5 % #numbers + 1] } end
  return rows
end

local ROWS = rows_of(NUMBERS)

local function is_same(x, y) return x == y and (x ~= 0 or 1 / x == 1 / y) or x ~= x and y ~= y end

-- What a query says of all rows: of a predicate the rows that pass, of a function what it answers.
local function verdicts(name, rows)
  local found = {}
  local text = ("[:find [?i ...] :in [[?i ?x ?y]] :where [(%s ?x ?y)]]"):format(name)
  for _, i in ipairs(lion.q(text, rows)) do found[i] = true end
  return found
end

local function answers(name, rows)
  local found = {}
  local text = ("[:find ?i ?z :in [[?i ?x ?y]] :where [(%s ?x ?y) ?z]]"):format(name)
  for _, row in ipairs(lion.q(text, rows)) do found[row[1]] = row[2] end
  return found
end

local function compare(fn, source, rows)
  lion.fn("spec.code/f", fn)
  local passed, answered = verdicts("spec.code/f", rows), answers("spec.code/f", rows)
  for i, row in ipairs(rows) do
    local expected = fn(row[2], row[3])
    local words = ("%s of %s, %s"):format(source, row[2], row[3])
    assert.equal(expected ~= nil and expected ~= false, passed[i] == true, words)
    local is_right = expected == answered[i]
    if type(expected) == "number" then is_right = is_same(expected, answered[i]) end
    assert(is_right, words .. ": " .. tostring(answered[i]))
  end
end

local PREDICATES = {
  "x > 5", "x >= 5", "x < y", "x <= y", "x == y", "x ~= y", "not (x < 5)", "not (x >= y)",
  "x > -3 and x < 9", "x < -3 or x > 9", "x > 0 and y > 0 or x < 0 and y < 0", "x ~= nil and x > 5",
  "(x + y) % 2 == 1", "x % y < 1", "-x < 3 and 2 - x > 0", "1 / x > 0", "x * 2 - 1 == 2 / y",
  "x and y", "not x",
  "(x > 5) == true", "(x > 5) == (y > 5)", "x == 3 and nil", "x ~= nil", "3 % x == 1",
  "x - 1 < 0.1 and x / 4 > -7.25",
}

local FUNCTIONS = {
  "x", "x + 1", "2 * x - y", "-x", "x / y", "x % 3", "7 % y", "1 / x", "x < y and x or y",
  "x > 5", "x > 5 and 1 or 0", "x * 0", "x - x", "0.25 * x", "x ~= y", "x > 0 and x < 10 and x * x or -1",
}

-- The same as a function, and with another way to return.
local function variants(source)
  return {
    load("return function(x, y) return " .. source .. " end")(),
    load("return function(x, y) local z = " .. source .. " if z then return z end return z end")(),
  }
end

describe("A function that is arithmetic", function()
  for _, source in ipairs(PREDICATES) do
    it("passes the rows that it passes by itself: " .. source, function()
      for _, fn in ipairs(variants(source)) do compare(fn, source, ROWS) end
    end)
  end

  for _, source in ipairs(FUNCTIONS) do
    it("answers what it answers by itself: " .. source, function()
      for _, fn in ipairs(variants(source)) do compare(fn, source, ROWS) end
    end)
  end

  it("has code, over columns and constants", function()
    for _, source in ipairs { "x > 5", "x > 0 and y > 0 or x < 0 and y < 0", "(x + y) % 2 == 1" } do
      assert.is_table(column_code.of(variants(source)[1], 2, true), source)
    end
    for _, source in ipairs { "x + 1", "x < y and x or y", "x > 5" } do
      assert.is_table(column_code.of(variants(source)[1], 2, false), source)
    end
  end)

  it("says the same by chance", function()
    local seed = tonumber(os.getenv "LION_SEED") or 7
    math.randomseed(seed)
    local function any(list) return list[math.random(#list)] end
    local number, truth
    function number(depth)
      local dice = math.random(depth > 0 and 7 or 3)
      if dice == 1 then return any { "x", "y" } end
      if dice == 2 then return tostring(math.random(-9, 9)) end
      if dice == 3 then return any { "x", "y", "0.5", "u" } end
      if dice == 4 then return ("(- %s)"):format(number(depth - 1)) end
      return ("(%s %s %s)"):format(number(depth - 1), any { "+", "-", "*", "/", "%" }, number(depth - 1))
    end
    function truth(depth)
      local dice = math.random(depth > 0 and 5 or 1)
      if dice == 1 then
        return ("(%s %s %s)"):format(number(1), any { "<", "<=", ">", ">=", "==", "~=" }, number(2))
      elseif dice == 2 then
        return ("(not %s)"):format(truth(depth - 1))
      end
      return ("(%s %s %s)"):format(truth(depth - 1), any { "and", "or" }, truth(depth - 1))
    end
    local coded = 0
    for _ = 1, 60 do
      local source = truth(3)
      if math.random(3) == 1 then source = ("%s and %s or %s"):format(truth(1), number(2), number(2)) end
      local fn = load("local u = 3 return function(x, y) return " .. source .. " end")()
      compare(fn, ("seed %d: %s"):format(seed, source), ROWS)
      if column_code.of(fn, 2, true) then coded = coded + 1 end
    end
    assert.is_true(coded > 20, coded)
  end)
end)

describe("A function that is more than arithmetic", function()
  local calls = 0
  local MORE = {
    counts = function(x) calls = calls + 1 return x > 5 end,
    calls = function(x) return math.floor(x) > 5 end,
    loops = function(x) for _ = 1, 3 do x = x + 1 end return x > 5 end,
    waits = function(x) while x < 5 do x = x + 1 end return x == 5 end,
    ["has a text"] = function(x) return x == 5 and "five" or "other" end,
    ["reads a table"] = function(x) return ({ 5 })[1] < x end,
    ["is a power"] = function(x) return x ^ 2 > 5 end,
    ["has any number of arguments"] = function(...) return (...) > 5 end,
    ["has an argument that is not given"] = function(x, y, z) return z == nil and x > y end,
    ["compares what cannot be compared"] = function(x) return x > 5 and nil < x end,
  }
  for name, fn in pairs(MORE) do
    it("has no code: one that " .. name, function() assert.is_nil(column_code.of(fn, 2, true)) end)
  end

  it("has none as a function of both numbers and truths", function()
    assert.is_nil(column_code.of(function(x) return x > 5 and x end, 1, false))
    assert.is_table(column_code.of(function(x) return x > 5 and x end, 1, true))
  end)

  it("is called as ever", function()
    lion.fn("spec.code/counts", MORE.counts)
    calls = 0
    verdicts("spec.code/counts", { { 1, 2, 3 }, { 2, 9, 3 } }) -- of one argument too many
    assert.equal(2, calls)
  end)
end)

describe("Upvalues", function()
  it("are read anew for each query", function()
    local limit = 5
    lion.fn("spec.code/above", function(x) return x > limit end)
    local rows = { { 1, 4, 0 }, { 2, 8, 0 } }
    assert.same({ [2] = true }, verdicts("spec.code/above", rows))
    limit = 3
    assert.same({ true, true }, verdicts("spec.code/above", rows))
    limit = nil
    local ok, e = pcall(verdicts, "spec.code/above", rows)
    assert.is_false(ok)
    assert.equal("lion/function-failed", e.code)
  end)

  it("may be no numbers where they are not compared", function()
    local text = "none"
    lion.fn("spec.code/mixed", function(x) return x > 5 and x ~= text end)
    assert.same({ [2] = true }, verdicts("spec.code/mixed", { { 1, 4, 0 }, { 2, 8, 0 } }))
  end)
end)

describe("Columns that are no numbers", function()
  it("are compared by the function", function()
    lion.fn("spec.code/same", function(x, y) return x == y end)
    local rows = { { 1, "a", "a" }, { 2, "a", "b" }, { 3, true, true } }
    assert.same({ true, [3] = true }, verdicts("spec.code/same", rows))
  end)
end)

describe("Steps of a program", function()
  local fuel = require "ions.fuel"
  local call = require "lion.call"
  local meter = require "ions.fuel.meter"

  after_each(function()
    local function nothing() end
    call.set_host { hold = nothing, release = nothing, is_held = nothing }
  end)

  it("are counted as if each row had been asked", function()
    local source = "local limit = ... return function(x) return x > 5 end"
    local fn = assert(fuel.load(source, "@p.lua", {}))(3)
    assert.is_table(column_code.of(fn, 1, true))
    lion.fn("spec.code/stepping", fn)
    local list = {}
    for i = 1, 500 do list[i] = i end
    local function ask()
      return #lion.q("[:find [?x ...] :in [?x ...] :where [(spec.code/stepping ?x)]]", list)
    end
    call.set_host(meter)
    local budget = fuel.budget { steps = 2000 }
    for _ = 1, 3 do
      local ok, found = budget:call(ask)
      assert(ok, found)
      assert.equal(495, found)
    end
    assert.equal(1500, budget:cost())
    assert(budget:call(ask))
    local ok, e = budget:call(ask)
    assert.is_false(ok)
    assert.equal("lion/fuel", e.code)
  end)
end)
