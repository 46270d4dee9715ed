--- The engine of events, with nodes, workers and time of the spec's own: what docs/events.md promises, when
-- all is well and when it is not.
local core = require "lion.core"
local schedules = require "ions.events.schedule"
local events_world = require "spec.ions.events_world"

local PAID = { on = "tx", attr = "order/number", fn = "shop.events/paid", name = "paid", backoff = 5 }

local function with(more)
  local event = {}
  for key, value in pairs(PAID) do event[key] = value end
  for key, value in pairs(more) do event[key] = value end
  return event
end

local world

local function order(number) return world:transact("shop", { { ["order/number"] = number } }).t end

-- Instants of transactions are whole ms.
local function let_a_ms_pass()
  local now = core.now_ms()
  while core.now_ms() <= now + 1 do end -- luacheck: ignore
end

local function orders(first, last)
  local list = {}
  for number = first, last do list[#list + 1] = order(number) end
  return list
end

-- The numbers of the orders that the calls were about, in order.
local function numbers(name)
  local list = {}
  for i, input in ipairs(world:called(name or "paid", "input")) do list[i] = input.datoms[1].v end
  return list
end

local function fails(_, call)
  return { is_ok = false, message = "try " .. call.attempt, trace = "where it was" }
end

local function until_at(position)
  world:until_true(function() return world:row("paid").position == position end)
end

describe("Events", function()
  before_each(function() world = events_world.new() end)
  after_each(function() world:close() end)

  local function start(events, ...)
    local node = world:start "one"
    world:deploy(events or { PAID }, ...)
    world:until_true(function() return #node:held() == #(events or { PAID }) end)
    return node
  end

  describe("on transactions", function()
    it("are handled in order, one at a time, each with a key and an id of its own", function()
      start()
      local ts = orders(1, 30)
      world:until_called("paid", 30)
      assert.equal(1, world.most_in_hand)
      local known = {}
      for i, call in ipairs(world.calls) do
        assert.equal(i, call.input.datoms[1].v)
        assert.equal(("a/shop/paid/%d"):format(ts[i]), call.key)
        assert.truthy(call.id:find "^%x+%-%x+%-8%x+%-8%x+%-%x+$")
        assert.is_nil(known[call.id])
        known[call.id] = true
        assert.equal(1, call.attempt)
      end
      until_at(ts[30])
    end)

    it("move on without a look at all that the system database has", function()
      local node = start()
      local store, looks = node.engine.host.store, 0
      local look = store.look
      function store.look(...)
        looks = looks + 1
        return look(...)
      end
      local function heard()
        node.engine:heard()
        world:until_true(function() return store.looked_t == world.system:db().basis_t end)
      end
      until_at(order(1))
      world:until_true(function() return not node.engine.is_called end)
      heard()
      looks = 0
      until_at(order(2))
      heard()
      assert.equal(0, looks)
      world.system:transact { { ["group/name"] = "b" } }
      heard()
      assert.truthy(looks > 0)
    end)

    it("are given what happened", function()
      start()
      local report = world:transact("shop",
        { { ["db/id"] = "o", ["order/number"] = 7, ["order/note"] = "x" } })
      world:until_called("paid", 1)
      local input = world.calls[1].input
      assert.same({ { e = report.tempids.o, a = "order/number", v = 7, added = true } }, input.datoms)
      assert.equal(report.t, input.t)
      assert.equal(report.tx, input.tx)
      assert.equal(report.tx_instant, input.tx_instant)
      assert.equal("tx", input.on)
      assert.equal("paid", input.event)
      assert.is_nil(input.db)
    end)

    it("are those of the attributes that are named, and the others move the position, too", function()
      start { with { attr = { "other/number", ":order/note" } } }
      order(1)
      world:transact("shop", { { ["other/number"] = 2 } })
      world:transact("shop", { { ["order/note"] = "n" } })
      local last = order(3)
      world:until_called("paid", 2)
      assert.same({ 2, "n" }, numbers())
      world:until_true(function()
        for _, node in pairs(world.nodes) do node.engine:wake() end
        return world:row("paid").position == last
      end)
      assert.equal(2, #world.calls)
    end)

    it("begin where the database stood when their revision was deployed", function()
      orders(1, 3)
      let_a_ms_pass()
      world:start "one"
      world:deploy { PAID }
      order(4) -- before anybody looked
      world:until_called("paid", 1)
      assert.same({ 4 }, numbers())
    end)

    it("begin at the first of the revisions that have had them since, whoever was there to see it", function()
      world:start("one"):kill()
      world:deploy { with { name = "other" } }
      order(1)
      let_a_ms_pass()
      world:deploy { PAID }
      order(2)
      let_a_ms_pass()
      world:deploy { PAID, with { name = "third" } }
      order(3)
      world:start "one"
      world:until_called("paid", 2)
      world:until_called("third", 1)
      assert.same({ 2, 3 }, numbers())
      assert.same({ 3 }, numbers "third")
    end)

    it("may be of another database", function()
      world:database("stock"):transact(require("lion").schema { order = { number = "long" } })
      start { with { db = "stock" } }
      order(1)
      world:transact("stock", { { ["order/number"] = 2 } })
      world:until_called("paid", 1)
      assert.same({ 2 }, numbers())
      assert.equal("stock", world.calls[1].input.db)
    end)

    it("do not wait for one another", function()
      local is_released = false
      world.handlers.slow = function()
        local scheduler = require "ions.scheduler"
        while not is_released do scheduler.sleep(1) end
      end
      start { PAID, with { name = "slow" } }
      orders(1, 20)
      world:until_called("paid", 20)
      assert.equal(1, #world:called("slow", "key"))
      is_released = true
      world:until_called("slow", 20)
      assert.equal(20, #numbers "slow")
    end)

    it("that are slower than what happens lag, and drop nothing", function()
      local node = start()
      local is_released = false
      world.handlers.paid = function()
        while not is_released do require("ions.scheduler").sleep(1) end
      end
      orders(1, 300)
      world:until_called("paid", 1)
      world.ms = world.calls[1].input.tx_instant + 3000
      assert.equal(3000, node.engine:told()[1].lag_ms)
      local source = node.engine.events["shop\0paid"].source
      assert.is_true(#source.queue <= 64) -- what is read ahead is bounded
      is_released = true
      world:until_called("paid", 300)
      for i, number in ipairs(numbers()) do assert.equal(i, number) end
      world:until_true(function() return node.engine:told()[1].lag_ms == 0 end)
    end)

    it("give as many datoms as a handler can hold, and say so", function()
      start()
      local list = {}
      for i = 1, 10001 do list[i] = { ["order/number"] = i } end
      world:transact("shop", list)
      world:until_called("paid", 1)
      assert.equal(10000, #world.calls[1].input.datoms)
      assert.is_true(world.calls[1].input.is_partial)
    end)
  end)

  describe("whose handler fails", function()
    it("are repeated with the same key, and the others wait behind them", function()
      world.handlers.paid = function(input, call)
        if input.datoms[1].v == 2 and call.attempt < 4 then return fails(input, call) end
      end
      start()
      orders(1, 3)
      world:until_called("paid", 6)
      assert.same({ 1, 2, 2, 2, 2, 3 }, numbers())
      assert.same({ 1, 1, 2, 3, 4, 1 }, world:called("paid", "attempt"))
      local keys, ids = world:called("paid", "key"), world:called("paid", "id")
      for i = 3, 5 do
        assert.equal(keys[2], keys[i])
        assert.equal(ids[2], ids[i])
      end
    end)

    it("for ever become dead letters, and the others go on", function()
      world.handlers.paid = function(input, call)
        if input.datoms[1].v == 2 then return fails(input, call) end
      end
      start { with { retries = 2 } }
      local ts = orders(1, 3)
      world:until_called("paid", 5)
      assert.same({ 1, 2, 2, 2, 3 }, numbers())
      until_at(ts[3])
      local key = ("a/shop/paid/%d"):format(ts[2])
      local letter = assert(world:dead()[key])
      assert.equal("try 3", letter["event.dead/error"])
      assert.equal("where it was", letter["event.dead/trace"])
      assert.equal(3, letter["event.dead/attempts"])
      assert.equal(world.ms, letter["event.dead/first-at"])
      assert.equal(world.ms, letter["event.dead/failed-at"])
      assert.truthy(world.logged:find(key .. " is given up, tried 3 times: try 3", 1, true))
      assert.is_nil(world:row("paid").trying)
    end)

    it("say so in the system database while they do", function()
      world.handlers.paid = fails
      start { with { backoff = 60000 } }
      local t = order(1)
      world:until_true(function() return world:row("paid").trying ~= nil end)
      local row = world:row "paid"
      assert.equal(("a/shop/paid/%d"):format(t), row.trying)
      assert.equal(1, row.attempts)
      assert.equal("try 1", row.error)
      assert.equal(world.ms + 60000, row.retry_at)
    end)

    it("are tried on from where another process stopped to", function()
      world.handlers.paid = fails
      start { with { backoff = 60000, retries = 1 } }
      order(1)
      world:until_true(function() return world:row("paid").attempts == 1 end)
      world.nodes.one:kill()
      world:start "one"
      world:until_true(function() return next(world:dead()) ~= nil end)
      assert.same({ 1, 2 }, world:called("paid", "attempt"))
    end)

    it("wait where there are too many dead letters", function()
      local node = start { with { retries = 0 } }
      world.handlers.paid = fails
      node.engine.host.store.dead_count = function() return 10000 end
      order(1)
      world:until_true(function() return world:row("paid").attempts == 1 end)
      assert.same({}, world:dead())
      assert.is_true(world:row("paid").retry_at >= world.ms + 60000)
    end)

    it("wait, and have not failed, while nobody has the handler", function()
      local is_there = false
      world.handlers.paid = function() return not is_there and { is_absent = true } or nil end
      start { with { retries = 0 } }
      order(1)
      world:until_called("paid", 3)
      is_there = true
      local last = order(2)
      until_at(last)
      assert.same({}, world:dead())
      assert.same({ 1, 2 }, { numbers()[1], numbers()[#numbers()] })
      for _, attempt in ipairs(world:called("paid", "attempt")) do assert.equal(1, attempt) end
    end)
  end)

  describe("that are given up", function()
    local ts, key

    local function give_up(more)
      world.handlers.paid = function(input, call)
        if input.datoms[1].v == 2 then return fails(input, call) end
      end
      local node = start { with(more or { retries = 0 }) }
      ts = orders(1, 3)
      until_at(ts[3])
      key = ("a/shop/paid/%d"):format(ts[2])
      assert(world:dead()[key])
      return node
    end

    local function ask_replay()
      world:ask { { ["db/id"] = world:dead()[key]["db/id"], ["event.dead/replay-at"] = world.ms } }
    end

    it("are replayed with the key and the input that they had, and are gone then", function()
      give_up()
      local before = world.calls[2]
      world.handlers.paid = nil
      ask_replay()
      world:until_called("paid", 4)
      world:until_true(function() return world:dead()[key] == nil end)
      local call = world.calls[4]
      assert.equal(key, call.key)
      assert.equal(before.id, call.id)
      assert.same(before.input.datoms, call.input.datoms)
      assert.equal(ts[3], world:row("paid").position)
    end)

    it("stay, with the new error, where they fail again", function()
      give_up()
      ask_replay()
      world:until_true(function()
        local letter = world:dead()[key]
        return letter["event.dead/attempts"] == 2 and letter["event.dead/replay-at"] == nil
      end)
      order(4)
      world:until_called("paid", 5)
      assert.equal(4, numbers()[5])
    end)

    it("can be taken away meanwhile", function()
      give_up()
      local id = world:dead()[key]["db/id"]
      world.handlers.paid = function()
        if world:dead()[key] then world.system:transact { { "db/retractEntity", id } } end
      end
      ask_replay()
      world:until_called("paid", 4)
      order(4)
      world:until_called("paid", 5)
      assert.same({}, world:dead())
    end)
  end)

  describe("that are stuck", function()
    local function ask_skip(what)
      world:ask { { ["db/id"] = world:row("paid").id, ["event/asked"] = ":event.asked/" .. what } }
    end

    before_each(function()
      world.handlers.paid = function(input, call)
        if input.datoms[1].v == 1 then return fails(input, call) end
      end
      start { with { backoff = 60000 } }
      orders(1, 3)
      world:until_true(function() return world:row("paid").attempts == 1 end)
    end)

    it("are skipped to the dead letters", function()
      ask_skip "skip-one"
      world:until_called("paid", 3)
      assert.same({ 1, 2, 3 }, numbers())
      local _, letter = next(world:dead())
      assert.equal(1, letter["event.dead/attempts"])
      assert.is_nil(world:row("paid").asked)
    end)

    it("are passed over with all that has happened", function()
      ask_skip "skip-all"
      world:until_true(function() return world:row("paid").trying == nil end)
      local last = order(4)
      world:until_called("paid", 2)
      assert.same({ 1, 4 }, numbers())
      until_at(last)
      assert.same({}, world:dead())
    end)
  end)

  describe("of a node that", function()
    it("is stopped go on where they stood, without a repetition", function()
      local node = start()
      orders(1, 5)
      world:until_called("paid", 5)
      assert.is_true(node:stop())
      assert.is_nil(world:row("paid").holder)
      orders(6, 8)
      world:start "one"
      world:until_called("paid", 8)
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, numbers())
    end)

    it("is stopped end what is in hand", function()
      local node = start()
      world.handlers.paid = function() require("ions.scheduler").sleep(50) end
      local t = order(1)
      world:until_called("paid", 1)
      order(2)
      assert.is_true(node:stop())
      assert.equal(t, world:row("paid").position)
      assert.equal(1, #world.calls)
    end)

    it("is killed are repeated with their keys from the last position, and none is lost", function()
      start()
      orders(1, 20)
      world:until_called("paid", 12)
      world.nodes.one:kill()
      world:start "one"
      local last = order(21)
      until_at(last)
      local first, seen = {}, 0
      for _, call in ipairs(world.calls) do
        local number = call.input.datoms[1].v
        if first[number] then
          assert.equal(first[number], call.key)
        else
          assert.equal(seen + 1, number) -- none before its turn
          first[number], seen = call.key, number
        end
      end
      assert.equal(21, seen)
      assert.equal(2, world:row("paid").epoch)
    end)

    it("is killed are taken by another one when it is known to be down", function()
      start()
      local two = world:start "two"
      order(1)
      world:until_called("paid", 1)
      world.nodes.one:mark "down"
      world.nodes.one:kill()
      two.engine:wake()
      world:until_true(function() return #two:held() == 1 end)
      order(2)
      world:until_true(function() return numbers()[#numbers()] == 2 end)
      assert.equal("two", world.calls[#world.calls].node)
    end)
  end)

  describe("of a group of two nodes", function()
    it("are held by one of them", function()
      start()
      local two = world:start "two"
      world:until_true(function() return two.engine.has_others end)
      local last = orders(1, 10)[10]
      until_at(last)
      assert.equal(10, #world.calls)
      for _, call in ipairs(world.calls) do assert.equal("one", call.node) end
      assert.same({}, two:held())
    end)

    it("go to the other when their holder is stopped", function()
      local one = start()
      world:start "two"
      order(1)
      world:until_called("paid", 1)
      one:stop()
      world.nodes.two.engine:wake()
      order(2)
      world:until_called("paid", 2)
      assert.equal("two", world.calls[2].node)
    end)

    it("stay with a holder that beats, and leave one that is silent; that one then writes nothing", function()
      local one = start()
      local two = world:start "two"
      local is_released = false
      world.handlers.paid = function(_, call)
        while call.node == "one" and not is_released do require("ions.scheduler").sleep(1) end
      end
      world:until_true(function() return two.engine.has_others and one.engine.has_others end)
      order(1)
      world:until_called("paid", 1)
      for _ = 1, 4 do -- it beats
        local node_row = function()
          return world.system:db():entity { "node/name", "one" }["node/beat"] or 0
        end
        local beat = node_row()
        world:pass_ms(6000)
        world:until_true(function() return node_row() > beat end)
        two.engine:wake()
        world:until_true(function() return two.engine.bell.is_rung == false end)
      end
      assert.same({}, two:held())
      one:kill()
      world:pass_ms(16000)
      local last = order(2)
      until_at(last)
      assert.same({ "one", "two", "two" }, world:called("paid", "node"))
      assert.same({ 1, 1, 2 }, numbers())
      one:wake() -- it was only silent
      is_released = true
      world:until_true(function() return #one:held() == 0 end)
      assert.equal(last, world:row("paid").position)
      last = order(3)
      until_at(last)
      assert.equal("two", world.calls[#world.calls].node)
      assert.equal(4, #world.calls)
      assert.equal(2, world:row("paid").epoch)
    end)
  end)

  describe("of a revision", function()
    it("that follows go on from where they stood, with its settings", function()
      start()
      orders(1, 2)
      world:until_called("paid", 2)
      world:deploy { with { attr = "other/number" } }
      world:until_true(function()
        return world.nodes.one.engine.events["shop\0paid"].spec.attr == "other/number"
      end)
      order(3)
      world:transact("shop", { { ["other/number"] = 4 } })
      world:until_called("paid", 3)
      assert.same({ 1, 2, 4 }, numbers())
    end)

    it("that leaves them out rest, and go on when one brings them back", function()
      local node = start { PAID, with { name = "other" } }
      order(1)
      world:until_called("paid", 1)
      world:deploy { with { name = "other" } }
      world:until_true(function() return #node:held() == 1 end)
      order(2)
      world:until_called("other", 2)
      assert.equal(1, #numbers())
      assert.is_nil(world:row("paid").holder)
      world:deploy { PAID, with { name = "other" } }
      world:until_called("paid", 2)
      assert.same({ 1, 2 }, numbers())
    end)

    it("with kinds that are not known here leave the others alone", function()
      local node = world:start "one"
      world:deploy { PAID, { on = "moon", fn = "shop.events/moon" } }
      world:until_true(function() return #node:held() == 1 end)
      order(1)
      world:until_called("paid", 1)
    end)
  end)

  describe("while the system database", function()
    it("cannot be written go on, and their positions are written later", function()
      local node = start()
      order(1)
      world:until_called("paid", 1)
      node.refuses = { category = "unavailable", code = "lion/writer-lost", message = "the writer was lost" }
      orders(2, 4)
      world:until_called("paid", 4)
      world:until_true(function() return world.logged:find("positions are not written yet", 1, true) end)
      node.refuses = nil
      local last = order(5)
      until_at(last)
      assert.same({ 1, 2, 3, 4, 5 }, numbers())
    end)

    it("has not the node yet wait for it", function()
      world.system:transact { { ["group/name"] = "a" } }
      world:start "one"
      world:deploy { PAID }
      world:until_true(function() return world:row "paid" ~= nil end)
    end)
  end)

  it("of a database that cannot be opened leave the others alone, and begin when it can", function()
    world.broken.stock = { category = "unavailable", code = "lion/locked", message = "it is locked" }
    local node = world:start "one"
    world:deploy { PAID, with { name = "stock", db = "stock" } }
    world:until_true(function() return #node:held() == 1 end)
    order(1)
    world:until_called("paid", 1)
    assert.truthy(world.logged:find("stock of shop is not held: it is locked", 1, true))
    world.broken.stock = nil
    node.engine:wake()
    world:until_true(function() return #node:held() == 2 end)
  end)

  it("of several applications are theirs", function()
    world:database("bank"):transact(require("lion").schema { order = { number = "long" } })
    start()
    world:deploy({ PAID }, "bank")
    world:until_true(function() return #world.nodes.one:held() == 2 end)
    order(1)
    world:transact("bank", { { ["order/number"] = 2 } })
    world:until_called("paid", 2)
    local keys = world:called("paid", "key")
    table.sort(keys)
    assert.truthy(keys[1]:find "^a/bank/paid/" and keys[2]:find "^a/shop/paid/")
  end)

  describe("at times", function()
    local schedule = schedules.parse "*/5 * * * *"
    local MINUTE_MS = 60000

    local function sweep(more)
      local event = { on = "cron", at = "*/5 * * * *", fn = "shop.jobs/sweep", name = "sweep" }
      for key, value in pairs(more or {}) do event[key] = value end
      return event
    end

    local function until_settled(ms)
      world:until_true(function() return world:row("sweep").position >= ms end)
    end

    it("happen once at each, with the time as key", function()
      start { sweep() }
      for i = 1, 3 do
        local at = schedule:after(world.ms)
        world:set_now(at + 20)
        world:until_called("sweep", i)
        local call = world.calls[i]
        assert.equal(at, call.time)
        assert.equal(("a/shop/sweep/%.0f"):format(at), call.key)
        until_settled(at)
      end
      assert.equal(3, #world.calls)
    end)

    it("are skipped where they were missed", function()
      local node = start { sweep() }
      local at = schedule:after(world.ms)
      world:set_now(at)
      world:until_called("sweep", 1)
      node:stop()
      world:set_now(at + 62 * MINUTE_MS)
      world:start "one"
      world:until_true(function() return #world.nodes.one:held() == 1 end)
      world:set_now(at + 65 * MINUTE_MS)
      world:until_called("sweep", 2)
      assert.same({ at, at + 65 * MINUTE_MS }, world:called("sweep", "time"))
    end)

    it("are caught up with once", function()
      local node = start { sweep { catch_up = true } }
      local at = schedule:after(world.ms)
      world:set_now(at)
      world:until_called("sweep", 1)
      node:stop()
      world:set_now(at + 63 * MINUTE_MS)
      world:start "one"
      world:until_called("sweep", 2)
      until_settled(at + 60 * MINUTE_MS)
      assert.same({ at, at + 60 * MINUTE_MS }, world:called("sweep", "time"))
    end)

    it("are not missed by less than a minute", function()
      start { sweep() }
      local at = schedule:after(world.ms)
      world:set_now(at + MINUTE_MS - 1)
      world:until_called("sweep", 1)
      assert.equal(at, world.calls[1].time)
    end)

    it("are those of their zone", function()
      start { sweep { at = "0 3 * * *", zone = "+02:00" } }
      local at = schedules.parse("0 1 * * *"):after(world.ms)
      world:set_now(at)
      world:until_called("sweep", 1)
      assert.equal(at, world.calls[1].time)
    end)
  end)
end)
