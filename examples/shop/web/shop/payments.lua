--- The payment service's webhook: POST /events/payments with { order =, payment =, amount = }. Its signature
-- has been checked, and it is stored; it comes here until this returns.
local ion = require "ion"

local payments = {}

function payments.paid(event)
  local told = event.data
  ion.connect():transact { { "store.tx/pay", told.order, told.payment, told.amount } }
end

return payments
