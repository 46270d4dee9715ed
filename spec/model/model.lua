--- The reference: a database as a list of datoms, asked by nested loops. Slow and sure; it shares no
-- code with the engine, and of its ideas but one: facts lie by attribute, and in it by entity and by value.
-- Datoms are { e, a, v, t, added }; attributes are bare names; a schema is name → { many =, ref = }.
local model = {}

--- What a query raises that makes more rows than anybody waits for.
model.TOO_MANY = setmetatable({}, { __tostring = function() return "too many rows for the reference" end })

local Model = {}
Model.__index = Model

--- An empty database.
function model.new(schema) return setmetatable({ schema = schema, datoms = {}, now = 0 }, Model) end

-- ---- time --------------------------------------------------------------------------------------

local function fact_key(d) return d[1] .. "\0" .. d[2] .. "\0" .. type(d[3]) .. tostring(d[3]) end

--- The datoms that a view shows: { upper = t or nil, since = t or nil, history = boolean }.
function Model:view(view)
  local seen, newest, order = {}, {}, {}
  for _, d in ipairs(self.datoms) do
    if d[4] <= (view.upper or math.huge) and d[4] > (view.since or -1) then
      seen[#seen + 1] = d
      local key = fact_key(d)
      if not newest[key] then order[#order + 1] = key end
      if not newest[key] or d[4] > newest[key][4] then newest[key] = d end
    end
  end
  if view.history then return seen end
  local facts = {}
  for _, key in ipairs(order) do
    if newest[key][5] then facts[#facts + 1] = newest[key] end
  end
  return facts
end

-- Facts of an attribute: all, by entity, by value.
local function lay_out(facts)
  local by = {}
  for _, d in ipairs(facts) do
    local of = by[d[2]] or { all = {}, e = {}, v = {} }
    by[d[2]] = of
    of.e[d[1]], of.v[d[3]] = of.e[d[1]] or {}, of.v[d[3]] or {}
    for _, list in ipairs { of.all, of.e[d[1]], of.v[d[3]] } do list[#list + 1] = d end
  end
  return by
end

-- The facts of a view, laid out; kept until there are others.
function Model:laid_out(view)
  local key = ("%s %s %s"):format(view.upper, view.since, view.history)
  self.views = self.views or {}
  self.views[key] = self.views[key] or lay_out(self:view(view))
  return self.views[key]
end

--- Another one, that goes on from what this one has.
function Model:copy()
  local copy = model.new(self.schema)
  copy.now = self.now
  for i, d in ipairs(self.datoms) do copy.datoms[i] = d end
  return copy
end

-- ---- transactions ------------------------------------------------------------------------------

--- Apply { { "add" | "retract", e, a, v }… } at t, as the engine means it: what is there is not
-- added again, what is not there
-- not retracted, a cardinality-one value goes when another comes.
function Model:transact(t, ops)
  local is_there, values = {}, {}
  for _, d in ipairs(self:view {}) do
    local place = d[1] .. "\0" .. d[2]
    is_there[fact_key(d)] = true
    values[place] = values[place] or {}
    table.insert(values[place], d[3])
  end
  local retracted, added = {}, {}
  local function note(list, e, a, v)
    local key = fact_key { e, a, v }
    if not list[key] then
      list[key] = true
      list[#list + 1] = { e, a, v }
    end
  end
  for _, op in ipairs(ops) do
    local e, a, v = op[2], op[3], op[4]
    local has = is_there[fact_key { e, a, v }]
    if op[1] == "retract" then
      if has then note(retracted, e, a, v) end
    elseif not has then
      note(added, e, a, v)
      local others = not self.schema[a].many and values[e .. "\0" .. a] or {}
      for _, other in ipairs(others) do note(retracted, e, a, other) end
    end
  end
  for _, d in ipairs(retracted) do
    table.insert(self.datoms, { d[1], d[2], d[3], t, false })
  end
  for _, d in ipairs(added) do
    table.insert(self.datoms, { d[1], d[2], d[3], t, true })
  end
  self.now, self.views = t, nil
end

-- ---- queries -----------------------------------------------------------------------------------

local function is_var(x) return type(x) == "string" and x:sub(1, 1) == "?" end

-- A row (var → value) extended so that term equals value; nil if it cannot be.
local function unify(row, term, value)
  if term == "_" then return row end
  if not is_var(term) then return term == value and row or nil end
  if row[term] ~= nil then return row[term] == value and row or nil end
  local extended = {}
  for name, bound in pairs(row) do
    extended[name] = bound
  end
  extended[term] = value
  return extended
end

local solve

-- Rows that a clause may make at most; beyond, the query is given up.
local ROWS_MAX = 100000

local function solve_pattern(facts, clause, rows)
  local result, of, value = {}, facts.by[clause[2]], clause[3] == nil and "_" or clause[3]
  if not of then return result end
  for _, row in ipairs(rows) do
    local e, v = clause[1], value
    if is_var(e) then e = row[e] end
    if is_var(v) then v = row[v] end
    local list = of.all
    if e ~= nil and e ~= "_" then list = of.e[e] or {}
    elseif v ~= nil and v ~= "_" then list = of.v[v] or {} end
    for _, d in ipairs(list) do
      local next_row = unify(row, clause[1], d[1])
      next_row = next_row and unify(next_row, value, d[3])
      if next_row then result[#result + 1] = next_row end
    end
    if #result > ROWS_MAX then error(model.TOO_MANY, 0) end
  end
  return result
end

local COMPARE = {
  ["<"] = function(a, b) return a < b end,
  [">"] = function(a, b) return a > b end,
  ["<="] = function(a, b) return a <= b end,
  [">="] = function(a, b) return a >= b end,
  ["="] = function(a, b) return a == b end,
  ["!="] = function(a, b) return a ~= b end,
  ["starts-with?"] = function(a, b) return a:sub(1, #b) == b end,
}

local function value_of(row, term)
  if is_var(term) then return row[term] end
  return term
end

local FUNCTIONS = {
  ["+"] = function(a, b) return a + b end,
  ["-"] = function(a, b) return a - b end,
}

-- What the branches say of a row's variables `vars`; their other variables are their own.
local function solve_join(facts, vars, branches, row)
  local outer, result = {}, {}
  for _, name in ipairs(vars) do
    outer[name] = row[name]
  end
  for _, branch in ipairs(branches) do
    local clauses = branch[1] == "and" and { unpack(branch, 2) } or { branch }
    for _, found in ipairs(solve(facts, clauses, { outer })) do
      local next_row = row
      for _, name in ipairs(vars) do
        next_row = next_row and unify(next_row, name, found[name])
      end
      if next_row then result[#result + 1] = next_row end
    end
  end
  return result
end

local function solve_clause(facts, clause, rows)
  local head, result = clause[1], {}
  if type(head) == "table" and clause[2] then -- a function
    for _, row in ipairs(rows) do
      local value = FUNCTIONS[head[1]](value_of(row, head[2]), value_of(row, head[3]))
      result[#result + 1] = unify(row, clause[2], value)
    end
  elseif type(head) == "table" then -- a predicate
    for _, row in ipairs(rows) do
      if COMPARE[head[1]](value_of(row, head[2]), value_of(row, head[3])) then
        result[#result + 1] = row
      end
    end
  elseif head == "not" then
    for _, row in ipairs(rows) do
      local inner = {}
      for i = 2, #clause do
        inner[#inner + 1] = clause[i]
      end
      if #solve(facts, inner, { row }) == 0 then result[#result + 1] = row end
    end
  elseif head == "or-join" or head == "not-join" then
    for _, row in ipairs(rows) do
      local branches = { unpack(clause, 3) }
      if head == "not-join" then branches = { { "and", unpack(clause, 3) } } end
      local found = solve_join(facts, clause[2], branches, row)
      if head == "not-join" then found = #found == 0 and { row } or {} end
      for _, next_row in ipairs(found) do
        result[#result + 1] = next_row
      end
    end
  elseif head == "or" then
    for i = 2, #clause do
      for _, row in ipairs(solve(facts, { clause[i] }, rows)) do
        result[#result + 1] = row
      end
    end
  elseif facts.rules and facts.rules[head] then -- a call of a rule: what it holds for so far
    for _, row in ipairs(rows) do
      for _, answer in ipairs(facts.rules[head]) do
        local next_row = row
        for i, value in ipairs(answer) do
          next_row = next_row and unify(next_row, clause[i + 1], value)
        end
        if next_row then result[#result + 1] = next_row end
      end
    end
  else
    return solve_pattern(facts, clause, rows)
  end
  return result
end

function solve(facts, clauses, rows)
  for _, clause in ipairs(clauses) do
    rows = solve_clause(facts, clause, rows)
  end
  return rows
end

-- What rules hold for: every branch again, until none says anything new. A rule is
-- { { name, head variables… }, clauses… }.
local function solve_rules(facts, rules)
  for _, rule in ipairs(rules) do
    facts.rules[rule[1][1]] = {}
  end
  local seen, grows = {}, true
  while grows do
    grows = false
    for _, rule in ipairs(rules) do
      local answers = facts.rules[rule[1][1]]
      local found = solve(facts, { unpack(rule, 2) }, { {} })
      for _, row in ipairs(found) do
        local answer = {}
        for i = 2, #rule[1] do
          answer[i - 1] = row[rule[1][i]]
        end
        local key = rule[1][1] .. "\0" .. table.concat(answer, "\0")
        if not seen[key] then
          seen[key], grows = true, true
          answers[#answers + 1] = answer
        end
      end
    end
  end
end

--- The distinct rows of `find` (variables) over the facts of a view. Clauses as in table queries;
-- negations and predicates stand behind what binds them. Rules may be given, of values that are numbers, in
-- lists: those of one may be negated in the next.
function Model:q(view, find, clauses, ...)
  local rows, seen = {}, {}
  local facts = { by = self:laid_out(view), rules = {} }
  for _, rules in ipairs { ... } do
    solve_rules(facts, rules)
  end
  for _, row in ipairs(solve(facts, clauses, { {} })) do
    local values, key = {}, {}
    for i, name in ipairs(find) do
      values[i] = row[name]
      key[i] = type(row[name]) .. tostring(row[name])
    end
    key = table.concat(key, "\0")
    if not seen[key] then
      seen[key] = true
      rows[#rows + 1] = values
    end
  end
  return rows
end

return model
