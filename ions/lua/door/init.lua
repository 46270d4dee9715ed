--- The control door's application: what docs/control.md says, and its node's part in deployments. A worker's
-- program runs it as it runs any application (docs/node.md, "A worker"); requests and the watch over
-- deployments are tasks of one scheduler.
-- @module ions.door
local access = require "ions.door.access"
local anomaly = require "lion.anomaly"
local alerts = require "ions.door.alerts"
local answer = require "ions.door.answer"
local call = require "lion.call"
local core = require "lion.core"
local databases = require "ions.door.databases"
local deployments = require "ions.door.deployments"
local evaluation = require "ions.door.evaluation"
local events = require "ions.door.events"
local fetch = require "ions.fetch"
local folder = require "ions.door.folder"
local form = require "ions.form"
local lion = require "lion"
local nodes = require "ions.deploy.nodes"
local parameters = require "ions.door.params"
local processes = require "ions.door.processes"
local push = require "ions.door.push"
local readers = require "ions.door.readers"
local roll = require "ions.deploy.roll"
local route = require "ions.route"
local scheduler = require "ions.scheduler"
local status = require "ions.door.status"
local stream = require "ions.door.stream"
local system = require "ions.push.system"
local tokens = require "ions.door.tokens"
local values = require "ions.door.values"

local door = {}

local KIND = processes.KIND

local WATCH_MS = 250 -- between two looks at the system database
local NEWS_MS = 25 -- the same for who waits for news of a deployment
local RETRY_MS = 1000 -- after something went wrong there
local REQUEST_MS = 60000 -- of any request
local BODY_MAX = 16 * 2 ^ 20
local BODY_SMALL = 256 * 2 ^ 10 -- what is larger holds up who reads it
local CHUNK_MAX = 2 * 2 ^ 20
local SLASH = 47
local NO_QUERY = {}

-- ---- routes --------------------------------------------------------------------------------------

-- `fn` gives the answer: a value and perhaps a status. `body` is how it is read, and its `max`, without which
-- it is to be small; `large` is called, before it is read, with what is not. A route without fn is handed
-- over.

local function ask_reader(self, request) return { told = self.readers:ask(request) } end

local TRANSACT = { fn = databases.transact, send = databases.send_transaction,
  large = databases.transact_large, body = { is_tx = true } }

local ROUTES = {
  { "GET", "/node", { fn = status.node } },
  { "GET", "/status", { fn = status.status } },
  { "GET", "/metrics", { fn = status.metrics, is_text = true } },
  { "GET", "/groups", { fn = deployments.groups } },
  { "POST", "/groups", { fn = parameters.set_group, body = { nulls = { env = true } } } },
  { "GET", "/revisions", { fn = deployments.revisions } },
  { "POST", "/push/plan", { fn = push.plan, body = { max = BODY_MAX } } },
  { "PUT", "/push/files/:hash", { fn = push.file } },
  { "POST", "/push", { fn = push.revision, body = { max = BODY_MAX } } },
  { "POST", "/deploy", { fn = deployments.deploy, body = {} } },
  { "POST", "/rollback", { fn = deployments.rollback, body = {} } },
  { "GET", "/deployments", { fn = deployments.list } },
  { "GET", "/deployments/:id", { fn = deployments.one } },
  { "GET", "/events", { fn = events.list } },
  { "GET", "/events/dead", { fn = events.dead } },
  { "GET", "/events/dead/:key", { fn = events.letter } },
  { "POST", "/events/replay", { fn = events.replay, body = {} } },
  { "POST", "/events/forget", { fn = events.forget, body = {} } },
  { "POST", "/events/skip", { fn = events.skip, body = {} } },
  { "GET", "/databases", { fn = databases.list } },
  { "POST", "/db", { fn = databases.make, body = {} } },
  { "POST", "/q", { fn = databases.q, large = ask_reader, body = {},
    is_handed_over = databases.is_for_worker } },
  { "POST", "/pull", { fn = databases.pull, large = ask_reader, body = {} } },
  { "POST", "/transact", TRANSACT },
  { "POST", "/eval", { fn = evaluation.run, body = { max = CHUNK_MAX } } },
  { "GET", "/tx", { fn = function(self, request) return self.streams:begin(request) end, is_bytes = true } },
  { "POST", "/values", { fn = function(self, request)
    return values.answer(self, request, answer.status_of)
  end, is_bytes = true } },
  { "POST", "/values/:app", {} },
  { "GET", "/params", { fn = parameters.list } },
  { "POST", "/params", { fn = parameters.set, body = { nulls = { value = true } } } },
  { "GET", "/params/value", { fn = parameters.value } },
  { "GET", "/params/history", { fn = parameters.history } },
  { "POST", "/params/reveal", { fn = parameters.reveal, body = {} } },
  { "POST", "/params/key", { fn = parameters.key, body = {} } },
  { "POST", "/params/rotate-key", { fn = parameters.rotate_key, body = {} } },
  { "POST", "/invoke/:app/:fn", {} },
  { "GET", "/tokens", { fn = tokens.list } },
  { "POST", "/tokens", { fn = tokens.create, body = {} } },
  { "DELETE", "/tokens/:name", { fn = tokens.revoke } },
}

for _, one in ipairs(ROUTES) do
  one[3].name = one[1] .. " " .. one[2]
  one[3].roles = assert(access.NEEDED[one[3].name], "a route says who may ask it")
end

local Door = {}
Door.__index = Door
folder.give(Door)

local function find_target(self, raw)
  local target, params, malformed = self.router:find(raw.method, raw.path)
  if target then return target, params end
  if malformed then anomaly.incorrect("lion/syntax", "%s", malformed) end
  if #params == 0 then
    error(answer.refusal(404, "not-found", ("there is no %s here"):format(raw.path)), 0)
  end
  local allowed = table.concat(params, ", ")
  local message = ("%s takes %s"):format(raw.path, allowed)
  error(answer.refusal(405, "incorrect", message, { { "allow", allowed } }), 0)
end

local function check_size(raw, target)
  local max = target.body and not target.large and (target.body.max or BODY_SMALL) or BODY_MAX
  if #(raw.body or "") <= max then return end
  local text = max < 2 ^ 20 and max / 2 ^ 10 .. " KiB" or max / 2 ^ 20 .. " MiB"
  error(answer.refusal(413, "interrupted", ("a body has at most %s here"):format(text)), 0)
end

-- The request as handlers take it: raw, who, params, query, body, is_edn (of the body). Of a large one the
-- body is not read.
local function read_request(raw, who, target, params, is_large)
  check_size(raw, target)
  local query, problem = NO_QUERY, nil
  if raw.query and raw.query ~= "" then query, problem = form.read(raw.query) end
  if not query then anomaly.incorrect("lion/syntax", "%s", problem) end
  local request = { raw = raw, who = who, params = params, query = query }
  if target.body then
    if query ~= NO_QUERY then answer.check_query(query, {}) end
    if is_large then return request end
    request.body, request.is_edn = answer.read_body(raw, target.body)
  end
  return request
end

-- ---- requests ------------------------------------------------------------------------------------

-- What takes long is asked of a reader.
local function result_of(self, target, request)
  if target.body and not request.body then return target.large(self, request) end
  local ok, value, code = xpcall(target.fn, scheduler.traced, self, request)
  if ok then return { value = value, status = code } end
  if not self.readers or not self.readers:is_late(request, value) then error(value, 0) end
  return { told = self.readers:ask(request) }
end

local function shaped(target, is_edn, ok, result)
  if not ok then return answer.fail(result, is_edn) end
  local told = result.told or target.is_bytes and result.value
  if told then return told.status, told.headers, told.body end
  if target.is_text then
    return 200, { { "content-type", "text/plain; version=0.0.4; charset=utf-8" } }, result.value
  end
  local written, code, headers, text = pcall(answer.write, result.status or 200, result.value, is_edn)
  if written then return code, headers, text end
  return answer.fail(code, is_edn)
end

-- `step` gives it.
local function answer_later(self, told)
  self.last = self.last + 1
  self.answered[self.last] = told
end

-- The answer, if it is there at once; else false, and it comes from `step`.
local function run(self, target, request)
  local raw, is_edn = request.raw, answer.wants_edn(request.raw)
  local now
  local task = { deadline_ms = core.monotonic_ms() + REQUEST_MS, fn = result_of,
    args = { self, target, request } }
  function task.done(ok, result)
    local code, headers, body = shaped(target, is_edn, ok, result)
    if not self.asked[raw.id] then
      now = { code, headers, body }
    elseif not task.is_gone then
      answer_later(self, { raw.id, code, headers, body })
    end
    self.asked[raw.id] = nil
  end
  self.tasks:run(task)
  if now then return unpack(now, 1, 3) end
  self.asked[raw.id] = task
  return false
end

-- What was sent to the writer is answered when its answer is delivered: `deliver` takes it from there.
local function wait_for(self, target, request, sent)
  local id = request.raw.id
  self.asked[id], self.sent[sent.token] = {}, sent
  sent.id, sent.target, sent.is_edn = id, target, answer.wants_edn(request.raw)
  return false
end

local function take_sent(self, sent, kind, payload)
  local asked = self.asked[sent.id]
  self.asked[sent.id] = nil
  if asked.is_gone then return end
  local ok, value = pcall(sent.result, kind, payload, sent.is_edn)
  local code, headers, body = shaped(sent.target, sent.is_edn, ok, value)
  answer_later(self, { sent.id, code, headers, body })
end

-- Nothing can be told of a system database that is not there yet.
local function check_installed(self)
  self.is_installed = self.is_installed or system.is_installed(self.system:db())
  if self.is_installed then return end
  error(anomaly.new("unavailable", "lion/starting", "the node is starting: its writer did not answer yet"), 0)
end

-- Nothing is told, not even of paths that are none, before it is known who asks.
local function identify(self, raw)
  if raw.remote ~= "control" then check_installed(self) end
  return self.access:identify(raw)
end

-- Who asks, what, and whether they may.
local function admit(self, raw)
  if raw.path:byte(1) ~= SLASH then raw.path = raw.path:match "^https?://[^/]*(.*)$" or raw.path end
  raw.headers = raw.headers or self.port.headers(raw.id)
  local who = identify(self, raw)
  local target, params = find_target(self, raw)
  access.check(who, target.roles, target.name)
  return who, target, params
end

local function begin(self, raw, kind)
  local who, target, params = admit(self, raw)
  if kind == "head" then return "go on" end
  if not target.fn then return "handover" end
  if target.fn ~= status.node then check_installed(self) end
  local is_large = self.readers and target.large and #(raw.body or "") > BODY_SMALL
  local request = read_request(raw, who, target, params, is_large)
  if is_large then return run(self, target, request) end
  if target.is_handed_over and target.is_handed_over(request.body) then return "handover" end
  local sent = target.send and target.send(self, request)
  if sent then return wait_for(self, target, request, sent) end
  return run(self, target, request)
end

-- A transaction that the loop sent to the writer, of which it does not tell itself (ions/node/direct.h).
local function tell_outcome(self, raw, kind, payload)
  raw.headers = self.port.headers(raw.id)
  return shaped(TRANSACT, answer.wants_edn(raw), pcall(databases.outcome, kind, payload))
end

--- A request; what docs/node.md says of `handle`. With kind and payload: a transaction that the writer has
-- answered so. With kind "head": one whose body is still to come, if it may: then "go on" is the answer.
function Door:handle(raw, kind, payload)
  if payload then return tell_outcome(self, raw, kind, payload) end
  local ok, code, headers, body = pcall(begin, self, raw, kind)
  if ok then return code, headers, body end
  return answer.fail(code, answer.wants_edn(raw))
end

--- Do some of what is ready.
function Door:step()
  if self.streams:take_news() then return end -- streams look where something was done
  if self.last == 0 then self.tasks:step() end
  local first = self.answered[self.first]
  if not first then return end
  self.answered[self.first], self.first = nil, self.first + 1
  if not self.answered[self.first] then self.first, self.last = 1, 0 end
  return first[1], first[2], first[3], first[4]
end

--- ms until `step` has something to do.
function Door:due()
  if self.last > 0 or self.streams.is_told then return 0 end
  return self.tasks:due()
end

--- Who asked has left. What is under way goes on; only waiting for news ends, and a question to a reader.
function Door:gone(id)
  local task = self.asked[id]
  if not task then return end
  task.is_gone = true
  if task.reading then self.port.stop_reading(task.reading) end
  if task.is_waiting_for_news then self.tasks:cancel(task, "the client has left") end
end

--- A stream has been sent, or cannot be.
function Door:finish(id) self.streams:finish(id) end

--- The writer's answer to what a connection asked, or what it tells of a database.
function Door:deliver(token, kind, payload)
  local sent = self.sent[token]
  if sent then
    self.sent[token] = nil
    return take_sent(self, sent, kind, payload)
  end
  if self.streams:deliver(token, kind) then return end
  self.tasks:deliver(token, kind, payload)
end

--- What comes on the supervisor's channel.
function Door:message(from, kind, id, payload)
  local value = payload ~= nil and payload ~= "" and self.forms.read(payload) or {}
  if kind == KIND.stop then return self:leave(value.grace_ms) end
  if kind == KIND.alert then return self.alerts:hear(value) end
  self.node:receive(from, kind, id, value)
end

function Door:is_idle() return next(self.asked) == nil and self.last == 0 and self.has_left ~= false end

function Door:close()
  for _, conn in pairs(self.connections) do pcall(conn.close, conn) end
end

-- ---- news ----------------------------------------------------------------------------------------

function Door.monotonic() return core.monotonic_ms() end

--- How long a question may hold the door; who needs longer is answered by a reader.
function Door:patience(request, ms)
  return self.readers and self.readers:patience(request, ms) or ms
end

--- Have the watch look at once.
function Door:wake()
  self.is_woken = true
  self.tasks:deliver "wake"
end

--- Wait until the system database has more than this, or the time has come.
-- @tparam number basis a t
-- @tparam number until_ms on the monotonic clock
function Door:await_change(basis, until_ms)
  local task = scheduler.current()
  task.is_waiting_for_news = true
  while self.system:db().basis_t <= basis and not self.is_leaving and core.monotonic_ms() < until_ms do
    scheduler.sleep(math.min(NEWS_MS, math.max(0, until_ms - core.monotonic_ms())))
  end
  task.is_waiting_for_news = nil
end

-- ---- the watch -----------------------------------------------------------------------------------

local function sleep_until_woken(self, ms)
  if not self.is_woken then
    local timer = { on_time = function() self.tasks:deliver "wake" end }
    self.tasks:at(timer, core.monotonic_ms() + ms)
    scheduler.await "wake"
    self.tasks:forget(timer)
  end
  self.is_woken = false
end

local function complain(self, what, e)
  local text = ("door: %s: %s\n"):format(what, tostring(type(e) == "table" and (e.trace or e.message) or e))
  if text ~= self.last_complaint and not self.is_leaving then self.log(text) end
  self.last_complaint = text
end

local function register(self)
  while not self.is_leaving do
    local ok, e = pcall(function()
      system.install(self.system)
      self.node.id = nodes.register(self.system, self.node)
    end)
    if ok then return true end
    if type(e) == "table" and e.code == "lion/name-taken" then
      self.node:stop_node(e.message)
      return false
    end
    complain(self, "the node is not entered yet", e)
    sleep_until_woken(self, RETRY_MS)
  end
end

local function watch(self)
  if not register(self) then return end
  self.node:ask_all()
  while not self.is_leaving do
    local ok, is_busy = pcall(self.roll.pass, self.roll) -- the writer may be lost, say: it is tried again
    if not ok then complain(self, "deployments", is_busy) end
    local looked, why = pcall(self.alerts.look, self.alerts, self.system:db())
    if not looked then complain(self, "alerts", why) end
    if not ok then
      sleep_until_woken(self, RETRY_MS)
    elseif not is_busy then
      sleep_until_woken(self, WATCH_MS)
    end
  end
end

-- ---- the end -------------------------------------------------------------------------------------

local function say_goodbye(self)
  if not self.node.id then return end
  nodes.mark(self.system, self.node.id, "leaving")
  while next(self.asked) ~= nil do scheduler.sleep(10) end
  nodes.mark(self.system, self.node.id, "down")
end

--- The node stops: it says so, answers who waits, and is idle then.
-- @tparam[opt] number grace_ms
function Door:leave(grace_ms)
  if self.is_leaving then return end
  self.is_leaving, self.has_left = true, false
  self.streams.is_told = true
  self.tasks:cancel(self.watching, "the node stops") -- workers that end now are no failure of a revision
  self.tasks:spawn {
    deadline_ms = core.monotonic_ms() + (grace_ms or 5000),
    fn = function() say_goodbye(self) end,
    done = function() self.has_left = true end,
  }
end

-- ---- alerts --------------------------------------------------------------------------------------

local POST_MS = 10000

local function post(url, body)
  local ok, told = pcall(fetch.run, { method = "POST", url = url, body = body, has_type = true,
    headers = { { "content-type", "application/json" } }, timeout_ms = POST_MS,
    connect_timeout_ms = POST_MS, max_bytes = 65536, redirects = 0 })
  if not ok then return 0, told.message or tostring(told) end
  return told.status
end

-- ---- loading -------------------------------------------------------------------------------------

--- The door of a node.
-- @tparam table options name, group, dir, primary, is_primary, workers, address, control, control_address,
-- secret_key (docs/node.md)
-- @tparam[opt] table given what a spec gives in place of the thread's own: port, forms,
-- connect = function(name), is_alive = function(control), log = function(text)
-- @treturn table
function door.load(options, given)
  given = given or {}
  call.set_hint "app names the application that allows it"
  local self = setmetatable({
    dir = options.primary or options.dir,
    secret_key = options.secret_key,
    tasks = scheduler.new(),
    router = route.new(ROUTES),
    forms = given.forms or { read = core.form_read, write = core.form_write },
    port = given.port or require "ions.port",
    log = given.log or function(text) io.stderr:write(text) end,
    connections = {},
    asked = {}, -- id of a request → its task
    sent = {}, -- token of what the writer was sent → { id =, target =, is_edn =, result = }
    first = 1, -- of those that are answered
    last = 0, -- 0: none is
    answered = {}, -- { id, status, headers, body } for `step`
  }, Door)
  self.connect = given.connect or function(name) return require("ions.remote").open(self.dir, name) end
  self.node = processes.new {
    name = options.name, group = options.group, is_primary = options.is_primary, workers = options.workers,
    address = options.address, control = options.control,
    control_address = options.control_address, version = lion.version, tasks = self.tasks,
    port = self.port, forms = self.forms, is_alive = given.is_alive,
  }
  self.streams = stream.new(self)
  if self.port.read then self.readers = readers.new(self) end
  self.node.on_change = function() self:wake() end
  self.alerts = alerts.new {
    url = options.alert_url, node = options.name, group = options.group, tasks = self.tasks, log = self.log,
    post = given.post or post, cast = self.port.cast,
  }
  self.node.on_process = function(process) self.alerts:note_process(process) end
  self.system = self:connection "system"
  self.access = access.new(function() return self.system:db() end)
  self.roll = roll.new(self.system, self.node)
  self.watching = self.tasks:spawn { fn = watch, args = { self } }
  return self
end

return door
