--- Events that come by HTTP, as plain data: CloudEvents 1.0 in binary mode (attributes in ce- headers, the
-- data in the body) and in structured mode (application/cloudevents+json), and any other body, which is
-- data without attributes.
--
-- An event is a table by the names of CloudEvents' JSON format:
--
--     { id = "7", source = "/shop", type = "order.paid", subject =, time = "2026-11-28T17:18:54Z",
--       dataschema =, datacontenttype = "application/json", data = { … }, traceparent = "…" }
--
-- `data` is JSON's value where the content is JSON (null is lion.null), else the bytes as a string. Of a body
-- that is no CloudEvent there are datacontenttype and data alone. Extensions stand beside the others.
-- @module ions.events.cloud
local form = require "ions.form"
local json = require "lion.json"
local sodium = require "ions.sodium"
local utf8 = require "ions.utf8"
local values = require "lion.values"

local cloud = {}

local NAME_SIZE_MAX = 64
local TEXT_SIZE_MAX = 4096
local ATTRIBUTES_MAX = 64

local REQUIRED = { "id", "source", "type" }

-- What is in an event and is no attribute of its own in a header.
local RESERVED = { data = true, data_base64 = true, datacontenttype = true }

-- What is wrong stops the reading; it never leaves this module. It is text, whatever it tells of.
local function refuse(status, message, ...)
  error({ status = status, message = utf8.repair(message:format(...)) }, 0)
end

local function malformed(message, ...) refuse(400, message, ...) end

-- ---- attributes ----------------------------------------------------------------------------------

local function is_time(text)
  local shape = "^%d%d%d%d%-%d%d%-%d%d[Tt]%d%d:%d%d:%d%d%.?%d*"
  if not text:find(shape .. "[Zz]$") and not text:find(shape .. "[+-]%d%d:%d%d$") then return false end
  return values.parse_instant(text:upper()) ~= nil
end

local CHECKS = {
  source = function(text) return not text:find "[%s%c<>\"]" end,
  dataschema = function(text) return not text:find "[%s%c<>\"]" end,
  time = is_time,
  datacontenttype = function(text) return text:find "^[%w!#$&^_.+-]+/[%w!#$&^_.+-]+%s*[%g%s]*$" ~= nil end,
}

local SHAPES = {
  source = "URI reference",
  dataschema = "URI",
  time = "time of RFC 3339",
  datacontenttype = "media type",
}

local STANDARD = { id = true, source = true, type = true, subject = true, specversion = true }
for name in pairs(CHECKS) do STANDARD[name] = true end

local function check_text(name, text)
  if text == "" then malformed("the attribute %s is empty", name) end
  if #text > TEXT_SIZE_MAX then malformed("the attribute %s has more than %d bytes", name, TEXT_SIZE_MAX) end
  if not utf8.is_valid(text) or text:find "%c" then malformed("the attribute %s is no text", name) end
  local check = CHECKS[name]
  if check and not check(text) then malformed("the attribute %s is no %s", name, SHAPES[name]) end
end

-- A value as JSON has it: a string, of an extension also a boolean or a whole number.
local function check_attribute(name, value)
  if #name > NAME_SIZE_MAX or not name:find "^[a-z0-9]+$" then
    malformed("%q is no attribute's name: lower-case letters and digits", name:sub(1, NAME_SIZE_MAX))
  end
  if type(value) == "string" then
    if STANDARD[name] or value ~= "" then check_text(name, value) end
  elseif STANDARD[name] then
    malformed("the attribute %s is a string", name)
  elseif type(value) ~= "boolean" and (type(value) ~= "number" or value % 1 ~= 0) then
    malformed("the attribute %s is a string, a boolean or a whole number", name)
  end
end

local function check_attributes(event)
  local count = 0
  for name, value in pairs(event) do
    count = count + 1
    if name ~= "data" then check_attribute(name, value) end
  end
  if count > ATTRIBUTES_MAX then malformed("an event has at most %d attributes", ATTRIBUTES_MAX) end
  if event.specversion == nil then malformed "the attribute specversion is missing" end
  if event.specversion ~= "1.0" then
    malformed("specversion %s is not known: it is 1.0", event.specversion:sub(1, 20))
  end
  for _, name in ipairs(REQUIRED) do
    if event[name] == nil then malformed("the attribute %s is missing", name) end
  end
  event.specversion = nil
  return event
end

-- ---- data ----------------------------------------------------------------------------------------

local function media_of(content_type) return content_type:match("^%s*([^;%s]*)"):lower() end

local function is_json(content_type)
  local media = media_of(content_type)
  return media == "application/json" or media == "text/json" or media:find "%+json$" ~= nil
end

local function read_json(body)
  if not utf8.is_valid(body) then malformed "the body is not UTF-8" end
  local ok, value = pcall(json.read, body)
  if not ok then malformed("the body: %s", tostring(value.message)) end
  return value
end

local function read_data(content_type, body)
  if content_type and is_json(content_type) then return read_json(body) end
  if body ~= "" then return body end
end

-- ---- modes ---------------------------------------------------------------------------------------

local NULL = values.null

-- What JSON's format has in data_base64.
local function decode_data(event)
  if event.data ~= nil then malformed "an event has data or data_base64, not both" end
  local text = event.data_base64
  local bytes = type(text) == "string" and sodium.from_base64(text, false)
  if not bytes then malformed "data_base64 is no base64" end
  event.data, event.data_base64 = bytes, nil
end

local function read_structured(body)
  local event = read_json(body)
  if type(event) ~= "table" or #event > 0 then malformed "the body is no JSON object" end
  local has_data = event.data ~= nil
  for name, value in pairs(event) do
    if value == NULL and name ~= "data" then event[name] = nil end -- null: not there
  end
  if event.data_base64 ~= nil then decode_data(event) end
  if has_data and not event.datacontenttype then event.datacontenttype = "application/json" end
  return check_attributes(event)
end

-- A header's value: a quoted string is one that an intermediary has made, then percent-encoding is undone.
local function header_text(name, value)
  local inner = value:match '^"(.*)"$'
  local text = form.decode(inner and inner:gsub("\\(.)", "%1") or value)
  return text or malformed("the header ce-%s: malformed percent-encoding", name)
end

local function read_binary(headers, body, repeated)
  local event = {}
  for header, value in pairs(headers) do
    local name = header:match "^ce%-(.*)$"
    if name then
      if repeated and repeated[header] then malformed("the header %s stands there twice", header) end
      if RESERVED[name] then malformed("the header %s is none of CloudEvents'", header) end
      event[name] = header_text(name, value)
    end
  end
  event.datacontenttype = headers["content-type"]
  event.data = read_data(event.datacontenttype, body)
  return check_attributes(event)
end

local function is_binary(headers)
  if headers["ce-specversion"] then return true end
  for _, name in ipairs(REQUIRED) do
    if headers["ce-" .. name] then return true end
  end
  return false
end

local function check_charset(content_type)
  local charset = content_type:lower():match 'charset%s*=%s*"?([^";%s]+)'
  if charset and charset ~= "utf-8" and charset ~= "us-ascii" then
    refuse(415, "charset %s is not known: JSON is UTF-8", charset:sub(1, 40))
  end
end

local function read(headers, body, repeated)
  local content_type = headers["content-type"]
  local media = content_type and media_of(content_type)
  if media and is_json(content_type) then check_charset(content_type) end
  if media == "application/cloudevents+json" then return read_structured(body) end
  if media == "application/cloudevents-batch+json" then
    refuse(415, "batches are not taken: send each event in a request of its own")
  end
  if media and media:find "^application/cloudevents" then
    refuse(415, "%s is not taken: application/cloudevents+json is, and binary mode", media:sub(1, 80))
  end
  if is_binary(headers) then return read_binary(headers, body, repeated) end
  if content_type then check_text("datacontenttype", content_type) end
  return { datacontenttype = content_type, data = read_data(content_type, body) }
end

--- Read an event.
-- @tparam table headers name in lower case → value
-- @tparam string body
-- @tparam[opt] table repeated name → values, of the headers that were sent several times
-- @treturn table|nil the event
-- @treturn number status that answers for what is wrong: 400 or 415
-- @treturn string what is wrong
function cloud.read(headers, body, repeated)
  local ok, result = pcall(read, headers, body, repeated)
  if ok then return result end
  if type(result) ~= "table" or not result.status then error(result, 0) end
  return nil, result.status, result.message
end

return cloud
