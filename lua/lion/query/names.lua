--- Which names a clause has, seen from outside: sets that are arrays, too, in the order of their coming.
-- @module lion.query.names
local faults = require "lion.query.faults"
local nodes = require "lion.query.nodes"
local parse = require "lion.query.parse"

local names = {}

local is_var, is_source, is_symbol, fail_clause =
  parse.is_var, parse.is_source, parse.is_symbol, faults.fail_clause

function names.add(set, name)
  if not set[name] then
    set[name] = true
    set[#set + 1] = name
  end
end

function names.binding_names(binding, set)
  if binding.kind == "scalar" then names.add(set, binding.name) end
  for _, part in ipairs(binding.parts or {}) do
    names.binding_names(part, set)
  end
end

function names.head_of(clause)
  if clause.kind ~= "list" then return nil end
  local at = is_source(clause[1]) and 2 or 1
  return is_symbol(clause[at]) and clause[at].value or nil, at
end

-- The variables of or-join, with those of [[req] vars] marked.
function names.join_vars(self, clause, node)
  if not node or (node.kind ~= "vector" and node.kind ~= "list") then
    fail_clause(self, clause, "a vector of variables is missing")
  end
  local found, required = {}, {}
  for i, item in ipairs(node) do
    if i == 1 and item.kind == "vector" then
      for _, var in ipairs(item) do
        if not is_var(var) then fail_clause(self, clause, "%s is no variable", nodes.text(var)) end
        names.add(found, var.value)
        required[#required + 1] = var.value
      end
    elseif is_var(item) then
      names.add(found, item.value)
    else
      fail_clause(self, clause, "%s is no variable", nodes.text(item))
    end
  end
  return found, required
end

function names.names_of_all(self, list, first, set)
  for i = first, #list do
    names.clause_names(self, list[i], set)
  end
end

function names.clause_names(self, clause, set)
  local head, at = names.head_of(clause)
  if head == "not-join" or head == "or-join" then
    for _, name in ipairs((names.join_vars(self, clause, clause[at + 1]))) do
      names.add(set, name)
    end
  elseif head == "not" or head == "or" or head == "and" then
    names.names_of_all(self, clause, at + 1, set)
  elseif clause.kind == "vector" and clause[1] and clause[1].kind == "list" then
    local call = clause[1]
    for i = 2, #call do
      if is_var(call[i]) then names.add(set, call[i].value) end
    end
    if clause[2] then names.binding_names(parse.binding(clause[2]), set) end
  elseif clause.kind == "vector" or clause.kind == "list" then
    for _, node in ipairs(clause) do
      if is_var(node) then names.add(set, node.value) end
    end
  end
end

function names.binder_names_of_all(self, list, first, set)
  for i = first, #list do
    names.binder_names(self, list[i], set)
  end
  return set
end

-- Names that a clause may bind. Generous: what a rule or a branch of or binds in truth is the
-- planner's to find out.
function names.binder_names(self, clause, set)
  local head, at = names.head_of(clause)
  if head == "not" or head == "not-join" then return end
  if head == "or" or head == "and" then
    names.binder_names_of_all(self, clause, at + 1, set)
  elseif clause.kind == "vector" and clause[1] and clause[1].kind == "list" then
    if clause[2] then names.binding_names(parse.binding(clause[2]), set) end
  else
    names.clause_names(self, clause, set)
  end
end

return names
