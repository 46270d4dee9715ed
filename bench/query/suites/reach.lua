--- Everything that one node leads to, and back, in a random graph of five edges a node. bench/query/run
-- reach:FILE takes the edges of a file instead, two numbers a line, and asks for all pairs, too.
local data = require "data"

local reach = { sizes = { 100000 } }

local RULES = "[[(path ?a ?b) [?a :node/to ?b]] [(path ?a ?b) [?a :node/to ?t] (path ?t ?b)]]"

local function generated(size)
  local random, edges, has = data.random(5), {}, {}
  while #edges < size * 5 do
    local a, b = random(size) + 1, random(size) + 1
    local key = a * 2 ^ 24 + b
    if not has[key] then
      has[key] = true
      edges[#edges + 1] = { a, b }
    end
  end
  return size, edges
end

local FROM = [=[with recursive c (b) as (select b from edge where a = ? union
  select e.b from edge e join c on e.a = c.b) select %s from c]=]
local TO = [=[with recursive c (a) as (select a from edge where b = ? union
  select e.a from edge e join c on e.b = c.a) select a from c]=]

-- All that can be reached from one node, and that reach it.
local function of_one(at_most)
  local function reached(title, lion, sql)
    return { title, lion = lion, inputs = { RULES, 7 }, sql = sql, parameters = { 7 }, times = 5,
      at_most = at_most }
  end
  local from = "[:find %s :in $ %% ?n :where [?a :node/n ?n] (path ?a ?b)]"
  return {
    reached("from one node", from:format "?b", FROM:format "b"),
    reached("from one node, counted", from:format "(count ?b)", FROM:format "count(*)"),
    reached("to one node", "[:find ?a :in $ % ?n :where [?b :node/n ?n] (path ?a ?b)]", TO),
  }
end

-- The closure: of a file alone, as its pairs may be the square of the nodes.
local function add_pairs(queries)
  local sql = [=[with recursive c (a, b) as (select a, b from edge union
    select c.a, e.b from c join edge e on e.a = c.b) select count(*) from c]=]
  table.insert(queries, { "all pairs, counted", inputs = { RULES }, sql = sql, at_most = 3000,
    lion = "[:find (count ?b) :with ?a :in $ % :where (path ?a ?b)]" })
  local pairs_of = { lion = "[:find ?a ?b :in $ % :where (path ?a ?b)]", inputs = { RULES } }
  table.insert(queries, { "all pairs", call = { Lion = function(engine) return engine:run(pairs_of) end },
    shape = function(count) return { { count } } end, at_most = 3000 })
end

function reach.make(size)
  local is_file = not tonumber(size)
  local nodes, edges = (is_file and data.read_edges or generated)(size)
  local queries = of_one(is_file and 1 or nil)
  if is_file then add_pairs(queries) end
  local numbered = data.table("node", nodes, { { "n", "long", unique = "identity" } },
    function(i) return { i } end)
  return {
    title = ("%d nodes, %d edges"):format(nodes, #edges), queries = queries,
    tables = { numbered, { name = "edge", link = "node/to", from = "node", to = "node", rows = edges } },
  }
end

return reach
