--- An application in an executor: its functions of `allow`, called for the writer of a node (docs/node.md).
-- @module ions.executor
local app = require "ions.app"
local call = require "lion.call"
local core = require "lion.core"
local db = require "lion.db"
local fuel = require "ions.fuel"

local executor = {}

local Executor = {}
Executor.__index = Executor

-- Kinds of calls, as lion_call_kind numbers them.
local TRANSACTION, ENTITY = 5, 7

-- ---- loading -------------------------------------------------------------------------------------

local function traced(e)
  if type(e) == "table" then return e end
  return { message = tostring(e), trace = debug.traceback(tostring(e), 2) }
end

-- Messages of modules that raise have their traces in them.
local function explain(e)
  local message = tostring(e.message or e)
  local text, trace = message:match "^(.-)\n(stack traceback:.*)$"
  return text or message, e.trace or trace or ""
end

--- Load a revision; its checks have been run before.
-- @tparam table options app; revision; folder; group; secret_key
-- @return the executor of its functions; or nil, why it did not load, and the trace
function executor.load(options)
  local ok, loaded = xpcall(app.load, traced, {
    node = true,
    app = options.app,
    revision = options.revision,
    folder = options.folder,
    group = options.group,
    secret_key = options.secret_key,
    checks = false,
  })
  if not ok then return nil, explain(loaded) end
  return setmetatable({ app = loaded, folder = options.folder, connections = {} }, Executor)
end

-- The function of a name, which may be a keyword.
local function function_of(self, name)
  return self.app.functions[name] or self.app.functions[(name:gsub("^:", ""))]
end

--- Whether it has a function.
function Executor:has(name) return function_of(self, name) ~= nil end

--- Close what it has opened.
function Executor:close()
  for _, handle in pairs(self.connections) do pcall(core.conn_close, handle) end
  self.app:close()
end

-- ---- values --------------------------------------------------------------------------------------

-- The process has it open, and has told it of what comes before the call.
local function connection_of(self, name)
  local handle = self.connections[name]
  if handle then return handle end
  local path = self.folder .. "/" .. name .. ".lion"
  handle = core.connect(path, { read_only = true, no_create = true })
  self.connections[name] = handle
  return handle
end

-- The newest value, or the one at a basis that is before it.
local function value_at(handle, t)
  local newest = core.conn_db(handle)
  if core.info(newest) <= t then return newest end
  local at, instant, _, next_counter = core.tx_range_next(core.tx_range(handle, t, t + 1))
  return at and core.at_basis(newest, t, next_counter, instant) or core.as_of(newest, t)
end

-- As the core gives it to a function in its own process; queries of it end at the deadline, too.
local function value_of(self, asked)
  if asked.kind ~= TRANSACTION and asked.kind ~= ENTITY then return nil end
  local connection = connection_of(self, asked.db)
  local handle = asked.kind == TRANSACTION and value_at(connection, asked.t)
    or core.conn_preview(connection, asked.pending)
  local value = db.wrap(handle)
  value.limits = { timeout = math.max(1, math.floor(asked.deadline_ms - core.monotonic_ms())) }
  return value
end

-- ---- calls ---------------------------------------------------------------------------------------

local function run(self, asked)
  local value = value_of(self, asked)
  local budget = fuel.budget { deadline_ms = asked.deadline_ms }
  local fn, arguments = function_of(self, asked.name), asked.arguments
  local ok, result = budget:call(call.apply, asked.kind, asked.name, fn, value, arguments, #arguments)
  if not ok then error(result, 0) end
  return result
end

-- What a function raised may be anything; what has no form goes as text.
local function plain(x, depth)
  local kind = type(x)
  if kind == "string" or kind == "number" or kind == "boolean" then return x end
  if kind ~= "table" or depth > 8 then return tostring(x) end
  local copy = {}
  for key, value in pairs(x) do copy[plain(key, depth + 1)] = plain(value, depth + 1) end
  return copy
end

local function write_error(e)
  local map = {}
  for key, value in pairs(e) do map[key] = value end
  local ok, payload = pcall(core.form_write, map)
  if ok then return payload end
  return core.form_write(plain(map, 1))
end

--- Run a call of the writer's.
-- @tparam string payload of its frame, with deadline_ms on the monotonic clock
-- @treturn boolean whether it is done
-- @treturn string the payload of the answer: of a result, or of an error
function Executor:call(payload)
  local asked = core.form_read(payload)
  local ok, result = pcall(run, self, asked)
  if ok then ok, result = pcall(core.form_write, { result = result }) end
  if ok then return true, result end
  return false, write_error(call.failure(asked.kind, asked.name, result))
end

return executor
