--- Is a database sound? Everything that it holds is read and compared.
-- @module lion.verify
local anomaly = require "lion.anomaly"
local conn = require "lion.conn"
local core = require "lion.core"

local KNOWN = { progress = true }

local function check_options(options)
  if type(options) ~= "table" then
    anomaly.incorrect("lion/syntax", "options are a table, not a %s", type(options))
  end
  for name in pairs(options) do
    if not KNOWN[name] then
      anomaly.incorrect("lion/syntax", "%s is no option of lion.verify (progress)", tostring(name))
    end
  end
  if options.progress ~= nil and type(options.progress) ~= "function" then
    anomaly.incorrect("lion/syntax", "progress is a function of stage, done and total")
  end
  return options
end

local function open(database)
  if conn.is(database) then return core.verify_open(database.handle) end
  local uri = type(database) == "table" and database.uri or database
  if type(uri) == "string" and (uri:find "^unix:" or uri:find "^https?:") then
    anomaly.unsupported("a node does not verify its databases (%s): verify the file, also beside it", uri)
  end
  if type(database) ~= "string" or database == "" then
    anomaly.incorrect(
      "lion/syntax",
      "lion.verify takes a database's URI or a connection, not %s",
      tostring(database)
    )
  end
  return core.verify_open(database)
end

--- Read a whole database and compare all that should agree. What is wrong with it is in the result,
-- not raised; raised is what keeps from looking at it (lion/not-found, lion/version). A file is not
-- changed. One that another process has open is read as far as it is indexed (beside_owner).
-- @tparam string|table database a URI, or a connection
-- @tparam[opt] table options progress = function(stage, done, total), of segments; what it raises
-- ends the verification
-- @treturn table ok, faults (where, message, code), segments, blobs, datoms, transactions, bytes,
-- seconds, waste_segments, waste_blobs, waste_bytes, beside_owner, torn
local function verify(database, options)
  local progress = check_options(options or {}).progress
  local began = core.monotonic_ms()
  local handle = open(database)
  while true do
    local stage, done, total = core.verify_step(handle)
    if not stage then break end
    if progress then
      local ok, e = pcall(progress, stage, done, total)
      if not ok then
        core.verify_close(handle)
        error(e, 0)
      end
    end
  end
  local report = core.verify_report(handle)
  report.seconds = (core.monotonic_ms() - began) / 1000
  return report
end

return verify
