--- The system database as the control door tells it: groups, revisions, deployments, as plain data with the
-- fields of docs/control.md. Each takes a value of the database.
-- @module ions.door.tell
local answer = require "ions.door.answer"
local find = require "ions.deploy.find"
local values = require "lion.values"

local tell = {}

local list = answer.list

--- An instant, as both notations write it.
function tell.instant(ms) return ms and values.typed("instant", ms) or nil end

local instant = tell.instant

local function word(ident) return ident and ident:match "/(.+)$" or nil end

-- ---- deployments ---------------------------------------------------------------------------------

local IS_OVER = { done = true, failed = true, ["rolled-back"] = true }

local DEPLOYMENT = [==[
  [:deployment/id :deployment/by :deployment/state :deployment/reason :deployment/trace
   :deployment/is-rollback :deployment/started-at :deployment/ended-at
   {:deployment/group [:group/name :group/is-primary]} {:deployment/turn [:node/name]}
   {:deployment/revision [:db/id :revision/name {:revision/app [:app/name]}]}
   {:deployment/previous [:db/id :revision/name {:revision/app [:app/name]}]}
   {(:deployment/passed :limit nil) [:node/name]}
   {(:deployment/steps :limit nil) [:deployment.step/order :deployment.step/worker :deployment.step/kind
     :deployment.step/state :deployment.step/reason :deployment.step/started-at :deployment.step/ended-at
     {:deployment.step/node [:node/name]}]}] ]==]

-- A switch or a restore that is no worker's is the executor's.
local function target_of(step)
  if step["deployment.step/worker"] then return "worker" end
  local kind = word(step["deployment.step/kind"])
  return (kind == "switch" or kind == "restore") and "executor" or nil
end

local function step_of(step)
  return {
    order = step["deployment.step/order"],
    node = step["deployment.step/node"] and step["deployment.step/node"]["node/name"],
    target = target_of(step),
    worker = step["deployment.step/worker"],
    kind = word(step["deployment.step/kind"]),
    state = word(step["deployment.step/state"]),
    reason = step["deployment.step/reason"],
    started_at = instant(step["deployment.step/started-at"]),
    ended_at = instant(step["deployment.step/ended-at"]),
  }
end

local function names_of(nodes)
  local names = {}
  for i, node in ipairs(nodes or {}) do names[i] = node["node/name"] end
  table.sort(names)
  return #names > 0 and names or nil
end

local function asked_at(db, id)
  local datom = db:datoms("eavt", id, "deployment/id")()
  return db:entity(datom.tx)["db/txInstant"]
end

local function app_of(revision)
  return revision and revision["revision/app"] and revision["revision/app"]["app/name"]
end

--- A deployment.
-- @param db
-- @tparam number id its entity
-- @tparam[opt] boolean is_short without steps and trace
-- @treturn table
function tell.deployment(db, id, is_short)
  local found = db:pull(DEPLOYMENT, id)
  local revision, previous = found["deployment/revision"], found["deployment/previous"]
  local state, steps = word(found["deployment/state"]), {}
  for i, step in ipairs(found["deployment/steps"] or {}) do steps[i] = step_of(step) end
  table.sort(steps, function(a, b) return a.order < b.order end)
  return {
    id = found["deployment/id"],
    group = found["deployment/group"]["group/name"],
    app = app_of(revision) or app_of(previous),
    revision = revision and revision["revision/name"],
    previous = previous and previous["revision/name"],
    by = found["deployment/by"],
    state = state,
    is_over = IS_OVER[state] or false,
    is_rollback = found["deployment/is-rollback"] or false,
    is_running_already = state == "done" and revision ~= nil and previous ~= nil
      and revision["db/id"] == previous["db/id"] or false,
    reason = found["deployment/reason"],
    trace = not is_short and found["deployment/trace"] or nil,
    asked_at = instant(asked_at(db, id)),
    started_at = instant(found["deployment/started-at"]),
    ended_at = instant(found["deployment/ended-at"]),
    turn = found["deployment/turn"] and found["deployment/turn"]["node/name"],
    passed_over = names_of(found["deployment/passed"]),
    steps = not is_short and list(steps) or nil,
  }
end

local function fits(told, filter)
  return (not filter.group or told.group == filter.group) and (not filter.app or told.app == filter.app)
end

--- Deployments, newest first.
-- @param db
-- @tparam table filter group, app: names or nil; limit
function tell.deployments(db, filter)
  local ids, told = {}, {}
  for datom in db:datoms("aevt", "deployment/id") do ids[#ids + 1] = datom.e end
  for i = #ids, 1, -1 do
    if #told == filter.limit then break end
    local one = tell.deployment(db, ids[i], true)
    if fits(one, filter) then told[#told + 1] = one end
  end
  return list(told)
end

-- ---- groups --------------------------------------------------------------------------------------

local WHO = [==[
  [:find (max ?d) . :in $ ?g ?r
   :where [?d :deployment/revision ?r] [?d :deployment/group ?g]
          [?d :deployment/state :deployment.state/done]] ]==]

--- What a group runs: a list of app, revision, since, by.
function tell.running(db, group)
  local told = {}
  for app, revision in pairs(find.running(db, group)) do
    local deployment = db:q(WHO, group, revision.id)
    told[#told + 1] = { app = app, revision = revision.name, since = instant(revision.since),
      by = deployment and db:entity(deployment)["deployment/by"] }
  end
  table.sort(told, function(a, b) return a.app < b.app end)
  return list(told)
end

--- A node by its entity.
function tell.node(db, id)
  local node = db:pull("[*]", id)
  return {
    name = node["node/name"],
    state = word(node["node/state"]) or "down",
    address = node["node/address"],
    control = node["node/control"],
    workers = node["node/workers"],
    version = node["node/version"],
    started_at = instant(node["node/started-at"]),
  }
end

--- The deployments of a group that are not over: entities, the current one first.
function tell.open(db, group)
  local ids = {}
  for i, one in ipairs(find.open(db)[group] or {}) do ids[i] = one.id end
  return ids
end

local function group_of(db, id, name)
  local nodes, open = {}, {}
  for i, node in ipairs(find.nodes(db, id)) do nodes[i] = tell.node(db, node.id) end
  for i, deployment in ipairs(tell.open(db, id)) do open[i] = db:entity(deployment)["deployment/id"] end
  return {
    name = name,
    is_primary = db:entity(id)["group/is-primary"] or false,
    apps = list(find.apps(db, id)),
    running = tell.running(db, id),
    nodes = list(nodes),
    deployments = list(open),
  }
end

--- All groups, by name.
function tell.groups(db)
  local told = {}
  for datom in db:datoms("aevt", "group/name") do told[#told + 1] = group_of(db, datom.e, datom.v) end
  table.sort(told, function(a, b) return a.name < b.name end)
  return list(told)
end

-- ---- revisions -----------------------------------------------------------------------------------

local REVISION = [==[
  [:revision/name :revision/commit :revision/message :revision/url :revision/committed-at :revision/pushed-at
   :revision/pushed-by {:revision/app [:app/name]}
   {(:revision/deps :limit nil) [:revision.dep/name :revision.dep/git :revision.dep/rev :revision.dep/dir
     :revision.dep/path]}] ]==]

local SIZES = [==[
  [:find ?entry ?size :in $ ?r
   :where [?r :revision/files ?entry] [?entry :revision.file/file ?file] [?file :file/size ?size]] ]==]

local RUNNING_IN = "[:find [?name ...] :in $ ?r :where [?g :group/running ?r] [?g :group/name ?name]]"

local function deps_of(deps)
  local told = {}
  for i, dep in ipairs(deps or {}) do
    told[i] = { name = dep["revision.dep/name"], git = dep["revision.dep/git"], rev = dep["revision.dep/rev"],
      dir = dep["revision.dep/dir"], path = dep["revision.dep/path"] }
  end
  table.sort(told, function(a, b) return a.name < b.name end)
  return list(told)
end

--- How many files a revision holds, and their bytes.
function tell.sizes(db, id)
  local files, bytes = 0, 0
  for _, size in db:rows(SIZES, id) do files, bytes = files + 1, bytes + size end
  return files, bytes
end

local function revision_of(db, id)
  local found = db:pull(REVISION, id)
  local files, bytes = tell.sizes(db, id)
  local groups = db:q(RUNNING_IN, id)
  table.sort(groups)
  return {
    app = found["revision/app"] and found["revision/app"]["app/name"],
    name = found["revision/name"],
    commit = found["revision/commit"],
    message = found["revision/message"],
    url = found["revision/url"],
    committed_at = instant(found["revision/committed-at"]),
    pushed_at = instant(found["revision/pushed-at"]),
    pushed_by = found["revision/pushed-by"],
    files = files,
    bytes = bytes,
    deps = deps_of(found["revision/deps"]),
    running_in = list(groups),
  }
end

--- Revisions, newest push first.
-- @param db
-- @tparam table filter app = name or nil; limit
function tell.revisions(db, filter)
  local app, ids, told = filter.app and find.app(db, filter.app), {}, {}
  if app then
    for datom in db:datoms("vaet", app, "revision/app") do ids[#ids + 1] = datom.e end
  else
    for datom in db:datoms("aevt", "revision/name") do ids[#ids + 1] = datom.e end
  end
  table.sort(ids, function(a, b) return a > b end)
  for i = 1, math.min(#ids, filter.limit) do told[i] = revision_of(db, ids[i]) end
  return list(told)
end

return tell
