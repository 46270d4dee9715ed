--- lion events: what happens to applications, what is done of it, what was given up.
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"
local output = require "lion.cli.output"

local events = {
  summary = "Look at events: who has them, how far they are, what failed; replay and skip.",
  usage = [[[--group NAME] [--json] [--node NODE]
       lion events dead [EVENT | KEY] [--app NAME] [--group NAME] [--json] [--node NODE]
       lion events replay KEY | --all [EVENT] [--app NAME] [--group NAME] [--json] [--node NODE]
       lion events forget KEY | --all [EVENT] [--app NAME] [--group NAME] [--json] [--node NODE]
       lion events skip EVENT [--all] [--app NAME] [--group NAME] [--json] [--node NODE]

`dead` lists what was given up after all its tries; with a KEY it shows one of them, with its input, its
error and the trace. `replay` has it handled again, with the key and the input that it had; `forget` takes
it away. `skip` gives up now what an event is stuck at, and puts it to the dead letters; with --all the event
passes over everything that has happened up to now. The group is the node's own, if none is named.

  lion events dead --node /var/lib/lion]],
}

-- ---- looking -------------------------------------------------------------------------------------

local function lag_text(ms)
  if not ms then return "" end
  if ms < 1000 then return ("%d ms"):format(ms) end
  return ms < 120000 and ("%d s"):format(ms / 1000) or ("%d min"):format(ms / 60000)
end

local function state_of(one)
  if one.trying then return ("failing, tried %d times: %s"):format(one.attempts or 0, one.error or "") end
  if not one.is_declared then return "resting: no revision has it" end
  return one.holder and "" or "waiting for a node"
end

local HEADINGS = { "app", "event", "on", "node", "position", "lag", "dead", "state" }

local function list(node, _, found)
  local told = node:get("/events", { group = found.group })
  if found.json then return print(#told == 0 and "[]" or json.write(told)) end
  local rows, screen = {}, options.screen()
  for i, one in ipairs(told) do
    rows[i] = { one.app, one.event, one.on, one.holder or "", ("%.0f"):format(one.position or 0),
      lag_text(one.lag_ms), tostring(one.dead), state_of(one) }
  end
  io.stdout:write(output.grid(HEADINGS, rows, screen.width, screen.color))
end

local DEAD = { "key", "tries", "first", "last", "error" }

local FIELDS = { "key", "group", "app", "event", "attempts", "first_at", "failed_at", "replay_at", "input",
  "error", "trace" }

local function show_letter(node, key, found)
  local letter = node:get("/events/dead/" .. node_client.escape(key))
  if found.json then return print(json.write(letter)) end
  for _, field in ipairs(FIELDS) do
    if letter[field] then print(("%-10s %s"):format(field:gsub("_", " "), tostring(letter[field]))) end
  end
end

-- GROUP/APP/EVENT/NUMBER
local function is_key(word) return word ~= nil and word:find "^[^/]+/[^/]+/.+/%d+$" ~= nil end

local function dead(node, word, found)
  if is_key(word) then return show_letter(node, word, found) end
  local told = node:get("/events/dead", { group = found.group, app = found.app, event = word, limit = 1000 })
  if found.json then return print(#told == 0 and "[]" or json.write(told)) end
  local rows, screen = {}, options.screen()
  for i, one in ipairs(told) do
    rows[i] = { one.key, tostring(one.attempts), one.first_at, one.failed_at,
      one.error:match "^[^\n]*" .. (one.replay_at and " (to be replayed)" or "") }
  end
  io.stdout:write(output.grid(DEAD, rows, screen.width, screen.color))
end

-- ---- changing ------------------------------------------------------------------------------------

local function naming(action, word, found)
  if found.all then return { all = true, event = word, app = found.app, group = found.group } end
  if not word then options.misuse("lion events %s takes the KEY of a dead letter, or --all", action) end
  return { key = word }
end

local function change(action, words)
  return function(node, word, found)
    local told = node:post("/events/" .. action, naming(action, word, found))
    if found.json then return print(json.write(told)) end
    print((told.count == 1 and "1 dead letter %s" or told.count .. " dead letters %s"):format(words))
  end
end

local function skip(node, word, found)
  if not word then options.misuse "lion events skip takes an EVENT" end
  local told = node:post("/events/skip",
    { event = word, app = found.app, group = found.group, all = found.all and true or nil })
  if found.json then return print(json.write(told)) end
  print(found.all and ("%s of %s passes over all that has happened"):format(told.event, told.app)
    or ("%s of %s gives up what it is stuck at"):format(told.event, told.app))
end

local actions = {
  dead = dead,
  replay = change("replay", "to be replayed"),
  forget = change("forget", "forgotten"),
  skip = skip,
}

function events.run(args)
  local found, words = options.parse(args, { group = "value", app = "value", all = "flag", json = "flag",
    node = "value", token = "value" })
  local action = words[1]
  if action and not actions[action] then options.no_action("events", action, actions) end
  if #words > 2 then options.misuse("lion events %s takes no %s", action, words[3]) end
  if found.all and (not action or action == "dead") then
    options.misuse "--all is for lion events replay, forget and skip"
  end
  local node = node_client.open(found.node, found.token)
  local run = action and actions[action] or list
  run(node, words[2], found)
  node:close()
  return 0
end

return events
