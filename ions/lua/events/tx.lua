--- Transactions as events: a source of ions.events.engine. The log of a database is read once for all events
-- on it that are at its end; one that lags is read for by itself.
-- @module ions.events.tx
local core = require "lion.core"

local tx = {}

local QUEUE_MAX = 64 -- transactions that are read ahead for an event
local QUEUE_DATOMS_MAX = 10000 -- the same in datoms; the last may be beyond
local LOOK_MS = 20
local BATCH = 500 -- transactions that are read at a time
local TX_FIRST = 3 * 2 ^ 42 -- the id of a transaction is its t and this

--- Datoms that a handler is given.
tx.DATOMS_MAX = 10000

local Source = {}
Source.__index = Source

-- ---- what fits -----------------------------------------------------------------------------------

--- An event's attributes, as a set; nil: all of them.
-- @tparam table spec of the manifest
function tx.attributes(spec)
  if spec.attr == nil then return nil end
  local set = {}
  for _, name in ipairs(type(spec.attr) == "table" and spec.attr or { spec.attr }) do
    set[name:gsub("^:", "")] = true
  end
  return set
end

--- The datoms of a transaction that an event is on.
-- @tparam table|nil attributes of `attributes`
-- @tparam table datoms
-- @treturn table|nil a list of { e =, a =, v =, added = }; nil: none is
-- @treturn boolean whether there are more than DATOMS_MAX
function tx.match(attributes, datoms)
  local list, is_partial
  for _, datom in ipairs(datoms) do
    if not attributes or attributes[datom.a] then
      list = list or {}
      if #list == tx.DATOMS_MAX then
        is_partial = true
        break
      end
      list[#list + 1] = { e = datom.e, a = datom.a, v = datom.v, added = datom.added }
    end
  end
  return list, is_partial
end

--- What a handler is given of a transaction, besides what all are given.
-- @tparam string|nil db nil: the application's own
function tx.input(db, t, instant, datoms, is_partial)
  return { db = db, t = t, tx = tx.id_of(t), tx_instant = instant, datoms = datoms, is_partial = is_partial }
end

--- The id of a transaction.
function tx.id_of(t) return t + TX_FIRST end

-- ---- reading -------------------------------------------------------------------------------------

local function has_room(source) return #source.queue < QUEUE_MAX and source.datoms < QUEUE_DATOMS_MAX end

local function offer(source, t, instant, datoms)
  source.scanned = t
  local found, is_partial = tx.match(source.attributes, datoms)
  if not found then return end
  local input = tx.input(source.event.spec.db, t, instant, found, is_partial)
  source.queue[#source.queue + 1] = { number = t, position = t, input = input }
  source.datoms = source.datoms + #found
  source.event.wake()
end

-- From the one that is furthest behind and has room.
local function start_of(reader)
  local from = math.huge
  for _, source in ipairs(reader.sources) do
    if has_room(source) then from = math.min(from, source.scanned) end
  end
  return from
end

-- Read some of what is durable. Whether there may be more.
local function read(reader)
  local from = start_of(reader)
  if from >= reader.t then return false end
  local last = math.min(reader.t, reader.conn:db().basis_t)
  local range = core.tx_range(reader.conn.handle, from + 1, last + 1)
  for _ = 1, BATCH do
    local t, instant, datoms = core.tx_range_next(range)
    if not t then
      for _, source in ipairs(reader.sources) do
        if has_room(source) then source.scanned = math.max(source.scanned, last) end
      end
      return false
    end
    for _, source in ipairs(reader.sources) do
      if source.scanned < t and has_room(source) then offer(source, t, instant, datoms) end
    end
  end
  return true
end

-- ---- readers -------------------------------------------------------------------------------------

local function wake_all(reader, t)
  reader.t = math.max(reader.t, t)
  for _, source in ipairs(reader.sources) do source.event.wake() end
end

local function reader_of(host, db)
  local reader = host.readers[db]
  if not reader then
    reader = { sources = {}, t = 0, conn = host.connection(db) }
    if host.readers[db] then return host.readers[db] end -- another one waited for it, too
    host.readers[db] = reader
    host.follow(db, function(t) wake_all(reader, t) end)
  end
  return reader
end

-- ---- as the engine knows sources -----------------------------------------------------------------

local function database_of(event) return event.spec.db or event.app end

--- Where an event begins that is new.
function tx.first(host, event, began)
  local db = host.connection(database_of(event)):db()
  if not began then return db.basis_t end
  return math.max(0, math.min(core.log_point(db.handle, began) - 1, db.basis_t))
end

--- A source of transactions behind event.position.
function tx.open(host, event)
  local reader = reader_of(host, database_of(event))
  local self = setmetatable({ host = host, event = event, reader = reader, queue = {}, datoms = 0,
    attributes = tx.attributes(event.spec), scanned = event.position }, Source)
  table.insert(reader.sources, self)
  return self
end

function Source:next()
  if not self.queue[1] then self.has_more = read(self.reader) end
  local first = table.remove(self.queue, 1)
  if first then self.datoms = self.datoms - #first.input.datoms end
  return first
end

-- Our reader of the file may be a moment behind what the writer tells.
function Source:due()
  if self.has_more then return 0 end
  return self.scanned < self.reader.t and LOOK_MS or nil
end

function Source:passed()
  if self.queue[1] then return nil end
  return self.scanned
end

function Source:newest() return self.reader.t end

-- When the oldest happened that is not done; nil: there is none.
local function oldest(self)
  local item = self.event.item
  if item and item.position then return item.input.tx_instant end
  if self.queue[1] then return self.queue[1].input.tx_instant end
  if self.scanned >= self.reader.t then return nil end
  local t, instant = core.tx_range_next(core.tx_range(self.reader.conn.handle, self.scanned + 1, 0))
  return t and instant
end

function Source:lag()
  local instant = oldest(self)
  return instant and math.max(0, self.host.now() - instant) or 0
end

function Source:close()
  for i, other in ipairs(self.reader.sources) do
    if other == self then
      table.remove(self.reader.sources, i)
      break
    end
  end
end

return tx
