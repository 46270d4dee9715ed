--- The commands that ask a node's control door, against something that answers as one does.
local fake_door = require "spec.lua.fake_door"
local json = require "lion.json"
local program = require "spec.lua.program"
local pty = require "spec.lua.pty"
local repository = dofile "spec/ions/repository.lua"

local A, GOOD, BAD = ("a"):rep(40), "f00d" .. ("0"):rep(36), "bad0" .. ("0"):rep(36)
local ENDLESS, LOST = "5105" .. ("0"):rep(36), "1057" .. ("0"):rep(36)

describe("A command that talks to a node", function()
  local door, folder

  setup(function()
    folder = program.folder()
    door = fake_door.start()
  end)

  teardown(function()
    door:stop()
    program.remove(folder)
  end)

  local function run(words, settings)
    local line = { unpack(words) }
    line[#line + 1] = "--node"
    line[#line + 1] = door.address
    return program.run(folder, line, settings)
  end

  -- What it prints, with nothing on standard error.
  local function printed(...)
    local result = run({ ... })
    assert.equal("", result.err)
    assert.equal(0, result.code)
    return result.out
  end

  local function last_asked(path)
    local list = door:asked(path)
    return list[#list]
  end

  -- ---- which node ----------------------------------------------------------------------------------

  for _, words in ipairs {
    { "push" }, { "deploy", "f00d" }, { "rollback" }, { "status" }, { "revisions" }, { "groups" },
  } do
    it("says how to name one: lion " .. words[1], function()
      local result = program.run(folder, words, { env = "LION_NODE=" })
      assert.equal(2, result.code)
      assert.matches("%-%-node", result.err)
      assert.matches("LION_NODE", result.err)
    end)
  end

  it("takes it from LION_NODE", function()
    for _, name in ipairs { door.address, "http://" .. door.address .. "/" } do
      assert.equal(0, program.run(folder, { "groups" }, { env = "LION_NODE=" .. name }).code)
    end
    local result = program.run(folder, { "groups", "--node", door.address }, { env = "LION_NODE=none" })
    assert.equal(0, result.code)
  end)

  it("refuses what is no address", function()
    local result = program.run(folder, { "groups", "--node", "nobody" })
    assert.equal(2, result.code)
    assert.matches("nobody is no address of a node", result.err)
  end)

  it("ends with 5 and says where it looked where there is none", function()
    for _, node in ipairs { ".", "unix:control.sock", "./control.sock" } do
      local result = program.run(folder, { "groups", "--node", node })
      assert.equal(5, result.code)
      assert.matches("control.sock: No such file", result.err)
      assert.matches("lion node", result.err)
    end
    local result = program.run(folder, { "invoke", "shop/total", "--node", "127.0.0.1:1" })
    assert.equal(5, result.code)
    assert.matches("127.0.0.1:1: Connection refused", result.err)
  end)

  it("tells a node's door from another", function()
    local result = run { "invoke", "shop/text" }
    assert.equal(1, result.code)
    assert.matches("no node's control door", result.err)
  end)

  -- ---- looking -------------------------------------------------------------------------------------

  it("shows a node: its processes, what its group runs, and what a worker runs instead", function()
    local text = printed("status", "--wait")
    assert.matches("node one of group production, primary: up since 2026%-11%-28T16:00:00.000Z", text)
    assert.matches("\nworker 1 +12 +ready +2026%S+ +2 +signal 9\n", text)
    assert.matches("\nshop +aaaaaaaaaaaa +2026%S+ +ann\n", text)
    assert.matches("worker 1 runs bbbbbbbbbbbb of shop\n", text)
    local answer = json.read(printed("status", "--output", "json"))
    assert.equal("one", answer.node.name)
    assert.equal(answer.node.name, json.read(printed("status", "--json")).node.name)
  end)

  it("waits for a node in vain no longer than it may", function()
    local result = program.run(folder, { "status", "--wait", "--timeout", "1", "--node", "." })
    assert.equal(5, result.code)
    assert.matches("control.sock", result.err)
  end)

  it("lists groups and revisions", function()
    local groups = printed "groups"
    assert.matches("\nproduction %(primary%) +1 of 2 +shop +aaaaaaaaaaaa +2026%S+ +ann\n", groups)
    assert.matches("\nstaging +1\n", groups)
    assert.equal(3, #json.read(printed("groups", "--json")))
    local revisions = printed("revisions", "--app", "shop", "--limit", "7")
    assert.same({ app = "shop", limit = "7" }, last_asked "/revisions")
    assert.matches("\nshop +aaaaaaaaaaaa +production +2026%S+ +ann +the shop opens\n", revisions)
    assert.matches("\nshop +unrepro/try +2026%S+\n", revisions)
    assert.equal("[]\n", printed("revisions", "--app", "none", "--json"))
  end)

  -- ---- deploying -----------------------------------------------------------------------------------

  it("shows a deployment's steps, each once, and how it ended", function()
    local text = printed("deploy", GOOD, "--group", "production", "--app", "shop")
    local id = text:match "^production: shop f00d00000000  %((%S+)%)\n"
    assert.is_truthy(id)
    assert.equal(1, select(2, text:gsub("  load     one +0.25 s\n", "")))
    assert.equal(1, select(2, text:gsub("  check    one +0.25 s\n", "")))
    assert.equal(1, select(2, text:gsub("  switch   one +worker 1 +0.25 s\n", "")))
    assert.matches("production runs f00d00000000 of shop %(1.50 s, before it aaaaaaaaaaaa%)\n$", text)
    local asked = last_asked "/deploy"
    assert.same({ "production" }, asked.groups)
    assert.equal(GOOD, asked.revision)
    assert.equal("shop", asked.app)
    assert.is_nil(asked.add)
    assert.matches("^%x+%-%x+%-7", asked.id)
    assert.matches("@", asked.by)
    assert.equal(text, printed("status", id))
  end)

  it("deploys to several groups, and says so where one runs it already", function()
    local text = printed("deploy", GOOD, "--group", "production,staging", "--add")
    assert.matches("\nproduction runs f00d", text)
    assert.matches("\nstaging runs f00d", text)
    assert.is_true(last_asked("/deploy").add)
    assert.equal("production runs aaaaaaaaaaaa of shop already\n",
      printed("deploy", A, "--group=production"):match "[^\n]+\n$")
  end)

  it("ends with 1, the reason and the trace where it failed", function()
    local result = run { "deploy", BAD, "--group", "production" }
    assert.equal(1, result.code)
    assert.matches("check    one +failed: shop/smoke: no orders\n$", result.out)
    assert.equal("lion: bad000000000 of shop is not in production, which runs aaaaaaaaaaaa as before: "
      .. "shop/smoke: no orders\nstack traceback:\n\tshop.lua:7: in smoke\n", result.err)
  end)

  it("prints what the node tells, as JSON", function()
    local list = json.read(printed("deploy", GOOD, "--group", "production", "--json"))
    assert.equal("done", list[1].state)
    assert.equal(3, #list[1].steps)
    local result = run { "deploy", BAD, "--group", "production", "--json" }
    assert.equal(1, result.code)
    assert.equal("failed", json.read(result.out)[1].state)
  end)

  it("does not wait where it is told so, and follows later", function()
    local text = printed("deploy", BAD, "--group", "production", "--no-wait")
    local id = text:match "%((%S+)%)\n$"
    assert.equal("production: shop bad000000000  (" .. id .. ")\n", text)
    assert.matches("waiting", printed("status", id))
    assert.equal(1, run({ "status", id, "--wait" }).code)
    assert.equal(2, run({ "status", "../groups", "--wait" }).code)
    assert.equal(3, run({ "status", "00000000-0000-7000-8000-999999999999" }).code)
  end)

  it("asks again, with the same id, when the writer was lost", function()
    printed("deploy", LOST, "--group", "production")
    local list = door:asked "/deploy"
    assert.equal(LOST, list[#list - 1].revision)
    assert.equal(list[#list].id, list[#list - 1].id)
  end)

  it("asks which group where there are several, and tells of one that is not there", function()
    local result = run { "deploy", GOOD }
    assert.equal(2, result.code)
    assert.matches("production, staging, empty", result.err)
    result = run { "deploy", GOOD, "--group", "prod" }
    assert.equal(3, result.code)
    assert.equal("lion: there is no group prod\n", result.err)
    assert.matches("did you mean %-%-group", run({ "deploy", GOOD, "--grup", "x" }).err)
  end)

  it("goes back, which is a deployment as any other", function()
    local text = printed("rollback", "--group", "production")
    assert.matches("^production: back to shop cccccccccccc  ", text)
    assert.matches("production runs cccccccccccc of shop", text)
    local result = run { "rollback", "--group", "empty" }
    assert.equal(4, result.code)
    assert.equal("lion: nothing ran there\n", result.err)
    assert.equal(2, run({ "rollback", GOOD }).code)
  end)

  it("leaves a deployment to itself at Ctrl-C, and says how to see on", function()
    local words = { "deploy", ENDLESS, "--group", "production", "--node", door.address }
    local child = program.start(folder, words)
    program.wait_for(function() return child:out():find("load", 1, true) end, "a step")
    child:signal "INT"
    assert.equal(130, child:wait())
    local id = child:out():match "%((%S+)%)\n"
    assert.equal("lion: it goes on; `lion status " .. id .. " --wait` shows how\n", child:err())
  end)

  it("says how to see on where the node is gone", function()
    local other = fake_door.start()
    local words = { "deploy", ENDLESS, "--group", "production", "--node", other.address }
    local child = program.start(folder, words)
    program.wait_for(function() return child:out():find("load", 1, true) end, "a step")
    other:stop()
    child:signal "INT" -- it would wait for the node to come back
    assert.equal(130, child:wait())
    assert.matches("it goes on; `lion status", child:err())
  end)

  it("shows what goes on in one line of a terminal, and takes Ctrl-C there", function()
    local screen = pty.start { "deploy", ENDLESS, "--group", "production", "--node", door.address }
    screen:expect "0.25 s"
    screen:expect "rolling …"
    screen:type "\3"
    screen:expect "it goes on"
    assert.equal(130, screen:wait())
    screen:close()
  end)

  -- ---- pushing -------------------------------------------------------------------------------------

  describe("and pushes", function()
    local shop

    before_each(function()
      shop = repository.new()
      shop.commit_id = shop:commit({
        ["ion.lua"] = 'return { app = "shop", http = "shop/home" }',
        ["shop.lua"] = 'return { home = function() return "hello" end }',
        ["large.txt"] = ("0123456789"):rep(500000),
      }, "the shop opens")
    end)
    after_each(function() shop:remove() end)

    it("sends what is missing, prints the revision, and says how to deploy it", function()
      local lines = {}
      for line in printed("push", shop.dir):gmatch "[^\n]+" do
        lines[#lines + 1] = line
      end
      local short = shop.commit_id:sub(1, 12)
      assert.same({ shop.commit_id, "shop: 3 files, 3 of them sent",
        "  lion deploy " .. short .. " --group production",
        "  lion deploy " .. short .. " --group staging --add",
        "  lion deploy " .. short .. " --group empty" }, lines)
      local asked = last_asked "/push/plan"
      assert.equal("the shop opens", asked.message)
      assert.equal(5000000, door:get("/asked").files[asked.files["large.txt"]])
      assert.is_nil(asked.deps)

      assert.matches("^" .. shop.commit_id .. "\nshop: it is there already, nothing was sent\n",
        printed("push", shop.dir))
      shop:write { ["new.txt"] = "new" }
      local text = printed("push", shop.dir, "--name", "try")
      assert.matches("^unrepro/try\nshop: 4 files, 1 of them sent\n", text)
      assert.same({ app = "shop", revision = "unrepro/try", is_new = false },
        json.read(printed("push", shop.dir, "--name", "try", "--json")))
    end)

    it("tells all that is wrong at once, and sends nothing", function()
      shop:commit { ["ion.lua"] = 'return { app = "shop",\n http = "shop/none", checks = { "shop/no" } }',
        ["shop.lua"] = "return { home = function() return hello end }" }
      local before = #door:asked "/push/plan"
      local result = run { "push", shop.dir }
      assert.equal(1, result.code)
      assert.matches("ion.lua:2: .*shop/none", result.err)
      assert.matches("shop.lua:1: no global is called hello", result.err)
      assert.equal(before, #door:asked "/push/plan")
    end)

    it("refuses a work tree that differs, with 4", function()
      shop:write { ["new.txt"] = "new" }
      assert.equal(4, run({ "push", shop.dir }).code)
    end)

    it("is deployed by what git calls the commit", function()
      local settings = { env = "LION_NODE=" .. door.address }
      local result = program.run(shop.dir, { "deploy", "HEAD", "--group", "production" }, settings)
      assert.equal(0, result.code)
      assert.equal(shop.commit_id, last_asked("/deploy").revision)
      result = program.run(shop.dir, { "deploy", "no-such", "--group", "production" }, settings)
      assert.equal(3, result.code)
      assert.matches("no%-such is no revision", result.err)
      assert.equal(3, program.run(folder, { "deploy", "HEAD", "--group", "production" }, settings).code)
    end)
  end)

  -- ---- databases and applications ------------------------------------------------------------------

  it("asks a query, in every format", function()
    local grid = "?n   ?at\n───  ────────────────────────\nAnn  2026-11-28T16:00:00.000Z\nBob\n2 rows\n"
    assert.equal(grid, printed("q", "orders", "relation", "1", '"Oslo"'))
    local inputs = { { edn = "1" }, { edn = '"Oslo"' } }
    assert.same({ db = "orders", query = "relation", inputs = inputs }, last_asked "/q")
    assert.equal('[["Ann","2026-11-28T16:00:00.000Z"],["Bob",null]]\n',
      printed("q", "orders", "relation", "--json"))
    assert.is_nil(last_asked("/q").inputs)
    assert.equal("?n,?at\r\nAnn,2026-11-28T16:00:00.000Z\r\nBob,\r\n",
      printed("q", "orders", "relation", "--output", "csv"))
    assert.equal("name,at\r\nAnn,:a/b\r\n", printed("q", "orders", "keys", "--output", "csv"))
    assert.equal("7\n", printed("q", "orders", "scalar", "--json"))
    assert.equal("null\n", printed("q", "orders", "none", "--json"))
    assert.equal('["a","b"]\n', printed("q", "orders", "collection", "--json"))
    assert.equal('[["Ann" #inst "2026-11-28T16:00:00Z" :a/b]]\n',
      printed("q", "orders", "relation", "--output", "edn"))
  end)

  it("asks a query of standard input, and tells what is wrong with it in every format", function()
    assert.equal("7\n", run({ "q", "orders", "-", "--json" }, { input = "scalar" }).out)
    for _, format in ipairs { "table", "json", "edn" } do
      local result = run { "q", "orders", "wrong", "--output", format }
      assert.equal(1, result.code)
      assert.equal("lion: the query is wrong\n", result.err)
    end
    assert.equal(2, run({ "q", "a.lion", "scalar" }).code)
  end)

  it("goes to a file where LION_NODE is set and the word is no name", function()
    local settings = { env = "LION_NODE=" .. door.address }
    assert.equal("7\n", program.run(folder, { "q", "orders", "scalar", "--json" }, settings).out)
    local result = program.run(folder, { "q", "./none.lion", "[:find ?e :where [?e]]" }, settings)
    assert.equal(3, result.code)
    assert.matches("none.lion", result.err)
  end)

  it("sends transactions as they stand, each with an id of its own", function()
    local text = '; one\n[{:db/doc "a" :at #inst "2026-01-01"}]\n'
      .. '{:data [[:db/add "x" :db/doc "b"]] :batch-ident {:k 1}}\n'
    assert.equal("2 transactions, 4 datoms\n", run({ "transact", "orders", "-" }, { input = text }).out)
    local list = door:asked "/transact"
    local first, second = list[#list - 1], list[#list]
    assert.matches('%[{:db/doc "a" :at #inst "2026%-01%-01"}%]$', first.tx)
    assert.matches('^%s*%[%[:db/add "x" :db/doc "b"%]%s+{:k 1}%]$', second.tx)
    assert.equal("orders", first.db)
    assert.is_not.equal(first.id, second.id)
  end)

  it("sends a transaction again, with the same id, when the writer was lost", function()
    local result = run({ "transact", "orders", "-", "--json" }, { input = '[{:db/doc "away"}]' })
    assert.same({ transactions = 1, datoms = 2 }, json.read(result.out))
    local list = door:asked "/transact"
    assert.equal(list[#list].id, list[#list - 1].id)
  end)

  it("tells the line of a transaction that is refused, with its exit code", function()
    local result = run({ "transact", "orders", "-" }, { input = '[{:db/doc "a"}]\n[[:db/cas 1 :wrong 2 3]]' })
    assert.equal(4, result.code)
    assert.equal("lion: -, line 2: it is another value\n", result.err)
    assert.equal(1, run({ "transact", "orders", "-" }, { input = "7" }).code)
  end)

  it("calls an entry point by its application's name, or the only application's", function()
    assert.same({ app = "shop", fn = "total", input = { a = 1 } },
      json.read(printed("invoke", "other/total", '{"a":1}') and printed("invoke", "total", '{"a":1}')))
    assert.equal("other", json.read(printed("invoke", "other/total")).app)
    assert.equal(json.read "null", json.read(printed("invoke", "other/total")).input)
    local result = run { "invoke", "shop/none" }
    assert.equal(3, result.code)
    assert.equal("lion: no none\n", result.err)
    assert.equal(2, run({ "invoke", "shop/total", "{" }).code)
    assert.equal(2, run({ "invoke", "total", "--dir", "." }).code)
  end)
end)
