--- What all commands share: arguments, failures and their exit codes, the terminal.
-- @module lion.cli.command
local anomaly = require "lion.anomaly"

local command = {}

--- Exit codes that scripts can use.
command.DONE, command.FAILED, command.MISUSED = 0, 1, 2
command.NOT_FOUND, command.CONFLICT, command.UNAVAILABLE = 3, 4, 5

local CODES = {
  ["not-found"] = command.NOT_FOUND,
  conflict = command.CONFLICT,
  unavailable = command.UNAVAILABLE,
  busy = command.UNAVAILABLE,
}

--- The exit code of a failure's category.
function command.exit_code(failure) return failure.exit or CODES[failure.category] or command.FAILED end

--- Raise: the command was not used as it is meant.
function command.misuse(message, ...)
  local failure =
    anomaly.new("incorrect", "lion/usage", select("#", ...) > 0 and message:format(...) or message)
  failure.exit = command.MISUSED
  error(failure, 0)
end

local function take_option(options, spec, name, value, arguments, i)
  local kind = spec[name]
  if kind == nil then
    local known = {}
    for key in pairs(spec) do
      known[#known + 1] = "--" .. key
    end
    table.sort(known)
    command.misuse("--%s is no option here; there are: %s", name, table.concat(known, ", "))
  end
  if kind == "flag" then
    if value then command.misuse("--%s takes no value", name) end
    options[name] = true
    return i
  end
  if not value then
    i = i + 1
    value = arguments[i]
    if value == nil then command.misuse("--%s needs a value", name) end
  end
  if kind == "number" then
    options[name] = tonumber(value) or command.misuse("--%s needs a number, not %s", name, value)
  else
    options[name] = value
  end
  return i
end

--- Split arguments into options and the rest. `--` ends the options.
-- @tparam table arguments
-- @tparam table spec option's name → "flag", "number" or "text"
-- @treturn table options, by name
-- @treturn table the others, in order
function command.parse(arguments, spec)
  local options, rest, i = {}, {}, 1
  while i <= #arguments do
    local argument = arguments[i]
    local name, value = argument:match("^%-%-([%w-]+)=(.*)$")
    name = name or argument:match("^%-%-([%w-]+)$")
    if argument == "--" then
      for k = i + 1, #arguments do
        rest[#rest + 1] = arguments[k]
      end
      break
    elseif name then
      i = take_option(options, spec, name, value, arguments, i)
    else
      rest[#rest + 1] = argument
    end
    i = i + 1
  end
  return options, rest
end

--- The argument at a position, or a misuse that says what it should be.
function command.need(rest, position, what)
  return rest[position] or command.misuse("%s is missing", what)
end

--- Open a database that is there; `lion/locked` falls back to reading beside its owner where that is enough.
-- @tparam string uri
-- @tparam[opt] table options of lion.connect; reads = true: a read-only connection will do
function command.connect(uri, options)
  local lion = require "lion"
  options = options or {}
  local reads = options.reads
  options.reads = nil
  if options.create == nil then options.create = false end
  local ok, conn = pcall(lion.connect, uri, options)
  if ok then return conn end
  local failure = anomaly.wrap(conn)
  if not (reads and failure.code == "lion/locked") then error(failure, 0) end
  options.read_only = true
  return lion.connect(uri, options)
end

--- Run f(conn) and close the connection whatever happens.
function command.with_connection(uri, options, f)
  local conn = command.connect(uri, options)
  local ok, result = pcall(f, conn)
  conn:close()
  if not ok then error(result, 0) end
  return result
end

--- The whole of a file; "-" is standard input.
function command.read_file(path)
  if path == "-" then return io.read("*a") end
  local file, reason = io.open(path, "rb")
  if not file then
    error(anomaly.new("not-found", "lion/not-found", "cannot read " .. reason), 0)
  end
  local text = file:read("*a")
  file:close()
  return text
end

--- Open a file for writing; "-" is standard output.
function command.create_file(path)
  if path == "-" then return io.stdout end
  local file, reason = io.open(path, "wb")
  if not file then error(anomaly.new("unavailable", "lion/io", "cannot write " .. reason), 0) end
  return file
end

--- Print a line on standard output.
function command.print(message, ...)
  io.stdout:write(select("#", ...) > 0 and message:format(...) or message, "\n")
end

--- Print JSON or, for people, lines.
function command.report(is_json, value, lines)
  if is_json then return command.print("%s", require("lion.json").write(value)) end
  for _, line in ipairs(lines) do
    command.print("%s", line)
  end
end

return command
