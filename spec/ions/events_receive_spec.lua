-- Webhooks as an application takes them, without a node.
local application = require "spec.ions.application"
local json = require "lion.json"
local lion = require "lion"
local manifest = require "ions.manifest"
local message = require "ions.events.message"
local receive = require "ions.events.receive"
local sodium = require "ions.sodium"

local MANIFEST = [==[
return {
  app = "shop",
  http = {
    { "POST", "/events/mine", "shop/mine" },
    { "*", "/events/any", "shop/mine" },
    { "GET", "/events/open", "shop/mine" },
    { "POST", "/events/:name", "shop/named" },
  },
  events = {
    { on = "http", name = "open", fn = "shop/hook" },
    { on = "http", name = "signed", fn = "shop/hook",
      signature = { scheme = "github", secret_param = "github/secret" } },
    { on = "http", name = "stripe", fn = "shop/hook",
      signature = { scheme = "stripe", secret_param = "stripe/secret" } },
    { on = "http", name = "unset", fn = "shop/hook",
      signature = { scheme = "github", secret_param = "nobody/knows" } },
    { on = "http", name = "named", fn = "shop/hook", id_header = "X-Delivery" },
    { on = "cron", at = "@daily", fn = "shop/hook" },
    { on = "http", name = "mine", fn = "shop/hook" },
    { on = "http", name = "any", fn = "shop/hook" },
  },
  params = { github = { secret = "a" }, stripe = { secret = "b" } },
}
]==]

local SHOP = [==[
local shop = {}
function shop.hook() end
function shop.mine() return "mine" end
function shop.named(request) return "named " .. request.params.name end
return shop
]==]

local JSON = { ["content-type"] = "application/json" }

describe("A webhook", function()
  local shop, hooks
  before_each(function()
    shop = application.new { ["ion.lua"] = MANIFEST, ["shop.lua"] = SHOP }
    hooks = lion.connect(shop.dir .. "/" .. message.DATABASE .. ".lion")
  end)
  after_each(function()
    hooks:close()
    shop:close()
  end)

  -- What was written down: contents, by the time when they came.
  local function written()
    local list = {}
    if not hooks:db():entid ":http.message/content" then return list end
    for datom in hooks:db():datoms("aevt", "http.message/content") do
      list[#list + 1] = message.read(datom.v)
    end
    return list
  end

  local function post(name, headers, body) return shop:ask("POST /events/" .. name, headers, body) end

  it("is written down before it is answered", function()
    local answer = post("open", { ["content-type"] = "application/json", ["x-kind"] = "paid",
      authorization = "Bearer x", cookie = "a=1" }, '{"id":7}')
    assert.equal(202, answer.status)
    local told = json.read(answer.body)
    assert.is_false(told.is_repeated)
    assert.equal(64, #told.key)
    assert.same({ {
      data = { id = 7 },
      content_type = "application/json",
      headers = { ["content-type"] = "application/json", ["x-kind"] = "paid" },
    } }, written())
    local datom = hooks:db():datoms("avet", "http.message/waiting", "spec/shop/open")()
    assert.truthy(datom)
  end)

  it("is a CloudEvent, if it is one", function()
    local headers = { ["content-type"] = "text/plain", ["ce-specversion"] = "1.0", ["ce-id"] = "1",
      ["ce-source"] = "/s", ["ce-type"] = "t", ["ce-hop"] = "3" }
    assert.equal(202, post("open", headers, "hello").status)
    local found = written()[1]
    assert.equal("hello", found.data)
    assert.same({ id = "1", source = "/s", type = "t", hop = "3" }, found.cloud)
  end)

  it("keeps bytes that are no text", function()
    assert.equal(202, post("open", { ["content-type"] = "image/png" }, "\0\255:").status)
    assert.equal("\0\255:", written()[1].data)
  end)

  describe("that is sent again is written once", function()
    local function both(name, first, second)
      assert.is_false(json.read(post(name, unpack(first)).body).is_repeated)
      local answer = post(name, unpack(second))
      assert.equal(202, answer.status)
      return json.read(answer.body).is_repeated
    end

    it("when its content is the same", function()
      assert.is_true(both("open", { JSON, "1" }, { JSON, "1" }))
      assert.equal(1, #written())
    end)

    it("but not when another event has it", function()
      assert.is_false(both("open", { JSON, "1" }, { JSON, "2" }))
      assert.is_false(json.read(post("named", JSON, "1").body).is_repeated)
      assert.equal(3, #written())
    end)

    it("when its CloudEvent has the same source and id", function()
      local function cloud(source, id)
        return { ["content-type"] = "application/json", ["ce-specversion"] = "1.0", ["ce-id"] = id,
          ["ce-source"] = source, ["ce-type"] = "t" }
      end
      assert.is_true(both("open", { cloud("/a", "1"), "1" }, { cloud("/a", "1"), "2" }))
      assert.is_false(json.read(post("open", cloud("/b", "1"), "1").body).is_repeated)
      assert.is_false(json.read(post("open", cloud("/a", "2"), "1").body).is_repeated)
    end)

    it("when the header that is named is the same", function()
      local function with(id) return { ["content-type"] = "application/json", ["x-delivery"] = id } end
      assert.is_true(both("named", { with "1", "1" }, { with "1", "2" }))
      assert.is_false(json.read(post("named", with "2", "1").body).is_repeated)
    end)

    it("when it is Stripe's and has the same id", function()
      local function signed(body)
        local time = tostring(math.floor(lion.now_ms() / 1000))
        local digits = sodium.hex(sodium.hmac("b", time .. "." .. body))
        local sent = "t=" .. time .. ",v1=" .. digits
        return { ["content-type"] = "application/json", ["stripe-signature"] = sent }
      end
      local first, second = '{"id":"evt_1","n":1}', '{"id":"evt_1","n":2}'
      assert.is_true(both("stripe", { signed(first), first }, { signed(second), second }))
    end)
  end)

  it("is refused with 401 without its signature, with 403 when that is wrong, and is not written", function()
    local answer = post("signed", JSON, "1")
    assert.equal(401, answer.status)
    assert.equal("lion/signature", json.read(answer.body).error.code)
    local headers = { ["content-type"] = "application/json" }
    headers["x-hub-signature-256"] = "sha256=" .. ("0"):rep(64)
    assert.equal(403, post("signed", headers, "1").status)
    headers["x-hub-signature-256"] = "sha256=" .. sodium.hex(sodium.hmac("a", "1"))
    assert.equal(403, post("signed", headers, "2").status)
    assert.same({}, written())
    assert.equal(202, post("signed", headers, "1").status)
    assert.equal(1, #written())
  end)

  it("is answered 503 while its secret is not set, and the log says which", function()
    local answer = post("unset", JSON, "1")
    assert.equal(503, answer.status)
    assert.equal("1", answer.headers["retry-after"])
    assert.is_nil(answer.body:find("nobody", 1, true))
    assert.truthy(shop.logged:find("the parameter nobody/knows is not set", 1, true))
  end)

  for _, case in ipairs {
    { "malformed JSON", 400, JSON, "{" },
    { "a CloudEvent without a source", 400, { ["ce-specversion"] = "1.0", ["ce-id"] = "1" }, "" },
    { "a batch", 415, { ["content-type"] = "application/cloudevents-batch+json" }, "[]" },
    { "a compressed body", 415, { ["content-encoding"] = "gzip" }, "x" },
    { "a large body", 413, JSON, ('"%s"'):format(("x"):rep(receive.SIZE_MAX)) },
  } do
    it(("is refused with %d: %s"):format(case[2], case[1]), function()
      local answer = post("open", case[3], case[4])
      assert.equal(case[2], answer.status)
      assert.truthy(#json.read(answer.body).error.message > 0)
      assert.same({}, written())
    end)
  end

  it("is taken up to its largest size", function()
    assert.equal(202, post("open", JSON, ('"%s"'):format(("x"):rep(receive.SIZE_MAX - 2))).status)
  end)

  it("is answered 503 when too many wait", function()
    local most = receive.WAITING_MAX
    receive.WAITING_MAX = 2 -- luacheck: ignore
    assert.equal(202, post("open", JSON, "1").status)
    assert.equal(202, post("open", JSON, "2").status)
    local answer = post("open", JSON, "3")
    assert.equal(202, post("open", JSON, "1").status) -- is known
    assert.equal(202, post("named", JSON, "3").status) -- another event's
    receive.WAITING_MAX = most -- luacheck: ignore
    assert.equal(503, answer.status)
    assert.equal("1", answer.headers["retry-after"])
    assert.equal(3, #written())
  end)

  it("is only posted", function()
    local answer = shop:ask "PUT /events/stripe"
    assert.equal(405, answer.status)
  end)

  it("goes to the application's own route of the same path", function()
    assert.equal("mine", post("mine", JSON, "1").body)
    assert.equal("mine", post("any", JSON, "1").body)
    assert.equal("named other", post("other", JSON, "1").body)
    assert.equal("mine", shop:ask("GET /events/open").body)
    assert.equal(202, post("open", JSON, "1").status)
  end)

  it("is written where the application cannot reach it", function()
    assert.has_error(function() require("ions.remote").connect(shop.dir, message.DATABASE, {}) end)
  end)
end)

describe("A manifest with webhooks and folders", function()
  local function problems(event)
    event.fn = "shop/hook"
    return manifest.problems { app = "shop", events = { event } }
  end

  it("is right as it is documented", function()
    for _, event in ipairs {
      { on = "http", name = "a", id_header = "X-Id", retries = 0, timeout = 1 },
      { on = "http", name = "a", signature = { scheme = "standard", secret_param = "s" } },
      { on = "dir", path = "orders/in", delete = true },
    } do
      assert.same({}, problems(event))
    end
  end)

  for _, case in ipairs {
    { 'an event on "http" has name', { on = "http" } },
    { "secret_param is the name", { on = "http", name = "a", signature = { scheme = "github" } } },
    { "signature is {", { on = "http", name = "a", signature = "github" } },
    { "id_header is a header's name", { on = "http", name = "a", id_header = "x y" } },
    { "did you mean id_header?", { on = "http", name = "a", id_headr = "x" } },
    { 'an event on "dir" has path', { on = "dir" } },
    { "path is a folder below", { on = "dir", path = "../in" } },
    { "path is a folder below", { on = "dir", path = "/etc" } },
    { "delete is true or false", { on = "dir", path = "in", delete = "yes" } },
    { "unknown key signature", { on = "dir", path = "in", signature = {} } },
    { "db is not system.events", { on = "tx", attr = "a/b", db = "system.events" } },
  } do
    it("is refused: " .. case[1], function()
      local found = problems(case[2])
      assert.equal(1, #found)
      assert.truthy(found[1]:find(case[1], 1, true), found[1])
    end)
  end
end)
