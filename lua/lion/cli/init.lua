--- The command line: one file a command, found by name. A command is { summary =, usage =, run =
-- function(args) → exit code }.
-- @module lion.cli
local anomaly = require "lion.anomaly"
local options = require "lion.cli.options"
local nearest = require "lion.nearest"

local cli = {}

-- In the order in which help lists them.
cli.commands =
  { "repl", "run", "dev", "q", "transact", "import", "export", "db", "log", "version", "help" }

local IS_COMMAND = {}
for _, name in ipairs(cli.commands) do
  IS_COMMAND[name] = true
end

-- Exit codes that scripts can use.
local EXIT = { ["not-found"] = 3, conflict = 4, unavailable = 5, busy = 5 }

local function report(e)
  if type(e) == "table" and e.exit then
    if e.message then io.stderr:write("lion: ", e.message, "\n") end
    return e.exit
  end
  e = anomaly.wrap(e)
  io.stderr:write("lion: ", tostring(e.message), "\n")
  return EXIT[e.category] or 1
end

--- Run a command line; args without the program's name.
-- @tparam table args
-- @treturn number the exit code
function cli.main(args)
  local name = args[1] or "repl"
  if name == "--help" or name == "-h" then name = "help" end
  if name == "--version" then name = "version" end
  if not IS_COMMAND[name] then
    local near = nearest(name, IS_COMMAND)
    io.stderr:write(
      ("lion: there is no command %s%s; `lion help` lists them\n"):format(
        name,
        near and " (did you mean " .. near .. "?)" or ""
      )
    )
    return 2
  end
  local command = require("lion.cli." .. name)
  local rest = {}
  for i = 2, #args do
    rest[i - 1] = args[i]
  end
  if name ~= "run" and (rest[1] == "--help" or rest[1] == "-h") then
    io.stdout:write(options.help(name, command))
    return 0
  end
  local ok, result = xpcall(command.run, function(e)
    if type(e) == "table" then return e end
    return anomaly.new("fault", "lion/fault", debug.traceback(tostring(e), 2))
  end, rest)
  if not ok then return report(result) end
  return result or 0
end

return cli
