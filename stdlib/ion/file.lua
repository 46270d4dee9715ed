--- Files of the application's own, in one folder that it cannot leave: an outbox, a report, what a program
-- beside the node puts there or takes away.
-- @module ion.file
local anomaly = require "lion.anomaly"
local call = require "lion.call"
local gate = require "ions.gate"

local file = {}

--- Bytes of a file that is written or read whole.
file.SIZE_MAX = 16 * 1024 * 1024

local NAME_MAX, DEPTH_MAX = 200, 16

local function refuse(message, ...) anomaly.incorrect("ion.file/invalid", message, ...) end

-- "outbox/7.eml": no segment begins with a dot, so that nothing hidden is made and nothing leads upward.
local function check_path(path)
  if type(path) ~= "string" then refuse("a file's name is a string, not a %s", type(path)) end
  local depth = 0
  for segment in (path .. "/"):gmatch "([^/]*)/" do
    depth = depth + 1
    if segment == "" or segment:find "^%." or segment:find "[%z\1-\31\\\127]" or #segment > NAME_MAX then
      refuse("%q is no file's name: names have no leading dot, no backslash, no control characters", path)
    end
  end
  if depth > DEPTH_MAX then refuse("a file lies at most %d folders deep", DEPTH_MAX) end
  return path
end

local function folder(what)
  call.refuse_within(what)
  return gate.files()
end

local function fail(what, path, reason)
  local message = ("%s cannot be %s: %s"):format(path, what, reason)
  error(anomaly.new("unavailable", "ion.file/failed", message), 0)
end

--- Write a file whole: it is there with all its bytes and on the disk, or nothing has changed. What was
-- there is replaced; folders are made.
-- @tparam string path "outbox/7.eml"
-- @tparam string bytes at most file.SIZE_MAX
function file.write(path, bytes)
  local below = folder "ion.file.write"
  check_path(path)
  if type(bytes) ~= "string" then refuse("a file holds a string, not a %s", type(bytes)) end
  if #bytes > file.SIZE_MAX then refuse("a file has at most %d bytes, not %d", file.SIZE_MAX, #bytes) end
  local ok, reason = below:write(path, bytes)
  if not ok then fail("written", path, reason) end
end

--- What a file holds; nil if there is none.
function file.read(path)
  local found = folder("ion.file.read"):open(check_path(path))
  if not found then return nil end
  local size = found:size()
  if size > file.SIZE_MAX then
    found:close()
    refuse("%s has %d bytes: at most %d are read", path, size, file.SIZE_MAX)
  end
  local ok, bytes = pcall(found.read, found, 0, size)
  found:close()
  if not ok then fail("read", path, bytes) end
  return bytes
end

--- What is in a folder, by name: { { name =, kind = "file" or "folder", size =, changed = }, … }, `changed`
-- in ms since 1970; nothing if it is not there.
-- @tparam[opt] string path
function file.list(path)
  local below = folder "ion.file.list"
  local found, reason, why = below:list(path and check_path(path) or "")
  if not found and why ~= "absent" then fail("listed", path or "the folder", reason) end
  local list = {}
  for _, entry in ipairs(found or {}) do
    if entry.kind ~= "other" and not entry.name:find "^%." then
      entry.changed = math.floor(entry.changed * 1000)
      list[#list + 1] = entry
    end
  end
  return list
end

--- Move a file, in the place of what is there.
-- @treturn boolean false: there is no such file
function file.move(from, to)
  local ok, reason, why = folder("ion.file.move"):move(check_path(from), check_path(to))
  if not ok and why ~= "absent" then fail("moved", from, reason) end
  return ok or false
end

--- Remove a file.
-- @treturn boolean false: there was none
function file.remove(path)
  local ok, reason, why = folder("ion.file.remove"):remove(check_path(path))
  if not ok and why ~= "absent" then fail("removed", path, reason) end
  return ok or false
end

return file
