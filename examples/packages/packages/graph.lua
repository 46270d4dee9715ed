--- Who needs whom, by rules; cycles are no trouble.
local ion = require "ion"

local graph = {}

graph.rules = [==[
[[(needs ?p ?q) [?p :package/depends ?d] [?d :dependency/on ?q]]
 [(reaches ?p ?q) (needs ?p ?q)]
 [(reaches ?p ?q) (needs ?p ?m) (reaches ?m ?q)]]
]==]

local function names(db, clause, name)
  local list = db:q(
    "[:find [?n ...] :in $ % ?name :where [?a :package/name ?name] "
      .. clause
      .. " [?b :package/name ?n]]",
    graph.rules,
    name
  )
  table.sort(list)
  return list
end

--- All that a package needs, directly or not.
function graph.needs(db, name) return names(db, "(reaches ?a ?b)", name) end

--- All that needs a package, directly or not: what breaks if it is removed.
function graph.broken_by(db, name) return names(db, "(reaches ?b ?a)", name) end

--- The same, to be invoked.
function graph.breaks(input) return graph.broken_by(ion.db(), input.name) end

return graph
