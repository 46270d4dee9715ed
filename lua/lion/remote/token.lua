--- The token for a node's control door over TCP: what is given, else what LION_TOKEN or the file
-- LION_TOKEN_FILE has. Who lists processes sees none that is in a file.
-- @module lion.remote.token
local anomaly = require "lion.anomaly"

local function read_file(path)
  local file, reason = io.open(path, "rb")
  if not file then error(anomaly.new("not-found", "lion/not-found", "LION_TOKEN_FILE: " .. reason), 0) end
  local text = (file:read "*a" or ""):match "^%s*(.-)%s*$"
  file:close()
  if text == "" then anomaly.incorrect("lion/syntax", "LION_TOKEN_FILE: there is no token in %s", path) end
  return text
end

--- @tparam string address as of a client: over a Unix socket no token is sent
-- @tparam[opt] string given
-- @treturn string|nil
return function(address, given)
  if address:find "^unix:" then return nil end
  local token = given or os.getenv "LION_TOKEN"
  if token and token ~= "" then return token end
  local path = os.getenv "LION_TOKEN_FILE"
  return path and path ~= "" and read_file(path) or nil
end
