--- Handlers of events in an application's state: called as its other entry points are.
-- @module ions.events.handler
local anomaly = require "lion.anomaly"
local conn = require "lion.conn"
local core = require "lion.core"
local dir = require "ions.events.dir"
local entry = require "ions.entry"
local find = require "lion.find"
local http = require "ions.events.http"
local manifest = require "ions.manifest"
local query = require "lion.query"
local response = require "ions.response"
local scheduler = require "ions.scheduler"
local secrets = require "ions.secrets"
local values = require "lion.values"

local handler = {}

-- Kinds of messages, as ions/node/bus.h numbers them.
local DELIVER, DELIVERED = 12, 13

-- What a query that has no rows returns in place of the handler.
local SKIPPED = {}

-- ---- loading -------------------------------------------------------------------------------------

local IS_INPUT = { ["$"] = true, ["$tx"] = true, ["?t"] = true }

local function name_of(input) return input.name or input.binding and input.binding.name end

local function check_query(name, text)
  for _, input in ipairs(query.compile(text).inputs) do
    if not IS_INPUT[name_of(input)] then
      anomaly.incorrect("lion/manifest", "event %s: of its query's inputs there are $, $tx and ?t, no others",
        name)
    end
  end
end

--- The entry points of an application's events.
-- @tparam table app
-- @treturn table event's name → { entry =, spec = }
function handler.load(app)
  local events = {}
  for name, spec in pairs(manifest.events(app.manifest)) do
    if spec.query then check_query(name, spec.query) end
    local at = entry.new(spec.fn, app:resolve(spec.fn), { timeout = spec.timeout }, app:label(spec.fn))
    events[name] = { spec = spec, entry = at }
  end
  return events
end

-- ---- queries on transactions ---------------------------------------------------------------------

-- The datoms of a transaction, as rows that a query can match: attributes are keywords, strings stay strings.
local function relation_of(connection, t)
  local rows = {}
  for transaction in conn.typed_range(connection, t, t + 1) do
    for _, datom in ipairs(transaction.data) do
      local meta = type(datom.v) == "table" and getmetatable(datom.v)
      if not meta or meta.__lion ~= "bytes" then
        rows[#rows + 1] = { datom.e, ":" .. datom.a, datom.v, datom.tx, datom.added }
      end
    end
  end
  return rows
end

local function rows_of(connection, text, t)
  local db, arguments = connection:db():as_of(t), {}
  local parsed = query.compile(text).inputs
  for i, input in ipairs(parsed) do
    local what = name_of(input)
    arguments[i] = what == "$tx" and relation_of(connection, t) or what == "?t" and t or db
  end
  return find.all(text, arguments, #parsed, find.add_limits({}, { db }, 1))
end

local function has_rows(rows)
  if type(rows) ~= "table" or getmetatable(rows) then return rows ~= nil and rows ~= values.null end
  return next(rows) ~= nil
end

-- ---- calls ---------------------------------------------------------------------------------------

-- The database stands at the event's transaction, whichever process told of it.
local function prepare_transaction(app, input, spec)
  local connection = app:connection(input.db)
  if connection:db().basis_t < input.t then connection:sync(input.t) end
  if not spec.query then return true end
  input.rows = rows_of(connection, spec.query, input.t)
  return has_rows(input.rows)
end

-- Kind → function(app, input, spec): what a handler is given that is found where it is called. False: there
-- is nothing to handle.
local PREPARE = { dir = dir.prepare, http = http.prepare, tx = prepare_transaction }

local function call(app, event, input)
  local prepare = PREPARE[event.spec.on]
  if prepare and not prepare(app, input, event.spec) then return SKIPPED end
  event.entry.fn(input)
end

local function words_of(e)
  if type(e) ~= "table" then return tostring(e) end
  local message = tostring(e.message or e)
  return e.code and ("%s: %s"):format(tostring(e.code), message) or message
end

local function answer_of(ok, result)
  if ok then return { is_ok = true, is_skipped = result == SKIPPED or nil } end
  local function text(field) return type(result[field]) == "string" and secrets.hide(result[field]) or nil end
  return { is_ok = false, category = text "category" or "fault", message = secrets.hide(words_of(result)),
    trace = text "trace" }
end

--- Call an event's handler. Its own timeout bounds it.
-- @tparam table app
-- @tparam string name the event's
-- @tparam table input
-- @tparam function done called with { is_ok =, is_skipped =, category =, message =, trace =, ms = }
-- @treturn boolean false: the application has no such event
function handler.run(app, name, input, done)
  local event = app.events[name]
  if not event then return false end
  local began_ms = core.monotonic_ms()
  app.calls.tasks:spawn {
    fn = call,
    args = { app, event, input },
    deadline_ms = began_ms + event.entry.timeout,
    origin = event.entry.name,
    done = function(ok, result, task)
      local answer, ms, steps = answer_of(ok, result), core.monotonic_ms() - began_ms, scheduler.cost(task)
      app.calls.steps = app.calls.steps + steps
      event.entry:count(ok and 200 or response.status_of(answer.category), ms)
      event.entry:pay(steps)
      answer.ms = math.floor(ms)
      done(answer)
    end,
  }
  return true
end

--- A message of the supervisor's channel.
-- @treturn boolean whether it is for this application
function handler.message(app, from, kind, id, payload)
  if kind ~= DELIVER then return false end
  local asked = core.form_read(payload)
  if asked.app ~= app.manifest.app then return false end
  local port = require "ions.port"
  return handler.run(app, asked.event, asked.input, function(answer)
    port.send(from, DELIVERED, id, core.form_write(answer))
  end)
end

return handler
