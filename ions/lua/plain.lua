--- Plain data: what goes into an entry point and comes out of it. nil, booleans, numbers, strings, the
-- values that Lion has for what Lua lacks (null, long integers, symbols, sets, …), and tables of them. A copy
-- shares nothing with the original, so that the caller and the called cannot reach into each other.
-- @module ions.plain
local anomaly = require "lion.anomaly"
local values = require "lion.values"

local plain = {}

local DEPTH_MAX = 200
local ITEMS_MAX = 1000000 -- a table that holds another twice counts it twice

local IS_PLAIN = { ["nil"] = true, boolean = true, number = true, string = true }

-- What the metatables of Lion's values say they are; none of these changes.
local IS_VALUE = {
  symbol = true,
  str = true,
  lookup = true,
  inst = true,
  double = true,
  uuid = true,
  bytes = true,
  decimal = true,
}

local function refuse(what, message, ...)
  anomaly.incorrect("lion/not-plain", "%s is not plain data: %s", what, message:format(...))
end

local copy_value

local function copy_table(walk, value, depth)
  local meta = getmetatable(value)
  if meta ~= nil and type(meta) ~= "table" then refuse(walk.what, "a table with a hidden metatable") end
  if meta and IS_VALUE[meta.__lion] then return value end
  if meta and meta.__lion ~= "set" then
    refuse(walk.what, "%s", meta.__lion and "a " .. meta.__lion or "an object (a table with a metatable)")
  end
  if walk.open[value] then refuse(walk.what, "a table that holds itself") end
  if depth > DEPTH_MAX then refuse(walk.what, "deeper than %d tables", DEPTH_MAX) end
  walk.open[value] = true
  local result = {}
  for key, item in next, value do
    local kind = type(key)
    if kind ~= "string" and kind ~= "number" then refuse(walk.what, "a key that is a %s", kind) end
    walk.count = walk.count + 1
    if walk.count > ITEMS_MAX then refuse(walk.what, "more than %d items", ITEMS_MAX) end
    result[key] = copy_value(walk, item, depth + 1)
  end
  walk.open[value] = nil
  return meta and setmetatable(result, meta) or result
end

function copy_value(walk, value, depth)
  local kind = type(value)
  if IS_PLAIN[kind] or value == values.null then return value end
  if kind == "cdata" and tostring(value):find "^%-?%d+U?LL$" then return value end -- a long integer
  if kind ~= "table" then refuse(walk.what, "a %s", kind) end
  return copy_table(walk, value, depth)
end

--- A copy of plain data; raises lion/not-plain for anything else.
-- @param value
-- @tparam string what names the value in the message: "the input of order_total"
function plain.copy(value, what) return copy_value({ what = what, open = {}, count = 0 }, value, 1) end

return plain
