--- The nearest of known names to one that nobody knows, for "did you mean".
-- @module lion.nearest
local LENGTH_MAX = 64

-- Levenshtein's distance, row by row.
local function distance(a, b)
  local row = {}
  for k = 0, #b do row[k] = k end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for k = 1, #b do
      local cost = a:byte(i) == b:byte(k) and 0 or 1
      local best = math.min(row[k] + 1, row[k - 1] + 1, diagonal + cost)
      diagonal, row[k] = row[k], best
    end
  end
  return row[#b]
end

--- The nearest key of `known`, or nil where none is near: at most a third of the letters differ.
-- @tparam string name
-- @tparam table known a table whose keys are the names
-- @treturn string|nil
return function(name, known)
  if #name > LENGTH_MAX then return nil end
  local best, best_distance
  for candidate in pairs(known) do
    if type(candidate) == "string" and #candidate <= LENGTH_MAX then
      local d = distance(name, candidate)
      local is_nearer = not best or d < best_distance or d == best_distance and candidate < best
      if is_nearer and d <= math.max(1, #name / 3) then
        best, best_distance = candidate, d
      end
    end
  end
  return best
end
