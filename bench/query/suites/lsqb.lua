--- Q3, Q6 and Q9 of the Labelled Subgraph Query Benchmark: bench/query/run lsqb:FOLDER, the folder with its
-- CSV files (Person_knows_Person.csv …), as the benchmark's authors publish them.
local data = require "data"

local lsqb = { sizes = {} }

local function read(folder, name)
  local rows = {}
  for line in assert(io.open(folder .. "/" .. name .. ".csv")):lines() do
    local a, b = line:match "^(%d+)|?(%d*)"
    if a then rows[#rows + 1] = { a, b } end
  end
  return rows
end

-- Entities of a file, and the number of each by its name.
local function entities(folder, name)
  local number, count = {}, 0
  for _, row in ipairs(read(folder, name)) do
    if not number[row[1]] then
      count = count + 1
      number[row[1]] = count
    end
  end
  return number, count
end

local function link(folder, name, from, to, both)
  local rows, has = {}, {}
  local function add(a, b)
    local key = a * 2 ^ 24 + b
    if not has[key] then rows[#rows + 1] = { a, b } end
    has[key] = true
  end
  for _, row in ipairs(read(folder, name)) do
    local a, b = from[row[1]], to[row[2]]
    if a and b then
      add(a, b)
      if both then add(b, a) end
    end
  end
  return rows
end

local function single(rows, count)
  local of = {}
  for _, row in ipairs(rows) do
    of[row[1]] = row[2]
  end
  for i = 1, count do
    of[i] = { of[i] or 1 }
  end
  return of
end

function lsqb.make(folder)
  local person, persons = entities(folder, "Person")
  local city, cities = entities(folder, "City")
  local tag, tags = entities(folder, "Tag")
  local country, countries = {}, 0
  for _, row in ipairs(read(folder, "City_isPartOf_Country")) do
    if not country[row[2]] then
      countries = countries + 1
      country[row[2]] = countries
    end
  end
  local in_country = single(link(folder, "City_isPartOf_Country", city, country), cities)
  local lives = single(link(folder, "Person_isLocatedIn_City", person, city), persons)
  local function plain(name, count) return data.table(name, count, { { "n", "long" } },
  function(i) return { i } end) end
  return {
    title = ("%d persons"):format(persons),
    tables = {
      plain("country", countries), plain("tag", tags),
      { name = "city", columns = { { "country", "country" } }, rows = in_country },
      { name = "person", columns = { { "city", "city" } }, rows = lives },
      { name = "knows", link = "person/knows", from = "person", to = "person",
        rows = link(folder, "Person_knows_Person", person, person, true) },
      { name = "interest", link = "person/interest", from = "person", to = "tag",
        rows = link(folder, "Person_hasInterest_Tag", person, tag) },
    },
    queries = {
      { "Q3 triangles in one country", lion = [=[[:find (count ?a) :with ?b ?c :where [?a :person/knows ?b]
          [?b :person/knows ?c] [?c :person/knows ?a]
          [?a :person/city ?x] [?x :city/country ?n] [?b :person/city ?y]
          [?y :city/country ?n] [?c :person/city ?z] [?z :city/country ?n]]]=], at_most = 5,
        sql = [=[select count(*) from knows k1 join knows k2 on k2.a = k1.b
          join knows k3 on k3.a = k2.b and k3.b = k1.a
          join person p on p.id = k1.a join city x on x.id = p.city join person q on q.id = k2.a
          join city y on y.id = q.city and y.country = x.country join person r on r.id = k3.a
          join city z on z.id = r.city and z.country = x.country]=],
        kuzu = [=[match (a:person)-[:knows]->(b:person)-[:knows]->(c:person)-[:knows]->(a),
          (a)-[:person_city]->(:city)-[:city_country]->(n:country),
          (b)-[:person_city]->(:city)-[:city_country]->(n),
          (c)-[:person_city]->(:city)-[:city_country]->(n) return count(*)]=] },
      { "Q6 two steps and an interest",
        lion = [=[[:find (count ?a) :with ?b ?c ?t :where [?a :person/knows ?b]
          [?b :person/knows ?c] [(not= ?a ?c)] [?c :person/interest ?t]]]=], at_most = 20,
          without = { SQLite = true },
        sql = [=[select count(*) from knows k1 join knows k2 on k2.a = k1.b and k2.b <> k1.a
          join interest i on i.a = k2.b]=],
        kuzu = [=[match (a:person)-[:knows]->(b:person)-[:knows]->(c:person)-[:interest]->(:tag)
          where a.id <> c.id return count(*)]=] },
      { "Q9 the same, not known", lion = [=[[:find (count ?a) :with ?b ?c ?t :where [?a :person/knows ?b]
          [?b :person/knows ?c] [(not= ?a ?c)] (not [?a :person/knows ?c]) [?c :person/interest ?t]]]=],
          at_most = 40,
        without = { SQLite = true },
        sql = [=[select count(*) from knows k1 join knows k2 on k2.a = k1.b and k2.b <> k1.a
          join interest i on i.a = k2.b
          where not exists (select 1 from knows k3 where k3.a = k1.a and k3.b = k2.b)]=],
        kuzu = [=[match (a:person)-[:knows]->(b:person)-[:knows]->(c:person)-[:interest]->(:tag)
          where a.id <> c.id and not exists { match (a)-[:knows]->(c) } return count(*)]=] },
    },
  }
end

return lsqb
