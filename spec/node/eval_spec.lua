--- Lua that is sent to a node's control door, and runs there in a process of its own.
local client = require "spec.node.client"
local json = require "lion.json"
local node = require "spec.node.node"
local program = require "spec.lua.program"

describe("A chunk that a control door evaluates", function()
  local cluster, a

  local function ask(asked, address, headers)
    asked.db = asked.db or "shop"
    local options = { body = json.write(asked), headers = headers }
    local told = client.ask(address or a.door, "POST", "/eval", options)
    return told.json(), told.status
  end

  local function evaluate(chunk, options)
    options = options or {}
    options.chunk = chunk
    local told, status = ask(options)
    assert.equal(200, status, json.write(told))
    return told
  end

  local function refused(chunk, options)
    options = options or {}
    options.chunk = chunk
    local told, status = ask(options)
    return assert(told.error, json.write(told)), status
  end

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "a", group = "main", workers = 1, control = "127.0.0.1:0" }
    local schema = '[{"db/ident":":item/name","db/valueType":":db.type/string",'
      .. '"db/cardinality":":db.cardinality/one"}]'
    local body = '{"db":"shop","tx":' .. schema .. "}"
    assert.equal(200, a:control("POST", "/transact", { body = body }).status)
  end)
  teardown(function() cluster:close() end)

  it("gives its values as the prompt shows them, and what it printed", function()
    local told = evaluate "1 + 1, 'text', { a = 1, b = { 2, 3 } }, nil, db"
    assert.same({ "2\n", '"text"\n', "{:a 1, :b [2 3]}\n", "nil\n" }, { unpack(told.values, 1, 4) })
    assert.truthy(told.values[5]:find "^db shop at %d+")
    told = evaluate "print('one', 2)\nprint(nil)\nlocal x = 3\nreturn x * 2"
    assert.equal("one\t2\nnil\n", told.output)
    assert.same({ "6\n" }, told.values)
    assert.same({}, evaluate("x = 1").values)
    assert.is_true(evaluate("for i = 1, 100 do end").steps >= 100)
  end)

  it("has the database, which it may write to", function()
    local told = evaluate [==[
      local report = conn:transact { { ["item/name"] = "pen" } }
      local names = report.db_after:q "[:find [?n ...] :where [_ :item/name ?n]]"
      return names[1], #report.tx_data, db:q "[:find [?n ...] :where [_ :item/name ?n]]"]==]
    assert.same({ '"pen"\n', "2\n", "[]\n" }, told.values)
    told = evaluate "db:filter(function() return false end):count 'eavt' >= 0"
    assert.same({ "true\n" }, told.values)
  end)

  it("keeps nothing for the next one", function()
    evaluate "y = 7"
    assert.same({ "nil\n" }, evaluate("y").values)
  end)

  it("sees nothing of the machine", function()
    local names = "io, debug, ffi, package, jit, os.execute, os.getenv, collectgarbage"
    assert.equal(("nil\n"):rep(8), table.concat(evaluate(names).values))
    for _, chunk in ipairs { "require 'ffi'", "require 'lion.core'", "lion.connect '/tmp/other.lion'",
      "lion.delete '/tmp/other.lion'", "loadstring('\\27LJ')()" } do
      local e = refused(chunk)
      assert.truthy(e.code == "lion/module" or e.code == "lion/not-allowed" or e.code == "lion/eval", e.code)
    end
  end)

  it("is told where it fails, with what it had printed", function()
    local e, status = refused "print 'before'\nlocal function inner() error 'bad' end\ninner()"
    assert.same({ 400, "lion/eval", "eval:2: bad" }, { status, e.code, e.message })
    assert.equal("before\n", e.data.output)
    assert.truthy(e.data.trace:find("in function 'inner'", 1, true))
    assert.is_nil(e.data.trace:find("ions.evaluate", 1, true))
    e, status = refused "conn:transact { { ['item/none'] = 1 } }"
    assert.same({ 400, "lion/unknown-attribute" }, { status, e.code })
    e, status = refused "lion.cancel { category = 'conflict', message = 'taken' }"
    assert.same({ 409, "taken" }, { status, e.message })
  end)

  it("is told what is wrong with its text", function()
    for _, chunk in ipairs { "x =", "for", "1 +", ")", "\27LJ\2" } do
      local e, status = refused(chunk)
      assert.same({ 400, "lion/syntax" }, { status, e.code }, chunk)
    end
  end)

  it("ends at its deadline, wherever it is", function()
    for _, chunk in ipairs { "while true do end", "while true do pcall(error) end",
      "local co = coroutine.wrap(function() while true do end end) co()" } do
      local e, status = refused(chunk, { timeout_ms = 100 })
      assert.same({ 504, "lion/timeout" }, { status, e.code }, chunk)
    end
  end)

  it("is killed where it does not come back", function()
    local e, status = refused([==[
      local rows = {}
      for i = 1, 3000 do rows[i] = i end
      return lion.q("[:find (count ?a) . :in [?a ...] [?b ...] [?c ...] "
        .. ":where [(< ?a ?b)] [(< ?b ?c)] [(< ?c ?a)]]", rows, rows, rows)]==], { timeout_ms = 1 })
    assert.same({ 504, "lion/timeout" }, { status, e.code })
    node.wait_for(function() return #a:pids "evaluator" == 0 end, "the end of its process")
  end)

  it("has so much memory, and no more", function()
    local e, status = refused "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end"
    assert.same({ 504, "lion/limit" }, { status, e.code })
    assert.same({ "1\n" }, evaluate("1").values)
  end)

  it("writes a megabyte at most", function()
    local told = evaluate "for i = 1, 30000 do print(('x'):rep(100)) end return ('y'):rep(100)"
    assert.is_true(told.is_cut)
    assert.equal(2 ^ 20, #told.output)
    assert.is_nil(evaluate("('y'):rep(1000)").is_cut)
  end)

  it("names a database that is there, and not the system's", function()
    assert.same({ "lion/not-found", "lion/not-allowed" },
      { refused("1", { db = "shp" }).code, refused("1", { db = "system" }).code })
    for _, body in ipairs { {}, { chunk = 7 }, { chunk = "1", timeout_ms = 30001 }, { chunk = "1", more = 1 },
      { chunk = ("x"):rep(2 ^ 20 + 1) } } do
      local _, status = ask(body)
      assert.equal(400, status)
    end
  end)

  it("is for who may administer the node", function()
    local function token(name, roles)
      local result = cluster:lion("token", "create", name, "--roles", roles, "--node", a.door)
      return { authorization = "Bearer " .. assert(result.out:match "^(%S+)\n$", result.err) }
    end
    local told, status = ask({ chunk = "1" }, a.tcp, token("most", "read,transact,invoke,deploy"))
    assert.same({ 403, "lion/forbidden" }, { status, told.error.code })
    told, status = ask({ chunk = "1" }, a.tcp)
    assert.same({ 401, "lion/unauthenticated" }, { status, told.error.code })
    told = ask({ chunk = "40 + 2" }, a.tcp, token("admin", "admin"))
    assert.same({ "42\n" }, told.values)
  end)

  it("is what stands behind :eval at the prompt, over several lines", function()
    local input = ":eval for i = 1, 2 do\nprint('line', i)\nend\n:eval db:count('eavt') > 0\n"
      .. ":eval error 'bad'\nconn.name\n:eval\n"
    local result = program.run(cluster.folder, { "repl", "shop", "--node", a.door }, { input = input })
    assert.equal('line\t1\nline\t2\ntrue\n"shop"\n', result.out)
    assert.truthy(result.err:find("eval:1: bad", 1, true), result.err)
    assert.truthy(result.err:find(":eval takes Lua", 1, true), result.err)
    result = program.run(cluster.folder, { "repl" }, { input = ":eval 1\n" })
    assert.truthy(result.err:find(":eval is for a database of a node", 1, true))
  end)
end)
