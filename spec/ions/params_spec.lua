-- Parameters: their layers, their secrets and the key of these, the door's routes to them, and what an
-- application is told.
-- luacheck: max line length 120 (messages stand in it)
local app = require "ions.app"
local handler = require "ions.events.handler"
local json = require "lion.json"
local key_file = require "ions.key_file"
local lion = require "lion"
local nodes = require "spec.ions.node"
local params = require "ions.params"
local program = require "spec.lua.program"
local secrets = require "ions.secrets"
local world = require "spec.ions.door_world"

local FILES = {
  ["ion.lua"] = [==[
    return {
      app = "shop",
      http = { { "GET", "/run/:name", "web/run" } },
      events = { { name = "leak", on = "cron", at = "* * * * *", fn = "web/leak" } },
      params = { currency = "EUR", mail = { from = "a@x", to = "b@x" }, list = { 1, 2 } },
    }
  ]==],
  ["web.lua"] = [==[
    local ion, cast = require "ion", require "ion.cast"
    local web, run = {}, {}
    function run.currency() return { ion.param "currency" } end
    function run.slash() return { ion.param "/mail/from", ion.param "mail/to" } end
    function run.mail() return ion.param "mail" end
    function run.changed() ion.param("mail").from = "z" return ion.param "mail" end
    function run.list() return ion.param "list" end
    function run.default() return { ion.param("no/such", 7), ion.param("no/such", nil) == nil } end
    function run.missing() return { ion.param "no/such" } end
    function run.malformed() return { ion.param "a//b" } end
    function run.key() return { #ion.param "bank/key" } end
    function run.leak() error("the key is " .. ion.param "bank/key") end
    function run.told()
      error({ category = "incorrect", code = "shop/no", message = "not " .. ion.param "bank/key" }, 0)
    end
    function run.cast() cast.event { "paid", key = ion.param "bank/key" } return {} end
    function run.env() return { ion.env() } end
    web.leak = run.leak
    function web.run(r) return { body = run[r.params.name]() } end
    return web
  ]==],
}

local KEY = 'correct "horse" battery'

describe("Parameters", function()
  describe("in layers", function()
    it("are merged where they are objects, and take each other's place elsewhere", function()
      local tree = params.merge {
        { currency = "EUR", mail = { from = "a", to = { "x", "y" } }, limit = 3 },
        { ["mail/from"] = "b", limit = { most = 7 } },
        { mail = { to = { "z" } }, ["limit/least"] = 1 },
      }
      assert.same({ currency = "EUR", mail = { from = "b", to = { "z" } }, limit = { most = 7, least = 1 } }, tree)
      assert.equal("b", params.find(tree, "mail/from"))
      assert.is_nil(params.find(tree, "mail/from/x"))
      assert.is_nil(params.find(tree, "none"))
    end)

    it("go from group and application over group and application to everywhere", function()
      local list = {}
      for i, at in ipairs { { "g", "a" }, { "g" }, { nil, "a" }, {}, { "h", "a" }, { "g", "b" } } do
        list[i] = { path = "x" .. i, group = at[1], app = at[2], value = tostring(i) }
      end
      assert.same({ { x4 = 4 }, { x3 = 3 }, { x2 = 2 }, { x1 = 1 } }, params.layers(list, "g", "a"))
    end)

    for _, text in ipairs { "", "/", "a//b", "a/", "//a", ("x"):rep(1001) } do
      it(("refuse the path %q"):format(text:sub(1, 10)), function()
        local ok, e = pcall(params.path, text)
        assert.is_false(ok)
        assert.equal("lion/syntax", e.code)
      end)
    end
  end)

  describe("that are secret", function()
    local folder, path

    before_each(function()
      folder = program.folder()
      path = folder .. "/secret.key"
    end)
    after_each(function() program.remove(folder) end)

    local function fails(words, fn, ...)
      local ok, e = pcall(fn, ...)
      assert.is_false(ok)
      assert.truthy(e.message:find(words, 1, true), e.message)
    end

    it("open with the key and at the place that they were sealed for", function()
      local keys, is_new = secrets.make_keys(path)
      assert.is_true(is_new)
      assert.is_false(select(2, secrets.make_keys(path)))
      local one = { path = "bank/key", group = "g" }
      one.sealed = secrets.seal(keys, one, "text")
      assert.is_nil(one.sealed:find("text", 1, true))
      assert.equal("text", secrets.open(secrets.keys(path), one))
      fails("sealed for another place", secrets.open, keys, { path = "bank/key", group = "h", sealed = one.sealed })
      local changed = one.sealed:sub(1, -6) .. (one.sealed:sub(-5, -5) == "A" and "B" or "A") .. one.sealed:sub(-4)
      fails("it was changed", secrets.open, keys, { path = "bank/key", group = "g", sealed = changed })
      os.remove(path)
      fails("needs the key " .. keys[1].id, secrets.open, secrets.make_keys(path), one)
    end)

    it("need a key file that is there, that is whole, and that nobody else may read", function()
      fails("there is no key file " .. path, secrets.keys, path)
      secrets.make_keys(path)
      os.execute("chmod 640 " .. path)
      fails("chmod 600 " .. path, secrets.keys, path)
      fails("(mode 0640)", secrets.make_keys, path)
      os.execute("chmod 600 " .. path)
      assert.equal(1, #secrets.keys(path))
      key_file.write(path, "no key\n")
      fails("is no key file", secrets.keys, path)
      key_file.write(path, "\n")
      fails("holds no key", secrets.keys, path)
      fails("cannot be written", secrets.make_keys, folder .. "/none/secret.key")
      fails("it is no file", secrets.keys, folder)
    end)

    it("are locked by one at a time", function()
      local lock = secrets.lock(path)
      assert.is_nil(secrets.lock(path))
      lock:close()
      secrets.lock(path):close()
    end)
  end)

  -- ---- a node --------------------------------------------------------------------------------------

  describe("of a node", function()
    local node, w, shop, last_id

    setup(function()
      node, last_id = nodes.new(), 0
      node:push("unrepro/one", FILES)
      local db = node.system:db()
      local revision = db:entid { "revision/app+name", { db:entid { "app/name", "shop" }, "unrepro/one" } }
      node.system:transact {
        { ["db/id"] = "g", ["group/name"] = "production", ["group/running"] = { revision } },
        { ["db/id"] = "g2", ["group/name"] = "staging" },
      }
      w = world.new { writer = node }
      shop = app.load { node = true, app = "shop", revision = "unrepro/one", folder = node.folder,
        group = "production" }
    end)
    teardown(function()
      shop:close()
      w:close()
      node:close()
    end)
    before_each(function()
      for _, one in ipairs(params.list(node.system:db())) do
        node.system:transact { { "db/retractEntity", one.id } }
      end
    end)

    local function ok(method, target, body)
      local status, answer = w:ask(method, target, body)
      assert.equal(200, status, type(answer) == "table" and json.write(answer) or answer)
      return answer
    end

    local function refused(status, code, words, ...)
      local got, body = w:ask(...)
      assert.equal(status, got)
      assert.equal(code, body.error.code)
      assert.truthy(body.error.message:find(words, 1, true), body.error.message)
    end

    local function set(path, value, more)
      local body = { path = path, value = value, by = "ann@laptop" }
      for name, item in pairs(more or {}) do body[name] = item end
      return ok("POST", "/params", body)
    end

    -- What a handler answers, and what it logs meanwhile.
    local function run(name)
      last_id = last_id + 1
      local raw = { method = "GET", path = "/run/" .. name, query = "", headers = {}, body = "", id = last_id }
      local stderr, log = io.stderr, ""
      io.stderr = { write = function(_, ...) log = log .. table.concat { ... } end } -- luacheck: ignore
      local fine, status, _, body = pcall(shop.handle, shop, raw)
      io.stderr = stderr -- luacheck: ignore
      assert.is_true(fine, status)
      return status, json.read(body), log
    end

    it("hold for all, an application, a group, or one in the other: the next call sees it", function()
      assert.same({ "EUR" }, select(2, run "currency"))
      for _, case in ipairs {
        { "USD", {} }, { "NOK", { app = "shop" } }, { "SEK", { group = "production" } },
        { "DKK", { group = "production", app = "shop" } },
      } do
        set("/currency", case[1], case[2])
        assert.same({ case[1] }, select(2, run "currency"))
      end
      set("currency", "ISK", { group = "staging" })
      assert.same({ "DKK" }, select(2, run "currency"))
      local value = ok("GET", "/params/value?path=/currency&group=production&app=shop")
      assert.same({ path = "currency", value = "DKK", from = { "group+app", "group", "app", "everywhere",
        "manifest" } }, value)
      assert.equal("ISK", ok("GET", "/params/value?path=currency&group=staging&app=shop").value)
      set("currency", lion.null, { group = "production", app = "shop" })
      assert.same({ "SEK" }, select(2, run "currency"))
    end)

    it("are objects that are merged, and copies", function()
      set("mail/from", "c@x", { app = "shop" })
      assert.same({ from = "c@x", to = "b@x" }, select(2, run "mail"))
      assert.same({ "c@x", "b@x" }, select(2, run "slash"))
      assert.same({ from = "c@x", to = "b@x" }, select(2, run "changed"))
      assert.same({ 1, 2 }, select(2, run "list"))
    end)

    it("stay what they are while others write the system database", function()
      set("currency", "USD")
      assert.same({ "USD" }, select(2, run "currency"))
      for _, count in ipairs { 1, 100 } do
        for i = 1, count do node.system:transact { { ["node/name"] = "other", ["node/workers"] = i } } end
        assert.same({ "USD" }, select(2, run "currency"))
      end
      node.system:transact { { ["node/name"] = "other", ["node/workers"] = 7 } }
      set("currency", "NOK")
      node.system:transact { { ["node/name"] = "other", ["node/workers"] = 8 } }
      assert.same({ "NOK" }, select(2, run "currency"))
    end)

    it("that are missing have a default, or an error that says what sets them", function()
      assert.same({ 7, true }, select(2, run "default"))
      local status, _, log = run "missing"
      assert.equal(500, status)
      assert.truthy(log:find("lion/no-param: there is no parameter no/such: looked for in shop in group production, "
        .. "group production, application shop, everywhere, and the manifest's params. "
        .. "`lion param set /no/such VALUE --app shop --group production` sets it", 1, true), log)
      assert.equal(500, (run "malformed"))
      refused(404, "lion/no-param", "`lion param set /no/such VALUE --group production` sets it", "GET",
        "/params/value?path=no/such&group=production")
    end)

    it("that are secret are told to the application alone", function()
      local told = set("bank/key", KEY, { group = "production", is_secret = true })
      assert.is_nil(told.value)
      assert.same({ #KEY }, select(2, run "key"))
      local list = ok("GET", "/params")
      assert.is_true(list[1].is_secret)
      assert.is_nil(list[1].value)
      local value = ok("GET", "/params/value?path=bank&group=production")
      assert.same({ path = "bank", value = { key = "(secret)" }, from = { "group" }, is_secret = true }, value)
      local found = ok("POST", "/q", { db = "system", query = "[:find [?v ...] :where [?p :param/secret ?v]]" })
      assert.equal(1, #found.result)
      assert.is_nil(json.write(found):find("horse", 1, true))
      assert.equal(KEY, ok("POST", "/params/reveal", { path = "bank/key", group = "production" }).value)
      assert.is_nil(json.write(ok("GET", "/params/history?path=bank/key")):find("horse", 1, true))
    end)

    it("that are secret are taken out of logs, casts and traces", function()
      set("bank/key", KEY, { is_secret = true })
      for _, name in ipairs { "leak", "told", "cast" } do
        local _, body, log = run(name)
        assert.is_nil(log:find("horse", 1, true), log)
        assert.truthy(log:find("(secret)", 1, true), log)
        assert.is_nil(json.write(body):find("horse", 1, true))
      end
    end)

    it("that are secret are taken out of what is written of events that fail", function()
      set("bank/key", KEY, { is_secret = true })
      local answer
      assert.is_true(handler.run(shop, "leak", {}, function(given) answer = given end))
      while not answer do shop:step() end
      assert.truthy(answer.message:find("the key is (secret)", 1, true), answer.message)
      assert.is_nil((answer.message .. answer.trace):find("horse", 1, true))
    end)

    it("that are secret do not open without their key file", function()
      set("bank/key", KEY, { is_secret = true })
      local path = node.folder .. "/secret.key"
      os.execute("chmod 644 " .. path)
      local status, _, log = run "key"
      assert.equal(503, status)
      assert.truthy(log:find("chmod 600 " .. path, 1, true), log)
      refused(503, "lion/key-file", "chmod 600 " .. path, "POST", "/params/reveal", { path = "bank/key" })
      refused(503, "lion/key-file", "chmod 600 " .. path, "POST", "/params",
        { path = "bank/other", value = 1, is_secret = true })
      os.execute(("chmod 600 %s && mv %s %s.away"):format(path, path, path))
      status, _, log = run "key"
      assert.equal(503, status)
      assert.truthy(log:find("there is no key file " .. path, 1, true), log)
      os.execute(("mv %s.away %s"):format(path, path))
      assert.same({ #KEY }, select(2, run "key"))
    end)

    it("get another key, and are sealed anew", function()
      set("bank/key", KEY, { is_secret = true })
      set("bank/pin", 1234, { is_secret = true, group = "staging", app = "shop" })
      local before = ok("POST", "/params/key", {})
      assert.is_false(before.is_new)
      local after = ok("POST", "/params/rotate-key", {})
      assert.equal(2, after.secrets)
      assert.not_equal(before.key, after.key)
      assert.equal(1, #secrets.keys(node.folder .. "/secret.key"))
      assert.same({ #KEY }, select(2, run "key"))
      assert.equal(1234, ok("POST", "/params/reveal", { path = "bank/pin", group = "staging", app = "shop" }).value)
    end)

    it("keep their keys when a rotation ends on the way", function()
      set("bank/key", KEY, { is_secret = true })
      local path = node.folder .. "/secret.key"
      secrets.put_key_in_front(path, secrets.keys(path))
      assert.same({ #KEY }, select(2, run "key"))
      set("bank/pin", 1234, { is_secret = true }) -- by the new one
      assert.equal(1, ok("POST", "/params/rotate-key", {}).secrets - 1)
      assert.same({ #KEY }, select(2, run "key"))
    end)

    it("change between secret and not", function()
      set("bank/key", KEY, { is_secret = true })
      set("bank/key", "open")
      assert.same({ 4 }, select(2, run "key"))
      set("bank/key", KEY, { is_secret = true })
      assert.is_true(ok("GET", "/params")[1].is_secret)
    end)

    it("are listed with who set them, and what they were", function()
      set("limits/most", 7, { app = "shop" })
      set("limits/most", { 8 }, { app = "shop", by = "bob@desk" })
      set("limitsx", 1)
      local list = ok("GET", "/params?path=limits")
      assert.equal(1, #list)
      assert.same({ 8 }, list[1].value)
      assert.equal("bob@desk", list[1].by)
      assert.truthy(list[1].since:find "^%d%d%d%d%-")
      assert.is_true(set("limits/most", lion.null, { app = "shop" }).was_set)
      assert.is_false(set("limits/most", lion.null, { app = "shop" }).was_set)
      set("limits/most", 9, { app = "shop" })
      local history = {}
      for i, one in ipairs(ok("GET", "/params/history?path=limits/most&app=shop")) do
        history[i] = { one.is_unset and "unset" or one.value, one.by }
      end
      assert.same({ { 9, "ann@laptop" }, { "unset", "ann@laptop" }, { { 8 }, "bob@desk" }, { 7, "ann@laptop" } },
        history)
      assert.equal(2, #ok("GET", "/params/history?path=limits/most&limit=2"))
    end)

    it("say what is wrong with what is asked", function()
      refused(404, "lion/not-found", "no application bank", "POST", "/params", { app = "bank", path = "x", value = 1 })
      refused(404, "lion/not-found", "no group prod", "GET", "/params?group=prod")
      refused(400, "lion/syntax", "no parameter's name", "POST", "/params", { path = "a//b", value = 1 })
      refused(400, "lion/syntax", "value is needed", "POST", "/params", { path = "a" })
      for _, is_secret in ipairs { false, true } do
        set("large", ("x"):rep(65534), { is_secret = is_secret })
        refused(400, "lion/limit", "at most 65536 bytes", "POST", "/params",
          { path = "large", value = ("x"):rep(65535), is_secret = is_secret })
      end
    end)

    it("go with what ion.env() says in a group", function()
      assert.same({ "production" }, select(2, run "env"))
      ok("POST", "/groups", { name = "production", env = "live" })
      assert.same({ "live" }, select(2, run "env"))
      ok("POST", "/groups", { name = "production", env = lion.null })
      assert.same({ "production" }, select(2, run "env"))
      refused(404, "lion/not-found", "no group prod", "POST", "/groups", { name = "prod", env = "x" })
      refused(400, "lion/syntax", "env is a text", "POST", "/groups", { name = "production", env = "" })
    end)
  end)

  -- ---- lion dev ------------------------------------------------------------------------------------

  it("of a folder are those of the command line, of .lion, of the manifest", function()
    local folder = program.folder()
    os.execute("mkdir -p " .. folder .. "/.lion")
    for name, text in pairs(FILES) do program.write(folder .. "/" .. name, text) end
    program.write(folder .. "/.lion/params.lua", 'return { currency = "USD", ["mail/from"] = "c@x" }')
    program.write(folder .. "/.lion/params.json", '{ "mail": { "to": "d@x" } }')
    local place = require("lion.cli.dev").place(folder, "mem:", nil, { "/list=none", "a/b=c=d" })
    local loaded = app.load(place)
    assert.equal("USD", loaded:param "currency")
    assert.same({ from = "c@x", to = "d@x" }, loaded:param "mail")
    assert.equal("none", loaded:param "list")
    assert.equal("c=d", loaded:param "a/b")
    local fine, e = pcall(loaded.param, loaded, "no/such")
    assert.is_false(fine)
    assert.truthy(e.message:find("`lion dev --param no/such=VALUE` sets it", 1, true), e.message)
    local watched = table.concat(loaded.files, "\n")
    assert.truthy(watched:find("/.lion/params.lua", 1, true))
    loaded:close()
    for name, text in pairs { ["params.lua"] = "return {", ["params.json"] = "[1]" } do
      program.write(folder .. "/.lion/" .. name, text)
      local is_loaded, problem = pcall(app.load, place)
      assert.is_false(is_loaded)
      assert.truthy(problem.message:find(".lion/" .. name, 1, true), problem.message)
      os.remove(folder .. "/.lion/" .. name)
    end
    program.remove(folder)
  end)
end)
