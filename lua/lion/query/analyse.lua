--- From the parts of a query to its IR (the layout is core/query/ir.h): names become numbers, each
-- scope's private variables
-- are numbered apart, rules are attached for the sources they are called on, arities and safety
-- that need no schema are checked.
-- @module lion.query.analyse
local anomaly = require "lion.anomaly"
local faults = require "lion.query.faults"
local name_sets = require "lion.query.names"
local nearest = require "lion.nearest"
local nodes = require "lion.query.nodes"
local parse = require "lion.query.parse"
local values = require "lion.values"

local analyse = {}

local DEPTH_MAX = 200

local fail, is_var, is_source, is_blank, is_symbol =
  parse.fail, parse.is_var, parse.is_source, parse.is_blank, parse.is_symbol
local text_of, fail_with, fail_clause, fail_unbound =
  faults.text_of, faults.fail_with, faults.fail_clause, faults.fail_unbound
local add, binding_names, head_of, join_vars =
  name_sets.add, name_sets.binding_names, name_sets.head_of, name_sets.join_vars
local clause_names, names_of_all, binder_names_of_all =
  name_sets.clause_names, name_sets.names_of_all, name_sets.binder_names_of_all

local AGGREGATES = {
  avg = true,
  count = true,
  ["count-distinct"] = true,
  distinct = true,
  max = true,
  median = true,
  min = true,
  rand = true,
  sample = true,
  stddev = true,
  sum = true,
  variance = true,
}

--- Aggregates of the user's, by name (lion.aggregate adds them).
analyse.user_aggregates = {}

-- ---- scopes ------------------------------------------------------------------------------------

-- A frame numbers variables (of the query, or of one rule); an environment maps the names of a
-- scope to numbers.
local function new_frame() return { names = {} } end

local function new_var(frame, name)
  frame.names[#frame.names + 1] = name
  return #frame.names - 1
end

local function number_of(env, name)
  local number = env.numbers[name]
  if not number then
    number = new_var(env.frame, name)
    env.numbers[name] = number
  end
  return number
end

-- An environment that shares only these names with the outer one.
local function private_env(env, shared)
  local inner = { frame = env.frame, numbers = {} }
  for _, name in ipairs(shared) do
    inner.numbers[name] = number_of(env, name)
  end
  return inner
end

-- ---- terms -------------------------------------------------------------------------------------

local function source_of(self, name, clause)
  if name == "$" and self.alias then return self.alias end
  local source = self.sources[name]
  if not source then
    if name == "$" then fail_clause(self, clause, "no source $ is among the inputs") end
    fail_clause(self, clause, "the source %s is not among the inputs (:in)", name)
  end
  self.used_sources[source] = true
  return source
end

local function term(self, env, node, clause)
  if is_var(node) then return { "var", number_of(env, node.value) } end
  if is_blank(node) then return { "blank" } end
  if is_source(node) then return { "source", source_of(self, node.value, clause) } end
  return { "const", nodes.constant(node) }
end

local function terms(self, env, list, first, clause)
  local result = {}
  for i = first, #list do
    result[#result + 1] = term(self, env, list[i], clause)
  end
  return result
end

local function binding_ir(env, binding)
  local kind = binding.kind
  if kind == "scalar" then return { "scalar", number_of(env, binding.name) } end
  if kind == "blank" then return { "blank" } end
  local parts = {}
  for i, part in ipairs(binding.parts) do
    parts[i] = binding_ir(env, part)
  end
  return { kind, kind == "collection" and parts[1] or parts }
end

-- ---- clauses -----------------------------------------------------------------------------------

local clauses_ir

local function pattern_ir(self, env, clause)
  local first, source = 1, "$"
  if is_source(clause[1]) then
    first, source = 2, clause[1].value
  end
  local count = #clause - first + 1
  if count < 1 then fail_clause(self, clause, "a pattern has terms") end
  if clause[first].kind == "vector" then
    fail_with(
      self,
      "db.error/not-a-binding-form",
      clause,
      "a lookup ref cannot stand here: give it as an input (:in)"
    )
  end
  for i = first, #clause do
    if clause[i].kind == "list" then
      fail_clause(self, clause, "a call stands in a vector of its own, [(f ?x) ?y]")
    end
    if is_symbol(clause[i]) and not is_var(clause[i]) and not is_blank(clause[i]) then
      fail_clause(self, clause, "%s is no term of a pattern", nodes.text(clause[i]))
    end
  end
  return {
    "pattern",
    source_of(self, source, clause),
    terms(self, env, clause, first, clause),
    text_of(self, clause),
  }
end

-- Methods of Java's that queries in the wild call.
local METHODS = {
  [".startsWith"] = "starts-with?",
  [".endsWith"] = "ends-with?",
  [".contains"] = "includes?",
  [".length"] = "count",
  [".toUpperCase"] = "upper-case",
  [".toLowerCase"] = "lower-case",
  [".trim"] = "trim",
  [".equals"] = "=",
  [".before"] = "<",
  [".after"] = ">",
}

local function bare_name(name)
  return name:match("^clojure%.core/(.+)$")
    or name:match("^clojure%.string/(.+)$")
    or METHODS[name]
    or name
end

local function check_bound(self, clause, call, first, outside)
  for i = first, #call do
    if is_var(call[i]) and not outside[call[i].value] then
      fail_unbound(self, clause, call[i].value)
    end
  end
end

-- The rules that a nested query gets: those of the query around it (%), or rules written in place.
local function nested_rules(self, clause, node)
  if not node then
    fail_clause(self, clause, "the nested query takes rules (%%), and none are given")
  end
  if is_symbol(node) and node.value == "%" then
    if not self.rules_given then
      fail_clause(self, clause, "the query around has no rules to pass on")
    end
    return self.rules_given
  end
  if node.kind == "string" then return node.value end
  return node
end

-- [(q query arg…) binding]
local function nested_query_ir(self, env, clause, call, outside)
  if not call[2] or not clause[2] then
    fail_clause(self, clause, "q takes a query, its inputs, and a binding")
  end
  check_bound(self, clause, call, 3, outside)
  local inner = call[2].kind == "string" and call[2].value or call[2]
  local at, rules = analyse.rules_input(inner), nil
  if at then rules = nested_rules(self, clause, call[2 + at]) end
  local compiled = analyse.query(inner, rules, self.depth + 1, self.text)
  local arguments = {}
  for i = 3, #call do
    if at == i - 2 then
      arguments[#arguments + 1] = { "const", values.null }
    else
      arguments[#arguments + 1] = term(self, env, call[i], clause)
    end
  end
  if #arguments == 0 and compiled.is_source_unused then arguments = { { "const", {} } } end
  if #arguments ~= #compiled.ir.inputs then
    fail_clause(
      self,
      clause,
      "the nested query takes %d inputs, and %d are given",
      #compiled.ir.inputs,
      #arguments
    )
  end
  return {
    "query",
    compiled.ir,
    arguments,
    binding_ir(env, parse.binding(clause[2])),
    text_of(self, clause),
  }
end

local function expression_ir(self, env, clause, outside)
  local call = clause[1]
  if not is_symbol(call[1]) then
    fail_clause(self, clause, "a call begins with the name of a function")
  end
  if #clause > 2 then fail_clause(self, clause, "an expression has one binding") end
  local name = bare_name(call[1].value)
  if name == "q" then return nested_query_ir(self, env, clause, call, outside) end
  if name == "fulltext" then
    anomaly.unsupported("fulltext is not built: search with starts-with?, includes? or re-find")
  end
  for i = 2, #call do
    if call[i].kind == "list" then
      fail_clause(
        self,
        clause,
        "calls do not nest: bind %s to a variable first",
        nodes.text(call[i])
      )
    end
    if is_blank(call[i]) then fail_clause(self, clause, "_ has no value to call with") end
  end
  if name == "get-else" and call[5] and call[5].kind == "nil" then
    fail_clause(self, clause, "get-else takes a default that is not nil")
  end
  check_bound(self, clause, call, 2, outside)
  local arguments = terms(self, env, call, 2, clause)
  if clause[2] then
    return {
      "function",
      name,
      arguments,
      binding_ir(env, parse.binding(clause[2])),
      text_of(self, clause),
    }
  end
  if #arguments == 0 then fail_clause(self, clause, "a predicate has arguments") end
  return { "predicate", name, arguments, text_of(self, clause) }
end

local function numbers(env, names)
  local result = {}
  for i, name in ipairs(names) do
    result[i] = number_of(env, name)
  end
  return result
end

local function body_of(self, clause, first)
  if #clause < first then fail_clause(self, clause, "it has no clauses inside") end
  local list = {}
  for i = first, #clause do
    list[#list + 1] = clause[i]
  end
  return list
end

local function not_ir(self, env, clause, at, outside)
  local body = body_of(self, clause, at + 1)
  local inside = {}
  names_of_all(self, body, 1, inside)
  for _, name in ipairs(inside) do
    if not outside[name] then
      fail_unbound(self, clause, name, " outside (not-join takes variables of its own)")
    end
  end
  return { "not", clauses_ir(self, env, body, outside), numbers(env, inside),
    text_of(self, clause) }
end

local function not_join_ir(self, env, clause, at, visible)
  local names = join_vars(self, clause, clause[at + 1])
  for _, name in ipairs(names) do
    if not visible[name] then fail_unbound(self, clause, name, " outside") end
  end
  local body = body_of(self, clause, at + 2)
  local inner = private_env(env, names)
  local outside = {}
  for _, name in ipairs(names) do
    add(outside, name)
  end
  return {
    "not",
    clauses_ir(self, inner, body, outside),
    numbers(env, names),
    text_of(self, clause),
  }
end

local function branch_of(node)
  if head_of(node) == "and" then
    local list = {}
    for i = 2, #node do
      list[#list + 1] = node[i]
    end
    return list
  end
  return { node }
end

local function same_names(a, b)
  if #a ~= #b then return false end
  for _, name in ipairs(a) do
    if not b[name] then return false end
  end
  return true
end

local function or_ir(self, env, clause, at, outside)
  local body = body_of(self, clause, at + 1)
  local shared, branches = nil, {}
  for i, node in ipairs(body) do
    local names = {}
    clause_names(self, node, names)
    if shared and not same_names(shared, names) then
      fail_clause(
        self,
        clause,
        "all branches of or use the same variables (or-join names those to share)"
      )
    end
    shared = shared or names
    branches[i] = clauses_ir(self, env, branch_of(node), outside)
  end
  return { "or", branches, numbers(env, shared), {}, text_of(self, clause) }
end

local function or_join_ir(self, env, clause, at)
  local names, required = join_vars(self, clause, clause[at + 1])
  local branches, outside = {}, {}
  for _, name in ipairs(names) do
    add(outside, name)
  end
  for i, node in ipairs(body_of(self, clause, at + 2)) do
    branches[i] = clauses_ir(self, private_env(env, names), branch_of(node), outside)
  end
  return { "or", branches, numbers(env, names), numbers(env, required), text_of(self, clause) }
end

-- ---- rules -------------------------------------------------------------------------------------

-- The number of a rule for one source; made on first use, so recursion finds itself.
local function rule_number(self, name, source, clause)
  local rule = self.rules and self.rules[name]
  if not rule then
    if not self.rules then
      fail_clause(self, clause, "there is no rule %s: the query has no rules (%% in :in)", name)
    end
    local near = nearest(name, self.rules)
    fail_clause(
      self,
      clause,
      "there is no rule %s%s",
      name,
      near and " (did you mean " .. near .. "?)" or ""
    )
  end
  local key = name .. " " .. tostring(source)
  local number = self.rule_numbers[key]
  if not number then
    number = #self.rule_irs
    self.rule_numbers[key] = number
    local ir = {
      name = name,
      source = source or 0,
      required = rule.required,
      head = {},
      vars = {},
      branches = {},
    }
    self.rule_irs[number + 1] = ir
    self.pending[#self.pending + 1] = { ir = ir, rule = rule, source = source }
  end
  return number, rule
end

local function rule_call_ir(self, env, clause, head, at)
  local source = at == 2 and source_of(self, clause[1].value, clause)
    or self.alias
    or self.sources["$"]
  if source then self.used_sources[source] = true end
  local number, rule = rule_number(self, head, source, clause)
  for i = at + 1, #clause do
    if clause[i].kind == "vector" and is_var(clause[i][1]) then
      fail_clause(self, clause, "a call names its variables one by one: a vector of those that must be bound "
        .. "is for the head of a rule")
    end
  end
  local arguments = terms(self, env, clause, at + 1, clause)
  if #arguments ~= rule.arity then
    fail_clause(
      self,
      clause,
      "the rule %s takes %d arguments, and %d are given",
      head,
      rule.arity,
      #arguments
    )
  end
  return { "rule", number, arguments, text_of(self, clause) }
end

local function fill_rule(self, work)
  local ir, rule = work.ir, work.rule
  local frame = new_frame()
  for i = 1, rule.arity do
    ir.head[i] = new_var(frame, rule.branches[1].vars[i])
  end
  local alias = self.alias
  self.alias = work.source
  local text = self.text
  self.text = self.rules_text
  for i, branch in ipairs(rule.branches) do
    local env, outside = { frame = frame, numbers = {} }, {}
    for k, name in ipairs(branch.vars) do
      env.numbers[name] = k - 1
      add(outside, name)
    end
    ir.branches[i] = clauses_ir(self, env, branch.clauses, outside)
  end
  self.alias, self.text = alias, text
  ir.vars = frame.names
end

-- ---- all clauses -------------------------------------------------------------------------------

local function clause_ir(self, env, clause, outside)
  if clause.kind == "vector" then
    if #clause == 0 then fail_clause(self, clause, "an empty clause") end
    if clause[1].kind == "list" then return expression_ir(self, env, clause, outside) end
    -- a vector headed by a plain symbol is a call of a rule
    if is_symbol(clause[1]) and not clause[1].value:match("^[?$_]") then
      return rule_call_ir(self, env, clause, clause[1].value, 1)
    end
    return pattern_ir(self, env, clause)
  end
  local head, at = head_of(clause)
  if not head then fail_clause(self, clause, "this is no clause") end
  if at == 2 and (head == "not" or head == "not-join" or head == "or" or head == "or-join") then
    local alias = self.alias
    self.alias = source_of(self, clause[1].value, clause)
    local inner = { kind = "list", whole = clause }
    for i = 2, #clause do
      inner[i - 1] = clause[i]
    end
    local ir = clause_ir(self, env, inner, outside)
    self.alias = alias
    return ir
  end
  if head == "not" then return not_ir(self, env, clause, at, outside) end
  if head == "not-join" then return not_join_ir(self, env, clause, at, outside) end
  if head == "or" then return or_ir(self, env, clause, at, outside) end
  if head == "or-join" then return or_join_ir(self, env, clause, at) end
  if head == "and" then fail_clause(self, clause, "and stands only inside or and or-join") end
  return rule_call_ir(self, env, clause, head, at)
end

function clauses_ir(self, env, list, outside)
  self.nesting = self.nesting + 1
  if self.nesting > DEPTH_MAX then
    anomaly.incorrect("lion/syntax", "clauses nested deeper than %d", DEPTH_MAX)
  end
  local visible = binder_names_of_all(self, list, 1, {})
  for _, name in ipairs(outside) do
    add(visible, name)
  end
  local result = {}
  for i, clause in ipairs(list) do
    result[i] = clause_ir(self, env, clause, visible)
  end
  self.nesting = self.nesting - 1
  return result
end

-- ---- find --------------------------------------------------------------------------------------

local function known_var(env, name, where)
  local number = env.numbers[name]
  if not number then
    anomaly.incorrect(
      "lion/syntax",
      "%s is not bound: %s names it, and neither :where nor :in does",
      name,
      where
    )
  end
  return number
end

local function element_ir(self, env, element, pattern_inputs)
  local var = known_var(env, element.name, ":find")
  if element.kind == "var" then return { "var", var } end
  if element.kind == "aggregate" then
    local name = bare_name(element.aggregate)
    if
      not AGGREGATES[name]
      and not name:find("/", 1, true)
      and not analyse.user_aggregates[name]
    then
      local near = nearest(name, AGGREGATES)
      anomaly.incorrect(
        "lion/syntax",
        "there is no aggregate %s%s",
        name,
        near and " (did you mean " .. near .. "?)" or ""
      )
    end
    for i = 2, #element.arguments do
      local node = element.arguments[i]
      if is_var(node) then known_var(env, node.value, "an aggregate of :find") end
    end
    return { "aggregate", name, terms(self, env, element.arguments, 2, element.node) }
  end
  local pattern = element.pattern
  if is_symbol(pattern) and pattern.value ~= "*" then
    local input = pattern_inputs[pattern.value]
    if not input then
      anomaly.incorrect(
        "lion/syntax",
        "the pattern %s is not among the inputs (:in)",
        pattern.value
      )
    end
    return { "pull", source_of(self, element.source, element.node), var, { "input", input } }
  end
  local form =
    require("lion.pull").normalise(pattern.kind == "pattern" and pattern.value or pattern)
  return { "pull", source_of(self, element.source, element.node), var, form }
end

local function keys_of(parts, kind, count)
  local list = parts.keys or parts.strs or parts.syms
  if not list then return nil end
  if parts.keys and (parts.strs or parts.syms) or parts.strs and parts.syms then
    anomaly.incorrect("lion/syntax", "a query has one of :keys, :strs and :syms")
  end
  if kind ~= "relation" and kind ~= "tuple" then
    anomaly.incorrect("lion/syntax", ":keys goes with a relation or a tuple find")
  end
  if #list ~= count then
    anomaly.incorrect("lion/syntax", ":keys names %d of %d find elements", #list, count)
  end
  local keys = {}
  for i, node in ipairs(list) do
    if node.kind ~= "symbol" and node.kind ~= "keyword" then fail(node, ":keys takes names") end
    keys[i] = node.value
  end
  return keys
end

-- ---- the query ---------------------------------------------------------------------------------

local function inputs_ir(self, env, inputs)
  local result, pattern_inputs = {}, {}
  for i, input in ipairs(inputs) do
    if input.kind == "source" then
      self.source_count = self.source_count + 1
      self.sources[input.name] = self.source_count - 1
      result[i] = { "source", self.source_count - 1 }
    elseif input.kind == "rules" then
      result[i] = { "rules" }
    elseif input.kind == "pattern" then
      pattern_inputs[input.name] = i - 1
      result[i] = { "pattern" }
    else
      result[i] = binding_ir(env, input.binding)
    end
  end
  return result, pattern_inputs
end

--- Compile a query (text, table or node) with the rules that go with it.
-- @treturn table ir; text; is_source_unused (no :in, and nothing reads $); takes_rules, the number
-- of the % input
function analyse.query(query, rules, depth, outer_text)
  if (depth or 0) > 20 then anomaly.incorrect("lion/syntax", "queries nested deeper than 20") end
  local parts, own_rules, text = parse.sections(query)
  text = text or outer_text
  local inputs = parse.inputs(parts["in"] or { nodes.symbol "$" })
  local rules_input
  for i, input in ipairs(inputs) do
    if input.kind == "rules" then rules_input = i end
  end
  rules = rules or own_rules
  local self = {
    text = text,
    rules_text = type(rules) == "string" and rules or nil,
    sources = {},
    source_count = 0,
    used_sources = {},
    rules_given = rules,
    rules = rules and parse.rules(rules),
    rule_numbers = {},
    rule_irs = {},
    pending = {},
    nesting = 0,
    depth = depth or 0,
  }
  local env, outside = { frame = new_frame(), numbers = {} }, {}
  local inputs_result, pattern_inputs = inputs_ir(self, env, inputs)
  for _, input in ipairs(inputs) do
    if input.binding then binding_names(input.binding, outside) end
  end
  if parts.where and #parts.where == 0 then fail(nil, ":where has no clauses") end
  local where = clauses_ir(self, env, parts.where or {}, outside)
  local next_rule = 1
  while self.pending[next_rule] do
    fill_rule(self, self.pending[next_rule])
    next_rule = next_rule + 1
  end
  local kind, elements = parse.find(parts.find)
  local element_irs, with, order = {}, {}, {}
  for i, element in ipairs(elements) do
    element_irs[i] = element_ir(self, env, element, pattern_inputs)
  end
  for i, node in ipairs(parts.with or {}) do
    if not is_var(node) then fail(node, ":with takes variables") end
    with[i] = known_var(env, node.value, ":with")
  end
  for i, by in ipairs(parse.order(parts["order-by"])) do
    order[i] = { known_var(env, by[1], ":order-by"), by[2] }
  end
  local ir = {
    vars = env.frame.names,
    sources = self.source_count,
    find = { kind = kind, elements = element_irs, keys = keys_of(parts, kind, #elements) },
    with = with,
    inputs = inputs_result,
    where = where,
    rules = self.rule_irs,
    order = order,
    limit = parse.count(parts.limit, "limit") or -1,
    offset = parse.count(parts.offset, "offset") or 0,
  }
  return {
    ir = ir,
    text = text,
    takes_rules = rules_input,
    inputs = inputs,
    is_source_unused = parts["in"] == nil and next(self.used_sources) == nil,
    kind = kind,
  }
end

--- The number of the input that rules come in, if the query has one, and that of its first source; before the
-- rules are known.
function analyse.rules_input(query)
  local rules, source
  for i, input in ipairs(parse.inputs(parse.sections(query)["in"] or {})) do
    if input.kind == "rules" then rules = i end
    if input.kind == "source" then source = source or i end
  end
  return rules, source
end

return analyse
