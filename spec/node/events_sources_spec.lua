--- Webhooks and files as a node's events: what is acknowledged is handled, whatever dies meanwhile.
local application = require "spec.node.application"
local client = require "spec.node.client"
local json = require "lion.json"
local lion = require "lion"
local node = require "spec.node.node"
local program = require "spec.lua.program"
local socket = require "spec.node.socket"
local sodium = require "ions.sodium"

local MANIFEST = [==[
  events = {
    { on = "http", name = "open", fn = "shop.events/hook", backoff = 1, retries = 1 },
    { on = "http", name = "signed", fn = "shop.events/hook",
      signature = { scheme = "github", secret_param = "hook/secret" } },
    { on = "dir", name = "files", path = "inbox", fn = "shop.events/file", backoff = 1, retries = 1 },
    { on = "dir", name = "gone", path = "orders/in", fn = "shop.events/file", delete = true },
  },
  params = { hook = { secret = "a" } },
]==]

-- What is handled is written down, with the event's id: a repetition writes nothing.
local EVENTS = [==[
local ion = require "ion"
local json = require "ion.json"
local events = {}
local function note(event, value)
  local facts = { ["seen/event"] = event.event, ["seen/value"] = json.write(value) }
  ion.connect():transact({ facts }, { id = event.id })
end
function events.hook(event)
  local data = event.data
  if type(data) == "table" and data.fail then error "it fails" end
  if type(data) == "string" then data = require("ion.hash").sha256(data, "hex") end
  note(event, { data = data, kind = event.headers["x-kind"], cloud = event.cloud, type = event.content_type,
    is_received = event.received > 1.7e12 })
end
function events.file(event)
  local is_mended = ion.db():entid ":mended/at" ~= nil
  if event.name:find "bad" and not is_mended then error "a bad file" end
  note(event, { name = event.name, size = event.size, text = event.read(), piece = event.read(1, 2) })
end
return events
]==]

local WEB = [==[
function web.seen(request)
  local json, list = require "ion.json", {}
  local found = ion.db():q "[:find ?e ?event ?value :where [?e :seen/event ?event] [?e :seen/value ?value]]"
  table.sort(found, function(a, b) return a[1] < b[1] end)
  for _, row in ipairs(found) do
    if row[2] == request.query.event then list[#list + 1] = json.read(row[3]) end
  end
  return { body = { list = list } }
end
function web.prepare()
  ion.connect():transact(lion.schema { seen = { event = "string", value = "string" } })
  return "ok"
end
function web.mend() ion.connect():transact(lion.schema { mended = { at = "long" } }) return "ok" end
]==]

local JSON = { ["content-type"] = "application/json" }

describe("A node", function()
  local cluster, a
  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 2 }
    cluster:run(a, application.files("here", {
      manifest = MANIFEST,
      web = WEB,
      http = [[{ "GET", "/seen", "shop.web/seen" }, { "POST", "/prepare", "shop.web/prepare" },
        { "POST", "/mend", "shop.web/mend" },]],
      files = { ["shop/events.lua"] = EVENTS },
    }), "a")
    assert.equal(200, a:ask("POST", "/prepare").status)
  end)
  teardown(function() cluster:close() end)

  local function seen(event) return a:ask("GET", "/seen?event=" .. event).json().list end

  local function wait_for(event, count)
    return node.wait_for(function()
      local list = seen(event)
      return #list >= count and list
    end, ("%d of %s"):format(count, event))
  end

  local function post(event, headers, body)
    return a:ask("POST", "/events/" .. event, { headers = headers, body = body })
  end

  describe("that is sent a webhook", function()
    it("answers when it is written, and has it handled once", function()
      local headers = { ["content-type"] = "application/json", ["x-kind"] = "paid" }
      assert.equal(202, post("open", headers, '{"n":1}').status)
      local answer = post("open", JSON, '{"n":1}')
      assert.equal(202, answer.status)
      assert.is_true(answer.json().is_repeated)
      assert.equal(202, post("open", JSON, '{"n":2}').status)
      local list = wait_for("open", 2)
      assert.same({ data = { n = 1 }, kind = "paid", type = "application/json", is_received = true }, list[1])
      assert.same({ n = 2 }, list[2].data)
      assert.equal(2, #seen "open")
    end)

    it("knows CloudEvents", function()
      local headers = { ["content-type"] = "application/cloudevents+json" }
      local body = '{"specversion":"1.0","id":"7","source":"/s","type":"t","data":{":odd":null}}'
      assert.equal(202, post("open", headers, body).status)
      local list = wait_for("open", 3)
      assert.same({ id = "7", source = "/s", type = "t" }, list[3].cloud)
      assert.truthy(list[3].data[":odd"])
    end)

    it("gives it whole, up to its largest size", function()
      for i, bytes in ipairs { "\1\255", '"\n' } do
        local body = bytes:rep(512 * 1024)
        assert.equal(202, post("open", { ["content-type"] = "a/b" }, body).status)
        assert.equal(sodium.hex(sodium.sha256(body)), wait_for("open", 3 + i)[3 + i].data)
      end
    end)

    it("takes the same one once, by whatever ways it comes", function()
      local body, sockets = '{"same":1}', {}
      for i = 1, 16 do
        sockets[i] = assert(socket.connect(a.url))
        sockets[i]:send(client.text("POST", "/events/open", { headers = JSON, body = body }))
      end
      local count = 0
      for i = 1, 16 do
        local answer = assert(client.answer(sockets[i]))
        assert.equal(202, answer.status)
        if answer.body:find('"is_repeated":false', 1, true) then count = count + 1 end
        sockets[i]:close()
      end
      assert.equal(1, count)
      assert.equal(202, post("open", JSON, '{"last":1}').status)
      assert.same({ same = 1 }, wait_for("open", 7)[6].data)
    end)

    it("refuses what has no right signature", function()
      assert.equal(401, post("signed", JSON, "1").status)
      local function signed(body, of)
        local digits = sodium.hex(sodium.hmac("a", of or body))
        local headers = { ["content-type"] = "application/json" }
        headers["x-hub-signature-256"] = "sha256=" .. digits
        return post("signed", headers, body)
      end
      assert.equal(403, signed("1", "2").status)
      assert.equal(400, signed("{").status)
      assert.equal(202, signed("1").status)
      assert.equal(1, wait_for("signed", 1)[1].data)
    end)

    it("takes it after its handler has failed for good to the dead letters, and others go on", function()
      assert.equal(202, post("open", JSON, '{"fail":true}').status)
      assert.equal(202, post("open", JSON, '{"n":4}').status)
      assert.same({ n = 4 }, wait_for("open", 8)[8].data)
    end)

    it("loses none that it has acknowledged when workers and the events process are killed", function()
      local told = {}
      for i = 1, 60 do
        if i % 20 == 0 then
          node.kill(a:pids(i == 40 and "events" or "worker")[1])
        end
        local ok, answer = pcall(post, "open", JSON, ('{"number":%d}'):format(i))
        if ok and answer.status == 202 then told[i] = true end
      end
      node.wait_for(function()
        local is_seen = {}
        for _, one in ipairs(seen "open") do
          if one.data.number then
            assert.is_nil(is_seen[one.data.number])
            is_seen[one.data.number] = true
          end
        end
        for i in pairs(told) do
          if not is_seen[i] then return false end
        end
        return true
      end, "all of them")
    end)
  end)

  describe("into whose folder files are put", function()
    local function path(name) return a.mark .. "/files/shop/" .. name end
    local function put(name, text)
      program.write(path(".x"), text)
      assert(os.rename(path ".x", path(name)))
    end
    local function is_there(name)
      local file = io.open(path(name))
      if file then file:close() end
      return file ~= nil
    end
    local function wait_until(name)
      node.wait_for(function() return is_there(name) end, name)
    end

    -- All at once: each takes its time to stand still.
    setup(function()
      wait_until "inbox/failed"
      wait_until "orders/in/failed"
      program.write(a.mark .. "/secret", "s")
      os.execute(("ln -s %s/secret %s"):format(a.mark, path "inbox/link"))
      os.execute(("ln -s ../../../secret %s"):format(path "inbox/up"))
      put("inbox/..a", "hidden")
      put("inbox/a\\..\\b", "odd")
      put("inbox/a.csv", "a;b")
      put("inbox/bad", "1")
      put("inbox/good", "2")
      put("orders/in/b", "")
    end)

    it("has each handled once, and moves it", function()
      wait_until "inbox/done/a.csv"
      assert.same({ name = "a.csv", size = 3, text = "a;b", piece = ";b" }, wait_for("files", 1)[1])
    end)

    it("removes it, if that is wanted", function()
      wait_for("gone", 1)
      node.wait_for(function() return not is_there "orders/in/taken/b" end, "its end")
      assert.is_false(is_there "orders/in/done/b")
    end)

    it("moves what fails, and goes on", function()
      wait_until "inbox/failed/bad"
      wait_until "inbox/done/good"
    end)

    it("has it handled again by a replay, which moves it when it ends well", function()
      wait_until "inbox/failed/bad"
      local letters = a:control("GET", "/events/dead?event=files").json()
      local key = (letters.dead or letters)[1].key
      assert.truthy(key:find "^a/shop/files/%d+$")
      assert.equal(200, a:ask("POST", "/mend").status)
      assert.equal(200, a:control("POST", "/events/replay", { body = json.write { key = key } }).status)
      wait_until "inbox/done/bad"
    end)

    it("follows no link, and is led nowhere by a name", function()
      local names = {}
      for i, one in ipairs(seen "files") do names[i] = one.name end
      assert.same({ "a.csv", "good", "bad" }, names)
      assert.is_true(is_there "inbox/..a")
      assert.is_true(is_there "inbox/a\\..\\b")
    end)

    it("handles it though the events process is killed", function()
      put("inbox/c", "4")
      node.kill(a:pids "events"[1])
      wait_until "inbox/done/c"
      local count = 0
      for _, one in ipairs(seen "files") do count = count + (one.name == "c" and 1 or 0) end
      assert.equal(1, count)
    end)
  end)

  it("of another group has webhooks of its own, in the primary's folder", function()
    local b = cluster:start { name = "two", group = "b", workers = 1, follow = a }
    local events = [==[events = { { on = "http", name = "open", fn = "shop.events/hook" } },]==]
    local files = application.files("there", { manifest = events, files = { ["shop/events.lua"] = EVENTS } })
    cluster:run(a, files, "b")
    local known_to_a = { headers = JSON, body = '{"n":1}' }
    assert.equal(202, b:ask("POST", "/events/open", known_to_a).status)
    node.wait_for(function()
      local list = seen "open"
      return list[#list].data.n == 1
    end, "it")
  end)

  it("keeps what was given up", function()
    local system = lion.connect(a.mark .. "/system.lion", { read_only = true })
    local function count() return system:sync():count("aevt", "event.dead/key") end
    node.wait_for(function() return count() == 1 end, "one dead letter")
    system:close()
  end)
end)

describe("lion dev", function()
  local folder, child, url
  setup(function()
    folder = program.folder()
    program.write(folder .. "/ion.lua", [==[return {
      app = "tiny",
      http = { { "GET", "/seen", "tiny/seen" } },
      events = {
        { on = "http", name = "hook", fn = "tiny/hook" },
        { on = "dir", path = "inbox", fn = "tiny/file" },
      },
    }]==])
    program.write(folder .. "/tiny.lua", [==[
      local tiny, list = {}, {}
      function tiny.hook(event) list[#list + 1] = event.data end
      function tiny.file(event) list[#list + 1] = event.read() end
      function tiny.seen() return { body = { list = list } } end
      return tiny]==])
    child = program.start(folder, { "dev", folder, "--listen", "127.0.0.1:0" })
    local function find_url() return child:out():match "ready (http://[^/%s]+)" end
    url = node.wait_for(find_url, "lion dev to be ready")
  end)
  teardown(function()
    child:signal "TERM"
    child:wait()
    program.remove(folder)
  end)

  local function wait_for(count)
    return node.wait_for(function()
      local list = client.ask(url, "GET", "/seen").json().list
      return #list == count and list
    end, count .. " events")
  end

  it("hands out webhooks and files, too", function()
    local answer = client.ask(url, "POST", "/events/hook", { headers = JSON, body = '{"n":1}' })
    assert.equal(202, answer.status)
    assert.same({ { n = 1 } }, wait_for(1))
    program.write(folder .. "/.lion/files/inbox/a", "bytes")
    assert.equal("bytes", wait_for(2)[2])
    node.wait_for(function() return io.open(folder .. "/.lion/files/inbox/done/a") end, "its end")
  end)
end)
