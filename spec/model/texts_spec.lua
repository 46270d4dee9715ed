-- Texts of which there are few, in many rows: leaves keep each once, and groups, sets and predicates look at
-- it once for many rows. Answers are those of plain loops over the entities, whether the texts are in
-- leaves, in novelty, changed or retracted there, or as they were before. LION_SEED repeats a run.
package.path = "spec/?.lua;" .. package.path

local lion = require "lion"
local answers = require "model.answers"
local random_numbers = require "model.random"

local pick, sorted = random_numbers.pick, answers.sorted

local SEED = tonumber(os.getenv "LION_SEED") or os.time()
local ENTITIES = 1500
local NAMES = { "word", "mark", "note", "n" }

-- ---- data: the reference is entity → attribute → value ---------------------------------------------

-- One of so many kinds: "red3", "a longer text about blue 2", "" …
local COLOURS = { "red", "green", "blue" }

local function text(random, kinds)
  local k = random(kinds)
  local colour = COLOURS[k % 3 + 1]
  if k % 7 == 0 then return "" end
  return k % 2 == 0 and ("a longer text about %s %d"):format(colour, k) or colour .. k
end

local function value_of(random, name, kinds)
  if name == "n" then return random(40) end
  if name == "note" then return "note " .. random(1000000) end
  if name == "mark" then return ":mark/m" .. random(kinds) end
  return text(random, kinds)
end

-- One text for an entity, or none any more.
local function change(random, state, ids, kinds, tx)
  local e, name = pick(random, ids), pick(random, NAMES)
  if state[e].touched == tx then return end
  state[e].touched = tx
  local before = state[e][name]
  if before ~= nil and random(4) == 1 then
    tx[#tx + 1] = { "db/retract", e, "t/" .. name, before }
    state[e][name] = nil
    return
  end
  state[e][name] = value_of(random, name, kinds)
  tx[#tx + 1] = { "db/add", e, "t/" .. name, state[e][name] }
end

local function add_entities(random, conn, state, ids, count, kinds)
  local tx, made = {}, {}
  for i = 1, count do
    local entity = { ["db/id"] = "new" .. i, ["db/doc"] = "e" }
    local known = {}
    for _, name in ipairs(NAMES) do
      if random(10) > 1 then
        known[name] = value_of(random, name, kinds)
        entity["t/" .. name] = known[name]
      end
    end
    tx[i], made[i] = entity, known
  end
  local tempids = conn:transact(tx).tempids
  for i = 1, count do
    local e = tempids["new" .. i]
    ids[#ids + 1], state[e] = e, made[i]
  end
end

local function change_some(random, conn, state, ids, count, kinds)
  local tx = {}
  for _ = 1, count do change(random, state, ids, kinds, tx) end
  conn:transact(tx)
end

local function copy_of(state)
  local copy = {}
  for e, known in pairs(state) do
    copy[e] = { word = known.word, mark = known.mark, note = known.note, n = known.n }
  end
  return copy
end

-- ---- questions, and what loops answer ----------------------------------------------------------------

local function groups(state, keys, needs, add)
  local rows, by_key = {}, {}
  for e, known in pairs(state) do
    local is_there, row = true, {}
    for _, name in ipairs(needs) do is_there = is_there and known[name] ~= nil end
    for i, name in ipairs(keys) do row[i] = tostring(known[name]) end
    if is_there then
      local key = table.concat(row, "\0")
      local group = by_key[key]
      if not group then
        group = { row = row, seen = {} }
        by_key[key], rows[#rows + 1] = group, row
      end
      add(group, known, e)
    end
  end
  return rows
end

-- The rows that a group has, behind its keys.
local function count(group)
  group.at = group.at or #group.row + 1
  group.row[group.at] = (group.row[group.at] or 0) + 1
end

local function nothing() end

local function having(state, test)
  local left = {}
  for e, known in pairs(state) do
    if test(known) then left[e] = known end
  end
  return left
end

local function starts(value, with) return value ~= nil and value:sub(1, #with) == with end

local QUESTIONS = {
  { "[:find ?w (count ?e) :where [?e :t/word ?w]]",
    function(s) return groups(s, { "word" }, { "word" }, count) end },
  { "[:find ?w ?m (count ?e) :where [?e :t/n ?n] [?e :t/word ?w] [?e :t/mark ?m]]",
    function(s) return groups(s, { "word", "mark" }, { "word", "mark", "n" }, count) end },
  { "[:find ?w ?m :where [?e :t/word ?w] [?e :t/mark ?m]]",
    function(s) return groups(s, { "word", "mark" }, { "word", "mark" }, nothing) end },
  { "[:find ?w ?n :where [?e :t/n ?n] [?e :t/word ?w]]",
    function(s) return groups(s, { "word", "n" }, { "word", "n" }, nothing) end },
  { "[:find ?w ?o :where [?e :t/word ?w] [?e :t/note ?o]]",
    function(s) return groups(s, { "word", "note" }, { "word", "note" }, nothing) end },
  { "[:find ?m (count-distinct ?w) :where [?e :t/mark ?m] [?e :t/word ?w]]", function(s)
    return groups(s, { "mark" }, { "mark", "word" }, function(group, known)
      if not group.seen[known.word] then count(group) end
      group.seen[known.word] = true
    end)
  end },
  { "[:find ?w (count ?e) :where [?e :t/n ?n] [(< ?n 9)] [?e :t/word ?w]]", function(s)
    return groups(having(s, function(known) return known.n ~= nil and known.n < 9 end), { "word" },
      { "word" }, count)
  end },
  { '[:find ?m (count ?e) :where [?e :t/n ?n] [?e :t/word "red3"] [?e :t/mark ?m]]', function(s)
    return groups(having(s, function(known) return known.word == "red3" end), { "mark" }, { "mark", "n" },
      count)
  end },
  { '[:find ?w (count ?e) :where [?e :t/n ?n] [?e :t/word ?w] [(starts-with? ?w "a longer")]]', function(s)
    return groups(having(s, function(known) return starts(known.word, "a longer") end), { "word" },
      { "word", "n" }, count)
  end },
  { '[:find ?e ?n :where [?e :t/n ?n] [?e :t/word ?w] [(includes? ?w "green")]]', function(s)
    local rows = {}
    for e, known in pairs(s) do
      local is_found = known.n and known.word and known.word:find("green", 1, true)
      if is_found then rows[#rows + 1] = { e, known.n } end
    end
    return rows
  end },
  { '[:find ?e ?n :where [?e :t/n ?n] [?e :t/word ?w] [(< "b" ?w)] [(!= ?w "red3")]]', function(s)
    local rows = {}
    for e, known in pairs(s) do
      local is_found = known.n and known.word and known.word > "b" and known.word ~= "red3"
      if is_found then rows[#rows + 1] = { e, known.n } end
    end
    return rows
  end },
}

local function check(random, db, state, note)
  for _, question in ipairs(QUESTIONS) do
    local expected = sorted(question[2](state))
    local plans = {
      { plan_seed = 0 },
      { plan_seed = 0, threads = 2, plan_with = { "parallel" } },
      { plan_seed = random(1000000), threads = random(3), table_rows_max = random(30) },
    }
    for i, options in ipairs(plans) do
      local rows = answers.of(lion.prepare(question[1]), { db }, 1, options)
      local about = ("%s: %s, plan %d, seed %d"):format(note, question[1], i, options.plan_seed)
      if rows then assert.same(expected, sorted(rows), about) end
    end
  end
end

describe("Texts of which there are few (seed " .. SEED .. ")", function()
  for world = 1, 4 do
    it("are told apart, and as equal, in world " .. world, function()
      local random = random_numbers.new(SEED + 7919 * world)
      local kinds = ({ 2, 12, 60, 400 })[world]
      local options = world % 2 == 0 and { segment_size = 4096 } or {}
      local conn = lion.connect("mem:", options)
      local state, ids = {}, {}
      conn:transact(lion.schema { t = { word = { "string", index = world ~= 3 }, mark = { "keyword" },
        note = { "string" }, n = { "long" } } })
      add_entities(random, conn, state, ids, ENTITIES, kinds)
      change_some(random, conn, state, ids, 100, kinds)
      check(random, conn:db(), state, "in novelty")
      conn:request_index()
      local before, was = conn:db(), copy_of(state)
      check(random, before, state, "indexed")
      change_some(random, conn, state, ids, 300, kinds)
      add_entities(random, conn, state, ids, 200, kinds + 3)
      check(random, conn:db(), state, "changed since")
      check(random, conn:db():as_of(before.basis_t), was, "as it was")
      check(random, before, was, "the value from before")
      conn:request_index()
      check(random, conn:db(), state, "indexed again")
      check(random, conn:db():as_of(before.basis_t), was, "as it was, indexed again")
      conn:close()
    end)
  end
end)
