--- The terminal, where the program has one to offer (the module lion.host is compiled into it): its width, whether there is
-- a person at the other end, lines with editing and history. Everything works without it, on plain streams.
-- @module lion.cli.terminal
local has_host, host = pcall(require, "lion.host")
if not has_host then host = nil end

local terminal = {}

local STREAMS = { input = 0, output = 1, errors = 2 }

--- Is the stream ("input", "output", "errors") a terminal?
function terminal.is_terminal(stream) return host ~= nil and host.is_terminal(STREAMS[stream]) end

--- Columns of the window: of the terminal, of COLUMNS, or 100.
function terminal.width()
  local width = host and host.width() or tonumber(os.getenv("COLUMNS"))
  return width and width >= 20 and width or 100
end

--- May output be coloured?
function terminal.has_color()
  local no_color = os.getenv("NO_COLOR")
  return (no_color == nil or no_color == "")
    and os.getenv("TERM") ~= "dumb"
    and terminal.is_terminal("output")
end

local COLORS = { bold = "1", dim = "2", red = "31", green = "32", blue = "34", cyan = "36" }

--- The text in a colour, where there are colours.
function terminal.color(name, text)
  if not terminal.has_color() then return text end
  return ("\27[%sm%s\27[0m"):format(COLORS[name], text)
end

--- A line from the person or the pipe; nil at the end. The prompt is shown to people only.
function terminal.read_line(prompt)
  if not terminal.is_terminal("input") then return io.read("*l") end
  if host.read_line then return host.read_line(prompt) end
  io.stdout:write(prompt)
  io.stdout:flush()
  return io.read("*l")
end

--- Keep what was typed, for the arrow keys and the next time.
function terminal.remember(line, path)
  if not (host and host.remember and terminal.is_terminal("input")) then return end
  host.remember(line)
  if path then host.save_history(path) end
end

--- What was typed before.
function terminal.load_history(path)
  if host and host.load_history and terminal.is_terminal("input") then host.load_history(path) end
end

--- Make a directory (it may be there).
function terminal.make_directory(path)
  if host then return host.make_directory(path) end
  os.execute(("mkdir -p '%s'"):format((path:gsub("'", "'\\''"))))
end

--- Show how far long work is, on a terminal; an empty text clears the line.
function terminal.progress(message, ...)
  if not terminal.is_terminal("errors") then return end
  io.stderr:write("\r\27[K", select("#", ...) > 0 and message:format(...) or message)
  io.stderr:flush()
end

return terminal
