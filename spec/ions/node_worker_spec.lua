-- A node's worker with real processes: what it owes to requests in hand when its Lua thread does not come
-- back, when a state is full, when it is told to stop, and when clients leave.
-- luacheck: max line length 130 (an application's code stands in it)
local client = require "spec.node.client"
local node = require "spec.node.node"
local socket = require "spec.node.socket"

local FILES = {
  ["ion.lua"] = [==[
    return { app = "shop", http = {
      { "GET", "/", "web/hello" }, { "GET", "/stuck", "web/stuck" }, { "GET", "/hog", "web/hog" },
      { "GET", "/garbage", "web/garbage" }, { "GET", "/stream", "web/stream" }, { "GET", "/sleep/:ms", "web/sleep" },
      { "GET", "/headers", "web/headers" }, { "POST", "/echo", "web/echo" },
      { "GET", "/one", "web/endless", concurrency = 1, queue = 4, timeout = 30000 },
      { "GET", "/nap", "web/nap", concurrency = 1, queue = 4, timeout = 30000 },
    } }
  ]==],
  ["web.lua"] = [==[
    local ion, lpeg = require "ion", require "lpeg"
    local web = {}
    function web.hello() return "hello" end
    function web.echo(r) return r.body end
    -- An hour in C, where no step is counted.
    function web.stuck()
      local P, V = lpeg.P, lpeg.V
      local grammar = P { "S", S = P "a" * V "S" * "b" + P "a" * V "S" * "c" + "a" } * -1
      return tostring(lpeg.match(grammar, ("a"):rep(60)))
    end
    function web.hog() local list = {} while true do list[#list + 1] = { #list } end end
    function web.garbage()
      local sum = 0
      for i = 1, 40 do local t = {} for k = 1, 60000 do t[k] = i + k + 0.5 end sum = sum + #t end
      return tostring(sum)
    end
    function web.stream()
      return { body = function() for i = 1, 600 do coroutine.yield(("%04d"):format(i):rep(5000)) end end }
    end
    function web.endless(r)
      if r.query.kind == "short" then return "free" end
      return { body = function() while true do coroutine.yield(("x"):rep(10000)) ion.sleep(20) end end }
    end
    function web.nap(r)
      if r.query.kind == "short" then return "free" end
      ion.sleep(25000)
      return "rested"
    end
    function web.sleep(r) ion.sleep(tonumber(r.params.ms)) return "rested" end
    function web.headers(r)
      ion.sleep(1)
      return table.concat(r:header_all "x-some", "+") .. " " .. r.headers["x-some"] .. " " .. tostring(r.headers["x-none"])
    end
    return web
  ]==],
}

describe("A node's worker", function()
  local cluster, a

  local function begin(path, method)
    local one = assert(socket.connect(a.url))
    one:send(client.text(method or "GET", path))
    return one
  end

  local function answer(one)
    local got, why = client.answer(one, 60000)
    one:close()
    return got or { status = why }
  end

  -- Until another process has its place.
  local function replaced(pid)
    return node.wait_for(function()
      local pids = a:ready_pids("worker", 1)
      return pids[1] ~= pid and pids[1]
    end, "another worker")
  end

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 1, memory = 64 }
    cluster:run(a, FILES, "a")
  end)
  teardown(function() cluster:close() end)

  it("streams whole what its client takes slowly", function()
    local got = answer(begin "/stream")
    assert.equal(200, got.status)
    assert.equal(600 * 20000, #got.body)
    assert.equal("0001", got.body:sub(1, 4))
    assert.equal("0600", got.body:sub(-4))
  end)
  it("answers HEAD of a stream without it", function()
    local one = begin("/stream", "HEAD")
    one:send(client.text("GET", "/"))
    node.wait_for(function()
      one:fill()
      return one.got:find("hello", 1, true)
    end, "the next answer")
    assert.is_nil(one.got:find("0001", 1, true))
    one:close()
  end)
  it("knows a request's headers after it has waited", function()
    local one = assert(socket.connect(a.url))
    one:send "GET /headers HTTP/1.1\r\nhost: lion\r\nX-Some: 1\r\nx-some: 2\r\n\r\n"
    assert.equal("1+2 1, 2 nil", answer(one).body)
  end)
  for name, path in pairs { ["a stream"] = "/one", ["an answer"] = "/nap" } do
    it("gives the place of who leaves during " .. name .. " to the next", function()
      local leaves = begin(path)
      if path == "/one" then node.wait_for(function() leaves:fill() return #leaves.got > 0 end, "its begin") end
      local waits = begin(path .. "?kind=short")
      leaves:close()
      assert.equal("free", answer(waits).body)
    end)
  end
  it("tells its counters", function()
    local text = a:control("GET", "/metrics").body
    for _, name in ipairs { "memory", "connections", "in_hand", "waiting", "steps" } do
      assert.truthy(text:find("lion_worker_" .. name, 1, true), name)
    end
    local count = text:match 'lion_requests_total{[^}]*status="2xx"[^}]*} (%d+)'
    assert.truthy(tonumber(count) > 0, text)
  end)
  it("answers the control door in JSON when it does not know an application", function()
    local got = a:control("POST", "/invoke/other/name", { body = "1" })
    assert.equal(404, got.status)
    assert.equal("not-found", got.json().error.category)
  end)

  describe("whose Lua thread does not come back", function()
    it("answers the request, hands the others over, and is replaced", function()
      local pid = a:ready_pids("worker", 1)[1]
      local idle = begin "/"
      assert.equal("hello", client.answer(idle).body)
      local rests = begin "/sleep/60000"
      local stuck = begin "/stuck"
      local waiting = {}
      for i = 1, 5 do waiting[i] = begin "/" end
      assert.equal(504, answer(stuck).status)
      assert.equal(504, answer(rests).status)
      for i = 1, 5 do assert.equal("hello", answer(waiting[i]).body) end
      idle:send(client.text("GET", "/"))
      assert.equal("hello", answer(idle).body)
      replaced(pid)
    end)
    it("hands on requests of which a part has come", function()
      local pid = a:ready_pids("worker", 1)[1]
      local parts, lists = {}, {
        { "GET / HTTP/1.1\r\nho", "st: a\r\n\r\n", "hello" },
        { "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nabcd", "efgh", "abcdefgh" },
        { "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n" .. ("x"):rep(299000), ("y"):rep(1000),
          ("x"):rep(299000) .. ("y"):rep(1000) },
        { "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n8\r\nabcd", "efgh\r\n0\r\n\r\n", "abcdefgh" },
      }
      for i, list in ipairs(lists) do
        parts[i] = assert(socket.connect(a.url))
        parts[i]:send(list[1])
      end
      assert.equal("hello", a:ask("GET", "/").body) -- what was sent before has been read
      assert.equal(504, answer(begin "/stuck").status)
      replaced(pid)
      for i, list in ipairs(lists) do
        parts[i]:send(list[2])
        assert.equal(list[3], answer(parts[i]).body)
      end
    end)
    it("cuts its streams", function()
      local pid = a:ready_pids("worker", 1)[1]
      local cut = begin "/one"
      node.wait_for(function() cut:fill() return #cut.got > 0 end, "the stream's begin")
      local stuck = begin "/stuck"
      assert.equal(504, answer(stuck).status)
      node.wait_for(function() return cut:fill() end, "the end of the stream")
      assert.is_nil(cut.got:find("\r\n0\r\n\r\n", 1, true))
      cut:close()
      replaced(pid)
    end)
  end)

  describe("with a state that is full", function()
    it("answers 500, and is replaced when all is answered", function()
      local pid = a:ready_pids("worker", 1)[1]
      local idle = begin "/"
      assert.equal("hello", client.answer(idle).body)
      local rests = begin "/sleep/300"
      assert.equal(500, answer(begin "/hog").status)
      assert.equal("rested", answer(rests).body)
      idle:send(client.text("GET", "/"))
      assert.equal("hello", answer(idle).body)
      replaced(pid)
    end)
    it("is not, when what fills it can be collected", function()
      local pid = a:ready_pids("worker", 1)[1]
      for _ = 1, 3 do
        assert.equal(tostring(40 * 60000), answer(begin "/garbage").body)
      end
      assert.same({ pid }, a:ready_pids("worker", 1))
    end)
  end)

  it("answers what is in hand when the node is told to stop", function()
    local rests = begin "/sleep/1500"
    local idle = begin "/"
    assert.equal("hello", client.answer(idle).body)
    local sends = begin "/headers"
    answer(sends) -- so that the one before it has been read
    os.execute("kill -TERM " .. a.child.pid)
    local got = answer(rests)
    assert.equal("rested", got.body)
    assert.equal("close", got.headers.connection)
    assert.equal("closed", select(2, client.answer(idle)))
    assert.equal(0, node.wait_for(function() return a.child:code() end, "the node's end"))
  end)
end)
