--- Nodes of one group with events, as a spec's material: engines in this Lua state, one system database,
-- databases in memory, handlers that are functions of the spec. A killed node does nothing any more; time is
-- the spec's.
local core = require "lion.core"
local engine = require "ions.events.engine"
local lion = require "lion"
local scheduler = require "ions.scheduler"
local sources = require "ions.events.sources"
local store = require "ions.events.store"
local system = require "ions.push.system"

local world = {}

local World = {}
World.__index = World

local Node = {}
Node.__index = Node

local WAIT_MS = 20000

-- ---- a node --------------------------------------------------------------------------------------

local function host_of(self, node)
  local function connection(name)
    if self.broken[name] then error(self.broken[name], 0) end
    return self:database(name)
  end
  return {
    tasks = node.tasks,
    sources = self.sources,
    store = store.new { conn = node.system, group = "a", node = node.name, run = lion.uuid() },
    deliver = function(event, input) return self:handle(node, event, input) end,
    now = function() return self.ms end,
    monotonic = function() return core.monotonic_ms() + self.offset_ms end,
    random = function() return 0 end,
    log = function(text) self.logged = self.logged .. text end,
    connection = connection,
    follow = function(db, fn)
      node.followed[#node.followed + 1] = { db = db, fn = fn }
      fn(self:database(db):db().basis_t)
    end,
  }
end

-- What the node writes; the spec may have it fail.
local function system_of(self, node)
  return setmetatable({}, { __index = function(_, name)
    if type(self.system[name]) ~= "function" then return self.system[name] end
    if name ~= "transact" then return function(_, ...) return self.system[name](self.system, ...) end end
    return function(_, tx)
      if node.refuses then error(node.refuses, 0) end
      return self.system:transact(tx)
    end
  end })
end

--- Start a node, or start it again. It is entered in the system database, as its door would do.
function World:start(name)
  local node = setmetatable({ world = self, name = name, tasks = scheduler.new(), followed = {} }, Node)
  self.nodes[name] = node
  self.system:transact {
    { ["db/id"] = "g", ["group/name"] = "a" },
    { ["node/name"] = name, ["node/group"] = "g", ["node/state"] = ":node.state/up" },
  }
  node.system = system_of(self, node)
  node.engine = engine.new(host_of(self, node))
  return node
end

--- It does nothing any more.
function Node:kill() self.world.nodes[self.name] = nil end

--- One that was killed was only silent.
function Node:wake() self.world.nodes[self.name] = self end

--- Stop it as its supervisor does.
function Node:stop()
  local has_left
  self.tasks:spawn { fn = function() self.engine:leave(1000) end, done = function(ok) has_left = ok end }
  self.world:until_true(function() return has_left ~= nil end)
  self:kill()
  return has_left
end

function Node:mark(state)
  self.world.system:transact { { ["node/name"] = self.name, ["node/state"] = ":node.state/" .. state } }
end

--- The names of the events whose leases it has, by its own word.
function Node:held()
  local names = {}
  for i, one in ipairs(self.engine:told()) do names[i] = one.event end
  return names
end

-- ---- handlers ------------------------------------------------------------------------------------

--- Called for each event: what it returns is the answer (nil: well done); it may yield "wait".
function World:handle(node, event, input)
  local call = { node = node.name, event = event.name, key = input.key, id = input.id, input = input,
    attempt = input.attempt, time = input.time }
  self.calls[#self.calls + 1] = call
  self.in_hand[event.name] = (self.in_hand[event.name] or 0) + 1
  self.most_in_hand = math.max(self.most_in_hand, self.in_hand[event.name])
  scheduler.sleep(0)
  local answer = self.handlers[event.name] and self.handlers[event.name](input, call)
  self.in_hand[event.name] = self.in_hand[event.name] - 1
  return answer or { is_ok = true }
end

--- The values of a field of all calls of an event, in order.
function World:called(name, field)
  local list = {}
  for _, call in ipairs(self.calls) do
    if call.event == name then list[#list + 1] = call[field] end
  end
  return list
end

-- ---- the world -----------------------------------------------------------------------------------

--- A database, in memory.
function World:database(name)
  self.databases[name] = self.databases[name] or lion.connect("mem:")
  return self.databases[name]
end

local function turn(self)
  for _, node in pairs(self.nodes) do node.tasks:step() end
end

--- Let all nodes go on until this is true.
function World:until_true(is_true)
  local until_ms = core.monotonic_ms() + WAIT_MS
  while not is_true() do
    if core.monotonic_ms() > until_ms then error("it does not come to pass\n" .. self.logged, 2) end
    turn(self)
  end
end

--- Let all go on until so many calls of an event have come.
function World:until_called(name, count)
  self:until_true(function() return #self:called(name, "key") >= count end)
end

--- Set the clock.
function World:set_now(ms)
  self.ms = ms
  for _, node in pairs(self.nodes) do
    for _, event in pairs(node.engine.events) do event.wake() end
  end
end

--- So much time passes for leases.
function World:pass_ms(ms)
  self.offset_ms = self.offset_ms + ms
  for _, node in pairs(self.nodes) do node.engine:wake() end
end

--- Transact, and have it told.
function World:transact(db, tx)
  local report = self:database(db):transact(tx)
  for _, node in pairs(self.nodes) do
    for _, followed in ipairs(node.followed) do
      if followed.db == db then followed.fn(report.t) end
    end
  end
  return report
end

--- Write in the system database as a command does, and have it told.
function World:ask(tx)
  self.system:transact(tx)
  for _, node in pairs(self.nodes) do node.engine:wake() end
end

local RUNNING = [==[
  [:find [?r ...] :in $ ?app
   :where [_ :group/running ?r] [?r :revision/app ?a] [?a :app/name ?app]] ]==]

--- Deploy a manifest with these events; gives when.
function World:deploy(events, app)
  app = app or "shop"
  self.revisions = self.revisions + 1
  local old = self.system:db():q(RUNNING, app)
  local tx = {
    { ["db/id"] = "app", ["app/name"] = app },
    { ["db/id"] = "r", ["revision/app"] = "app", ["revision/name"] = "unrepro/" .. self.revisions,
      ["revision/manifest"] = lion.json.write { app = app, events = events } },
    { ["db/id"] = "g", ["group/name"] = "a", ["group/running"] = "r" },
  }
  local group = self.system:db():entid { "group/name", "a" }
  for _, revision in ipairs(old) do tx[#tx + 1] = { "db/retract", group, "group/running", revision } end
  self:ask(tx)
end

--- An event as the system database has it.
function World:row(name)
  local db = self.system:db()
  for _, row in ipairs(store.rows(db, db:entid { "group/name", "a" })) do
    if row.name == name then return row end
  end
end

--- The dead letters, by key: key → its entity.
function World:dead()
  local db, found = self.system:db(), {}
  for datom in db:datoms("aevt", "event.dead/key") do found[datom.v] = db:pull("[*]", datom.e) end
  return found
end

--- A world without nodes; shop's database has order/number and other/number.
function world.new()
  local self = setmetatable({
    nodes = {}, databases = {}, calls = {}, handlers = {}, in_hand = {}, most_in_hand = 0, broken = {},
    revisions = 0, logged = "", ms = core.now_ms(), offset_ms = 0, sources = sources,
  }, World)
  self.system = self:database "system"
  system.install(self.system)
  self:database("shop"):transact(lion.schema { order = { number = "long", note = "string" },
    other = { number = "long" } })
  return self
end

function World:close()
  for _, conn in pairs(self.databases) do conn:close() end
end

return world
