--- The functions of strings, within bounds: work is paid for, results have a size, patterns end.
--
-- They behave as LuaJIT's own. The library's table is `text`; programs have a copy of it, and its
-- functions are the methods of all strings of the state.
-- @module ions.fuel.text
local anomaly = require "lion.anomaly"
local meter = require "ions.fuel.meter"
local pattern = require "ions.pattern"

meter.disown()

local own = {}
for name, value in pairs(string) do own[name] = value end

local pay = meter.pay

-- The bytes of one result.
local SIZE_MAX = 64 * 1024 * 1024

-- What is done for the price of a step: bytes copied, characters tried by a pattern.
local BYTES_PER_STEP = 64
local TRIED_PER_STEP = 4

-- Characters that one match may try: a sixth of a second. Between two looks at the deadline there may
-- stand one such match.
local TRIED_MAX = 2 ^ 25

-- As many for all matches of one gsub together.
local REPLACED_MAX = 2 ^ 28

-- Formats that are longer go past the compiler: LuaJIT's recorder is at the mercy of their length.
local FORMAT_RECORDED_MAX = 256

-- The most that one directive other than %s and %q adds.
local DIRECTIVE_SIZE_MAX = 512

-- A piece that is shorter is looked for at each place; for a longer one the work grows with the text alone.
local PLAIN_TRIED_MAX = 16

-- Patterns that are known to be plain text are remembered, so many of them.
local PLAIN_COUNT_MAX = 1000

local text = {}

-- ---- errors --------------------------------------------------------------------------------------

-- As LuaJIT's own functions fail: a text with its place.
local function fail(message, ...) error(meter.place() .. message:format(...), 0) end

local function refuse(message, ...)
  error(anomaly.new("incorrect", "lion/limit", meter.place() .. message:format(...)), 0)
end

local function check_size(size, what)
  if size > SIZE_MAX then
    refuse("%s: a text of %.0f bytes or more; one may have %.0f", what, size, SIZE_MAX)
  end
  pay(size / BYTES_PER_STEP)
end

-- As the own functions take it: a number is its text.
local function to_text(value, index, name)
  if type(value) == "string" then return value end
  if type(value) == "number" then return tostring(value) end
  fail("bad argument #%d to '%s' (string expected, got %s)", index, name,
    value == nil and "no value" or type(value))
end

-- Zero-based, as the own functions clip it.
local function to_start(init, size)
  init = tonumber(init) or 1
  init = init < 0 and math.ceil(init) + size or math.floor(init) - 1
  return math.max(0, math.min(init, size))
end

-- ---- copies --------------------------------------------------------------------------------------

for _, name in ipairs { "lower", "upper", "reverse" } do
  local fn = own[name]
  text[name] = function(s)
    if type(s) == "string" then pay(#s / BYTES_PER_STEP) end
    return fn(s)
  end
end

text.byte, text.char, text.len = own.byte, own.char, own.len

function text.sub(s, i, j)
  if type(s) == "string" and #s > BYTES_PER_STEP then
    local first, last = tonumber(i) or 1, tonumber(j) or -1
    if first < 0 then first = math.max(#s + first, 0) end
    if last < 0 then last = #s + last end
    pay(math.max(0, math.min(last, #s) - first) / BYTES_PER_STEP)
  end
  return own.sub(s, i, j)
end

function text.rep(s, n, separator)
  local count = tonumber(n) or 0
  if count > 0 and s then
    local size = #tostring(s) + (separator and #tostring(separator) or 0)
    check_size(size * count, "string.rep")
    pay(count / BYTES_PER_STEP)
  end
  if separator == nil then return own.rep(s, n) end -- compiled
  return own.rep(s, n, separator)
end

local function format_unrecorded(...) return own.format(...) end
require "jit".off(format_unrecorded)

function text.format(format, ...)
  if type(format) ~= "string" then return own.format(format, ...) end
  local count = select("#", ...)
  local size = #format + count * DIRECTIVE_SIZE_MAX
  local factor = own.find(format, "%q", 1, true) and 4 or 1 -- %q may write four bytes for one
  for i = 1, count do
    local value = select(i, ...)
    if type(value) == "string" then size = size + factor * #value end
  end
  if size > SIZE_MAX then check_size(size, "string.format") end
  pay((size - count * DIRECTIVE_SIZE_MAX) / BYTES_PER_STEP)
  if #format > FORMAT_RECORDED_MAX then return format_unrecorded(format, ...) end
  return own.format(format, ...)
end

-- ---- patterns ------------------------------------------------------------------------------------

local plain_patterns, plain_count = {}, 0

local function is_plain(p)
  local known = plain_patterns[p]
  if known ~= nil then return known end
  if plain_count == PLAIN_COUNT_MAX then plain_patterns, plain_count = {}, 0 end
  known = not own.find(p, "[%^%$%*%+%?%.%(%[%%%-]")
  plain_patterns[p], plain_count = known, plain_count + 1
  return known
end

local function tried_max()
  return math.max(0, math.min(TRIED_MAX, meter.allowance() * TRIED_PER_STEP))
end

-- What the matcher says: pay for it, and raise what it could not do.
local function settle(name, limit, units, ...)
  if units then
    pay(units / TRIED_PER_STEP)
    return ...
  end
  if units == false then fail("%s", (...)) end
  if ... then check_size(SIZE_MAX + 1, "string." .. name) end
  pay(limit / TRIED_PER_STEP + 1) -- raises, if the budget was the limit
  refuse("string.%s: the pattern tried %.0f characters on one text; make it simpler", name, limit)
end

local function find_plain(s, piece, start)
  local first
  if #piece <= PLAIN_TRIED_MAX then
    first = own.find(s, piece, start + 1, true) -- compiled, but tries each place
  else
    first = pattern.plain(s, piece, start + 1)
  end
  pay(((first or #s) - start) / BYTES_PER_STEP)
  if first then return first, first + #piece - 1 end
  return nil
end

function text.find(s, p, init, plain)
  s, p = to_text(s, 1, "find"), to_text(p, 2, "find")
  local start = init and to_start(init, #s) or 0
  if plain or is_plain(p) then return find_plain(s, p, start) end
  local limit = tried_max()
  return settle("find", limit, pattern.find(s, p, start + 1, limit))
end

function text.match(s, p, init)
  s, p = to_text(s, 1, "match"), to_text(p, 2, "match")
  local start, limit = init and to_start(init, #s) or 0, tried_max()
  return settle("match", limit, pattern.match(s, p, start + 1, limit))
end

function text.gmatch(s, p)
  s, p = to_text(s, 1, "gmatch"), to_text(p, 2, "gmatch")
  local at = 1
  local function advance(first, last, ...)
    at = first == nil and #s + 2 or last < first and first + 1 or last + 1
    return ...
  end
  return function()
    if at > #s + 1 then return nil end
    local limit = tried_max()
    return advance(settle("gmatch", limit, pattern.step(s, p, at, limit)))
  end
end

local REPLACEMENTS = { string = true, number = true, table = true, ["function"] = true }

function text.gsub(s, p, replacement, max)
  s, p = to_text(s, 1, "gsub"), to_text(p, 2, "gsub")
  local kind = type(replacement)
  if not REPLACEMENTS[kind] then
    fail("bad argument #3 to 'gsub' (string/function/table expected, got %s)", kind)
  end
  max = max == nil and #s + 1 or tonumber(max) or fail "bad argument #4 to 'gsub' (number expected)"
  local limit = math.max(0, math.min(REPLACED_MAX, meter.allowance() * TRIED_PER_STEP))
  return settle("gsub", limit, pattern.replace(s, p, replacement, max, limit, SIZE_MAX))
end

-- ---- tables of texts -----------------------------------------------------------------------------

--- table.concat, within bounds.
function text.concat(list, separator, first, last)
  if type(list) ~= "table" then return table.concat(list, separator, first, last) end
  first, last = first or 1, last or #list
  local size = 0
  if type(separator) == "string" and last > first then size = (last - first) * #separator end
  for i = first, last do
    local piece = list[i]
    if type(piece) == "string" then
      size = size + #piece
    elseif type(piece) == "number" then
      size = size + 24
    else
      break -- the own function says which
    end
  end
  pay(math.max(0, last - first) / 16)
  check_size(size, "table.concat")
  return table.concat(list, separator, first, last)
end

-- ---- methods -------------------------------------------------------------------------------------

--- Make the bounded functions the methods of all strings in this state.
function text.install()
  local metatable = getmetatable ""
  if type(metatable) ~= "table" then return end -- done before
  local methods = {}
  for name, fn in pairs(own) do methods[name] = fn end
  for _, name in ipairs(text.NAMES) do methods[name] = text[name] end
  methods.dump = nil
  metatable.__index = methods
  metatable.__metatable = "string"
end

--- The functions of the library `string`.
text.NAMES = { "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse",
  "sub", "upper" }

return text
