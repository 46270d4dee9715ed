-- ion.cast: what applications tell those who run them.
local application = require "spec.ions.application"
local cast = require "ion.cast"
local casting = require "ions.casting"
local gate = require "ions.gate"
local json = require "lion.json"
local refuses = require "spec.stdlib.refuses"

local function refused(words, fn, ...) refuses.with("ion.cast/invalid", words, fn, ...) end

local FILES = {
  ["ion.lua"] = [[
    return { app = "shop", http = { { "GET", "/order/:id", "web/order" }, { "GET", "/dev", "web/dev" } } } ]],
  ["web.lua"] = [[
    local ion = require "ion"
    local web = {}
    function web.order(request)
      ion.cast.event { "order/placed", id = request.params.id, lines = { 1, 2 } }
      ion.cast.metric { "orders", 2, country = "de" }
      ion.cast.alert { "stock/low" }
      return "ok"
    end
    function web.dev()
      ion.cast.dev { answer = 42 }
      ion.cast.dev "text"
      return "ok"
    end
    return web ]],
}

describe("What an application casts", function()
  local shop

  before_each(function()
    casting.clear()
    gate.use { now = function() return 1795886334123 end }
  end)
  after_each(function()
    casting.set_host(nil)
    gate.live()
    if shop then shop:close() end
    shop = nil
  end)

  it("is a line of JSON that says when, by whom and in which request", function()
    shop = application.new(FILES)
    assert.equal("ok", shop:ask("GET /order/7").body)
    local lines = {}
    for line in shop.logged:gmatch "[^\n]+" do lines[#lines + 1] = json.read(line) end
    assert.same({
      { kind = "event", name = "order/placed", time = "2026-11-28T17:18:54.123Z", app = "shop",
        entry = "web/order", request = 1, data = { id = "7", lines = { 1, 2 } } },
      { kind = "alert", name = "stock/low", time = "2026-11-28T17:18:54.123Z", app = "shop",
        entry = "web/order", request = 1 },
    }, lines)
  end)

  it("is counted where it is a metric, by its tags", function()
    cast.metric { "orders" }
    cast.metric { "orders" }
    cast.metric { "call/ms", 12.5, country = "de" }
    cast.metric { "call/ms", 7.5, country = "de" }
    cast.metric { "call/ms", 1, country = "fr" }
    cast.metric { "queue", 3, "gauge" }
    cast.metric { "queue", -1, "gauge" }
    assert.same({
      { name = "call/ms", metric = "histogram", tags = { country = "de" }, count = 2, sum = 20, min = 7.5,
        max = 12.5, last = 7.5 },
      { name = "call/ms", metric = "histogram", tags = { country = "fr" }, count = 1, sum = 1, min = 1,
        max = 1, last = 1 },
      { name = "orders", metric = "counter", count = 2, sum = 2, min = 1, max = 1, last = 1 },
      { name = "queue", metric = "gauge", count = 2, sum = 2, min = -1, max = 3, last = -1 },
    }, casting.metrics())
  end)

  it("is counted together where it has too many series", function()
    for i = 1, casting.SERIES_MAX + 10 do cast.metric { "visits", customer = i } end
    local dropped
    for _, one in ipairs(casting.metrics()) do if one.name == casting.DROPPED then dropped = one end end
    assert.equal(10, dropped.count)
    assert.equal(casting.SERIES_MAX + 1, #casting.metrics())
  end)

  it("is its host's who wants it", function()
    local items = {}
    casting.set_host(function(item) items[#items + 1] = item end)
    shop = application.new(FILES)
    shop:ask "GET /order/7"
    assert.equal("", shop.logged)
    assert.same({ "event", "metric", "alert" }, { items[1].kind, items[2].kind, items[3].kind })
    assert.equal(2, items[2].value)
    assert.same({ country = "de" }, items[2].tags)
    assert.same({}, casting.metrics())
  end)

  it("is shown to developers alone where it is for them", function()
    shop = application.new(FILES, true)
    shop:ask "GET /dev"
    assert.equal('dev: {"answer":42}\ndev: text\n', shop.logged)
    shop:close()
    shop = application.new(FILES)
    shop:ask "GET /dev"
    assert.equal("", shop.logged)
  end)

  it("shares nothing with the application", function()
    local item
    casting.set_host(function(given) item = given end)
    local data = { list = { 1 } }
    cast.event { "x", data = data }
    data.list[1] = 2
    assert.equal(1, item.data.data.list[1])
  end)

  it("is refused where it is no cast", function()
    refused('event takes { "name", … }, not a string', cast.event, "order/placed")
    refused("the name is a text", cast.event, {})
    refused("the name is a text", cast.event, { "two\nlines" })
    refused("the name is a text", cast.alert, { ("x"):rep(201) })
    refused("the only item without a key", cast.event, { "x", "y" })
    refused("a finite number", cast.metric, { "x", "1" })
    refused("a finite number", cast.metric, { "x", 0 / 0 })
    refused("a tag is", cast.metric, { "x", 1, tag = {} })
    refused('"counter", "gauge" or "histogram", not sum', cast.metric, { "x", 1, "sum" })
    refused("no negative values", cast.metric, { "x", -1 })
    cast.metric { "y", 1, "gauge" }
    refused("metric y is a gauge here, not a counter", cast.metric, { "y" })
    refused("at most 16 tags", cast.metric, { "x", 1, tag = ("x"):rep(201) })
    refuses.with("lion/not-plain", "event x", cast.event, { "x", fn = print })
    refuses.with("lion/limit", "at most 65536", cast.event, { "x", text = ("x"):rep(70000) })
  end)
end)
