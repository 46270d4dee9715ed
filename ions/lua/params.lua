--- Parameters: values by paths, given in layers, from those for everywhere to those for one application in
-- one group, over the manifest's. Laid over each other the layers are one tree: where two of them have an
-- object, these are merged; everything else takes the place of what is below it.
-- @module ions.params
local anomaly = require "lion.anomaly"
local json = require "lion.json"
local plain = require "ions.plain"

local params = {}

local PATH_MAX = 1000
local DEPTH_MAX = 100

-- A value that is still sealed: { group =, app =, path =, sealed = }.
local Secret = {}

-- ---- paths ---------------------------------------------------------------------------------------

--- A parameter's path as it is stored: "/shop/web/currency" and "shop/web/currency" are one.
-- @tparam string text
-- @treturn string without the slash in front
function params.path(text)
  if type(text) ~= "string" then
    anomaly.incorrect("lion/syntax", "a parameter has a path, which is text, not a %s", type(text))
  end
  local path = text:gsub("^/", "")
  if path == "" or #path > PATH_MAX or ("/" .. path .. "/"):find("//", 1, true) then
    anomaly.incorrect("lion/syntax", "%q is no parameter's name: words with a / between them", text)
  end
  return path
end

-- ---- trees ---------------------------------------------------------------------------------------

local function is_object(value)
  return type(value) == "table" and getmetatable(value) == nil and (next(value) == nil or #value == 0)
end

local function merge(below, above, depth)
  if not is_object(above) then return above end
  local merged = {}
  for name, value in pairs(is_object(below) and below or {}) do merged[name] = value end
  if depth > DEPTH_MAX then return merged end
  for name, value in pairs(above) do merged[name] = merge(merged[name], value, depth + 1) end
  return merged
end

-- "mail/from", "a@b" → { mail = { from = "a@b" } }
local function nest(path, value)
  local names = {}
  for name in path:gmatch "[^/]+" do names[#names + 1] = name end
  for i = #names, 1, -1 do value = { [names[i]] = value } end
  return value
end

-- A layer's values in one tree: what has a longer path lies over what it is within.
local function tree_of(layer)
  local paths, tree = {}, {}
  for path in pairs(layer) do paths[#paths + 1] = path end
  table.sort(paths)
  for _, path in ipairs(paths) do tree = merge(tree, nest(params.path(path), layer[path]), 1) end
  return tree
end

--- Layers as one tree.
-- @tparam table layers each path → value, the least specific first
-- @treturn table
function params.merge(layers)
  local tree = {}
  for _, layer in ipairs(layers) do tree = merge(tree, tree_of(layer), 1) end
  return tree
end

--- What stands at a path of a tree; nil: nothing.
-- @tparam table tree
-- @tparam string path as of params.path
function params.find(tree, path)
  local value = tree
  for name in path:gmatch "[^/]+" do
    if not is_object(value) then return nil end
    value = value[name]
  end
  return value
end

local function opened(value, open)
  if getmetatable(value) == Secret then return open(value) end
  if not is_object(value) then return plain.copy(value, "a parameter") end
  local copy = {}
  for name, item in pairs(value) do copy[name] = opened(item, open) end
  return copy
end

--- A copy of what `find` gave, for who may change it.
-- @param value
-- @tparam function open takes a secret, { group =, app =, path =, sealed = }; what stands in its place
function params.copy(value, open) return opened(value, open) end

-- ---- the system database -------------------------------------------------------------------------

local FIND = "[:find [(pull ?p [:db/id :param/path :param/value%s {:param/group [:group/name]} "
  .. "{:param/app [:app/name]}]) ...] :where [?p :param/path]]"

--- All that are set.
-- @param db a value of the system database
-- @treturn table a list of { id =, path =, group = name or nil, app = name or nil, value = JSON text,
-- or sealed = of a secret }
function params.list(db)
  if not db:entid ":param/path" then return {} end
  local list = db:q(FIND:format(db:entid ":param/secret" and " :param/secret" or ""))
  for i, found in ipairs(list) do
    list[i] = {
      id = found["db/id"],
      path = found["param/path"],
      value = found["param/value"],
      sealed = found["param/secret"],
      group = (found["param/group"] or {})["group/name"],
      app = (found["param/app"] or {})["app/name"],
    }
  end
  return list
end

-- Those that hold for a place; the more specific the later. A group's go before an application's: what is
-- said of production holds there for whatever runs in it.
local function rank_of(one, group, app)
  if one.group and one.group ~= group or one.app and one.app ~= app then return nil end
  return 1 + (one.app and 1 or 0) + (one.group and 2 or 0)
end

--- The layers of a place.
-- @tparam table list of params.list
-- @tparam string|nil group
-- @tparam string|nil app
-- @treturn table four layers: everywhere, the application, the group, both
function params.layers(list, group, app)
  local layers = { {}, {}, {}, {} }
  for _, one in ipairs(list) do
    local rank = rank_of(one, group, app)
    if rank then
      layers[rank][one.path] = one.sealed and setmetatable(one, Secret) or json.read(one.value)
    end
  end
  return layers
end

-- ---- what is missing -----------------------------------------------------------------------------

--- The names of the layers, the most specific first, in words.
function params.places(group, app)
  local places = {}
  if group and app then places[1] = ("%s in group %s"):format(app, group) end
  if group then places[#places + 1] = "group " .. group end
  if app then places[#places + 1] = "application " .. app end
  places[#places + 1] = "everywhere"
  return table.concat(places, ", ")
end

--- Raise lion/no-param, which says where was looked, and what sets it.
-- @tparam string path
-- @tparam string looked where
-- @tparam string advice
function params.fail_missing(path, looked, advice)
  local message = ("there is no parameter %s: looked for in %s. %s"):format(path, looked, advice)
  error(anomaly.new("fault", "lion/no-param", message, { path = path }), 0)
end

return params
