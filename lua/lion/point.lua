--- Single facts: names of attributes resolved once a schema, values read by calls that LuaJIT
-- compiles together with the loop around them (lua/bind/point.h). What is not simple (histories,
-- filtered values, tuples, errors) is left to the callers' own, slower ways, and without the compiler
-- everything is.
-- @module lion.point
local ffi = require "lion.cdata"
local core = require "lion.core"
local pull = require "lion.pull"

local point = {}

local byte, concat = string.byte, table.concat
local C = ffi.C
local ids_of = ffi.typeof "uint32_t[?]"
local is_compiled = jit.status()

local EXACT_MAX = 2 ^ 53
local VALUES_MAX = 32 -- of one reading
local TEXT_MAX = 1024 -- of a key; longer ones are rare
local COLON = 58
local PULLS_MAX = 1024

point.owner = core.points() -- of what follows
local reader = ffi.cast("lion_lua_points *", point.owner)
local get, find_bits, find_text = reader.get, reader.find_bits, reader.find_text

-- ---- values ------------------------------------------------------------------------------------

-- A long that is no double stays an int64_t.
local function exact(x)
  if x >= -9007199254740992LL and x <= 9007199254740992LL then return tonumber(x) end
  return x
end

-- Lua for the value v of a type; types that are not here are read the slower way.
local READ = {
  [C.LION_TYPE_BOOLEAN] = "v.bits ~= 0",
  [C.LION_TYPE_LONG] = "exact(v.bits)",
  [C.LION_TYPE_DOUBLE] = "v.number",
  [C.LION_TYPE_INSTANT] = "tonumber(v.bits)",
  [C.LION_TYPE_REF] = "tonumber(v.bits)",
  [C.LION_TYPE_STRING] = "text(v.data, v.size)",
  [C.LION_TYPE_URI] = "text(v.data, v.size)",
  [C.LION_TYPE_BYTES] = "text(v.data, v.size)",
  [C.LION_TYPE_KEYWORD] = "':' .. text(v.data, v.size)",
}

local function load(source, ...)
  source = "local tonumber, exact, text, next, getmetatable = ... return " .. source
  return setfenv(assert(loadstring(source, "=(facts)")), {})(
    tonumber, exact, ffi.string, next, getmetatable, ...)
end

local readers = {}
for kind, expression in pairs(READ) do
  readers[kind] = load(("function(v) if v.type ~= 0 then local x = %s return x end end"):format(expression))
end

-- ---- keys --------------------------------------------------------------------------------------

local function is_long(x)
  return type(x) == "number" and x >= -EXACT_MAX and x <= EXACT_MAX and x % 1 == 0
    and (x ~= 0 or 1 / x > 0)
end

-- By type of the key: LION_OK, LION_ABSENT, or what else find answers; false: not this way. A function
-- that ends in a call of C would not be compiled.
local FIND = {
  [C.LION_TYPE_LONG] = function(handle, attribute, x)
    local status = is_long(x) and find_bits(reader, handle, attribute.id, attribute.type, x)
    return status
  end,
  [C.LION_TYPE_STRING] = function(handle, attribute, x)
    local is_text = type(x) == "string" and #x <= TEXT_MAX and byte(x) ~= COLON
    local status = is_text and find_text(reader, handle, attribute.id, attribute.type, x, #x)
    return status
  end,
}

-- ---- schemas -----------------------------------------------------------------------------------

-- What is known of a schema, shared by the values that have it: attributes by the names they were
-- asked by (forward: as keys of entities), readers of pull patterns.
local schemas = setmetatable({}, { __mode = "v" })

--- The record of a schema, by its epoch.
function point.schema(epoch)
  local known = schemas[epoch]
  if known then return known end
  known = { attributes = {}, forward = {}, pulls = {}, pull_count = 0 }
  schemas[epoch] = known
  return known
end

--- What reading takes to know of an attribute; nil where the name is none.
function point.attribute(db, name)
  local known = db.schema.attributes[name]
  if known then return known end
  local is_many, is_component, is_ref, id, kind, is_unique = core.attribute_kind(db.handle, name)
  if is_many == nil then return nil end
  known = { id = id, type = kind, is_many = is_many, is_component = is_component, is_ref = is_ref }
  if is_compiled and not is_many then
    known.ids, known.read = ids_of(1, id), readers[kind]
    known.find = is_unique and FIND[kind]
  end
  db.schema.attributes[name] = known
  return known
end

local attribute_of = point.attribute

-- Reads without history and without filters are the core's affair alone.
local function is_simple(db) return not (db.is_filtered or db.is_history) end

--- The value of an attribute of cardinality one.
-- @return true and the value or nil; false: it takes a reading of datoms to tell
function point.first(db, id, attribute)
  local read = attribute.read
  if read and is_simple(db) and get(reader, db.handle, id, attribute.ids, 1) == 0 then
    return true, read(reader.values[0])
  end
  return core.first(db.handle, id, attribute.id)
end

--- The entity of a lookup ref { name, value }.
-- @return its id; false: there is none; nil: it takes the slower way to tell
function point.lookup(db, x)
  local name, value = x[1], x[2]
  if type(name) ~= "string" or getmetatable(x) or not is_simple(db) then return nil end
  local attribute = attribute_of(db, name)
  local find = attribute and attribute.find
  if not find or value == nil or next(x, 2) ~= nil then return nil end
  local status = find(db.handle, attribute, value)
  if status == 0 then return tonumber(reader.id) end
  if status == C.LION_ABSENT then return false end
end

-- ---- flat pulls --------------------------------------------------------------------------------
-- A pattern of nothing but names of single values gets a function of its own that reads them at once
-- and makes the table.

-- A finalizer may read facts while a string is made: then all is read again.
local PULL = [[
function(reader, handle, id, ids)
  local read = reader.get
  while true do
    if read(reader, handle, id, ids, %d) ~= 0 then return false end
    local uses, values = reader.uses, reader.values
    %s
    if reader.uses == uses then
      if %s then return nil end
      return { %s }
    end
  end
end]]

local MATCH = "function(p) return getmetatable(p) == nil and %s and next(p, %d) == nil end"

local function map(names, fn)
  local out = {}
  for i, name in ipairs(names) do out[i] = fn(i, name) end
  return out
end

-- The function for these names; nil if one of them is more than a single value.
local function make_flat(db, names)
  if #names == 0 or #names > VALUES_MAX then return nil end
  local ids, kinds = {}, {}
  for i, name in ipairs(names) do
    local attribute = attribute_of(db, name)
    if not attribute or not attribute.read or attribute.is_ref or name:find "^:" then return nil end
    ids[i], kinds[i] = attribute.id, attribute.type
  end
  local reads = map(names, function(i)
    return ("local v%d do local v = values[%d] if v.type ~= 0 then v%d = %s end end")
      :format(i, i - 1, i, READ[kinds[i]])
  end)
  local nothing = map(names, function(i) return ("v%d == nil"):format(i) end)
  local fields = map(names, function(i, name) return ("[%q] = v%d"):format(name, i) end)
  local read = load(PULL:format(#names, concat(reads, "\n    "), concat(nothing, " and "),
    concat(fields, ", ")))
  local same = map(names, function(i, name) return ("p[%d] == %q"):format(i, name) end)
  local matches = load(MATCH:format(concat(same, " and "), #names))
  return { read = read, ids = ids_of(#ids, ids), matches = matches }
end

-- The names of a pattern in text; nil where it is more than names.
local function names_of_text(text)
  local names = {}
  for i, spec in ipairs(pull.normalise(text)) do
    for key, value in pairs(spec) do
      if key ~= "attr" and not (key == "reverse" and value == 0) then return nil end
    end
    names[i] = spec.attr
  end
  return names
end

-- Patterns as tables are known by their content: they may change, and be made anew for each pull.
local function signature_of(pattern)
  for i = 1, #pattern do if type(pattern[i]) ~= "string" then return nil end end
  return concat(pattern, "\0")
end

-- What is known of a pattern, by its text or signature; false: it is not flat.
local function remember(schema, key, known)
  if schema.pull_count >= PULLS_MAX then schema.pulls, schema.pull_count = {}, 0 end
  schema.pulls[key], schema.pull_count = known, schema.pull_count + 1
  return known
end

local function flat_text(db, text)
  local known = db.schema.pulls[text]
  if known ~= nil then return known end
  local names = names_of_text(text)
  return remember(db.schema, text, names and make_flat(db, names) or false)
end

local function flat_table(db, pattern)
  local signature = signature_of(pattern)
  if not signature then return nil end
  signature = "\0" .. signature -- which no text is
  local known = db.schema.pulls[signature]
  if known == nil then
    known = remember(db.schema, signature, make_flat(db, { unpack(pattern) }) or false)
  end
  return known and known.matches(pattern) and known or nil
end

--- The reader of a pattern of single values; nil or false where it takes a pull.
function point.flat(db, pattern)
  if not is_compiled or not is_simple(db) then return nil end
  if type(pattern) == "string" then return flat_text(db, pattern) end
  return type(pattern) == "table" and flat_table(db, pattern)
end

--- Pull by such a reader.
-- @return the table, or nil; false: it takes a pull
function point.pull(db, flat, id) return flat.read(reader, db.handle, id, flat.ids) end

return point
