--- Lion: a database whose values are immutable, asked in Datalog, scripted in Lua.
-- @module lion
local ffi = require "ffi"
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local values = require "lion.values"

-- ---- what the binding borrows of Lua ----------------------------------------------------------

local arshift = bit.arshift
local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"

-- A datom has its parts by position; their names lead there.
local PLACES = { e = 1, a = 2, v = 3, tx = 4, added = 5 }
local Datom = { __index = function(self, name)
  local place = PLACES[name]
  return place and rawget(self, place)
end }
function Datom:__tostring()
  local a, v, added = tostring(self[2]), tostring(self[3]), tostring(self[5])
  return ("[%.0f %s %s %.0f %s]"):format(self[1], a, v, self[4], added)
end

local wrap, wrap_log, pay_at_once -- of a database's handle; of the host; set below

local function split(x)
  if ffi.istype(uint64, x) then
    if x > 0x7fffffffffffffffULL then return 2, 0, 0 end
    x = ffi.cast(int64, x)
  elseif not ffi.istype(int64, x) then
    return nil
  end
  return 1, tonumber(arshift(x, 32)), tonumber(ffi.cast("uint32_t", x))
end

-- In the order of lion_bind_slot.
core.setup {
  function(high, low) return ffi.cast(int64, high) * 4294967296LL + low end,
  split,
  values.symbol,
  anomaly.new,
  function(handle, is_log) return (is_log and wrap_log or wrap)(handle) end,
  Datom,
  setmetatable({ count = 0 }, { __mode = "v" }),
  setmetatable({}, { __mode = "k" }),
  setmetatable({}, { __mode = "k" }),
  values.typed,
  values.decimal,
  function(steps) return pay_at_once(steps) end,
}

local call = require "lion.call"
local conn = require "lion.conn"
local db = require "lion.db"
local edn = require "lion.edn"
local find = require "lion.find"
local json = require "lion.json"
local log = require "lion.log"
local query = require "lion.query"
local schema = require "lion.schema"
local verify = require "lion.verify"

wrap, wrap_log, pay_at_once = db.wrap, log.wrap, call.pay_at_once

-- ---- the module -------------------------------------------------------------------------------

local lion = {
  version = "0.1.0",
  null = values.null,
  symbol = values.symbol,
  set = values.set,
  lookup = values.lookup,
  str = values.str,
  decimal = values.decimal,
  instant = values.instant,
  uuid = core.uuid,
  now_ms = core.now_ms,
  edn = edn,
  json = json,
  schema = schema.define,
  connect = conn.connect,
  verify = verify,
  q = find.q,
  prepare = find.prepare,
  on_slow_query = find.on_slow_query,
  cancel = call.cancel,
  fn = call.register,
  pure = call.pure,
}

--- Make an aggregate known: a function of the array of a group's values.
-- @tparam string name
-- @tparam function fn
function lion.aggregate(name, fn)
  call.register_aggregate(name, fn)
  query.know_aggregate(name)
end

local TX_FIRST = 3 * 2 ^ 42

local function whole(x, what)
  if type(x) ~= "number" or x % 1 ~= 0 or x < 0 then
    anomaly.incorrect("lion/syntax", "%s is a whole number, not %s", what, tostring(x))
  end
  return x
end

--- The t of a transaction's id.
function lion.tx_to_t(tx)
  if whole(tx, "a transaction's id") < TX_FIRST or tx >= TX_FIRST + 2 ^ 42 then
    anomaly.incorrect("lion/syntax", "%.0f is no transaction's id", tx)
  end
  return tx - TX_FIRST
end

--- The id of the transaction of a t.
function lion.t_to_tx(t)
  if whole(t, "a t") >= 2 ^ 42 then anomaly.incorrect("lion/syntax", "%.0f is no t", t) end
  return t + TX_FIRST
end

local function check_path(path, what)
  if type(path) ~= "string" or path == "" or path:find("\0", 1, true) then
    anomaly.incorrect("lion/syntax", "%s is a path, not %s", what, tostring(path))
  end
  if path:find("^mem:") then
    anomaly.unsupported("%s is a file, not a database in memory (%s)", what, path)
  end
  if path:find "^unix:" or path:find "^https?:" then
    anomaly.unsupported("%s is a file, not a database of a node (%s)", what, path)
  end
  return path
end

--- Put a backup in place, as a new database.
function lion.restore(path, uri)
  core.restore(check_path(path, "a backup"), check_path(uri, "the new database"))
end

--- Remove a database's files; refused while it is open.
function lion.delete(uri) core.delete(check_path(uri, "the database to delete")) end

--- The database files of a folder, by name.
-- @tparam string dir
-- @treturn table paths, sorted
function lion.list(dir)
  local names = core.list(check_path(dir, "the folder"))
  local paths = {}
  for _, name in ipairs(names) do
    if name:find("%.lion$") then paths[#paths + 1] = dir:gsub("/+$", "") .. "/" .. name end
  end
  table.sort(paths)
  return paths
end

-- An embedded one, or one to a node.
local function is_connection(x)
  local meta = type(x) == "table" and getmetatable(x)
  return meta and meta.__lion == "conn" or false
end

--- Make a partition; returns its id. An existing one is left as it is.
-- @param connection
-- @tparam string name
function lion.partition(connection, name)
  if not is_connection(connection) or type(name) ~= "string" or name == "" then
    anomaly.incorrect("lion/syntax", "lion.partition takes a connection and a name")
  end
  local ident = ":" .. name:gsub("^:", "")
  local db_value = connection:db()
  local known = db_value:entid(ident)
  if known then
    local is_installed = db_value:count("eavt", ":db.part/db", "db.install/partition", known) > 0
    if is_installed then return known end
    anomaly.incorrect("lion/syntax", "%s is an entity already, and no partition", ident)
  end
  local report = connection:transact {
    { ["db/id"] = "partition", ["db/ident"] = ident, ["db.install/_partition"] = ":db.part/db" },
  }
  return report.tempids.partition
end

return lion
