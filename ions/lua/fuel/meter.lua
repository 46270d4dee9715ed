--- The meter of a Lua state: what the rewritten programs in it call at each step, and the budgets that
-- pay for it, one at a time.
--
-- A budget is paid out in slices. While one lasts, a step is a subtraction; when it ends, the deadline
-- and a cancellation are looked at, and if the scheduler can be reached the coroutine yields to it.
-- A budget that was stopped stays stopped: each further step raises again, so no `pcall` holds it.
-- @module ions.fuel.meter
local anomaly = require "lion.anomaly"
local core = require "lion.core"

local isyieldable, yield = coroutine.isyieldable, coroutine.yield

local meter = {}

--- What a coroutine yields, first, when its slice has ended: Budget:resume hands it to the scheduler.
meter.SLICE = setmetatable({}, { __tostring = function() return "the end of a slice" end })

--- What it yields, first, when it waits for something: a token, and perhaps the most ms that it waits.
meter.AWAIT = setmetatable({}, { __tostring = function() return "a wait" end })

--- What a wait is resumed with where it cannot reach the scheduler.
meter.UNABLE = setmetatable({}, { __tostring = function() return "no scheduler" end })

-- Steps that a library function may overdraw before it is stopped inside its work. So the code of
-- the host, which works with the same strings, is not stopped in its middle: the next step is.
local OVERDRAFT_MAX = 20000

local SLICE_STEPS = 10000

-- Of a budget without a bound, so that its cost can still be told.
local UNBOUNDED = 2 ^ 52

-- ---- budgets -------------------------------------------------------------------------------------

local Budget = {}
Budget.__index = Budget

-- Outside of any budget nothing is counted.
local none = { rest = math.huge, slice = math.huge }

local current = none
local left = math.huge -- steps until the slice ends; what is not paid out yet is in current.rest

local function pay_out(budget)
  left = math.min(budget.slice, math.max(budget.rest, 0))
  if left == math.huge then return end
  budget.rest = budget.rest - left
end

local function take_back(budget)
  if left ~= math.huge then budget.rest = budget.rest + left end
  left = 0
end

-- ---- stopping ------------------------------------------------------------------------------------

-- Sources whose lines are nobody's fault.
local own_sources = { [debug.getinfo(1, "S").source] = true }

--- Lines of the calling module are not named when a program is stopped.
function meter.disown() own_sources[debug.getinfo(2, "S").source] = true end

--- "file:line: " of the program's function that runs; "" where it has left the stack by a tail call.
-- @treturn string
local function place()
  for level = 2, 30 do
    local info = debug.getinfo(level, "Slf")
    if not info or info.func == Budget.call then break end
    if info.currentline > 0 and not own_sources[info.source] then
      return ("%s:%d: "):format(info.short_src, info.currentline)
    end
  end
  return ""
end

meter.place = place

-- Why the budget's program has to stop: a code and a message, or nil.
local function reason_to_stop(budget)
  if budget.rest < 0 then
    return "lion/fuel", ("the call took more than %d steps"):format(budget.steps)
  elseif budget.cancelled then
    return "lion/cancelled", budget.cancelled
  elseif budget.deadline_ms and budget.now() > budget.deadline_ms then
    return "lion/timeout", "the call ran past its deadline"
  end
end

-- Settle, then go on with the next slice or raise.
local function end_slice(may_yield)
  local budget = current
  if not budget.stopped then
    take_back(budget)
    local code, message = reason_to_stop(budget)
    if code then budget.stopped = anomaly.new("interrupted", code, place() .. message) end
  end
  if budget.stopped then
    left = -1 -- the next step comes here again
    error(budget.stopped, 0)
  end
  if may_yield and meter.can_yield() then
    yield(meter.SLICE) -- whoever resumes has entered a budget, this one or another
  else
    pay_out(budget)
  end
end

-- ---- counting ------------------------------------------------------------------------------------

--- One step of a program.
function meter.step()
  local n = left - 1
  left = n
  if n < 0 then end_slice(true) end
end

--- So many steps of a program in one, if the slice has them: nothing is done at its end but by `step`.
-- @tparam number steps
-- @treturn boolean whether they were taken
function meter.pay_at_once(steps)
  if left < steps then return false end
  left = left - steps
  return true
end

--- Work of a library function; raises only far beyond the budget, and never yields.
-- @tparam number steps as much work as so many steps
function meter.pay(steps)
  local n = left - steps
  left = n
  if n < -OVERDRAFT_MAX then end_slice(false) end
end

--- Raise again if the program was stopped.
function meter.check()
  if left < 0 then end_slice(false) end
end

--- The steps that a library function may pay now without being stopped.
-- @treturn number
function meter.allowance() return left + math.max(current.rest, 0) + OVERDRAFT_MAX end

--- Where a slice cannot be ended by yielding: go on with the next one.
function meter.go_on() pay_out(current) end

--- Whether the end of a slice can be handed to the scheduler from here.
-- @treturn boolean
function meter.can_yield()
  return current.is_resumed and not current.is_held and not current.is_bound and isyieldable()
end

--- Let nothing wait or give way until `release`: where the core runs a program's function, others must not.
-- @return what `release` takes
function meter.hold()
  local before = current.is_held
  current.is_held = true
  return before
end

--- The end of `hold`, under the same budget.
-- @param before
function meter.release(before) current.is_held = before end

--- Whether what runs is between `hold` and `release`.
-- @treturn boolean
function meter.is_held() return current.is_held == true end

-- ---- running -------------------------------------------------------------------------------------

--- A budget for one call.
-- @tparam[opt] table options steps (default: no bound); slice, the steps between two looks (10,000);
-- deadline_ms, on the clock `now` (default: lion's monotonic one); handler, as of xpcall
-- @treturn table
function meter.budget(options)
  options = options or {}
  local steps = options.steps or UNBOUNDED
  return setmetatable({
    steps = steps,
    rest = steps,
    slice = options.slice or SLICE_STEPS,
    deadline_ms = options.deadline_ms,
    now = options.now or core.monotonic_ms,
    handler = options.handler,
  }, Budget)
end

local function go_on(budget)
  current = budget
  if budget.stopped then left = -1 else pay_out(budget) end
end

--- The budget that pays now.
-- @treturn table|nil
function meter.current()
  if current ~= none then return current end
end

local function enter(budget)
  if budget.is_entered then anomaly.incorrect("lion/misuse", "the budget pays for another call already") end
  local outer = current
  if not outer.stopped then take_back(outer) end
  budget.is_entered = true
  go_on(budget)
  return outer
end

-- The current budget is another one where a coroutine was left in the middle of a call.
local function leave(budget, outer)
  if not current.stopped then take_back(current) end
  if budget.rest < 0 and not budget.stopped then
    budget.stopped = anomaly.new("interrupted", reason_to_stop(budget))
  end
  budget.is_entered, budget.is_resumed = false, false
  go_on(outer)
end

local function finish(budget, outer, ...)
  leave(budget, outer)
  if budget.stopped then return false, budget.stopped end
  return ...
end

--- Call a function within the budget, as pcall would. It does not yield at the ends of slices.
-- @tparam function fn
-- @return true and the results, or false and the error: an anomaly lion/fuel, lion/timeout or
-- lion/cancelled if it was stopped, whatever it has made of that
function Budget:call(fn, ...)
  if self.handler then return finish(self, enter(self), xpcall(fn, self.handler, ...)) end
  return finish(self, enter(self), pcall(fn, ...))
end

--- Run a coroutine within the budget until it yields, as coroutine.resume would. When it yields
-- `SLICE`, the slice has ended and it waits for its next turn.
-- @tparam thread co
function Budget:resume(co, ...)
  local outer = enter(self)
  self.is_resumed = true
  return finish(self, outer, coroutine.resume(co, ...))
end

--- Stop the program at the end of its slice.
-- @tparam[opt] string reason
function Budget:cancel(reason) self.cancelled = reason or "the call was cancelled" end

--- Have it give way to nothing: ends of slices are gone past, and waiting is refused.
-- @tparam boolean is_bound
function Budget:bind(is_bound) self.is_bound = is_bound end

--- Fill the budget anew, for another call; a stop is forgotten.
-- @tparam[opt] number steps default: as many as before
-- @tparam[opt] number deadline_ms
function Budget:refill(steps, deadline_ms)
  self.steps = steps or self.steps
  self.rest, self.deadline_ms, self.stopped, self.cancelled = self.steps, deadline_ms, nil, nil
end

--- The steps taken since the budget was filled.
-- @treturn number whole
function Budget:cost()
  local rest = self.rest
  if current == self and not self.stopped then rest = rest + left end
  return math.floor(math.min(self.steps, self.steps - rest))
end

return meter
