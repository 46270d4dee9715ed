-- ion.http: what it asks and gives, with somebody who answers in place of others; and real requests, to a
-- server that the spec starts: from the spec, from `lion dev`, and over TLS.
-- luacheck: max line length 120 (an application's code stands in it)
local anomaly = require "lion.anomaly"
local client = require "spec.node.client"
local fetch = require "ions.fetch"
local http = require "ion.http"
local program = require "spec.lua.program"
local socket = require "spec.node.socket"
local test = require "ion.test"

-- Where the environment has a proxy, it is none for servers of the spec.
local ffi = require "ffi"
ffi.cdef "int setenv(const char *name, const char *value, int overwrites);"
ffi.C.setenv("no_proxy", "*", 1)

local URL = "http://others.example.org/x"

-- An application under lion dev: { url =, close = }
local function serve(files)
  local folder = program.folder()
  for name, text in pairs(files) do program.write(folder .. "/" .. name, text) end
  local child = program.start(folder, { "dev", ".", "--listen", "127.0.0.1:0" })
  local url = program.wait_for(function() return child:out():match "ready (http://%S+)\n" end, "lion dev")
  return { url = url, close = function()
    child:signal "TERM"
    child:wait()
    program.remove(folder)
  end }
end

local function failure(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("A request by ion.http", function()
  local asked

  -- What answers: a list of answers, one after the other; functions are called.
  local function answering(list)
    asked = {}
    test.http(function(request)
      asked[#asked + 1] = request
      local answer = list[math.min(#asked, #list)]
      if type(answer) == "function" then return answer(request) end
      return answer
    end)
  end
  after_each(function() test.http() end)

  local function raising(category, code)
    return function() error(anomaly.new(category, code, "why"), 0) end
  end

  -- ---- what is sent ------------------------------------------------------------------------------

  it("has a method, a URL with its query, and headers", function()
    answering { "ok" }
    http.get(URL .. "?a=1#here", { query = { b = { 2, 3 }, ["c d"] = "é&" }, headers = { ["X-One"] = " 1 " } })
    assert.equal("GET", asked[1].method)
    assert.equal(URL .. "?a=1&b=2&b=3&c%20d=%C3%A9%26", asked[1].url)
    assert.equal("1", asked[1].headers["x-one"])
    assert.truthy(asked[1].headers["user-agent"]:find "^lion/")
    assert.equal("", asked[1].body)
    http.get("HTTPS://others.example.org:8443/ä")
    assert.equal("HTTPS://others.example.org:8443/%C3%A4", asked[2].url)
  end)

  it("has a body of JSON, of a form, or of bytes", function()
    answering { "ok" }
    http.post(URL, { json = { total = 12.5 } })
    assert.same({ total = 12.5 }, asked[1]:json())
    assert.equal("application/json", asked[1].headers["content-type"])
    http.put(URL, { form = { a = "b c", list = { 1, 2 } } })
    assert.equal("a=b%20c&list=1&list=2", asked[2].body)
    assert.equal("application/x-www-form-urlencoded", asked[2].headers["content-type"])
    http.request { url = URL, method = "patch", body = "\0\255", headers = { ["Content-Type"] = "x/y" } }
    assert.equal("PATCH", asked[3].method)
    assert.equal("\0\255", asked[3].body)
    assert.equal("x/y", asked[3].headers["content-type"])
    http.post(URL, { json = { 1 }, headers = { ["content-type"] = "application/vnd.x+json" } })
    assert.equal("application/vnd.x+json", asked[4].headers["content-type"])
  end)

  it("says who asks", function()
    answering { "ok" }
    http.get(URL, { auth = { bearer = "abc" } })
    http.get(URL, { auth = { user = "ann", password = "pass:word" } })
    assert.equal("Bearer abc", asked[1].headers.authorization)
    assert.equal("Basic YW5uOnBhc3M6d29yZA==", asked[2].headers.authorization)
  end)

  it("gives status, headers, body, and the body as JSON", function()
    answering { { status = 201, json = { a = { 1 } }, headers = { ["X-One"] = "1" } } }
    local answer = http.get(URL)
    assert.equal(201, answer.status)
    assert.equal("1", answer.headers["x-one"])
    assert.equal('{"a":[1]}', answer.body)
    assert.same({ a = { 1 } }, answer:json())
    assert.equal(URL, answer.url)
    answering { { status = 502, body = "<p>" } }
    local e = failure(function() return http.get(URL .. "?key=secret"):json() end)
    assert.equal("http/not-json", e.code)
    assert.truthy(e.message:find("others.example.org/x answered 502", 1, true))
    assert.is_nil(e.message:find("secret", 1, true))
  end)

  for _, case in ipairs {
    { { url = "ftp://x/" }, "no URL that begins with http" },
    { { url = "file:///etc/passwd" }, "no URL that begins with http" },
    { { url = "http:///x" }, "no URL that begins with http" },
    { { url = 7 }, "a URL is a string" },
    { {}, "a URL is a string" },
    { { url = "http://ann:word@x/" }, "the option auth" },
    { { url = "http://x/a b" }, "written %20" },
    { { url = "http://x/a\nb" }, "written %20" },
    { { url = "http://x/" .. ("a"):rep(9000) }, "at most 8192 bytes" },
    { { url = URL, method = "CONNECT" }, "no method" },
    { { url = URL, urll = URL }, "did you mean url?" },
    { { url = URL, body = "x" }, "GET has no body" },
    { { url = URL, method = "POST", body = "x", json = 1 }, "one body" },
    { { url = URL, method = "POST", body = {} }, "json takes data" },
    { { url = URL, headers = { ["a b"] = "x" } }, "no header's name" },
    { { url = URL, headers = { a = "x\r\nb: y" } }, "control character" },
    { { url = URL, headers = { a = {} } }, "is a string" },
    { { url = URL, headers = { a = "1", A = "2" } }, "twice" },
    { { url = URL, headers = { ["Content-Length"] = "7" } }, "cannot be given" },
    { { url = URL, headers = { Host = "x" } }, "cannot be given" },
    { { url = URL, timeout_ms = 0 }, "timeout_ms is a whole number from 1" },
    { { url = URL, max_bytes = 2 ^ 40 }, "max_bytes is a whole number" },
    { { url = URL, redirects = 21 }, "redirects is a whole number" },
    { { url = URL, method = "PUT", redirects = 1 }, "redirects are followed for GET" },
    { { url = URL, auth = "abc" }, "auth is a table" },
    { { url = URL, auth = { user = "a:b", password = "" } }, "without a colon" },
    { { url = URL, auth = { token = "x" } }, "no option token" },
    { { url = URL, retries = { tims = 2 } }, "did you mean times?" },
    { { url = URL, retries = 11 }, "times is a whole number" },
    { { url = URL, method = "POST", retries = 1 }, "idempotency-key" },
  } do
    it("is refused where " .. case[2], function()
      answering { "ok" }
      local e = failure(http.request, case[1])
      assert.equal("ion.http/invalid", e.code)
      assert.equal("incorrect", e.category)
      assert.truthy(e.message:find(case[2], 1, true), e.message)
      assert.equal(0, #asked)
    end)
  end

  -- ---- tries -------------------------------------------------------------------------------------

  local QUICK = { times = 3, base_ms = 1, max_ms = 50 }

  it("is made once if nothing else is said", function()
    answering { raising("unavailable", "http/refused"), "ok" }
    local e = failure(http.get, URL .. "?key=secret")
    assert.equal("http/refused", e.code)
    assert.equal("unavailable", e.category)
    assert.equal("GET http://others.example.org/x: why", e.message)
    answering { { status = 503 }, "ok" }
    assert.equal(503, http.get(URL).status)
  end)

  it("is made again where that may help", function()
    answering { raising("unavailable", "http/refused"), { status = 503, headers = { ["retry-after"] = "0" } },
      raising("interrupted", "http/timeout"), "ok" }
    assert.equal("ok", http.get(URL, { retries = QUICK }).body)
    assert.equal(4, #asked)
    answering { { status = 429 } }
    assert.equal(429, http.get(URL, { retries = QUICK }).status)
    assert.equal(4, #asked)
    answering { raising("unavailable", "http/cut") }
    assert.equal("http/cut", failure(http.put, URL, { json = 1, retries = QUICK }).code)
    assert.equal(4, #asked)
    answering { { status = 503 }, "ok" }
    local paid = http.post(URL, { json = 1, retries = QUICK, headers = { ["Idempotency-Key"] = "order-7" } })
    assert.equal("ok", paid.body)
  end)

  it("is not made again where it does not help", function()
    for _, answer in ipairs { { status = 404 }, { status = 500 }, "ok" } do
      answering { answer }
      http.get(URL, { retries = QUICK })
      assert.equal(1, #asked)
    end
    answering { raising("fault", "http/tls") }
    assert.equal("http/tls", failure(http.get, URL, { retries = QUICK }).code)
    assert.equal(1, #asked)
  end)

  it("does not wait longer than it was told, whatever the other side asks for", function()
    answering { { status = 503, headers = { ["retry-after"] = "3600" } }, "ok" }
    assert.equal(503, http.get(URL, { retries = QUICK }).status)
    answering { { status = 503, headers = { ["retry-after"] = "Fri, 31 Dec 2999 23:59:59 GMT" } }, "ok" }
    assert.equal(503, http.get(URL, { retries = QUICK }).status)
    assert.equal(1, #asked)
  end)

  -- ---- in an application -------------------------------------------------------------------------

  describe("of an application", function()
    local dir, shop

    setup(function()
      dir = program.folder()
      program.write(dir .. "/ion.lua", [==[return { app = "shop", allow = { "web/ask" },
        http = { { "GET", "/rates", "web/rates" }, { "GET", "/tx", "web/tx" }, { "GET", "/q", "web/query" } } }]==])
      program.write(dir .. "/web.lua", [==[
        local http, ion = require "ion.http", require "ion"
        local web = {}
        function web.rates(r) return { body = http.get("http://rates.example.org/" .. r.query.base).body } end
        function web.ask() return http.get("http://rates.example.org/").body end
        function web.tx() return ion.connect():transact { { "web/ask" } } end
        function web.query() return ion.db():q "[:find ?x . :where [(web/ask) ?x]]" end
        return web
      ]==])
    end)
    before_each(function() shop = test.app(dir) end)
    after_each(function() shop:close() end)
    teardown(function() program.remove(dir) end)

    it("is answered by the spec", function()
      answering { function(request) return request.url:match "/(%w+)$" end }
      assert.equal("EUR", shop:get("/rates?base=EUR").body)
      answering { raising("unavailable", "http/refused") }
      local answer = shop:get "/rates?base=EUR"
      assert.equal(503, answer.status)
      assert.truthy(answer.log:find("http/refused: GET http://rates.example.org/EUR: why", 1, true), answer.log)
    end)

    it("is refused in functions of transactions and queries", function()
      answering { "ok" }
      for _, path in ipairs { "/tx", "/q" } do
        local answer = shop:get(path)
        assert.equal(403, answer.status)
        assert.truthy(answer.log:find("lion/not-allowed", 1, true), answer.log)
      end
      assert.equal(0, #asked)
    end)
  end)

  it("is refused while a revision is checked", function()
    local sandbox = require("ions.push.sandbox").new {
      files = { ["web.lua"] = 'require("ion.http").get "http://127.0.0.1:1/"' }, manifest = { app = "shop" },
    }
    local loaded, problem = sandbox:load "web"
    assert.is_nil(loaded)
    assert.truthy(problem.message:find("nobody is asked while a revision is checked", 1, true), problem.message)
  end)

  -- ---- real ones ---------------------------------------------------------------------------------

  describe("that is real", function()
    local others, url

    setup(function()
      others = serve({
        ["ion.lua"] = [==[return { app = "others", http = {
          { "*", "/echo", "web/echo" }, { "GET", "/hold", "web/hold" }, { "GET", "/held", "web/count" },
          { "GET", "/release", "web/release" }, { "GET", "/large", "web/large" }, { "GET", "/to", "web/to" } } }]==],
        ["web.lua"] = [==[
          local ion = require "ion"
          local web, beats, is_released = {}, {}, false
          function web.echo(r)
            return { headers = { ["set-cookie"] = { "a=1", "b=2" }, ["x-list"] = { "1", "2" } },
              body = { method = r.method, query = r.query, headers = r.headers, body = r.body } }
          end
          function web.hold(r) -- its heart beats as long as somebody waits
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
          function web.large() return ("x"):rep(100000) end
          function web.to() return { status = 302, headers = { location = "/echo?there=1" } } end
          return web
        ]==],
      })
      url = others.url
    end)
    teardown(function() others:close() end)

    it("is answered", function()
      local answer = http.post(url .. "echo", { query = { q = "1" }, json = { a = 1 }, headers = { ["X-One"] = "1" } })
      assert.equal(200, answer.status)
      local told = answer:json()
      assert.equal("POST", told.method)
      assert.same({ q = "1" }, told.query)
      assert.equal('{"a":1}', told.body)
      assert.equal("1", told.headers["x-one"])
      assert.equal("application/json", told.headers["content-type"])
      assert.is_nil(told.headers.expect)
      assert.equal("1, 2", answer.headers["x-list"])
      assert.equal("b=2", answer.headers["set-cookie"])
      assert.is_number(answer.ms)
    end)

    it("goes where it is sent, if it may", function()
      local answer = http.get(url .. "to")
      assert.equal(url .. "echo?there=1", answer.url)
      assert.equal("1", answer:json().query.there)
      assert.equal(302, http.get(url .. "to", { redirects = 0 }).status)
    end)

    it("is bounded in bytes and in time", function()
      local e = failure(http.get, url .. "large", { max_bytes = 99999 })
      assert.equal("http/too-large", e.code)
      assert.equal(100000, #http.get(url .. "large", { max_bytes = 100000 }).body)
      e = failure(http.get, url .. "hold", { timeout_ms = 50 })
      assert.equal("http/timeout", e.code)
      assert.equal("interrupted", e.category)
      program.wait_for(function() return http.get(url .. "held").body == "0" end, "the end of what was given up")
    end)

    it("finds nobody where nobody is", function()
      local e = failure(http.get, "http://127.0.0.1:1/")
      assert.equal("http/refused", e.code)
      assert.equal("unavailable", e.category)
      assert.equal("http/unknown-host", failure(http.get, "http://" .. ("a"):rep(64) .. ".invalid/").code)
    end)

    it("waits beside others under lion dev, ends with its call, and is one of so many", function()
      local shop = serve {
        ["ion.lua"] = [==[return { app = "shop", http = { { "GET", "/held", "web/held" }, { "GET", "/hi", "web/hi" },
          { "GET", "/short", "web/short", timeout = 300 },
          { "GET", "/gsub", "web/gsub" }, { "GET", "/deadline", "web/deadline", timeout = 400 } } }]==],
        ["web.lua"] = ([==[
          local http, ion = require "ion.http", require "ion"
          local web, URL = {}, "%s"
          function web.hi() return "hi" end
          function web.held() return http.get(URL .. "hold").body end
          function web.short() return http.get(URL .. "hold", { timeout_ms = 600000 }).body end
          function web.deadline()
            local ok, e = pcall(http.get, "http://127.0.0.1:1/", { retries = { times = 10, base_ms = 200 } })
            return { body = { ok = ok, code = e.code } }
          end
          function web.gsub() return (("x"):gsub("x", function() return http.get(URL .. "echo").body end)) end
          return web
        ]==]):format(url),
      }
      local function held() return tonumber(http.get(url .. "held").body) end
      local waiting = {}
      for i = 1, 10 do
        waiting[i] = socket.connect(shop.url:match "//(.-)/")
        waiting[i]:send(client.text("GET", "/held"))
      end
      program.wait_for(function() return held() == 10 end, "ten requests in hand")
      assert.equal("hi", http.get(shop.url .. "hi").body) -- nobody is held up
      assert.equal(504, http.get(shop.url .. "short").status)
      waiting[10]:close() -- its client has left: the request ends with the call
      program.wait_for(function() return held() == 9 end, "the end of those that nobody waits for")
      local answer = http.get(shop.url .. "deadline")
      assert.same({ ok = false, code = "http/refused" }, answer:json())
      assert.truthy(http.get(shop.url .. "gsub").body:find("cannot-wait", 1, true))
      http.get(url .. "release")
      for i = 1, 9 do
        assert.equal("released", client.answer(waiting[i]).body)
        waiting[i]:close()
      end
      shop:close()
    end)

    it("is busy where too many are under way", function()
      local before = fetch.HANDS_MAX
      fetch.HANDS_MAX = 0
      local e = failure(http.get, url .. "echo")
      fetch.HANDS_MAX = before
      assert.equal("busy", e.category)
      assert.equal("http/busy", e.code)
    end)
  end)

  it("trusts whom the machine trusts, and nobody else", function()
    local folder = program.folder()
    local script = ([[cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 ]]
      .. [[-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null && ]]
      .. [[{ openssl s_server -accept 127.0.0.1:0 -cert cert.pem -key key.pem -www >.out 2>.err </dev/null & ]]
      .. [[echo $! >.pid; }]]):format(folder)
    assert.equal(0, os.execute(script))
    local port = program.wait_for(function()
      return (program.read(folder .. "/.out") or ""):match "ACCEPT [^\n]-:(%d+)\n"
    end, "a server of TLS")
    local e = failure(http.get, ("https://127.0.0.1:%s/"):format(port))
    assert.equal("http/tls", e.code)
    assert.equal("fault", e.category)
    program.write(folder .. "/ask.lua", ([[
      local http = require "ion.http"
      print(http.get "https://127.0.0.1:%s/".status, select(2, pcall(http.get, "https://localhost:%s/")).code)
    ]]):format(port, port))
    local told = program.run(folder, { "run", "ask.lua" }, { env = "SSL_CERT_FILE=cert.pem" })
    os.execute(("kill $(cat %s/.pid)"):format(folder))
    assert.equal("200\thttp/tls\n", told.out, told.err)
    program.remove(folder)
  end)
end)
