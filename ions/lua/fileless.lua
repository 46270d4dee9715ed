--- The module lion for code in a node: without what reaches files, since databases are the writer's.
-- @module ions.fileless
local anomaly = require "lion.anomaly"
local lion = require "lion"

local fileless = {}

local OF_FILES = { "connect", "delete", "list", "restore", "verify" }

--- A copy of the module, in which the functions of files refuse.
-- @tparam string instead what is to be used, for the message
-- @treturn table
function fileless.copy(instead)
  local copy = {}
  for name, value in pairs(lion) do copy[name] = value end
  for _, name in ipairs(OF_FILES) do
    copy[name] = function()
      local message = ("lion.%s is not for code in a node: %s"):format(name, instead)
      error(anomaly.new("forbidden", "lion/not-allowed", message), 0)
    end
  end
  return copy
end

return fileless
