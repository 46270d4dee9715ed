--- Requests to others over HTTP. The work is libcurl's.
--
--     local http = require "ion.http"
--     local rates = http.get("https://rates.example.org/latest", { query = { base = "EUR" } }):json()
-- @module ion.http
local anomaly = require "lion.anomaly"
local call = require "lion.call"
local fetch = require "ions.fetch"
local gate = require "ions.gate"
local hash = require "ion.hash"
local json = require "ion.json"
local meter = require "ions.fuel.meter"
local nearest = require "lion.nearest"
local time = require "ion.time"
local version = require("lion").version

local http = {}

local BYTES_PER_STEP = 64
local URL_MAX, HEADERS_MAX = 8192, 100
local BODY_MAX = 64 * 1024 * 1024

local function refuse(message, ...) anomaly.incorrect("ion.http/invalid", message, ...) end

-- ---- options -----------------------------------------------------------------------------------

-- What is given for each call: { default, least, most }.
local NUMBERS = {
  timeout_ms = { 10000, 1, 600000 },
  connect_timeout_ms = { 5000, 1, 600000 },
  max_bytes = { 8 * 1024 * 1024, 0, BODY_MAX },
  redirects = { 5, 0, 20 },
}
local RETRY_NUMBERS = { times = { 2, 1, 10 }, base_ms = { 200, 1, 60000 }, max_ms = { 5000, 1, 60000 } }

local function set_of(names)
  local set = {}
  for _, name in ipairs(names) do set[name] = true end
  return set
end

local OPTIONS = set_of { "method", "url", "headers", "query", "body", "json", "form", "timeout_ms",
  "connect_timeout_ms", "max_bytes", "redirects", "retries", "auth" }

local METHODS = set_of { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" }
local FOLLOWS = set_of { "GET", "HEAD", "POST" }
local IS_REPEATABLE = set_of { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" }

local function check_names(given, known, what)
  for name in pairs(given) do
    if not known[name] then
      local near = type(name) == "string" and nearest(name, known)
      local hint = near and (" (did you mean %s?)"):format(near) or ""
      refuse("%s has no option %s%s", what, tostring(name), hint)
    end
  end
end

local function number_of(given, name, bounds)
  local value = given[name]
  if value == nil then return bounds[1] end
  if type(value) ~= "number" or value % 1 ~= 0 or value < bounds[2] or value > bounds[3] then
    refuse("%s is a whole number from %d to %d, not %s", name, bounds[2], bounds[3], tostring(value))
  end
  return value
end

local function check_table(value, what)
  if type(value) ~= "table" then refuse("%s is a table, not a %s", what, type(value)) end
  return value
end

-- ---- URLs and bodies ---------------------------------------------------------------------------

local function escape_byte(char) return ("%%%02X"):format(char:byte()) end

local function encode(text) return (tostring(text):gsub("[^%w%-._~]", escape_byte)) end

-- Names in their order; a list is a name several times.
local function encode_fields(fields, what)
  local list = {}
  for name, value in pairs(check_table(fields, what)) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      list[#list + 1] = encode(name) .. "=" .. encode(one)
    end
  end
  table.sort(list)
  return table.concat(list, "&")
end

local function check_url(url)
  if type(url) ~= "string" then refuse("a URL is a string, not a %s", type(url)) end
  local host = url:match "^[hH][tT][tT][pP][sS]?://([^/?#]+)"
  if not host then refuse("%q is no URL that begins with http:// or https://", url:sub(1, 100)) end
  if host:find("@", 1, true) then refuse "a URL holds no password: the option auth does" end
  if url:find "[%z\1-\32\127]" or host:find "[^%w%-._:%[%]]" then
    refuse("%q is no URL: blanks and the like are written %%20", url:sub(1, 100))
  end
  return host
end

local function url_of(options)
  check_url(options.url)
  local url = options.url:gsub("#.*$", ""):gsub("[\128-\255]", escape_byte)
  if options.query then
    local query = encode_fields(options.query, "query")
    if query ~= "" then url = url .. (url:find("?", 1, true) and "&" or "?") .. query end
  end
  if #url > URL_MAX then refuse("a URL has at most %d bytes, not %d", URL_MAX, #url) end
  return url
end

-- The body, and its type.
local function body_of(options)
  local count = (options.body and 1 or 0) + (options.json ~= nil and 1 or 0) + (options.form and 1 or 0)
  if count > 1 then refuse "a request has one body: json, form or body" end
  local body, kind = options.body or "", nil
  if options.json ~= nil then body, kind = json.write(options.json), "application/json" end
  if options.form then
    body, kind = encode_fields(options.form, "form"), "application/x-www-form-urlencoded"
  end
  if type(body) ~= "string" then refuse("body is a string, not a %s; json takes data", type(body)) end
  if #body > BODY_MAX then refuse("a body has at most %d bytes, not %d", BODY_MAX, #body) end
  meter.pay(#body / BYTES_PER_STEP)
  return body, kind
end

-- ---- headers -----------------------------------------------------------------------------------

-- What says where the request ends is curl's.
local IS_CURLS = { ["content-length"] = true, ["transfer-encoding"] = true, connection = true, host = true,
  expect = true, ["accept-encoding"] = true }

local function check_header(name, value)
  if type(name) ~= "string" or not name:find "^[%w!#$%%&'*+%-.^_`|~]+$" then
    refuse("%s is no header's name", tostring(name))
  end
  if IS_CURLS[name:lower()] then refuse("the header %s cannot be given", name) end
  if type(value) ~= "string" and type(value) ~= "number" then
    refuse("the header %s is a string, not a %s", name, type(value))
  end
  value = tostring(value):match "^[ \t]*(.-)[ \t]*$"
  if value:find "[%z\1-\8\10-\31\127]" then refuse("the header %s holds a control character", name) end
  return value
end

local function authorization(auth)
  check_names(check_table(auth, "auth"), { bearer = true, user = true, password = true }, "auth")
  if auth.bearer then return "Bearer " .. tostring(auth.bearer) end
  if type(auth.user) ~= "string" or type(auth.password) ~= "string" or auth.user:find(":", 1, true) then
    refuse "auth is { bearer = } or { user =, password = }, a user's name without a colon"
  end
  return "Basic " .. hash.base64(auth.user .. ":" .. auth.password)
end

-- Pairs, and those by name in lower case.
local function headers_of(options, kind)
  local given = {}
  for name, value in pairs(check_table(options.headers or {}, "headers")) do
    local text = check_header(name, value)
    if given[name:lower()] then refuse("the header %s twice", name) end
    given[name:lower()] = text
  end
  if options.auth then given.authorization = check_header("authorization", authorization(options.auth)) end
  if kind and not given["content-type"] then given["content-type"] = kind end
  if not given["user-agent"] then given["user-agent"] = "lion/" .. version end
  local names, list = {}, {}
  for name in pairs(given) do names[#names + 1] = name end
  if #names > HEADERS_MAX then refuse("a request has at most %d headers", HEADERS_MAX) end
  table.sort(names)
  for i, name in ipairs(names) do list[i] = { name, given[name] } end
  return list, given
end

-- ---- requests ----------------------------------------------------------------------------------

local function request_of(options)
  local method = options.method == nil and "GET" or options.method
  method = type(method) == "string" and method:upper() or method
  if not METHODS[method] then refuse("%s is no method of a request", tostring(options.method)) end
  local request = { method = method, url = url_of(options) }
  for name, bounds in pairs(NUMBERS) do request[name] = number_of(options, name, bounds) end
  if not FOLLOWS[method] then
    if options.redirects ~= nil and options.redirects > 0 then
      refuse("redirects are followed for GET, HEAD and POST, not for %s", method)
    end
    request.redirects = 0
  end
  local kind
  request.body, kind = body_of(options)
  if request.body ~= "" and (method == "GET" or method == "HEAD") then refuse("a %s has no body", method) end
  request.headers, request.by_name = headers_of(options, kind)
  request.has_type = request.by_name["content-type"] ~= nil
  return request
end

local function retries_of(options, request)
  local given = options.retries
  if given == nil or given == 0 or given == false then return nil end
  if type(given) == "number" then given = { times = given } end
  check_names(check_table(given, "retries"), RETRY_NUMBERS, "retries")
  if not IS_REPEATABLE[request.method] and not request.by_name["idempotency-key"] then
    refuse("a %s is not repeated, unless it has a header idempotency-key by which it is known again",
      request.method)
  end
  local retries = {}
  for name, bounds in pairs(RETRY_NUMBERS) do retries[name] = number_of(given, name, bounds) end
  return retries
end

-- ---- answers -----------------------------------------------------------------------------------

local Answer = {}
Answer.__index = Answer

local function shown(url) return (url:gsub("[?#].*$", "")) end

--- The body as JSON; raises http/not-json.
function Answer:json()
  local ok, value = pcall(json.read, self.body)
  if ok then return value end
  local message = "%s answered %d, which is no JSON: %s"
  error(anomaly.new("fault", "http/not-json", message:format(shown(self.url), self.status,
    self.body:sub(1, 100))), 0)
end

local function answer_of(told)
  meter.pay(#told.body / BYTES_PER_STEP)
  local headers = {}
  for _, header in ipairs(told.headers) do
    local name, value = header[1], header[2]
    local before = name ~= "set-cookie" and headers[name]
    headers[name] = before and before .. ", " .. value or value
  end
  return setmetatable({ status = told.status, headers = headers, header_list = told.headers, body = told.body,
    url = told.url, ms = told.ms or 0 }, Answer)
end

-- One try: the answer; or nil and what went wrong. A failure says of whom.
local function try(request, timeout_ms)
  local left = fetch.remaining_ms()
  request.timeout_ms = math.max(1, math.ceil(left and math.min(timeout_ms, left) or timeout_ms))
  local ok, told = pcall(gate.fetch, request)
  if ok then return answer_of(told) end
  if type(told) ~= "table" or not told.code then error(told, 0) end
  if told.code:find "^http/" or told.code == "lion/no-curl" then
    local message = ("%s %s: %s"):format(request.method, shown(request.url), told.message)
    return nil, anomaly.new(told.category, told.code, message)
  end
  error(told, 0)
end

-- ---- tries -------------------------------------------------------------------------------------

local IS_PASSING = { [429] = true, [502] = true, [503] = true, [504] = true }
local IS_PASSING_FAILURE = { ["http/refused"] = true, ["http/cut"] = true, ["http/timeout"] = true,
  ["http/unknown-host"] = true, ["http/busy"] = true }

local function may_pass(answer, e)
  if answer then return IS_PASSING[answer.status] end
  return IS_PASSING_FAILURE[e.code]
end

-- ms that the other side asks to wait; nil if it does not say.
local function asked_ms(answer)
  local text = answer and answer.headers["retry-after"]
  if not text then return nil end
  if text:find "^%d+$" then return tonumber(text) * 1000 end
  local ok, at = pcall(time.parse_http, text)
  return ok and math.max(0, at - gate.now()) or nil
end

-- Twice as long each time, and by chance between a half and all of it, so that those who failed together
-- do not come together again.
local function pause_ms(retries, count, answer)
  local most = math.min(retries.max_ms, retries.base_ms * 2 ^ (count - 1))
  local jittered = most / 2 + gate.random() * most / 2
  return math.max(asked_ms(answer) or 0, jittered)
end

local function is_too_long(ms, retries)
  local left = fetch.remaining_ms()
  return ms > retries.max_ms or left ~= nil and ms >= left
end

--- Ask, and wait for the answer.
-- @tparam table options url; method ("GET"); headers; query, names and values; json, data, or form, names and
-- values, or body, a string; auth = { bearer = } or { user =, password = }; timeout_ms of each try (10,000,
-- and no more than the call has left); connect_timeout_ms (5,000); max_bytes of the answer's body (8 MiB);
-- redirects (5; 0: they are answers); retries: how many, or { times =, base_ms = 200, max_ms = 5000 }
-- @treturn table { status =, headers = (names in lower case), header_list = (pairs), body =, url = (the last
-- one, behind redirects), ms = } with the method json(); without an answer it raises
function http.request(options)
  call.refuse_within "ion.http"
  check_names(check_table(options, "a request"), OPTIONS, "a request")
  local request = request_of(options)
  local retries, timeout_ms = retries_of(options, request), request.timeout_ms
  for count = 1, 1 + (retries and retries.times or 0) do
    local answer, e = try(request, timeout_ms)
    local is_last = not retries or count > retries.times or not may_pass(answer, e)
    local ms = is_last and 0 or pause_ms(retries, count, answer)
    if is_last or is_too_long(ms, retries) then
      if answer then return answer end
      error(e, 0)
    end
    fetch.sleep(ms)
  end
end

local function with(method, url, options)
  local all = {}
  for name, value in pairs(options == nil and {} or check_table(options, "options")) do all[name] = value end
  if all.url ~= nil or all.method ~= nil then refuse "the url and the method are not options here" end
  all.method, all.url = method, url
  return http.request(all)
end

--- The same, the method in the name.
function http.get(url, options) return with("GET", url, options) end
function http.head(url, options) return with("HEAD", url, options) end
function http.post(url, options) return with("POST", url, options) end
function http.put(url, options) return with("PUT", url, options) end
function http.patch(url, options) return with("PATCH", url, options) end
function http.delete(url, options) return with("DELETE", url, options) end

return http
