-- Histograms of what is counted: slots that double, each with its end.
local series = require "ions.series"

describe("A histogram's slot", function()
  for _, case in ipairs {
    { 0, 0 }, { 0.001, 0 }, { 2 ^ -6, 0 }, { 2 ^ -6 + 1e-9, 1 }, { 2 ^ -5, 1 }, { 1, 6 }, { 1.001, 7 },
    { 8192, 19 }, { 8193, 20 }, { 1e9, 20 },
  } do
    local ms, slot = case[1], case[2]
    it(("of %g ms is %d"):format(ms, slot), function() assert.equal(slot, series.slot_of_ms(ms)) end)
  end

  for _, case in ipairs {
    { 0, 0 }, { 1e-9, 0 }, { 4 ^ -5, 0 }, { 4 ^ -4, 1 }, { 0.5, 5 }, { 1, 5 }, { 1.5, 6 }, { 4, 6 },
    { 4.1, 7 }, { 4 ^ 14, 19 }, { 4 ^ 14 + 1, 20 }, { 1e300, 20 },
  } do
    local number, slot = case[1], case[2]
    it(("of the number %g is %d"):format(number, slot), function()
      assert.equal(slot, series.slot_of(number))
    end)
  end

  it("ends where it is said to", function()
    for slot = 0, series.SLOTS - 2 do
      assert.equal(slot, series.slot_of_ms(series.FIRST.ms * 2 ^ slot))
      assert.equal(slot, series.slot_of(series.FIRST.other * 4 ^ slot))
    end
  end)
end)
