--- What applications cast, on its way out of their state: lines on standard error, metrics in counters. A
-- host may take all of it into its own hands.
-- @module ions.casting
local json = require "lion.json"
local secrets = require "ions.secrets"

local casting = {}

--- Series of metrics that a state counts; of more only how often they were cast is known.
casting.SERIES_MAX = 1000

--- The name under which what is beyond is counted.
casting.DROPPED = "lion/metrics-dropped"

-- function(item), instead of lines and counters
local host

-- Key → { name =, tags =, count =, sum =, min =, max =, last = }
local series, series_count = {}, 0

--- Have a function called with everything that is cast; nil: as before.
-- @tparam function|nil fn takes { kind = "event"|"metric"|"alert"|"dev", time =, name =, app =, … }
function casting.set_host(fn) host = fn end

local function key_of(item) return item.name .. "\0" .. (item.tags and json.write(item.tags) or "") end

local function series_of(item)
  local key = key_of(item)
  if series[key] then return series[key] end
  if series_count >= casting.SERIES_MAX and item.name ~= casting.DROPPED then
    return series_of { name = casting.DROPPED }
  end
  series_count = series_count + 1
  series[key] = { name = item.name, tags = item.tags, count = 0, sum = 0, min = math.huge, max = -math.huge }
  return series[key]
end

local function count(item)
  local one = series_of(item)
  local value = one.name == item.name and item.value or 1
  one.count, one.sum, one.last = one.count + 1, one.sum + value, value
  one.min, one.max = math.min(one.min, value), math.max(one.max, value)
end

--- Send what was cast on its way.
-- @tparam table item as of set_host, plain data
function casting.send(item)
  if host then return host(item) end
  if item.kind == "metric" then return count(item) end
  if item.kind == "dev" then
    io.stderr:write("dev: ", secrets.hide(item.text), "\n")
  else
    io.stderr:write(secrets.hide(json.write(item)), "\n")
  end
end

--- The metrics of this state, by name: { { name =, tags =, count =, sum =, min =, max =, last = }, … }.
function casting.metrics()
  local list = {}
  for key, one in pairs(series) do
    list[#list + 1] = { key = key, one = one }
  end
  table.sort(list, function(a, b) return a.key < b.key end)
  for i, item in ipairs(list) do list[i] = item.one end
  return list
end

--- Forget the metrics.
function casting.clear() series, series_count = {}, 0 end

return casting
