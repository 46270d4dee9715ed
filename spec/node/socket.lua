--- Sockets of a spec's own, to loopback and to Unix sockets: what HTTP clients do, and what they do wrong.
-- Nothing here blocks but the waits, which have their bounds.
local ffi = require "ffi"

-- What Linux has; the numbers are its own.
ffi.cdef [[
struct node_inet { uint16_t family; uint16_t port; uint32_t address; uint8_t zero[8]; };
struct node_unix { uint16_t family; char path[108]; };
struct node_pollfd { int fd; short events; short revents; };
int socket(int domain, int type, int protocol);
int connect(int fd, const void *address, uint32_t size);
int getsockname(int fd, void *address, uint32_t *size);
long send(int fd, const void *bytes, size_t size, int flags);
long recv(int fd, void *bytes, size_t size, int flags);
int shutdown(int fd, int how);
int close(int fd);
int poll(struct node_pollfd *files, unsigned long count, int timeout_ms);
]]
local C = ffi.C

local AF_UNIX, AF_INET, SOCK_STREAM, CLOEXEC = 1, 2, 1, 524288
local MSG_DONTWAIT, MSG_NOSIGNAL, POLLIN = 0x40, 0x4000, 1
local EAGAIN, EINTR, SHUT_WR = 11, 4, 1
local CHUNK = 65536

local socket = {}

local Socket = {}
Socket.__index = Socket

local chunk = ffi.new("char[?]", CHUNK)

local function swapped(port) return port % 256 * 256 + math.floor(port / 256) end

local function address_of(text)
  local path = text:match "^unix:(.*)$"
  if path then
    assert(#path < 108, "the path of a Unix socket is too long: " .. path)
    local address = ffi.new "struct node_unix"
    address.family = AF_UNIX
    ffi.copy(address.path, path)
    return AF_UNIX, address
  end
  local port = tonumber(text:match "127%.0%.0%.1:(%d+)")
  local address = ffi.new "struct node_inet"
  address.family, address.port, address.address = AF_INET, swapped(port), 0x0100007f
  return AF_INET, address
end

--- Connect to "http://127.0.0.1:PORT", "127.0.0.1:PORT" or "unix:PATH". Returns nil, errno if nobody listens.
function socket.connect(text)
  local family, address = address_of(text)
  local fd = C.socket(family, SOCK_STREAM + CLOEXEC, 0)
  assert(fd >= 0, "no socket")
  if C.connect(fd, address, ffi.sizeof(address)) ~= 0 then
    local code = ffi.errno()
    C.close(fd)
    return nil, code
  end
  return setmetatable({ fd = fd, got = "" }, Socket)
end

--- Send all of a text. False if the other side is gone.
function Socket:send(text)
  local sent = 0
  while sent < #text do
    local count = tonumber(C.send(self.fd, ffi.cast("const char *", text) + sent, #text - sent, MSG_NOSIGNAL))
    if count < 0 then
      if ffi.errno() ~= EINTR then return false end
    else
      sent = sent + count
    end
  end
  return true
end

--- Take what has come into `got`. Returns "closed" when the other side will send no more, "reset" when it
-- is gone, else nil.
function Socket:fill()
  while true do
    local count = tonumber(C.recv(self.fd, chunk, CHUNK, MSG_DONTWAIT))
    if count > 0 then
      self.got = self.got .. ffi.string(chunk, count)
    elseif count == 0 then
      return "closed"
    else
      local code = ffi.errno()
      if code == EAGAIN then return nil end
      if code ~= EINTR then return "reset" end
    end
  end
end

--- The port at this end.
function Socket:port()
  local address, size = ffi.new "struct node_inet", ffi.new("uint32_t[1]", 16)
  assert(C.getsockname(self.fd, address, size) == 0)
  return swapped(address.port)
end

--- Send no more.
function Socket:finish() C.shutdown(self.fd, SHUT_WR) end

function Socket:close()
  if self.fd then C.close(self.fd) end
  self.fd = nil
end

--- Wait until one of a list of sockets has something to tell, at most so many ms. Returns those that have.
function socket.wait(list, timeout_ms)
  local files = ffi.new("struct node_pollfd[?]", math.max(#list, 1))
  for i, one in ipairs(list) do
    files[i - 1].fd, files[i - 1].events = one.fd, POLLIN
  end
  C.poll(files, #list, timeout_ms)
  local ready = {}
  for i, one in ipairs(list) do
    if files[i - 1].revents ~= 0 then ready[#ready + 1] = one end
  end
  return ready
end

return socket
