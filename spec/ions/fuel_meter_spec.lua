-- Budgets: what stops a program, what a call costs, whose turn it is.
-- luacheck: max line length 140 (a program stands on one line)
local fuel = require "ions.fuel"

local function load_program(source) return assert(fuel.load(source, "@it.lua", setmetatable({}, { __index = _G }))) end

describe("A budget", function()
  it("pays for a call and tells its cost", function()
    local budget = fuel.budget { steps = 1000 }
    local ok, a, b = budget:call(load_program "for i = 1, 9 do end return 'a', ...", nil)
    assert.same({ true, "a", nil }, { ok, a, b })
    assert.equal(10, budget:cost())
  end)

  it("is enough to the step", function()
    local program = load_program "for i = 1, 9 do end return 'done'"
    assert.is_true((fuel.budget { steps = 10 }):call(program))
    local budget = fuel.budget { steps = 9 }
    local ok, e = budget:call(program)
    assert.is_false(ok)
    assert.equal("lion/fuel", e.code)
    assert.equal("interrupted", e.category)
    assert.equal("it.lua:1: the call took more than 9 steps", e.message)
    assert.equal(9, budget:cost())
  end)

  it("costs the same in slices of any length", function()
    local program = load_program "for i = 1, 1000 do end"
    for _, slice in ipairs { 1, 3, 7, 1000, 1e9 } do
      local budget = fuel.budget { steps = 5000, slice = slice }
      assert.is_true(budget:call(program))
      assert.equal(1001, budget:cost())
      budget = fuel.budget { steps = 1000, slice = slice }
      assert.is_false(budget:call(program))
      assert.equal(1000, budget:cost())
    end
  end)

  it("hands on errors, and makes traces with a handler", function()
    local program = load_program "error { 5 }"
    assert.same({ false, { 5 } }, { fuel.budget():call(program) })
    local budget = fuel.budget { handler = function(e) return { seen = e } end }
    assert.same({ false, { seen = { 5 } } }, { budget:call(program) })
  end)

  it("without steps is one without a bound, whose cost is told", function()
    local budget = fuel.budget()
    assert.is_true(budget:call(load_program "for i = 1, 100000 do end"))
    assert.equal(100001, budget:cost())
  end)

  it("can be filled anew", function()
    local program = load_program "while true do end"
    local budget = fuel.budget { steps = 100 }
    assert.is_false(budget:call(program))
    assert.is_false(budget:call(load_program "return 1")) -- stopped, it stays so
    budget:refill(20)
    assert.is_true(budget:call(load_program "return 1"))
    assert.equal(1, budget:cost())
  end)

  it("pays for one call at a time; calls may stand in calls", function()
    local outer, inner = fuel.budget { steps = 100 }, fuel.budget { steps = 50 }
    local env = { call = function(fn) return inner:call(fn) end }
    local fn = assert(fuel.load("for i = 1, 10 do end local ok = call(function() while true do end end)"
      .. " for i = 1, 10 do end return ok", "@it.lua", env))
    assert.same({ true, false }, { outer:call(fn) })
    assert.equal(21, outer:cost())
    assert.equal(50, inner:cost())
    env.call = function(f) return outer:call(f) end
    outer:refill()
    local ok, e = outer:call(fn)
    assert.is_false(ok)
    assert.equal("lion/misuse", e.code)
  end)

  it("looks at its deadline when a slice ends", function()
    local now = 0
    local budget = fuel.budget { deadline_ms = 5, slice = 10, now = function() now = now + 1 return now end }
    local ok, e = budget:call(load_program "while true do end")
    assert.is_false(ok)
    assert.equal("lion/timeout", e.code)
    assert.equal("it.lua:1: the call ran past its deadline", e.message)
    assert.equal(66, budget:cost()) -- the step that ends a slice is paid by the next
  end)

  it("stops a program that was cancelled", function()
    local budget = fuel.budget { slice = 10 }
    local env = { cancel = function() budget:cancel "nobody waits for it" end }
    local ok, e = budget:call(assert(fuel.load("cancel() while true do end", "@it.lua", env)))
    assert.is_false(ok)
    assert.equal("lion/cancelled", e.code)
    assert.truthy(e.message:find "nobody waits for it")
  end)

  it("does not count outside of calls", function()
    assert.equal(5000000, load_program "local n = 0 for i = 1, 5000000 do n = n + 1 end return n" ())
  end)
end)

describe("No program outlives its budget", function()
  local jit = require "jit"
  for _, case in ipairs {
    { "while", "while true do end" },
    { "repeat", "repeat until false" },
    { "for", "for i = 1, math.huge do end" },
    { "for over an endless iterator", "for _ in function() return 1 end do end" },
    { "for over a C function", "for _ in next, setmetatable({ 1 }, {}), nil do end for _ in rawlen or tostring, 1 do end" },
    { "goto", "::a:: goto a" },
    { "goto in a block", "::a:: do if true then goto a end end" },
    { "tail recursion", "local function f() return f() end f()" },
    { "mutual recursion", "local f, g function f() return g() end function g() return f() end f()" },
    { "pcall around a loop", "pcall(function() while true do end end)" },
    { "a loop of pcalls", "while true do pcall(function() while true do end end) end" },
    { "recursion through pcall", "local function f() pcall(f) return f() end f()" },
    { "pcall of pcall", "local function f() while true do pcall(pcall, pcall, f) end end f()" },
    { "xpcall with a looping handler", "local function loop() while true do end end while true do xpcall(loop, loop) end" },
    { "a coroutine", "coroutine.wrap(function() while true do end end)()" },
    { "coroutines that are resumed", "while true do coroutine.resume(coroutine.create(function() while true do end end)) end" },
    { "coroutines that yield", "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end" },
    { "a metamethod", "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k + 1] end return pcall(function()"
      .. " while true do pcall(function() return t[1] end) end end)" },
    { "a comparison of table.sort", "local t = {} for i = 1, 50 do t[i] = i % 7 end"
      .. " while true do pcall(table.sort, t, function() return true end) end" },
    { "a callback of gsub", "while true do string.gsub(('x'):rep(100), '.', function() for i = 1, 100 do end end) end" },
    { "loaded text that catches", "local f = function() while true do end end while true do local ok, e = pcall(f) end" },
    { "closures made in a loop", "while true do local f = function() return f end f() end" },
    { "garbage", "while true do local t = { {}, {} } end" },
    { "error as a loop", "local function f() error(setmetatable({}, { __tostring = function() while true do end end })) end while true do"
      .. " local _, e = pcall(f) tostring(e) end" },
  } do
    it(case[1], function()
      for _, mode in ipairs { "on", "off" } do
        jit[mode]()
        local budget = fuel.budget { steps = 100000 }
        local ok, e = budget:call(load_program(case[2]))
        jit.on()
        assert.is_false(ok)
        assert.equal("lion/fuel", e.code)
        assert.equal(100000, budget:cost())
      end
    end)
  end
end)

describe("A program in a coroutine", function()
  local function create(source) return coroutine.create(load_program(source)) end

  it("gives way at the end of each slice, and goes on", function()
    local budget, turns = fuel.budget { steps = 1000, slice = 100 }, 0
    local co = create "local n = 0 for i = 1, 550 do n = n + i end return n"
    local ok, value
    repeat
      ok, value = budget:resume(co)
      turns = turns + 1
    until value ~= fuel.SLICE
    assert.same({ true, 151525 }, { ok, value })
    assert.equal(6, turns)
    assert.equal(551, budget:cost())
  end)

  it("yields its own values too", function()
    local budget = fuel.budget { slice = 10 }
    local co = create "local a = ... for i = 1, 3 do a = coroutine.yield(a + i) end return 'end'"
    assert.same({ true, 11 }, { budget:resume(co, 10) })
    assert.same({ true, 22 }, { budget:resume(co, 20) })
    assert.same({ true, 33 }, { budget:resume(co, 30) })
    assert.same({ true, "end" }, { budget:resume(co, 40) })
  end)

  it("shares time fairly with others", function()
    local counts, budgets, coroutines = { 0, 0 }, {}, {}
    for i = 1, 2 do
      budgets[i] = fuel.budget { slice = 50 }
      coroutines[i] = coroutine.create(assert(fuel.load("while true do tick() end", "@it.lua",
        { tick = function() counts[i] = counts[i] + 1 end })))
    end
    for _ = 1, 20 do
      for i = 1, 2 do
        assert.same({ true, fuel.SLICE }, { budgets[i]:resume(coroutines[i]) })
      end
    end
    assert.equal(counts[1], counts[2])
    assert.is_true(counts[1] >= 900)
  end)

  it("is stopped in any of its slices", function()
    local budget = fuel.budget { steps = 250, slice = 100 }
    local co = create "while true do pcall(function() while true do end end) end"
    local ok, value
    repeat ok, value = budget:resume(co) until value ~= fuel.SLICE
    assert.is_false(ok)
    assert.equal("lion/fuel", value.code)
    assert.equal("dead", coroutine.status(co))
    assert.equal(250, budget:cost())
  end)

  it("does not give way where the scheduler cannot be reached", function()
    local budget = fuel.budget { steps = 100000, slice = 10 }
    local co = create [[
      local t = {}
      for i = 1, 5 do t[i] = -i end
      table.sort(t, function(a, b) for i = 1, 20 do end return a < b end)
      return t[1]
    ]]
    local ok, value
    repeat ok, value = budget:resume(co) until value ~= fuel.SLICE
    assert.same({ true, -5 }, { ok, value })
  end)
end)
