--- Cycles in a graph whose nodes have very different numbers of edges: counted, and as rows from some of its
-- nodes. bench/query/run cyclic:FILE takes the edges of a file instead, two numbers a line (from,to).
local data = require "data"

local cyclic = { sizes = { 100000, 1000000 } }

local function generated(size)
  local nodes = math.floor(size / 10)
  local random, edges, has = data.random(9), {}, {}
  local rank = data.zipf(random, nodes, 0.6)
  while #edges < size do
    local a, b = random(nodes) + 1, rank()
    local key = a * 2 ^ 24 + b
    if a ~= b and not has[key] then
      has[key] = true
      edges[#edges + 1] = { a, b }
    end
  end
  return nodes, edges
end

local TRIANGLE = "[?a :node/to ?b] [?b :node/to ?c] [?a :node/to ?c]"
local TRIANGLE_SQL = "edge x join edge y on y.a = x.b join edge z on z.a = x.a and z.b = y.b"
local TRIANGLE_KUZU = "(a:node)-[:edge]->(b:node)-[:edge]->(c:node), (a)-[:edge]->(c)"

local function count(edges)
  return ("[:find (count ?a) :with ?b ?c :where %s]"):format(edges)
end

local function counted(is_large)
  local slow = { SQLite = is_large, PostgreSQL = is_large } -- they need minutes then
  return {
    { "triangles a b c, a c", lion = count(TRIANGLE), times = 2, without = slow,
      sql = "select count(*) from " .. TRIANGLE_SQL,
      kuzu = ("match %s return count(*)"):format(TRIANGLE_KUZU) },
    { "triangles round", lion = count "[?a :node/to ?b] [?b :node/to ?c] [?c :node/to ?a]", times = 2,
      without = slow,
      sql = "select count(*) from edge x join edge y on y.a = x.b join edge z on z.a = y.b and z.b = x.a",
      kuzu = "match (a:node)-[:edge]->(b:node)-[:edge]->(c:node)-[:edge]->(a) return count(*)" },
    { "cycles of four", times = 2, without = { SQLite = true, PostgreSQL = is_large },
      lion = [=[[:find (count ?a) :with ?b ?c ?d :where [?a :node/to ?b] [?b :node/to ?c] [?c :node/to ?d]
        [?d :node/to ?a]]]=],
      sql = [=[select count(*) from edge w join edge x on x.a = w.b join edge y on y.a = x.b
        join edge z on z.a = y.b and z.b = w.a]=],
      kuzu = [=[match (a:node)-[:edge]->(b:node)-[:edge]->(c:node)-[:edge]->(d:node)-[:edge]->(a)
        return count(*)]=] },
    { "diamonds", times = 2, without = { SQLite = true, PostgreSQL = is_large },
      lion = [=[[:find (count ?a) :with ?b ?c ?d :where [?a :node/to ?b] [?a :node/to ?c] [?b :node/to ?d]
        [?c :node/to ?d]]]=],
      sql = [=[select count(*) from edge w join edge x on x.a = w.a join edge y on y.a = w.b
        join edge z on z.a = x.b and z.b = y.b]=],
      kuzu = [=[match (a:node)-[:edge]->(b:node)-[:edge]->(d:node),
        (a)-[:edge]->(c:node)-[:edge]->(d) return count(*)]=] },
  }
end

local function rows()
  return {
    { "triangles of 30 nodes", times = 2,
      lion = ("[:find ?a ?b ?c :where [?a :node/n ?n] [(<= ?n 30)] %s]"):format(TRIANGLE),
      sql = ("select x.a, x.b, z.b from %s join node n on n.id = x.a where n.n <= 30"):format(TRIANGLE_SQL),
      kuzu = ("match %s where a.n <= 30 return a.id, b.id, c.id"):format(TRIANGLE_KUZU) },
    { "triangles and one step on", times = 2,
      lion = ("[:find ?a ?d :where %s [?c :node/to ?d] [?d :node/n 7]]"):format(TRIANGLE),
      sql = ([=[select distinct x.a, w.b from %s join edge w on w.a = z.b join node n on n.id = w.b
        where n.n = 7]=]):format(TRIANGLE_SQL),
      kuzu = ("match %s, (c)-[:edge]->(d:node) where d.n = 7 return distinct a.id, d.id")
        :format(TRIANGLE_KUZU) },
    { "who leads to three of them", times = 2,
      lion = [=[[:find ?c :where [?x :node/n 1] [?y :node/n 2] [?z :node/n 3] [?c :node/to ?x]
        [?c :node/to ?y] [?c :node/to ?z]]]=],
      sql = [=[select x.a from edge x join edge y on y.a = x.a join edge z on z.a = x.a
        join node i on i.id = x.b join node j on j.id = y.b join node k on k.id = z.b
        where i.n = 1 and j.n = 2 and k.n = 3]=],
      kuzu = [=[match (c:node)-[:edge]->(x:node), (c)-[:edge]->(y:node), (c)-[:edge]->(z:node)
        where x.n = 1 and y.n = 2 and z.n = 3 return c.id]=] },
  }
end

function cyclic.make(size)
  local nodes, edges = (tonumber(size) and generated or data.read_edges)(size)
  local queries = counted(#edges > 200000)
  for _, query in ipairs(rows()) do queries[#queries + 1] = query end
  return {
    title = ("%d nodes, %d edges"):format(nodes, #edges), queries = queries,
    tables = { data.table("node", nodes, { { "n", "long" } }, function(i) return { i } end),
      { name = "edge", link = "node/to", from = "node", to = "node", rows = edges } },
  }
end

return cyclic
