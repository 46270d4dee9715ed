-- `lion dev` on an application of a few lines: served, edited while it serves, given what it does
-- not like.
local PROGRAM = os.getenv "LION" or "build/lion"

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function shell(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local MANIFEST = [==[
return {
  app = "tiny",
  params = { currency = "EUR" },
  allow = { "tiny/double" },
  http = {
    { "GET", "/", "tiny/home" }, { "GET", "/json", "tiny/data" }, { "POST", "/echo", "tiny/echo" },
    { "GET", "/boom", "tiny/boom" }, { "GET", "/nonsense", "tiny/nonsense" },
    { "GET", "/stream", "tiny/stream" }, { "GET", "/loop", "tiny/loop" },
    { "GET", "/count", "tiny/count" }, { "GET", "/long", "tiny/long" },
    { "GET", "/stuck", "tiny/stuck" }, { "GET", "/global", "tiny/global" }, { "GET", "/steps", "tiny/steps" },
    { "GET", "/breaks", "tiny/breaks" }, { "GET", "/again", "tiny/again" },
    { "GET", "/cookies", "tiny/cookies" }, { "GET", "/nap", "tiny/nap" }, { "GET", "/drip", "tiny/drip" },
    { "GET", "/one", "tiny/nap", concurrency = 1, queue = 0 },
    { "GET", "/held", "tiny/held", concurrency = 1, queue = 1, timeout = 1500 },
  },
  static = { ["/files"] = "files" },
}
]==]

local MODULE = [==[
local ion = require "ion"
local tiny = {}
function tiny.home() return "hello VERSION " .. ion.param "currency" end
function tiny.data(request) return { body = { q = request.query.q, method = request.method } } end
function tiny.echo(request)
  return { status = 201, headers = { ["x-size"] = #request.body }, body = request.body }
end
function tiny.boom() error "the handler's own words" end
function tiny.nonsense() return 42 end
function tiny.loop() while true do end end
function tiny.double(n) return n * 2 end
function tiny.stream()
  return { body = function() for i = 1, 3 do coroutine.yield("piece " .. i .. "\n") end end }
end
function tiny.breaks()
  return { body = function() coroutine.yield "begun"; error "broken off" end }
end
function tiny.again(request)
  return table.concat(request:header_all "x", "|") .. " " .. request.headers.x .. " " .. request:cookie "b"
end
function tiny.cookies() return { headers = { ["set-cookie"] = { "a=1", "b=2" } }, body = "" } end
function tiny.nap(request) ion.sleep(tonumber(request.query.ms)) return "awake" end
function tiny.drip()
  return { body = function()
    for i = 1, 5 do ion.sleep(30) coroutine.yield(i .. "\n") end
    for _ = 1, 50000 do end
    return "end"
  end }
end
function tiny.held(request)
  if not request.query.long then return "short" end
  return { body = function() for _ = 1, 5000 do coroutine.yield(("x"):rep(10000)) end end }
end
function tiny.long()
  return { body = function() for _ = 1, 5000 do coroutine.yield(("x"):rep(1000)) end end }
end
function tiny.stuck()
  local function loop() while true do end end
  return { body = function() coroutine.yield "first" while true do pcall(loop) end end }
end
function tiny.global() visits = 1 end
function tiny.steps() for i = 1, 1000 do end return "stepped" end
function tiny.count()
  ion.connect():transact { { ["db/doc"] = "visit" } }
  local db = ion.db()
  return tostring(db:count("aevt", "db/doc") > 0)
    .. db:q("[:find ?y . :in $ ?x :where [(tiny/double ?x) ?y]]", 21)
end
return tiny
]==]

describe("lion dev", function()
  local folder, pid, url

  local function get(path, options)
    return shell(("curl -s -m 20 -w '|%%{http_code}' %s '%s%s'"):format(options or "", url, path))
  end

  local function eventually(expected, path)
    local answer
    for _ = 1, 50 do
      answer = get(path)
      if answer == expected then break end
      os.execute "sleep 0.1"
    end
    assert.equal(expected, answer)
  end

  setup(function()
    folder = os.tmpname() .. ".dev"
    os.execute("mkdir -p " .. folder .. "/files")
    write(folder .. "/files/small.txt", "0123456789")
    write(folder .. "/files/large.bin", ("0123456789"):rep(200000))
    write(folder .. "/ion.lua", MANIFEST)
    write(folder .. "/tiny.lua", (MODULE:gsub("VERSION", "one")))
    pid = shell(
      ("%s dev %s --listen 127.0.0.1:0 >%s/out 2>%s/err & echo $!"):format(
        PROGRAM,
        folder,
        folder,
        folder
      )
    ):match "%d+"
    for _ = 1, 100 do
      local file = io.open(folder .. "/out")
      url = file and file:read("*a"):match "ready (http://%S+)/"
      if file then file:close() end
      if url then break end
      os.execute "sleep 0.05"
    end
  end)

  teardown(function() os.execute("kill " .. pid .. "; rm -rf " .. folder) end)

  it("says where it is ready", function() assert.truthy(url) end)
  it("answers with a string", function() assert.equal("hello one EUR|200", get "/") end)
  it(
    "answers with JSON",
    function() assert.equal('{"method":"GET","q":"a b"}|200', get "/json?q=a+b") end
  )
  it("reads bodies, chunked ones too", function()
    assert.equal("some text|201", get("/echo", "-d 'some text'"))
    assert.equal("some text|201", get("/echo", "-H 'transfer-encoding: chunked' -d 'some text'"))
  end)
  it(
    "streams what a function yields",
    function() assert.equal("piece 1\npiece 2\npiece 3\n|200", get "/stream") end
  )
  it(
    "runs what the manifest allows in queries",
    function() assert.equal("true42|200", get "/count") end
  )
  it("answers 404 and 405", function()
    assert.equal("not found\n|404", get "/nowhere")
    assert.equal("method not allowed\n|405", get("/", "-X DELETE"))
  end)
  it("answers 500 for a handler that throws, with its words", function()
    local answer = get "/boom"
    assert.truthy(answer:find("the handler's own words", 1, true))
    assert.truthy(answer:find "|500$")
  end)
  it("answers 500 for nonsense", function() assert.truthy(get("/nonsense"):find "|500$") end)
  it("stops a handler that loops for ever, and serves on", function()
    assert.truthy(get("/loop"):find "|504$")
    assert.equal("hello one EUR|200", get "/")
  end)
  it("stops a body that never comes to its end", function() assert.equal("first|200", get "/stuck") end)
  it("tells what a call took, in steps", function()
    assert.truthy(get("/steps", "-D -"):find('server%-timing: call;dur=[%d.]+;desc="1001 steps"'))
  end)
  it("freezes globals once it is loaded, and says so of the source before", function()
    assert.truthy(get("/global"):find("the global visits is written after the program was loaded", 1, true))
    local file = assert(io.open(folder .. "/err"))
    local told = file:read "*a"
    file:close()
    assert.truthy(told:find("tiny.lua:%d+: the global visits is written in a function"))
  end)
  it("refuses malformed HTTP and oversized headers", function()
    local port = url:match ":(%d+)$"
    local talk =
      [[bash -c 'exec 3<>/dev/tcp/127.0.0.1/%s; printf "NONSENSE\r\n\r\n" >&3; timeout 5 cat <&3']]
    assert.truthy(shell(talk:format(port)):find "400")
    assert.truthy(get("/", "-H 'x: " .. ("a"):rep(70000) .. "'"):find "|431$")
  end)
  it("answers a request that offers an upgrade, and the next one of the connection", function()
    local offer = ("-H 'Connection: Upgrade' -H 'Upgrade: h2c' '%s/'"):format(url)
    assert.equal("hello one EUR|200hello one EUR|200", get("/", offer))
  end)
  it("outlives clients that go away in the middle of an answer", function()
    for _ = 1, 5 do
      shell(("curl -s -m 20 '%s/long' | head -c 10"):format(url))
    end
    assert.equal("hello one EUR|200", get "/")
  end)
  it("has handlers and bodies wait, and serves others meanwhile", function()
    local slow = io.popen(("curl -s -m 20 '%s/nap?ms=1500'"):format(url))
    assert.equal("hello one EUR|200", get "/")
    assert.equal("1\n2\n3\n4\n5\nend|200", get "/drip")
    assert.equal("awake", slow:read "*a")
    slow:close()
    local all = shell(("curl -s -Z --parallel-max 20 -m 20 '%s/nap?ms=300&i=[1-20]' 2>/dev/null"):format(url))
    assert.equal(("awake"):rep(20), all)
  end)

  it("cancels what a client has asked for when it goes", function()
    for _, path in ipairs { "/one?ms=60000", "/drip", "/nap?ms=60000" } do
      os.execute(("curl -s -m 0.2 -o %s/part '%s%s'"):format(folder, url, path))
    end
    eventually("awake|200", "/one?ms=1") -- its only place is free again
  end)

  it("breaks off the answer when its body fails, so that a part is not taken for the whole", function()
    assert.equal("begun|200 18", get("/breaks", "-w '|%{http_code} %{exitcode}'"):match "^begun|.*")
    assert.equal("hello one EUR|200", get "/")
  end)
  it("tells headers and cookies that were sent several times", function()
    local options = "-H 'X: 1' -H 'x: 2' -H 'X: 3' -H 'cookie: a=1' -H 'cookie: b=2'"
    assert.equal("1|2|3 1, 2, 3 2|200", get("/again", options))
    local head = get("/cookies", "-i")
    assert.truthy(head:find("set-cookie: a=1\r\nset-cookie: b=2\r\n", 1, true))
  end)
  it("answers HEAD with the size that GET would have, and no body", function()
    for path, size in pairs { ["/"] = 13, ["/files/small.txt"] = 10, ["/files/large.bin"] = 2000000 } do
      local head = get(path, "-I")
      assert.truthy(head:find(("content-length: %d\r\n"):format(size), 1, true))
      assert.truthy(head:find "\r\n\r\n|200$")
    end
    assert.truthy(get("/stream", "-I"):find "\r\n\r\n|200$")
  end)
  it("answers OPTIONS and 405 with the methods", function()
    assert.truthy(get("/echo", "-i -X OPTIONS"):find("allow: POST, OPTIONS\r\n", 1, true))
    assert.truthy(get("/echo", "-i"):find("allow: POST, OPTIONS\r\n", 1, true))
    assert.truthy(get("/%zz"):find "|400$")
  end)
  it("sends files: whole, in part, not at all", function()
    assert.equal("0123456789|200", get "/files/small.txt")
    assert.equal("345|206", get("/files/small.txt", "-r 3-5"))
    assert.equal("56|206", get("/files/large.bin", "-r 1999995-1999996"))
    assert.equal("|416", get("/files/small.txt", "-r 10-"))
    local whole = get("/files/large.bin", "-i")
    assert.truthy(whole:find("content-length: 2000000\r\n", 1, true))
    assert.is_nil(whole:find("chunked", 1, true))
    assert.equal(("0123456789"):rep(200000) .. "|200", whole:match "\r\n\r\n(.*)$")
    local tag = whole:match 'etag: ("%x+")'
    assert.equal("|304", get("/files/large.bin", ("-H 'if-none-match: %s'"):format(tag)))
    for _, path in ipairs { "/files/../tiny.lua", "/files/%2e%2e/tiny.lua", "/files/..%2ftiny.lua" } do
      assert.equal("not found\n|404", get(path, "--path-as-is"))
    end
  end)
  it("keeps the connection after a file", function()
    local command = "curl -s -m 20 -o %s/part -o %s/part -w '%%{num_connects} ' '%s' '%s'"
    local file = url .. "/files/large.bin"
    assert.equal("1 0 ", shell(command:format(folder, folder, file, file)))
  end)

  -- a client that reads nothing holds its place
  local function hold() return io.popen(("curl -s '%s/held?long=1' | sleep 3"):format(url)) end

  it("has who comes too early wait, refuses whom there is no room for", function()
    local holder = hold()
    os.execute "sleep 0.5"
    local waiter = io.popen(("curl -s -m 20 -w '|%%{http_code}' '%s/held'"):format(url))
    os.execute "sleep 0.3"
    local refused = get("/held", "-i")
    assert.truthy(refused:find("retry-after: 1\r\n", 1, true))
    assert.truthy(refused:find "busy: try again\n|503$")
    assert.equal("hello one EUR|200", get "/")
    assert.equal("no place in time: try again\n|504", waiter:read "*a") -- after its 1.5 s
    waiter:close()
    holder:close()
    eventually("short|200", "/held")
  end)
  it("gives the place to who waits when it is free", function()
    local holder = io.popen(("curl -s -m 1 '%s/held?long=1' | sleep 1"):format(url))
    os.execute "sleep 0.3"
    assert.equal("short|200", get "/held")
    holder:close()
  end)
  it("takes an edit, and keeps the old code when the new one does not load", function()
    write(folder .. "/tiny.lua", (MODULE:gsub("VERSION", "two")))
    eventually("hello two EUR|200", "/")
    write(folder .. "/tiny.lua", "this is no Lua")
    os.execute "sleep 0.6"
    assert.equal("hello two EUR|200", get "/")
    local file = io.open(folder .. "/err")
    assert.truthy(file:read("*a"):find("tiny.lua:1", 1, true))
    file:close()
    write(folder .. "/tiny.lua", (MODULE:gsub("VERSION", "three")))
    eventually("hello three EUR|200", "/")
  end)
end)

describe("A check of an application that lion dev serves", function()
  local function run(check)
    local folder = os.tmpname() .. ".dev"
    os.execute("mkdir -p " .. folder .. "/files")
    write(folder .. "/files/small.txt", "0123456789")
    write(folder .. "/files/large.bin", ("0123456789"):rep(200000))
    write(folder .. "/ion.lua", 'return { app = "tiny", http = {}, checks = { "checks/all" } }')
    write(folder .. "/checks.lua", "return { all = function(db) " .. check .. " end }")
    local text = shell(("timeout 20 %s dev %s --listen 127.0.0.1:0 2>&1; echo $?"):format(PROGRAM, folder))
    os.execute("rm -rf " .. folder)
    return text
  end

  it("ends it with the check's own words, and no trace, where they name no position", function()
    assert.equal("lion: lion/check: check checks/all: load the data first\n1\n",
      run 'error("load the data first", 0)')
  end)
  for _, case in ipairs {
    { "an error at a position", 'error "here"', "checks.lua:1: here\nstack traceback" },
    { "a mistake", "return db.none.there", "checks.lua:1: attempt to index" },
    { "an error that is no text", "error(nil)", "stack traceback" },
    { "an error of Lion's", 'db:attribute "no/such"', "lion/unknown-attribute" },
    { "false", "return false", "returned false" },
  } do
    it("ends it with all that is known of " .. case[1], function()
      local text = run(case[2])
      assert.truthy(text:find("check checks/all", 1, true))
      assert.truthy(text:find(case[3], 1, true))
      assert.truthy(text:find "\n1\n$")
    end)
  end
end)
