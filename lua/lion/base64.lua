--- Bytes as text: base64 of RFC 4648, with its padding.
-- @module lion.base64
local bit = require "bit"

local base64 = {}

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local VALUES = {}
for i = 1, 64 do
  VALUES[DIGITS:byte(i)] = i - 1
end

--- The text of bytes.
-- @tparam string bytes
-- @treturn string
function base64.write(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for k = 0, 3 do
      local digit = bit.band(bit.rshift(n, 18 - 6 * k), 63)
      local is_padding = k == 2 and not b or k == 3 and not c
      out[#out + 1] = is_padding and "=" or DIGITS:sub(digit + 1, digit + 1)
    end
  end
  return table.concat(out)
end

--- The bytes of a text, or nil where it is none; the padding may be left out.
-- @tparam string text
-- @treturn string|nil
function base64.read(text)
  local digits = text:gsub("=?=?$", "")
  if #digits % 4 == 1 then return nil end
  local out, n, bits = {}, 0, 0
  for i = 1, #digits do
    local value = VALUES[digits:byte(i)]
    if not value then return nil end
    n, bits = n * 64 + value, bits + 6
    if bits >= 8 then
      bits = bits - 8
      local byte = math.floor(n / 2 ^ bits)
      out[#out + 1] = string.char(byte)
      n = n - byte * 2 ^ bits
    end
  end
  return table.concat(out)
end

return base64
