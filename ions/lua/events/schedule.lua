--- Times that a line of cron names: "*/15 9-17 * * mon-fri". Five fields as crontab(5) has them, in UTC,
-- at a fixed offset from it or in a zone of the system's; the finest time is a minute.
--
--     local schedule, message = schedules.parse("0 3 1 * *", "Europe/Berlin")
--     schedule:after(now_ms)   -- ms since 1970 of the next time, nil if there is none before the year 10000
-- @module ions.events.schedule
local zones = require "ions.events.zone"

local floor = math.floor

local schedules = {}

local TEXT_MAX = 256
local MINUTE_MS, DAY_MS = 60000, 86400000
local MINUTES_OF_DAY = 1440
local DAY_LAST = 2932896 -- 9999-12-31, in days since 1970

local MONTHS = { jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6, jul = 7, aug = 8, sep = 9, oct = 10,
  nov = 11, dec = 12 }
local WEEKDAYS = { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 }

-- The days that a month can have.
local LENGTHS = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local FIELDS = {
  { key = "minutes", title = "minute", min = 0, max = 59 },
  { key = "hours", title = "hour", min = 0, max = 23 },
  { key = "days", title = "day of the month", min = 1, max = 31 },
  { key = "months", title = "month", min = 1, max = 12, names = MONTHS },
  { key = "weekdays", title = "day of the week", min = 0, max = 7, names = WEEKDAYS }, -- 0 and 7: Sunday
}

local SHORT = {
  ["@yearly"] = "0 0 1 1 *",
  ["@annually"] = "0 0 1 1 *",
  ["@monthly"] = "0 0 1 * *",
  ["@weekly"] = "0 0 * * 0",
  ["@daily"] = "0 0 * * *",
  ["@midnight"] = "0 0 * * *",
  ["@hourly"] = "0 * * * *",
}

-- ---- reading -------------------------------------------------------------------------------------

-- "7", "mon" → 7, 1; or nil and what is wrong.
local function number_of(text, field)
  local number = text:find "^%d%d?$" and tonumber(text) or field.names and field.names[text:lower()]
  if not number then return nil, ("%q is no value of it"):format(text) end
  if number < field.min or number > field.max then
    return nil, ("%s is not from %d to %d"):format(text, field.min, field.max)
  end
  return number
end

-- "5-20" → 5, 20; "*" → all; "5" → 5, 5.
local function range_of(text, field)
  if text == "*" then return field.min, field.key == "weekdays" and 6 or field.max end
  local first, last = text:match "^([^-]+)%-([^-]+)$"
  local low, high, problem
  low, problem = number_of(first or text, field)
  if not low then return nil, problem end
  if not last then return low, low end
  high, problem = number_of(last, field)
  if not high then return nil, problem end
  if field.key == "weekdays" and high == 0 and low > 0 then high = 7 end -- "fri-sun"
  if high < low then return nil, ("%s goes backwards"):format(text) end
  return low, high
end

local function step_of(text, range, field)
  if not text then return 1 end
  local step = text:find "^%d%d?$" and tonumber(text) or 0
  if step < 1 then return nil, ("/%s is no step"):format(text) end
  if range ~= "*" and not range:find "-" then
    return nil, ("a step goes with * or a range: %s-%d/%s"):format(range, field.max, text)
  end
  return step
end

-- One part of a list into a set.
local function add_part(set, part, field)
  local range, step_text = part:match "^([^/]+)/(.*)$"
  range = range or part
  local step, problem = step_of(step_text, range, field)
  if not step then return problem end
  local low, high = range_of(range, field)
  if not low then return high end
  for value = low, high, step do
    set[field.key == "weekdays" and value % 7 or value] = true
  end
end

-- The values that a field names: value → true; or nil and what is wrong.
local function read_field(text, field)
  local set = {}
  for part in (text .. ","):gmatch "([^,]*)," do
    local problem = part == "" and "a value is missing" or add_part(set, part, field)
    if problem then return nil, ("%s, %q: %s"):format(field.title, text, problem) end
  end
  return set
end

local function read_fields(text, schedule)
  local words = {}
  for word in text:gmatch "%S+" do words[#words + 1] = word end
  if #words ~= 5 then
    return ("it has %d fields; there are five: minute, hour, day of the month, month, day of the week")
      :format(#words)
  end
  for i, field in ipairs(FIELDS) do
    local set, problem = read_field(words[i], field)
    if not set then return problem end
    schedule[field.key] = set
  end
  -- As cron has it: a field that begins with * leaves the day to the other one; where both name days, a day
  -- that either of them names is one.
  schedule.is_each_hour = words[2]:sub(1, 1) == "*"
  schedule.is_either = words[3]:sub(1, 1) ~= "*" and words[5]:sub(1, 1) ~= "*"
end

-- A zone whose clocks are never set, as ions.events.zone has them.
local Fixed = {}
Fixed.__index = Fixed

function Fixed:at() return self.offset_ms, math.huge end

function Fixed:utc(local_ms) return local_ms - self.offset_ms end

-- "+02:00", "Europe/Berlin" → a zone; nil and what is wrong.
local function zone_of(name)
  if name == nil or name == "UTC" or name == "Z" then return setmetatable({ offset_ms = 0 }, Fixed) end
  local sign, hours, minutes = tostring(name):match "^([+-])(%d%d):(%d%d)$"
  hours, minutes = tonumber(hours), tonumber(minutes)
  if sign and hours <= 14 and minutes <= 59 then
    local offset_ms = (sign == "-" and -1 or 1) * (hours * 60 + minutes) * MINUTE_MS
    return setmetatable({ offset_ms = offset_ms }, Fixed)
  end
  local zone, problem = nil, "that is no name"
  if type(name) == "string" and name:find "^%a" then zone, problem = zones.open(name) end
  if zone then return zone end
  local known = 'there are "UTC", fixed offsets such as "+02:00" and names such as "Europe/Berlin"'
  return nil, ("zone %s is not known, %s: %s"):format(tostring(name), problem, known)
end

-- Whether a month that is named has a day that is named.
local function has_day(schedule)
  if schedule.is_either then return true end
  for month in pairs(schedule.months) do
    for day in pairs(schedule.days) do
      if day <= LENGTHS[month] then return true end
    end
  end
  return false
end

-- ---- times ---------------------------------------------------------------------------------------

local function fits_day(schedule, date)
  local by_day, by_weekday = schedule.days[date.day], schedule.weekdays[date.wday - 1]
  if schedule.is_either then return by_day or by_weekday end
  return by_day and by_weekday
end

-- The first minute of a day, from `minute` on; nil: none is left.
local function minute_from(schedule, minute)
  for at = minute, MINUTES_OF_DAY - 1 do
    if schedule.hours[floor(at / 60)] and schedule.minutes[at % 60] then return at end
  end
end

local Schedule = {}
Schedule.__index = Schedule

-- The first time of the clock that is named and later than another one.
local function next_of_clock(self, ms)
  local next_minute = floor(ms / MINUTE_MS) + 1
  local day, minute = floor(next_minute / MINUTES_OF_DAY), next_minute % MINUTES_OF_DAY
  while day <= DAY_LAST do
    local date = os.date("!*t", day * (DAY_MS / 1000))
    if not self.months[date.month] then
      day, minute = day + math.max(1, 28 - date.day), 0 -- no month has fewer days
    else
      local at = fits_day(self, date) and minute_from(self, minute)
      if at then return day * DAY_MS + at * MINUTE_MS end
      day, minute = day + 1, 0
    end
  end
end

-- Times that go by hours of the clock come once a day: where it is set back, not again; where it is set
-- forward over one, at that moment.
local function next_by_clock(self, ms)
  local at = next_of_clock(self, ms + self.zone:at(ms))
  while at do
    local utc = self.zone:utc(at)
    if utc > ms then return utc end
    at = next_of_clock(self, at)
  end
end

-- Times of every hour come in every hour that there is.
local function next_of_each_hour(self, ms)
  local offset, ends = self.zone:at(ms)
  local at = next_of_clock(self, ms + offset)
  while at and at - offset >= ends do
    local change = ends
    offset, ends = self.zone:at(change)
    at = next_of_clock(self, change + offset - 1)
  end
  return at and at - offset
end

--- The first time that is later than another one.
-- @tparam number ms since 1970
-- @treturn number|nil ms since 1970; nil: none comes before the year 10000
function Schedule:after(ms)
  if self.is_each_hour then return next_of_each_hour(self, ms) end
  return next_by_clock(self, ms)
end

--- Read a line of cron.
-- @tparam string text five fields, or @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually
-- @tparam[opt] string name of the zone in which its hours are: "UTC", which it is without one, "+02:00",
-- "Europe/Berlin"
-- @treturn table|nil the schedule
-- @treturn string what is wrong
function schedules.parse(text, name)
  if type(text) ~= "string" then return nil, "a schedule is a string, not a " .. type(text) end
  if #text > TEXT_MAX then return nil, ("a schedule has at most %d characters"):format(TEXT_MAX) end
  local zone, problem = zone_of(name)
  if not zone then return nil, problem end
  local schedule = { text = text, zone = zone }
  if text:find "^%s*@" then
    local fields = SHORT[text:match "%S+":lower()]
    if not fields or text:find "%S%s+%S" then
      local known = "@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually"
      return nil, ("%q is none of %s"):format(text, known)
    end
    problem = read_fields(fields, schedule)
  else
    problem = read_fields(text, schedule)
  end
  if problem then return nil, ("schedule %q: %s"):format(text, problem) end
  if not has_day(schedule) then
    return nil, ("schedule %q never comes: no month that it names has such a day"):format(text)
  end
  return setmetatable(schedule, Schedule)
end

return schedules
