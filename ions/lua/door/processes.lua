--- The node's processes as the door knows them: what the supervisor tells of them, what they say they run,
-- and what is asked of them over the channel (docs/node.md). It is the node of ions.deploy.roll.
-- @module ions.door.processes
local core = require "lion.core"
local probe = require "ions.door.probe"
local scheduler = require "ions.scheduler"

local processes = {}

--- Kinds of messages, as ions/node/bus.h numbers them.
processes.KIND = {
  ready = 1, stop = 2, replace = 3, handover = 4, switch = 5, switched = 6, try = 7, tried = 8, processes = 9,
  changed = 10, status = 11, metrics = 20,
  alert = 22,
}

local KIND = processes.KIND

-- What a request is answered with.
local ANSWER = { [KIND.switch] = KIND.switched, [KIND.try] = KIND.tried, [KIND.status] = KIND.status,
  [KIND.processes] = KIND.processes, [KIND.metrics] = KIND.metrics }

local SUPERVISOR, WRITER, EXECUTOR, EVENTS, WORKER = 0, 1, 2, 5, 16

local READY_MS = 30000 -- until a process is ready that is to be switched
local SWITCH_MS = 30000 -- until it has switched
local TRY_MS = 60000 -- of a trial
local TRY_GRACE_MS = 5000 -- until the supervisor tells of a trial that took too long
local EVALUATE_GRACE_MS = 2000 -- that a chunk has to say so itself, and for its process to start
local STATUS_MS = 500

local Processes = {}
Processes.__index = Processes

--- The processes of a node.
-- @tparam table options name, group, is_primary, workers, address, control, control_address, version of the
-- node; tasks: the scheduler; port: { send = function(to, kind, id, payload) }; forms: { write = };
-- is_alive(control)
function processes.new(options)
  return setmetatable({
    name = options.name,
    group = options.group,
    is_primary = options.is_primary,
    workers = options.workers,
    address = options.address,
    control = options.control,
    control_address = options.control_address,
    version = options.version,
    started_at = core.now_ms(),
    tasks = options.tasks,
    port = options.port,
    forms = options.forms,
    is_alive = options.is_alive or probe,
    list = {}, -- address → what the supervisor told last
    running = {}, -- address → application → revision
    pending = {}, -- id → { id =, token =, to =, kind =, answer = }
    last_id = core.now_ms() * 1000, -- what the door before this one asked is not taken for our own
  }, Processes)
end

function Processes.now() return core.now_ms() end
function Processes.monotonic() return core.monotonic_ms() end

-- ---- addresses -----------------------------------------------------------------------------------

local function address_of(target) return target.role == "executor" and EXECUTOR or WORKER + target.index end

local function address_of_process(process)
  if process.role == "worker" then return WORKER + process.index end
  return process.role == "executor" and EXECUTOR or nil
end

-- What waits for a process awaits this; the writer's answers have numbers.
local function ready_token(to) return "ready " .. to end

local function words_of(target) return target.index and "worker " .. target.index or "the executor" end

-- ---- asking --------------------------------------------------------------------------------------

-- Wait for a token, so long at most.
local function await(self, token, ms)
  local timer = { on_time = function() self.tasks:deliver(token) end }
  self.tasks:at(timer, core.monotonic_ms() + ms)
  scheduler.await(token)
  self.tasks:forget(timer)
end

local function send(self, to, kind, payload, id)
  self.port.send(to, kind, id or 0, self.forms.write(payload))
end

-- Ask, and go on: `answer_of` waits for what comes.
local function ask(self, to, kind, payload)
  self.last_id = self.last_id + 1
  local asked = { id = self.last_id, token = {}, to = to, kind = kind }
  self.pending[asked.id] = asked
  send(self, to, kind, payload, asked.id)
  return asked
end

local function settle(self, asked, answer)
  self.pending[asked.id] = nil
  asked.answer = answer
  self.tasks:deliver(asked.token)
end

-- nil: none came in time.
local function answer_of(self, asked, ms)
  if asked.answer == nil and ms > 0 then await(self, asked.token, ms) end
  self.pending[asked.id] = nil
  return asked.answer
end

-- What was asked of a process that has ended is not answered by its successor.
local function fail_pending(self, to, reason)
  for _, asked in pairs(self.pending) do
    if asked.to == to then settle(self, asked, { is_ok = false, is_lost = true, message = reason }) end
  end
end

-- ---- what comes ----------------------------------------------------------------------------------

local function apps_of(status)
  local apps = {}
  for _, one in ipairs(status.apps or {}) do apps[one.app] = one.revision end
  return apps
end

-- A process that became ready says what it runs.
local function ask_what_runs(self, to)
  local process = self.list[to]
  self.tasks:spawn { fn = function()
    while self.list[to] == process do
      local status = answer_of(self, ask(self, to, KIND.status, {}), READY_MS)
      if status and not status.is_lost and self.list[to] == process then
        self.running[to] = apps_of(status)
        return self.on_change()
      end
    end
  end }
end

local function note(self, process)
  local to = address_of_process(process)
  self.list[to or process.role] = process
  if not to then return end
  if process.state == "ready" then
    self.running[to] = nil
    self.tasks:deliver(ready_token(to))
    ask_what_runs(self, to)
  else
    self.running[to] = nil
    local reason = process.reason and process.reason ~= "" and ": " .. process.reason or ""
    fail_pending(self, to, ("it ended meanwhile%s"):format(reason))
  end
end

-- Behind those that hold their places come those that are on their way out.
local function note_all(self, list)
  local seen = {}
  for _, process in ipairs(list) do
    local key = address_of_process(process) or process.role
    local known = self.list[key]
    local is_news = not known or known.pid ~= process.pid or known.state ~= process.state
    if is_news and not seen[key] then note(self, process) end
    seen[key] = true
  end
end

--- What has come on the channel.
-- @tparam number from
-- @tparam number kind
-- @tparam number id
-- @tparam table payload
function Processes:receive(from, kind, id, payload)
  if kind == KIND.changed then
    note(self, payload)
    self.on_process(payload)
    self.on_change()
  elseif kind == KIND.processes then
    note_all(self, payload.processes or {})
  end
  local asked = self.pending[id]
  if asked and kind == ANSWER[asked.kind] and (asked.to == from or asked.to == SUPERVISOR) then
    settle(self, asked, payload)
  end
end

--- Called when something is to be looked at anew.
function Processes.on_change() end

--- Called with what the supervisor tells of a process that has changed.
function Processes.on_process() end

-- ---- as the roll knows a node ----------------------------------------------------------------------

function Processes:targets()
  local list = {}
  if self.is_primary then list[1] = { role = "executor" } end
  for index = 1, self.workers do list[#list + 1] = { role = "worker", index = index } end
  return list
end

function Processes:runs(target) return self.running[address_of(target)] end

local function is_ready(self, to) return self.list[to] ~= nil and self.list[to].state == "ready" end

local function when_ready(self, to)
  local until_ms = core.monotonic_ms() + READY_MS
  while not is_ready(self, to) do
    local left = until_ms - core.monotonic_ms()
    if left <= 0 then return false end
    await(self, ready_token(to), left)
  end
  return true
end

function Processes:switch(target, app, revision)
  local to = address_of(target)
  if not when_ready(self, to) then
    return { is_ok = false, message = ("%s does not start: not ready within %d s"):format(words_of(target),
      READY_MS / 1000) }
  end
  local process = self.list[to]
  local answer = answer_of(self, ask(self, to, KIND.switch, { app = app, revision = revision }), SWITCH_MS)
  if not answer then
    local message = ("%s did not take it within %d s"):format(words_of(target), SWITCH_MS / 1000)
    self:replace(target, message)
    return { is_ok = false, message = message }
  end
  if answer.is_lost then answer.message = ("%s: %s"):format(words_of(target), answer.message) end
  if answer.is_ok and self.list[to] == process then
    self.running[to] = self.running[to] or {}
    self.running[to][app] = revision
  end
  return answer
end

function Processes:try(app, revision)
  local asked = ask(self, SUPERVISOR, KIND.try, { app = app, revision = revision, timeout_ms = TRY_MS })
  local answer = answer_of(self, asked, TRY_MS + TRY_GRACE_MS)
  return answer or { is_ok = false, step = "load", message = ("not loaded and checked within %d s"):format(
    TRY_MS / 1000) }
end

--- Have a chunk of Lua evaluated in a process of its own (ions.evaluate).
-- @tparam table asked chunk, db, timeout_ms, width, rows
-- @treturn table as ions.evaluate.run; is_ok false and a code where the supervisor answers for the process
function Processes:evaluate(asked)
  local given = { chunk = asked.chunk, db = asked.db, width = asked.width, rows = asked.rows,
    timeout_ms = asked.timeout_ms + EVALUATE_GRACE_MS, chunk_ms = asked.timeout_ms }
  local answer = answer_of(self, ask(self, SUPERVISOR, KIND.try, given), given.timeout_ms + TRY_GRACE_MS)
  return answer or { is_ok = false, code = "lion/timeout", message = "the supervisor did not answer in time" }
end

function Processes:replace(target, reason)
  local to = address_of(target)
  self.running[to] = nil
  if self.list[to] then self.list[to] = { role = target.role, index = target.index, state = "stopping" } end
  send(self, SUPERVISOR, KIND.replace, { reason = reason, who = to })
end

function Processes:is_answering(other)
  return other.name == self.name or self.is_alive(other.control)
end

-- ---- for those who look --------------------------------------------------------------------------

--- Have the supervisor tell of all processes.
function Processes:ask_all() ask(self, SUPERVISOR, KIND.processes, {}) end

--- End this node.
function Processes:stop_node(reason) send(self, SUPERVISOR, KIND.stop, { reason = reason }) end

--- The processes, by role and index.
function Processes:all()
  local list = {}
  for _, process in pairs(self.list) do list[#list + 1] = process end
  table.sort(list, function(a, b)
    if a.role ~= b.role then return a.role < b.role end
    return (a.index or 0) < (b.index or 0)
  end)
  return list
end

--- What each worker says of itself: a list of { worker =, status = or nil where none came in time }.
function Processes:statuses()
  local asked, list = {}, {}
  for index = 1, self.workers do
    local to = WORKER + index
    if is_ready(self, to) then asked[index] = ask(self, to, KIND.status, {}) end
  end
  local until_ms = core.monotonic_ms() + STATUS_MS
  for index = 1, self.workers do
    local status = asked[index] and answer_of(self, asked[index], until_ms - core.monotonic_ms())
    list[index] = { worker = index, status = status and not status.is_lost and status or nil }
  end
  return list
end

local function is_ready_role(self, role)
  return self.list[role] ~= nil and self.list[role].state == "ready"
end

--- What the events process says of those that it holds: a list, empty where none comes in time.
function Processes:events()
  if not is_ready_role(self, "events") then return {} end
  local answer = answer_of(self, ask(self, EVENTS, KIND.status, {}), STATUS_MS)
  return answer and not answer.is_lost and answer.events or {}
end

--- The numbers of all processes that tell theirs in time: a list of { role =, worker = or nil, series = }.
function Processes:metrics()
  local asked = {}
  local function ask_one(role, to, worker)
    asked[#asked + 1] = { role = role, worker = worker, asked = ask(self, to, KIND.metrics, {}) }
  end
  if is_ready_role(self, "writer") then ask_one("writer", WRITER) end
  if is_ready(self, EXECUTOR) then ask_one("executor", EXECUTOR) end
  for index = 1, self.workers do
    if is_ready(self, WORKER + index) then ask_one("worker", WORKER + index, index) end
  end
  local until_ms, told = core.monotonic_ms() + STATUS_MS, {}
  for _, one in ipairs(asked) do
    local answer = answer_of(self, one.asked, until_ms - core.monotonic_ms())
    if answer and not answer.is_lost then
      told[#told + 1] = { role = one.role, worker = one.worker, series = answer.series or {} }
    end
  end
  return told
end

return processes
