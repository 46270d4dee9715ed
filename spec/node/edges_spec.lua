--- What clients and handlers do wrong, at a node: each is answered, none passes what it should not.
local application = require "spec.node.application"
local client = require "spec.node.client"
local node = require "spec.node.node"
local socket = require "spec.node.socket"

describe("A node", function()
  local cluster, a

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 1 }
    cluster:run(a, application.files "here", "a")
    assert.equal("ok", a:ask("POST", "/setup").body)
  end)
  teardown(function() cluster:close() end)
  after_each(function() assert.equal("here", a:ask("GET", "/").body) end)

  -- What comes back for some bytes, until the other side closes or nothing more can come.
  local function talk(address, text)
    local one = assert(socket.connect(address))
    one:send(text)
    one:finish()
    local answer = client.answer(one)
    one:close()
    return answer
  end

  it("serves files below their folder and nothing else", function()
    assert.equal("0123456789", a:ask("GET", "/files/small.txt").body)
    for _, path in ipairs {
      "/files/../ion.lua", "/files/../shop/web.lua", "/files/%2e%2e/ion.lua", "/files/..%2fion.lua",
      "/files/%2e%2e%2fion.lua", "/files/....//ion.lua", "/files/..%5cion.lua", "/files//etc/passwd",
      "/files/%2fetc%2fpasswd", "/files/small.txt%00.html", "/files/./../../../../etc/passwd", "/files/..",
      "/../system.lion", "/files/%252e%252e/ion.lua",
    } do
      local answer = a:ask("GET", path)
      assert.truthy(answer.status == 404 or answer.status == 400, path .. ": " .. answer.status)
      assert.is_nil(answer.body:find("shop", 1, true))
      assert.is_nil(answer.body:find("root:", 1, true))
    end
  end)

  for _, name in ipairs {
    "status-99", "status-1000", "status-text", "status-half", "status-nan", "status-101", "header-break",
    "header-line", "header-name", "header-zero", "header-table", "body-number", "body-true", "body-function",
    "body-self", "body-nan", "key", "empty", "number", "true", "nothing", "throws-nil", "throws-table",
    "throws-object",
  } do
    it("answers 500 for a handler that gives " .. name, function()
      local answer = a:ask("GET", "/odd/" .. name)
      assert.equal(500, answer.status)
      assert.is_nil(answer.head:lower():find("set-cookie", 1, true))
      assert.is_nil(answer.head:lower():find("x-c", 1, true))
    end)
  end

  it("drops what a handler says of the connection", function()
    local answer = a:ask("GET", "/odd/lengths")
    assert.equal(200, answer.status)
    assert.equal("12345", answer.body)
    assert.is_nil(answer.headers["transfer-encoding"])
  end)

  it("cuts off a body whose piece is no text", function()
    local answer = talk(a.url, client.text("GET", "/odd/piece"))
    assert.is_nil(answer) -- its end never came
  end)

  for what, text in pairs {
    ["nonsense"] = "NONSENSE\r\n\r\n",
    ["no version"] = "GET /\r\n\r\n",
    ["a header without a name"] = "GET / HTTP/1.1\r\nhost: a\r\n: b\r\n\r\n",
    ["a name with a blank before the colon"] = "GET / HTTP/1.1\r\nhost: a\r\nx : b\r\n\r\n",
    ["a length that is none"] = "POST /visit HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    ["two lengths"] = "POST /visit HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n1",
    ["length and chunks"] =
      "POST /visit HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ["a chunk's size that is none"] =
      "POST /visit HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
  } do
    it("answers 400 to " .. what, function()
      local answer = talk(a.url, text)
      assert.equal(400, answer and answer.status)
    end)
  end

  it("answers 431 to headers without end", function()
    local one = assert(socket.connect(a.url))
    one:send("GET / HTTP/1.1\r\nhost: a\r\nx: " .. ("a"):rep(100000) .. "\r\n\r\n")
    local answer = client.answer(one)
    one:close()
    assert.equal(431, answer and answer.status)
  end)

  it("answers 413 to a body that is too large, before it has come", function()
    local one = assert(socket.connect(a.url))
    one:send "POST /visit HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n"
    local answer = client.answer(one)
    one:close()
    assert.equal(413, answer and answer.status)
  end)

  it("answers several requests that were sent at once, in their order", function()
    local one = assert(socket.connect(a.url))
    local get = client.text("GET", "/")
    one:send(get .. client.text("GET", "/nowhere") .. get)
    local statuses = {}
    for i = 1, 3 do
      statuses[i] = client.answer(one).status
    end
    one:close()
    assert.same({ 200, 404, 200 }, statuses)
  end)

  it("outlives clients that leave in the middle of a request", function()
    local text = client.text("POST", "/visit", { body = "1" })
    for size = 1, #text - 1, 6 do
      local one = assert(socket.connect(a.url))
      one:send(text:sub(1, size))
      one:close()
    end
    assert.equal("0", a:ask("GET", "/count?of=visit/number").body)
  end)

  it("keeps the system database from applications", function()
    cluster:run(a, application.files("here", {
      web = [[
function web.read_system() return tostring(ion.db "system":count "eavt") end
function web.elsewhere() return tostring(ion.db "../one/system":count "eavt") end
function web.write_system()
  ion.connect "system":transact { { ["app/name"] = "forged" } }
  return "written"
end]],
      invoke = 'read_system = "shop.web/read_system", write_system = "shop.web/write_system", '
        .. 'elsewhere = "shop.web/elsewhere",',
    }), "a")
    for _, name in ipairs { "read_system", "write_system", "elsewhere" } do
      local result = cluster:lion("invoke", "shop/" .. name, "null", "--node", a.door)
      assert.is_not.equal(0, result.code)
    end
    local query = "[:find [?n ...] :where [_ :app/name ?n]]"
    local asked = cluster:lion("q", "system", query, "--node", a.door, "--output", "json")
    assert.equal('["shop"]\n', asked.out)
  end)

  for _, case in ipairs {
    { "transacts", 'ion.connect "other":transact { { ["db/doc"] = "reached" } }' },
    { "transacts in its own", 'ion.connect():transact { { ["db/doc"] = "reached" } }' },
    { "asks another database", 'ion.db "other":q "[:find ?e :where [?e :db/doc]]"' },
  } do
    it("refuses a transaction function that " .. case[1], function()
      local revision, why = cluster:push(a, application.files("here", {
        allow = '"shop.tx/outside"',
        tx = 'local ion = require "ion"\nfunction tx.outside() ' .. case[2]
          .. ' return { { ["db/doc"] = "reached" } } end',
      }))
      if revision then -- then it fails where it runs
        assert.equal(0, cluster:deploy(a, revision, "a").code)
        assert.truthy(a:ask("POST", "/call/outside").status >= 400)
      else
        assert.truthy(why:find("ion", 1, true), why)
      end
      local query = '[:find ?e :where [?e :db/doc "reached"]]'
      local asked = cluster:lion("q", "shop", query, "--node", a.door, "--output", "json")
      assert.equal("[]\n", asked.out)
    end)
  end

  it("fails a transaction whose function throws, with its reason, and takes the next", function()
    local answer = a:ask("POST", "/call/positive", { body = "-1" })
    assert.truthy(answer.status >= 400)
    assert.equal(200, a:ask("POST", "/call/positive", { body = "77" }).status)
  end)
end)
