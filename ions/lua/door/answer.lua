--- What goes over the control door's HTTP: bodies are JSON or EDN, by what the client says; fields are known
-- by name and kind; errors are anomalies, under a status by their category (docs/control.md).
-- @module ions.door.answer
local anomaly = require "lion.anomaly"
local edn = require "lion.edn"
local json = require "lion.json"
local nearest = require "lion.nearest"
local response = require "ions.response"
local utf8 = require "ions.utf8"
local values = require "lion.values"

local answer = {}

local TYPES = { [true] = "application/edn", [false] = "application/json" }

-- ---- lists ---------------------------------------------------------------------------------------

-- A list that is empty; the two notations have different tables for it.
local Empty = { __lion = "list" }
local EMPTY = setmetatable({}, Empty)

--- A list that stays one where it is empty.
function answer.list(items)
  if items == nil or #items == 0 then return EMPTY end
  return items
end

-- The empty lists below a table, as JSON or EDN writes them.
local function replace_empty(value, empty)
  if value == EMPTY then return empty end
  if type(value) ~= "table" or getmetatable(value) ~= nil then return value end
  for key, item in pairs(value) do
    if item == EMPTY then
      value[key] = empty
    elseif type(item) == "table" and key ~= "result" then
      replace_empty(item, empty)
    end
  end
  return value
end

-- ---- answers -------------------------------------------------------------------------------------

--- A value as an answer.
-- @tparam number status
-- @param value
-- @tparam boolean is_edn
-- @treturn number status
-- @treturn table headers
-- @treturn string body
function answer.write(status, value, is_edn)
  value = replace_empty(value, is_edn and {} or values.set {})
  local text = is_edn and edn.write(value) or json.write(value)
  return status, { { "content-type", TYPES[is_edn or false] } }, text .. "\n"
end

--- What was raised, as an anomaly. That there is no memory is a bound reached: readers have one.
-- @param e
function answer.anomaly_of(e)
  local text = type(e) == "table" and not e.code and e.message or e -- a text, as the scheduler gives it
  if text == "not enough memory" then
    return anomaly.new("interrupted", "lion/limit",
      "the answer needs more memory than a reader of the node may have: ask for less, or in parts")
  end
  if type(e) == "table" and not e.code and e.message then
    return anomaly.new("fault", "lion/fault", e.message, { trace = e.trace })
  end
  return anomaly.wrap(e)
end

--- The status of an anomaly.
function answer.status_of(e) return e.status or response.status_of(e.category) end

--- An error as an answer.
-- @param e whatever was raised
-- @tparam boolean is_edn
function answer.fail(e, is_edn)
  local wrapped = answer.anomaly_of(e)
  local status = answer.status_of(wrapped)
  local body = { category = wrapped.category, code = wrapped.code,
    message = utf8.repair(tostring(wrapped.message)),
    data = type(wrapped.data) == "table" and wrapped.data or nil }
  local ok, code, headers, text = pcall(answer.write, status, { error = body }, is_edn)
  if not ok then -- what it carries has no form in this notation
    body.data = nil
    code, headers, text = answer.write(status, { error = body }, is_edn)
  end
  if status == 503 then headers[#headers + 1] = { "retry-after", "1" } end
  for _, header in ipairs(wrapped.headers or {}) do headers[#headers + 1] = header end
  return code, headers, text
end

--- An error that has a status of its own.
function answer.refusal(status, category, message, headers)
  local e = anomaly.new(category, status == 413 and "lion/limit" or "lion/no-route", message)
  e.status, e.headers = status, headers
  return e
end

-- ---- requests ------------------------------------------------------------------------------------

local function header_has(raw, name, text)
  local value = raw.headers and raw.headers[name]
  return value ~= nil and value:lower():find(text, 1, true) ~= nil
end

--- Whether the answer is to be EDN.
function answer.wants_edn(raw) return header_has(raw, "accept", "application/edn") end

--- The fields of a body; those that are null are left out.
-- @tparam table raw
-- @tparam[opt] table options is_tx: strings with a colon in front are strings in EDN, as conn:transact takes
-- them; nulls: field → true, of those that may be null
-- @treturn table
-- @treturn boolean whether it was EDN
function answer.read_body(raw, options)
  options = options or {}
  local text, is_edn = raw.body or "", header_has(raw, "content-type", "application/edn")
  if text == "" then return {}, is_edn end
  local body
  if is_edn then
    body = options.is_tx and edn.read_tx(text) or edn.read(text)
  else
    body = json.read(text)
  end
  if type(body) ~= "table" or getmetatable(body) ~= nil or #body > 0 then
    anomaly.incorrect("lion/syntax", "the body is a map of fields")
  end
  for name, value in next, body do
    if value == values.null and not (options.nulls and options.nulls[name]) then body[name] = nil end
  end
  return body, is_edn
end

-- ---- fields --------------------------------------------------------------------------------------

local function is_list(value) return type(value) == "table" and (#value > 0 or next(value) == nil) end

local function is_strings(value)
  if not is_list(value) then return false end
  for _, item in ipairs(value) do
    if type(item) ~= "string" then return false end
  end
  return true
end

local function is_count(value) return type(value) == "number" and value >= 0 and value % 1 == 0 end

local KINDS = {
  any = { "anything", function() return true end },
  boolean = { "true or false", function(value) return type(value) == "boolean" end },
  count = { "a whole number that is not negative", is_count },
  list = { "a list", is_list },
  string = { "text", function(value) return type(value) == "string" end },
  strings = { "a list of texts", is_strings },
}

local function unknown_field(name, fields)
  local known = {}
  for other in pairs(fields) do known[#known + 1] = other end
  table.sort(known)
  local near = nearest(tostring(name), fields)
  anomaly.incorrect("lion/syntax", "%s is no field here%s (there are: %s)", tostring(name),
    near and (", did you mean %s?"):format(near) or "", #known > 0 and table.concat(known, ", ") or "none")
end

-- What is to be looked at, made once of each table of fields.
local known = setmetatable({}, { __mode = "k" })

local function fields_of(fields)
  local found = known[fields]
  if found then return found end
  found = { kinds = {}, needed = {} }
  for name, kind in pairs(fields) do
    found.kinds[name] = KINDS[kind:gsub("!$", "")]
    if kind:find "!$" then found.needed[#found.needed + 1] = name end
  end
  known[fields] = found
  return found
end

--- Check fields.
-- @tparam table body
-- @tparam table fields name → kind, with a ! behind it if it must be there
-- @treturn table body
function answer.check(body, fields)
  local found = fields_of(fields)
  for name, value in next, body do
    local kind = found.kinds[name] or unknown_field(name, fields)
    if not kind[2](value) then
      anomaly.incorrect("lion/syntax", "%s is %s, not %s", name, kind[1], type(value) == "table"
        and "a table" or tostring(value))
    end
  end
  for _, name in ipairs(found.needed) do
    if body[name] == nil then
      anomaly.incorrect("lion/syntax", "the field %s is needed: %s", name, found.kinds[name][1])
    end
  end
  return body
end

--- Check the parameters of a query string; those that are counts become numbers.
-- @tparam table query name → text
-- @tparam table fields as of `check`
-- @treturn table
function answer.check_query(query, fields)
  local found = {}
  for name, value in pairs(query) do
    found[name] = fields[name] == "count" and tonumber(value) or value
  end
  return answer.check(found, fields)
end

--- A count within a bound; without one the default.
function answer.bounded(name, value, default, max)
  if value == nil then return default end
  if value > max then
    anomaly.incorrect("lion/limit", "%s is at most %d, not %s", name, max, tostring(value))
  end
  return value
end

return answer
