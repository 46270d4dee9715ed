--- A receipt for each order that is paid, as a mail in the outbox: a file that a mail server takes away.
local file = require "ion.file"
local ion = require "ion"
local money = require "shop.money"
local store = require "shop.store"

local receipts = {}

--- The mail, as text.
function receipts.mail(order)
  local lines = {
    "To: " .. order.email,
    "Subject: " .. ion.param "title" .. ": your receipt",
    "Content-Type: text/plain; charset=utf-8",
    "",
    "Order " .. order.id,
    "",
  }
  for _, line in ipairs(order.lines) do
    lines[#lines + 1] = ("%3d × %-24s %s"):format(line.count, line.name, money.text(line.count * line.price))
  end
  lines[#lines + 1] = ("%30s %s"):format("Together", money.text(order.total))
  return table.concat(lines, "\n") .. "\n"
end

local function mail(id)
  local conn = ion.connect()
  local order = store.order(conn:db(), id)
  if order.receipt then return end -- the event comes again
  local name = "outbox/" .. id .. ".eml"
  file.write(name, receipts.mail(order))
  conn:transact { { "store.tx/mailed", id, name } }
  ion.cast.event { "receipt/mailed", id = id }
end

--- Orders were paid: the query of the event has their ids.
function receipts.paid(event)
  for _, id in ipairs(event.rows) do mail(id) end
end

return receipts
