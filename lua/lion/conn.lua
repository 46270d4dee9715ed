--- Connections: a database that is open, for writing, and for its newest value.
-- @module lion.conn
local anomaly = require "lion.anomaly"
local call = require "lion.call"
local core = require "lion.core"
local db = require "lion.db"
local listeners = require "lion.listeners"
local log = require "lion.log"
local check_options = require "lion.options"
local values = require "lion.values"

local conn = {}

local Conn = { __lion = "conn" }
Conn.__index = Conn

local WEAK = { __mode = "v" }

local TX_FIRST = 3 * 2 ^ 42
local T_END = 1e11 -- numbers below are t

-- ---- where transactions go ---------------------------------------------------------------------
-- A connection has a writer, which knows how to write, and what is newest. This process's own is here; others
-- (a node's, in ions.remote) have the same functions, each given the connection first:
--   newest(conn, handle or nil) → the handle of the newest value: the one given, if it still is
--   transact(conn, ops, options) → a report whose values, if it has any, are handles
--   sync(conn, t or 0, timeout_ms) → the handle of a value in which that is
--   index(conn) → t;  backup(conn, path)

local own_writer = {}

function own_writer.newest(self, last) return core.conn_db(self.handle, last) end

function own_writer.transact(self, ops, options)
  return core.report(call.drive(core.transact_open(self.handle, ops, options.id, options.wait == false,
    options.timeout_ms)))
end

function own_writer.sync(self, t, timeout_ms) return core.conn_sync(self.handle, t, timeout_ms) end
function own_writer.index(self) return core.conn_index(self.handle) end
function own_writer.backup(self, path) core.conn_backup(self.handle, path) end

-- ---- opening ----------------------------------------------------------------------------------

local DURABILITY = { full = 0, interval = 1, none = 2 }
local MB, GB = 2 ^ 20, 2 ^ 30

-- cache_mb bounds what there is nothing of: pages of a file are cached by the system. token and app are
-- for nodes.
local CONNECT_OPTIONS = {
  durability = "string", interval_ms = "count", read_only = "boolean", create = "boolean",
  novelty_mb = "number", memory_mb = "number", cache_mb = "number", temp_mb = "number",
  map_gb = "number", timeout_ms = "number", threads = "count", token = "string", app = "string",
  segment_size = "count", node_entries = "count", datoms_max = "count", roots_max = "count",
}

-- A size in bytes that is a whole number for the core; nil for nil.
local function bytes(value, unit) return value and math.min(math.floor(value * unit), 2 ^ 53) end

-- Milliseconds as a whole number; less than one is one.
local function whole_ms(value) return value and math.min(math.ceil(value), 2 ^ 53) end

-- Options of lion.connect → those of the core, and the limits of queries.
local function read_options(options)
  options = check_options(options, CONNECT_OPTIONS, "lion.connect")
  local durability = DURABILITY[options.durability or "full"]
  if not durability then
    anomaly.incorrect(
      "lion/syntax",
      "durability is full, interval or none, not %s",
      tostring(options.durability)
    )
  end
  local native = {
    durability = durability,
    interval_ms = options.interval_ms,
    read_only = options.read_only,
    no_create = options.create == false,
    novelty_max = bytes(options.novelty_mb, MB),
    map_size = bytes(options.map_gb, GB),
    segment_size = options.segment_size,
    node_entries = options.node_entries,
    datoms_max = options.datoms_max,
    roots_max = options.roots_max,
  }
  return native,
    {
      timeout = whole_ms(options.timeout_ms),
      memory_max = bytes(options.memory_mb, MB),
      temp_max = bytes(options.temp_mb, MB),
      threads = options.threads,
    }
end

-- Whether it is a node's.
local function check_uri(uri)
  if type(uri) ~= "string" or uri == "" or uri:find("\0", 1, true) then
    anomaly.incorrect(
      "lion/syntax",
      "a database's URI is a path, \"mem:\" or \"mem:name\", not %s",
      tostring(uri)
    )
  end
  local scheme = uri:match("^(%a[%w+.-]+):")
  if scheme == "unix" or scheme == "http" or scheme == "https" then return true end
  if scheme and scheme ~= "mem" then
    anomaly.incorrect(
      "lion/syntax",
      "%s: there is no scheme %s; a path, mem:, unix: and http: are known",
      uri,
      scheme
    )
  end
  return false
end

local function name_of(uri)
  local memory = uri:match("^mem:(.*)$")
  if memory then return memory end
  return (uri:gsub("^.*/", ""):gsub("%.lion$", ""))
end

--- A connection around a handle.
-- @param handle of core.connect
-- @tparam string uri
-- @tparam table writer where transactions go (see above)
-- @tparam[opt] table limits of queries: timeout, timeout_max (of those that ask for more, too), memory_max,
-- temp_max, threads
function conn.wrap(handle, uri, writer, limits)
  return setmetatable({
    handle = handle,
    uri = uri,
    name = name_of(uri),
    writer = writer,
    limits = limits or {},
    latest = setmetatable({}, WEAK),
    listeners = {},
    is_polling = false,
  }, Conn)
end

--- Open a database; it is made if it is not there.
-- @tparam string uri a path, "mem:" (private), "mem:name" (shared in the process), or a node's:
-- "unix:/path/control.sock/name", "http://host:port/name"
-- @tparam[opt] table options durability, interval_ms, read_only, create, novelty_mb, memory_mb
-- (of a query, 1024; 0: any), temp_mb (of its temporary file beyond that, 8192; 0: none), timeout_ms, map_gb,
-- threads (that may work on one query, 1);
-- a node heeds read_only, create, memory_mb, temp_mb, timeout_ms, token, and app (the
-- application whose functions may be called by name in queries, filters and pulls)
function conn.connect(uri, options)
  local is_remote = check_uri(uri)
  local native, limits = read_options(options)
  if is_remote then return require("lion.remote.conn").connect(uri, options or {}, limits) end
  return conn.wrap(core.connect(uri, native), uri, own_writer, limits)
end

function Conn:__tostring() return "connection to " .. self.uri end

--- Is it a connection?
function conn.is(x) return getmetatable(x) == Conn end

-- ---- listening --------------------------------------------------------------------------------

local function place_of(value)
  return {
    t = value.basis_t, next_counter = value.next_counter, instant = value.tx_instant, db = value,
  }
end

-- A report of what the log holds of one transaction; its values are bounded by its t.
local function report_of(self, newest, before, t, instant, datoms, next_counter)
  local after = db.wrap(core.at_basis(newest.handle, t, next_counter, instant), self)
  return {
    t = t, tx = t + TX_FIRST, tx_instant = instant, tx_data = datoms, tempids = {},
    db_before = before, db_after = after,
  }
end

local function hear(self, own)
  self.is_polling = true
  local failure
  local ok, problem = pcall(function()
    while true do
      local newest = db.wrap(self.writer.newest(self), self)
      if newest.basis_t <= self.heard.t then return end
      local range = core.tx_range(self.handle, self.heard.t + 1, newest.basis_t + 1)
      while true do
        local t, instant, datoms, next_counter = core.tx_range_next(range)
        if not t then break end
        local report = own and own.t == t and own
          or report_of(self, newest, self.heard.db, t, instant, datoms, next_counter)
        self.heard = place_of(report.db_after)
        failure = listeners.tell(self.listeners, report, failure)
        if not core.conn_is_open(self.handle) then return end
      end
      if self.heard.t < newest.basis_t then self.heard = place_of(newest) end
    end
  end)
  self.is_polling = false
  if not ok then error(problem, 0) end
  listeners.raise(failure)
end

-- Hand what is new to the listeners, in order of t. `own`: the report of this connection's own
-- transaction. Mostly nobody listens, and this is compiled; `hear`, which has closures, is not.
local function poll(self, own)
  if #self.listeners > 0 and not self.is_polling then hear(self, own) end
end

--- Hear of every transaction, in order of t, once it is durable. Returns the function that ends it. What a
-- listener raises is raised by the call that it hears in, when all have heard: the transaction stays.
-- @tparam function fn of a report
function Conn:listen(fn)
  listeners.check(fn)
  local newest = self:db()
  if #self.listeners == 0 then self.heard = place_of(newest) end
  return listeners.add(self.listeners, fn)
end

-- ---- values and transactions ------------------------------------------------------------------

--- The newest durable value; the same one while nothing is written, and somebody has it.
function Conn:db()
  poll(self)
  local latest = self.latest
  local handle = self.writer.newest(self, latest.handle)
  local value = latest.value
  if value and rawequal(handle, latest.handle) then return value end
  value = db.wrap(handle, self)
  latest.handle, latest.value = handle, value
  return value
end

local TRANSACT_OPTIONS = { id = "string", timeout_ms = "number", wait = "boolean" }

--- Write a transaction, and wait until it is durable.
-- @param tx an array of operations, or EDN text
-- @tparam[opt] table options id (a uuid: the same id again writes nothing), timeout_ms (a transaction that
-- is not applied by then, because others write or its functions take long, is given up: nothing is
-- written; 0: none; what is applied is waited for), wait (false: return before it is durable,
-- with a report of t, tx, tx_instant and tempids alone; `conn:sync(report.t)` waits, and raises if
-- the disk failed)
function Conn:transact(tx, options)
  call.refuse_within "transact"
  options = check_options(options, TRANSACT_OPTIONS, "transact")
  local report = self.writer.transact(self, db.tx_data(tx),
    { id = options.id, wait = options.wait, timeout_ms = whole_ms(options.timeout_ms) })
  if not report.db_after then
    poll(self)
    return report
  end
  report.db_before = db.wrap(report.db_before, self)
  report.db_after = db.wrap(report.db_after, self)
  poll(self, report)
  return report
end

local SYNC_OPTIONS = { timeout_ms = "number" }

--- The newest value, once a point in time (or all that was acknowledged so far) is in it.
-- @param[opt] t a t, a transaction's id, or an instant
-- @tparam[opt] table options timeout_ms (0: none)
function Conn:sync(t, options)
  if type(t) == "table" then t, options = nil, t end
  options = check_options(options, SYNC_OPTIONS, "sync")
  local wanted = t ~= nil and db.point(self:db(), t) or 0
  local handle = self.writer.sync(self, wanted, whole_ms(options.timeout_ms) or 0)
  poll(self)
  return db.wrap(handle, self)
end

-- The ms of a point in time that is an instant, nil for a t or a transaction id.
local function instant_of(x)
  if type(x) == "string" then return values.instant(x) end
  return (x < 0 or x >= T_END and x < TX_FIRST) and x or nil
end

--- Can nothing come any more that is before this point in time?
-- @param value the newest
-- @param x a t, a transaction id or an instant
function conn.is_past(value, x)
  local ms = instant_of(x)
  if ms then return value.tx_instant >= ms end
  return value.basis_t + 1 >= core.log_point(value.handle, x)
end

--- The t of a point of the log; nil for nil.
local function log_point(value, x)
  if x == nil or x == values.null then return nil end
  if type(x) == "string" then return core.log_point(value.handle, values.instant(x), true) end
  if type(x) ~= "number" and type(x) ~= "cdata" then
    anomaly.incorrect(
      "lion/syntax",
      "a point in the log is a t, a transaction id or an instant, not %s",
      tostring(x)
    )
  end
  return core.log_point(value.handle, x)
end

conn.log_point = log_point

local function tx_range(self, from, to, is_typed)
  local value = self:db()
  local first, last = log_point(value, from) or 0, log_point(value, to)
  if last and last <= first then return function() return nil end end
  local range = core.tx_range(self.handle, first, last or 0, is_typed)
  return function()
    local t, instant, datoms = core.tx_range_next(range)
    if not t then return nil end
    return { t = t, tx = t + TX_FIRST, tx_instant = instant, data = datoms }
  end
end

--- The transactions from one point in time (inclusive) to another (exclusive), oldest first.
-- @return an iterator over { t, tx, tx_instant, data }
function Conn:tx_range(from, to) return tx_range(self, from, to) end

--- The same with values that say their types, for who prints them.
-- @param self the connection
-- @param from
-- @param to
function conn.typed_range(self, from, to)
  if not conn.is(self) then return self:typed_range(from, to) end -- a node's
  return tx_range(self, from, to, true)
end

--- The log up to now, as an input of queries, for tx-ids and tx-data: a variable of :in such as ?log.
function Conn:log()
  poll(self)
  return log.wrap(self.writer.newest(self), self)
end

-- ---- upkeep -----------------------------------------------------------------------------------

--- Bring everything into the trees; returns the t up to which they are complete.
function Conn:request_index()
  local t = self.writer.index(self)
  poll(self)
  return t
end

--- Sizes and counts of the open database.
function Conn:stats()
  poll(self)
  return core.conn_stats(self.handle)
end

--- A live copy with everything acknowledged so far, as one clean file; a reader's has what its owner wrote.
-- @tparam string path of a file that is not there yet
function Conn:backup(path)
  if type(path) ~= "string" or path == "" or path:find("\0", 1, true) then
    anomaly.incorrect("lion/syntax", "a backup is made at a path, not %s", tostring(path))
  end
  if path:find "^mem:" then
    anomaly.unsupported("a backup is a file, not a database in memory (%s)", path)
  end
  poll(self)
  self.writer.backup(self, path)
end

--- Excision is not built yet.
function Conn:excise() anomaly.unsupported("excision is not built yet (%s)", self.uri) end

--- Close it. Values of it can be read no longer, unless another connection holds the database open.
function Conn:close()
  self.listeners, self.is_closed, self.latest = {}, true, {}
  core.conn_close(self.handle)
end

return conn
