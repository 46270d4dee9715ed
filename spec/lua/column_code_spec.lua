local column_code = require "lion.column_code"
local core = require "lion.core"
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

local SEED = tonumber(os.getenv "LION_SEED") or 7

-- Sources of predicates by chance, some of which answer numbers; u is an upvalue.
local function sources(seed)
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
  return function()
    if math.random(3) ~= 1 then return truth(3) end
    return ("%s and %s or %s"):format(truth(1), number(2), number(2))
  end
end

local function function_of(source)
  return load("local u = 3 return function(x, y) return " .. source .. " end")()
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
    local any_source, coded = sources(SEED), 0
    for _ = 1, 60 do
      local source = any_source()
      local fn = function_of(source)
      compare(fn, ("seed %d: %s"):format(SEED, source), ROWS)
      if column_code.of(fn, 2, true) then coded = coded + 1 end
    end
    assert.is_true(coded > 20, coded)
  end)
end)

describe("Columns of numbers", function()
  local MIN, MAX = -9223372036854775807LL - 1, 9223372036854775807LL
  local ROWS_OF_KIND = 1300 -- more than a batch

  -- What entity i has, by the attribute: small numbers, and what is peculiar. Of the wide ones some are no
  -- doubles: int64_t in Lua.
  local EXACT = { 0, 1, -1, 2 ^ 53 - 1, -2 ^ 53, 2 ^ 32, -2 ^ 32, 2 ^ 31, 2 ^ 52 + 1, -2 ^ 52 - 1 }
  local WIDE = { 2 ^ 53, 2 ^ 53 + 2, 9007199254740993LL, -9007199254740993LL, MIN, MAX, MIN + 1 }
  local KINDS = {
    long = function(i) return EXACT[i % 37] or i * 7919 % 101 - 50 end,
    other = function(i) return EXACT[i * 3 % 41] or i * 31 % 17 - 8 end,
    wide = function(i) return i > 1100 and i % 3 == 0 and WIDE[i % 7 + 1] or i % 23 - 11 end,
    double = function(i) return NUMBERS[i % #NUMBERS + 1] end,
    instant = function(i) return 1.7e12 + i end,
  }

  local conn, db, values
  setup(function()
    conn = lion.connect "mem:"
    local attributes, tx = { row = "long" }, {}
    for kind in pairs(KINDS) do
      attributes[kind] = (kind == "double" or kind == "instant") and kind or "long"
    end
    conn:transact(lion.schema { n = attributes })
    for i = 1, ROWS_OF_KIND do
      tx[i] = { ["n/row"] = i }
      for kind, value in pairs(KINDS) do tx[i]["n/" .. kind] = value(i) end
    end
    conn:transact(tx)
    db, values = conn:db(), {}
    for kind in pairs(KINDS) do
      values[kind] = {}
      for i, value in db:rows(("[:find ?i ?x :where [?e :n/row ?i] [?e :n/%s ?x]]"):format(kind)) do
        values[kind][i] = value
      end
    end
  end)
  teardown(function() conn:close() end)

  local WHERE = ":where [?e :n/row ?i] [?e :n/%s ?x] [?e :n/%s ?y]"

  local function is_equal(x, y)
    return type(x) == "number" and type(y) == "number" and is_same(x, y) or x == y
  end

  local function check(fn, source, x, y)
    lion.fn("spec.code/f", fn)
    local where, passed, answered = WHERE:format(x, y), {}, {}
    for i in db:rows("[:find ?i " .. where .. " [(spec.code/f ?x ?y)]]") do passed[i] = true end
    for i, z in db:rows("[:find ?i ?z " .. where .. " [(spec.code/f ?x ?y) ?z]]") do answered[i] = z end
    for i = 1, ROWS_OF_KIND do
      local expected = fn(values[x][i], values[y][i])
      local words = ("%s of %s, %s"):format(source, tostring(values[x][i]), tostring(values[y][i]))
      if (expected ~= nil and expected ~= false) ~= (passed[i] == true) then error(words) end
      if not is_equal(expected, answered[i]) then error(words .. ": " .. tostring(answered[i])) end
    end
  end

  for number, pair in ipairs {
    { "long", "other" }, { "double", "double" }, { "long", "double" }, { "double", "other" },
    { "instant", "long" }, { "wide", "long" }, { "wide", "wide" },
  } do
    local x, y = pair[1], pair[2]
    it("are given to a function that is arithmetic as to any: " .. x .. ", " .. y, function()
      for _, source in ipairs(PREDICATES) do check(variants(source)[1], source, x, y) end
      if x == "wide" then return end -- int64_t have an arithmetic of their own
      for _, source in ipairs(FUNCTIONS) do check(variants(source)[1], source, x, y) end
      local any_source = sources(SEED + number)
      for _ = 1, 12 do
        local source = any_source()
        check(function_of(source), ("seed %d: %s"):format(SEED, source), x, y)
      end
    end)
  end

  -- How often the core is given code while something runs.
  local function count_given(run)
    local given, compute = 0, core.compute
    core.compute = function(...)
      given = given + 1
      return compute(...)
    end
    local ok, e = pcall(run)
    core.compute = compute
    assert(ok, e)
    return given
  end

  it("are computed by code that is given once, where nothing comes between", function()
    lion.fn("spec.code/above", function(x) return x > 5 end)
    lion.fn("spec.code/below", function(x) return x < 40 end)
    local query, expected = "[:find (count ?e) . :where [?e :n/long ?x] [(spec.code/above ?x)] %s]", { 0, 0 }
    for _, x in pairs(values.long) do
      if x > 5 then expected[1] = expected[1] + 1 end
      if x > 5 and x < 40 then expected[2] = expected[2] + 1 end
    end
    assert.equal(1, count_given(function() assert.equal(expected[1], db:q(query:format(""))) end))
    assert.equal(2, count_given(function()
      assert.equal(expected[2], db:q(query:format("[(spec.code/below ?x)]")))
    end))
  end)

  it("are computed with what the program made of an upvalue since the rows before", function()
    local limit, found = -math.huge, 0
    lion.fn("spec.code/above", function(x) return x > limit end)
    for _ in db:rows "[:find ?i :where [?e :n/row ?i] [(spec.code/above ?i)]]" do
      found = found + 1
      if found == 1 then limit = math.huge end
    end
    assert.is_true(found > 0 and found < ROWS_OF_KIND, found)
  end)

  it("are computed with what another function made of an upvalue", function()
    local limit = -math.huge
    lion.fn("spec.code/above", function(x) return x > limit end)
    lion.fn("spec.code/raises", function(x)
      limit = math.max(x, math.huge)
      return true
    end)
    local found = db:q [=[[:find (count ?i) .
      :where [?e :n/row ?i] [(spec.code/above ?i)] [(spec.code/raises ?i)]]]=]
    assert.is_true(found > 0 and found < ROWS_OF_KIND, found)
  end)

  it("are computed beside constants and few rows", function()
    lion.fn("spec.code/between", function(x, least, most) return x >= least and x <= most end)
    local query = [=[[:find (count ?e) . :in $ ?least ?most
      :where [?e :n/row ?i] [(spec.code/between ?i ?least ?most)]]]=]
    assert.equal(11, db:q(query, 10, 20))
    assert.equal(11, db:q(query, 9.5, 20.5))
    assert.equal(ROWS_OF_KIND, db:q(query, -2 ^ 53, 2 ^ 53))
    assert.equal(ROWS_OF_KIND, db:q(query, MIN, MAX))
    local few = db:q "[:find [?i ...] :where [?e :n/row ?i] [(< 5 ?i 9)] [(spec.code/between ?i 7 7)]]"
    assert.same({ 7 }, few)
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

  it("are counted so over many batches, up to the step that is one too many", function()
    local fn = assert(fuel.load("return function(x) return x > 5 end", "@p.lua", {}))()
    lion.fn("spec.code/stepping", fn)
    local list = {}
    for i = 1, 30000 do list[i] = i end
    local function ask()
      return #lion.q("[:find [?x ...] :in [?x ...] :where [(spec.code/stepping ?x)]]", list)
    end
    call.set_host(meter)
    local budget = fuel.budget { steps = 60000 }
    for round = 1, 2 do
      local ok, found = budget:call(ask)
      assert(ok, found)
      assert.equal(29995, found)
      assert.equal(30000 * round, budget:cost())
    end
    local ok, e = budget:call(ask)
    assert.is_false(ok)
    assert.equal("lion/fuel", e.code)
  end)
end)
