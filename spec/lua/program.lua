--- The program as a spec's child: run it in a folder of its own, see what it prints and how it ends.
local terminal = require "lion.terminal"

local program = {}

local function quote(word) return "'" .. tostring(word):gsub("'", "'\\''") .. "'" end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end
program.read = read

function program.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

--- The program that runs the spec.
function program.path()
  local pipe = io.popen 'readlink "/proc/$PPID/exe"'
  local path = pipe:read "*l"
  pipe:close()
  return path
end

--- A new folder; remove it by program.remove.
function program.folder()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir " .. path) == 0)
  return path
end

function program.remove(folder) os.execute("rm -rf " .. quote(folder)) end

--- Wait until fn() is something else than nil and false; raises when it takes too long.
function program.wait_for(fn, what)
  for _ = 1, 1000 do
    local result = fn()
    if result then return result end
    terminal.wait(10)
  end
  error("waited in vain for " .. (what or "something"), 2)
end

local function command_line(words, settings)
  local parts = { settings.env or "", quote(program.path()) }
  for _, word in ipairs(words) do
    parts[#parts + 1] = quote(word)
  end
  return table.concat(parts, " ")
end

--- Run it to its end.
-- @tparam string folder where
-- @tparam table words of the command line
-- @tparam[opt] table settings input = text, env = "NAME=value …", out = where standard output goes
-- @treturn table out, err, code
function program.run(folder, words, settings)
  settings = settings or {}
  program.write(folder .. "/.in", settings.input or "")
  local out = settings.out or ".out"
  local line = ("cd %s && %s <.in >%s 2>.err"):format(quote(folder), command_line(words, settings), out)
  local status = os.execute(line)
  return { out = read(folder .. "/.out"), err = read(folder .. "/.err"), code = status / 256 }
end

local Child = {}
Child.__index = Child

--- Start it: a child that goes on beside the spec.
-- @treturn table out(), err(), signal(name), wait() → code
function program.start(folder, words, settings)
  settings = settings or {}
  for _, name in ipairs { ".pid", ".code", ".start" } do
    os.remove(folder .. "/" .. name)
  end
  local script = ([[
cd %s
%s <%s >.out 2>.err & echo $! >.start; mv .start .pid
wait $! 2>/dev/null; echo $? >.start; mv .start .code
]]):format(quote(folder), command_line(words, settings), settings.input or "/dev/null")
  program.write(folder .. "/.sh", script)
  os.execute(("sh %s/.sh 2>/dev/null &"):format(folder))
  local child = setmetatable({ folder = folder }, Child)
  child.pid = program.wait_for(function() return read(folder .. "/.pid") end, "a child"):match "%d+"
  return child
end

function Child:out() return read(self.folder .. "/.out") or "" end
function Child:err() return read(self.folder .. "/.err") or "" end
function Child:signal(name) assert(os.execute(("kill -%s %s"):format(name, self.pid)) == 0) end
function Child:code() return tonumber(read(self.folder .. "/.code") or nil) end

--- Wait for its end; the exit code, as a shell tells it.
function Child:wait() return program.wait_for(function() return self:code() end, "the child's end") end

return program
