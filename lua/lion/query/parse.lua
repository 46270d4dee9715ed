--- The parts of a query out of its nodes: find, with, in, where as the grammar has them, no names
-- resolved.
-- @module lion.query.parse
local anomaly = require "lion.anomaly"
local edn = require "lion.edn"
local nodes = require "lion.query.nodes"

local parse = {}

local SECTIONS = {
  find = true,
  with = true,
  ["in"] = true,
  where = true,
  keys = true,
  strs = true,
  syms = true,
  ["order-by"] = true,
  limit = true,
  offset = true,
}

local function fail(node, message, ...)
  if select("#", ...) > 0 then message = message:format(...) end
  anomaly.incorrect("lion/syntax", "%s", message .. (node and ": " .. nodes.text(node) or ""))
end
parse.fail = fail

local function is_symbol(node, first)
  return node ~= nil and node.kind == "symbol" and (first == nil or node.value:sub(1, 1) == first)
end
parse.is_symbol = is_symbol

function parse.is_var(node) return is_symbol(node, "?") end
function parse.is_source(node) return is_symbol(node, "$") end
function parse.is_blank(node) return is_symbol(node) and node.value == "_" end

-- ---- sections ----------------------------------------------------------------------------------

local function sections_of_vector(vector)
  local parts, section = {}, nil
  for _, node in ipairs(vector) do
    if
      node.kind == "keyword"
      and not (section == "order-by" and (node.value == "desc" or node.value == "asc"))
    then
      section = node.value
      if not SECTIONS[section] then
        fail(
          nil,
          ":%s is no part of a query (:find, :with, :in, :where, :keys, :order-by, :limit, :offset)",
          section
        )
      end
      if parts[section] then fail(nil, ":%s stands twice in the query", section) end
      parts[section] = {}
    elseif not section then
      fail(node, "a query begins with :find")
    else
      table.insert(parts[section], node)
    end
  end
  return parts
end

local function sections_of_map(map)
  local parts = {}
  for i = 1, #map, 2 do
    local key, value = map[i], map[i + 1]
    if key.kind ~= "keyword" or not SECTIONS[key.value] then
      fail(key, "this is no part of a query")
    end
    if key.value == "limit" or key.value == "offset" then
      parts[key.value] = { value }
    elseif value.kind ~= "vector" and value.kind ~= "list" then
      fail(value, ":%s of a query is a vector", key.value)
    else
      parts[key.value] = value
    end
  end
  return parts
end

--- Sections of a query given as text, as a table, or as a node. Returns them, the rules that a
-- table brought, and the text.
function parse.sections(query)
  if type(query) == "string" then
    local node = edn.read_ast(query)
    return parse.sections_of_node(node), nil, query
  elseif type(query) == "table" then
    if query.kind == "query" then return parse.sections(query.value) end
    if nodes.is_node(query) then return parse.sections_of_node(query) end
    local parts, rules = nodes.query(query)
    return parts, rules
  end
  anomaly.incorrect("lion/syntax", "a query is EDN text or a table, not a %s", type(query))
end

function parse.sections_of_node(node)
  if node.kind == "vector" or node.kind == "list" then return sections_of_vector(node) end
  if node.kind == "map" then return sections_of_map(node) end
  fail(node, "a query is a vector [:find … :where …] or a map {:find … :where …}")
end

-- ---- find --------------------------------------------------------------------------------------

local function element(node)
  if parse.is_var(node) then return { kind = "var", name = node.value, node = node } end
  if node.kind ~= "list" or not is_symbol(node[1]) then
    fail(node, "a find element is a variable, an aggregate or a pull")
  end
  local head = node[1].value
  if head == "pull" then
    local at = parse.is_source(node[2]) and 3 or 2
    if not parse.is_var(node[at]) or node[at + 1] == nil or node[at + 2] ~= nil then
      fail(node, "pull takes a variable and a pattern, (pull ?e [:a/b])")
    end
    return {
      kind = "pull",
      source = at == 3 and node[2].value or "$",
      name = node[at].value,
      pattern = node[at + 1],
      node = node,
    }
  end
  local last = node[#node]
  if #node < 2 or not parse.is_var(last) then
    fail(node, "an aggregate ends with its variable, (count ?x)")
  end
  return { kind = "aggregate", aggregate = head, arguments = node, name = last.value, node = node }
end

local function elements(list)
  local result = {}
  for i, node in ipairs(list) do
    result[i] = element(node)
  end
  return result
end

--- Returns the kind of the find spec and its elements.
function parse.find(list)
  if not list or #list == 0 then fail(nil, "a query finds something: [:find ?x :where …]") end
  local first, last = list[1], list[#list]
  if is_symbol(last) and last.value == "." then
    if #list ~= 2 then
      fail(nil, "one element stands before the dot of a scalar find, [:find ?x .]")
    end
    return "scalar", elements { first }
  end
  if first.kind == "vector" then
    if #list > 1 then fail(first, "a collection or tuple find stands alone") end
    if #first == 2 and is_symbol(first[2]) and first[2].value == "..." then
      return "collection", elements { first[1] }
    end
    if #first == 0 then fail(first, "a tuple find has elements") end
    return "tuple", elements(first)
  end
  return "relation", elements(list)
end

-- ---- bindings ----------------------------------------------------------------------------------

--- A binding form → { kind = scalar | blank | tuple | collection | relation, name =, parts = }.
function parse.binding(node)
  if parse.is_blank(node) then return { kind = "blank" } end
  if parse.is_var(node) then return { kind = "scalar", name = node.value } end
  if node.kind ~= "vector" or #node == 0 then
    fail(node, "this is no binding: ?x, [?x ?y], [?x ...] or [[?x ?y]]")
  end
  if #node == 2 and is_symbol(node[2]) and node[2].value == "..." then
    return { kind = "collection", parts = { parse.binding(node[1]) } }
  end
  if #node == 1 and node[1].kind == "vector" then
    local parts = {}
    for i, part in ipairs(node[1]) do
      parts[i] = parse.binding(part)
    end
    if #parts == 0 then fail(node, "a relation binding has columns") end
    return { kind = "relation", parts = parts }
  end
  local parts = {}
  for i, part in ipairs(node) do
    if is_symbol(part) and part.value == "..." then
      fail(node, "... ends a collection binding of one part, [?x ...]")
    end
    parts[i] = parse.binding(part)
  end
  return { kind = "tuple", parts = parts }
end

-- A variable that two inputs give would have to be equal in both: refused, as it is a slip.
local function check_twice(binding, node, seen)
  if binding.kind == "scalar" then
    if seen[binding.name] then fail(node, "%s is given twice by the inputs", binding.name) end
    seen[binding.name] = true
  end
  for _, part in ipairs(binding.parts or {}) do
    check_twice(part, node, seen)
  end
end

--- The inputs: { kind = source | rules | pattern | binding, name =, binding = }.
function parse.inputs(list)
  local inputs, seen = {}, {}
  for i, node in ipairs(list) do
    local input
    if parse.is_source(node) then
      input = { kind = "source", name = node.value }
    elseif is_symbol(node) and node.value == "%" then
      input = { kind = "rules", name = "%" }
    elseif is_symbol(node) and node.value ~= "_" and not parse.is_var(node) then
      input = { kind = "pattern", name = node.value }
    else
      input = { kind = "binding", binding = parse.binding(node) }
    end
    if input.name then
      if seen[input.name] then fail(node, "an input is named twice") end
      seen[input.name] = true
    end
    inputs[i] = input
    if input.binding then check_twice(input.binding, node, seen) end
  end
  return inputs
end

-- ---- order, limit ------------------------------------------------------------------------------

-- [?x :desc ?y], or the same without the vector.
function parse.order(list)
  local order = {}
  if list and #list == 1 and (list[1].kind == "vector" or list[1].kind == "list") then
    list = list[1]
  end
  for _, node in ipairs(list or {}) do
    if parse.is_var(node) then
      order[#order + 1] = { node.value, "asc" }
    elseif
      node.kind == "keyword"
      and (node.value == "asc" or node.value == "desc")
      and #order > 0
    then
      order[#order][2] = node.value
    else
      fail(node, ":order-by takes variables, each followed by :asc or :desc if need be")
    end
  end
  return order
end

function parse.count(list, name)
  if not list then return nil end
  local node = list[1]
  if
    #list ~= 1
    or node.kind ~= "number"
    or type(node.value) ~= "number"
    or node.value % 1 ~= 0
    or node.value < -1
  then
    fail(node, ":%s takes a whole number", name)
  end
  return node.value
end

-- ---- rules -------------------------------------------------------------------------------------

local function rule_head(node)
  if (node.kind ~= "list" and node.kind ~= "vector") or not is_symbol(node[1]) then
    fail(node, "a rule's head is (name ?a ?b)")
  end
  local head = { name = node[1].value, vars = {}, required = {}, node = node }
  local function add(var, is_required)
    if not parse.is_var(var) then fail(node, "the head of a rule takes variables") end
    for _, name in ipairs(head.vars) do
      if name == var.value then fail(node, "a variable stands twice in the head of a rule") end
    end
    head.vars[#head.vars + 1] = var.value
    head.required[#head.vars] = is_required and 1 or 0
  end
  for i = 2, #node do
    if i == 2 and node[i].kind == "vector" then
      for _, var in ipairs(node[i]) do
        add(var, true)
      end
    else
      add(node[i], false)
    end
  end
  if #head.vars == 0 then fail(node, "a rule has at least one variable") end
  return head
end

--- Rules of EDN text or a table → name → { name, arity, required, branches = { { vars, clauses } }
-- }, and the names in order.
function parse.rules(rules)
  local node
  if type(rules) == "string" then
    node = edn.read_ast(rules)
  elseif nodes.is_node(rules) then
    node = rules
  elseif type(rules) == "table" then
    node = nodes.rules(rules)
  else
    anomaly.incorrect("lion/syntax", "rules are EDN text or a table, not a %s", type(rules))
  end
  if node.kind ~= "vector" and node.kind ~= "list" then
    fail(node, "rules are a vector of rules [[(name ?a) clause…]…]")
  end
  local by_name = {}
  for _, rule in ipairs(node) do
    if (rule.kind ~= "vector" and rule.kind ~= "list") or #rule < 2 then
      fail(rule, "a rule is [(name ?a ?b) clause…]")
    end
    local head = rule_head(rule[1])
    local known = by_name[head.name]
    if not known then
      known = { name = head.name, arity = #head.vars, required = head.required, branches = {} }
      by_name[head.name] = known
    end
    if known.arity ~= #head.vars then
      fail(
        rule[1],
        "the rule %s is defined with %d and with %d variables",
        head.name,
        known.arity,
        #head.vars
      )
    end
    local clauses = {}
    for i = 2, #rule do
      clauses[#clauses + 1] = rule[i]
    end
    table.insert(known.branches, { vars = head.vars, clauses = clauses })
    for i, required in ipairs(head.required) do
      if required == 1 then known.required[i] = 1 end
    end
  end
  return by_name
end

return parse
