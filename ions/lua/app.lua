--- One revision of an application, loaded into this Lua state: its modules in an environment of
-- their own, its entry
-- points, its dispatch of requests. The state is thrown away with the revision.
-- @module ions.app
local anomaly = require "lion.anomaly"
local gate = require "ions.gate"
local json = require "lion.json"
local lion = require "lion"
local manifest = require "ions.manifest"
local route = require "ions.route"

local app = {}

-- What user code sees of Lua: no ffi, debug, io, loading of bytecode, or way out of its
-- environment.
local SAFE = {
  "assert",
  "error",
  "getmetatable",
  "ipairs",
  "next",
  "pairs",
  "pcall",
  "print",
  "rawequal",
  "rawget",
  "rawset",
  "select",
  "setmetatable",
  "tonumber",
  "tostring",
  "type",
  "unpack",
  "xpcall",
  "math",
  "string",
  "table",
  "coroutine",
  "bit",
  "_VERSION",
}

-- What an application may require besides its own modules.
local LIBRARY = { ["ion"] = true, ["ion.json"] = true, ["lion"] = true, ["lpeg"] = true }

-- Seconds of the deadline for one call of user code; looked at every so many instructions.
local CALL_SECONDS_MAX = 5
local HOOK_INSTRUCTIONS = 200000

local App = {}
App.__index = App

local function fail(code, message, data) error(anomaly.new("incorrect", code, message, data), 0) end

-- ---- modules -----------------------------------------------------------------------------------

local function copy(source)
  local result = {}
  for key, value in pairs(source) do
    result[key] = value
  end
  return result
end

local function make_environment(self)
  local env = {}
  for _, name in ipairs(SAFE) do
    local value = _G[name]
    env[name] = type(value) == "table" and copy(value) or value
  end
  env.string.dump = nil
  env.math.random = gate.random
  env.os = {
    time = function() return math.floor(gate.now() / 1000) end,
    date = os.date,
    clock = os.clock,
    difftime = os.difftime,
  }
  env._G = env
  env.require = function(name) return self:require(name) end
  env.load = function(text, name, _, environment)
    if type(text) ~= "string" then return nil, "load takes text" end
    return load(text, name, "t", environment or env)
  end
  return env
end

--- Require a module of the application, or one of the library.
function App:require(name)
  if LIBRARY[name] then return require(name) end
  local loaded = self.modules[name]
  if loaded ~= nil then return loaded end
  if self.loading[name] then fail("lion/module", "module " .. name .. " requires itself") end
  local path = self.dir .. "/" .. name:gsub("%.", "/") .. ".lua"
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
  local chunk, message = load(text, "@" .. path, "t", self.environment)
  if not chunk then fail("lion/module", message) end
  if jit then jit.off(chunk, true) end -- the deadline's hook reaches interpreted code alone
  self.loading[name] = true
  local ok, value = xpcall(chunk, debug.traceback, name)
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

local deadline

local function check_deadline()
  if deadline and lion.now_ms() > deadline then
    deadline = lion.now_ms() + 100 -- a pcall loop is stopped again at once
    error(
      anomaly.new(
        "interrupted",
        "lion/timeout",
        ("the call ran for more than %d s"):format(CALL_SECONDS_MAX)
      ),
      0
    )
  end
end

-- A text without a position, error(text, 0), was written to be read alone: is_plain.
local function traced(e)
  if type(e) == "table" then return e end
  local is_plain = type(e) == "string" and not e:find "^[^\n]-:%d+: "
  return { message = tostring(e), trace = debug.traceback(tostring(e), 2), is_plain = is_plain }
end

local function call(fn, ...)
  local outer = deadline
  deadline = lion.now_ms() + CALL_SECONDS_MAX * 1000
  local ok, value = xpcall(fn, traced, ...)
  deadline = outer
  return ok, value
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
    local ok, result = call(fn, self.connect():db())
    if not ok then
      local text = result.is_plain and result.message or result.trace or tostring(result)
      fail("lion/check", ("check %s: %s"):format(name, text))
    end
    if result == false then fail("lion/check", ("check %s returned false"):format(name)) end
  end
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
      options = options,
      connections = {},
      find = nil,
    },
    App
  )
  app.current = self
  self.files[1] = options.dir .. "/ion.lua"
  self.environment = make_environment(self)
  debug.sethook(check_deadline, "", HOOK_INSTRUCTIONS)
  self.manifest = manifest.read(options.dir)
  self.connect = function(name) return self:connection(name) end
  load_allowed(self)
  load_routes(self)
  for _, fn in pairs(self.manifest.invoke or {}) do
    self:resolve(fn)
  end
  run_checks(self)
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
  local ok, response = call(fn, request)
  if not ok then return answer_error(self, request, response) end
  local shaped, problem = shape(response)
  if not shaped then return answer_error(self, request, problem) end
  local body = shaped.body
  if type(body) == "function" then body = app.pieces(coroutine.create(body), request) end
  return shaped.status, shaped.headers, body or ""
end

--- The pieces that a body's coroutine yields, then what it returns if that is a string, then nil. An
-- error ends the body; it is
-- told on standard error, since the status has been sent.
function app.pieces(co, request)
  return function()
    while coroutine.status(co) ~= "dead" do
      local outer = deadline
      deadline = lion.now_ms() + CALL_SECONDS_MAX * 1000
      local ok, piece = coroutine.resume(co)
      deadline = outer
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

return app
