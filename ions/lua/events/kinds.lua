--- The kinds of events as manifests have them: which fields each has, and what these may hold.
-- @module ions.events.kinds
local schedules = require "ions.events.schedule"
local folder = require "ions.events.folder"
local signature = require "ions.events.signature"

local kinds = {}

-- ---- what a field may hold: function(value) → nil, or what it should be --------------------------

local function text(value)
  if type(value) ~= "string" or value == "" then return "a string" end
end

local function flag(value)
  if type(value) ~= "boolean" then return "true or false" end
end

local function whole(first, last)
  return function(value)
    if type(value) == "number" and value % 1 == 0 and value >= first and value <= last then return nil end
    return ("a whole number from %d to %d"):format(first, last)
  end
end

local function name(value)
  if type(value) ~= "string" or #value > 200 or not value:find "^[%w_.-][%w_./-]*$" then
    return "a name of letters, digits, _, ., - and /"
  end
end

local function database(value)
  if type(value) ~= "string" or not value:find "^[%w_][%w_.-]*$" then
    return "a database's name, of letters, digits, _, - and ."
  end
  if value == "system" or value:find "^system%." then
    return ("not %s, which is not for applications"):format(value)
  end
end

local function attributes(value)
  local expected = 'an attribute\'s name ("order/status"), or an array of them'
  local list = type(value) == "table" and value or { value }
  if #list == 0 then return expected end
  for key, one in pairs(list) do
    if type(key) ~= "number" or type(one) ~= "string" or not one:find "^:?[^%s/:]+/[^%s/]+$" then
      return expected
    end
  end
end

local function header(value)
  if type(value) ~= "string" or not value:find "^[%w!#$%%&'*+.^_`|~-]+$" then return "a header's name" end
end

-- ---- kinds ---------------------------------------------------------------------------------------

--- What each event has besides `on` and `fn`; all of them may be left out.
kinds.COMMON = {
  on = function() end,
  fn = function() end,
  name = name,
  timeout = whole(1, 600000),
  retries = whole(0, 1000),
  backoff = whole(1, 60000),
}

--- Kind → { fields = name → check, needs = those that must be there, check = function(event) → a problem or
-- nil }.
kinds.KINDS = {
  tx = {
    fields = { attr = attributes, query = text, db = database },
    check = function(event)
      if event.attr == nil and event.query == nil then
        return 'an event on "tx" has attr, a query, or both'
      end
    end,
  },
  cron = {
    fields = { at = text, zone = text, catch_up = flag },
    needs = { "at" },
    check = function(event)
      local schedule, problem = schedules.parse(event.at, event.zone)
      if not schedule then return "at: " .. problem end
    end,
  },
  http = {
    fields = { signature = function() end, id_header = header },
    needs = { "name" },
    check = function(event)
      local problem
      if event.signature ~= nil then
        signature.check(event.signature, function(message) problem = problem or message end)
      end
      return problem
    end,
  },
  dir = {
    fields = { path = text, delete = flag },
    needs = { "path" },
    check = function(event) return folder.problem(event.path) end,
  },
}

--- Their names, in order.
kinds.NAMES = {}
for kind in pairs(kinds.KINDS) do kinds.NAMES[#kinds.NAMES + 1] = kind end
table.sort(kinds.NAMES)

--- What is wrong with the fields that an event of a known kind has; unknown ones are not looked at.
-- @tparam table event
-- @treturn table a list of messages
function kinds.problems(event)
  local kind, problems = kinds.KINDS[event.on], {}
  local names = {}
  for field in pairs(event) do names[#names + 1] = tostring(field) end
  table.sort(names)
  for _, field in ipairs(names) do
    local check = kind.fields[field] or kinds.COMMON[field]
    local expected = check and check(event[field])
    if expected then problems[#problems + 1] = ("%s is %s"):format(field, expected) end
  end
  for _, field in ipairs(kind.needs or {}) do
    if event[field] == nil then
      problems[#problems + 1] = ('an event on "%s" has %s'):format(event.on, field)
    end
  end
  local problem = #problems == 0 and kind.check and kind.check(event)
  if problem then problems[1] = problem end
  return problems
end

return kinds
