--- What a handler is given: { method, path, params, query, headers, body, remote, id } with methods for
-- what is in the body, in cookies, and for what was sent several times.
-- @module ions.request
local anomaly = require "lion.anomaly"
local form = require "ions.form"
local json = require "lion.json"

local request = {}

local Request = {} -- methods

-- In a node headers are made when they are read: most handlers read none.
local port = (package.loaded["ions.port"] or package.preload["ions.port"]) and require "ions.port"

local Meta = {}

local function read_headers(self)
  local headers, repeated
  if port and port.headers then headers, repeated = port.headers(self.id) end
  self.headers, self.repeated = headers or {}, repeated or false
end

-- What a request has for the fields that it was made without.
local MADE = {
  headers = read_headers,
  repeated = read_headers,
  query = function(self) self.query = {} end,
  raw_query = function(self) self.raw_query = "" end,
}

function Meta:__index(key)
  local method = Request[key]
  if method then return method end
  local make = MADE[key]
  if not make then return nil end
  make(self)
  return rawget(self, key)
end

local function malformed(message) anomaly.incorrect("lion/malformed-request", "%s", message) end

--- The body as JSON; raises lion/syntax, which answers 400, for a malformed one.
function Request:json() return json.read(self.body) end

-- "text/html; charset=utf-8" → "text/html"
local function media_type(value) return (value or ""):match("^%s*([^;%s]*)"):lower() end

--- The body as a form: name → text, the last of a name counts; in multipart/form-data a file is
-- { filename =, type =, body = }. Raises what answers 400 for a malformed body or one that is no form.
function Request:form()
  local header = self.headers["content-type"]
  local kind, values, problem = media_type(header), nil, nil
  if kind == "application/x-www-form-urlencoded" then
    values, problem = form.read(self.body)
  elseif kind == "multipart/form-data" then
    local boundary = header:match '[bB][oO][uU][nN][dD][aA][rR][yY]="([^"]+)"'
      or header:match "[bB][oO][uU][nN][dD][aA][rR][yY]=([^;%s]+)"
    if not boundary then malformed "multipart/form-data without a boundary" end
    values, problem = form.read_parts(self.body, boundary)
  else
    malformed(("the body is no form: its content type is %s"):format(header or "not given"))
  end
  return values or malformed(problem)
end

--- All values of a field of an application/x-www-form-urlencoded body, in order.
function Request:form_all(name)
  if media_type(self.headers["content-type"]) ~= "application/x-www-form-urlencoded" then
    malformed "the body is no application/x-www-form-urlencoded"
  end
  local values, problem = form.read_all(self.body, name)
  return values or malformed(problem)
end

--- All values of a parameter of the query string, in order; empty if there is none.
function Request:query_all(name) return form.read_all(self.raw_query, name) end

--- All values of a header, in order, if it was sent more than once; its name in lower case.
function Request:header_all(name)
  local value = self.headers[name]
  return self.repeated and self.repeated[name] or { value }
end

--- The value of a cookie, as it was sent; nil if there is none.
function Request:cookie(name) return form.cookie(self.headers.cookie, name) end

--- A request of what the server read, which becomes it.
-- @tparam table raw { method, path, query, headers, body, remote, id, repeated }; in a node without headers
-- and repeated: port.headers(id) gives them
-- @tparam table params of the path
-- @treturn table|nil
-- @treturn string what is malformed
function request.new(raw, params)
  local raw_query, query = raw.query, nil
  if raw_query and raw_query ~= "" then
    local values, problem = form.read(raw_query)
    if not values then return nil, problem end
    query, raw.raw_query = values, raw_query
  end
  if raw.headers then raw.repeated = raw.repeated or false end
  raw.query, raw.params, raw.body = query, params, raw.body or ""
  return setmetatable(raw, Meta)
end

--- The headers of what the server read, where they are to be looked at before there is a request.
-- @tparam table raw
-- @treturn table
function request.headers(raw)
  if not raw.headers then read_headers(raw) end
  return raw.headers
end

return request
