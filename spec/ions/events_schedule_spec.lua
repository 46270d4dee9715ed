local schedules = require "ions.events.schedule"
local time = require "ion.time"

local function next_of(text, from, zone)
  local schedule = assert(schedules.parse(text, zone))
  local at = schedule:after(time.parse(from))
  return at and time.format(at)
end

describe("A schedule of cron", function()
  for _, case in ipairs {
    -- schedule, from, the next time
    { "* * * * *", "2026-11-28T18:58:29Z", "2026-11-28T18:59:00Z" },
    { "* * * * *", "2026-11-28T18:59:00Z", "2026-11-28T19:00:00Z" }, -- later, not the same
    { "  0\t3  * * *  ", "2026-11-28T03:00:00Z", "2026-11-29T03:00:00Z" },
    { "*/15 * * * *", "2026-11-28T18:46:00Z", "2026-11-28T19:00:00Z" },
    { "5-20/7 * * * *", "2026-11-28T18:12:00Z", "2026-11-28T18:19:00Z" },
    { "0,30 9-17 * * *", "2026-11-28T17:30:00Z", "2026-11-29T09:00:00Z" },
    { "0 0 1 JAN *", "2026-11-28T18:00:00Z", "2027-01-01T00:00:00Z" },
    { "0 0 * feb-apr *", "2026-11-28T18:00:00Z", "2027-02-01T00:00:00Z" },
    { "0 9 * * mon-fri", "2026-11-28T18:00:00Z", "2026-11-30T09:00:00Z" }, -- from a Saturday
    { "0 9 * * 0", "2026-11-28T18:00:00Z", "2026-11-29T09:00:00Z" },
    { "0 9 * * 7", "2026-11-28T18:00:00Z", "2026-11-29T09:00:00Z" },
    { "0 9 * * fri-sun", "2026-11-30T18:00:00Z", "2026-12-04T09:00:00Z" },
    { "0 9 * * 5-7", "2026-11-28T18:00:00Z", "2026-11-29T09:00:00Z" },
    { "0 0 31 * *", "2026-11-28T18:00:00Z", "2026-12-31T00:00:00Z" },
    { "0 0 29 2 *", "2026-11-28T18:00:00Z", "2028-02-29T00:00:00Z" },
    { "0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z" }, -- 2100 has no leap day
    { "59 23 31 12 *", "2026-11-28T18:00:00Z", "2026-12-31T23:59:00Z" },
    { "@hourly", "2026-11-28T18:00:00Z", "2026-11-28T19:00:00Z" },
    { "@daily", "2026-11-28T18:00:00Z", "2026-11-29T00:00:00Z" },
    { "@midnight", "2026-11-28T18:00:00Z", "2026-11-29T00:00:00Z" },
    { "@weekly", "2026-11-28T18:00:00Z", "2026-11-29T00:00:00Z" },
    { "@monthly", "2026-11-28T18:00:00Z", "2026-12-01T00:00:00Z" },
    { "@Yearly", "2026-11-28T18:00:00Z", "2027-01-01T00:00:00Z" },
    { "@annually", "2026-11-28T18:00:00Z", "2027-01-01T00:00:00Z" },
    { "0 0 1 1 *", "1969-06-01T00:00:00Z", "1970-01-01T00:00:00Z" },
  } do
    it(("%s comes after %s at %s"):format(unpack(case)), function()
      assert.equal(case[3], next_of(case[1], case[2]))
    end)
  end

  describe("with days of the month and of the week", function()
    it("comes on either, where both name days", function()
      assert.equal("2026-11-30T00:00:00Z", next_of("0 0 13 * mon", "2026-11-28T00:00:00Z"))
      assert.equal("2026-12-13T00:00:00Z", next_of("0 0 13 * mon", "2026-12-12T00:00:00Z")) -- a Sunday
    end)

    it("comes where both fit, when one of them begins with *", function()
      -- Odd days that are Mondays.
      assert.equal("2026-12-07T00:00:00Z", next_of("0 0 */2 * mon", "2026-12-01T00:00:00Z"))
      assert.equal("2026-12-21T00:00:00Z", next_of("0 0 */2 * mon", "2026-12-07T00:00:00Z"))
    end)

    it("comes on February 30 where the day of the week can stand for it", function()
      assert.equal("2027-02-01T00:00:00Z", next_of("0 0 30 2 mon", "2026-12-01T00:00:00Z"))
    end)
  end)

  describe("with a zone", function()
    it("has its hours at that offset from UTC", function()
      assert.equal("2026-11-29T01:00:00Z", next_of("0 3 * * *", "2026-11-28T18:00:00Z", "+02:00"))
      assert.equal("2026-11-29T08:30:00Z", next_of("0 3 * * *", "2026-11-28T18:00:00Z", "-05:30"))
      assert.equal("2026-11-29T03:00:00Z", next_of("0 3 * * *", "2026-11-28T18:00:00Z", "UTC"))
    end)

    it("has its days there, too", function()
      assert.equal("2026-11-30T22:00:00Z", next_of("0 0 1 * *", "2026-11-28T18:00:00Z", "+02:00"))
    end)

    for _, case in ipairs {
      -- schedule, from, the next time, zone
      { "0 3 * * *", "2026-11-28T18:00:00Z", "2026-11-29T02:00:00Z", "Europe/Berlin" },
      { "0 3 * * *", "2026-07-01T18:00:00Z", "2026-07-02T01:00:00Z", "Europe/Berlin" },
      { "0 0 1 * *", "2026-11-30T20:00:00Z", "2026-11-30T23:00:00Z", "Europe/Berlin" },
      -- Set forward over 02:30: at that moment, once; the next night as ever.
      { "30 2 * * *", "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z", "Europe/Berlin" },
      { "15,30 2 * * *", "2027-03-28T01:00:00Z", "2027-03-29T00:15:00Z", "Europe/Berlin" },
      -- Set back over 02:30: when it comes first, and not again.
      { "30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "Europe/Berlin" },
      { "30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z", "Europe/Berlin" },
      { "30 2 * * *", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z", "Europe/Berlin" },
      -- Every hour is every hour, whatever the clocks show.
      { "30 * * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "Europe/Berlin" },
      { "0 * * * *", "2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z", "Europe/Berlin" },
      { "*/20 * * * *", "2027-03-28T00:40:00Z", "2027-03-28T01:00:00Z", "Europe/Berlin" },
      -- Beyond what the file lists, by its rule; summer at the turn of the year; zones without any.
      { "0 12 1 7 *", "2150-01-01T00:00:00Z", "2150-07-01T10:00:00Z", "Europe/Berlin" },
      { "0 12 1 1 *", "2150-01-01T12:00:00Z", "2151-01-01T01:00:00Z", "Australia/Sydney" },
      { "0 12 1 7 *", "2150-01-01T00:00:00Z", "2150-07-01T06:15:00Z", "Asia/Kathmandu" },
      { "0 12 1 7 *", "2026-01-01T00:00:00Z", "2026-07-01T16:00:00Z", "America/New_York" },
    } do
      it(("%s comes after %s at %s in %s"):format(unpack(case)), function()
        assert.equal(case[3], next_of(case[1], case[2], case[4]))
      end)
    end

    it("agrees with the system about hours that the clocks show", function()
      local name, count = "America/New_York", 0
      local zone = assert(require("ions.events.zone").open(name))
      local shown = io.popen(("TZ=%s bash -c 'for ((at = -1500000000; at < 5200000000; at += 7654321)); do "
        .. "printf \"%%(%%s %%z)T\\n\" $at; done'"):format(name))
      for at, sign, hours, minutes in shown:read("*a"):gmatch "(%-?%d+) ([+-])(%d%d)(%d%d)" do
        local seconds = (hours * 60 + minutes) * 60 * (sign == "-" and -1 or 1)
        assert.equal(seconds * 1000, (zone:at(at * 1000)), at)
        count = count + 1
      end
      shown:close()
      assert.is_true(count > 800)
    end)

    for _, zone in ipairs { "Europe/Atlantis", "Europe/../UTC", "Europe", "+2", "+15:00", "+02:60", "", 2 } do
      it("is refused with " .. tostring(zone), function()
        local schedule, message = schedules.parse("0 3 * * *", zone)
        assert.is_nil(schedule)
        assert.truthy(message:find('fixed offsets such as "+02:00"', 1, true), message)
      end)
    end
  end)

  it("comes no more after the year 9999", function()
    assert.is_nil(next_of("0 0 1 1 *", "9999-01-01T00:00:00Z"))
  end)

  for _, case in ipairs {
    -- schedule, part of what is said
    { "", "it has 0 fields" },
    { "* * * *", "it has 4 fields" },
    { "0 * * * * *", "it has 6 fields; there are five" },
    { "60 * * * *", "minute, \"60\": 60 is not from 0 to 59" },
    { "* 24 * * *", "24 is not from 0 to 23" },
    { "* * 0 * *", "0 is not from 1 to 31" },
    { "* * 32 * *", "32 is not from 1 to 31" },
    { "* * * 13 *", "13 is not from 1 to 12" },
    { "* * * * 8", "8 is not from 0 to 7" },
    { "* * * mon *", '"mon" is no value of it' },
    { "* * * * monday", '"monday" is no value of it' },
    { "-1 * * * *", '"-1" is no value of it' },
    { "1.5 * * * *", '"1.5" is no value of it' },
    { "1e1 * * * *", '"1e1" is no value of it' },
    { "0x1 * * * *", '"0x1" is no value of it' },
    { "30-10 * * * *", "30-10 goes backwards" },
    { "1-2-3 * * * *", '"1-2-3" is no value of it' },
    { "1- * * * *", '"1-" is no value of it' },
    { "1,,2 * * * *", "a value is missing" },
    { ", * * * *", "a value is missing" },
    { "*/0 * * * *", "/0 is no step" },
    { "*/ * * * *", "/ is no step" },
    { "*/x * * * *", "/x is no step" },
    { "*/2/2 * * * *", "/2/2 is no step" },
    { "5/15 * * * *", "a step goes with * or a range: 5-59/15" },
    { "** * * * *", '"**" is no value of it' },
    { "? * * * *", '"?" is no value of it' },
    { "0 0 L * *", '"L" is no value of it' },
    { "@reboot", "is none of @hourly" },
    { "@hourly now", "is none of @hourly" },
    { "0 0 30 2 *", "never comes" },
    { "0 0 31 feb,apr,jun,sep,nov *", "never comes" },
    { "0 0 30 2 */2", "never comes" },
    { ("1,"):rep(200) .. "1 * * * *", "at most 256 characters" },
    { 5, "a schedule is a string, not a number" },
  } do
    it("is refused: " .. tostring(case[1]):sub(1, 40), function()
      local schedule, message = schedules.parse(case[1])
      assert.is_nil(schedule)
      assert.truthy(message:find(case[2], 1, true), message)
    end)
  end
end)

-- What crontab(5) says, minute by minute: each field is looked at as text.
local function names(text, value, also)
  for part in text:gmatch "[^,]+" do
    local range, step = part:match "^(.-)/(%d+)$"
    range = range or part
    local low, high = range:match "^(%d+)%-(%d+)$"
    low, high = tonumber(low or range), tonumber(high or range)
    if range == "*" then low, high = also == "from 1" and 1 or 0, also == "weekday" and 6 or 59 end
    for at = low, high, tonumber(step or 1) do
      if at == value or (also == "weekday" and at % 7 == value) then return true end
    end
  end
  return false
end

local function comes_at(fields, at)
  local date = os.date("!*t", at / 1000)
  local day, weekday = names(fields[3], date.day, "from 1"), names(fields[5], date.wday - 1, "weekday")
  local has_star = fields[3]:sub(1, 1) == "*" or fields[5]:sub(1, 1) == "*"
  local fits
  if has_star then fits = day and weekday else fits = day or weekday end
  return fits and names(fields[1], date.min) and names(fields[2], date.hour)
    and names(fields[4], date.month, "from 1")
end

describe("Schedules at random", function()
  local seed = tonumber(os.getenv "LION_SEED") or os.time()
  local state = seed % 2147483647

  local function random(low, high)
    state = (state * 48271) % 2147483647
    return low + state % (high - low + 1)
  end

  local function random_part(min, max)
    local low = random(min, max)
    local high = random(low, max)
    local kind = random(1, 5)
    if kind == 1 then return tostring(low) end
    if kind == 2 then return low .. "-" .. high end
    if kind == 3 then return ("%d-%d/%d"):format(low, high, random(1, 9)) end
    return kind == 4 and "*/" .. random(1, 9) or "*"
  end

  local function random_field(min, max)
    local parts = {}
    for i = 1, random(1, 3) do parts[i] = random_part(min, max) end
    return table.concat(parts, ",")
  end

  it("come when a look at every minute says so (seed " .. seed .. ")", function()
    for _ = 1, 30 do
      local fields = { random_field(0, 59), random_field(0, 23), random_field(1, 28), random_field(1, 12),
        random_field(0, 7) }
      local text = table.concat(fields, " ")
      local schedule = assert(schedules.parse(text))
      local from = (1.6e9 + random(0, 4e8)) * 1000
      local found = schedule:after(from)
      local minute, last = math.floor(from / 60000) + 1, math.floor(from / 60000) + 4000
      while minute <= last and not comes_at(fields, minute * 60000) do minute = minute + 1 end
      local expected = minute <= last and minute * 60000
      local words = ("%s from %.0f, seed %d"):format(text, from, seed)
      if expected then
        assert.equal(expected, found, words)
      else
        assert.is_true(found > last * 60000 and comes_at(fields, found), words)
      end
    end
  end)
end)
