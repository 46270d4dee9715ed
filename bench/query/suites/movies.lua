--- Twelve questions of 4 to 10 joins after the manner of the Join Order Benchmark: films, people,
-- companies, keywords and their kinds; popular ones are very popular, and years, countries and genres go
-- together.
local data = require "data"

local movies = { sizes = { 30000 } }

local COUNTRIES, GENRES, ROLES = 40, 20, { "actor", "actress", "director", "writer", "producer" }

local function name(prefix, i) return ("%s%d"):format(prefix, i) end

function movies.make(size)
  local random = data.random(2024)
  local people, companies, keywords = size * 2, math.floor(size / 20), math.floor(size / 10)
  local popular, famous, big, common = data.zipf(random, size, 0.8), data.zipf(random, people, 0.7),
    data.zipf(random, companies, 0.9), data.zipf(random, keywords, 0.9)
  local country_rank, genre_rank = data.zipf(random, COUNTRIES), data.zipf(random, GENRES)
  local function table_of(title, count, columns, row) return data.table(title, count, columns, row) end
  local tables = {
    table_of("kind", 4, { { "name", "string" } }, function(i) return { name("kind", i) } end),
    table_of("role", #ROLES, { { "name", "string" } }, function(i) return { ROLES[i] } end),
    table_of("company", companies, { { "name", "string" }, { "country", "string" } },
      function(i) return { name("company", i), name("c", country_rank()) } end),
    table_of("keyword", keywords, { { "word", "string" } }, function(i) return { name("word", i) } end),
    table_of("person", people, { { "name", "string" }, { "gender", "string" }, { "born", "long" } },
      function(i) return { name("person", i), random(3) == 0 and "f" or "m", 1900 + random(105) } end),
    -- later films come from more countries, and their genre goes with the country
    table_of("movie", size, { { "title", "string" }, { "year", "long" }, { "kind", "kind" }, { "genre",
    "string" },
      { "rating", "long" } }, function(i)
      local country = country_rank()
      local genre = random(3) > 0 and (country % GENRES) + 1 or genre_rank()
      return { name("title", i), 1930 + math.floor(90 * math.sqrt(random())),
      random(10) < 7 and 1 or random(4) + 1,
        name("genre", genre), random(100) }
    end),
  }
  local function pairs_of(title, count, columns, row)
    tables[#tables + 1] = table_of(title, count, columns, row)
  end
  pairs_of("part", size * 8, { { "movie", "movie" }, { "person", "person" }, { "role", "role" } },
    function() return { popular(), famous(), random(10) < 6 and random(2) + 1 or random(5) + 1 } end)
  pairs_of("made", size * 2, { { "movie", "movie" }, { "company", "company" } },
    function() return { popular(), big() } end)
  pairs_of("tag", size * 3, { { "movie", "movie" }, { "keyword", "keyword" } },
    function() return { popular(), common() } end)

  -- Clauses by name: what joins what, in Lion and in SQL.
  local LION = {
    cast = "[?ca :part/movie ?m] [?ca :part/person ?p]",
    made = "[?mc :made/movie ?m] [?mc :made/company ?co]",
    tag = "[?mk :tag/movie ?m] [?mk :tag/keyword ?k]", role = "[?ca :part/role ?r]",
    kind = "[?m :movie/kind ?kd]",
    cast2 = "[?cb :part/movie ?m] [?cb :part/person ?q]",
    cast3 = "[?cb :part/person ?p] [?cb :part/movie ?n]",
    tag2 = "[?mk2 :tag/movie ?n] [?mk2 :tag/keyword ?k]",
  }
  local SQL = {
    cast = "join part ca on ca.movie = m.id join person p on p.id = ca.person",
    made = "join made mc on mc.movie = m.id join company co on co.id = mc.company",
    tag = "join tag mk on mk.movie = m.id join keyword k on k.id = mk.keyword",
    role = "join role r on r.id = ca.role",
    kind = "join kind kd on kd.id = m.kind",
    cast2 = "join part cb on cb.movie = m.id join person q on q.id = cb.person",
    cast3 = "join part cb on cb.person = ca.person join movie n on n.id = cb.movie",
    tag2 = "join tag mk2 on mk2.movie = n.id and mk2.keyword = mk.keyword",
  }
  local queries = {}
  -- joins, then conditions: { Lion's, SQL's }; the answer is the number of films and the least title.
  local function ask(joins, conditions)
    local lion, sql, where = {}, {}, {}
    for _, join in ipairs(joins) do
      lion[#lion + 1] = LION[join]
      sql[#sql + 1] = SQL[join]
    end
    for _, condition in ipairs(conditions) do
      lion[#lion + 1] = condition[1]
      where[#where + 1] = condition[2]
    end
    queries[#queries + 1] = {
      ("%d: %s"):format(#queries + 1, table.concat(joins, ", ")), times = 0.5,
      lion = ("[:find (count-distinct ?m) (min ?t) :where [?m :movie/title ?t] %s]"):format(
        table.concat(lion, " ")),
      sql = ("select count(distinct m.id), min(m.title) from movie m %s where %s having count(*) > 0"):format(
        table.concat(sql, " "), table.concat(where, " and ")),
    }
  end
  local function year(op, value)
    return { ("[?m :movie/year ?y] [(%s ?y %d)]"):format(op, value), ("m.year %s %d"):format(op, value) }
  end
  local function country(value)
    return { ('[?co :company/country "%s"]'):format(value), ("co.country = '%s'"):format(value) }
  end
  local function word(value) return { ('[?k :keyword/word "%s"]'):format(value),
  ("k.word = '%s'"):format(value) } end
  local function role(value) return { ('[?r :role/name "%s"]'):format(value),
  ("r.name = '%s'"):format(value) } end
  local function genre(value) return { ('[?m :movie/genre "%s"]'):format(value),
  ("m.genre = '%s'"):format(value) } end
  local function kind(value) return { ('[?kd :kind/name "%s"]'):format(value),
  ("kd.name = '%s'"):format(value) } end
  local function gender(value) return { ('[?p :person/gender "%s"]'):format(value),
  ("p.gender = '%s'"):format(value) } end
  local function born(op, value)
    return { ("[?p :person/born ?bo] [(%s ?bo %d)]"):format(op, value), ("p.born %s %d"):format(op, value) }
  end
  local function one(value) return { ('[?p :person/name "%s"]'):format(value),
  ("p.name = '%s'"):format(value) } end
  ask({ "tag", "made" }, { word "word3", country "c2" })
  ask({ "tag", "kind" }, { word "word1", kind "kind2", year(">", 2000) })
  ask({ "made", "kind" }, { country "c7", kind "kind1", genre "genre8", year(">", 1990) })
  ask({ "cast", "role", "made" }, { role "director", country "c1", year(">", 2010) })
  ask({ "cast", "role", "tag" }, { role "writer", word "word20", gender "f" })
  ask({ "cast", "made", "tag" }, { country "c3", word "word2", born(">", 1990) })
  ask({ "cast", "role", "made", "kind" }, { role "actress", country "c5", kind "kind3", gender "f" })
  ask({ "cast", "role", "made", "tag" }, { role "producer", country "c2", word "word5", year("<", 1980) })
  ask({ "cast", "cast2" }, { one "person9", { '[?q :person/name "person30"]', "q.name = 'person30'" } })
  ask({ "cast", "cast2", "role", "tag" }, { one "person3", role "director", word "word4" })
  ask({ "cast", "cast3", "tag", "tag2" }, { word "word200", genre "genre2", year(">", 2005) })
  ask({ "cast", "role", "made", "tag", "kind" }, { role "actor", country "c1", word "word1", kind "kind1",
    genre "genre2", born("<", 1950) })
  return { title = ("%d films, %d parts"):format(size, size * 8), tables = tables, queries = queries }
end

return movies
