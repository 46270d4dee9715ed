-- ion.route: a router as a value, by the manifest's rules.
local application = require "spec.ions.application"
local refuses = require "spec.stdlib.refuses"
local route = require "ion.route"

local function refused(words, fn, ...) refuses.with("ion.route/invalid", words, fn, ...) end

local function named(name)
  return function(request) return name .. ":" .. (request.params.id or "") end
end

local function ask(router, method, path) return router:handle { method = method, path = path } end

describe("A router", function()
  local shop = route.new {
    { "GET", "/orders/:id", named "show" },
    { { "PUT", "PATCH" }, "/orders/:id", named "change" },
    { "GET", "/orders/new", named "form" },
    { "GET", "/files/*rest", function(request) return request.params.rest end },
  }

  it("answers by method and path, the most specific route first", function()
    assert.equal("show:7", ask(shop, "GET", "/orders/7"))
    assert.equal("change:a b", ask(shop, "PATCH", "/orders/a%20b"))
    assert.equal("form:", ask(shop, "GET", "/orders/new"))
    assert.equal("show:7", ask(shop, "HEAD", "/orders/7"))
    assert.equal("a/b", ask(shop, "GET", "/files/a/b"))
  end)

  it("says what it has not: 404, 405 with what is allowed, OPTIONS", function()
    assert.same({ status = 404, body = "not found\n" }, ask(shop, "GET", "/carts"))
    local answer = ask(shop, "DELETE", "/orders/7")
    assert.equal(405, answer.status)
    assert.equal("GET, HEAD, PUT, PATCH, OPTIONS", answer.headers.allow)
    assert.equal(204, ask(shop, "OPTIONS", "/orders/7").status)
  end)

  it("keeps the parameters that the manifest's route found", function()
    local request = { method = "GET", path = "/orders/7", params = { tenant = "ann" } }
    shop:handle(request)
    assert.same({ tenant = "ann", id = "7" }, request.params)
  end)

  it("has a prefix, looks at all requests before, and says itself that there is nothing", function()
    local router = route.new({ { "GET", "/me", named "me" } }, {
      prefix = "/api/",
      before = function(request) if request.is_stranger then return { status = 401 } end end,
      not_found = function() return "nothing" end,
    })
    assert.equal("me:", ask(router, "GET", "/api/me"))
    assert.equal("nothing", ask(router, "GET", "/me"))
    assert.same({ status = 401 }, router:handle { method = "GET", path = "/api/me", is_stranger = true })
  end)

  it("is a handler in another one", function()
    local outer = route.new { { "*", "/orders/*rest", shop } }
    assert.equal("show:7", ask(outer, "GET", "/orders/7"))
  end)

  it("is found in without being asked", function()
    local handler, params = shop:find("GET", "/orders/7")
    assert.is_function(handler)
    assert.same({ id = "7" }, params)
    local none, allowed = shop:find("GET", "/x")
    assert.is_nil(none)
    assert.same({}, allowed)
  end)

  it("refuses a path that is malformed, which answers 400", function()
    refused("percent-encoding", ask, shop, "GET", "/orders/%zz")
    refused("begins with /", ask, shop, "GET", "orders")
    refused("two strings", shop.find, shop, "GET")
    refused("not a nil", shop.handle, shop)
  end)

  for words, routes in pairs {
    ["route 1 is { method, path, handler }, not a string"] = { "/x" },
    ["route 1: DELETES is no method (did you mean DELETE?)"] = { { "DELETES", "/x", print } },
    ["route 1: get is no method (did you mean GET?)"] = { { "get", "/x", print } },
    ["route 1: the method is"] = { { {}, "/x", print } },
    ["route 1: a path begins with /"] = { { "GET", "x", print } },
    ["takes the rest of a path and is its last"] = { { "GET", "/*a/b", print } },
    ["the handler of /x is a string"] = { { "GET", "/x", "shop/x" } },
    ["route 2: GET /:b is there already, as /:a"] = { { "GET", "/:a", print }, { "GET", "/:b", print } },
    ["the routes are an array: home is no place"] = { home = { "GET", "/", print } },
    ["not a number"] = 5,
  } do
    it("is not made where " .. words, function() refused(words, route.new, routes) end)
  end

  it("refuses options that are none", function()
    refused("did you mean prefix", route.new, {}, { prefx = "/" })
    refused("before is a function", route.new, {}, { before = "x" })
    refused("prefix: a path begins with /", route.new, {}, { prefix = "api" })
    refused("rest of a path", route.new, {}, { prefix = "/*x" })
  end)

  it("is an application's handler", function()
    local app = application.new {
      ["ion.lua"] = [[return { app = "shop", http = { { "*", "/*path", "web/all" } } }]],
      ["web.lua"] = [[
        local route = require "ion.route"
        local web = {}
        local function show(request) return "order " .. request.params.id end
        web.all = route.new({ { "GET", "/orders/:id", show } }):handler()
        return web ]],
    }
    assert.equal("order 7", app:ask("GET /orders/7").body)
    assert.equal(404, app:ask("GET /x").status)
    assert.equal(400, app:ask("GET /orders/%2").status)
    app:close()
  end)
end)
