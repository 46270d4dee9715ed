--- What a function of the standard library says of bad input.
local assert = require "luassert"

local refuses = {}

--- Call it, and see that it raises an incorrect with this code.
-- @tparam string code
-- @tparam string|nil words that its message has
function refuses.with(code, words, fn, ...)
  local ok, e = pcall(fn, ...)
  assert(not ok, "it was not refused")
  assert(type(e) == "table", tostring(e))
  assert.equal("incorrect", e.category)
  assert.equal(code, e.code)
  if words then assert.truthy(e.message:find(words, 1, true), e.message) end
end

return refuses
