--- Zones of the system's database by their names, "Europe/Berlin": how far a zone's clocks are from UTC at a
-- time. Its files are TZif (RFC 8536): the changes that there have been and are to come, and a rule for all
-- later years, written as POSIX has it in TZ.
--
--     local zone, message = zones.open "Europe/Berlin"
--     local offset_ms, ends = zone:at(now_ms)     -- and until when that is so
--     zone:utc(local_ms)
-- @module ions.events.zone
local find, floor = string.find, math.floor

local zones = {}

local DIR = "/usr/share/zoneinfo"
local SECOND_MS, DAY_MS = 1000, 86400000
local DAY, HOUR, MINUTE = 86400, 3600, 60
local SIZE_MAX = 1024 * 1024

-- ---- numbers of the file, most significant byte first -----------------------------------------------

local function unsigned(text, at)
  local a, b, c, d = text:byte(at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function signed(text, at)
  local number = unsigned(text, at)
  return number >= 2 ^ 31 and number - 2 ^ 32 or number
end

local function signed_64(text, at) return signed(text, at) * 2 ^ 32 + unsigned(text, at + 4) end

-- ---- rules for later years --------------------------------------------------------------------------

-- "CET", "<+03>": what follows it.
local function after_name(text, at)
  local _, last = find(text, "^%a%a%a+", at)
  if not last then _, last = find(text, "^<[%w+-]+>", at) end
  return last and last + 1
end

-- "-1", "+5:30", "2" → seconds, and what follows.
local function clock(text, at)
  local _, last, sign, hours, rest = find(text, "^([+-]?)(%d+)([:%d]*)", at)
  if not last then return nil end
  local minutes, seconds = rest:match "^:(%d%d):?(%d*)$"
  local sum = tonumber(hours) * HOUR + (tonumber(minutes) or 0) * MINUTE + (tonumber(seconds) or 0)
  return sign == "-" and -sum or sum, last + 1
end

-- "M3.5.0/3", "J60", "59": a day of each year and the time of the clock on it, and what follows.
local function date(text, at)
  local rule = {}
  local _, last
  _, last, rule.month, rule.week, rule.weekday = find(text, "^,M(%d+)%.(%d)%.(%d)", at)
  if not last then _, last, rule.julian = find(text, "^,J(%d+)", at) end
  if not last then _, last, rule.day = find(text, "^,(%d+)", at) end
  if not last then return nil end
  for key, digits in pairs(rule) do rule[key] = tonumber(digits) end
  rule.time, at = 2 * HOUR, last + 1
  if text:sub(at, at) == "/" then rule.time, at = clock(text, at + 1) end
  return rule, at
end

-- A rule as seconds ahead of UTC, in summer too and from when to when, if there is a summer; nil: it is none.
local function read_rule(text)
  local at, behind = after_name(text, 1), nil
  if at then behind, at = clock(text, at) end
  if not at then return nil end
  local rule = { offset = -behind }
  if at > #text then return rule end
  at = after_name(text, at)
  if not at then return nil end
  rule.summer = rule.offset + HOUR
  local told, next_at = clock(text, at)
  if told then rule.summer, at = -told, next_at end
  rule.from, at = date(text, at)
  if at then rule.to, at = date(text, at) end
  return at and rule
end

-- Days since 1970 of a date in the proleptic Gregorian calendar: those of March to February, counted in
-- cycles of 400 years.
local function days_of(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  local cycle = floor(year / 400)
  local year_of_cycle = year - cycle * 400
  local day_of_year = floor((153 * (month - 3) + 2) / 5) + day - 1
  return cycle * 146097 + year_of_cycle * 365 + floor(year_of_cycle / 4) - floor(year_of_cycle / 100)
    + day_of_year - 719468
end

-- Days since 1970 of a rule's date in a year.
local function day_in(rule, year)
  local first = days_of(year, 1, 1)
  local is_leap = days_of(year + 1, 1, 1) - first == 366
  if rule.day then return first + rule.day end
  if rule.julian then return first + rule.julian - ((is_leap and rule.julian >= 60) and 0 or 1) end
  local month = days_of(year, rule.month, 1)
  local weekday = (month + 4) % 7 -- 1970 began on a Thursday
  local day = month + (rule.weekday - weekday) % 7 + 7 * (rule.week - 1)
  local next_month = rule.month == 12 and days_of(year + 1, 1, 1) or days_of(year, rule.month + 1, 1)
  return day < next_month and day or day - 7
end

-- When summer begins and ends in a year, in seconds since 1970.
local function summer_of(rule, year)
  return day_in(rule.from, year) * DAY + rule.from.time - rule.offset,
    day_in(rule.to, year) * DAY + rule.to.time - rule.summer
end

-- Offset at a time by a rule, and until when.
local function by_rule(rule, seconds)
  if not rule.from then return rule.offset, math.huge end
  local offset, ends, latest = rule.offset, math.huge, -math.huge
  local year = tonumber(os.date("!%Y", seconds))
  for one = year - 1, year + 1 do
    local from, to = summer_of(rule, one)
    for _, change in ipairs { { from, rule.summer }, { to, rule.offset } } do
      if change[1] > seconds then ends = math.min(ends, change[1])
      elseif change[1] > latest then latest, offset = change[1], change[2]
      end
    end
  end
  return offset, ends
end

-- ---- the file ---------------------------------------------------------------------------------------

local HEADER = 44

-- Counts of a block by their places in its header, and the bytes of its data.
local function header(text, at, time_size)
  if text:sub(at, at + 3) ~= "TZif" or #text < at + HEADER - 1 then return nil end
  local utc, standard, leaps, times, types, chars =
    unsigned(text, at + 20), unsigned(text, at + 24), unsigned(text, at + 28), unsigned(text, at + 32),
    unsigned(text, at + 36), unsigned(text, at + 40)
  local size = times * (time_size + 1) + types * 6 + chars + leaps * (time_size + 4) + standard + utc
  return { times = times, types = types, size = size }
end

-- The changes of the block of 64-bit times, and the rule behind it; nil: the file is none.
local function read(text)
  local old = header(text, 1, 4)
  local at = old and text:byte(5) >= 0x32 and 1 + HEADER + old.size
  local block = at and header(text, at, 8)
  if not block or #text < at + HEADER + block.size or block.types == 0 then return nil end
  at = at + HEADER
  local kinds, types, zone = at + block.times * 8, {}, { times = {}, offsets = {} }
  for i = 1, block.types do
    types[i] = signed(text, kinds + block.times + (i - 1) * 6)
  end
  for i = 1, block.times do
    zone.times[i] = signed_64(text, at + (i - 1) * 8)
    zone.offsets[i] = types[text:byte(kinds + i - 1) + 1]
    if not zone.offsets[i] then return nil end
  end
  zone.first = types[1]
  local rule = text:match("^\n([^\n]*)\n", at + block.size)
  if not rule then return nil end
  if rule ~= "" then
    zone.rule = read_rule(rule)
    if not zone.rule then return nil end
  end
  return zone
end

-- ---- zones ------------------------------------------------------------------------------------------

local Zone = {}
Zone.__index = Zone

-- The last change that is not later; 0: there is none.
local function change_at(times, seconds)
  local low, high = 0, #times
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if times[middle] <= seconds then low = middle else high = middle - 1 end
  end
  return low
end

--- How far the zone's clocks are ahead of UTC.
-- @tparam number ms since 1970
-- @treturn number ms
-- @treturn number ms since 1970 of the next change; math.huge: none comes
function Zone:at(ms)
  local seconds = floor(ms / SECOND_MS)
  local change = change_at(self.times, seconds)
  if change == #self.times and self.rule then
    local offset, ends = by_rule(self.rule, seconds)
    return offset * SECOND_MS, ends * SECOND_MS
  end
  local offset = change == 0 and self.first or self.offsets[change]
  return offset * SECOND_MS, (self.times[change + 1] or math.huge) * SECOND_MS
end

--- When the zone's clocks show a time: the first time that they do, or, if they never do, when they are set
-- forward over it.
-- @tparam number local_ms what they show, as ms since 1970
-- @treturn number ms since 1970
function Zone:utc(local_ms)
  local before, after = self:at(local_ms - DAY_MS), self:at(local_ms + DAY_MS)
  local first, second = local_ms - math.max(before, after), local_ms - math.min(before, after)
  if self:at(first) == local_ms - first then return first end
  if self:at(second) == local_ms - second then return second end
  return (select(2, self:at(first)))
end

--- Open a zone.
-- @tparam string name "Europe/Berlin"
-- @treturn table|nil the zone
-- @treturn string what is wrong
function zones.open(name)
  local is_name = #name < 100 and not find(name, "[^%w_+/-]") and not find("/" .. name .. "/", "//", 1, true)
  local file = is_name and io.open((os.getenv "TZDIR" or DIR) .. "/" .. name, "rb")
  local text = file and file:read(SIZE_MAX)
  if file then file:close() end
  if not text then return nil, "this system has no zone of that name (Debian's package is tzdata)" end
  local zone = read(text)
  if not zone then return nil, "the system's file of it is no TZif file of version 2 or later" end
  return setmetatable(zone, Zone)
end

return zones
