--- What a handler returned becomes status, headers and body; what is wrong with it is told in the log, and
-- to the client only under `lion dev`.
-- @module ions.response
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local is_misuse = require "ions.misuse"
local json = require "lion.json"
local secrets = require "ions.secrets"

local response = {}

local TEXT = "text/plain; charset=utf-8"

local function bad(what, ...)
  local message = "the handler returned " .. what:format(...)
  error(anomaly.new("fault", "lion/bad-response", message), 0)
end

-- ---- headers -----------------------------------------------------------------------------------

-- What the server says itself: a handler cannot know it.
local IS_SERVERS = { connection = true, ["content-length"] = true, ["transfer-encoding"] = true }

-- RFC 9110: a name is a token; a value has no control characters but the tab, so that none can begin
-- another header.
local function check_header(name, value)
  if not name:match "^[%w!#$%%&'*+%-.^_`|~]+$" then bad("a header that is named %q", name) end
  local kind = type(value)
  if kind ~= "string" and kind ~= "number" then bad("the header %s, whose value is a %s", name, kind) end
  value = tostring(value)
  if value:find "[%z\1-\8\10-\31\127]" then
    bad("the header %s, whose value has a control character", name)
  end
  return value:match "^[ \t]*(.-)[ \t]*$"
end

-- Names in lower case, in order, and the value of each.
local function read_names(headers)
  if headers ~= nil and type(headers) ~= "table" then bad("headers that are a %s", type(headers)) end
  local names, values = {}, {}
  for name, value in pairs(headers or {}) do
    if type(name) ~= "string" then bad('the header %s: headers are { ["name"] = value }', tostring(name)) end
    local lower = name:lower()
    if values[lower] ~= nil then bad("the header %s twice; an array holds several values", lower) end
    names[#names + 1], values[lower] = lower, value
  end
  table.sort(names)
  return names, values
end

-- A list of pairs, in the order of names; a value may be an array (several headers of one name).
local function header_list(headers)
  local names, values = read_names(headers)
  local list = {}
  for _, name in ipairs(names) do
    local value = values[name]
    local is_list = type(value) == "table"
    if is_list and name == "content-type" then bad "several values of content-type" end
    for _, one in ipairs(is_list and value or { value }) do
      local text = check_header(name, one)
      if not IS_SERVERS[name] then list[#list + 1] = { name, text } end
    end
  end
  return list, values["content-type"] ~= nil
end

-- ---- bodies ------------------------------------------------------------------------------------

local HAS_NO_BODY = { [204] = true, [205] = true, [304] = true }

local function body_of(value)
  local kind = type(value)
  if kind == "table" then
    local ok, text = pcall(json.write, value)
    if not ok then bad("a body that is no JSON (%s)", text.message or tostring(text)) end
    return text, "application/json"
  end
  if kind == "nil" or kind == "string" or kind == "function" then return value or "", TEXT end
  return bad("a body that is a %s; it is a string, a table (JSON) or a function (streamed)", kind)
end

local IS_KNOWN = { status = true, headers = true, body = true }

local function check_keys(value)
  if next(value) == nil then bad "an empty table; a response is { status =, headers =, body = }" end
  for key in pairs(value) do
    if not IS_KNOWN[key] then
      bad("a table with the key %s; a response is { status =, headers =, body = }", tostring(key))
    end
  end
end

local function check_status(status)
  local is_status = type(status) == "number" and status >= 200 and status <= 599 and status % 1 == 0
  if not is_status then bad("the status %s; it is a whole number from 200 to 599", tostring(status)) end
end

-- Headers of what most handlers return. Nobody writes into them.
local TEXT_HEADERS = { { "content-type", TEXT } }
local JSON_HEADERS = { { "content-type", "application/json" } }
local NO_HEADERS = {}

--- The answer for what most handlers return: a string, or a body alone that is a string or plain data. No
-- function of a program runs for that.
-- @treturn number|nil status; nil: it takes `shape` to tell
-- @treturn table headers, pairs, not to be written into
-- @treturn string body
function response.plain(value)
  if type(value) == "string" then return 200, value == "" and NO_HEADERS or TEXT_HEADERS, value end
  if type(value) ~= "table" or getmetatable(value) ~= nil then return nil end
  local body = value.body
  if body == nil or next(value) ~= "body" or next(value, "body") ~= nil then return nil end
  if type(body) == "string" then return 200, body == "" and NO_HEADERS or TEXT_HEADERS, body end
  local text = type(body) == "table" and core.json_text(body)
  if text then return 200, JSON_HEADERS, text end
end

--- Shape what a handler returned; raises lion/bad-response, a fault, if it is no response.
-- @treturn number status
-- @treturn table headers, pairs, not to be written into
-- @treturn string|function body
function response.shape(value)
  if type(value) == "string" then
    if value == "" then return 200, NO_HEADERS, value end
    return 200, TEXT_HEADERS, value
  end
  if type(value) ~= "table" then
    bad("a %s; a response is a string or { status =, headers =, body = }", type(value))
  end
  check_keys(value)
  local status = value.status or 200
  check_status(status)
  local body, kind = body_of(value.body)
  if HAS_NO_BODY[status] and body ~= "" then bad("a body with the status %d, which has none", status) end
  if value.headers == nil then
    if body == "" then return status, NO_HEADERS, body end
    return status, kind == TEXT and TEXT_HEADERS or JSON_HEADERS, body
  end
  local headers, has_type = header_list(value.headers)
  if not has_type and body ~= "" then headers[#headers + 1] = { "content-type", kind } end
  return status, headers, body
end

-- ---- answers of the server's own ----------------------------------------------------------------

--- A line of text.
function response.text(status, text, headers)
  headers = headers or {}
  headers[#headers + 1] = { "content-type", TEXT }
  return status, headers, text .. "\n"
end

local STATUS_OF = {
  incorrect = 400,
  forbidden = 403,
  ["not-found"] = 404,
  conflict = 409,
  unsupported = 501,
  busy = 503,
  unavailable = 503,
  interrupted = 504,
}

--- The status of an error's category; of what is none 500.
function response.status_of(category) return STATUS_OF[category] or 500 end

local PLAIN_WORDS = {
  [501] = "this is not supported",
  [503] = "busy: try again",
  [504] = "the call took too long",
}

--- All that an error says but secrets, for the log.
-- @param e as `done` of a task has it
function response.words(e)
  return secrets.hide(e.trace or tostring(e.message and (e.code and anomaly.wrap(e) or e.message) or e))
end

--- The answer to an error that a handler raised. A client's mistake is told in the error's own words; of a
-- server's failure the client learns that there was one, unless it is the developer.
-- @param e an anomaly, or { message =, trace = } of what else was raised
-- @tparam table call its id, method and path
-- @tparam boolean is_dev
function response.failure(e, call, is_dev)
  local category = STATUS_OF[e.category] and not is_misuse(e) and e.category or "fault"
  local status = STATUS_OF[category] or 500
  local text = response.words(e)
  io.stderr:write(("%s %s (request %s): %s\n"):format(call.method, call.path, tostring(call.id), text))
  local body = { category = category, code = type(e.code) == "string" and e.code or "lion/handler-failed" }
  if is_dev then
    body.message = text
  elseif status < 500 then
    body.message = secrets.hide(tostring(e.message))
  else
    body.message = PLAIN_WORDS[status] or "the application failed"
    if status == 500 then body.code = "lion/handler-failed" end
  end
  body.request = call.id
  local headers = { { "content-type", "application/json" } }
  if status == 503 then headers[2] = { "retry-after", "1" } end
  return status, headers, json.write { error = body } .. "\n"
end

return response
