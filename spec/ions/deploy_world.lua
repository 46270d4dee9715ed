--- Groups, nodes and their processes as a spec's material: the doors of all nodes in one Lua state, each a
-- coroutine over ions.deploy.roll, with one system database. Processes are tables that remember what they
-- run.
local lion = require "lion"
local nodes = require "ions.deploy.nodes"
local roll = require "ions.deploy.roll"
local system = require "ions.push.system"

local world = {}

local World = {}
World.__index = World

local Node = {}
Node.__index = Node

-- ---- a node --------------------------------------------------------------------------------------

local function key_of(target) return target.index and target.role .. " " .. target.index or target.role end

function Node:now() return self.world.time end
function Node:monotonic() return self.world.time end
function Node:is_answering(other) return self.world.nodes[other.name].is_alive end

function Node:targets()
  local list = {}
  if self.is_primary then list[1] = { role = "executor" } end
  for index = 1, self.workers do list[#list + 1] = { role = "worker", index = index } end
  return list
end

function Node:runs(target) return self.processes[key_of(target)] end

-- What the spec wants to go wrong there, if anything: an answer, or nil for a good one.
local function fault(self, what, ...)
  self.world:note("%s %s", self.name, what)
  coroutine.yield "waiting"
  local fn = self.world.faults[self.name .. " " .. what]
  return fn and fn(...) or nil
end

function Node:try(app, revision)
  return fault(self, "try", app, revision) or { is_ok = true, ms = 1 }
end

function Node:switch(target, app, revision)
  local key = key_of(target)
  local answer = fault(self, "switch " .. key, app, revision)
  if answer then return answer end
  self.processes[key] = self.processes[key] or {}
  self.processes[key][app] = revision
  coroutine.yield "waiting" -- it runs it, and the door does not know yet
  return { is_ok = true, ms = 1 }
end

-- A process that starts runs what the group runs.
function Node:restart(target)
  local running = {}
  for app, revision in pairs(self.world:running(self.group)) do running[app] = revision end
  self.processes[key_of(target)] = running
end

function Node:replace(target)
  self.world:note("%s replace %s", self.name, key_of(target))
  self:restart(target)
end

-- ---- doors ---------------------------------------------------------------------------------------

-- A connection as a door has it: others may write between what it reads and what it writes, and it may die
-- before it knows that it has written.
local function slow(conn)
  return {
    db = function() return conn:db() end,
    transact = function(_, tx)
      coroutine.yield "writing"
      local report = conn:transact(tx)
      coroutine.yield "written"
      return report
    end,
  }
end

-- The door begins, or begins anew: nothing but the database knows what it was doing.
function World:open_door(node)
  node.roll = roll.new(slow(self.conn), node)
  node.door = coroutine.create(function()
    while true do
      while node.roll:pass() do coroutine.yield "busy" end
      coroutine.yield "idle"
    end
  end)
end

--- Kill a node whole: its door does nothing any more, its processes are gone.
function World:kill(name)
  self.nodes[name].is_alive, self.nodes[name].door = false, nil
end

--- Start it again.
function World:start(name)
  local node = self.nodes[name]
  node.is_alive = true
  node.id = nodes.register(self.conn, node)
  for _, target in ipairs(node:targets()) do node:restart(target) end
  self:open_door(node)
end

--- Kill a door alone; its successor begins at once, beside processes that run on.
function World:restart_door(name) self:open_door(self.nodes[name]) end

-- One slice of a door: what it says it does.
local function resume(node)
  local ok, said = coroutine.resume(node.door)
  if not ok then error(debug.traceback(node.door, tostring(said)), 0) end
  return said
end

--- Let the doors work, one slice each in turn, until none has anything to do or `is_enough()`.
-- @tparam[opt] function is_enough
function World:run(is_enough)
  for _ = 1, 10000 do
    local is_idle = true
    for _, name in ipairs(self.order) do
      local node = self.nodes[name]
      if node.door then
        if resume(node) ~= "idle" then is_idle = false end
        if is_enough and is_enough() then return end
      end
    end
    if is_idle then return end
  end
  error "the doors come to no end"
end

--- Let the doors work for so many slices.
function World:slices(count)
  for _ = 1, count do
    for _, name in ipairs(self.order) do
      if self.nodes[name].door then resume(self.nodes[name]) end
    end
  end
end

--- Let time go by.
function World:wait(ms)
  self.time = self.time + ms
  self:run()
end

-- ---- what there is -------------------------------------------------------------------------------

--- A group's applications and what is said to run.
function World:running(group)
  local rows = self.conn:db():q([==[[:find ?app ?name :in $ ?group
    :where [?g :group/name ?group] [?g :group/running ?r] [?r :revision/name ?name]
           [?r :revision/app ?a] [?a :app/name ?app]]]==], group)
  local running = {}
  for _, row in ipairs(rows) do running[row[1]] = row[2] end
  return running
end

--- What the processes of a node really run of an application: a list, in the order of a switch; "-" for none.
function World:runs(name, app)
  local node, list = self.nodes[name], {}
  for _, target in ipairs(node:targets()) do
    local runs = node:runs(target)
    list[#list + 1] = runs and runs[app] or "-"
  end
  return table.concat(list, " ")
end

--- A deployment's state and its steps, as a line each: "1 a load done", "4 a switch 2 failed: reason".
function World:story(id)
  local found = self.conn:db():pull([==[[:deployment/state
    {:deployment/steps [:deployment.step/order :deployment.step/kind :deployment.step/state
      :deployment.step/worker :deployment.step/reason {:deployment.step/node [:node/name]}]}]]==],
    { "deployment/id", id })
  local lines = {}
  for _, step in ipairs(found["deployment/steps"] or {}) do
    local worker, reason = step["deployment.step/worker"], step["deployment.step/reason"]
    lines[step["deployment.step/order"]] = ("%s %s%s %s%s"):format(step["deployment.step/node"]["node/name"],
      step["deployment.step/kind"]:match "/(.+)", worker and " " .. worker or "",
      step["deployment.step/state"]:match "/(.+)", reason and ": " .. reason or "")
  end
  return found["deployment/state"]:match "/(.+)", lines
end

function World:note(...) self.notes[#self.notes + 1] = string.format(...) end

--- A revision of an application, as if it had been pushed.
function World:push(app, name)
  self.conn:transact {
    { ["db/id"] = "app", ["app/name"] = app },
    { ["revision/app"] = "app", ["revision/name"] = name,
      ["revision/commit"] = name:find "^unrepro/" and ("e"):rep(40) or name },
  }
end

--- A world of groups, each a list of node names; the first group is the primary one. Nodes have two workers.
-- @tparam table groups { { "production", "a", "b" }, { "staging", "c", "d" } }
function world.new(groups)
  local self = setmetatable({ conn = lion.connect "mem:", time = 1700000000000, nodes = {}, order = {},
    faults = {}, notes = {} }, World)
  system.install(self.conn)
  for i, group in ipairs(groups) do
    for k = 2, #group do
      local name = group[k]
      self.nodes[name] = setmetatable({ world = self, name = name, group = group[1],
        is_primary = i == 1 and k == 2, workers = 2, address = "127.0.0.1:80",
        control = "unix:/" .. name, version = "0.1.0", started_at = self.time, processes = {} }, Node)
      self.order[#self.order + 1] = name
      self:start(name)
    end
  end
  return self
end

function World:close() self.conn:close() end

return world
