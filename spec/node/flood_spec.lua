--- Requests without end while revisions are deployed: not one fails.
local application = require "spec.node.application"
local client = require "spec.node.client"
local node = require "spec.node.node"

local CONNECTIONS = 8
local DEPLOYMENTS = 3

describe("A flood of requests while revisions are deployed", function()
  local cluster, a

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 2 }
    cluster:run(a, application.files "version-0", "a")
    assert.equal("ok", a:ask("POST", "/setup").body)
  end)
  teardown(function() cluster:close() end)

  -- Go on until a child of the spec has ended, and ended well.
  local function await(flood, child)
    flood:until_(function() return child:code() end, "a deployment", 60000)
    assert.equal(0, child:code(), child:err())
  end

  it("is answered whole, each by one revision or the next", function()
    local seen = {}
    local flood = client.flood(a.url, {
      connections = CONNECTIONS,
      request = function() return { text = client.text("GET", "/") } end,
      answered = function(answer) seen[answer.body] = (seen[answer.body] or 0) + 1 end,
    })
    flood:answers(100)
    for i = 1, DEPLOYMENTS do
      local revision = cluster:pushed(a, application.files("version-" .. i))
      await(flood, cluster:begin("deploy", revision, "--group", "a", "--node", a.door))
      flood:answers(100)
    end
    local counts = flood:finish()
    assert.same({}, flood.bad)
    assert.equal(0, counts.lost)
    for i = 0, DEPLOYMENTS do
      assert.truthy(seen["version-" .. i])
      seen["version-" .. i] = nil
    end
    assert.same({}, seen)
    assert.equal(CONNECTIONS, flood.connects) -- none was closed
  end)

  it("never goes back once a connection has seen the new one, after the deployment is over", function()
    assert.same({ ["version-" .. DEPLOYMENTS] = 20 }, a:answers("/", 20))
  end)

  it("of transactions loses none", function()
    local next_number = 0
    local told = {}
    local flood = client.flood(a.url, {
      connections = CONNECTIONS,
      request = function()
        next_number = next_number + 1
        local path = next_number % 2 == 0 and "/visit" or "/call/visit"
        return { text = client.text("POST", path, { body = tostring(next_number) }), number = next_number }
      end,
      answered = function(answer, request)
        if answer.status == 200 then told[#told + 1] = request.number end
      end,
    })
    flood:answers(20)
    local revision = cluster:pushed(a, application.files "version-last")
    await(flood, cluster:begin("deploy", revision, "--group", "a", "--node", a.door))
    flood:answers(20)
    local counts = flood:finish()
    assert.same({}, flood.bad)
    assert.equal(0, counts.lost)
    node.wait_for(function()
      return tonumber(a:ask("GET", "/count?of=visit/number").body) == #told
    end, "all that was told to be there")
  end)
end)

describe("Two deployments at once", function()
  local cluster, a

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 2 }
    cluster:run(a, application.files "zero", "a")
  end)
  teardown(function() cluster:close() end)

  it("take turns, and both end", function()
    local first = cluster:pushed(a, application.files "first")
    local second = cluster:pushed(a, application.files "second")
    local one = cluster:begin("deploy", first, "--group", "a", "--node", a.door)
    local two = cluster:begin("deploy", second, "--group", "a", "--node", a.door)
    node.wait_for(function() return one:code() and two:code() end, "both deployments")
    assert.equal(0, one:code(), one:err())
    assert.equal(0, two:code(), two:err())
    local newest = a:deployments()
    local spans = {}
    for i = 1, 2 do
      assert.equal("done", newest[i].state)
      spans[i] = { from = newest[i].started_at, to = newest[i].ended_at, revision = newest[i].revision }
    end
    table.sort(spans, function(x, y) return x.from < y.from end)
    assert.truthy(spans[1].to <= spans[2].from) -- RFC 3339 sorts as time does
    local expected = spans[2].revision == first and "first" or "second"
    assert.same({ [expected] = 20 }, a:answers("/", 20))
  end)
end)
