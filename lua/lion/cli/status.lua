--- lion status
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local deployment = require "lion.cli.deployment"
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"
local output = require "lion.cli.output"
local terminal = require "lion.terminal"

local status = {
  summary = "Tell how a node is, what its group runs, and how a deployment goes.",
  usage = [[[DEPLOYMENT] [--wait] [--timeout SECONDS (30)] [--output table|json] [--json]
       [--node NODE] [--token TOKEN]

DEPLOYMENT is the id that `lion deploy` shows. --wait waits until the node is ready, whether or not it has
been started yet (5 when the time is over); with a deployment it follows that to its end and ends as
`lion deploy` does.

  lion status --wait --node /var/lib/lion]],
}

local FORMATS = { table = true, json = true }
local TIMEOUT_S, POLL_MS, ASK_MS_MAX = 30, 100, 5000

-- ---- a node ----------------------------------------------------------------------------------------

local function grid(headings, rows)
  local screen = options.screen()
  io.stdout:write("\n", output.grid(headings, rows, screen.width, screen.color))
end

local function show_node(node)
  local kind = node.is_primary and ", primary" or ""
  local text = "node %s of group %s%s: %s since %s, Lion %s\n"
    .. "answers at http://%s/, controlled at %s, data in %s\n"
  io.stdout:write(text:format(node.name, node.group, kind, node.state, node.started_at, node.version,
    node.address, node.control, node.dir))
end

local function show_processes(list)
  local rows = {}
  for i, p in ipairs(list) do
    local name = p.role == "worker" and ("%s %d"):format(p.role, p.index) or p.role
    rows[i] = { name, p.pid, p.state, p.started_at, p.restarts, p.reason }
  end
  grid({ "process", "pid", "state", "since", "restarts", "reason of the last" }, rows)
end

local function show_apps(list)
  local rows = {}
  for i, a in ipairs(list) do
    rows[i] = { a.app, deployment.short(a.revision), a.since, a.by }
  end
  if #rows == 0 then rows[1] = { "(none)" } end
  grid({ "app", "revision", "since", "by" }, rows)
end

-- What a worker runs that its group does not: the middle of a deployment, or a worker that could not.
local function show_workers(list, apps)
  local runs = {}
  for _, a in ipairs(apps) do
    runs[a.app] = a.revision
  end
  for _, worker in ipairs(list) do
    if not worker.is_answering then io.stdout:write(("worker %d does not answer\n"):format(worker.worker)) end
    for _, a in ipairs(worker.apps or {}) do
      local text = "worker %d runs %s of %s\n"
      local is_other = runs[a.app] ~= a.revision
      if is_other then io.stdout:write(text:format(worker.worker, deployment.short(a.revision), a.app)) end
    end
  end
end

local function show_all(answer)
  show_node(answer.node)
  show_processes(answer.processes)
  show_apps(answer.apps)
  show_workers(answer.workers, answer.apps)
  for _, d in ipairs(answer.deployments) do
    io.stdout:write("\n")
    deployment.show(d)
  end
end

-- ---- waiting ---------------------------------------------------------------------------------------

-- nil when it is ready, else what is missing.
local function missing(answer)
  if answer.node.state ~= "up" then return "the node is " .. tostring(answer.node.state) end
  for _, p in ipairs(answer.processes) do
    if p.state ~= "ready" then return ("%s is %s"):format(p.role, p.state) end
  end
end

local function ask(node) return node:status(ASK_MS_MAX) end

-- Until nothing is missing. An answer that is an error counts as one that has not come.
local function wait_for(node, seconds)
  local deadline = core.monotonic_ms() + seconds * 1000
  while true do
    local left = math.max(1, deadline - core.monotonic_ms())
    local answer = node_client.insist(left, function() return ask(node) end, true)
    local lack = missing(answer)
    if not lack then return answer end
    if core.monotonic_ms() >= deadline then
      local message = ("%s is not ready: %s"):format(node.address, lack)
      error(anomaly.new("unavailable", "lion/timeout", message), 0)
    end
    terminal.wait(POLL_MS)
  end
end

-- ---- the command -----------------------------------------------------------------------------------

local function of_deployment(node, id, found, format)
  if not id:find "^%x+%-[%x-]+$" then options.misuse("%s is no deployment's id, which is a uuid", id) end
  local d = deployment.get(node, id)
  if found.wait then return deployment.follow(node, { d }, format == "json") end
  if format == "json" then
    print(json.write(d))
  else
    deployment.show(d)
  end
  return 0
end

local function of_node(node, found, format)
  local answer = found.wait and wait_for(node, found.timeout or TIMEOUT_S) or ask(node)
  if format == "json" then
    print(json.write(answer))
  else
    show_all(answer)
  end
  return 0
end

function status.run(args)
  local found, words = options.parse(args, { wait = "flag", timeout = "number", output = "value",
    json = "flag", node = "value", token = "value" })
  local format = found.json and "json" or found.output or "table"
  options.one_of("output", format, FORMATS)
  if #words > 1 then options.misuse "one deployment at a time: lion status [DEPLOYMENT]" end
  local node = node_client.open(found.node, found.token)
  local code
  if words[1] then
    code = of_deployment(node, words[1], found, format)
  else
    code = of_node(node, found, format)
  end
  node:close()
  return code
end

return status
