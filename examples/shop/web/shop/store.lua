--- Reading the shop's database.
local store = {}

local PRODUCTS = [==[
  [:find ?sku ?name ?price ?stock :keys sku name price stock
   :where [?p :product/sku ?sku] [?p :product/name ?name] [?p :product/price ?price]
          [?p :product/stock ?stock]
   :order-by [?name]] ]==]

--- All products, by name: { { sku =, name =, price =, stock = }, … }.
function store.products(db) return db:q(PRODUCTS) end

local LINES = [==[
  [:find ?sku ?name ?count ?price :keys sku name count price :in $ ?basket
   :where [?b :basket/id ?basket] [?b :basket/lines ?l] [?l :line/count ?count] [?l :line/product ?p]
          [?p :product/sku ?sku] [?p :product/name ?name] [?p :product/price ?price]
   :order-by [?name]] ]==]

--- The lines of a basket, at today's prices; and what they cost together.
function store.basket(db, basket)
  local lines, total = basket and db:q(LINES, basket) or {}, 0
  for _, line in ipairs(lines) do total = total + line.price * line.count end
  return lines, total
end

local ORDER = [==[
  [:order/id :order/email :order/state :order/total :order/placed_at :order/receipt
   {:order/lines [:line/count :line/price {:line/product [:product/sku :product/name]}]}] ]==]

--- An order as its pages, its JSON and its receipt show it; nil if there is none.
function store.order(db, id)
  local found = db:pull(ORDER, { "order/id", id })
  if not found or not found["order/state"] then return nil end
  local order = {
    id = found["order/id"],
    email = found["order/email"],
    state = found["order/state"]:match "[^/]+$",
    total = found["order/total"],
    placed_at = found["order/placed_at"],
    receipt = found["order/receipt"],
    lines = {},
  }
  for i, line in ipairs(found["order/lines"]) do
    local product = line["line/product"]
    order.lines[i] = { sku = product["product/sku"], name = product["product/name"],
      count = line["line/count"], price = line["line/price"] }
  end
  table.sort(order.lines, function(a, b) return a.name < b.name end)
  return order
end

local UNPAID = [==[
  [:find [?id ...] :in $ ?before
   :where [?o :order/state :order.state/placed] [?o :order/placed_at ?at] [(< ?at ?before)]
          [?o :order/id ?id]] ]==]

--- The orders that were placed before a time and are not paid.
function store.unpaid(db, before) return db:q(UNPAID, before) end

return store
