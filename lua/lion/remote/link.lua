--- The way to a node's control door: one request, one answer, over a connection that is kept. What may be
-- asked twice is asked again while the node is away or busy.
-- @module lion.remote.link
local anomaly = require "lion.anomaly"
local codec = require "lion.remote.codec"
local core = require "lion.core"
local edn = require "lion.edn"
local json = require "lion.json"
local pause_of = require "lion.remote.pause"
local token_for = require "lion.remote.token"

local link = {}

local PATH = "/values"
local REQUEST_MS = 65000 -- the door gives up a little earlier
local INSIST_MS = 10000 -- for how long a node may be away
local PAUSE_MS = 20

-- Failures that pass. Nothing else is known to.
local PASSING = {
  ["lion/no-node"] = true, ["lion/lost"] = true, ["lion/writer-lost"] = true, ["lion/starting"] = true,
  ["lion/busy"] = true,
}

local Link = {}
Link.__index = Link

--- A link to a door; nothing is asked yet.
-- @tparam string address as of lion.client: "unix:PATH", "http://HOST:PORT"
-- @tparam[opt] string token
-- @tparam[opt] string app whose functions are called: a worker answers, which only knows values
function link.new(address, token, app)
  local is_there, clients = pcall(require, "lion.client")
  if not is_there then
    anomaly.unsupported("connections to a node (%s) are in the program lion, not in this host", address)
  end
  local client = clients.new(address)
  token = token_for(client:address(), token)
  local headers = { ["content-type"] = codec.TYPE, accept = codec.TYPE,
    authorization = token and "Bearer " .. token or nil }
  return setmetatable({
    client = client,
    request = { method = "POST", path = app and PATH .. "/" .. app or PATH, headers = headers },
    app = app,
  }, Link)
end

function Link:close() self.client:close() end

-- ---- answers -------------------------------------------------------------------------------------

local function fail_foreign(self, what)
  local message = ("%s at %s: it is no control door of a node of this version"):format(what,
    self.client:address())
  error(anomaly.new("unsupported", "lion/version", message), 0)
end

-- An anomaly as it was raised there, with what lion.cancel was given.
local function raise(e)
  local category = anomaly.is_category(e.category) and e.category or "fault"
  local raised = anomaly.new(category, e.code or "lion/fault", tostring(e.message), e.data)
  for key, value in pairs(e) do
    if raised[key] == nil then raised[key] = value end
  end
  error(raised, 0)
end

-- What the door says before it reads the body is JSON, as to anybody else.
local function raise_text(self, status, body)
  local ok, said = pcall(json.read, body)
  if not ok then ok, said = pcall(edn.read, body) end
  local e = ok and type(said) == "table" and said.error
  if type(e) ~= "table" and status == 413 then
    local message = "a request to a node has at most 16 MiB (8 MiB where a worker answers): make it several"
    error(anomaly.new("interrupted", "lion/limit", message), 0)
  end
  if type(e) ~= "table" and status == 503 then -- said before anybody has read it
    error(anomaly.new("busy", "lion/busy", ("%s has its hands full"):format(self.client:address())), 0)
  end
  if type(e) ~= "table" and status == 504 then -- said by the node of what did not come to an end there
    local message = ("%s did not answer in time: ask for less at once"):format(self.client:address())
    error(anomaly.new("interrupted", "lion/timeout", message), 0)
  end
  if self.app and status == 404 then
    local message = ("no worker of the node runs the application %s"):format(self.app)
    error(anomaly.new("not-found", "lion/not-found", message), 0)
  end
  if type(e) ~= "table" or e.code == "lion/no-route" then fail_foreign(self, "HTTP " .. status) end
  raise(e)
end

local function ask(self, body, timeout_ms)
  local request = self.request
  request.body, request.timeout_ms = body, timeout_ms
  local status, headers, answer = self.client:request(request)
  if headers["content-type"] ~= codec.TYPE then raise_text(self, status, answer) end
  if status == 200 then
    self.is_known = true
    return codec.read(answer)
  end
  raise(codec.read(answer))
end

-- ---- asking --------------------------------------------------------------------------------------

-- A node that was never met is not waited for.
local function passes(self, e)
  return type(e) == "table" and PASSING[e.code] and (self.is_known or e.code ~= "lion/no-node")
end

local function wait(ms)
  if not require("lion.terminal").wait(ms) then return end
  error(anomaly.new("interrupted", "lion/cancelled", "interrupted"), 0)
end

--- Ask the door.
-- @tparam table asked op and what it takes (ions/lua/door/values.lua)
-- @tparam[opt] table options once: true, if it may not be done twice; timeout_ms: of all tries
-- @return its answer; raises the anomaly that was raised there
function Link:ask(asked, options)
  local body = codec.write(asked)
  local ok, result = pcall(ask, self, body, options and options.timeout_ms or REQUEST_MS)
  if ok then return result end
  if not passes(self, result) or options and options.once and result.code ~= "lion/no-node" then
    error(result, 0)
  end
  local deadline = core.monotonic_ms() + math.min(INSIST_MS, options and options.timeout_ms or INSIST_MS)
  local pause, next_pause = pause_of(PAUSE_MS)
  while core.monotonic_ms() + pause < deadline do
    wait(pause)
    ok, result = pcall(ask, self, body, REQUEST_MS)
    if ok then return result end
    if not passes(self, result) then error(result, 0) end
    pause, next_pause = pause_of(next_pause)
  end
  error(result, 0)
end

return link
