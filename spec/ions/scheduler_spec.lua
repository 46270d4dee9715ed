-- Tasks that share a Lua state.
local core = require "lion.core"
local environment = require "ions.fuel.environment"
local fuel = require "ions.fuel"
local scheduler = require "ions.scheduler"
local timers = require "ions.timers"

-- A program as an application's modules are: its steps are counted. It sees `await`, `sleep` and `log`.
local function program(text, log)
  local env = environment.new {
    await = scheduler.await,
    sleep = scheduler.sleep,
    log = function(x) log[#log + 1] = x end,
  }
  return assert(fuel.load(text, "@program.lua", env))
end

local LONG = "for _ = 1, 25000 do end " -- two slices and a half

describe("A task", function()
  local tasks, log, ended

  before_each(function()
    tasks, log, ended = scheduler.new(), {}, {}
  end)

  local function task(text, more)
    local made = more or {}
    made.fn = program(text, log)
    made.done = function(ok, result) ended[#ended + 1] = { ok, result } end
    return made
  end

  local function go()
    local give_up = core.monotonic_ms() + 30000
    while core.monotonic_ms() < give_up do
      if tasks:is_idle() then return end
      if not tasks:step() and tasks:due() == nil then return end
    end
    error "the tasks do not end"
  end

  it("is given its arguments, and says what it returns", function()
    tasks:spawn(task("local a, b = ... return a + b", { args = { 1, 2 } }))
    assert.same({}, ended)
    assert.equal(0, tasks:due())
    go()
    assert.same({ { true, 3 } }, ended)
    assert.is_true(tasks:is_idle())
    assert.is_nil(tasks:due())
    assert.is_false(tasks:step())
  end)

  it("that ends within its first slice is over when `run` returns", function()
    assert.is_true(tasks:run(task "return 'now'"))
    assert.same({ { true, "now" } }, ended)
    assert.is_false(tasks:run(task(LONG .. "return 'later'")))
    go()
    assert.same({ true, "later" }, ended[2])
  end)

  it("stands behind the others when its slice has ended", function()
    tasks:spawn(task("log 'a1' " .. LONG .. "log 'a2'"))
    tasks:spawn(task("log 'b1' " .. LONG .. "log 'b2'"))
    tasks:spawn(task "log 'c'")
    go()
    assert.same({ "a1", "b1", "c", "a2", "b2" }, log)
  end)

  it("waits for what is delivered under its token", function()
    tasks:spawn(task "local a, b, c = await 'one' log(a) return b + c")
    tasks:step()
    assert.is_nil(tasks:due())
    assert.is_false(tasks:is_idle())
    tasks:deliver("another", 0)
    assert.is_false(tasks:step())
    tasks:deliver("one", "first", 2, 3)
    tasks:deliver("one", "nobody waits for it any more")
    go()
    assert.same({ "first" }, log)
    assert.same({ { true, 5 } }, ended)
  end)

  it("waits within coroutines of its own, and these go on where they were", function()
    tasks:spawn(task [[
      local co = coroutine.wrap(function()
        local inner = coroutine.wrap(function() coroutine.yield(await "a") return await "b" end)
        coroutine.yield(inner())
        coroutine.yield(inner())
      end)
      log(co()) log(co())
      return pcall(function() return await "c" end)
    ]])
    tasks:step()
    for _, token in ipairs { "a", "b", "c" } do
      tasks:deliver(token, token .. "!")
      tasks:step()
    end
    assert.same({ "a!", "b!" }, log)
    assert.same({ { true, true } }, ended)
  end)

  it("sleeps", function()
    tasks:spawn(task "sleep(5) log 'slept'")
    tasks:spawn(task "log 'meanwhile'")
    tasks:step()
    tasks:step()
    local due = tasks:due()
    assert.is_true(due >= 0 and due <= 5)
    go()
    assert.same({ "meanwhile", "slept" }, log)
  end)

  for _, case in ipairs {
    { "a callback of gsub", "return (('x'):gsub('x', function() return await 'a' end))" },
    { "a coroutine that such a callback resumed", [[
      local co = coroutine.wrap(function() return await "a" end)
      return (("x"):gsub("x", function() return co() end))
    ]] },
  } do
    it("cannot wait in " .. case[1], function()
      tasks:run(task(case[2]))
      assert.is_false(ended[1][1])
      assert.equal("lion/cannot-wait", ended[1][2].code)
      assert.is_true(tasks:is_idle())
    end)
  end

  it("is where waiting happens, and nowhere else", function()
    local ok, e = pcall(scheduler.await, "a")
    assert.same({ false, "lion/cannot-wait" }, { ok, e.code })
    for _, ms in ipairs { -1, 0 / 0, "a while" } do
      ok, e = pcall(scheduler.sleep, ms)
      assert.same({ false, "lion/syntax" }, { ok, e.code })
    end
  end)

  it("may run another one, and is the current one again", function()
    local seen = {}
    tasks:run { fn = function()
      local outer = scheduler.current()
      tasks:run { fn = function() seen[1] = scheduler.current() ~= outer end }
      seen[2] = scheduler.current() == outer
    end }
    assert.same({ true, true }, seen)
    assert.is_nil(scheduler.current())
  end)

  -- ---- errors -----------------------------------------------------------------------------------

  it("fails with what it raised", function()
    tasks:run(task "error('the words', 0)")
    tasks:run(task "error 'with a place'")
    tasks:run(task "error({ category = 'conflict', code = 'shop/taken' })")
    tasks:run(task "error()")
    assert.same({ "the words", true }, { ended[1][2].message, ended[1][2].is_plain })
    assert.equal("program.lua:1: with a place", ended[2][2].message)
    assert.truthy(ended[2][2].trace:find("stack traceback", 1, true))
    assert.same({ category = "conflict", code = "shop/taken" }, ended[3][2])
    assert.equal("nil", ended[4][2].message)
    assert.is_true(tasks:is_idle())
  end)

  it("fails with nothing that runs when it is told", function()
    local endless = "error(setmetatable({}, { __tostring = function() while true do end end }))"
    tasks:run(task(endless, { deadline_ms = core.monotonic_ms() + 20 }))
    tasks:run(task "error(setmetatable({}, { __index = function() error 'read' end, __tostring = error }))")
    tasks:run(task "error(setmetatable({}, { __tostring = function() return 'its own words' end }))")
    local nested = "setmetatable({}, { __tostring = error })"
    tasks:run(task("error { category = 'conflict', code = 'a/b', message = " .. nested .. " }"))
    assert.equal("lion/timeout", ended[1][2].code)
    assert.same({ message = "an error that cannot be told" }, ended[2][2])
    assert.same({ message = "its own words" }, ended[3][2])
    assert.same({ "conflict", "a/b" }, { ended[4][2].category, ended[4][2].code })
    assert.equal("string", type(ended[4][2].message))
  end)

  it("that yields where nobody takes it fails", function()
    tasks:run(task "coroutine.yield(1)")
    assert.same({ false, "lion/misuse" }, { ended[1][1], ended[1][2].code })
    assert.is_true(tasks:run(task "return 1"))
  end)

  it("gives pieces, and rests after each until it is run again", function()
    local pieces = {}
    local made = task("coroutine.yield 'a' coroutine.yield 'b' return 'c'", {
      piece = function(value) pieces[#pieces + 1] = value end,
    })
    assert.is_false(tasks:run(made))
    assert.is_nil(tasks:due())
    tasks:spawn(made)
    tasks:step()
    assert.same({ "a", "b" }, pieces)
    assert.is_true(tasks:run(made))
    assert.same({ { true, "c" } }, ended)
  end)

  -- ---- stopping ---------------------------------------------------------------------------------

  local function soon() return core.monotonic_ms() + 20 end

  for _, case in ipairs {
    { "loops", "while true do end" },
    { "loops behind pcall", "while true do pcall(function() while true do end end) end" },
    { "makes coroutines", "while true do coroutine.wrap(function() while true do end end)() end" },
    { "waits", "await 'what never comes'" },
    { "waits behind pcall", "while true do pcall(await, 'what never comes') end" },
    { "sleeps", "sleep(1e9)" },
    { "sleeps again and again", "while true do sleep(1) end" },
  } do
    it("is stopped at its deadline: it " .. case[1], function()
      tasks:spawn(task(case[2], { deadline_ms = soon() }))
      go()
      assert.same({ false, "lion/timeout" }, { ended[1][1], ended[1][2].code })
      assert.is_true(tasks:is_idle())
      assert.is_true(tasks:run(task "return 'the next one'"))
      assert.same({ true, "the next one" }, ended[2])
    end)
  end

  for _, case in ipairs {
    { "is new", "log 'it ran'", 0 },
    { "is ready", "log 'it ran' while true do end", 1 },
    { "waits", "log 'it ran' await 'a' log 'it went on'", 1 },
    { "sleeps", "log 'it ran' sleep(1e9) log 'it went on'", 1 },
  } do
    it("may be cancelled while it " .. case[1], function()
      local made = tasks:spawn(task(case[2]))
      for _ = 1, case[3] do tasks:step() end
      tasks:cancel(made, "nobody waits for it")
      tasks:cancel(made)
      go()
      assert.same({ false, "lion/cancelled", "nobody waits for it" },
        { ended[1][1], ended[1][2].code, ended[1][2].message })
      assert.equal(case[3], #log)
      tasks:cancel(made)
      assert.equal(1, #ended)
    end)
  end

  it("does not go on behind its pcall when it is cancelled", function()
    local made = tasks:spawn(task [[
      local ok, e = pcall(await, "a")
      log(ok == false and "reached")
    ]])
    tasks:step()
    tasks:cancel(made)
    go()
    assert.same({}, log)
    assert.equal("lion/cancelled", ended[1][2].code)
  end)

  it("leaves its coroutine to the next", function()
    local seen, count = {}, 0
    for _ = 1, 10 do
      tasks:run { fn = function()
        local co = coroutine.running()
        if not seen[co] then seen[co], count = true, count + 1 end
      end }
    end
    assert.equal(1, count)
  end)

  it("leaves nothing of itself in its coroutine", function()
    local kept = setmetatable({}, { __mode = "k" })
    for i = 1, 5 do
      local args = { { "something large" } }
      kept[args[1]] = true
      tasks:spawn { fn = function(x) scheduler.await(i) return x end, args = args }
    end
    while tasks:step() do end
    for i = 1, 5 do tasks:deliver(i) end
    while tasks:step() do end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(kept))
  end)

  it("runs under a budget that tells its cost", function()
    local cost
    tasks:run { fn = program("for _ = 1, 100 do end", log), done = function(_, _, it)
      cost = scheduler.cost(it)
    end }
    assert.is_true(cost >= 100 and cost < 110)
  end)
end)

describe("Many tasks", function()
  it("wait at once, and each is given its own", function()
    local tasks, got = scheduler.new(), {}
    for i = 1, 2000 do
      tasks:spawn { fn = function() got[i] = scheduler.await(i) end }
    end
    while tasks:step() do end
    for i = 2000, 1, -1 do tasks:deliver(i, i * i) end
    while tasks:step() do end
    assert.is_true(tasks:is_idle())
    for i = 1, 2000 do assert.equal(i * i, got[i]) end
  end)
end)

describe("Timers", function()
  it("give what is due first, whatever was put in and taken out", function()
    math.randomseed(7)
    for _ = 1, 50 do
      local heap, items = timers.new(), {}
      for i = 1, 60 do
        items[i] = { number = i }
        heap:set(items[i], math.random(100))
      end
      for _ = 1, 40 do
        local i = math.random(60)
        if math.random() < 0.5 then heap:clear(items[i]) else heap:set(items[i], math.random(100)) end
      end
      local before, count = 0, 0
      for item, ms in function() return heap:first() end do
        assert.is_true(ms >= before)
        assert.equal(ms, item.timer_ms)
        heap:clear(item)
        before, count = ms, count + 1
      end
      assert.is_true(count > 0 and count <= 60)
      assert.equal(0, heap.count)
    end
  end)
end)
