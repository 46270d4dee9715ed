-- luacheck: max line length 170 (a query or a plan's line stands on one line)
-- The plans of a fixed set of queries over fixed data, so that a change of plan is seen. Where one changes for the better,
-- its text here changes with it.
local core = require "lion.core"
local find = require "lion.find"
local lion = require "lion"

-- Films, who plays in them, who made them, with keywords: few are frequent, most are rare (keyword 1 is on half of the films
-- that have any).
local function films()
  local conn = lion.connect "mem:"
  conn:transact(lion.schema {
    film = { name = "string", year = "long", kind = "ref" },
    kind = { name = "string" },
    person = { name = { "string", unique = "identity" }, sex = "keyword", note = { "string", index = false } },
    cast = { film = "ref", person = "ref" },
    word = { name = "string" },
    tag = { film = "ref", word = "ref" },
    firm = { name = "string", land = "string" },
    made = { film = "ref", firm = "ref" },
  })
  local tx = {}
  local function add(entity) tx[#tx + 1] = entity end
  for i = 1, 5 do add { ["db/id"] = "k" .. i, ["kind/name"] = "kind" .. i } end
  for i = 1, 100 do add { ["db/id"] = "w" .. i, ["word/name"] = "word" .. i } end
  for i = 1, 60 do add { ["db/id"] = "c" .. i, ["firm/name"] = "firm" .. i, ["firm/land"] = "land" .. i % 6 } end
  for i = 1, 500 do
    add { ["db/id"] = "p" .. i, ["person/name"] = "p" .. i, ["person/sex"] = i % 3 == 0 and ":f" or ":m", ["person/note"] = "n" .. i }
  end
  for i = 1, 1000 do
    add { ["db/id"] = "f" .. i, ["film/name"] = "f" .. i, ["film/year"] = 1920 + i % 100, ["film/kind"] = "k" .. (i % 5 + 1) }
    add { ["made/film"] = "f" .. i, ["made/firm"] = "c" .. (i % 60 + 1) }
    for n = 1, 3 do add { ["cast/film"] = "f" .. i, ["cast/person"] = "p" .. ((i * 7 + n * n * 31) % 500 + 1) } end
    add { ["tag/film"] = "f" .. i, ["tag/word"] = "w" .. (i % 2 == 0 and 1 or i % 99 + 2) }
  end
  conn:transact(tx)
  conn:request_index()
  return conn
end

-- Operators and what they do, the last one first, inputs indented; without the numbers of a run.
local function shape(tree, lines, depth)
  lines, depth = lines or {}, depth or 0
  local text = tree.op .. (tree.detail ~= "" and " " .. tree.detail or "")
  if tree.index then text = text .. " " .. tree.index end
  if tree.range then text = text .. " " .. tree.range end
  if tree.op ~= "feed" then lines[#lines + 1] = (" "):rep(depth) .. text end
  for _, child in ipairs(tree.children) do shape(child, lines, depth + 1) end
  return table.concat(lines, "\n")
end

local function lines(text) return (text:gsub("^%s*\n", ""):gsub("\n%s*$", "")) end

local PLANS = {
  { "starts where the fewest rows are, and fetches last",
    '[:find ?n ?y :where [?f :film/year ?y] [?f :film/name ?n] [?f :film/kind ?k] [?k :kind/name "kind2"] [(> ?y 2018)]]',
    [[
distinct
 star [?f :film/name ?n] aevt
  star [?f :film/kind ?k] aevt
   filter [(> ?y 2018)]
    range [?f :film/year ?y] avet 2018 ..
     scan [?k :kind/name "kind2"] avet
]] },
  { "goes from a rare word",
    '[:find ?n :where [?c :cast/film ?f] [?c :cast/person ?p] [?p :person/name ?n] [?t :tag/film ?f] [?t :tag/word ?w] [?w :word/name "word7"]]',
    [[
distinct
 star [?p :person/name ?n] aevt
  star [?c :cast/person ?p] aevt
   lookup [?c :cast/film ?f] avet
    star [?t :tag/film ?f] aevt
     lookup [?t :tag/word ?w] avet
      scan [?w :word/name "word7"] avet
]] },
  { "does not go from a frequent word",
    '[:find ?n :where [?c :cast/film ?f] [?c :cast/person ?p] [?p :person/name ?n] [?t :tag/film ?f] [?t :tag/word ?w] [?w :word/name "word1"] [?f :film/year 1950]]',
    [[
distinct
 star [?p :person/name ?n] aevt
  star [?c :cast/person ?p] aevt
   lookup [?c :cast/film ?f] avet
    semi-join ?w
     star [?t :tag/word ?w] aevt
      lookup [?t :tag/film ?f] avet
       scan [?f :film/year 1950] avet
     scan [?w :word/name "word1"] avet
]] },
  { "comes from the frequent word, and looks up in a set of films which ones a land has made",
    '[:find (count ?f) . :where [?m :made/film ?f] [?m :made/firm ?c] [?c :firm/land "land3"] [?t :tag/film ?f] [?t :tag/word ?w] [?w :word/name "word1"]]',
    [[
group (count ?f)
 distinct
  semi-join ?f
   star [?t :tag/film ?f] aevt
    lookup [?t :tag/word ?w] avet
     scan [?w :word/name "word1"] avet
   star [?m :made/film ?f] aevt
    lookup [?m :made/firm ?c] avet
     scan [?c :firm/land "land3"] avet
]] },
  { "joins two entities by a value from the smaller side, however frequent the value is elsewhere",
    '[:find ?f ?g :where [?f :film/year ?y] [?f :film/name "f7"] [?g :film/year ?y]]',
    [[
lookup [?g :film/year ?y] avet
 star [?f :film/year ?y] aevt
  scan [?f :film/name "f7"] avet
]] },
  { "makes distinct rows where what is left has few values",
    '[:find ?b :where [?c :cast/film ?f] [?c :cast/person ?p] [?p :person/sex :f] [?f :film/kind ?k] [?k :kind/name ?b]]',
    [[
distinct
 star [?k :kind/name ?b] aevt
  distinct
   semi-join ?f
    scan [?f :film/kind ?k] aevt
    star [?c :cast/film ?f] aevt
     hash-join [?c :cast/person ?p] avet
      scan [?p :person/sex :f] avet
]] },
  { "hashes what has no index",
    '[:find ?a ?b :where [?p :person/note ?n] [?p :person/name ?a] [?q :person/note ?n] [?q :person/name ?b]]',
    [[
distinct
 hash-join ?n
  build
   star [?p :person/name ?a] aevt
    scan [?p :person/note ?n] aevt
   star [?q :person/name ?b] aevt
    scan [?q :person/note ?n] aevt
]] },
  { "reads a range for an equality",
    '[:find ?f :where [?f :film/year ?y] [(= ?y 1999)]]',
    [[
filter [(= ?y 1999)]
 range [?f :film/year ?y] avet 1999 .. 1999
]] },
  { "takes an input's one value as a constant",
    '[:find ?f :in $ ?name :where [?c :cast/film ?f] [?c :cast/person ?p] [?p :person/name ?name]]',
    [[
distinct
 star [?c :cast/film ?f] aevt
  lookup [?c :cast/person ?p] avet
   lookup [?p :person/name ?name] avet
    input an input
]], { "p7" } },
  { "puts a negation where what it needs is bound and few rows are",
    '[:find ?n :where [?f :film/year 1950] [?f :film/name ?n] [?c :cast/film ?f] [?c :cast/person ?p] (not [?p :person/sex :f])]',
    [[
distinct
 not (not [?p :person/sex :f])
  star [?c :cast/person ?p] aevt
   lookup [?c :cast/film ?f] avet
    star [?f :film/name ?n] aevt
     scan [?f :film/year 1950] avet
  star [?p :person/sex :f] aevt
]] },
  { "counts what one pattern leads to, and fetches what is found for each once",
    "[:find ?n (count ?c) :where [?c :cast/person ?p] [?p :person/name ?n]]",
    [[
group (count ?c) by ?n
 star [?p :person/name ?n] aevt
  count [?c :cast/person ?p] in arrays of 3000 references
]] },
}

-- Queries in whose plans an operator stands or not, as they are told.
local CHAIN = '[:find ?f ?n :where [?f :film/kind ?k] [?k :kind/name "kind2"] [?f :film/name ?n] [?c :cast/film ?f] [?c :cast/person ?p]]'
local TOLD = {
  { "range", "[:find ?f ?y :where [?f :film/year ?y] [(> ?y 1930)]]" },
  { "star", CHAIN }, { "lookup", CHAIN }, { "hash-join", CHAIN }, { "build", CHAIN }, { "distinct", CHAIN }, { "planned-again", CHAIN },
  { "multiway-join", "[:find ?a ?c :where [?m :made/film ?a] [?m :made/firm ?c] [?t :made/firm ?c] [?t :made/film ?a]]" },
  { "count", "[:find (count ?c) . :with ?f :where [?c :cast/film ?f] [?c :cast/person ?p]]" },
  { "path-search", "[:find ?p :in $ % :where [?w :word/name \"word7\"] (linked ?w ?p)]",
    { "[[(linked ?a ?b) [?t :tag/word ?a] [?t :tag/film ?b]] [(linked ?a ?b) [?t :tag/word ?a] [?t :tag/film ?m] (linked ?m ?b)]]" } },
  { "parallel", CHAIN },
  { "merge-join", CHAIN },
  { "semi-join", '[:find ?f :where [?f :film/year ?y] (or-join [[?f]] [?f :film/name "f7"] (and [?f :film/kind ?k] [?k :kind/name "kind2"]))]' },
}

local function names_in(tree, names)
  names[tree.op] = true
  for _, child in ipairs(tree.children) do names_in(child, names) end
  return names
end

-- Names of the plan's operators, and the answer's rows.
local function run_as_told(db, case, options)
  local inputs = { db, unpack(case[3] or {}) }
  options.threads = 2
  local rows = find.all(case[2], inputs, #inputs, options)
  local handle = find.open(case[2], inputs, #inputs, options)
  while core.query_next(handle) do end
  local names = names_in(core.explain(handle), {})
  core.step_close(handle)
  local texts = {}
  for i, row in ipairs(type(rows) == "table" and rows or { { rows } }) do texts[i] = table.concat(row, " ") end
  table.sort(texts)
  return names, texts
end

-- The text of the plan with these operators.
local function core_plan(db, query, told)
  local handle = find.open(query, { db }, 1, { plan_with = told })
  while core.query_next(handle) do end
  local _, text = core.explain(handle)
  core.step_close(handle)
  return text
end

local NEGATED = [=[[:find ?f :where [?f :film/year ?y] (not-join [?f] [?t :tag/film ?f] [?t :tag/word ?w] [?w :word/name "word1"])]]=]

describe("The planner", function()
  local conn, db

  setup(function()
    conn = films()
    db = conn:db()
  end)
  teardown(function() conn:close() end)

  for _, case in ipairs(PLANS) do
    it(case[1], function()
      assert.equal(lines(case[3]), shape(db:explain(case[2], unpack(case[4] or {})).tree))
    end)
  end

  for _, case in ipairs(TOLD) do
    it("has " .. case[1] .. " or not, as it is told", function()
      local with, rows = run_as_told(db, case, { plan_with = { case[1] } })
      local without, others = run_as_told(db, case, { plan_without = { case[1] } })
      assert.is_true(with[case[1]])
      local is_always = case[1] == "lookup" or case[1] == "distinct" -- row by row; at the end
      if not is_always then assert.is_nil(without[case[1]]) end
      assert.is_true(#rows > 0)
      assert.same(rows, others)
    end)
  end

  it("makes a set of what a negation finds by itself", function()
    local with, rows = run_as_told(db, { "", NEGATED }, { plan_with = { "semi-join" } })
    local without, others = run_as_told(db, { "", NEGATED }, { plan_without = { "semi-join" } })
    assert.is_true(with["anti-join"] and without["not"])
    assert.is_nil(without["anti-join"])
    assert.equal(500, #rows)
    assert.same(rows, others)
  end)

  it("goes on row by row where the set finds no room", function()
    local query = "[:find ?f :where [?f :film/year ?y] (or-join [[?f]] [?t :tag/film ?f] [?m :made/film ?f])]"
    local names, rows = run_as_told(db, { "", query }, { plan_with = { "semi-join" }, table_rows_max = 10 })
    assert.is_true(names["or"])
    assert.equal(1000, #rows)
  end)

  for _, case in ipairs {
    { "ids", "bitmap", CHAIN },
    { "texts", "bloom", '[:find ?f ?y ?g ?k :where [?f :film/name ?n] [?f :film/year ?y] [?g :film/name ?n] [?g :film/kind ?k] [?k :kind/name "kind2"]]' },
  } do
    it("filters " .. case[1] .. " of a hash join's left where they come from", function()
      local told = { "build", "runtime-filter" }
      local with, rows = run_as_told(db, { "", case[3] }, { plan_with = told })
      local without, others = run_as_told(db, { "", case[3] }, { plan_with = { "build" }, plan_without = { "runtime-filter" } })
      assert.is_true(with["runtime-filter"])
      assert.is_nil(without["runtime-filter"])
      assert.is_true(#rows > 0)
      assert.same(others, rows)
      local plan = core_plan(db, case[3], told)
      assert.is_truthy(plan:find("runtime%-filter [^\n]*  " .. case[2] .. "  "), plan)
    end)
  end

  it("relies on no order of rows that went on in partitions", function()
    local other = lion.connect "mem:"
    other:transact(lion.schema { node = { to = { "ref", many = true }, one = "long", key = "long" } })
    local tx = {}
    for i = 1, 14 do
      tx[i] = { ["db/id"] = "n" .. i, ["node/one"] = i % 2 == 0 and i or nil, ["node/key"] = i, ["node/to"] = { "n" .. i * 3 % 14 + 1, "n" .. i * 5 % 14 + 1 } }
    end
    other:transact(tx)
    local query = "[:find ?a :where [?a :node/to ?b] [?b :node/one ?n] [?b :node/key ?k]]"
    local expected = #other:db():q(query)
    for seed = 1, 100 do -- plans by chance, of which some have a semi-join; its set has room for one row
      for threads = 1, 2 do
        local found = find.all(query, { other:db() }, 1, { plan_seed = seed, table_rows_max = 1, threads = threads })
        assert.equal(expected, #found, "plan " .. seed)
      end
    end
    other:close()
  end)

  it("says which operators it can be told of", function()
    assert.error_matches(function() find.all(CHAIN, { db }, 1, { plan_with = { "magic" } }) end, "invalid option 'magic'")
  end)

  it("keeps to the order of counts, however the clauses are written", function()
    local clauses = { '[?c :cast/film ?f]', '[?c :cast/person ?p]', '[?p :person/name "p7"]', '[?f :film/name ?n]' }
    local first
    for _, order in ipairs { { 1, 2, 3, 4 }, { 4, 3, 2, 1 }, { 3, 1, 4, 2 }, { 2, 4, 1, 3 } } do
      local text = {}
      for i, at in ipairs(order) do text[i] = clauses[at] end
      local plan = shape(db:explain("[:find ?n :where " .. table.concat(text, " ") .. "]").tree)
      first = first or plan
      assert.equal(first, plan)
    end
  end)

  it("knows that frequent values meet more often than others", function()
    local other = lion.connect "mem:"
    other:transact(lion.schema { a = { v = "string", n = "long" }, b = { v = "string", m = "long" } })
    local tx = {}
    for i = 1, 8000 do
      tx[#tx + 1] = { ["a/v"] = i % 2 == 0 and "x" or "v" .. i, ["a/n"] = i }
      tx[#tx + 1] = { ["b/v"] = i % 40 == 0 and "x" or "v" .. i, ["b/m"] = i % 100 }
    end
    other:transact(tx)
    other:request_index()
    local tree = other:db():explain("[:find ?e ?f :where [?e :a/v ?x] [?e :a/n ?n] [(< ?n 1000)] [?f :b/v ?x] [?f :b/m 0]]").tree
    assert.is_true(tree.rows > 15000)
    assert.is_true(tree.rows_estimated > tree.rows / 3 and tree.rows_estimated < tree.rows * 3)
    other:close()
  end)

  it("knows that what many refer to in one way, many refer to in another, and of how few a set consists then", function()
    local other = lion.connect "mem:"
    other:transact(lion.schema { film = { name = "string" }, part = { film = "ref", of = "long" }, tag = { film = "ref", word = "long" } })
    local tx = {}
    local function refer(space, name, count, value)
      for i = 1, count do -- every second fact is of one of ten popular films
        local film = i % 2 == 0 and i % 20 / 2 * 97 + 1 or i % 4000 + 1
        tx[#tx + 1] = { [space .. "/film"] = "f" .. film, [space .. "/" .. name] = value(i) }
      end
    end
    for i = 1, 4000 do tx[#tx + 1] = { ["db/id"] = "f" .. i, ["film/name"] = "f" .. i } end
    refer("part", "of", 20000, function(i) return i end)
    refer("tag", "word", 8000, function(i) return math.floor(i / 2) % 7 end)
    other:transact(tx)
    other:request_index()
    local tree = other:db():explain("[:find ?f ?c :where [?t :tag/word 3] [?t :tag/film ?f] [?c :part/film ?f]]").tree
    local set = tree.children[1]
    assert.is_true(tree.rows > 10000 and set.rows < 600)
    assert.is_true(tree.rows_estimated > tree.rows / 2 and tree.rows_estimated < tree.rows * 2)
    assert.is_true(set.rows_estimated > set.rows / 1.5 and set.rows_estimated < set.rows * 1.5)
    other:close()
  end)

  it("remembers a plan by the class of its numbers", function()
    local query = '[:find (count ?p) . :in $ ?word :where [?w :word/name ?word] [?t :tag/word ?w] [?t :tag/film ?f] '
      .. '[?c :cast/film ?f] [?c :cast/person ?p] [?p :person/sex :f]]'
    local rare = shape(db:explain(query, "word7").tree)
    local frequent = shape(db:explain(query, "word1").tree)
    for _ = 1, 2 do
      assert.equal(rare, shape(db:explain(query, "word8").tree))
      assert.equal(frequent, shape(db:explain(query, "word1").tree))
    end
  end)

  -- Roads lead from two towns to villages: one to each, and thousands to one, which only the second step comes to.
  local function roads(count)
    local other = lion.connect "mem:"
    other:transact(lion.schema {
      town = { name = "string" }, way = { from = "ref", to = "ref" }, road = { from = "ref", to = "ref" },
      house = { village = "ref", owner = "ref" }, owner = { name = "string" },
    })
    local tx = {}
    for i = 1, 1000 do
      tx[#tx + 1] = { ["db/id"] = "t" .. i, ["town/name"] = "town" .. i }
      tx[#tx + 1] = { ["way/from"] = "t" .. i, ["way/to"] = "t" .. (i % 1000 + 1) }
      tx[#tx + 1] = { ["road/from"] = "t" .. i, ["road/to"] = "v" .. i }
      tx[#tx + 1] = { ["db/id"] = "v" .. i, ["town/name"] = "village" .. i }
      tx[#tx + 1] = { ["db/id"] = "h" .. i, ["house/village"] = "v" .. i, ["house/owner"] = "o" .. i }
      tx[#tx + 1] = { ["db/id"] = "o" .. i, ["owner/name"] = "owner" .. i % 10 }
    end
    for i = 1, count do tx[#tx + 1] = { ["road/from"] = "t8", ["road/to"] = "v" .. i % 1000 + 1 } end
    other:transact(tx)
    other:request_index()
    return other
  end

  it("plans the rest again where far more rows come than were estimated", function()
    local other = roads(5000)
    local query = "[:find (count ?h) . :in $ ?town :where [?t :town/name ?town] [?w :way/from ?t] [?w :way/to ?m] [?r :road/from ?m] "
      .. "[?r :road/to ?v] [?h :house/village ?v] [?h :house/owner ?o] [?o :owner/name \"owner3\"]]"
    local plan = other:db():explain(query, "town7")
    assert.matches("planned%-again at %d+ rows where ~%d+ were estimated", plan.text)
    assert.equal(100, other:db():q(query, "town7"))
    local ordinary = other:db():explain(query, "town9")
    assert.is_nil(ordinary.text:find("planned-again", 1, true))
    assert.equal(1, other:db():q(query, "town2"))
    other:close()
  end)

  it("joins facts by value, whichever comes first: a keyword of a fact is no entity", function()
    local other = lion.connect "mem:"
    other:transact(lion.schema { a = { kw = "keyword", ref = "ref", number = "long" } })
    other:transact { { ["db/ident"] = ":color/red" } }
    other:transact { { ["a/kw"] = ":color/red", ["a/number"] = 1 }, { ["a/ref"] = ":color/red", ["a/number"] = 2 } }
    local value = other:db()
    for _, first in ipairs { "[?e :a/number 1]", "[?f :a/number 2]", "" } do
      assert.same({}, value:q("[:find ?e ?f :where " .. first .. " [?e :a/kw ?x] [?f :a/ref ?x]]"))
    end
    -- what is given is a name where the attribute holds entities
    for _, attribute in ipairs { "kw", "ref" } do
      assert.equal(1, #value:q("[:find ?e :in $ ?x :where [?e :a/" .. attribute .. " ?x]]", ":color/red"))
      assert.equal(1, #value:q("[:find ?e :where [(keyword \"color\" \"red\") ?x] [?e :a/" .. attribute .. " ?x]]"))
    end
    assert.equal(1, #value:q("[:find ?e ?f :in $ ?x :where [?e :a/kw ?x] [?f :a/ref ?x]]", ":color/red"))
    other:close()
  end)
end)
