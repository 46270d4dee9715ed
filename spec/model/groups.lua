--- Groups and aggregates, as the reference finds them.
local groups = {}

local AGGREGATE = {}
function AGGREGATE.count(values) return #values end
function AGGREGATE.sum(values)
  local sum = 0
  for _, value in ipairs(values) do sum = sum + value end
  return sum
end
function AGGREGATE.avg(values) return AGGREGATE.sum(values) / #values end
function AGGREGATE.variance(values)
  local mean, sum = AGGREGATE.avg(values), 0
  for _, value in ipairs(values) do sum = sum + (value - mean) ^ 2 end
  return sum / #values
end
local function sorted_copy(values)
  local copy = {}
  for i, value in ipairs(values) do copy[i] = value end
  table.sort(copy)
  return copy
end
function AGGREGATE.min(values) return sorted_copy(values)[1] end
function AGGREGATE.max(values) return sorted_copy(values)[#values] end
function AGGREGATE.median(values)
  local list, half = sorted_copy(values), math.floor(#values / 2)
  if #list % 2 == 1 then return list[half + 1] end
  return (list[half] + list[half + 1]) / 2
end
AGGREGATE["count-distinct"] = function(values)
  local seen, count = {}, 0
  for _, value in ipairs(values) do
    if not seen[value] then count = count + 1 end
    seen[value] = true
  end
  return count
end

--- The variables whose distinct rows are grouped, in the order of group.rows.
-- @param by names of the groups' variables
-- @param aggregates { name, variable }…
-- @param with further variables
function groups.vars(by, aggregates, with)
  local vars, at = {}, {}
  local function add(name)
    if not at[name] then vars[#vars + 1] = name end
    at[name] = at[name] or #vars
  end
  for _, name in ipairs(by) do add(name) end
  for _, aggregate in ipairs(aggregates) do add(aggregate[2]) end
  for _, name in ipairs(with) do add(name) end
  return vars, at
end

--- A row for each group: its variables, then its aggregates.
-- @param rows distinct rows of groups.vars
function groups.of(rows, by, aggregates, with)
  local _, at = groups.vars(by, aggregates, with)
  local by_key, found = {}, {}
  for _, row in ipairs(rows) do
    local key = { unpack(row, 1, #by) }
    local text = table.concat(key, "\0")
    by_key[text] = by_key[text] or { key = key }
    table.insert(by_key[text], row)
  end
  for _, group in pairs(by_key) do
    local row = { unpack(group.key) }
    for _, aggregate in ipairs(aggregates) do
      local values = {}
      for i, one in ipairs(group) do values[i] = one[at[aggregate[2]]] end
      row[#row + 1] = AGGREGATE[aggregate[1]](values)
    end
    found[#found + 1] = row
  end
  return found
end

return groups
