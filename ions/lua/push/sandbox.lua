--- A throw-away environment that the modules of a revision are loaded in, to see whether they load. Text
-- comes from the revision's files; steps and time are bounded; there is no database.
-- @module ions.push.sandbox
local anomaly = require "lion.anomaly"
local app = require "ions.app"
local core = require "lion.core"
local environment = require "ions.fuel.environment"
local fuel = require "ions.fuel"
local gate = require "ions.gate"
local params = require "ions.params"

local sandbox = {}

--- What loading a module, and those it requires, may take.
sandbox.STEPS_MAX = 100 * 1000 * 1000
sandbox.MS_MAX = 5000

-- What went wrong, as a module that requires it sees it.
local Problem = {}
Problem.__index = Problem
function Problem:__tostring() return ("%s:%d: %s"):format(self.file, self.line, self.message) end

local Sandbox = {}
Sandbox.__index = Sandbox

-- ---- what an application asks of where it runs -----------------------------------------------------

local function not_yet()
  error(anomaly.new("unavailable", "lion/push",
    "there is no database while a revision is checked: ask for it in a function, not while its module loads"),
    0)
end

local function no_request()
  error(anomaly.new("unavailable", "lion/push",
    "nobody is asked while a revision is checked: ask in a function, not while its module loads"), 0)
end

-- Those that groups will have are not known yet.
local function param_of(self, path, default)
  local value = params.find(params.merge { self.manifest.params or {} }, params.path(path))
  if value == nil then return default end
  return value
end

-- In the place of the application that `ion` speaks to.
local function make_application(manifest)
  local application = { manifest = manifest, options = { env = "push" }, node = false,
    env = app.App.env, param = param_of }
  return setmetatable(application, { __index = function() return not_yet end })
end

-- ---- where things go wrong -------------------------------------------------------------------------

-- The innermost line of the revision that runs.
local function place(self)
  for level = 3, 100 do
    local info = debug.getinfo(level, "Sl")
    if not info then return nil end
    local file = info.source:match "^@(.*)$"
    if file and self.files[file] and info.currentline > 0 then return file, info.currentline end
  end
end

-- "shop/tx.lua:3: no" → "no"; of a long path Lua shows the end.
local function without_place(message, line)
  return (message:gsub("^[^\n]-:" .. line .. ": ", "", 1))
end

local function make_handler(self, path)
  return function(e)
    if getmetatable(e) == Problem then return e end
    local file, line = place(self)
    local message = type(e) == "table" and e.message or e
    if type(message) ~= "string" then message = "it raised a " .. type(e) end
    return setmetatable({ file = file or path, line = line or 1,
      message = without_place(message, line or 1) }, Problem)
  end
end

local function syntax_problem(path, message)
  local line = tonumber(message:match ":(%d+): ") or 1
  return setmetatable({ file = path, line = line, message = without_place(message, line) }, Problem)
end

-- ---- modules ---------------------------------------------------------------------------------------

--- "shop.tx" → "shop/tx.lua"
function sandbox.path_of(name) return (name:gsub("%.", "/")) .. ".lua" end

local function load_module(self, name, path)
  local chunk, message = fuel.load(self.files[path], "@" .. path, self.globals)
  if not chunk then return false, syntax_problem(path, message) end
  self.loading[name] = true
  local ok, value = xpcall(chunk, make_handler(self, path), name)
  self.loading[name] = nil
  return ok, value
end

local function require_module(self, name)
  if type(name) ~= "string" then error("a module's name is a string, not a " .. type(name), 0) end
  if app.LIBRARY[name] then return require(name) end
  if self.modules[name] ~= nil then return self.modules[name] end
  if self.failed[name] then error(self.failed[name], 0) end
  if self.loading[name] then error("module " .. name .. " requires itself", 0) end
  local path = sandbox.path_of(name)
  if not self.files[path] then
    error(("module %s not found: the revision has no file %s"):format(name, path), 0)
  end
  local ok, value = load_module(self, name, path)
  if not ok then
    self.failed[name] = value
    error(value, 0)
  end
  self.modules[name] = value == nil and true or value
  return self.modules[name]
end

--- Load a module.
-- @tparam string name
-- @return what it returns; or nil and the problem, { file =, line =, message = }
function Sandbox:load(name)
  local outer = app.current
  app.current = self.application
  local source = gate.source
  gate.use(setmetatable({ fetch = no_request }, { __index = source }))
  local budget = fuel.budget { steps = self.steps, deadline_ms = core.monotonic_ms() + sandbox.MS_MAX,
    handler = make_handler(self, sandbox.path_of(name)) }
  local ok, value = budget:call(require_module, self, name)
  app.current = outer
  gate.use(source)
  if ok then return value end
  if getmetatable(value) == Problem then return nil, value end
  -- a program that was stopped: its module has failed with the place in it
  return nil, self.failed[name] or make_handler(self, sandbox.path_of(name))(value)
end

--- What programs find as globals, as of environment.names.
function Sandbox:names() return environment.names(self.globals) end

--- A sandbox.
-- @tparam table options files = path → content; manifest; steps = of a module (STEPS_MAX)
-- @treturn table
function sandbox.new(options)
  local self = setmetatable({
    files = options.files,
    steps = options.steps or sandbox.STEPS_MAX,
    application = make_application(options.manifest),
    modules = {},
    failed = {},
    loading = {},
  }, Sandbox)
  self.globals = environment.new {
    require = function(name) return require_module(self, name) end,
    os = { time = function() return math.floor(gate.now() / 1000) end, date = os.date, clock = os.clock,
      difftime = os.difftime },
    math = { random = gate.random },
  }
  return self
end

return sandbox
