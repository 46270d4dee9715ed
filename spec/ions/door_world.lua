--- A door as a spec's material: asked without a server, with a supervisor and processes of the spec's own
-- that
-- answer on its channel as docs/node.md says.
local core = require "lion.core"
local door = require "ions.door"
local json = require "lion.json"
local lion = require "lion"
local processes = require "ions.door.processes"
local program = require "spec.lua.program"

local world = {}

local World = {}
World.__index = World

local KIND = processes.KIND
local SUPERVISOR, EXECUTOR, DOOR, WORKER = 0, 2, 3, 16
local WAIT_MS = 20000

-- ---- the other processes -------------------------------------------------------------------------

local function role_of(address)
  if address > WORKER then return "worker", address - WORKER end
  return address == EXECUTOR and "executor" or "door", nil
end

local function process_of(self, address)
  local role, index = role_of(address)
  local one = self.processes[address]
  return { role = role, index = index, pid = one.pid, state = one.state, started = 1700000000000,
    restarts = one.restarts, reason = one.reason }
end

local function say(self, from, kind, id, payload)
  self.inbox[#self.inbox + 1] = { from, kind, id, core.form_write(payload) }
end

--- A process changes its state, and the supervisor tells of it. "ready" again is a new process.
function World:change(address, state, reason)
  local one = self.processes[address]
  if state == "ready" then
    self.last_pid = self.last_pid + 1
    one.pid, one.restarts, one.apps = self.last_pid, one.restarts + 1, self.group_runs()
  end
  one.state, one.reason = state, reason or ""
  say(self, SUPERVISOR, KIND.changed, 0, process_of(self, address))
end

local answers = {}

answers[KIND.processes] = function(self, _, id)
  local list = {}
  for address in pairs(self.processes) do list[#list + 1] = process_of(self, address) end
  say(self, SUPERVISOR, KIND.processes, id, { processes = list })
end

answers[KIND.try] = function(self, _, id, asked)
  say(self, SUPERVISOR, KIND.tried, id, self.trial(asked) or { is_ok = true, ms = 3 })
end

answers[KIND.switch] = function(self, to, id, asked)
  local fault = self.fault(to, asked)
  if fault == "silent" then return end
  if not fault then self.processes[to].apps[asked.app] = asked.revision end
  say(self, to, KIND.switched, id, fault or { is_ok = true, ms = 2 })
end

answers[KIND.status] = function(self, to, id)
  local apps = {}
  for app, revision in pairs(self.processes[to].apps) do apps[#apps + 1] = { app = app,
    revision = revision } end
  say(self, to, KIND.status, id, { apps = apps, requests_2xx = 40 + to - WORKER, requests_5xx = 1,
    duration_ms_count = 41, duration_ms_sum = 90, connections = 3 })
end

-- Slots of a histogram: so many in the first and in the last.
local function slots(first, last, ...)
  local list = { first }
  for i = 2, 20 do list[i] = 0 end
  list[21] = last
  for _, one in ipairs { ... } do list[#list + 1] = one end
  return list
end

answers[KIND.metrics] = function(self, to, id)
  local list = self.series and self.series(to) or {
    { label = { "server", "" },
      values = { 0, 40 + to - WORKER, 0, 0, 1, unpack(slots(39, 2, 0.09, 3, 1, 0, 1e6, 7)) } },
    { label = { "entry", "", "app", "shop", "revision", "r1", "entry", "web/show" },
      values = slots(5, 0, 250, 4, 0, 1, 0, 700, 2, 1, 0) },
  }
  say(self, to, KIND.metrics, id, { series = list })
end

answers[KIND.replace] = function(self, _, _, asked)
  self.replaced[#self.replaced + 1] = asked.who
  self:change(asked.who, "starting", asked.reason)
  self:change(asked.who, "ready")
end

answers[KIND.stop] = function(self, _, _, asked) self.stopped = asked.reason end

local function receive(self, to, kind, id, payload)
  self.sent[#self.sent + 1] = { to, kind }
  local asked = core.form_read(payload)
  answers[kind](self, to, id, asked)
end

-- ---- asking --------------------------------------------------------------------------------------

-- What waits in the inbox, and a step of the door; whether an answer came, and it.
local function turn(self)
  local message = table.remove(self.inbox, 1)
  if message then self.door:message(unpack(message, 1, 4)) end
  local id, status, headers, body = self.door:step()
  if id then self.answers[id] = { status, headers, body } end
  if self.writer then self.writer:serve(self.door) end
end

--- Let the door work until this is true.
function World:until_true(is_true)
  local until_ms = core.monotonic_ms() + WAIT_MS
  while not is_true() do
    if core.monotonic_ms() > until_ms then error "it does not come to pass" end
    turn(self)
  end
end

--- Begin a request, over the Unix socket unless `remote` is another address; gives its id, and the answer if
-- it is there at once.
function World:begin(method, target, body, headers)
  self.last_id = self.last_id + 1
  local path, query = target:match "^([^?]*)%??(.*)$"
  local raw = { method = method, path = path, query = query, headers = headers or {}, body = body or "",
    remote = self.remote or "control", id = self.last_id, is_control = true }
  local status, head, text = self.door:handle(raw)
  if status then self.answers[raw.id] = { status, head, text } end
  return raw.id
end

--- The answer to a request: its status and its body, decoded if it is JSON.
function World:finish(id)
  self:until_true(function() return self.answers[id] ~= nil end)
  local status, headers, body = unpack(self.answers[id], 1, 3)
  self.headers = {}
  for _, header in ipairs(headers or {}) do self.headers[header[1]] = header[2] end
  if self.headers["content-type"] == "application/json" then body = json.read(body) end
  return status, body
end

--- Ask, and wait for the answer. A table is sent as JSON.
function World:ask(method, target, body, headers)
  if type(body) == "table" then body = json.write(body) end
  return self:finish(self:begin(method, target, body, headers))
end

-- ---- a world -------------------------------------------------------------------------------------

--- A door, registered. Databases are files of a folder of their own.
-- @tparam[opt] table options name, group, is_primary (true), workers (2); dir = of another world; writer = a
-- spec.ions.node, to which transactions then go
function world.new(options)
  options = options or {}
  if options.writer then options.dir = options.writer.folder end
  local self = setmetatable({ dir = options.dir or program.folder(), is_owner = not options.dir, inbox = {},
    sent = {},
    answers = {}, replaced = {}, cast = {}, logged = "", writer = options.writer, last_id = 0, last_pid = 100,
      processes = {} }, World)
  function self.trial() end
  function self.fault() end
  function self.group_runs() return {} end
  local addresses = { EXECUTOR, DOOR }
  for index = 1, options.workers or 2 do addresses[#addresses + 1] = WORKER + index end
  for _, address in ipairs(addresses) do
    self.last_pid = self.last_pid + 1
    self.processes[address] = { pid = self.last_pid, state = "ready", restarts = 0, apps = {}, reason = "" }
  end
  self.door = door.load({ name = options.name or "one", group = options.group or "production", dir = self.dir,
    primary = self.dir, is_primary = options.is_primary ~= false, workers = options.workers or 2,
    address = "127.0.0.1:8080", control = "unix:" .. self.dir .. "/control.sock" }, {
    port = {
      send = function(...) receive(self, ...) end,
      cast = function(text) self.cast[#self.cast + 1] = json.read(text) end,
    },
    connect = not options.writer and function(name) return lion.connect(("%s/%s.lion"):format(self.dir,
      name)) end or nil,
    is_alive = function() return false end,
    log = function(text) self.logged = self.logged .. text end,
  })
  self:until_true(function() return self.door.node:runs { role = "worker", index = 1 } ~= nil end)
  return self
end

function World:close()
  self.door:close()
  if self.is_owner then program.remove(self.dir) end
end

return world
