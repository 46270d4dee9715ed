--- Where the prompt's input comes from: an editor on a terminal, plain lines otherwise.
-- @module lion.cli.prompt
local terminal = require "lion.terminal"

local prompt = {}

local FIRST, MORE = "lion> ", "  ... "

-- Is there such a folder, or can it be made?
local function has_folder(path)
  local quoted = path:gsub("'", "'\\''")
  return os.execute(("mkdir -p '%s' 2>/dev/null"):format(quoted)) == 0
end

-- Where lines are remembered: LION_HISTORY (empty: nowhere), or the user's state folder.
local function history_path()
  local chosen = os.getenv "LION_HISTORY"
  if chosen then return chosen ~= "" and chosen or nil end
  local state, home = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
  if not state and not home then return nil end
  local folder = (state or home .. "/.local/state") .. "/lion"
  return has_folder(folder) and folder .. "/history" or nil
end

local function plain_reader()
  return {
    read = function() return io.read "*l" end,
    remember = function() end,
    close = function() end,
  }
end

local function editing_reader(complete)
  local line = require "lion.line"
  if not line.open(history_path()) then return nil end
  line.completer(complete)
  return {
    read = function(is_first) return line.read(is_first and FIRST or MORE) end,
    remember = line.remember,
    close = line.close,
  }
end

--- A reader: read(is_first) gives a line, false where Ctrl-C dropped it, nil at the end;
-- remember(text); close().
-- @tparam function complete see lion.line
-- @treturn table the reader
-- @treturn boolean whether somebody sits at it
function prompt.reader(complete)
  local is_terminal = terminal.is_terminal(0) and terminal.is_terminal(1)
  local reader = is_terminal and editing_reader(complete)
  return reader or plain_reader(), is_terminal
end

--- A whole input: lines until `is_open` says that nothing is missing. nil at the end, false where
-- it was dropped.
function prompt.input(reader, is_open, begin_line)
  begin_line(true)
  local text = reader.read(true)
  while text and is_open(text) do
    begin_line(false)
    local more = reader.read(false)
    if more == false then return false end
    if more == nil then break end
    text = text .. "\n" .. more
  end
  return text
end

return prompt
