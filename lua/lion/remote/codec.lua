--- Lua values as bytes, for a connection to a node and its door: exactly the values that this module
-- gives and takes (numbers, int64_t, strings, lion.null, tables, and what lion.values and lion.core make),
-- so that what a remote connection reads is what an embedded one reads. Both sides speak one version.
-- @module lion.remote.codec
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local values = require "lion.values"

local codec = {}

--- The type of bodies; another version of the codec is another type.
codec.TYPE = "application/x-lion-values; version=1"

local is_there, buffer = pcall(require, "string.buffer")

-- ---- tables that are more than their contents ----------------------------------------------------

local Entity, Db, Log = {}, {}, {} -- what stands for an entity, a value, a log: { id } or { token }
local Reference, Flat = {}, {}

-- Both sides number them in this order.
local function types()
  return {
    core.datom_type(), getmetatable(values.symbol "x"), getmetatable(values.str ""),
    getmetatable(values.set {}), getmetatable(values.lookup("", "")), getmetatable(values.inst(0)),
    getmetatable(values.double_const(0)), getmetatable(values.typed("uuid", "")),
    getmetatable(values.typed("bytes", "")), getmetatable(values.decimal(0)),
    Entity, Db, Log, Reference, Flat,
  }
end

local function maker_of(type_of)
  return function(x) return setmetatable({ x }, type_of) end, function(x)
    return type(x) == "table" and getmetatable(x) == type_of
  end
end

--- codec.entity(id), codec.db(token), codec.log(token) stand for what cannot travel itself; is_entity,
-- is_db, is_log know them.
codec.entity, codec.is_entity = maker_of(Entity)
codec.db, codec.is_db = maker_of(Db)
codec.log, codec.is_log = maker_of(Log)

-- ---- depth ---------------------------------------------------------------------------------------
-- Buffers nest 100 deep, results of pulls deeper: their tables then stand side by side.

local function flatten(root)
  local tables, numbers, flat = { root }, { [root] = 1 }, {}
  local at = 1
  while tables[at] do
    local copy = {}
    for key, value in next, tables[at] do
      if type(value) == "table" then
        if not numbers[value] then
          tables[#tables + 1] = value
          numbers[value] = #tables
        end
        value = setmetatable({ numbers[value] }, Reference)
      end
      copy[key] = value
    end
    flat[at] = setmetatable(copy, getmetatable(tables[at]))
    at = at + 1
  end
  return setmetatable(flat, Flat)
end

local function unflatten(flat)
  for _, one in ipairs(flat) do
    for key, value in next, one do
      if type(value) == "table" and getmetatable(value) == Reference then rawset(one, key, flat[value[1]]) end
    end
  end
  return flat[1]
end

-- ---- bytes ---------------------------------------------------------------------------------------

local encoder, decoder

local function buffers()
  if encoder then return end
  if not is_there then anomaly.unsupported("connections to a node need LuaJIT's string.buffer") end
  require "lion" -- which sets the core up
  local options = { metatable = types() }
  encoder, decoder = buffer.new(options), buffer.new(options)
end

local function encode(value) return encoder:reset():encode(value):get() end

-- The value, and whether that was all.
local function decode(bytes)
  local value = decoder:reset():put(bytes):decode()
  return value, #decoder == 0
end

-- Where these are compiled, this LuaJIT crashes when it collects (in propagatemark, out of a trace).
jit.off(encode)
jit.off(decode)

--- The bytes of a value. Raises unsupported for functions, lion/syntax for other things that are no data.
-- @param value
-- @treturn string
function codec.write(value)
  buffers()
  local ok, bytes = pcall(encode, value)
  if ok then return bytes end
  local problem = tostring(bytes)
  if problem:find("deep", 1, true) then
    ok, bytes = pcall(encode, flatten(value))
    if ok then return bytes end
    problem = tostring(bytes)
  end
  if problem:find("function", 1, true) then
    anomaly.unsupported("a function cannot be sent to a node: give the name of an allowed one")
  end
  anomaly.incorrect("lion/syntax", "%s", "this is no value: " .. problem:gsub("^[^:]*:%d+: ", ""))
end

--- The value of bytes. Raises lion/syntax for what is malformed.
-- @tparam string bytes
function codec.read(bytes)
  buffers()
  local ok, value, is_whole = pcall(decode, bytes)
  if not ok or not is_whole then
    anomaly.incorrect("lion/syntax", "the body is no value of %s", codec.TYPE)
  end
  if type(value) == "table" and getmetatable(value) == Flat then return unflatten(value) end
  return value
end

return codec
