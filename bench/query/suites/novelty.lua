--- The questions of `people` and `rest` with a fifth of the persons not indexed yet, beside the same
-- database indexed.
local people = require "suites.people"
local rest = require "suites.rest"

local novelty = { sizes = { 20000 } }

function novelty.make(size)
  local world, queries = rest.make(size), {}
  for _, list in ipairs { people.make(size).queries, world.queries } do
    for _, query in ipairs(list) do
      queries[#queries + 1] = { query[1], lion = query.lion, inputs = query.inputs, times = 1 / 1.5 }
    end
  end
  return {
    title = size .. " persons, a fifth of them in novelty", tables = world.tables, queries = queries,
    novelty = 0.2,
    beside = { name = "indexed" },
  }
end

return novelty
