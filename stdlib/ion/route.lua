--- A router as a value: one handler made of many, for those who want the manifest to name one.
--
--     local api = route.new {
--       { "GET", "/orders/:id", show },
--       { { "PUT", "PATCH" }, "/orders/:id", change },
--     }
--     web.api = api:handler()             -- in the manifest: http = { { "*", "/*path", "web/api" } }
-- @module ion.route
local anomaly = require "lion.anomaly"
local meter = require "ions.fuel.meter"
local nearest = require "lion.nearest"
local rules = require "ions.route"

local route = {}

local BYTES_PER_STEP = 16

local IS_METHOD = {}
for _, method in ipairs(rules.METHODS) do IS_METHOD[method] = true end

local OPTIONS = { prefix = true, before = true, not_found = true }

local function refuse(message, ...) anomaly.incorrect("ion.route/invalid", message, ...) end

local function did_you_mean(name, known)
  local near = type(name) == "string" and nearest(name, known)
  return near and (" (did you mean %s?)"):format(near) or ""
end

local Router = {}
Router.__index = Router

-- ---- reading routes ----------------------------------------------------------------------------

local function check_methods(methods, where)
  if methods == "*" then return methods end
  local list = type(methods) == "table" and methods or { methods }
  if #list == 0 then refuse("%s: the method is GET, say, an array of several, or *", where) end
  for _, method in ipairs(list) do
    if not IS_METHOD[method] then
      local name = type(method) == "string" and method:upper()
      refuse("%s: %s is no method%s", where, tostring(method), did_you_mean(name, IS_METHOD))
    end
  end
  return list
end

-- Routes of one shape and method cannot be told apart.
local function check_new(seen, methods, pattern, where)
  for _, method in ipairs(methods == "*" and { "*" } or methods) do
    local key = method .. " " .. rules.shape(pattern)
    if seen[key] then refuse("%s: %s %s is there already, as %s", where, method, pattern, seen[key]) end
    seen[key] = pattern
  end
end

local function read_route(given, where, prefix, seen)
  if type(given) ~= "table" then refuse("%s is { method, path, handler }, not a %s", where, type(given)) end
  local methods = check_methods(given[1], where)
  local _, problem = rules.parse(given[2])
  if problem then refuse("%s: %s", where, problem) end
  local handler = given[3]
  if getmetatable(handler) == Router then handler = handler:handler() end
  if type(handler) ~= "function" then
    refuse("%s: the handler of %s is a %s; it is a function", where, given[2], type(given[3]))
  end
  local pattern = prefix .. given[2]
  check_new(seen, methods, pattern, where)
  return { methods, pattern, handler }
end

local function check_options(options)
  if type(options) ~= "table" then refuse("the options of a router are a table, not a %s", type(options)) end
  for name, value in pairs(options) do
    if not OPTIONS[name] then
      refuse("a router has no option %s%s", tostring(name), did_you_mean(name, OPTIONS))
    end
    local wanted = name == "prefix" and "string" or "function"
    if type(value) ~= wanted then refuse("the option %s is a %s, not a %s", name, wanted, type(value)) end
  end
  if not options.prefix then return "" end
  local _, problem = rules.parse(options.prefix)
  if options.prefix:find("*", 1, true) then problem = "it cannot take the rest of a path" end
  if problem then refuse("prefix: %s", problem) end
  return (options.prefix:gsub("/$", ""))
end

--- A router. The most specific route wins, as in the manifest, whatever the order.
-- @tparam table routes { { method, path, handler }, … }: method "GET", an array of them, or "*"; path as in
-- the manifest ("/orders/:id", "/files/*rest"); handler a function of the request, or another router
-- @tparam[opt] table options prefix = "/api", before each path; before = fn(request), which answers itself
-- where it returns something; not_found = fn(request), instead of a 404
-- @treturn table the router
function route.new(routes, options)
  options = options == nil and {} or options
  local prefix = check_options(options)
  if type(routes) ~= "table" then refuse("the routes are an array, not a %s", type(routes)) end
  local list, seen = {}, {}
  for i, given in ipairs(routes) do
    list[i] = read_route(given, "route " .. i, prefix, seen)
    meter.pay(1)
  end
  for key in pairs(routes) do
    if type(key) ~= "number" or not list[key] then
      refuse("the routes are an array: %s is no place in it", tostring(key))
    end
  end
  local self = { rules = rules.new(list), before = options.before, not_found = options.not_found }
  return setmetatable(self, Router)
end

-- ---- answering ---------------------------------------------------------------------------------

--- What a router has for a request.
-- @tparam string method
-- @tparam string path
-- @treturn function|nil the handler; nil: there is none
-- @treturn table its parameters; without a handler the methods that the path allows
function Router:find(method, path)
  if type(method) ~= "string" or type(path) ~= "string" then
    refuse("a router finds handlers by method and path, two strings")
  end
  meter.pay(#path / BYTES_PER_STEP)
  local handler, found, problem = self.rules:find(method, path)
  if not handler and problem then refuse("%s", problem) end
  return handler, found
end

local function answer_without(self, request, allowed)
  if #allowed == 0 then
    if self.not_found then return self.not_found(request) end
    return { status = 404, body = "not found\n" }
  end
  local headers = { allow = table.concat(allowed, ", ") }
  if request.method == "OPTIONS" then return { status = 204, headers = headers } end
  return { status = 405, headers = headers, body = "method not allowed\n" }
end

--- Answer a request by its route. The path's parameters are put into request.params, beside those of the
-- manifest's route. Where there is no route: 404, 405 with Allow, or to OPTIONS 204 with Allow.
-- @tparam table request
-- @return the response
function Router:handle(request)
  if type(request) ~= "table" then refuse("a router handles a request, not a %s", type(request)) end
  local handler, found = self:find(request.method, request.path)
  if self.before then
    local answer = self.before(request)
    if answer ~= nil then return answer end
  end
  if not handler then return answer_without(self, request, found) end
  request.params = request.params or {}
  for name, value in pairs(found) do request.params[name] = value end
  return handler(request)
end

--- The router as a handler, for a module that the manifest names.
-- @treturn function
function Router:handler()
  return function(request) return self:handle(request) end
end

return route
