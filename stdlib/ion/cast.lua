--- What an application tells those who run it: events that happened, metrics that are counted, alerts that
-- somebody has to see, and messages for whoever develops.
-- @module ion.cast
local anomaly = require "lion.anomaly"
local app = require "ions.app"
local casting = require "ions.casting"
local gate = require "ions.gate"
local json = require "lion.json"
local meter = require "ions.fuel.meter"
local plain = require "ions.plain"
local scheduler = require "ions.scheduler"
local time = require "ion.time"

local cast = {}

local NAME_MAX = 200
local LINE_MAX = 64 * 1024
local TAGS_MAX = 16
local TAG_MAX = 200
local BYTES_PER_STEP = 64

local function refuse(message, ...) anomaly.incorrect("ion.cast/invalid", message, ...) end

local function check_given(given, kind)
  if type(given) ~= "table" then refuse('%s takes { "name", … }, not a %s', kind, type(given)) end
  local name = given[1]
  if type(name) ~= "string" or #name == 0 or #name > NAME_MAX or name:find "%c" then
    refuse('%s takes { "name", … }: the name is a text of at most %d bytes on one line', kind, NAME_MAX)
  end
  return name
end

-- Who casts: the application, and the call in hand.
local function new_item(kind, name)
  local current, task = app.current, scheduler.current()
  return {
    kind = kind,
    name = name,
    time = time.format(gate.now()),
    app = current and current.manifest.app,
    revision = current and current.options.revision,
    entry = task and task.origin,
    request = task and (task.request or task.id),
  }
end

local function check_size(item, kind)
  local size = #json.write(item)
  meter.pay(size / BYTES_PER_STEP)
  if size > LINE_MAX then
    anomaly.incorrect("lion/limit", "%s %s has %d bytes as JSON; at most %d", kind, item.name, size, LINE_MAX)
  end
end

-- A name, and what else the table has, as data.
local function tell(kind, given)
  local item = new_item(kind, check_given(given, kind))
  local data = {}
  for key, value in pairs(given) do
    if key ~= 1 then
      if type(key) ~= "string" then
        refuse("%s %s: the name is the only item without a key", kind, item.name)
      end
      data[key] = value
    end
  end
  if next(data) ~= nil then item.data = plain.copy(data, kind .. " " .. item.name) end
  check_size(item, kind)
  casting.send(item)
end

--- Something happened: cast.event { "order/placed", id = 7, total = 12.5 }.
-- @tparam table given the name, and plain data by name
function cast.event(given) tell("event", given) end

--- Somebody has to look: cast.alert { "payment/unreachable", provider = "…" }.
-- @tparam table given as of event
function cast.alert(given) tell("alert", given) end

local function check_tags(given, name)
  local tags, count = nil, 0
  for key, value in pairs(given) do
    if key ~= 1 and key ~= 2 and key ~= 3 then
      local kind = type(value)
      if type(key) ~= "string" or (kind ~= "string" and kind ~= "number" and kind ~= "boolean") then
        refuse("metric %s: a tag is a name with a text, a number or a boolean", name)
      end
      count = count + 1
      if count > TAGS_MAX or #key > TAG_MAX or #tostring(value) > TAG_MAX then
        refuse("metric %s: at most %d tags, of %d bytes each", name, TAGS_MAX, TAG_MAX)
      end
      tags = tags or {}
      tags[key] = value
    end
  end
  return tags
end

local IS_METRIC = { counter = true, gauge = true, histogram = true }

local function check_metric(name, kind, value)
  if not IS_METRIC[kind] then
    refuse('metric %s: the third item is "counter", "gauge" or "histogram", not %s', name, tostring(kind))
  end
  if value < 0 and kind ~= "gauge" then
    refuse("metric %s: a %s has no negative values; a gauge may", name, kind)
  end
end

--- Count or measure: cast.metric { "orders" } counts one, cast.metric { "checkout/ms", 12.5, country = "de" }
-- measures, cast.metric { "basket/size", 3, "histogram" } and { "queue", 17, "gauge" } say what they are.
-- Tags make series of their own, so that they are of few values: a country, no customer.
-- @tparam table given the name, a number (1 if it is left out), "counter" (the default), "gauge" or
-- "histogram" (the default of names that end in /ms), tags by name
function cast.metric(given)
  local name = check_given(given, "metric")
  local value = given[2] == nil and 1 or given[2]
  if type(value) ~= "number" or value ~= value or value == math.huge or value == -math.huge then
    refuse("metric %s: the value is a finite number, not %s", name, tostring(value))
  end
  local kind = given[3] == nil and casting.metric_of(name) or given[3]
  check_metric(name, kind, value)
  local item = new_item("metric", name)
  item.metric, item.value, item.tags = kind, value, check_tags(given, name)
  casting.send(item)
end

--- A message for whoever develops, shown by `lion dev` and dropped elsewhere.
-- @param message text, or a table that is shown as JSON
function cast.dev(message)
  local current = app.current
  if current and not current.options.is_dev then return end -- without an application it is a prompt
  local item = new_item "dev"
  item.text = type(message) == "table" and json.write(message) or tostring(message)
  meter.pay(#item.text / BYTES_PER_STEP)
  casting.send(item)
end

return cast
