--- Webhooks between the worker that takes them and the events process that hands them out: the database in
-- which they wait, what is written there, by what one is known again, and what its handler is given.
-- @module ions.events.message
local cloud = require "ions.events.cloud"
local json = require "lion.json"
local schema = require "lion.schema"
local sodium = require "ions.sodium"
local utf8 = require "ions.utf8"

local find = string.find -- the plain one: it is paid for by nobody

-- What JSON writes in six characters.
local CONTROL = "[%z\1-\8\11\12\14-\31\127]"

local message = {}

--- The database of all webhooks of a folder, which applications cannot open.
message.DATABASE = "system.events"

--- How long one is known again, at least.
message.KNOWN_MS = 7 * 86400000

message.SCHEMA = schema.define {
  ["http.message"] = {
    queue = { "string", doc = "GROUP/APP/EVENT: whose it is." },
    key = { "string", unique = "value", doc = "By what it is known when it is sent again." },
    waiting = { "string", index = true, no_history = true, doc = "Its queue, until it is handed out." },
    received = { "instant", index = true, no_history = true, doc = "When it came." },
    content = { "string", index = false, no_history = true, doc = "Headers and body, as a JSON object." },
  },
}

-- Headers that are secrets of who sends, or of no use to who handles.
local SECRET = { authorization = true, cookie = true, ["proxy-authorization"] = true }

--- The name under which an event's webhooks are written.
function message.queue(group, app, event) return ("%s/%s/%s"):format(group, app, event) end

local function hashed(text) return sodium.hex(sodium.sha256(text)) end

--- By what a webhook is known when it is sent again: its CloudEvent's source and id; the id that its
-- signature covers; the header that the manifest names; Stripe's id; its content.
-- @tparam table event of the manifest
-- @tparam table read of cloud.read
-- @tparam table headers
-- @tparam string body
-- @tparam[opt] string signed_id
-- @treturn string 64 hexadecimal digits
function message.key(event, read, headers, body, signed_id)
  if read.id then return hashed(("cloud\n%s\n%s"):format(read.source, read.id)) end
  local id = signed_id or event.id_header and headers[event.id_header:lower()]
  if id and id ~= "" then return hashed("id\n" .. id) end
  local stripe_id = event.signature and event.signature.scheme == "stripe" and type(read.data) == "table"
    and read.data.id
  if type(stripe_id) == "string" then return hashed("id\n" .. stripe_id) end
  return hashed("content\n" .. body)
end

-- As text: what was sent is anybody's, and comes through events and dead letters as it was.
local function write(headers, body)
  local kept = {}
  for name, value in pairs(headers) do
    if not SECRET[name] then kept[name] = utf8.repair(value) end
  end
  local is_text = utf8.is_valid(body) and not find(body, CONTROL)
  return json.write {
    headers = kept,
    body = is_text and body or sodium.base64(body, false),
    is_base64 = not is_text,
  }
end

--- What to transact for a webhook.
-- @tparam string queue "main/shop/stripe"
-- @tparam string key of message.key
-- @tparam table headers
-- @tparam string body
-- @tparam number now_ms
-- @treturn table
function message.ops(queue, key, headers, body, now_ms)
  return { {
    ["http.message/queue"] = queue,
    ["http.message/key"] = queue .. "/" .. key,
    ["http.message/waiting"] = queue,
    ["http.message/received"] = now_ms,
    ["http.message/content"] = write(headers, body),
  } }
end

--- What a handler is given of a webhook, beside what every event has.
-- @tparam string content of the attribute http.message/content
-- @treturn table { data =, content_type =, headers =, cloud = the attributes of a CloudEvent }
function message.read(content)
  local written = json.read(content)
  local body = written.is_base64 and sodium.from_base64(written.body, false) or written.body
  local read = cloud.read(written.headers, body)
  if not read then return { data = body, headers = written.headers } end
  local data, content_type = read.data, read.datacontenttype
  read.data, read.datacontenttype = nil, nil
  return {
    data = data,
    content_type = content_type,
    headers = written.headers,
    cloud = read.id and read or nil,
  }
end

return message
