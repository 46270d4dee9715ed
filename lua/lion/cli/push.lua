--- lion push
local deployment = require "lion.cli.deployment"
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"

local push = {
  summary = "Store a commit's application on a node as a revision, which can be deployed.",
  usage = [[[DIR (.)] [--name NAME] [--json] [--node NODE] [--token TOKEN]

DIR is a folder with an ion.lua in a git work tree. The revision is called as the commit; what no commit tells
(the work tree differs, a dependency is a folder) needs a --name and is called unrepro/NAME. All that is wrong
with it is told at once, with file and line, and nothing is stored. Only files that the node does not have are
sent. The revision's name is printed on the first line.

  lion push examples/packages --node /var/lib/lion]],
}

local AWAY_MS_MAX, STORE_MS_MAX = 30000, 120000

-- A push may be asked twice: what is there stays.
local function again(fn) return node_client.insist(AWAY_MS_MAX, fn) end

-- As it is sent: an empty list has no form of its own in JSON, and deps may be left out.
local function body_of(revision)
  local body = {}
  for name, value in pairs(revision) do
    body[name] = value
  end
  if #revision.deps == 0 then body.deps = nil end
  return body
end

local function send_files(node, missing, contents)
  local shows = options.shows_progress()
  for i, hash in ipairs(missing) do
    if shows then options.progress("%d of %d files", i, #missing) end
    again(function() return node:put("/push/files/" .. hash, contents[hash], STORE_MS_MAX) end)
  end
  if shows then options.progress() end
end

local function store(node, revision, contents)
  local body = body_of(revision)
  local plan = again(function() return node:post("/push/plan", body, STORE_MS_MAX) end)
  if not plan.is_new then return { app = revision.app, revision = revision.name, is_new = false } end
  send_files(node, plan.missing, contents)
  local answer = again(function() return node:post("/push", body, STORE_MS_MAX) end)
  answer.sent = #plan.missing
  return answer
end

-- A group that runs nothing yet takes any application; one that runs others is asked to take this one too.
local function command_of(group, answer)
  local adds = #group.apps > 0
  for _, app in ipairs(group.apps) do
    if app == answer.app then adds = false end
  end
  local revision, add = deployment.short(answer.revision), adds and " --add" or ""
  return ("lion deploy %s --group %s%s"):format(revision, group.name, add)
end

local function show(node, answer)
  print(answer.revision)
  if answer.is_new then
    io.stdout:write(("%s: %d files, %d of them sent\n"):format(answer.app, answer.files, answer.sent))
  else
    io.stdout:write(("%s: it is there already, nothing was sent\n"):format(answer.app))
  end
  for _, group in ipairs(node:get "/groups") do
    io.stdout:write("  ", command_of(group, answer), "\n")
  end
end

function push.run(args)
  local found, words = options.parse(args, { name = "value", json = "flag", node = "value", token = "value" })
  if #words > 1 then options.misuse "one folder is needed: lion push [DIR]" end
  local node = node_client.open(found.node, found.token)
  local revision, contents = require("ions.push").read { dir = words[1] or ".", name = found.name,
    pushed_by = node_client.who() }
  local answer = store(node, revision, contents)
  if found.json then
    print(json.write(answer))
  else
    show(node, answer)
  end
  node:close()
  return 0
end

return push
