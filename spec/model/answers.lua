--- Answers of random queries, by the planner and by plans made by chance, as the specs compare them.
local find = require "lion.find"

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

answers.asked, answers.given_up = 0, 0

--- What a plan answers.
-- @param options of lion.find; a plan is made by chance where there is a plan_seed, or operators are told
-- @return rows; nil where a plan by chance makes more rows in between than anyone waits for (a product)
function answers.of(query, arguments, count, options)
  options.rows_max = ROWS_MAX
  answers.asked = answers.asked + 1
  local ok, rows = pcall(find.all, query, arguments, count, options)
  if ok then return rows end
  local is_by_chance = options.plan_seed ~= 0 or options.plan_with or options.plan_without
  if not is_by_chance or rows.code ~= "lion/limit" then error(rows, 0) end
  answers.given_up = answers.given_up + 1
  return nil
end

--- Whether those that were given up are as rare as they have to be.
function answers.are_there() return answers.given_up * 500 <= answers.asked end

return answers
