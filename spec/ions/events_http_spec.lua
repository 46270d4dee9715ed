-- Webhooks that were written down, as the engine reads them.
local http = require "ions.events.http"
local lion = require "lion"
local message = require "ions.events.message"

local QUEUE = "main/shop/hook"
local HEADERS = { ["content-type"] = "application/json" }

describe("Webhooks as a source of events", function()
  local conn, host, event, told, now_ms

  before_each(function()
    conn = lion.connect("mem:" .. lion.uuid())
    conn:transact(message.SCHEMA)
    now_ms = 1e12
    host = {
      store = { group = "main" },
      readers = {},
      now = function() return now_ms end,
      monotonic = function() return now_ms end,
      connection = function(name)
        assert.equal(message.DATABASE, name)
        return conn
      end,
      follow = function(_, fn)
        told = fn
        fn(conn:db().basis_t)
      end,
    }
    event = { app = "shop", name = "hook", spec = {}, wake = function() end }
    event.position = http.first(host, event)
  end)
  after_each(function() conn:close() end)

  local function write(queue, key, body)
    local report = conn:transact(message.ops(queue, key, HEADERS, body or key, now_ms))
    if told then told(report.t) end
    return report.t
  end

  -- All that there are: their data, by the order in which they come.
  local function handle_all(source)
    local list = {}
    for item in function() return source:next() end do
      local input = item.input
      assert.is_true(http.prepare(nil, input))
      assert.is_nil(input.message)
      list[#list + 1], event.position = input.data, item.position
      assert.equal(item.number, item.position)
    end
    return list
  end

  local function waiting() return conn:db():count("avet", "http.message/waiting", QUEUE) end

  it("come in order, without those of others", function()
    local source = http.open(host, event)
    assert.is_nil(source:next())
    write(QUEUE, "1")
    write("main/shop/other", "2")
    local last = write(QUEUE, "3")
    assert.same({ 1, 3 }, handle_all(source))
    assert.equal(last, source:passed())
    assert.equal(last, source:newest())
  end)

  it("come from behind the event's position, also what is cleaned away already", function()
    local position = write(QUEUE, "1")
    write(QUEUE, "2")
    event.position = position - 1
    local source = http.open(host, event)
    assert.same({ 1, 2 }, handle_all(source))
    now_ms = now_ms + 2000
    assert.is_nil(source:next())
    assert.equal(0, waiting())
    event.position = position -- it was not written yet when the process died
    assert.same({ 2 }, handle_all(http.open(host, event)))
  end)

  it("wait no more when they are handled, and are known for a week still", function()
    local source = http.open(host, event)
    write(QUEUE, "1")
    local first = source:next()
    write(QUEUE, "2")
    now_ms = now_ms + 2000
    event.position = first.position
    source:next()
    assert.equal(1, waiting())
    assert.truthy(conn:db():entid { "http.message/key", QUEUE .. "/1" })
    assert.equal(1, conn:db():count("aevt", "http.message/content"))
    now_ms = now_ms + message.KNOWN_MS
    source:next()
    assert.is_nil(conn:db():entid { "http.message/key", QUEUE .. "/1" })
    assert.truthy(conn:db():entid { "http.message/key", QUEUE .. "/2" }) -- waits still
  end)

  it("tell how long ago the oldest came that is not done", function()
    local source = http.open(host, event)
    write(QUEUE, "1")
    now_ms = now_ms + 10
    write(QUEUE, "2")
    now_ms = now_ms + 5
    assert.equal(15, source:lag())
    event.position = source:next().position
    assert.equal(5, source:lag())
    event.position = source:next().position
    assert.equal(0, source:lag())
  end)

  it("are looked after when one was handled, though no other comes", function()
    local source = http.open(host, event)
    source:next()
    assert.is_nil(source:due())
    write(QUEUE, "1")
    handle_all(source)
    assert.equal(1000, source:due())
    now_ms = now_ms + 1000
    source:next()
    assert.equal(0, waiting())
    assert.is_nil(source:due())
  end)
end)

describe("A webhook is known again", function()
  local STRIPE = { signature = { scheme = "stripe" } }

  local function key(settings, read, headers, body, signed_id)
    return message.key(settings, read, headers or {}, body or "b", signed_id)
  end

  it("by the first that there is: CloudEvent, signed id, named header, Stripe's id, content", function()
    local cloud, plain = { id = "1", source = "s" }, { data = { id = "x" } }
    local named = { id_header = "X-Id" }
    assert.equal(key({}, cloud, {}, "b"), key(named, cloud, { ["x-id"] = "i" }, "c", "signed"))
    assert.equal(key({}, plain, {}, "b", "i"), key(named, plain, { ["x-id"] = "i" }, "c"))
    assert.equal(key(STRIPE, plain, {}, "b"), key(STRIPE, plain, {}, "c"))
    assert.not_equal(key(STRIPE, plain, {}, "b"), key(STRIPE, { data = { id = 7 } }, {}, "b"))
    assert.not_equal(key({}, plain, {}, "b"), key({}, plain, {}, "c"))
    assert.equal(key({}, plain, {}, "b"), key(named, plain, { ["x-id"] = "" }, "b"))
  end)
end)
