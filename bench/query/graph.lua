--- Recursion and cycles over a graph: lion run bench/query/graph.lua [EDGES], default edges made here;
-- EDGES is a file of lines "from,to", as SNAP's wiki-Vote is when written so. Each line: milliseconds, best
-- of several, in processor time, beside the same answer by LuaJIT over arrays that are there already (which
-- is what a program with the graph in its memory would do).
local ffi = require "ffi"
local lion = require "lion"

local RUNS = 7

-- ---- the graph ---------------------------------------------------------------------------------

-- 7,000 nodes, 100,000 edges, most of them to few nodes, a quarter of the nodes without any of their own.
local function made_edges()
  local state, list = 42, {}
  local function random(n)
    state = (state * 16807) % 2147483647
    return math.floor(state / 1024) % n
  end
  for _ = 1, 100000 do
    local from, to = random(5250), math.floor(random(7000) * random(7000) / 7000)
    list[#list + 1] = { from, to }
  end
  return list
end

local function read_edges(path)
  local list = {}
  for line in io.lines(path) do
    local from, to = line:match "^(%d+)%D+(%d+)"
    if from then list[#list + 1] = { tonumber(from), tonumber(to) } end
  end
  return list
end

local edges = arg[1] and read_edges(arg[1]) or made_edges()
local number, names, next_of = {}, {}, {}
local function number_of(name)
  if not number[name] then
    names[#names + 1] = name
    number[name] = #names
    next_of[#names] = {}
  end
  return number[name]
end
local count, has = 0, {}
for _, edge in ipairs(edges) do
  local from, to = number_of(edge[1]), number_of(edge[2])
  local key = from * 2 ^ 26 + to
  if not has[key] then
    has[key] = true
    table.insert(next_of[from], to)
    count = count + 1
  end
end
for _, list in ipairs(next_of) do
  table.sort(list)
end

local conn = lion.connect("mem:", { durability = "none" })
conn:transact(lion.schema { node = { name = { "long", unique = "identity" },
                                     to = { "ref", many = true } } })
local tx = {}
for i, name in ipairs(names) do
  tx[#tx + 1] = { ["db/id"] = "n" .. i, ["node/name"] = name }
  for _, to in ipairs(next_of[i]) do
    tx[#tx + 1] = { "db/add", "n" .. i, "node/to", "n" .. to }
  end
end
conn:transact(tx)
conn:request_index()
local db = conn:db()
print(("%d nodes, %d edges"):format(#names, count))

-- ---- the same over arrays ----------------------------------------------------------------------

local nodes = #names
local start = ffi.new("int32_t[?]", nodes + 2)
local target = ffi.new("int32_t[?]", count + 1)
local at = 0
for i = 1, nodes do
  start[i] = at
  for _, to in ipairs(next_of[i]) do
    target[at] = to
    at = at + 1
  end
end
start[nodes + 1] = at
local seen = ffi.new("int32_t[?]", nodes + 1)
local queue = ffi.new("int32_t[?]", nodes + 1)
local stamp = 0

local function reach(from)
  stamp = stamp + 1
  local head, tail = -1, 0
  local node = from
  while true do
    for k = start[node], start[node + 1] - 1 do
      local to = target[k]
      if seen[to] ~= stamp then
        seen[to] = stamp
        queue[tail] = to
        tail = tail + 1
      end
    end
    head = head + 1
    if head >= tail then return tail end
    node = queue[head]
  end
end

local function closure()
  local sum = 0
  for i = 1, nodes do
    sum = sum + reach(i)
  end
  return sum
end

local function triangles()
  local sum = 0
  for a = 1, nodes do
    stamp = stamp + 1
    for k = start[a], start[a + 1] - 1 do
      seen[target[k]] = stamp
    end
    for k = start[a], start[a + 1] - 1 do
      local b = target[k]
      for m = start[b], start[b + 1] - 1 do
        if seen[target[m]] == stamp then sum = sum + 1 end
      end
    end
  end
  return sum
end

-- ---- measuring ---------------------------------------------------------------------------------

local function best(runs, fn, ...)
  local least, result = math.huge, nil
  for _ = 1, runs do
    local begun = os.clock()
    result = fn(...)
    least = math.min(least, os.clock() - begun)
  end
  return least * 1000, result
end

local PATH = "[[(path ?a ?b) [?a :node/to ?b]] [(path ?a ?b) [?a :node/to ?x] (path ?x ?b)]]"

local function measure(title, runs, query, inputs, floor)
  local prepared = lion.prepare(query)
  local time, rows = best(runs, function() return db:q(prepared, unpack(inputs)) end)
  local line = ("  %-34s %10d rows %10.3f ms"):format(title, rows or 0, time)
  if floor then
    local floor_time, floor_rows = best(runs, floor)
    assert(floor_rows == (rows or 0), title .. ": the array says " .. floor_rows)
    line = line .. ("   arrays %9.3f ms, %6.2f x"):format(floor_time, time / floor_time)
  end
  print(line)
end

-- The node of the most edges.
local hub = 1
for i = 1, nodes do
  if #next_of[i] > #next_of[hub] then hub = i end
end
local source = { "node/name", names[number[3026] or hub] }
local first = number[3026] or hub

measure("reached from one node", 50,
  "[:find (count ?b) . :in $ % ?a :where (path ?a ?b)]", { PATH, source },
  function() return reach(first) end)
measure("what reaches one node", 50,
  "[:find (count ?a) . :in $ % ?b :where (path ?a ?b)]", { PATH, source })
measure("whether one reaches another", 50,
  "[:find (count ?n) . :in $ % ?a ?b :where [?a :node/name ?n] (path ?a ?b)]",
  { PATH, source, { "node/name", names[2] } })
local some = {}
for i = 1, 100 do
  some[i] = { "node/name", names[i * 50] }
end
measure("reached from each of 100 nodes", 5,
  "[:find (count ?b) . :with ?a :in $ % [?a ...] :where (path ?a ?b)]", { PATH, some },
  function()
    local sum = 0
    for i = 1, 100 do
      sum = sum + reach(i * 50)
    end
    return sum
  end)
measure("all pairs", 2, "[:find (count ?a) . :with ?b :in $ % :where (path ?a ?b)]", { PATH },
  closure)
measure("triangles a b c, a c", RUNS,
  "[:find (count ?a) . :with ?b ?c :where [?a :node/to ?b] [?b :node/to ?c] [?a :node/to ?c]]", {},
  triangles)
measure("triangles round", RUNS,
  "[:find (count ?a) . :with ?b ?c :where [?a :node/to ?b] [?b :node/to ?c] [?c :node/to ?a]]", {})
measure("pairs there and back", RUNS,
  "[:find (count ?a) . :with ?b :where [?a :node/to ?b] [?b :node/to ?a]]", {})
conn:close()
