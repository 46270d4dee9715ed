--- Pauses between two tries of what a node was asked: each about twice the one before, and no two clients'
-- alike, so that those who were sent away together do not come back together.
-- @module lion.remote.pause
local core = require "lion.core"

local MAX_MS = 1000

-- Between 0 and 1. Lua's own numbers are the same in every process.
local function chance() return tonumber(core.uuid():sub(1, 8), 16) / 2 ^ 32 end

--- @tparam number ms as planned
-- @treturn number ms to wait: half of it to one and a half
-- @treturn number ms to plan next
return function(ms) return ms * (0.5 + chance()), math.min(ms * 2, MAX_MS) end
