--- What the series of a node's processes mean (docs/metrics.md): by the first word of their labels, their
-- numbers become families of an exposition.
-- @module ions.door.families
local series = require "ions.series"

local families = {}

local FIRST_S = series.FIRST.ms / 1000

local function histogram(out, name, help, values, at, sum, labels)
  local slots = {}
  for i = 1, series.SLOTS do slots[i] = values[at + i - 1] end
  out:histogram(name, help, slots, FIRST_S, 2, sum, labels)
end

-- name, kind, help for values in turn.
local function each(out, list, values, labels, from)
  for i, one in ipairs(list) do
    local value = values[from + i - 1]
    if value then out:sample(one[1], one[2], one[3], value, labels) end
  end
end

local function with(labels, ...)
  local all = { unpack(labels) }
  for _, one in ipairs { ... } do all[#all + 1] = one end
  return all
end

local shapes = {}

-- ---- workers -------------------------------------------------------------------------------------

local CLASSES = { "1xx", "2xx", "3xx", "4xx", "5xx" }

local SERVER = {
  { "lion_worker_connections", "gauge", "HTTP connections that are open" },
  { "lion_worker_in_hand", "gauge", "requests that are not answered yet" },
  { "lion_worker_waiting", "gauge", "requests that the Lua thread has not begun" },
  { "lion_worker_memory_bytes", "gauge", "Lua objects of all states of the worker" },
  { "lion_worker_steps_total", "counter", "steps that calls have taken" },
}

function shapes.server(out, values, labels)
  for i, class in ipairs(CLASSES) do
    out:sample("lion_requests_total", "counter", "HTTP answers by status", values[i],
      with(labels, "status", class))
  end
  local at = #CLASSES + series.SLOTS + 1
  histogram(out, "lion_request_duration_seconds", "from the last byte of a request to its answer", values,
    #CLASSES + 1, values[at], labels)
  each(out, SERVER, values, labels, at + 1)
end

function shapes.entry(out, values, labels)
  local AT = series.ENTRY
  histogram(out, "lion_call_duration_seconds", "from a call's arrival at its entry point to its answer",
    values, 1, values[AT.SUM + 1] / 1000, labels)
  for class = 2, 5 do
    out:sample("lion_calls_total", "counter", "answers of an entry point by status",
      values[AT.ANSWERS + class + 1], with(labels, "status", CLASSES[class]))
  end
  each(out, {
    { "lion_call_steps_total", "counter", "steps that an entry point's calls have taken" },
    { "lion_calls_refused_total", "counter", "calls that found the queue full: 503" },
    { "lion_calls_running", "gauge", "calls that have a place" },
    { "lion_calls_waiting", "gauge", "calls that wait for a place" },
  }, values, labels, AT.STEPS + 1)
end

local STATE = {
  { "lion_state_memory_bytes", "gauge", "Lua objects of an application's state" },
  { "lion_state_collections_total", "counter", "cycles of its garbage collector" },
  { "lion_state_tasks", "gauge", "coroutines of calls that have not ended" },
}

function shapes.state(out, values, labels) each(out, STATE, values, labels, 1) end

local READER = {
  { "lion_reader_basis_t", "gauge", "the newest transaction that a worker has read" },
  { "lion_reader_kept_leaves", "gauge", "leaves of the trees that a worker keeps open" },
  { "lion_reader_kept_bytes", "gauge", "what it keeps of them, and overlays" },
}

function shapes.reader(out, values, labels) each(out, READER, values, labels, 1) end

local LINES = {
  { "lion_lines_written_total", "counter", "lines of what is cast and of requests that were written" },
  { "lion_lines_dropped_total", "counter", "lines that found no room, or could not be written" },
}

function shapes.lines(out, values, labels) each(out, LINES, values, labels, 1) end

function shapes.refused(out, values, labels)
  out:sample("lion_series_refused_total", "counter", "series that found no room", values[1], labels)
end

-- ---- the executor --------------------------------------------------------------------------------

local EXECUTOR = {
  { "lion_executor_calls_total", "counter", "transaction functions and predicates that were called" },
  { "lion_executor_errors_total", "counter", "those that raised" },
  { "lion_executor_seconds_total", "counter", "what they took" },
}

function shapes.executor(out, values, labels) each(out, EXECUTOR, values, labels, 1) end

function shapes.executor_state(out, values, labels)
  out:sample("lion_executor_state_memory_bytes", "gauge", "Lua objects of an application in the executor",
    values[1], labels)
end

-- ---- events ----------------------------------------------------------------------------------------

local EVENT = {
  { "lion_event_lag", "gauge", "how far an event is behind" },
  { "lion_event_dead", "gauge", "its dead letters" },
  { "lion_event_delivered_total", "counter", "calls of its handler that ended well" },
  { "lion_event_failed_total", "counter", "calls of its handler that failed" },
}

function shapes.event(out, values, labels) each(out, EVENT, values, labels, 1) end

-- ---- the writer ----------------------------------------------------------------------------------

local DATABASE = {
  { "lion_transactions_total", "counter", "transactions that were written" },
  { "lion_transaction_conflicts_total", "counter", "transactions that failed by a conflict" },
  { "lion_transaction_errors_total", "counter", "transactions that failed otherwise" },
  { "lion_writer_queued", "gauge", "requests that the database's thread has not begun" },
  { "lion_novelty_datoms", "gauge", "facts that are in memory and the tail alone" },
  { "lion_novelty_bytes", "gauge", "what they take" },
  { "lion_tail_bytes", "gauge", "the log beside the file" },
  { "lion_index_jobs_total", "counter", "jobs that moved novelty into the trees" },
  { "lion_index_seconds_total", "counter", "what they took" },
  { "lion_index_running", "gauge", "1: one is under way" },
  { "lion_syncs_total", "counter", "groups that were synced to the disk" },
  { "lion_sync_seconds_total", "counter", "what fdatasync took" },
  { "lion_segments", "gauge", "segments of the file" },
  { "lion_index_lag_transactions", "gauge", "transactions that are not in the trees yet" },
  { "lion_writer_kept_leaves", "gauge", "leaves of the trees that the writer keeps open" },
  { "lion_writer_kept_bytes", "gauge", "what it keeps of them, and overlays" },
}

function shapes.database(out, values, labels) each(out, DATABASE, values, labels, 1) end

function shapes.commit(out, values, labels)
  histogram(out, "lion_commit_duration_seconds", "from a transaction's arrival at the writer to its report",
    values, 1, values[series.SLOTS + 1], labels)
end

function shapes.disk(out, values, labels)
  histogram(out, "lion_group_sync_seconds", "what a group of transactions waited for the disk", values, 1,
    values[series.SLOTS + 1], labels)
end

function shapes.group(out, values, labels)
  local slots = { unpack(values, 1, series.SLOTS) }
  out:histogram("lion_group_transactions", "transactions that waited for the disk together", slots, 1, 2,
    values[series.SLOTS + 1], labels)
end

-- ---- of applications -----------------------------------------------------------------------------

-- A name of Prometheus'.
local function clean(name) return (name:gsub("[^%w_]", "_")) end

local IS_OURS = { node = true, group = true, worker = true, app = true, revision = true, le = true }

-- app and revision come first; then tags.
local function with_tags(labels)
  local cleaned, taken = {}, {}
  for i = 1, #labels, 2 do
    local name = labels[i]
    if i > 6 then
      name = clean(name)
      if IS_OURS[name] or name:find "^%d" or name:find "^__" then name = "tag_" .. name end
    end
    while taken[name] do name = name .. "_" end
    taken[name] = true
    cleaned[i], cleaned[i + 1] = name, labels[i + 1]
  end
  return cleaned
end

-- Its name, and what its values are multiplied by: what is in ms is told in seconds.
local function unit_of(name)
  local stem = name:match "^(.*)[/_.]ms$"
  if stem then return "ion_" .. clean(stem) .. "_seconds", 1 / 1000, true end
  return "ion_" .. clean(name), 1, false
end

function shapes.counter(out, values, labels, name)
  local told, factor = unit_of(name)
  if not told:find "_total$" then told = told .. "_total" end
  out:sample(told, "counter", "cast by an application as " .. name, values[1] * factor, with_tags(labels))
end

function shapes.gauge(out, values, labels, name)
  local told, factor = unit_of(name)
  out:sample(told, "gauge", "cast by an application as " .. name, values[1] * factor, with_tags(labels))
end

function shapes.histogram(out, values, labels, name)
  local told, factor, is_ms = unit_of(name)
  local slots = { unpack(values, 1, series.SLOTS) }
  local first, step = series.FIRST.other, 4
  if is_ms then first, step = FIRST_S, 2 end
  out:histogram(told, "cast by an application as " .. name, slots, first, step,
    values[series.HISTOGRAM.SUM + 1] * factor, with_tags(labels))
end

--- Add what a process has told.
-- @tparam table out an exposition
-- @tparam table told { worker = or nil, series = { { label =, values = }, … } }
function families.add(out, told)
  for _, one in ipairs(told.series) do
    local shape = shapes[one.label[1]]
    local labels = told.worker and { "worker", told.worker } or {}
    for i = 3, #one.label do labels[#labels + 1] = one.label[i] end
    if shape then shape(out, one.values, labels, one.label[2]) end
  end
end

return families
