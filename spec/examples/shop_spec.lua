-- The shop of examples/shop: its transaction functions and its web ions, as they run together.
local lion = require "lion"
local test = require "ion.test"

local STORE, SHOP = "examples/shop/store", "examples/shop/web"

local function install(conn)
  package.path = STORE .. "/?.lua;" .. package.path
  conn:transact(require "store.schema"())
  conn:transact {
    { ["product/sku"] = "tea", ["product/name"] = "Tea", ["product/price"] = 690, ["product/stock"] = 3 },
    { ["product/sku"] = "pot", ["product/name"] = "Pot", ["product/price"] = 5900, ["product/stock"] = 1 },
  }
end

describe("The shop", function()
  local shop

  before_each(function()
    shop = test.app(SHOP, { with = STORE, prepare = install, now = "2026-03-01T12:00:00Z" })
  end)
  after_each(function() shop:close() end)

  -- A visitor whose basket has so many of each.
  local function visitor(counts)
    local cookies = {}
    for sku, count in pairs(counts) do
      local answer = shop:post("/basket", { form = { sku = sku, count = count }, cookies = cookies })
      assert.equal(303, answer.status)
      cookies.basket = answer.headers["set-cookie"]:match "basket=([^;]+)"
    end
    return cookies
  end

  local function json(method, path, options)
    options.headers = { accept = "application/json" }
    local answer = shop:request(method, path, options)
    return answer:json(), answer.status, answer
  end

  local function order(cookies)
    return json("POST", "/orders", { json = { email = "ann@example.org" }, cookies = cookies })
  end

  local function stock(sku) return shop:db():entity { "product/sku", sku }["product/stock"] end

  it("shows what there is, as a page and as JSON", function()
    assert.matches("Tea.-6%.90 EUR", shop:get("/").body)
    local products = json("GET", "/", {}).products
    assert.same({ sku = "pot", name = "Pot", price = 5900, stock = 1 }, products[1])
  end)

  it("takes an order, at the prices of that moment, and its pieces out of stock", function()
    local placed, status, answer = order(visitor { tea = 2, pot = 1 })
    assert.equal(201, status)
    assert.equal("/orders/" .. placed.id, answer.headers.location)
    assert.equal(2 * 690 + 5900, placed.total)
    assert.equal("placed", placed.state)
    assert.equal(1, stock "tea")
    assert.equal(0, stock "pot")
    shop:transact { { ["product/sku"] = "tea", ["product/price"] = 9900 } }
    assert.equal(placed.total, json("GET", "/orders/" .. placed.id, {}).total)
    assert.matches("We wait for your payment", shop:get("/orders/" .. placed.id).body)
  end)

  it("does not sell the same piece twice", function()
    local first, second = visitor { pot = 1 }, visitor { pot = 1 }
    assert.equal(201, select(2, order(first)))
    local refused, status = order(second)
    assert.equal(409, status)
    assert.equal("store/out-of-stock", refused.error.code)
    assert.equal(0, stock "pot")
  end)

  it("places an order once, however often it is asked for", function()
    local cookies, id = visitor { tea = 1 }, lion.uuid()
    for _ = 1, 2 do
      local asked = { json = { email = "ann@example.org", id = id }, cookies = cookies }
      assert.equal(201, select(2, json("POST", "/orders", asked)))
    end
    assert.equal(2, stock "tea")
  end)

  it("changes and empties a basket", function()
    local cookies = visitor { tea = 2 }
    shop:post("/basket", { form = { sku = "tea", count = 1 }, cookies = cookies })
    assert.equal(690, json("GET", "/basket", { cookies = cookies }).total)
    shop:post("/basket", { form = { sku = "tea", count = 0 }, cookies = cookies })
    assert.matches("It is empty", shop:get("/basket", { cookies = cookies }).body)
  end)

  it("refuses what is no order", function()
    assert.equal(404, shop:post("/basket", { form = { sku = "gold", count = 1 } }).status)
    assert.equal(400, shop:post("/basket", { form = { sku = "tea", count = -1 } }).status)
    assert.equal(400, shop:post("/orders", { form = { email = "ann@example.org" } }).status)
    local full = visitor { tea = 1 }
    assert.equal(400, shop:post("/orders", { form = { email = "ann" }, cookies = full }).status)
    assert.equal(404, shop:get("/orders/0190a3c8-0000-7000-8000-000000000000").status)
  end)
end)
