--- A file's digest: XXH3 of 128 bits and the size. It tells files apart so that an interrupted import
-- goes on in the right one; it is no protection against somebody who forges a file.
-- @module lion.cli.digest
local core = require "lion.core"

--- The digest of a text.
-- @tparam string text
-- @treturn string such as "xxh3:0123456789abcdef0123456789abcdef:1048576"
return function(text) return ("xxh3:%s:%.0f"):format(core.hash(text), #text) end
