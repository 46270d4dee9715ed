--- Processes of a node are killed while clients transact. Each request writes a number of its own; what a
-- client was told to be in must be in at the end, once.
local application = require "spec.node.application"
local client = require "spec.node.client"
local node = require "spec.node.node"
local lion = require "lion"

local CONNECTIONS = 8

-- Of a line of /proc/net/tcp: the other side's port, and the socket's inode.
local TCP_LINE = "%d+: %x+:%x+ %x+:(%x+) %x%x %x+:%x+ %x+:%x+ %x+ +%d+ +%d+ (%d+)"

local crash = {}

--- A primary node that runs the application, with an empty database.
function crash.cluster(workers)
  local cluster = node.cluster()
  local a = cluster:start { name = "one", group = "a", workers = workers }
  cluster:run(a, application.files "here", "a")
  assert(a:ask("POST", "/setup").status == 200)
  return cluster, a
end

-- Ports of the clients whose connections a process has: what the kernel tells of its descriptors.
local function clients_of(pid)
  local inodes, ports = {}, {}
  local pipe = io.popen(("ls -l /proc/%d/fd 2>/dev/null; echo; cat /proc/net/tcp"):format(pid))
  local listing, table_of = pipe:read("*a"):match "^(.-)\n\n(.*)$"
  pipe:close()
  for inode in (listing or ""):gmatch "socket:%[(%d+)%]" do
    inodes[inode] = true
  end
  for remote, inode in (table_of or ""):gmatch(TCP_LINE) do
    if inodes[inode] and remote ~= "0000" then ports[tonumber(remote, 16)] = true end -- who listens has none
  end
  return ports
end

-- A flood of transactions. Lost and refused ones are sent again if `is_again`, with the id that they had.
local function flood_of(address, settings)
  local next_number = settings.first or 0
  local told = {}
  local flood = client.flood(address, {
    connections = settings.connections or CONNECTIONS,
    request = function(retry)
      if retry then return retry end
      next_number = next_number + 1
      local options = { body = tostring(next_number), headers = { ["x-id"] = lion.uuid() } }
      return { text = client.text("POST", settings.path, options), number = next_number }
    end,
    answered = function(answer, request)
      if answer.status ~= 200 then return settings.is_again end
      told[request.number] = true
    end,
    lost = function(request, why, lane)
      if settings.lost then settings.lost(request, why, lane) end
      return settings.is_again
    end,
  })
  flood.told = told
  return flood
end
crash.flood = flood_of

--- What of the numbers that clients were told is not there exactly once, as texts.
-- @tparam Node a
-- @tparam string of the attribute
-- @tparam table told number → true
function crash.wrong_numbers(a, of, told)
  local found = {}
  for number in a:ask("GET", "/numbers?of=" .. of).body:gmatch "%d+" do
    found[tonumber(number)] = (found[tonumber(number)] or 0) + 1
  end
  local wrong = {}
  for number in pairs(told) do
    if not found[number] then wrong[#wrong + 1] = number .. " is lost" end
  end
  for number, count in pairs(found) do
    if count > 1 then wrong[#wrong + 1] = number .. " is there " .. count .. " times" end
  end
  return wrong
end

--- Kill workers, one at a time, under a flood of transactions.
-- @tparam Node a
-- @tparam number kills
-- @tparam[opt] function(n) progress
-- @treturn table { told =, lost =, bad =, strangers = what was lost though another worker had it }
function crash.kill_workers(a, kills, progress)
  local killed_ports, strangers = {}, {}
  local flood = flood_of(a.url, {
    path = "/visit",
    lost = function(_, why, lane)
      if not killed_ports[lane.port] then strangers[#strangers + 1] = why end
      killed_ports[lane.port] = nil
    end,
  })
  for i = 1, kills do
    flood:answers(10)
    local pid
    flood:until_(function()
      local pids = a:pids "worker"
      pid = pids[i % #pids + 1]
      return #pids > 1 and pid -- somebody is left to answer
    end, "two workers")
    for port in pairs(clients_of(pid)) do
      killed_ports[port] = true
    end
    node.kill(pid)
    if progress then progress(i) end
  end
  flood:answers(10)
  local counts = flood:finish()
  return { told = flood.told, lost = counts.lost, bad = flood.bad, strangers = strangers }
end

--- Kill the one process of a role again and again under a flood that sends again what failed, with its
-- id.
-- @treturn table numbers that clients were told → true
function crash.kill_role(a, role, kills, path)
  local flood = flood_of(a.url, { path = path, is_again = true })
  local before
  for _ = 1, kills do
    flood:answers(10)
    local pid = flood:until_(function()
      local now = a:pids(role)[1]
      return now ~= before and now
    end, "a " .. role)
    before = pid
    node.kill(pid)
  end
  flood:answers(20)
  -- nothing new is begun, and what is under way is sent again until it is answered
  flood.settings.request = function(retry) return retry or { text = client.text("GET", "/"), number = 0 } end
  flood:until_(function()
    for _, lane in ipairs(flood.lanes) do
      if lane.request.number ~= 0 then return false end
    end
    return true
  end, "answers to all that was begun")
  flood:finish()
  flood.told[0] = nil
  return flood.told, flood.counts
end

return crash
