--- lion param
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"
local output = require "lion.cli.output"
local values = require "lion.values"

local param = {
  summary = "Set, look up and list the parameters of applications, and the key of those that are secret.",
  usage = [[set PATH VALUE [--group GROUP] [--app APP] [--secret] [--json]
       lion param set PATH --stdin [--group GROUP] [--app APP] [--secret] [--json]
       lion param get PATH [--group GROUP] [--app APP] [--reveal] [--json]
       lion param list [PATH] [--group GROUP] [--app APP] [--json]
       lion param unset PATH [--group GROUP] [--app APP]
       lion param history PATH [--group GROUP] [--app APP] [--limit N] [--json]
       lion param key | rotate-key [--json]
       each with [--node NODE] [--token TOKEN]

  --group, --app   where it holds: for one group, one application, both; without them for all
  --secret         keep it sealed by the node's key; it is shown by `get --reveal` alone
  --stdin          the value is what comes from standard input, less the end of its last line
  --json           with set: the value is JSON, not text; else: print JSON

`get` says what an application would be told there: a group's value goes before an application's, that
before one for all, and that before the manifest's. A change is seen by the next call.

  lion param set /shop/web/currency EUR --app shop
  lion param set /mail/limit 20 --json --group production
  lion param set /bank/key --secret --stdin --group production < key.txt
  lion param get /shop/web/currency --app shop --group production]],
}

local NODE = { node = "value", token = "value" }
local PLACE = { group = "value", app = "value", json = "flag" }

local function known_with(...)
  local known = {}
  for _, names in ipairs { NODE, ... } do
    for name, kind in pairs(names) do known[name] = kind end
  end
  return known
end

local function text_of(value) return type(value) == "string" and value or json.write(value) end

local function print_json(value)
  local is_empty = type(value) == "table" and next(value) == nil
  print(is_empty and "[]" or json.write(value))
end

local function take_path(action, words)
  if #words ~= 1 then options.misuse("lion param %s takes one PATH", action) end
  return words[1]
end

-- ---- set, unset --------------------------------------------------------------------------------------

local function read_value(found, words)
  if found.stdin and #words ~= 1 or not found.stdin and #words ~= 2 then
    options.misuse "lion param set takes PATH VALUE, or PATH --stdin"
  end
  local text = found.stdin and options.read_file "-":gsub("\r?\n$", "") or words[2]
  if not found.json then return text end
  local ok, value = pcall(json.read, text)
  if not ok then options.misuse("the value is no JSON: %s", value.message) end
  if value == values.null then options.misuse "null is no value: lion param unset takes one away" end
  return value
end

local function set(node, found, words)
  node:post("/params", { path = words[1], value = read_value(found, words), group = found.group,
    app = found.app, is_secret = found.secret, by = node_client.who() })
  return 0
end

local function unset(node, found, words)
  local told = node:post("/params", { path = take_path("unset", words), value = values.null,
    group = found.group, app = found.app, by = node_client.who() })
  if not told.was_set then io.stderr:write(("%s was not set there\n"):format(words[1])) end
  return 0
end

-- ---- get, list, history ------------------------------------------------------------------------------

local function get(node, found, words)
  local place = { path = take_path("get", words), group = found.group, app = found.app }
  local told = found.reveal and node:post("/params/reveal", place) or node:get("/params/value", place)
  if found.json then
    print_json(told)
  else
    print(text_of(told.value))
  end
  return 0
end

local function shown(one)
  if one.is_unset then return "" end
  return one.is_secret and "(secret)" or text_of(one.value)
end

local function show(headings, list, row)
  local rows, screen = {}, options.screen()
  for i, one in ipairs(list) do rows[i] = row(one) end
  io.stdout:write(output.grid(headings, rows, screen.width, screen.color))
end

local function list_all(node, found, words)
  if #words > 1 then options.misuse "lion param list takes at most one PATH" end
  local list = node:get("/params", { path = words[1], group = found.group, app = found.app })
  if found.json then
    print_json(list)
    return 0
  end
  show({ "path", "group", "app", "value", "since", "by" }, list, function(one)
    return { "/" .. one.path, one.group, one.app, shown(one), one.since, one.by }
  end)
  return 0
end

local function history(node, found, words)
  local list = node:get("/params/history", { path = take_path("history", words), group = found.group,
    app = found.app, limit = found.limit })
  if found.json then
    print_json(list)
    return 0
  end
  show({ "at", "group", "app", "what", "value", "by" }, list, function(one)
    return { one.at, one.group, one.app, one.is_unset and "unset" or "set", shown(one), one.by }
  end)
  return 0
end

-- ---- the key -----------------------------------------------------------------------------------------

local function refuse_words(action, words)
  if #words > 0 then options.misuse("lion param %s takes no %s", action, words[1]) end
end

local function key(node, found, words)
  refuse_words("key", words)
  local told = node:post("/params/key", {})
  if found.json then
    print_json(told)
  else
    print(("%s %s (key %s)"):format(told.is_new and "made" or "there is", told.file, told.key))
  end
  return 0
end

local function rotate_key(node, found, words)
  refuse_words("rotate-key", words)
  local told = node:post("/params/rotate-key", { by = node_client.who() })
  if found.json then
    print_json(told)
  else
    print(("%s has a new key (%s); %d secrets are sealed by it"):format(told.file, told.key, told.secrets))
  end
  return 0
end

-- ---- all ---------------------------------------------------------------------------------------------

local ACTIONS = {
  set = { set, known_with(PLACE, { secret = "flag", stdin = "flag" }) },
  get = { get, known_with(PLACE, { reveal = "flag" }) },
  list = { list_all, known_with(PLACE) },
  unset = { unset, known_with { group = "value", app = "value" } },
  history = { history, known_with(PLACE, { limit = "number" }) },
  key = { key, known_with { json = "flag" } },
  ["rotate-key"] = { rotate_key, known_with { json = "flag" } },
}

function param.run(args)
  local name = args[1]
  local action = ACTIONS[name] or options.no_action("param", tostring(name), ACTIONS)
  local found, words = options.parse({ unpack(args, 2) }, action[2])
  local node = node_client.open(found.node, found.token)
  local code = action[1](node, found, words)
  node:close()
  return code
end

return param
