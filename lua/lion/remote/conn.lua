--- Connections to a database of a live node, by its control door (docs/control.md, "Remote connections"):
-- what lion.conn gives for an embedded one.
-- @module lion.remote.conn
local anomaly = require "lion.anomaly"
local check_options = require "lion.options"
local core = require "lion.core"
local db = require "lion.remote.db"
local link = require "lion.remote.link"
local listeners = require "lion.listeners"
local log = require "lion.remote.log"
local portable = require "lion.remote.portable"
local walk = require "lion.remote.walk"

local conn = {}

local Conn = { __lion = "conn" }
Conn.__index = Conn

local TX_FIRST = 3 * 2 ^ 42
local WAIT_MS = 20000 -- of one request that waits for a transaction

-- ---- opening -------------------------------------------------------------------------------------

-- "unix:/run/lion/control.sock/orders" → "unix:/run/lion/control.sock", "orders"
local function split(uri)
  local address, name = uri:match "^(.+)/([^/]+)$"
  if uri:find "^https:" then
    anomaly.unsupported("%s: nodes speak http: and unix:, a proxy in front of them may speak https:", uri)
  end
  if not address or uri:find "^http:" and not address:find "^http://[^/]" then
    anomaly.incorrect("lion/syntax",
      "%s names no database of a node: it is unix:/path/control.sock/NAME or http://HOST:PORT/NAME", uri)
  end
  return address, name
end

--- Connect to a database of a node; it is made if it is not there.
-- @tparam string uri "unix:/path/control.sock/name" or "http://host:port/name"
-- @tparam table options create, read_only, token; app: the application whose functions queries may call
-- @tparam table limits of queries: timeout, memory_max, temp_max
function conn.connect(uri, options, limits)
  local address, name = split(uri)
  if options.app and not options.app:find "^[%w_][%w_.-]*$" then
    anomaly.incorrect("lion/syntax", "app is an application's name, not %s", options.app)
  end
  local self = setmetatable({
    uri = uri,
    name = name,
    address = address,
    link = link.new(address, options.token),
    limits = next(limits) ~= nil and limits or nil,
    is_read_only = options.read_only or nil,
    listeners = {},
  }, Conn)
  self.reader = options.app and link.new(address, options.token, options.app) or self.link
  local ok, e = pcall(self.link.ask, self.link, { op = "open", name = name,
    create = options.create ~= false and not options.read_only })
  if not ok then
    self.link:close()
    error(e, 0)
  end
  return self
end

function Conn:__tostring() return "connection to " .. self.uri end

local function ask(self, asked, options)
  asked.name = self.name
  return self.link:ask(asked, options)
end

local function newest(self) return db.wrap(ask(self, { op = "newest" }), self) end

-- ---- listening -----------------------------------------------------------------------------------

local function report_of(self, item)
  return { t = item.t, tx = item.t + TX_FIRST, tx_instant = item.instant, tx_data = item.data, tempids = {},
    db_before = self.heard, db_after = db.wrap(item.value, self) }
end

-- Tell what is between what was heard and a value.
local function tell_up_to(self, value, own)
  local failure
  local range = walk(self, { what = "tx_range", name = self.name, value = value.token,
    arguments = { self.heard.basis_t + 1, value.basis_t + 1 }, with_values = true })
  for item in range do
    local report = own and own.t == item.t and own or report_of(self, item)
    self.heard = report.db_after
    failure = listeners.tell(self.listeners, report, failure)
    if self.is_closed then return failure end
  end
  self.heard = value
  return failure
end

-- Hand what is new to the listeners, in order of t.
-- @param value the newest one
-- @param own the report of this connection's own transaction
local function poll(self, value, own)
  if #self.listeners == 0 or self.is_polling then return value end
  self.is_polling = true
  local failure
  local ok, problem = pcall(function()
    while value.basis_t > self.heard.basis_t and not self.is_closed do
      failure = tell_up_to(self, value, own) or failure
      if not self.is_closed then value = newest(self) end
    end
  end)
  self.is_polling = false
  if not ok then error(problem, 0) end
  listeners.raise(failure)
  return value
end

-- What is new to listeners, if there are any.
local function catch_up(self, own)
  if #self.listeners > 0 and not self.is_polling and not self.is_closed then poll(self, newest(self), own) end
end

--- Hear of every transaction, in order of t, once it is durable: at the next call on this connection. Returns
-- the function that ends it.
-- @tparam function fn of a report
function Conn:listen(fn)
  listeners.check(fn)
  local value = self:db()
  if #self.listeners == 0 then self.heard = value end
  return listeners.add(self.listeners, fn)
end

-- ---- values and transactions ---------------------------------------------------------------------

--- The newest durable value.
function Conn:db() return poll(self, newest(self)) end

--- A query whose first database or log is of this connection, as lion.q has it.
function Conn:query(q, arguments, count, options)
  local sent = {}
  for i = 1, count do sent[i] = portable(arguments[i]) end
  local limits = self.limits or {}
  options.timeout = options.timeout or limits.timeout
  options.memory_max, options.temp_max = limits.memory_max, limits.temp_max
  return self.reader:ask({ op = "q", query = portable(q), arguments = sent, count = count,
    limits = options }).result
end

-- The fact of an id that nobody asked for is left out of the report.
local function without_id(datoms)
  for i, datom in ipairs(datoms or {}) do
    if datom[2] == "lion.tx/id" then
      table.remove(datoms, i)
      return
    end
  end
end

-- What was sent again is in already, and the second report has no data of it: the log has.
local function complete(self, report)
  local items = walk(self, { what = "tx_range", name = self.name, with_values = true,
    arguments = { report.t, report.t + 1 } })
  local item = items()
  if not item then return end
  report.tx_data, report.tx_instant = item.data, item.instant
  report.db_after = db.wrap(item.value, self)
  report.db_before = report.db_after:as_of(report.t - 1)
end

local TRANSACT_OPTIONS = { id = "string", timeout_ms = "number", wait = "boolean" }

--- Write a transaction, and wait until it is durable. It has an id, given or made, so that it is sent again
-- where the answer was lost.
-- @param tx an array of operations, or EDN text
-- @tparam[opt] table options id, timeout_ms, wait, as of an embedded connection
function Conn:transact(tx, options)
  options = check_options(options, TRANSACT_OPTIONS, "transact")
  if self.is_read_only then
    error(anomaly.new("forbidden", "lion/read-only", self.uri .. " was opened to be read only"), 0)
  end
  local report = ask(self, { op = "transact", tx = portable(tx), id = options.id or core.uuid(),
    wait = options.wait, timeout_ms = options.timeout_ms })
  if report.db_after then
    report.db_before, report.db_after = db.wrap(report.db_before, self), db.wrap(report.db_after, self)
    if not options.id and #report.tx_data == 0 then complete(self, report) end
  end
  if not options.id then without_id(report.tx_data) end
  catch_up(self, report.db_after and report)
  return report
end

local SYNC_OPTIONS = { timeout_ms = "number" }

--- The newest value, once a point in time (or all that was acknowledged so far) is in it.
-- @param[opt] t a t, a transaction's id, or an instant
-- @tparam[opt] table options timeout_ms (0: none)
function Conn:sync(t, options)
  if type(t) == "table" then t, options = nil, t end
  options = check_options(options, SYNC_OPTIONS, "sync")
  local timeout_ms = options.timeout_ms and options.timeout_ms > 0 and options.timeout_ms
  local deadline = timeout_ms and core.monotonic_ms() + timeout_ms or math.huge
  while true do
    local wait_ms = math.max(1, math.min(WAIT_MS, deadline - core.monotonic_ms()))
    local ok, told = pcall(ask, self, { op = "sync", t = t, wait_ms = wait_ms })
    if ok then return poll(self, db.wrap(told, self)) end
    local is_late = type(told) == "table" and told.code == "lion/timeout"
    if not is_late or core.monotonic_ms() >= deadline then error(told, 0) end
  end
end

local function tx_range(self, from, to, is_typed)
  catch_up(self)
  local items = walk(self, { what = "tx_range", name = self.name, is_typed = is_typed,
    arguments = { portable(from), portable(to) } })
  return function()
    local item = items()
    if item == nil then return nil end
    return { t = item.t, tx = item.t + TX_FIRST, tx_instant = item.instant, data = item.data }
  end
end

--- The transactions from one point in time (inclusive) to another (exclusive), oldest first.
-- @return an iterator over { t, tx, tx_instant, data }
function Conn:tx_range(from, to) return tx_range(self, from, to) end

--- The same with values that say their types, for who prints them.
function Conn:typed_range(from, to) return tx_range(self, from, to, true) end

--- The log up to now, as an input of queries, for tx-ids and tx-data: a variable of :in such as ?log.
function Conn:log() return log.of(self:db()) end

-- ---- upkeep --------------------------------------------------------------------------------------

--- Bring everything into the trees; returns the t up to which they are complete.
function Conn:request_index()
  local t = ask(self, { op = "index" }).t
  catch_up(self)
  return t
end

--- Sizes and counts of the database as the node has it open.
function Conn:stats()
  catch_up(self)
  return ask(self, { op = "stats_of_conn" })
end

--- A live copy with everything acknowledged so far, as one clean file, on the node's machine.
-- @tparam string path an absolute one there, of a file that is not there yet
function Conn:backup(path)
  if type(path) ~= "string" or not path:find "^/" or path:find("\0", 1, true) then
    anomaly.incorrect("lion/syntax", "a backup by a node is made at an absolute path there, not at %s",
      tostring(path))
  end
  catch_up(self)
  ask(self, { op = "backup", path = path }, { once = true })
end

--- Excision is not built yet.
function Conn:excise() anomaly.unsupported("excision is not built yet (%s)", self.uri) end

--- Close it. Its values can be asked no longer.
function Conn:close()
  self.listeners, self.is_closed = {}, true
  self.link:close()
  self.reader:close()
end

return conn
