-- An application in a node: where its files, parameters and databases are.
-- luacheck: max line length 130 (an application's code stands in it)
local app = require "ions.app"
local json = require "lion.json"
local lion = require "lion"
local nodes = require "spec.ions.node"
local running = require "ions.running"

local FILES = {
  ["ion.lua"] = [==[
    return {
      app = "shop",
      http = { { "POST", "/orders/:name", "web/order" }, { "GET", "/run/:name", "web/run" } },
      static = { ["/files"] = "public" },
      invoke = { order = "web/order_by_name", total = "web/total" },
      allow = { "web/shout" },
      checks = { "web/check" },
      params = { currency = "EUR", mail = { from = "a@x", to = "b@x" } },
    }
  ]==],
  ["web.lua"] = [==[
    local ion, lion = require "ion", require "lion"
    local web, run = {}, {}
    local function save(name)
      return ion.connect():transact { { ["db/id"] = "order", ["db/doc"] = name } }
    end
    function web.check(db) assert(db.basis_t > 0) end
    function web.shout(text) return text:upper() end
    function web.order(r)
      local report = save(r.params.name)
      return { body = {
        id = report.tempids.order, count = #report.tx_data, before = report.db_before:q(run.DOCS),
        after = report.db_after:q(run.DOCS), newest = ion.db():q(run.DOCS),
      } }
    end
    function web.order_by_name(name) return save(name).tempids.order end
    function web.total(list) local sum = 0 for _, n in ipairs(list) do sum = sum + n end return sum end
    run.DOCS = "[:find [?d ...] :where [?e :db/doc ?d] [(= ?e ?e)] (not [?e :db/ident _])]"
    function run.params()
      return { ion.param "currency", ion.param "mail/from", ion.param "mail/to", ion.param "limit/most",
        ion.param("none", "none"), ion.env(), ion.app() }
    end
    function run.other() return { ion.connect("other"):transact({ { "db/add", "x", "db/doc", "y" } }).t } end
    function run.index() ion.connect():request_index() end
    function run.backup() ion.connect():backup "/tmp/never" end
    function run.system() ion.connect "system" end
    function run.path() ion.connect "../x" end
    function run.files() lion.connect "mem:" end
    function run.delete() lion.delete "/tmp/never.lion" end
    function run.conflict() ion.connect():transact { { "db/cas", "db/doc", "db/doc", "other", "x" } } end
    function run.malformed() ion.connect():transact { { "db/add", "x", "no/attribute", 1 } } end
    function run.edn() return { #ion.connect():transact("[[:db/add \"x\" :db/doc \"edn\"]]").tx_data } end
    function run.id()
      local id = lion.uuid()
      local function again() return ion.connect():transact({ { "db/add", "x", "db/doc", "z" } }, { id = id }).t end
      return { again() == again() }
    end
    function run.sync() return { ion.connect():sync().basis_t == ion.db().basis_t } end
    function run.late() ion.connect():sync(ion.db().basis_t + 1000, { timeout_ms = 20 }) end
    function run.heard()
      local conn, heard = ion.connect(), {}
      local stop = conn:listen(function(report) heard[#heard + 1] = report.t end)
      local t = save("heard").t
      stop()
      return { heard[#heard] == t }
    end
    function run.log()
      local t = save("log").t
      for tx in ion.connect():tx_range(t) do return { tx.t == t, ion.connect():log().basis_t == t } end
    end
    function run.closed() ion.connect():close() return { ion.db().basis_t > 0 } end
    function run.forge()
      local conn = ion.connect()
      conn.name, conn.maker = "system", { app = "other" }
      local t = conn:transact({ { "db/add", "x", "db/doc", "forged" } }).t
      conn.name = "shop"
      return { ion.db():q("[:find ?app . :in $ ?tx :where [?tx :ion/app ?app]]", lion.t_to_tx(t)) == "shop" }
    end
    function run.gsub() return (("x"):gsub("x", function() save "x" end)) end
    function run.query()
      return { ion.db():q("[:find ?s . :in $ ?x :where [(web/shout ?x) ?s]]", "loud") }
    end
    function run.nested() return { ion.invoke("order", "nested") > 0 } end
    function web.run(r) return { body = run[r.params.name]() } end
    return web
  ]==],
  ["public/hello.txt"] = "hello",
  ["public/page/index.html"] = "<p>",
  ["public/app.js"] = ("x"):rep(100000),
  ["public/app.js.gz"] = "compressed",
}

describe("An application in a node", function()
  local node, shop, last_id

  setup(function()
    node, last_id = nodes.new(), 0
    node:push("unrepro/one", FILES)
    node.system:transact {
      { ["db/id"] = "g", ["group/name"] = "main", ["group/running"] = { "r" } },
      { ["db/id"] = "g2", ["group/name"] = "other" },
      { ["db/id"] = "r", ["revision/app"] = { "app/name", "shop" }, ["revision/name"] = "unrepro/old" },
      { ["param/group"] = "g", ["param/app"] = { "app/name", "shop" }, ["param/path"] = "mail/from",
        ["param/value"] = '"c@x"' },
      { ["param/group"] = "g", ["param/app"] = { "app/name", "shop" }, ["param/path"] = "limit",
        ["param/value"] = '{"most": 7}' },
      { ["param/group"] = "g2", ["param/app"] = { "app/name", "shop" }, ["param/path"] = "currency",
        ["param/value"] = '"USD"' },
    }
    shop = app.load { node = true, app = "shop", revision = "unrepro/one", folder = node.folder, group = "main" }
  end)
  teardown(function()
    shop:close()
    node:close()
  end)

  local function handle(method, path, more)
    last_id = last_id + 1
    local raw = { method = method, path = path, query = "", headers = {}, body = "", id = last_id }
    for key, value in pairs(more or {}) do raw[key] = value end
    return shop:handle(raw)
  end

  local function ask(method, path, more)
    local status, headers, body, size = handle(method, path, more)
    if status ~= false then return status, body, headers, size end
    local id
    id, status, headers, body = node:wait(shop)
    assert.equal(last_id, id)
    return status, body, headers
  end

  local stderr
  before_each(function()
    stderr = io.stderr
    io.stderr = { write = function() end } -- luacheck: ignore
  end)
  after_each(function()
    io.stderr = stderr -- luacheck: ignore
  end)

  local function run(name)
    local status, body = ask("GET", "/run/" .. name)
    return status, json.read(body)
  end

  -- ---- loading ----------------------------------------------------------------------------------

  it("is loaded from the system database, and its database is made", function()
    assert.equal("shop", shop.manifest.app)
    assert.equal("SHOUT", shop.functions["web/shout"]("shout"))
    assert.truthy(io.open(node.folder .. "/shop.lion"))
    local trace = select(2, pcall(shop.functions["web/shout"], nil)).message
      or select(2, pcall(shop.functions["web/shout"], nil))
    assert.truthy(tostring(trace):find("shop/web.lua:", 1, true))
  end)

  it("has the parameters of its group before those of its manifest", function()
    local status, body = run "params"
    assert.same({ 200, { "EUR", "c@x", "b@x", 7, "none", "main", "shop" } }, { status, body })
    node.system:transact { { ["param/group"] = { "group/name", "main" }, ["param/app"] = { "app/name", "shop" },
      ["param/path"] = "currency", ["param/value"] = '"NOK"' } }
    assert.equal("NOK", select(2, run "params")[1])
  end)

  it("serves the files of its revision", function()
    local status, body, headers = ask("GET", "/files/hello.txt")
    assert.same({ 200, "hello" }, { status, body })
    assert.same({ "etag", ('"%s"'):format(require("ions.hash").sha256 "hello") }, headers[1])
    assert.equal(304, (ask("GET", "/files/hello.txt", { headers = { ["if-none-match"] = headers[1][2] } })))
    status, body = ask("GET", "/files/hello.txt", { headers = { range = "bytes=1-2" } })
    assert.same({ 206, "el" }, { status, body })
    assert.equal(302, (ask("GET", "/files/page")))
    assert.equal("<p>", select(2, ask("GET", "/files/page/")))
    assert.equal(100000, #select(2, ask("GET", "/files/app.js")))
    assert.equal("compressed", select(2, ask("GET", "/files/app.js", { headers = { ["accept-encoding"] = "gzip" } })))
  end)

  it("leaves what it has no route for to others", function()
    assert.is_nil((handle("GET", "/nowhere")))
    assert.is_nil((handle("GET", "/files/none.txt")))
    assert.equal(405, (handle("GET", "/orders/x")))
  end)

  -- ---- transactions -----------------------------------------------------------------------------

  it("waits for the writer while others are answered", function()
    assert.is_false((handle("POST", "/orders/first")))
    local waiting = last_id
    assert.equal(200, (ask("GET", "/run/params")))
    assert.is_nil((shop:step()))
    assert.is_true(shop:due() > 0) -- its deadline
    assert.is_false(shop:is_idle())
    local id, status, _, body = node:wait(shop)
    assert.same({ waiting, 200 }, { id, status })
    local report = json.read(body)
    assert.truthy(report.id > 0)
    table.sort(report.after)
    table.sort(report.newest)
    assert.same(report.after, report.newest)
    assert.equal(#report.before + 1, #report.after)
    assert.is_true(shop:is_idle())
  end)

  it("signs its transactions", function()
    ask("POST", "/orders/signed")
    local row = node:database("shop"):db():q [[
      [:find [?app ?revision ?entry] :where [_ :db/doc "signed" ?tx]
       [?tx :ion/app ?app] [?tx :ion/revision ?revision] [?tx :ion/entry ?entry] ] ]]
    assert.same({ "shop", "unrepro/one", "web/order" }, row)
  end)

  for _, name in ipairs { "other", "edn", "id", "sync", "heard", "log", "closed", "query", "nested", "forge" } do
    it("has the API of connections: " .. name, function()
      local status, body = run(name)
      assert.equal(200, status)
      assert.truthy(body[1])
      if name == "query" then assert.same({ "LOUD" }, body) end
    end)
  end

  for _, case in ipairs {
    { "index", 403, "lion/not-allowed" },
    { "backup", 403, "lion/not-allowed" },
    { "system", 403, "lion/not-allowed" },
    { "path", 500, "lion/handler-failed" },
    { "files", 403, "lion/not-allowed" },
    { "delete", 403, "lion/not-allowed" },
    { "conflict", 409, "db.error/cas-failed" },
    { "malformed", 400, "lion/unknown-attribute" },
    { "late", 504, "lion/timeout" },
    { "gsub", 500, "lion/handler-failed" },
  } do
    it("is told what cannot be: " .. case[1], function()
      local status, body = run(case[1])
      assert.same({ case[2], case[3] }, { status, body.error.code })
    end)
  end

  it("is told that the writer was lost", function()
    handle("POST", "/orders/lost")
    node.is_lost = true
    local _, status, _, body = node:wait(shop)
    node.is_lost = nil
    assert.same({ 503, "lion/writer-lost" }, { status, json.read(body).error.code })
    assert.equal(200, (ask("POST", "/orders/after")))
  end)

  it("forgets a request whose client has gone while it waits", function()
    handle("POST", "/orders/gone")
    shop:gone(last_id)
    assert.is_nil((shop:step()))
    node:serve(shop)
    assert.is_nil((shop:step()))
    assert.is_true(shop:is_idle())
  end)

  -- ---- the control door -------------------------------------------------------------------------

  local function control(path, body)
    local status, text = ask("POST", path, { is_control = true, remote = "control", body = body and json.write(body) or "" })
    return status, text and json.read(text)
  end

  it("is invoked, and asked", function()
    assert.same({ 200, 6 }, { control("/invoke/shop/total", { 1, 2, 3 }) })
    assert.equal(200, (control("/invoke/shop/order", "invoked")))
    local status, body = control("/q", { app = "shop", query = [[
      [:find ?s :where [_ :db/doc "invoked"] [(web/shout "invoked") ?s] ] ]] })
    assert.same({ 200, { rows = { { "INVOKED" } } } }, { status, body })
    status, body = control("/q", { app = "shop", query = "[:find ?x . :in $ ?x]", inputs = { 5 } })
    assert.same({ 200, { rows = 5 } }, { status, body })
    status, body = control("/q", { app = "shop", query = "[:find ?x . :in $ [?x ?y]]",
      inputs = { { edn = "[7 2]" } } })
    assert.same({ 200, { rows = 7 } }, { status, body })
    status, body = control("/q", { app = "shop", query = "[:find ?d . :in $ % :where (doc ?d)]",
      inputs = { { edn = '[[(doc ?d) [?e :db/doc ?d] [(= ?d "invoked")]]]' } } })
    assert.same({ 200, { rows = "invoked" } }, { status, body })
    status, body = control("/q", { app = "shop", as_of = 1, query = "[:find ?e :where [?e :db/doc \"invoked\"]]" })
    assert.same({ 200, "[]" }, { status, json.write(lion.set(body.rows)) })
  end)

  for _, case in ipairs {
    { "/invoke/shop/none", nil, 404, "lion/no-entry-point" },
    { "/invoke/shop/total", "text", 500, "lion/handler-failed" },
    { "/q", { app = "shop", query = "[:find" }, 400, "lion/syntax" },
    { "/q", { app = "shop", query = "[:find ?x . :in $ ?x]", what = 1 }, 400, "lion/syntax" },
    { "/q", { app = "shop", query = "[:find ?x . :in $ ?x]", inputs = 1 }, 400, "lion/syntax" },
    { "/q", { app = "shop" }, 400, "lion/syntax" },
    { "/q", { app = "shop", query = "[:find ?x :where [?x :no/such 1]]" }, 400, "lion/unknown-attribute" },
    { "/q", { app = "shop", query = "[:find ?x :where [(web/none 1) ?x]]" }, 404, "lion/not-found" },
  } do
    it(("tells the control door: %s %s"):format(case[1], json.write(case[2])), function()
      local status, body = control(case[1], case[2])
      assert.same({ case[3], case[4] }, { status, body.error.code })
      assert.truthy(#body.error.message > 0)
    end)
  end

  it("leaves the control door's other requests to others", function()
    assert.is_nil((control("/invoke/wiki/total")))
    assert.is_nil((control("/q", { app = "wiki", query = "[:find ?x . :in $ ?x]" })))
    assert.is_nil((control "/status"))
    assert.equal(405, (handle("GET", "/invoke/shop/total", { is_control = true, remote = "control" })))
    assert.equal(400, (handle("POST", "/q", { is_control = true, remote = "control", body = "{" })))
  end)

  it("is what its group runs", function()
    assert.same({ { app = "shop", revision = "unrepro/old" } }, running.list(node.folder, "main"))
    assert.same({}, running.list(node.folder, "other"))
    assert.same({}, running.list(node.folder, "nobody"))
    assert.same({}, running.list(node.folder .. "/none", "main"))
  end)
end)

describe("A revision that is loaded", function()
  local node

  before_each(function() node = nodes.new() end)
  after_each(function() node:close() end)

  local function load(files, more)
    node:push("unrepro/x", files, more and more.deps)
    local options = { node = true, app = "x", revision = "unrepro/x", folder = node.folder, group = "main" }
    for key, value in pairs(more or {}) do options[key] = value end
    return app.load(options)
  end

  local function failure(...)
    local ok, e = pcall(load, ...)
    assert.is_false(ok)
    return e
  end

  it("has the functions that its dependencies allow", function()
    local x = load({
      ["ion.lua"] = 'return { app = "x", deps = { money = { path = "../money" } }, allow = { "x/own" } }',
      ["x.lua"] = "return { own = function() return require('money.core').add(1, 2) end }",
      ["money/ion.lua"] = 'return { app = "money", allow = { "money.core/add" } }',
      ["money/core.lua"] = "return { add = function(a, b) return a + b end }",
    }, { deps = { "money" } })
    assert.equal(3, x.functions["x/own"]())
    assert.equal(3, x.functions["money.core/add"](1, 2))
    x:close()
  end)

  for _, case in ipairs {
    { "a check that fails", "lion/check", "x/x.lua:1: no luck", { ["ion.lua"] =
      'return { app = "x", checks = { "x/bad" } }', ["x.lua"] = "return { bad = function() error 'no luck' end }" } },
    { "a check that returns false", "lion/check", "returned false", { ["ion.lua"] =
      'return { app = "x", checks = { "x/bad" } }', ["x.lua"] = "return { bad = function() return false end }" } },
    { "a module that throws", "lion/module", "stack traceback", { ["ion.lua"] =
      'return { app = "x", allow = { "x/bad" } }', ["x.lua"] = "error 'no luck'" } },
    { "a module that is not there", "lion/module", "no file x/none.lua", { ["ion.lua"] =
      'return { app = "x", allow = { "none/bad" } }' } },
    { "a manifest that is none", "lion/manifest", "unknown key allo", { ["ion.lua"] =
      'return { app = "x", allow = {} }', ["bad"] = "" } },
  } do
    it("is refused: " .. case[1], function()
      if case[4].bad then
        node:push("unrepro/x", case[4])
        node.system:transact { { "db/add", node.system:db():q
          [[ [:find ?f . :where [?e :revision.file/path "ion.lua"] [?e :revision.file/file ?f] ] ]],
          "file/content", 'return { app = "x", allo = {} }' } }
        case[4] = { ["ion.lua"] = 'return { app = "x", allow = {} }', ["bad"] = "" }
      end
      local e = failure(case[4])
      assert.equal(case[2], e.code)
      assert.truthy(tostring(e.message):find(case[3], 1, true), e.message)
    end)
  end

  it("may leave out its checks", function()
    load({ ["ion.lua"] = 'return { app = "x", checks = { "x/bad" } }',
      ["x.lua"] = "return { bad = function() error 'no luck' end }" }, { checks = false }):close()
  end)

  it("stops a check that does not end", function()
    local entry = require "ions.entry"
    local default = entry.SETTINGS.timeout.default
    assert.equal(5000, default)
    local e = failure({ ["ion.lua"] = 'return { app = "x", checks = { "x/bad" } }',
      ["x.lua"] = "return { bad = function() while true do end end }" }, { check_ms = 30 })
    assert.equal("lion/check", e.code)
    assert.truthy(e.message:find("ran past its deadline", 1, true))
  end)

  it("that nobody pushed is not found", function()
    local ok, e = pcall(app.load, { node = true, app = "none", revision = "unrepro/x", folder = node.folder })
    assert.same({ false, "lion/not-found" }, { ok, e.code })
  end)
end)
