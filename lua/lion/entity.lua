--- Entities: a lazy map of one id at one time. Attributes are read when they are asked for, and
-- kept.
-- @module lion.entity
local anomaly = require "lion.anomaly"
local core = require "lion.core"

local entity = {}

local Entity = { __lion = "entity" }

-- What an entity is, kept beside it, so that pairs() over a touched entity shows its attributes
-- alone.
local hidden = setmetatable({}, { __mode = "k" })

local function make(db, id)
  local self = setmetatable({}, Entity)
  hidden[self] = { db = db, id = id, is_touched = false }
  return self
end

--- The entity of an id.
-- @param db a database value
-- @tparam number id
function entity.new(db, id) return make(db, id) end

-- A reference as users want it: the ident of what has one, else the entity.
local function referred(db, id)
  return db:ident(id) or make(db, id)
end

local function read_forward(db, id, name)
  local is_many, _, is_ref = core.attribute_kind(db.handle, name)
  if is_many == nil then return nil end
  if not is_many then
    local is_told, value = core.first(db.handle, id, name)
    if is_told then return is_ref and value and referred(db, value) or value end
  end
  local found = {}
  for datom in db:datoms("eavt", id, name) do
    local v = datom[3]
    if is_ref then v = referred(db, v) end
    if not is_many then return v end
    found[#found + 1] = v
  end
  return found[1] ~= nil and found or nil
end

local function read_reverse(db, id, name)
  local is_many, is_component, is_ref = core.attribute_kind(db.handle, name)
  if is_many == nil or not is_ref then return nil end
  local found = {}
  for datom in db:datoms("vaet", id, name) do
    local e = make(db, datom[1])
    if is_component then return e end
    found[#found + 1] = e
  end
  return found[1] ~= nil and found or nil
end

local function read(self, key)
  local data = hidden[self]
  local name = key:gsub("^:", "")
  if name == "db/id" then return data.id end
  local space, reverse = name:match("^(.*)/_(.+)$")
  if not space then space, reverse = name:match("^()_(.+)$") end
  if not reverse then return read_forward(data.db, data.id, name) end
  return read_reverse(
    data.db,
    data.id,
    type(space) == "string" and space .. "/" .. reverse or reverse
  )
end

--- Load all attributes, those of components too, into the entity itself.
function entity.touch(self)
  local data = hidden[self]
  if data.is_touched then return self end
  data.is_touched = true
  local name
  for datom in data.db:datoms("eavt", data.id) do
    if datom[2] ~= name then
      name = datom[2]
      local value = rawget(self, name)
      if value == nil then
        value = read(self, name)
        rawset(self, name, value)
      end
      local _, is_component = core.attribute_kind(data.db.handle, name)
      if is_component and type(value) == "table" then
        for _, part in ipairs(getmetatable(value) == Entity and { value } or value) do
          if getmetatable(part) == Entity then entity.touch(part) end
        end
      end
    end
  end
  return self
end

function Entity:__index(key)
  if key == "id" then return hidden[self].id end
  if key == "db" then return hidden[self].db end
  if key == "touch" then return entity.touch end
  if type(key) ~= "string" then return nil end
  local value = read(self, key)
  if value ~= nil and key:sub(1, 1) ~= ":" and key ~= "db/id" then rawset(self, key, value) end
  return value
end

-- As a map of what was read so far, the id in it, for those who write it down.
function Entity:__map()
  local map = { ["db/id"] = hidden[self].id }
  for name, value in next, self do map[name] = value end
  return map
end

function Entity.__newindex()
  anomaly.incorrect("lion/syntax", "an entity is read only: change it by a transaction")
end
function Entity.__eq(a, b) return hidden[a].id == hidden[b].id and hidden[a].db == hidden[b].db end
function Entity:__tostring() return "entity " .. ("%.0f"):format(hidden[self].id) end

--- Is it an entity?
function entity.is(x) return getmetatable(x) == Entity end

return entity
