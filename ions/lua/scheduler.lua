--- Tasks: calls of functions that share one Lua state, each in a coroutine and under a budget of its own.
-- One runs at a time, for a slice; then it stands behind the others that are ready. A task that
-- waits (for an answer, a time, whoever takes its pieces) costs nothing until that comes.
--
--     local tasks = scheduler.new()
--     tasks:spawn { fn = answer, args = { request }, deadline_ms = core.monotonic_ms() + 5000,
--       done = function(ok, result) … end }
--     while tasks:step() do end          -- until all of them have ended or wait
--     tasks:deliver(token, reply)        -- the one in scheduler.await(token) is ready again
--
-- A task is the table that it was made from, and is used once (but see scheduler.clear). Its fields:
--
-- - fn, args: what is called. args is an array; none is none.
-- - deadline_ms: on the monotonic clock; past it the task is stopped, also while it waits. nil: never.
-- - done(ok, result, task): called once, when the task has ended: true and the first result, or false
--   and the error: an anomaly or another table as it was raised, or of a text
--   { message =, trace =, is_plain = it says no place }.
-- - piece(value, task): takes what the task yields. It then rests until `spawn` or `run`, with another
--   deadline_ms if that was set. A task without it that yields fails.
--
-- What the task asks the scheduler for (the end of a slice, a wait) is yielded outward through the
-- program's own coroutines.
-- @module ions.scheduler
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local fuel = require "ions.fuel"
local is_misuse = require "ions.misuse"
local meter = require "ions.fuel.meter"
local timers = require "ions.timers"

local yield = coroutine.yield

local scheduler = {}

-- Coroutines that are kept for the next tasks.
local POOL_MAX = 256

-- What a coroutine of the pool yields when its task has ended.
local OVER = {}

-- What an await of a time alone waits for.
local NOTHING = {}

local NO_ARGUMENTS = {}

local LATE = "the call ran past its deadline"

-- The watch over a Lua thread, in a node.
local port = (package.loaded["ions.port"] or package.preload["ions.port"]) and require "ions.port"
local limit = port and port.limit or function() end

local running -- the task whose slice it is

local Scheduler = {}
Scheduler.__index = Scheduler

--- A scheduler without tasks.
function scheduler.new()
  return setmetatable({
    ready = {}, -- tasks from `first` to `last`
    first = 1,
    last = 0,
    awaited = {}, -- token → the task that waits for it
    timers = timers.new(),
    pool = {}, -- { co =, budget = }
    count = 0, -- tasks that have not ended
  }, Scheduler)
end

-- ---- in a task -----------------------------------------------------------------------------------

--- The task that runs now, or nil.
function scheduler.current() return running end

--- What runs now for the host, outside of a task, has to come back by then.
-- @tparam number|nil ms on the monotonic clock; nil: it has come back
function scheduler.watch(ms) limit(ms or running and running.deadline_ms or 0) end

--- Whether what runs now could wait: it is in a task, and nothing lies between that cannot yield.
function scheduler.can_wait() return running ~= nil and meter.can_yield() end

-- A mistake of the program, not of who called it.
local function refuse_wait(message) error(anomaly.new("fault", "lion/cannot-wait", message), 0) end

-- What was waited for has come; or the task was stopped meanwhile, and it is raised here.
local function received(first, ...)
  meter.check()
  if first == meter.UNABLE then
    refuse_wait("here nothing can be waited for: this coroutine was resumed inside "
      .. "a library function's callback (gsub, say); do it outside")
  end
  return first, ...
end

--- Raise lion/cannot-wait unless what runs now can wait.
function scheduler.check_wait()
  if not running then
    refuse_wait("only a request or an invocation can wait: no call is under way")
  end
  if not meter.can_yield() then
    refuse_wait("here nothing can be waited for: it is inside a library function's "
      .. "callback (gsub, say) or a function of a query; do it outside")
  end
end

local function wait(token, ms)
  scheduler.check_wait()
  return received(yield(meter.AWAIT, token, ms))
end

--- Wait until something is delivered under this token. Raises lion/cannot-wait where the task cannot
-- yield, and what stopped it while it waited.
-- @param token any value but nil; of a task: its end
-- @return what was delivered, at most three values
function scheduler.await(token) return wait(token) end

--- Wait for a time.
-- @tparam number ms
function scheduler.sleep(ms)
  if type(ms) ~= "number" or ms ~= ms or ms < 0 then
    anomaly.incorrect("lion/syntax", "sleep takes milliseconds, not %s", tostring(ms))
  end
  wait(NOTHING, ms)
end

-- ---- coroutines ----------------------------------------------------------------------------------

-- What others read of an error that is a table.
local TOLD = { "category", "code", "message", "trace" }

-- An error that is a table is read and told by others, outside of the budget. One that has ways of its own to
-- be read or told is told here, where it is stopped in time.
local function harmless(e)
  local meta = debug.getmetatable(e)
  local is_harmless = meta == nil or meta == anomaly.Anomaly
  local texts = {}
  for _, name in ipairs(TOLD) do
    local value = rawget(e, name)
    if type(value) == "string" then texts[name] = value elseif value ~= nil then is_harmless = false end
  end
  if is_harmless then return e end
  if not texts.message then
    local ok, told = pcall(tostring, e)
    texts.message = ok and told or "an error that cannot be told"
  end
  texts.data = rawget(e, "data")
  return texts
end

-- A text without a position, error(text, 0), was written to be read alone: is_plain.
local function traced(e)
  if type(e) == "table" then
    e = harmless(e)
    if is_misuse(e) and not e.trace then e.trace = debug.traceback(tostring(e), 2) end
    return e
  end
  local is_plain = type(e) == "string" and not e:find "^[^\n]-:%d+: "
  return { message = tostring(e), trace = debug.traceback(tostring(e), 2), is_plain = is_plain }
end

--- A handler for xpcall that gives errors as `done` has them.
scheduler.traced = traced

--- The steps that a task has taken; in `done` those of all of it.
-- @tparam table task
function scheduler.cost(task) return task.thread.budget:cost() end

local function through(task, ok, result)
  task.is_through, task.ok, task.result = true, ok, result
end

-- What xpcall itself calls is not compiled, since the compiler does not follow returns through it. So that is
-- this function, and the program's own are compiled.
local function run(task)
  local args = task.args or NO_ARGUMENTS
  local count = args.n or #args
  if count == 1 then
    local result = task.fn(args[1])
    return result
  end
  return (task.fn(unpack(args, 1, count)))
end

-- A coroutine that rests in the pool holds nothing of the task that it ran.
local function loop(task)
  while true do
    through(task, xpcall(run, traced, task))
    task = nil -- luacheck: ignore 311
    task = yield(OVER)
  end
end

local function take_thread(self, task)
  local count = #self.pool
  local thread = self.pool[count]
  self.pool[count] = nil
  if not thread then thread = { co = coroutine.create(loop), budget = fuel.budget() } end
  task.thread = thread
  return thread
end

local function give_thread_back(self, task)
  local thread = task.thread
  task.thread = nil
  if thread and task.is_through and #self.pool < POOL_MAX then self.pool[#self.pool + 1] = thread end
end

-- ---- a task's states -----------------------------------------------------------------------------
-- nil, new (it has a coroutine), ready, running, waiting (for a token or a time), resting (a piece was
-- taken), over.

local function make_ready(self, task)
  task.state = "ready"
  self.last = self.last + 1
  self.ready[self.last] = task
end

local function stop_waiting(self, task)
  if task.token ~= nil and self.awaited[task.token] == task then self.awaited[task.token] = nil end
  task.token = nil
  self.timers:clear(task)
end

local function start_waiting(self, task, token, ms)
  task.state = "waiting"
  local wake = ms and core.monotonic_ms() + ms
  if token ~= NOTHING then task.token, self.awaited[token] = token, task end
  task.wakes = wake and wake <= (task.deadline_ms or math.huge)
  if wake or task.deadline_ms then
    self.timers:set(task, math.min(wake or math.huge, task.deadline_ms or math.huge))
  end
end

local function finish(self, task, ok, result)
  task.state = "over"
  self.count = self.count - 1
  if not ok and type(result) ~= "table" then result = traced(result) end -- memory ran out in `traced`, say
  task.ok, task.result = ok, result
  if task.done then task.done(ok, result, task) end -- it may ask for the cost
  give_thread_back(self, task)
  self:deliver(task)
end

-- It raises from now on, whatever it does.
local function stop(task, code, message)
  local budget = task.thread.budget
  budget.stopped = budget.stopped or anomaly.new("interrupted", code, message)
end

local function take_piece(self, task, value)
  if not task.piece then
    finish(self, task, false, anomaly.new("fault", "lion/misuse",
      "the function yielded, and nobody takes what it yields: only the body of a response may"))
    return
  end
  task.state = "resting"
  task.piece(value, task)
end

-- The slice has ended with this.
local function settle(self, task, ok, what, ...)
  if what == OVER then
    finish(self, task, task.ok, task.result)
  elseif not ok then
    finish(self, task, false, what)
  elseif what == meter.SLICE then
    make_ready(self, task)
  elseif what == meter.AWAIT then
    start_waiting(self, task, ...)
  else
    take_piece(self, task, what)
  end
end

local function resume(task, thread)
  if task.is_begun then
    local a, b, c = task.a, task.b, task.c
    task.a, task.b, task.c = nil, nil, nil
    return thread.budget:resume(thread.co, a, b, c)
  end
  task.is_begun = true
  return thread.budget:resume(thread.co, task)
end

local function end_slice(self, task, outer, ...)
  running = outer
  limit(outer and outer.deadline_ms or 0)
  settle(self, task, ...)
end

local function begin(self, task)
  if task.state == nil then
    self.count, task.state = self.count + 1, "new"
    local budget = take_thread(self, task).budget
    budget:refill(nil, task.deadline_ms)
    budget:bind(false)
    task.paid_until_ms = task.deadline_ms
  elseif task.paid_until_ms ~= task.deadline_ms and not task.thread.budget.stopped then
    task.thread.budget:refill(nil, task.deadline_ms)
    task.paid_until_ms = task.deadline_ms
  end
end

--- Make the table of a task that has ended fit for another one.
-- @tparam table task
function scheduler.clear(task)
  task.state, task.is_begun, task.is_through, task.callee = nil, nil, nil, nil
  task.ok, task.result, task.deadline_ms = nil, nil, nil
end

-- ---- for the host --------------------------------------------------------------------------------

--- Run a task that is new, or that rests, until its slice ends: before those that are ready.
-- @tparam table task
-- @treturn boolean whether it has ended
function Scheduler:run(task)
  begin(self, task)
  if not task.is_begun and task.thread.budget.stopped then
    finish(self, task, false, task.thread.budget.stopped)
    return true
  end
  if task.is_begun and task.deadline_ms and core.monotonic_ms() > task.deadline_ms then
    stop(task, "lion/timeout", LATE) -- each slice may be too short to notice
  end
  local outer = running
  task.state, running = "running", task
  limit(task.deadline_ms or 0)
  end_slice(self, task, outer, resume(task, task.thread))
  return task.state == "over"
end

--- Make a task that is new, or that rests, ready: `step` runs it when its turn comes.
-- @tparam table task
-- @treturn table the task
function Scheduler:spawn(task)
  begin(self, task)
  make_ready(self, task)
  return task
end

--- Hand a task what it waits for. Nothing happens if nobody does (any more).
-- @param token
-- @param[opt] a
-- @param[opt] b
-- @param[opt] c
function Scheduler:deliver(token, a, b, c)
  local task = self.awaited[token]
  if not task then return end
  stop_waiting(self, task)
  task.a, task.b, task.c = a, b, c
  make_ready(self, task)
end

--- Run a task for the one that runs now, which waits for its end; no later than that one's deadline, and
-- cancelled with it. Where that one cannot wait, the task cannot either. Outside of any task the others go
-- on meanwhile.
-- @tparam table task
-- @treturn boolean whether it returned
-- @return its result, or its error
function Scheduler:call(task)
  local outer, is_bound = running, running ~= nil and not meter.can_yield()
  if outer and outer.deadline_ms then
    task.deadline_ms = math.min(task.deadline_ms or math.huge, outer.deadline_ms)
  end
  begin(self, task)
  task.thread.budget:bind(is_bound)
  self:run(task)
  if task.state ~= "over" and outer then
    outer.callee = task
    wait(task)
    outer.callee = nil
  end
  while task.state ~= "over" do self:step() end
  return task.ok, task.result
end

--- Stop a task: it raises interrupted, lion/cancelled, at its next step or where it waits, and ends.
-- @tparam table task
-- @tparam[opt] string reason
function Scheduler:cancel(task, reason)
  if task.state == nil or task.state == "over" then return end
  if task.callee then self:cancel(task.callee, reason) end
  stop(task, "lion/cancelled", reason or "the call was cancelled")
  if task.state == "waiting" then stop_waiting(self, task) end
  if task.state == "waiting" or task.state == "resting" then make_ready(self, task) end
end

-- Who waits too long is stopped; who slept is ready. What else is in the timers has a function for it.
local function fire(self, item)
  self.timers:clear(item)
  if item.on_time then return item.on_time(item) end
  if not item.wakes then stop(item, "lion/timeout", LATE) end
  stop_waiting(self, item)
  make_ready(self, item)
end

--- Have item.on_time(item) called by `step` at a time.
-- @tparam table item no task
-- @tparam number ms on the monotonic clock
function Scheduler:at(item, ms) self.timers:set(item, ms) end

--- Take back `at`.
function Scheduler:forget(item) self.timers:clear(item) end

local function fire_due(self)
  local item, ms = self.timers:first()
  if not item then return false end
  local now, is_any = core.monotonic_ms(), false
  while item and ms <= now do
    fire(self, item)
    item, ms = self.timers:first()
    is_any = true
  end
  return is_any
end

--- Do what is due, and run the task whose turn it is for a slice.
-- @treturn boolean whether there was anything to do
function Scheduler:step()
  local is_any = fire_due(self)
  if self.first > self.last then return is_any end
  local task = self.ready[self.first]
  self.ready[self.first], self.first = nil, self.first + 1
  if self.first > self.last then self.first, self.last = 1, 0 end
  self:run(task)
  return true
end

--- When there is something to do.
-- @treturn number|nil ms from now; 0: now; nil: not before something is delivered or spawned
function Scheduler:due()
  if self.first <= self.last then return 0 end
  local item, ms = self.timers:first()
  return item and math.max(0, ms - core.monotonic_ms()) or nil
end

--- Whether no task is under way.
function Scheduler:is_idle() return self.count == 0 end

return scheduler
