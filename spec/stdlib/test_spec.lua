-- ion.test: an application in a spec, without a server.
local json = require "lion.json"
local program = require "spec.lua.program"
local refuses = require "spec.stdlib.refuses"
local test = require "ion.test"
local time = require "ion.time"

local function refused(words, fn, ...) refuses.with("ion.test/invalid", words, fn, ...) end

local FILES = {
  ["ion.lua"] = [[
    return {
      app = "shop",
      allow = { "tx/place" },
      http = { { "*", "/echo/:id", "web/echo" }, { "POST", "/orders", "web/place" },
        { "GET", "/now", "web/now" },
        { "GET", "/count", "web/count" }, { "GET", "/bad", "web/bad" }, { "GET", "/slow", "web/slow" },
        { "GET", "/follow", "web/follow" }, { "GET", "/form", "web/form" } },
      invoke = { total = "web/total", fails = "web/fails" },
      events = {
        { on = "tx", attr = "db/doc", name = "written", fn = "web/written" },
        { on = "tx", name = "tea", fn = "web/written",
          query = '[:find ?e :in $ $tx :where [$tx ?e :db/doc "tea" _ true] ]' },
        { on = "tx", attr = "db/doc", name = "elsewhere", db = "other", fn = "web/written" },
        { on = "cron", at = "@daily", name = "sweep", fn = "web/sweep" },
        { on = "http", name = "hook", fn = "web/hook" },
        { on = "dir", path = "in/box", name = "files", fn = "web/take" },
      },
      params = { currency = "EUR", mail = { from = "a@b" } },
      checks = { "web/check" },
    }]],
  ["tx.lua"] = [[
    local tx = {}
    function tx.place(_, item) return { { ["db/doc"] = item } } end
    return tx ]],
  ["web.lua"] = [[
    local ion, uuid, html = require "ion", require "ion.uuid", require "ion.html"
    local web = {}
    function web.check() return ion.param "currency" ~= "none" end
    function web.echo(request)
      return { status = 203, headers = { ["x-b"] = { "1", "2" } }, body = { method = request.method,
        id = request.params.id, query = request.query, headers = request.headers, body = request.body,
        remote = request.remote } }
    end
    function web.written(event)
      assert(ion.db(event.db).basis_t >= event.t)
      if event.datoms[1].v == "bad" then error { category = "conflict", message = "no" } end
      ion.cast.event { "seen", key = event.key, rows = event.rows and #event.rows, value = event.datoms[1].v }
    end
    function web.hook(event)
      if event.data.bad then error { category = "conflict", message = "no" } end
      ion.cast.event { "hook", n = event.data.n, kind = event.headers["x-kind"], key = event.key }
    end
    function web.take(event)
      if event.read() == "bad" then error "no" end
      local text, piece = event.read(), event.read(1, 2)
      ion.cast.event { "file", name = event.name, path = event.path, text = text, piece = piece }
    end
    function web.sweep(event)
      ion.sleep(1)
      ion.cast.event { "swept", at = event.time }
    end
    function web.form(request) return { body = { a = request:form().a, cookie = request:cookie "s" } } end
    function web.place(request)
      local item = request:json().item
      ion.connect():transact { { "tx/place", item } }
      ion.cast.event { "order/placed", item = item }
      ion.cast.metric { "orders" }
      return { status = 201, body = { item = item } }
    end
    function web.count() return tostring(ion.db():count("aevt", "db/doc")) end
    function web.now()
      return { body = { now = ion.now(), random = ion.random(1000000), id = uuid.new(), env = ion.env(),
        currency = ion.param "currency", from = ion.param "mail/from" } }
    end
    function web.bad() error "the handler's own words" end
    function web.slow() ion.sleep(5) return "at last" end
    function web.follow()
      return { body = function() for i = 1, 1e9 do coroutine.yield("piece " .. i) ion.sleep(1) end end }
    end
    function web.total(lines) return { total = #lines } end
    function web.fails() error({ category = "conflict", code = "shop/no", message = "no" }, 0) end
    return web ]],
}

local function folder()
  local dir = program.folder()
  for name, text in pairs(FILES) do program.write(dir .. "/" .. name, text) end
  return dir
end

describe("An application under test", function()
  local dir, shop

  setup(function() dir = folder() end)
  teardown(function() program.remove(dir) end)
  before_each(function() shop = test.app(dir, { now = "2026-01-01T00:00:00Z", random = 7 }) end)
  after_each(function() shop:close() end)

  it("is asked by any method, with all that a request has", function()
    local answer = shop:put("/echo/a%20b?x=1", { query = { y = "ä&" }, headers = { ["X-A"] = "b" },
      json = { n = 1 }, remote = "10.0.0.1:9" })
    assert.equal(203, answer.status)
    assert.equal("2", answer.headers["x-b"])
    assert.same({ method = "PUT", id = "a b", query = { x = "1", y = "ä&" }, body = '{"n":1}',
      headers = { ["x-a"] = "b", ["content-type"] = "application/json" }, remote = "10.0.0.1:9" },
      answer:json())
    assert.equal("PATCH", shop:request("patch", "/echo/1"):json().method)
    assert.equal("", shop:head("/echo/1").body)
    assert.equal(404, shop:get("/nothing").status)
    assert.equal(405, shop:delete("/orders").status)
  end)

  it("is sent forms and cookies", function()
    local answer = shop:get("/form", { form = { a = "b c" }, cookies = { s = "t" } })
    assert.same({ a = "b c", cookie = "t" }, answer:json())
  end)

  it("writes into a database of its own", function()
    local before = tonumber(shop:get("/count").body)
    assert.equal(201, shop:post("/orders", { json = { item = "tea" } }).status)
    shop:transact { { "tx/place", "milk" } }
    assert.equal(before + 2, tonumber(shop:get("/count").body))
    assert.equal(before + 2, shop:db():count("aevt", "db/doc"))
    local other = test.app(dir)
    assert.equal(before, tonumber(other:get("/count").body))
    other:close()
  end)

  it("has databases of other names in memory, too", function()
    shop:connection("orders"):transact { { ["db/doc"] = "x" } }
    assert.truthy(shop:db("orders"):count("aevt", "db/doc") > 0)
  end)

  it("is invoked, and raises what it raises", function()
    assert.same({ total = 2 }, shop:invoke("total", { 1, 2 }))
    local ok, e = pcall(shop.invoke, shop, "fails")
    assert.is_false(ok)
    assert.equal("shop/no", e.code)
    ok, e = pcall(shop.invoke, shop, "totl")
    assert.is_false(ok)
    assert.equal("lion/no-entry-point", e.code)
  end)

  it("has a clock that stands until it is moved", function()
    local now = time.parse "2026-01-01"
    assert.equal(now, shop:get("/now"):json().now)
    assert.equal(now, shop:get("/now"):json().now)
    shop:advance { months = 1 }
    assert.equal(time.parse "2026-02-01", shop:get("/now"):json().now)
    shop:advance(1500)
    shop:set_now(shop:now() + 1)
    assert.equal("2026-02-01T00:00:01.501Z", time.format(shop:get("/now"):json().now))
    assert.is_true(require("ions.gate").now() ~= shop:now())
  end)

  it("has the same chance for the same seed", function()
    local first = shop:get("/now"):json()
    local again = test.app(dir, { now = "2026-01-01T00:00:00Z", random = 7 })
    local other = test.app(dir, { now = "2026-01-01T00:00:00Z", random = 8 })
    assert.same(first, again:get("/now"):json())
    assert.not_same(first, other:get("/now"):json())
    again:close()
    other:close()
  end)

  it("has parameters that the spec sets, also when its checks run", function()
    local set = test.app(dir, { params = { currency = "USD", ["mail/from"] = "c@d" }, env = "staging" })
    local told = set:get("/now"):json()
    assert.same({ "USD", "c@d", "staging" }, { told.currency, told.from, told.env })
    set:close()
    told = shop:get("/now"):json()
    assert.same({ "EUR", "a@b", "test" }, { told.currency, told.from, told.env })
    local ok, e = pcall(test.app, dir, { params = { currency = "none" } })
    assert.is_false(ok)
    assert.equal("lion/check", e.code)
    test.app(dir, { params = { currency = "none" }, checks = false }):close()
  end)

  it("is prepared before its checks run", function()
    local prepared = test.app(dir, { prepare = { { ["db/doc"] = "one" } } })
    local more = test.app(dir, { prepare = function(conn) conn:transact { { ["db/doc"] = "two" } } end })
    assert.equal(prepared:get("/count").body, more:get("/count").body)
    assert.equal(tonumber(shop:get("/count").body) + 1, tonumber(more:get("/count").body))
    prepared:close()
    more:close()
  end)

  it("shows what it cast", function()
    shop:post("/orders", { json = { item = "tea" } })
    shop:post("/orders", { json = { item = "milk" } })
    assert.equal(2, #shop:casts("event", "order/placed"))
    assert.same({ item = "tea" }, shop:casts("event")[1].data)
    assert.equal("web/place", shop:casts("metric")[1].entry)
    assert.equal(4, #shop.cast)
    assert.same({}, shop:casts "alert")
  end)

  it("shows what it logged, and tells clients what a node tells them", function()
    local answer = shop:get "/bad"
    assert.equal(500, answer.status)
    assert.equal("the application failed", answer:json().error.message)
    assert.truthy(answer.log:find("the handler's own words", 1, true))
    assert.equal("", shop:get("/count").log)
  end)

  it("may wait, and stream without an end", function()
    assert.equal("at last", shop:get("/slow").body)
    local answer = shop:get("/follow", { pieces = 3 })
    assert.same({ "piece 1", "piece 2", "piece 3" }, answer.pieces)
  end)

  it("has its events handled", function()
    local report = shop:transact { { ["db/doc"] = "milk" } }
    assert.same({ "written" }, shop:events(report))
    assert.same({ { key = ("test/shop/written/%d"):format(report.t), value = "milk" } },
      { shop:casts("event", "seen")[1].data })
    assert.same({ "tea", "written" }, shop:events(shop:transact { { ["db/doc"] = "tea" } }))
    local elsewhere = shop:connection("other"):transact { { ["db/doc"] = "x" } }
    assert.same({ "elsewhere" }, shop:events(elsewhere, "other"))
    assert.same({}, shop:events(shop:transact { { ["db/ident"] = ":a/b" } }))
    shop:tick "sweep"
    assert.equal(shop:now(), shop:casts("event", "swept")[1].data.at)
    local ok, e = pcall(shop.events, shop, shop:transact { { ["db/doc"] = "bad" } })
    assert.is_false(ok)
    assert.equal("conflict", e.category)
    refused("no event nothing", shop.tick, shop, "nothing")
  end)

  it("has the webhooks handled that it is sent", function()
    assert.equal(202, shop:post("/events/hook", { json = { n = 1 }, headers = { ["x-kind"] = "a" } }).status)
    assert.equal(202, shop:post("/events/hook", { json = { n = 2 } }).status)
    assert.equal(202, shop:post("/events/hook", { json = { n = 2 } }).status) -- the same once more
    assert.same({ "hook", "hook" }, shop:webhooks())
    assert.same({}, shop:webhooks())
    local first, second = unpack(shop:casts("event", "hook"))
    assert.same({ 1, "a", 2 }, { first.data.n, first.data.kind, second.data.n })
    assert.truthy(first.data.key:find "^test/shop/hook/%d+$")
    local malformed = { body = "{", headers = { ["content-type"] = "application/json" } }
    assert.equal(400, shop:post("/events/hook", malformed).status)
    assert.equal(202, shop:post("/events/hook", { json = { bad = true } }).status)
    local ok, e = pcall(shop.webhooks, shop)
    assert.is_false(ok)
    assert.equal("conflict", e.category)
    assert.same({}, shop:webhooks())
  end)

  it("has files handled that are put into a folder", function()
    shop:drop("in/box/a.csv", "abc")
    assert.same({ name = "a.csv", path = "in/box/taken/a.csv", text = "abc", piece = "bc" },
      shop:casts("event", "file")[1].data)
    assert.equal("abc", shop.files["in/box/done/a.csv"])
    assert.has_error(function() shop:drop("in/box/b", "bad") end)
    assert.equal("bad", shop.files["in/box/failed/b"])
    refused("no event on the folder out", shop.drop, shop, "out/a", "1")
    refused("in/box/.a is no name", shop.drop, shop, "in/box/.a", "1")
  end)

  it("refuses what is no question", function()
    refused("begins with /", shop.get, shop, "now")
    refused("did you mean headers", shop.get, shop, "/now", { header = {} })
    refused("headers is a table", shop.get, shop, "/now", { headers = "x" })
    refused("one body", shop.post, shop, "/orders", { json = {}, body = "x" })
    refused("form is a table", shop.post, shop, "/orders", { form = "x" })
    refused("is no JSON", function() return shop:get("/slow"):json() end)
    refuses.with("ion.time/invalid", nil, shop.set_now, shop, "tomorrow")
    refuses.with("ion.time/invalid", nil, shop.advance, shop, { day = 1 })
  end)

  it("is not loaded where it cannot be", function()
    refused("did you mean params", test.app, dir, { param = {} })
    refused("not a nil", test.app)
    refused("a seed", test.app, dir, { random = "x" })
    refused("a table of options", test.app, dir, "mem:")
    assert.has_error(function() test.app(dir .. "/nowhere") end)
  end)

  it("has its values as JSON", function() assert.is_table(json.read(shop:get("/now").body)) end)
end)
