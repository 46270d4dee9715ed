--- Pull patterns: EDN text, nodes of a query's text, or Lua tables → the one normalised form that
-- core/pull/pull.h describes.
--
--     "[:person/name {:person/boss 3} (:person/friend :limit 5 :as \"pals\")]"
--     { "person/name", { ["person/boss"] = 3 }, { "person/friend", limit = 5, as = "pals" } }
--
-- Both become a list of { attr =, reverse = 0|1, as =, limit =, default =, xform =, pattern =,
-- recursion = }.
-- @module lion.pull
local anomaly = require "lion.anomaly"
local edn = require "lion.edn"
local nodes = require "lion.query.nodes"
local values = require "lion.values"

local pull = {}

local DEPTH_MAX = 190 -- the core's forms nest 200 deep

local OPTIONS = { as = true, limit = true, default = true, xform = true }

local function fail(node, message, ...)
  if select("#", ...) > 0 then message = message:format(...) end
  if node then message = message .. ", in " .. nodes.text(node) end
  anomaly.incorrect("lion/syntax", "pull pattern: %s", message)
end

local function check_depth(depth)
  if depth > DEPTH_MAX then
    fail(nil, "nested deeper than %d: a recursion goes further, {:a/b ...}", DEPTH_MAX)
  end
end

-- ---- Lua tables become nodes -------------------------------------------------------------------

local pattern_node

local function attribute_node(name)
  if name == "*" or name == "..." then return nodes.symbol(name) end
  return { kind = "keyword", value = (name:gsub("^:", "")) }
end

local function option_value(name, value)
  if name == "xform" and type(value) == "string" then
    return nodes.symbol((value:gsub("^:", "")))
  end
  return nodes.term(value)
end

-- { "a/b", as =, limit = … } as well as the text's own order { "a/b", ":as", "x" } and { "limit",
-- "a/b", 3 }.
local function expression_node(x, depth)
  local items, first = { kind = "list" }, 1
  if x[1] == "limit" or x[1] == "default" then items[1], first = nodes.symbol(x[1]), 2 end
  if type(x[first]) == "string" then items[#items + 1] = attribute_node(x[first])
  elseif type(x[first]) == "table" and #x[first] > 0 then
    check_depth(depth)
    items[#items + 1] = expression_node(x[first], depth + 1)
  else fail(nil, "an attribute stands first in { \"a/b\", limit = 3 }") end
  for i = first + 1, #x do
    local before = items[#items]
    local is_xform = first == 1 and before.kind == "keyword" and before.value == "xform"
    items[#items + 1] = is_xform and option_value("xform", x[i]) or nodes.term(x[i])
  end
  for key, value in pairs(x) do
    if type(key) == "string" then
      local name = key:gsub("^:", "")
      if not OPTIONS[name] then fail(nil, "%s is no option (as, limit, default, xform)", name) end
      items[#items + 1] = { kind = "keyword", value = name }
      items[#items + 1] = option_value(name, value)
    end
  end
  return items
end

local function map_node(x, depth)
  local keys, items = {}, { kind = "map" }
  for key in pairs(x) do
    if type(key) ~= "string" and type(key) ~= "table" then
      fail(nil, "the key of a map specification is an attribute")
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for _, key in ipairs(keys) do
    local is_name = type(key) == "string"
    items[#items + 1] = is_name and attribute_node(key) or expression_node(key, depth + 1)
    local value = x[key]
    if type(value) == "string" then items[#items + 1] = attribute_node(value)
    elseif type(value) == "table" and not values.is_symbol(value) then
      items[#items + 1] = pattern_node(value, depth + 1)
    else items[#items + 1] = nodes.term(value) end
  end
  return items
end

local function spec_node(x, depth)
  if type(x) == "string" then return attribute_node(x) end
  if type(x) ~= "table" or getmetatable(x) ~= nil then return nodes.term(x) end
  if #x > 0 then return expression_node(x, depth) end
  return map_node(x, depth)
end

function pattern_node(x, depth)
  check_depth(depth)
  local items = { kind = "vector" }
  for i = 1, #x do items[i] = spec_node(x[i], depth) end
  for key in pairs(x) do
    if type(key) ~= "number" then
      fail(nil, "a pattern is an array, and %s = … is no element of it", tostring(key))
    end
  end
  return items
end

-- ---- nodes become specifications ---------------------------------------------------------------

local specs_of

local function is_symbol(node, name)
  return node ~= nil and node.kind == "symbol" and node.value == name
end

local function is_star(node)
  return node.value == "*" and (node.kind == "symbol" or node.kind == "string")
end

local function attribute_spec(node)
  if is_star(node) then return { attr = "*", reverse = 0 } end
  if node.kind ~= "keyword" then
    fail(node, "an attribute is a keyword such as :person/name, or *")
  end
  local namespace, name = node.value:match("^(.*/)_(.+)$")
  if not namespace then namespace, name = "", node.value:match("^_(.+)$") end
  if name then return { attr = namespace .. name, reverse = 1 } end
  return { attr = node.value, reverse = 0 }
end

local function is_count(node)
  return node.kind == "number" and type(node.value) == "number" and node.value % 1 == 0
    and node.value >= 1
end

local function limit_of(node)
  if node.kind == "nil" then return -1 end
  if not is_count(node) then
    fail(node, "a limit is a whole number above 0, or nil for all")
  end
  return node.value
end

local function set_option(spec, name, value, node)
  if name == "limit" then spec.limit = limit_of(value)
  elseif name == "as" then
    local is_nan = value.value ~= value.value -- which no table takes for a key
    if value.kind == "nil" or is_nan then fail(node, ":as takes a name") end
    spec.as = nodes.constant(value)
  elseif name == "default" then
    if value.kind ~= "nil" then spec.default = nodes.constant(value) end
  elseif name == "xform" then
    if value.kind ~= "symbol" and value.kind ~= "keyword" then
      fail(node, ":xform takes the name of a function")
    end
    spec.xform = value.value:gsub("^clojure%.core/", "")
  else
    fail(node, ":%s is no option (:as, :limit, :default, :xform)", name)
  end
end

-- An attribute, [attribute option…], (attribute option…), or the older (limit attribute n),
-- (default attribute v).
local function expression_spec(node, depth)
  if node.kind ~= "vector" and node.kind ~= "list" then return attribute_spec(node) end
  check_depth(depth)
  local first = node[1]
  if not first then fail(node, "an attribute is missing") end
  if first.kind == "symbol" and (first.value == "limit" or first.value == "default") then
    if #node ~= 3 then fail(node, "%s takes an attribute and a value", first.value) end
    local spec = expression_spec(node[2], depth + 1)
    set_option(spec, first.value, node[3], node)
    return spec
  end
  local spec = attribute_spec(first)
  if #node % 2 == 0 then fail(node, "each option has a value") end
  for i = 2, #node, 2 do
    if node[i].kind ~= "keyword" then
      fail(node, "%s is no option (:as, :limit, :default, :xform)", nodes.text(node[i]))
    end
    set_option(spec, node[i].value, node[i + 1], node)
  end
  return spec
end

local function add_map(result, node, depth)
  if #node == 0 then fail(node, "a map specification names an attribute") end
  for i = 1, #node, 2 do
    local spec, value = expression_spec(node[i], depth + 1), node[i + 1]
    if spec.attr == "*" or spec.attr == "db/id" then
      fail(node, "%s has no pattern of its own", spec.attr)
    end
    if is_symbol(value, "...") then spec.recursion = -1
    elseif value.kind == "number" then
      if not is_count(value) then
        fail(node, "a recursion is a whole number above 0, or ...")
      end
      spec.recursion = value.value
    elseif value.kind == "vector" or value.kind == "list" then
      spec.pattern = specs_of(value, depth + 1)
    else fail(node, "a map specification has a pattern, a number or ... for each attribute") end
    result[#result + 1] = spec
  end
end

function specs_of(node, depth)
  check_depth(depth)
  if node.kind ~= "vector" and node.kind ~= "list" then
    fail(node, "a pattern is a vector, [:person/name :person/age]")
  end
  if #node == 0 then fail(node, "a pattern has one element at least") end
  local result = {}
  for _, item in ipairs(node) do
    if item.kind == "map" then add_map(result, item, depth)
    else result[#result + 1] = expression_spec(item, depth) end
  end
  return result
end

-- ---- public ------------------------------------------------------------------------------------

local CACHE_MAX = 1024

-- Text → specifications; emptied when full. The tables are shared: nobody changes them.
local cache, cached = {}, 0

local function of_text(text)
  local known = cache[text]
  if known then return known end
  known = specs_of(edn.read_ast(text), 1)
  if cached >= CACHE_MAX then cache, cached = {}, 0 end
  cache[text], cached = known, cached + 1
  return known
end

--- The normalised form of a pattern.
-- @tparam string|table pattern EDN text, a Lua table, or a node of `edn.read_ast`
-- @treturn table an array of specifications; to be read only
function pull.normalise(pattern)
  if type(pattern) == "string" then return of_text(pattern) end
  if type(pattern) ~= "table" then
    anomaly.incorrect("lion/syntax", "a pull pattern is EDN text or a table, not a %s",
      type(pattern))
  end
  if nodes.is_node(pattern) then return specs_of(pattern, 1) end
  return specs_of(pattern_node(pattern, 1), 1)
end

return pull
