--- lion groups
local deployment = require "lion.cli.deployment"
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"
local output = require "lion.cli.output"

local groups = {
  summary = "List the groups of nodes, and what runs in each.",
  usage = [[[--json] [--node NODE] [--token TOKEN]

  lion groups --node /var/lib/lion]],
}

local HEADINGS = { "group", "nodes", "app", "revision", "since", "by" }

-- "2", or "1 of 2" where not all are up.
local function nodes_text(list)
  local up = 0
  for _, node in ipairs(list) do
    if node.state == "up" then up = up + 1 end
  end
  return up == #list and tostring(up) or ("%d of %d"):format(up, #list)
end

--- Rows of what a group runs; one row where it runs nothing.
local function add_rows(rows, group)
  local name = group.is_primary and group.name .. " (primary)" or group.name
  local nodes = nodes_text(group.nodes)
  for _, r in ipairs(group.running) do
    rows[#rows + 1] = { name, nodes, r.app, deployment.short(r.revision), r.since, r.by }
  end
  if #group.running == 0 then rows[#rows + 1] = { name, nodes } end
end

function groups.run(args)
  local found, words = options.parse(args, { json = "flag", node = "value", token = "value" })
  if #words ~= 0 then options.misuse("lion groups takes no %s", words[1]) end
  local node = node_client.open(found.node, found.token)
  local list = node:get "/groups"
  node:close()
  if found.json then
    print(#list == 0 and "[]" or json.write(list))
    return 0
  end
  local rows, screen = {}, options.screen()
  for _, group in ipairs(list) do
    add_rows(rows, group)
  end
  io.stdout:write(output.grid(HEADINGS, rows, screen.width, screen.color))
  return 0
end

return groups
