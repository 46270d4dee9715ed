--- Queries as the core takes them, cached by their text and the text of their rules.
-- @module lion.query
local analyse = require "lion.query.analyse"

local query = {}

local CACHE_MAX = 1024

-- Text → compiled. Two generations: what was used since the younger one began outlives the older
-- one.
local young, old, count = {}, {}, 0

local function remember(key, compiled)
  if count >= CACHE_MAX / 2 then young, old, count = {}, young, 0 end
  young[key] = compiled
  count = count + 1
  return compiled
end

local function recall(key)
  local known = young[key]
  if known == nil then
    known = old[key]
    if known ~= nil then remember(key, known) end
  end
  return known
end

--- The input that holds the rules (1-based, the sources counted), or nil.
function query.rules_input(q)
  if type(q) ~= "string" then return (analyse.rules_input(q)) end
  local key = "%" .. q
  local known = recall(key)
  if known == nil then known = remember(key, analyse.rules_input(q) or false) end
  return known or nil
end

--- Compile a query: text, or a table. `rules`: EDN text or a table, for a query with % among its
-- inputs.
-- @treturn table { ir =, inputs = parsed inputs, takes_rules = index or nil, is_source_unused =,
-- kind = find kind, text = }
function query.compile(q, rules)
  local is_cached = type(q) == "string" and (rules == nil or type(rules) == "string")
  if not is_cached then return analyse.query(q, rules) end
  local key = rules and q .. "\0" .. rules or q
  return recall(key) or remember(key, analyse.query(q, rules))
end

--- Make an aggregate's name known to the analysis.
function query.know_aggregate(name) analyse.user_aggregates[name] = true end

return query
