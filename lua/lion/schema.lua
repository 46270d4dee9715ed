--- A short hand for schema: `lion.schema` makes the transaction data that define attributes.
--
--     conn:transact(lion.schema { person = { email = { "string", unique = "identity", doc = "login"
-- }, friend = { "ref", many = true } } })
-- @module lion.schema
local anomaly = require "lion.anomaly"

local schema = {}

-- Bare name → Datomic's.
local TYPES = {
  string = "string", long = "long", boolean = "boolean", double = "double", float = "float",
  instant = "instant", keyword = "keyword", symbol = "symbol", ref = "ref", uuid = "uuid",
  uri = "uri", bytes = "bytes", tuple = "tuple", bigdec = "bigdec", decimal = "bigdec",
  bigint = "bigint", fn = "fn",
}

local function known(names)
  local list = {}
  for name in pairs(names) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, ", ")
end

local function fail(attribute, message, ...)
  anomaly.incorrect("lion/syntax", "lion.schema, %s: %s", attribute, message:format(...))
end

local function value_type(attribute, name)
  local bare = type(name) == "string" and name:gsub("^:", ""):gsub("^db%.type/", "")
  if not TYPES[bare] then fail(attribute, "%s is no type (%s)", tostring(name), known(TYPES)) end
  return ":db.type/" .. TYPES[bare]
end

local function keyword(name) return ":" .. name:gsub("^:", "") end

-- A list of names, each through `convert`; a single name is a list of one.
local function each(attribute, option, list, convert)
  if type(list) == "string" then list = { list } end
  if type(list) ~= "table" or #list == 0 then fail(attribute, "%s is a list of names", option) end
  local result = {}
  for i, name in ipairs(list) do
    if type(name) ~= "string" then
      fail(attribute, "%s is a list of names, and %s is none", option, tostring(name))
    end
    result[i] = convert(name)
  end
  return result
end

local function truth(attribute, option, value)
  if type(value) ~= "boolean" then
    fail(attribute, "%s is true or false, not %s", option, tostring(value))
  end
  return value
end

-- Option → what it adds to the attribute's map.
local OPTIONS = {}

function OPTIONS.many(map, attribute, value)
  if truth(attribute, "many", value) then map["db/cardinality"] = ":db.cardinality/many" end
end
function OPTIONS.unique(map, attribute, value)
  if value ~= "identity" and value ~= "value" then
    fail(attribute, "unique is \"identity\" or \"value\", not %s", tostring(value))
  end
  map["db/unique"] = ":db.unique/" .. value
end
function OPTIONS.component(map, attribute, value)
  map["db/isComponent"] = truth(attribute, "component", value)
end
function OPTIONS.index(map, attribute, value) map["db/index"] = truth(attribute, "index", value) end
function OPTIONS.no_history(map, attribute, value)
  map["db/noHistory"] = truth(attribute, "no_history", value)
end
function OPTIONS.doc(map, attribute, value)
  if type(value) ~= "string" then fail(attribute, "doc is a string") end
  map["db/doc"] = value
end
function OPTIONS.tuple_attrs(map, attribute, value)
  map["db/tupleAttrs"] = each(attribute, "tuple_attrs", value, keyword)
end
function OPTIONS.tuple_types(map, attribute, value)
  map["db/tupleTypes"] = each(attribute, "tuple_types", value,
    function(name) return value_type(attribute, name) end)
end
function OPTIONS.tuple_type(map, attribute, value)
  map["db/tupleType"] = value_type(attribute, value)
end
function OPTIONS.preds(map, attribute, value)
  map["db.attr/preds"] = each(attribute, "preds", value,
    function(name) return (name:gsub("^:", "")) end)
end

local function sorted_keys(map, attribute)
  local keys = {}
  for key in pairs(map) do
    if type(key) ~= "string" then fail(attribute, "a name is a string, not %s", tostring(key)) end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

local function define(attribute, spec)
  if type(spec) == "string" then spec = { spec } end
  if type(spec) ~= "table" or spec[2] ~= nil then
    fail(attribute, "write \"string\" or { \"string\", many = true }")
  end
  local is_tuple = spec.tuple_attrs or spec.tuple_types or spec.tuple_type
  local map = {
    ["db/ident"] = ":" .. attribute,
    ["db/valueType"] = value_type(attribute, spec[1] or is_tuple and "tuple" or nil),
    ["db/cardinality"] = ":db.cardinality/one",
  }
  for key, value in pairs(spec) do
    if key ~= 1 then
      local option = OPTIONS[key]
      if not option then fail(attribute, "%s is no option (%s)", tostring(key), known(OPTIONS)) end
      option(map, attribute, value)
    end
  end
  return map
end

--- Transaction data for the attributes of a specification, in order of their names.
-- @tparam table spec { namespace = { attribute = "type" | { "type", many =, unique =, component =,
-- index =, no_history =, doc =,
--   tuple_attrs =, tuple_types =, tuple_type =, preds = } } }
-- @treturn table
function schema.define(spec)
  if type(spec) ~= "table" then
    anomaly.incorrect("lion/syntax", "lion.schema takes { namespace = { attribute = \"type\" } }")
  end
  local tx = {}
  for _, namespace in ipairs(sorted_keys(spec, "the specification")) do
    local attributes = spec[namespace]
    if type(attributes) ~= "table" then
      fail(namespace, "a namespace holds attributes: { %s = { name = \"string\" } }", namespace)
    end
    for _, name in ipairs(sorted_keys(attributes, namespace)) do
      tx[#tx + 1] = define(namespace .. "/" .. name, attributes[name])
    end
  end
  return tx
end

return schema
