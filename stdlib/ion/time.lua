--- Points in time, as ms since 1970 in UTC: reading, writing and counting with them, from the year 1 to 9999.
-- @module ion.time
local anomaly = require "lion.anomaly"
local gate = require "ions.gate"
local nearest = require "lion.nearest"

local floor = math.floor

local time = {}

--- Lengths in ms, to count with.
time.SECOND = 1000
time.MINUTE = 60 * time.SECOND
time.HOUR = 60 * time.MINUTE
time.DAY = 24 * time.HOUR
time.WEEK = 7 * time.DAY

-- 0001-01-01T00:00:00Z and the last ms of 9999.
local MS_MIN, MS_MAX = -62135596800000, 253402300799999

local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }
local MONTH_OF = {}
for i, name in ipairs(MONTHS) do MONTH_OF[name] = i end

local WEEKDAYS = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" }

local function refuse(message, ...) anomaly.incorrect("ion.time/invalid", message, ...) end

local function shown(value)
  return type(value) == "string" and ("%q"):format(value:sub(1, 80)) or tostring(value)
end

local function check_ms(ms, what)
  if type(ms) ~= "number" or not (ms >= MS_MIN and ms <= MS_MAX) then
    refuse("%s takes a time in ms since 1970, of the years 1 to 9999, not %s", what, shown(ms))
  end
  return floor(ms)
end

local function check_text(text, what)
  if type(text) ~= "string" then refuse("%s takes a text, not a %s", what, type(text)) end
end

-- ---- the calendar ------------------------------------------------------------------------------

-- Days since 1970-01-01 of the proleptic Gregorian calendar. Years are counted from March, so that a leap
-- day is a year's last; 400 years have 146,097 days, and 719,468 lie between 0000-03-01 and 1970-01-01.
local function days_of(year, month, day)
  local y = month <= 2 and year - 1 or year
  local era = floor(y / 400)
  local year_of_era = y - era * 400
  local day_of_year = floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  local day_of_era = year_of_era * 365 + floor(year_of_era / 4) - floor(year_of_era / 100) + day_of_year
  return era * 146097 + day_of_era - 719468
end

-- The reverse: year, month, day.
local function date_of(days)
  days = days + 719468
  local era = floor(days / 146097)
  local rest = days - era * 146097
  local year_of_era = floor((rest - floor(rest / 1460) + floor(rest / 36524) - floor(rest / 146096)) / 365)
  local day_of_year = rest - (365 * year_of_era + floor(year_of_era / 4) - floor(year_of_era / 100))
  local shifted = floor((5 * day_of_year + 2) / 153)
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
  return year, month, day_of_year - floor((153 * shifted + 2) / 5) + 1
end

local function month_length(year, month)
  if month == 2 then return (year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)) and 29 or 28 end
  return (month == 4 or month == 6 or month == 9 or month == 11) and 30 or 31
end

local function whole(value, name, min, max)
  if type(value) ~= "number" or value % 1 ~= 0 or value < min or value > max then
    refuse("%s is a whole number from %d to %d, not %s", name, min, max, shown(value))
  end
  return value
end

-- Parts that are numbers already, to ms; what is none of a date is refused.
local function join(year, month, day, hour, minute, second, ms)
  whole(year, "year", 1, 9999)
  whole(month, "month", 1, 12)
  whole(day, "day", 1, month_length(year, month))
  whole(hour, "hour", 0, 23)
  whole(minute, "minute", 0, 59)
  whole(second, "second", 0, 59)
  whole(ms, "ms", 0, 999)
  return days_of(year, month, day) * time.DAY + ((hour * 60 + minute) * 60 + second) * 1000 + ms
end

--- Now, by the application's clock.
-- @treturn number ms since 1970
function time.now() return gate.now() end

--- The parts of a time.
-- @tparam number ms
-- @treturn table year, month, day, hour, minute, second, ms, weekday (1: Monday), yearday (1: January 1st)
function time.parts(ms)
  ms = check_ms(ms, "time.parts")
  local days = floor(ms / time.DAY)
  local rest = ms - days * time.DAY
  local year, month, day = date_of(days)
  return {
    year = year,
    month = month,
    day = day,
    hour = floor(rest / time.HOUR),
    minute = floor(rest / time.MINUTE) % 60,
    second = floor(rest / 1000) % 60,
    ms = rest % 1000,
    weekday = (days + 3) % 7 + 1,
    yearday = days - days_of(year, 1, 1) + 1,
  }
end

local PARTS = { year = true, month = true, day = true, hour = true, minute = true, second = true, ms = true,
  weekday = true, yearday = true }

local function check_names(given, known, what)
  if type(given) ~= "table" then refuse("%s takes a table, not a %s", what, type(given)) end
  for name in pairs(given) do
    if not known[name] then
      local near = type(name) == "string" and nearest(name, known)
      refuse("%s knows no %s%s", what, tostring(name), near and (" (did you mean %s?)"):format(near) or "")
    end
  end
end

--- The time of its parts. month and day are 1, the rest 0, if they are left out; weekday and yearday are
-- not looked at, so that what time.parts gave can be changed and put together again.
-- @tparam table parts { year = 2026, month = 2, day = 28 }
-- @treturn number ms
function time.of(parts)
  check_names(parts, PARTS, "time.of")
  return join(parts.year, parts.month or 1, parts.day or 1, parts.hour or 0, parts.minute or 0,
    parts.second or 0, parts.ms or 0)
end

--- The days that a month has.
function time.days_in_month(year, month)
  return month_length(whole(year, "year", 1, 9999), whole(month, "month", 1, 12))
end

-- ---- counting ----------------------------------------------------------------------------------

local LENGTHS = { days = time.DAY, weeks = time.WEEK, hours = time.HOUR, minutes = time.MINUTE,
  seconds = time.SECOND, ms = 1 }

local UNITS = { years = true, months = true }
for unit in pairs(LENGTHS) do UNITS[unit] = true end

local STEPS_MAX = 1e15 -- more than ms in all the years

local function count_of(by, unit) return whole(by[unit] or 0, unit, -STEPS_MAX, STEPS_MAX) end

--- Add to a time. Years and months come first, and a day that the month does not have becomes its last:
-- January 31st and a month is February 28th or 29th.
-- @tparam number ms
-- @tparam table by { months = 1, days = -1 }: years, months, weeks, days, hours, minutes, seconds, ms
-- @treturn number ms
function time.add(ms, by)
  ms = check_ms(ms, "time.add")
  check_names(by, UNITS, "time.add")
  local months = count_of(by, "years") * 12 + count_of(by, "months")
  if months ~= 0 then
    local days = floor(ms / time.DAY)
    local year, month, day = date_of(days)
    local count = year * 12 + month - 1 + months
    year, month = floor(count / 12), count % 12 + 1
    if year < 1 or year > 9999 then refuse("time.add leaves the years 1 to 9999") end
    ms = days_of(year, month, math.min(day, month_length(year, month))) * time.DAY + ms - days * time.DAY
  end
  for unit, length in pairs(LENGTHS) do ms = ms + count_of(by, unit) * length end
  if ms < MS_MIN or ms > MS_MAX then refuse("time.add leaves the years 1 to 9999") end
  return ms
end

local STARTS = { second = time.SECOND, minute = time.MINUTE, hour = time.HOUR, day = time.DAY }

--- The first ms of the second, minute, hour, day, week (from Monday), month or year that a time is in.
-- @tparam number ms
-- @tparam string unit "day"
-- @treturn number ms
function time.start_of(ms, unit)
  ms = check_ms(ms, "time.start_of")
  if STARTS[unit] then return floor(ms / STARTS[unit]) * STARTS[unit] end
  local days = floor(ms / time.DAY)
  local year, month = date_of(days)
  if unit == "week" then return (days - (days + 3) % 7) * time.DAY end
  if unit == "month" then return days_of(year, month, 1) * time.DAY end
  if unit == "year" then return days_of(year, 1, 1) * time.DAY end
  refuse("time.start_of takes second, minute, hour, day, week, month or year, not %s", shown(unit))
end

--- How many midnights lie between two times: from today to tomorrow is 1, whatever the hour.
-- @treturn number negative if `to` is before `from`
function time.days_between(from, to)
  from, to = check_ms(from, "time.days_between"), check_ms(to, "time.days_between")
  return floor(to / time.DAY) - floor(from / time.DAY)
end

-- ---- RFC 3339 ----------------------------------------------------------------------------------

--- A time as text: "2026-11-28T17:18:54.123Z"; without the fraction where it is whole seconds.
-- @tparam number ms
-- @treturn string
function time.format(ms)
  local at = time.parts(ms)
  local fraction = at.ms > 0 and (".%03d"):format(at.ms) or ""
  return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(at.year, at.month, at.day, at.hour, at.minute, at.second,
    fraction)
end

--- Its date alone: "2026-11-28".
function time.format_date(ms) return (time.format(ms):sub(1, 10)) end

local function no_date(text, shape) refuse("%s is no %s", shown(text), shape) end

-- What a text says that has the right shape may still be no date: the 30th of February.
local function join_text(text, shape, ...)
  local ok, ms = pcall(join, ...)
  if ok then return ms end
  refuse("%s is no %s: %s", shown(text), shape, tostring(ms.message))
end

-- "+02:00" → minutes; nil if it is none.
local function offset_of(zone)
  if zone == "Z" or zone == "z" then return 0 end
  local sign, hours, minutes = zone:match "^([+-])(%d%d):(%d%d)$"
  hours, minutes = tonumber(hours), tonumber(minutes)
  if not sign or hours > 23 or minutes > 59 then return nil end
  return (sign == "-" and -1 or 1) * (hours * 60 + minutes)
end

local SHAPE = "^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt ](%d%d):(%d%d):(%d%d)(%.?%d*)([Zz+-][%d:]*)$"

--- The time of a text of RFC 3339, with any offset ("2026-11-28T19:18:54+02:00"), or of a date alone, which
-- is its midnight. Of a fraction the first three digits count; a leap second is the second behind it.
-- @tparam string text
-- @treturn number ms
function time.parse(text)
  check_text(text, "time.parse")
  local shape = "time of RFC 3339, as 2026-11-28T17:18:54Z"
  if #text > 64 then no_date(text, shape) end
  local year, month, day = text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)$"
  if year then
    return join_text(text, shape, tonumber(year), tonumber(month), tonumber(day), 0, 0, 0, 0)
  end
  local hour, minute, second, fraction, zone
  year, month, day, hour, minute, second, fraction, zone = text:match(SHAPE)
  local offset = zone and offset_of(zone)
  if not offset or (fraction ~= "" and not fraction:find "^%.%d") then no_date(text, shape) end
  local ms = fraction == "" and 0 or tonumber((fraction:sub(2) .. "00"):sub(1, 3))
  local is_leap = second == "60"
  local at = join_text(text, shape, tonumber(year), tonumber(month), tonumber(day), tonumber(hour),
    tonumber(minute), is_leap and 59 or tonumber(second), is_leap and 0 or ms)
  at = at + (is_leap and 1000 or 0) - offset * time.MINUTE
  if at < MS_MIN or at > MS_MAX then no_date(text, shape) end
  return at
end

-- ---- HTTP --------------------------------------------------------------------------------------

--- A time as HTTP's headers have it: "Sun, 06 Nov 1994 08:49:37 GMT".
-- @tparam number ms
-- @treturn string
function time.format_http(ms)
  local at = time.parts(ms)
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(WEEKDAYS[at.weekday], at.day, MONTHS[at.month],
    at.year, at.hour, at.minute, at.second)
end

-- Two digits of a year: the one that is at most 50 years ahead (RFC 9110, 5.6.7).
local function full_year(two)
  local this = time.parts(gate.now()).year
  local year = this - this % 100 + two
  return year > this + 50 and year - 100 or year
end

--- The time of an HTTP date, in any of the three forms that RFC 9110 knows. The day's name is not checked.
-- @tparam string text
-- @treturn number ms
function time.parse_http(text)
  check_text(text, "time.parse_http")
  local shape = "date of HTTP, as Sun, 06 Nov 1994 08:49:37 GMT"
  if #text > 64 then no_date(text, shape) end
  local day, month, year, hour, minute, second =
    text:match "^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$"
  if not day then
    day, month, year, hour, minute, second =
      text:match "^%a+day, (%d%d)%-(%a%a%a)%-(%d%d) (%d%d):(%d%d):(%d%d) GMT$"
    year = year and full_year(tonumber(year))
  end
  if not day then
    month, day, hour, minute, second, year =
      text:match "^%a%a%a (%a%a%a) ([%d ]%d) (%d%d):(%d%d):(%d%d) (%d%d%d%d)$"
  end
  if not day or not MONTH_OF[month] then no_date(text, shape) end
  local is_leap = second == "60"
  return join_text(text, shape, tonumber(year), MONTH_OF[month], tonumber(day), tonumber(hour),
    tonumber(minute), is_leap and 59 or tonumber(second), 0) + (is_leap and 1000 or 0)
end

return time
