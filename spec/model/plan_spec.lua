-- Any plan gives the answer of any other: random queries over random data, by the planner and by plans
-- made by chance, against the reference. LION_SEED repeats a run, LION_QUERIES says how many.
package.path = "spec/?.lua;" .. package.path

local lion = require "lion"
local answers = require "model.answers"
local history = require "model.history"
local random_numbers = require "model.random"
local shrink = require "model.shrink"
local story = require "model.story"

local pick, shuffled, sorted = random_numbers.pick, random_numbers.shuffled, answers.sorted

local SEED = tonumber(os.getenv "LION_SEED") or os.time()
local QUERIES = tonumber(os.getenv "LION_QUERIES") or 700
local PLANS = 3 -- by chance, for each query

local SCHEMA = {
  ["m/one"] = { type = "long" },
  ["m/two"] = { type = "long" },
  ["m/plain"] = { type = "long", index = false },
  ["m/many"] = { type = "long", many = true },
  ["m/to"] = { type = "ref", many = true },
  ["m/boss"] = { type = "ref" },
}
local NUMBERS = { "m/one", "m/two", "m/plain", "m/many" }
local REFS = { "m/to", "m/boss" }
local ENTITIES = 9

-- ---- data ----------------------------------------------------------------------------------------

-- function() → attribute, value
local function any_fact(random, ids)
  return function()
    local name = random(2) == 1 and pick(random, REFS) or pick(random, NUMBERS)
    return name, SCHEMA[name].type == "ref" and pick(random, ids) or random(5)
  end
end

-- ---- queries -------------------------------------------------------------------------------------
-- Variables ?e1 … are entities, ?n1 … numbers. Clauses are made in an order in which the reference can
-- take them.

local function entity(random, made)
  if #made.entities > 0 and random(5) > 1 then return pick(random, made.entities) end
  if #made.entities == 4 then return made.entities[1] end
  local name = "?e" .. #made.entities + 1
  made.entities[#made.entities + 1] = name
  return name
end

local function number(random, made)
  if #made.numbers > 0 and random(3) == 1 then return pick(random, made.numbers) end
  if random(4) == 1 then return random(5) end
  local name = "?n" .. #made.numbers + 1
  made.numbers[#made.numbers + 1] = name
  return name
end

local function pattern(random, made)
  if random(2) == 1 then return { entity(random, made), pick(random, NUMBERS), number(random, made) } end
  local e = entity(random, made)
  return { e, pick(random, REFS), random(8) == 1 and "_" or entity(random, made) }
end

local COMPARISONS = { "<", ">", "<=", ">=", "=", "!=" }

-- ---- rules: without recursion, of several branches, on top of each other, recursive, mutually recursive

local LINKS = { -- from one entity to another
  function(random) return { "?a", pick(random, REFS), "?b" } end,
  function(random) return { "?b", pick(random, REFS), "?a" } end,
  function(random) return { "?a", pick(random, REFS), "?m" }, { "?m", pick(random, REFS), "?b" } end,
  function(random)
    return { "?a", pick(random, REFS), "?b" }, { "?a", pick(random, NUMBERS), "?m" },
      { { pick(random, COMPARISONS), "?m", random(5) } }
  end,
  function(random)
    return { "?a", pick(random, REFS), "?b" }, { "not", { "?b", pick(random, NUMBERS), random(5) } }
  end,
  function(random) return { "?a", pick(random, NUMBERS), "?m" }, { "?b", pick(random, NUMBERS), "?m" } end,
  function(random)
    return { "or", { "?a", "m/boss", "?b" }, { "?b", "m/to", "?a" } }, { "?a", pick(random, NUMBERS), "_" }
  end,
}

local VALUES = { -- from an entity to a number
  function(random) return { "?a", pick(random, NUMBERS), "?b" } end,
  function(random) return { "?a", pick(random, REFS), "?m" }, { "?m", pick(random, NUMBERS), "?b" } end,
  function(random)
    return { "?a", pick(random, NUMBERS), "?b" }, { { pick(random, COMPARISONS), "?b", random(5) } }
  end,
}

local OVER_LINKS = { -- from an entity to a number, by the rules above
  function() return { "link", "?a", "?m" }, { "value", "?m", "?b" } end,
  function(random) return { "?a", pick(random, NUMBERS), "?b" }, { "not", { "link", "?a", "_" } } end,
  function() return { "value", "?a", "?b" }, { "link", "_", "?a" }, { "link", "?a", "?m" } end,
}

local STEPS = { -- of a recursion
  function() return { "link", "?a", "?m" }, { "reach", "?m", "?b" } end,
  function() return { "reach", "?a", "?m" }, { "link", "?m", "?b" } end,
  function() return { "reach", "?a", "?m" }, { "reach", "?m", "?b" } end,
  function(random)
    return { "?a", pick(random, REFS), "?m" }, { "reach", "?m", "?b" }, { "value", "?m", "_" }
  end,
}

local function branches(random, head, kinds, count)
  local list = {}
  for i = 1, count do list[i] = { head, pick(random, kinds)(random) } end
  return unpack(list)
end

-- Lists of rules; what one defines, the next ones may negate.
local function random_rules(random)
  local link, value, reach = { "link", "?a", "?b" }, { "value", "?a", "?b" }, { "reach", "?a", "?b" }
  local first = { branches(random, value, VALUES, random(2)) }
  for _, rule in ipairs { branches(random, link, LINKS, random(3)) } do first[#first + 1] = rule end
  local second = { branches(random, { "over", "?a", "?b" }, OVER_LINKS, random(2)) }
  second[#second + 1] = { reach, { "link", "?a", "?b" } }
  for _, rule in ipairs { branches(random, reach, STEPS, random(2)) } do second[#second + 1] = rule end
  second[#second + 1] = { { "odd", "?a", "?b" }, { "?a", "m/boss", "?b" } }
  second[#second + 1] = { { "odd", "?a", "?b" }, { "?a", "m/boss", "?m" }, { "even", "?m", "?b" } }
  second[#second + 1] = { { "even", "?a", "?b" }, { "?a", "m/boss", "?m" }, { "odd", "?m", "?b" } }
  return first, second
end

local function call(random, made)
  local name = pick(random, { "link", "link", "value", "over", "reach", "reach", "odd", "even" })
  local source, is_link = random(8) == 1 and "_" or entity(random, made), name ~= "value" and name ~= "over"
  local target = random(8) == 1 and "_" or is_link and entity(random, made) or number(random, made)
  return { name, source, target }
end

local function call_condition(random, made)
  local e, other = pick(random, made.entities), pick(random, made.entities)
  local name = pick(random, { "link", "reach", "odd" })
  if random(2) == 1 then return { "not", { name, e, random(3) == 1 and "_" or other } } end
  return { "or", { name, e, other }, { other, "m/to", e } }
end

local function condition(random, made)
  local kind = random(made.has_rules and 6 or 4)
  if kind > 4 and #made.entities > 0 then return call_condition(random, made) end
  if #made.entities == 0 then return { { "<", 1, 2 } } end
  if kind <= 2 and #made.numbers > 0 then
    local other = random(2) == 1 and random(5) or pick(random, made.numbers)
    return { { pick(random, COMPARISONS), pick(random, made.numbers), other } }
  end
  if kind == 2 then return { { "=", pick(random, made.entities), pick(random, made.entities) } } end
  if kind == 3 then return { "not", { pick(random, made.entities), pick(random, NUMBERS), random(5) } } end
  local e = pick(random, made.entities)
  return { "or", { e, pick(random, NUMBERS), random(5) }, { e, "m/boss", e }, { e, "m/to", e } }
end

local random_query
function random_query(random)
  local made, clauses, used, names = { entities = {}, numbers = {} }, {}, {}, {}
  made.has_rules = random(3) == 1
  for i = 1, random(5) do
    clauses[i] = (made.has_rules and random(2) == 1 and call or pattern)(random, made)
  end
  if made.has_rules then made.rules = { random_rules(random) } end
  for _ = 1, random(3) - 1 do clauses[#clauses + 1] = condition(random, made) end
  if random(6) == 1 then clauses[#clauses + 1] = pick(random, clauses) end -- a clause that stands twice
  for _, list in ipairs { made.entities, made.numbers } do
    for _, name in ipairs(list) do names[#names + 1] = name end
  end
  if #names == 0 then return random_query(random) end
  for _ = 1, random(3) do used[pick(random, names)] = true end
  local found = {}
  for name in pairs(used) do found[#found + 1] = name end
  table.sort(found)
  return found, clauses, made
end

-- Values of a variable given from outside, at times.
local function random_inputs(random, made)
  if #made.numbers == 0 or random(3) > 1 then return end
  local values = {}
  for i = 1, random(3) do values[i] = random(5) end
  return pick(random, made.numbers), values
end

-- ---- comparing -----------------------------------------------------------------------------------

local function expected_rows(reference, view, found, clauses, rules, var, values)
  if not var then return reference:q(view, found, clauses, unpack(rules)) end
  local rows, seen = {}, {}
  local all = reference:q(view, { var, unpack(found) }, clauses, unpack(rules))
  for _, row in ipairs(all) do
    local is_given = false
    for _, value in ipairs(values) do is_given = is_given or value == row[1] end
    local rest = { unpack(row, 2) }
    local key = table.concat(rest, " ")
    if is_given and not seen[key] then
      seen[key] = true
      rows[#rows + 1] = rest
    end
  end
  return rows
end

local function flat(rules)
  local list = {}
  for level, of_level in ipairs(rules) do
    for _, rule in ipairs(of_level) do list[#list + 1] = { level = level, rule = rule } end
  end
  return list
end

-- Of a question (model.shrink).
local Question = {}

function Question:expected(reference)
  local rules = {}
  for _, item in ipairs(self.rules or {}) do
    rules[item.level] = rules[item.level] or {}
    table.insert(rules[item.level], item.rule)
  end
  rules[1] = rules[1] or {}
  return expected_rows(reference, self.view, self.find, self.clauses, rules, self.var, self.values)
end

function Question:query()
  local query = { find = self.find, where = shrink.kept(self.where, self.clauses) }
  if self.rules then
    query.rules = {}
    for i, item in ipairs(self.rules) do query.rules[i] = item.rule end
  end
  if self.var then query["in"] = { "$", { self.var, "..." } } end
  return query, { self.values }
end

function Question.compare(_, expected, rows) assert.same(sorted(expected), sorted(rows)) end

local function check(random, told, view)
  local found, clauses, made = random_query(random)
  local question = { story = told, view = view, find = found, clauses = clauses }
  question.rules = made.rules and flat(made.rules)
  question.var, question.values = random_inputs(random, made)
  for name, method in pairs(Question) do question[name] = method end
  local db, reference = told:value(view)
  local expected = answers.expected(question.expected, question, reference)
  if not expected then return end
  for plan = 0, PLANS + 1 do
    question.where = shuffled(random, clauses)
    local options, how = answers.options(random, plan, PLANS)
    question.options = options
    local query, arguments = question:query()
    local note = ("%s of %s %s"):format(how, lion.edn.write(query), lion.edn.write(arguments))
    shrink.check(question, db, expected, note)
  end
end

-- One prepared query for many values, of databases of several times: plans that were kept are taken where
-- they fit; those of the past are not kept.
local function check_prepared(random, values_of_db, reference, ids)
  local found, clauses, made = random_query(random)
  local list = random(3) == 1 and #made.entities > 0 and made.entities or made.numbers
  if #list == 0 then return end
  local var = pick(random, list)
  local rules = made.rules or {}
  local query = { find = found, where = shuffled(random, clauses), ["in"] = { "$", var } }
  if made.rules then
    query.rules = {}
    for _, more in ipairs(made.rules) do
      for _, rule in ipairs(more) do query.rules[#query.rules + 1] = rule end
    end
  end
  local prepared = lion.prepare(query)
  for _ = 1, 8 do
    local given = list == made.entities and pick(random, ids) or random(5)
    local one = values_of_db[random(4) == 1 and random(#values_of_db) or random(2)]
    local expected = answers.expected(expected_rows, reference, one.view, found, clauses, rules, var,
      { given })
    if not expected then return end
    local rows = sorted(answers.of(prepared, { one.db, given }, 2, { plan_seed = 0, threads = random(2) }))
    local note = ("%s of %s, t %d"):format(lion.edn.write(query), given, one.db.basis_t)
    assert.same(sorted(expected), rows, note)
  end
end

describe("Any plan gives the same answer (seed " .. SEED .. ")", function()
  for world = 1, 4 do
    it("in history " .. world, function()
      local random = random_numbers.new(SEED + 7919 * world)
      local told = story.new(SCHEMA, ENTITIES, { segment_size = 512, node_entries = 4 })
      local ids, conn = told.ids, told.conn
      told:live(random, 8, 6, any_fact(random, ids))
      local early = conn:db()
      if world % 2 == 0 then told:request_index() end
      told:live(random, world, 6, any_fact(random, ids))
      local db = conn:db()
      local past = db.basis_t - random(6)
      local of_all_times = {
        { db = db, view = {} }, { db = early, view = { upper = early.basis_t } },
        { db = db:as_of(past), view = { upper = past } }, { db = db:history(), view = { history = true } },
        { db = db:since(past), view = { since = past } },
      }
      local views = {
        { is_filtered = true }, { since = past }, { history = true }, { upper = past, since = past - 4 }, {},
        {}, { upper = past },
      }
      for i = 1, QUERIES / 4 do
        views[5] = { as_if = i % 7 == 5 and history.ops(random, ids, 6, any_fact(random, ids)) or nil }
        check(random, told, views[(i - 1) % 7 + 1])
        if i % 4 == 0 then check_prepared(random, of_all_times, told.reference, ids) end
      end
      told:close()
    end)
  end

  it("and hardly one makes too many rows", function() assert.is_true(answers.are_there()) end)
end)
