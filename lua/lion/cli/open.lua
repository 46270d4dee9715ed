--- How commands open a database.
-- @module lion.cli.open
local lion = require "lion"

local open = {}

local function is_memory(uri) return uri:find "^mem:" ~= nil end

--- For reading alone: beside an owner, and in nobody's way where there is none.
-- @tparam string uri
-- @tparam[opt] number threads that may work on one query
function open.for_reading(uri, threads)
  return lion.connect(uri, { create = false, read_only = not is_memory(uri), threads = threads })
end

--- For the prompt: as its owner, or beside the one it has.
-- @tparam string uri
-- @return the connection
-- @treturn boolean whether it can be written to
function open.for_a_session(uri)
  local ok, result = pcall(lion.connect, uri, { create = false })
  if ok then return result, true end
  if type(result) ~= "table" or result.code ~= "lion/locked" then error(result, 0) end
  return open.for_reading(uri), false
end

return open
