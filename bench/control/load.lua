--- Clients that transact at a node's control door, each with one request in the air over its own connection
-- to the Unix socket: transactions a second, and how long one takes.
--
--     build/lion run bench/control/load.lua unix:DIR/control.sock [CLIENTS (64)] [SECONDS (10)]
local bit = require "bit"
local core = require "lion.core"
local ffi = require "ffi"
local lion = require "lion"

local address, clients, seconds = arg[1], tonumber(arg[2] or 64), tonumber(arg[3] or 10)
if not address then error("usage: load.lua unix:DIR/control.sock [CLIENTS] [SECONDS]", 0) end

ffi.cdef [[
struct load_unix { uint16_t family; char path[108]; };
struct load_event { uint32_t events; uint32_t index, unused; } __attribute__((packed));
int socket(int domain, int type, int protocol);
int connect(int fd, const void *address, uint32_t size);
long send(int fd, const void *bytes, size_t size, int flags);
long recv(int fd, void *bytes, size_t size, int flags);
int epoll_create1(int flags);
int epoll_ctl(int epoll, int what, int fd, struct load_event *event);
int epoll_wait(int epoll, struct load_event *events, int max, int timeout_ms);
]]
local C = ffi.C

local AF_UNIX, SOCK_STREAM, MSG_NOSIGNAL, EPOLL_CTL_ADD, EPOLLIN = 1, 1, 0x4000, 1, 1
local CHUNK = 65536
local chunk = ffi.new("char[?]", CHUNK)

local function connect(path)
  local fd = C.socket(AF_UNIX, SOCK_STREAM, 0)
  local name = ffi.new "struct load_unix"
  name.family = AF_UNIX
  ffi.copy(name.path, path)
  if C.connect(fd, name, ffi.sizeof(name)) ~= 0 then error("nobody listens at " .. path, 0) end
  return fd
end

local database = "bench" .. lion.uuid():gsub("-", "")
local number = 0

-- A new order: two facts, one of them unique.
local function request()
  number = number + 1
  local body = ('{"db":"%s","tx":[{"order/number":%d,"order/total":%d}]}'):format(database, number,
    number * 7919 % 100000)
  return ("POST /transact HTTP/1.1\r\nhost: lion\r\ncontent-length: %d\r\n\r\n%s"):format(#body, body)
end

local conn = lion.connect(("%s/%s"):format(address, database))
conn:transact(lion.schema { order = { number = { "long", unique = "identity" }, total = "long" } })
conn:close()

local epoll, lanes = C.epoll_create1(0), {}
local function ask(lane)
  local text = request()
  lane.begun = core.monotonic_ms()
  assert(C.send(lane.fd, text, #text, MSG_NOSIGNAL) == #text, "the door has gone")
end

for i = 1, clients do
  local lane = { fd = connect(address:gsub("^unix:", "")) }
  lanes[i] = lane
  local event = ffi.new("struct load_event", { EPOLLIN, i })
  C.epoll_ctl(epoll, EPOLL_CTL_ADD, lane.fd, event)
  ask(lane)
end

local done, times = 0, {}

local function hear(lane)
  local size = tonumber(C.recv(lane.fd, chunk, CHUNK, 0))
  local text = size > 0 and ffi.string(chunk, size) or "nothing"
  if not text:find("HTTP/1.1 200", 1, true) then error("not answered: " .. text, 0) end
  done = done + 1
  times[done] = core.monotonic_ms() - lane.begun
  ask(lane)
end

local events = ffi.new("struct load_event[?]", clients)
local begun = core.monotonic_ms()
local ends = begun + seconds * 1000
while core.monotonic_ms() < ends do
  for i = 0, C.epoll_wait(epoll, events, clients, 1000) - 1 do
    if bit.band(events[i].events, EPOLLIN) ~= 0 then hear(lanes[events[i].index]) end
  end
end
local took_ms = core.monotonic_ms() - begun
table.sort(times)
local function at(share) return times[math.max(1, math.floor(#times * share))] or 0 end
print(("%d clients: %d transactions/s; ms 50 %% %.1f, 99 %% %.1f, most %.1f"):format(clients,
  done * 1000 / took_ms, at(0.5), at(0.99), at(1)))
