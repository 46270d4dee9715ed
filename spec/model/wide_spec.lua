-- luacheck: max line length 120
-- Any plan gives the answer of any other where attributes have several batches of values, of every type that has
-- columns: random queries by the planner and by plans made by chance, with operators forced and forbidden, orders and
-- limits, groups, little memory and several threads, of values of every time and of what is written only as if, against
-- the reference. LION_SEED repeats a run, LION_QUERIES says how many, LION_ENTITIES how many of them there are.
package.path = "spec/?.lua;" .. package.path

local lion = require "lion"
local answers = require "model.answers"
local groups = require "model.groups"
local history = require "model.history"
local random_numbers = require "model.random"
local shrink = require "model.shrink"
local story = require "model.story"

local pick, shuffled = random_numbers.pick, random_numbers.shuffled

local SEED = tonumber(os.getenv "LION_SEED") or os.time()
local QUERIES = tonumber(os.getenv "LION_QUERIES") or 160
local ENTITIES = tonumber(os.getenv "LION_ENTITIES") or 400
local PLANS = 3 -- by chance, for each query

local SCHEMA = {
  ["w/n"] = { type = "long" },
  ["w/rank"] = { type = "long" },
  ["w/plain"] = { type = "long", index = false },
  ["w/many"] = { type = "long", many = true },
  ["w/x"] = { type = "double" },
  ["w/name"] = { type = "string" },
  ["w/word"] = { type = "string", many = true },
  ["w/note"] = { type = "string", index = false },
  ["w/up"] = { type = "ref" },
  ["w/to"] = { type = "ref", many = true },
}
local NUMBERS = { "w/n", "w/rank", "w/plain", "w/many", "w/x" }
local TEXTS = { "w/name", "w/word", "w/note" }
local REFS = { "w/up", "w/to" }
local NAMES = { "w/n", "w/rank", "w/plain", "w/many", "w/x", "w/name", "w/word", "w/note", "w/up", "w/to" }

-- Frequent values and rare ones.
local VALUES = {
  ["w/n"] = function(random) return random(random(100)) end,
  ["w/rank"] = function(random) return random(ENTITIES) end,
  ["w/plain"] = function(random) return random(40) end,
  ["w/many"] = function(random) return random(random(60)) end,
  ["w/x"] = function(random) return random(200) / 4 end,
  ["w/name"] = function(random) return "name" .. random(random(300)) end,
  ["w/word"] = function(random) return ("ab"):sub(1, random(2)) .. random(30) end,
  ["w/note"] = function(random) return "note" .. random(20) end,
}

-- ---- data ----------------------------------------------------------------------------------------

local function value_of(random, name, ids)
  return SCHEMA[name].type == "ref" and ids[random(random(#ids))] or VALUES[name](random)
end

-- function() → attribute, value
local function any_fact(random, ids)
  return function()
    local name = pick(random, NAMES)
    return name, value_of(random, name, ids)
  end
end

-- ---- queries -------------------------------------------------------------------------------------
-- Variables ?e1 … are entities, ?n1 … numbers, ?s1 … texts; each clause hangs together with those before it.

local function new_variable(made, sort)
  local list = made[sort]
  list[#list + 1] = "?" .. sort .. #list + 1
  return list[#list]
end

local function value_term(random, made, name, ids)
  local sort = SCHEMA[name].type == "string" and "s" or "n"
  local chance = random(10)
  if chance == 1 then return "_" end
  if chance <= 3 then return value_of(random, name, ids) end
  if chance == 4 and #made[sort] > 0 then return pick(random, made[sort]) end
  return new_variable(made, sort)
end

local function value_pattern(random, made, ids)
  local name = pick(random, random(2) == 1 and NUMBERS or TEXTS)
  return { pick(random, made.e), name, value_term(random, made, name, ids) }
end

local function reference_pattern(random, made, ids)
  local e = pick(random, made.e)
  if random(8) == 1 then return { e, pick(random, REFS), ids[random(random(#ids))] } end
  local other = random(4) == 1 and pick(random, made.e) or new_variable(made, "e")
  if random(2) == 1 then e, other = other, e end
  return { e, pick(random, REFS), other }
end

-- Two entities that have a value in common.
local function value_join(random, made)
  local name = pick(random, random(2) == 1 and { "w/rank", "w/many", "w/x" } or TEXTS)
  local shared = new_variable(made, SCHEMA[name].type == "string" and "s" or "n")
  local e = pick(random, made.e)
  return { e, name, shared }, { new_variable(made, "e"), name, shared }
end

local COMPARISONS = { "<", ">", "<=", ">=", "=", "!=" }

local function comparison(random, made)
  if #made.n > 0 and (#made.s == 0 or random(2) == 1) then
    local other = random(3) == 1 and pick(random, made.n) or random(60)
    return { { pick(random, COMPARISONS), pick(random, made.n), other } }
  end
  local s = pick(random, made.s)
  if random(2) == 1 then return { { "starts-with?", s, pick(random, { "name1", "name2", "ab", "a", "ab1", "n" }) } } end
  return { { pick(random, COMPARISONS), s, pick(random, { "ab2", "name150", "name9", "note5" }) } }
end

local function condition(random, made, ids)
  local kind, e = random(7), pick(random, made.e)
  local function constant(name) return { e, name, value_of(random, name, ids) } end
  if kind <= 3 and #made.n + #made.s > 0 then return comparison(random, made) end
  if kind == 4 then return { "not", constant(pick(random, NAMES)) } end
  if kind == 5 then return { "or", constant(pick(random, NAMES)), constant(pick(random, NAMES)) } end
  if kind == 6 then
    return { "not-join", { e }, { e, pick(random, REFS), "?z" }, { "?z", "w/n", "?y" }, { { "<", "?y", random(30) } } }
  end
  local to = pick(random, made.e)
  return { "or-join", { e, to }, { e, "w/up", to }, { "and", { e, "w/to", "?m" }, { "?m", "w/up", to } } }
end

local function random_clauses(random, ids)
  local made, clauses = { e = { "?e1" }, n = {}, s = {} }, {}
  for _ = 1, random(4) do
    local kind = random(8)
    if kind <= 4 then clauses[#clauses + 1] = value_pattern(random, made, ids)
    elseif kind <= 7 then clauses[#clauses + 1] = reference_pattern(random, made, ids)
    else clauses[#clauses + 1], clauses[#clauses + 2] = value_join(random, made) end
  end
  if random(5) == 1 and #made.n > 0 then
    local sum = { pick(random, { "+", "-" }), pick(random, made.n), random(20) }
    clauses[#clauses + 1] = { sum, new_variable(made, "n") }
  end
  for _ = 1, random(3) - 1 do clauses[#clauses + 1] = condition(random, made, ids) end
  return made, clauses
end

local function some(random, list, most)
  local found, seen = {}, {}
  for _ = 1, random(most) do
    local name = pick(random, list)
    if not seen[name] then found[#found + 1] = name end
    seen[name] = true
  end
  return found
end

local AGGREGATES = { "count", "count-distinct", "min", "max", "sum", "avg", "median", "variance" }

-- What is asked: find, and order and limit, or groups.
local function asked_of(random, made)
  local all, asked = {}, {}
  for _, sort in ipairs { "e", "n", "s" } do
    for _, name in ipairs(made[sort]) do all[#all + 1] = name end
  end
  asked.find = some(random, all, 3)
  local kind = random(4)
  if kind == 1 then
    asked.order = some(random, asked.find, 2)
    asked.directions = {}
    for i = 1, #asked.order do asked.directions[i] = random(2) == 1 and ":asc" or ":desc" end
    asked.limit, asked.offset = random(3) > 1 and random(40) or nil, random(3) == 1 and random(20) or 0
  elseif kind == 2 then
    local taken = {}
    asked.by = random(3) == 1 and {} or some(random, asked.find, 2)
    for _, name in ipairs(asked.by) do taken[name] = true end
    asked.aggregates, asked.with = {}, {}
    for i = 1, random(2) do
      local needs_number = #made.n > 0 and random(2) == 1
      local name = needs_number and pick(random, AGGREGATES) or AGGREGATES[random(4)]
      asked.aggregates[i] = { name, pick(random, needs_number and made.n or all) }
    end
    for _, name in ipairs(all) do
      if not taken[name] and random(2) == 1 then asked.with[#asked.with + 1] = name end
    end
  end
  return asked
end

-- ---- comparing -----------------------------------------------------------------------------------

-- Sums of doubles hang on their order.
local function text_of(value)
  if type(value) ~= "number" then return value end
  return (value % 1 == 0 and "%.0f" or "%.10g"):format(value)
end

local function texts_of(rows)
  local texts = {}
  for i, row in ipairs(rows) do
    local parts = {}
    for k, value in ipairs(row) do parts[k] = text_of(value) end
    texts[i] = table.concat(parts, " ")
  end
  return texts
end

local function sorted(rows)
  local texts = texts_of(rows)
  table.sort(texts)
  return texts
end

-- The values by which rows are ordered, row after row.
local function order_of(asked, rows)
  local at, keys = {}, {}
  for i, name in ipairs(asked.find) do at[name] = i end
  for i, row in ipairs(rows) do
    keys[i] = {}
    for k, name in ipairs(asked.order) do keys[i][k] = row[at[name]] end
  end
  return keys
end

local function is_before(asked, a, b)
  for k, direction in ipairs(asked.directions) do
    if a[k] ~= b[k] then return (a[k] < b[k]) == (direction == ":asc") end
  end
  return false
end

-- Which of the rows with equal keys stand at the limit is not said: keys are compared, and that there are such rows.
local function check_ordered(asked, expected, rows)
  local keys, wanted, is_expected = order_of(asked, expected), {}, {}
  table.sort(keys, function(a, b) return is_before(asked, a, b) end)
  for i = asked.offset + 1, math.min(#keys, asked.offset + (asked.limit or #keys)) do wanted[#wanted + 1] = keys[i] end
  assert.same(texts_of(wanted), texts_of(order_of(asked, rows)))
  for _, text in ipairs(texts_of(expected)) do is_expected[text] = true end
  for _, text in ipairs(texts_of(rows)) do
    assert.is_true(is_expected[text], text)
    is_expected[text] = nil
  end
end

-- A question (model.shrink): what asked_of says, and these.
local Question = {}

function Question:expected(reference)
  if not self.by then return reference:q(self.view, self.find, self.clauses) end
  local vars = groups.vars(self.by, self.aggregates, self.with)
  return groups.of(reference:q(self.view, vars, self.clauses), self.by, self.aggregates, self.with)
end

function Question:query()
  local query = { where = shrink.kept(self.where, self.clauses) }
  if self.by then
    query.find = { unpack(self.by) }
    for _, aggregate in ipairs(self.aggregates) do query.find[#query.find + 1] = aggregate end
    query.with = #self.with > 0 and self.with or nil
    return query, {}
  end
  query.find = self.find
  if self.order then
    query.order_by = {}
    for i, name in ipairs(self.order) do
      query.order_by[2 * i - 1], query.order_by[2 * i] = name, self.directions[i]
    end
    query.limit, query.offset = self.limit, self.offset > 0 and self.offset or nil
  end
  return query, {}
end

function Question:compare(expected, rows)
  if self.order then return check_ordered(self, expected, rows) end
  assert.same(sorted(expected), sorted(rows))
end

local function check(random, told, one, ids)
  local made, clauses = random_clauses(random, ids)
  local question = asked_of(random, made)
  for name, method in pairs(Question) do question[name] = method end
  question.story, question.view, question.clauses = told, one.view, clauses
  local expected = answers.expected(question.expected, question, one.reference)
  if not expected then return end
  for plan = 0, PLANS + 1 do
    question.where = shuffled(random, clauses)
    local options, how = answers.options(random, plan, PLANS)
    question.options = options
    shrink.check(question, one.db, expected, ("%s of %s"):format(how, lion.edn.write((question:query()))))
  end
end

local function values_of(random, told, ids)
  local past = told.conn:db().basis_t - random(5)
  local values = {
    { view = {} }, { view = {} }, { view = { upper = past } }, { view = { since = past - 2 } },
    { view = { history = true } }, { view = { is_filtered = true } },
    { view = { as_if = history.ops(random, ids, 40, any_fact(random, ids)) } },
  }
  for _, one in ipairs(values) do one.db, one.reference = told:value(one.view) end
  return values
end

describe("Any plan of many rows gives the same answer (seed " .. SEED .. ")", function()
  for world = 1, 4 do
    it("in history " .. world, function()
      local random = random_numbers.new(SEED + 15485863 * world)
      local told = story.new(SCHEMA, ENTITIES, world % 2 == 0 and { segment_size = 2048, node_entries = 8 } or {})
      local ids = told.ids
      told:live(random, 5, math.floor(ENTITIES * 1.5), any_fact(random, ids))
      if world ~= 3 then told:request_index() end
      local size = world == 4 and math.floor(ENTITIES / 2) or 30
      if world ~= 2 then told:live(random, 5, size, any_fact(random, ids)) end
      local values = values_of(random, told, ids)
      for i = 1, QUERIES / 4 do check(random, told, values[i % #values + 1], ids) end
      told:close()
    end)
  end

  it("and hardly one makes too many rows", function() assert.is_true(answers.are_there()) end)
end)
