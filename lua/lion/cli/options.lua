--- Words of a command line: options with and without values, the rest in order.
-- @module lion.cli.options
local options = {}

--- Raise a misuse: exit code 2 and a line on standard error.
function options.misuse(message, ...) error({ exit = 2, message = message:format(...) }, 0) end

--- Parse `args` by `known`: name → "flag" | "value" | "number". Returns the options and the other
-- words.
function options.parse(args, known)
  local found, words, i = {}, {}, 1
  while i <= #args do
    local arg = args[i]
    local name, value = arg:match("^%-%-([%w%-]+)=?(.*)$")
    if arg == "--" then
      for k = i + 1, #args do
        words[#words + 1] = args[k]
      end
      break
    elseif not name then
      words[#words + 1] = arg
    else
      local kind = known[name]
      if not kind then
        local names = {}
        for known_name in pairs(known) do
          names[#names + 1] = "--" .. known_name
        end
        table.sort(names)
        options.misuse("there is no option --%s (%s)", name, table.concat(names, ", "))
      end
      if kind == "flag" then
        found[name] = true
      else
        if not arg:find("=", 1, true) then
          i = i + 1
          value = args[i]
        end
        if value == nil then options.misuse("--%s takes a value", name) end
        if kind == "number" then
          value = tonumber(value) or options.misuse("--%s takes a number", name)
        end
        found[name] = value
      end
    end
    i = i + 1
  end
  return found, words
end

--- The page that --help prints.
function options.help(name, command)
  return ("%s\n\nusage: lion %s %s\n"):format(command.summary, name, command.usage)
end

--- Is this stream a terminal that wants colours? NO_COLOR is honoured.
function options.wants_color()
  if os.getenv "NO_COLOR" or os.getenv "TERM" == "dumb" then return false end
  return require("lion.terminal").is_terminal(1)
end

--- Is standard error a terminal (progress is shown)?
function options.shows_progress() return require("lion.terminal").is_terminal(2) end

return options
