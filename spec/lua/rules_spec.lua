-- Rules mean what they say, whether a call is answered in place (rules that do not call themselves) or by the
-- engine of rules.
local find = require "lion.find"
local lion = require "lion"

local RULES = [=[[
  [(adult ?e) [?e :p/age ?a] [(>= ?a 18)]]
  [(of-age [?e] ?a) [?e :p/age ?a]]
  [(boss ?e ?b) [?e :p/boss ?b]]
  [(near ?e ?b) (boss ?e ?b)] [(near ?e ?b) (boss ?b ?e)]
  [(older ?e ?than) [?e :p/age ?a] [(> ?a ?than)]]
  [(next-year ?e ?a) [?e :p/age ?b] [(+ ?b 1) ?a]]
  [(has ?e ?attribute) [?e ?attribute 40]]
  [(alone ?e) [?e :p/age _] (not (boss _ ?e)) (not (boss ?e _))]
  [(vague ?e ?what) [?e :p/age _]]
  [(named ?e ?n) [?e :p/name ?n]]
  [(above ?a ?b) [?b :p/boss ?a]] [(above ?a ?b) (boss ?m ?a) (above ?m ?b)]
]]=]

describe("A rule", function()
  local conn, db

  setup(function()
    conn = lion.connect "mem:"
    conn:transact(lion.schema { p = { name = { "string" }, age = { "long" }, boss = { "ref" },
      word = { "keyword" } } })
    conn:transact {
      { ["db/id"] = "ann", ["p/name"] = "ann", ["p/age"] = 40 },
      { ["db/id"] = "bob", ["p/name"] = "bob", ["p/age"] = 20, ["p/boss"] = "ann" },
      { ["db/id"] = "cy", ["p/name"] = "cy", ["p/age"] = 10, ["p/boss"] = "bob" },
      { ["p/name"] = "dee", ["p/age"] = 17, ["p/word"] = "p/boss" },
    }
    db = conn:db()
  end)
  teardown(function() conn:close() end)

  -- Names in order, with a space between; the clauses find ?n.
  local function names(clauses, rules)
    local list = db:q("[:find [?n ...] :in $ % :where [?e :p/name ?n] " .. clauses .. "]", rules or RULES)
    table.sort(list)
    return table.concat(list, " ")
  end

  local function refused(code, message, clauses)
    local ok, e = pcall(db.q, db, "[:find ?n :in $ % :where [?x :p/name ?n] " .. clauses .. "]", RULES)
    assert.is_false(ok)
    assert.equal(code, e.code)
    assert.matches(message, e.message, 1, true)
  end

  it("may come before the database, or behind another input", function()
    local rules = "[[(adult ?n) [?e :p/age ?a] [(>= ?a 18)] [?e :p/name ?n]]]"
    local cases = { ["% $"] = { rules }, ["?x % $"] = { 1, rules }, ["?x $ %"] = { 1, rules } }
    for inputs, arguments in pairs(cases) do
      local query = "[:find (count ?n) . :in " .. inputs .. " :where (adult ?n)]"
      assert.equal(2, db:q(query, unpack(arguments)))
      assert.equal(2, db:q(lion.prepare(query), unpack(arguments)))
      assert.equal(2, db:rows(query, unpack(arguments))())
      assert.matches("adult", db:explain(query, unpack(arguments)).text, 1, true)
    end
  end)

  local CASES = {
    { "of one branch", "(adult ?e)", "ann bob" },
    { "of several", "(near ?e ?b) [?b :p/name \"bob\"]", "ann cy" },
    { "called twice, with variables of its own each time", "(boss ?e ?b) (boss ?b ?c)", "cy" },
    { "with a constant", "(older ?e 17)", "ann bob" },
    { "with a constant for a value", "(named ?e \"cy\")", "cy" },
    { "with a constant for what a function yields", "(next-year ?e 18)", "dee" },
    { "with a constant of another type, which matches nothing", "(older ?e 17) (named ?e 5)", "" },
    { "with one variable twice", "(near ?e ?e)", "" },
    { "with one variable twice, yielded by a function", "[?e :p/age ?a] (next-year ?e ?a)", "" },
    { "with _ where nobody asks", "(boss ?e _)", "bob cy" },
    { "with _ in not", "(not (near ?e _))", "dee" },
    { "that negates others", "(alone ?e)", "dee" },
    { "inside not", "(not (adult ?e))", "cy dee" },
    { "inside or", "(or (adult ?e) (alone ?e))", "ann bob dee" },
    { "inside or-join", "(or-join [?e] (and (boss ?e ?x) (adult ?x)) (alone ?e))", "bob cy dee" },
    { "with an attribute for a variable", "(has ?e ?what)", "ann" },
    { "with an attribute for a constant", "(has ?e :p/age)", "ann" },
    { "that requires what is bound", "(of-age ?e 17)", "dee" },
    { "that calls itself", "(above ?e ?b) [?b :p/name \"cy\"]", "ann bob" },
  }
  for _, case in ipairs(CASES) do
    it(case[1], function() assert.equal(case[3], names(case[2])) end)
  end

  it("is asked for the source that it is called on", function()
    local other = lion.connect "mem:"
    other:transact(lion.schema { p = { name = { "string" }, age = { "long" } } })
    other:transact { { ["p/name"] = "eve", ["p/age"] = 50 } }
    local text = "[:find ?n :in $ $o % :where ($o adult ?e) [$o ?e :p/name ?n]]"
    local rows = lion.q(text, db, other:db(), RULES)
    assert.same({ { "eve" } }, rows)
    other:close()
  end)

  it("is the same in a nested query", function()
    local inner = "(q [:find ?x :in $ % :where (adult ?x)] $ %)"
    assert.equal("ann bob", names("[" .. inner .. " [[?e]]]"))
  end)

  it("counts each answer once", function()
    assert.equal(3, db:q("[:find (count ?e) . :in $ % :where (near ?e _)]", RULES))
  end)

  it("takes a keyword that a fact holds for what it is, and one that is given for a name", function()
    local rules = [=[[[(doc ?k ?d) [?k :db/valueType ?d]]
      [(path ?k ?d) [?k :db/valueType ?d]] [(path ?k ?d) [?k :db/valueType ?x] (path ?x ?d)]
      [(same ?k ?d) (doc ?k ?d)] [(same ?k ?d) (doc ?k ?x) (same ?d ?x)]
      [(tail ?k ?d) (doc ?k ?d)] [(tail ?k ?d) [?x :p/word ?k] [?x :p/word ?y] (tail ?y ?d)]]]=]
    for _, name in ipairs { "doc", "path", "same", "tail" } do
      local call = "(" .. name .. " ?k ?d)"
      assert.same({}, db:q("[:find ?k :in $ % :where [_ :p/word ?k] " .. call .. "]", rules))
      assert.equal(1, #db:q("[:find ?k :in $ % ?k :where " .. call .. "]", rules, ":p/boss"))
    end
  end)

  it("tells which variable is not bound, in the call", function()
    refused("db.error/insufficient-binding", "[?e] not bound in clause: (of-age ?e ?a)", "(of-age ?e ?a)")
    local call = "(older ?x ?than)"
    refused("db.error/insufficient-binding", "[?than] not bound in clause: " .. call, call)
    refused("db.error/insufficient-binding", "(vague ?x ?what)", "(vague ?x ?what)")
  end)

  it("is named in the plan by what it became", function()
    local plan = db:explain("[:find ?e :in $ % :where (adult ?e)]", RULES)
    assert.matches("[?e :p/age ?a] of (adult ?e)", plan.text, 1, true)
    plan = db:explain("[:find ?e ?b :in $ % :where (near ?e ?b)]", RULES)
    assert.matches("or (near ?e ?b)", plan.text, 1, true)
  end)

  it("that stands on many others is answered", function()
    local rules = { "[(r0 ?x) [?x :p/age 40]] [(r0 ?x) [?x :p/age 17]]" }
    for i = 1, 40 do
      local text = "[(rI ?x) (rK ?x) (rK ?x)] [(rI ?x) (rK ?x)]"
      rules[#rules + 1] = text:gsub("I", i):gsub("K", i - 1)
    end
    assert.equal("ann dee", names("(r40 ?e)", "[" .. table.concat(rules) .. "]"))
  end)

  it("calls itself at its end without what else the branch needs being bound by that", function()
    local rules = [=[[[(r ?a) [?a :p/age 10]]
      [(r ?a) [?a :p/age _] (r ?b) (not-join [?b] [?b :p/name "ann"])]]]=]
    assert.equal("ann bob cy dee", names("(r ?e)", rules))
  end)

  it("is answered once to all that ask the same", function()
    local same = [=[[[(same ?a ?b) [?a :p/age ?x] [?b :p/age ?x]]
      [(same ?a ?b) [?a :p/boss ?x] (same ?x ?y) [?b :p/boss ?y]]]]=]
    local text = db:explain("[:find ?a ?b :in $ % :where [?a :p/name \"cy\"] (same ?a ?b) "
      .. "(or-join [?a] (and (same ?a ?z) [(!= ?z ?a)]) [?a :p/age 10])]", same).text
    assert.matches("rule %(same [^\n]* reused %d+ times", text)
  end)

  it("is found by one search for all that ask the same", function()
    local rules = "[[(up ?a ?b) [?a :p/boss ?b]] [(up ?a ?b) [?a :p/boss ?m] (up ?m ?b)]]"
    local text = db:explain("[:find ?n ?m :in $ % :where [?a :p/name ?n] [?c :p/name ?m] [(not= ?a ?c)] "
      .. "(or (up ?a ?c) (and [?a :p/age 10] (up ?a ?c)))]", rules).text
    assert.matches("reused %d+ times", text)
  end)

  it("is asked once for each of what a nested query is given", function()
    local query = "[:find ?e ?n :in $ % :where [?e :p/age ?a] [(> ?a 0) ?big] "
      .. "[(q [:find (count ?x) . :in $ % ?y :where (above _ ?x) [(= ?y true)]] $ % ?big) ?n]]"
    assert.matches("reused 3 times", db:explain(query, RULES).text)
    for _, row in ipairs(db:q(query, RULES)) do assert.equal(2, row[2]) end
    local above = { ann = 2, bob = 1 } -- of whom there is no row, none
    local rows = db:q("[:find ?w ?n :in $ % :where [?e :p/age _] [?b :p/name ?w] "
      .. "[(q [:find (count ?x) . :in $ % ?b :where (above ?b ?x)] $ % ?b) ?n]]", RULES)
    for _, row in ipairs(rows) do assert.equal(above[row[1]], row[2]) end
    assert.equal(2, #rows)
    local text = db:explain("[:find ?e ?n :where [?e :p/age ?a] [(q [:find (rand ?x) . :in $ ?a "
      .. ":where [?x :p/age ?y] [(!= ?y ?a)]] $ ?a) ?n]]").text
    assert.is_nil(text:match "reused")
  end)

  it("may stand on very many others that call themselves", function()
    local list = { "[(r0 ?x ?y) [?x :p/boss ?y]]" }
    for i = 1, 150 do
      local text = "[(rI ?x ?y) (rK ?x ?y) [?x :p/age _]] [(rI ?x ?y) [?x :p/age _] (rI ?x ?z) (rK ?z ?y)]"
      list[#list + 1] = text:gsub("I", i):gsub("K", i - 1)
    end
    assert.equal("bob cy", names("(r150 ?e _)", "[" .. table.concat(list) .. "]"))
  end)
end)

describe("A call of a rule among other clauses", function()
  local conn, db
  local ABOVE = [=[[[(above ?a ?b) [?b :n/up ?a]] [(above ?a ?b) [?b :n/up ?m] (above ?a ?m)]]]=]

  setup(function()
    conn = lion.connect "mem:"
    conn:transact(lion.schema { n = { up = { "ref" }, k = { "long" }, w = { "string" }, rare = { "long" } } })
    local tx = {}
    for i = 1, 4000 do
      tx[i] = { ["db/id"] = "n" .. i, ["n/k"] = i % 100, ["n/w"] = "w" .. i % 150 }
      if i > 1 then tx[i]["n/up"] = "n" .. math.floor((i + 8) / 10) end
      if i % 1000 == 0 then tx[i]["n/rare"] = i end
    end
    conn:transact(tx)
    conn:request_index()
    db = conn:db()
  end)
  teardown(function() conn:close() end)

  local function check(expected, pattern, clauses)
    local query, text = "[:find ?b ?x :in $ % :where " .. clauses .. "]", nil
    for _ = 1, 5 do -- a process that is stopped for long while it looks at the data has seen less of it
      query = query .. " "
      text = db:explain(query, ABOVE).text
      if text:match(pattern) then break end
    end
    assert.matches(pattern, text)
    assert.equal(expected, #db:q(query, ABOVE))
  end

  it("is searched from where it leads to little", function()
    -- among the 27 is the root, above all; below everything else is little
    check(42, "path%-search %(above %?x %?b%) from one end, backward",
      "[?b :n/k 5] (above ?x ?b) [?x :n/w \"w1\"]")
  end)

  it("comes after a clause that leaves few", function()
    check(15, "path%-search [^\n]*\n *scan [^\n]*rare", "[?x :n/rare _] (above ?b ?x) [?b :n/k _]")
  end)

  it("has values of any type, in any order, and those that are equal across types once", function()
    local mixed = lion.connect "mem:"
    mixed:transact(lion.schema { m = { up = { "ref" }, l = { "long" }, d = { "double" },
      s = { "string" }, k = { "keyword" } } })
    local tx = {}
    for i = 1, 1500 do
      tx[i] = { ["db/id"] = "m" .. i, ["m/up"] = i > 1 and "m" .. i - 1 or nil }
      local kind = i % 5
      if kind == 0 then tx[i]["m/l"] = i elseif kind == 1 then tx[i]["m/d"] = i - 1.0
      elseif kind == 2 then tx[i]["m/s"] = "s" .. i elseif kind == 3 then tx[i]["m/d"] = i + 0.5
      else tx[i]["m/k"] = ":k/k" .. i end
    end
    mixed:transact(tx)
    local rules = [=[[[(has ?a ?v) [?a :m/l ?v]] [(has ?a ?v) [?a :m/d ?v]] [(has ?a ?v) [?a :m/s ?v]]
      [(has ?a ?v) [?a :m/k ?v]] [(has ?a ?v) [?a :m/up ?m] (has ?m ?v)]]]=]
    local values = mixed:db():q("[:find [?v ...] :in $ % :where [?a :m/s \"s1497\"] (has ?a ?v)]", rules)
    -- what i % 5 == 1 has is the long of the one before it
    local count = 0
    for i = 1, 1497 do count = count + ((i % 5 == 1 and i > 1) and 0 or 1) end
    assert.equal(count, #values)
    mixed:close()
  end)

  it("that its tables have no room for is asked for few rows at once", function()
    local rules = [=[[[(level ?a ?b) [?a :n/up ?p] [?b :n/up ?p]]
      [(level ?a ?b) [?a :n/up ?x] (level ?x ?y) [?b :n/up ?y]]]]=]
    local query = lion.prepare "[:find (count ?y) . :in $ % :where [?x :n/k 7] (level ?x ?y)]"
    local whole = lion.q { query = query, args = { db, rules }, stats = true }
    assert.is_true(whole.query_stats.memory_peak > 3 * 2 ^ 20)
    assert.equal(whole.ret, find.all(query, { db, rules }, 2, { memory_max = 3 * 2 ^ 20 }))
  end)
end)
