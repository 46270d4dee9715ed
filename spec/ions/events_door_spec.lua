--- The control door's routes to events: what docs/control.md says of them.
local core = require "lion.core"
local door_world = require "spec.ions.door_world"
local lion = require "lion"
local manifest_events = { { on = "tx", attr = "order/number", fn = "shop.events/paid", name = "paid" } }

describe("The door's routes to events", function()
  local world, conn, paid

  local function refused(status, code, method, path, body)
    local found, told = world:ask(method, path, body)
    assert.equal(status, found)
    assert.equal(code, told.error.code)
    return told.error
  end

  -- Dead letters of an event; their keys.
  local function bury(event, count)
    local keys = {}
    for i = 1, count do
      keys[i] = ("production/shop/paid/%d"):format(event + i)
      conn:transact { { ["event.dead/event"] = event, ["event.dead/key"] = keys[i],
        ["event.dead/input"] = "{:t " .. i .. "}", ["event.dead/error"] = "error " .. i,
        ["event.dead/trace"] = "trace " .. i, ["event.dead/attempts"] = 3,
        ["event.dead/first-at"] = 1700000000000, ["event.dead/failed-at"] = 1700000001000 } }
    end
    return keys
  end

  local function enter(app, name, more)
    local fact = { ["db/id"] = "e", ["event/group"] = { "group/name", "production" }, ["event/app"] = "app",
      ["event/name"] = name, ["event/on"] = "tx", ["event/position"] = 1007, ["event/epoch"] = 3 }
    for key, value in pairs(more or {}) do fact[key] = value end
    return conn:transact { { ["db/id"] = "app", ["app/name"] = app }, fact }.tempids.e
  end

  local function entity(key) return conn:db():pull("[*]", { "event.dead/key", key }) end

  before_each(function()
    world = door_world.new()
    world:until_true(function() return world.door.node.id ~= nil end)
    conn = world.door.system
    conn:transact {
      { ["db/id"] = "r", ["revision/app"] = "app", ["revision/name"] = "unrepro/1",
        ["revision/manifest"] = lion.json.write { app = "shop", events = manifest_events } },
      { ["db/id"] = "app", ["app/name"] = "shop" },
      { ["group/name"] = "production", ["group/running"] = "r" },
    }
    paid = enter("shop", "paid", { ["event/holder"] = { "node/name", "one" } })
  end)
  after_each(function() world:close() end)

  it("list events: who holds them, how far they are, what fails", function()
    enter("shop", "gone", { ["event/trying"] = "production/shop/gone/9", ["event/attempts"] = 2,
      ["event/error"] = "no luck", ["event/retry-at"] = 1700000000000 })
    bury(paid, 2)
    local status, list = world:ask("GET", "/events")
    assert.equal(200, status)
    assert.same({ app = "shop", event = "paid", on = "tx", is_declared = true, holder = "one", epoch = 3,
      position = 1007, dead = 2 }, list[2])
    assert.same({ app = "shop", event = "gone", on = "tx", is_declared = false, epoch = 3, position = 1007,
      dead = 0, trying = "production/shop/gone/9", attempts = 2, error = "no luck",
      retry_at = "2023-11-14T22:13:20.000Z" }, list[1])
    assert.equal(2, #list)
  end)

  it("list none where there are none, and none of a group that is not there", function()
    conn:transact { { ["group/name"] = "empty" } }
    local status, _ = world:ask("GET", "/events?group=empty")
    assert.equal(200, status)
    refused(404, "lion/not-found", "GET", "/events?group=nowhere")
    refused(400, "lion/syntax", "GET", "/events?groups=empty")
  end)

  it("list dead letters, as many as are asked for, and tell one whole", function()
    local keys = bury(paid, 3)
    local _, list = world:ask("GET", "/events/dead?event=paid&app=shop&limit=2")
    assert.equal(2, #list)
    assert.same({ key = keys[1], group = "production", app = "shop", event = "paid", error = "error 1",
      attempts = 3, first_at = "2023-11-14T22:13:20.000Z", failed_at = "2023-11-14T22:13:21.000Z" }, list[1])
    assert.same({}, { select(2, world:ask("GET", "/events/dead?event=other"))[1] })
    local status, one = world:ask("GET", "/events/dead/" .. keys[2]:gsub("/", "%%2F"))
    assert.equal(200, status)
    assert.equal("{:t 2}", one.input)
    assert.equal("trace 2", one.trace)
    refused(404, "lion/not-found", "GET", "/events/dead/nothing")
    refused(400, "lion/limit", "GET", "/events/dead?limit=1001")
  end)

  it("have letters replayed: one, or all of some", function()
    local keys = bury(paid, 3)
    local before = core.now_ms()
    local status, told = world:ask("POST", "/events/replay", { key = keys[2] })
    assert.equal(200, status)
    assert.same({ count = 1 }, told)
    assert.is_true(entity(keys[2])["event.dead/replay-at"] >= before)
    assert.is_nil(entity(keys[1])["event.dead/replay-at"])
    assert.same({ count = 3 }, select(2, world:ask("POST", "/events/replay", { all = true, event = "paid" })))
    assert.same({ count = 0 }, select(2, world:ask("POST", "/events/replay", { all = true, app = "bank" })))
    refused(404, "lion/not-found", "POST", "/events/replay", { key = "nothing" })
    refused(400, "lion/syntax", "POST", "/events/replay", {})
    refused(400, "lion/syntax", "POST", "/events/replay", { key = keys[1], all = true })
  end)

  it("have letters forgotten", function()
    local keys = bury(paid, 3)
    assert.same({ count = 1 }, select(2, world:ask("POST", "/events/forget", { key = keys[2] })))
    assert.is_nil(entity(keys[2]))
    assert.same({ count = 2 }, select(2, world:ask("POST", "/events/forget", { all = true })))
  end)

  it("have an event skip", function()
    local _, told = world:ask("POST", "/events/skip", { event = "paid" })
    assert.same({ app = "shop", event = "paid" }, told)
    local function asked() return conn:db():entity(paid)["event/asked"] end
    assert.equal(":event.asked/skip-one", asked())
    world:ask("POST", "/events/skip", { event = "paid", all = true })
    assert.equal(":event.asked/skip-all", asked())
    refused(404, "lion/not-found", "POST", "/events/skip", { event = "nothing" })
    refused(400, "lion/syntax", "POST", "/events/skip", {})
    enter("bank", "paid")
    local e = refused(400, "lion/ambiguous", "POST", "/events/skip", { event = "paid" })
    assert.same({ "bank", "shop" }, e.data.apps)
    assert.equal(200, (world:ask("POST", "/events/skip", { event = "paid", app = "bank" })))
  end)

  it("count dead letters in the metrics", function()
    bury(paid, 2)
    local _, text = world:ask("GET", "/metrics")
    local sample = 'lion_event_dead{node="one",group="production",app="shop",event="paid"} 2\n'
    assert.truthy(text:find(sample, 1, true))
  end)
end)
