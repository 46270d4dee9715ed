--- lion revisions
local deployment = require "lion.cli.deployment"
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"
local output = require "lion.cli.output"

local revisions = {
  summary = "List the revisions that were pushed to a node, newest first.",
  usage = [[[--app APP] [--limit N (100)] [--json] [--node NODE] [--token TOKEN]

  lion revisions --app packages --node /var/lib/lion]],
}

local HEADINGS = { "app", "revision", "runs in", "pushed", "by", "message" }

local function row(r)
  local message = (r.message or ""):match "^[^\n]*"
  local name, groups = deployment.short(r.name), table.concat(r.running_in, " ")
  return { r.app, name, groups, r.pushed_at, r.pushed_by, message }
end

function revisions.run(args)
  local found, words = options.parse(args, { app = "value", limit = "number", json = "flag",
    node = "value", token = "value" })
  local word = words[1]
  if word then options.misuse("lion revisions takes no %s; --app names an application", word) end
  local node = node_client.open(found.node, found.token)
  local list = node:get("/revisions", { app = found.app, limit = found.limit })
  node:close()
  if found.json then
    print(#list == 0 and "[]" or json.write(list))
    return 0
  end
  local rows, screen = {}, options.screen()
  for i, r in ipairs(list) do
    rows[i] = row(r)
  end
  io.stdout:write(output.grid(HEADINGS, rows, screen.width, screen.color))
  return 0
end

return revisions
