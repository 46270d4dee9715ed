-- Aggregates that need to know how many rows there are, but not which: by the planner and by plans made by
-- chance, which count in some and make the rows in others, against the reference. LION_SEED repeats a
-- run, LION_QUERIES says how many.
package.path = "spec/?.lua;" .. package.path

local lion = require "lion"
local answers = require "model.answers"
local groups = require "model.groups"
local history = require "model.history"
local model = require "model.model"
local random_numbers = require "model.random"

local pick = random_numbers.pick

local SEED = tonumber(os.getenv "LION_SEED") or os.time()
local QUERIES = tonumber(os.getenv "LION_QUERIES") or 400
local PLANS = 3 -- by chance, for each query

local SCHEMA = {
  ["m/one"] = { type = "long" },
  ["m/many"] = { type = "long", many = true },
  ["m/to"] = { type = "ref", many = true },
  ["m/by"] = { type = "ref", many = true },
  ["m/boss"] = { type = "ref" },
}
local NUMBERS, REFS = { "m/one", "m/many" }, { "m/to", "m/to", "m/by", "m/boss" }
local ENTITIES = 8

-- ---- data ----------------------------------------------------------------------------------------

local function begin(conn) return history.begin(conn, SCHEMA, ENTITIES) end

local function live(random, conn, reference, ids, transactions)
  history.live(random, conn, reference, ids, transactions, 7, function()
    local name = random(3) > 1 and pick(random, REFS) or pick(random, NUMBERS)
    return name, SCHEMA[name].type == "ref" and pick(random, ids) or random(4)
  end)
end

-- ---- queries -------------------------------------------------------------------------------------
-- Entities ?e1 … hang together by references: a tree, with some more that close cycles.

local function edges(random, entities, clauses)
  local count = random(3) + 1
  for i = 1, count do entities[i] = "?e" .. i end
  for i = 2, count do
    local a, b = entities[i], entities[random(i - 1)]
    if random(2) == 1 then a, b = b, a end
    clauses[#clauses + 1] = { a, pick(random, REFS), b }
  end
  for _ = 1, random(3) - 1 do
    clauses[#clauses + 1] = { pick(random, entities), pick(random, REFS), pick(random, entities) }
  end
end

-- Some of them have one value in common, each directly or by a step between.
local function common_value(random, entities, clauses)
  for i = 1, #entities do
    local from, steps = entities[i], random(3) - 1
    if steps == 2 then
      from = "?h" .. i
      clauses[#clauses + 1] = { entities[i], "m/boss", from }
    end
    if steps > 0 then clauses[#clauses + 1] = { from, "m/boss", "?z" } end
  end
end

local function others(random, entities, numbers, clauses)
  for i = 1, random(3) - 1 do
    local n = random(4)
    if random(3) > 1 then
      n = "?n" .. i
      numbers[#numbers + 1] = n
    end
    clauses[#clauses + 1] = { pick(random, entities), pick(random, NUMBERS), n }
  end
  local kind = random(6)
  if kind == 1 and #numbers > 0 then clauses[#clauses + 1] = { { ">", pick(random, numbers), random(3) } } end
  if kind == 2 then clauses[#clauses + 1] = { "not", { pick(random, entities), "m/one", random(4) } } end
  for _ = 1, random(4) - 2 do
    local a, b = pick(random, entities), pick(random, entities)
    if random(2) == 1 then clauses[#clauses + 1] = { { "!=", a, b } }
    else clauses[#clauses + 1] = { "not", { a, pick(random, REFS), b } } end
  end
end

local AGGREGATES = { "count", "count", "count", "sum", "avg", "min", "max", "count-distinct" }

-- Groups, aggregates and :with, each variable at most once among the groups.
local function asked(random, entities, numbers)
  local by, aggregates, with, used = {}, {}, {}, {}
  local all = {}
  for _, name in ipairs(entities) do all[#all + 1] = name end
  for _, name in ipairs(numbers) do all[#all + 1] = name end
  for _ = 1, random(3) - 1 do
    local name = pick(random, all)
    if not used[name] then by[#by + 1] = name end
    used[name] = true
  end
  for i = 1, random(2) do
    local name = pick(random, AGGREGATES)
    local needs_number = name == "sum" or name == "avg"
    if needs_number and #numbers == 0 then name, needs_number = "count", false end
    aggregates[i] = { name, pick(random, needs_number and numbers or all) }
  end
  for _, name in ipairs(all) do
    if random(4) > 1 and not used[name] then with[#with + 1] = name end
  end
  return by, aggregates, with
end

-- ---- the reference -------------------------------------------------------------------------------

local function expected_rows(reference, view, clauses, by, aggregates, with)
  local vars = groups.vars(by, aggregates, with)
  return groups.of(reference:q(view, vars, clauses), by, aggregates, with)
end

local function sorted(rows)
  local texts = {}
  for i, row in ipairs(rows) do
    local parts = {}
    for k, value in ipairs(row) do parts[k] = ("%.10g"):format(tonumber(value)) end
    texts[i] = table.concat(parts, " ")
  end
  table.sort(texts)
  return texts
end

-- ---- texts ---------------------------------------------------------------------------------------

local function text_of(clause)
  if type(clause[1]) == "table" then return "[(" .. table.concat(clause[1], " ") .. ")]" end
  if clause[1] == "not" then return "(not " .. text_of(clause[2]) .. ")" end
  return ("[%s :%s %s]"):format(unpack(clause))
end

local function query_text(random, clauses, by, aggregates, with)
  local parts, where = { unpack(by) }, {}
  for _, aggregate in ipairs(aggregates) do parts[#parts + 1] = ("(%s %s)"):format(unpack(aggregate)) end
  for _, clause in ipairs(clauses) do table.insert(where, random(#where + 1), text_of(clause)) end
  local tail = #with > 0 and " :with " .. table.concat(with, " ") or ""
  return ("[:find %s%s :where %s]"):format(table.concat(parts, " "), tail, table.concat(where, " "))
end

local counted = 0

local function check(random, db, reference, view)
  local entities, numbers, clauses = {}, {}, {}
  edges(random, entities, clauses)
  if random(3) == 1 then common_value(random, entities, clauses) end
  others(random, entities, numbers, clauses)
  local by, aggregates, with = asked(random, entities, numbers)
  local expected = answers.expected(expected_rows, reference, view, clauses, by, aggregates, with)
  if not expected then return end
  expected = sorted(expected)
  local text = query_text(random, clauses, by, aggregates, with)
  for plan = 0, PLANS + 1 do
    local options, told = answers.options(random, plan, PLANS)
    local note = ("%s of %s"):format(told, text)
    local rows = answers.of(text, { db }, 1, options, note)
    if rows then assert.same(expected, sorted(rows), note) end
  end
  if db:explain(text).text:find("count [", 1, true) then counted = counted + 1 end
end

describe("Rows are counted as if they were made (seed " .. SEED .. ")", function()
  for world = 1, 4 do
    it("in history " .. world, function()
      local random = random_numbers.new(SEED + 7919 * world)
      local conn = lion.connect("mem:", { segment_size = 512, node_entries = 4 })
      local ids, reference = begin(conn), model.new(SCHEMA)
      live(random, conn, reference, ids, 9)
      if world % 2 == 0 then conn:request_index() end
      live(random, conn, reference, ids, world)
      local db = conn:db()
      local past = db.basis_t - random(6)
      for i = 1, QUERIES / 4 do
        if i % 7 == 0 then
          check(random, db:as_of(past), reference, { upper = past })
        elseif i % 7 == 1 then
          check(random, db:filter(function() return true end), reference, {})
        elseif i % 7 == 2 then
          check(random, db:history(), reference, { history = true })
        else
          check(random, db, reference, {})
        end
      end
      conn:close()
    end)
  end

  it("and some are", function() assert.is_true(counted > 0) end)

  it("also where what leads to those that are counted is not: several may lead to one", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { m = { boss = "ref" } })
    conn:transact {
      { ["db/id"] = "top", ["m/boss"] = "top" }, { ["db/id"] = "a", ["m/boss"] = "top" },
      { ["db/id"] = "b", ["m/boss"] = "a" }, { ["db/id"] = "c", ["m/boss"] = "a" },
    }
    local where = ":where [?b :m/boss ?a] [?a :m/boss ?top] [?top :m/boss _]]"
    local query, db = "[:find (count ?a) . :with ?top " .. where, conn:db()
    assert.are.equal(2, #db:q("[:find ?a ?top " .. where))
    assert.are.equal(2, answers.of(query, { db }, 1, { plan_seed = 0, plan_with = { "count" } }))
    conn:close()
  end)

  it("and hardly a plan makes too many rows", function() assert.is_true(answers.are_there()) end)
end)
