--- The supervisor is killed in the middle of a deployment, and started again: the deployment goes on or
-- back, and never stays half done.
local application = require "spec.node.application"
local node = require "spec.node.node"

describe("A supervisor that is killed", function()
  local cluster, a

  setup(function() cluster = node.cluster() end)
  teardown(function() cluster:close() end)

  local function start() a = cluster:start { name = "one", group = "a", workers = 2 } end

  it("takes all its processes with it", function()
    start()
    cluster:run(a, application.files "before", "a")
    node.kill(a:pids("supervisor")[1])
    a:gone()
  end)

  it("is started again, and runs what it ran", function()
    start()
    assert.same({ before = 10 }, a:answers("/", 10))
  end)

  -- at each of these the deployment stands somewhere else
  for i, kind in ipairs { "load", "check", "switch" } do
    it("during step " .. kind .. " of a deployment leaves all of it or nothing", function()
      local version = "after-" .. i
      local was = a:ask("GET", "/").body
      local revision = cluster:pushed(a, application.files(version, application.SLOW))
      local child = cluster:begin("deploy", revision, "--group", "a", "--node", a.door)
      node.wait_for(function()
        local newest = a:deployments()[1]
        if newest.revision ~= revision then return nil end
        for _, step in ipairs(newest.steps or {}) do
          if step.kind == kind then return true end
        end
        return newest.is_over
      end, "step " .. kind)
      node.kill(a:pids("supervisor")[1])
      a:gone()
      start()
      local deployment = node.wait_for(function()
        local newest = a:deployments()[1]
        return newest.is_over and newest
      end, "the end of the deployment")
      assert.equal(revision, deployment.revision)
      local expected = deployment.state == "done" and version or was
      assert.same({ [expected] = 20 }, a:answers("/", 20))
      node.wait_for(function() return child:code() end, "the end of lion deploy")
    end)
  end

  it("takes a deployment after all that", function()
    cluster:run(a, application.files "last", "a")
    assert.same({ last = 20 }, a:answers("/", 20))
  end)

  it("that is told to stop during a deployment leaves no process", function()
    local revision = cluster:pushed(a, application.files("never", application.SLOW))
    local child = cluster:begin("deploy", revision, "--group", "a", "--node", a.door)
    node.wait_for(function() return a:deployments()[1].revision == revision end, "the deployment")
    assert.equal(0, a:stop())
    assert.same({}, a:processes())
    node.kill(child.pid) -- it would wait for the node to come back
    node.wait_for(function() return child:code() end, "the end of lion deploy")
  end)
end)
