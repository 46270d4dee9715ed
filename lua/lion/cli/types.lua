--- Which columns of a result are instants or bytes: Lua has no types for them, but the query says where they come from.
-- A variable has the type of the attribute whose value it is in some clause.
-- @module lion.cli.types
local edn = require "lion.edn"

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

local function column_of(element, found)
  if is_variable(element) then return { name = element.value, type = found[element.value] } end
  local head = element[1] and element[1].value
  if head == "pull" then return { name = "pull", type = "pull" } end
  local last = element[#element]
  local name = is_variable(last) and ("(%s %s)"):format(head, last.value)
    or "(" .. tostring(head) .. ")"
  return { name = name, type = KEEPS_TYPE[head] and is_variable(last) and found[last.value] or nil }
end

--- What a query's result looks like.
-- @tparam string text the query
-- @param[opt] db its first source
-- @treturn table { shape = "relation"|"collection"|"tuple"|"scalar", columns = { { name =, type = }… } }
function types.of_query(text, db)
  local query, found = edn.read_ast(text), {}
  visit(query, db, found)
  local elements, shape = find_elements(query), "relation"
  if #elements == 1 and elements[1].kind == "vector" then
    elements = elements[1]
    shape = is_symbol(elements[2], "...") and "collection" or "tuple"
  elseif is_symbol(elements[#elements], ".") then
    shape = "scalar"
  end
  local columns = {}
  for i = 1, #elements do
    local element = elements[i]
    if not (is_symbol(element, "...") or is_symbol(element, ".")) then
      columns[#columns + 1] = column_of(element, found)
    end
  end
  return { shape = shape, columns = columns }
end

return types
