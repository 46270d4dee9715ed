--- The control door's looks at the node: what it is, how it is, its numbers (docs/control.md).
-- @module ions.door.status
local answer = require "ions.door.answer"
local metrics = require "ions.door.metrics"
local tell = require "ions.door.tell"

local status = {}

-- ---- the node ------------------------------------------------------------------------------------

local function node_of(door)
  local node = door.node
  return { name = node.name, group = node.group, is_primary = node.is_primary or false,
    address = node.address, control = node.control,
    control_address = node.control_address, version = node.version, workers = node.workers,
    started_at = tell.instant(node.started_at), dir = door.dir }
end

--- GET /node
function status.node(door, request)
  answer.check_query(request.query, {})
  return node_of(door)
end

local function processes_of(door)
  local list = {}
  for i, process in ipairs(door.node:all()) do
    local index = process.role == "worker" and process.index or nil
    list[i] = { role = process.role, index = index, pid = process.pid, state = process.state,
      started_at = tell.instant(process.started), restarts = process.restarts,
      reason = process.reason ~= "" and process.reason or nil }
  end
  return list
end

local function worker_of(one)
  if not one.status then return { worker = one.worker, is_answering = false } end
  local counters, apps = {}, {}
  for name, value in pairs(one.status) do
    if type(value) == "number" then counters[name] = value end
  end
  for i, app in ipairs(one.status.apps or {}) do
    apps[i] = { app = app.app, revision = app.revision, is_broken = app.is_broken }
  end
  return { worker = one.worker, is_answering = true, apps = answer.list(apps), counters = counters }
end

--- GET /status
function status.status(door, request)
  answer.check_query(request.query, {})
  local workers, deployments = {}, {}
  for i, one in ipairs(door.node:statuses()) do workers[i] = worker_of(one) end
  local db = door.system:db()
  local group = db:entid { "group/name", door.node.group }
  for i, id in ipairs(group and tell.open(db, group) or {}) do deployments[i] = tell.deployment(db, id) end
  local node = node_of(door)
  node.state = door.node.id and tell.node(db, door.node.id).state or "down"
  return {
    node = node,
    processes = answer.list(processes_of(door)),
    apps = group and tell.running(db, group) or answer.list(),
    workers = answer.list(workers),
    deployments = answer.list(deployments),
  }
end

--- GET /metrics
function status.metrics(door, request)
  answer.check_query(request.query, {})
  return metrics.text(door, request)
end

return status
