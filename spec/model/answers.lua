--- Answers of random queries, by the planner and by plans made by chance, as the specs compare them.
local find = require "lion.find"
local model = require "model.model"
local pick = require("model.random").pick

local answers = {}

--- @param rows arrays of plain values
-- @return their texts, sorted: the same for the same rows in any order
function answers.sorted(rows)
  local texts = {}
  for i, row in ipairs(rows) do
    local parts = {}
    for k, value in ipairs(row) do parts[k] = tostring(value) end
    texts[i] = table.concat(parts, " ")
  end
  table.sort(texts)
  return texts
end

-- Beyond so many rows in between a run is given up.
local ROWS_MAX = 10000000

answers.asked, answers.given_up, answers.too_little, answers.expected_none = 0, 0, 0, 0

-- ---- how a plan is made ----------------------------------------------------------------------------

local OPERATORS = { "scan", "range", "star", "lookup", "hash-join", "build", "multiway-join", "count",
  "path-search", "distinct", "planned-again", "parallel", "semi-join", "runtime-filter", "merge-join" }
local turn = 0

-- Each operator forced and forbidden in turn, and now and then two of them.
local function tell_operators(random, options)
  turn = turn + 1
  local name = OPERATORS[math.floor(turn / 2) % #OPERATORS + 1]
  local is_forced = turn % 2 == 0
  options[is_forced and "plan_with" or "plan_without"] = { name }
  local other = is_forced and "plan_without" or "plan_with"
  if random(3) == 1 then options[other] = { pick(random, OPERATORS) } end
end

--- Options of lion.find for the plan of this number of one query: 0 is the planner's, 1 by chance,
-- from 2 on by chance with an operator told, the one beyond `plans` the planner's with an operator told.
-- Some go on in temporary files after a few rows, some have little memory, and threads are by chance.
-- @return options, and how they are told
function answers.options(random, plan, plans)
  local seed = (plan == 0 or plan > plans) and 0 or random(1000000)
  local options = { plan_seed = seed, threads = 1 + (plan > plans and 2 or seed) % 4 }
  options.table_rows_max = plan % 2 == 1 and random(8) or 0
  if plan % 4 == 2 then options.memory_max = 2 ^ 18 * 2 ^ random(5) end
  if plan > 1 then tell_operators(random, options) end
  return options, ("plan %d with %s without %s, tables of %d rows, %s bytes, %d threads"):format(seed,
    tostring((options.plan_with or {})[1]), tostring((options.plan_without or {})[1]), options.table_rows_max,
    options.memory_max or "any", options.threads)
end

-- ---- what is expected -------------------------------------------------------------------------------

--- What the reference answers, as `make` asks it; nil where it would make more rows in between than it does.
function answers.expected(make, ...)
  local ok, rows = pcall(make, ...)
  if ok then return rows end
  if rows ~= model.TOO_MANY then error(rows, 0) end
  answers.expected_none = answers.expected_none + 1
  return nil
end

-- ---- what it answers -------------------------------------------------------------------------------

--- What a plan answers.
-- @param options of lion.find; a plan is made by chance where there is a plan_seed, or operators are told
-- @param[opt] note what an error is told with
-- @return rows; nil where a plan by chance makes more rows in between than anyone waits for (a product), or
-- memory is too little
function answers.of(query, arguments, count, options, note)
  options.rows_max = ROWS_MAX
  answers.asked = answers.asked + 1
  local ok, rows = pcall(find.all, query, arguments, count, options)
  if ok then return rows end
  local is_limit = type(rows) == "table" and rows.code == "lion/limit"
  if is_limit and options.memory_max then
    answers.too_little = answers.too_little + 1
    return nil
  end
  local is_by_chance = options.plan_seed ~= 0 or options.plan_with or options.plan_without
  if not is_by_chance or not is_limit then error(("%s: %s"):format(note or "a query", tostring(rows)), 0) end
  answers.given_up = answers.given_up + 1
  return nil
end

-- Of few there may be so many by chance.
local FEW = 3

--- Whether those that were given up are as rare as they have to be: one of 500 plans, one question of 10.
function answers.are_there()
  local plans, questions = answers.given_up - FEW, answers.expected_none - FEW
  return plans * 500 <= answers.asked and questions * 40 <= answers.asked
end

return answers
