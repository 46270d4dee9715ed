--- The same questions of more and more persons: what is selective stays flat, what reads all of it grows
-- with it.
local people = require "suites.people"

local growth = { sizes = { 10000, 30000, 100000, 300000, 1000000, 3000000 } }

function growth.make(size)
  local key = 7000000 + math.floor(size / 3)
  return {
    title = size .. " persons", tables = { people.persons(size) },
    queries = {
      { "by key",
        lion = "[:find ?n ?a :in $ ?k :where [?e :person/key ?k] [?e :person/name ?n] [?e :person/age ?a]]",
        inputs = { key }, sql = "select name, age from person where key = ?", parameters = { key } },
      { "count by sex", lion = "[:find ?s (count ?e) :where [?e :person/sex ?s]]",
        sql = "select sex, count(*) from person group by sex" },
      { "salary > 50000, sex", lion = [=[[:find ?e :where [?e :person/salary ?s] [(> ?s 50000)]
          [?e :person/sex "male"]]]=], sql = "select id from person where salary > 50000 and sex = 'male'" },
    },
  }
end

return growth
