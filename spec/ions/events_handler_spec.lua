--- Handlers of events in an application's state: what they are given, how they are bounded, what is told of
-- them.
local application = require "spec.ions.application"
local core = require "lion.core"
local course = require "ions.events.course"
local handler = require "ions.events.handler"
local lion = require "lion"
local tx = require "ions.events.tx"

local AT = require("ions.series").ENTRY

local MODULE = [==[
local ion = require "ion"
local m = { given = {} }
function m.take(event)
  m.given[#m.given + 1] = event
  return function() end -- nobody looks at it
end
function m.raise(event) error(event.words, 0) end
function m.refuse() error { category = "conflict", code = "shop/taken", message = "it is taken" } end
function m.fault() local x = nil; return x.field end
function m.loop() while true do end end
function m.wait() ion.sleep(5) m.has_waited = true end
function m.sleep() ion.sleep(1e6) end
function m.write(event)
  ion.connect():transact({ { ["seen/key"] = event.key } }, { id = event.id })
  ion.connect():transact { { ["seen/count"] = 1 } }
end
function m.is_large(n) return n > 10 end
return m
]==]

local function manifest(events, more)
  return ('return { app = "shop", allow = { "m/is_large" }, events = { %s }, %s }'):format(events, more or "")
end

local QUERY = [==[
  { on = "tx", fn = "m/take", name = "large", query = [=[
    [:find ?n ?note :in $ $tx ?t
     :where [$tx ?o :order/number ?n _ true] [(m/is_large ?n)] [?o :order/note ?note] ] ]=] },
]==]

describe("A handler of events", function()
  local shop

  local function start(events, more)
    shop = application.new { ["ion.lua"] = manifest(events, more), ["m.lua"] = MODULE }
    shop.app:connection():transact(lion.schema { order = { number = "long", note = "string", data = "bytes" },
      seen = { key = "string", count = "long" } })
  end
  after_each(function()
    shop:close()
    shop = nil
  end)

  local function module() return shop.app:require "m" end

  -- The answer of a call.
  local function run(name, input)
    local answer
    assert.is_true(handler.run(shop.app, name, input or {}, function(told) answer = told end))
    local last = core.monotonic_ms() + 20000
    while not answer do
      assert(core.monotonic_ms() < last, "no answer")
      shop.app:step()
    end
    return answer
  end

  -- What the engine would give for a transaction.
  local function input_of(report)
    local datoms = tx.match(nil, report.tx_data)
    local event = { app = "shop", name = "e", on = "tx" }
    return course.input("g", event, report.t, tx.input(nil, report.t, report.tx_instant, datoms))
  end

  local function transact(data) return shop.app:connection():transact(data) end

  it("is called with its input, in the state's environment, and may return anything", function()
    start '{ on = "tx", attr = "order/number", fn = "m/take", name = "e" },'
    local input = input_of(transact { { ["order/number"] = 1 } })
    local answer = run("e", input)
    assert.is_true(answer.is_ok)
    assert.is_number(answer.ms)
    assert.same(input, module().given[1])
  end)

  it("may wait, and transact; under the event's id a repetition writes nothing", function()
    start [[{ on = "cron", at = "@daily", fn = "m/write", name = "e" },
      { on = "cron", at = "@daily", fn = "m/wait" },]]
    local input = course.input("g", { app = "shop", name = "e", on = "cron" }, 5, { time = 5 })
    assert.is_true(run("e", input).is_ok)
    assert.is_true(run("e", input).is_ok)
    local db = shop.app:connection():db()
    assert.equal(1, db:count("aevt", "seen/key"))
    assert.equal(2, db:count("aevt", "seen/count"))
    assert.is_true(run("m/wait").is_ok)
    assert.is_true(module().has_waited)
  end)

  it("that raises has failed, with its words and where it was", function()
    start [[{ on = "cron", at = "@daily", fn = "m/raise" }, { on = "cron", at = "@daily", fn = "m/refuse" },
      { on = "cron", at = "@daily", fn = "m/fault" },]]
    local answer = run("m/raise", { words = "no luck" })
    assert.is_false(answer.is_ok)
    assert.equal("fault", answer.category)
    assert.equal("no luck", answer.message)
    answer = run "m/refuse"
    assert.equal("conflict", answer.category)
    assert.equal("shop/taken: it is taken", answer.message)
    answer = run "m/fault"
    assert.truthy(answer.message:find("m.lua:%d+: attempt to index"))
    assert.truthy(answer.trace:find("stack traceback", 1, true))
    assert.is_true(core.form_read(core.form_write(answer)).is_ok == false) -- it travels
  end)

  it("is counted as an entry point", function()
    start [[{ on = "cron", at = "@daily", fn = "m/take" }, { on = "cron", at = "@daily", fn = "m/refuse" },]]
    local function answers(name, class) return shop.app.events[name].entry.numbers[AT.ANSWERS + class] end
    run "m/take"
    run "m/take"
    run "m/refuse"
    assert.equal(2, answers("m/take", 2))
    assert.equal(1, answers("m/refuse", 4))
    assert.is_true(shop.app.events["m/take"].entry.numbers[AT.STEPS] > 0)
  end)

  it("is stopped at its timeout, whatever it does", function()
    start [[{ on = "cron", at = "@daily", fn = "m/loop", timeout = 50 },
      { on = "cron", at = "@daily", fn = "m/sleep", timeout = 50 },]]
    for _, name in ipairs { "m/loop", "m/sleep" } do
      local answer = run(name)
      assert.is_false(answer.is_ok)
      assert.equal("interrupted", answer.category)
      assert.truthy(answer.message:find("lion/timeout", 1, true))
    end
    assert.is_true(shop.app:is_idle())
    assert.is_true(shop.app:steps() > 0)
  end)

  it("with a query is called for its rows, and not without any", function()
    start(QUERY)
    local report = transact { { ["order/number"] = 11, ["order/note"] = ":no-keyword" } }
    assert.same({ true }, { run("large", input_of(report)).is_ok })
    assert.same({ { 11, ":no-keyword" } }, module().given[1].rows)
    local answer = run("large", input_of(transact { { ["order/number"] = 9, ["order/note"] = "x" } }))
    assert.is_true(answer.is_ok)
    assert.is_true(answer.is_skipped)
    assert.equal(1, #module().given)
  end)

  it("with a query sees the database as of the transaction, and what was taken away in it", function()
    start [==[{ on = "tx", name = "e", fn = "m/take", query = [=[
      [:find ?n ?left :in $ $tx ?t :where [$tx ?o :order/number ?n ?tx false]
       [(get-else $ ?o :order/number -1) ?left] ] ]=] },]==]
    local o = transact({ { ["db/id"] = "o", ["order/number"] = 1, ["order/data"] = "\0\255" } }).tempids.o
    local report = transact { { "db/add", o, "order/number", 2 } }
    transact { { "db/add", o, "order/number", 3 } }
    assert.is_true(run("e", input_of(report)).is_ok)
    assert.same({ { 1, 2 } }, module().given[1].rows)
  end)

  it("whose query is wrong has failed", function()
    start [==[{ on = "tx", name = "e", fn = "m/take",
      query = "[:find ?n :where [_ :order/note ?note] [(no/function ?note) ?n]]" },]==]
    local answer = run("e", input_of(transact { { ["order/note"] = "x" } }))
    assert.is_false(answer.is_ok)
    assert.truthy(answer.message:find("no/function", 1, true))
  end)

  it("is not there where the manifest has no such event", function()
    start '{ on = "cron", at = "@daily", fn = "m/take" },'
    assert.is_false(handler.run(shop.app, "m/other", {}, function() end))
  end)

  it("takes messages for its own application alone", function()
    start '{ on = "cron", at = "@daily", fn = "m/take" },'
    local payload = core.form_write { app = "bank", event = "m/take", input = {} }
    assert.is_false(handler.message(shop.app, 5, 12, 1, payload))
    assert.is_false(handler.message(shop.app, 5, 11, 1, payload))
  end)

  it("must be there, and its query must be one, or the application is not loaded", function()
    local function refusal(events)
      local ok, e = pcall(application.new, { ["ion.lua"] = manifest(events), ["m.lua"] = MODULE })
      assert.is_false(ok)
      return tostring(e)
    end
    start ""
    local absent = refusal '{ on = "cron", at = "@daily", fn = "m/nothing" },'
    assert.truthy(absent:find("no function nothing", 1, true))
    assert.truthy(refusal('{ on = "tx", fn = "m/take", query = "[:find ?e :in $ ?x :where [?e :a/b ?x]]" },')
      :find("there are $, $tx and ?t", 1, true))
    assert.truthy(refusal('{ on = "tx", fn = "m/take", query = "[:fnd ?e]" },'):find "find")
  end)
end)
