--- The command line. `main(args)` runs one command and returns its exit code: 0 done, 1 failed, 2 misused, 3 not found,
-- 4 conflict, 5 unavailable or busy. One file a command; results on standard output, everything else on standard error.
-- @module lion.cli
local anomaly = require "lion.anomaly"
local command = require "lion.cli.command"
local terminal = require "lion.cli.terminal"

local cli = {}

local COMMANDS = {
  q = true, transact = true, import = true, export = true, db = true, log = true, repl = true, dev = true, help = true,
}

local function has_module(name)
  if package.loaded[name] or package.preload[name] then return true end
  for _, loader in ipairs(package.loaders) do
    if type(loader(name)) == "function" then return true end
  end
  return false
end

-- The module of a command; commands of the ion host live beside it.
local function module_of(name)
  if COMMANDS[name] then return "lion.cli." .. name end
  if name:match("^[a-z]+$") and has_module("lion.cli." .. name) then return "lion.cli." .. name end
  return nil
end

local function fail_unknown(name)
  command.misuse("%s is no command of lion; `lion help` lists them", name)
end

local function is_help(arguments)
  for _, argument in ipairs(arguments) do
    if argument == "--" then return false end
    if argument == "--help" or argument == "-h" then return true end
  end
  return false
end

local function run(arguments)
  local name = arguments[1] or "repl"
  if name == "--help" or name == "-h" then name = "help" end
  local module = module_of(name) or fail_unknown(name)
  local rest = {}
  for i = 2, #arguments do rest[i - 1] = arguments[i] end
  if is_help(rest) then return require("lion.cli.help").run({ name }) end
  return require(module).run(rest)
end

local function has_flag(arguments, flag)
  for _, argument in ipairs(arguments) do if argument == flag then return true end end
  return false
end

local function print_failure(failure, is_json)
  terminal.progress("")
  if is_json then
    local json = require "lion.json"
    local ok, text = pcall(json.write, {
      category = failure.category, code = failure.code, message = failure.message, data = failure.data })
    if not ok then
      text = json.write { category = failure.category, code = failure.code, message = failure.message }
    end
    io.stderr:write(text, "\n")
  elseif failure.code == "lion/usage" then
    io.stderr:write("lion: ", failure.message, "\n")
  else
    io.stderr:write("lion: ", tostring(failure), "\n")
  end
end

--- Run one command.
-- @tparam table arguments strings, the command first; none: the prompt
-- @treturn number exit code
function cli.main(arguments)
  local ok, result = xpcall(function() return run(arguments) end, function(e)
    if type(e) == "table" then return anomaly.wrap(e) end
    local failure = anomaly.wrap(e)
    if os.getenv("LION_TRACE") then failure.message = debug.traceback(failure.message, 2) end
    return failure
  end)
  io.stdout:flush()
  if ok then return result or command.DONE end
  print_failure(result, has_flag(arguments, "--json"))
  return command.exit_code(result)
end

return cli
