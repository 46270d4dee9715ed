--- Tables of options, checked: what is no option, and what has the wrong type.
-- @module lion.options
local anomaly = require "lion.anomaly"
local nearest = require "lion.nearest"

local COUNT_MAX = 2 ^ 32

-- What a value of each kind must be, in words, and whether it is.
local KINDS = {
  boolean = { "true or false", function(x) return type(x) == "boolean" end },
  string = { "a string", function(x) return type(x) == "string" end },
  number = {
    "a number that is not negative",
    function(x) return type(x) == "number" and x >= 0 and x < math.huge end,
  },
  count = {
    "a whole number that is not negative",
    function(x) return type(x) == "number" and x >= 0 and x < COUNT_MAX and x % 1 == 0 end,
  },
}

local function names_of(known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

local function fail_unknown(name, known, what)
  local near = type(name) == "string" and nearest(name, known)
  anomaly.incorrect("lion/syntax", "%s is no option of %s%s (it takes %s)", tostring(name), what,
    near and ", did you mean " .. near .. "?" or "", names_of(known))
end

--- Check a table of options.
-- @param options a table or nil, for none
-- @tparam table known name → "boolean", "string", "number", "count" (whole)
-- @tparam string what whose options they are
-- @treturn table the options
return function(options, known, what)
  if options == nil then return {} end
  if type(options) ~= "table" then
    anomaly.incorrect("lion/syntax", "the options of %s are a table, not a %s", what, type(options))
  end
  for name, value in pairs(options) do
    local kind = KINDS[known[name]] or fail_unknown(name, known, what)
    if not kind[2](value) then
      anomaly.incorrect("lion/syntax", "the option %s is %s, not %s", name, kind[1], tostring(value))
    end
  end
  return options
end
