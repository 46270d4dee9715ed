--- Entities of a node: as lion.entity has them, but all attributes come with one request.
-- @module lion.remote.entity
local codec = require "lion.remote.codec"
local embedded = require "lion.entity"

local entity = {}

local index

local function make(db, id, told)
  local meta = embedded.meta(db, id, index)
  meta.told, meta.values = told, {}
  return setmetatable({}, meta)
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

-- What an attribute is called now, which may have had this name; asked once for a database value.
local function newest_name(db, name)
  if db.names[name] == nil then
    local ident = db:ident(":" .. name)
    db.names[name] = ident and ident:sub(2) or name
  end
  return db.names[name]
end

local function read(data, name)
  if name == "db/id" then return data.id end
  if is_reversed(name) then
    return received(data.db, data.db:ask { op = "attribute", id = data.id, name = name }.value)
  end
  local attributes = told_of(data).attributes
  if attributes[name] == nil then name = newest_name(data.db, name) end
  if data.values[name] == nil then data.values[name] = received(data.db, attributes[name]) end
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

-- Put the attributes of one entity into it, and its components behind the others in `open`.
local function touch_one(self, open)
  local data = getmetatable(self)
  if data.is_touched then return end
  data.is_touched = true
  for name in pairs(told_of(data).attributes) do rawset(self, name, read(data, name)) end
  for _, name in ipairs(told_of(data).components) do embedded.add_parts(open, rawget(self, name)) end
end

--- Put all attributes, those of components too, into the entity itself.
function entity.touch(self)
  local open = { self }
  while open[1] do touch_one(table.remove(open), open) end
  return self
end

return entity
