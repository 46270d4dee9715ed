--- What functions of the user cost in a query: lion run bench/lua/call_bench.lua [rows], default
-- 20,000. Each line: ns a row, scan and all, and how many times the same scan with a built-in
-- predicate that is. Best of five.
local lion = require "lion"

local rows = tonumber(arg[1]) or 20000
local BATCH = 10000
local RUNS = 5

local conn = lion.connect("mem:", { durability = "none" })
conn:transact(lion.schema { row = { long = "long", double = "double", text = "string",
                                    kind = "keyword" } })
for at = 1, rows, BATCH do
  local tx = {}
  for i = at, math.min(at + BATCH - 1, rows) do
    tx[#tx + 1] = { ["row/long"] = i, ["row/double"] = i + 0.5, ["row/text"] = "text " .. i % 1000,
                    ["row/kind"] = i % 2 == 0 and ":kind/even" or ":kind/odd" }
  end
  conn:transact(tx)
end
conn:request_index()

-- None is ever true, so what is measured is the scan and the calls.
lion.fn("bench/long", function(x) return x % 2 == 3 end)
lion.fn("bench/double", function(x) return x < 0 end)
lion.fn("bench/text", function(x) return #x > 60 end)
lion.fn("bench/kind", function(x) return x == ":kind/none" end)
lion.fn("bench/both", function(x, y) return x < y end)
lion.fn("bench/twice", function(x) return x * 2 end)
lion.fn("bench/name", function(x) return x .. "!" end)

local db = conn:db()
local clock = os.clock

local function best(value, query)
  local prepared, least = lion.prepare(query), math.huge
  for _ = 1, RUNS do
    local start = clock()
    assert(value:q(prepared) == nil)
    least = math.min(least, clock() - start)
  end
  return least * 1e9 / rows
end

local function query(attribute, clauses)
  return ("[:find (count ?e) . :where [?e :row/%s ?x] %s]"):format(attribute, clauses)
end

local built_in = best(db, query("long", "[(zero? ?x)]"))
print(("%d rows; scan with a built-in predicate %.1f ns a row"):format(rows, built_in))
for _, case in ipairs {
  { "predicate of a long", "long", "[(bench/long ?x)]" },
  { "predicate of a double", "double", "[(bench/double ?x)]" },
  { "predicate of a string", "text", "[(bench/text ?x)]" },
  { "predicate of a keyword", "kind", "[(bench/kind ?x)]" },
  { "predicate with a constant", "long", "[(bench/both ?x -7)]" },
  { "function, long to long", "long", "[(bench/twice ?x) ?y] [(zero? ?y)]" },
  { "function, string to string", "text", "[(bench/name ?x) ?y] [(= ?y 1)]" },
} do
  local cost = best(db, query(case[2], case[3]))
  print(("  %-28s %8.1f ns   %6.1f x"):format(case[1], cost, cost / built_in))
end
local filtered = db:filter(function(_, datom) return datom.v == -7 end)
local cost = best(filtered, query("long", ""))
print(("  %-28s %8.1f ns   %6.1f x"):format("filter", cost, cost / built_in))
conn:close()
