--- The application of the events process (docs/events.md): the engine, its connections, its messages. A
-- worker's program runs it as it runs the door's (docs/node.md, "A worker").
-- @module ions.events
local bell = require "ions.events.bell"
local core = require "lion.core"
local engine = require "ions.events.engine"
local lion = require "lion"
local own_files = require "ions.own_files"
local scheduler = require "ions.scheduler"
local sodium = require "ions.sodium"
local sources = require "ions.events.sources"
local store = require "ions.events.store"
local workers = require "ions.events.workers"

local events = {}

-- Kinds of frames and of messages, as ions/node/link.h and bus.h number them.
local LOST, FOLLOW, DONE, TOLD = 0, 7, 17, 20
local STOP, PROCESSES, CHANGED, STATUS, DELIVERED = 2, 9, 10, 11, 13

local ALERT = 22

local SUPERVISOR, DOOR = 0, 3

local RETRY_MS = 500 -- after a database could not be followed
local GRACE_MS = 10000
local LAST_MS = 1000 -- of that, for what is to be written at the end

local Events = {}
Events.__index = Events

-- ---- databases -----------------------------------------------------------------------------------

local function connection(self, name)
  local conn = self.connections[name]
  if not conn then
    conn = self.connect(name)
    self.connections[name] = conn
  end
  return conn
end

local function tell(followed, t)
  for _, fn in ipairs(followed.fns) do fn(t) end
end

-- Anew whenever the writer was lost.
local function keep_following(self, followed)
  while not self.has_left do
    self.followed[self.port.request(FOLLOW, self.forms.write { db = followed.db })] = followed
    followed.over:wait()
    if followed.is_refused then scheduler.sleep(RETRY_MS) end
  end
end

local function follow(self, db, fn)
  for _, followed in pairs(self.following) do
    if followed.db == db then
      table.insert(followed.fns, fn)
      return
    end
  end
  local followed = { db = db, fns = { fn }, over = bell.new(self.tasks) }
  table.insert(self.following, followed)
  self.tasks:spawn { fn = keep_following, args = { self, followed } }
end

--- What the writer says.
function Events:deliver(token, kind, payload)
  local followed = self.followed[token]
  if not followed then return self.tasks:deliver(token, kind, payload) end
  if kind == DONE or kind == TOLD then return tell(followed, self.forms.read(payload).t) end
  self.followed[token], followed.is_refused = nil, kind ~= LOST
  followed.over:ring()
end

-- ---- messages ------------------------------------------------------------------------------------

local function answer_status(self, to, id)
  self.port.send(to, STATUS, id, self.forms.write { events = self.engine:told() })
end

--- What comes on the supervisor's channel.
function Events:message(from, kind, id, payload)
  local value = payload ~= nil and payload ~= "" and self.forms.read(payload) or nil
  if kind == DELIVERED then
    self.workers:delivered(id, value)
  elseif kind == CHANGED then
    self.workers:changed(value)
  elseif kind == PROCESSES then
    for _, process in ipairs(value.processes) do self.workers:changed(process) end
  elseif kind == STATUS then
    answer_status(self, from, id)
  elseif kind == STOP then
    self:leave(value and value.grace_ms)
  end
end

-- ---- as its thread knows it ----------------------------------------------------------------------

--- Nothing is asked here.
function Events.handle() return nil end

function Events:step() self.tasks:step() end

function Events:due() return self.tasks:due() end

function Events.gone() end

function Events.finish() end

function Events:is_idle() return self.has_left ~= false end

function Events:close()
  for _, conn in pairs(self.connections) do pcall(conn.close, conn) end
end

--- The node stops: what is in hand is finished, and the leases are given back.
-- @tparam[opt] number grace_ms
function Events:leave(grace_ms)
  if self.has_left ~= nil then return end
  self.has_left = false
  local ms = (grace_ms or GRACE_MS) - LAST_MS
  self.tasks:spawn {
    deadline_ms = core.monotonic_ms() + ms + LAST_MS / 2,
    fn = function() self.engine:leave(ms) end,
    done = function() self.has_left = true end,
  }
end

-- ---- loading -------------------------------------------------------------------------------------

-- Pauses of several nodes must not fall together.
local function random()
  local high, low = sodium.random(2):byte(1, 2)
  return (high * 256 + low) / 65536
end

local function host_of(self, options, given)
  return {
    tasks = self.tasks,
    sources = sources,
    store = store.new { conn = self.connections.system, group = options.group, node = options.name,
      run = lion.uuid() },
    deliver = function(event, input)
      local payload = { app = event.app, event = event.name, input = input }
      return self.workers:deliver(payload, event.spec.timeout or 5000)
    end,
    now = given.now or core.now_ms,
    monotonic = core.monotonic_ms,
    random = random,
    log = self.log,
    alert = function(alert) self.port.send(DOOR, ALERT, 0, self.forms.write(alert)) end,
    connection = function(name) return connection(self, name) end,
    follow = function(db, fn) follow(self, db, fn) end,
    files = function(app) return own_files.open(self.dir, "files/" .. app) end,
  }
end

--- The events of a node.
-- @tparam table options name, group, dir, primary (docs/node.md)
-- @tparam[opt] table given what a spec gives in place of the thread's own: port, forms,
-- connect = function(name), log = function(text), now
-- @treturn table
function events.load(options, given)
  given = given or {}
  local dir = options.primary or options.dir
  local self = setmetatable({
    tasks = scheduler.new(),
    forms = given.forms or { read = core.form_read, write = core.form_write },
    port = given.port or require "ions.port",
    log = given.log or function(text) io.stderr:write(text) end,
    connect = given.connect or function(name) return require("ions.remote").open(dir, name) end,
    dir = dir,
    connections = {},
    following = {}, -- a list of { db =, fns =, over = rings when it has ended }
    followed = {}, -- token → one of these
  }, Events)
  self.workers = workers.new { tasks = self.tasks, port = self.port, write = self.forms.write }
  connection(self, "system")
  self.engine = engine.new(host_of(self, options, given))
  follow(self, "system", function() self.engine:heard() end)
  self.port.send(SUPERVISOR, PROCESSES, 0, self.forms.write {})
  return self
end

return events
