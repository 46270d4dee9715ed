--- Frames on a Unix socket, and messages on a process channel, for specs that are a client of real processes
-- (docs/node.md).
local ffi = require "ffi"

ffi.cdef [[
typedef struct { uint16_t family; char path[108]; } spec_unix_address;
typedef struct __attribute__((packed)) { uint32_t size; uint8_t kind; uint64_t id; } spec_frame_head;
typedef struct { uint64_t id, size; uint16_t to, from, kind; uint8_t fd_count, is_large; } spec_bus_head;
int socket(int domain, int type, int protocol);
int socketpair(int domain, int type, int protocol, int *pair);
int connect(int fd, const void *address, uint32_t size);
int bind(int fd, const void *address, uint32_t size);
int listen(int fd, int backlog);
int accept(int fd, void *address, uint32_t *size);
long send(int fd, const void *data, size_t size, int flags);
long recv(int fd, void *data, size_t size, int flags);
int setsockopt(int fd, int level, int name, const void *value, uint32_t size);
int fcntl(int fd, int command, ...);
int close(int fd);
]]

local C = ffi.C
local UNIX, STREAM, SEQPACKET, CLOEXEC = 1, 1, 5, 0x80000
local SOL_SOCKET, RCVTIMEO, NOSIGNAL = 1, 20, 0x4000
local F_SETFD = 2
local DEADLINE_S = 30

local frames = {}

local function bound(fd)
  local time = ffi.new("int64_t[2]", DEADLINE_S, 0)
  assert(C.setsockopt(fd, SOL_SOCKET, RCVTIMEO, time, 16) == 0)
  return fd
end

local function close(self)
  if self.fd >= 0 then C.close(self.fd) end
  self.fd = -1
end

-- ---- frames --------------------------------------------------------------------------------------

local Link = { close = close }
Link.__index = Link

local function receive(fd, size)
  local buffer, have = ffi.new("uint8_t[?]", math.max(size, 1)), 0
  while have < size do
    local count = tonumber(C.recv(fd, buffer + have, size - have, 0))
    if count <= 0 then error "the connection ended, or nothing came" end
    have = have + count
  end
  return ffi.string(buffer, size)
end

--- Send frames at once. list: { { kind, id, payload }, … }
function Link:send(list)
  local pieces = {}
  for i, frame in ipairs(list) do
    local head = ffi.new("spec_frame_head", 9 + #frame[3], frame[1], frame[2])
    pieces[i] = ffi.string(head, 13) .. frame[3]
  end
  local bytes = table.concat(pieces)
  assert(tonumber(C.send(self.fd, bytes, #bytes, NOSIGNAL)) == #bytes)
end

--- The next frame.
-- @treturn number kind, then id and payload
function Link:receive()
  local head = ffi.new "spec_frame_head"
  ffi.copy(head, receive(self.fd, 13), 13)
  return head.kind, tonumber(head.id), receive(self.fd, head.size - 9)
end

--- A connection to a writer; nil: nobody listens.
function frames.connect(path)
  local fd = C.socket(UNIX, STREAM + CLOEXEC, 0)
  local address = ffi.new("spec_unix_address", UNIX, path)
  if C.connect(fd, address, ffi.sizeof(address)) ~= 0 then
    C.close(fd)
    return nil
  end
  return setmetatable({ fd = bound(fd) }, Link)
end

--- The next connection to a socket of one's own, which is made at the path and closed behind it.
function frames.accept(path)
  local fd = C.socket(UNIX, STREAM + CLOEXEC, 0)
  local address = ffi.new("spec_unix_address", UNIX, path)
  os.remove(path)
  assert(C.bind(fd, address, ffi.sizeof(address)) == 0 and C.listen(fd, 1) == 0)
  local came = C.accept(bound(fd), nil, nil)
  C.close(fd)
  assert(came >= 0, "nobody came")
  return setmetatable({ fd = bound(came) }, Link)
end

-- ---- the supervisor's channel --------------------------------------------------------------------

local Bus = { close = close }
Bus.__index = Bus

--- Send a message as another process of the node.
function Bus:send(from, kind, id, payload)
  local head = ffi.new("spec_bus_head", id, #payload, 2, from, kind, 0, 0)
  local bytes = ffi.string(head, ffi.sizeof(head)) .. payload
  assert(tonumber(C.send(self.fd, bytes, #bytes, NOSIGNAL)) == #bytes)
end

--- The next message.
-- @treturn number kind, then the address it is for, its id, its payload; nil: the channel is closed
function Bus:receive()
  local size = 65536
  local buffer = ffi.new("uint8_t[?]", size)
  local count = tonumber(C.recv(self.fd, buffer, size, 0))
  local head = ffi.new "spec_bus_head"
  local head_size = ffi.sizeof(head)
  if count < head_size then return nil end
  ffi.copy(head, buffer, head_size)
  return head.kind, head.to, tonumber(head.id), ffi.string(buffer + head_size, count - head_size)
end

--- A channel: this end, and the descriptor of the other for a child; close_child() when it has been started.
function frames.channel()
  local pair = ffi.new "int[2]"
  assert(C.socketpair(UNIX, SEQPACKET + CLOEXEC, 0, pair) == 0)
  assert(C.fcntl(pair[1], F_SETFD, ffi.cast("int", 0)) == 0)
  local other = pair[1]
  local self = setmetatable({ fd = bound(pair[0]), child = other }, Bus)
  function self.close_child() C.close(other) end
  return self
end

return frames
