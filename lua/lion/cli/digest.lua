--- A file's digest: FNV-1a of 64 bits and the size. It tells files apart so that an interrupted import
-- goes on in the right one; it is no protection against somebody who forges a file.
-- @module lion.cli.digest
local bxor = require("bit").bxor

local OFFSET, PRIME = 0xcbf29ce484222325ULL, 0x100000001b3ULL

--- The digest of a text.
-- @tparam string text
-- @treturn string such as "fnv1a:0123456789abcdef:1048576"
return function(text)
  local hash, byte = OFFSET, string.byte
  for i = 1, #text do
    hash = bxor(hash, byte(text, i) + 0ULL) * PRIME
  end
  local high, low = tonumber(hash / 2ULL ^ 32), tonumber(hash % 2ULL ^ 32)
  return ("fnv1a:%08x%08x:%.0f"):format(high, low, #text)
end
