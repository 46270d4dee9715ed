--- lion help
local json = require "lion.json"
local options = require "lion.cli.options"

local help = {
  summary = "List the commands, or tell of one.",
  usage = [[[COMMAND] [--json]

  lion help import]],
}

local function show_page(cli, name)
  if not cli.is_command[name] then options.no_command(name, cli.is_command) end
  io.stdout:write(options.help(name, require("lion.cli." .. name)))
end

local function show_list(cli)
  io.stdout:write "Lion: a database runtime that is scripted in Lua.\n"
  for _, group in ipairs(cli.groups) do
    io.stdout:write("\n", group[1], "\n")
    for _, name in ipairs(group[2]) do
      io.stdout:write(("  lion %-10s %s\n"):format(name, require("lion.cli." .. name).summary))
    end
  end
  io.stdout:write "\n`lion help COMMAND` tells more. Exit codes: 0 done, 1 failed, 2 misused,\n"
  io.stdout:write "3 not found, 4 conflict, 5 unavailable or busy.\n\n"
  io.stdout:write "LION_NODE names a node where --node does not; LION_TOKEN, or the file LION_TOKEN_FILE,\n"
  io.stdout:write "has the token for one at http://HOST:PORT where --token does not.\n"
end

local function as_json(cli)
  local list = {}
  for i, name in ipairs(cli.commands) do
    list[i] = { command = name, summary = require("lion.cli." .. name).summary }
  end
  return json.write(list)
end

function help.run(args)
  local cli = require "lion.cli"
  local found, words = options.parse(args, { json = "flag" })
  if #words > 1 then options.misuse("one command at a time: lion help [COMMAND]") end
  if words[1] then
    show_page(cli, words[1])
  elseif found.json then
    print(as_json(cli))
  else
    show_list(cli)
  end
  return 0
end

return help
