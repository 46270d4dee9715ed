--- Entities: a lazy map of one id at one time. Attributes are read when they are asked for, and
-- kept.
-- @module lion.entity
local anomaly = require "lion.anomaly"
local point = require "lion.point"
local new_table = require "table.new"

local entity = {}

local KEPT = 8 -- attributes that an entity has room for from the start

local index

-- As a map of what was read so far, the id in it, for those who write it down.
local function map_of(self)
  local map = { ["db/id"] = getmetatable(self).id }
  for name, value in next, self do map[name] = value end
  return map
end

local function read_only()
  anomaly.incorrect("lion/syntax", "an entity is read only: change it by a transaction")
end

local function is_same(a, b)
  local x, y = getmetatable(a), getmetatable(b)
  return x.id == y.id and x.db == y.db
end

local function text_of(self) return "entity " .. ("%.0f"):format(getmetatable(self).id) end

--- The metatable of an entity, embedded or a node's. What it is lies in there, so that pairs() over a touched
-- entity shows its attributes alone.
-- @param db
-- @tparam number id
-- @tparam function reads as __index has it
-- @treturn table
function entity.meta(db, id, reads)
  return {
    __lion = "entity",
    __index = reads,
    __newindex = read_only,
    __eq = is_same,
    __tostring = text_of,
    __map = map_of,
    db = db,
    id = id,
  }
end

local meta = entity.meta

local function make(db, id)
  local self = setmetatable(new_table(0, KEPT), meta(db, id, index))
  return self -- a call of setmetatable as the last thing would not be compiled
end

--- The entity of an id.
-- @function entity.new
-- @param db a database value
-- @tparam number id
entity.new = make

-- A reference as users want it: the ident of what has one, else the entity.
local function referred(db, id)
  return db:ident(id) or make(db, id)
end

local function read_one(db, id, attribute)
  local is_told, value = point.first(db, id, attribute)
  if not is_told then
    local datom = db:datoms("eavt", id, attribute.id)()
    value = datom and datom[3]
  end
  if attribute.is_ref and value then return referred(db, value) end
  return value
end

local function read_forward(db, id, attribute)
  if not attribute.is_many then return read_one(db, id, attribute) end
  local found = {}
  for datom in db:datoms("eavt", id, attribute.id) do
    local v = datom[3]
    if attribute.is_ref then v = referred(db, v) end
    found[#found + 1] = v
  end
  return found[1] ~= nil and found or nil
end

local function read_reverse(db, id, name)
  local attribute = point.attribute(db, name)
  if not attribute or not attribute.is_ref then return nil end
  local found = {}
  for datom in db:datoms("vaet", id, attribute.id) do
    local e = make(db, datom[1])
    if attribute.is_component then return e end
    found[#found + 1] = e
  end
  return found[1] ~= nil and found or nil
end

-- "person/_friend" and "_friend" → "person/friend" and "friend"; nil for names that are not reversed.
local function reversed(name)
  local space, rest = name:match "^(.*/)_(.+)$"
  if not space then space, rest = name:match "^()_(.+)$" end
  return rest and (type(space) == "string" and space .. rest or rest)
end

local function read(db, id, key)
  local name = key:gsub("^:", "")
  if name == "db/id" then return id end
  local reverse = reversed(name)
  if reverse then return read_reverse(db, id, reverse) end
  local attribute = point.attribute(db, name)
  if not attribute then return nil end
  db.schema.forward[name] = attribute
  return read_forward(db, id, attribute)
end

-- Load the attributes of one entity into it; what it has for components is put behind the others in `open`.
local function touch_one(self, open)
  local data = getmetatable(self)
  if data.is_touched then return end
  data.is_touched = true
  local name
  for datom in data.db:datoms("eavt", data.id) do
    if datom[2] ~= name then
      name = datom[2]
      local value = rawget(self, name)
      if value == nil then
        value = read(data.db, data.id, name)
        rawset(self, name, value)
      end
      if point.attribute(data.db, name).is_component then entity.add_parts(open, value) end
    end
  end
end

--- Put the entities among what an attribute has, one or an array, behind those of a list.
function entity.add_parts(list, value)
  if type(value) ~= "table" then return end
  for _, part in ipairs(entity.is(value) and { value } or value) do
    if entity.is(part) then list[#list + 1] = part end
  end
end

--- Load all attributes, those of components too, into the entity itself.
function entity.touch(self)
  local open = { self } -- a list, as components may lie deeper than calls nest
  while open[1] do touch_one(table.remove(open), open) end
  return self
end

function index(self, key)
  local data = getmetatable(self)
  local db = data.db
  local attribute = db.schema.forward[key]
  if attribute then -- read before, in a database of this schema
    local value = read_forward(db, data.id, attribute)
    if value ~= nil then rawset(self, key, value) end
    return value
  end
  if key == "id" then return data.id end
  if key == "db" then return db end
  if key == "touch" then return entity.touch end
  if type(key) ~= "string" then return nil end
  local value = read(db, data.id, key)
  if value ~= nil and key:sub(1, 1) ~= ":" and key ~= "db/id" then rawset(self, key, value) end
  return value
end

--- Is it an entity?
function entity.is(x)
  local data = type(x) == "table" and getmetatable(x)
  return data and data.__lion == "entity" or false
end

return entity
