--- Times as events: a source of ions.events.engine. Of those that have passed the last one is done, if it is
-- not too late for it or is to be caught up; it stands for those before.
-- @module ions.events.cron
local schedules = require "ions.events.schedule"

local cron = {}

local LATE_MS = 60000 -- later, and it is missed
local LOOK_MS = 30000 -- between two looks at the clock, which may be set

local Source = {}
Source.__index = Source

--- Where an event begins that is new.
function cron.first(host, _, began) return began or host.now() end

--- A source of times behind event.position.
function cron.open(host, event)
  local schedule, message = schedules.parse(event.spec.at, event.spec.zone)
  if not schedule then error(message, 0) end
  return setmetatable({ host = host, event = event, schedule = schedule, scanned = event.position }, Source)
end

-- The last time up to now that is behind a point; nil: there is none.
local function last_before(schedule, point, now)
  local back = LATE_MS
  while now - back > point and (schedule:after(now - back) or math.huge) > now do back = 2 * back end
  local last, at = nil, schedule:after(math.max(point, now - back))
  while at and at <= now do
    last, at = at, schedule:after(at)
  end
  return last
end

function Source:next()
  local now = self.host.now()
  local at = last_before(self.schedule, self.scanned, now)
  if not at then return nil end
  self.scanned = at
  if now - at > LATE_MS and not self.event.spec.catch_up then return nil end
  return { number = at, position = at, input = { time = at } }
end

function Source:due()
  local at = self.schedule:after(self.scanned)
  return at and math.max(0, math.min(at - self.host.now(), LOOK_MS)) or LOOK_MS
end

function Source:passed() return self.scanned end

function Source:newest() return self.host.now() end

function Source:lag()
  local at = self.schedule:after(self.event.position)
  return at and math.max(0, self.host.now() - at) or 0
end

function Source.close() end

return cron
