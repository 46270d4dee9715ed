--- GET /metrics: the numbers of the node and of its processes, of the group, of databases (docs/metrics.md).
-- @module ions.door.metrics
local databases = require "ions.door.databases"
local events = require "ions.door.events"
local exposition = require "ions.door.exposition"
local families = require "ions.door.families"
local tell = require "ions.door.tell"

local metrics = {}

local function add_processes(out, list)
  out:sample("lion_up", "gauge", "1: the door answers", 1)
  for _, one in ipairs(list) do
    local labels = { "role", one.role, "index", one.index or 0 }
    out:sample("lion_process_up", "gauge", "whether a process is ready", one.state == "ready" and 1 or 0,
      labels)
    out:sample("lion_process_restarts_total", "counter", "how often a process was started again",
      one.restarts or 0, labels)
  end
end

local STATES = [==[
  [:find ?state (count ?d) :in $ ?g
   :where [?d :deployment/group ?g] [?d :deployment/state ?state]] ]==]

local function add_system(out, db, group)
  for _, one in ipairs(tell.running(db, group)) do
    out:sample("lion_app_revision_info", "gauge", "what the group runs", 1,
      { "app", one.app, "revision", one.revision })
  end
  local rows = db:q(STATES, group)
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  for _, row in ipairs(rows) do
    out:sample("lion_deployments", "gauge", "the group's deployments by state", row[2],
      { "state", row[1]:match "/(.+)$" })
  end
end

local DATABASE = {
  { "lion_database_basis_t", "basis_t", "the newest transaction" },
  { "lion_database_datoms", "datoms", "facts that hold now" },
  { "lion_database_file_bytes", "bytes", "the size of its file and the log beside it" },
}

local function add_databases(out, list)
  for _, one in ipairs(list) do
    for _, family in ipairs(DATABASE) do
      local value = one[family[2]]
      if value then out:sample(family[1], "gauge", family[3], value, { "db", one.name }) end
    end
  end
end

local function add_alerts(out, alerts)
  local function add(name, kind, help, value) out:sample("lion_alerts_" .. name, kind, help, value) end
  add("sent_total", "counter", "alerts that the webhook took", alerts.sent)
  add("failed_total", "counter", "alerts that it did not take", alerts.failed)
  add("dropped_total", "counter", "alerts that found the queue full", alerts.dropped)
  add("repeated_total", "counter", "alerts of a key that was sent a moment ago", alerts.repeated)
  add("waiting", "gauge", "alerts that are to be sent", #alerts.queue)
end

--- The text.
function metrics.text(door, request)
  local out = exposition.new { "node", door.node.name, "group", door.node.group }
  local db = door.system:db()
  add_processes(out, door.node:all())
  for _, told in ipairs(door.node:metrics()) do families.add(out, told) end
  local group = db:entid { "group/name", door.node.group }
  if group then
    add_system(out, db, group)
    events.add_metrics(out, door, db, group)
  end
  add_alerts(out, door.alerts)
  add_databases(out, databases.list(door, request))
  out:sample("lion_samples_refused", "gauge", "samples that are left out here: a name of two kinds, say",
    out.refused)
  return out:text()
end

return metrics
