--- What is looked at: as JSON where the request's Accept asks for it, else as a page.
local h = require "ion.html"
local html = require "shop.html"
local ion = require "ion"
local money = require "shop.money"
local store = require "shop.store"
local visitor = require "shop.visitor"

local pages = {}

local PRICE, LEFT = { "Price", is_number = true }, { "Left", is_number = true }

local function put_form(sku, count, label)
  return h.form {
    method = "post",
    action = "/basket",
    h.input { type = "hidden", name = "sku", value = sku },
    h.input { type = "number", name = "count", min = 0, max = 100, value = count },
    " ",
    h.button(label),
  }
end

function pages.catalogue(request)
  local products = store.products(ion.db())
  if visitor.wants_json(request) then return { body = { products = products } } end
  local rows = {}
  for i, product in ipairs(products) do
    local left = product.stock > 0 and put_form(product.sku, 1, "Into the basket") or "sold out"
    rows[i] = { product.name, money.text(product.price), product.stock, left }
  end
  return html.page("Catalogue", html.rows({ { "Product" }, PRICE, LEFT, { "" } }, rows))
end

local order_form = h.form {
  method = "post",
  action = "/orders",
  h.input { type = "email", name = "email", placeholder = "you@example.org", required = true },
  " ",
  h.button "Order",
}

function pages.basket(request)
  local lines, total = store.basket(ion.db(), visitor.basket(request))
  if visitor.wants_json(request) then return { body = { lines = lines, total = total } } end
  if #lines == 0 then return html.page("Basket", h.p "It is empty.") end
  local rows = {}
  for i, line in ipairs(lines) do
    rows[i] = { line.name, money.text(line.price * line.count), put_form(line.sku, line.count, "Change") }
  end
  return html.page(
    "Basket",
    html.rows({ { "Product" }, PRICE, { "" } }, rows),
    h.p { "Together ", h.b(money.text(total)) },
    order_form
  )
end

local STATES = {
  placed = "We wait for your payment.",
  paid = "It is paid. Thank you.",
  expired = "It was not paid in time, and is void.",
}

function pages.order(request)
  local order = store.order(ion.db(), request.params.id)
  if not order then
    local message = "there is no order " .. request.params.id
    error({ category = "not-found", code = "shop/no-order", message = message }, 0)
  end
  if visitor.wants_json(request) then return { body = order } end
  local rows = {}
  for i, line in ipairs(order.lines) do
    rows[i] = { line.count .. " × " .. line.name, money.text(line.count * line.price) }
  end
  local mailed = order.receipt and h.p { class = "note", "The receipt went to ", order.email, "." }
  return html.page(
    "Order",
    h.p(STATES[order.state]),
    html.rows({ { "Product" }, PRICE }, rows),
    h.p { "Together ", h.b(money.text(order.total)) },
    mailed
  )
end

return pages
