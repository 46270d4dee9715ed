-- Random programs of rules against the reference: several that call each other, more than one call in a
-- branch, negation of what stands below, calls inside or, or-join and not-join, with constants, with a
-- variable twice, with _. LION_SEED repeats a run, LION_PROGRAMS says how many.
package.path = "spec/?.lua;" .. package.path

local lion = require "lion"
local answers = require "model.answers"
local history = require "model.history"
local model = require "model.model"
local random_numbers = require "model.random"

local pick, shuffled, sorted = random_numbers.pick, random_numbers.shuffled, answers.sorted

local SEED = tonumber(os.getenv "LION_SEED") or os.time()
local PROGRAMS = tonumber(os.getenv "LION_PROGRAMS") or 60
local QUERIES, PLANS = 3, 2 -- of each program; by chance, of each query
local ENTITIES = 6

local SCHEMA = {
  ["m/one"] = { type = "long" },
  ["m/plain"] = { type = "long", index = false },
  ["m/many"] = { type = "long", many = true },
  ["m/to"] = { type = "ref", many = true },
  ["m/boss"] = { type = "ref" },
}
local NUMBERS = { "m/one", "m/plain", "m/many" }
local REFS = { "m/to", "m/to", "m/boss" }
local COMPARISONS = { "<", ">", "<=", ">=", "=", "!=" }

-- ---- branches ------------------------------------------------------------------------------------
-- A variable's sort is in its name: ?e1 is an entity, ?n1 a number. `made` has those that are bound.

local function variable(random, made, sort)
  local list = made[sort]
  if #list > 0 and random(3) > 1 then return pick(random, list) end
  made.count = made.count + 1
  local name = "?" .. sort .. made.count
  list[#list + 1] = name
  return name
end

local function constant(random, made, sort)
  return sort == "n" and random(4) or pick(random, made.ids)
end

local function term(random, made, sort)
  local chance = random(12)
  if chance == 1 then return "_" end
  if chance == 2 then return constant(random, made, sort) end
  return variable(random, made, sort)
end

local function pattern(random, made)
  if random(3) == 1 then
    return { variable(random, made, "e"), pick(random, NUMBERS), term(random, made, "n") }
  end
  return { variable(random, made, "e"), pick(random, REFS), term(random, made, "e") }
end

local function call(random, made, rule)
  local clause = { rule.name }
  for i, sort in ipairs(rule.sorts) do clause[i + 1] = term(random, made, sort) end
  return clause
end

-- A bound variable or a constant, so that nothing new is bound.
local function bound(random, made, sort)
  if #made[sort] == 0 or random(5) == 1 then return constant(random, made, sort) end
  return pick(random, made[sort])
end

local function bound_call(random, made, rule)
  local clause = { rule.name }
  for i, sort in ipairs(rule.sorts) do
    clause[i + 1] = random(5) == 1 and "_" or bound(random, made, sort)
  end
  return clause
end

local function bound_clause(random, made, below)
  if #below > 0 and random(2) == 1 then return bound_call(random, made, pick(random, below)) end
  if #made.e == 0 then return { { "<", 1, 2 } } end
  if random(2) == 1 then return { pick(random, made.e), pick(random, REFS), bound(random, made, "e") } end
  return { pick(random, made.e), pick(random, NUMBERS), bound(random, made, "n") }
end

local function compare(random, made)
  if #made.n == 0 then return { { pick(random, COMPARISONS), random(4), random(4) } } end
  return { { pick(random, COMPARISONS), pick(random, made.n), bound(random, made, "n") } }
end

-- An or-join that binds, or only tests, two variables; `rules` may be called in it.
local function join(random, made, rules)
  local from, to = variable(random, made, "e"), variable(random, made, "e")
  if from == to then return { from, pick(random, REFS), "_" } end
  local branches = { { from, pick(random, REFS), to } }
  branches[2] = { "and", { from, pick(random, REFS), "?m" }, { "?m", pick(random, REFS), to } }
  if random(3) == 1 then -- what can never be
    local never = { { { "<", "?k", 2 } }, { { ">", "?k", 3 } } }
    branches[2] = { "and", { from, "m/one", "?k" }, { to, "m/boss", from }, unpack(never) }
  end
  for _, rule in ipairs(rules) do
    if rule.sorts[1] == "e" and rule.sorts[2] == "e" and #rule.sorts == 2 and random(2) == 1 then
      branches[#branches + 1] = { rule.name, from, to }
    end
  end
  return { "or-join", { from, to }, unpack(branches) }
end

-- Branches that name one entity alone.
local function either(random, made, below)
  local e = pick(random, made.e)
  local clause = { "or", { e, pick(random, NUMBERS), random(4) } }
  clause[3] = { e, pick(random, REFS), pick(random, made.ids) }
  for _, rule in ipairs(below) do
    if rule.sorts[1] == "e" and random(3) == 1 then
      local named = { rule.name, e }
      for i = 2, #rule.sorts do
        named[i + 1] = random(2) == 1 and "_" or constant(random, made, rule.sorts[i])
      end
      clause[#clause + 1] = named
    end
  end
  return clause
end

local function condition(random, made, below)
  local chance = random(6)
  if chance == 1 then return { "not", bound_clause(random, made, below) } end
  if chance == 2 and #made.e > 0 then return either(random, made, below) end
  if chance == 3 and #made.e > 0 then
    local e = pick(random, made.e)
    return { "not-join", { e }, { e, pick(random, REFS), "?z" }, { "?z", pick(random, NUMBERS), random(4) } }
  end
  if chance == 4 and #made.n > 0 then
    local n = pick(random, made.n)
    local less = { "and", { { "+", 1, random(3) }, "?k" }, { { "<", n, "?k" } } }
    return { "or-join", { n }, less, { { "=", n, random(4) } } }
  end
  if chance == 5 then return { { "-", random(4), 1 }, variable(random, made, "n") } end
  return compare(random, made)
end

-- The clauses of a branch, whose head variables are all bound in the end.
local function branch(random, rule, below, within, ids)
  local made, clauses = { e = {}, n = {}, count = 0, ids = ids }, {}
  for _ = 1, random(2) do clauses[#clauses + 1] = pattern(random, made) end
  for _, other in ipairs(within) do clauses[#clauses + 1] = call(random, made, other) end
  if #below > 0 and random(2) == 1 then clauses[#clauses + 1] = call(random, made, pick(random, below)) end
  local joined = #within > 0 and within or below
  if random(4) == 1 then clauses[#clauses + 1] = join(random, made, joined) end
  local head, used = { rule.name }, {}
  for i, sort in ipairs(rule.sorts) do
    local name = #made[sort] > 0 and pick(random, made[sort])
    while used[name] or not name do
      made.count = made.count + 1
      name = "?" .. sort .. made.count
    end
    used[name], head[i + 1] = true, name
    local named = { "_", pick(random, NUMBERS), name }
    clauses[#clauses + 1] = sort == "e" and { name, pick(random, REFS), "_" } or named
  end
  for _ = 1, random(3) - 1 do clauses[#clauses + 1] = condition(random, made, below) end
  return { head, unpack(clauses) }
end

local SORTS = { { "e", "e" }, { "e", "e" }, { "e", "n" }, { "e" }, { "e", "e", "n" } }

-- Lists of rules: those of one may call each other and all before, and negate those before.
local function program(random, ids)
  local lists, below = {}, {}
  for level = 1, random(3) do
    local list, rules = {}, {}
    for i = 1, random(3) do rules[i] = { name = "r" .. level .. "x" .. i, sorts = pick(random, SORTS) } end
    for _, rule in ipairs(rules) do
      for _ = 1, random(2) do list[#list + 1] = branch(random, rule, below, {}, ids) end
      for _ = 1, random(3) - 1 do
        local within = { pick(random, rules) }
        if random(3) == 1 then within[2] = pick(random, rules) end
        list[#list + 1] = branch(random, rule, below, within, ids)
      end
    end
    lists[level] = list
    for _, rule in ipairs(rules) do below[#below + 1] = rule end
  end
  return lists, below
end

local function query(random, rules, ids)
  local made, clauses = { e = {}, n = {}, count = 0, ids = ids }, {}
  for _ = 1, random(2) do clauses[#clauses + 1] = call(random, made, pick(random, rules)) end
  if random(2) == 1 then clauses[#clauses + 1] = pattern(random, made) end
  if #made.e == 0 then clauses[#clauses + 1] = { variable(random, made, "e"), "m/to", "_" } end
  for _ = 1, random(3) - 1 do clauses[#clauses + 1] = condition(random, made, rules) end
  local found, seen = {}, {}
  for _ = 1, random(3) do
    local name = pick(random, random(3) == 1 and #made.n > 0 and made.n or made.e)
    if not seen[name] then found[#found + 1] = name end
    seen[name] = true
  end
  return found, clauses
end

-- ---- comparing -----------------------------------------------------------------------------------

-- How many rows each value of the first column has.
local function counted(rows)
  local counts, list = {}, {}
  for _, row in ipairs(rows) do counts[row[1]] = (counts[row[1]] or 0) + 1 end
  for value, count in pairs(counts) do list[#list + 1] = { value, count } end
  return list
end

local function check(random, db, reference, view, lists, rules, ids)
  local found, clauses = query(random, rules, ids)
  local expected = answers.expected(reference.q, reference, view, found, clauses, unpack(lists))
  if not expected then return end
  local is_counted = #found == 2 and random(2) == 1
  if is_counted then expected = counted(expected) end
  expected = sorted(expected)
  for plan = 0, PLANS + 1 do
    local all = {}
    for _, list in ipairs(lists) do
      for _, rule in ipairs(list) do all[#all + 1] = shuffled(random, rule, 2) end
    end
    local asked = { find = found, where = shuffled(random, clauses), rules = shuffled(random, all) }
    if is_counted then asked.find = { found[1], { "count", found[2] } } end
    local options, told = answers.options(random, plan, PLANS)
    local note = ("%s of %s"):format(told, lion.edn.write(asked))
    local rows = answers.of(asked, { db }, 1, options, note)
    if rows then assert.same(expected, sorted(rows), note) end
  end
end

describe("Rules (seed " .. SEED .. ")", function()
  for world = 1, 4 do
    it("of any shape, in history " .. world, function()
      local random = random_numbers.new(SEED + 104729 * world)
      local conn = lion.connect("mem:", { segment_size = 512, node_entries = 4 })
      local ids, reference = history.begin(conn, SCHEMA, ENTITIES), model.new(SCHEMA)
      history.live(random, conn, reference, ids, 3 + world, 5, function()
        local name = random(2) == 1 and pick(random, REFS) or pick(random, NUMBERS)
        return name, SCHEMA[name].type == "ref" and pick(random, ids) or random(4)
      end)
      if world % 2 == 0 then conn:request_index() end
      local db = conn:db()
      local past = db.basis_t - random(3)
      local views = {
        { db, {} }, { db, {} }, { db:as_of(past), { upper = past } }, { db:since(past), { since = past } },
        { db:history(), { history = true } }, { db:filter(function() return true end), {} },
      }
      for i = 1, PROGRAMS / 4 do
        local lists, rules = program(random, ids)
        local shown, view = unpack(views[i % #views + 1])
        for _ = 1, QUERIES do check(random, shown, reference, view, lists, rules, ids) end
      end
      conn:close()
    end)
  end

  it("and hardly a plan makes too many rows", function() assert.is_true(answers.are_there()) end)
end)
