--- lion group
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"
local values = require "lion.values"

local group = {
  summary = "Say what applications are told of the group that they run in.",
  usage = [[set NAME --env ENV [--node NODE] [--token TOKEN]

  --env    what ion.env() says there; "" is the group's name again

  lion group set blue --env production --node /var/lib/lion]],
}

function group.run(args)
  local action = args[1]
  if action ~= "set" then options.no_action("group", tostring(action), { set = true }) end
  local found, words = options.parse({ unpack(args, 2) }, { env = "value", node = "value", token = "value" })
  if #words ~= 1 or not found.env then options.misuse "lion group set takes NAME --env ENV" end
  local node = node_client.open(found.node, found.token)
  node:post("/groups", { name = words[1], env = found.env ~= "" and found.env or values.null })
  node:close()
  return 0
end

return group
