--- A node's part of a deployment as it is written down: steps that begin and end, and the transactions that
-- carry them. Each holds only if the deployment is still in the state that it was read in and the turn is
-- still this node's; a node that was passed over meanwhile thus writes nothing any more, but raises
-- db.error/cas-failed.
-- @module ions.deploy.steps
local steps = {}

local Part = {}
Part.__index = Part

local function state_of(name) return ":deployment.state/" .. name end

local DEPLOYMENT = [==[
  [:db/id :deployment/state :deployment/is-rollback
   {:deployment/group [:db/id :group/name]} {:deployment/turn [:db/id :node/name :node/state :node/control]}
   {:deployment/revision [:db/id]} {:deployment/previous [:db/id]}
   {(:deployment/moved :limit nil) [:db/id]}
   {(:deployment/steps :limit nil) [:db/id :deployment.step/order :deployment.step/kind :deployment.step/state
     {:deployment.step/node [:db/id]}]}] ]==]

local function plain_step(step)
  return {
    id = step["db/id"],
    order = step["deployment.step/order"],
    kind = step["deployment.step/kind"]:match "/(.+)$",
    state = step["deployment.step/state"]:match "/(.+)$",
    node = step["deployment.step/node"] and step["deployment.step/node"]["db/id"],
  }
end

--- A deployment as the roll needs it.
-- @param db
-- @tparam number id
-- @treturn table { id =, state =, group = id, group_name =, turn = { id =, name =, state =, control = } or
-- nil, revision = id or nil, previous = id or nil, moved = node's id → true, steps = a list }
function steps.read(db, id)
  local found = db:pull(DEPLOYMENT, id)
  local turn, moved, list = found["deployment/turn"], {}, {}
  for _, node in ipairs(found["deployment/moved"] or {}) do moved[node["db/id"]] = true end
  for i, step in ipairs(found["deployment/steps"] or {}) do list[i] = plain_step(step) end
  table.sort(list, function(a, b) return a.order < b.order end)
  local function id_of(key) return found[key] and found[key]["db/id"] end
  return {
    id = id,
    state = found["deployment/state"]:match "/(.+)$",
    group = id_of "deployment/group",
    group_name = found["deployment/group"]["group/name"],
    turn = turn and { id = turn["db/id"], name = turn["node/name"], control = turn["node/control"],
      state = (turn["node/state"] or ""):match "/(.+)$" },
    revision = id_of "deployment/revision",
    previous = id_of "deployment/previous",
    moved = moved,
    steps = list,
  }
end

--- Whether some process ran the revision, if only for a moment.
function steps.has_moved(deployment)
  for _, step in ipairs(deployment.steps) do
    if step.kind == "restore" or step.kind == "switch" and step.state == "done" then return true end
  end
  return false
end

--- The operation that moves a deployment from the state it was read in to another, or holds it there.
function steps.hold(deployment, state)
  return { "db/cas", deployment.id, "deployment/state", state_of(deployment.state),
    state_of(state or deployment.state) }
end

-- ---- a part --------------------------------------------------------------------------------------

--- The part of a node whose turn it is.
-- @param conn the system database
-- @tparam table deployment of steps.read
-- @tparam table node { id =, now = function }
function steps.part(conn, deployment, node)
  local self = setmetatable({ conn = conn, deployment = deployment, node = node, pending = {},
    order = #deployment.steps }, Part)
  for _, step in ipairs(deployment.steps) do
    self.order = math.max(self.order, step.order)
    if step.node == node.id and step.state == "running" then
      self:finish_step(step.id, "failed", "the door began anew, and its part with it")
    end
  end
  return self
end

function Part:add(...)
  for _, operation in ipairs { ... } do self.pending[#self.pending + 1] = operation end
end

function Part:finish_step(id, state, reason)
  self:add({ "db/add", id, "deployment.step/state", ":deployment.step.state/" .. state },
    { "db/add", id, "deployment.step/ended-at", self.node:now() })
  if reason then self:add { "db/add", id, "deployment.step/reason", reason } end
end

--- Write what is pending.
-- @tparam[opt] string state that the deployment has from now on
-- @tparam[opt] number turn whose it is from now on; false: nobody's
function Part:write(state, turn)
  local deployment, me = self.deployment, self.node.id
  local tx = { steps.hold(deployment, state), { "db/cas", deployment.id, "deployment/turn", me, turn or me } }
  for _, operation in ipairs(self.pending) do tx[#tx + 1] = operation end
  if turn == false then tx[2] = { "db/retract", deployment.id, "deployment/turn", me } end
  local report = self.conn:transact(tx)
  self.pending = {}
  deployment.state = state or deployment.state
  return report
end

--- Begin a step; what ended before is written with it.
-- @tparam string kind load, check, switch, restore
-- @tparam[opt] table target { role =, index = }
function Part:begin(kind, target)
  self.order = self.order + 1
  self:add({ ["db/id"] = "step", ["deployment.step/order"] = self.order,
    ["deployment.step/node"] = self.node.id, ["deployment.step/worker"] = target and target.index,
    ["deployment.step/kind"] = ":deployment.step/" .. kind,
    ["deployment.step/state"] = ":deployment.step.state/running",
    ["deployment.step/started-at"] = self.node:now() },
    { "db/add", self.deployment.id, "deployment/steps", "step" })
  local report = self:write()
  self.step = report.tempids.step
end

--- End the step that was begun; it is written with what comes next.
-- @tparam[opt] string reason if it failed
function Part:finish(reason)
  self:finish_step(self.step, reason and "failed" or "done", reason)
  self.step = nil
end

return steps
