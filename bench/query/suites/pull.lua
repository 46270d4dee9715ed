--- Pulls, into Lua's tables on every side: five attributes of one person by its key, 1,000 persons in one,
-- everything of 1,000 persons. SQLite answers from a row of a table, and from facts (e, a, v).
local people = require "suites.people"

local pull = { sizes = { 20000 } }

local KEYS = { "name", "last_name", "sex", "age", "salary" }
local ATTRIBUTES = {}
for i, key in ipairs(KEYS) do
  ATTRIBUTES[i] = "person/" .. key
end
local COUNT = 1000

local function rows_of(pulled)
  local rows = {}
  for i, entity in ipairs(pulled) do
    local row = {}
    for k, attribute in ipairs(ATTRIBUTES) do
      row[k] = entity[attribute]
    end
    rows[i] = row
  end
  return rows
end

-- A query whose rows are pulled entities; the shape that is compared is made outside of what is measured.
local function query(title, times, lion, sqlite)
  return { title, times = times, call = { Lion = lion, SQLite = sqlite }, shape = rows_of }
end

-- ---- SQLite ------------------------------------------------------------------------------------

local ROW = { sql = "select name, last_name, sex, age, salary from person where key = ?" }
local BY_ID = { sql = "select name, last_name, sex, age, salary from person where id = ?" }
local FACTS = { sql = "select a, v from facts where e = ?" }
local FACTS_KEY = { sql = "select a, v from facts where e = (select e from facts where a = 0 and v = ?)" }

local function from_row(engine, statement, parameter)
  statement.parameters = { parameter }
  local row = engine:fetch(statement)[1]
  local entity = {}
  for i, attribute in ipairs(ATTRIBUTES) do
    entity[attribute] = row[i]
  end
  return entity
end

local function from_facts(engine, statement, parameter)
  statement.parameters = { parameter }
  local entity = {}
  for _, fact in ipairs(engine:fetch(statement)) do
    if fact[1] > 0 then entity[ATTRIBUTES[fact[1]]] = fact[2] end
  end
  return entity
end

local function each(engine, statement, make, size)
  local list = {}
  for i = 1, COUNT do
    list[i] = make(engine, statement, i * 17 % size + 1)
  end
  return list
end

local function opened(engines)
  local sqlite = engines[2]
  if not sqlite or sqlite.name ~= "SQLite" then return end
  sqlite:exec "create table facts (e integer, a integer, v, primary key (e, a, v)) without rowid"
  sqlite:exec "insert into facts select id, 0, key from person"
  for i, key in ipairs(KEYS) do
    sqlite:exec(("insert into facts select id, %d, %s from person"):format(i, key))
  end
  sqlite:exec "create index facts_av on facts (a, v, e)"
  sqlite:exec "analyze"
end

function pull.make(size)
  local pattern = {}
  for i, attribute in ipairs(ATTRIBUTES) do
    pattern[i] = attribute
  end
  local key, ids = 7000000 + 4321, nil
  local function all_ids(engine)
    if ids then return ids end
    ids = {}
    for i = 1, COUNT do
      ids[i] = engine.ids["person" .. i * 17 % size + 1]
    end
    return ids
  end
  local function one(engine) return { engine.db:pull(pattern, { "person/key", key }) } end
  local function many(engine) return engine.db:pull_many(pattern, all_ids(engine)) end
  return {
    title = size .. " persons", tables = { people.persons(size) }, opened = opened,
    queries = {
      query("one by its key, from rows", 1, one, function(engine) return { from_row(engine, ROW, key) } end),
      query("one by its key, from facts", 3, one, function(engine) return { from_facts(engine, FACTS_KEY,
      key) } end),
      query("1,000, from rows", 1, many, function(engine) return each(engine, BY_ID, from_row, size) end),
      query("1,000, from facts", 3, many, function(engine) return each(engine, FACTS, from_facts, size) end),
      query("everything of 1,000, from facts", 3,
        function(engine) return engine.db:pull_many("[*]", all_ids(engine)) end,
        function(engine) return each(engine, FACTS, from_facts, size) end),
      query("a pull in find, 10 of a name", 1, function(engine)
        local list = {}
        for i,
        row in ipairs(engine.db:q("[:find (pull ?e [:person/name :person/last_name :person/sex :person/age "
          .. ":person/salary]) :in $ ?n :where [?e :person/name ?n]]", people.name_of(400))) do
          list[i] = row[1]
        end
        return list
      end, function(engine)
        local list = {}
        for i, row in ipairs(engine:fetch { sql = "select id from person where name = ?",
          parameters = { people.name_of(400) } }) do
          list[i] = from_row(engine, BY_ID, row[1])
        end
        return list
      end),
    },
  }
end

return pull
