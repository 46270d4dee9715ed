-- Many calls at once in one state, and programs that would rather not end.
-- luacheck: max line length 130 (an application's code stands in it)
local application = require "spec.ions.application"
local core = require "lion.core"

local MANIFEST = [==[
  return {
    app = "shop",
    http = {
      { "GET", "/try/:name", "web/try", timeout = 60 },
      { "GET", "/sleep/:ms", "web/sleep" },
      { "GET", "/long", "web/long" },
      { "GET", "/one/:ms", "web/sleep", concurrency = 1, queue = 5 },
      { "GET", "/stream/:name", "web/stream", timeout = 400 },
      { "GET", "/invoke/:name", "web/invoke", timeout = 200 },
    },
    invoke = { sleep = "web/nap", slow = "web/never", ends = "web/ends", twice = "web/twice" },
    allow = { "web/connects", "web/invokes", "web/slow_fn", "web/sleeps", "web/plain_fn" },
  }
]==]

local WEB = [==[
  local ion = require "ion"
  local web, try, streams = {}, {}, {}
  function web.try(r) return try[r.params.name]() end
  function web.sleep(r) ion.sleep(tonumber(r.params.ms)) return "slept " .. r.id end
  function web.long() for _ = 1, 200000 do end return "long" end
  function web.nap(ms) ion.sleep(ms) return ms end
  function web.never() ion.sleep(1e9) end
  function web.ends(x) return x end
  function web.twice(ms) return ion.invoke("sleep", ms) + ion.invoke("sleep", ms) end
  function web.invoke(r)
    local name = r.params.name
    if name == "gsub" then return (("x"):gsub("x", function() return ion.invoke("ends", "y") end)) end
    if name == "gsub_sleep" then return (("x"):gsub("x", function() return ion.invoke("sleep", 5) end)) end
    return tostring(ion.invoke(name, 2))
  end

  -- attacks
  function try.loop() while true do end end
  function try.pcall_loop() while true do pcall(function() while true do end end) end end
  function try.xpcall_loop() while true do xpcall(function() while true do end end, function() while true do end end) end end
  function try.wrap_loop() while true do coroutine.wrap(function() while true do end end)() end end
  function try.wraps() local function f() return coroutine.wrap(f)() end return f() end
  function try.recursion() local function f() return 1 + f() end return f() end
  function try.tail_calls() local function f() return f() end return f() end
  function try.error_loop() while true do pcall(error, "x") end end
  function try.rep() return ("x"):rep(1e10) end
  function try.rep_concat() local s = "x" while true do s = s .. s if #s > 1e6 then s = "x" end end end
  function try.format() return ("%99999999s"):format("x") end
  function try.pattern() return (("a"):rep(30000):find(("a*"):rep(20) .. "b")) and "found" end
  function try.gsub() return (("x"):rep(1e6):gsub("x", ("y"):rep(1e4))) end
  function try.memory() local t = {} while true do t[#t + 1] = { #t } end end
  function try.sleep() while true do ion.sleep(1) end end
  function try.goto_loop() ::again:: goto again end
  function try.sort() local t = {} for i = 1, 1e5 do t[i] = i end table.sort(t, function() while true do end end) end
  function try.load() return load("while true do end")() end
  function try.metatable() return setmetatable({}, { __index = function() while true do end end }) end
  function try.metatable_body()
    return setmetatable({ body = "x" }, { __index = function() while true do end end })
  end
  function try.to_string() return { body = setmetatable({}, { __tostring = function() while true do end end }) } end
  function try.error_value() error(setmetatable({}, { __tostring = function() while true do end end })) end
  function try.error_category() error(setmetatable({}, { __index = function() while true do end end })) end
  function try.yields() coroutine.yield("x") return "x" end

  -- bodies
  local function text(name) return { body = streams[name] } end
  function web.stream(r) return text(r.params.name) end
  function streams.slow() for i = 1, 3 do coroutine.yield("piece " .. i .. "\n") ion.sleep(2) end return "end" end
  function streams.busy() for i = 1, 3 do for _ = 1, 30000 do end coroutine.yield(tostring(i)) end end
  function streams.patient() for i = 1, 4 do ion.sleep(150) coroutine.yield(tostring(i)) end end
  function streams.never() coroutine.yield "one" ion.sleep(1e9) end
  function streams.loop() coroutine.yield "one" while true do end end
  function streams.empty() while true do coroutine.yield "" end end
  function streams.number() coroutine.yield "one" coroutine.yield(2) end
  function streams.returns_table() return {} end
  function streams.fails() coroutine.yield "one" error "no luck" end
  function streams.fails_oddly()
    coroutine.yield "one"
    error(setmetatable({}, { __tostring = function() while true do end end }))
  end
  function streams.ends() return "all" end
  function streams.nothing() end
  function streams.invokes() coroutine.yield(tostring(ion.invoke("sleep", 1))) end

  -- functions that queries call
  function web.connects() return ion.connect() and 1 end
  function web.invokes() return ion.invoke("ends", 1) end
  function web.slow_fn() while true do end end
  function web.sleeps() ion.sleep(1) return 1 end
  function web.plain_fn(x) for _ = 1, 30000 do end return x + 1 end
  local function ask(fn) return tostring(ion.db():q("[:find ?y . :where [(web/" .. fn .. " 1) ?y]]")) end
  function try.connects() return ask "connects" end
  function try.invokes() return ask "invokes" end
  function try.slow_fn() return ask "slow_fn" end
  function try.sleeps() return ask "sleeps" end
  function try.plain_fn() return ask "plain_fn" end
  local PRODUCT = [[ [:find (count ?a) . :with ?b ?c ?d :where [?a :db/ident] [?b :db/ident] [?c :db/ident] [?d :db/ident]
    [(!= ?a ?b)] [(!= ?b ?c)] [(!= ?c ?d)] [(!= ?a ?d)] ] ]]
  function try.query() return tostring(ion.db():q(PRODUCT)) end
  function try.query_that_asks_for_more()
    return tostring(require("lion").q { query = PRODUCT, args = { ion.db() }, timeout = 60000 })
  end
  function try.transacts_in_filter()
    local conn = ion.connect()
    return tostring(conn:db():filter(function() conn:transact {} return true end):count("eavt"))
  end
  return web
]==]

local FILES = { ["ion.lua"] = MANIFEST, ["web.lua"] = WEB }

describe("An application's state", function()
  local shop, last_id

  setup(function() shop, last_id = application.new(FILES), 1000 end)
  teardown(function() shop:close() end)

  local function handle(path)
    last_id = last_id + 1
    return shop.app:handle { method = "GET", path = path, query = "", headers = {}, body = "", id = last_id }
  end

  -- ---- many at once ------------------------------------------------------------------------------

  it("answers at once what ends within its first slice, and by a step what does not", function()
    local answer = shop:ask "GET /long"
    assert.same({ 200, "long", true }, { answer.status, answer.body, answer.was_later })
    assert.is_false(shop:ask("GET /nowhere").was_later)
    assert.is_false(shop:ask("GET /stream/ends").was_later)
  end)

  it("has many calls under way, and answers each when it is done", function()
    for i = 1, 100 do assert.is_false((handle("/sleep/" .. 5 * (101 - i)))) end
    local order = {}
    for _ = 1, 100 do
      local id, status, _, body = shop:wait()
      assert.same({ 200, "slept " .. id }, { status, body })
      order[#order + 1] = id
    end
    local first, last = order[1], order[100]
    assert.is_true(first > last) -- who came last sleeps least
    assert.is_nil(shop.app:step())
    assert.is_true(shop.app:is_idle())
    assert.is_nil(shop.app:due())
  end)

  it("answers a short call while a long one is under way", function()
    assert.is_false((handle "/long"))
    local long = last_id
    assert.is_false((handle "/sleep/0"))
    local short, ids = last_id, {}
    for i = 1, 2 do ids[i] = shop:wait() end
    assert.same({ short, long }, ids)
  end)

  it("has no more of them under way than an entry point has places", function()
    for _ = 1, 6 do assert.is_false((handle "/one/2")) end
    assert.equal(503, (handle "/one/2"))
    local first = last_id - 6
    for i = 1, 6 do
      local id, status = shop:wait()
      assert.same({ first + i - 1, 200 }, { id, status })
    end
    assert.is_true(shop.app:is_idle())
  end)

  it("cancels the task of a client that has gone, and gives its place to the next", function()
    assert.is_false((handle "/one/1000000"))
    local gone = last_id
    assert.is_false((handle "/one/1"))
    shop.app:gone(gone)
    shop.app:gone(gone)
    local id, status = shop:wait()
    assert.same({ last_id, 200 }, { id, status })
    assert.is_nil(shop:wait())
    assert.is_true(shop.app:is_idle())
    shop.app:gone(123456789)
    shop.app:finish(123456789)
  end)

  -- ---- attacks -----------------------------------------------------------------------------------

  for _, case in ipairs {
    { "loop", 504, "deadline" }, { "pcall_loop", 504, "deadline" }, { "xpcall_loop", 504, "deadline" },
    { "wrap_loop", 504, "deadline" }, { "wraps", nil, "" }, { "recursion", 500, "stack overflow" },
    { "tail_calls", 504, "deadline" }, { "error_loop", 504, "deadline" }, { "rep", 400, "text" },
    { "rep_concat", 504, "deadline" }, { "format", 500, "invalid" }, { "pattern", 504, "deadline" },
    { "gsub", 400, "text" }, { "memory", 504, "deadline" }, { "sleep", 504, "deadline" },
    { "goto_loop", 504, "deadline" }, { "sort", 504, "deadline" }, { "load", 504, "deadline" },
    { "metatable", 500, "an empty table" }, { "metatable_body", 504, "deadline" },
    { "to_string", 504, "deadline" }, { "error_value", 504, "deadline" },
    { "error_category", 500, "table: 0x" }, { "yields", 500, "nobody takes what it yields" },
    { "connects", 403, "ion.connect: not in a function" }, { "invokes", 403, "ion.invoke: not in" },
    { "slow_fn", 504, "deadline" }, { "sleeps", 500, "nothing can be waited for" },
    { "query", 504, "lion/timeout" }, { "query_that_asks_for_more", 504, "lion/timeout" },
    { "transacts_in_filter", 403, "transact: not in" },
  } do
    it("goes on after " .. case[1], function()
      local answer = shop:ask("GET /try/" .. case[1])
      assert.equal(case[2] or answer.status, answer.status, shop.logged) -- nil: the stack ends first, or the time
      assert.is_true(answer.status >= 400)
      assert.truthy(shop.logged:find(case[3], 1, true), shop.logged)
      assert.equal("long", shop:ask("GET /long").body)
      assert.is_true(shop.app:is_idle())
      collectgarbage()
    end)
  end

  it("runs a query's function to its end, without giving way", function()
    assert.equal("2", shop:ask("GET /try/plain_fn").body)
  end)

  -- ---- invocations -------------------------------------------------------------------------------

  it("invokes functions that wait, within requests and outside", function()
    local answer = shop:ask "GET /invoke/sleep"
    assert.same({ 200, "2", true }, { answer.status, answer.body, answer.was_later })
    assert.equal("4", shop:ask("GET /invoke/twice").body)
    assert.equal(2, shop.app:invoke("twice", 1))
    assert.equal("y", shop:ask("GET /invoke/gsub").body)
  end)

  it("ends an invoked function with the call that it is part of", function()
    local answer = shop:ask "GET /invoke/slow"
    assert.equal(504, answer.status)
    assert.is_nil(shop:wait())
    assert.is_true(shop.app:is_idle())
    assert.is_false((handle "/invoke/slow"))
    shop.app:gone(last_id)
    assert.is_nil(shop:wait())
    assert.is_true(shop.app:is_idle())
  end)

  it("cannot wait where a callback is between", function()
    assert.equal(500, shop:ask("GET /invoke/gsub_sleep").status)
  end)

  -- ---- bodies ------------------------------------------------------------------------------------

  for _, case in ipairs {
    { "slow", "piece 1\npiece 2\npiece 3\nend" }, { "busy", "123" }, { "patient", "1234" }, { "ends", "all" },
    { "nothing", "" }, { "invokes", "1" },
  } do
    it("streams a body: " .. case[1], function()
      local answer = shop:ask("GET /stream/" .. case[1])
      assert.same({ 200, case[2], true }, { answer.status, answer.body, answer.is_streamed })
      assert.is_true(shop.app:is_idle())
    end)
  end

  for _, case in ipairs {
    { "never", "deadline" }, { "loop", "deadline" }, { "empty", "deadline" }, { "number", "the body yielded a number" },
    { "returns_table", "the body returned a table" }, { "fails", "no luck" }, { "fails_oddly", "deadline" },
  } do
    it("breaks off a body: " .. case[1], function()
      local ok, e = pcall(shop.ask, shop, "GET /stream/" .. case[1])
      assert.same({ false, "the body failed" }, { ok, e })
      assert.truthy(shop.logged:find(case[2], 1, true), shop.logged)
      shop.app:finish(shop.last_id)
      assert.is_nil(shop:wait())
      assert.is_true(shop.app:is_idle())
    end)
  end

  it("has no piece where the body waits, and lets others run", function()
    local _, _, body = handle "/stream/never"
    local id = last_id
    assert.equal("one", body())
    assert.is_false(body())
    assert.is_false(body())
    assert.equal("long", shop:ask("GET /long").body)
    shop.app:gone(id)
    assert.is_nil(shop:wait())
    assert.is_true(shop.app:is_idle())
  end)

  it("gives a body's next piece as much time as it had for the first, however long the client takes", function()
    local _, _, body = handle "/stream/slow"
    assert.equal("piece 1\n", body())
    local later = core.monotonic_ms() + 450
    while core.monotonic_ms() < later do shop.app:step() end
    local piece = body()
    while piece == false do
      shop.app:step()
      piece = body()
    end
    assert.equal("piece 2\n", piece)
    shop.app:finish(last_id)
    assert.is_nil(shop:wait())
    assert.is_true(shop.app:is_idle())
  end)
end)
