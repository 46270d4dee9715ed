--- Everything that one node leads to, in a random graph of five edges a node.
local data = require "data"

local reach = { sizes = { 100000 } }

local RULES = "[[(path ?a ?b) [?a :node/to ?b]] [(path ?a ?b) [?a :node/to ?t] (path ?t ?b)]]"

function reach.make(size)
  local random, edges, has = data.random(5), {}, {}
  while #edges < size * 5 do
    local a, b = random(size) + 1, random(size) + 1
    local key = a * 2 ^ 24 + b
    if not has[key] then
      has[key] = true
      edges[#edges + 1] = { a, b }
    end
  end
  local nodes = data.table("node", size, { { "n", "long", unique = "identity" } },
  function(i) return { i } end)
  return {
    title = ("%d nodes, %d edges"):format(size, #edges),
    tables = { nodes, { name = "edge", link = "node/to", from = "node", to = "node", rows = edges } },
    queries = {
      { "from one node", lion = "[:find ?b :in $ % ?n :where [?a :node/n ?n] (path ?a ?b)]",
        inputs = { RULES, 7 },
        sql = [=[with recursive c (b) as (select b from edge where a = ? union
          select e.b from edge e join c on e.a = c.b) select b from c]=], parameters = { 7 }, times = 5 },
      { "from one node, counted", lion = "[:find (count ?b) :in $ % ?n :where [?a :node/n ?n] (path ?a ?b)]",
        inputs = { RULES, 7 }, sql = [=[with recursive c (b) as (select b from edge where a = ? union
          select e.b from edge e join c on e.a = c.b) select count(*) from c]=], parameters = { 7 },
          times = 5 },
      { "to one node", lion = "[:find ?a :in $ % ?n :where [?b :node/n ?n] (path ?a ?b)]", inputs = { RULES,
        7 },
        sql = [=[with recursive c (a) as (select a from edge where b = ? union
          select e.a from edge e join c on e.b = c.a) select a from c]=], parameters = { 7 }, times = 5 },
    },
  }
end

return reach
