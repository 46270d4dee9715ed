--- Which columns of a result are instants or bytes: Lua has no types for them, but the query says
-- where they come from. A variable has the type of the attribute whose value it is in some clause.
-- @module lion.cli.types
local edn = require "lion.edn"
local values = require "lion.values"

local types = {}

local TYPES = { [":db.type/instant"] = "instant", [":db.type/bytes"] = "bytes" }
local KEEPS_TYPE =
  { min = true, max = true, distinct = true, rand = true, sample = true, median = true }

--- The type of an attribute that needs a form of its own, or nil.
function types.of_attribute(db, name)
  if not db then return nil end
  local ok, attribute = pcall(db.attribute, db, name)
  return ok and attribute and TYPES[attribute.value_type] or nil
end

local function is_variable(node)
  return type(node) == "table" and node.kind == "symbol" and node.value:sub(1, 1) == "?"
end
local function is_keyword(node) return type(node) == "table" and node.kind == "keyword" end
local function is_symbol(node, name)
  return type(node) == "table" and node.kind == "symbol" and node.value == name
end

-- [?e :a/b ?v …], after a source perhaps; [(get-else $ ?e :a/b x) ?v].
local function learn(node, db, found)
  for i = 2, 3 do
    if is_keyword(node[i]) and is_variable(node[i + 1]) then
      found[node[i + 1].value] = found[node[i + 1].value] or types.of_attribute(db, node[i].value)
    end
  end
  local call = node[1]
  if
    type(call) == "table"
    and call.kind == "list"
    and is_symbol(call[1], "get-else")
    and is_keyword(call[4])
    and is_variable(node[2])
  then
    found[node[2].value] = found[node[2].value] or types.of_attribute(db, call[4].value)
  end
end

local function visit(node, db, found)
  if type(node) ~= "table" then return end
  if node.kind == "vector" then learn(node, db, found) end
  for i = 1, #node do
    visit(node[i], db, found)
  end
end

-- The elements behind :find, in a vector or a map query.
local function find_elements(query)
  if query.kind == "map" then
    for i = 1, #query, 2 do
      if is_keyword(query[i]) and query[i].value == "find" then return query[i + 1] end
    end
    return {}
  end
  local elements = {}
  for i = 2, #query do
    if is_keyword(query[i]) then break end
    elements[#elements + 1] = query[i]
  end
  return elements
end

local function type_of(element, found)
  if is_variable(element) then return found[element.value] end
  local head, last = element[1] and element[1].value, element[#element]
  if head == "pull" then return "pull" end
  return KEEPS_TYPE[head] and is_variable(last) and found[last.value]
end

-- The type of each find element: "instant", "bytes", "pull", or false.
local function column_types(text, db)
  local query, found = edn.read_ast(text), {}
  visit(query, db, found)
  local elements, columns = find_elements(query), {}
  if #elements == 1 and elements[1].kind == "vector" then elements = elements[1] end
  for i = 1, #elements do
    local element = elements[i]
    if not (is_symbol(element, "...") or is_symbol(element, ".")) then
      columns[#columns + 1] = type_of(element, found) or false
    end
  end
  return columns
end

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- Bytes as base64.
function types.base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for k = 0, 3 do
      local digit = math.floor(n / 64 ^ (3 - k)) % 64
      local is_padding = k == 2 and not b or k == 3 and not c
      out[#out + 1] = is_padding and "=" or BASE64:sub(digit + 1, digit + 1)
    end
  end
  return table.concat(out)
end

local plain

local function plain_map(map, db)
  local out = {}
  for key, value in pairs(map) do
    local name = type(key) == "string" and key:gsub("/_", "/") or ""
    out[key] = plain(value, types.of_attribute(db, name), db)
  end
  return out
end

function plain(value, kind, db)
  if type(value) == "table" and getmetatable(value) == nil then
    if #value == 0 then return plain_map(value, db) end
    local out = {}
    for i = 1, #value do
      out[i] = plain(value[i], kind, db)
    end
    return out
  end
  if kind == "instant" and type(value) == "number" then return values.format_instant(value) end
  if kind == "bytes" and type(value) == "string" then return types.base64(value) end
  return value
end

-- A row, by position or by the keys of a return map.
local function plain_row(row, columns, keys, db)
  local out = {}
  for k, kind in ipairs(columns) do
    local key = keys and keys[k] or k
    out[key] = plain(row[key], kind, db)
  end
  return out
end

--- The result of a query with instants as RFC 3339 and bytes as base64, as JSON has them.
-- @tparam string text the query
-- @tparam table shape as output.shape says
-- @param result
-- @param db its first source
function types.plain(text, shape, result, db)
  if result == nil then return nil end
  local columns = column_types(text, db)
  if shape.kind == "scalar" then return plain(result, columns[1], db) end
  if shape.kind == "tuple" then return plain_row(result, columns, shape.keys, db) end
  local out = {}
  for i, row in ipairs(result) do
    if shape.kind == "collection" then
      out[i] = plain(row, columns[1], db)
    else
      out[i] = plain_row(row, columns, shape.keys, db)
    end
  end
  return out
end

return types
