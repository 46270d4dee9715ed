--- Debian's order of versions: epoch, upstream version, revision; runs of other characters and of
-- digits in turn, "~" before
-- everything, even the end, letters before other signs. (Debian Policy, section 5.6.12.)
local version = {}

local function split(text)
  local epoch, rest = text:match("^(%d+):(.*)$")
  rest = rest or text
  local upstream, revision = rest:match("^(.*)%-([^%-]*)$")
  return tonumber(epoch or 0), upstream or rest, revision or ""
end

local function weight(char)
  if char == "~" then return -1 end
  if char == "" then return 0 end
  if char:match("%a") then return char:byte() end
  return char:byte() + 256
end

local function compare_words(a, b)
  for i = 1, math.max(#a, #b) do
    local x, y = weight(a:sub(i, i)), weight(b:sub(i, i))
    if x ~= y then return x < y and -1 or 1 end
  end
  return 0
end

local function compare_numbers(a, b)
  a, b = a:gsub("^0+", ""), b:gsub("^0+", "")
  if #a ~= #b then return #a < #b and -1 or 1 end
  return a == b and 0 or a < b and -1 or 1
end

local function compare_parts(a, b)
  while a ~= "" or b ~= "" do
    local word_a, word_b = a:match("^%D*"), b:match("^%D*")
    local order = compare_words(word_a, word_b)
    if order ~= 0 then return order end
    a, b = a:sub(#word_a + 1), b:sub(#word_b + 1)
    local number_a, number_b = a:match("^%d*"), b:match("^%d*")
    order = compare_numbers(number_a, number_b)
    if order ~= 0 then return order end
    a, b = a:sub(#number_a + 1), b:sub(#number_b + 1)
  end
  return 0
end

--- -1, 0 or 1. A query ion: [(packages.version/compare ?a ?b) ?order].
function version.compare(a, b)
  local epoch_a, upstream_a, revision_a = split(a)
  local epoch_b, upstream_b, revision_b = split(b)
  if epoch_a ~= epoch_b then return epoch_a < epoch_b and -1 or 1 end
  local order = compare_parts(upstream_a, upstream_b)
  if order ~= 0 then return order end
  return compare_parts(revision_a, revision_b)
end

return version
