--- What is left of a question that is answered wrongly when all goes from it and from the facts that it can
-- do without and still be answered so. LION_SHRINK says how many seconds may be spent on that (60; 0: none).
--
-- A question is a table, with those of these fields that it has:
--   story, view            what is asked (model.story)
--   clauses                in an order in which the reference can take them
--   where                  the same ones in the order in which the engine is given them
--   rules                  { level =, rule = }…: those of one level may negate what those before define
--   find, by, aggregates, with, order, limit, offset, values
--   options                of lion.find
--   query(question)        the query, and its arguments behind the database
--   expected(question, reference)
--   compare(question, expected, rows): raises where they differ
local lion = require "lion"
local answers = require "model.answers"

local shrink = {}

local SECONDS = tonumber(os.getenv "LION_SHRINK") or 60
local SEEDS = 12 -- plans by chance that are tried: with a clause less, a seed's plan is another one

--- Those of the list that are among the others, in its order.
function shrink.kept(list, others)
  local is_there, kept = {}, {}
  for _, item in ipairs(others) do is_there[item] = true end
  for _, item in ipairs(list) do
    if is_there[item] then kept[#kept + 1] = item end
  end
  return kept
end

-- ---- whether it fails ------------------------------------------------------------------------------

-- What kind of fault there is, and how it is told; nil: none.
local function fault_of(question, db, expected, note)
  local query, arguments = question.query(question)
  local ok, rows = pcall(answers.of, query, { db, unpack(arguments) }, 1 + #arguments, question.options, note)
  if not ok then return tostring(rows):match ": ([%w.-]+/[%w-]+): " or "error", rows end
  if not rows then return nil end
  local is_same, difference = pcall(question.compare, question, expected, rows)
  if not is_same then return "rows", difference end
end

local function variables(term, found)
  if type(term) == "table" then
    for _, part in ipairs(term) do variables(part, found) end
  elseif type(term) == "string" and term:sub(1, 1) == "?" then
    found[term] = true
  end
  return found
end

-- Whether the reference means what the engine does: a negation stands behind what binds its variables.
local function is_sound(clauses)
  local bound, late = {}, {}
  for _, clause in ipairs(clauses) do
    local is_negation = clause[1] == "not" or clause[1] == "not-join"
    for name in pairs(variables(clause[1] == "not-join" and clause[2] or clause, {})) do
      if not is_negation and late[name] then return false end
      if is_negation then late[name] = not bound[name] else bound[name] = true end
    end
  end
  return true
end

-- ---- making it smaller -----------------------------------------------------------------------------

-- The list without what is not needed: half of it at once, then quarters, down to single ones.
local function needed(list, fails)
  local size = #list
  repeat
    size = math.ceil(size / 2)
    local from = 1
    while from <= #list do
      local less = {}
      for i, item in ipairs(list) do
        if i < from or i >= from + size then less[#less + 1] = item end
      end
      if fails(less) then list = less else from = from + size end
    end
  until size <= 1
  return list
end

local Search = {}
Search.__index = Search

local function copy_of(t)
  local copy = {}
  for key, value in pairs(t) do copy[key] = value end
  return copy
end

-- The database of a question, made anew only for other facts.
function Search:value(question)
  local world = self.world
  if not world or world.facts ~= question.facts or world.indexed ~= question.indexed then
    if world then world.story:close() end
    world = { facts = question.facts, indexed = question.indexed }
    world.story = question.story:again(question.facts, question.indexed)
    self.world = world
  end
  local view = copy_of(question.view)
  view.as_if = question.as_if
  return world.story:value(view)
end

-- Keep a question that fails in the same way.
function Search:try(question)
  if os.clock() > self.until_clock or not is_sound(question.clauses) then return false end
  self.tries = self.tries + 1
  local db, reference = self:value(question)
  local ok, expected = pcall(question.expected, question, reference)
  if not ok then return false end
  local own_seed = question.options.plan_seed
  for seed = 0, own_seed == 0 and 0 or SEEDS do
    question.options = copy_of(question.options)
    question.options.plan_seed = seed == 0 and own_seed or seed
    local kind, told = fault_of(question, db, expected)
    if kind == self.kind then
      self.question, self.told = question, told
      return true
    end
  end
  return false
end

function Search:part(name)
  local list = self.question[name]
  if type(list) ~= "table" then return end
  needed(list, function(less)
    local question = copy_of(self.question)
    question[name] = less
    return self:try(question)
  end)
end

-- Facts of whole attributes, then single ones.
function Search:facts()
  local names, seen = {}, {}
  for _, fact in ipairs(self.question.facts) do
    local name = fact.op[3]
    if not seen[name] then names[#names + 1] = name end
    seen[name] = true
  end
  for _, name in ipairs(names) do
    local question = copy_of(self.question)
    question.facts = {}
    for _, fact in ipairs(self.question.facts) do
      if fact.op[3] ~= name then question.facts[#question.facts + 1] = fact end
    end
    self:try(question)
  end
  self:part "facts"
end

local OPTIONS = { "plan_seed", "plan_with", "plan_without", "table_rows_max", "memory_max", "threads" }
local PLAIN = { threads = 1, table_rows_max = 0 }

function Search:options()
  for _, name in ipairs(OPTIONS) do
    if name ~= "plan_seed" and self.question.options[name] ~= PLAIN[name] then
      local question = copy_of(self.question)
      question.options = copy_of(question.options)
      question.options[name] = PLAIN[name]
      self:try(question)
    end
  end
end

local PARTS = {
  "clauses", "rules", "find", "order", "by", "aggregates", "with", "values", "as_if", "indexed",
}
function Search:once()
  for _, name in ipairs(PARTS) do self:part(name) end
  for _, name in ipairs { "limit", "offset", "order" } do
    local question = copy_of(self.question)
    question[name] = name == "offset" and 0 or nil
    if self.question[name] ~= question[name] then self:try(question) end
  end
  self:options()
  self:facts()
end

-- ---- telling it ------------------------------------------------------------------------------------

local function told_ops(lines, title, ops)
  if #ops == 0 then return end
  lines[#lines + 1] = title
  for _, op in ipairs(ops) do
    lines[#lines + 1] = ("    %s %s"):format(op[1], lion.edn.write { op[2], op[3], op[4] })
  end
end

local function text_of(question)
  local lines, steps, options = {}, {}, {}
  for _, name in ipairs(OPTIONS) do
    local value = question.options[name]
    if value then options[#options + 1] = name .. " " .. (type(value) == "table" and value[1] or value) end
  end
  local query, arguments = question.query(question)
  lines[1] = ("  %s with %s"):format(lion.edn.write(query), table.concat(options, ", "))
  if #arguments > 0 then lines[#lines + 1] = "  given " .. lion.edn.write(arguments) end
  for name, value in pairs(question.view) do
    if name ~= "as_if" then lines[#lines + 1] = ("  seen with %s %s"):format(name, tostring(value)) end
  end
  for step = 1, #question.story.steps do steps[step] = {} end
  for _, fact in ipairs(question.facts) do table.insert(steps[fact.step], fact.op) end
  lines[#lines + 1] = ("  of %d facts, indexed after transactions %s"):format(#question.facts,
    #question.indexed > 0 and table.concat(question.indexed, ", ") or "never")
  for step, ops in ipairs(steps) do
    told_ops(lines, ("  transaction %d of %d:"):format(step, #steps), ops)
  end
  told_ops(lines, "  as if:", question.as_if or {})
  return table.concat(lines, "\n")
end

-- ---- for specs -------------------------------------------------------------------------------------

--- The smallest question found that fails as this one does.
-- @return its text; nil if it does not fail when all is done again
function shrink.smallest(question, kind)
  local search = setmetatable({ kind = kind, tries = 0, until_clock = os.clock() + SECONDS }, Search)
  local first, before = copy_of(question), nil
  first.facts, first.indexed = question.story:facts(), question.story.indexed
  first.as_if = question.view.as_if
  local fails = search:try(first)
  while fails and before ~= search.question do
    before = search.question
    search:once()
  end
  if search.world then search.world.story:close() end
  if not fails then return nil end
  return ("%s\n  %s"):format(text_of(search.question), tostring(search.told)), search.question
end

--- Ask the question of its database, by its options; raises where it is answered wrongly, with the smallest
-- question that is.
function shrink.check(question, db, expected, note)
  local kind, told = fault_of(question, db, expected, note)
  if not kind then return end
  local smallest = SECONDS > 0 and shrink.smallest(question, kind)
  if smallest then told = ("%s\nSmallest:\n%s"):format(tostring(told), smallest) end
  error(told, 0)
end

return shrink
