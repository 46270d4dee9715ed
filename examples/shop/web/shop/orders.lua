--- What visitors do: fill a basket, order what is in it.
local ion = require "ion"
local store = require "shop.store"
local uuid = require "ion.uuid"
local visitor = require "shop.visitor"

local orders = {}

local function refuse(code, message)
  error({ category = "incorrect", code = "shop/" .. code, message = message }, 0)
end

--- Who sent a form sees a page next; a program is told.
local function answer(request, path, status, body, cookie)
  local headers = cookie and { ["set-cookie"] = cookie } or {}
  if visitor.wants_json(request) then
    headers.location = status == 201 and path or nil
    return { status = status, headers = headers, body = body }
  end
  headers.location = path
  return { status = 303, headers = headers, body = "" }
end

--- POST /basket: sku, count.
function orders.put(request)
  local fields = visitor.fields(request)
  local count = tonumber(fields.count)
  if type(fields.sku) ~= "string" or not count then refuse("fields", "sku and count are needed") end
  local basket = visitor.basket(request) or uuid.new()
  local report = ion.connect():transact { { "store.tx/put", basket, fields.sku, count } }
  local lines, total = store.basket(report.db_after, basket)
  local cookie = ("basket=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800"):format(basket)
  return answer(request, "/basket", 200, { lines = lines, total = total }, cookie)
end

--- POST /orders: email. The order's id may be given, so that who got no answer can ask again.
function orders.place(request)
  local fields, basket = visitor.fields(request), visitor.basket(request)
  if type(fields.email) ~= "string" or not fields.email:find "^[^%s@]+@[^%s@]+$" then
    refuse("email", "an address is needed, for the receipt")
  end
  if not basket then refuse("empty", "the basket is empty") end
  local id = fields.id and uuid.parse(fields.id) or uuid.new()
  local report = ion.connect():transact {
    { "store.tx/place", basket, id, fields.email, ion.now() },
  }
  ion.cast.event { "order/placed", id = id }
  return answer(request, "/orders/" .. id, 201, store.order(report.db_after, id))
end

return orders
