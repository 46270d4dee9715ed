--- An application's manifest, `ion.lua`: read with no globals, checked as a whole, so that all that
-- is wrong is told at once.
-- @module ions.manifest
local anomaly = require "lion.anomaly"
local fuel = require "ions.fuel"
local kinds = require "ions.events.kinds"
local nearest = require "lion.nearest"
local route = require "ions.route"
local settings = require "ions.entry"
local utf8 = require "ions.utf8"

local manifest = {}

local KNOWN = { "app", "deps", "allow", "http", "static", "invoke", "events", "params", "checks" }

local IS_METHOD = {}
for _, method in ipairs(route.METHODS) do
  IS_METHOD[method] = true
end

-- What an application may require besides its own modules: no dependency can have such a name.
local LIBRARY = { ion = true, lion = true, lpeg = true }


-- Steps for what is plain data, and levels of it.
local STEPS_MAX = 100000
local DEPTH_MAX = 100

--- "shop.tx/transfer" → "shop.tx", "transfer"; nil if it is not the name of a function.
function manifest.split(name)
  if type(name) ~= "string" then return nil end
  return name:match("^([%w_%.%-]+)/([%w_%-]+)$")
end

local function is_array(x)
  if type(x) ~= "table" then return false end
  local count = 0
  for key in pairs(x) do
    if type(key) ~= "number" then return false end
    count = count + 1
  end
  return count == #x
end

-- Each check is given what a key holds, and `wrong(message, …)`, whose further arguments lead to the
-- place below that key.
local check = {}

function check.app(value, wrong)
  if type(value) ~= "string" or not value:match("^[%w_%-]+$") then
    wrong("app is the application's name, a string of letters, digits, _ and -")
  end
end

local function check_names(key)
  return function(value, wrong)
    if not is_array(value) then
      return wrong(key .. ' is an array of function names ("module/function")')
    end
    local seen = {}
    for i, name in ipairs(value) do
      if not manifest.split(name) then
        wrong(key .. ": " .. tostring(name) .. ' is no function name ("module/function")', i)
      elseif seen[name] then
        wrong(("%s: %s stands there twice"):format(key, name), i)
      end
      seen[name] = true
    end
  end
end
check.allow, check.checks = check_names("allow"), check_names("checks")

-- ---- http --------------------------------------------------------------------------------------

-- "GET", { "GET", "POST" } or "*" → an array of methods
local function methods_of(value)
  if value == "*" then return route.METHODS end
  return type(value) == "string" and { value } or value
end

local function check_methods(where, value, wrong)
  local methods = methods_of(value)
  if not is_array(methods) or #methods == 0 then
    return wrong(where .. ': a method is "GET", …, an array of them, or "*" for all')
  end
  for _, method in ipairs(methods) do
    if not IS_METHOD[method] then
      local upper = type(method) == "string" and method:upper()
      local near = upper and (IS_METHOD[upper] and upper or nearest(upper, IS_METHOD))
      local hint = near and ("did you mean %s?"):format(near) or table.concat(route.METHODS, ", ")
      wrong(("%s: %s is no method (%s)"):format(where, tostring(method), hint))
    end
  end
end

-- Routes of one shape: two of them for one method, and nobody could say which answers.
local function check_twins(where, r, seen, wrong)
  local shape = route.shape(r[2])
  for _, method in ipairs(methods_of(r[1])) do
    local key = (r[1] == "*" and "*" or method) .. " " .. shape
    if seen[key] and seen[key] ~= where then
      return wrong(("%s answers the same requests as %s"):format(where, seen[key]))
    end
    seen[key] = where
  end
end

local function check_route(where, r, seen, wrong)
  if type(r) ~= "table" or #r ~= 3 then
    return wrong(where .. ": a route is { method, path, function, [timeout =, concurrency =, queue =] }")
  end
  local is_sound = true
  local function note(message)
    is_sound = false
    wrong(message)
  end
  check_methods(where, r[1], note)
  local steps, problem = route.parse(r[2])
  if not steps then note(("%s: %s: %s"):format(where, tostring(r[2]), problem)) end
  if not manifest.split(r[3]) then note(("%s: %s is no function name"):format(where, tostring(r[3]))) end
  settings.check(where, r, wrong)
  if is_sound then check_twins(where, r, seen, wrong) end
end

-- "shop.web/all", or { "shop.web/all", timeout = … }
local function is_one_function(value) return type(value) == "string" or type(value[1]) == "string" end

-- A function's name, alone or with settings.
local function check_function(where, value, wrong)
  local name = value
  if type(value) == "table" then
    name = value[1]
    if #value ~= 1 then
      return wrong(where .. ': a function is "module/function" or { "module/function", timeout = … }')
    end
    settings.check(where, value, wrong)
  end
  if not manifest.split(name) then
    wrong(("%s: %s is no function name (\"module/function\")"):format(where, tostring(name)))
  end
end

function check.http(value, wrong)
  if type(value) ~= "string" and type(value) ~= "table" then
    return wrong(
      'http is a function name or an array of { "GET", "/path/:name", "module/function" }'
    )
  end
  if is_one_function(value) then return check_function("http", value, wrong) end
  if not is_array(value) then return wrong "http is an array of routes, and has no names" end
  local seen = {}
  for i, r in ipairs(value) do
    check_route(("http, route %d"):format(i), r, seen, function(message, ...) wrong(message, i, ...) end)
  end
end

--- The routes of a manifest's `http`: { { methods, pattern, function name, settings }, … }.
function manifest.routes(http)
  if http == nil then return {} end
  if is_one_function(http) then
    local given = type(http) == "table" and http or nil
    return { { "*", "/*path", given and http[1] or http, given } }
  end
  local routes = {}
  for i, r in ipairs(http) do
    routes[i] = { r[1], r[2], r[3], r }
  end
  return routes
end

-- ---- static files ------------------------------------------------------------------------------

local STATIC = { max_age = true }

local function check_folder(where, folder, wrong)
  local is_below = type(folder) == "string"
    and folder ~= ""
    and not folder:find "[%z\\]"
    and folder:sub(1, 1) ~= "/"
    and not ("/" .. folder .. "/"):find("/../", 1, true)
  if not is_below then
    wrong(("%s: %s is no folder below the application's"):format(where, tostring(folder)))
  end
end

local function check_static_settings(where, value, wrong)
  for key, setting in pairs(value) do
    if key == "max_age" then
      if type(setting) ~= "number" or setting < 0 or setting % 1 ~= 0 then
        wrong(where .. ": max_age is a whole number of seconds")
      end
    elseif key ~= 1 then
      local near = type(key) == "string" and nearest(key, STATIC)
      local hint = near and ("did you mean %s?"):format(near) or "there is max_age"
      wrong(("%s: unknown setting %s (%s)"):format(where, tostring(key), hint))
    end
  end
end

function check.static(value, wrong)
  if type(value) ~= "table" or #value > 0 then
    return wrong 'static is a table of ["/path"] = "folder"'
  end
  for path, folder in pairs(value) do
    local function at(message, ...) wrong(message, path, ...) end
    local where = "static, " .. tostring(path)
    local steps, problem = route.parse(path)
    if not steps then
      at(("%s: %s"):format(where, problem))
    elseif path:find "[:*]" then
      at(where .. ": a path of files has no named segments")
    end
    if type(folder) == "table" then check_static_settings(where, folder, at) end
    check_folder(where, type(folder) == "table" and folder[1] or folder, at)
  end
end

-- ---- invoke ------------------------------------------------------------------------------------

function check.invoke(value, wrong)
  if type(value) ~= "table" then return wrong('invoke is a table of name = "module/function"') end
  for name, fn in pairs(value) do
    local where = "invoke, " .. tostring(name)
    local function at(message, ...) wrong(message, name, ...) end
    if type(name) ~= "string" or not name:match "^[%w_%.%-]+$" then
      at(where .. ": a name is of letters, digits, _, . and -")
    end
    check_function(where, fn, at)
  end
end

-- ---- what else it holds --------------------------------------------------------------------------

local function sorted_keys(value)
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

-- "unknown key rew (did you mean rev?)"; nil if it is known.
local function unknown(name, known)
  local is_known = {}
  for _, other in ipairs(known) do is_known[other] = true end
  if is_known[name] then return nil end
  local near = nearest(tostring(name), is_known)
  local hint = near and ("did you mean %s?"):format(near) or "known: " .. table.concat(known, ", ")
  return ("unknown key %s (%s)"):format(tostring(name), hint)
end

local function check_event(i, event, seen, wrong)
  local what = "events, event " .. i
  local kind = type(event) == "table" and kinds.KINDS[event.on]
  if not kind then
    local known = table.concat(kinds.NAMES, '", "')
    return wrong(('%s: an event is { on = "%s", fn = "module/function", … }'):format(what, known), i)
  end
  local known = {}
  for key in pairs(kinds.COMMON) do known[#known + 1] = key end
  for key in pairs(kind.fields) do known[#known + 1] = key end
  table.sort(known)
  for _, key in ipairs(sorted_keys(event)) do
    local problem = unknown(key, known)
    if problem then wrong(what .. ": " .. problem, i, key) end
  end
  for _, problem in ipairs(kinds.problems(event)) do wrong(what .. ": " .. problem, i) end
  if not manifest.split(event.fn) then
    wrong(("%s: fn = %s is no function name (\"module/function\")"):format(what, tostring(event.fn)), i)
  end
  local name = event.name or event.fn
  if type(name) == "string" and seen[name] then
    wrong(("%s is named as event %d is, %s: give it a name"):format(what, seen[name], name), i)
  end
  if name then seen[name] = i end
end

function check.events(value, wrong)
  if not is_array(value) then return wrong('events is an array of { on = "tx", attr =, fn = }') end
  local seen = {}
  for i, event in ipairs(value) do check_event(i, event, seen, wrong) end
end

--- The events of a manifest that was checked: name → what stands there.
function manifest.events(value)
  local events = {}
  for _, event in ipairs(value.events or {}) do events[event.name or event.fn] = event end
  return events
end

function check.params(value, wrong)
  if type(value) ~= "table" then wrong("params is a table") end
end

local DEPENDENCY = { "path", "git", "rev", "dir" }

local function check_dependency(name, entry, wrong)
  local what = "deps: " .. tostring(name)
  if type(name) ~= "string" or not name:find "^[%a_][%w_%-]*$" then
    return wrong(what .. " is no name for a module (letters, digits, _ and -)", name)
  elseif LIBRARY[name] then
    return wrong(what .. " is a module of Lion's own: name it otherwise", name)
  elseif type(entry) ~= "table" then
    return wrong(what .. ' is { path = "../folder" } or { git = URL, rev = COMMIT }', name)
  end
  for _, key in ipairs(sorted_keys(entry)) do
    local problem = unknown(key, DEPENDENCY)
    if problem then
      wrong(what .. ": " .. problem, name, key)
    elseif type(entry[key]) ~= "string" or entry[key] == "" then
      wrong(("%s: %s is a string"):format(what, key), name, key)
    end
  end
  if (entry.path ~= nil) == (entry.git ~= nil) then
    wrong(what .. ' is either { path = "../folder" } or { git = URL, rev = COMMIT }', name)
  elseif entry.path and (entry.rev or entry.dir) then
    wrong(what .. ": rev and dir go with git", name)
  elseif entry.git and (type(entry.rev) ~= "string" or not entry.rev:find "^%x%x%x%x+$") then
    wrong(what .. ": rev is the id of a commit, or its first digits (4 at least)", name)
  end
end

function check.deps(value, wrong)
  if type(value) ~= "table" then return wrong("deps is a table of name = { path = } or { git =, rev = }") end
  for _, name in ipairs(sorted_keys(value)) do check_dependency(name, value[name], wrong) end
end

local function is_plain(value)
  local kind = type(value)
  return kind == "number" or kind == "boolean" or kind == "string" and utf8.is_valid(value)
end

-- Whether there is nothing but data, in a tree.
local function check_plain(value, wrong, what, above, depth, ...)
  if is_plain(value) then return end
  if type(value) ~= "table" then
    local kind = type(value) == "string" and "string that is no UTF-8" or type(value)
    wrong(("%s holds a %s: a manifest is plain data"):format(what, kind), ...)
  elseif above[value] or depth > DEPTH_MAX then
    wrong(what .. (above[value] and " holds itself" or " is nested too deeply"), ...)
  else
    above[value] = true
    for key, item in pairs(value) do
      if not is_plain(key) or type(key) == "boolean" then
        wrong(("%s has keys that are no names: %s"):format(what, type(key)), ...)
      end
      check_plain(item, wrong, what, above, depth + 1, ...)
    end
    above[value] = nil
  end
end

-- Where a message leads to that was given no place: "http, route 2: …" → 2, "invoke, total: …" → "total".
local function place_of(message)
  return tonumber(message:match "^%l+, %l+ (%d+)") or message:match "^%l+, ([^:]+)"
end

--- All that is wrong with a manifest's table.
-- @treturn table a list of { message =, path = keys that lead to the place, { "http", 3 } }; empty when
-- all is well
function manifest.faults(value)
  local faults = {}
  local function wrong(message, ...) faults[#faults + 1] = { message = message, path = { ... } } end
  if type(value) ~= "table" then
    wrong "the manifest returns no table"
    return faults
  end
  for _, key in ipairs(sorted_keys(value)) do
    local problem = unknown(key, KNOWN)
    if problem then wrong(problem, key) end
  end
  if value.app == nil then wrong "app is missing: the application's name" end
  for _, key in ipairs(KNOWN) do
    if value[key] ~= nil then
      check_plain(value[key], wrong, key, {}, 1, key)
      check[key](value[key], function(message, place, ...)
        wrong(message, key, place or place_of(message), ...)
      end)
    end
  end
  return faults
end

--- The messages of `faults`.
function manifest.problems(value)
  local messages = {}
  for i, fault in ipairs(manifest.faults(value)) do messages[i] = fault.message end
  return messages
end

--- Run a manifest's text. What it returns is not checked yet.
-- @tparam string text
-- @tparam string chunkname as for load
-- @return its value; or nil and what is wrong, with file and line
function manifest.parse(text, chunkname)
  local chunk, message = fuel.load(text, chunkname, {})
  if not chunk then return nil, message end
  local ok, value = fuel.budget({ steps = STEPS_MAX }):call(chunk)
  if ok then return value end
  if type(value) == "table" and value.code == "lion/fuel" then
    return nil, tostring(value.message) .. " (a manifest is plain data)"
  end
  return nil, tostring(value) .. " (a manifest is plain data and sees no globals)"
end

-- JSON has no table that is a list and has names beside it, as a route with settings is: there its positions
-- are names like "1".
local function with_positions(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for key, item in pairs(value) do
    local position = type(key) == "string" and key:find "^[1-9]%d*$" and tonumber(key)
    result[position or key] = with_positions(item)
  end
  return result
end

--- A manifest that came as JSON.
-- @param value
-- @return as it was written; of `params`, which are anybody's data, as it came
function manifest.from_json(value)
  local result = with_positions(value)
  if type(value) == "table" then result.params = value.params end
  return result
end

--- Read and check an application's ion.lua.
-- @tparam table source of ions.source
-- @treturn table the manifest
function manifest.read(source)
  local path = source:path "ion.lua"
  local text, reason = source:read "ion.lua"
  if not text then
    local message = ("no manifest: %s (an application is a folder with an ion.lua)"):format(reason)
    error(anomaly.new("not-found", "lion/not-found", message), 0)
  end
  local value, wrong = manifest.parse(text, "@" .. path)
  if wrong then error(anomaly.new("incorrect", "lion/manifest", wrong), 0) end
  local problems = manifest.problems(value)
  if #problems > 0 then
    local message = path .. ": " .. table.concat(problems, "; ")
    error(anomaly.new("incorrect", "lion/manifest", message, { problems = problems }), 0)
  end
  return value
end

return manifest
