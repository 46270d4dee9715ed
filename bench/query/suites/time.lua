--- Time travel: names with ages now, as of 2,000 edits ago, and over all history, of 20,000 persons.
local data = require "data"
local people = require "suites.people"

local time = { sizes = { 20000 } }

local EDITS = 2000
local STAR = "[:find ?e ?a :in $ ?n :where [?e :person/name ?n] [?e :person/age ?a]]"
local STAR_SEX = [=[[:find ?e ?a :in $ ?n :where [?e :person/name ?n] [?e :person/age ?a]
  [?e :person/sex "male"]]]=]

-- Each edit is a transaction: a person's age. SQL has the rows as they were before.
local function edit(engines, size)
  local lion, random = engines[1], data.random(11)
  lion.before = lion.db
  for _ = 1, EDITS do
    local person, age = random(size) + 1, 100 + random(100)
    lion.conn:transact { { "db/add", lion.ids["person" .. person], "person/age", age } }
  end
  lion.conn:request_index()
  lion.db = lion.conn:db()
end

function time.make(size)
  local name = people.name_of(1)
  local function now(engine) return engine.db end
  local function as_of(engine)
    engine.past = engine.past or engine.db:as_of(engine.before.basis_t)
    return engine.past
  end
  local function history(engine)
    engine.always = engine.always or engine.db:history()
    return engine.always
  end
  return {
    title = ("%d persons, %d edits of ages"):format(size, EDITS), tables = { people.persons(size) },
    opened = function(engines) edit(engines, size) end,
    queries = {
      { "name, age: now", lion = STAR, inputs = { name }, view = now },
      { "name, age: before the edits", lion = STAR, inputs = { name }, view = as_of,
        sql = "select id, age from person where name = ?", parameters = { name }, at_most = 4.9 / 5,
        of = { "name, age: now", 1.5 } },
      { "name, age, sex: now", lion = STAR_SEX, inputs = { name }, view = now },
      { "name, age, sex: before the edits", lion = STAR_SEX, inputs = { name }, view = as_of,
        sql = "select id, age from person where name = ? and sex = 'male'", parameters = { name },
        at_most = 6.4 / 5, of = { "name, age, sex: now", 1.5 } },
      { "all ages: now", lion = "[:find ?e ?a :where [?e :person/age ?a]]", view = now },
      { "all ages: before the edits", lion = "[:find ?e ?a :where [?e :person/age ?a]]", view = as_of,
        sql = "select id, age from person", of = { "all ages: now", 1.5 } },
      { "history: all names", lion = "[:find ?e ?n :where [?e :person/name ?n]]", view = history,
        sql = "select id, name from person", at_most = 4.8 / 5 },
      { "history: ages with transactions", lion = "[:find ?e ?a ?t :where [?e :person/age ?a ?t]]",
        view = history,
        at_most = 7.3 / 5 },
      { "history: names with ages", lion = "[:find ?e ?n ?a :where [?e :person/name ?n] [?e :person/age ?a]]",
        view = history, at_most = 16.2 / 5 },
      { "history: ages retracted", lion = "[:find ?e ?a :where [?e :person/age ?a _ false]]", view = history,
        at_most = 1.5 / 5 },
    },
  }
end

return time
