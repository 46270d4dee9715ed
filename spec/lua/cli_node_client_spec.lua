--- The HTTP client of the commands that ask a node, as Lua has it. What it makes of bad answers:
-- spec/ions/client_test.c.
local client = require "lion.client"
local program = require "spec.lua.program"

local MANIFEST = [==[
return { app = "echo", http = { { "GET", "/stream", "echo/stream" }, { "GET", "/large", "echo/large" },
  { "*", "/*path", "echo/echo" } } }
]==]

local ECHO = [==[
local echo = {}
function echo.stream()
  return { body = function() for i = 1, 3 do coroutine.yield(("%d"):format(i)) end end }
end
function echo.large() return ("0123456789"):rep(300000) end
function echo.echo(request)
  local body = { request.method, request.path, request.headers["x-test"] or "", #request.body, request.body }
  return { status = 201, headers = { ["X-Two"] = { "a", "b" } }, body = table.concat(body, " ") }
end
return echo
]==]

describe("The HTTP client", function()
  local folder, child, node

  setup(function()
    folder = program.folder()
    program.write(folder .. "/ion.lua", MANIFEST)
    program.write(folder .. "/echo.lua", ECHO)
    child = program.start(folder, { "dev", ".", "--listen", "127.0.0.1:0" })
    local address = program.wait_for(function()
      return child:out():match "ready http://(%S+)/"
    end, "a server")
    node = client.new(address)
  end)

  teardown(function()
    node:close()
    child:signal "TERM"
    child:wait()
    program.remove(folder)
  end)

  local function failure(fn, ...)
    local ok, e = pcall(fn, ...)
    assert.is_false(ok)
    return e
  end

  it("sends methods, headers and bodies, and gives status, headers and body", function()
    local status, headers, body = node:request { path = "/a" }
    assert.equal(201, status)
    assert.equal("a, b", headers["x-two"])
    assert.equal("GET /a  0 ", body)
    for _, method in ipairs { "PUT", "POST", "DELETE" } do
      local request = { method = method, path = "/b", headers = { ["x-test"] = "x" }, body = "a\0b" }
      assert.equal(method .. " /b x 3 a\0b", select(3, node:request(request)))
    end
  end)

  it("sends a body and takes an answer of megabytes", function()
    local much = ("abcdefgh"):rep(500000)
    local _, _, body = node:request { method = "PUT", path = "/m", body = much }
    assert.equal("PUT /m  4000000 " .. much, body)
    assert.equal(3000000, #select(3, node:request { path = "/large" }))
  end)

  it("hands out an answer piece by piece", function()
    local pieces = {}
    local function keep(piece) pieces[#pieces + 1] = piece end
    local status = node:request { path = "/stream", on_piece = keep }
    assert.equal(200, status)
    assert.equal("123", table.concat(pieces))
    local size = 0
    node:request { path = "/large", on_piece = function(piece) size = size + #piece end }
    assert.equal(3000000, size)
  end)

  it("goes on after an answer that was not taken to its end", function()
    local function stop() error("enough", 0) end
    assert.equal("enough", failure(node.request, node, { path = "/large", on_piece = stop }))
    assert.equal("GET /a  0 ", select(3, node:request { path = "/a" }))
  end)

  it("may be closed by who takes the pieces", function()
    local other = client.new(node:address())
    local e = failure(other.request, other, { path = "/large", on_piece = function() other:close() end })
    assert.equal("lion/closed", e.code)
    assert.equal("lion/closed", failure(other.request, other, { path = "/" }).code)
    other:close()
  end)

  it("is told from a node's door by the commands where it asks another server", function()
    for _, words in ipairs { { "status" }, { "groups" }, { "invoke", "a b/../c" } } do
      words[#words + 1] = "--node=" .. node:address()
      local result = program.run(folder, words)
      if words[1] == "invoke" then
        assert.equal("POST /invoke/a%20b/..%2Fc  0 \n", result.out)
      else
        assert.equal(1, result.code)
        assert.matches("no node's control door", result.err)
      end
    end
  end)

  it("raises anomalies, and misuse as Lua does", function()
    local gone = client.new(folder)
    local e = failure(gone.request, gone, { path = "/status" })
    assert.equal("unavailable", e.category)
    assert.equal("lion/no-node", e.code)
    assert.is_true(e:is_retryable())
    assert.equal("unix:" .. folder .. "/control.sock", gone:address())
    assert.equal("lion/address", failure(client.new, "nobody").code)
    assert.equal("lion/syntax", failure(node.request, node, { path = "/a b" }).code)
    assert.matches("path is needed", failure(node.request, node, {}))
    assert.matches("body is a text", failure(node.request, node, { path = "/", body = 7 }))
    assert.matches("headers are", failure(node.request, node, { path = "/", headers = { a = 1 } }))
    assert.is_false((pcall(node.request, node)))
    assert.is_false((pcall(client.new, "a\0b")))
  end)
end)
