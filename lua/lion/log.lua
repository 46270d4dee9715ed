--- The log of a database as queries take it, for tx-ids and tx-data: a variable of :in such as ?log.
-- It is the log as it stood when it was made; conn:log() makes one anew.
-- @module lion.log
local core = require "lion.core"

local log = {}

local Log = { __lion = "log" }
Log.__index = Log

--- A log around the handle of a value, up to whose basis it goes.
-- @param handle of the core
-- @param conn the connection; kept alive by its logs
function log.wrap(handle, conn)
  return setmetatable({
    log = handle, conn = conn, limits = conn and conn.limits, name = conn and conn.name,
    basis_t = (core.info(handle)),
  }, Log)
end

function Log.__eq(a, b) return core.equal(a.log, b.log) end

function Log:__tostring() return ("log of %s up to %d"):format(self.name or "", self.basis_t) end

--- Is it a log?
function log.is(x) return getmetatable(x) == Log end

return log
