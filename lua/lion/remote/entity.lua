--- Entities of a node: as lion.entity has them, but all attributes come with one request.
-- @module lion.remote.entity
local anomaly = require "lion.anomaly"
local codec = require "lion.remote.codec"

local entity = {}

local index, map_of, read_only, is_same, text_of

local function make(db, id, told)
  return setmetatable({}, {
    __lion = "entity",
    __index = index,
    __newindex = read_only,
    __eq = is_same,
    __tostring = text_of,
    __map = map_of,
    db = db,
    id = id,
    told = told,
    values = {},
  })
end

--- The entity of what a node told: { id =, attributes =, components = }.
function entity.new(db, told) return make(db, told.id, told) end

-- References become entities.
local function received(db, value)
  if codec.is_entity(value) then return make(db, value[1]) end
  if type(value) == "table" and getmetatable(value) == nil then
    for i, item in ipairs(value) do
      if codec.is_entity(item) then value[i] = make(db, item[1]) end
    end
  end
  return value
end

local function told_of(data)
  if not data.told then data.told = data.db:ask { op = "entity", arguments = { data.id } } end
  return data.told
end

local function is_reversed(name) return name:find "/_." or name:find "^_." end

local function read(data, name)
  if name == "db/id" then return data.id end
  if is_reversed(name) then
    return received(data.db, data.db:ask { op = "attribute", id = data.id, name = name }.value)
  end
  if data.values[name] == nil then
    data.values[name] = received(data.db, told_of(data).attributes[name])
  end
  return data.values[name]
end

function index(self, key)
  local data = getmetatable(self)
  if key == "id" then return data.id end
  if key == "db" then return data.db end
  if key == "touch" then return entity.touch end
  if type(key) ~= "string" then return nil end
  local value = read(data, (key:gsub("^:", "")))
  if value ~= nil and key:sub(1, 1) ~= ":" and key ~= "db/id" then rawset(self, key, value) end
  return value
end

--- Put all attributes, those of components too, into the entity itself.
function entity.touch(self)
  local data = getmetatable(self)
  if data.is_touched then return self end
  data.is_touched = true
  for name in pairs(told_of(data).attributes) do rawset(self, name, read(data, name)) end
  for _, name in ipairs(told_of(data).components) do
    local value = rawget(self, name)
    for _, part in ipairs(entity.is(value) and { value } or value) do
      if entity.is(part) then entity.touch(part) end
    end
  end
  return self
end

-- As a map of what was read so far, the id in it, for those who write it down.
function map_of(self)
  local map = { ["db/id"] = getmetatable(self).id }
  for name, value in next, self do map[name] = value end
  return map
end

function read_only()
  anomaly.incorrect("lion/syntax", "an entity is read only: change it by a transaction")
end

function is_same(a, b)
  local x, y = getmetatable(a), getmetatable(b)
  return x.id == y.id and x.db == y.db
end

function text_of(self) return "entity " .. ("%.0f"):format(getmetatable(self).id) end

--- Is it an entity?
function entity.is(x)
  local data = type(x) == "table" and getmetatable(x)
  return data and data.__lion == "entity" or false
end

return entity
