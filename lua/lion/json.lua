--- JSON, the pair of `read` and `write`. null is lion.null. Reading is cjson's; writing is here,
-- since cjson prints at
-- most 14 digits and a long has 19: whole numbers are written whole, doubles in the shortest form
-- that reads back.
-- @module lion.json
local anomaly = require "lion.anomaly"
local cjson = require "cjson"
local core = require "lion.core"

-- As Lua has them: where applications run, the methods of strings are versions that count their work.
local find, format, gsub = string.find, string.format, string.gsub

local DEPTH_MAX = 200

local codec = cjson.new()
codec.decode_max_depth(DEPTH_MAX)
codec.decode_invalid_numbers(false)

local json = {}

local function fail_malformed(why)
  local e = anomaly.new("incorrect", "lion/syntax", "malformed JSON: " .. tostring(why))
  e.is_of_input = true -- whoever wrote the text is to blame, not who reads it
  error(e, 0)
end

--- A text's value. A malformed text is lion/syntax.
function json.read(text)
  if type(text) ~= "string" then anomaly.incorrect("lion/syntax", "JSON is read from a string") end
  local ok, value = pcall(codec.decode, text)
  if not ok then fail_malformed(value) end
  return value
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(char) return ESCAPES[char] or ("\\u%04x"):format(char:byte()) end

local SPECIAL = '[%z\1-\31"\\\127]'

local function quote(text)
  if not find(text, SPECIAL) then return '"' .. text .. '"' end
  return '"' .. gsub(text, SPECIAL, escape) .. '"'
end

local function number_text(x)
  if x ~= x or x == math.huge or x == -math.huge then
    anomaly.incorrect("lion/syntax", "%s has no form in JSON", tostring(x))
  end
  if x % 1 == 0 and x > -1e17 and x < 1e17 then return format("%.0f", x) end
  local text = format("%.15g", x)
  return tonumber(text) == x and text or format("%.17g", x)
end

local function is_array(x)
  local n = #x
  if n == 0 then
    return next(x) == nil and getmetatable(x) ~= nil and getmetatable(x).__lion == "set" or false
  end
  local count = 0
  for _ in pairs(x) do count = count + 1 end
  return count == n
end

local function by_text(a, b) return tostring(a) < tostring(b) end

local write_value

local function write_table(out, x, depth)
  if depth > DEPTH_MAX then
    anomaly.incorrect("lion/syntax", "JSON deeper than %d is not written", DEPTH_MAX)
  end
  if is_array(x) then
    out[#out + 1] = "["
    for i = 1, #x do
      if i > 1 then out[#out + 1] = "," end
      write_value(out, x[i], depth)
    end
    out[#out + 1] = "]"
    return
  end
  local keys, has_numbers = {}, false
  for key in pairs(x) do
    local kind = type(key)
    if kind == "number" then
      has_numbers = true
    elseif kind ~= "string" then
      anomaly.incorrect("lion/syntax", "a key that is a %s has no form in JSON", kind)
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, has_numbers and by_text or nil)
  out[#out + 1] = "{"
  for i, key in ipairs(keys) do
    if i > 1 then out[#out + 1] = "," end
    out[#out + 1] = quote(tostring(key)) .. ":"
    write_value(out, x[key], depth)
  end
  out[#out + 1] = "}"
end

function write_value(out, x, depth)
  local kind = type(x)
  if x == nil or x == cjson.null then out[#out + 1] = "null"
  elseif kind == "string" then out[#out + 1] = quote(x)
  elseif kind == "number" then out[#out + 1] = number_text(x)
  elseif kind == "boolean" then out[#out + 1] = tostring(x)
  elseif kind == "cdata" then out[#out + 1] = quote((tostring(x):gsub("U?LL$", "")))
  elseif kind == "table" and getmetatable(x) and getmetatable(x).__map then
    write_table(out, getmetatable(x).__map(x), depth + 1)
  elseif kind == "table" and getmetatable(x) and getmetatable(x).__tostring then
    out[#out + 1] = quote(tostring(x))
  elseif kind == "table" then write_table(out, x, depth + 1)
  else anomaly.incorrect("lion/syntax", "a %s has no form in JSON", kind) end
end

--- A value's text, keys in order. Empty tables are objects (an empty lion.set is an array);
-- functions are refused.
function json.write(value)
  local text = core.json_text(value)
  if text then return text end
  local out = {}
  write_value(out, value, 0)
  return table.concat(out)
end

return json
