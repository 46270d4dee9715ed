--- One revision of an application, loaded into this Lua state: its modules in an environment of
-- their own, its entry
-- points, its dispatch of requests. The state is thrown away with the revision.
-- @module ions.app
local anomaly = require "lion.anomaly"
local check = require "ions.fuel.check"
local core = require "lion.core"
local entry = require "ions.entry"
local environment = require "ions.fuel.environment"
local fuel = require "ions.fuel"
local gate = require "ions.gate"
local lion = require "lion"
local manifest = require "ions.manifest"
local nearest = require "lion.nearest"
local plain = require "ions.plain"
local request = require "ions.request"
local response = require "ions.response"
local route = require "ions.route"
local static = require "ions.static"

local app = {}

-- What a call took, as browsers show it.
local TIMING = 'call;dur=%.2f;desc="%d steps"'

-- What an application may require besides its own modules.
local LIBRARY = { ["ion"] = true, ["ion.json"] = true, ["lion"] = true, ["lpeg"] = true }

-- Entry points that call one another.
local NESTING_MAX = 50

-- ms that the loading of a module and a check may take.
local LOAD_MS_MAX = entry.SETTINGS.timeout.default

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

-- In so many ms; inside another call no later than that one's.
local function deadline(ms)
  local outer = fuel.current()
  return math.min(core.monotonic_ms() + ms, outer and outer.deadline_ms or math.huge)
end

-- A module that a call requires is paid by the call.
local function run_module(chunk, name)
  if fuel.current() then return xpcall(chunk, debug.traceback, name) end
  return fuel.budget({ deadline_ms = deadline(LOAD_MS_MAX), handler = debug.traceback }):call(chunk, name)
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
local function call(ms, fn, ...)
  local budget = fuel.budget { deadline_ms = deadline(ms), handler = traced }
  return budget, budget:call(fn, ...)
end

-- ---- loading -----------------------------------------------------------------------------------

-- Files before a handler of the same shape: what is no file goes on to it.
local function load_routes(self)
  local routes = {}
  for path, folder in pairs(self.manifest.static or {}) do
    local files = static.new(self.dir, path, folder)
    routes[#routes + 1] = { "GET", path:gsub("/$", "") .. "/*path", files }
  end
  for _, r in ipairs(manifest.routes(self.manifest.http)) do
    routes[#routes + 1] = { r[1], r[2], entry.new(r[3], self:resolve(r[3]), r[4]) }
  end
  self.router = route.new(routes)
end

local function load_invocable(self)
  for name, value in pairs(self.manifest.invoke or {}) do
    local settings = type(value) == "table" and value or nil
    local fn_name = settings and value[1] or value
    self.invocable[name] = entry.new(fn_name, self:resolve(fn_name), settings)
  end
end

local function load_allowed(self)
  for _, name in ipairs(self.manifest.allow or {}) do
    lion.fn(name, self:resolve(name))
  end
end

local function run_checks(self)
  for _, name in ipairs(self.manifest.checks or {}) do
    local fn = self:resolve(name)
    local _, ok, result = call(LOAD_MS_MAX, fn, self.connect():db())
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
      invocable = {}, -- stable name → entry point
      calls = {}, -- id → { entry =, raw =, params =, is_waiting = } of what is not answered at once
      turns = {}, -- ids of calls that waited and have a place now
      nesting = 0,
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
  load_invocable(self)
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

-- Each piece has a deadline of its own.
local function next_piece(budget, co, ms)
  budget:refill(nil, deadline(ms))
  local ok, piece
  repeat
    ok, piece = budget:resume(co)
  until piece ~= fuel.SLICE
  return ok, piece
end

-- The pieces that a body's coroutine yields, then what it returns if that is a string, then nil. An
-- error ends the body; it is told on standard error, since the status has been sent.
local function pieces(co, at, raw)
  local function wrong(message)
    io.stderr:write(("%s %s (request %s): %s\n"):format(raw.method, raw.path, tostring(raw.id), message))
  end
  local budget = fuel.budget()
  return function()
    while coroutine.status(co) ~= "dead" do
      local ok, piece = next_piece(budget, co, at.timeout)
      if not ok then
        wrong(debug.traceback(co, tostring(piece)))
        error(piece, 0)
      end
      if type(piece) == "string" and #piece > 0 then return piece end
      if piece ~= nil and type(piece) ~= "string" then
        wrong("the body yielded a " .. type(piece) .. "; a piece is a string")
        error("no piece", 0)
      end
    end
    return nil
  end
end

-- A call has ended: its place goes to one that waits.
local function leave(self, at)
  local id = at:leave()
  if id == nil then return end
  self.calls[id].is_waiting = false
  self.turns[#self.turns + 1] = id
end

-- Run the handler of a request that has its place.
local function run(self, at, raw, params)
  local asked, problem = request.new(raw, params)
  if not asked then
    leave(self, at)
    return response.text(400, problem)
  end
  local began = core.monotonic_ms()
  local budget, ok, result = call(at.timeout, at.fn, asked)
  local status, headers, body
  if ok then
    ok, status, headers, body = pcall(response.shape, result)
    if not ok then result = status end
  end
  if not ok then
    status, headers, body = response.failure(result, raw, self.options.is_dev)
  end
  if self.options.is_dev then
    local timing = TIMING:format(core.monotonic_ms() - began, budget:cost())
    headers[#headers + 1] = { "server-timing", timing }
  end
  if type(body) == "function" then
    self.calls[raw.id] = { entry = at }
    return status, headers, pieces(coroutine.create(body), at, raw)
  end
  leave(self, at)
  return status, headers, body
end

-- No route: what is there, if anything, for other methods.
local function answer_unrouted(raw, allowed, problem)
  if raw.method == "OPTIONS" and raw.path == "*" then
    return 204, { { "allow", table.concat(route.METHODS, ", ") } }, ""
  end
  if not allowed then return response.text(400, problem) end
  if #allowed == 0 then return response.text(404, "not found") end
  local headers = { { "allow", table.concat(allowed, ", ") } }
  if raw.method == "OPTIONS" then return 204, headers, "" end
  return response.text(405, "method not allowed", headers)
end

--- Answer one request. `raw`: { method, path, query, headers, body, remote, id }.
-- @treturn number|boolean status; false: it waits for a place, `turn` will tell of it, and headers is
-- after how many ms it is to be given up by `expire`
-- @treturn table headers, pairs
-- @treturn string|function body; a function gives the next piece, then nil, and `finish` is due
-- @treturn number|nil the size of what a function gives, if that is known
function App:handle(raw)
  raw.path = raw.path:match "^https?://[^/]*(.*)$" or raw.path -- what is sent to a proxy
  if raw.path == "" then raw.path = "/" end
  local skip = 0
  while true do
    local target, params, tail = self.router:find(raw.method, raw.path, skip)
    if not target and skip > 0 then return response.text(404, "not found") end
    if not target then return answer_unrouted(raw, params, tail) end
    if getmetatable(target) ~= static.Files then return self:admit(target, raw, params) end
    local status, headers, body, size = target:answer(raw, tail)
    if status then
      if type(body) == "function" then self.calls[raw.id] = {} end
      return status, headers, body, size
    end
    skip = skip + 1
  end
end

--- Give a request its place, or have it wait for one, or refuse it.
function App:admit(at, raw, params)
  local verdict = at:admit(raw.id)
  if verdict == "run" then return run(self, at, raw, params) end
  if verdict == "refuse" then
    return response.text(503, "busy: try again", { { "retry-after", "1" } })
  end
  self.calls[raw.id] = { entry = at, raw = raw, params = params, is_waiting = true }
  return false, at.timeout
end

--- The id of a request that waited and has a place now: `resume` answers it. nil: none.
function App:turn() return table.remove(self.turns, 1) end

--- Answer a request whose turn has come, as `handle` does.
function App:resume(id)
  local waited = self.calls[id]
  self.calls[id] = nil
  return run(self, waited.entry, waited.raw, waited.params)
end

--- Answer a request that has waited too long, as `handle` does.
function App:expire(id)
  self:finish(id)
  return response.text(504, "no place in time: try again")
end

--- A streamed answer has ended, or who waited has gone.
function App:finish(id)
  local ended = self.calls[id]
  self.calls[id] = nil
  if not ended or not ended.entry then return end
  if ended.is_waiting then
    ended.entry:forget(id)
    return
  end
  for i, turn in ipairs(self.turns) do
    if turn == id then
      table.remove(self.turns, i)
      break
    end
  end
  leave(self, ended.entry)
end

-- ---- invocation --------------------------------------------------------------------------------

--- Call an entry point of the manifest's `invoke` by its name there: plain data in, plain data out. What it
-- raises is raised.
function App:invoke(name, input)
  local at = self.invocable[name]
  if not at then
    local near = type(name) == "string" and nearest(name, self.invocable)
    local hint = near and (" (did you mean %s?)"):format(near) or ""
    local message = ("the manifest's invoke has no %s%s"):format(tostring(name), hint)
    error(anomaly.new("not-found", "lion/no-entry-point", message), 0)
  end
  if self.nesting >= NESTING_MAX then
    local message = ("entry points that invoke one another are at most %d deep"):format(NESTING_MAX)
    error(anomaly.new("incorrect", "lion/nesting", message), 0)
  end
  local given = plain.copy(input, "the input of " .. name)
  self.nesting = self.nesting + 1
  local _, ok, result = call(at.timeout, at.fn, given)
  self.nesting = self.nesting - 1
  if not ok then
    if result.category then error(result, 0) end
    error(anomaly.new("fault", "lion/handler-failed", result.trace or tostring(result.message)), 0)
  end
  return plain.copy(result, "the result of " .. name)
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
