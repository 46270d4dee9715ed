--- The log of a node's database as queries take it, for tx-ids and tx-data.
-- @module lion.remote.log
local log = {}

local Log = { __lion = "remote_log" }
Log.__index = Log

--- The log up to the basis of a value.
-- @param value of lion.remote.db
function log.of(value)
  return setmetatable({ token = value.token, conn = value.conn, name = value.name,
    basis_t = value.basis_t }, Log)
end

function Log.__eq(a, b) return a.token == b.token and a.conn.address == b.conn.address end

function Log:__tostring() return ("log of %s up to %d"):format(self.name or "", self.basis_t) end

return log
