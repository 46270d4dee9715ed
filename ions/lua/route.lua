--- Routes: method and path to a handler. Segments are literal, `:name` for one segment, or a final
-- `*name` for
-- the rest. The most literal route wins, whatever the order they were given in.
-- @module ions.route
local route = {}

local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- "a%20b+c" → "a b c": a value of a query string or form.
function route.decode_form(text) return decode((text:gsub("%+", " "))) end

--- "a=1&b=x&a=2" → { a = "2", b = "x" }; the last of a name counts.
function route.parse_query(text)
  local query = {}
  for pair in text:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=(.*)$")
    query[route.decode_form(name or pair)] = value and route.decode_form(value) or ""
  end
  return query
end

local function split(path)
  local segments = {}
  for segment in path:gmatch("[^/]+") do
    segments[#segments + 1] = segment
  end
  return segments
end

local function compile(pattern)
  local steps = split(pattern)
  for i, step in ipairs(steps) do
    local kind, name = step:match("^([:*])([%w_]+)$")
    steps[i] = { literal = not kind and step or nil, name = name, is_rest = kind == "*" }
  end
  return steps
end

local function match(steps, segments)
  local params, weight = {}, 0
  for i, step in ipairs(steps) do
    local segment = segments[i]
    if step.is_rest then
      local rest = {}
      for k = i, #segments do
        rest[#rest + 1] = decode(segments[k])
      end
      params[step.name] = table.concat(rest, "/")
      return params, weight
    end
    if not segment then return nil end
    if step.literal then
      if step.literal ~= decode(segment) then return nil end
      weight = weight + 2 ^ (30 - i)
    else
      params[step.name] = decode(segment)
      weight = weight + 2 ^ (29 - i) / 2
    end
  end
  if #segments > #steps then return nil end
  return params, weight
end

local Router = {}
Router.__index = Router

--- A router of { { method, path, target }, … }.
function route.new(routes)
  local self = setmetatable({ routes = {} }, Router)
  for i, r in ipairs(routes) do
    self.routes[i] = { method = r[1], steps = compile(r[2]), target = r[3] }
  end
  return self
end

--- The target for a request and its path parameters; or nil and the methods that the path allows
-- (empty: no such
-- path). HEAD is answered by a GET route.
function Router:find(method, path)
  local segments, best, best_params, best_weight, allowed = split(path), nil, nil, -1, {}
  for _, r in ipairs(self.routes) do
    local params, weight = match(r.steps, segments)
    if params then
      local fits = r.method == method or (method == "HEAD" and r.method == "GET")
      if fits and weight > best_weight then
        best, best_params, best_weight = r, params, weight
      end
      allowed[#allowed + 1] = r.method
    end
  end
  if best then return best.target, best_params end
  return nil, allowed
end

return route
