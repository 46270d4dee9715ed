--- Predicates and arithmetic over all persons: in Lua, built in, and as peers have them.
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

-- The sum, or the count, of what a call makes of each person.
local function computed(title, lion_clauses, sql, is_count)
  local found = is_count and "(count ?e)" or "(sum ?x)"
  return { title, times = 1, sql = "select " .. sql .. (is_count and "" or " from person"),
    lion = ("[:find %s . %s :where %s]"):format(found, is_count and "" or ":with ?e", lion_clauses) }
end

function calls.make(size)
  return {
    title = size .. " persons", tables = { persons(size) },
    queries = {
      { "built in", lion = "[:find (count ?e) :where [?e :person/salary ?s] [(> ?s 50000)]]",
        sql = "select count(*) from person where salary > 50000", times = 1 },
      { "in Lua", lion = "[:find (count ?e) :where [?e :person/salary ?s] [(bench/is_rich ?s)]]",
        of = { "built in", 3 } },
      computed("salary + age is odd", [=[[?e :person/salary ?s] [?e :person/age ?a] [(+ ?s ?a) ?x]
        [(odd? ?x)]]=], "count(*) from person where (salary + age) % 2 = 1", true),
      { "the same, in Lua", lion = [=[[:find (count ?e) :where [?e :person/salary ?s] [?e :person/age ?a]
          [(bench/is_odd_pair ?s ?a)]]]=], of = { "salary + age is odd", 3 } },
      computed("salary + 1", "[?e :person/salary ?s] [(+ ?s 1) ?x]", "sum(salary + 1)"),
      computed("salary * age", "[?e :person/salary ?s] [?e :person/age ?a] [(* ?s ?a) ?x]",
        "sum(salary * age)"),
      computed("salary mod 10", "[?e :person/salary ?s] [(mod ?s 10) ?x]", "sum(salary % 10)"),
      computed("(1 - age * 2^-7) * salary", [=[[?e :person/salary ?s] [?e :person/age ?a]
        [(* ?a 0.0078125) ?d] [(- 1 ?d) ?m] [(* ?m ?s) ?x] [(> ?x 25000)]]=],
        "count(*) from person where (1 - age * 0.0078125) * salary > 25000", true),
      computed("salary < age * 500", [=[[?e :person/salary ?s] [?e :person/age ?a] [(* ?a 500) ?x]
        [(< ?s ?x)]]=],
        "count(*) from person where salary < age * 500", true),
      computed("25000 < salary < 75000", "[?e :person/salary ?s] [(< 25000 ?s 75000)]",
        "count(*) from person where salary > 25000 and salary < 75000", true),
    },
  }
end

return calls
