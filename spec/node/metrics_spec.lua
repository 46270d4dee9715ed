-- The numbers of a node, of its processes and of what applications measure, with real processes.
-- luacheck: max line length 130 (an application's code stands in it)
local client = require "spec.node.client"
local node = require "spec.node.node"
local prometheus = require "spec.ions.prometheus"
local socket = require "spec.node.socket"

local FILES = {
  ["ion.lua"] = [==[
    return { app = "shop", allow = { "tx/twice" }, invoke = { total = "web/total" }, http = {
      { "GET", "/", "web/hello" }, { "GET", "/fail", "web/fail" }, { "POST", "/note", "web/note" },
      { "GET", "/measure", "web/measure" }, { "GET", "/work/:count", "web/work" },
      { "GET", "/nap", "web/nap", concurrency = 1, queue = 1 },
    } }
  ]==],
  ["web.lua"] = [==[
    local ion, lion = require "ion", require "lion"
    local web = {}
    function web.hello() return "VERSION" end
    function web.fail() error { category = "not-found", code = "shop/none", message = "none" } end
    function web.note(r)
      ion.connect():transact(lion.schema { note = { text = "string" } })
      ion.connect():transact { { "tx/twice", r.body } }
      return "ok"
    end
    function web.measure()
      ion.cast.metric { "orders", 2, country = "de" }
      ion.cast.metric { "orders", country = "fr" }
      ion.cast.metric { "checkout/ms", 3 }
      ion.cast.metric { "basket", 5, "histogram" }
      ion.cast.metric { "queue", 7, "gauge" }
      ion.cast.metric { "queue", 4, "gauge" }
      return "ok"
    end
    function web.work(r) local n = 0 for i = 1, tonumber(r.params.count) do n = n + i % 3 end return tostring(n) end
    function web.nap() while true do ion.sleep(5) end end
    function web.total(list) return #list end
    return web
  ]==],
  ["tx.lua"] = [==[
    return { twice = function(db, text) return { { ["note/text"] = text }, { ["note/text"] = text .. text } } end }
  ]==],
}

local function files(version)
  local copy = {}
  for name, text in pairs(FILES) do copy[name] = text:gsub("VERSION", version) end
  return copy
end

describe("A node's numbers", function()
  local cluster, a

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 1 }
    cluster:run(a, files "first", "a")
  end)
  teardown(function() cluster:close() end)

  local function read() return prometheus.read(a:control("GET", "/metrics").body) end
  local function of(entry) return { app = "shop", entry = "web/" .. entry } end

  it("are those of each entry point: answers, times, steps", function()
    for _ = 1, 20 do a:ask("GET", "/") end
    a:ask("GET", "/fail")
    a:ask("GET", "/work/50000")
    assert.equal("3", a:control("POST", "/invoke/shop/total", { body = "[1,2,3]" }).body:match "%d")
    local told = read()
    assert.equal(20, told:value("lion_calls_total", { entry = "web/hello", status = "2xx", worker = 1 }))
    assert.equal(1, told:value("lion_calls_total", { entry = "web/fail", status = "4xx" }))
    assert.equal(1, told:value("lion_calls_total", { entry = "web/total", status = "2xx" }))
    assert.equal(20, told:value("lion_call_duration_seconds_count", of "hello"))
    assert.truthy(told:value("lion_call_duration_seconds_sum", of "hello") > 0)
    assert.truthy(told:value("lion_call_steps_total", of "work") >= 50000)
    assert.truthy(told:value("lion_requests_total", { status = "2xx" }) >= 21)
    assert.truthy(told:value "lion_request_duration_seconds_count" >= 22)
    assert.equal(40, #told:all("lion_calls_total", { app = "shop" })[1].labels.revision)
  end)

  it("tell of calls that run, wait and are refused", function()
    local function begin(path)
      local one = assert(socket.connect(a.url))
      one:send(client.text("GET", path))
      return one
    end
    local list = { begin "/nap" }
    node.wait_for(function() return read():value("lion_calls_running", of "nap") == 1 end, "one that runs")
    list[2] = begin "/nap"
    node.wait_for(function() return read():value("lion_calls_waiting", of "nap") == 1 end, "one that waits")
    assert.equal(503, a:ask("GET", "/nap").status)
    assert.equal(1, read():value("lion_calls_refused_total", of "nap"))
    assert.equal(2, read():value "lion_worker_in_hand")
    list[1]:close()
    list[2]:close()
    node.wait_for(function()
      local told = read()
      return told:value("lion_calls_running", of "nap") == 0 and told:value("lion_calls_waiting", of "nap") == 0
    end, "none that runs or waits")
  end)

  it("are the writer's, the executor's and the readers'", function()
    for i = 1, 5 do assert.equal("ok", a:ask("POST", "/note", { body = "note" .. i }).body) end
    local told = read()
    local shop = { db = "shop" }
    assert.truthy(told:value("lion_transactions_total", shop) >= 10)
    assert.equal(0, told:value("lion_transaction_conflicts_total", shop))
    assert.equal(told:value("lion_transactions_total", shop), told:value("lion_commit_duration_seconds_count", shop))
    assert.truthy(told:value("lion_commit_duration_seconds_sum", shop) > 0)
    assert.equal(told:value("lion_group_transactions_count", shop), told:value("lion_group_sync_seconds_count", shop))
    assert.truthy(told:value("lion_syncs_total", shop) > 0)
    assert.truthy(told:value("lion_sync_seconds_total", shop) > 0)
    assert.truthy(told:value("lion_novelty_datoms", shop) > 0)
    assert.equal(0, told:value("lion_index_running", shop))
    assert.equal(5, told:value "lion_executor_calls_total")
    assert.equal(0, told:value "lion_executor_errors_total")
    assert.truthy(told:value("lion_executor_state_memory_bytes", { app = "shop" }) > 0)
    node.wait_for(function()
      a:ask("GET", "/")
      local now = read()
      return now:value("lion_reader_basis_t", { db = "shop", worker = 1 }) == now:value("lion_database_basis_t", shop)
    end, "the reader to have read all")
    assert.truthy(read():value("lion_state_memory_bytes", { app = "shop" }) > 100000)
    for _, name in ipairs { "leaves", "bytes" } do
      assert.truthy(read():value("lion_reader_kept_" .. name, { db = "shop", worker = 1 }) >= 0)
      assert.truthy(read():value("lion_writer_kept_" .. name, shop) >= 0)
    end
  end)

  it("are what applications measure, also of a revision that has been replaced", function()
    a:ask("GET", "/measure")
    local first = read():all "ion_queue"[1].labels.revision
    cluster:run(a, files "second", "a")
    a:ask("GET", "/measure")
    a:ask("GET", "/measure")
    local told = read()
    local function value(name, labels)
      labels.app, labels.revision = "shop", first
      return told:value(name, labels)
    end
    assert.equal(2, value("ion_orders_total", { country = "de" }))
    assert.equal(1, value("ion_orders_total", { country = "fr" }))
    assert.equal(0.003, value("ion_checkout_seconds_sum", {}))
    assert.equal(1, value("ion_checkout_seconds_count", {}))
    assert.equal(1, value("ion_basket_bucket", { le = "16" }))
    assert.equal(0, value("ion_basket_bucket", { le = "4" }))
    assert.equal(4, value("ion_queue", {}))
    assert.equal(6, told:value("ion_orders_total", { country = "de" }))
    assert.equal(0, told:value "lion_samples_refused")
    assert.equal(0, told:value "lion_series_refused_total")
  end)

  it("are told while the Lua thread is busy", function()
    local one = assert(socket.connect(a.url))
    one:send(client.text("GET", "/work/100000000"))
    node.wait_for(function() return read():value("lion_calls_running", of "work") == 1 end, "the call to run")
    one:close()
  end)
end)
