--- The folder of an application's own files (ion.file).
-- @module ions.own_files
local anomaly = require "lion.anomaly"
local files = require "ions.files"

local own_files = {}

--- Open a folder below another one; it is made if it is not there.
-- @tparam string above a node's data folder, or .lion under `lion dev`
-- @tparam string name "files/shop"
-- @treturn userdata of ions.files
function own_files.open(above, name)
  local top, reason = files.folder(above)
  local is_made, found
  if top then is_made, reason = top:make(name) end
  if is_made then found, reason = top:folder(name) end
  if top then top:close() end
  if found then return found end
  local message = ("the folder %s/%s cannot be made: %s"):format(above, name, reason or "")
  error(anomaly.new("unavailable", "lion/io", message), 0)
end

return own_files
