--- On which line of a manifest's text an entry stands, for messages that lead there. Read from the text's
-- tree: what a manifest computes has the line of what it is in.
-- @module ions.push.lines
local grammar = require "ions.fuel.grammar"

local lines = {}

local function value_of_local(tree, name)
  for _, statement in ipairs(tree) do
    if statement.tag == "Local" then
      for i, declared in ipairs(statement.names) do
        if declared.name == name then return statement.values[i] end
      end
    end
  end
end

-- The table that the text returns, written there or held by a local.
local function find_table(tree)
  local last = tree[#tree]
  local value = last and last.tag == "Return" and last.values[1]
  if value and value.tag == "Name" then value = value_of_local(tree, value.name) end
  return value and value.tag == "Table" and value or nil
end

local function is_named(item, key)
  if item.name then return item.name == key end
  return item.key and item.key.tag == "String" and item.key.text:sub(2, -2) == key
end

-- The item of a table for a key: where it begins, what it is.
local function find_item(node, key)
  local count = 0
  for _, item in ipairs(node) do
    if item.tag ~= "Item" then
      count = count + 1
      if count == key then return item.at, item end
    elseif is_named(item, key) then
      return item.at, item.value
    end
  end
end

--- A function that tells the line of an entry by the keys that lead to it, { "http", 3 }; of a part of
-- them, or 1, where no more can be known.
-- @tparam string text of the manifest
-- @treturn function
function lines.of(text)
  local tree = grammar.parse(text, "@ion.lua")
  local root = tree and find_table(tree)
  return function(path)
    local node, at = root, root and root.at or 1
    for _, key in ipairs(path) do
      if not node or node.tag ~= "Table" then break end
      local found, value = find_item(node, key)
      if not found then break end
      at, node = found, value
    end
    return grammar.line(text, at)
  end
end

return lines
