--- Transaction functions: each is given the database as it is at that moment, and what it returns becomes
-- one transaction. No other transaction comes between, so what is checked here holds.
local lion = require "lion"

local tx = {}

--- Pieces of one product that a basket may hold.
tx.COUNT_MAX = 100

local function refuse(category, code, message, ...)
  lion.cancel { category = category, code = "store/" .. code, message = message:format(...) }
end

local function order_of(db, id, pattern)
  local order = db:pull(pattern, { "order/id", id })
  if not order or not order["order/state"] then
    refuse("not-found", "no-order", "there is no order %s", id)
  end
  return order
end

local function check_count(count)
  if type(count) ~= "number" or count % 1 ~= 0 or count < 0 or count > tx.COUNT_MAX then
    local message = "a basket holds 0 to %d of a product, not %s"
    refuse("incorrect", "count", message, tx.COUNT_MAX, tostring(count))
  end
end

local LINE = [==[
  [:find ?line . :in $ ?basket ?product :where
   [?b :basket/id ?basket] [?b :basket/lines ?line] [?line :line/product ?p] [?p :product/sku ?product]] ]==]

--- { "store.tx/put", basket, sku, count }: so many of a product are in the basket from now on.
function tx.put(db, basket, sku, count)
  check_count(count)
  if not db:entid { "product/sku", sku } then
    refuse("not-found", "no-product", "there is no product %s", sku)
  end
  local line = db:q(LINE, basket, sku)
  if count == 0 then return line and { { "db/retractEntity", line } } or {} end
  if line then return { { "db/add", line, "line/count", count } } end
  return {
    {
      ["basket/id"] = basket,
      ["basket/lines"] = { { ["line/product"] = { "product/sku", sku }, ["line/count"] = count } },
    },
  }
end

local BASKET = [==[
  [:db/id {:basket/lines [:line/count
                          {:line/product [:db/id :product/sku :product/price :product/stock]}]}] ]==]

-- Pieces are put into stock, or taken out.
local function restock(product, by)
  return { "db/add", product["db/id"], "product/stock", product["product/stock"] + by }
end

local function check_stock(lines)
  for _, line in ipairs(lines) do
    local product = line["line/product"]
    if product["product/stock"] < line["line/count"] then
      refuse(
        "conflict", "out-of-stock", "%d of %s are left, not %d",
        product["product/stock"], product["product/sku"], line["line/count"]
      )
    end
  end
end

local function order_line(line)
  local product = line["line/product"]
  return {
    ["line/product"] = product["db/id"],
    ["line/count"] = line["line/count"],
    ["line/price"] = product["product/price"],
  }
end

--- { "store.tx/place", basket, order, email, at }: the basket becomes an order, at the prices of this moment,
-- and its pieces are taken out of stock; or nothing happens. Placing it again changes nothing.
function tx.place(db, basket, order, email, at)
  if db:entid { "order/id", order } then return {} end
  local found = db:pull(BASKET, { "basket/id", basket })
  local lines = found and found["basket/lines"]
  if not lines then refuse("incorrect", "empty", "the basket is empty") end
  check_stock(lines)
  local data, total, ordered = { { "db/retractEntity", found["db/id"] } }, 0, {}
  for i, line in ipairs(lines) do
    local product = line["line/product"]
    ordered[i] = order_line(line)
    total = total + ordered[i]["line/price"] * ordered[i]["line/count"]
    data[#data + 1] = restock(product, -line["line/count"])
  end
  data[#data + 1] = {
    ["order/id"] = order,
    ["order/email"] = email,
    ["order/lines"] = ordered,
    ["order/total"] = total,
    ["order/state"] = ":order.state/placed",
    ["order/placed_at"] = at,
  }
  return data
end

--- { "store.tx/pay", order, payment, amount }: it is paid. The same payment told again changes nothing.
function tx.pay(db, id, payment, amount)
  if db:entid { "payment/id", payment } then return {} end
  local order = order_of(db, id, "[:db/id :order/state :order/total]")
  local state = order["order/state"]
  if state ~= ":order.state/placed" then
    refuse("conflict", "state", "order %s is not waiting to be paid: it is %s", id, state)
  end
  if amount ~= order["order/total"] then
    refuse("conflict", "amount", "order %s costs %d, not %s", id, order["order/total"], tostring(amount))
  end
  return {
    { "db/add", order["db/id"], "order/state", ":order.state/paid" },
    { ["payment/id"] = payment, ["payment/order"] = order["db/id"], ["payment/amount"] = amount },
  }
end

local PIECES = "[:db/id :order/state {:order/lines [:line/count {:line/product [:db/id :product/stock]}]}]"

--- { "store.tx/expire", order }: nobody paid; its pieces go back into stock.
function tx.expire(db, id)
  local order = order_of(db, id, PIECES)
  if order["order/state"] ~= ":order.state/placed" then return {} end
  local data = { { "db/add", order["db/id"], "order/state", ":order.state/expired" } }
  for _, line in ipairs(order["order/lines"]) do
    data[#data + 1] = restock(line["line/product"], line["line/count"])
  end
  return data
end

--- { "store.tx/mailed", order, file }: its receipt lies in the outbox.
function tx.mailed(db, id, file)
  return { { "db/add", order_of(db, id, "[:db/id :order/state]")["db/id"], "order/receipt", file } }
end

return tx
