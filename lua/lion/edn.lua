--- EDN: reading and writing.
--
-- Tokens are found by LPeg; nesting is kept on a stack of our own, so no text can exhaust anyone
-- else's. What a form becomes
-- is a builder's affair: `edn.read` makes plain Lua values, `edn.read_tx` the tables of API.md's
-- transactions, `edn.read_ast` nodes
-- that keep what they were and where they stood.
-- @module lion.edn
local anomaly = require "lion.anomaly"
local base64 = require "lion.base64"
local ffi = require "ffi"
local lpeg = require "lpeg"
local values = require "lion.values"

local edn = {}

local DEPTH_MAX = 1000

-- ---- tokens ------------------------------------------------------------------------------------

local P, S, R, C, Cc, Cp = lpeg.P, lpeg.S, lpeg.R, lpeg.C, lpeg.Cc, lpeg.Cp

local blank = S " \t\r\n\f," + P ";" * (1 - P "\n") ^ 0
local delimiter = S " \t\r\n\f,;()[]{}\"" + -1
local word = (1 - S " \t\r\n\f,;()[]{}\"") ^ 1
local digit = R "09"

local integer = C(S "+-" ^ -1 * digit ^ 1) * P "N" ^ -1 * #delimiter
local float = C(S "+-" ^ -1 * digit ^ 1 * (P "." * digit ^ 0) ^ -1 * (S "eE" * S "+-" ^ -1 * digit ^ 1) ^ -1)

local to_token = blank ^ 0 * Cp()

-- position, kind, text, position behind
local token = to_token * (
    P ":" * Cc "keyword" * C(word)
  + P '"' * Cc "string" * C((1 - S '"\\') ^ 0) * P '"'
  + P '"' * Cc "escaped" * C((1 - S '"\\' + P "\\" * 1) ^ 0) * P '"'
  + Cc "open" * C(S "[({")
  + Cc "close" * C(S "])}")
  + Cc "integer" * integer
  + Cc "decimal" * float * P "M" * #delimiter
  + Cc "float" * float * #delimiter
  + P "#" * (
        P "{" * Cc "open" * Cc "#{"
      + P "_" * Cc "prefix" * Cc "discard"
      + P '"' * Cc "regex" * C((1 - S '"\\' + P "\\" * 1) ^ 0) * P '"'
      + P "#" * Cc "special" * C(word)
      + P ":" * Cc "namespace" * C(word)
      + Cc "tag" * C(R("az", "AZ") * word ^ -1))
  + P "\\" * Cc "character" * C(word + 1)
  + P "'" * Cc "prefix" * Cc "quote"
  + P "^" * Cc "prefix" * Cc "meta"
  + Cc "symbol" * C(word)
  + Cc "end" * Cc "" * -1
) * Cp()

-- ---- errors ------------------------------------------------------------------------------------

local function line_and_column(text, position)
  local line, start = 1, 1
  for at in text:sub(1, position - 1):gmatch "()\n" do line, start = line + 1, at + 1 end
  return line, position - start + 1
end

edn.line_and_column = line_and_column

local function fail(text, position, message, ...)
  local line, column = line_and_column(text, math.min(position, #text + 1))
  if select("#", ...) > 0 then message = message:format(...) end
  error(anomaly.new("incorrect", "lion/syntax",
    ("line %d, column %d: %s"):format(line, column, message),
    { line = line, column = column }), 0)
end
edn.fail = fail

-- ---- scalars -----------------------------------------------------------------------------------

local ESCAPES = { n = "\n", t = "\t", r = "\r", b = "\b", f = "\f", ['"'] = '"', ["\\"] = "\\",
  ["/"] = "/" }
local CHARACTERS = { newline = "\n", space = " ", tab = "\t", ["return"] = "\r", backspace = "\b",
  formfeed = "\f" }

local function utf8_char(code)
  if code < 0x80 then return string.char(code) end
  if code < 0x800 then return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64,
      0x80 + code % 64)
  end
  return string.char(0xF0 + math.floor(code / 262144), 0x80 + math.floor(code / 4096) % 64,
    0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local function hex_escape(text, raw, at, position)
  local hex = raw:match("^u(%x%x%x%x)", at)
  if not hex then fail(text, position, "\\u takes four hexadecimal digits") end
  local code = tonumber(hex, 16)
  if code < 0xD800 or code > 0xDFFF then return utf8_char(code), at + 5 end
  local low = code < 0xDC00 and raw:match("^\\u([dD][c-fC-F]%x%x)", at + 5)
  if not low then fail(text, position, "\\u%s is half of a pair", hex) end
  return utf8_char(0x10000 + (code - 0xD800) * 1024 + tonumber(low, 16) - 0xDC00), at + 11
end

local function unescape(text, raw, position)
  local parts, from = {}, 1
  while true do
    local at = raw:find("\\", from, true)
    if not at then break end
    parts[#parts + 1] = raw:sub(from, at - 1)
    local char = raw:sub(at + 1, at + 1)
    if char == "u" then
      parts[#parts + 1], from = hex_escape(text, raw, at + 1, position)
    else
      if not ESCAPES[char] then fail(text, position, "\\%s is no escape of a string", char) end
      parts[#parts + 1], from = ESCAPES[char], at + 2
    end
  end
  parts[#parts + 1] = raw:sub(from)
  return table.concat(parts)
end

local function read_integer(text, digits, position)
  if #digits <= 15 then return tonumber(digits) end
  local sign, magnitude = digits:match("^([+-]?)0*(%d+)$")
  local limit = sign == "-" and "9223372036854775808" or "9223372036854775807"
  if #magnitude > 19 or (#magnitude == 19 and magnitude > limit) then
    fail(text, position, "%s is beyond 64 bits", #digits > 40 and digits:sub(1, 40) .. "…"
      or digits)
  end
  local value = ffi.new("int64_t", 0)
  for i = 1, #magnitude do value = value * 10 - (magnitude:byte(i) - 48) end
  if sign ~= "-" then value = -value end
  local number = tonumber(value)
  return number >= -9007199254740992 and number <= 9007199254740992 and ffi.cast("int64_t",
    number) == value and number or value
end

local function read_character(text, name, position)
  local char = CHARACTERS[name]
  if char then return char end
  local hex = name:match("^u(%x%x%x%x)$")
  if hex then return utf8_char(tonumber(hex, 16)) end
  local first = name:match("^[%z\1-\127\194-\244][\128-\191]*")
  if first ~= name then fail(text, position, "\\%s is no character", name) end
  return name
end

local SPECIAL = { NaN = 0 / 0, Inf = math.huge, ["-Inf"] = -math.huge }

local UUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

-- What a tag makes of a text: the ms of an instant, a uuid in lower case, bytes. nil for other tags.
local function read_tag(tag, form, text, position)
  local is_text = type(form) == "string"
  if tag == "inst" then
    local ms = is_text and values.parse_instant(form)
    if not ms then fail(text, position, "#inst takes a text such as \"2026-01-31T12:00:00Z\"") end
    return ms
  elseif tag == "uuid" then
    if not is_text or not form:match(UUID) then
      fail(text, position, "#uuid takes a text of the canonical form")
    end
    return form:lower()
  elseif tag == "base64" then
    local bytes = is_text and base64.read(form)
    if not bytes then fail(text, position, "#base64 takes a text such as \"TGlvbg==\"") end
    return bytes
  end
end

-- ---- builders ----------------------------------------------------------------------------------

-- Plain Lua values. `wraps`: strings that would read as something else are wrapped (transactions).
local function value_builder(wraps)
  local builder = {}
  function builder.keyword(name) return ":" .. name end
  function builder.symbol(name) return values.symbol(name) end
  function builder.string(value)
    if wraps and value:byte(1) == 58 then return values.str(value) end
    return value
  end
  function builder.scalar(value) return value end
  builder.float = builder.scalar
  function builder.null() return values.null end
  function builder.regex(source) return source end
  function builder.vector(items) return items end
  function builder.list(items) return items end
  function builder.set(items) return values.set(items) end
  function builder.quote(form) return form end
  function builder.map(items)
    local map = {}
    for i = 1, #items, 2 do
      local key = items[i]
      if type(key) == "string" and key:byte(1) == 58 then key = key:sub(2) end
      if key ~= key then anomaly.incorrect("lion/syntax", "##NaN is no key of a map") end
      if map[key] ~= nil then
        anomaly.incorrect("lion/syntax", "a map has the key %s twice", tostring(key))
      end
      map[key] = items[i + 1]
    end
    return map
  end
  function builder.tagged(tag, form, text, position)
    if tag == "db/id" then return edn.tempid(form, text, position) end
    if tag == "bytes" then return form end
    local value = read_tag(tag, form, text, position)
    if value ~= nil then return value end
    fail(text, position, "#%s is no tag that is known here (#inst, #uuid, #base64, #db/id)", tag)
  end
  return builder
end

local fresh = 0

--- The tempid of `#db/id[:db.part/user -1]`: the same number is the same tempid; without one it is
-- a fresh one.
function edn.tempid(form, text, position)
  if type(form) ~= "table" or #form < 1 or #form > 2 then
    fail(text, position, "#db/id takes [partition] or [partition number]")
  end
  if form[1] == ":db.part/tx" then return "lion.tx" end
  if form[2] == nil then
    fresh = fresh + 1
    return "#db/id" .. tostring(form[1]) .. " fresh " .. fresh
  end
  return "#db/id" .. tostring(form[1]) .. " " .. tostring(form[2])
end

-- Nodes: { kind =, value = | items in the array part, first =, last = }; positions are bytes of the
-- text.
local function ast_builder()
  local builder = {}
  local function node(kind) return function(value) return { kind = kind, value = value } end end
  builder.keyword, builder.symbol = node "keyword", node "symbol"
  builder.string, builder.regex = node "string", node "regex"
  function builder.scalar(value)
    return { kind = type(value) == "boolean" and "boolean" or "number", value = value }
  end
  -- Lua has one type of number: that 2.0 was written must be told.
  function builder.float(value) return { kind = "number", value = value, is_double = true } end
  function builder.null() return { kind = "nil" } end
  local function container(kind) return function(items) items.kind = kind return items end end
  builder.vector, builder.list = container "vector", container "list"
  builder.set, builder.map = container "set", container "map"
  function builder.quote(form) return form end
  function builder.tagged(tag, form, text, position)
    local value = read_tag(tag, form.kind == "string" and form.value, text, position)
    if value == nil then
      fail(text, position, "#%s is no tag that is known here (#inst, #uuid, #base64)", tag)
    end
    return { kind = tag == "base64" and "string" or tag, value = value }
  end
  builder.is_ast = true
  return builder
end

-- ---- the reader --------------------------------------------------------------------------------

local CLOSES = { ["["] = "]", ["("] = ")", ["{"] = "}", ["#{"] = "}" }
local MAKES = { ["["] = "vector", ["("] = "list", ["{"] = "map", ["#{"] = "set" }

-- A name of a namespaced map: `_/x` loses its namespace, `x` gains it.
local function qualify(name, namespace)
  if name:sub(1, 2) == "_/" then return name:sub(3) end
  if name:find("/", 1, true) and #name > 1 then return name end
  return namespace .. "/" .. name
end

local function qualify_keys(items, namespace, builder)
  for i = 1, #items, 2 do
    local key = items[i]
    if builder.is_ast then
      if key.kind == "keyword" then key.value = qualify(key.value, namespace) end
    elseif type(key) == "string" and key:byte(1) == 58 then
      items[i] = ":" .. qualify(key:sub(2), namespace)
    end
  end
end

local Reader = {}
Reader.__index = Reader

local function new_reader(text, builder, position)
  return setmetatable({ text = text, builder = builder, position = position or 1 }, Reader)
end

local function scalar_of(self, kind, word_, at)
  local builder, text = self.builder, self.text
  if kind == "string" then return builder.string(word_)
  elseif kind == "keyword" then
    if word_ == "/" or word_:sub(1, 1) == ":" or word_:sub(-1) == "/" then
      fail(text, at, ":%s is no keyword", word_)
    end
    return builder.keyword(word_)
  elseif kind == "integer" then return builder.scalar(read_integer(text, word_, at))
  elseif kind == "float" then return builder.float(tonumber(word_))
  elseif kind == "escaped" then return builder.string(unescape(text, word_, at))
  elseif kind == "regex" then return builder.regex(word_)
  elseif kind == "character" then return builder.string(read_character(text, word_, at))
  elseif kind == "decimal" then return builder.scalar(values.decimal(word_))
  elseif kind == "special" then
    local value = SPECIAL[word_]
    if value == nil then fail(text, at, "##%s is none of ##NaN, ##Inf, ##-Inf", word_) end
    return builder.scalar(value)
  end
  if word_ == "true" then return builder.scalar(true) end
  if word_ == "false" then return builder.scalar(false) end
  if word_ == "nil" then return builder.null() end
  if word_:byte(1) == 58 or word_:byte(1) == 35 then
    fail(text, at, "%s is nothing that EDN knows", word_)
  end
  if word_:match("^[+-]?%d") then fail(text, at, "%s is no number", word_) end
  return builder.symbol(word_)
end

-- Hand a finished form to the frames that wait for one. Returns true, form when it is the
-- outermost.
local function deliver(self, stack, depth, form)
  while true do
    local frame = stack[depth]
    if depth == 0 then return 0, true, form end
    local kind = frame.kind
    if kind == "quote" then form = self.builder.quote(form)
    elseif kind == "tag" then form = self.builder.tagged(frame.tag, form, self.text, frame.at)
    elseif kind == "discard" then
      return depth - 1, false
    elseif kind == "meta" then -- the first form is the metadata, the second what it is about
      if not frame.is_read then
        frame.is_read = true
        return depth, false
      end
    elseif kind == "namespace" then
      fail(self.text, frame.at, "#:%s is followed by a map", frame.tag)
    else
      frame.items[#frame.items + 1] = form
      return depth, false
    end
    depth = depth - 1
  end
end

local function close_frame(self, stack, depth, bracket, at, behind)
  local frame = stack[depth]
  if not frame or not frame.items then fail(self.text, at, "%s closes nothing", bracket) end
  if CLOSES[frame.kind] ~= bracket then
    fail(self.text, at, "%s was opened, and %s closes it", frame.kind, bracket)
  end
  local items, builder = frame.items, self.builder
  if frame.kind == "{" then
    if #items % 2 == 1 then fail(self.text, frame.at, "a map has a value for each key") end
    local above = stack[depth - 1]
    if above and above.kind == "namespace" then
      qualify_keys(items, above.tag, builder)
      depth = depth - 1
    end
  end
  local form = builder[MAKES[frame.kind]](items)
  if builder.is_ast then form.first, form.last = frame.at, behind - 1 end
  return depth - 1, form
end

--- The next form. Returns true and the form, or false at the end of the text.
function Reader:next()
  local text, match = self.text, lpeg.match
  local stack, depth = {}, 0
  while true do
    local at, kind, word_, behind = match(token, text, self.position)
    if not at then
      at = match(to_token, text, self.position)
      if text:sub(at, at) == '"' or text:sub(at, at + 1) == '#"' then
        fail(text, at, "a string that is not closed")
      end
      fail(text, at, "%q is nothing that EDN knows", text:sub(at, at + 10))
    end
    self.position = behind
    local is_whole, form
    if kind == "open" or kind == "prefix" or kind == "tag" or kind == "namespace" then
      if depth == DEPTH_MAX then fail(text, at, "nested deeper than %d", DEPTH_MAX) end
      depth = depth + 1
      if kind == "open" then stack[depth] = { kind = word_, items = {}, at = behind - #word_ }
      elseif kind == "prefix" then stack[depth] = { kind = word_, at = at }
      else stack[depth] = { kind = kind, tag = word_, at = at } end
    elseif kind == "end" then
      if depth == 0 then return false end
      local frame = stack[depth]
      local name = frame.kind == "tag" and "#" .. frame.tag or frame.kind
      fail(text, frame.at, "%s is not closed", name)
    else
      if kind == "close" then
        depth, form = close_frame(self, stack, depth, word_, behind - 1, behind)
      else
        form = scalar_of(self, kind, word_, at)
        if self.builder.is_ast then
          form.first, form.last = at, behind - 1
        end
      end
      depth, is_whole, form = deliver(self, stack, depth, form)
      if is_whole then return true, form end
    end
  end
end

local function read_one(text, builder)
  if type(text) ~= "string" then
    anomaly.incorrect("lion/syntax", "EDN is read from a string, not from a %s", type(text))
  end
  local reader = new_reader(text, builder)
  local is_there, form = reader:next()
  if not is_there then fail(text, 1, "there is no form in this text") end
  local behind = reader.position
  if reader:next() then fail(text, behind, "there is more behind the first form") end
  return form
end

local plain, wrapping, ast = value_builder(false), value_builder(true), ast_builder()

--- The value of a text that holds one form.
-- Keyword keys of maps become bare strings, other keywords strings with a colon; vectors and lists
-- arrays, sets lion.set, nil lion.null.
function edn.read(text) return read_one(text, plain) end
--- The same as the tables that conn:transact takes: strings that begin with a colon are wrapped by
-- lion.str.
function edn.read_tx(text) return read_one(text, wrapping) end
--- The same as nodes that keep what they were.
function edn.read_ast(text) return read_one(text, ast) end

--- All forms of a text, as `edn.read_tx` gives them: for form, line in edn.forms(text) do.
-- @tparam string text
-- @tparam[opt] number position byte to begin at
function edn.forms(text, position)
  local reader = new_reader(text, wrapping, position)
  local line, counted = 1, 1
  return function()
    local at = lpeg.match(to_token, text, reader.position)
    for _ in text:sub(counted, at - 1):gmatch "\n" do line = line + 1 end
    counted = at
    local is_there, form = reader:next()
    if is_there then return form, line, reader.position end
  end
end

-- ---- writing -----------------------------------------------------------------------------------

local function write_string(text)
  return '"' .. text:gsub('[%z\1-\31"\\]', function(char)
    local escape = ({ ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"',
      ["\\"] = "\\\\" })[char]
    return escape or ("\\u%04x"):format(char:byte())
  end) .. '"'
end

local function write_number(x)
  if x ~= x then return "##NaN" end
  if x == math.huge then return "##Inf" end
  if x == -math.huge then return "##-Inf" end
  if x % 1 == 0 and x >= -9007199254740992 and x <= 9007199254740992 then
    return ("%.0f"):format(x)
  end
  local text = ("%.15g"):format(x)
  if tonumber(text) ~= x then text = ("%.17g"):format(x) end
  if not text:find("[%.en]") then text = text .. ".0" end
  return text
end

local write

local function write_items(out, items, open, close, depth)
  out[#out + 1] = open
  for i = 1, #items do
    if i > 1 then out[#out + 1] = " " end
    write(out, items[i], depth)
  end
  out[#out + 1] = close
end

local function write_map(out, map, depth)
  local keys = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  out[#out + 1] = "{"
  for i, key in ipairs(keys) do
    if i > 1 then out[#out + 1] = ", " end
    if type(key) == "string" and key:match("^[%a_*!?%-+<>=&.][^%s,;()%[%]{}\"]*$") then
      out[#out + 1] = ":" .. key
    else write(out, key, depth) end
    out[#out + 1] = " "
    write(out, map[key], depth)
  end
  out[#out + 1] = "}"
end

-- An array has its positions and nothing else: what more there is would be lost.
local function is_array(x)
  local count = 0
  for _ in next, x do count = count + 1 end
  return count == #x
end

local WRAPPED = {
  symbol = function(x) return x.name end,
  str = function(x) return write_string(x.text) end,
  inst = function(x) return '#inst "' .. values.format_instant(x.ms) .. '"' end,
  uuid = function(x) return '#uuid "' .. x.text .. '"' end,
  bytes = function(x) return '#base64 "' .. tostring(x) .. '"' end,
  decimal = function(x) return tostring(x) .. "M" end,
}

function write(out, x, depth)
  local kind = type(x)
  if depth > DEPTH_MAX then
    anomaly.incorrect("lion/syntax", "a value nested deeper than %d is not written", DEPTH_MAX)
  end
  if x == nil or x == values.null then out[#out + 1] = "nil"
  elseif kind == "string" then
    out[#out + 1] = x:match("^:[^%s,;()%[%]{}\":][^%s,;()%[%]{}\"]*$") and x or write_string(x)
  elseif kind == "number" then out[#out + 1] = write_number(x)
  elseif kind == "boolean" then out[#out + 1] = tostring(x)
  elseif kind == "cdata" then out[#out + 1] = (tostring(x):gsub("U?LL$", ""))
  elseif kind ~= "table" then anomaly.incorrect("lion/syntax", "a %s has no form in EDN", kind)
  else
    local meta = getmetatable(x)
    local wrapped = meta and WRAPPED[meta.__lion]
    if wrapped then out[#out + 1] = wrapped(x)
    elseif meta and meta.__lion == "set" then write_items(out, x, "#{", "}", depth + 1)
    elseif meta and meta.__map then write_map(out, meta.__map(x), depth + 1)
    elseif is_array(x) then write_items(out, x, "[", "]", depth + 1)
    else write_map(out, x, depth + 1) end
  end
end

--- A value's text: the inverse of `edn.read`.
function edn.write(value)
  local out = {}
  write(out, value, 0)
  return table.concat(out)
end

return edn
