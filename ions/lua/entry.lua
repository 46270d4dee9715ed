--- An entry point: a function that is called from outside, with its settings, the calls of it that are in
-- hand and those that wait for a place.
-- @module ions.entry
local nearest = require "lion.nearest"
local series = require "ions.series"

local entry = {}

local AT = series.ENTRY

--- What an entry point may say of itself, and what holds where it says nothing.
entry.SETTINGS = {
  timeout = { default = 5000, min = 1, max = 600000 }, -- ms of a call; of a piece of a streamed body
  concurrency = { default = 128, min = 1, max = 10000 }, -- calls in hand at once
  queue = { default = 512, min = 0, max = 100000 }, -- calls that wait for a place; more are refused
}

--- Tell what is wrong with the settings among the keys of a table.
-- @tparam string where "http, route 2"
-- @tparam table given array items are not looked at
-- @tparam function wrong called with each message and the setting that it is about
function entry.check(where, given, wrong)
  local names = {}
  for name in pairs(given) do
    if type(name) ~= "number" then names[#names + 1] = name end
  end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, name in ipairs(names) do
    local setting, value = entry.SETTINGS[name], given[name]
    if not setting then
      local near = type(name) == "string" and nearest(name, entry.SETTINGS)
      local hint = near and ("did you mean %s?"):format(near) or "there are timeout, concurrency, queue"
      wrong(("%s: unknown setting %s (%s)"):format(where, tostring(name), hint), name)
    elseif
      type(value) ~= "number"
      or value % 1 ~= 0
      or value < setting.min
      or value > setting.max
    then
      local message = "%s: %s is a whole number from %d to %d, not %s"
      wrong(message:format(where, name, setting.min, setting.max, tostring(value)), name)
    end
  end
end

local Entry = {}
Entry.__index = Entry

--- An entry point of checked settings.
-- @tparam string name the function's
-- @tparam function fn
-- @tparam[opt] table given
-- @tparam[opt] table label of its numbers, as series.new takes it
function entry.new(name, fn, given, label)
  local self = { name = name, fn = fn, running = 0, waiting = {}, first = 1, last = 0, waiting_count = 0 }
  self.numbers = series.new(AT.SIZE, label)
  for setting, meaning in pairs(entry.SETTINGS) do
    self[setting] = given and given[setting] or meaning.default
  end
  return setmetatable(self, Entry)
end

-- Another state of the same revision may count there, too.
local function add(self, at, by) self.numbers[at] = self.numbers[at] + by end

--- A call arrives: "run" (it has a place, to be given back by `leave`), "wait", or "refuse".
function Entry:admit(id)
  if self.running < self.concurrency then
    self.running = self.running + 1
    add(self, AT.RUNNING, 1)
    return "run"
  end
  if self.waiting_count >= self.queue then
    add(self, AT.REFUSED, 1)
    return "refuse"
  end
  self.last = self.last + 1
  self.waiting[self.last] = id
  self.waiting_count = self.waiting_count + 1
  add(self, AT.WAITING, 1)
  return "wait"
end

--- A call has ended; its place goes to the one that waits longest, whose id is returned.
function Entry:leave()
  while self.waiting_count > 0 do
    local id = self.waiting[self.first]
    self.waiting[self.first] = nil
    self.first = self.first + 1
    if id ~= nil then
      self.waiting_count = self.waiting_count - 1
      add(self, AT.WAITING, -1)
      return id
    end
  end
  self.running = self.running - 1
  add(self, AT.RUNNING, -1)
  return nil
end

--- A call waits no more.
function Entry:forget(id)
  for i = self.first, self.last do
    if self.waiting[i] == id then
      self.waiting[i] = nil
      self.waiting_count = self.waiting_count - 1
      add(self, AT.WAITING, -1)
      return
    end
  end
end

--- A call was answered.
-- @tparam number status
-- @tparam number ms from its arrival
function Entry:count(status, ms)
  local numbers = self.numbers
  local slot, class = series.slot_of_ms(ms), AT.ANSWERS + math.floor(status / 100)
  numbers[slot] = numbers[slot] + 1
  numbers[AT.SUM] = numbers[AT.SUM] + ms
  numbers[class] = numbers[class] + 1
end

--- A call took steps.
function Entry:pay(steps) add(self, AT.STEPS, steps) end

return entry
