--- What is due when: items in a heap by their time. An item is a table; it has one time at most, and
-- keeps its place in itself, so that it can be taken out again.
-- @module ions.timers
local timers = {}

local Timers = {}
Timers.__index = Timers

--- Timers without any item.
function timers.new() return setmetatable({ count = 0 }, Timers) end

local function put(self, place, item)
  self[place], item.timer_place = item, place
end

local function rise(self, item, place)
  while place > 1 do
    local above = math.floor(place / 2)
    if self[above].timer_ms <= item.timer_ms then break end
    put(self, place, self[above])
    place = above
  end
  put(self, place, item)
end

local function sink(self, item, place)
  while 2 * place <= self.count do
    local below = 2 * place
    if below < self.count and self[below + 1].timer_ms < self[below].timer_ms then below = below + 1 end
    if item.timer_ms <= self[below].timer_ms then break end
    put(self, place, self[below])
    place = below
  end
  put(self, place, item)
end

--- Take an item out; nothing if it is not in.
-- @tparam table item
function Timers:clear(item)
  local place = item.timer_place
  if not place then return end
  local last = self[self.count]
  self[self.count], item.timer_place = nil, nil
  self.count = self.count - 1
  if last == item then return end
  rise(self, last, place)
  sink(self, last, last.timer_place)
end

--- Put an item in, or move it to another time.
-- @tparam table item
-- @tparam number ms on the clock that the owner uses
function Timers:set(item, ms)
  self:clear(item)
  item.timer_ms, self.count = ms, self.count + 1
  rise(self, item, self.count)
end

--- The item that is due first.
-- @treturn table|nil
-- @treturn number its time
function Timers:first()
  local item = self[1]
  if item then return item, item.timer_ms end
end

return timers
