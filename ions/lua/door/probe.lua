--- Whether somebody listens on another node's control door. A connection is made and closed again: if one
-- listens on the Unix socket it is taken at once, if nobody does it is refused at once.
-- @module ions.door.probe
local ffi = require "ffi"

ffi.cdef [[
struct lion_probe_address { unsigned short family; char path[108]; };
int socket(int domain, int type, int protocol);
int connect(int fd, const void *address, unsigned size);
int close(int fd);
]]

local AF_UNIX, STREAM_NONBLOCK_CLOEXEC = 1, 1 + 0x800 + 0x80000
local EAGAIN = 11 -- its queue is full: it is there, and busy
local PATH_MAX = 107

--- Does anyone listen there?
-- @tparam string|nil control "unix:PATH"; of any other address nothing is known, so its node counts as living
-- until it misses its turn
-- @treturn boolean
return function(control)
  local path = (control or ""):match "^unix:(.*)$"
  if not path then return control ~= nil end
  if #path > PATH_MAX then return false end
  local fd = ffi.C.socket(AF_UNIX, STREAM_NONBLOCK_CLOEXEC, 0)
  if fd < 0 then return true end -- this process has no descriptor left: that says nothing of the other one
  local address = ffi.new "struct lion_probe_address"
  address.family = AF_UNIX
  ffi.copy(address.path, path)
  local result = ffi.C.connect(fd, address, ffi.sizeof(address))
  local is_there = result == 0 or ffi.errno() == EAGAIN
  ffi.C.close(fd)
  return is_there
end
