--- lion invoke
local anomaly = require "lion.anomaly"
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"

local EXIT_FAILED, EXIT_NOT_FOUND = 1, 3

local invoke = {
  summary = "Call an entry point of an application: JSON in, JSON out.",
  usage = [[FN [JSON] [--dir DIR (.)] [--db URI (DIR/.lion/dev.lion)] [--with DIR]    ("-" is standard input)
         [--param NAME=TEXT]…

       lion invoke [APP/]FN [JSON] --node NODE [--token TOKEN]

FN is a name of the manifest's `invoke`. Without JSON the function is given nil. On a node (--node, or
LION_NODE without --dir and --db) the application may be left out where the node's group runs one.

  lion invoke breaks '{"name": "libc6"}' --dir examples/packages]],
}

local function read_input(word)
  if not word then return nil end
  local ok, value = pcall(json.read, word == "-" and options.read_file "-" or word)
  if not ok then options.misuse("the input is no JSON: %s", value.message) end
  return value
end

local function fail(exit, e) error({ exit = exit, message = tostring(e.message or e) }, 0) end

local function in_folder(name, input, found)
  local place = require("lion.cli.dev").place(found.dir or ".", found.db, found.with, found.param)
  local app = require("ions.app").load(place)
  local ok, result = pcall(function() return json.write(app:invoke(name, input)) end)
  app:close()
  if not ok then
    fail(result.code == "lion/no-entry-point" and EXIT_NOT_FOUND or EXIT_FAILED, result)
  end
  print(result)
end

-- ---- on a node ---------------------------------------------------------------------------------------

local INVOKE_MS_MAX = 600000 -- the application's own time limit comes first

-- The application that the node's group runs, where there is one.
local function only_app(node)
  local apps = {}
  for i, a in ipairs(node:status().apps) do
    apps[i] = a.app
  end
  if #apps == 1 then return apps[1] end
  if #apps > 1 then options.misuse("which application? Call APP/FN: %s", table.concat(apps, ", ")) end
  local message = "the node's group runs no application: `lion deploy` one"
  error(anomaly.new("not-found", "lion/not-found", message), 0)
end

local function on_node(name, input, found)
  local node = node_client.open(found.node, found.token)
  local app, fn = name:match "^([^/]+)/(.+)$"
  local escape = node_client.escape
  local path = ("/invoke/%s/%s"):format(escape(app or only_app(node)), escape(fn or name))
  local status, _, body = node:request { method = "POST", path = path, timeout_ms = INVOKE_MS_MAX,
    headers = { ["content-type"] = "application/json" }, body = input ~= nil and json.write(input) or "" }
  body = node:check(status, body)
  node:close()
  print((body:gsub("\n$", "")))
end

function invoke.run(args)
  local found, words = options.parse(args, { dir = "value", db = "value", node = "value", token = "value",
    with = "value", param = "list" })
  if #words < 1 or #words > 2 then options.misuse "a name is needed: lion invoke FN [JSON]" end
  local is_local = found.dir or found.db or found.with or found.param
  if is_local and found.node then
    options.misuse "--dir, --db, --with and --param mean a folder, --node means a node"
  end
  local input = read_input(words[2])
  if not is_local and node_client.named(found.node) then
    on_node(words[1], input, found)
  else
    in_folder(words[1], input, found)
  end
  return 0
end

return invoke
