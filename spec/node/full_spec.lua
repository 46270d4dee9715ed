-- A node whose disk is full: a small file system of its own, where that can be mounted.
-- luacheck: max line length 130 (an application's code stands in it)
local hash = require "ions.hash"
local node = require "spec.node.node"
local program = require "spec.lua.program"

local MEGABYTE = 2 ^ 20

local function files(text)
  return {
    ["ion.lua"] = [==[
      return { app = "shop", static = { ["/files"] = "files" },
        http = { { "GET", "/", "web/hello" }, { "POST", "/note", "web/note" } } }
    ]==],
    ["web.lua"] = [==[
      local ion, lion = require "ion", require "lion"
      return {
        hello = function() return "hello" end,
        note = function(r)
          ion.connect():transact(lion.schema { note = { text = "string" } })
          ion.connect():transact { { ["note/text"] = r.body } }
          return "noted"
        end,
      }
    ]==],
    ["files/text.txt"] = text,
  }
end

describe("A node whose disk is full", function()
  local cluster, a, folder, has_disk

  setup(function()
    cluster = node.cluster()
    folder = cluster.folder .. "/one"
    os.execute("mkdir " .. folder)
    has_disk = os.execute("mount -t tmpfs -o size=64m none " .. folder .. " 2>/dev/null") == 0
    if not has_disk then return end
    a = cluster:start { name = "one", group = "a", workers = 1, words = { "--cast", cluster.folder .. "/casts" } }
    cluster:run(a, files "first", "a")
    assert.equal("noted", a:ask("POST", "/note", { body = "one" }).body)
  end)
  teardown(function()
    if a then a:stop() end
    if has_disk then os.execute("umount " .. folder) end
    cluster:close()
  end)

  -- All that is left but a little.
  local function fill()
    os.execute(("dd if=/dev/zero of=%s/filler bs=64k 2>/dev/null; truncate -s -128k %s/filler"):format(folder, folder))
  end

  local function random_text(size)
    local file = io.open("/dev/urandom", "rb")
    local text = file:read(size)
    file:close()
    return text
  end

  it("refuses a push, goes on with the rest, and takes it when there is room", function()
    if not has_disk then return pending "no file system can be mounted here" end
    fill()
    local pushed, why = cluster:push(a, files(random_text(4 * MEGABYTE)))
    assert.is_nil(pushed)
    assert.truthy(why:find("No space left", 1, true), why)
    local answer = a:control("PUT", "/push/files/" .. ("0"):rep(64), { body = "x" })
    assert.equal(400, answer.status) -- the door works

    assert.equal("hello", a:ask("GET", "/").body)
    assert.equal("first", a:ask("GET", "/files/text.txt").body)
    local rows = a:control("POST", "/q", { body = '{"db":"shop","query":"[:find [?t ...] :where [_ :note/text ?t]]"}' })
    assert.same({ "one" }, rows.json().result)
    node.wait_for(function()
      return (program.read(cluster.folder .. "/casts") or ""):find('"name":"lion/disk"', 1, true)
    end, "the alert")

    os.remove(folder .. "/filler")
    local revision = cluster:pushed(a, {})
    assert.equal(0, cluster:deploy(a, revision, "a").code)
    assert.equal(4 * MEGABYTE, #a:ask("GET", "/files/text.txt").body)
    assert.equal("noted", a:ask("POST", "/note", { body = "two" }).body)
  end)

  it("answers 503 at the control door, and to who transacts", function()
    if not has_disk then return pending "no file system can be mounted here" end
    os.execute(("dd if=/dev/zero of=%s/filler bs=64k 2>/dev/null"):format(folder))
    local status, answer, text, digest
    for i = 1, 20 do -- what was laid out before has room for some
      text = random_text(2 * MEGABYTE)
      digest = hash.sha256(text)
      answer = a:control("PUT", "/push/files/" .. digest, { body = text })
      if answer.status ~= 201 then break end
      assert(i < 20, "it takes all")
    end
    assert.same({ 503, "lion/disk-full" }, { answer.status, answer.json().error.code })
    for i = 1, 200 do
      status = a:ask("POST", "/note", { body = ("x"):rep(60000) .. i }).status
      if status ~= 200 then break end
    end
    assert.equal(503, status)
    assert.equal("hello", a:ask("GET", "/").body)
    os.remove(folder .. "/filler")
    assert.equal("noted", a:ask("POST", "/note", { body = "three" }).body)
    assert.equal(201, a:control("PUT", "/push/files/" .. digest, { body = text }).status)
  end)
end)
