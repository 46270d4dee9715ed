--- Nodes as a spec's children: started, asked, told to stop, killed in their parts. None of their processes
-- outlives the spec.
local client = require "spec.node.client"
local core = require "lion.core"
local program = require "spec.lua.program"
local repository = require "spec.ions.repository"
local terminal = require "lion.terminal"

local PATIENCE_MS = 60000

local node = {}

--- Wait until fn() gives something, which is returned; raises after a minute, or the ms that are given.
function node.wait_for(fn, what, ms)
  local last = core.monotonic_ms() + (ms or PATIENCE_MS)
  while true do
    local result = fn()
    if result then return result end
    if core.monotonic_ms() > last then error("waited in vain for " .. what, 2) end
    terminal.wait(10)
  end
end

-- ---- processes -------------------------------------------------------------------------------------

local function lines_of(command)
  local pipe = io.popen(command)
  local lines = {}
  for line in pipe:lines() do
    lines[#lines + 1] = line
  end
  pipe:close()
  return lines
end

-- All that run with a mark in their environment, whoever their parent is now: pid → role.
local function marked(mark)
  local result = {}
  for _, path in ipairs(lines_of(("grep -lsz '^LION_SPEC_NODE=%s$' /proc/[0-9]*/environ"):format(mark))) do
    local pid = tonumber(path:match "%d+")
    local words = program.read("/proc/" .. pid .. "/cmdline")
    if words and #words > 0 then
      local role = words:match "%znode%-process%z(%w+)"
      result[pid] = role or words:find "%znode%z" and "supervisor" or "other"
    end
  end
  return result
end

local function kill(pid, signal) os.execute(("kill -%s %d 2>/dev/null"):format(signal, pid)) end

local Node = {}
Node.__index = Node

--- Its processes by role: pid → role.
function Node:processes() return marked(self.mark) end

--- The pids of a role, in order.
function Node:pids(role)
  local list = {}
  for pid, is in pairs(self:processes()) do
    if is == role then list[#list + 1] = pid end
  end
  table.sort(list)
  return list
end

--- Kill a process.
function node.kill(pid) kill(pid, "KILL") end

--- Wait until so many processes of a role are ready; their pids.
function Node:ready_pids(role, count)
  return node.wait_for(function()
    local ok, answer = pcall(self.control, self, "GET", "/status")
    if not ok or answer.status ~= 200 then return nil end
    local pids = {}
    for _, process in ipairs(answer.json().processes) do
      if process.role == role and process.state == "ready" then pids[#pids + 1] = process.pid end
    end
    return #pids == count and pids
  end, ("%d %s that are ready"):format(count, role))
end

--- Ask at the public address.
function Node:ask(method, path, options) return client.ask(self.url, method, path, options) end

--- Ask at the control door.
function Node:control(method, path, options) return client.ask(self.door, method, path, options) end

--- Deployments, newest first; each as the control door tells it alone, with steps and trace.
function Node:deployments()
  local list = {}
  for i, one in ipairs(self:control("GET", "/deployments?limit=100").json()) do
    list[i] = self:control("GET", "/deployments/" .. one.id).json()
  end
  return list
end

--- The bodies that `count` connections of their own get for GET path: body → how many.
function Node:answers(path, count)
  local bodies = {}
  for _ = 1, count do
    local body = self:ask("GET", path).body
    bodies[body] = (bodies[body] or 0) + 1
  end
  return bodies
end

local function has_any(list) return next(list) ~= nil end

--- Wait until all its processes are gone.
function Node:gone()
  local function is_gone() return not has_any(self:processes()) end
  node.wait_for(is_gone, "the end of all processes of node " .. self.name)
end

--- SIGTERM to the supervisor, and the end of all. Returns the exit code.
function Node:stop()
  kill(self.child.pid, "TERM")
  local code = node.wait_for(function() return self.child:code() end, "the end of node " .. self.name)
  self:gone()
  return code
end

-- ---- clusters ----------------------------------------------------------------------------------------

local Cluster = {}
Cluster.__index = Cluster

--- A folder for nodes, and a repository for their application. End it by close().
function node.cluster()
  local self = { folder = program.folder(), repository = repository.new(), nodes = {}, runs = 0 }
  return setmetatable(self, Cluster)
end

-- A folder for what one command leaves.
local function run_folder(self)
  self.runs = self.runs + 1
  local folder = self.folder .. "/run" .. self.runs
  os.execute("mkdir " .. folder)
  return folder
end

--- Start a node and wait until it is ready.
-- @tparam table options name; group; workers; follow: the primary node; memory (MB of a state); secret_key;
-- control: HOST:PORT, where the control door is over TCP: the node's `tcp`; words: more of the command
function Cluster:start(options)
  local self_node = setmetatable({ name = options.name }, Node)
  self_node.options = options
  self_node.mark = self.folder .. "/" .. options.name
  local words = { "node", "--data", self_node.mark, "--name", options.name, "--group", options.group }
  local function add(...)
    for _, word in ipairs { ... } do
      words[#words + 1] = word
    end
  end
  add("--workers", options.workers, "--listen", options.listen or "127.0.0.1:0")
  if options.follow then add("--follow", options.follow.door) end
  if options.memory then add("--memory", options.memory) end
  if options.secret_key then add("--secret-key", options.secret_key) end
  if options.control then add("--control", options.control) end
  if options.words then add(unpack(options.words)) end
  os.execute("mkdir -p " .. self_node.mark)
  local child = program.start(run_folder(self), words, { env = "LION_SPEC_NODE=" .. self_node.mark })
  self_node.child = child
  self.nodes[#self.nodes + 1] = self_node
  self_node.url, self_node.door, self_node.tcp = unpack(node.wait_for(function()
    local url, door, rest = child:out():match "ready (http://[^/%s]+)/?%s+(unix:%S+)([^\n]*)\n"
    if url then return { url, door, rest:match "http://[^/%s]+" } end
    if child:code() then error("the node ended: " .. child:err(), 0) end
  end, "node " .. options.name .. " to be ready"))
  return self_node
end

--- Run a command of the program to its end: { out =, err =, code = }.
function Cluster:lion(...) return program.run(run_folder(self), { ... }) end

--- Begin one that goes on beside the spec; child:code() tells when it has ended.
function Cluster:begin(...) return program.start(run_folder(self), { ... }) end

--- Commit what the files are now, and push it to a node; gives the revision, or nil and what was printed.
function Cluster:push(to, files)
  self.repository:commit(files)
  local result = self:lion("push", self.repository.dir, "--node", to.door)
  if result.code ~= 0 then return nil, result.err .. result.out end
  return result.out:match "^(%S+)"
end

--- Deploy, and wait: { out =, err =, code = }.
function Cluster:deploy(to, revision, groups, ...)
  return self:lion("deploy", revision, "--group", groups, "--node", to.door, ...)
end

--- Push; raises what was printed if it is refused.
function Cluster:pushed(to, files)
  local revision, why = self:push(to, files)
  if not revision then error(why, 2) end
  return revision
end

--- Push and deploy; raises what was printed if either fails. Gives the revision.
function Cluster:run(to, files, groups)
  local revision = self:pushed(to, files)
  local result = self:deploy(to, revision, groups)
  if result.code ~= 0 then error(result.err .. result.out, 2) end
  return revision
end

--- Stop all that runs, and remove the folders. Raises if something had to be killed.
function Cluster:close()
  local problems = {}
  for i = #self.nodes, 1, -1 do
    local one = self.nodes[i]
    if not one.child:code() then
      local ok, why = pcall(one.stop, one)
      if not ok then problems[#problems + 1] = tostring(why) end
    end
    for pid, role in pairs(one:processes()) do
      problems[#problems + 1] = ("%s %d of node %s is left"):format(role, pid, one.name)
      kill(pid, "KILL")
    end
  end
  local told = {}
  for _, one in ipairs(self.nodes) do
    told[#told + 1] = one.child:err()
  end
  self.repository:remove()
  program.remove(self.folder)
  if #problems > 0 then error(table.concat(problems, "\n") .. "\n" .. table.concat(told, "\n"), 2) end
end

return node
