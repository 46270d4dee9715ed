--- What the suites' generators share: numbers that come out the same on every machine, and tables.
--
-- A suite describes its data once, as tables; each engine makes of it what is proper to it:
--   { name =, columns = { { name, type, unique = "identity", index = false }, … }, rows = { { … }, … } }
-- where a type is "string", "long", "double" or the name of the table whose rows are referred to. Rows are
-- numbered from 1; the number is the key in SQL, an entity in Lion. A table with `link = "a/b"` holds
-- pairs of rows of `from` and `to`: a reference of cardinality many.
local data = {}

--- random(n) → 0 … n - 1; random() → [0, 1)
function data.random(seed)
  local state = seed
  return function(n)
    state = (state * 16807) % 2147483647
    local fraction = (state - 1) / 2147483646
    return n and math.floor(fraction * n) or fraction
  end
end

--- Ranks 1 … n, the k-th with a probability of 1 / k ^ exponent of the first's.
function data.zipf(random, n, exponent)
  local sums, sum = {}, 0
  for k = 1, n do
    sum = sum + 1 / k ^ (exponent or 1)
    sums[k] = sum
  end
  return function()
    local wanted, low, high = random() * sum, 1, n
    while low < high do
      local middle = math.floor((low + high) / 2)
      if sums[middle] > wanted then high = middle else low = middle + 1 end
    end
    return low
  end
end

--- A table made row by row: row(i) → { … }.
function data.table(name, count, columns, row)
  local rows = {}
  for i = 1, count do
    rows[i] = row(i)
  end
  return { name = name, columns = columns, rows = rows }
end

--- The nodes and edges of a file with two numbers a line; nodes are numbered as they come.
function data.read_edges(path)
  local numbers, nodes, edges = {}, 0, {}
  local function number(id)
    if not numbers[id] then
      nodes = nodes + 1
      numbers[id] = nodes
    end
    return numbers[id]
  end
  for line in assert(io.open(path)):lines() do
    local a, b = line:match "^(%d+)%D+(%d+)"
    if a then edges[#edges + 1] = { number(a), number(b) } end
  end
  return nodes, edges
end

local SQL_TYPE = { string = "text", long = "bigint", double = "double precision" }

--- Statements that make the table in SQL, and then its indexes.
function data.ddl(t)
  if t.link then
    local make = ("create table %s (a integer, b integer, primary key (a, b))"):format(t.name)
    return make, { ("create index %s_b on %s (b, a)"):format(t.name, t.name) }
  end
  local parts, indexes = { "id integer primary key" }, {}
  for _, column in ipairs(t.columns) do
    parts[#parts + 1] = column[1] .. " " .. (SQL_TYPE[column[2]] or "integer")
    if column.index ~= false then
      indexes[#indexes + 1] = ("create index %s_%s on %s (%s)"):format(t.name, column[1], t.name, column[1])
    end
  end
  return ("create table %s (%s)"):format(t.name, table.concat(parts, ", ")), indexes
end

--- The tables in a peer: all at once, or by SQL.
function data.fill(peer, tables)
  if peer.fill_tables then return peer:fill_tables(tables) end
  for _, t in ipairs(tables) do
    local make, indexes = data.ddl(t)
    if peer.name == "SQLite" and t.link then make = make .. " without rowid" end
    peer:exec(make)
    peer:fill(t.name, t.link and 2 or #t.columns + 1, function(put)
      for i, row in ipairs(t.rows) do
        put(t.link and row or { i, unpack(row, 1, #t.columns) })
      end
    end)
    for _, index in ipairs(indexes) do
      peer:exec(index)
    end
  end
  peer:loaded()
end

return data
