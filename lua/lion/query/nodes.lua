--- Queries written as Lua tables, turned into the nodes that the EDN reader makes of text, so that
-- there is one parser.
-- @module lion.query.nodes
local anomaly = require "lion.anomaly"
local values = require "lion.values"

local nodes = {}

local DEPTH_MAX = 200

local function symbol(name) return { kind = "symbol", value = name } end
nodes.symbol = symbol

local function list(items)
  items.kind = "list"
  return items
end

local function vector(items)
  items.kind = "vector"
  return items
end

local KINDS = {
  symbol = true,
  keyword = true,
  string = true,
  regex = true,
  number = true,
  boolean = true,
  ["nil"] = true,
  inst = true,
  uuid = true,
  vector = true,
  list = true,
  map = true,
  set = true,
  query = true,
  pattern = true,
}

--- Is it a node, and not a table of the user's?
function nodes.is_node(x) return type(x) == "table" and KINDS[x.kind] == true end

--- Is a string of a table a variable, source, rule set or blank?
function nodes.is_name(text) return text == "_" or text:match("^[?$%%]") ~= nil end

local is_name = nodes.is_name

-- In find specs and bindings `.` and `...` are signs; everywhere else they are strings.
local function is_sign(text) return text == "." or text == "..." end

--- A value in the place of a term.
function nodes.term(x, depth, has_signs)
  depth = depth or 1
  if depth > DEPTH_MAX then
    anomaly.incorrect("lion/syntax", "a query nested deeper than %d", DEPTH_MAX)
  end
  local kind = type(x)
  if x == values.null then return { kind = "nil" } end
  if kind == "string" then
    if is_name(x) or has_signs and is_sign(x) then return symbol(x) end
    if x:byte(1) == 58 and #x > 1 then return { kind = "keyword", value = x:sub(2) } end
    return { kind = "string", value = x }
  end
  if kind == "number" or kind == "cdata" then return { kind = "number", value = x } end
  if kind == "boolean" then return { kind = "boolean", value = x } end
  if kind ~= "table" then anomaly.incorrect("lion/syntax", "a %s cannot stand in a query", kind) end
  if values.is_str(x) then return { kind = "string", value = x.text } end
  if values.is_inst(x) then return { kind = "inst", value = x.ms } end
  if values.is_uuid(x) then return { kind = "uuid", value = x.text } end
  if values.is_symbol(x) then return symbol(x.name) end
  if values.is_decimal(x) then return { kind = "number", value = x } end
  local items = { kind = values.is_set(x) and "set" or "vector" }
  for i = 1, #x do
    items[i] = nodes.term(x[i], depth + 1, has_signs)
  end
  if #x == 0 and next(x) ~= nil and items.kind == "vector" then return nodes.map(x, depth) end
  return items
end

--- A table with named fields as a map of keywords.
function nodes.map(x, depth)
  local keys, items = {}, { kind = "map" }
  for key in pairs(x) do
    if type(key) ~= "string" then
      anomaly.incorrect("lion/syntax", "a %s cannot be a key in a query", type(key))
    end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    items[#items + 1] = { kind = "keyword", value = (key:gsub("^:", "")) }
    items[#items + 1] = nodes.term(x[key], depth + 1)
  end
  return items
end

--- A binding form.
function nodes.binding(x) return nodes.term(x, 1, true) end

local function is_plain_table(x) return type(x) == "table" and getmetatable(x) == nil end

-- Functions whose arguments from the third on, or the third alone, are attributes.
local TAKES_ATTRIBUTE = { ["get-else"] = 3, ["missing?"] = 3, ["get-some"] = math.huge }

local function argument(x, name, number)
  local node = nodes.term(x)
  local last = TAKES_ATTRIBUTE[name]
  if last and number >= 3 and number <= last and type(x) == "string" and node.kind == "string" then
    node.kind = "keyword"
  end
  return node
end

-- ( name arg… ): the head is a name, whatever it looks like.
local function call(x, first)
  local items = { kind = "list" }
  if type(x[first]) ~= "string" then
    anomaly.incorrect("lion/syntax", "a call begins with the name of a function")
  end
  items[1] = symbol(x[first])
  for i = first + 1, #x do
    -- a nested query of `q` is a query
    if x[first] == "q" and i == first + 1 then
      items[i - first + 1] = { kind = "query", value = x[i] }
    else
      items[i - first + 1] = argument(x[i], x[first], i - first)
    end
  end
  return items
end

local function pattern(x, first)
  local items = { kind = "vector" }
  for i = 1, #x do
    items[i] = nodes.term(x[i])
  end
  local attribute = items[first + 1]
  if attribute and attribute.kind == "string" and type(x[first + 1]) == "string" then
    attribute.kind = "keyword"
  end
  return items
end

local clauses

local function names(x)
  if type(x) ~= "table" then
    anomaly.incorrect("lion/syntax", "not-join and or-join name their variables in an array")
  end
  return nodes.term(x)
end

-- not, or, and, their -join forms, and calls of rules; `first` is where the head stands.
local function list_clause(x, first, depth)
  local head = x[first]
  local items = list {}
  if first == 2 then items[1] = symbol(x[1]) end
  items[#items + 1] = symbol(head)
  if head == "not" or head == "or" or head == "and" then
    for _, clause in ipairs(clauses(x, first + 1, depth)) do
      items[#items + 1] = clause
    end
  elseif head == "not-join" or head == "or-join" then
    items[#items + 1] = names(x[first + 1])
    for _, clause in ipairs(clauses(x, first + 2, depth)) do
      items[#items + 1] = clause
    end
  else
    for i = first + 1, #x do
      items[#items + 1] = nodes.term(x[i])
    end
  end
  return items
end

--- One clause of `where`.
function nodes.clause(x, depth)
  depth = depth or 1
  if depth > DEPTH_MAX then
    anomaly.incorrect("lion/syntax", "clauses nested deeper than %d", DEPTH_MAX)
  end
  if type(x) ~= "table" or x[1] == nil then
    anomaly.incorrect("lion/syntax", "a clause is an array, not %s", tostring(x))
  end
  for i = 2, table.maxn(x) do -- # may be at any hole, or at none
    if x[i] == nil then
      local message = 'a clause has nil in between, behind %s: any value is "_"'
      anomaly.incorrect("lion/syntax", message, tostring(x[i - 1]))
    end
  end
  local head = x[1]
  if
    is_plain_table(head)
    and type(head[1]) == "string"
    and not is_name(head[1])
    and x[3] == nil
  then
    local items = vector { call(head, 1) }
    if x[2] ~= nil then items[2] = nodes.binding(x[2]) end
    return items
  end
  if type(head) == "string" and head:byte(1) == 36 then
    if
      type(x[2]) == "string" and not is_name(x[2]) and x[2]:byte(1) ~= 58 and type(x[3]) ~= "nil"
      or x[2] == "not"
    then
      return list_clause(x, 2, depth)
    end
    return pattern(x, 2)
  end
  if type(head) == "string" and not is_name(head) and head:byte(1) ~= 58 then
    return list_clause(x, 1, depth)
  end
  return pattern(x, 1)
end

function clauses(x, first, depth)
  local result = {}
  for i = first, #x do
    result[#result + 1] = nodes.clause(x[i], depth + 1)
  end
  return result
end

-- The name of an input that holds a pattern: a string that is no text of a pattern.
local function is_pattern_name(x) return type(x) == "string" and not x:find("[%[%(%s{*]") end

local function find_element(x)
  if values.is_symbol(x) then return symbol(x.name) end
  if not is_plain_table(x) then return nodes.binding(x) end
  if type(x[1]) == "string" and not is_name(x[1]) then
    local items = list { symbol(x[1]) }
    for i = 2, #x do
      if x[1] == "pull" and i == #x and is_pattern_name(x[i]) then
        items[i] = symbol(x[i])
      elseif x[1] == "pull" and i == #x and not values.is_symbol(x[i]) then
        items[i] = { kind = "pattern", value = x[i] }
      else
        items[i] = nodes.term(x[i])
      end
    end
    return items
  end
  local items = vector {}
  for i = 1, #x do
    items[i] = find_element(x[i])
  end
  return items
end

-- One of `in`; a plain string names the input that a pattern comes in.
local function input(x)
  local node = nodes.binding(x)
  if node.kind == "string" then node.kind = "symbol" end
  return node
end

local function array(x, key)
  if type(x) ~= "table" then anomaly.incorrect("lion/syntax", "%s of a query is an array", key) end
  return x
end

local KEYS = {
  find = true,
  ["in"] = true,
  with = true,
  where = true,
  keys = true,
  strs = true,
  syms = true,
  rules = true,
  ["order-by"] = true,
  order_by = true,
  limit = true,
  offset = true,
}

--- A query table → { find = [nodes], with =, in =, where =, keys =, order =, limit =, offset = },
-- rules.
function nodes.query(x)
  local parts = {}
  for key in pairs(x) do
    if not KEYS[key] then
      anomaly.incorrect(
        "lion/syntax",
        "%s is no part of a query (find, with, in, where, keys, rules, order_by, limit, offset)",
        tostring(key)
      )
    end
  end
  local function each(key, convert)
    if x[key] == nil then return nil end
    local items = {}
    for i, item in ipairs(array(x[key], key)) do
      items[i] = convert(item)
    end
    return items
  end
  parts.find = each("find", find_element)
  parts["in"] = each("in", input)
  parts.with = each("with", nodes.term)
  parts.where = each("where", nodes.clause)
  for _, key in ipairs { "keys", "strs", "syms" } do
    parts[key] = each(key, function(name) return symbol(tostring(name)) end)
  end
  parts["order-by"] = each(x["order-by"] and "order-by" or "order_by", nodes.term)
  if x.limit ~= nil then parts.limit = { nodes.term(x.limit) } end
  if x.offset ~= nil then parts.offset = { nodes.term(x.offset) } end
  return parts, x.rules
end

--- Rules of a table: { { { "name", "?a", … }, clause… }, … }.
function nodes.rules(x)
  local rules = vector {}
  for i, rule in ipairs(x) do
    if type(rule) ~= "table" or type(rule[1]) ~= "table" or type(rule[1][1]) ~= "string" then
      anomaly.incorrect("lion/syntax", 'a rule is { { "name", "?a", … }, clause, … }')
    end
    local items = vector { call(rule[1], 1) }
    for _, clause in ipairs(clauses(rule, 2, 1)) do
      items[#items + 1] = clause
    end
    rules[i] = items
  end
  return rules
end

--- A node as the Lua value that the binding makes a form of: wrapped (lion.values) where plain Lua
-- has no type for it.
function nodes.constant(node)
  local kind = node.kind
  if kind == "keyword" then return ":" .. node.value end
  if kind == "string" then
    return node.value:byte(1) == 58 and values.str(node.value) or node.value
  end
  if node.is_double then return values.double_const(node.value) end
  if kind == "number" or kind == "boolean" or kind == "regex" then return node.value end
  if kind == "nil" then return values.null end
  if kind == "inst" then return values.inst(node.value) end
  if kind == "uuid" then return values.uuid_const(node.value) end
  if kind == "symbol" then return values.symbol(node.value) end
  local items = {}
  if kind == "map" then
    for i = 1, #node, 2 do
      local key = node[i]
      key = key.kind == "keyword" and key.value or nodes.constant(key)
      if key ~= key then anomaly.incorrect("lion/syntax", "##NaN is no key of a map") end
      items[key] = nodes.constant(node[i + 1])
    end
    return items
  end
  for i, item in ipairs(node) do
    items[i] = nodes.constant(item)
  end
  return kind == "set" and values.set(items) or items
end

--- A node as text, for messages.
function nodes.text(node)
  local kind = node.kind
  if kind == "keyword" then return ":" .. node.value end
  if kind == "string" then return '"' .. node.value .. '"' end
  if kind == "regex" then return '#"' .. node.value .. '"' end
  if kind == "nil" then return "nil" end
  if kind == "inst" then return '#inst "' .. values.format_instant(node.value) .. '"' end
  if kind == "uuid" then return '#uuid "' .. node.value .. '"' end
  if kind == "query" or kind == "pattern" then return "…" end
  if node.value ~= nil then return tostring(node.value) end
  local parts = {}
  for i, item in ipairs(node) do
    parts[i] = nodes.text(item)
  end
  local open, close = "[", "]"
  if kind == "list" then
    open, close = "(", ")"
  elseif kind == "set" then
    open, close = "#{", "}"
  elseif kind == "map" then
    open, close = "{", "}"
  end
  return open .. table.concat(parts, " ") .. close
end

return nodes
