--- Deployments in trouble: answers that last longer, nodes that cannot take what others can, processes that
-- die meanwhile.
local application = require "spec.node.application"
local client = require "spec.node.client"
local node = require "spec.node.node"
local socket = require "spec.node.socket"

describe("A streamed answer", function()
  local cluster, a
  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 2 }
  end)
  teardown(function() cluster:close() end)

  local STREAM = [[
function web.stream()
  return { body = function()
    for i = 1, 2000 do coroutine.yield(("VERSION %06d "):format(i) .. ("x"):rep(10000) .. "\n") end
  end }
end]]

  local function files(version)
    return application.files(version, {
      web = STREAM:gsub("VERSION", version),
      http = '{ "GET", "/stream", "shop.web/stream" },',
    })
  end

  it("that was begun before a deployment comes to its end after it, by the code that began it", function()
    cluster:run(a, files "old", "a")
    local one = assert(socket.connect(a.url))
    one:send(client.text("GET", "/stream")) -- nobody reads: it waits for room
    node.wait_for(function()
      one:fill()
      return #one.got > 0
    end, "the beginning")
    for _, version in ipairs { "newer", "newest" } do
      cluster:run(a, files(version), "a")
    end
    assert.same({ newest = 20 }, a:answers("/", 20))
    local answer = assert(client.answer(one))
    one:close()
    local count = 0
    for line in answer.body:gmatch "[^\n]+" do
      count = count + 1
      assert.equal(("old %06d"):format(count), line:sub(1, 10))
    end
    assert.equal(2000, count)
  end)
end)

describe("A group of two nodes", function()
  local cluster, a, b
  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 2 }
    b = cluster:start { name = "two", group = "a", workers = 2, follow = a, memory = 48 }
    cluster:run(a, application.files "good", "a")
  end)
  teardown(function() cluster:close() end)

  -- more than node two lets an application hold
  local LARGE = [[
local large = {}
for i = 1, 1e6 do large[i] = { i } end
function web.large() return #large end]]

  it("takes a revision on both", function()
    assert.same({ good = 10 }, a:answers("/", 10))
    assert.same({ good = 10 }, b:answers("/", 10))
  end)

  it("goes back on the first when the second cannot take it", function()
    local revision = cluster:pushed(a, application.files("large", { web = LARGE }))
    local result = cluster:deploy(a, revision, "a")
    assert.equal(1, result.code)
    local deployment = a:deployments()[1]
    assert.same({ revision, "rolled-back" }, { deployment.revision, deployment.state })
    assert.truthy(#deployment.reason > 0)
    assert.same({ good = 20 }, a:answers("/", 20))
    assert.same({ good = 20 }, b:answers("/", 20))
  end)

  it("tells the way there and back in steps", function()
    local done = {}
    for _, step in ipairs(a:deployments()[1].steps) do
      done[#done + 1] = ("%s %s %s"):format(step.node, step.kind, step.state)
    end
    local text = table.concat(done, "\n")
    assert.truthy(text:find("one switch done", 1, true))
    assert.truthy(text:find("two %w+ failed"))
    assert.truthy(text:find("one restore done", 1, true))
  end)

  it("rolls on without a node that does not answer", function()
    node.kill(b:pids("supervisor")[1])
    b:gone()
    cluster:run(a, application.files "alone", "a")
    assert.same({ alone = 10 }, a:answers("/", 10))
    b = cluster:start { name = "two", group = "a", workers = 2, follow = a }
    assert.same({ alone = 10 }, b:answers("/", 10))
  end)
end)

describe("A deployment", function()
  local cluster, a
  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 2 }
    cluster:run(a, application.files "zero", "a")
  end)
  teardown(function() cluster:close() end)

  for i, role in ipairs { "worker", "writer", "executor", "door", "trial" } do
    it("during which a " .. role .. " is killed comes to an end, and never stays half done", function()
      local version, was = "version-" .. i, a:ask("GET", "/").body
      local revision = cluster:pushed(a, application.files(version, application.SLOW))
      local child = cluster:begin("deploy", revision, "--group", "a", "--node", a.door)
      local pid = node.wait_for(function()
        if next(a:pids "trial") == nil then return nil end -- the deployment is at its check
        return a:pids(role)[1]
      end, "a " .. role .. " during the check")
      node.kill(pid)
      local deployment = node.wait_for(function()
        local ok, list = pcall(a.deployments, a)
        local newest = ok and list[1]
        return newest and newest.revision == revision and newest.is_over and newest
      end, "the end of the deployment")
      local expected = deployment.state == "done" and version or was
      a:ready_pids("worker", 2)
      assert.same({ [expected] = 20 }, a:answers("/", 20))
      node.wait_for(function() return child:code() end, "the end of lion deploy")
    end)
  end
end)
