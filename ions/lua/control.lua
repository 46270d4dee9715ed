--- What the control door asks of an application's state: JSON in, JSON out, run as requests are.
--
-- - POST /invoke/APP/NAME: an entry point of the manifest's `invoke`. The body is its input, no body is nil;
--   the answer is what it returned.
-- - POST /values/APP: what a remote connection asks of values, in bytes (ions.door.values).
-- - POST /q: { app =, query =, inputs =, db =, as_of =, since = }, a query with the functions that the
--   application allows. The answer is { rows = … }, the result as `lion q --output json` writes it.
--
-- What goes wrong is { error = { category =, code =, message =, request = } } under a status by its category.
-- @module ions.control
local access = require "ions.door.access"
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local entry = require "ions.entry"
local find = require "lion.find"
local form = require "ions.form"
local fuel = require "ions.fuel"
local is_misuse = require "ions.misuse"
local json = require "lion.json"
local output = require "lion.cli.output"
local plain = require "ions.plain"
local query = require "lion.query"
local request = require "ions.request"
local response = require "ions.response"
local secrets = require "ions.secrets"
local utf8 = require "ions.utf8"
local values = require "ions.door.values"

local control = {}

local HEADERS = { { "content-type", "application/json" } }

-- ---- answers -------------------------------------------------------------------------------------

local function say(text) return 200, HEADERS, text end

-- Who asks here is trusted: nothing is kept from them but secrets.
local function fail(e, raw, refused_status, refused_headers)
  if not anomaly.is_category(e.category) then
    e = anomaly.new("fault", "lion/handler-failed", e.trace or tostring(e.message or e))
  end
  local status = refused_status or response.status_of(e.category)
  if status >= 500 then
    io.stderr:write(("%s %s (request %s): %s\n"):format(raw.method, raw.path, tostring(raw.id),
      secrets.hide(tostring(e))))
  end
  local code, message = tostring(e.code), utf8.repair(secrets.hide(tostring(e.message)))
  local told = { category = e.category, code = code, message = message, request = raw.id }
  local headers = { HEADERS[1], unpack(refused_headers or {}) }
  if status == 503 then headers[#headers + 1] = { "retry-after", "1" } end
  return status, headers, json.write { error = told } .. "\n"
end

local function fail_call(e, raw) return fail(e, raw) end

-- The same of an entry point, which may have called something wrongly.
local function fail_invoked(e, raw)
  if is_misuse(e) then e = anomaly.new("fault", "lion/handler-failed", e.trace or tostring(e)) end
  return fail(e, raw)
end

local function read_body(raw)
  if raw.body == nil or raw.body == "" then return nil end
  return json.read(raw.body)
end

-- ---- invocations ---------------------------------------------------------------------------------

local function invoke(app, raw, name)
  local at = app:entry_of(name)
  local what = "the input of " .. name
  local input = plain.copy(read_body(raw), what)
  local begun = app.calls:new(raw, at)
  begun.fn, begun.args[1], begun.origin = at.fn, input, at.name
  begun.shape = function(result)
    return say(json.write(plain.copy(result, "the result of " .. name)) .. "\n")
  end
  begun.fail = fail_invoked
  return app.calls:begin(begun)
end

-- ---- queries -------------------------------------------------------------------------------------

local FIELDS = { app = "string", query = true, inputs = "table", db = "string", as_of = true, since = true }

local function check_question(asked)
  if type(asked) ~= "table" or asked.query == nil then
    anomaly.incorrect("lion/syntax", "the body is { query, inputs, db, as_of, since, app } as JSON")
  end
  for name, value in pairs(asked) do
    local kind = FIELDS[name]
    if not kind then
      anomaly.incorrect("lion/syntax", "unknown key %s (there are query, inputs, db, as_of, since, app)",
        tostring(name))
    elseif kind ~= true and type(value) ~= kind then
      anomaly.incorrect("lion/syntax", "%s is %s, not %s", name,
        kind == "table" and "an array" or "a string", json.write(value))
    end
  end
end

-- { edn = TEXT } is the form of that text; rules stay text.
local function read_inputs(given, rules_at)
  local inputs = {}
  for i, value in ipairs(given) do
    local text = type(value) == "table" and value.edn
    local is_form = type(text) == "string" and next(value, next(value)) == nil
    inputs[i] = value
    if is_form then inputs[i] = i == rules_at and text or query.read_input(text) end
  end
  return inputs
end

-- The text of the answer.
local function ask(app, asked)
  local db = app:connection(asked.db):db()
  if asked.as_of ~= nil then db = db:as_of(asked.as_of) end
  if asked.since ~= nil then db = db:since(asked.since) end
  local rules_at = query.rules_argument(asked.query)
  local inputs = read_inputs(asked.inputs or {}, rules_at)
  local compiled = query.compile(asked.query, rules_at and inputs[rules_at])
  local arguments, count = find.with_db(db, asked.query, unpack(inputs, 1, #inputs))
  local limits = find.add_limits({ typed = 1 }, arguments, count)
  local result = find.all(asked.query, arguments, count, limits)
  return '{"rows":' .. output.write("json", output.shape(compiled), result):gsub("\n$", "") .. "}\n"
end

-- Queries take places of their own.
local function questions(app)
  app.questions = app.questions or entry.new("/q", ask, { timeout = 30000, concurrency = 32 }, app:label "/q")
  return app.questions
end

local function answer_question(app, raw)
  local asked = read_body(raw)
  check_question(asked)
  if asked.app ~= app.manifest.app then return nil end
  local begun = app.calls:new(raw, questions(app))
  begun.fn, begun.args[1], begun.args[2], begun.origin = ask, app, asked, nil
  begun.shape, begun.fail = say, fail_call
  return app.calls:begin(begun)
end

-- ---- values --------------------------------------------------------------------------------------

-- A query ends with its functions, which the core does not look into.
local function limit(ms)
  local budget = fuel.current()
  if not budget then return end
  budget.deadline_ms = math.min(budget.deadline_ms or math.huge, core.monotonic_ms() + ms)
end

local function status_of(e) return response.status_of(e.category) end

local function answer(reader, raw) return values.answer(reader, { raw = raw, who = raw.who }, status_of) end

-- What stands for the door there; its connections are made when they are asked for.
local function reader_of(app)
  app.reader = app.reader or {
    is_worker = true,
    patience = function(_, _, ms) return ms end,
    limit = limit,
    tasks = app.calls.tasks,
    connections = setmetatable({}, { __index = function(_, name) return app:connection(name) end }),
    entry = entry.new("/values", answer, { timeout = 31000, concurrency = 32 }, app:label "/values"),
  }
  return app.reader
end

local function told(result) return result.status, result.headers, result.body end

local function answer_values(app, raw)
  local reader = reader_of(app)
  local begun = app.calls:new(raw, reader.entry)
  request.headers(raw)
  begun.fn = answer
  begun.args[1], begun.args[2], begun.origin = reader, raw, nil
  begun.shape, begun.fail = told, fail_call
  return app.calls:begin(begun)
end

-- ---- paths ---------------------------------------------------------------------------------------

-- The door has asked who it is for the first request of a connection; others come behind it.
local function check_access(app, raw, route_name)
  if raw.remote ~= "control" then request.headers(raw) end
  app.access = app.access or access.new(function() return app.node.system:sync() end)
  raw.who = app.access:identify(raw)
  access.check(raw.who, access.NEEDED[route_name], route_name)
end

local function route(app, raw)
  if raw.path == "/q" then
    check_access(app, raw, "POST /q")
    return answer_question(app, raw)
  end
  local whose = raw.path:match "^/values/([^/]+)$"
  if whose and whose == app.manifest.app then
    check_access(app, raw, "POST /values/:app")
    return answer_values(app, raw)
  end
  local name, fn = raw.path:match "^/invoke/([^/]+)/([^/]+)$"
  name, fn = name and form.decode(name), fn and form.decode(fn)
  if name == app.manifest.app and fn then
    check_access(app, raw, "POST /invoke/:app/:fn")
    return invoke(app, raw, fn)
  end
end

local function check_method(raw)
  local is_known = raw.path == "/q" or raw.path:find "^/invoke/" or raw.path:find "^/values/"
  if raw.method ~= "POST" and is_known then
    return response.text(405, "method not allowed", { { "allow", "POST" } })
  end
end

local function results(raw, ok, first, ...)
  if ok then return first, ... end
  local e = anomaly.wrap(first)
  return fail(e, raw, e.status, e.headers)
end

--- A request of the control door, as App:handle.
-- @tparam table app
-- @tparam table raw
-- @treturn number|boolean|nil status; nil: it is not for this application
-- @treturn table headers
-- @treturn string body
function control.handle(app, raw)
  local status, headers, body = check_method(raw)
  if status then return status, headers, body end
  return results(raw, pcall(route, app, raw))
end

return control
