--- The parts of a node are killed while it works: nothing that was acknowledged is lost, and all come back.
local client = require "spec.node.client"
local crash = require "spec.node.crash"
local node = require "spec.node.node"

describe("A node whose workers are killed", function()
  local cluster, a
  setup(function() cluster, a = crash.cluster(4) end)
  teardown(function() cluster:close() end)

  it("loses no transaction that it acknowledged, and no request that another worker has", function()
    local result = crash.kill_workers(a, 20)
    assert.same({}, result.strangers)
    assert.same({}, result.bad)
    a:ready_pids("worker", 4)
    assert.same({}, crash.wrong_numbers(a, "visit/number", result.told))
  end)

  it("tells how the processes ended that were killed", function()
    local restarts = 0
    for _, process in ipairs(a:control("GET", "/status").json().processes) do
      if process.role == "worker" then restarts = restarts + process.restarts end
    end
    assert.equal(20, restarts)
  end)
end)

describe("A node whose", function()
  local cluster, a
  setup(function() cluster, a = crash.cluster(2) end)
  teardown(function() cluster:close() end)

  it("writer is killed finds what was in by its transactions' ids, and has each once", function()
    local told = crash.kill_role(a, "writer", 4, "/pay")
    assert.same({}, crash.wrong_numbers(a, "pay/number", told))
  end)

  it("executor is killed loses no transaction", function()
    local told = crash.kill_role(a, "executor", 4, "/call/visit")
    assert.same({}, crash.wrong_numbers(a, "visit/number", told))
    a:ready_pids("executor", 1)
    assert.equal(200, a:ask("POST", "/call/visit", { body = "1000000" }).status)
  end)

  it("door is killed answers on, and has a door again", function()
    local flood = client.flood(a.url, {
      connections = 4,
      request = function() return { text = client.text("GET", "/") } end,
    })
    for _ = 1, 3 do
      local pid = a:ready_pids("door", 1)[1]
      node.kill(pid)
      flood:until_(function()
        local now = a:pids("door")[1]
        return now and now ~= pid
      end, "a new door")
    end
    assert.equal(3, cluster:lion("deploy", "none", "--group", "a", "--node", a.door).code)
    flood:finish()
    assert.same({}, flood.bad)
    assert.equal(0, flood.counts.lost)
  end)

  it("parts were all killed stops as any other", function()
    assert.equal(0, a:stop())
    assert.same({}, a:processes())
  end)
end)
