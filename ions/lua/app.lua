--- One revision of an application, loaded into this Lua state: its modules in an environment of
-- their own, its entry
-- points, its dispatch of requests. The state is thrown away with the revision.
-- @module ions.app
local anomaly = require "lion.anomaly"
local check = require "ions.fuel.check"
local core = require "lion.core"
local environment = require "ions.fuel.environment"
local fuel = require "ions.fuel"
local gate = require "ions.gate"
local json = require "lion.json"
local lion = require "lion"
local manifest = require "ions.manifest"
local route = require "ions.route"

local app = {}

-- What a call took, as browsers show it.
local TIMING = 'call;dur=%.2f;desc="%d steps"'

-- What an application may require besides its own modules.
local LIBRARY = { ["ion"] = true, ["ion.json"] = true, ["lion"] = true, ["lpeg"] = true }

-- Seconds of the deadline for one call of user code.
local CALL_SECONDS_MAX = 5

local App = {}
App.__index = App

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

local function deadline() return core.monotonic_ms() + CALL_SECONDS_MAX * 1000 end

-- A module that a call requires is paid by the call.
local function run_module(chunk, name)
  if fuel.current() then return xpcall(chunk, debug.traceback, name) end
  return fuel.budget({ deadline_ms = deadline(), handler = debug.traceback }):call(chunk, name)
end

function App:path_of(name) return self.dir .. "/" .. name:gsub("%.", "/") .. ".lua" end

--- Require a module of the application, or one of the library.
function App:require(name)
  if LIBRARY[name] then return require(name) end
  local loaded = self.modules[name]
  if loaded ~= nil then return loaded end
  if self.loading[name] then fail("lion/module", "module " .. name .. " requires itself") end
  local path = self:path_of(name)
  self.files[#self.files + 1] = path
  local file = io.open(path, "rb")
  if not file then
    fail(
      "lion/module",
      ("module %s not found: no file %s, and no library of that name"):format(name, path)
    )
  end
  local text = file:read("*a")
  file:close()
  local chunk, message = fuel.load(text, "@" .. path, self.environment)
  if not chunk then fail("lion/module", message) end
  self.sources[name] = { text, "@" .. path }
  self.loading[name] = true
  local ok, value = run_module(chunk, name)
  self.loading[name] = nil
  if not ok then -- what a module below it said stands as it is
    if type(value) == "table" and value.code then error(value, 0) end
    fail("lion/module", tostring(value))
  end
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

-- ---- calling -----------------------------------------------------------------------------------

-- A text without a position, error(text, 0), was written to be read alone: is_plain.
local function traced(e)
  if type(e) == "table" then return e end
  local is_plain = type(e) == "string" and not e:find "^[^\n]-:%d+: "
  return { message = tostring(e), trace = debug.traceback(tostring(e), 2), is_plain = is_plain }
end

-- The budget, for its cost; then as pcall.
local function call(fn, ...)
  local budget = fuel.budget { deadline_ms = deadline(), handler = traced }
  return budget, budget:call(fn, ...)
end

-- ---- loading -----------------------------------------------------------------------------------

local function load_routes(self)
  local http = self.manifest.http
  if type(http) == "string" then
    local fn = self:resolve(http)
    self.find = function() return fn, {} end
    return
  end
  local routes = {}
  for i, r in ipairs(http or {}) do
    routes[i] = { r[1], r[2], self:resolve(r[3]) }
  end
  local router = route.new(routes)
  self.find = function(method, path) return router:find(method, path) end
end

local function load_allowed(self)
  for _, name in ipairs(self.manifest.allow or {}) do
    lion.fn(name, self:resolve(name))
  end
end

local function run_checks(self)
  for _, name in ipairs(self.manifest.checks or {}) do
    local fn = self:resolve(name)
    local _, ok, result = call(fn, self.connect():db())
    if not ok then
      local text = result.is_plain and result.message or result.trace or tostring(result)
      fail("lion/check", ("check %s: %s"):format(name, text))
    end
    if result == false then fail("lion/check", ("check %s returned false"):format(name)) end
  end
end

-- What can be told of the modules that were loaded, without running them.
local function find_problems(self)
  local sources = {}
  for _, source in pairs(self.sources) do sources[#sources + 1] = source end
  local function has_module(name)
    local file = not LIBRARY[name] and io.open(self:path_of(name))
    if file then file:close() end
    return LIBRARY[name] or file ~= nil
  end
  local known = environment.names(self.environment)
  local problems = check.sources(sources, { known = known, has_module = has_module })
  for _, name in ipairs(self.manifest.allow or {}) do
    local module, fn = manifest.split(name)
    local source = self.sources[module]
    local impure = source and check.transaction(source[1], source[2], fn) or {}
    for _, problem in ipairs(impure) do problems[#problems + 1] = problem end
  end
  return problems
end

local function tell_problems(self)
  local problems = find_problems(self)
  if #problems > 0 then io.stderr:write(check.text(problems), "\n") end
end

--- Load the application of a folder into this state.
-- @tparam table options dir; uri (the database ion.connect() gives); folder (where named databases
-- lie); env
-- @treturn table the application
function app.load(options)
  local self = setmetatable(
    {
      dir = options.dir,
      modules = {},
      loading = {},
      files = {},
      sources = {},
      options = options,
      connections = {},
      find = nil,
    },
    App
  )
  app.current = self
  self.files[1] = options.dir .. "/ion.lua"
  self.environment = make_environment(self)
  self.manifest = manifest.read(options.dir)
  self.connect = function(name) return self:connection(name) end
  load_allowed(self)
  load_routes(self)
  for _, fn in pairs(self.manifest.invoke or {}) do
    self:resolve(fn)
  end
  run_checks(self)
  environment.freeze(self.environment)
  if options.is_dev then tell_problems(self) end
  return self
end

--- The application's database, or a named one: a file in the application's folder of databases, or a
-- URI.
function App:connection(name)
  local uri = name
  if name == nil then
    uri = self.options.uri
  elseif not name:find("[/:]") then
    uri = self.options.folder .. "/" .. name .. ".lion"
  end
  local conn = self.connections[uri]
  if not conn then
    conn = lion.connect(uri)
    self.connections[uri] = conn
  end
  return conn
end

-- ---- requests ----------------------------------------------------------------------------------

local Request = {}
Request.__index = Request

--- The body as JSON; raises a proper error for a malformed one.
function Request:json() return json.read(self.body) end

local function make_request(raw, params)
  return setmetatable(
    {
      method = raw.method,
      path = raw.path,
      params = params,
      query = route.parse_query(raw.query),
      headers = raw.headers,
      body = raw.body,
      remote = raw.remote,
      id = raw.id,
    },
    Request
  )
end

local function answer_error(self, request, e)
  local category = e.category
  local status = ({
    incorrect = 400,
    forbidden = 403,
    ["not-found"] = 404,
    conflict = 409,
    busy = 503,
    unavailable = 503,
    interrupted = 504,
    unsupported = 501,
  })[category] or 500
  local text = e.trace or tostring(e)
  io.stderr:write(("%s %s: %s\n"):format(request.method, request.path, text))
  local body = {
    error = {
      category = category or "fault",
      code = e.code or "lion/handler-failed",
      message = self.options.is_dev and text or e.message,
    },
  }
  return status, { { "content-type", "application/json" } }, json.write(body) .. "\n"
end

local function nonsense(what)
  return {
    category = "fault",
    code = "lion/bad-response",
    message = "the handler returned "
      .. what
      .. "; a response is a string or { status =, headers =, body = }",
  }
end

-- Headers as a list of pairs; a value may be an array (several headers of one name).
local function header_list(headers)
  local list, has_type = {}, false
  for name, value in pairs(headers or {}) do
    name = tostring(name):lower()
    if name == "content-type" then has_type = true end
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      list[#list + 1] = { name, tostring(one) }
    end
  end
  return list, has_type
end

local function shape(response)
  if type(response) == "string" then response = { body = response } end
  if type(response) ~= "table" then return nil, nonsense("a " .. type(response)) end
  local status = response.status or 200
  if type(status) ~= "number" or status < 100 or status > 599 or status % 1 ~= 0 then
    return nil, nonsense("the status " .. tostring(status))
  end
  if response.status == nil and response.body == nil and response.headers == nil then
    return nil, nonsense("a table without status, headers and body")
  end
  local headers, has_type = header_list(response.headers)
  local body, kind = response.body, "text/plain; charset=utf-8"
  if type(body) == "table" then
    local ok, text = pcall(json.write, body)
    if not ok then return nil, nonsense("a body that is no JSON (" .. tostring(text) .. ")") end
    body, kind = text, "application/json"
  elseif type(body) == "number" or type(body) == "boolean" then
    body = tostring(body)
  elseif body ~= nil and type(body) ~= "string" and type(body) ~= "function" then
    return nil, nonsense("a body that is a " .. type(body))
  end
  if not has_type and body ~= nil then headers[#headers + 1] = { "content-type", kind } end
  return { status = status, headers = headers, body = body }
end

--- Answer one request. `raw`: { method, path, query, headers, body, remote, id }.
-- @treturn number status
-- @treturn table headers, pairs
-- @treturn string|function body; a function yields the next piece, then nil
function App:handle(raw)
  local fn, params = self.find(raw.method, raw.path)
  if not fn then
    if #params > 0 then
      return 405,
        { { "allow", table.concat(params, ", ") }, { "content-type", "text/plain; charset=utf-8" } },
        "method not allowed\n"
    end
    return 404, { { "content-type", "text/plain; charset=utf-8" } }, "not found\n"
  end
  local request = make_request(raw, params)
  local began = core.monotonic_ms()
  local budget, ok, response = call(fn, request)
  if not ok then return answer_error(self, request, response) end
  local shaped, problem = shape(response)
  if not shaped then return answer_error(self, request, problem) end
  local body = shaped.body
  if type(body) == "function" then body = app.pieces(coroutine.create(body), request) end
  if self.options.is_dev then
    local timing = TIMING:format(core.monotonic_ms() - began, budget:cost())
    shaped.headers[#shaped.headers + 1] = { "server-timing", timing }
  end
  return shaped.status, shaped.headers, body or ""
end

-- Each piece has a deadline of its own.
local function next_piece(budget, co)
  budget:refill(nil, deadline())
  local ok, piece
  repeat
    ok, piece = budget:resume(co)
  until piece ~= fuel.SLICE
  return ok, piece
end

--- The pieces that a body's coroutine yields, then what it returns if that is a string, then nil. An
-- error ends the body; it is
-- told on standard error, since the status has been sent.
function app.pieces(co, request)
  local budget = fuel.budget()
  return function()
    while coroutine.status(co) ~= "dead" do
      local ok, piece = next_piece(budget, co)
      if not ok then
        io.stderr:write(
          ("%s %s: %s\n"):format(request.method, request.path, debug.traceback(co, tostring(piece)))
        )
        return nil
      end
      if type(piece) == "string" and #piece > 0 then return piece end
    end
    return nil
  end
end

--- Close what this state has opened.
function App:close()
  for _, conn in pairs(self.connections) do
    pcall(conn.close, conn)
  end
end

--- The modules that applications share: name → true.
app.LIBRARY = LIBRARY

return app
