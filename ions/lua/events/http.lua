--- Webhooks as events: a source of ions.events.engine. They are read from the log of the database in which
-- workers write them down (ions.events.receive), and those that were handed out are taken out of it.
-- @module ions.events.http
local core = require "lion.core"
local message = require "ions.events.message"
local tx = require "ions.events.tx"

local http = {}

local CLEAN_MS = 1000 -- between two cleanings
local CLEAN_MAX = 500 -- operations of one

local Source = {}
Source.__index = Source

-- What ions.events.tx knows of an event: the transactions that write webhooks down. Contents are large: each
-- is read when its turn comes.
local function as_transactions(event)
  return setmetatable({ spec = { db = message.DATABASE, attr = "http.message/queue" } }, { __index = event })
end

--- Where an event begins that is new.
function http.first(host, event, began) return tx.first(host, as_transactions(event), began) end

--- A source of webhooks behind event.position.
function http.open(host, event)
  return setmetatable({
    host = host,
    event = event,
    queue = message.queue(host.store.group, event.app, event.name),
    log = tx.open(host, as_transactions(event)),
    cleaned_ms = -math.huge,
    is_clean = false, -- nothing was handed out since the last cleaning
  }, Source)
end

-- ---- cleaning ------------------------------------------------------------------------------------

-- What waits no more: it has been handed out, up to the event's position.
local function add_handled(self, db, ops)
  local last = tx.id_of(self.event.position)
  for datom in db:datoms("avet", "http.message/waiting", self.queue) do
    if datom.tx > last or #ops >= CLEAN_MAX then return end
    ops[#ops + 1] = { "db/retract", datom.e, "http.message/waiting" }
    ops[#ops + 1] = { "db/retract", datom.e, "http.message/content" }
  end
end

-- What need not be known any more.
local function add_forgotten(self, db, ops)
  local last = self.host.now() - message.KNOWN_MS
  for datom in db:index_range("http.message/received", 0, last) do
    if #ops >= CLEAN_MAX then return end
    local is_waiting = db:datoms("eavt", datom.e, "http.message/waiting")() ~= nil
    if not is_waiting then ops[#ops + 1] = { "db/retractEntity", datom.e } end
  end
end

local function clean(self)
  local now = self.host.monotonic()
  if self.is_clean or now - self.cleaned_ms < CLEAN_MS then return end
  self.cleaned_ms = now
  local conn, ops = self.host.connection(message.DATABASE), {}
  local db = conn:db()
  if not db:entid ":http.message/content" then return end -- none has come yet
  add_handled(self, db, ops)
  add_forgotten(self, db, ops)
  if #ops > 0 then conn:transact(ops) end
  self.is_clean = #ops < CLEAN_MAX
end

-- ---- as the engine knows sources -----------------------------------------------------------------

local function is_ours(self, datoms)
  for _, datom in ipairs(datoms) do
    if datom.added and datom.v == self.queue then return true end
  end
  return false
end

-- From the log: it may have been taken out of the database already.
local function content_of(self, t)
  local conn = self.host.connection(message.DATABASE)
  local _, _, datoms = core.tx_range_next(core.tx_range(conn.handle, t, t + 1))
  for _, datom in ipairs(datoms) do
    if datom.added and datom.a == "http.message/content" then return datom.v end
  end
end

function Source:next()
  clean(self)
  while true do
    local item = self.log:next()
    if not item then return nil end
    if is_ours(self, item.input.datoms) then
      local input = { message = content_of(self, item.input.t), received = item.input.tx_instant }
      self.is_clean = false
      return { number = item.number, position = item.position, input = input }
    end
  end
end

function Source:due()
  local ms = self.log:due()
  return ms or not self.is_clean and CLEAN_MS or nil
end

function Source:passed() return self.log:passed() end

function Source:newest() return self.log:newest() end

function Source:lag()
  local db, last = self.host.connection(message.DATABASE):db(), tx.id_of(self.event.position)
  if not db:entid ":http.message/waiting" then return 0 end
  for datom in db:datoms("avet", "http.message/waiting", self.queue) do
    if datom.tx > last then
      return math.max(0, self.host.now() - db:entity(datom.e)["http.message/received"])
    end
  end
  return 0
end

function Source:close() self.log:close() end

--- In the worker: what the handler is given of what the source has said.
-- @tparam table _ of ions.app
-- @tparam table input
function http.prepare(_, input)
  for name, value in pairs(message.read(input.message)) do input[name] = value end
  input.message = nil
  return true
end

return http
