--- Cents as people write them.
local ion = require "ion"

local money = {}

function money.text(cents)
  return ("%d.%02d %s"):format(math.floor(cents / 100), cents % 100, ion.param "currency")
end

return money
