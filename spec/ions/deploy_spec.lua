-- Deployments of several nodes, without processes: what is written, who takes which turn, what is put back.
local ask = require "ions.deploy.ask"
local find = require "ions.deploy.find"
local lion = require "lion"
local roll = require "ions.deploy.roll"
local world = require "spec.ions.deploy_world"

local ONE, TWO, THREE = ("1111"):rep(10), ("2222"):rep(10), ("3333"):rep(10)

local function failure(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("A deployment", function()
  local w

  before_each(function()
    w = world.new { { "production", "a", "b" }, { "staging", "c", "d" } }
    for _, name in ipairs { ONE, TWO, THREE } do w:push("shop", name) end
  end)
  after_each(function() w:close() end)

  -- Ask, and give the id.
  local function deploy(revision, group, more)
    local options = { revision = revision, groups = { group or "production" }, by = "ann" }
    for key, value in pairs(more or {}) do options[key] = value end
    return ask.deploy(w.conn, options)[1].id
  end

  local function deployed(...)
    local id = deploy(...)
    w:run()
    assert.equal("done", (w:story(id)))
    return id
  end

  local function field(id, name) return w.conn:db():entity({ "deployment/id", id })["deployment/" .. name] end

  it("rolls through the nodes by name, each process after the other", function()
    local id = deploy(ONE)
    w:run()
    local state, steps = w:story(id)
    assert.equal("done", state)
    assert.same({ "a load done", "a check done", "a switch done", "a switch 1 done", "a switch 2 done",
      "b load done", "b check done", "b switch 1 done", "b switch 2 done" }, steps)
    assert.equal(("%s %s %s"):format(ONE, ONE, ONE), w:runs("a", "shop"))
    assert.equal(("%s %s"):format(ONE, ONE), w:runs("b", "shop"))
    assert.same({ shop = ONE }, w:running "production")
  end)

  it("leaves other groups alone", function()
    deployed(ONE)
    assert.equal("- -", w:runs("c", "shop"))
    deployed(TWO, "staging")
    assert.equal(("%s %s"):format(TWO, TWO), w:runs("d", "shop"))
    assert.same({ shop = ONE }, w:running "production")
    assert.same({ shop = TWO }, w:running "staging")
  end)

  it("says when it began and ended, what ran before, and who asked", function()
    deployed(ONE)
    w.time = w.time + 1000
    local id = deployed(TWO)
    assert.equal(w.time, field(id, "started-at"))
    assert.equal(w.time, field(id, "ended-at"))
    assert.equal(ONE, field(id, "previous")["revision/name"])
    assert.equal("ann", field(id, "by"))
    assert.is_nil(field(id, "turn"))
  end)

  it("changes what the group runs in one transaction", function()
    deployed(ONE)
    local basis = w.conn:db().basis_t
    deployed(TWO)
    for t = basis, w.conn:db().basis_t do
      local count = w.conn:db():as_of(t):q("[:find (count ?r) . :where [_ :group/running ?r]]")
      assert.equal(1, count)
    end
  end)

  it("of what runs already is done at once", function()
    deployed(ONE)
    w.notes = {}
    local id = deploy(ONE)
    assert.is_true(roll.new(w.conn, w.nodes.c):settle())
    local state, steps = w:story(id)
    assert.equal("done", state)
    assert.same({}, steps)
    assert.equal(ONE, field(id, "previous")["revision/name"])
    w:run()
    assert.same({}, w.notes)
  end)

  it("to a group without nodes is done at once; a node that comes runs it", function()
    w.conn:transact { { ["group/name"] = "ci" } }
    local id = deploy(ONE, "ci")
    assert.is_true(roll.new(w.conn, w.nodes.a):settle())
    assert.equal("done", (w:story(id)))
    assert.same({ shop = ONE }, w:running "ci")
  end)

  it("waits for the one before it in its group", function()
    local first, second, other = deploy(ONE), deploy(TWO), deploy(THREE, "staging")
    w:run(function() return #select(2, w:story(first)) >= 4 end)
    assert.equal("rolling", (w:story(first)))
    assert.equal("waiting", (w:story(second)))
    assert.not_equal("waiting", (w:story(other)))
    w:run()
    assert.equal("done", (w:story(first)))
    assert.equal("done", (w:story(second)))
    assert.equal(ONE, field(second, "previous")["revision/name"])
    assert.same({ shop = TWO }, w:running "production")
  end)

  -- ---- failures ----------------------------------------------------------------------------------

  describe("that fails", function()
    before_each(function() deployed(ONE) end)

    local function goes_wrong(place, answer) w.faults[place] = function() return answer end end

    local function all_run(revision)
      assert.equal(("%s %s %s"):format(revision, revision, revision), w:runs("a", "shop"))
      assert.equal(("%s %s"):format(revision, revision), w:runs("b", "shop"))
      assert.same({ shop = revision }, w:running "production")
    end

    it("to load moves nobody, and keeps reason and trace", function()
      goes_wrong("a try", { is_ok = false, step = "load", message = "shop/web.lua:3: no", trace = "stack…" })
      local id = deploy(TWO)
      w:run()
      local state, steps = w:story(id)
      assert.equal("failed", state)
      assert.same({ "a load failed: shop/web.lua:3: no" }, steps)
      assert.equal("shop/web.lua:3: no", field(id, "reason"))
      assert.equal("stack…", field(id, "trace"))
      assert.truthy(field(id, "ended-at"))
      all_run(ONE)
    end)

    it("its checks moves nobody", function()
      goes_wrong("a try",
        { is_ok = false, step = "check", message = "check shop.checks/smoke returned false" })
      local id = deploy(TWO)
      w:run()
      local state, steps = w:story(id)
      assert.equal("failed", state)
      assert.same({ "a load done", "a check failed: check shop.checks/smoke returned false" }, steps)
      all_run(ONE)
    end)

    it("in a worker has those before it put back, also the executor", function()
      goes_wrong("a switch worker 2", { is_ok = false, message = "no memory" })
      local id = deploy(TWO)
      w:run()
      local state, steps = w:story(id)
      assert.equal("rolled-back", state)
      assert.same({ "a load done", "a check done", "a switch done", "a switch 1 done",
        "a switch 2 failed: no memory", "a restore 1 done", "a restore done" }, steps)
      all_run(ONE)
    end)

    it("in the second node has the first put back", function()
      goes_wrong("b try", { is_ok = false, step = "load", message = "not here" })
      local id = deploy(TWO)
      w:run()
      local state, steps = w:story(id)
      assert.equal("rolled-back", state)
      assert.same({ "a load done", "a check done", "a switch done", "a switch 1 done", "a switch 2 done",
        "b load failed: not here", "a restore 2 done", "a restore 1 done", "a restore done" }, steps)
      all_run(ONE)
      assert.is_nil(field(id, "moved"))
      assert.is_nil(field(id, "turn"))
    end)

    it("as the first of all leaves nothing that runs", function()
      w:push("bank", ONE)
      goes_wrong("c switch worker 2", { is_ok = false, message = "no" })
      local id = deploy(ONE, "staging", { app = "bank" })
      w:run()
      assert.equal("rolled-back", (w:story(id)))
      assert.equal("- -", w:runs("c", "bank"))
      assert.same({}, w:running "staging")
    end)

    it("ends a process that cannot be put back", function()
      goes_wrong("a switch worker 2", { is_ok = false, message = "no" })
      w.faults["a switch worker 1"] = function(_, revision)
        return revision == ONE and { is_ok = false, message = "stuck" } or nil
      end
      local id = deploy(TWO)
      w:run()
      local state, steps = w:story(id)
      assert.equal("rolled-back", state)
      assert.equal("a restore 1 failed: stuck", steps[6])
      assert.truthy(table.concat(w.notes, "\n"):find("a replace worker 1", 1, true))
      all_run(ONE)
    end)

    it("is followed by the one that waits", function()
      w.faults["a try"] = function(_, revision)
        return revision == TWO and { is_ok = false, step = "load", message = "no" } or nil
      end
      local bad, good = deploy(TWO), deploy(THREE)
      w:run()
      assert.equal("failed", (w:story(bad)))
      assert.equal("done", (w:story(good)))
      all_run(THREE)
    end)

    it("because its revision was taken away says so", function()
      local id = deploy(TWO)
      local revision = find.revision(w.conn:db(), TWO)
      w.conn:transact { { "db/retractEntity", revision.id } }
      w:run()
      assert.equal("failed", (w:story(id)))
      assert.equal("its revision is not there any more", field(id, "reason"))
      all_run(ONE)
    end)

    it("because its revision was taken away in mid-roll is put back", function()
      local id = deploy(TWO)
      w:run(function() return #select(2, w:story(id)) >= 7 end)
      w.conn:transact { { "db/retractEntity", find.revision(w.conn:db(), TWO).id } }
      w:run()
      all_run(ONE)
      assert.not_equal("rolling", (w:story(id)))
    end)
  end)

  -- ---- processes that end ------------------------------------------------------------------------

  it("switches a worker again that ended after it was switched", function()
    deployed(ONE)
    local is_first = true
    w.faults["a switch worker 2"] = function()
      if is_first then w.nodes.a:restart { role = "worker", index = 1 } end
      is_first = false
    end
    local id = deploy(TWO)
    w:run()
    local state, steps = w:story(id)
    assert.equal("done", state)
    assert.same({ "a switch 1 done", "a switch 2 done", "a switch 1 done" }, { unpack(steps, 4, 6) })
    assert.equal(("%s %s %s"):format(TWO, TWO, TWO), w:runs("a", "shop"))
  end)

  it("fails if a worker ends again and again once it runs the revision", function()
    deployed(ONE)
    w.faults["a switch worker 2"] = function(_, revision)
      if revision == TWO then w.nodes.a:restart { role = "worker", index = 1 } end
    end
    w.faults["a switch worker 1"] = function(_, revision)
      if revision == TWO then w.nodes.a:restart { role = "worker", index = 2 } end
    end
    local id = deploy(TWO)
    w:run()
    assert.equal("rolled-back", (w:story(id)))
    assert.truthy(field(id, "reason"):find "^worker %d ended 3 times")
    assert.equal(("%s %s %s"):format(ONE, ONE, ONE), w:runs("a", "shop"))
  end)

  it("is brought to a worker that starts beside it with what ran before", function()
    deployed(ONE)
    local id = deploy(TWO)
    w:run(function() return #select(2, w:story(id)) >= 7 end) -- b has the turn
    w.nodes.a:restart { role = "worker", index = 2 }
    assert.equal(("%s %s %s"):format(TWO, TWO, ONE), w:runs("a", "shop"))
    w:run()
    assert.equal("done", (w:story(id)))
    assert.equal(("%s %s %s"):format(TWO, TWO, TWO), w:runs("a", "shop"))
  end)

  it("goes on when a door ends in mid-roll, and its node's part begins again", function()
    deployed(ONE)
    for count = 1, 8 do
      local revision = count % 2 == 1 and TWO or ONE
      local id = deploy(revision)
      w:run(function() return #select(2, w:story(id)) >= count end)
      w:restart_door "a"
      w:restart_door "b"
      w:run()
      assert.equal("done", (w:story(id)))
      assert.equal(("%s %s %s"):format(revision, revision, revision), w:runs("a", "shop"))
      assert.equal(("%s %s"):format(revision, revision), w:runs("b", "shop"))
      for _, step in ipairs(select(2, w:story(id))) do assert.is_nil(step:find "running", 1, true) end
    end
  end)

  it("is put back when a door ends while that is done", function()
    deployed(ONE)
    w.faults["b switch worker 2"] = function(_, revision)
      return revision == TWO and { is_ok = false, message = "no" } or nil
    end
    for count = 9, 13 do
      local id = deploy(TWO)
      w:run(function() return #select(2, w:story(id)) >= count end)
      w:restart_door "a"
      w:restart_door "b"
      w:run()
      assert.equal("rolled-back", (w:story(id)))
      assert.equal(("%s %s %s"):format(ONE, ONE, ONE), w:runs("a", "shop"))
      assert.equal(("%s %s"):format(ONE, ONE), w:runs("b", "shop"))
    end
  end)

  it("goes on when a node was killed whole and comes back", function()
    deployed(ONE)
    local id = deploy(TWO, "staging")
    w:run(function() return #select(2, w:story(id)) >= 4 end)
    w:kill "c"
    w:kill "d"
    w:start "c"
    w:start "d"
    w:run()
    assert.equal("done", (w:story(id)))
    assert.equal(("%s %s"):format(TWO, TWO), w:runs("c", "shop"))
  end)

  -- ---- nodes that do not answer --------------------------------------------------------------------

  it("passes over a node that is dead when it begins, and brings it along when it comes", function()
    w:kill "a"
    local id = deploy(ONE)
    w:run()
    assert.equal("done", (w:story(id)))
    assert.equal(":node.state/down", w.conn:db():entity({ "node/name", "a" })["node/state"])
    assert.same({ w.nodes.a.id }, w.conn:db():q(
      "[:find [?n ...] :in $ ?id :where [?d :deployment/id ?id] [?d :deployment/passed ?n]]", id))
    w:start "a"
    w:run()
    assert.equal(("%s %s %s"):format(ONE, ONE, ONE), w:runs("a", "shop"))
    assert.equal(":node.state/up", w.conn:db():entity({ "node/name", "a" })["node/state"])
  end)

  it("passes over a node that dies with the turn", function()
    local id = deploy(ONE)
    w:run(function() return #select(2, w:story(id)) >= 4 end)
    w:kill "a"
    w:run()
    local state, steps = w:story(id)
    assert.equal("done", state)
    assert.equal("b switch 2 done", steps[#steps])
    assert.same({ shop = ONE }, w:running "production")
  end)

  it("passes over a node that has the turn and takes no step for long", function()
    local id = deploy(ONE)
    w:run(function() return #select(2, w:story(id)) >= 4 end)
    local hung = w.nodes.a.door
    w.nodes.a.door = nil
    w:run()
    assert.equal("rolling", (w:story(id)))
    w:wait(roll.TURN_MS + 1)
    assert.equal("done", (w:story(id)))
    -- it wakes up: it writes no step any more, and runs what the group runs
    w.nodes.a.door = hung
    w:run()
    assert.equal("done", (w:story(id)))
    assert.equal(("%s %s %s"):format(ONE, ONE, ONE), w:runs("a", "shop"))
    assert.equal(":node.state/up", w.conn:db():entity({ "node/name", "a" })["node/state"])
  end)

  it("passes over a node that dies when it is to put back", function()
    deployed(ONE)
    w.faults["b try"] = function()
      w:kill "a"
      return { is_ok = false, step = "load", message = "no" }
    end
    local id = deploy(TWO)
    w:run()
    assert.equal("rolled-back", (w:story(id)))
    w:start "a"
    w:run()
    assert.equal(("%s %s %s"):format(ONE, ONE, ONE), w:runs("a", "shop"))
  end)

  it("fails after a while if no node of its group answers", function()
    w:kill "c"
    w:kill "d"
    local id = deploy(ONE, "staging")
    w:run()
    w:wait(roll.NO_NODE_MS - 1)
    assert.equal("waiting", (w:story(id)))
    w:wait(2)
    assert.equal("failed", (w:story(id)))
    assert.equal("none of the nodes of staging answers: c, d", field(id, "reason"))
  end)

  it("waits for a node that comes in time", function()
    w:kill "c"
    w:kill "d"
    local id = deploy(ONE, "staging")
    w:wait(roll.NO_NODE_MS - 1)
    w:start "d"
    w:run()
    assert.equal("done", (w:story(id)))
    assert.equal(("%s %s"):format(ONE, ONE), w:runs("d", "shop"))
  end)

  it("lets a node that comes in mid-roll have its turn", function()
    w:kill "a"
    local id = deploy(ONE)
    w:run(function() return #select(2, w:story(id)) >= 2 end)
    w:start "a"
    w:run()
    assert.equal("done", (w:story(id)))
    assert.equal(("%s %s %s"):format(ONE, ONE, ONE), w:runs("a", "shop"))
  end)

  -- ---- back ----------------------------------------------------------------------------------------

  describe("back", function()
    local function rollback(group, more)
      local options = { groups = { group or "production" }, by = "bob" }
      for key, value in pairs(more or {}) do options[key] = value end
      local id = ask.rollback(w.conn, options)[1].id
      w:run()
      return id
    end

    it("brings what ran before, and further back each time", function()
      for _, name in ipairs { ONE, TWO, THREE } do deployed(name) end
      assert.equal("done", (w:story(rollback())))
      assert.same({ shop = TWO }, w:running "production")
      rollback()
      assert.same({ shop = ONE }, w:running "production")
      assert.equal("lion/nothing-before", failure(rollback).code)
    end)

    it("goes on from what was deployed after it", function()
      deployed(ONE)
      deployed(TWO)
      rollback()
      deployed(THREE)
      rollback()
      assert.same({ shop = ONE }, w:running "production")
    end)

    it("does not count what failed, or changed nothing", function()
      deployed(ONE)
      deployed(TWO)
      deployed(TWO)
      w.faults["a try"] = function() return { is_ok = false, step = "load", message = "no" } end
      deploy(THREE)
      w:run()
      w.faults = {}
      rollback()
      assert.same({ shop = ONE }, w:running "production")
    end)

    it("is one of its application in its group", function()
      w:push("bank", ONE)
      deployed(ONE, nil, { app = "shop" })
      deployed(TWO)
      deployed(TWO, "staging")
      deployed(ONE, nil, { app = "bank", add = true })
      assert.equal("lion/ambiguous", failure(rollback).code)
      assert.equal("lion/nothing-before", failure(rollback, "production", { app = "bank" }).code)
      rollback("production", { app = "shop" })
      assert.same({ shop = ONE, bank = ONE }, w:running "production")
      assert.same({ shop = TWO }, w:running "staging")
    end)
  end)

  -- ---- asking --------------------------------------------------------------------------------------

  describe("is asked for", function()
    local function refused(code, expected, ...)
      local basis = w.conn:db().basis_t
      local e = failure(deploy, ...)
      assert.equal(code, e.code)
      assert.truthy(e.message:find(expected, 1, true), e.message)
      assert.equal(basis, w.conn:db().basis_t)
      return e
    end

    it("once by an id", function()
      local id = lion.uuid()
      assert.equal(id, deploy(ONE, "production", { id = id }))
      local again = ask.deploy(w.conn, { revision = ONE, groups = { "production" }, id = id:upper() })[1]
      assert.is_false(again.is_new)
      assert.equal(id, again.id)
      refused("lion/id-taken", "another deployment's", TWO, "production", { id = id })
      refused("lion/id-taken", "another deployment's", ONE, "staging", { id = id })
    end)

    it("in several groups at once, each with an id of its own", function()
      local options = { revision = ONE, groups = { "production", "staging" }, id = lion.uuid() }
      local made, again = ask.deploy(w.conn, options), ask.deploy(w.conn, options)
      assert.not_equal(made[1].id, made[2].id)
      assert.equal(made[1].id, again[1].id)
      assert.equal(made[2].id, again[2].id)
      assert.is_false(again[2].is_new)
      w:run()
      assert.same({ shop = ONE }, w:running "production")
      assert.same({ shop = ONE }, w:running "staging")
    end)

    it("by the first digits of a commit, if they name one", function()
      w:push("shop", ("1112"):rep(10))
      w:push("shop", "unrepro/try")
      deployed("2222", "production")
      assert.same({ shop = TWO }, w:running "production")
      deployed("1111", "production")
      deployed("unrepro/try", "production")
      w:push("shop", "1111a" .. ("0"):rep(35))
      local e = refused("lion/ambiguous", "give more digits", "1111", "production")
      assert.equal(2, #e.data.candidates)
      refused("lion/syntax", "too short", "222", "production")
      refused("lion/not-found", "there is no revision 9999", "9999", "production")
      refused("lion/not-found", "did you mean unrepro/try?", "unrepro/tri", "production")
    end)

    it("with the application where two have such a revision", function()
      w:push("bank", ONE)
      refused("lion/ambiguous", "or the application", ONE)
      deployed(ONE, "production", { app = "shop" })
      assert.same({ shop = ONE }, w:running "production")
      refused("lion/not-found", "bank has no revision " .. TWO, TWO, "production", { app = "bank" })
      refused("lion/not-found", "no application shap (did you mean shop?)", TWO, "staging", { app = "shap" })
    end)

    it("for a group that is there and runs the application", function()
      refused("lion/not-found", "did you mean production?", ONE, "prodction")
      deployed(ONE)
      w:push("bank", TWO)
      local e =
        refused("lion/wrong-app", "production runs shop, not bank", TWO, "production", { app = "bank" })
      assert.same({ "shop" }, e.data.apps)
      deployed(TWO, "production", { app = "bank", add = true })
      assert.same({ shop = ONE, bank = TWO }, w:running "production")
      assert.equal(("%s %s"):format(TWO, TWO), w:runs("b", "bank"))
      deployed(TWO, "production", { app = "bank" })
    end)

    it("for a group that has run nothing, by the first that comes to run", function()
      w:push("bank", TWO)
      w.faults["a try"] = function() return { is_ok = false, step = "load", message = "no" } end
      local id = deploy(ONE)
      refused("lion/wrong-app", "production runs shop", TWO, "production", { app = "bank" }) -- it may yet
      w:run()
      assert.equal("failed", (w:story(id)))
      w.faults = {}
      deployed(TWO, "production", { app = "bank" })
      refused("lion/wrong-app", "production runs bank, not shop", ONE, "production")
    end)

    it("in all its groups or in none", function()
      assert.equal("lion/not-found", failure(ask.deploy, w.conn,
        { revision = ONE, groups = { "production", "nowhere" } }).code)
      assert.equal(0, w.conn:db():count("aevt", "deployment/id"))
      for _, groups in ipairs { {}, { "staging", "staging" } } do
        assert.equal("lion/syntax", failure(ask.deploy, w.conn, { revision = ONE, groups = groups }).code)
      end
      assert.equal("lion/syntax", failure(deploy, ONE, "production", { id = "7" }).code)
    end)
  end)
end)

-- Whatever happens to whom, in whatever order: when all is quiet again, each deployment is over, each
-- group runs
-- one revision of each application, and each process runs what its group does.
describe("Deployments under trouble", function()
  local NAMES = { ONE, TWO, THREE }
  local w, random

  local function one_of(list) return list[random(#list)] end

  local troubles = {
    function() ask.deploy(w.conn, { revision = one_of(NAMES), groups = { one_of { "production",
      "staging" } } }) end,
    function() ask.deploy(w.conn, { revision = one_of(NAMES), groups = { "production", "staging" } }) end,
    function() pcall(ask.rollback, w.conn, { groups = { one_of { "production", "staging" } } }) end,
    function()
      local name = one_of(w.order)
      if w.nodes[name].is_alive then w:restart_door(name) end
    end,
    function() w:kill(one_of(w.order)) end,
    function()
      local name = one_of(w.order)
      if not w.nodes[name].is_alive then w:start(name) end
    end,
    function() w.nodes[one_of(w.order)]:restart { role = "worker", index = random(2) } end,
    function() w.time = w.time + random(60000) end,
  }

  -- A tenth of what is asked of processes goes wrong.
  local function often_fine(answer)
    return function() return random(10) == 1 and answer or nil end
  end

  local function begin(seed)
    w = world.new { { "production", "a", "b" }, { "staging", "c", "d" } }
    for _, name in ipairs(NAMES) do w:push("shop", name) end
    local state = seed
    function random(n)
      state = (state * 16807) % 2147483647
      return state % n + 1
    end
    for _, name in ipairs(w.order) do
      w.faults[name .. " try"] = often_fine { is_ok = false, step = "load", message = "bad luck" }
      for _, key in ipairs { "executor", "worker 1", "worker 2" } do
        w.faults[name .. " switch " .. key] = often_fine { is_ok = false, message = "bad luck" }
      end
    end
  end

  local function check()
    local db = w.conn:db()
    assert.same({}, find.open(db))
    for _, group in ipairs { "production", "staging" } do
      local id = db:entid { "group/name", group }
      assert.truthy(db:count("eavt", id, "group/running") <= 1)
      local name = w:running(group).shop or "-"
      for _, node in pairs(w.nodes) do
        if node.group == group then
          local expected = ("%s %s"):format(name, name)
          if node.is_primary then expected = expected .. " " .. name end
          assert.equal(expected, w:runs(node.name, "shop"))
        end
      end
    end
    assert.equal(0, db:count("aevt", "deployment/turn"))
  end

  -- At no time were two under way in a group, or one before its turn, or two revisions said to run.
  local function check_history(first)
    local newest = w.conn:db()
    for t = first, newest.basis_t do
      local db = newest:as_of(t)
      for group, list in pairs(find.open(db)) do
        for i = 2, #list do assert.equal("waiting", list[i].state) end
        assert.truthy(db:count("eavt", group, "group/running") <= 1)
      end
    end
  end

  local FIRST = tonumber(os.getenv "LION_SEED") or 1
  for seed = FIRST, FIRST + 9 do
    it("come to a good end, seed " .. seed, function()
      begin(seed)
      local first = w.conn:db().basis_t
      for _ = 1, 60 do
        one_of(troubles)()
        w:slices(random(12))
      end
      w.faults = {}
      for _, name in ipairs(w.order) do
        if not w.nodes[name].is_alive then w:start(name) end
      end
      w:run()
      w:wait(roll.TURN_MS + 1)
      w:wait(roll.TURN_MS + 1)
      check()
      check_history(first)
      w:close()
    end)
  end
end)

describe("A node", function()
  local w

  before_each(function() w = world.new { { "production", "a" }, { "staging", "c" } } end)
  after_each(function() w:close() end)

  it("enters itself and its group", function()
    local found = w.conn:db():pull("[* {:node/group [:group/name :group/is-primary]}]", { "node/name", "a" })
    assert.same({ ["group/name"] = "production", ["group/is-primary"] = true }, found["node/group"])
    assert.equal("unix:/a", found["node/control"])
    assert.equal(":node.state/up", found["node/state"])
    assert.equal(2, found["node/workers"])
    assert.is_nil(w.conn:db():entity({ "group/name", "staging" })["group/is-primary"])
  end)

  it("is refused if another one of its name lives", function()
    local nodes = require "ions.deploy.nodes"
    local other = setmetatable({ control = "unix:/elsewhere" }, { __index = w.nodes.a })
    local e = failure(nodes.register, w.conn, other)
    assert.equal("lion/name-taken", e.code)
    assert.equal("unix:/a", e.data.control)
    w:kill "a"
    assert.equal(w.nodes.a.id, nodes.register(w.conn, other))
  end)
end)
