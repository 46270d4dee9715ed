-- The control door's routes, asked by calling handle: what docs/control.md says of each.
local edn = require "lion.edn"
local hash = require "ions.hash"
local json = require "lion.json"
local lion = require "lion"
local prometheus = require "spec.ions.prometheus"
local revision = require "ions.push.revision"
local world = require "spec.ions.door_world"

local ONE, TWO = ("1111"):rep(10), ("2222"):rep(10)
local WORKER = 16

-- A revision as it is sent, and its contents.
local function make(commit, files, app)
  files = files or {}
  files["ion.lua"] = ('return { app = %q }'):format(app or "shop")
  local list = {}
  for path, content in pairs(files) do
    list[#list + 1] = { path = path, content = content, hash = hash.sha256(content), size = #content }
  end
  return revision.make {
    tree = { files = list, commit = commit, name = commit, message = "a commit", time = 1700000000000,
      url = "https://x.org/shop" },
    manifest = { app = app or "shop" },
    deps = {},
    pushed_by = "ann",
    pushed_at = 1700000001000,
  }
end

describe("The control door", function()
  local w

  before_each(function() w = world.new() end)
  after_each(function() w:close() end)

  local function ask(...) return w:ask(...) end

  local function ok(...)
    local status, body = w:ask(...)
    assert.equal(200, status, type(body) == "table" and json.write(body) or body)
    return body
  end

  local function refused(status, code, expected, ...)
    local got, body = w:ask(...)
    assert.equal(status, got, type(body) == "table" and json.write(body) or body)
    assert.equal(code, body.error.code)
    assert.truthy(body.error.message:find(expected, 1, true), body.error.message)
    return body.error
  end

  local function push(commit, files, app)
    local made, contents = make(commit, files, app)
    for _, digest in ipairs(ok("POST", "/push/plan", made).missing) do
      assert.equal(201, (ask("PUT", "/push/files/" .. digest, contents[digest])))
    end
    return ok("POST", "/push", made)
  end

  -- Until it is over.
  local function followed(id)
    local target, one = "/deployments/" .. id, nil
    repeat
      one = ok("GET", ("%s?wait_ms=5000&after=%d&state=%s"):format(target, one and #one.steps or 0,
        one and one.state or "waiting"))
    until one.is_over
    return one
  end

  local function deploy(commit, more)
    local body = { revision = commit, groups = { "production" }, by = "ann" }
    for key, value in pairs(more or {}) do body[key] = value end
    return ok("POST", "/deploy", body).deployments[1]
  end

  -- ---- how it speaks -----------------------------------------------------------------------------

  describe("speaks", function()
    it("of paths and methods that are none", function()
      refused(404, "lion/no-route", "/nowhere", "GET", "/nowhere")
      refused(405, "lion/no-route", "/node takes GET", "POST", "/node")
      assert.equal("GET, HEAD, OPTIONS", w.headers.allow)
    end)

    it("of bodies that are none", function()
      refused(400, "lion/syntax", "malformed JSON", "POST", "/deploy", "{")
      refused(400, "lion/syntax", "a map of fields", "POST", "/deploy", "[1]")
      refused(400, "lion/syntax", "groups is needed", "POST", "/deploy", { revision = ONE })
      refused(400, "lion/syntax", "did you mean groups?", "POST", "/deploy", { revision = ONE, group = "x" })
      refused(400, "lion/syntax", "groups is a list of texts", "POST", "/deploy", { revision = ONE,
        groups = "x" })
      refused(400, "lion/syntax", "wait is no field", "GET", "/deployments?wait=1")
      refused(400, "lion/syntax", "limit is a whole number", "GET", "/deployments?limit=x")
      refused(413, "lion/limit", "16 MiB", "POST", "/transact", ("x"):rep(16 * 2 ^ 20 + 1))
    end)

    it("EDN with who wants that", function()
      local status, body = ask("GET", "/groups", nil, { accept = "application/edn" })
      assert.equal(200, status)
      assert.equal("application/edn", w.headers["content-type"])
      local group = edn.read(body)[1]
      assert.equal("production", group.name)
      assert.same({}, group.apps)
      assert.truthy(body:find('#inst "', 1, true))
      status, body = ask("POST", "/deploy", '{:revision "4f2a" :groups ["production"]}',
        { ["content-type"] = "application/edn", accept = "application/edn" })
      assert.equal(404, status)
      assert.equal("lion/not-found", edn.read(body).error.code)
    end)

    it("of lists that are empty as lists", function()
      assert.equal("[]\n", w.door:connection "system" and select(3, w.door:handle {
        method = "GET", path = "/revisions", query = "", headers = {}, remote = "control", id = 999 }))
    end)

    it("of what went wrong inside as a fault", function()
      w.door.system.db = function() error "boom" end
      local e = refused(500, "lion/fault", "boom", "GET", "/groups")
      assert.equal("fault", e.category)
      w.door.system.db = nil
    end)

    it("of a writer that is lost so that it can be tried again", function()
      push(ONE)
      w.door.system.transact = function()
        error { category = "unavailable", code = "lion/writer-lost", message = "the writer was lost" }
      end
      refused(503, "lion/writer-lost", "lost", "POST", "/deploy", { revision = ONE,
        groups = { "production" } })
      assert.equal("1", w.headers["retry-after"])
      w.door.system.transact = nil
    end)

    it("to nobody whose client has left", function()
      w.fault = function() return "silent" end
      push(ONE)
      local one = deploy(ONE)
      w:until_true(function() return ok("GET", "/deployments/" .. one.id).state == "rolling" end)
      local id = w:begin("GET", ("/deployments/%s?wait_ms=20000&after=100&state=rolling"):format(one.id))
      assert.truthy(w.door.asked[id])
      w.door:gone(id)
      w:until_true(function() return w.door.asked[id] == nil end)
      assert.is_nil(w.answers[id])
    end)
  end)

  -- ---- the node ----------------------------------------------------------------------------------

  it("tells what its node is", function()
    local node = ok("GET", "/node")
    assert.equal("one", node.name)
    assert.equal("production", node.group)
    assert.is_true(node.is_primary)
    assert.equal("127.0.0.1:8080", node.address)
    assert.equal(2, node.workers)
    assert.equal(lion.version, node.version)
    assert.truthy(node.started_at:find "^20%d%d%-")
  end)

  it("tells how its node is", function()
    push(ONE)
    followed(deploy(ONE).id)
    local found = ok("GET", "/status")
    assert.equal("up", found.node.state)
    assert.equal(4, #found.processes)
    assert.same({ "door", "executor", "worker", "worker" }, { found.processes[1].role,
      found.processes[2].role,
      found.processes[3].role, found.processes[4].role })
    assert.equal("ready", found.processes[3].state)
    assert.equal("shop", found.apps[1].app)
    assert.equal(ONE, found.apps[1].revision)
    assert.equal("ann", found.apps[1].by)
    assert.truthy(found.apps[1].since)
    assert.is_true(found.workers[2].is_answering)
    assert.same({ { app = "shop", revision = ONE } }, found.workers[2].apps)
    assert.equal(42, found.workers[2].counters.requests_2xx)
    assert.same({}, found.deployments)
  end)

  it("tells of a worker that does not answer", function()
    w:change(WORKER + 2, "starting", "killed by signal 9")
    w:until_true(function() return #w.inbox == 0 end)
    local found = ok("GET", "/status")
    assert.is_true(found.workers[1].is_answering)
    assert.is_false(found.workers[2].is_answering)
    assert.is_nil(found.workers[2].counters)
    assert.equal("killed by signal 9", found.processes[4].reason)
  end)

  it("gives its numbers to Prometheus", function()
    push(ONE)
    followed(deploy(ONE).id)
    ok("POST", "/transact", { db = "orders", tx = { { ["db/doc"] = "x" } } })
    local text = ok("GET", "/metrics")
    assert.equal("text/plain; version=0.0.4; charset=utf-8", w.headers["content-type"])
    local own = 'node="one",group="production"'
    for _, line in ipairs {
      "lion_up{" .. own .. "} 1",
      "lion_process_up{" .. own .. ',role="worker",index="2"} 1',
      "lion_requests_total{" .. own .. ',worker="2",status="2xx"} 42',
      "lion_request_duration_seconds_bucket{" .. own .. ',worker="1",le="1.5625e-05"} 39',
      "lion_request_duration_seconds_bucket{" .. own .. ',worker="1",le="+Inf"} 41',
      "lion_request_duration_seconds_sum{" .. own .. ',worker="1"} 0.09',
      "lion_worker_connections{" .. own .. ',worker="1"} 3',
      "lion_call_steps_total{" .. own .. ',worker="1",app="shop",revision="r1",entry="web/show"} 700',
      "lion_call_duration_seconds_sum{" .. own
        .. ',worker="1",app="shop",revision="r1",entry="web/show"} 0.25',
      "lion_calls_total{" .. own .. ',worker="2",app="shop",revision="r1",entry="web/show",status="4xx"} 1',
      "lion_app_revision_info{" .. own .. ',app="shop",revision="' .. ONE .. '"} 1',
      "lion_deployments{" .. own .. ',state="done"} 1',
    } do
      assert.truthy(("\n" .. text):find("\n" .. line .. "\n", 1, true), line)
    end
    local read = prometheus.read(text)
    assert.truthy(read:value("lion_database_basis_t", { db = "orders" }) > 0)
    assert.truthy(read:value("lion_database_file_bytes", { db = "system" }) > 0)
  end)

  it("writes what applications measure by Prometheus' rules, whatever they call it", function()
    local function label(kind, name, ...) return { kind, name, "app", "shop", "revision", "r1", ... } end
    local histogram = { 1 }
    for i = 2, 22 do histogram[i] = i == 22 and 500 or 0 end
    w.series = function(to)
      if to ~= 17 then return {} end
      return {
        { label = label("counter", "orders/placed", "country", 'a"b\\c\nd', "le", "x", "2nd", "y"),
          values = { 3 } },
        { label = label("gauge", "queue"), values = { -1.5 } },
        { label = label("histogram", "checkout/ms"), values = histogram },
        { label = label("histogram", "basket/size"), values = histogram },
        { label = label("counter", "queue"), values = { 1 } }, -- another name, with _total
        { label = label("gauge", "basket/size"), values = { 1 } }, -- the same as another kind
        { label = label("gauge", "queue"), values = { 9 } }, -- twice
        { label = label("gauge", "grüße"), values = { 1 } },
        { label = { "unheard of", "" }, values = {} },
      }
    end
    local read = prometheus.read(ok("GET", "/metrics"))
    assert.equal(3, read:value("ion_orders_placed_total",
      { country = 'a"b\\c\nd', tag_le = "x", tag_2nd = "y" }))
    assert.equal(-1.5, read:value("ion_queue", { app = "shop", revision = "r1", worker = 1 }))
    assert.equal(1, read:value "ion_queue_total")
    assert.equal(0.5, read:value "ion_checkout_seconds_sum")
    assert.equal(1, read:value("ion_checkout_seconds_bucket", { le = "1.5625e-05" }))
    assert.equal(1, read:value("ion_basket_size_bucket", { le = "0.0009765625" }))
    assert.equal(1, read:value "ion_gr____e")
    assert.equal(2, read:value "lion_samples_refused")
    w.series = nil
  end)

  -- ---- push --------------------------------------------------------------------------------------

  describe("takes a push", function()
    it("of what is missing, once", function()
      local made, contents = make(ONE, { ["a.lua"] = "return 1", ["b.lua"] = "return 1" })
      local plan = ok("POST", "/push/plan", made)
      assert.is_true(plan.is_new)
      assert.equal(2, #plan.missing)
      for _, digest in ipairs(plan.missing) do
        local status, body = ask("PUT", "/push/files/" .. digest, contents[digest])
        assert.equal(201, status)
        assert.same({ hash = digest, bytes = #contents[digest], is_new = true }, body)
        assert.is_false(ok("PUT", "/push/files/" .. digest, contents[digest]).is_new)
      end
      local size = #contents[made.files["ion.lua"]] + 16
      assert.same({ app = "shop", revision = ONE, is_new = true, files = 3, bytes = size },
        ok("POST", "/push", made))
      assert.is_false(ok("POST", "/push", made).is_new)
      assert.same({ missing = {}, is_new = false }, ok("POST", "/push/plan", made))
    end)

    it("and goes on where one stood that was interrupted", function()
      local made, contents = make(ONE, { ["a.lua"] = "return 1", ["b.lua"] = "return 2" })
      local first = hash.sha256 "return 1"
      ask("PUT", "/push/files/" .. first, contents[first])
      local missing = ok("POST", "/push/plan", made).missing
      assert.equal(2, #missing)
      for _, digest in ipairs(missing) do assert.not_equal(first, digest) end
      local e = refused(400, "lion/push", "2 files are missing", "POST", "/push", made)
      assert.same(missing, e.data.missing)
    end)

    it("and says when the disk is full", function()
      w.door.system.transact = function()
        error { category = "unavailable", code = "lion/disk-full", message = "the disk is full: make room" }
      end
      refused(503, "lion/disk-full", "make room", "PUT", "/push/files/" .. hash.sha256 "x", "x")
      w.door.system.transact = nil
      assert.equal(201, (ask("PUT", "/push/files/" .. hash.sha256 "x", "x")))
    end)

    it("but no content of another hash, and no hash that is none", function()
      refused(400, "lion/push", "another hash", "PUT", "/push/files/" .. hash.sha256 "x", "y")
      refused(400, "lion/push", "is no hash", "PUT", "/push/files/abc", "y")
      refused(400, "lion/push", "is no hash", "PUT", "/push/files/" .. ("A"):rep(64), "y")
    end)

    it("but no revision with other files, or of a wrong shape", function()
      push(ONE, { ["a.lua"] = "return 1" })
      local made = make(ONE, { ["a.lua"] = "return 2" })
      refused(409, "lion/revision-exists", "other files (a.lua)", "POST", "/push/plan", made)
      refused(409, "lion/revision-exists", "other files (a.lua)", "POST", "/push", made)
      made.name = "main"
      refused(400, "lion/push", "is no revision's name", "POST", "/push/plan", made)
      made.name = nil
      refused(400, "lion/syntax", "name is needed", "POST", "/push/plan", made)
    end)

    it("of any bytes", function()
      local content = "\0\255\r\n" .. ("\200"):rep(70000)
      push(ONE, { ["b.bin"] = content })
      local system = require "ions.push.system"
      assert.equal(content, system.files(w.door.system:db(), "shop", ONE)["b.bin"])
    end)
  end)

  it("lists revisions, newest first", function()
    push(ONE, { ["a.lua"] = "return 1" })
    push(TWO)
    push(ONE, nil, "bank")
    followed(deploy(TWO).id)
    local list = ok("GET", "/revisions?app=shop")
    assert.equal(2, #list)
    assert.equal(TWO, list[1].name)
    assert.same({ "production" }, list[1].running_in)
    assert.equal(ONE, list[2].name)
    assert.equal(2, list[2].files)
    assert.equal("ann", list[2].pushed_by)
    assert.equal("2023-11-14T22:13:20.000Z", list[2].committed_at)
    assert.equal("a commit", list[2].message)
    assert.same({}, list[2].running_in)
    assert.equal(1, #ok("GET", "/revisions?limit=1"))
    assert.equal(3, #ok("GET", "/revisions"))
    refused(404, "lion/not-found", "no application shap", "GET", "/revisions?app=shap")
  end)

  -- ---- deployments -------------------------------------------------------------------------------

  describe("deploys", function()
    before_each(function() push(ONE) end)

    it("through its processes, and tells each step", function()
      local asked = deploy("1111")
      assert.is_true(asked.is_new)
      assert.equal("waiting", asked.state)
      local one = followed(asked.id)
      assert.equal("done", one.state)
      assert.equal(ONE, one.revision)
      assert.equal("shop", one.app)
      assert.equal("ann", one.by)
      local kinds = {}
      for i, step in ipairs(one.steps) do
        assert.equal(i, step.order)
        assert.equal("done", step.state)
        assert.equal("one", step.node)
        assert.truthy(step.started_at and step.ended_at)
        kinds[i] = step.kind .. (step.target and " " .. step.target or "") .. (step.worker or "")
      end
      assert.same({ "load", "check", "switch executor", "switch worker1", "switch worker2" }, kinds)
      assert.equal(ONE, w.processes[WORKER + 2].apps.shop)
      assert.equal(ONE, w.processes[2].apps.shop)
      local group = ok("GET", "/groups")[1]
      assert.same({ "shop" }, group.apps)
      assert.equal(ONE, group.running[1].revision)
      assert.equal("up", group.nodes[1].state)
      assert.same({}, group.deployments)
    end)

    it("what runs already at once", function()
      followed(deploy(ONE).id)
      local again = deploy(ONE)
      assert.equal("done", again.state)
      assert.is_true(again.is_running_already)
      assert.same({}, again.steps)
    end)

    it("once by an id", function()
      local id = lion.uuid()
      assert.is_true(deploy(ONE, { id = id }).is_new)
      local again = deploy(ONE, { id = id })
      assert.is_false(again.is_new)
      assert.equal(id, again.id)
      followed(id)
      assert.equal(1, #ok("GET", "/deployments"))
    end)

    it("nothing that fails, and says why", function()
      followed(deploy(ONE).id)
      push(TWO)
      w.trial = function(asked)
        assert.equal("shop", asked.app)
        assert.equal(TWO, asked.revision)
        return { is_ok = false, step = "check", message = "check shop.checks/smoke returned false",
          trace = "at x" }
      end
      local one = followed(deploy(TWO).id)
      assert.equal("failed", one.state)
      assert.equal("check shop.checks/smoke returned false", one.reason)
      assert.equal("at x", one.trace)
      assert.equal("failed", one.steps[2].state)
      assert.equal(ONE, w.processes[WORKER + 1].apps.shop)
    end)

    it("and puts back what moved when a worker ends while it switches", function()
      followed(deploy(ONE).id)
      push(TWO)
      w.group_runs = function() return { shop = ONE } end
      w.fault = function(to, asked)
        if to ~= WORKER + 2 or asked.revision ~= TWO then return nil end
        w:change(to, "starting", "killed by signal 11")
        w:change(to, "ready")
        return "silent"
      end
      local one = followed(deploy(TWO).id)
      assert.equal("rolled-back", one.state)
      assert.equal("worker 2: it ended meanwhile: killed by signal 11", one.reason)
      for _, address in ipairs { 2, WORKER + 1, WORKER + 2 } do
        assert.equal(ONE, w.processes[address].apps.shop)
      end
    end)

    it("to a worker that is starting, once it is ready", function()
      w:change(WORKER + 2, "starting", "ended")
      w:until_true(function() return #w.inbox == 0 end)
      local one = deploy(ONE)
      w:until_true(function() return #ok("GET", "/deployments/" .. one.id).steps == 5 end)
      assert.is_nil(w.processes[WORKER + 2].apps.shop)
      w:change(WORKER + 2, "ready")
      assert.equal("done", followed(one.id).state)
      assert.equal(ONE, w.processes[WORKER + 2].apps.shop)
    end)

    it("on, when the writer is lost in the middle and comes back", function()
      followed(deploy(ONE).id)
      push(TWO)
      local one, transact, count = deploy(TWO), w.door.system.transact, 0
      local lost = { category = "unavailable", code = "lion/writer-lost", message = "the writer was lost" }
      -- one transaction is not in, a later one is in and not known to be
      w.door.system.transact = function(...)
        count = count + 1
        if count == 4 then error(lost) end
        local report = transact(...)
        if count == 9 then error(lost) end
        return report
      end
      local ended = followed(one.id)
      assert.truthy(count > 9)
      assert.equal("done", ended.state)
      assert.equal("door: deployments: the writer was lost\n", w.logged)
      for _, address in ipairs { 2, WORKER + 1, WORKER + 2 } do
        assert.equal(TWO, w.processes[address].apps.shop)
      end
      for _, step in ipairs(ended.steps) do assert.not_equal("running", step.state) end
    end)

    it("to a worker that comes up with something else", function()
      followed(deploy(ONE).id)
      w:change(WORKER + 1, "starting", "ended")
      w:change(WORKER + 1, "ready")
      assert.is_nil(w.processes[WORKER + 1].apps.shop)
      w:until_true(function() return w.processes[WORKER + 1].apps.shop == ONE end)
    end)

    it("back", function()
      followed(deploy(ONE).id)
      push(TWO)
      followed(deploy(TWO).id)
      local back = ok("POST", "/rollback", { groups = { "production" }, by = "bob" }).deployments[1]
      assert.is_true(back.is_rollback)
      local one = followed(back.id)
      assert.equal("done", one.state)
      assert.equal(ONE, one.revision)
      assert.equal(TWO, one.previous)
      refused(409, "lion/nothing-before", "no other revision", "POST", "/rollback",
        { groups = { "production" } })
    end)

    it("not to groups or of revisions that are not there", function()
      refused(404, "lion/not-found", "did you mean production?", "POST", "/deploy",
        { revision = ONE, groups = { "producton" } })
      refused(404, "lion/not-found", "there is no revision 9999", "POST", "/deploy",
        { revision = "9999", groups = { "production" } })
      push(ONE, nil, "bank")
      local e = refused(400, "lion/ambiguous", "or the application", "POST", "/deploy",
        { revision = ONE, groups = { "production" } })
      assert.equal(2, #e.data.candidates)
    end)

    it("and lists that, newest first", function()
      local first = deploy(ONE)
      followed(first.id)
      push(TWO)
      local second = deploy(TWO)
      followed(second.id)
      local list = ok("GET", "/deployments")
      assert.same({ second.id, first.id }, { list[1].id, list[2].id })
      assert.is_nil(list[1].steps)
      assert.equal(1, #ok("GET", "/deployments?limit=1"))
      assert.equal(2, #ok("GET", "/deployments?group=production&app=shop"))
      refused(404, "lion/not-found", "no group staging", "GET", "/deployments?group=staging")
      refused(404, "lion/not-found", "there is no deployment", "GET", "/deployments/" .. lion.uuid())
      refused(404, "lion/not-found", "there is no deployment x", "GET", "/deployments/x")
    end)

    it("and has who waits for news wait for it", function()
      w.fault = function() return "silent" end
      local one = deploy(ONE)
      w:until_true(function() return #ok("GET", "/deployments/" .. one.id).steps == 3 end)
      local id = w:begin("GET", ("/deployments/%s?wait_ms=20000&after=3&state=rolling"):format(one.id))
      assert.is_nil(w.answers[id])
      w.fault = function() end
      w:change(2, "starting", "ended")
      w:change(2, "ready")
      local _, news = w:finish(id)
      assert.truthy(#news.steps > 3 or news.state ~= "rolling")
      refused(400, "lion/limit", "wait_ms is at most 30000", "GET",
        ("/deployments/%s?wait_ms=30001"):format(one.id))
    end)
  end)

  -- ---- databases ---------------------------------------------------------------------------------

  describe("asks databases", function()
    before_each(function()
      local report = ok("POST", "/transact", { db = "people", tx = [==[[
        {:db/ident :person/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one
         :db/unique :db.unique/identity}
        {:db/ident :person/age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
        {:db/ident :person/born :db/valueType :db.type/instant :db/cardinality :db.cardinality/one}]]==] })
      assert.truthy(report.datoms > 10)
      report = ok("POST", "/transact", { db = "people", tx = {
        { ["db/id"] = "ann", ["person/name"] = "Ann", ["person/age"] = 41,
          ["person/born"] = "1985-01-02T00:00:00Z" },
        { ["person/name"] = "Bob", ["person/age"] = 7 } } })
      assert.equal("number", type(report.tempids.ann))
      assert.truthy(report.tx_instant:find "^20%d%d%-")
    end)

    local function q(query, more)
      local body = { db = "people", query = query }
      for key, value in pairs(more or {}) do body[key] = value end
      return ok("POST", "/q", body)
    end

    it("by text and by tables, with inputs", function()
      local found = q("[:find ?n ?a :where [?e :person/name ?n] [?e :person/age ?a]]")
      table.sort(found.result, function(a, b) return a[1] < b[1] end)
      assert.same({ { "Ann", 41 }, { "Bob", 7 } }, found.result)
      assert.equal("relation", found.kind)
      assert.same({ "?n", "?a" }, found.headings)
      assert.truthy(found.t > 0)
      found = q({ find = { "?n" }, ["in"] = { "$", "?min" }, where = { { "?e", "person/name", "?n" },
        { "?e", "person/age", "?a" }, { { ">", "?a", "?min" } } } }, { inputs = { 18 } })
      assert.same({ { "Ann" } }, found.result)
      found = q("[:find [?n ...] :in $ [?n ...] :where [_ :person/name ?n]]", { inputs = { { "Ann",
        "Zoe" } } })
      assert.same({ "Ann" }, found.result)
      found = q("[:find ?n . :in $ ?t :where [?e :person/born ?t] [?e :person/name ?n]]",
        { inputs = { { edn = '#inst "1985-01-02T00:00:00Z"' } } })
      assert.equal("Ann", found.result)
      found = q("[:find [?n ...] :in $ % :where (adult ?e) [?e :person/name ?n]]",
        { inputs = { { edn = "[[(adult ?e) [?e :person/age ?a] [(> ?a 18)]]]" } } })
      assert.same({ "Ann" }, found.result)
      found = q("[:find [?i ?f] :in % $ [?i ?f] :where (any ?e)]",
        { inputs = { { edn = "[[(any ?e) [?e :person/age]]]" }, { edn = '[#inst "1985-01-02" false]' } } })
      assert.same({ "1985-01-02T00:00:00.000Z", false }, found.result)
    end)

    it("and gives what `lion q --output json` prints", function()
      assert.equal("1985-01-02T00:00:00.000Z", q("[:find ?b . :where [_ :person/born ?b]]").result)
      assert.equal(":person/age", q("[:find ?i . :where [?a :db/ident ?i] [_ ?a 7]]").result)
      assert.equal(lion.null, q("[:find ?e . :where [?e :person/age 8]]").result)
      local _, _, text = w.door:handle { method = "POST", path = "/q", headers = {}, remote = "control",
        id = 900, body = json.write { db = "people", query = "[:find ?e :where [?e :person/age 8]]" } }
      assert.truthy(text:find('"result":[]', 1, true), text)
      local pulled = q("[:find (pull ?e [:person/name :person/born]) . :where [?e :person/age 41]]").result
      assert.same({ ["person/name"] = "Ann", ["person/born"] = "1985-01-02T00:00:00.000Z" }, pulled)
    end)

    it("in EDN, as forms", function()
      local function in_edn(path, body)
        local status, text = ask("POST", path, body,
          { ["content-type"] = "application/edn", accept = "application/edn" })
        assert.equal(200, status, text)
        return text
      end
      local text = in_edn("/q", [==[{:db "people"
        :inputs [18 [[(adult ?e ?min) [?e :person/age ?a] [(> ?a ?min)]]]]
        :query [:find ?n ?b ?i :in $ ?min % :where (adult ?e ?min) [?e :person/name ?n]
                (not [?e :person/age 7]) [?e :person/born ?b]
                [?a :db/ident ?i] [?a :db/ident :person/age]]}]==])
      assert.truthy(text:find('["Ann" #inst "1985-01-02T00:00:00.000Z" :person/age]', 1, true), text)
      assert.truthy(text:find(":headings [\"?n\" \"?b\" \"?i\"]", 1, true), text)
      text = in_edn("/pull",
        '{:db "people" :id [:person/name "Ann"] :pattern [:person/age (limit :db/doc 3)]}')
      assert.truthy(text:find("{:person/age 41}", 1, true), text)
    end)

    it("as they were", function()
      local t = q("[:find ?e . :where [?e :person/age 8]]").t
      ok("POST", "/transact", { db = "people", tx = { { ["person/name"] = "Bob", ["person/age"] = 8 } } })
      local ages = "[:find ?a . :where [?e :person/name \"Bob\"] [?e :person/age ?a]]"
      assert.equal(8, q(ages).result)
      assert.equal(7, q(ages, { as_of = t }).result)
      local all = q("[:find [?a ...] :where [?e :person/name \"Bob\"] [?e :person/age ?a]]",
        { history = true }).result
      assert.equal(2, #all)
      assert.same({ 8 }, q("[:find [?a ...] :where [_ :person/age ?a]]", { since = t }).result)
    end)

    it("within bounds", function()
      assert.equal(1, #q("[:find ?n :where [_ :person/name ?n]]", { limit = 1 }).result)
      refused(400, "lion/limit", "limit is at most 100000", "POST", "/q",
        { db = "people", query = "[:find ?e :where [?e :person/age]]", limit = 100001 })
      refused(504, "lion/timeout", "", "POST", "/q", { db = "people", timeout_ms = 20, query =
        [==[[:find (count ?text) .
          :where [?a :db/ident] [?b :db/ident] [?c :db/ident] [?d :db/ident] [?e :db/ident]
                 [(str ?a ?b ?c ?d ?e) ?text]]]==] })
    end)

    it("but not with what is no query, or of what is not there", function()
      refused(400, "lion/syntax", "", "POST", "/q", { db = "people", query = "[:find" })
      refused(400, "lion/syntax", "inputs", "POST", "/q", { db = "people",
        query = "[:find ?e :in $ ?x :where [?e ?x]]" })
      refused(404, "lion/not-found", "did you mean people?", "POST", "/q",
        { db = "peoples", query = "[:find ?e :where [?e :person/age]]" })
      refused(400, "lion/syntax", "no database's name", "POST", "/q",
        { db = "../people", query = "[:find ?e :where [?e :person/age]]" })
    end)

    it("for trees of data", function()
      local pattern = "[:person/name :person/age]"
      local ann = { ["person/name"] = "Ann", ["person/age"] = 41 }
      assert.same(ann, ok("POST", "/pull", { db = "people", pattern = pattern, id = { "person/name",
        "Ann" } }).result)
      assert.same({ ann, lion.null }, ok("POST", "/pull", { db = "people", pattern = { "person/name",
        "person/age" },
        ids = { { "person/name", "Ann" }, { "person/name", "Zoe" } } }).result)
      refused(400, "lion/syntax", "either id or ids", "POST", "/pull", { db = "people", pattern = pattern })
    end)

    it("to write, in EDN too", function()
      local status = ask("POST", "/transact", '{:db "people" :tx [{:person/name ":x" :person/age 3}]}',
        { ["content-type"] = "application/edn" })
      assert.equal(200, status)
      assert.equal(3, q('[:find ?a . :in $ ?n :where [?e :person/name ?n] [?e :person/age ?a]]',
        { inputs = { { edn = '":x"' } } }).result)
      local id = lion.uuid()
      local body = { db = "people", id = id, tx = { { ["person/name"] = "Cy", ["person/age"] = 1 } } }
      assert.equal(ok("POST", "/transact", body).t, ok("POST", "/transact", body).t)
    end)

    it("but not to write what cannot be", function()
      refused(400, "lion/unknown-attribute", "person/nme", "POST", "/transact",
        { db = "people", tx = { { ["person/nme"] = "x" } } })
      refused(409, "db.error/cas-failed", "", "POST", "/transact", { db = "people",
        tx = { { "db/cas", { "person/name", "Ann" }, "person/age", 1, 2 } } })
      refused(403, "lion/not-allowed", "system database", "POST", "/transact",
        { db = "system", tx = { { ["db/doc"] = "x" } } })
      refused(400, "lion/syntax", "tx is a list", "POST", "/transact", { db = "people", tx = 7 })
    end)

    it("which it makes and lists", function()
      assert.same({ name = "orders", is_new = true }, ok("POST", "/db", { name = "orders",
        doc = "what was bought" }))
      assert.is_false(ok("POST", "/db", { name = "orders" }).is_new)
      refused(400, "lion/syntax", "no database's name", "POST", "/db", { name = "a/b" })
      local list = ok("GET", "/databases")
      assert.same({ "orders", "people", "system" }, { list[1].name, list[2].name, list[3].name })
      assert.equal("what was bought", list[1].doc)
      assert.truthy(list[2].basis_t > 0 and list[2].datoms > 0 and list[2].bytes > 0)
      assert.same({ "orders", "people" }, (function()
        local names = w.door.system:db():q "[:find [?n ...] :where [_ :database/name ?n]]"
        table.sort(names)
        return names
      end)())
    end)

    it("of the system too", function()
      assert.equal("production", ok("POST", "/q",
        { db = "system", query = "[:find ?n . :where [_ :group/name ?n]]" }).result)
    end)
  end)

  -- ---- applications ------------------------------------------------------------------------------

  it("hands invocations over to a worker, and queries with an application's functions", function()
    assert.equal("handover", (w.door:handle { method = "POST", path = "/invoke/shop/total", headers = {},
      remote = "control", id = 1 }))
    assert.equal("handover", (w.door:handle { method = "POST", path = "/q", headers = {},
      remote = "control", id = 2, body = '{"app":"shop","query":"[:find ?e :where [?e :a/b]]"}' }))
    refused(405, "lion/no-route", "POST", "GET", "/invoke/shop/total")
  end)

  it("keeps parameters", function()
    push(ONE)
    local body = { group = "production", app = "shop", path = "mail/from", value = { "a@x", 7 } }
    assert.same(body, ok("POST", "/params", body))
    body.value = "b@x"
    ok("POST", "/params", body)
    local list = ok("GET", "/params?group=production&app=shop")
    assert.equal(1, #list)
    assert.equal("b@x", list[1].value)
    assert.equal("mail/from", list[1].path)
    ok("POST", "/params", { group = "production", app = "shop", path = "mail/from", value = lion.null })
    assert.same({}, ok("GET", "/params"))
    refused(404, "lion/not-found", "no application bank", "POST", "/params",
      { group = "production", app = "bank", path = "x", value = 1 })
    refused(400, "lion/syntax", "no parameter's name", "POST", "/params",
      { group = "production", app = "shop", path = "a//b", value = 1 })
    refused(400, "lion/syntax", "value is needed", "POST", "/params",
      { group = "production", app = "shop", path = "a" })
  end)

  -- ---- its life ----------------------------------------------------------------------------------

  it("says when its node leaves, answers who waits, and is idle then", function()
    push(ONE)
    w.fault = function() return "silent" end
    local one = deploy(ONE)
    w:until_true(function() return #ok("GET", "/deployments/" .. one.id).steps == 3 end)
    local id = w:begin("GET", ("/deployments/%s?wait_ms=20000&after=99&state=rolling"):format(one.id))
    w.door:message(0, 2, 0, require("lion.core").form_write { grace_ms = 5000 })
    assert.is_false(w.door:is_idle())
    w:finish(id)
    w:until_true(function() return w.door:is_idle() end)
    assert.equal(":node.state/down", w.door.system:db():entity({ "node/name", "one" })["node/state"])
    assert.equal("", w.logged)
    -- the roll stands where it stood, and goes on with the next door
    local second = world.new { dir = w.dir }
    repeat
      local _, now = second:ask("GET", "/deployments/" .. one.id .. "?wait_ms=100&after=99&state=rolling")
      one = now
    until one.is_over
    assert.equal("done", one.state)
    assert.equal("failed", one.steps[3].state)
    assert.equal("the door began anew, and its part with it", one.steps[3].reason)
    second:close()
  end)

  it("ends its node if another one of its name lives", function()
    local other = world.new { dir = w.dir }
    other:close()
    w.door.system:transact { { ["node/name"] = "two", ["node/control"] = "unix:/elsewhere" } }
    local door = require "ions.door"
    local sent = {}
    local second = door.load({ name = "two", group = "production", dir = w.dir, primary = w.dir, workers = 1,
      address = "x", control = "unix:/here" }, {
      port = { send = function(to, kind, _, payload) sent = { to, kind,
        require("lion.core").form_read(payload) } end },
      connect = function() return w.door.system end,
      is_alive = function(control) return control == "unix:/elsewhere" end,
    })
    while #sent == 0 do second:step() end
    assert.equal(2, sent[2])
    assert.truthy(sent[3].reason:find("another node is named two", 1, true))
  end)

  it("says that it is starting while there is no system database", function()
    local door = require "ions.door"
    local conn = lion.connect "mem:"
    local second = door.load({ name = "x", group = "g", dir = w.dir, workers = 1, address = "x",
      control = "unix:/x" },
      { port = { send = function() end }, connect = function() return conn end })
    local status, headers = second:handle { method = "GET", path = "/status", headers = {},
      remote = "control", id = 1 }
    assert.equal(503, status)
    assert.equal("retry-after", headers[2][1])
    assert.equal(200, (second:handle { method = "GET", path = "/node", headers = {},
      remote = "control", id = 2 }))
    conn:close()
  end)
end)

-- As it runs in a node: it reads beside the writer's process, and waits for its answers.
describe("The control door beside a writer", function()
  local nodes = require "spec.ions.node"
  local node, w

  before_each(function()
    node = nodes.new()
    w = world.new { writer = node }
  end)
  after_each(function()
    w:close()
    node:close()
  end)

  local function ok(...)
    local status, body = w:ask(...)
    assert.equal(200, status, type(body) == "table" and json.write(body) or body)
    return body
  end

  local function push(commit)
    local made, contents = make(commit, { ["b.bin"] = "\0\255" .. commit })
    for _, digest in ipairs(ok("POST", "/push/plan", made).missing) do
      assert.equal(201, (w:ask("PUT", "/push/files/" .. digest, contents[digest])))
    end
    assert.is_true(ok("POST", "/push", made).is_new)
  end

  local function followed(id)
    local one
    repeat
      one = ok("GET", ("/deployments/%s?wait_ms=5000&after=%d"):format(id, one and #one.steps or 0))
    until one.is_over
    return one
  end

  it("pushes, deploys and goes back", function()
    push(ONE)
    push(TWO)
    for _, commit in ipairs { ONE, TWO } do
      local asked = ok("POST", "/deploy", { revision = commit, groups = { "production" } })
      assert.equal("done", followed(asked.deployments[1].id).state)
    end
    local back = ok("POST", "/rollback", { groups = { "production" } }).deployments[1]
    assert.equal("done", followed(back.id).state)
    assert.equal(ONE, w.processes[WORKER + 1].apps.shop)
    local system = require "ions.push.system"
    assert.equal("\0\255" .. ONE, system.files(node.system:db(), "shop", ONE)["b.bin"])
  end)

  it("signs no transaction", function()
    ok("POST", "/transact", { db = "orders", tx = { { ["db/doc"] = "x" } } })
    assert.is_nil(node:database("orders"):db():entid ":ion/app")
    assert.equal("x", ok("POST", "/q", { db = "orders",
      query = '[:find ?d . :where [?e :db/doc ?d] [(= ?d "x")]]' }).result)
  end)

  it("gives the writer's errors as they are", function()
    local status, body = w:ask("POST", "/transact", { db = "orders", tx = { { ["no/such"] = 1 } } })
    assert.equal(400, status)
    assert.equal("lion/unknown-attribute", body.error.code)
  end)

  it("goes on when the writer was away", function()
    push(ONE)
    local id = lion.uuid()
    local body = { revision = ONE, groups = { "production" }, id = id }
    node.is_lost = true
    local status, answer = w:ask("POST", "/deploy", body)
    assert.equal(503, status)
    assert.equal("lion/writer-lost", answer.error.code)
    node.is_lost = false
    assert.is_true(ok("POST", "/deploy", body).deployments[1].is_new)
    w:until_true(function() return #ok("GET", "/deployments/" .. id).steps > 1 end)
    node.is_lost = true
    w:until_true(function() return w.logged ~= "" end)
    node.is_lost = false
    assert.equal("done", followed(id).state)
  end)
end)

describe("Whether a node lives", function()
  it("is told by who listens on its control socket", function()
    local ffi, probe, program = require "ffi", require "ions.door.probe", require "spec.lua.program"
    ffi.cdef "int bind(int, const void *, unsigned); int listen(int, int);"
    local dir = program.folder()
    local address = ffi.new "struct lion_probe_address"
    address.family = 1
    ffi.copy(address.path, dir .. "/control.sock")
    local fd = ffi.C.socket(1, 1, 0)
    assert.equal(0, ffi.C.bind(fd, address, ffi.sizeof(address)))
    assert.is_false(probe("unix:" .. dir .. "/control.sock"))
    assert.equal(0, ffi.C.listen(fd, 0))
    for _ = 1, 5 do assert.is_true(probe("unix:" .. dir
      .. "/control.sock")) end -- also when its queue is full
    ffi.C.close(fd)
    assert.is_false(probe("unix:" .. dir .. "/control.sock"))
    program.remove(dir)
  end)

  it("is not told where there can be none", function()
    local probe = require "ions.door.probe"
    assert.is_false(probe "unix:/nowhere/at/all.sock")
    assert.is_false(probe(nil))
    assert.is_false(probe "unix:")
    assert.is_true(probe "127.0.0.1:80") -- nothing is known of it
    assert.is_false(probe("unix:/" .. ("x"):rep(200)))
  end)
end)
