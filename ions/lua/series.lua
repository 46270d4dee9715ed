--- Numbers that are counted where they lie: of calls, of states, and what applications measure
-- (docs/metrics.md). In a node they are the worker's, which tells them at any time without asking this state;
-- elsewhere nobody reads them.
-- @module ions.series
local bit = require "bit"
local core = require "lion.core"
local ffi = require "ffi"

local band, rshift = bit.band, bit.rshift

local series = {}

local port = (package.loaded["ions.port"] or package.preload["ions.port"]) and require "ions.port"

--- Whether anybody reads what is counted.
series.is_told = port ~= nil and port ~= false and port.series ~= nil

--- Slots of a histogram, as ions/histogram.h has them: each ends at twice the one before, the last has no
-- end.
series.SLOTS = 21

--- Where the numbers of an entry point lie, behind the slots of what its calls took in ms; those of answers
-- by the hundreds of their status are at ANSWERS + 2 … ANSWERS + 5.
series.ENTRY = { SUM = 21, ANSWERS = 20, STEPS = 26, REFUSED = 27, RUNNING = 28, WAITING = 29, SIZE = 30 }

--- Of a state.
series.STATE = { MEMORY = 0, COLLECTIONS = 1, TASKS = 2, SIZE = 3 }

--- Of a histogram of an application's: its slots, and the sum.
series.HISTOGRAM = { SUM = 21, SIZE = 22 }

--- The end of a histogram's first slot.
series.FIRST = { ms = 2 ^ -6, other = 4 ^ -5 }

--- So many numbers.
-- @tparam number size
-- @tparam table|nil label what, of which name ("" for none), and names and values of labels in turn; nil:
-- nobody asks
-- @return an array of doubles from 0 on
-- @treturn boolean whether they are told
function series.new(size, label)
  local numbers = label and series.is_told and port.series(core.form_write(label), size)
  if numbers then return ffi.cast("double *", numbers), true end
  return ffi.new("double[?]", size), false
end

-- A double, and its upper half, which has its exponent.
local bits = ffi.new "union { double number; uint32_t halves[2]; }"

-- A whole power of two belongs to the slot that ends with it.
local BELOW = 1 - 2 ^ -53

local function exponent(number)
  bits.number = number * BELOW
  return band(rshift(bits.halves[1], 20), 0x7ff) - 1023
end

local function within(slot)
  if slot < 0 then return 0 end
  return slot < 21 and slot or 20
end

--- The slot of a duration.
-- @tparam number ms
function series.slot_of_ms(ms) return within(exponent(ms) + 7) end

--- The slot of another number, from 0 up; these end at four times the one before.
function series.slot_of(number)
  if number <= 0 then return 0 end
  return within(math.floor((exponent(number) + 1 + 11) / 2))
end

return series
