--- lion help
local options = require "lion.cli.options"

local help = { summary = "List the commands, or tell of one.", usage = "[COMMAND]" }

function help.run(args)
  local cli = require "lion.cli"
  local name = args[1]
  if name then
    for _, known in ipairs(cli.commands) do
      if known == name then
        io.stdout:write(options.help(name, require("lion.cli." .. name)))
        return 0
      end
    end
    options.misuse("there is no command %s; `lion help` lists them", name)
  end
  io.stdout:write "Lion: a database runtime that is scripted in Lua.\n\n"
  for _, known in ipairs(cli.commands) do
    io.stdout:write(("  lion %-10s %s\n"):format(known, require("lion.cli." .. known).summary))
  end
  io.stdout:write "\n`lion help COMMAND` tells more. Exit codes: 0 done, 1 failed, 2 misused,\n"
  io.stdout:write "3 not found, 4 conflict, 5 unavailable or busy.\n"
  return 0
end

return help
