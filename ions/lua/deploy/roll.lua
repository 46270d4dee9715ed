--- What a node's door does about deployments: its own part when its turn comes, and what is to be settled for
-- those that cannot (docs/deploy.md). All that is decided is read from the system database and written there
-- by compare-and-set, so that any number of doors may do this at once, and any of them may die at any moment.
--
-- The node is known by these alone, so that this runs without processes too:
--
-- - name, id (its entity), is_primary;
-- - now() → ms since 1970; monotonic() → ms of a clock that does not jump;
-- - targets() → a list of { role = "executor" } and { role = "worker", index = } in the order of a switch;
-- - runs(target) → application's name → revision's name; nil: it is not ready, or has not said so yet;
-- - try(app, revision) → { is_ok =, step = "load" or "check", message =, trace = };
-- - switch(target, app, revision or nil) → { is_ok =, message =, trace = }, once the target is ready;
-- - replace(target, reason): end that process and start another one;
-- - is_answering { name =, control = }: whether another node lives.
-- @module ions.deploy.roll
local find = require "ions.deploy.find"
local nodes = require "ions.deploy.nodes"
local steps = require "ions.deploy.steps"

local roll = {}

-- How often a process of this node may lose the new revision while its part is under way, by ending.
local SWITCHES_MAX = 3

-- The longest time between two steps of a node that has the turn: a trial's, and some more.
roll.TURN_MS = 90000

-- How long a deployment waits for any node of its group.
roll.NO_NODE_MS = 30000

-- Between two attempts at the same switch, outside deployments.
local RETRY_MS = 5000

local Roll = {}
Roll.__index = Roll

--- The doings of one node.
-- @param conn the system database
-- @tparam table node
function roll.new(conn, node)
  return setmetatable({ conn = conn, node = node, since = {}, retry_at = {} }, Roll)
end

-- ---- ends ----------------------------------------------------------------------------------------

local NOT_THERE = "its revision is not there any more"

-- The operations by which a group runs the deployment's revision instead of another one; they hold only while
-- the revision is there.
local function swap(db, deployment)
  local new = find.described(db, deployment.revision)
  local old = find.running(db, deployment.group)[new.app]
  if old and old.id == new.id then return {} end
  local tx = { { "db/cas", new.id, "revision/name", new.name, new.name },
    { "db/add", deployment.group, "group/running", new.id },
    { "db/add", deployment.group, "group/apps", new.app_id } }
  if old then tx[4] = { "db/retract", deployment.group, "group/running", old.id } end
  return tx
end

local function end_of(deployment, now, reason)
  local tx = { { "db/add", deployment.id, "deployment/ended-at", now } }
  if reason then tx[2] = { "db/add", deployment.id, "deployment/reason", reason } end
  return tx
end

local function append(tx, more)
  for _, operation in ipairs(more) do tx[#tx + 1] = operation end
end

local function passed_over(deployment, dead)
  local tx = {}
  for _, one in ipairs(dead) do
    append(tx, { { "db/add", deployment.id, "deployment/passed", one.id },
      { "db/add", one.id, "node/state", ":node.state/down" } })
  end
  return tx
end

-- ---- what any door settles -----------------------------------------------------------------------

-- Over before anything began, or without anyone who could go on: `reason` says why it failed; nil: it is
-- done.
local function close(self, db, deployment, reason)
  local tx = { steps.hold(deployment, reason and "failed" or "done") }
  append(tx, end_of(deployment, self.node:now(), reason))
  if deployment.turn then
    append(tx, { { "db/retract", deployment.id, "deployment/turn", deployment.turn.id } })
  end
  if not reason then
    local revision = find.described(db, deployment.revision)
    local running = find.running(db, deployment.group)[revision.app]
    if running then append(tx, { { "db/add", deployment.id, "deployment/previous", running.id } }) end
    append(tx, { { "db/add", deployment.id, "deployment/started-at", self.node:now() } })
    append(tx, swap(db, deployment))
  end
  self.conn:transact(tx)
  return true
end

local function names_of(list)
  local names = {}
  for i, one in ipairs(list) do names[i] = one.name end
  return find.listed(names)
end

-- Nobody of its group answers: after a while it has failed.
local function give_up(self, db, deployment, list)
  local since, now = self.since[deployment.id], self.node:monotonic()
  local alive = nodes.first(list, self.node, function() return true end)
  if alive then
    self.since[deployment.id] = nil
    return false
  end
  if not since then self.since[deployment.id] = now end
  if not since or now - since < roll.NO_NODE_MS then return false end
  self.since[deployment.id] = nil
  local verb = #list > 1 and "none of the nodes of %s answers: %s" or "the node of %s does not answer: %s"
  return close(self, db, deployment, verb:format(deployment.group_name, names_of(list)))
end

-- true: written. nil: nothing to settle, the group's nodes go on.
local function settle(self, db, deployment)
  local list = find.nodes(db, deployment.group)
  local revision = find.described(db, deployment.revision)
  if deployment.state == "waiting" then
    if not revision then return close(self, db, deployment, NOT_THERE) end
    local running = find.running(db, deployment.group)[revision.app]
    if #list == 0 or running and running.id == revision.id then return close(self, db, deployment) end
  end
  if deployment.group ~= self.group then return give_up(self, db, deployment, list) end
end

-- ---- turns ---------------------------------------------------------------------------------------

-- Whose turn it is next, and the dead on the way.
local function next_turn(self, db, deployment, passing)
  local function is_wanted(one)
    if one.id == passing then return false end
    local has_moved = deployment.moved[one.id] or false
    return has_moved == (deployment.state == "rolling-back")
  end
  return nodes.first(find.nodes(db, deployment.group), self.node, is_wanted)
end

-- What is written when no turn is left, and the state that makes.
local function last_operations(self, db, deployment)
  local tx = end_of(deployment, self.node:now())
  if deployment.state == "rolling" then
    append(tx, swap(db, deployment))
    return "done", tx
  end
  return steps.has_moved(deployment) and "rolled-back" or "failed", tx
end

-- The node that has the turn does not use it: another one takes it.
local function pass_over(self, db, deployment)
  local turn = deployment.turn
  if deployment.state == "rolling" and not find.described(db, deployment.revision) then
    return close(self, db, deployment, NOT_THERE)
  end
  local following, dead = next_turn(self, db, deployment, turn.id)
  if not following and deployment.state == "rolling" and next(deployment.moved) == nil then return false end
  local tx = passed_over(deployment, dead)
  append(tx, { { "db/add", deployment.id, "deployment/passed", turn.id } })
  if turn.state == "up" then append(tx, { { "db/add", turn.id, "node/state", ":node.state/down" } }) end
  if following then
    append(tx, { steps.hold(deployment),
      { "db/cas", deployment.id, "deployment/turn", turn.id, following.id } })
  else
    local state, more = last_operations(self, db, deployment)
    append(tx, { steps.hold(deployment, state), { "db/retract", deployment.id, "deployment/turn", turn.id } })
    append(tx, more)
  end
  self.conn:transact(tx)
  return true
end

-- The steps as they are: if that stays so for long, nobody takes them.
local function mark_of(deployment)
  local last = deployment.steps[#deployment.steps]
  return ("%.0f %s %d %s"):format(deployment.turn.id, deployment.state, #deployment.steps,
    last and last.state or "")
end

local function watch(self, db, deployment)
  local turn, mark, now = deployment.turn, mark_of(deployment), self.node:monotonic()
  if not self.watched or self.watched.mark ~= mark then self.watched = { mark = mark, since = now } end
  local is_stuck = now - self.watched.since > roll.TURN_MS
  if turn.state == "up" and not is_stuck and self.node:is_answering(turn) then return false end
  return pass_over(self, db, deployment)
end

-- ---- this node's part ----------------------------------------------------------------------------

local function reversed(list)
  local result = {}
  for i = #list, 1, -1 do result[#result + 1] = list[i] end
  return result
end

local function name_of(target)
  return target.index and ("%s %d"):format(target.role, target.index) or "the " .. target.role
end

local function fail(part, answer)
  local reason = answer.message or "no reason was given"
  if part.step then part:finish(reason) end
  part:add { "db/add", part.deployment.id, "deployment/reason", reason }
  if answer.trace then part:add { "db/add", part.deployment.id, "deployment/trace", answer.trace } end
  part:write "rolling-back"
  return false
end

-- The turn goes on, with what the last step left to write.
local function pass_on(self, part)
  local db, deployment, me = self.conn:db(), part.deployment, self.node.id
  deployment.steps = steps.read(db, deployment.id).steps
  local is_rolling = deployment.state == "rolling"
  if is_rolling and not find.described(db, deployment.revision) then
    return fail(part, { message = NOT_THERE })
  end
  deployment.moved[me] = is_rolling or nil
  local following, dead = next_turn(self, db, deployment, me)
  part:add(unpack(passed_over(deployment, dead)))
  local is_there = db:count("eavt", deployment.id, "deployment/moved", me) > 0
  if is_rolling or is_there then
    part:add { is_rolling and "db/add" or "db/retract", deployment.id, "deployment/moved", me }
  end
  if following then
    part:write(nil, following.id)
    return
  end
  local state, more = last_operations(self, db, deployment)
  part:add(unpack(more))
  part:write(state, false)
end

local function try(self, part, revision)
  part:begin "load"
  local answer = self.node:try(revision.app, revision.name)
  if not answer.is_ok and answer.step ~= "check" then return fail(part, answer) end
  part:finish()
  part:begin "check"
  if not answer.is_ok then return fail(part, answer) end
  part:finish()
  return true
end

-- The targets that do not run this revision of the application (nil: none), as far as they say.
local function astray(self, list, app, name)
  local found = {}
  for _, target in ipairs(list) do
    local runs = self.node:runs(target)
    if not runs or runs[app] ~= name then found[#found + 1] = target end
  end
  return found
end

-- Until all of them run it: one that ends meanwhile comes back with what the group runs.
local function switch(self, part, revision)
  local counts = {}
  while true do
    local list = astray(self, self.node:targets(), revision.app, revision.name)
    if #list == 0 then return true end
    for _, target in ipairs(list) do
      local key = name_of(target)
      counts[key] = (counts[key] or 0) + 1
      part:begin("switch", target)
      if counts[key] > SWITCHES_MAX then
        local message = ("%s ended %d times when it ran the revision"):format(key, SWITCHES_MAX)
        return fail(part, { message = message })
      end
      local answer = self.node:switch(target, revision.app, revision.name)
      if not answer.is_ok then return fail(part, answer) end
      part:finish()
    end
  end
end

local function begin_anew(self, deployment)
  return steps.part(self.conn, deployment, self.node)
end

-- What cannot be put back is ended: the process that comes then runs what the group runs.
local function restore(self, db, deployment)
  local part = begin_anew(self, deployment)
  local previous = find.described(db, deployment.previous)
  local revision = find.described(db, deployment.revision)
  local app = revision and revision.app or previous and previous.app
  local name = previous and previous.name
  local list = app and astray(self, reversed(self.node:targets()), app, name) or {}
  for _, target in ipairs(list) do
    if self.node:runs(target) then
      part:begin("restore", target)
      local answer = self.node:switch(target, app, name)
      part:finish(not answer.is_ok and (answer.message or "no reason was given") or nil)
      if not answer.is_ok then self.node:replace(target, "the previous revision could not be put back") end
    end
  end
  pass_on(self, part)
end

local function take_turn(self, db, deployment)
  if deployment.state == "rolling-back" then return restore(self, db, deployment) end
  local part = begin_anew(self, deployment)
  local revision = find.described(db, deployment.revision)
  if not revision then
    part:begin "load"
    fail(part, { message = NOT_THERE })
  elseif try(self, part, revision) and switch(self, part, revision) then
    pass_on(self, part)
  end
end

local function begin(self, db, deployment)
  local first, dead = nodes.first(find.nodes(db, deployment.group), self.node, function() return true end)
  if not first or first.id ~= self.node.id then return false end
  local revision = find.described(db, deployment.revision)
  local running = find.running(db, deployment.group)[revision.app]
  local tx = { steps.hold(deployment, "rolling"),
    { "db/add", deployment.id, "deployment/turn", self.node.id },
    { "db/add", deployment.id, "deployment/started-at", self.node:now() } }
  if running then append(tx, { { "db/add", deployment.id, "deployment/previous", running.id } }) end
  append(tx, passed_over(deployment, dead))
  self.conn:transact(tx)
  return true
end

local function take_part(self, db, deployment)
  if deployment.state == "waiting" then return begin(self, db, deployment) end
  if not deployment.turn then return false end
  if deployment.turn.id ~= self.node.id then return watch(self, db, deployment) end
  take_turn(self, db, deployment)
  return true
end

-- ---- outside turns -------------------------------------------------------------------------------

-- What this node is to run: application's name → revision's name; false: let it be for now.
local function wanted(self, db, deployment)
  local names = {}
  for app, revision in pairs(find.running(db, self.group)) do names[app] = revision.name end
  if deployment and deployment.state ~= "waiting" and deployment.moved[self.node.id] then
    local revision = find.described(db, deployment.revision)
    if revision then names[revision.app] = deployment.state == "rolling" and revision.name end
  end
  return names
end

local function put_right(self, target, app, name)
  local key = ("%s %s %s"):format(name_of(target), app, tostring(name))
  local now = self.node:monotonic()
  if (self.retry_at[key] or 0) > now then return end
  local answer = self.node:switch(target, app, name)
  self.retry_at[key] = not answer.is_ok and now + RETRY_MS or nil
end

-- A process that came up beside a deployment, or a node that was away: it is brought to what is to run.
local function reconcile(self, db, deployment)
  local names = wanted(self, db, deployment)
  for _, target in ipairs(self.node:targets()) do
    local runs = self.node:runs(target)
    local differing = {}
    for app, name in pairs(runs and names or {}) do
      if name and runs[app] ~= name then differing[app] = name end
    end
    for app in pairs(runs or {}) do
      if names[app] == nil then differing[app] = false end
    end
    for app, name in pairs(differing) do put_right(self, target, app, name or nil) end
  end
end

-- ---- a pass --------------------------------------------------------------------------------------

-- Someone else was faster: what there is now is read anew.
local function unless_overtaken(fn, ...)
  local ok, result = pcall(fn, ...)
  if ok then return result end
  if nodes.is_overtaken(result) then return true end
  error(result, 0)
end

--- Do what can be done about deployments that need nobody: those that are done at once, or cannot go on.
-- @treturn boolean whether something was written
function Roll:settle()
  local db, is_any = self.conn:db(), false
  self.group = db:entid { "group/name", self.node.group }
  for _, list in pairs(find.open(db)) do
    is_any = unless_overtaken(settle, self, db, steps.read(db, list[1].id)) or is_any
  end
  return is_any
end

--- Do all that can be done now. It waits for trials and switches.
-- @treturn boolean whether something was done, so that there may be more
function Roll:pass()
  nodes.mark(self.conn, self.node.id, "up") -- another one may have found it silent
  if self:settle() then return true end
  local db = self.conn:db()
  local current = (find.open(db)[self.group] or {})[1]
  local deployment = current and steps.read(db, current.id)
  if deployment and unless_overtaken(take_part, self, db, deployment) then return true end
  reconcile(self, db, deployment)
  return false
end

return roll
