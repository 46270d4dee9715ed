--- Persons with Zipf names, as DataScript's bench has them: points, stars of two to four clauses in any
-- order, predicates, parameters.
local data = require "data"

local people = { sizes = { 20000, 100000 } }

local NAMES = 1000

local function name_of(rank) return ("name%04d"):format(rank) end
people.name_of = name_of
people.columns = { "name", "last_name", "sex", "age", "salary" }

--- The table of persons; `more` are further columns, and what a row of them holds.
function people.persons(size, columns, more)
  local random = data.random(42)
  local rank = data.zipf(random, NAMES)
  local all = {
    { "key", "long", unique = "identity" }, { "name", "string" }, { "last_name", "string" },
    { "sex", "string" }, { "age", "long" }, { "salary", "long" },
  }
  for _, column in ipairs(columns or {}) do
    all[#all + 1] = column
  end
  return data.table("person", size, all, function(i)
    local row = { 7000000 + i, name_of(rank()), "last" .. random(100), random(2) == 0 and "male" or "female",
      random(100), random(100000) }
    for k, value in ipairs(more and more(i, random) or {}) do
      row[6 + k] = value
    end
    return row
  end)
end

local function by_name(title, name)
  return { title, lion = "[:find ?e :in $ ?n :where [?e :person/name ?n]]", inputs = { name },
    sql = "select id from person where name = ?", parameters = { name }, times = 1 }
end

function people.make(size)
  local common, rare, some = name_of(1), name_of(NAMES), {}
  for i = 1, 10 do
    some[i] = name_of(i * 40)
  end
  local marks = ("?,"):rep(10):sub(1, -2)
  return {
    title = size .. " persons", datascript = true, tables = { people.persons(size) },
    queries = {
      by_name("a rare name", rare),
      by_name("the most frequent name", common),
      { "name, age", lion = "[:find ?e ?a :in $ ?n :where [?e :person/name ?n] [?e :person/age ?a]]",
        inputs = { common }, sql = "select id, age from person where name = ?", parameters = { common },
        times = 1 },
      { "age, name", lion = "[:find ?e ?a :in $ ?n :where [?e :person/age ?a] [?e :person/name ?n]]",
        inputs = { common }, sql = "select id, age from person where name = ?", parameters = { common },
        times = 1 },
      { "name, age, sex", lion = [=[[:find ?e ?a :in $ ?n :where [?e :person/name ?n] [?e :person/age ?a]
          [?e :person/sex "male"]]]=], inputs = { common },
        sql = "select id, age from person where name = ? and sex = 'male'", parameters = { common },
        times = 1 },
      { "sex, age, name", lion = [=[[:find ?e ?a :in $ ?n :where [?e :person/sex "male"] [?e :person/age ?a]
          [?e :person/name ?n]]]=], inputs = { common },
        sql = "select id, age from person where name = ? and sex = 'male'", parameters = { common },
        times = 1 },
      { "name, last name, age, sex", lion = [=[[:find ?e ?l ?a :in $ ?n :where [?e :person/name ?n]
          [?e :person/last_name ?l] [?e :person/age ?a] [?e :person/sex "male"]]]=], inputs = { common },
        sql = "select id, last_name, age from person where name = ? and sex = 'male'",
        parameters = { common },
        times = 1 },
      { "name and last name", lion = [=[[:find ?e ?a :in $ ?n :where [?e :person/last_name "last7"]
          [?e :person/name ?n] [?e :person/age ?a]]]=], inputs = { common },
        sql = "select id, age from person where name = ? and last_name = 'last7'", parameters = { common },
        times = 1 },
      { "salary > 50000", lion = [=[[:find ?e ?s :where [?e :person/salary ?s] [(> ?s 50000)]]]=],
        sql = "select id, salary from person where salary > 50000", times = 1 },
      { "salary > ?min", lion = [=[[:find ?e ?s :in $ ?min :where [?e :person/salary ?s] [(> ?s ?min)]]]=],
        inputs = { 50000 }, sql = "select id, salary from person where salary > ?", parameters = { 50000 },
        times = 1 },
      { "salary > 99000, name", lion = [=[[:find ?n ?s :where [?e :person/salary ?s] [(> ?s 99000)]
          [?e :person/name ?n]]]=], sql = "select distinct name, salary from person where salary > 99000",
          times = 1 },
      { "name, age between", lion = [=[[:find ?e ?a :in $ ?n ?from ?to :where [?e :person/name ?n]
          [?e :person/age ?a] [(>= ?a ?from)] [(< ?a ?to)]]]=], inputs = { common, 20, 30 },
        sql = "select id, age from person where name = ? and age >= ? and age < ?", parameters = { common,
        20, 30 },
        times = 1 },
      { "ten names", lion = "[:find ?e ?a :in $ [?n ...] :where [?e :person/name ?n] [?e :person/age ?a]]",
        inputs = { some }, sql = "select id, age from person where name in (" .. marks .. ")",
        parameters = some,
        times = 1 },
      { "all names with ages", lion = "[:find ?e ?n ?a :where [?e :person/name ?n] [?e :person/age ?a]]",
        sql = "select id, name, age from person", times = 1 },
    },
  }
end

return people
