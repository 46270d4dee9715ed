--- Values of the database: immutable, of one connection, at one time.
-- @module lion.db
local anomaly = require "lion.anomaly"
local call = require "lion.call"
local core = require "lion.core"
local edn = require "lion.edn"
local entity = require "lion.entity"
local find = require "lion.find"
local point = require "lion.point"
local pull = require "lion.pull"
local values = require "lion.values"

local Db = { __lion = "db" }
Db.__index = Db

local db = { Db = Db }

local IDS_END = 2 ^ 53 -- ids are below

local INDEXES = { eavt = 0, aevt = 1, avet = 2, vaet = 3 }

--- A value around its handle.
-- @param handle of the core
-- @param conn the connection; kept alive by its values
-- @tparam[opt] table functions of filters; kept alive by their values
function db.wrap(handle, conn, functions)
  local basis, as_of, since, is_history, counter, instant, is_filtered, epoch = core.info(handle)
  return setmetatable({
    handle = handle,
    conn = conn,
    functions = functions,
    limits = conn and conn.limits,
    name = conn and conn.name,
    basis_t = basis,
    as_of_t = as_of >= 0 and as_of or nil,
    since_t = since >= 0 and since or nil,
    is_history = is_history,
    is_filtered = is_filtered,
    next_counter = counter,
    tx_instant = instant,
    schema = point.schema(epoch),
  }, Db)
end

local function derive(self, handle, functions)
  return db.wrap(handle, self.conn, functions or self.functions)
end

function Db.__eq(a, b) return core.equal(a.handle, b.handle) end

function Db:__tostring()
  local view = self.is_history and " history" or ""
  if self.as_of_t then view = view .. (" as of %d"):format(self.as_of_t) end
  if self.since_t then view = view .. (" since %d"):format(self.since_t) end
  return ("db %s at %d%s"):format(self.name or "", self.basis_t, view)
end

-- ---- time -------------------------------------------------------------------------------------

--- The t of a point in time: a t, a transaction id, an instant (ms, or RFC 3339 text).
function db.point(self, x)
  if type(x) == "string" then return core.point(self.handle, values.instant(x), true) end
  if type(x) ~= "number" and type(x) ~= "cdata" then
    anomaly.incorrect(
      "lion/syntax",
      "a point in time is a t, a transaction id or an instant, not %s",
      tostring(x)
    )
  end
  return core.point(self.handle, x)
end

--- What was known at that time.
function Db:as_of(x) return derive(self, core.as_of(self.handle, db.point(self, x))) end
--- What became known after that time.
function Db:since(x) return derive(self, core.since(self.handle, db.point(self, x))) end
--- All assertions and retractions.
function Db:history() return derive(self, core.history(self.handle)) end

--- The datoms that fn(db, datom) lets through.
function Db:filter(fn)
  if type(fn) ~= "function" then
    anomaly.incorrect(
      "lion/syntax",
      "filter takes a function of a database and a datom, not a %s",
      type(fn)
    )
  end
  local functions = { fn, self.functions }
  return derive(self, core.filter(self.handle, fn), functions)
end

-- ---- with -------------------------------------------------------------------------------------

--- Transaction data as the core takes them: an array, or EDN text that holds one.
function db.tx_data(tx)
  if type(tx) == "string" then tx = edn.read_tx(tx) end
  if type(tx) ~= "table" then
    anomaly.incorrect(
      "lion/syntax",
      "a transaction is an array of operations or EDN text, not a %s",
      type(tx)
    )
  end
  return tx
end

--- The report of a transaction that is not made: db_after is the value it would make.
function Db:with(tx)
  local step = call.drive(core.with_open(self.handle, db.tx_data(tx)))
  local report = core.report(step)
  report.db_before = self
  report.db_after = derive(self, report.db_after)
  return report
end

-- ---- queries ----------------------------------------------------------------------------------

--- Ask: the shape follows the find specification. Rows that the query does not order come in any order,
-- which the same query of the same value need not repeat.
function Db:q(q, ...)
  local arguments, count = find.with_db(self, q, ...)
  return find.all(q, arguments, count, find.add_limits({}, arguments, count))
end

--- Ask, and walk over the rows' values.
function Db:rows(q, ...)
  local arguments, count = find.with_db(self, q, ...)
  return find.rows(q, arguments, count, find.add_limits({}, arguments, count))
end

--- How a query is run: { text =, tree = }.
function Db:explain(q, ...)
  local arguments, count = find.with_db(self, q, ...)
  return find.explain(q, arguments, count, find.add_limits({}, arguments, count))
end

-- ---- entities ---------------------------------------------------------------------------------

local iterate

-- A lookup ref's fact must pass the filters, whose functions the core cannot ask while it resolves.
local function is_seen(self, lookup, id)
  return iterate(self, INDEXES.eavt, { id, lookup[1], lookup[2] }, {})() ~= nil
end

--- The id of an entity given as id, ident or lookup ref; nil where there is none.
function Db:entid(x)
  if x == nil then
    anomaly.incorrect("lion/syntax", "entid of nil: an id, an ident or a lookup ref is expected")
  end
  if type(x) == "table" then
    local id = point.lookup(self, x)
    if id ~= nil then return id or nil end
  end
  local id = core.entid(self.handle, x)
  if id and self.is_filtered and type(x) == "table" and not is_seen(self, x, id) then return nil end
  return id
end

--- The newest ident of an entity, with its colon; nil where it has none.
function Db:ident(x)
  local id = type(x) == "number" and x or self:entid(x)
  local name = id and core.ident(self.handle, id)
  return name and ":" .. name
end

--- What the schema says of an attribute.
function Db:attribute(a) return core.attribute(self.handle, a) end

local function refuse_history(self)
  if not self.is_history then return end
  anomaly.incorrect(
    "lion/syntax",
    "a history has no entities to pull or walk: ask a value of one time, such as db:as_of(t)"
  )
end

local function pull_ids(self, pattern, ids)
  return core.pull_results(call.drive(core.pull_open(self.handle, pattern, ids)))
end

--- A tree of an entity's data; nil where it has nothing of the pattern.
function Db:pull(pattern, x)
  refuse_history(self)
  local flat = point.flat(self, pattern)
  local normal = not flat and pull.normalise(pattern)
  local id = self:entid(x)
  if not id then return nil end
  if flat then
    local result = point.pull(self, flat, id)
    if result ~= false then return result end
  end
  local result = pull_ids(self, normal or pull.normalise(pattern), { id })[1]
  if result == values.null then return nil end
  return result
end

--- The same of many entities, in their order; lion.null for what has nothing.
function Db:pull_many(pattern, list)
  refuse_history(self)
  local normal = pull.normalise(pattern)
  if type(list) ~= "table" then
    anomaly.incorrect("lion/syntax", "pull_many takes an array of entities, not a %s", type(list))
  end
  local ids, places, count, given = {}, {}, 0, #list
  for i = 1, given do
    local x = list[i]
    local is_id = type(x) == "number" and x > 0 and x < IDS_END and x % 1 == 0
    local id = is_id and x or self:entid(x)
    if id then
      count = count + 1
      ids[count], places[count] = id, i
    end
  end
  local pulled = pull_ids(self, normal, ids)
  if count == given then return pulled end
  local results = {}
  for i = 1, given do results[i] = values.null end
  for k = 1, count do results[places[k]] = pulled[k] end
  return results
end

--- An entity as a lazy map; nil where a lookup ref or ident is not there.
function Db:entity(x)
  refuse_history(self)
  local id = self:entid(x)
  return id and entity.new(self, id) or nil
end

-- ---- indexes ----------------------------------------------------------------------------------

local function index_number(name)
  local number = type(name) == "string" and INDEXES[name:gsub("^:", "")]
  if not number then
    anomaly.incorrect("lion/syntax", "%s is no index: eavt, aevt, avet or vaet", tostring(name))
  end
  return number
end

-- The components given: nothing may stand behind a nil.
local function components_of(...)
  local count = select("#", ...)
  local components = { ... }
  while count > 0 and components[count] == nil do count = count - 1 end
  for i = 1, count do
    if components[i] == nil then
      anomaly.incorrect("lion/syntax", "component %d is nil, and others stand behind it", i)
    end
  end
  if count > 4 then
    anomaly.incorrect("lion/syntax", "an index has four components, and %d are given", count)
  end
  return components
end

local NOTHING = {}

function iterate(self, number, components, options)
  local step = core.cursor_open(self.handle, number, components, options)
  local owner = self -- keeps the filters' functions alive
  local buffer, at, filled = {}, 0, 0
  return function()
    if at >= filled then
      if not step then return nil end
      local rows = core.cursor_next(step, buffer)
      while rows == 0 do
        call.answer(step)
        rows = core.cursor_next(step, buffer)
      end
      if not rows then
        step, owner, filled = nil, nil, 0
        return nil
      end
      at, filled = 0, rows
    end
    at = at + 1
    return buffer[at], owner and nil
  end
end

--- The datoms with these components, in the order of the index.
function Db:datoms(index, ...)
  return iterate(self, index_number(index), components_of(...), NOTHING)
end
--- The datoms from these components on, to the end of the index, in its order.
function Db:seek(index, ...)
  return iterate(self, index_number(index), components_of(...), { seek = true })
end

--- The datoms of an attribute whose value is at least `from` and below `to`, by value.
function Db:index_range(attr, from, to)
  if attr == nil then anomaly.incorrect("lion/syntax", "index_range of which attribute?") end
  local options = { seek = true, in_attribute = true, ["end"] = to }
  return iterate(self, INDEXES.avet, { attr, from }, options)
end

--- The exact number of datoms with these components.
function Db:count(index, ...)
  local number, components = index_number(index), components_of(...)
  local count = core.count(self.handle, (index:gsub("^:", "")), components)
  if count then return count end
  count = 0
  for _ in iterate(self, number, components, NOTHING) do count = count + 1 end
  return count
end

-- ---- index_pull -------------------------------------------------------------------------------

local PULL_KEYS = {
  index = true, pattern = true, selector = true, start = true, reverse = true, offset = true,
  limit = true,
}
local PULL_BATCH = 64

local function check_whole(name, value, least)
  if value == nil or type(value) == "number" and value % 1 == 0 and value >= least then return end
  anomaly.incorrect("lion/syntax", "%s of index_pull is a whole number from %d on, not %s", name,
    least, tostring(value))
end

local function check_index_pull(options)
  if type(options) ~= "table" then
    anomaly.incorrect("lion/syntax", "index_pull takes a table { index =, pattern =, start =, … }")
  end
  for key in pairs(options) do
    if not PULL_KEYS[key] then
      anomaly.incorrect("lion/syntax", "%s is no option of index_pull", tostring(key))
    end
  end
  local index = type(options.index) == "string" and options.index:gsub("^:", "")
  if index ~= "avet" and index ~= "aevt" then
    anomaly.incorrect(
      "lion/syntax",
      "index_pull walks avet or aevt, not %s",
      tostring(options.index)
    )
  end
  check_whole("limit", options.limit, -1)
  check_whole("offset", options.offset, 0)
  if type(options.start) ~= "table" or options.start[1] == nil then
    anomaly.incorrect("lion/syntax", "index_pull starts at { attribute [, value or entity] }")
  end
end

-- The entities of an index from a place on: those of the datoms, or what their references name in
-- aevt.
local function index_entities(self, options)
  local number = index_number(options.index)
  local is_aevt = number == INDEXES.aevt
  local datoms = iterate(self, number, options.start,
    { seek = true, in_attribute = true, reverse = options.reverse and true or false })
  if is_aevt then
    local name = options.start[1]
    if self:attribute(name).value_type ~= ":db.type/ref" then
      anomaly.incorrect("lion/syntax", "index_pull over aevt needs an attribute of type ref")
    end
  end
  return function()
    local datom = datoms()
    return datom and (is_aevt and datom[3] or datom[1])
  end
end

--- Pull along an index: an iterator, lazy by small batches.
function Db:index_pull(options)
  check_index_pull(options)
  refuse_history(self)
  local normal = pull.normalise(options.pattern or options.selector)
  local entities = index_entities(self, options)
  local left = (options.limit and options.limit >= 0) and options.limit or math.huge
  for _ = 1, options.offset or 0 do
    if not entities() then break end
  end
  local results, at = {}, 0
  return function()
    at = at + 1
    if results[at] == nil then
      local ids = {}
      while #ids < PULL_BATCH and left > 0 do
        local id = entities()
        if not id then
          left = 0
          break
        end
        ids[#ids + 1], left = id, left - 1
      end
      if #ids == 0 then return nil end
      results, at = pull_ids(self, normal, ids), 1
    end
    local result = results[at]
    return result == values.null and {} or result
  end
end

-- ---- statistics -------------------------------------------------------------------------------

local function distinct_values(self, attribute)
  local known = core.indexed_distinct(self.handle, attribute.id)
  if known then return known end
  local seen, count = {}, 0
  for datom in iterate(self, INDEXES.aevt, { attribute.id }, NOTHING) do
    local v = datom[3]
    local kind = type(v)
    if kind == "table" then
      v = edn.write(v)
    elseif kind == "cdata" then
      v = tostring(v)
    elseif v ~= v then
      v = "NaN"
    end
    if not seen[v] then
      seen[v], count = true, count + 1
    end
  end
  return count
end

local FREQUENT_SAMPLE, FREQUENT_MAX = 256, 5

-- Values of some datoms of the attribute: those that the indexer drew, or the first ones.
local function some_values(self, attribute)
  local drawn = core.value_sample(self.handle, attribute.id)
  if drawn then return drawn, true end
  local first = {}
  for datom in iterate(self, INDEXES.aevt, { attribute.id }, NOTHING) do
    first[#first + 1] = datom[3]
    if #first == FREQUENT_SAMPLE then break end
  end
  return first, false
end

-- The values that stand out among them, with the number of datoms that have each.
local function frequent_values(self, attribute, count, some, times_min)
  local seen, list, looked = {}, {}, #some
  for _, v in ipairs(some) do
    if type(v) == "table" or type(v) == "cdata" or v ~= v then return nil end
    if not seen[v] then list[#list + 1] = v end
    seen[v] = (seen[v] or 0) + 1
  end
  table.sort(list, function(a, b)
    if seen[a] ~= seen[b] then return seen[a] > seen[b] end
    return tostring(a) < tostring(b)
  end)
  local frequent = {}
  for _, v in ipairs(list) do
    if seen[v] < times_min or #frequent == FREQUENT_MAX then break end
    local has_index = attribute.has_avet and not self.is_filtered
    local times = has_index and self:count("avet", attribute.id, v) or math.floor(seen[v] / looked * count)
    frequent[#frequent + 1] = { v, times }
  end
  return frequent
end

local PARTS = 8

-- The values that cut what was drawn into parts of equally many datoms: the least, those between, and the
-- greatest.
local function parts_of(drawn)
  local sorted = { unpack(drawn) }
  if type(sorted[1]) ~= "number" and type(sorted[1]) ~= "string" then return nil end
  table.sort(sorted)
  local parts = {}
  for i = 0, PARTS do
    parts[i + 1] = sorted[1 + math.floor((#sorted - 1) * i / PARTS)]
  end
  return parts
end

--- Numbers of the value: { datoms =, attrs = { ["person/name"] = { count =, distinct = } }, details = {
-- ["person/name"] = { entities =, frequent = { { value, count }, … }, parts = { least, …, greatest } }
-- } }.
function Db:stats()
  local attrs, details = {}, {}
  for _, attribute in ipairs(core.attributes(self.handle)) do
    local count = self:count("aevt", attribute.id)
    if count > 0 then
      local name = attribute.ident:sub(2)
      attrs[name] = { count = count, distinct = distinct_values(self, attribute) }
      local some, is_drawn = some_values(self, attribute)
      details[name] = {
        entities = core.indexed_distinct(self.handle, attribute.id, true),
        frequent = frequent_values(self, attribute, count, some, is_drawn and 3 or 2),
        parts = is_drawn and parts_of(some) or nil,
      }
    end
  end
  return { datoms = self:count("eavt"), attrs = attrs, details = details }
end

--- The attributes that the value knows, by id.
function Db:attributes() return core.attributes(self.handle) end

return db
