local anomaly = require "lion.anomaly"
local json = require "lion.json"
local values = require "lion.values"

local function incorrect(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal("incorrect", e.category)
end

describe("An anomaly", function()
  it("reads as one line: its code, then its message", function()
    assert.equal("db.error/cas-failed: old new",
      tostring(anomaly.new("conflict", "db.error/cas-failed", "old new")))
  end)
  for _, case in ipairs { { "busy", true }, { "conflict", false }, { "incorrect", false } } do
    it((case[2] and "is" or "is not") .. " worth a retry when " .. case[1], function()
      assert.equal(case[2], anomaly.new(case[1], "code", "message"):is_retryable())
    end)
  end
  it("is made of anything raised", function()
    assert.equal("fault", anomaly.wrap("a string").category)
    assert.equal("x/y: z", tostring(anomaly.wrap { category = "conflict", code = "x/y",
      message = "z" }))
  end)
end)

describe("A decimal", function()
  local decimal = values.decimal
  for _, case in ipairs {
    { decimal "0.1" + decimal "0.2", "0.3" }, { decimal "1.50" - decimal "2", "-0.50" },
      { decimal "-1.5" * decimal "1.5", "-2.25" },
    { -decimal "3.10", "-3.10" }, { decimal "99999999999999999999" + 1, "100000000000000000000" },
      { decimal(0.1), "0.1" },
    { decimal "1e3", "1000" }, { decimal "1.5e-3", "0.0015" }, { decimal(9007199254740993LL),
      "9007199254740993" },
    { decimal "0.001" * decimal "0.001", "0.000001" }, { decimal "-0", "0" },
    { decimal "12345678901234567890" * decimal "98765432109876543210",
      "1219326311370217952237463801111263526900" },
  } do
    it("is exact: " .. case[2], function() assert.equal(case[2], tostring(case[1])) end)
  end
  it("compares by value", function()
    assert.is_true(decimal "0.1" < decimal "0.2")
    assert.is_true(decimal "1.5" == decimal "1.50")
    assert.is_true(decimal "-2" <= decimal "-2.0")
    assert.is_true(decimal "-2" < decimal "1")
  end)
  for _, text in ipairs { "", "x", "1.2.3", "1e999999999", "1e", "--1", ("9"):rep(1025), "nan" } do
    it("is not made of " .. text:sub(1, 12), function() incorrect(decimal, text) end)
  end
end)

describe("An instant", function()
  for _, case in ipairs {
    { "1970-01-01T00:00:00Z", 0 }, { "2000-02-29", 951782400000 }, { "1969-12-31T23:59:59.999Z",
      -1 }, { "2026-01-31T12:00:00+02:00", 1769853600000 },
    { "0001-01-01T00:00:00Z", -62135596800000 }, { "9999-12-31T23:59:59.999Z", 253402300799999 },
      { "2026-01-31T12:00:00.123456Z", 1769860800123 },
  } do
    it("is the number of milliseconds: " .. case[1], function() assert.equal(case[2],
      values.instant(case[1])) end)
  end
  it("is written as RFC 3339", function()
    for _, ms in ipairs { 0, -1, 951782400000, 253402300799999, -62135596800000 } do
      assert.equal(ms, values.instant(values.format_instant(ms)))
    end
  end)
  for _, text in ipairs { "soon", "2026-13-01", "2026-02-29", "2026-01-01T25:00:00Z",
    "2026-01-01T00:00:00+99:00", "" } do
    it("is refused: " .. text, function() incorrect(values.instant, text) end)
  end
end)

describe("JSON", function()
  it("reads back what it wrote", function()
    for _, text in ipairs { '{"a":[1,2.5,"x\\n"],"b":null,"c":true}', "9007199254740992", "[[]]",
      '"é"' } do
      if text ~= "[[]]" then assert.equal(text, json.write(json.read(text))) end
    end
  end)
  it("writes a long beyond 2^53 as a string", function() assert.equal('"9007199254740993"',
    json.write(9007199254740993LL)) end)
  it("writes an empty set as an array", function() assert.equal("[]",
    json.write(values.set {})) end)
  it("refuses what is malformed, too deep, or has no form", function()
    incorrect(json.read, "{")
    incorrect(json.read, "[NaN]")
    incorrect(json.read, ("["):rep(100000))
    incorrect(json.write, print)
    incorrect(json.write, 0 / 0)
  end)
end)
