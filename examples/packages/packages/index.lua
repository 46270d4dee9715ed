--- Reading Debian's package index: stanzas of "Field: value" lines, to entity maps.
local index = {}

local FIELDS = {
  Version = "package/version",
  Architecture = "package/architecture",
  Section = "package/section",
  Priority = "package/priority",
  Maintainer = "package/maintainer",
  Homepage = "package/homepage",
}
local NUMBERS = { Size = "package/size", ["Installed-Size"] = "package/installed_size" }
local KINDS = { Depends = ":depends", ["Pre-Depends"] = ":pre-depends" }

--- "a (>= 1), b | c" → { { name, relation, version, group }… }
function index.parse_dependencies(text)
  local list, group = {}, 0
  for clause in text:gmatch("[^,]+") do
    group = group + 1
    for alternative in clause:gmatch("[^|]+") do
      local name, rest = alternative:match("^%s*([%w%.%+%-]+)[:%w]*%s*(.*)$")
      local relation, version = (rest or ""):match("^%(([<>=]+)%s*([^%)]+)%)")
      if name then
        list[#list + 1] = { name = name, relation = relation, version = version, group = group }
      end
    end
  end
  return list
end

local function add_dependencies(entity, kind, text)
  local depends = entity["package/depends"] or {}
  local offset = #depends * 1000 -- groups of Depends and Pre-Depends stay apart
  for _, d in ipairs(index.parse_dependencies(text)) do
    depends[#depends + 1] = {
      ["dependency/kind"] = kind,
      ["dependency/on"] = { ["package/name"] = d.name },
      ["dependency/group"] = offset + d.group,
      ["dependency/relation"] = d.relation,
      ["dependency/version"] = d.version,
    }
  end
  if #depends > 0 then entity["package/depends"] = depends end
end

--- One stanza → an entity map; nil if it names no package.
function index.entity(stanza)
  local entity = {}
  for line in stanza:gmatch("[^\n]+") do
    local field, value = line:match("^([%w%-]+):%s*(.*)$")
    -- a continuation has no field: the long description stays out
    if not field or value == "" then field = nil end
    if field == "Package" then
      entity["package/name"] = value
    elseif field == "Description" or field == "Description-en" then
      entity["package/summary"] = value
    elseif FIELDS[field] then
      entity[FIELDS[field]] = value
    elseif NUMBERS[field] then
      entity[NUMBERS[field]] = tonumber(value)
    elseif KINDS[field] then
      add_dependencies(entity, KINDS[field], value)
    end
  end
  return entity["package/name"] and entity
end

--- Entity maps of a file handle: for entity in index.read(file) do.
function index.read(file)
  return function()
    while true do
      local lines = {}
      for line in file:lines() do
        if line == "" then break end
        lines[#lines + 1] = line
      end
      if #lines == 0 then return nil end
      local entity = index.entity(table.concat(lines, "\n"))
      if entity then return entity end
    end
  end
end

return index
