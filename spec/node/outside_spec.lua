-- What a node's applications are told from outside, and what they ask there: parameters set by the command
-- line, and requests of their own. With one worker, which asks itself, nobody can be held up by who waits.
-- luacheck: max line length 120 (an application's code stands in it)
local client = require "spec.node.client"
local node = require "spec.node.node"
local socket = require "spec.node.socket"

-- Where the environment has a proxy, it is none for servers of the spec.
local ffi = require "ffi"
ffi.cdef "int setenv(const char *name, const char *value, int overwrites);"
ffi.C.setenv("no_proxy", "*", 1)

local FILES = {
  ["ion.lua"] = [==[return { app = "shop", params = { currency = "EUR" }, invoke = { ask = "web/ask_named" },
    http = { { "GET", "/currency", "web/currency" }, { "GET", "/key", "web/key" }, { "GET", "/leak", "web/leak" },
      { "GET", "/missing", "web/missing" }, { "GET", "/hi", "web/hi" }, { "GET", "/hold", "web/hold", timeout = 30000 },
      { "GET", "/held", "web/count" }, { "GET", "/release", "web/release" }, { "GET", "/env", "web/env" },
      { "GET", "/ask/:path", "web/ask", timeout = 30000 }, { "GET", "/short", "web/short", timeout = 300 },
      { "GET", "/large", "web/large" } } }]==],
  ["web.lua"] = [==[
    local http, ion = require "ion.http", require "ion"
    local web, beats, is_released = {}, {}, false
    function web.currency() return ion.param "currency" end
    function web.env() return ion.env() end
    function web.key() return tostring(#ion.param "bank/key") end
    function web.leak() error("the key is " .. ion.param "bank/key") end
    function web.missing() return ion.param "bank/url" end
    function web.hi() return "hi" end
    function web.large() return ("x"):rep(3000000) end
    function web.hold(r)
      while not is_released do
        beats[r.id] = ion.now()
        ion.sleep(5)
      end
      return "released"
    end
    function web.count()
      local count = 0
      for _, ms in pairs(beats) do count = count + (ion.now() - ms < 300 and 1 or 0) end
      return tostring(count)
    end
    function web.release() is_released = true return "" end
    local function url(path) return ion.param "self" .. "/" .. path end
    function web.ask(r) return http.get(url(r.params.path), { timeout_ms = 60000 }).body end
    function web.ask_named(path) return #http.get(url(path)).body end
    function web.short() return http.get(url "hold", { timeout_ms = 60000 }).body end
    return web
  ]==],
}

describe("A node's application", function()
  local cluster, a, key_file

  setup(function()
    cluster = node.cluster()
    key_file = cluster.folder .. "/key"
    a = cluster:start { name = "one", group = "a", workers = 1, secret_key = key_file }
    cluster:run(a, FILES, "a")
  end)
  teardown(function() cluster:close() end)

  local function lion(...)
    local words = { ... }
    words[#words + 1] = "--node=" .. a.door
    local result = cluster:lion(unpack(words))
    assert.equal(0, result.code, result.err)
    return result.out
  end

  local function body(path) return a:ask("GET", path).body end

  it("sees a parameter that was set at its next call", function()
    assert.equal("EUR", body "/currency")
    lion("param", "set", "/currency", "USD", "--app", "shop")
    assert.equal("USD", body "/currency")
    lion("param", "set", "/currency", "SEK", "--group", "a")
    assert.equal("SEK", body "/currency")
    assert.equal("SEK\n", lion("param", "get", "/currency", "--app", "shop", "--group", "a"))
    lion("param", "unset", "/currency", "--group", "a")
    assert.equal("USD", body "/currency")
    lion("group", "set", "a", "--env", "live")
    assert.equal("live", body "/env")
  end)

  it("has secrets, which nobody else is shown", function()
    local result = cluster:lion("param", "set", "bank/key", "hush-hush", "--secret", "--node", a.door)
    assert.equal(0, result.code, result.err)
    assert.equal("9", body "/key")
    assert.equal(500, a:ask("GET", "/leak").status)
    node.wait_for(function() return a.child:err():find("the key is (secret)", 1, true) end, "the trace")
    assert.is_nil(a.child:err():find("hush", 1, true))
    local shown = lion("param", "list") .. lion("param", "history", "bank/key") .. lion "status"
    assert.is_nil(shown:find("hush", 1, true))
    local query = "[:find ?v :where [?p :param/secret ?v]]"
    assert.is_nil(lion("q", "system", query):find("hush", 1, true))
    lion("param", "rotate-key")
    assert.equal("9", body "/key")
    assert.equal("hush-hush\n", lion("param", "get", "bank/key", "--reveal"))
    os.execute("chmod 644 " .. key_file)
    lion("param", "set", "other", "x") -- what was opened before is not kept
    assert.equal(503, a:ask("GET", "/key").status)
    node.wait_for(function() return a.child:err():find("chmod 600 " .. key_file, 1, true) end, "the advice")
    os.execute("chmod 600 " .. key_file)
    assert.equal("9", body "/key")
  end)

  it("is told where a parameter was looked for", function()
    assert.equal(500, a:ask("GET", "/missing").status)
    node.wait_for(function()
      return a.child:err():find("`lion param set /bank/url VALUE --app shop --group a` sets it", 1, true)
    end, "the advice")
  end)

  it("asks others while it answers others, and no longer than somebody waits", function()
    lion("param", "set", "self", a.url)
    assert.equal("hi", body "/ask/hi")
    assert.equal(3000000, #body "/ask/large")
    assert.equal("3000000\n", lion("invoke", "shop/ask", '"large"'))
    local waiting = {}
    for i = 1, 10 do
      waiting[i] = socket.connect(a.url)
      waiting[i]:send(client.text("GET", "/ask/hold"))
    end
    node.wait_for(function() return body "/held" == "10" end, "ten requests in hand")
    assert.equal("hi", body "/ask/hi")
    assert.equal(504, a:ask("GET", "/short").status) -- by its own deadline
    waiting[10]:close()
    node.wait_for(function() return body "/held" == "9" end, "the end of those that nobody waits for")
    body "/release"
    for i = 1, 9 do
      assert.equal("released", client.answer(waiting[i]).body)
      waiting[i]:close()
    end
  end)
end)
