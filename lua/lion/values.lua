--- The values that Lua has no type for: null, symbols, decimals, sets, and the wrappers that say
-- how a string or an array is meant. The binding knows them by the field `__lion` of their metatable.
-- @module lion.values
local anomaly = require "lion.anomaly"
local base64 = require "lion.base64"
local cjson = require "cjson"

local values = {}

--- Absent inside a fixed shape; JSON's null too.
values.null = cjson.null

-- ---- symbols -----------------------------------------------------------------------------------

local Symbol = { __lion = "symbol" }
Symbol.__index = Symbol
function Symbol:__tostring() return self.name end
function Symbol.__eq(a, b) return a.name == b.name end -- one that came from elsewhere is a table of its own

local symbols = setmetatable({}, { __mode = "v" })

--- The symbol of that name; the same name is the same value.
-- @tparam string name
function values.symbol(name)
  if type(name) ~= "string" or name == "" then
    anomaly.incorrect("lion/syntax", "a symbol has a name: lion.symbol \"a/b\"")
  end
  local symbol = symbols[name]
  if not symbol then
    symbol = setmetatable({ name = name }, Symbol)
    symbols[name] = symbol
  end
  return symbol
end

function values.is_symbol(x) return getmetatable(x) == Symbol end

-- ---- wrappers ----------------------------------------------------------------------------------

local Str = { __lion = "str", __tostring = function(self) return self.text end }
local Set = { __lion = "set" }
local Lookup = { __lion = "lookup" }
local Instant = { __lion = "inst" }
function Instant:__tostring() return values.format_instant(self.ms) end
local Double = { __lion = "double" }
local Uuid = { __lion = "uuid", __tostring = function(self) return self.text end }
local Bytes = { __lion = "bytes", __tostring = function(self) return base64.write(self.text) end }

--- The string itself, whatever it looks like (":a", "?x").
function values.str(text)
  if type(text) ~= "string" then anomaly.incorrect("lion/syntax", "lion.str takes a string") end
  return setmetatable({ text = text }, Str)
end
--- Elements of a cardinality-many value: never a lookup ref. The array part holds them.
function values.set(items)
  if type(items) ~= "table" then anomaly.incorrect("lion/syntax", "lion.set takes an array") end
  local set = {}
  for i = 1, #items do set[i] = items[i] end
  return setmetatable(set, Set)
end
--- A lookup ref, whatever it looks like: { attr, value }.
function values.lookup(attr, value) return setmetatable({ attr, value }, Lookup) end
--- An instant as a typed constant of a query (elsewhere instants are plain numbers).
function values.inst(ms) return setmetatable({ ms = ms }, Instant) end
--- A double as a typed constant of a query, which may be a whole number.
function values.double_const(number) return setmetatable({ number = number }, Double) end
--- A uuid as a typed constant of a query.
function values.uuid_const(text) return setmetatable({ text = text:lower() }, Uuid) end

local TYPED = {
  instant = values.inst,
  uuid = values.uuid_const,
  string = values.str,
  bytes = function(text) return setmetatable({ text = text }, Bytes) end,
}

--- A value that says its type, for who prints it; its tostring is the text that JSON and CSV have.
-- @tparam string kind instant, uuid, bytes or string
-- @param plain the value as it is everywhere else
function values.typed(kind, plain) return TYPED[kind](plain) end

function values.is_str(x) return getmetatable(x) == Str end
function values.is_set(x) return getmetatable(x) == Set end
function values.is_lookup(x) return getmetatable(x) == Lookup end
function values.is_inst(x) return getmetatable(x) == Instant end
function values.is_uuid(x) return getmetatable(x) == Uuid end

-- ---- instants (proleptic Gregorian calendar, UTC) ----------------------------------------------

local floor = math.floor

-- Days since 1970-01-01; years begin in March, so that the leap day comes last.
local function days_from_civil(year, month, day)
  if month <= 2 then year = year - 1 end
  local era = floor(year / 400)
  local year_of_era = year - era * 400
  local day_of_year = floor((153 * (month + (month > 2 and -3 or 9)) + 2) / 5) + day - 1
  local day_of_era = year_of_era * 365 + floor(year_of_era / 4) - floor(year_of_era / 100) + day_of_year
  return era * 146097 + day_of_era - 719468
end

local function civil_from_days(days)
  days = days + 719468
  local era = floor(days / 146097)
  local day_of_era = days - era * 146097
  local leap_days = floor(day_of_era / 1460) - floor(day_of_era / 36524)
    + floor(day_of_era / 146096)
  local year_of_era = floor((day_of_era - leap_days) / 365)
  local day_of_year = day_of_era - (365 * year_of_era + floor(year_of_era / 4) - floor(year_of_era / 100))
  local month_index = floor((5 * day_of_year + 2) / 153)
  local day = day_of_year - floor((153 * month_index + 2) / 5) + 1
  local month = month_index + (month_index < 10 and 3 or -9)
  return year_of_era + era * 400 + (month <= 2 and 1 or 0), month, day
end

local MONTH_DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function days_in_month(year, month)
  local is_leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  return month == 2 and is_leap and 29 or MONTH_DAYS[month]
end

local function parse_offset(text)
  if text == "" or text == "Z" or text == "z" then return 0 end
  local sign, hours, minutes = text:match("^([+-])(%d%d):?(%d%d)$")
  if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then return nil end
  local offset = (tonumber(hours) * 60 + tonumber(minutes)) * 60000
  return sign == "-" and -offset or offset
end

local function parse_time(text)
  if text == "" then return 0 end
  local hour, minute, rest = text:match("^[Tt ](%d%d):(%d%d)(.*)$")
  if not hour then return nil end
  local second, fraction, zone = rest:match("^:(%d%d)(%.?%d*)(.*)$")
  if not second then second, fraction, zone = "0", "", rest end
  hour, minute, second = tonumber(hour), tonumber(minute), tonumber(second)
  if hour > 23 or minute > 59 or second > 60 or fraction == "." then return nil end
  local offset = parse_offset(zone)
  if not offset then return nil end
  local ms = fraction == "" and 0 or floor(tonumber("0" .. fraction) * 1000 + 1e-6)
  return ((hour * 60 + minute) * 60 + second) * 1000 + ms - offset
end

--- RFC 3339 text (a date, or a date and time) → ms since 1970; nil if it is none.
function values.parse_instant(text)
  local year, month, day, rest = text:match("^(%d%d%d%d)-(%d%d)-(%d%d)(.*)$")
  if not year then
    year, month, rest = text:match("^(%d%d%d%d)-(%d%d)(.*)$")
    if year and rest ~= "" then return nil end
    if not year then year = text:match("^(%d%d%d%d)$") end
    month, day, rest = month or "1", "1", ""
  end
  if not year then return nil end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  if month < 1 or month > 12 or day < 1 or day > days_in_month(year, month) then return nil end
  local time = parse_time(rest)
  return time and days_from_civil(year, month, day) * 86400000 + time
end

--- ms since 1970 → "2026-01-31T12:00:00.000Z".
function values.format_instant(ms)
  local days = floor(ms / 86400000)
  local rest = ms - days * 86400000
  local year, month, day = civil_from_days(days)
  return ("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"):format(year, month, day, floor(rest / 3600000),
    floor(rest / 60000) % 60, floor(rest / 1000) % 60, rest % 1000)
end

--- The instant of a text, a number. A text that is none is refused.
-- @tparam string text RFC 3339
-- @treturn number ms since 1970
function values.instant(text)
  local ms = type(text) == "string" and values.parse_instant(text)
  if not ms then
    anomaly.incorrect("lion/syntax", "%s is no instant: write it as 2026-01-31T12:00:00Z",
      tostring(text))
  end
  return ms
end

-- ---- decimals: exact, an integer (as digits) and a scale ---------------------------------------

local Decimal = { __lion = "decimal" }
Decimal.__index = Decimal

-- Magnitudes are arrays of seven-digit limbs, lowest first: products stay exact in doubles.
local BASE, WIDTH = 10000000, 7

local function trim(limbs)
  while #limbs > 0 and limbs[#limbs] == 0 do limbs[#limbs] = nil end
  return limbs
end

local function from_digits(digits)
  local limbs = {}
  for last = #digits, 1, -WIDTH do
    limbs[#limbs + 1] = tonumber(digits:sub(math.max(1, last - WIDTH + 1), last))
  end
  return trim(limbs)
end

local function to_digits(limbs)
  if #limbs == 0 then return "0" end
  local parts = { tostring(limbs[#limbs]) }
  for i = #limbs - 1, 1, -1 do parts[#parts + 1] = ("%07d"):format(limbs[i]) end
  return table.concat(parts)
end

local function compare_limbs(a, b)
  if #a ~= #b then return #a < #b and -1 or 1 end
  for i = #a, 1, -1 do
    if a[i] ~= b[i] then return a[i] < b[i] and -1 or 1 end
  end
  return 0
end

local function add_limbs(a, b)
  local sum, carry = {}, 0
  for i = 1, math.max(#a, #b) do
    local x = (a[i] or 0) + (b[i] or 0) + carry
    carry = x >= BASE and 1 or 0
    sum[i] = x - carry * BASE
  end
  if carry > 0 then sum[#sum + 1] = carry end
  return sum
end

local function subtract_limbs(a, b) -- a >= b
  local difference, borrow = {}, 0
  for i = 1, #a do
    local x = a[i] - (b[i] or 0) - borrow
    borrow = x < 0 and 1 or 0
    difference[i] = x + borrow * BASE
  end
  return trim(difference)
end

local function multiply_limbs(a, b)
  local product = {}
  for i = 1, #a + #b do product[i] = 0 end
  for i = 1, #a do
    local carry = 0
    for k = 1, #b do
      local x = product[i + k - 1] + a[i] * b[k] + carry
      carry = floor(x / BASE)
      product[i + k - 1] = x - carry * BASE
    end
    product[i + #b] = product[i + #b] + carry
  end
  return trim(product)
end

local function make(sign, limbs, scale)
  return setmetatable({ sign = #limbs == 0 and 1 or sign, limbs = limbs, scale = scale }, Decimal)
end

local function parse_decimal(text)
  local sign, whole, fraction, exponent = text:match("^([+-]?)(%d*)%.?(%d*)[eE]?([+-]?%d*)$")
  if not sign or #whole + #fraction == 0 then return nil end
  local shift = tonumber(exponent) or 0
  if math.abs(shift) > 1024 or text:find("[eE][+-]?$") then return nil end
  local scale = #fraction - shift
  local digits = whole .. fraction
  if scale < 0 then digits, scale = digits .. ("0"):rep(-scale), 0 end
  if #digits > 1024 or scale > 1024 then return nil end
  return make(sign == "-" and -1 or 1, from_digits((digits:gsub("^0+", ""))), scale)
end

-- The shortest text that reads back as the number.
local function number_text(x)
  if x % 1 == 0 and x > -1e17 and x < 1e17 then return ("%.0f"):format(x) end
  for digits = 15, 16 do
    local text = ("%." .. digits .. "g"):format(x)
    if tonumber(text) == x then return text end
  end
  return ("%.17g"):format(x)
end

--- An exact decimal number, of a text or a whole number.
function values.decimal(x)
  if getmetatable(x) == Decimal then return x end
  local text = x
  if type(x) == "number" then text = number_text(x) end
  if type(x) == "cdata" then text = tostring(x):gsub("U?LL$", "") end
  local decimal = type(text) == "string" and parse_decimal(text)
  if not decimal then
    anomaly.incorrect("lion/syntax", "%s is no decimal number of at most 1024 digits", tostring(x))
  end
  return decimal
end

function values.is_decimal(x) return getmetatable(x) == Decimal end

local function rescale(x, scale)
  if x.scale == scale then return x.limbs end
  return multiply_limbs(x.limbs, from_digits("1" .. ("0"):rep(scale - x.scale)))
end

local function aligned(a, b)
  a, b = values.decimal(a), values.decimal(b)
  local scale = math.max(a.scale, b.scale)
  return a.sign, rescale(a, scale), b.sign, rescale(b, scale), scale
end

local function add(sign_a, a, sign_b, b, scale)
  if sign_a == sign_b then return make(sign_a, add_limbs(a, b), scale) end
  if compare_limbs(a, b) >= 0 then return make(sign_a, subtract_limbs(a, b), scale) end
  return make(sign_b, subtract_limbs(b, a), scale)
end

function Decimal.__add(a, b) return add(aligned(a, b)) end
function Decimal.__sub(a, b)
  local sign_a, x, sign_b, y, scale = aligned(a, b)
  return add(sign_a, x, -sign_b, y, scale)
end
function Decimal.__mul(a, b)
  a, b = values.decimal(a), values.decimal(b)
  return make(a.sign * b.sign, multiply_limbs(a.limbs, b.limbs), a.scale + b.scale)
end
function Decimal.__unm(a) return make(-a.sign, a.limbs, a.scale) end

local SCALE_MAX = 1024

-- x / y as digits, with so many behind the point at least, and as many as it takes if it is to be exact;
-- how many these are; what is left.
local function divide_limbs(x, y, scale_min, is_exact)
  local digits, rest, scale = {}, {}, 0
  local function step(digit)
    rest = add_limbs(multiply_limbs(rest, { 10 }), digit > 0 and { digit } or {})
    local times = 0
    while compare_limbs(rest, y) >= 0 do rest, times = subtract_limbs(rest, y), times + 1 end
    digits[#digits + 1] = times
  end
  for digit in to_digits(x):gmatch "%d" do step(tonumber(digit)) end
  while scale < scale_min or is_exact and #rest > 0 do
    if scale == SCALE_MAX then
      anomaly.incorrect("lion/overflow", "the quotient of two decimals has no end, or more than %d digits",
        SCALE_MAX)
    end
    scale = scale + 1
    step(0)
  end
  return table.concat(digits):gsub("^0+", ""), scale, rest
end

local function refuse_zero(limbs)
  if #limbs == 0 then anomaly.incorrect("lion/division-by-zero", "a decimal is divided by zero") end
end

--- Exact; a quotient without end is refused.
function Decimal.__div(a, b)
  a, b = values.decimal(a), values.decimal(b)
  local sign_a, x, sign_b, y = aligned(a, b)
  refuse_zero(y)
  local digits, scale = divide_limbs(x, y, math.max(a.scale - b.scale, 0), true)
  return make(sign_a * sign_b, from_digits(digits), scale)
end

--- What is left, with the sign of the divisor, as Lua's numbers have it.
function Decimal.__mod(a, b)
  local sign_a, x, sign_b, y, scale = aligned(a, b)
  refuse_zero(y)
  local _, _, rest = divide_limbs(x, y, 0, false)
  if #rest == 0 or sign_a == sign_b then return make(sign_b, rest, scale) end
  return make(sign_b, subtract_limbs(y, rest), scale)
end

local function compare(a, b)
  local sign_a, x, sign_b, y = aligned(a, b)
  if sign_a ~= sign_b then return sign_a < sign_b and -1 or 1 end
  return compare_limbs(x, y) * sign_a
end

function Decimal.__eq(a, b) return compare(a, b) == 0 end
function Decimal.__lt(a, b) return compare(a, b) < 0 end
function Decimal.__le(a, b) return compare(a, b) <= 0 end

function Decimal:__tostring()
  local digits = to_digits(self.limbs)
  if self.scale > 0 then
    if #digits <= self.scale then digits = ("0"):rep(self.scale - #digits + 1) .. digits end
    digits = digits:sub(1, -self.scale - 1) .. "." .. digits:sub(-self.scale)
  end
  return (self.sign < 0 and "-" or "") .. digits
end

return values
