--- Iterators over what a node holds, fetched in batches that grow. The node keeps the place between them for
-- a while; a place that it has lost is found again by its number.
-- @module lion.remote.walk
local core = require "lion.core"

local SIZE_FIRST, SIZE_MAX = 64, 4096

--- Begin a walk; the first batch is fetched at once, so that mistakes are told here.
-- @param conn a remote connection
-- @tparam table asked what is walked over, and its arguments (ions/lua/door/values.lua)
-- @treturn function an iterator over the items
-- @treturn table the walk: its last answer is in `answer`
return function(conn, asked)
  asked.op, asked.at, asked.size = "walk", 0, SIZE_FIRST
  local link = asked.name and conn.link or conn.reader -- the log is the connection's
  local walk = {}
  local function fetch()
    walk.answer = link:ask(asked)
    asked.at = asked.at + #walk.answer.items
    asked.size = math.min(asked.size * 4, SIZE_MAX)
    asked.value = asked.value or walk.answer.value
  end
  asked.id = core.uuid()
  fetch()
  local at = 0
  return function()
    at = at + 1
    local item = walk.answer.items[at]
    if item ~= nil then return item end
    if walk.answer.is_over then return nil end
    fetch()
    at = 1
    return walk.answer.items[1]
  end, walk
end
