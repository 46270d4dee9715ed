--- The events process's application without a process: what it asks the writer and the workers, what it does
-- with what they answer, or do not.
local core = require "lion.core"
local events = require "ions.events"
local lion = require "lion"
local system = require "ions.push.system"

local SUPERVISOR, WORKER = 0, 16
local LOST, FOLLOW, DONE, ERROR, TOLD = 0, 7, 17, 18, 20
local STOP, REPLACE, PROCESSES, CHANGED, STATUS, DELIVER, DELIVERED = 2, 3, 9, 10, 11, 12, 13
local DOOR = 3

describe("The events process", function()
  local shop, conn, process, requests, sent, logged

  local function until_true(fn)
    local last = core.monotonic_ms() + 20000
    while true do
      local found = fn()
      if found then return found end
      assert(core.monotonic_ms() < last, "it does not come to pass\n" .. logged)
      process:step()
    end
  end

  local function worker(index, pid, state, reason)
    process:message(SUPERVISOR, CHANGED, 0, core.form_write { role = "worker", index = index, pid = pid,
      state = state, reason = reason or "" })
  end

  -- The requests to follow a database that stand.
  local function followed(db)
    for token, request in pairs(requests) do
      if request.db == db then return token end
    end
  end

  local function answer(token, kind, map)
    if kind ~= TOLD and kind ~= DONE then requests[token] = nil end
    process:deliver(token, kind, map and core.form_write(map) or "")
  end

  local function follow_all()
    for _, db in ipairs { "system", "shop" } do
      local token = until_true(function() return followed(db) end)
      answer(token, DONE, { t = db == "shop" and shop:db().basis_t or conn:db().basis_t })
    end
  end

  local function order(number)
    local report = shop:transact { { ["order/number"] = number } }
    answer(followed "shop", TOLD, { db = "shop", t = report.t })
    return report.t
  end

  -- The next message of a kind: to whom, its id, its payload.
  local function take(kind)
    return unpack(until_true(function()
      for i, message in ipairs(sent) do
        if message.kind == kind then
          table.remove(sent, i)
          return { message.to, message.id, message.map }
        end
      end
    end), 1, 3)
  end

  local function delivered(id, map)
    process:message(WORKER + 1, DELIVERED, id, map and core.form_write(map) or "")
  end

  before_each(function()
    conn, shop = lion.connect "mem:", lion.connect "mem:"
    requests, sent, logged = {}, {}, ""
    system.install(conn)
    shop:transact(lion.schema { order = { number = "long" } })
    local manifest = { app = "shop", events = { { on = "tx", attr = "order/number", fn = "shop.events/paid",
      backoff = 5, timeout = 1 } } }
    conn:transact {
      { ["db/id"] = "n", ["node/name"] = "one", ["node/group"] = "g", ["node/state"] = ":node.state/up" },
      { ["db/id"] = "a", ["app/name"] = "shop" },
      { ["db/id"] = "r", ["revision/app"] = "a", ["revision/name"] = "unrepro/1",
        ["revision/manifest"] = lion.json.write(manifest) },
      { ["db/id"] = "g", ["group/name"] = "a", ["group/running"] = "r" },
    }
    local last = 0
    process = events.load({ name = "one", group = "a", dir = "nowhere" }, {
      port = {
        request = function(kind, payload)
          assert.equal(FOLLOW, kind)
          last = last + 1
          requests[last] = core.form_read(payload)
          return last
        end,
        send = function(to, kind, id, payload)
          sent[#sent + 1] = { to = to, kind = kind, id = id, map = core.form_read(payload) }
        end,
      },
      connect = function(name) return name == "system" and conn or shop end,
      log = function(text) logged = logged .. text end,
    })
    worker(1, 100, "ready")
    worker(2, 200, "starting")
  end)
  after_each(function() process:close() end)

  it("asks for all processes, and follows what it reads", function()
    local to = take(PROCESSES)
    assert.equal(SUPERVISOR, to)
    follow_all()
  end)

  it("hands an event to a ready worker, by its pid, and the next when that has answered", function()
    follow_all()
    local t = order(1)
    order(2)
    local to, id, map = take(DELIVER)
    assert.equal(WORKER + 1, to)
    assert.equal(100, map.pid)
    assert.equal("shop", map.app)
    assert.equal("shop.events/paid", map.event)
    assert.equal(t, map.input.t)
    assert.equal(("a/shop/shop.events/paid/%d"):format(t), map.input.key)
    for _ = 1, 50 do process:step() end
    assert.equal(0, #sent - (sent[1] and sent[1].kind == PROCESSES and 1 or 0))
    delivered(id, { is_ok = true, ms = 1 })
    local _, _, following = take(DELIVER)
    assert.equal(2, following.input.datoms[1].v)
  end)

  it("gives it to another worker when that one has ended, and takes no answer of it any more", function()
    follow_all()
    order(1)
    local _, id, map = take(DELIVER)
    worker(2, 200, "ready")
    worker(1, 0, "starting", "signal 9 (Killed)")
    local to, again, repeated = take(DELIVER)
    assert.equal(WORKER + 2, to)
    assert.equal(200, repeated.pid)
    assert.equal(map.input.key, repeated.input.key)
    assert.equal(2, repeated.input.attempt)
    delivered(id, { is_ok = true })
    for _ = 1, 20 do process:step() end
    assert.equal(1, #process.engine:told())
    assert.equal(0, process.engine:told()[1].delivered)
    delivered(again, { is_ok = true })
    until_true(function() return process.engine:told()[1].delivered == 1 end)
    assert.equal(1, process.engine:told()[1].failed)
  end)

  it("waits for the last words of a worker that was replaced", function()
    follow_all()
    order(1)
    local _, id = take(DELIVER)
    worker(1, 101, "ready", "replaced: a state has reached its cap of memory")
    delivered(id, { is_ok = true })
    until_true(function() return process.engine:told()[1].delivered == 1 end)
    assert.equal(0, process.engine:told()[1].failed)
  end)

  it("asks again, without a failure, a worker that has no such event", function()
    follow_all()
    order(1)
    local _, id = take(DELIVER)
    delivered(id)
    local _, _, again = take(DELIVER)
    assert.equal(1, again.input.attempt)
    assert.equal(0, process.engine:told()[1].failed)
  end)

  it("waits while no worker is ready", function()
    follow_all()
    worker(1, 0, "starting", "")
    order(1)
    for _ = 1, 100 do process:step() end
    worker(1, 102, "ready")
    local _, _, map = take(DELIVER)
    assert.equal(102, map.pid)
    assert.equal(1, map.input.attempt)
  end)

  it("has a worker replaced that does not answer", function()
    follow_all()
    order(1)
    local _, id = take(DELIVER)
    local asked = process.workers.pending[id]
    assert.is_table(asked)
    -- its time is over
    for _, timer in ipairs(process.tasks.timers) do
      if timer.timer_ms > core.monotonic_ms() + 20000 then process.tasks:at(timer, core.monotonic_ms()) end
    end
    local to, _, map = take(REPLACE)
    assert.equal(SUPERVISOR, to)
    assert.equal(WORKER + 1, map.who)
    until_true(function() return process.engine:told()[1].failed == 1 end)
  end)

  it("follows again when the writer was lost, and misses nothing", function()
    follow_all()
    shop:transact { { ["order/number"] = 1 } } -- nobody is told of it
    for _, db in ipairs { "shop", "system" } do answer(followed(db), LOST) end
    follow_all()
    local _, _, map = take(DELIVER)
    assert.equal(1, map.input.datoms[1].v)
  end)

  it("tries again where it is refused", function()
    local token = until_true(function() return followed "system" end)
    answer(token, ERROR, { category = "fault", code = "lion/io", message = "no" })
    assert.truthy(until_true(function() return followed "system" end))
  end)

  it("tells the door what it holds", function()
    follow_all()
    until_true(function()
      local told = process.engine:told()
      return #told == 1 and told[1].lag_ms == 0
    end)
    process:message(DOOR, STATUS, 7, "")
    local to, id, map = take(STATUS)
    assert.equal(DOOR, to)
    assert.equal(7, id)
    local one = { app = "shop", event = "shop.events/paid", delivered = 0, failed = 0, lag_ms = 0 }
    assert.same({ one }, map.events)
  end)

  it("leaves when it is told to, gives its leases back, and is idle then", function()
    follow_all()
    local t = order(1)
    local _, id = take(DELIVER)
    process:message(SUPERVISOR, STOP, 0, core.form_write { grace_ms = 5000 })
    for _ = 1, 20 do process:step() end
    assert.is_false(process:is_idle())
    delivered(id, { is_ok = true })
    until_true(function() return process:is_idle() end)
    local db = conn:db()
    assert.equal(0, db:count("aevt", "event/holder"))
    assert.equal(t, db:q "[:find ?p . :where [_ :event/position ?p]]")
  end)

  it("leaves without what does not end in time", function()
    follow_all()
    order(1)
    take(DELIVER)
    process:message(SUPERVISOR, STOP, 0, core.form_write { grace_ms = 1050 })
    until_true(function() return process:is_idle() end)
    assert.equal(1, conn:db():count("aevt", "event/holder")) -- its next process takes it
  end)
end)
