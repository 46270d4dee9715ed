--- Bells: a task waits for one to ring, and no other one meanwhile. One that has rung while nobody waited is
-- heard at once.
-- @module ions.events.bell
local core = require "lion.core"
local scheduler = require "ions.scheduler"

local bell = {}

local Bell = {}
Bell.__index = Bell

--- A bell.
-- @tparam table tasks the scheduler that its tasks run in
function bell.new(tasks) return setmetatable({ tasks = tasks, is_rung = false }, Bell) end

function Bell:ring()
  self.is_rung = true
  self.tasks:deliver(self)
end

--- Wait until it rings.
-- @tparam[opt] number ms at most
function Bell:wait(ms)
  if not self.is_rung then
    local timer = { on_time = function() self.tasks:deliver(self) end }
    if ms then self.tasks:at(timer, core.monotonic_ms() + ms) end
    local ok, e = pcall(scheduler.await, self)
    self.tasks:forget(timer)
    if not ok then error(e, 0) end
  end
  self.is_rung = false
end

return bell
