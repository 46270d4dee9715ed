-- ion.time: the calendar in UTC, by ms.
local gate = require "ions.gate"
local refuses = require "spec.stdlib.refuses"
local time = require "ion.time"

local function refused(words, fn, ...) refuses.with("ion.time/invalid", words, fn, ...) end

describe("A time", function()
  for _, case in ipairs {
    { 0, "1970-01-01T00:00:00Z" },
    { -1, "1969-12-31T23:59:59.999Z" },
    { 951782400000, "2000-02-29T00:00:00Z" },
    { 4107542400000, "2100-03-01T00:00:00Z" },
    { 1795886334123, "2026-11-28T17:18:54.123Z" },
    { 1795886334007, "2026-11-28T17:18:54.007Z" },
    { -62135596800000, "0001-01-01T00:00:00Z" },
    { 253402300799999, "9999-12-31T23:59:59.999Z" },
  } do
    it("is " .. case[2] .. " as text, and is read back", function()
      assert.equal(case[2], time.format(case[1]))
      assert.equal(case[1], time.parse(case[2]))
    end)
  end

  it("is the same on every day of 800 years when it is taken apart and put together", function()
    for day = -250000, 50000, 7 do
      local ms = day * time.DAY + day % 1000
      assert.equal(ms, time.of(time.parts(ms)))
    end
  end)

  it("has the parts of a calendar", function()
    assert.same({ year = 2024, month = 12, day = 31, hour = 23, minute = 5, second = 9, ms = 8, weekday = 2,
      yearday = 366 }, time.parts(time.parse "2024-12-31T23:05:09.008Z"))
  end)

  it("is made of parts, most of which may be left out", function()
    assert.equal(time.parse "2026-01-01", time.of { year = 2026 })
    assert.equal("2026-02-03T04:00:00Z", time.format(time.of { year = 2026, month = 2, day = 3, hour = 4 }))
    assert.equal("2026-02-03", time.format_date(time.of { year = 2026, month = 2, day = 3, hour = 4 }))
  end)

  it("is read with an offset, in small letters, with a blank, and with any fraction", function()
    local noon = time.parse "2026-06-01T12:00:00Z"
    assert.equal(noon, time.parse "2026-06-01T14:00:00+02:00")
    assert.equal(noon, time.parse "2026-06-01T06:30:00-05:30")
    assert.equal(noon, time.parse "2026-06-01t12:00:00z")
    assert.equal(noon + 500, time.parse "2026-06-01 12:00:00.5Z")
    assert.equal(noon + 123, time.parse "2026-06-01T12:00:00.123999999Z")
  end)

  it("behind a leap second is the next second", function()
    assert.equal(time.parse "2017-01-01T00:00:00Z", time.parse "2016-12-31T23:59:60Z")
  end)

  for _, text in ipairs {
    "", "2026", "2026-02-30", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-06-01T24:00:00Z",
    "2026-06-01T12:00:00", "2026-06-01T12:00:00.Z", "2026-06-01T12:00:00+2:00", "2026-06-01T12:00:00+24:00",
    "2026-06-01T12:00:00Zx", "x2026-06-01T12:00:00Z", "0000-01-01T00:00:00Z", "2026-06-01T12:60:00Z",
    "0001-01-01T00:00:00+00:01", ("9"):rep(100000), "2026-06-01T12:00:00123Z",
  } do
    it(("is not read of %q"):format(text:sub(1, 30)), function() refused("RFC 3339", time.parse, text) end)
  end

  it("is a number, of the years 1 to 9999", function()
    refused("not nil", time.format)
    refused("not nan", time.format, 0 / 0)
    refused("1 to 9999", time.format, 253402300800000)
    refused("1 to 9999", time.parts, -math.huge)
    refused("takes a text", time.parse, 5)
  end)

  it("is refused of parts that are none", function()
    refused("day is a whole number from 1 to 28", time.of, { year = 2026, month = 2, day = 29 })
    refused("did you mean month", time.of, { year = 2026, mont = 2 })
    refused("year is a whole number", time.of, {})
    refused("hour", time.of, { year = 2026, hour = 1.5 })
    refused("takes a table", time.of, "2026")
  end)

  it("of now is the application's clock's", function()
    gate.use { now = function() return 42 end }
    assert.equal(42, time.now())
    gate.live()
  end)
end)

describe("Counting with times", function()
  local function added(text, by) return time.format(time.add(time.parse(text), by)) end

  for _, case in ipairs {
    { "2026-01-31T10:00:00Z", { months = 1 }, "2026-02-28T10:00:00Z" },
    { "2024-01-31T10:00:00Z", { months = 1 }, "2024-02-29T10:00:00Z" },
    { "2024-02-29T00:00:00Z", { years = 1 }, "2025-02-28T00:00:00Z" },
    { "2024-02-29T00:00:00Z", { years = -4 }, "2020-02-29T00:00:00Z" },
    { "2026-01-15T00:00:00Z", { months = -13 }, "2024-12-15T00:00:00Z" },
    { "2026-01-31T00:00:00Z", { months = 1, days = 1 }, "2026-03-01T00:00:00Z" },
    { "2026-12-31T23:59:59.999Z", { ms = 1 }, "2027-01-01T00:00:00Z" },
    { "2026-01-01T00:00:00Z", { weeks = 1, hours = -1, minutes = 2, seconds = 3 }, "2026-01-07T23:02:03Z" },
    { "2026-01-01T00:00:00Z", {}, "2026-01-01T00:00:00Z" },
  } do
    it("leads from " .. case[1] .. " to " .. case[3], function()
      assert.equal(case[3], added(case[1], case[2]))
    end)
  end

  it("refuses what is no amount, and what leads too far", function()
    refused("did you mean months", time.add, 0, { month = 1 })
    refused("days is a whole number", time.add, 0, { days = 0.5 })
    refused("days is a whole number", time.add, 0, { days = 0 / 0 })
    refused("1 to 9999", time.add, 0, { years = 8030 })
    refused("1 to 9999", time.add, 0, { days = -1000000 })
    refused("takes a table", time.add, 0, 5)
  end)

  it("finds the beginning of what a time is in", function()
    local at = time.parse "2026-11-28T17:18:54.123Z" -- a Saturday
    for unit, text in pairs {
      second = "2026-11-28T17:18:54Z", minute = "2026-11-28T17:18:00Z", hour = "2026-11-28T17:00:00Z",
      day = "2026-11-28T00:00:00Z", week = "2026-11-23T00:00:00Z", month = "2026-11-01T00:00:00Z",
      year = "2026-01-01T00:00:00Z",
    } do
      assert.equal(text, time.format(time.start_of(at, unit)))
    end
    refused("not \"decade\"", time.start_of, at, "decade")
  end)

  it("counts midnights", function()
    assert.equal(1, time.days_between(time.parse "2026-03-01T23:59:00Z", time.parse "2026-03-02T00:01:00Z"))
    assert.equal(-365, time.days_between(time.parse "2026-01-01", time.parse "2025-01-01"))
    assert.equal(29, time.days_in_month(2024, 2))
    assert.equal(28, time.days_in_month(2100, 2))
  end)
end)

describe("A date of HTTP", function()
  local at = time.parse "1994-11-06T08:49:37Z"

  it("is written in one form and read in three", function()
    assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", time.format_http(at + 999))
    assert.equal(at, time.parse_http "Sun, 06 Nov 1994 08:49:37 GMT")
    assert.equal(at, time.parse_http "Sunday, 06-Nov-94 08:49:37 GMT")
    assert.equal(at, time.parse_http "Sun Nov  6 08:49:37 1994")
  end)

  it("with two digits of a year is at most 50 years ahead", function()
    gate.use { now = function() return time.of { year = 2026 } end }
    assert.equal(2076, time.parts(time.parse_http "Sunday, 06-Nov-76 08:49:37 GMT").year)
    assert.equal(1977, time.parts(time.parse_http "Sunday, 06-Nov-77 08:49:37 GMT").year)
    gate.live()
  end)

  for _, text in ipairs { "", "yesterday", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nox 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 25:49:37 GMT" } do
    it(("is not read of %q"):format(text), function() refused("date of HTTP", time.parse_http, text) end)
  end
end)
