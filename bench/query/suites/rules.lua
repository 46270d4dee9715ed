--- The closures of DataScript's classic bench, all pairs: long chains side by side, and wide trees.
local data = require "data"

local rules = { sizes = { "long 10x3", "long 30x3", "long 30x5", "wide 3x3", "wide 5x3", "wide 7x3",
"wide 9x3" } }

local RULES = [=[[[(follows ?a ?b) [?a :node/follows ?b]]
  [(follows ?a ?b) [?a :node/follows ?t] (follows ?t ?b)]]]=]
local SQL = [=[with recursive c (a, b) as (select a, b from edge union
  select e.a, c.b from edge e join c on c.a = e.b) select a, b from c]=]

-- `width` chains of `depth` edges.
local function long(depth, width)
  local edges = {}
  for x = 0, width - 1 do
    for y = 1, depth do
      edges[#edges + 1] = { x * (depth + 1) + y, x * (depth + 1) + y + 1 }
    end
  end
  return edges, (depth + 1) * width
end

-- A tree of `depth` levels below its root, each node with `width` children.
local function wide(depth, width)
  local edges, level, count = {}, { 1 }, 1
  for _ = 1, depth do
    local below = {}
    for _, node in ipairs(level) do
      for _ = 1, width do
        count = count + 1
        below[#below + 1] = count
        edges[#edges + 1] = { node, count }
      end
    end
    level = below
  end
  return edges, count
end

function rules.make(size)
  local kind, depth, width = size:match "(%a+) (%d+)x(%d+)"
  local edges, count = (kind == "long" and long or wide)(tonumber(depth), tonumber(width))
  local nodes = data.table("node", count, { { "n", "long" } }, function(i) return { i } end)
  return {
    title = size, datascript = true,
    tables = { nodes, { name = "edge", link = "node/follows", from = "node", to = "node",
    rows = edges } },
    queries = {
      { size, lion = "[:find ?a ?b :in $ % :where (follows ?a ?b)]", inputs = { RULES }, sql = SQL,
        times = 3 },
    },
  }
end

return rules
