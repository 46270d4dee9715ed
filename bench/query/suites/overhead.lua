--- What a small question costs: three clauses and one answer, with the plan that is there, from the core to
-- typed columns and from Lua to Lua's tables; and questions that are new.
local lion = require "lion"
local people = require "suites.people"

local overhead = { sizes = { 20000 } }

local QUERY = [=[[:find ?n ?a :in $ ?k :where [?e :person/key ?k] [?e :person/name ?n] [?e :person/age ?a]]]=]
local SQL = "select name, age from person where key = ?"
local KEY = 7000000 + 1234

-- A query that differs from the last by one constant, so that it is parsed, checked and planned anew: a chain
-- of so many entities, each joined to the next by a value, from a key that nobody has.
local function new_chain(entities)
  local number = 0
  return function(engine)
    local parts = {}
    number = number + 1
    for i = 2, entities do
      local column = i % 2 == 0 and "age" or "salary"
      parts[i - 1] = ("[?e%d :person/%s ?v%d] [?e%d :person/%s ?v%d]"):format(i - 1, column, i, i, column, i)
    end
    local text = ("[:find ?e1 :where [?e1 :person/key %d] %s]"):format(-number, table.concat(parts, " "))
    return engine.db:q(text)
  end
end

function overhead.make(size)
  local prepared = lion.prepare(QUERY)
  return {
    title = size .. " persons", tables = { people.persons(size) },
    queries = {
      { "three clauses, typed columns", lion = QUERY, inputs = { KEY }, sql = SQL, parameters = { KEY },
        at_most = 0.005 },
      { "three clauses, Lua tables",
        call = { Lion = function(engine) return engine.db:q(prepared, KEY) end,
          SQLite = function(engine) return engine:rows { sql = SQL, parameters = { KEY } } end },
          at_most = 0.020 },
      { "three clauses by their text",
        call = { Lion = function(engine) return engine.db:q(QUERY, KEY) end,
          SQLite = function(engine) return engine:rows { sql = SQL, parameters = { KEY } } end },
          at_most = 0.020 },
      { "new, 3 clauses: parse, plan", call = { Lion = new_chain(2) }, at_most = 0.200, warm = 1000 },
      { "new, 13 clauses: parse, plan", call = { Lion = new_chain(7) }, at_most = 0.200, warm = 1000 },
      { "new, 17 relations: parse, plan", call = { Lion = new_chain(17) }, at_most = 1, warm = 1000 },
    },
  }
end

return overhead
