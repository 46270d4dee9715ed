--- The log of requests: a line of JSON each, where a node was started with --access-log (docs/node.md).
-- @module ions.access_log
local json = require "lion.json"

local access_log = {}

local port = (package.loaded["ions.port"] or package.preload["ions.port"]) and require "ions.port"
local put = port and port.access

local LINE = '{"id":%.0f,"method":%s,"path":%s,"status":%d,"ms":%.3f,"steps":%d,"bytes":%.0f,%s'

-- What is known of who answers, as JSON.
local function fields_of(app, route, entry)
  local fields = { app = app.manifest.app, revision = app.options.revision, route = route, entry = entry }
  return json.write(fields):sub(2)
end

-- What was sent may be no text.
local function path_of(raw)
  if not raw.path:find "[\128-\255]" then return raw.path end
  return (raw.path:gsub("[\128-\255]", function(byte) return ("%%%02x"):format(byte:byte()) end))
end

local Log = {}
Log.__index = Log

--- Of an application; nil: requests are not written down.
function access_log.new(app) return put and setmetatable({ app = app, fields = {} }, Log) or nil end

--- A request was answered.
-- @tparam table raw
-- @tparam table|nil at its entry point
-- @tparam number status
-- @tparam number ms since it came
-- @tparam number steps
-- @tparam number bytes of the body
-- @tparam[opt] string route if there is no entry point
function Log:write(raw, at, status, ms, steps, bytes, route)
  local key = at or route or 1
  local fields = self.fields[key]
  if not fields then
    fields = fields_of(self.app, route or at and at.route, at and at.name)
    self.fields[key] = fields
  end
  put(LINE:format(raw.id, json.write(raw.method), json.write(path_of(raw)), status, ms, steps, bytes, fields))
end

return access_log
