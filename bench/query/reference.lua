--- A loop that says how fast the machine is at the moment: values gathered from a column in an order by
-- chance, as queries do, in four strands, so that whoever shares the processor's units is felt. Figures that
-- were seen elsewhere, or at another hour, are scaled by it.
local bit = require "bit"
local ffi = require "ffi"

local reference = {}

local COUNT = 65536

--- ms of processor time that a run takes on the quiet machine.
reference.NOTED_MS = 0.031

local column, order = ffi.new("int32_t[?]", COUNT), ffi.new("int32_t[?]", COUNT)
for i = 0, COUNT - 1 do
  column[i], order[i] = i * 7, i * 40503 % COUNT
end

--- Once through the loop. The answer is handed on so that the loop is not left out.
function reference.run()
  local bxor, a, b, c, d = bit.bxor, 0, 0, 0, 0
  for i = 0, COUNT - 4, 4 do
    a = bxor(a, column[order[i]])
    b = bxor(b, column[order[i + 1]])
    c = bxor(c, column[order[i + 2]])
    d = bxor(d, column[order[i + 3]])
  end
  return bxor(a, b, c, d)
end

return reference
