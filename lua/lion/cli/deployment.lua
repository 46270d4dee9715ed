--- A deployment on the command line: asked for, followed step by step, and how it ended.
-- @module lion.cli.deployment
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"
local terminal = require "lion.terminal"
local values = require "lion.values"

local deployment = {}

local EXIT_FAILED, EXIT_INTERRUPTED = 1, 130

-- A door that is replaced is back within seconds.
local AWAY_MS_MAX = 20000
local WAIT_MS = 5000

local COMMIT_DIGITS = 12

--- A revision's name as people read it: a commit's first digits.
function deployment.short(name)
  return name:find "^%x+$" and #name >= 40 and name:sub(1, COMMIT_DIGITS) or name
end

--- The groups that --group names; without it the only one there is.
-- @param node
-- @tparam[opt] string given "a,b"
-- @treturn table names
function deployment.groups(node, given)
  local names = {}
  for name in (given or ""):gmatch "[^,%s]+" do
    names[#names + 1] = name
  end
  if given and #names == 0 then options.misuse "--group takes a group's name, or several: a,b" end
  if given then return names end
  for i, group in ipairs(node:get "/groups") do
    names[i] = group.name
  end
  if #names == 1 then return names end
  options.misuse("which group? --group takes one or more of %s", table.concat(names, ", "))
end

-- ---- what is shown ---------------------------------------------------------------------------------

local function seconds(from, to)
  local a, b = from and values.parse_instant(from), to and values.parse_instant(to)
  return a and b and ("%.2f s"):format(math.max(0, tonumber(b - a)) / 1000) or ""
end

local function step_text(step)
  local target = step.worker and ("%s %d"):format(step.target or "worker", step.worker) or step.target or ""
  local text = ("  %-8s %-16s %-10s"):format(step.kind, step.node or "", target)
  if step.state == "running" then return text .. " …" end
  if step.state == "failed" then
    local reason = step.reason and ": " .. step.reason:match "[^\n]*" or ""
    return text .. " failed" .. reason
  end
  return text .. " " .. seconds(step.started_at, step.ended_at)
end

--- Its first line.
function deployment.title(d)
  local verb = d.is_rollback and "back to " or ""
  return ("%s: %s%s %s  (%s)"):format(d.group, verb, d.app, deployment.short(d.revision), d.id)
end

-- What goes on now, on a terminal: a line that the next one takes the place of.
local function show_now(text)
  if terminal.is_terminal(1) then io.stdout:write("\r", text, "\27[K") end
end

local WORDS = { waiting = "  waiting for the deployment before it …", rolling = "  rolling …",
  ["rolling-back"] = "  rolling back …" }

-- Steps that are over have a line each, once; `shown` counts them.
local function show_steps(d, shown)
  local steps = d.steps or {}
  while steps[shown + 1] and (d.is_over or steps[shown + 1].state ~= "running") do
    shown = shown + 1
    show_now ""
    io.stdout:write(step_text(steps[shown]), "\n")
  end
  local step = steps[shown + 1]
  if not d.is_over then show_now(step and step_text(step) or WORDS[d.state] or "") end
  io.stdout:flush()
  return shown
end

--- How it ended, on standard output, or why it did not end well, on standard error.
-- @treturn number the exit code
function deployment.conclude(d)
  local short = deployment.short
  show_now ""
  if d.state == "done" and d.is_running_already then
    io.stdout:write(("%s runs %s of %s already\n"):format(d.group, short(d.revision), d.app))
  elseif d.state == "done" then
    local before = d.previous and (", before it %s"):format(short(d.previous)) or ""
    io.stdout:write(("%s runs %s of %s (%s%s)\n"):format(d.group, short(d.revision), d.app,
      seconds(d.started_at or d.asked_at, d.ended_at), before))
  else
    local now = d.previous and (", which runs %s as before"):format(short(d.previous)) or ""
    io.stdout:flush()
    io.stderr:write(("lion: %s of %s is not in %s%s: %s\n"):format(short(d.revision), d.app, d.group, now,
      d.reason or d.state))
    if d.trace then io.stderr:write(d.trace, "\n") end
    return EXIT_FAILED
  end
  return 0
end

-- ---- following -------------------------------------------------------------------------------------

--- Ask for a deployment as it is; `before` is the answer before, which something must have been added to.
function deployment.get(node, id, before)
  local parameters = before and { after = #(before.steps or {}), state = before.state, wait_ms = WAIT_MS }
  return node:get("/deployments/" .. id, parameters)
end

-- The next answer, when there is more to tell than in the one before.
local function next_of(node, d)
  if terminal.wait(0) then node_client.raise_cancelled() end
  return node_client.insist(AWAY_MS_MAX, function() return deployment.get(node, d.id, d) end, true)
end

local function follow(node, d)
  io.stdout:write(deployment.title(d), "\n")
  local shown = show_steps(d, 0)
  while not d.is_over do
    d = next_of(node, d)
    shown = show_steps(d, shown)
  end
  return d
end

local function wait_silently(node, d)
  while not d.is_over do
    d = next_of(node, d)
  end
  return d
end

-- It goes on, though it is not seen any more: the user has seen enough, or the node does not answer.
local function lose_sight(d, e)
  show_now ""
  io.stdout:flush()
  local hint = ("it goes on; `lion status %s --wait` shows how"):format(d.id)
  if type(e) ~= "table" or e.code ~= "lion/cancelled" then
    if type(e) == "table" and e.category == "unavailable" then e.message = e.message .. "; " .. hint end
    error(e, 0)
  end
  io.stderr:write("lion: ", hint, "\n")
  return EXIT_INTERRUPTED
end

--- Follow deployments to their ends, one after the other; Ctrl-C ends the showing alone.
-- @param node
-- @tparam table list deployments
-- @tparam boolean is_json what is printed is what the node tells, when all are over
-- @treturn number the exit code: that of the worst
function deployment.follow(node, list, is_json)
  local code, ended = 0, {}
  terminal.catch_end()
  for i, d in ipairs(list) do
    local ok, result = pcall(is_json and wait_silently or follow, node, d)
    if not ok then return lose_sight(d, result) end
    ended[i] = result
    if not is_json then deployment.conclude(result) end
    if result.state ~= "done" then code = EXIT_FAILED end
  end
  if is_json then print(json.write(ended)) end
  return code
end

--- Ask for deployments, and follow them, or tell how to.
-- @param node
-- @tparam string path "/deploy" or "/rollback"
-- @tparam table request
-- @tparam table found the command line's options: no-wait, json
-- @treturn number the exit code
function deployment.ask(node, path, request, found)
  request.id, request.by = require("lion").uuid(), node_client.who()
  local answer = node_client.insist(AWAY_MS_MAX, function() return node:post(path, request) end)
  if not found["no-wait"] then return deployment.follow(node, answer.deployments, found.json) end
  if found.json then
    print(json.write(answer.deployments))
    return 0
  end
  for _, d in ipairs(answer.deployments) do
    io.stdout:write(deployment.title(d), "\n")
  end
  return 0
end

--- Show a deployment as it is now.
function deployment.show(d)
  io.stdout:write(deployment.title(d), "\n")
  for _, step in ipairs(d.steps or {}) do
    io.stdout:write(step_text(step), "\n")
  end
  if d.is_over then return deployment.conclude(d) end
  io.stdout:write(WORDS[d.state] or d.state, "\n")
  return 0
end

return deployment
