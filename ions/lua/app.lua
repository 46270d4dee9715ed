--- One revision of an application, loaded into this Lua state: its modules in an environment of
-- their own, its entry points, its dispatch of requests. The state is thrown away with the revision.
-- @module ions.app
local access_log = require "ions.access_log"
local anomaly = require "lion.anomaly"
local call = require "lion.call"
local calls = require "ions.calls"
local check = require "ions.fuel.check"
local control = require "ions.control"
local core = require "lion.core"
local development = require "ions.development"
local entry = require "ions.entry"
local environment = require "ions.fuel.environment"
local fileless = require "ions.fileless"
local fuel = require "ions.fuel"
local gate = require "ions.gate"
local handler = require "ions.events.handler"
local lion = require "lion"
local manifest = require "ions.manifest"
local meter = require "ions.fuel.meter"
local nearest = require "lion.nearest"
local own_files = require "ions.own_files"
local parameters = require "ions.params"
local plain = require "ions.plain"
local receive = require "ions.events.receive"
local request = require "ions.request"
local response = require "ions.response"
local route = require "ions.route"
local scheduler = require "ions.scheduler"
local secrets = require "ions.secrets"
local source = require "ions.source"
local static = require "ions.static"
local vitals = require "ions.vitals"

local byte, match = string.byte, string.match -- as Lua has them; the methods count their work

local SLASH = 47

local app = {}

-- What an application may require besides its own modules.
local LIBRARY = {
  ["ion"] = true,
  ["ion.cast"] = true,
  ["ion.file"] = true,
  ["ion.hash"] = true,
  ["ion.html"] = true,
  ["ion.http"] = true,
  ["ion.json"] = true,
  ["ion.route"] = true,
  ["ion.time"] = true,
  ["ion.uuid"] = true,
  ["lion"] = true,
  ["lpeg"] = true,
}

-- Entry points that call one another.
local NESTING_MAX = 50

-- ms that the loading of a module and a check may take.
local LOAD_MS_MAX = entry.SETTINGS.timeout.default

local App = {}
App.__index = App

-- What functions that the core calls may not do.
call.set_host(meter)

local function fail(code, message, data) error(anomaly.new("incorrect", code, message, data), 0) end

-- ---- modules -----------------------------------------------------------------------------------

local function make_environment(self)
  return environment.new {
    math = { random = gate.random },
    os = {
      time = function() return math.floor(gate.now() / 1000) end,
      date = os.date,
      clock = os.clock,
      difftime = os.difftime,
    },
    require = function(name) return self:require(name) end,
  }
end

-- A module that a call requires is paid by the call.
local function run_module(chunk, name)
  if fuel.current() then return xpcall(chunk, debug.traceback, name) end
  local budget = fuel.budget { deadline_ms = core.monotonic_ms() + LOAD_MS_MAX, handler = debug.traceback }
  return budget:call(chunk, name)
end

-- "shop.tx" → "shop/tx.lua"
local function file_of(name) return (name:gsub("%.", "/")) .. ".lua" end

local function load_module(self, name)
  local file = file_of(name)
  local path = self.source:path(file)
  self.files[#self.files + 1] = path
  local text = self.source:read(file)
  if not text then
    fail("lion/module", ("module %s not found: no file %s, and no library of that name"):format(name, path))
  end
  local chunk, message = fuel.load(text, "@" .. path, self.environment)
  if not chunk then fail("lion/module", message) end
  self.texts[name] = { text, "@" .. path }
  self.loading[name] = true
  local ok, value = run_module(chunk, name)
  self.loading[name] = nil
  if ok then return value end
  if type(value) == "table" and value.code then error(value, 0) end -- a module below it says what it is
  fail("lion/module", secrets.hide(tostring(value)))
end

--- Require a module of the application, or one of the library.
function App:require(name)
  if name == "lion" and self.node then
    self.lion = self.lion or fileless.copy "ion.connect is"
    return self.lion
  end
  if LIBRARY[name] then return require(name) end
  if type(name) ~= "string" then fail("lion/module", "a module's name is a string, not a " .. type(name)) end
  local loaded = self.modules[name]
  if loaded ~= nil then return loaded end
  if self.loading[name] then fail("lion/module", "module " .. name .. " requires itself") end
  local value = load_module(self, name)
  if value == nil then value = true end
  self.modules[name] = value
  return value
end

--- The function behind "module/function".
function App:resolve(name)
  local module_name, function_name = manifest.split(name)
  local module = self:require(module_name)
  local fn = type(module) == "table" and module[function_name]
  if type(fn) ~= "function" then
    fail(
      "lion/module",
      ("%s: module %s has no function %s"):format(name, module_name, function_name)
    )
  end
  return fn
end

-- ---- loading -----------------------------------------------------------------------------------

--- The label of an entry point's numbers.
function App:label(name)
  return { "entry", "", "app", self.manifest.app, "revision", self.options.revision or "", "entry", name }
end

-- Files before a handler of the same shape: what is no file goes on to it.
local function load_routes(self)
  local routes = {}
  for path, folder in pairs(self.manifest.static or {}) do
    local files = static.new(self.source, path, folder)
    files.route = path:gsub("/$", "") .. "/*path"
    routes[#routes + 1] = { "GET", files.route, files }
  end
  for _, r in ipairs(manifest.routes(self.manifest.http)) do
    local at = entry.new(r[3], self:resolve(r[3]), r[4], self:label(r[3]))
    at.route = r[2]
    routes[#routes + 1] = { r[1], r[2], at }
  end
  receive.add_routes(self, routes)
  self.router = route.new(routes)
end

local function load_invocable(self)
  for name, value in pairs(self.manifest.invoke or {}) do
    local settings = type(value) == "table" and value or nil
    local fn_name = settings and value[1] or value
    self.invocable[name] = entry.new(fn_name, self:resolve(fn_name), settings, self:label(fn_name))
  end
end

-- The application's, and those that its dependencies let in.
local function allowed_names(self)
  local names = { unpack(self.manifest.allow or {}) }
  for _, dependency in ipairs(self.source.dependencies) do
    local file = dependency .. "/ion.lua"
    local value = self.source:has(file)
      and manifest.parse(self.source:read(file), "@" .. self.source:path(file))
    for _, name in ipairs(value and value.allow or {}) do names[#names + 1] = name end
  end
  return names
end

local function load_allowed(self)
  for _, name in ipairs(allowed_names(self)) do
    self.functions[name] = self:resolve(name)
    lion.fn(name, self.functions[name])
  end
end

-- Of the application that stands for what the primary group runs.
local function load_company(self)
  local given = self.options
  local other = app.load { dir = given.with, uri = given.uri, folder = given.folder, env = given.env,
    params = given.params, checks = false }
  app.current = self
  self.company = other
  for _, path in ipairs(other.files) do self.files[#self.files + 1] = path end
  for name, fn in pairs(other.functions) do
    if self.functions[name] then
      fail("lion/ambiguous-function", name .. " is allowed by both applications")
    end
    self.functions[name] = fn
  end
end

local function run_checks(self)
  for _, name in ipairs(self.manifest.checks or {}) do
    local fn = self:resolve(name)
    local budget = fuel.budget {
      deadline_ms = core.monotonic_ms() + (self.options.check_ms or LOAD_MS_MAX),
      handler = scheduler.traced,
    }
    local ok, result = budget:call(fn, self:connection():db())
    if not ok then
      local text = result.is_plain and result.message or result.trace or tostring(result)
      fail("lion/check", secrets.hide(("check %s: %s"):format(name, text)))
    end
    if result == false then fail("lion/check", ("check %s returned false"):format(name)) end
  end
end

-- What can be told of the modules that were loaded, without running them.
local function find_problems(self)
  local texts = {}
  for _, text in pairs(self.texts) do texts[#texts + 1] = text end
  local function has_module(name) return LIBRARY[name] or self.source:has(file_of(name)) end
  local known = environment.names(self.environment)
  local problems = check.sources(texts, { known = known, has_module = has_module })
  for _, name in ipairs(self.manifest.allow or {}) do
    local module, fn = manifest.split(name)
    local text = self.texts[module]
    local impure = text and check.transaction(text[1], text[2], fn) or {}
    for _, problem in ipairs(impure) do problems[#problems + 1] = problem end
  end
  return problems
end

local function tell_problems(self)
  local problems = find_problems(self)
  if #problems > 0 then io.stderr:write(check.text(problems), "\n") end
end

-- Those of a folder; a revision has them in it.
local function take_dependencies(self)
  if self.node or not self.manifest.deps then return end
  local function tell(line)
    if not line:find "^reading" then io.stderr:write(line, "\n") end
  end
  local list = require("ions.push.deps").resolve { manifest = self.manifest, dir = self.options.dir,
    is_live = true, progress = tell }
  self.source:take(list)
  for _, one in ipairs(list) do self.files[#self.files + 1] = one.path and one.path .. "/ion.lua" end
end

-- In a node there may be others at the next call.
local function params_of(self)
  if self.node then return self.node:params(self.manifest.params) end
  self.params = self.params or parameters.merge(development.layers(self.manifest.params, self.options))
  return self.params
end

local function load_all(self)
  self.files[1] = self.source:path "ion.lua"
  self.environment = make_environment(self)
  self.manifest = manifest.read(self.source)
  take_dependencies(self)
  if self.options.is_dev then
    development.watch(self.files, self.options)
    params_of(self) -- what is wrong with them is told now
  end
  load_allowed(self)
  if self.options.with then load_company(self) end
  load_routes(self)
  load_invocable(self)
  self.events = handler.load(self)
  if self.options.checks ~= false then run_checks(self) end
  environment.freeze(self.environment)
  if self.options.is_dev then tell_problems(self) end
end

--- Load an application into this state.
-- @tparam table options of a folder: dir; uri (the database ion.connect() gives); folder (where named
-- databases lie); env; is_dev; params (path → value, or this as JSON, before the manifest's); with: the
-- folder of another application, whose functions transactions may call as they may call those of the primary
-- group.
-- Of a node: node = true; app; revision; folder (the primary's, with system.lion); group; secret_key (the key
-- file); check_ms (of each check, 5,000); checks = false leaves them out
-- @treturn table the application; `functions` are those of `allow`, name → function
function app.load(options)
  local self = setmetatable({
    options = options,
    modules = {},
    loading = {},
    files = {}, -- paths, for who watches them
    texts = {}, -- module → { text, chunk name }
    functions = {},
    invocable = {}, -- stable name → entry point
    events = {}, -- name → { entry =, spec = }
    connections = {},
    nesting = 0,
  }, App)
  self.log = access_log.new(self)
  self.calls = calls.new { is_dev = options.is_dev, log = self.log }
  app.current = self
  if options.node then
    self.node = require("ions.residence").new(options)
    self.source = self.node.source
  else
    self.source = source.folder(options.dir)
  end
  load_all(self)
  self.vitals = vitals.new(self)
  return self
end

-- ---- what its code asks for --------------------------------------------------------------------

-- A query ends with the call that asks it.
local function rest_of_call(_, name)
  local budget = name == "timeout_max" and fuel.current()
  if not budget or not budget.deadline_ms then return nil end
  return math.max(1, math.ceil(budget.deadline_ms - core.monotonic_ms()))
end

local function bound_queries(conn)
  conn.limits = setmetatable(conn.limits, { __index = rest_of_call })
  return conn
end

--- The application's database, or a named one: a file in the application's folder of databases, or a
-- URI; in a node a name alone.
function App:connection(name)
  call.refuse_within "ion.connect"
  local key = name or 1
  local conn = self.connections[key]
  if conn and not conn.is_closed then return conn end
  conn = bound_queries(self.node and self.node:connect(name) or lion.connect(self:uri_of(name)))
  self.connections[key] = conn
  return conn
end

-- Where a database is in `lion dev`.
function App:uri_of(name)
  if name == nil or name == self.manifest.app then return self.options.uri end
  if name:find "[/:]" then return name end
  return self.options.folder .. "/" .. name .. ".lion"
end

-- The folder of its own files (ion.file): files/APP beside a node's databases, .lion/files under `lion dev`.
function App:files_below()
  if self.own_files then return self.own_files end
  local name = self.node and "files/" .. self.manifest.app or "files"
  self.own_files = own_files.open(self.options.folder, name)
  return self.own_files
end

--- Where it runs: "dev" under `lion dev`, in a node what was set for the group, or its name.
function App:env()
  return self.node and self.node:env() or self.options.env or self.options.group or "dev"
end

local function fail_missing(self, path)
  local options = self.options
  if not self.node then
    parameters.fail_missing(path, "the manifest's params", development.advice(path, options))
  end
  local places = parameters.places(options.group, options.app) .. ", and the manifest's params"
  local command = "`lion param set /%s VALUE --app %s --group %s` sets it"
  parameters.fail_missing(path, places, command:format(path, options.app, options.group or "NAME"))
end

--- A parameter (docs/params.md).
-- @tparam string path "mail/from"
-- @param[opt] default instead of the error lion/no-param, if there is none
function App:param(path, ...)
  path = parameters.path(path)
  local value = parameters.find(params_of(self), path)
  if value ~= nil then return parameters.copy(value, function(secret) return self.node:reveal(secret) end) end
  if select("#", ...) > 0 then return (...) end
  fail_missing(self, path)
end

-- ---- requests ----------------------------------------------------------------------------------

-- No route: what is there, if anything, for other methods.
local function answer_unrouted(self, raw, allowed, problem)
  if raw.method == "OPTIONS" and raw.path == "*" then
    return 204, { { "allow", table.concat(route.METHODS, ", ") } }, ""
  end
  if not allowed then return response.text(400, problem) end
  if #allowed == 0 then
    if self.node then return nil end -- another application may have one
    return response.text(404, "not found")
  end
  local headers = { { "allow", table.concat(allowed, ", ") } }
  if raw.method == "OPTIONS" then return 204, headers, "" end
  return response.text(405, "method not allowed", headers)
end

local function admit(self, at, raw, params)
  local asked, problem = request.new(raw, params)
  if not asked then return response.text(400, problem) end
  local begun = self.calls:new(raw, at)
  begun.fn, begun.args[1], begun.origin = at.fn, asked, at.name
  begun.shape, begun.fail = response.shape, response.failure
  return self.calls:begin(begun)
end

-- What is answered without an entry point.
local function logged(self, raw, came_ms, pattern, status, headers, body, size)
  if self.log and status then
    local bytes = type(body) == "string" and #body or size or 0
    self.log:write(raw, nil, status, core.monotonic_ms() - came_ms, 0, bytes, pattern)
  end
  return status, headers, body, size
end

-- A folder of static files, and what else fits when it has no such file: the next best routes.
local function answer_file(self, raw, files, tail, came_ms)
  local skip = 0
  request.headers(raw)
  while true do
    local status, headers, body, size = files:answer(raw, tail)
    if status then
      if type(body) == "function" then self.calls:note(raw.id) end
      return logged(self, raw, came_ms, files.route, status, headers, body, size)
    end
    skip = skip + 1
    local target, params, rest = self.router:find(raw.method, raw.path, skip)
    if not target then return logged(self, raw, came_ms, nil, answer_unrouted(self, raw, {})) end
    if getmetatable(target) ~= static.Files then return admit(self, target, raw, params) end
    files, tail = target, rest
  end
end

-- The path of a target as it is sent to a proxy.
local function path_below_host(path)
  path = match(path, "^https?://[^/]*(.*)$") or path
  return path == "" and "/" or path
end

--- A request. `raw`: { method, path, query, headers, body, remote, id, is_control }; it becomes what the
-- handler is given.
-- @treturn number|boolean|nil status; false: `step` answers it; nil, in a node: no route of this application
-- @treturn table headers, pairs
-- @treturn string|function body; a function gives the next piece, false when there is none yet, then nil, and
-- raises when the rest cannot be had; `finish` is due when it has been sent
-- @treturn number|nil the size of what a function gives, if that is known
function App:handle(raw)
  if raw.is_control then return control.handle(self, raw) end
  if byte(raw.path) ~= SLASH then raw.path = path_below_host(raw.path) end
  local target, params, tail = self.router:find(raw.method, raw.path)
  if target and getmetatable(target) ~= static.Files then return admit(self, target, raw, params) end
  local came_ms = self.log and core.monotonic_ms()
  if target then return answer_file(self, raw, target, tail, came_ms) end
  return logged(self, raw, came_ms, nil, answer_unrouted(self, raw, params, tail))
end

--- Do some of what is ready.
-- @treturn number|nil the id of a request that is answered; then status, headers, body, as of `handle`
function App:step() return self.calls:step() end

--- When `step` has something to do.
-- @treturn number|nil ms; 0: now; nil: not before something comes
function App:due() return self.calls:due() end

--- The client of a request has left, or the deadline has answered for it.
function App:gone(id) self.calls:gone(id) end

--- A streamed answer has been sent, or cannot be.
function App:finish(id) self.calls:finish(id) end

--- The answer to port.request; kind 0: the writer was lost.
function App:deliver(token, kind, payload) self.calls:deliver(token, kind, payload) end

--- The steps that its calls have taken so far. Who asks does so now and then: it is looked how the state is,
-- too.
function App:steps()
  self.vitals:look()
  return self.calls.steps
end

--- Nothing is under way: the state may be closed.
function App:is_idle() return self.calls:is_idle() end

-- ---- invocation --------------------------------------------------------------------------------

--- The entry point of a name in the manifest's `invoke`; raises if there is none.
function App:entry_of(name)
  local at = self.invocable[name]
  if at then return at end
  local near = type(name) == "string" and nearest(name, self.invocable)
  local hint = near and (" (did you mean %s?)"):format(near) or ""
  local message = ("the manifest's invoke has no %s%s"):format(tostring(name), hint)
  error(anomaly.new("not-found", "lion/no-entry-point", message), 0)
end

--- What a function raised, as an anomaly.
-- @param e as `done` of a task has it
function app.failure(e)
  if e.category then return e end
  return anomaly.new("fault", "lion/handler-failed", e.trace or tostring(e.message))
end

--- Call an entry point of the manifest's `invoke` by its name there: plain data in, plain data out. What it
-- raises is raised.
function App:invoke(name, input)
  call.refuse_within "ion.invoke"
  local at = self:entry_of(name)
  local outer = scheduler.current()
  local depth = (outer and outer.depth or 0) + 1
  if depth > NESTING_MAX then
    local message = ("entry points that invoke one another are at most %d deep"):format(NESTING_MAX)
    error(anomaly.new("incorrect", "lion/nesting", message), 0)
  end
  local ok, result = self.calls.tasks:call {
    fn = at.fn,
    args = { plain.copy(input, "the input of " .. name), n = 1 },
    deadline_ms = core.monotonic_ms() + at.timeout,
    depth = depth,
    origin = at.name,
    request = outer and (outer.request or outer.id),
  }
  if not ok then error(app.failure(result), 0) end
  return plain.copy(result, "the result of " .. name)
end

--- `lion dev` serves it from now on: its events run, too.
function App:start()
  if next(self.events) then self.engine = require("ions.events.dev").start(self) end
end

--- What comes on the supervisor's channel: an event.
-- @treturn boolean whether it is for this application
function App:message(from, kind, id, payload) return handler.message(self, from, kind, id, payload) end

--- Close what this state has opened.
function App:close()
  for _, conn in pairs(self.connections) do
    pcall(conn.close, conn)
  end
  if self.webhooks then pcall(self.webhooks.close, self.webhooks) end
  if self.company then self.company:close() end
  if self.own_files then self.own_files:close() end
  if self.node then self.node:close() end
end

--- The modules that applications share: name → true.
app.LIBRARY = LIBRARY

app.App = App

return app
