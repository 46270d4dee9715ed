--- Words of a command line: options with and without values, the rest in order.
-- @module lion.cli.options
local anomaly = require "lion.anomaly"
local nearest = require "lion.nearest"
local terminal = require "lion.terminal"

local options = {}

--- Raise a misuse: exit code 2 and a line on standard error.
function options.misuse(message, ...) error({ exit = 2, message = message:format(...) }, 0) end

--- " (did you mean --json?)", or the names that there are.
-- @tparam string name that nobody knows
-- @tparam table names a table whose keys are those that there are
-- @tparam string prefix before each of them
function options.hint(name, names, prefix)
  local near = nearest(name, names)
  if near then return (" (did you mean %s%s?)"):format(prefix, near) end
  local list = {}
  for known in pairs(names) do
    list[#list + 1] = prefix .. known
  end
  table.sort(list)
  return #list > 0 and (" (%s)"):format(table.concat(list, ", ")) or ""
end

--- A misuse unless it is one of the names (a table's keys).
function options.one_of(option, value, names)
  if not names[value] then
    options.misuse("--%s cannot be %s%s", option, value, options.hint(value, names, ""))
  end
end

--- A misuse: a command has no such action.
-- @tparam string command
-- @tparam string name
-- @tparam table names a table whose keys are those that it has
function options.no_action(command, name, names)
  options.misuse("there is no lion %s %s%s", command, name, options.hint(name, names, ""))
end

--- A misuse: there is no such command.
-- @tparam string name
-- @tparam table names a table whose keys are those that there are
function options.no_command(name, names)
  local near = nearest(name, names)
  local meant = near and (" (did you mean %s?)"):format(near) or ""
  options.misuse("there is no command %s%s; `lion help` lists them", name, meant)
end

local function whole_number(name, text)
  local value = tonumber(text)
  if not value or value < 1 or value % 1 ~= 0 then
    options.misuse("--%s takes a whole number from 1 on, not %s", name, text)
  end
  return value
end

-- The value of --name, which is behind its = or the next word.
local function value_of(name, kind, inline, following)
  local text = inline or following
  if text == nil then options.misuse("--%s takes a value", name) end
  return kind == "number" and whole_number(name, text) or text
end

--- Parse `args` by `known`: name → "flag" | "value" | "number" | "list" (a value each time that it is given).
-- Returns the options and the other words; what stands behind -- is a word.
function options.parse(args, known)
  local found, words, i = {}, {}, 1
  while i <= #args do
    local arg = args[i]
    local name, inline = arg:match "^%-%-([%w%-]+)(.*)$"
    if arg == "--" then
      for k = i + 1, #args do
        words[#words + 1] = args[k]
      end
      break
    elseif not name then
      words[#words + 1] = arg
    else
      local kind = known[name]
      if not kind then options.misuse("there is no option --%s%s", name, options.hint(name, known, "--")) end
      inline = inline:match "^=(.*)$"
      if kind == "flag" then
        if inline then options.misuse("--%s takes no value", name) end
        found[name] = true
      else
        local value = value_of(name, kind, inline, args[i + 1])
        if kind == "list" then
          found[name] = found[name] or {}
          table.insert(found[name], value)
        else
          found[name] = value
        end
        if not inline then i = i + 1 end
      end
    end
    i = i + 1
  end
  return found, words
end

--- Is --help among the words, before any --?
function options.wants_help(args)
  for _, arg in ipairs(args) do
    if arg == "--" then return false end
    if arg == "--help" or arg == "-h" then return true end
  end
  return false
end

--- The page that --help prints.
function options.help(name, command)
  return ("%s\n\nusage: %s %s\n"):format(command.summary, "lion " .. name, command.usage)
end

--- A file's text; "-" is standard input.
function options.read_file(path)
  local file, reason
  if path == "-" then
    file = io.stdin
  else
    file, reason = io.open(path, "rb")
  end
  if not file then error(anomaly.new("not-found", "lion/not-found", reason), 0) end
  local text, why = file:read "*a"
  if path ~= "-" then file:close() end
  if not text then
    error(anomaly.new("unavailable", "lion/io", ("%s cannot be read: %s"):format(path, why)), 0)
  end
  return text
end

--- Is standard output a terminal that wants colours? NO_COLOR is honoured where it is not empty.
function options.wants_color()
  local refused = os.getenv "NO_COLOR"
  if refused and refused ~= "" or os.getenv "TERM" == "dumb" then return false end
  return terminal.is_terminal(1)
end

--- What tables are made for: { width =, color = }; without a terminal nothing bounds them.
function options.screen()
  if not terminal.is_terminal(1) then return {} end
  return { width = (terminal.size()), color = options.wants_color() }
end

--- Is standard error a terminal (progress is shown)?
function options.shows_progress() return terminal.is_terminal(2) end

local has_progress = false -- a line that is not ended

--- Show how far long work is, on one line of standard error. The parts are as string.format takes them;
-- none wipes the line.
function options.progress(text, ...)
  if text or has_progress then
    io.stderr:write("\r", text and text:format(...) or "", "\27[K")
    has_progress = text ~= nil
  end
end

--- A file to write, or standard output for "-".
-- @return write(text)
-- @return finish(), which raises as write does where the text did not arrive
function options.writer(path)
  local file, reason, number = io.stdout, nil, nil
  if path ~= "-" then
    file, reason, number = io.open(path, "wb")
  end
  local function check(ok, why)
    if ok then return end
    error(anomaly.new("unavailable", "lion/io", ("%s cannot be written: %s"):format(path, why)), 0)
  end
  if not file then
    local is_missing = number == 2 -- ENOENT: the folder
    if is_missing then error(anomaly.new("not-found", "lion/not-found", reason), 0) end
    error(anomaly.new("unavailable", "lion/io", reason), 0)
  end
  return function(text) check(file:write(text)) end,
    function() check(file[path == "-" and "flush" or "close"](file)) end
end

return options
