--- Queries as the core takes them, cached by their text and the text of their rules.
-- @module lion.query
local analyse = require "lion.query.analyse"
local edn = require "lion.edn"
local nodes = require "lion.query.nodes"

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

-- A number that a query's text says of its rules, or nil; remembered by the text behind a prefix. A text
-- without a % takes none, and need not be read for it.
local function number_in(q, prefix, number_of)
  if type(q) ~= "string" then return number_of(q) end
  if not q:find("%", 1, true) then return nil end
  local key = prefix .. q
  local known = recall(key)
  if known == nil then known = remember(key, number_of(q) or false) end
  return known or nil
end

local function input_of_rules(q) return (analyse.rules_input(q)) end

local function argument_of_rules(q)
  local rules, source = analyse.rules_input(q)
  return rules and source and source < rules and rules - 1 or rules
end

--- The input that holds the rules (1-based, the sources counted), or nil.
function query.rules_input(q) return number_in(q, "%", input_of_rules) end

--- The same among the arguments that come beside a database, which is put where the first source stands.
function query.rules_argument(q) return number_in(q, "%%", argument_of_rules) end

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

--- An input given as a text of EDN: its value, which keeps the type that the text tells (#inst, #uuid, 2.0).
-- @tparam string text one form
function query.read_input(text) return nodes.constant(edn.read_ast(text)) end

return query
