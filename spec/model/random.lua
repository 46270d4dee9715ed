--- Numbers by chance, the same from the same seed on every machine.
local random = {}

--- @return function(n) → 1 … n
function random.new(seed)
  local state = seed % 2147483646 + 1
  return function(n)
    state = (state * 16807) % 2147483647
    return math.floor(state / 1024) % n + 1
  end
end

function random.pick(number, list) return list[number(#list)] end

--- A copy of the list, what stands from `from` on (1) in another order.
function random.shuffled(number, list, from)
  local copy = { unpack(list) }
  from = from or 1
  for i = #copy, from + 1, -1 do
    local k = from + number(i - from + 1) - 1
    copy[i], copy[k] = copy[k], copy[i]
  end
  return copy
end

return random
