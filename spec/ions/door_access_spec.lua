-- Who may ask what of the control door over TCP: tokens, roles, and what is said to who may not.
local access = require "ions.door.access"
local codec = require "lion.remote.codec"
local json = require "lion.json"
local world = require "spec.ions.door_world"

describe("Over TCP the control door", function()
  local w, admin

  local function ask(token, method, target, body, headers)
    headers = headers or {}
    headers.authorization = token and "Bearer " .. token
    w.remote = "192.0.2.7:5000"
    local status, told = w:ask(method, target, body, headers)
    w.remote = nil
    return status, told
  end

  local function make(name, ...)
    local status, made = w:ask("POST", "/tokens", { name = name, roles = { ... } })
    assert.equal(201, status, type(made) == "table" and json.write(made) or made)
    return made.token
  end

  local function refused(status, code, expected, ...)
    local got, body = ask(...)
    assert.equal(status, got, type(body) == "table" and json.write(body) or body)
    assert.equal(code, body.error.code)
    assert.truthy(body.error.message:find(expected, 1, true), body.error.message)
    return body.error
  end

  local function values(token, asked)
    local headers = { ["content-type"] = codec.TYPE }
    local status, body = ask(token, "POST", "/values", codec.write(asked), headers)
    return status, codec.read(body)
  end

  setup(function()
    w = world.new()
    admin = make("root", "admin")
  end)
  teardown(function() w:close() end)

  it("tells nothing to who brings no token, not even which paths there are", function()
    for _, target in ipairs { "/node", "/nowhere", "/tokens" } do
      refused(401, "lion/unauthenticated", "a token is needed", nil, "GET", target)
      assert.equal('Bearer realm="lion"', w.headers["www-authenticate"])
    end
    refused(401, "lion/unauthenticated", "a token is needed", nil, "POST", "/transact", "{")
  end)

  it("takes a token only as it is sent by RFC 6750", function()
    local twice = ("Bearer %s, Bearer x"):format(admin)
    for _, header in ipairs { "Basic YWJj", "Bearer", "Bearer ", "Bearer a b", twice, admin } do
      w.remote = "192.0.2.7:5000"
      local status, body = w:ask("GET", "/node", nil, { authorization = header })
      w.remote = nil
      assert.equal(401, status, header)
      assert.equal("lion/unauthenticated", body.error.code)
    end
    w.remote = "192.0.2.7:5000"
    assert.equal(200, (w:ask("GET", "/node", nil, { authorization = "bearer  " .. admin })))
    w.remote = nil
  end)

  it("knows no token but those that were made", function()
    local long = ("x"):rep(60000)
    for _, token in ipairs { "x", admin .. "x", admin:sub(1, -2), admin:upper(), long, "\255\254" } do
      refused(401, "lion/unauthenticated", "no such token", token, "GET", "/node")
    end
  end)

  it("gives a token once, and keeps its hash alone", function()
    local token = make("kept", "read")
    assert.truthy(token:find "^lion_[%w_-]+$" and #token == 48)
    local _, list = w:ask("GET", "/tokens")
    for _, one in ipairs(list) do
      assert.is_nil(one.token)
      assert.is_nil(one.hash)
    end
    local _, told = w:ask("POST", "/q", { db = "system",
      query = '[:find ?h . :where [?e :token/name "kept"] [?e :token/hash ?h]]' })
    assert.equal(require("ions.hash").sha256(token), told.result)
    for datom in w.door.system:db():datoms "eavt" do assert.not_equal(token, datom[3]) end
  end)

  it("refuses a token from the moment on that it is revoked", function()
    local token = make("brief", "read")
    assert.equal(200, (ask(token, "GET", "/node")))
    assert.equal(200, (w:ask("DELETE", "/tokens/brief")))
    refused(401, "lion/unauthenticated", "the token brief was revoked", token, "GET", "/node")
    local status, again = w:ask("DELETE", "/tokens/brief")
    assert.equal(200, status)
    assert.equal("revoked", again.state)
  end)

  it("refuses a token whose time is over", function()
    local core = require "lion.core"
    local now = core.now_ms
    local status, made = w:ask("POST", "/tokens", { name = "timed", roles = { "read" },
      expires_at = require("lion.values").format_instant(now() + 60000) })
    assert.equal(201, status)
    assert.equal(200, (ask(made.token, "GET", "/node")))
    core.now_ms = function() return now() + 60001 end
    refused(401, "lion/unauthenticated", "the token timed ended at 20", made.token, "GET", "/node")
    local _, list = w:ask("GET", "/tokens")
    core.now_ms = now
    for _, one in ipairs(list) do
      if one.name == "timed" then assert.equal("expired", one.state) end
    end
  end)

  it("gives a name again when its token is over, with the new one's roles alone", function()
    local first = make("again", "read", "deploy")
    local status, body = w:ask("POST", "/tokens", { name = "again", roles = { "read" } })
    assert.equal(409, status)
    assert.equal("lion/name-taken", body.error.code)
    w:ask("DELETE", "/tokens/again")
    local second = make("again", "transact", "read")
    refused(401, "lion/unauthenticated", "no such token", first, "GET", "/node")
    assert.equal(200, (ask(second, "GET", "/node")))
    refused(403, "lion/forbidden", "needs the role deploy", second, "GET", "/params")
    local _, list = w:ask("GET", "/tokens")
    for _, one in ipairs(list) do
      if one.name == "again" then
        assert.same({ "read", "transact" }, one.roles)
        assert.is_nil(one.revoked_at)
      end
    end
  end)

  it("makes one token of two that are asked for by one name at once", function()
    local body = json.write { name = "twins", roles = { "read" } }
    local one, other = w:begin("POST", "/tokens", body), w:begin("POST", "/tokens", body)
    local statuses = { (w:finish(one)), (w:finish(other)) }
    table.sort(statuses)
    assert.same({ 201, 409 }, statuses)
  end)

  for _, case in ipairs {
    { { name = "x" }, "roles is needed" },
    { { name = "x", roles = {} }, "may nothing" },
    { { name = "x", roles = { "reed" } }, "did you mean read?" },
    { { name = "a b", roles = { "read" } }, "no token's name" },
    { { name = ("x"):rep(101), roles = { "read" } }, "no token's name" },
    { { name = "x", roles = { "read" }, expires_at = "tomorrow" }, "no instant" },
    { { name = "x", roles = { "read" }, expires_at = "2020-01-01T00:00:00Z" }, "in the past" },
    { { name = "x", roles = { "read" }, token = "mine" }, "token is no field" },
  } do
    it("makes no token of " .. json.write(case[1]):sub(1, 60), function()
      refused(400, "lion/syntax", case[2], admin, "POST", "/tokens", case[1])
    end)
  end

  it("knows which token is meant where there is none", function()
    make("nearly", "read")
    local status, body = w:ask("DELETE", "/tokens/neerly")
    assert.equal(404, status)
    assert.truthy(body.error.message:find("did you mean nearly?", 1, true))
  end)

  -- ---- roles -------------------------------------------------------------------------------------

  -- A role may what the table says, and is refused all else by the role's name.
  for _, role in ipairs(access.ROLES) do
    it("lets the role " .. role .. " do what it may", function()
      local token = make("only-" .. role, role)
      for route, roles in pairs(access.NEEDED) do
        local method, path = route:match "^(%S+) (%S+)$"
        local is_allowed = role == "admin"
        for _, one in ipairs(roles) do is_allowed = is_allowed or one == role end
        local id
        w.remote = "192.0.2.7:5000"
        id = w:begin(method, (path:gsub(":%w+", "none")), "", { authorization = "Bearer " .. token })
        w.remote = nil
        if w.answers[id] and w.answers[id][1] == "handover" then
          assert.is_true(is_allowed, route)
        else
          local status, body = w:finish(id)
          assert.equal(is_allowed, status ~= 403, route)
          if not is_allowed then
            assert.equal("lion/forbidden", body.error.code)
            assert.truthy(body.error.message:find(route .. " needs the role ", 1, true))
            assert.same(roles, body.error.data.roles)
          end
        end
      end
    end)
  end

  it("shows the system database to who may read, and not to who only writes", function()
    local reader, writer = make("reader", "read"), make("only-writes", "transact")
    local q = { db = "system", query = "[:find ?n :where [_ :token/name ?n]]" }
    assert.equal(200, (ask(reader, "POST", "/q", q)))
    refused(403, "lion/forbidden", "needs the role read", writer, "POST", "/q", q)
    -- who only writes opens other databases to write there
    for _, asked in ipairs { { op = "open", name = "system" }, { op = "newest", name = "system" } } do
      local status, e = values(writer, asked)
      assert.equal(403, status, asked.op)
      assert.equal("lion/forbidden", e.code)
      assert.equal(200, (values(reader, asked)))
    end
    -- what is secret lies there sealed, tokens by their hash
    local status, e = values(reader, { op = "transact", name = "system", tx = {} })
    assert.equal(403, status)
    assert.equal("lion/forbidden", e.code)
  end)

  it("looks at the role of each operation of remote connections", function()
    local reader, writer = make("r", "read"), make("w", "transact")
    assert.equal(200, (values(writer, { op = "open", name = "shop", create = true })))
    assert.equal(200, (values(reader, { op = "open", name = "shop", create = true })))
    local status, e = values(reader, { op = "open", name = "other", create = true })
    assert.equal(404, status)
    assert.equal("lion/not-found", e.code)
    local tx = { op = "transact", name = "shop", tx = { { ["db/doc"] = "x" } } }
    assert.equal(403, (values(reader, tx)))
    assert.equal(200, (values(writer, tx)))
    local _, told = values(writer, { op = "newest", name = "shop" })
    status, e = values(writer, { op = "count", value = told.token, arguments = { "eavt" } })
    assert.equal(403, status)
    assert.truthy(e.message:find("count needs the role read", 1, true))
    for _, op in ipairs { "backup", "index" } do
      assert.equal(403, (values(writer, { op = op, name = "shop", path = "/nowhere" })))
    end
  end)

  it("lets nobody say who they are in the body", function()
    local writer = make("liar", "transact")
    local status = values(writer, { op = "newest", name = "system", who = { roles = { admin = true } } })
    assert.equal(403, status)
  end)
end)
