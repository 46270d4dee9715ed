--- Routes: method and path to a target. A pattern's segments are literal, `:name` for one segment, or a
-- final `*name` for what is left. Patterns lie in a tree by their segments; it is walked literal first,
-- then named, then the rest, so that the most specific route wins, whatever order they were given in.
-- @module ions.route
local form = require "ions.form"

local route = {}

-- As Lua has them: where applications run, the methods of strings are versions that count their work.
local byte, find, reverse, sub = string.byte, string.find, string.reverse, string.sub

local SLASH = 47

--- The methods that a route may name, in the order in which Allow lists them.
route.METHODS = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" }

--- "/a//b/" → { "a", "", "b" }: one slash at the end does not count. nil: no path.
local function split(path)
  if byte(path) ~= SLASH then return nil end
  local segments, count, at = {}, 0, 2
  while true do
    local slash = find(path, "/", at, true)
    count = count + 1
    segments[count] = sub(path, at, slash and slash - 1 or -1)
    if not slash then break end
    at = slash + 1
  end
  if segments[count] == "" then segments[count] = nil end
  return segments
end

--- The steps of a pattern: { literal = } | { name =, is_rest = }; or nil and what is wrong with it.
function route.parse(pattern)
  local steps, seen = type(pattern) == "string" and split(pattern), {}
  if not steps then return nil, "a path begins with /" end
  for i, text in ipairs(steps) do
    local kind, name = text:match "^([:*])(.*)$"
    if text == "" then return nil, "a segment is empty" end
    if not kind and text:find "[?#]" then return nil, text .. " would be a query or a fragment, no path" end
    if kind and not name:match "^[%a_][%w_]*$" then
      return nil, ("%s is no name of a segment (%sname, of letters, digits and _)"):format(text, kind)
    end
    if kind == "*" and i < #steps then
      return nil, text .. " takes the rest of a path and is its last segment"
    end
    if kind and seen[name] then return nil, "two segments are named " .. name end
    if kind then seen[name] = true end
    steps[i] = { literal = not kind and text or nil, name = name, is_rest = kind == "*" }
  end
  return steps
end

--- The pattern without its names: routes of one shape and method cannot be told apart.
function route.shape(pattern) return (pattern:gsub("([:*])[%w_]+", "%1"):gsub("(.)/$", "%1")) end

-- Paths that lead straight to a target are remembered, so many of a method: each has one or two spellings.
-- So is what stands before a last segment that is the only parameter.
local PLAIN_MAX = 1000

local Router = {}
Router.__index = Router

--- Add a target for { "GET", … } or "*", every method.
function Router:add(methods, pattern, target)
  local node, names = self.root, {}
  local leaf = { target = target, names = names, is_any = methods == "*", methods = {} }
  for _, method in ipairs(methods == "*" and {} or methods) do
    leaf.methods[method] = true
  end
  local leaves, above = "here", nil
  for _, step in ipairs(assert(route.parse(pattern))) do
    if step.name then names[#names + 1] = step.name end
    above = step.name and not step.is_rest and node or nil
    if step.literal then
      node.literals[step.literal] = node.literals[step.literal] or { literals = {}, here = {}, rest = {} }
      node = node.literals[step.literal]
    elseif step.is_rest then
      leaves = "rest"
    else
      node.named = node.named or { literals = {}, here = {}, rest = {} }
      node = node.named
    end
  end
  leaf.above = above -- the node that its last segment, a parameter, is below
  table.insert(node[leaves], leaf)
end

--- A router of { { methods, pattern, target }, … }; methods: one, an array, or "*".
function route.new(routes)
  local root = { literals = {}, here = {}, rest = {} }
  local self = setmetatable({ root = root, plain = {}, prefixes = {} }, Router)
  for _, r in ipairs(routes) do
    self:add(type(r[1]) == "string" and r[1] ~= "*" and { r[1] } or r[1], r[2], r[3])
  end
  return self
end

-- Does a leaf answer the method? By name before HEAD by GET before "*".
local function fits(leaf, method, how)
  if how == 1 then return leaf.methods[method] end
  if how == 2 then return method == "HEAD" and leaf.methods.GET and not leaf.methods.HEAD end
  return leaf.is_any
end

-- A walk is { segments =, method =, skip =, allowed =, captures = }; it ends with the leaf it was for.
local function try(walk, leaves)
  for how = 1, 3 do
    for _, leaf in ipairs(leaves) do
      if fits(leaf, walk.method, how) then
        if walk.skip == 0 then return leaf end
        walk.skip = walk.skip - 1
      end
    end
  end
  for _, leaf in ipairs(leaves) do
    walk.allowed[#walk.allowed + 1] = leaf
  end
  return nil
end

local function visit(walk, node, i)
  local segment = walk.segments[i]
  if segment == nil then
    local leaf = try(walk, node.here)
    if leaf then return leaf end
  else
    local below = node.literals[segment]
    local leaf, tail = nil, nil
    if below then leaf, tail = visit(walk, below, i + 1) end
    if not leaf and node.named and segment ~= "" then
      local depth = #walk.captures
      walk.captures[depth + 1] = segment
      leaf, tail = visit(walk, node.named, i + 1)
      if not leaf then walk.captures[depth + 1] = nil end
    end
    if leaf then return leaf, tail end
  end
  local leaf = #node.rest > 0 and try(walk, node.rest)
  if leaf then return leaf, i end
  return nil
end

local function remember(known, method, text, value)
  local texts = known[method] or { map = {}, count = 0 }
  if texts.count == PLAIN_MAX then return end
  known[method], texts.map[text], texts.count = texts, value, texts.count + 1
end

-- Where the last segment begins, and what stands before it. A search for a plain text is compiled.
local function last_of(path)
  local at = #path - find(reverse(path), "/", 1, true) + 2
  return at, sub(path, 1, at - 1)
end

-- The leaf that was found for a path as it was sent, without an escape, is found sooner the next time.
local function learn(self, method, path, leaf)
  if #leaf.names == 0 then return remember(self.plain, method, path, leaf.target) end
  if #leaf.names > 1 or not leaf.above then return end
  local at, prefix = last_of(path)
  if at <= #path then remember(self.prefixes, method, prefix, leaf) end
end

-- By what was learned: the target and its parameters, nil for none.
local function find_known(self, method, path)
  local plain, prefixes = self.plain[method], self.prefixes[method]
  local target = plain and plain.map[path]
  if target then return target, {} end
  if not prefixes or byte(path) ~= SLASH or find(path, "%", 1, true) then return nil end
  local at, prefix = last_of(path)
  local leaf = prefixes.map[prefix]
  if not leaf or at > #path then return nil end
  local last = sub(path, at)
  if leaf.above.literals[last] then return nil end -- which may be more specific
  return leaf.target, { [leaf.names[1]] = last }
end

local function allowed_methods(leaves)
  local is_allowed, list = {}, {}
  for _, leaf in ipairs(leaves) do
    for _, method in ipairs(route.METHODS) do
      if leaf.is_any or leaf.methods[method] then is_allowed[method] = true end
    end
  end
  if is_allowed.GET then is_allowed.HEAD = true end
  if next(is_allowed) then is_allowed.OPTIONS = true end
  for _, method in ipairs(route.METHODS) do
    if is_allowed[method] then list[#list + 1] = method end
  end
  return list
end

--- Find the target for a request. HEAD is answered by a GET route.
-- @tparam string method
-- @tparam string path as sent
-- @tparam[opt] number skip pass over so many that fit: the next best one
-- @return the target and its parameters, decoded (and for `*name` the segments of the rest, decoded); or
-- nil and the methods that the path allows (none: there is no such path); or nil, nil and what is
-- malformed
function Router:find(method, path, skip)
  if not skip then
    local target, params = find_known(self, method, path)
    if target then return target, params end
  end
  local segments = split(path)
  if not segments then return nil, nil, "a path begins with /" end
  local is_encoded = find(path, "%", 1, true)
  for i = 1, is_encoded and #segments or 0 do
    segments[i] = form.decode(segments[i])
    if not segments[i] then return nil, nil, "malformed percent-encoding in the path" end
  end
  local walk = { segments = segments, method = method, skip = skip or 0, allowed = {}, captures = {} }
  local leaf, tail_from = visit(walk, self.root, 1)
  if not leaf then return nil, allowed_methods(walk.allowed) end
  if not tail_from and not skip and not is_encoded then learn(self, method, path, leaf) end
  local params, tail = {}, nil
  if tail_from then
    tail = {}
    for i = tail_from, #segments do
      tail[#tail + 1] = segments[i]
    end
    walk.captures[#walk.captures + 1] = table.concat(tail, "/")
  end
  for i, name in ipairs(leaf.names) do
    params[name] = walk.captures[i]
  end
  return leaf.target, params, tail
end

return route
