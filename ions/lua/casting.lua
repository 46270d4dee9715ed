--- What applications cast, on its way out of their state: lines on standard error, metrics in counters, which
-- in a node are told by the worker (docs/metrics.md). A host may take all of it into its own hands.
-- @module ions.casting
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local json = require "lion.json"
local secrets = require "ions.secrets"
local series = require "ions.series"

local casting = {}

--- Series of metrics that a state counts; of more only how often they were cast is known.
casting.SERIES_MAX = 1000

--- The name under which what is beyond is counted.
casting.DROPPED = "lion/metrics-dropped"

-- function(item), instead of lines and counters
local host

-- Alerts that a state sends to the node's door in a second; what is beyond is written alone.
local ALERTS_MAX = 20
local DOOR, ALERT = 3, 22 -- ions/node/bus.h

-- A node's worker: what writes lines.
local port = (package.loaded["ions.port"] or package.preload["ions.port"]) and require "ions.port"
local write = port and port.cast or function(text) io.stderr:write(text, "\n") end

-- Key → { name =, metric =, tags =, count =, sum =, min =, max =, last =, numbers = (in a node) }
local known, known_count = {}, 0

-- Name → what it is: "counter", "gauge", "histogram".
local kinds = {}

--- Have a function called with everything that is cast; nil: as before.
-- @tparam function|nil fn takes { kind = "event"|"metric"|"alert"|"dev", time =, name =, app =, … }
function casting.set_host(fn) host = fn end

local alerts_second, alerts_count = 0, 0

local function send_alert(item)
  local second = math.floor(core.monotonic_ms() / 1000)
  if second ~= alerts_second then alerts_second, alerts_count = second, 0 end
  alerts_count = alerts_count + 1
  if alerts_count > ALERTS_MAX then return end
  port.send(DOOR, ALERT, 0, core.form_write {
    name = item.name, key = (item.app or "") .. " " .. item.name, time = item.time, app = item.app,
    revision = item.revision, entry = item.entry, request = item.request, is_written = true,
    data = item.data and json.read(secrets.hide(json.write(item.data))) or nil,
  })
end

local function key_of(item)
  if not item.tags then return item.name end
  return item.name .. "\0" .. json.write(item.tags)
end

local SIZE = { counter = 1, gauge = 1, histogram = series.HISTOGRAM.SIZE }

local function label_of(item)
  local label, names = { item.metric, item.name, "app", item.app or "", "revision", item.revision or "" }, {}
  for name in pairs(item.tags or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    label[#label + 1], label[#label + 2] = name, tostring(item.tags[name])
  end
  return label
end

-- A name is of one kind.
local function check_kind(item)
  local kind = kinds[item.name]
  if kind and kind ~= item.metric then
    anomaly.incorrect("ion.cast/invalid", "metric %s is a %s here, not a %s", item.name, kind, item.metric)
  end
end

local function series_of(item)
  local key = key_of(item)
  if known[key] then return known[key] end
  if known_count >= casting.SERIES_MAX and item.name ~= casting.DROPPED then
    return series_of { name = casting.DROPPED, metric = "counter", app = item.app, revision = item.revision }
  end
  known_count, kinds[item.name] = known_count + 1, item.metric
  local one = { name = item.name, metric = item.metric, tags = item.tags, count = 0, sum = 0, min = math.huge,
    max = -math.huge }
  if series.is_told then one.numbers = series.new(SIZE[item.metric], label_of(item)) end
  known[key] = one
  return one
end

local IS_DURATION = "[/_.]ms$"

local function write_numbers(one, value)
  local numbers = one.numbers
  if one.metric == "counter" then
    numbers[0] = numbers[0] + value
  elseif one.metric == "gauge" then
    numbers[0] = value
  else
    local slot = one.name:find(IS_DURATION) and series.slot_of_ms(value) or series.slot_of(value)
    numbers[slot] = numbers[slot] + 1
    numbers[series.HISTOGRAM.SUM] = numbers[series.HISTOGRAM.SUM] + value
  end
end

local function count(item)
  check_kind(item)
  local one = series_of(item)
  local value = one.name == item.name and item.value or 1
  one.count, one.sum, one.last = one.count + 1, one.sum + value, value
  one.min, one.max = math.min(one.min, value), math.max(one.max, value)
  if one.numbers then write_numbers(one, value) end
end

--- What a metric is if nobody says: a name that ends in /ms measures how long things take.
function casting.metric_of(name) return name:find(IS_DURATION) and "histogram" or "counter" end

--- Send what was cast on its way.
-- @tparam table item as of set_host, plain data
function casting.send(item)
  if host then return host(item) end
  if item.kind == "metric" then return count(item) end
  if item.kind == "dev" then
    io.stderr:write("dev: ", secrets.hide(item.text), "\n")
  else
    write(secrets.hide(json.write(item)))
    if item.kind == "alert" and port and port.fetch then send_alert(item) end
  end
end

--- The metrics of this state, by name:
-- { { name =, metric =, tags =, count =, sum =, min =, max =, last = }, … }.
function casting.metrics()
  local list = {}
  for key, one in pairs(known) do
    list[#list + 1] = { key = key, one = one }
  end
  table.sort(list, function(a, b) return a.key < b.key end)
  for i, item in ipairs(list) do list[i] = item.one end
  return list
end

--- Forget the metrics.
function casting.clear() known, known_count, kinds = {}, 0, {} end

return casting
