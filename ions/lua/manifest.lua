--- An application's manifest, `ion.lua`: read with no globals, checked as a whole, so that all that
-- is wrong
-- is told at once.
-- @module ions.manifest
local anomaly = require "lion.anomaly"

local manifest = {}

local KNOWN = { "app", "deps", "allow", "http", "invoke", "events", "params", "checks" }
local IS_KNOWN = {}
for _, key in ipairs(KNOWN) do
  IS_KNOWN[key] = true
end

local METHODS =
  { GET = true, HEAD = true, POST = true, PUT = true, PATCH = true, DELETE = true, OPTIONS = true }

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
    for _, name in ipairs(value) do
      if not manifest.split(name) then
        wrong(key .. ": " .. tostring(name) .. ' is no function name ("module/function")')
      end
    end
  end
end
check.allow, check.checks = check_names("allow"), check_names("checks")

function check.http(value, wrong)
  if type(value) == "string" then
    if not manifest.split(value) then
      wrong("http: " .. value .. ' is no function name ("module/function")')
    end
    return
  end
  if not is_array(value) then
    return wrong(
      'http is a function name or an array of { "GET", "/path/:name", "module/function" }'
    )
  end
  for i, route in ipairs(value) do
    if not is_array(route) or #route ~= 3 then
      wrong(("http, route %d: a route is { method, path, function }"):format(i))
    else
      if not METHODS[route[1]] then
        wrong(("http, route %d: %s is no method (GET, POST, …)"):format(i, tostring(route[1])))
      end
      if type(route[2]) ~= "string" or route[2]:sub(1, 1) ~= "/" then
        wrong(("http, route %d: a path begins with /"):format(i))
      end
      if not manifest.split(route[3]) then
        wrong(("http, route %d: %s is no function name"):format(i, tostring(route[3])))
      end
    end
  end
end

function check.invoke(value, wrong)
  if type(value) ~= "table" then return wrong('invoke is a table of name = "module/function"') end
  for name, fn in pairs(value) do
    if type(name) ~= "string" or not manifest.split(fn) then
      wrong("invoke: " .. tostring(name) .. " = " .. tostring(fn) .. " is no name with a function")
    end
  end
end

local function check_table(key)
  return function(value, wrong)
    if type(value) ~= "table" then wrong(key .. " is a table") end
  end
end
check.params, check.deps, check.events =
  check_table("params"), check_table("deps"), check_table("events")

--- Check a manifest's table. Returns an array of messages, empty when all is well.
function manifest.problems(value)
  local problems = {}
  local function wrong(message) problems[#problems + 1] = message end
  if type(value) ~= "table" then return { "the manifest returns no table" } end
  local unknown = {}
  for key in pairs(value) do
    if not IS_KNOWN[key] then unknown[#unknown + 1] = tostring(key) end
  end
  table.sort(unknown)
  for _, key in ipairs(unknown) do
    wrong(("unknown key %s (known: %s)"):format(key, table.concat(KNOWN, ", ")))
  end
  if value.app == nil then wrong("app is missing: the application's name") end
  for _, key in ipairs(KNOWN) do
    if value[key] ~= nil then check[key](value[key], wrong) end
  end
  return problems
end

--- Read and check DIR/ion.lua.
-- @tparam string dir
-- @treturn table the manifest
function manifest.read(dir)
  local path = dir .. "/ion.lua"
  local file, reason = io.open(path, "rb")
  if not file then
    error(
      anomaly.new(
        "not-found",
        "lion/not-found",
        ("no manifest: %s (an application is a folder with an ion.lua)"):format(reason)
      ),
      0
    )
  end
  local text = file:read("*a")
  file:close()
  local chunk, message = load(text, "@" .. path, "t", {})
  if not chunk then error(anomaly.new("incorrect", "lion/manifest", message), 0) end
  local ok, value = pcall(chunk)
  if not ok then
    error(
      anomaly.new(
        "incorrect",
        "lion/manifest",
        tostring(value) .. " (a manifest is plain data and sees no globals)"
      ),
      0
    )
  end
  local problems = manifest.problems(value)
  if #problems > 0 then
    error(
      anomaly.new(
        "incorrect",
        "lion/manifest",
        path .. ": " .. table.concat(problems, "; "),
        { problems = problems }
      ),
      0
    )
  end
  return value
end

return manifest
