--- lion rollback
local deployment = require "lion.cli.deployment"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"

local rollback = {
  summary = "Run again what a group ran before.",
  usage = [[[--group NAME,…] [--app APP] [--no-wait] [--json] [--node NODE] [--token TOKEN]

A deployment as any other, of the revision that the group ran before this one. --group may be left out where
there is one, --app where it runs one application. Ends as `lion deploy` does.

  lion rollback --group production --node /var/lib/lion]],
}

function rollback.run(args)
  local found, words = options.parse(args, { app = "value", group = "value", ["no-wait"] = "flag",
    async = "flag", json = "flag", node = "value", token = "value" })
  local word = words[1]
  if word then options.misuse("lion rollback takes no %s; `lion deploy` takes a revision", word) end
  found["no-wait"] = found["no-wait"] or found.async
  local node = node_client.open(found.node, found.token)
  local request = { app = found.app, groups = deployment.groups(node, found.group) }
  local code = deployment.ask(node, "/rollback", request, found)
  node:close()
  return code
end

return rollback
