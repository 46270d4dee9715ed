-- Patterns that go round in cycles, with other clauses around them, by the planner and by plans made by
-- chance, which join a cycle at once in some and pattern by pattern in others, against the reference.
-- LION_SEED repeats a run, LION_QUERIES says how many.
package.path = "spec/?.lua;" .. package.path

local lion = require "lion"
local find = require "lion.find"
local answers = require "model.answers"
local history = require "model.history"
local model = require "model.model"
local random_numbers = require "model.random"

local pick, sorted = random_numbers.pick, answers.sorted

local SEED = tonumber(os.getenv "LION_SEED") or os.time()
local QUERIES = tonumber(os.getenv "LION_QUERIES") or 200
local PLANS = 4 -- by chance, for each query

local SCHEMA = {
  ["m/n"] = { type = "long" },
  ["m/to"] = { type = "ref", many = true },
  ["m/by"] = { type = "ref", many = true },
  ["m/boss"] = { type = "ref" },
}
local REFS = { "m/to", "m/to", "m/to", "m/by", "m/boss" }
local ENTITIES = 9

-- ---- data ----------------------------------------------------------------------------------------

local function live(random, conn, reference, ids, transactions)
  history.live(random, conn, reference, ids, transactions, 14, function()
    local name = random(5) > 1 and pick(random, REFS) or "m/n"
    return name, name == "m/n" and random(4) or pick(random, ids)
  end)
end

-- ---- queries -------------------------------------------------------------------------------------

local function edge(random, a, b)
  if random(2) == 1 then a, b = b, a end
  return { a, pick(random, REFS), b }
end

-- A ring, with chords, and with another ring that hangs on by one variable or by two.
local function rings(random, vars, clauses)
  local count = random(3) + 1
  for i = 1, count do vars[i] = "?v" .. i end
  for i = 1, count do clauses[i] = edge(random, vars[i], vars[i % count + 1]) end
  if random(3) == 1 then clauses[#clauses + 1] = edge(random, vars[1], vars[count]) end
  local hook = random(4)
  if hook == 1 then
    vars[#vars + 1] = "?w"
    clauses[#clauses + 1] = edge(random, "?w", pick(random, vars))
    clauses[#clauses + 1] = edge(random, "?w", vars[1])
  elseif hook == 2 then -- by a pattern that no cycle goes through
    vars[#vars + 1], vars[#vars + 2] = "?w", "?x"
    clauses[#clauses + 1] = edge(random, vars[1], "?w")
    clauses[#clauses + 1] = edge(random, "?w", "?x")
    clauses[#clauses + 1] = edge(random, "?x", "?w")
  end
end

-- Several references to one entity, from or to entities that numbers tell.
local function star(random, vars, clauses)
  vars[1] = "?v1"
  for i = 2, random(2) + 2 do
    vars[i] = "?v" .. i
    clauses[#clauses + 1] = edge(random, "?v1", vars[i])
    clauses[#clauses + 1] = { vars[i], "m/n", random(3) }
  end
end

local function others(random, vars, clauses)
  for i = 1, random(3) - 1 do
    local n = random(3) == 1 and random(4) or "?n" .. i
    clauses[#clauses + 1] = { pick(random, vars), "m/n", n }
    if type(n) == "string" then
      vars[#vars + 1] = n
      if random(2) == 1 then clauses[#clauses + 1] = { { "<", n, random(4) } } end
    end
  end
  local kind, e = random(8), pick(random, { "?v1", "?v2" })
  if kind == 1 then clauses[#clauses + 1] = { "not", { e, "m/n", random(4) } } end
  if kind == 2 then clauses[#clauses + 1] = { "or", { e, "m/n", random(4) }, { e, "m/n", random(4) } } end
  if kind == 3 then clauses[#clauses + 1] = { { "!=", "?v1", "?v2" } } end
  if kind == 4 then clauses[#clauses + 1] = { e, "m/to", "?t" } end
end

-- ---- texts ---------------------------------------------------------------------------------------

local function text_of(clause)
  if type(clause[1]) == "table" then return "[(" .. table.concat(clause[1], " ") .. ")]" end
  if clause[1] == "not" then return "(not " .. text_of(clause[2]) .. ")" end
  if clause[1] == "or" then return ("(or %s %s)"):format(text_of(clause[2]), text_of(clause[3])) end
  return ("[%s :%s %s]"):format(unpack(clause))
end

-- The rows of what is found, those alone whose ?v1 is given.
local function expected_rows(reference, view, found, clauses, given)
  local asked, seen, list = { unpack(found) }, {}, {}
  asked[#asked + 1] = "?v1"
  for _, row in ipairs(reference:q(view, asked, clauses)) do
    local is_given = not given
    for _, id in ipairs(given or {}) do is_given = is_given or id == row[#asked] end
    row[#asked] = nil
    local text = table.concat(row, " ")
    if is_given and not seen[text] then list[#list + 1] = text end
    seen[text] = seen[text] or is_given
  end
  table.sort(list)
  return list
end

local function some_of(random, ids)
  local one, other = pick(random, ids), pick(random, ids)
  return one == other and { one } or { one, other }
end

local joined = 0

local function check(random, db, reference, view, ids)
  local vars, clauses, where, found = {}, {}, {}, {}
  if random(4) == 1 then star(random, vars, clauses) else rings(random, vars, clauses) end
  others(random, vars, clauses)
  for _, name in ipairs(vars) do
    if random(3) > 1 then found[#found + 1] = name end
  end
  if #found == 0 then found[1] = vars[1] end
  for _, clause in ipairs(clauses) do table.insert(where, random(#where + 1), text_of(clause)) end
  local given = random(4) == 1 and some_of(random, ids) or nil
  local expected = answers.expected(expected_rows, reference, view, found, clauses, given)
  if not expected then return end
  local text = ("[:find %s :in $ %s :where %s]"):format(table.concat(found, " "), given and "[?v1 ...]" or "",
    table.concat(where, " "))
  for plan = 0, PLANS + 1 do
    local options, told = answers.options(random, plan, PLANS)
    if plan == 1 then options.plan_with = { "multiway-join" } end
    local note = ("%s of %s"):format(told, text)
    local rows = answers.of(text, { db, given }, given and 2 or 1, options, note)
    if rows then assert.same(expected, sorted(rows), note) end
  end
  local plan = given and db:explain(text, given) or db:explain(text)
  if plan.text:find("multiway-join", 1, true) then joined = joined + 1 end
end

describe("Cycles are joined as patterns are (seed " .. SEED .. ")", function()
  for world = 1, 4 do
    it("in history " .. world, function()
      local random = random_numbers.new(SEED + 6007 * world)
      local conn = lion.connect("mem:", { segment_size = 512, node_entries = 4 })
      local ids, reference = history.begin(conn, SCHEMA, ENTITIES), model.new(SCHEMA)
      live(random, conn, reference, ids, 9)
      if world % 2 == 0 then conn:request_index() end
      if world ~= 4 then live(random, conn, reference, ids, world) end
      local db = conn:db()
      local past = db.basis_t - random(6)
      for i = 1, QUERIES / 4 do
        if i % 7 == 0 then
          check(random, db:as_of(past), reference, { upper = past }, ids)
        elseif i % 7 == 1 then
          check(random, db:filter(function() return true end), reference, {}, ids)
        elseif i % 7 == 2 then
          check(random, db:history(), reference, { history = true }, ids)
        elseif i % 7 == 3 then
          check(random, db:since(past), reference, { since = past }, ids)
        else
          check(random, db, reference, {}, ids)
        end
      end
      conn:close()
    end)
  end

  it("and some are joined at once", function() assert.is_true(joined > 0) end)

  it("and where arrays have no room, too", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { m = { to = { "ref", many = true }, n = "long" } })
    local random, tx, nodes = random_numbers.new(SEED), {}, 20000
    for i = 1, nodes do
      local to = {}
      for k = 1, 8 do to[k] = "e" .. random(nodes) end
      tx[i] = { ["db/id"] = "e" .. i, ["m/n"] = i, ["m/to"] = to }
    end
    conn:transact(tx)
    local db = conn:db()
    local function ask(text, memory_mb, ...)
      local result = find.all(text, { db, ... }, 1 + select("#", ...),
        { statistics = 1, memory_max = memory_mb * 2 ^ 20 })
      local function has(tree, op)
        if tree.op == op and not tree.detail:find("in the trees", 1, true) then return true end
        for _, child in ipairs(tree.children) do
          if has(child, op) then return true end
        end
        return false
      end
      local rows = type(result.ret) == "table" and #result.ret or result.ret
      return rows, function(op) return has(result.query_stats, op) end
    end
    local rules = "[[(p ?x ?y) [?x :m/to ?y]] [(p ?x ?y) [?x :m/to ?z] (p ?z ?y)]]"
    for _, case in ipairs {
      { "multiway-join", "[:find ?a ?b ?c :where [?a :m/to ?b] [?b :m/to ?c] [?c :m/to ?a]]" },
      { "count", "[:find (count ?a) . :with ?b ?c :where [?a :m/to ?b] [?b :m/to ?c] [?c :m/to ?a]]" },
      { "path-search", "[:find ?y :in $ % :where [?x :m/n 1] (p ?x ?y)]", rules },
    } do
      local rows, has = ask(case[2], 1000, unpack(case, 3))
      assert.is_true(has(case[1]), case[2])
      local same, has_not = ask(case[2], 3, unpack(case, 3))
      assert.equal(rows, same, case[2])
      assert.is_false(has_not(case[1]), case[2])
    end
    conn:close()
  end)

  local seen_by_text = {}

  it("and with any more memory than little", function()
    local conn, nodes = lion.connect "mem:", 6000
    conn:transact(lion.schema { m = { to = { "ref", many = true }, boss = "ref", n = "long" } })
    local random, tx = random_numbers.new(SEED), {}
    for i = 1, nodes do
      local to = {}
      for k = 1, 5 do to[k] = "e" .. random(nodes) end
      tx[i] = { ["db/id"] = "e" .. i, ["m/n"] = i, ["m/to"] = to, ["m/boss"] = "e" .. random(nodes) }
    end
    conn:transact(tx)
    local db = conn:db()
    local function ask(text, memory_max)
      local result = find.all(text, { db }, 1, { statistics = 1, memory_max = memory_max })
      return type(result.ret) == "table" and sorted(result.ret) or result.ret, result.query_stats
    end
    for _, text in ipairs {
      "[:find ?a ?c :where [?a :m/to ?b] [?b :m/boss ?c] [?c :m/to ?a]]",
      "[:find ?a ?n :where [?a :m/to ?b] [?b :m/to ?c] [?c :m/to ?a] [?b :m/n ?n] [(< ?n 200)]]",
      "[:find (count ?a) . :with ?b ?c :where [?a :m/to ?b] [?b :m/to ?c] [?c :m/boss ?a]]",
    } do
      local rows, tree = ask(text)
      local memory_max, seen = 4 * tree.memory_peak, {}
      while memory_max > 2 ^ 19 do
        local same, plan = ask(text, memory_max)
        assert.same(rows, same, ("%d bytes for %s"):format(memory_max, text))
        seen[plan.advice and plan.advice:find("raise memory_mb", 1, true) and "told" or "with room"] = true
        memory_max = math.floor(memory_max / 1.04)
      end
      seen_by_text[#seen_by_text + 1] = seen
    end
    conn:close()
  end)

  -- With small batches one of them is planned otherwise.
  it("and the plan says so where arrays have no room #whole_batches", function()
    local both = { ["told"] = true, ["with room"] = true }
    assert.same({ both, both, both }, seen_by_text)
  end)

  it("and hardly a plan makes too many rows", function() assert.is_true(answers.are_there()) end)
end)
