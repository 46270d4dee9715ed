--- lion token: who may ask at a node's control door over TCP.
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"
local output = require "lion.cli.output"

local token = {
  summary = "Make, list and revoke the tokens that open a node's control door over TCP.",
  usage = [[create NAME --roles ROLE,… [--expires TIME] [--json] [--node NODE] [--token TOKEN]
       lion token list [--json] [--node NODE] [--token TOKEN]
       lion token revoke NAME [--json] [--node NODE] [--token TOKEN]

A token is printed once, when it is made; the node keeps its hash alone. Roles: read (queries, metrics,
the node's state), transact (transactions, new databases), invoke (entry points of applications), deploy
(push, deploy, roll back, parameters), admin (all of it, and tokens). TIME is an instant
(2027-01-31T12:00:00Z) or how long it is good for (12h, 90d). What is revoked, or over, is refused from that
moment on.

These need the role admin, or the node's Unix socket.

  lion token create ci --roles deploy --expires 90d --node /var/lib/lion]],
}

local UNITS = { m = 6e4, h = 36e5, d = 864e5, w = 6048e5 }

-- An instant as the door takes it.
local function expiry(text)
  if not text then return nil end
  local values = require "lion.values"
  local count, unit = text:match "^(%d+)([mhdw])$"
  if count then return values.format_instant(require("lion").now_ms() + tonumber(count) * UNITS[unit]) end
  if not values.parse_instant(text) then
    options.misuse("--expires is an instant, as 2027-01-31T12:00:00Z, or how long: 90d, 12h; not %s", text)
  end
  return text
end

local function roles_of(text)
  if not text then options.misuse "its roles are needed: --roles read,transact" end
  local roles = {}
  for role in text:gmatch "[^,%s]+" do
    roles[#roles + 1] = role
  end
  return roles
end

local actions = {}

-- The token stands alone on standard output, for who keeps it in a file.
function actions.create(node, name, found)
  local made = node:post("/tokens", { name = name, roles = roles_of(found.roles),
    expires_at = expiry(found.expires) })
  if found.json then
    print(json.write(made))
    return
  end
  print(made.token)
  io.stderr:write(("This is the token %s (%s%s). It is not shown again.\n"):format(made.name,
    table.concat(made.roles, ", "), made.expires_at and ", until " .. made.expires_at or ""))
end

local HEADINGS = { "token", "roles", "state", "made", "until" }

function actions.list(node, _, found)
  local list = node:get "/tokens"
  if found.json then
    print(#list == 0 and "[]" or json.write(list))
    return
  end
  local rows, screen = {}, options.screen()
  for i, one in ipairs(list) do
    local ends = one.revoked_at or one.expires_at or ""
    rows[i] = { one.name, table.concat(one.roles, " "), one.state, one.created_at, ends }
  end
  io.stdout:write(output.grid(HEADINGS, rows, screen.width, screen.color))
end

function actions.revoke(node, name, found)
  local told = node:delete("/tokens/" .. node_client.escape(name))
  print(found.json and json.write(told) or ("%s is revoked"):format(told.name))
end

local TAKES_NAME = { create = true, revoke = true }

function token.run(args)
  local found, words = options.parse(args, { roles = "value", expires = "value", json = "flag",
    node = "value", token = "value" })
  local action = words[1]
  if not action then options.misuse "lion token create, list or revoke? lion token --help tells more" end
  if not actions[action] then options.no_action("token", action, actions) end
  if #words ~= (TAKES_NAME[action] and 2 or 1) then
    options.misuse("lion token %s takes %s", action, TAKES_NAME[action] and "one NAME" or "no name")
  end
  if action ~= "create" and (found.roles or found.expires) then
    options.misuse("--roles and --expires are for lion token create")
  end
  local node = node_client.open(found.node, found.token)
  actions[action](node, words[2], found)
  node:close()
  return 0
end

return token
