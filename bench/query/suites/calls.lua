--- A predicate in Lua over all persons, beside the built-in one.
local lion = require "lion"
local data = require "data"

local calls = { sizes = { 1000000 } }

lion.fn("bench/is_rich", function(salary) return salary > 50000 end)
lion.fn("bench/is_odd_pair", function(salary, age) return (salary + age) % 2 == 1 end)

-- No more than is asked for: a million persons are to fit into novelty before they are indexed.
local function persons(size)
  local random = data.random(42)
  return data.table("person", size, { { "age", "long" }, { "salary", "long" } },
    function() return { random(100), random(100000) } end)
end

function calls.make(size)
  return {
    title = size .. " persons", tables = { persons(size) }, beside = { name = "again" },
    queries = {
      { "built in", lion = "[:find (count ?e) :where [?e :person/salary ?s] [(> ?s 50000)]]" },
      { "in Lua", lion = "[:find (count ?e) :where [?e :person/salary ?s] [(bench/is_rich ?s)]]",
        of = { "built in", 3 } },
      { "in Lua, two arguments", lion = [=[[:find (count ?e) :where [?e :person/salary ?s] [?e :person/age ?a]
          [(bench/is_odd_pair ?s ?a)]]]=] },
    },
  }
end

return calls
