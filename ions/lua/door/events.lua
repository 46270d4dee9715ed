--- The control door's routes to events (docs/control.md): what they are doing, and what was given up. All of
-- it is in the system database; what the door writes there their holders heed.
-- @module ions.door.events
local anomaly = require "lion.anomaly"
local answer = require "ions.door.answer"
local core = require "lion.core"
local find = require "ions.deploy.find"
local store = require "ions.events.store"
local tell = require "ions.door.tell"

local events = {}

local LIST, LIST_MAX = 100, 1000

local function fail(category, code, data, message, ...)
  error(anomaly.new(category, code, message:format(...), data), 0)
end

local function group_of(door, db, name) return find.group(db, name or door.node.group) end

-- ---- events --------------------------------------------------------------------------------------

local function key_of(app, name) return app .. "\0" .. name end

local function declared(door, db, group)
  door.reading = door.reading or store.new {} -- it keeps the manifests that it has read
  local known = {}
  for _, one in ipairs(door.reading:declared(db, group)) do known[key_of(one.app, one.name)] = true end
  return known
end

-- What this node's process says of those that it holds.
local function live(door)
  local known = {}
  for _, one in ipairs(door.node:events()) do known[key_of(one.app, one.event)] = one end
  return known
end

local function told(db, row, is_declared, one)
  return {
    app = row.app, event = row.name, on = row.on, is_declared = is_declared or false,
    holder = row.holder_name, epoch = row.epoch, position = row.position, lag_ms = one and one.lag_ms,
    dead = db:count("vaet", row.id, "event.dead/event"),
    trying = row.trying, attempts = row.attempts, error = row.error, retry_at = tell.instant(row.retry_at),
  }
end

--- GET /events
function events.list(door, request)
  local query = answer.check_query(request.query, { group = "string" })
  local now = (query.group or door.node.group) == door.node.group and live(door) or {}
  local db = door.system:db()
  local group = group_of(door, db, query.group)
  local known, list = declared(door, db, group), {}
  for i, row in ipairs(store.rows(db, group)) do
    local key = key_of(row.app, row.name)
    list[i] = told(db, row, known[key], now[key])
  end
  return answer.list(list)
end

-- ---- dead letters --------------------------------------------------------------------------------

local LETTER = [==[
  [:db/id :event.dead/key :event.dead/error :event.dead/attempts :event.dead/first-at :event.dead/failed-at
   :event.dead/replay-at :event.dead/input :event.dead/trace
   {:event.dead/event [:event/name {:event/app [:app/name]} {:event/group [:group/name]}]}] ]==]

local function letter_of(db, id)
  local found = db:pull(LETTER, id)
  local event = found["event.dead/event"]
  return {
    id = id,
    key = found["event.dead/key"], group = event["event/group"]["group/name"],
    app = event["event/app"]["app/name"], event = event["event/name"], error = found["event.dead/error"],
    attempts = found["event.dead/attempts"], first_at = tell.instant(found["event.dead/first-at"]),
    failed_at = tell.instant(found["event.dead/failed-at"]),
    replay_at = tell.instant(found["event.dead/replay-at"]), input = found["event.dead/input"],
    trace = found["event.dead/trace"],
  }
end

-- Of a group, and if given of an application, of an event; the oldest first.
local function letters(door, db, asked)
  local group, list = group_of(door, db, asked.group), {}
  for _, row in ipairs(store.rows(db, group)) do
    local fits = asked.app == nil or asked.app == row.app
    if fits and (asked.event == nil or asked.event == row.name) then
      for datom in db:datoms("vaet", row.id, "event.dead/event") do list[#list + 1] = datom.e end
    end
  end
  table.sort(list)
  return list
end

--- GET /events/dead
function events.dead(door, request)
  local query = answer.check_query(request.query,
    { group = "string", app = "string", event = "string", limit = "count" })
  local limit = answer.bounded("limit", query.limit, LIST, LIST_MAX)
  local db, list = door.system:db(), {}
  for _, id in ipairs(letters(door, db, query)) do
    if #list == limit then break end
    local letter = letter_of(db, id)
    letter.id, letter.input, letter.trace = nil, nil, nil
    list[#list + 1] = letter
  end
  return answer.list(list)
end

local function find_letter(db, key)
  return db:entid { "event.dead/key", key }
    or fail("not-found", "lion/not-found", nil, "there is no dead letter %s: lion events dead lists them",
      key)
end

--- GET /events/dead/KEY
function events.letter(door, request)
  answer.check_query(request.query, {})
  local db = door.system:db()
  local letter = letter_of(db, find_letter(db, request.params.key))
  letter.id = nil
  return letter
end

-- The letters that a body names: one by its key, or all of some.
local function named(door, db, body)
  if (body.key ~= nil) == (body.all == true) then
    anomaly.incorrect("lion/syntax", "it takes the key of a dead letter, or all = true")
  end
  if body.key then return { find_letter(db, body.key) } end
  return letters(door, db, body)
end

local NAMING = { key = "string", all = "boolean", group = "string", app = "string", event = "string" }

local function change(door, request, op_of)
  local body = answer.check(request.body, NAMING)
  local db, tx = door.system:db(), {}
  for i, id in ipairs(named(door, db, body)) do tx[i] = op_of(id) end
  if #tx > 0 then door.system:transact(tx) end
  return { count = #tx }
end

--- POST /events/replay
function events.replay(door, request)
  local now = core.now_ms()
  return change(door, request, function(id) return { ["db/id"] = id, ["event.dead/replay-at"] = now } end)
end

--- POST /events/forget
function events.forget(door, request)
  return change(door, request, function(id) return { "db/retractEntity", id } end)
end

-- ---- skipping ------------------------------------------------------------------------------------

local function find_event(door, db, body)
  local found = {}
  for _, row in ipairs(store.rows(db, group_of(door, db, body.group))) do
    if row.name == body.event and (body.app == nil or row.app == body.app) then found[#found + 1] = row end
  end
  if #found > 1 then
    local apps = {}
    for i, row in ipairs(found) do apps[i] = row.app end
    fail("incorrect", "lion/ambiguous", { apps = apps },
      "several applications have an event %s (%s): name one", body.event, find.listed(apps))
  end
  return found[1] or fail("not-found", "lion/not-found", nil,
    "there is no event %s there: lion events lists them", body.event)
end

--- POST /events/skip
function events.skip(door, request)
  local body = answer.check(request.body,
    { event = "string!", app = "string", group = "string", all = "boolean" })
  local row = find_event(door, door.system:db(), body)
  local what = body.all and "skip-all" or "skip-one"
  door.system:transact { { ["db/id"] = row.id, ["event/asked"] = ":event.asked/" .. what } }
  return { app = row.app, event = row.name }
end

-- ---- numbers -------------------------------------------------------------------------------------

--- Their part of /metrics.
-- @tparam table out of ions.door.exposition
-- @tparam table door
-- @param db the system database
-- @tparam number group
function events.add_metrics(out, door, db, group)
  for _, row in ipairs(store.rows(db, group)) do
    out:sample("lion_event_dead", "gauge", "dead letters of an event",
      db:count("vaet", row.id, "event.dead/event"), { "app", row.app, "event", row.name })
  end
  for _, one in ipairs(door.node:events()) do
    local labels = { "app", one.app, "event", one.event }
    if one.lag_ms then
      out:sample("lion_event_lag_seconds", "gauge", "since the oldest happened that is not done",
        one.lag_ms / 1000, labels)
    end
    out:sample("lion_event_delivered_total", "counter", "calls that ended well", one.delivered, labels)
    out:sample("lion_event_failed_total", "counter", "calls that failed", one.failed, labels)
  end
end

return events
