--- A node whose control door is open over TCP: commands, connections and applications ask with tokens.
local application = require "spec.node.application"
local client = require "spec.node.client"
local lion = require "lion"
local node = require "spec.node.node"
local program = require "spec.lua.program"
local socket = require "spec.node.socket"

describe("A control door over TCP", function()
  local cluster, a, tcp

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "a", group = "main", workers = 1, control = "127.0.0.1:0" }
    tcp = a.tcp
  end)
  teardown(function() cluster:close() end)

  local function make(name, roles)
    local result = cluster:lion("token", "create", name, "--roles", roles, "--node", a.door)
    assert.equal(0, result.code, result.err)
    return result.out:match "^(%S+)\n$"
  end

  -- A command with the token in the environment.
  local function lion_as(token, ...)
    return program.run(cluster.folder, { ... }, { env = "LION_TOKEN=" .. token })
  end

  local function raised(fn, ...)
    local ok, e = pcall(fn, ...)
    assert.is_false(ok)
    return e
  end

  it("is told beside the socket, which needs no token", function()
    assert.truthy(tcp:find "^http://127.0.0.1:%d+$")
    assert.equal(tcp, "http://" .. a:control("GET", "/node").json().control_address)
    assert.equal(401, client.ask(tcp, "GET", "/node").status)
    local headers = { authorization = "Bearer none" }
    assert.equal(200, client.ask(a.door, "GET", "/node", { headers = headers }).status)
  end)

  it("takes the token of a command from its option, the environment or a file", function()
    local token = make("looks", "read")
    assert.equal(0, cluster:lion("groups", "--node", tcp, "--token", token).code)
    assert.equal(0, lion_as(token, "status", "--node", tcp).code)
    local path = cluster.folder .. "/token"
    program.write(path, token .. "\n")
    local file = "LION_TOKEN_FILE=" .. path
    assert.equal(0, program.run(cluster.folder, { "groups", "--node", tcp }, { env = file }).code)
    program.write(path, "\n")
    assert.equal(1, program.run(cluster.folder, { "groups", "--node", tcp }, { env = file }).code)
    local result = cluster:lion("groups", "--node", tcp)
    assert.equal(1, result.code)
    assert.truthy(result.err:find("a token is needed", 1, true) and result.err:find("LION_TOKEN", 1, true))
  end)

  it("lets a token that deploys push, deploy, follow and roll back, and no more", function()
    local token = make("ci", "deploy")
    cluster.repository:commit(application.files "1")
    local pushed = lion_as(token, "push", cluster.repository.dir, "--node", tcp)
    assert.equal(0, pushed.code, pushed.err)
    local deployed = lion_as(token, "deploy", pushed.out:match "^(%S+)", "--group", "main", "--node", tcp)
    assert.equal(0, deployed.code, deployed.err)
    local result = lion_as(token, "q", "shop", "[:find ?e :where [?e :db/ident]]", "--node", tcp)
    assert.equal(1, result.code)
    assert.truthy(result.err:find("POST /q needs the role read, which the token ci has not", 1, true))
    result = lion_as(token, "token", "list", "--node", tcp)
    assert.truthy(result.err:find("needs the role admin", 1, true))
  end)

  it("asks for the token of each request that a worker answers", function()
    local token = make("calls", "invoke")
    local headers = { authorization = "Bearer " .. token }
    local text = client.text("POST", "/invoke/shop/double", { headers = headers, body = "21" })
    local one = socket.connect(tcp)
    for _ = 1, 2 do -- the first is handed over, with its connection
      one:send(text)
      assert.equal("42\n", client.answer(one).body)
    end
    one:send(client.text("POST", "/invoke/shop/double", { body = "21" }))
    local answer = client.answer(one)
    assert.equal(401, answer.status)
    assert.equal('Bearer realm="lion"', answer.headers["www-authenticate"])
    one:send(client.text("POST", "/q", { headers = headers, body = '{"app":"shop","query":"[:find ?e]"}' }))
    assert.equal(403, client.answer(one).status)
    assert.equal(0, cluster:lion("token", "revoke", "calls", "--node", a.door).code)
    one:send(text)
    answer = client.answer(one)
    assert.equal(401, answer.status)
    assert.truthy(answer.body:find("the token calls was revoked", 1, true))
    one:close()
  end)

  it("serves remote connections by their token's roles", function()
    local e = raised(lion.connect, tcp .. "/orders")
    assert.equal("lion/unauthenticated", e.code)
    local conn = lion.connect(tcp .. "/orders", { token = make("writes", "read,transact") })
    conn:transact { { ["db/doc"] = "an order" } }
    assert.equal(1, #conn:db():q '[:find ?e :where [?e :db/doc "an order"]]')
    local reader = lion.connect(tcp .. "/orders", { token = make("reads", "read") })
    assert.equal(conn:db():count "eavt", reader:db():count "eavt")
    e = raised(reader.transact, reader, { { ["db/doc"] = "another" } })
    assert.equal("lion/forbidden", e.code)
    assert.equal("forbidden", e.category)
    local system = lion.connect(tcp .. "/system", { token = make("curious", "read") })
    assert.is_true(#system:db():q "[:find ?n :where [_ :token/name ?n]]" > 0)
    e = raised(lion.connect, tcp .. "/system", { token = make("blind", "transact,deploy") })
    assert.truthy(e.message:find("reading the system database needs the role read", 1, true))
    e = raised(lion.connect, tcp .. "/none", { token = make("looker", "read") })
    assert.equal("lion/not-found", e.code)
    assert.equal(0, cluster:lion("token", "revoke", "writes", "--node", a.door).code)
    e = raised(conn.db, conn)
    assert.truthy(e.message:find("the token writes was revoked", 1, true))
    conn:close()
    reader:close()
  end)

  it("gives a prompt on a database to who has the roles for it", function()
    local token = make("types", "read,transact")
    local typed = table.concat({ 'conn:transact{ { ["db/doc"] = "typed" } }.t > 0',
      '[:find ?d . :in $ ?d :where [_ :db/doc ?d]] "typed"', ":schema lion", "" }, "\n")
    local result = program.run(cluster.folder, { "repl", "orders", "--node", tcp },
      { env = "LION_TOKEN=" .. token, input = typed })
    assert.equal(0, result.code, result.err)
    assert.truthy(result.out:find "^true\n")
    assert.truthy(result.out:find "\ntyped\n")
    assert.truthy(result.out:find("lion.tx/id", 1, true))
    result = program.run(cluster.folder, { "repl", "none", "--node", tcp, "--token", token })
    assert.equal(3, result.code)
    assert.equal(2, program.run(cluster.folder, { "repl", "--node", tcp }).code)
  end)

  -- A head without its body. → the socket
  local function begin(path, headers)
    local one = socket.connect(tcp)
    headers["content-length"] = headers["content-length"] or 16 * 2 ^ 20
    one:send(client.text("POST", path, { headers = headers }))
    return one
  end

  it("refuses who may not ask before it has read the body, and closes", function()
    local readers = { authorization = "Bearer " .. make("head-reads", "read") }
    for _, case in ipairs { { {}, "/transact", 401, "lion/unauthenticated" },
      { { authorization = "Bearer none" }, "/transact", 401, "lion/unauthenticated" },
      { readers, "/transact", 403, "lion/forbidden" }, { readers, "/nothing", 404, "lion/no-route" },
      { { expect = "100-continue" }, "/transact", 401, "lion/unauthenticated" },
      { { ["transfer-encoding"] = "chunked" }, "/push", 401, "lion/unauthenticated" } } do
      local headers = {}
      for name, value in pairs(case[1]) do headers[name] = value end
      if headers["transfer-encoding"] then headers["content-length"] = "" end
      local one = socket.connect(tcp)
      local text = client.text("POST", case[2], { headers = headers })
      one:send(headers["transfer-encoding"] and text:gsub("content%-length: \r\n", "")
        or text:gsub("\r\n\r\n$", ("\r\ncontent-length: %d\r\n\r\n{"):format(16 * 2 ^ 20)))
      local told = assert(client.answer(one))
      assert.equal(case[3], told.status)
      assert.truthy(told.body:find(case[4], 1, true), told.body)
      assert.equal("close", told.headers.connection)
      node.wait_for(function() return one:fill() end, "the end of the connection")
      one:close()
    end
  end)

  it("reads the body of who may, in pieces, and after being asked whether to send it", function()
    local token = "Bearer " .. make("head-writes", "transact")
    local body = '{"db":"orders","tx":[{"db/doc":"in pieces"}]}'
    local one = begin("/transact", { authorization = token, ["content-length"] = #body })
    for piece in body:gmatch "..?.?.?.?.?.?" do
      one:send(piece)
      socket.wait({ one }, 5)
    end
    assert.equal(200, assert(client.answer(one)).status)
    one:send(client.text("POST", "/transact", { headers = { authorization = token }, body = body }))
    assert.equal(200, assert(client.answer(one)).status) -- the connection is kept
    one:close()
    one = begin("/transact", { authorization = token, expect = "100-continue", ["content-length"] = #body })
    local interim = assert(client.answer(one))
    assert.equal(100, interim.status)
    one:send(body)
    assert.equal(200, assert(client.answer(one)).status)
    one:close()
  end)

  it("goes on when who sends a head leaves", function()
    for _ = 1, 20 do begin("/transact", {}):close() end
    for _ = 1, 20 do begin("/transact", { authorization = "Bearer " .. ("x"):rep(100) }):close() end
    assert.equal(401, client.ask(tcp, "GET", "/node").status)
    assert.equal(200, a:control("GET", "/node").status)
  end)

  it("keeps tokens and what was revoked over a restart of the door", function()
    local token = make("stays", "read")
    local headers = { authorization = "Bearer " .. token }
    node.kill(a:ready_pids("door", 1)[1])
    a:ready_pids("door", 1)
    assert.equal(200, client.ask(tcp, "GET", "/metrics", { headers = headers }).status)
    local list = cluster:lion("token", "list", "--node", a.door).out
    assert.truthy(list:find "stays +read +live")
    assert.truthy(list:find "calls +invoke +revoked")
  end)

  it("opens one for a node that follows, by the same tokens", function()
    local b = cluster:start { name = "b", group = "web", workers = 1, follow = a, control = "127.0.0.1:0" }
    local token = make("both", "read")
    local headers = { authorization = "Bearer " .. token }
    assert.equal(200, client.ask(b.tcp, "GET", "/node", { headers = headers }).status)
    assert.equal(0, cluster:lion("token", "revoke", "both", "--node", a.door).code)
    assert.equal(401, client.ask(b.tcp, "GET", "/node", { headers = headers }).status)
  end)
end)
