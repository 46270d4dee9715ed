--- A terminal of a spec's own, and the program that sits at it: what is typed, what is shown, how it ends.
local ffi = require "ffi"
local program = require "spec.lua.program"

-- What Linux has; the numbers are its own.
ffi.cdef [[
int posix_openpt(int flags);
int grantpt(int fd);
int unlockpt(int fd);
char *ptsname(int fd);
int open(const char *path, int flags, ...);
int close(int fd);
long read(int fd, void *bytes, size_t size);
long write(int fd, const void *bytes, size_t size);
int ioctl(int fd, unsigned long request, ...);
int tcgetattr(int fd, void *settings);
struct spec_pollfd { int fd; short events; short revents; };
int poll(struct spec_pollfd *files, unsigned long count, int timeout_ms);
int posix_spawn_file_actions_init(void *actions);
int posix_spawn_file_actions_destroy(void *actions);
int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned mode);
int posix_spawn_file_actions_adddup2(void *actions, int fd, int as);
int posix_spawnattr_init(void *attributes);
int posix_spawnattr_setflags(void *attributes, short flags);
int posix_spawnattr_destroy(void *attributes);
int posix_spawn(int *pid, const char *path, void *actions, void *attributes, char *const *words,
                char *const *environment);
int waitpid(int pid, int *status, int options);
int kill(int pid, int signal_number);
extern char **environ;
]]
local C = ffi.C

local O_RDWR, O_NOCTTY, O_CLOEXEC = 2, 256, 524288
local TIOCSWINSZ, SETSID, POLLIN, WNOHANG = 0x5414, 0x80, 1, 1
local SETTINGS_SIZE = 60 -- of struct termios
local OPAQUE_SIZE = 1024 -- more than what posix_spawn's two structs take
local PATIENCE_MS = 20000

local Terminal = {}
Terminal.__index = Terminal

local pty = {}

local function c_words(words)
  local array, kept = ffi.new("char *[?]", #words + 1), {}
  for i, word in ipairs(words) do
    kept[i] = ffi.new("char[?]", #word + 1, word)
    array[i - 1] = kept[i]
  end
  return array, kept
end

-- The child leads a session of its own, so the first terminal that it opens is the one that governs it.
local function spawn(path, words)
  local actions, attributes = ffi.new("char[?]", OPAQUE_SIZE), ffi.new("char[?]", OPAQUE_SIZE)
  C.posix_spawn_file_actions_init(actions)
  C.posix_spawn_file_actions_addopen(actions, 0, path, O_RDWR, 0)
  C.posix_spawn_file_actions_adddup2(actions, 0, 1)
  C.posix_spawn_file_actions_adddup2(actions, 0, 2)
  C.posix_spawnattr_init(attributes)
  C.posix_spawnattr_setflags(attributes, SETSID)
  local pid, array, kept = ffi.new "int[1]", c_words(words)
  local code = C.posix_spawn(pid, words[1], actions, attributes, array, C.environ)
  C.posix_spawn_file_actions_destroy(actions)
  C.posix_spawnattr_destroy(attributes)
  assert(code == 0 and kept, "posix_spawn failed")
  return pid[0]
end

--- Start the program at a new terminal.
-- @tparam table words of its command line
-- @tparam[opt] table settings env = { "NAME=value", … }, columns, rows
function pty.start(words, settings)
  settings = settings or {}
  local master = C.posix_openpt(O_RDWR + O_NOCTTY + O_CLOEXEC)
  assert(master >= 0 and C.grantpt(master) == 0 and C.unlockpt(master) == 0, "no terminal is to be had")
  local path = ffi.string(C.ptsname(master))
  local self = setmetatable({ master = master, shown = "", at = 1 }, Terminal)
  self.slave = C.open(path, O_RDWR + O_NOCTTY + O_CLOEXEC) -- keeps the terminal when the program is gone
  self:resize(settings.columns or 80, settings.rows or 24)
  self.before = self:settings()
  local line = { "/usr/bin/env", "TERM=xterm", "LC_ALL=C", "LION_HISTORY=", unpack(settings.env or {}) }
  line[#line + 1] = program.path()
  for _, word in ipairs(words) do
    line[#line + 1] = word
  end
  self.pid = spawn(path, line)
  return self
end

--- How the terminal is set (echo, line by line, keys), as bytes to be compared.
function Terminal:settings()
  local bytes = ffi.new("char[?]", OPAQUE_SIZE)
  assert(C.tcgetattr(self.slave, bytes) == 0)
  return ffi.string(bytes, SETTINGS_SIZE)
end

function Terminal:resize(columns, rows)
  C.ioctl(self.master, TIOCSWINSZ, ffi.new("unsigned short[4]", rows, columns, 0, 0))
end

function Terminal:type(text) assert(C.write(self.master, text, #text) == #text) end

-- More of what is shown; false where nothing came.
local function take(self, timeout_ms)
  local file = ffi.new("struct spec_pollfd[1]", { { self.master, POLLIN, 0 } })
  if C.poll(file, 1, timeout_ms) <= 0 then return false end
  local bytes = ffi.new "char[4096]"
  local size = tonumber(C.read(self.master, bytes, 4096))
  if size > 0 then self.shown = self.shown .. ffi.string(bytes, size) end
  return size > 0
end

--- Wait until this text (no pattern) is shown behind what was waited for before.
-- @treturn string what was shown up to it
function Terminal:expect(text)
  local waited = 0
  while true do
    local first, last = self.shown:find(text, self.at, true)
    if first then
      local passed = self.shown:sub(self.at, first - 1)
      self.at = last + 1
      return passed
    end
    if not take(self, 50) then waited = waited + 50 end
    if waited > PATIENCE_MS then
      error(("%q was not shown; there is %q"):format(text, self.shown:sub(self.at)), 2)
    end
  end
end

--- Wait for a prompt that takes keys: it is shown a moment before, when the terminal itself still echoes.
-- @tparam[opt] string text of the prompt
-- @treturn string what was shown up to it
function Terminal:prompt(text)
  local passed = self:expect(text or "lion> ")
  program.wait_for(function() return self:settings() ~= self.before end, "a prompt that takes keys")
  return passed
end

--- Type a line, and what is shown until the next prompt.
function Terminal:ask(line)
  self:type(line .. "\r")
  self:expect "\r\n"
  return self:prompt()
end

function Terminal:kill(signal_number) C.kill(self.pid, signal_number) end

--- Wait for the program's end; its exit code, or minus the signal that ended it.
function Terminal:wait()
  local status = ffi.new "int[1]"
  for _ = 1, PATIENCE_MS / 10 do
    if C.waitpid(self.pid, status, WNOHANG) == self.pid then
      self.pid = nil
      local signal_number = status[0] % 128
      return signal_number ~= 0 and -signal_number or math.floor(status[0] / 256) % 256
    end
    take(self, 10)
  end
  error("the program does not end", 2)
end

--- Everything that was shown.
function Terminal:all()
  while take(self, 0) do end
  return self.shown
end

--- Leave nothing behind.
function Terminal:close()
  if self.pid then
    self:kill(9)
    self:wait()
  end
  C.close(self.master)
  C.close(self.slave)
end

return pty
