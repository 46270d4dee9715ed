--- What a program gives, as it can be sent to a node: entities as their ids, values and logs of that node as
-- their tokens, prepared queries as what they were prepared of. The rest is left as it is.
-- @module lion.remote.portable
local anomaly = require "lion.anomaly"
local codec = require "lion.remote.codec"

local DEPTH_MAX = 200 -- what is deeper is refused at the node

local portable

local SPECIAL = {
  entity = function(meta) return meta.id end,
  remote_db = function(_, x) return codec.db(x.token) end,
  remote_log = function(_, x) return codec.log(x.token) end,
  prepared = function(_, x) return portable(x.query, 0) end,
  db = function()
    anomaly.unsupported "a value of an embedded database and one of a node cannot be asked together"
  end,
}
SPECIAL.log = SPECIAL.db

-- Tables of these may hold others.
local HOLDS = { set = true, lookup = true }

function portable(x, depth)
  if type(x) ~= "table" then return x end
  local meta = getmetatable(x)
  local what = meta and meta.__lion
  local special = SPECIAL[what]
  if special then return special(meta, x) end
  if what and not HOLDS[what] or depth > DEPTH_MAX then return x end
  local copy
  for key, value in next, x do
    local sent = portable(value, depth + 1)
    if not rawequal(sent, value) then
      if not copy then
        copy = setmetatable({}, meta)
        for k, v in next, x do copy[k] = v end
      end
      copy[key] = sent
    end
  end
  return copy or x
end

--- @param x a value
-- @return it, or a copy in which what cannot be sent is replaced
return function(x) return portable(x, 0) end
