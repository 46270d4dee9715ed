--- A node's control door, for the commands that talk to it. What it speaks: docs/control.md.
-- @module lion.cli.node_client
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local edn = require "lion.edn"
local json = require "lion.json"
local options = require "lion.cli.options"
local pause_of = require "lion.remote.pause"
local terminal = require "lion.terminal"
local token_for = require "lion.remote.token"

local node_client = {}

local TIMEOUT_MS = 30000
local PAUSE_MS = 50

local Node = {}
Node.__index = Node

--- Which node is meant: what --node says, else LION_NODE; nil without either.
-- @tparam[opt] string given
function node_client.named(given)
  local name = given or os.getenv "LION_NODE"
  return name ~= "" and name or nil
end

--- Which database of a node is meant: the word and the node; nothing where it is a file or a URI. With --node
-- the word is a database's name; with LION_NODE alone, a word that may be a path is one.
function node_client.database(word, given)
  local name = node_client.named(given)
  if not name then return nil end
  local is_name = word:find "^[%w_-]+$" ~= nil
  if given and not is_name then
    options.misuse("with --node a database has a name (letters, digits, _, -), not %s", word)
  end
  if is_name then return word, name end
end

--- The node that --node or LION_NODE names; nothing is asked yet. Close it.
-- @tparam[opt] string given what --node says
-- @tparam[opt] string token what --token says
function node_client.open(given, token)
  local name = node_client.named(given)
  if not name then
    options.misuse("which node? --node or LION_NODE names it: unix:PATH, http://HOST:PORT, "
      .. "or the node's data folder")
  end
  local ok, client = pcall(require("lion.client").new, name)
  if not ok then options.misuse("%s", client.message) end
  local address = client:address()
  return setmetatable({ client = client, address = address, token = token_for(address, token) }, Node)
end

function Node:close() self.client:close() end

--- A connection to a database of a node, as lion.connect gives it for its URI. Close it.
-- @tparam string name of the database
-- @tparam[opt] string given what --node says
-- @tparam[opt] table settings token and app, as the command line has them
function node_client.connect(name, given, settings)
  local node = node_client.open(given, settings.token)
  local address = node.address:find "^unix:" and node.address or "http://" .. node.address
  node:status() -- what answers there is told apart from a node
  node:close()
  local known = { token = node.token, app = settings.app, create = false }
  return require("lion").connect(address .. "/" .. name, known)
end

-- ---- requests --------------------------------------------------------------------------------------

--- A text as a part of a path.
local function escape(text)
  return (tostring(text):gsub("[^%w._~-]", function(char) return ("%%%02X"):format(char:byte()) end))
end

node_client.escape = escape

--- A path with what it is asked for: "/revisions", { app = "shop" } → "/revisions?app=shop".
function node_client.path(path, parameters)
  local names, parts = {}, {}
  for name in pairs(parameters or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = escape(name) .. "=" .. escape(parameters[name])
  end
  return #parts > 0 and path .. "?" .. table.concat(parts, "&") or path
end

local function fail_foreign(self)
  local message = "what answers at %s is no node's control door: that is the socket control.sock in its "
    .. "data folder"
  error(anomaly.new("incorrect", "lion/not-a-node", message:format(self.address)), 0)
end

-- Errors of the connection, with what can be done about them.
local function explain(e)
  if type(e) ~= "table" then return e end
  if e.code == "lion/no-node" then
    e.message = e.message .. " (`lion node --data DIR` starts one; --node or LION_NODE names another)"
  elseif e.code == "lion/timeout" then
    e.category = "unavailable"
  elseif e.code == "lion/not-http" then
    e.message = e.message .. ": it is no node's control door"
  end
  return e
end

--- Ask, and give the answer as it came.
-- @tparam table request as of lion.client
-- @treturn number status
-- @treturn table headers
-- @treturn string body
function Node:request(request)
  request.timeout_ms = request.timeout_ms or TIMEOUT_MS
  request.headers = request.headers or {}
  request.headers.authorization = self.token and "Bearer " .. self.token
  local ok, status, headers, body = pcall(self.client.request, self.client, request)
  if not ok then error(explain(status), 0) end
  return status, headers, body
end

-- Errors are EDN for who asked for it.
local function error_of(body)
  local ok, value = pcall(json.read, body)
  if not ok then ok, value = pcall(edn.read, body) end
  local e = ok and type(value) == "table" and value.error
  if type(e) ~= "table" or type(e.message) ~= "string" then return nil end
  local category = tostring(e.category):gsub("^:", "")
  if not anomaly.is_category(category) then return nil end
  return { category = category, code = e.code, message = e.message, data = e.data }
end

--- The body of an answer that is no error; an error is raised as the node has it.
function Node:check(status, body)
  if status >= 200 and status < 300 then return body end
  local e = error_of(body)
  if not e or e.code == "lion/no-route" then fail_foreign(self) end
  if e.code == "lion/unauthenticated" then
    e.message = e.message .. " (--token, LION_TOKEN or LION_TOKEN_FILE gives it here)"
  end
  local data = type(e.data) == "table" and e.data or nil
  error(anomaly.new(e.category, tostring(e.code), e.message, data), 0)
end

-- Ask for JSON.
local function ask(self, request)
  request.headers = request.headers or {}
  request.headers.accept = "application/json"
  local status, _, body = self:request(request)
  local ok, value = pcall(json.read, self:check(status, body))
  if not ok then fail_foreign(self) end
  return value
end

--- What a node says of itself (GET /status); raises if it is none.
function Node:status(timeout_ms)
  local answer = self:get("/status", nil, timeout_ms)
  if type(answer) ~= "table" or type(answer.node) ~= "table" then fail_foreign(self) end
  return answer
end

--- @treturn table what the answer's JSON holds
function Node:get(path, parameters, timeout_ms)
  return ask(self, { path = node_client.path(path, parameters), timeout_ms = timeout_ms })
end

--- @tparam string path
-- @tparam table value the body, as JSON
-- @treturn table what the answer's JSON holds
function Node:post(path, value, timeout_ms)
  return ask(self, { method = "POST", path = path, body = json.write(value), timeout_ms = timeout_ms,
    headers = { ["content-type"] = "application/json" } })
end

--- @tparam string path
-- @treturn table what the answer's JSON holds
function Node:delete(path, timeout_ms)
  return ask(self, { method = "DELETE", path = path, timeout_ms = timeout_ms })
end

--- @tparam string path
-- @tparam string bytes the body
function Node:put(path, bytes, timeout_ms)
  return ask(self, { method = "PUT", path = path, body = bytes, timeout_ms = timeout_ms,
    headers = { ["content-type"] = "application/octet-stream" } })
end

-- ---- asking again ----------------------------------------------------------------------------------

--- Raise that the user wants no more.
function node_client.raise_cancelled()
  error(anomaly.new("interrupted", "lion/cancelled", "interrupted"), 0)
end

local function is_worth_it(e, is_known)
  if e.category ~= "unavailable" and e.category ~= "busy" then return false end
  return e.code ~= "lion/disk-full" and (is_known or e.code ~= "lion/no-node")
end

--- Call fn again while what it asks is away or busy, as a process is that is replaced. For what may be
-- asked twice.
-- @tparam number ms for how long
-- @tparam function fn
-- @tparam[opt] boolean is_known that there is a node, or that one is to be waited for
-- @return what it returns
function node_client.insist(ms, fn, is_known)
  local deadline = core.monotonic_ms() + ms
  local pause, next_pause = pause_of(PAUSE_MS)
  while true do
    local ok, result = pcall(fn)
    if ok then return result end
    local e = anomaly.wrap(result)
    if not is_worth_it(e, is_known) or core.monotonic_ms() + pause > deadline then error(e, 0) end
    if terminal.wait(pause) then node_client.raise_cancelled() end
    is_known, pause, next_pause = true, pause_of(next_pause)
  end
end

-- ---- who asks --------------------------------------------------------------------------------------

local function first_line(path)
  local file = io.open(path)
  local line = file and file:read "*l"
  if file then file:close() end
  return line
end

--- Who asks, as deployments and revisions keep it: "ann@laptop".
function node_client.who()
  local user = os.getenv "LOGNAME" or os.getenv "USER" or "somebody"
  local host = first_line "/proc/sys/kernel/hostname"
  return host and user .. "@" .. host or user
end

return node_client
