--- What the door keeps for a while: values by their tokens, iterators by their ids. What nobody asked for
-- during one to two periods is let go, so that no old value holds space in its file for long.
-- @module ions.door.kept
local core = require "lion.core"

local kept = {}

local PERIOD_MS = 20000
local COUNT_MAX = 256 -- in each generation

local Kept = {}
Kept.__index = Kept

local function turn(self)
  self.older, self.newer, self.count = self.newer, {}, 0
end

-- The older generation goes; as long as there is something, it comes again.
local function on_time(self)
  turn(self)
  collectgarbage() -- values are let go when they are collected, and a door that is not asked makes no garbage
  self.is_timed = next(self.older) ~= nil
  if self.is_timed then self.tasks:at(self.timer, core.monotonic_ms() + PERIOD_MS) end
end

--- The store of a door; made when it is asked for first.
function kept.of(door)
  local self = door.kept
  if self then return self end
  self = setmetatable({ tasks = door.tasks, newer = {}, older = {}, count = 0 }, Kept)
  self.timer = { on_time = function() on_time(self) end }
  door.kept = self
  return self
end

--- Keep something.
-- @param key
-- @param value
function Kept:put(key, value)
  if self.newer[key] == nil then self.count = self.count + 1 end
  self.newer[key] = value
  if self.count >= COUNT_MAX then turn(self) end
  if self.is_timed then return end
  self.is_timed = true
  self.tasks:at(self.timer, core.monotonic_ms() + PERIOD_MS)
end

--- What is kept under a key; nil if it is gone.
function Kept:get(key)
  local value = self.newer[key]
  if value ~= nil then return value end
  value = self.older[key]
  if value ~= nil then self:put(key, value) end
  return value
end

--- The same, and it is kept no longer.
function Kept:take(key)
  local value = self:get(key)
  self.newer[key], self.older[key] = nil, nil
  return value
end

return kept
