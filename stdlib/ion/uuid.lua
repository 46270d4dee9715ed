--- UUIDs: new ones that sort by the time of their making (version 7), and reading of any.
-- @module ion.uuid
local anomaly = require "lion.anomaly"
local bit = require "bit"
local gate = require "ions.gate"
local sodium = require "ions.sodium"

local uuid = {}

local SIZE = 16
local GROUPS = "^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x%x%x%x%x%x%x%x%x)$"

local function refuse(message, ...) anomaly.incorrect("ion.uuid/invalid", message, ...) end

local function with_hyphens(digits) return ("%s-%s-%s-%s-%s"):format(digits:match(GROUPS)) end

--- A new one of version 7: 48 bits of ms since 1970 by the application's clock, then 74 random ones.
-- @treturn string "019a3c5e-…", as a :db.type/uuid takes it
function uuid.new()
  local ms, random = math.floor(gate.now()), gate.bytes(10)
  local digits = ("%012x"):format(ms) .. sodium.hex(random)
  local variant = bit.bor(bit.band(random:byte(3), 0x3f), 0x80)
  local last = ("%02x"):format(variant) .. digits:sub(19)
  return with_hyphens(digits:sub(1, 12) .. "7" .. digits:sub(14, 16) .. last)
end

-- In lower case; nil if it is none.
local function read(text)
  if type(text) ~= "string" or #text > 45 then return nil end
  local lower = text:lower()
  lower = lower:match "^urn:uuid:(.*)$" or lower
  return lower:match "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"
end

--- Whether something is the text of a UUID, in upper or lower case, with or without urn:uuid:.
-- @treturn boolean
function uuid.is(value) return read(value) ~= nil end

--- A UUID as Lion writes it, in lower case.
-- @tparam string text in any case; urn:uuid: may stand before it
-- @treturn string
function uuid.parse(text)
  local found = read(text)
  if found then return found end
  refuse("%s is no UUID", type(text) == "string" and ("%q"):format(text:sub(1, 80)) or "a " .. type(text))
end

--- Its version, 0 to 15.
function uuid.version(text) return tonumber(uuid.parse(text):sub(15, 15), 16) end

--- When one of version 7 was made.
-- @treturn number ms since 1970
function uuid.time(text)
  local found = uuid.parse(text)
  local version = uuid.version(found)
  if version ~= 7 then refuse("%s has no time in it: it is of version %d", found, version) end
  return tonumber(found:sub(1, 8) .. found:sub(10, 13), 16)
end

--- Its 16 bytes.
function uuid.bytes(text) return sodium.from_hex((uuid.parse(text):gsub("%-", ""))) end

--- The UUID of 16 bytes.
function uuid.format(bytes)
  if type(bytes) ~= "string" or #bytes ~= SIZE then
    refuse("a UUID has 16 bytes, not %s", type(bytes) == "string" and #bytes or "a " .. type(bytes))
  end
  return with_hyphens(sodium.hex(bytes))
end

return uuid
