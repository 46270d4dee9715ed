--- What requests carry as text: percent-encoding, query strings and forms, files in forms, cookies.
-- Nothing here trusts its input: what is malformed is nil, never a guess.
-- @module ions.form
local form = {}

-- More names than people send: a body of a million of them is an attack on memory.
local PAIRS_MAX = 10000

--- "a%20b" → "a b"; nil if an escape is not two hexadecimal digits.
function form.decode(text)
  if not text:find("%", 1, true) then return text end
  if text:gsub("%%%x%x", ""):find("%", 1, true) then return nil end
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- Names and values in order: { name, value, name, value, … }; or nil and the piece that is malformed.
local function read_pairs(text)
  local list, count = {}, 0
  for pair in text:gmatch "[^&]+" do
    count = count + 1
    if count > PAIRS_MAX then return nil, ("more than %d names"):format(PAIRS_MAX) end
    local plain = pair:gsub("%+", " ")
    local name, value = plain:match "^([^=]*)=(.*)$"
    name, value = form.decode(name or plain), form.decode(value or "")
    if not name or not value then return nil, "malformed percent-encoding in " .. pair:sub(1, 80) end
    list[#list + 1], list[#list + 2] = name, value
  end
  return list
end

--- "a=1&b=x&a=2" → { a = "2", b = "x" }; the last of a name counts.
-- @treturn table|nil
-- @treturn string what is malformed
function form.read(text)
  local list, problem = read_pairs(text)
  if not list then return nil, problem end
  local values = {}
  for i = 1, #list, 2 do
    values[list[i]] = list[i + 1]
  end
  return values
end

--- All values of one name, in order: "a=1&b=x&a=2", "a" → { "1", "2" }.
-- @treturn table|nil
-- @treturn string what is malformed
function form.read_all(text, name)
  local list, problem = read_pairs(text)
  if not list then return nil, problem end
  local values = {}
  for i = 1, #list, 2 do
    if list[i] == name then values[#values + 1] = list[i + 1] end
  end
  return values
end

--- The value of a cookie in a Cookie header, as it was sent, without quotes; the first of a name counts.
function form.cookie(header, name)
  for pair in (header or ""):gmatch "[^;]+" do
    local key, value = pair:match "^%s*([^=%s]+)%s*=%s*(.-)%s*$"
    if key == name then return value:match '^"(.*)"$' or value end
  end
  return nil
end

-- ---- multipart/form-data -----------------------------------------------------------------------

-- name="a"; filename="b.txt" → the value of one parameter. Browsers write a quote inside as %22.
local function parameter(text, name)
  local value = (";" .. text):match(";%s*" .. name .. '="([^"]*)"')
    or (";" .. text):match(";%s*" .. name .. "=([^;%s]+)")
  return value and value:gsub("%%22", '"'):gsub("%%0[dD]%%0[aA]", "\r\n")
end

local function read_part(text)
  local head, body = text:match "^(.-\r\n)\r\n(.*)$"
  if not head then return nil end
  local disposition, kind
  for name, value in head:gmatch "([^:\r\n]+):[ \t]*([^\r\n]*)\r\n" do
    name = name:lower()
    if name == "content-disposition" then disposition = value:match "^form%-data%s*;%s*(.*)$" end
    if name == "content-type" then kind = value end
  end
  local name = disposition and parameter(disposition, "name")
  if not name then return nil end
  local filename = parameter(disposition, "filename")
  if not filename then return name, body end
  return name, { filename = filename, type = kind or "text/plain", body = body }
end

--- The parts of a multipart body: name → text, or { filename =, type =, body = } for a file; the last
-- of a name counts.
-- @treturn table|nil
-- @treturn string what is malformed
function form.read_parts(body, boundary)
  local mark, values, count = "\r\n--" .. boundary, {}, 0
  body = "\r\n" .. body
  local from, last = body:find(mark, 1, true)
  while from do
    local ending = body:sub(last + 1, last + 2)
    if ending == "--" then return values end
    if ending ~= "\r\n" then break end
    local next_from, next_last = body:find(mark, last + 1, true)
    count = count + 1
    if not next_from or count > PAIRS_MAX then break end
    local name, value = read_part(body:sub(last + 3, next_from - 1))
    if not name then break end
    values[name] = value
    from, last = next_from, next_last
  end
  return nil, "malformed multipart body"
end

return form
