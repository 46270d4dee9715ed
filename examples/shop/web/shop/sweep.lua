--- Every few minutes: orders that nobody paid give their pieces back.
local ion = require "ion"
local store = require "shop.store"

local sweep = {}

function sweep.expire()
  local conn = ion.connect()
  local before = ion.now() - ion.param "unpaid_minutes" * 60000
  local unpaid = store.unpaid(conn:db(), before)
  for _, id in ipairs(unpaid) do conn:transact { { "store.tx/expire", id } } end
  if #unpaid > 0 then ion.cast.metric { "orders/expired", #unpaid } end
end

return sweep
