-- What a handler is given and what becomes of what it returns.
local application = require "spec.ions.application"

local MANIFEST = [==[
return {
  app = "shop",
  http = {
    { "GET", "/echo/:name", "web/echo" }, { "GET", "/bare", "web/bare" },
    { "GET", "/change", "web/change" },
    { { "POST", "PUT" }, "/json", "web/json" },
    { "POST", "/form", "web/form" }, { "GET", "/answer/:name", "web/answer" },
    { "OPTIONS", "/own", "web/own" }, { "GET", "/own", "web/own" },
    { "GET", "/slow", "web/slow", timeout = 30 }, { "GET", "/again", "web/again" },
  },
}
]==]

local WEB = [==[
local lion = require "lion"
local web, answers = {}, {}

function web.echo(r)
  return { body = {
    method = r.method, path = r.path, params = r.params, query = r.query, body = r.body, remote = r.remote,
    id = r.id, all = r:query_all "a", cookie = r:cookie "c", x = r.headers.x, xs = r:header_all "x",
  } }
end
function web.bare(r)
  local is_empty = next(r.query) == nil and next(r.params) == nil and next(r.headers) == nil
  r.query.kept = "yes"
  return { body = { is_empty = is_empty, body = r.body, all = #r:query_all "a", kept = r.query.kept } }
end
function web.change(r)
  r.method, r.path, r.id = {}, setmetatable({}, { __tostring = function() while true do end end }), {}
  error "on purpose"
end
function web.json(r) return { body = { got = r:json() } } end
function web.form(r)
  local form = r:form()
  local is_urlencoded = r.headers["content-type"]:find "urlencoded"
  return { body = { form = form, all = is_urlencoded and r:form_all "a" or nil } }
end
function web.own(r) return { headers = { ["x-method"] = r.method }, body = "own" } end
function web.again(r) return r:header_all("x")[1] .. r.headers.x end
function web.slow() while true do end end
function web.answer(r) return answers[r.params.name]() end

function answers.text() return "text" end
function answers.nothing_but_status() return { status = 204 } end
function answers.html() return { headers = { ["Content-Type"] = "text/html" }, body = "<p>" } end
function answers.json() return { status = 201, body = { list = { 1, 2 }, none = lion.null } } end
function answers.cookies()
  return { headers = { ["set-cookie"] = { "a=1", "b=2" }, ["x-n"] = 5 }, body = "" }
end
function answers.stream()
  return { body = function() coroutine.yield "a"; coroutine.yield ""; return "b" end }
end
function answers.framing()
  local headers = { ["content-length"] = 1, ["Transfer-Encoding"] = "chunked", connection = "close" }
  return { headers = headers, body = "abc" }
end

function answers.missing() return nil end
function answers.number() return 42 end
function answers.empty() return {} end
function answers.key() return { id = 7, body = "x" } end
function answers.low() return { status = 100 } end
function answers.high() return { status = 600 } end
function answers.half() return { status = 200.5 } end
function answers.words() return { status = "200 OK" } end
function answers.nan() return { status = 0 / 0 } end
function answers.header_list() return { headers = { "x: 1" }, body = "" } end
function answers.header_text() return { headers = "x: 1", body = "" } end
function answers.header_name() return { headers = { ["x: 1\r\ny"] = "2" }, body = "" } end
function answers.header_empty() return { headers = { [""] = "2" }, body = "" } end
function answers.injection() return { headers = { location = "/\r\nset-cookie: secret=1" }, body = "" } end
function answers.header_nul() return { headers = { x = "a\0b" }, body = "" } end
function answers.header_in_list()
  return { headers = { ["set-cookie"] = { "a=1", "b=2\n" } }, body = "" }
end
function answers.header_table() return { headers = { x = { {} } }, body = "" } end
function answers.header_flag() return { headers = { x = true }, body = "" } end
function answers.header_twice() return { headers = { ["X"] = "1", ["x"] = "2" }, body = "" } end
function answers.two_types() return { headers = { ["content-type"] = { "a/b", "c/d" } }, body = "" } end
function answers.body_number() return { body = 42 } end
function answers.body_flag() return { body = false } end
function answers.body_thread() return { body = coroutine.create(print) } end
function answers.body_function() return { body = { f = print } } end
function answers.body_cycle() local t = {}; t.t = t; return { body = t } end
function answers.body_of_204() return { status = 204, body = "x" } end
function answers.throws() error "secret words" end
function answers.throws_table() error({ secret = 1 }) end
function answers.throws_nil() error() end
function answers.recursion() local function f() return 1 + f() end return f() end
local function raise(category, code, message)
  error({ category = category, code = code, message = message }, 0)
end
function answers.incorrect() raise("incorrect", "shop/no-amount", "an amount is needed") end
function answers.not_found() raise("not-found", "shop/no-order", "there is no order 7") end
function answers.conflict() raise("conflict", "shop/taken", "it is taken") end
function answers.forbidden() raise("forbidden", "shop/no", "not yours") end
function answers.busy() raise("busy", "shop/busy", "secret words") end
function answers.fault() raise("fault", "shop/secret", "secret words") end
function answers.misuse() require "ion".db():entid(nil) end
function answers.misquery() require "ion".db():q "[:find ?x :where" end
function answers.reads() require "ion.json".read "{" end
function answers.meant() raise("incorrect", "lion/syntax", "the handler says so") end
function answers.odd() raise("no such category", { 1 }, "secret words") end
return web
]==]

describe("A handler", function()
  local shop

  setup(function() shop = application.new { ["ion.lua"] = MANIFEST, ["web.lua"] = WEB } end)
  teardown(function() shop:close() end)

  local function ask(...) return shop:ask(...) end

  it("is given the request", function()
    local headers = { cookie = "b=1; c=two", x = "1, 2" }
    local answer = ask("GET /echo/a%20b?a=1&b=x+y&a=2", headers, "body")
    assert.equal(200, answer.status)
    assert.equal("application/json", answer.headers["content-type"])
    assert.equal(
      '{"all":["1","2"],"body":"body","cookie":"two","id":1,"method":"GET","params":{"name":"a b"},'
        .. '"path":"/echo/a%20b","query":{"a":"2","b":"x y"},"remote":"127.0.0.1:5",'
        .. '"x":"1, 2","xs":["1, 2"]}',
      answer.body
    )
  end)

  it("has tables for what was not sent, and may write into them", function()
    local answer = ask("GET /bare")
    assert.equal('{"all":0,"body":"","is_empty":true,"kept":"yes"}', answer.body)
  end)

  it("may spoil its request, not the log of it", function()
    local answer = ask("GET /change")
    assert.equal(500, answer.status)
    assert.truthy(shop.logged:find("^GET /change %(request %d+%): .*on purpose"))
  end)

  it("has its headers still when all of one were asked for", function()
    assert.equal("11", ask("GET /again", { x = "1" }).body)
  end)

  it("reads JSON", function()
    assert.equal('{"got":{"a":[1,null]}}', ask("POST /json", {}, '{"a": [1, null]}').body)
    for _, body in ipairs { "", "{", "[1,]", "{} {}", "\0", ("["):rep(1000) } do
      local answer = ask("PUT /json", {}, body)
      assert.equal(400, answer.status)
      assert.truthy(answer.body:find('"code":"lion/syntax"', 1, true))
    end
  end)

  it("reads forms", function()
    local urlencoded = { ["content-type"] = "Application/X-WWW-Form-Urlencoded; charset=utf-8" }
    assert.equal(400, ask("POST /form", urlencoded, "a=%4").status)
    local lower = { ["content-type"] = "application/x-www-form-urlencoded" }
    assert.equal('{"all":["1","2"],"form":{"a":"2"}}', ask("POST /form", lower, "a=1&a=2").body)
    local multipart = { ["content-type"] = 'multipart/form-data; boundary="B"' }
    local body = '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n'
    assert.equal('{"form":{"a":"1"}}', ask("POST /form", multipart, body).body)
  end)

  for _, case in ipairs {
    { "application/json", "the body is no form: its content type is application/json" },
    { nil, "the body is no form: its content type is not given" },
    { "multipart/form-data", "without a boundary" },
    { "multipart/form-data; boundary=B", "malformed multipart body" },
  } do
    it("answers 400 where it reads a form of type " .. tostring(case[1]), function()
      local answer = ask("POST /form", { ["content-type"] = case[1] }, "a=1")
      assert.equal(400, answer.status)
      assert.truthy(answer.body:find(case[2], 1, true))
      assert.truthy(answer.body:find("lion/malformed-request", 1, true))
    end)
  end

  for _, case in ipairs {
    { "text", 200, "text", { ["content-type"] = "text/plain; charset=utf-8" } },
    { "nothing_but_status", 204, "", {} },
    { "html", 200, "<p>", { ["content-type"] = "text/html" } },
    { "json", 201, '{"list":[1,2],"none":null}', { ["content-type"] = "application/json" } },
    { "stream", 200, "ab", { ["content-type"] = "text/plain; charset=utf-8" } },
    { "framing", 200, "abc", { ["content-type"] = "text/plain; charset=utf-8" } },
  } do
    it("may return: " .. case[1], function()
      local answer = ask("GET /answer/" .. case[1])
      assert.equal(case[2], answer.status)
      assert.equal(case[3], answer.body)
      assert.same(case[4], answer.headers)
      assert.equal("", shop.logged)
    end)
  end

  it("may set several cookies", function()
    local expected = { { "set-cookie", "a=1" }, { "set-cookie", "b=2" }, { "x-n", "5" } }
    assert.same(expected, ask("GET /answer/cookies").list)
  end)

  -- what is wrong is in the log, and nothing of it goes to the client
  for _, case in ipairs {
    { "missing", "returned a nil; a response is a string or {" },
    { "number", "returned a number" },
    { "empty", "an empty table" },
    { "key", "a table with the key id" },
    { "low", "the status 100; it is a whole number from 200 to 599" },
    { "high", "the status 600" },
    { "half", "the status 200.5" },
    { "words", "the status 200 OK" },
    { "nan", "the status" },
    { "header_list", "the header 1: headers are {" },
    { "header_text", "headers that are a string" },
    { "header_name", "a header that is named" },
    { "header_empty", 'a header that is named ""' },
    { "injection", "the header location, whose value has a control character" },
    { "header_nul", "the header x, whose value has a control character" },
    { "header_in_list", "the header set-cookie, whose value has a control character" },
    { "header_table", "the header x, whose value is a table" },
    { "header_flag", "the header x, whose value is a boolean" },
    { "header_twice", "the header x twice" },
    { "two_types", "several values of content-type" },
    { "body_number", "a body that is a number; it is a string, a table (JSON) or a function" },
    { "body_flag", "a body that is a boolean" },
    { "body_thread", "a body that is a thread" },
    { "body_function", "a body that is no JSON (a function has no form in JSON)" },
    { "body_cycle", "a body that is no JSON" },
    { "body_of_204", "a body with the status 204" },
    { "throws", "web.lua:", "secret words" },
    { "throws_table", "table: 0x" },
    { "throws_nil", "nil" },
    { "recursion", "stack overflow" },
    { "fault", "secret words" },
    { "odd", "secret words" },
    { "none", "attempt to call" },
  } do
    it("fails: " .. case[1], function()
      local answer = ask("GET /answer/" .. case[1])
      assert.equal(500, answer.status)
      local expected = '{"error":{"category":"fault","code":"lion/handler-failed",'
        .. '"message":"the application failed","request":%d}}\n'
      assert.equal(expected:format(shop.last_id), answer.body)
      assert.same({ ["content-type"] = "application/json" }, answer.headers)
      local line = ("GET /answer/%s (request %d): "):format(case[1], shop.last_id)
      assert.equal(line, shop.logged:sub(1, #line))
      assert.truthy(shop.logged:find(case[2], 1, true))
      assert.truthy(shop.logged:find(case[3] or case[2], 1, true))
    end)
  end

  for _, case in ipairs {
    { "incorrect", 400, "shop/no-amount", "an amount is needed" },
    { "not_found", 404, "shop/no-order", "there is no order 7" },
    { "conflict", 409, "shop/taken", "it is taken" },
    { "forbidden", 403, "shop/no", "not yours" },
    { "busy", 503, "shop/busy", "busy: try again" },
    { "meant", 400, "lion/syntax", "the handler says so" },
    { "reads", 400, "lion/syntax",
      "malformed JSON: Expected object key string but found T_END at character 2" },
  } do
    it("answers an anomaly by its category: " .. case[1], function()
      local answer = ask("GET /answer/" .. case[1])
      assert.equal(case[2], answer.status)
      assert.truthy(answer.body:find(('"code":"%s"'):format(case[3]), 1, true))
      assert.truthy(answer.body:find(('"message":"%s"'):format(case[4]), 1, true))
      assert.equal(case[2] == 503 and "1" or nil, answer.headers["retry-after"])
    end)
  end

  for name, words in pairs { misuse = "entid of nil", misquery = "lion/syntax" } do
    it("answers 500 where it calls Lion wrongly, and the log says where: " .. name, function()
      local answer = ask("GET /answer/" .. name)
      assert.equal(500, answer.status)
      assert.is_nil(answer.body:find(words, 1, true))
      assert.truthy(shop.logged:find(words, 1, true), shop.logged)
      assert.truthy(shop.logged:find("web.lua:%d+: in function"), shop.logged)
    end)
  end

  it("is stopped after its own timeout", function()
    local answer = ask "GET /slow"
    assert.equal(504, answer.status)
    assert.truthy(shop.logged:find("the call ran past its deadline", 1, true))
    assert.equal(200, ask("GET /answer/text").status)
  end)

  it("tells the developer what is wrong", function()
    local dev = application.new({ ["ion.lua"] = MANIFEST, ["web.lua"] = WEB }, true)
    assert.truthy(dev:ask("GET /answer/throws").body:find("secret words", 1, true))
    assert.truthy(dev:ask("GET /answer/number").body:find("returned a number", 1, true))
    dev:close()
  end)

  it("is not asked where there is no route, no method, no sense", function()
    assert.same({ 404, "not found\n" }, { ask("GET /nowhere").status, ask("GET /nowhere").body })
    local answer = ask "DELETE /json"
    assert.same({ 405, "POST, PUT, OPTIONS" }, { answer.status, answer.headers.allow })
    for _, line in ipairs {
      "GET /echo/%zz",
      "GET /echo/%4",
      "GET echo/a",
      "GET *",
      "CONNECT example.org:443",
      "GET /echo/x?a=%",
      "GET /echo/x?a=%zz",
    } do
      answer = ask(line)
      assert.equal(400, answer.status)
    end
  end)

  it("answers OPTIONS with the methods, unless a route does", function()
    local answer = ask "OPTIONS /json"
    assert.same({ 204, "", { allow = "POST, PUT, OPTIONS" } }, { answer.status, answer.body, answer.headers })
    assert.equal("OPTIONS", ask("OPTIONS /own").headers["x-method"])
    assert.equal(404, ask("OPTIONS /nowhere").status)
    assert.equal(204, ask("OPTIONS *").status)
  end)

  it("answers HEAD, and what is sent as to a proxy", function()
    assert.equal("HEAD", ask("HEAD /own").headers["x-method"])
    assert.equal("GET", ask("GET http://example.org/own").headers["x-method"])
    assert.equal(404, ask("GET http://example.org").status)
  end)
end)

describe("One handler for everything", function()
  it("is given every method and path, and has settings", function()
    local all = application.new {
      ["ion.lua"] = 'return { app = "all", http = { "all/all", timeout = 50 } }',
      ["all.lua"] = [[
        return { all = function(r)
          if r.path == "/loop" then while true do end end
          return r.method .. " " .. r.params.path
        end }
      ]],
    }
    assert.equal("GET ", all:ask("GET /").body)
    assert.equal("DELETE a/b c", all:ask("DELETE /a/b%20c/").body)
    assert.equal("OPTIONS x", all:ask("OPTIONS /x").body)
    assert.equal("HEAD x", all:ask("HEAD /x").body)
    assert.equal(504, all:ask("GET /loop").status)
    all:close()
  end)
end)

describe("An entry point with few places", function()
  local FILES = {
    ["ion.lua"] = [[
      return { app = "few", http = { { "GET", "/", "few/few", concurrency = 1, queue = 1, timeout = 300 } } }
    ]],
    ["few.lua"] = [[return { few = function() return { body = function() return "x" end } end }]],
  }
  local few

  before_each(function() few = application.new(FILES) end)
  after_each(function() few:close() end)

  local function handle(id) return few.app:handle { method = "GET", path = "/", id = id } end

  it("has requests wait, and refuses those beyond the queue", function()
    local _, _, first = handle(101)
    assert.is_false(handle(102))
    local status, headers = handle(103)
    assert.equal(503, status)
    assert.same({ "retry-after", "1" }, headers[1])
    assert.is_nil(few.app:step())
    assert.equal("x", first())
    few.app:finish(101)
    local id, answer, _, body = few:wait()
    assert.same({ 102, 200, "x" }, { id, answer, body() })
    few.app:finish(102)
    assert.equal(200, few:ask("GET /").status)
    assert.is_true(few.app:is_idle())
  end)

  it("has nobody wait for longer than its timeout", function()
    handle(101)
    assert.is_false(handle(102))
    local id, status = few:wait()
    assert.same({ 102, 504 }, { id, status })
    few.app:finish(101)
    assert.equal(200, (handle(103)))
  end)

  it("passes on the turn of one who has gone", function()
    handle(101)
    handle(102)
    few.app:gone(102)
    assert.is_false(handle(103)) -- there is room in the queue again
    few.app:gone(103)
    few.app:finish(101)
    assert.is_nil(few:wait())
    handle(104)
    handle(105)
    few.app:finish(104) -- 105 has its turn, but goes before it comes
    few.app:gone(105)
    assert.is_nil(few:wait())
    assert.is_true(few.app:is_idle())
    assert.equal(200, (handle(106)))
  end)
end)
