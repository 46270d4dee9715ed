--- The control door's looks at the node: what it is, how it is, its numbers (docs/control.md).
-- @module ions.door.status
local answer = require "ions.door.answer"
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
  for i, app in ipairs(one.status.apps or {}) do apps[i] = { app = app.app, revision = app.revision } end
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

-- ---- numbers -------------------------------------------------------------------------------------

local Metrics = {}
Metrics.__index = Metrics

local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

local function labels_of(self, labels)
  local parts = {}
  for _, list in ipairs { self.labels, labels or {} } do
    for i = 1, #list, 2 do
      parts[#parts + 1] = ('%s="%s"'):format(list[i], tostring(list[i + 1]):gsub('[\\"\n]', ESCAPES))
    end
  end
  return table.concat(parts, ",")
end

-- A family of numbers: what it is, once, and then its samples.
function Metrics:family(name, kind, help)
  self.out[#self.out + 1] = ("# HELP %s %s\n# TYPE %s %s\n"):format(name, help, name, kind)
end

function Metrics:sample(name, value, labels)
  local text = value % 1 == 0 and ("%.0f"):format(value) or ("%.15g"):format(value)
  self.out[#self.out + 1] = ("%s{%s} %s\n"):format(name, labels_of(self, labels), text)
end

local function add_processes(metrics, door)
  local list = door.node:all()
  metrics:family("lion_up", "gauge", "1: the door answers")
  metrics:sample("lion_up", 1)
  metrics:family("lion_process_up", "gauge", "whether a process is ready")
  local function labels(one) return { "role", one.role, "index", one.index or 0 } end
  for _, one in ipairs(list) do
    metrics:sample("lion_process_up", one.state == "ready" and 1 or 0, labels(one))
  end
  metrics:family("lion_process_restarts_total", "counter", "how often a process was started again")
  for _, one in ipairs(list) do
    metrics:sample("lion_process_restarts_total", one.restarts or 0, labels(one))
  end
end

local BOUNDS = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000 } -- ms

local function add_durations(metrics, worker, counters)
  local name, total = "lion_request_duration_seconds", counters.duration_ms_count
  if not total then return end
  for _, bound in ipairs(BOUNDS) do
    local count = counters["duration_ms_le_" .. bound]
    if count then
      metrics:sample(name .. "_bucket", count, { "worker", worker, "le", ("%g"):format(bound / 1000) })
    end
  end
  metrics:sample(name .. "_bucket", total, { "worker", worker, "le", "+Inf" })
  metrics:sample(name .. "_sum", (counters.duration_ms_sum or 0) / 1000, { "worker", worker })
  metrics:sample(name .. "_count", total, { "worker", worker })
end

-- Counters that have a family of their own are not told twice.
local function other_counters(workers)
  local by_name, names = {}, {}
  for _, one in ipairs(workers) do
    for name, value in pairs(one.counters or {}) do
      if not name:find "^requests_%dxx$" and not name:find "^duration_ms_" then
        if not by_name[name] then
          by_name[name], names[#names + 1] = {}, name
        end
        table.insert(by_name[name], { one.worker, value })
      end
    end
  end
  table.sort(names)
  return names, by_name
end

local function add_workers(metrics, workers)
  metrics:family("lion_requests_total", "counter", "answers by status")
  for _, one in ipairs(workers) do
    for class = 1, 5 do
      local count = one.counters and one.counters[("requests_%dxx"):format(class)]
      if count then
        metrics:sample("lion_requests_total", count, { "worker", one.worker, "status", class .. "xx" })
      end
    end
  end
  metrics:family("lion_request_duration_seconds", "histogram", "how long answers took")
  for _, one in ipairs(workers) do add_durations(metrics, one.worker, one.counters or {}) end
  local names, by_name = other_counters(workers)
  for _, name in ipairs(names) do
    local family = "lion_worker_" .. name:gsub("[^%w_]", "_")
    metrics:family(family, "gauge", "a worker's " .. name)
    for _, sample in ipairs(by_name[name]) do metrics:sample(family, sample[2], { "worker", sample[1] }) end
  end
end

local STATES = [==[
  [:find ?state (count ?d) :in $ ?g
   :where [?d :deployment/group ?g] [?d :deployment/state ?state]] ]==]

local function add_system(metrics, db, group)
  metrics:family("lion_app_revision_info", "gauge", "what the group runs")
  for _, one in ipairs(tell.running(db, group)) do
    metrics:sample("lion_app_revision_info", 1, { "app", one.app, "revision", one.revision })
  end
  metrics:family("lion_deployments_total", "gauge", "the group's deployments by state")
  local rows = db:q(STATES, group)
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  for _, row in ipairs(rows) do
    metrics:sample("lion_deployments_total", row[2], { "state", row[1]:match "/(.+)$" })
  end
end

local DATABASE = {
  { "lion_database_basis_t", "basis_t", "the newest transaction" },
  { "lion_database_datoms", "datoms", "facts that hold now" },
  { "lion_database_file_bytes", "bytes", "the size of its file and the log beside it" },
}

local function add_databases(metrics, list)
  for _, family in ipairs(DATABASE) do
    metrics:family(family[1], "gauge", family[3])
    for _, one in ipairs(list) do
      if one[family[2]] then metrics:sample(family[1], one[family[2]], { "db", one.name }) end
    end
  end
end

--- GET /metrics
function status.metrics(door, request)
  answer.check_query(request.query, {})
  local labels = { "node", door.node.name, "group", door.node.group }
  local metrics = setmetatable({ out = {}, labels = labels }, Metrics)
  local workers, db = {}, door.system:db()
  for i, one in ipairs(door.node:statuses()) do workers[i] = worker_of(one) end
  add_processes(metrics, door)
  add_workers(metrics, workers)
  local group = db:entid { "group/name", door.node.group }
  if group then add_system(metrics, db, group) end
  add_databases(metrics, require("ions.door.databases").list(door, request))
  return table.concat(metrics.out)
end

return status
