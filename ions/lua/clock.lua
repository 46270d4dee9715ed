--- The monotonic clock for compiled code: what calls C by the interface of Lua leaves its trace.
-- @module ions.clock
local ffi = require "ffi"

ffi.cdef [[
  typedef struct { int64_t seconds, nanoseconds; } lion_clock_time;
  int lion_clock_read(int clock, lion_clock_time *time) __asm__("clock_gettime");
]]

local MONOTONIC = 1
local now = ffi.new "lion_clock_time"

local clock = {}

--- ms of a clock that is never set, as core.monotonic_ms.
function clock.monotonic_ms()
  ffi.C.lion_clock_read(MONOTONIC, now)
  return tonumber(now.seconds) * 1000 + tonumber(now.nanoseconds) / 1e6
end

return clock
