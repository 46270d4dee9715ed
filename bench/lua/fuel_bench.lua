--- What the counting of steps costs a program: lion run bench/lua/fuel_bench.lua [seconds], default
-- 0.2. Each line: milliseconds of the plain program, then how many times that the same one takes when
-- it is rewritten, and when it also has a program's globals; compiled and interpreted. Best of five.
local environment = require "ions.fuel.environment"
local fuel = require "ions.fuel"
local jit = require "jit"
local rewrite = require "ions.fuel.rewrite"

local RUNS = 5
local clock = os.clock
local seconds = tonumber(arg[1]) or 0.2

-- Each returns a function of a count, to be run with as many as take about `seconds`.
local PROGRAMS = {
  { "empty loop", "return function(n) for i = 1, n do end end" },
  { "sum of an array", [[
    local a = {}
    for i = 1, 1000 do a[i] = i end
    return function(n) local s = 0 for i = 1, n do s = s + a[i % 1000 + 1] end return s end]] },
  { "small function calls", [[
    local function f(x) return x + 1 end
    return function(n) local s = 0 for i = 1, n do s = f(s) end return s end]] },
  { "recursion", [[
    local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
    return function(n) for i = 1, n, 1000 do fib(14) end end]] },
  { "methods of objects", [[
    local Account = {} Account.__index = Account
    function Account:add(x) self.total = self.total + x end
    function Account:get() return self.total end
    local account = setmetatable({ total = 0 }, Account)
    return function(n) for i = 1, n do account:add(account:get() % 2) end end]] },
  { "loops in loops", [[
    return function(n)
      local s = 0
      for i = 1, n / 100 do for j = 1, 100 do s = s + i * j end end
      return s
    end]] },
  { "filter into a table", [[
    local a = {}
    for i = 1, 1000 do a[i] = i end
    return function(n)
      for _ = 1, n / 1000 do
        local found = {}
        for i = 1, #a do if a[i] % 3 == 0 then found[#found + 1] = a[i] end end
      end
    end]] },
  { "pairs", [[
    local t = {}
    for i = 1, 1000 do t["k" .. i] = i end
    return function(n)
      local s = 0
      for _ = 1, n / 1000 do for _, v in pairs(t) do s = s + v end end
      return s
    end]] },
  { "closures", [[
    return function(n)
      local s = 0
      for i = 1, n do local f = function() return i end s = s + f() end
      return s
    end]] },
  { "texts joined", "return function(n) local s for i = 1, n do s = 'k' .. i % 100 end return s end" },
  { "patterns", [[
    return function(n)
      local s = 0
      for i = 1, n do if ("key" .. i % 10 .. " = value"):match("^(%w+)%s*=%s*(%w+)$") then s = s + 1 end end
      return s
    end]] },
  { "gsub", [[
    local escapes = { ["<"] = "&lt;", [">"] = "&gt;" }
    return function(n) for i = 1, n do local s = ("<a href='x'>"):gsub("[<>']", escapes) end end]] },
  { "format", [[
    return function(n) local s for i = 1, n do s = ("%s-%d"):format("a", i) end return s end]] },
  { "sort", [[
    return function(n)
      for _ = 1, n / 1000 do
        local t, x = {}, 7
        for i = 1, 1000 do x = (x * 1103515245 + 12345) % 2147483648 t[i] = x end
        table.sort(t)
      end
    end]] },
  { "sort by a comparison", [[
    return function(n)
      for _ = 1, n / 1000 do
        local t, x = {}, 7
        for i = 1, 1000 do x = (x * 1103515245 + 12345) % 2147483648 t[i] = x end
        table.sort(t, function(a, b) return a > b end)
      end
    end]] },
  { "global functions", [[
    return function(n) local s = 0 for i = 1, n do s = s + math.floor(tonumber(i) / 2) end return s end]] },
  { "pcall", [[
    local function f(x) return x end
    return function(n) local s = 0 for i = 1, n do local _, v = pcall(f, i) s = s + v end return s end]] },
}

local function time(fn, count)
  local best = math.huge
  for _ = 1, RUNS do
    collectgarbage()
    local start = clock()
    fn(count)
    best = math.min(best, clock() - start)
  end
  return best
end

-- As many turns as take the time.
local function find_count(fn)
  local count = 1000
  while true do
    local start = clock()
    fn(count)
    local spent = clock() - start
    if spent > seconds / 4 then return math.ceil(count * seconds / spent) end
    count = count * 2
  end
end

local function prepare(loader, source, env)
  local fn
  fuel.budget():call(function() fn = assert(loader(source, "=it", env))() end)
  return fn
end

local function load_plain(source, chunkname, env) return load(source, chunkname, "t", env) end

local MODES = { { "on", "compiled" }, { "off", "interpreted" } }

-- The plain programs first: with a program's globals, the methods of strings are bounded everywhere.
for _, mode in ipairs(MODES) do
  jit[mode[1]]()
  for _, program in ipairs(PROGRAMS) do
    local fn = prepare(load_plain, program[2], _G)
    local count = find_count(fn)
    local plain = time(fn, count)
    program[mode[1]] = { count = count, plain = plain,
      counted = time(prepare(rewrite.load, program[2], _G), count) / plain }
  end
end

local globals = environment.new()
print(("%-22s %10s %10s %10s"):format("", "plain ms", "counted", "bounded"))
for _, mode in ipairs(MODES) do
  jit[mode[1]]()
  print(mode[2])
  for _, program in ipairs(PROGRAMS) do
    local found = program[mode[1]]
    local bounded = time(prepare(rewrite.load, program[2], globals), found.count) / found.plain
    print(("  %-20s %10.1f %9.2fx %9.2fx"):format(program[1], found.plain * 1000, found.counted, bounded))
  end
end
jit.on()

local source = "local t = {}\n"
  .. ("for i = 1, 10 do t[i] = function(a, b) return a .. b, { a, b = b } end end\n"):rep(2000)
local start = clock()
for _ = 1, RUNS do assert(rewrite.source(source, "=big")) end
print(("rewriting: %.1f MB a second"):format(#source * RUNS / (clock() - start) / 1e6))
