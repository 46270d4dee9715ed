--- Text: bytes that are UTF-8, as databases hold them.
-- @module ions.utf8
local lpeg = require "lpeg"

local P, R = lpeg.P, lpeg.R

local utf8 = {}

local more = R "\128\191"
local character = R "\0\127"
  + R "\194\223" * more
  + (P "\224" * R "\160\191" + (R "\225\236" + R "\238\239") * more + P "\237" * R "\128\159") * more
  + (P "\240" * R "\144\191" + R "\241\243" * more + P "\244" * R "\128\143") * more * more
local text = character ^ 0 * -1

--- Whether these bytes are text.
-- @tparam string bytes
-- @treturn boolean
function utf8.is_valid(bytes) return text:match(bytes) ~= nil end

--- The bytes as text, with ? for those beyond ASCII if they are none.
-- @tparam string bytes
-- @treturn string
function utf8.repair(bytes) return utf8.is_valid(bytes) and bytes or (bytes:gsub("[\128-\255]", "?")) end

return utf8
