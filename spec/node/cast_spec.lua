-- What applications cast and what they are asked, as lines of a node with real processes.
-- luacheck: max line length 130 (an application's code stands in it)
local client = require "spec.node.client"
local json = require "lion.json"
local node = require "spec.node.node"
local program = require "spec.lua.program"
local prometheus = require "spec.ions.prometheus"
local socket = require "spec.node.socket"

local FILES = {
  ["ion.lua"] = [==[
    return { app = "shop", invoke = { told = "web/told" }, static = { ["/files"] = "files" }, http = {
      { "GET", "/orders/:id", "web/order" }, { "GET", "/stream", "web/stream" }, { "GET", "/flood/:count", "web/flood" },
      { "GET", "/dev", "web/dev" }, { "GET", "/nap", "web/nap", concurrency = 1, queue = 0 },
    } }
  ]==],
  ["web.lua"] = [==[
    local ion = require "ion"
    local web = {}
    function web.order(r)
      ion.cast.event { "order/read", id = r.params.id }
      ion.sleep(1)
      ion.invoke("told", 1)
      return "order"
    end
    function web.told(n) ion.cast.alert { "stock/low", left = n } return n end
    function web.stream()
      return { body = function()
        for i = 1, 3 do ion.cast.event { "piece", number = i } coroutine.yield(("x"):rep(100)) ion.sleep(1) end
      end }
    end
    function web.flood(r)
      local text = ("x"):rep(1000)
      for i = 1, tonumber(r.params.count) do ion.cast.event { "flood", number = i, text = text } end
      return "ok"
    end
    function web.dev() ion.cast.dev "not to be seen" return "ok" end
    function web.nap() ion.sleep(20000) return "ok" end
    return web
  ]==],
  ["files/a.txt"] = "0123456789",
}

describe("A node that writes lines", function()
  local cluster, a, casts, log, revision

  setup(function()
    cluster = node.cluster()
    casts, log = cluster.folder .. "/casts", cluster.folder .. "/access"
    a = cluster:start { name = "one", group = "a", workers = 1, words = { "--cast", casts, "--access-log", log } }
    revision = cluster:run(a, FILES, "a")
  end)
  teardown(function() cluster:close() end)

  -- The lines of a file, from one on.
  local function lines_of(path, from)
    local list, count = {}, 0
    for line in (program.read(path) or ""):gmatch "([^\n]*)\n" do
      count = count + 1
      if count > (from or 0) then list[#list + 1] = json.read(line) end
    end
    return list
  end

  local function wait_for_lines(path, from, count)
    return node.wait_for(function()
      local list = lines_of(path, from)
      return #list >= count and list
    end, count .. " lines in " .. path)
  end

  it("says who casts, in which call, wherever it has got to", function()
    assert.equal("order", a:ask("GET", "/orders/7").body)
    local list = wait_for_lines(casts, 0, 2)
    local event, alert = list[1], list[2]
    assert.same({ "one", "a", 1, "shop", revision, "web/order", "event", "order/read", "7" },
      { event.node, event.group, event.worker, event.app, event.revision, event.entry, event.kind, event.name, event.data.id })
    assert.truthy(event.time:find "^%d%d%d%d%-%d%d%-%d%dT[%d:]+%.%d+Z$")
    assert.same({ "web/told", "alert", "stock/low" }, { alert.entry, alert.kind, alert.name })
    assert.equal("number", type(event.request))
    assert.equal(event.request, alert.request)
    local from = #lines_of(casts)
    a:ask("GET", "/stream")
    for i, piece in ipairs(wait_for_lines(casts, from, 3)) do
      assert.same({ "piece", i, "web/stream", event.request + 1 }, { piece.name, piece.data.number, piece.entry, piece.request })
    end
  end)

  it("keeps what is for developers to itself", function()
    local before = #lines_of(casts)
    assert.equal("ok", a:ask("GET", "/dev").body)
    a:ask("GET", "/orders/8")
    assert.equal("order/read", wait_for_lines(casts, before, 2)[1].name)
  end)

  it("writes each request with its route, steps and bytes", function()
    a:ask("GET", "/before")
    local from = node.wait_for(function()
      local list = lines_of(log)
      return #list > 0 and list[#list].path == "/before" and #list
    end, "what was asked before")
    a:ask("GET", "/orders/9?key=secret")
    a:ask("GET", "/files/a.txt")
    a:ask("GET", "/nowhere\"")
    a:ask("POST", "/orders/9")
    a:ask("GET", "/stream")
    a:control("POST", "/invoke/shop/told", { body = "3" })
    local nap = assert(socket.connect(a.url))
    nap:send(client.text("GET", "/nap"))
    node.wait_for(function() return a:ask("GET", "/nap").status == 503 end, "the place to be taken")
    nap:close()
    local list, told = wait_for_lines(log, from, 7), {}
    for i = 1, 7 do
      local one = list[i]
      told[i] = { one.method, one.path, one.route or false, one.entry or false, one.status, one.bytes }
      assert.truthy(one.id > 0 and one.ms >= 0 and one.node == "one" and one.time ~= nil)
    end
    assert.same({
      { "GET", "/orders/9", "/orders/:id", "web/order", 200, 5 },
      { "GET", "/files/a.txt", "/files/*path", false, 200, 10 },
      { "GET", "/nowhere\"", false, false, 404, 10 },
      { "POST", "/orders/9", false, false, 405, 19 },
      { "GET", "/stream", "/stream", "web/stream", 200, 300 },
      { "POST", "/invoke/shop/told", false, "web/told", 200, 2 },
      { "GET", "/nap", "/nap", "web/nap", 503, 16 },
    }, told)
    assert.truthy(list[1].steps > 0 and list[1].ms >= 1)
    assert.equal(revision, list[1].revision)
    assert.equal("shop", list[1].app)
  end)

  it("goes on in new files when the old ones have been moved and it is told so", function()
    os.rename(casts, casts .. ".1")
    os.rename(log, log .. ".1")
    os.execute("kill -HUP " .. a:pids "supervisor"[1])
    node.wait_for(function()
      a:ask("GET", "/orders/10")
      return #lines_of(casts) > 0 and #lines_of(log) > 0
    end, "new files")
    assert.equal("order/read", lines_of(casts .. ".1")[1].name)
  end)

  it("drops what comes faster than it can be written, and says how much", function()
    local from = #lines_of(casts)
    assert.equal("ok", a:ask("GET", "/flood/40000").body)
    local function dropped()
      local count = 0
      for _, one in ipairs(lines_of(casts, from)) do count = count + (one.kind == "dropped" and one.count or 0) end
      return count
    end
    local text = a:control("GET", "/metrics").body
    local counted = tonumber(text:match 'lion_lines_dropped_total{[^}]*to="casts"[^}]*} (%d+)')
    a:ask("GET", "/orders/11")
    node.wait_for(function() return dropped() == counted end, "all that was dropped to be told")
  end)

  it("does not start with a file that it cannot write", function()
    local result = cluster:lion("node", "--data", cluster.folder .. "/three", "--cast", "/nowhere/casts")
    assert.equal(2, result.code)
    assert.truthy(result.err:find("--cast: /nowhere/casts cannot be written: No such file", 1, true), result.err)
  end)

  it("is not held up by a reader that does not read", function()
    local fifo = cluster.folder .. "/fifo"
    os.execute("mkfifo " .. fifo)
    local b = cluster:start { name = "two", group = "b", workers = 1, words = { "--cast", fifo } }
    cluster:run(b, FILES, "b")
    assert.equal("ok", b:ask("GET", "/flood/6000").body) -- nobody has opened it for reading
    assert.equal("order", b:ask("GET", "/orders/1").body)
    local told = prometheus.read(b:control("GET", "/metrics").body)
    assert.truthy(told:value("lion_lines_dropped_total", { to = "casts", worker = 1 }) > 1000)
  end)
end)
