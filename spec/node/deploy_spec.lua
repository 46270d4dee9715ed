--- From a commit to answering, on two groups, in two commands; and back.
local application = require "spec.node.application"
local node = require "spec.node.node"

describe("An application on two groups", function()
  local cluster, a, b
  local revisions = {}

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 2 }
    b = cluster:start { name = "two", group = "b", workers = 2, follow = a }
  end)
  teardown(function() cluster:close() end)

  -- more connections than workers, so that each worker answers some
  local function assert_answers(one, expected)
    assert.same({ [expected] = 20 }, one:answers("/", 20))
  end

  local function count(one) return one:ask("GET", "/count?of=visit/number").body end

  it("has a supervisor, a writer, an executor, a door and its workers", function()
    local counts = {}
    for _, role in pairs(a:processes()) do
      counts[role] = (counts[role] or 0) + 1
    end
    assert.same({ supervisor = 1, writer = 1, executor = 1, door = 1, events = 1, worker = 2 }, counts)
  end)

  it("has no writer and no executor where it follows", function()
    local counts = {}
    for _, role in pairs(b:processes()) do
      counts[role] = (counts[role] or 0) + 1
    end
    assert.same({ supervisor = 1, door = 1, events = 1, worker = 2 }, counts)
  end)

  it("answers 503 before anything was deployed", function()
    assert.equal(503, a:ask("GET", "/").status)
    assert.equal(503, b:ask("GET", "/").status)
  end)

  it("answers on both after a commit, a push and a deploy", function()
    local commit = cluster.repository:commit(application.files "one")
    local pushed = cluster:lion("push", cluster.repository.dir, "--node", a.door)
    assert.equal("", pushed.code == 0 and "" or pushed.err)
    assert.equal(commit, pushed.out:match "^([^\n]*)")
    revisions.one = commit

    local deployed = cluster:deploy(a, commit, "a,b")
    assert.equal("", deployed.code == 0 and "" or deployed.err)
    assert_answers(a, "one")
    assert_answers(b, "one")
  end)

  it("writes from either group, and reads in each what was written in the other", function()
    assert.equal("ok", b:ask("POST", "/setup").body)
    assert.equal(200, a:ask("POST", "/visit", { body = "1" }).status)
    assert.equal(200, b:ask("POST", "/visit", { body = "2" }).status)
    assert.equal(200, b:ask("POST", "/call/visit", { body = "3" }).status) -- a transaction function
    for _, one in ipairs { a, b } do
      node.wait_for(function() return count(one) == "3" end, "three visits")
    end
  end)

  it("reads at once what its own worker wrote", function()
    assert.equal(200, b:ask("POST", "/visit", { body = "4" }).status)
    node.wait_for(function() return count(b) == "4" end, "four visits")
  end)

  it("gives each group the revision that it was told", function()
    revisions.two = cluster:run(a, application.files "two", "b")
    assert_answers(a, "one")
    assert_answers(b, "two")
  end)

  it("takes no files that are there already, and makes no new revision of the same commit", function()
    local again = cluster:lion("push", cluster.repository.dir, "--node", a.door)
    assert.equal(0, again.code)
    assert.equal(revisions.two, again.out:match "^([^\n]*)")
  end)

  it("goes back by rollback", function()
    local result = cluster:lion("rollback", "--group", "b", "--node", a.door)
    assert.equal("", result.code == 0 and "" or result.err)
    assert_answers(b, "one")
    assert_answers(a, "one")
  end)

  it("tells what runs where, since when, by whom", function()
    local status = cluster:lion("status", "--node", a.door)
    assert.equal(0, status.code)
    assert.truthy(status.out:find(revisions.one:sub(1, 7), 1, true))
    local groups = a:control("GET", "/groups").json()
    local running = {}
    for _, group in ipairs(groups) do
      running[group.name] = group.running[1].revision
      assert.is_string(group.running[1].since)
      assert.is_string(group.running[1].by)
    end
    assert.same({ a = revisions.one, b = revisions.one }, running)
  end)

  it("answers questions of the system database about it", function()
    local asked = cluster:lion("q", "system",
      "[:find [?s ...] :where [?d :deployment/state ?s]]", "--node", a.door, "--output", "json")
    assert.equal('[":deployment.state/done"]\n', asked.out)
  end)

  it("calls entry points by name", function()
    local result = cluster:lion("invoke", "shop/double", "21", "--node", a.door)
    assert.equal("42\n", result.out)
    assert.equal(3, cluster:lion("invoke", "shop/halve", "21", "--node", a.door).code)
  end)

  it("runs what it ran when it is started again", function()
    assert.equal(0, b:stop())
    b = cluster:start { name = "two", group = "b", workers = 2, follow = a }
    assert_answers(b, "one")
    assert.equal(0, b:stop())
    assert.equal(0, a:stop())
    a = cluster:start { name = "one", group = "a", workers = 2 }
    assert_answers(a, "one")
    assert.equal("4", count(a))
  end)

  it("leaves no process when it is told to stop", function()
    assert.equal(0, a:stop())
    assert.same({}, a:processes())
  end)
end)
