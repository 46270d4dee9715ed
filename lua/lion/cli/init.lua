--- The command line: one file a command, found by name. A command is { summary =, usage =, run =
-- function(args) → exit code }.
-- @module lion.cli
local anomaly = require "lion.anomaly"
local options = require "lion.cli.options"

local cli = {}

-- As help lists them.
cli.groups = {
  { "Lua", { "repl", "run" } },
  { "Databases", { "q", "transact", "import", "export", "db", "log" } },
  { "Applications", { "dev", "invoke" } },
  {
    "Nodes",
    { "node", "push", "deploy", "rollback", "status", "revisions", "groups", "group", "param", "token",
      "events" },
  },
  { "This program", { "version", "help" } },
}

-- All of them, in that order.
cli.commands = {}
for _, group in ipairs(cli.groups) do
  for _, name in ipairs(group[2]) do
    cli.commands[#cli.commands + 1] = name
  end
end

--- name → true
cli.is_command = {}
for _, name in ipairs(cli.commands) do
  cli.is_command[name] = true
end

-- Exit codes that scripts can use.
local EXIT = { ["not-found"] = 3, conflict = 4, unavailable = 5, busy = 5 }

local function report(e)
  options.progress()
  if type(e) == "table" and e.exit then
    if e.message then io.stderr:write("lion: ", e.message, "\n") end
    return e.exit
  end
  e = anomaly.wrap(e)
  io.stderr:write("lion: ", tostring(e.message), "\n")
  return EXIT[e.category] or 1
end

local SYNONYMS = { ["--help"] = "help", ["-h"] = "help", ["--version"] = "version", ["-V"] = "version" }

local function run(args)
  local name = SYNONYMS[args[1]] or args[1] or "repl"
  if not cli.is_command[name] then options.no_command(name, cli.is_command) end
  local command, rest = require("lion.cli." .. name), { unpack(args, 2) }
  if options.wants_help(rest) then
    io.stdout:write(options.help(name, command))
    return 0
  end
  return command.run(rest) or 0
end

--- Run a command line; args without the program's name.
-- @tparam table args
-- @treturn number the exit code
function cli.main(args)
  local ok, result = xpcall(run, function(e)
    if type(e) == "table" then return e end
    return anomaly.new("fault", "lion/fault", debug.traceback(tostring(e), 2))
  end, args)
  return ok and result or report(result)
end

return cli
