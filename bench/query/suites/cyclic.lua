--- Cycles in a graph whose nodes have very different numbers of edges, counted.
local data = require "data"

local cyclic = { sizes = { 100000, 1000000 } }

local function count(edges)
  return ("[:find (count ?a) :with ?b ?c :where %s]"):format(edges)
end

function cyclic.make(size)
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
  local is_large = size > 200000 -- some peers need minutes then
  local queries = {
    { "triangles a b c, a c", lion = count "[?a :node/to ?b] [?b :node/to ?c] [?a :node/to ?c]", times = 2,
      sql = [=[select count(*) from edge x join edge y on y.a = x.b join edge z on z.a = x.a and z.b = y.b]=],
      kuzu = "match (a:node)-[:edge]->(b:node)-[:edge]->(c:node), (a)-[:edge]->(c) return count(*)",
      without = { SQLite = is_large, PostgreSQL = is_large } },
    { "triangles round", lion = count "[?a :node/to ?b] [?b :node/to ?c] [?c :node/to ?a]", times = 2,
      sql = "select count(*) from edge x join edge y on y.a = x.b join edge z on z.a = y.b and z.b = x.a",
      kuzu = "match (a:node)-[:edge]->(b:node)-[:edge]->(c:node)-[:edge]->(a) return count(*)",
      without = { SQLite = is_large, PostgreSQL = is_large } },
  }
  queries[3] = { "cycles of four", times = 2,
    without = { SQLite = true, PostgreSQL = is_large, Kuzu = is_large },
    lion = [=[[:find (count ?a) :with ?b ?c ?d :where [?a :node/to ?b] [?b :node/to ?c] [?c :node/to ?d]
      [?d :node/to ?a]]]=],
    sql = [=[select count(*) from edge w join edge x on x.a = w.b join edge y on y.a = x.b
      join edge z on z.a = y.b and z.b = w.a]=],
    kuzu = [=[match (a:node)-[:edge]->(b:node)-[:edge]->(c:node)-[:edge]->(d:node)-[:edge]->(a)
      return count(*)]=] }
  queries[4] = { "diamonds", times = 2,
    without = { SQLite = true, PostgreSQL = is_large, Kuzu = is_large },
    lion = [=[[:find (count ?a) :with ?b ?c ?d :where [?a :node/to ?b] [?a :node/to ?c] [?b :node/to ?d]
      [?c :node/to ?d]]]=],
    sql = [=[select count(*) from edge w join edge x on x.a = w.a join edge y on y.a = w.b
      join edge z on z.a = x.b and z.b = y.b]=],
    kuzu = [=[match (a:node)-[:edge]->(b:node)-[:edge]->(d:node),
      (a)-[:edge]->(c:node)-[:edge]->(d) return count(*)]=] }
  return {
    title = ("%d nodes, %d edges"):format(nodes, #edges), queries = queries,
    tables = { data.table("node", nodes, { { "n", "long" } }, function(i) return { i } end),
      { name = "edge", link = "node/to", from = "node", to = "node", rows = edges } },
  }
end

return cyclic
