--- A reader of the control door: a state beside it, on a thread of its own, that answers what takes long. It
-- has the door's routes that read, and keeps iterators as the door does.
-- @module ions.door.reader
local answer = require "ions.door.answer"
local call = require "lion.call"
local codec = require "lion.remote.codec"
local databases = require "ions.door.databases"
local folder = require "ions.door.folder"
local remote = require "ions.remote"
local scheduler = require "ions.scheduler"
local values = require "ions.door.values"

local reader = {}

local Reader = {}
Reader.__index = Reader
folder.give(Reader)

--- A reader of a folder's databases.
-- @tparam string dir the primary's
function reader.new(dir)
  call.set_hint "app names the application that allows it"
  return setmetatable({
    dir = dir,
    connections = {},
    connect = function(name) return remote.open(dir, name) end,
    tasks = scheduler.new(), -- for its timers
  }, Reader)
end

--- It has all the time that a question may have.
function Reader.patience(_, _, ms) return ms end

local function shaped(is_edn, ok, value)
  if not ok then return answer.fail(value, is_edn) end
  return answer.write(200, value, is_edn)
end

-- The bytes of a transaction, which the door sends; or an answer.
local function read_transaction(raw)
  local ok, told = pcall(function()
    local body, is_edn = answer.read_body(raw, { is_tx = true })
    return databases.frame { body = body, is_edn = is_edn }
  end)
  if ok then return told end
  local status, headers, body = answer.fail(told, answer.wants_edn(raw))
  return { status = status, headers = headers, body = body }
end

local ROUTES = { ["/q"] = databases.q, ["/pull"] = databases.pull }

local function answer_route(self, route, raw, who)
  local is_edn, handed_over = answer.wants_edn(raw), false
  local status, headers, body = shaped(is_edn, pcall(function()
    local request = { raw = raw, who = who }
    request.body, request.is_edn = answer.read_body(raw)
    handed_over = route == databases.q and databases.is_for_worker(request.body)
    return not handed_over and route(self, request) or nil
  end))
  if handed_over then return { status = "handover" } end -- a worker has the functions
  return { status = status, headers = headers, body = body }
end

--- Answer a request of the door.
-- @tparam string bytes of a table path, body, content_type, accept, who; none: only let go of what was kept
-- long enough
-- @treturn string bytes of a table status, headers, body
function Reader:answer(bytes)
  while self.tasks:due() == 0 do self.tasks:step() end
  if bytes == "" then return "" end
  local asked = codec.read(bytes)
  local raw = { path = asked.path, body = asked.body, headers = { ["content-type"] = asked.content_type,
    accept = asked.accept } }
  local route = ROUTES[asked.path]
  if asked.path == "/transact" then return codec.write(read_transaction(raw)) end
  local told = route and answer_route(self, route, raw, asked.who)
    or values.answer(self, { raw = raw, who = asked.who }, answer.status_of)
  return codec.write(told)
end

return reader
