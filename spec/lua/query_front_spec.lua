-- luacheck: max line length 170 (a query stands on one line)
local query = require "lion.query"
local values = require "lion.values"

local function ir_of(text, rules) return query.compile(text, rules).ir end

local function refused(code, text, rules)
  local ok, e = pcall(query.compile, text, rules)
  assert.is_false(ok)
  assert.is_table(e)
  assert.equal("incorrect", e.category)
  assert.equal(code, e.code)
  return e
end

-- The clauses without their texts.
local function plain(clauses)
  local result = {}
  for i, clause in ipairs(clauses) do
    local copy = {}
    for k = 1, #clause - 1 do copy[k] = clause[k] end
    result[i] = copy
  end
  return result
end

describe("The parts of a query", function()
  it("become numbers: variables, sources, inputs", function()
    local ir = ir_of "[:find ?n ?x :in $ $b ?min [?x ...] [[?a _]] :where [?e :person/name ?n] [$b ?a ?e] [(> ?x ?min)]]"
    assert.same({ "?min", "?x", "?a", "?e", "?n" }, ir.vars)
    assert.equal(2, ir.sources)
    assert.same({ { "source", 0 }, { "source", 1 }, { "scalar", 0 },
      { "collection", { "scalar", 1 } },
      { "relation", { { "scalar", 2 }, { "blank" } } } }, ir.inputs)
    assert.same({
      { "pattern", 0, { { "var", 3 }, { "const", ":person/name" }, { "var", 4 } } },
      { "pattern", 1, { { "var", 2 }, { "var", 3 } } },
      { "predicate", ">", { { "var", 1 }, { "var", 0 } } },
    }, plain(ir.where))
    assert.equal("[?e :person/name ?n]", ir.where[1][4])
    assert.same({ { "var", 4 }, { "var", 1 } }, ir.find.elements)
  end)

  for _, case in ipairs {
    { "relation", "[:find ?x ?y :where [?x :a ?y]]" },
      { "collection", "[:find [?x ...] :where [?x :a]]" },
    { "tuple", "[:find [?x ?y] :where [?x :a ?y]]" }, { "scalar", "[:find ?x . :where [?x :a]]" },
    { "scalar", "{:find [?x .] :where [[?x :a]]}" },
      { "collection", "{:find [[?x ...]] :where [[?x :a]]}" },
    { "relation", "'[:find ?x :where [?x :a]]" }, { "relation", "[:find ?x :in [?x ...]]" },
  } do
    it("find a " .. case[1] .. ": " .. case[2], function() assert.equal(case[1],
      ir_of(case[2]).find.kind) end)
  end

  it("hold aggregates, pulls, :with, keys, order and bounds", function()
    local ir = ir_of [[[:find (min 2 ?p) (pull $ ?e [:a/b {:c/_d 2}]) (pull ?e pat) :keys low all some :with ?q :in $ pat
      :where [?e :p ?p] [?e :q ?q] :order-by [?p :desc ?q] :limit 10 :offset 5] ]]
    assert.same({ "aggregate", "min", { { "const", 2 }, { "var", 1 } } }, ir.find.elements[1])
    assert.same({ "pull", 0, 0, { { attr = "a/b", reverse = 0 }, { attr = "c/d", reverse = 1,
      recursion = 2 } } }, ir.find.elements[2])
    assert.same({ "pull", 0, 0, { "input", 1 } }, ir.find.elements[3])
    assert.same({ "low", "all", "some" }, ir.find.keys)
    assert.same({ 2 }, ir.with)
    assert.same({ { 1, "desc" }, { 2, "asc" } }, ir.order)
    assert.same({ 10, 5 }, { ir.limit, ir.offset })
  end)

  it("may put the order in a vector", function()
    assert.same({ { 0, "desc" }, { 1, "asc" } },
      ir_of("[:find ?x ?y :where [?x :a ?y] :order-by [?x :desc ?y]]").order)
  end)

  it("keep constants of every type", function()
    local ir = ir_of [=[[:find ?e :where [?e :a "text"] [?e :a ":text"] [?e :a #inst "1970-01-01"]
      [?e :a #uuid "00000000-0000-0000-0000-00000000000A"] [?e :a 9007199254740993] [?e :a 1.5M] [?e :a nil] [?e :a false]]]=]
    local constants = {}
    for i, clause in ipairs(ir.where) do constants[i] = clause[3][3][2] end
    assert.equal("text", constants[1])
    assert.is_true(values.is_str(constants[2]))
    assert.is_true(values.is_inst(constants[3]))
    assert.is_true(values.is_uuid(constants[4]))
    assert.equal(9007199254740993LL, constants[5])
    assert.equal("1.5", tostring(constants[6]))
    assert.equal(values.null, constants[7])
    assert.equal(false, constants[8])
  end)

  it("call built-in functions without their namespace", function()
    local ir = ir_of '[:find ?r :in ?s :where [(clojure.string/starts-with? ?s "a")] [(clojure.core/inc ?s) ?r] [(my.app/f ?s) [?x ...]] [(.startsWith ?s "b")]]'
    assert.equal("starts-with?", ir.where[1][2])
    assert.equal("inc", ir.where[2][2])
    assert.equal("my.app/f", ir.where[3][2])
    assert.same({ "collection", { "scalar", 2 } }, ir.where[3][4])
    assert.equal("starts-with?", ir.where[4][2])
  end)

  it("nest: q takes a query and its inputs, and rules", function()
    local ir = ir_of("[:find ?n :in $ % ?c :where [(q [:find ?x :in $ ?y % :where (r ?x ?y)] $ ?c %) [[?n]]]]", "[[(r ?a ?b) [?a :k ?b]]]")
    local clause = ir.where[1]
    assert.equal("query", clause[1])
    assert.equal("r", clause[2].rules[1].name)
    assert.same({ { "source", 0 }, { "var", 0 }, { "const", values.null } }, clause[3])
    assert.same({ "relation", { { "scalar", 1 } } }, clause[4])
  end)

  it("are compiled once", function()
    assert.equal(query.compile "[:find ?once :where [?once :a]]",
      query.compile "[:find ?once :where [?once :a]]")
  end)
end)

describe("Scopes", function()
  it("not-join: a variable inside is not the one of that name outside", function()
    local ir = ir_of "[:find ?n ?c :where [?e :name ?n] [?e :city ?c] (not-join [?e] [?e :boss ?b] [?b :city ?c])]"
    assert.same({ "?e", "?n", "?c", "?b", "?c" }, ir.vars)
    local clause = ir.where[3]
    assert.equal("not", clause[1])
    assert.same({ 0 }, clause[3])
    assert.same({ "pattern", 0, { { "var", 3 }, { "const", ":city" }, { "var", 4 } } },
      plain(clause[2])[2])
  end)

  it("not: its variables are the outer ones", function()
    assert.same({ 0 }, ir_of("[:find ?e :where [?e :name] (not [?e :boss _])]").where[2][3])
    refused("db.error/insufficient-binding", "[:find ?n :where [?e :name ?n] (not [?e :boss ?b])]")
    refused("db.error/insufficient-binding",
      "[:find ?n :where [?e :name ?n] (not-join [?b] [?e :boss ?b])]")
  end)

  it("or-join: private variables differ between branches", function()
    local ir = ir_of "[:find ?e :where (or-join [[?e] ?x] (and [?e :boss ?b] [?b :city ?x]) (and [?e :pal ?b] [?b :city ?x]))]"
    local clause = ir.where[1]
    assert.same({ "or", { 0, 1 }, { 0 } }, { clause[1], clause[3], clause[4] })
    assert.same({ "?e", "?x", "?b", "?b" }, ir.vars)
  end)

  it("a source before not and or is theirs", function()
    local ir = ir_of "[:find ?k :in $ $b :where [?e :k ?k] ($b not-join [?k] [?f :k ?k]) ($b or-join [?k] [?f :k ?k] [?f :l ?k])]"
    assert.equal(1, ir.where[2][2][1][2])
    assert.equal(1, ir.where[3][2][2][1][2])
    assert.equal(0, ir.where[1][2])
  end)

  it("a variable that nothing binds cannot be called with", function()
    local e = refused("db.error/insufficient-binding", "[:find ?x\n :where [(> ?x 3)]]")
    assert.same({ line = 2, column = 9, clause = "[(> ?x 3)]" }, e.data)
    refused("lion/syntax", "[:find ?n :with ?nobody :where [?e :name ?n]]")
  end)
end)

describe("Rules", function()
  local reach = "[[(reach ?x ?y) [?x :next ?y]] [(reach ?a ?b) [?a :next ?z] (reach ?z ?b)] [(unused ?x) [?x :y]]]"

  it("are attached where they are reachable, with variables of their own", function()
    local ir = ir_of("[:find ?b :in $ % ?a :where (reach ?a ?b)]", reach)
    assert.equal(1, #ir.rules)
    local rule = ir.rules[1]
    assert.same({ "reach", 0, { 0, 1 }, { 0, 0 } }, { rule.name, rule.source, rule.head,
      rule.required })
    assert.same({ "?x", "?y", "?z" }, rule.vars)
    assert.same({ "rule", 0, { { "var", 2 }, { "var", 1 } } }, plain(rule.branches[2])[2])
    assert.same({ { "rule", 0, { { "var", 0 }, { "var", 1 } } } }, plain(ir.where))
  end)

  it("are made apart for each source they are called on", function()
    local ir = ir_of("[:find ?a ?b :in $ $o % :where (reach ?a ?b) ($o reach ?a ?b)]", reach)
    assert.same({ 0, 1 }, { ir.rules[1].source, ir.rules[2].source })
    assert.same({ 0, 1 }, { ir.where[1][2], ir.where[2][2] })
    assert.equal(1, ir.rules[2].branches[1][1][2])
  end)

  it("may have heads and calls that are vectors, and required variables", function()
    local ir = ir_of("[:find ?b :in $ % ?a :where [far ?a ?b]]", "[[[far [?x] ?y] [?x :next ?y]]]")
    assert.same({ 1, 0 }, ir.rules[1].required)
  end)

  it("come as tables too, in the query or beside it", function()
    local rules = { { { "far", "?x", "?y" }, { "?x", "node/next", "?y" } } }
    local where = { { "far", "?a", "?b" } }
    local expected = ir_of("[:find ?b :where (far ?a ?b)]", "[[(far ?x ?y) [?x :node/next ?y]]]")
    assert.same(expected, ir_of { find = { "?b" }, where = where, rules = rules })
    assert.same(expected, ir_of({ find = { "?b" }, where = where }, rules))
  end)

  for name, case in pairs {
    ["that is unknown"] = { "(reech ?a ?b)", "did you mean reach" },
      ["of the wrong arity"] = { "(reach ?a)", "takes 2 arguments" },
  } do
    it("one " .. name .. " is refused", function()
      local e = refused("lion/syntax", "[:find ?a :in $ % :where [?a :x ?b] " .. case[1] .. "]",
        reach)
      assert.is_truthy(e.message:find(case[2], 1, true))
      assert.is_truthy(e.message:find(case[1], 1, true))
    end)
  end

  it("malformed ones are refused", function()
    for _, rules in ipairs { "", "5", "[5]", "[[(r)]]", "[[(r ?x)]]", "[[(r 1) [?x :a]]]",
      "[[(r ?x ?x) [?x :a]]]", "[[r [?x :a]]]",
      "[[(r ?x) [?x :a]] [(r ?x ?y) [?x :a ?y]]]", 5 } do
      refused("lion/syntax", "[:find ?a :in $ % :where (r ?a)]", rules)
    end
  end)
end)

describe("A query as a Lua table", function()
  for _, case in ipairs {
    { "[:find ?n :in $ ?min :where [?e :person/name ?n] [?e :person/age ?a] [(>= ?a ?min)]]",
      { find = { "?n" }, ["in"] = { "$", "?min" },
        where = { { "?e", "person/name", "?n" }, { "?e", "person/age", "?a" },
          { { ">=", "?a", "?min" } } } } },
    { "[:find [?n ...] :where [_ :person/name ?n]]", { find = { { "?n", "..." } },
      where = { { "_", "person/name", "?n" } } } },
    { "[:find ?n . :where [_ :person/name ?n]]", { find = { "?n", "." },
      where = { { "_", ":person/name", "?n" } } } },
    { "[:find ?n :where [?e :person/name ?n] (not-join [?e] [?f :person/boss ?e]) (or-join [?e] [?e :person/boss ?b] [?e :person/friend ?e])]",
      { find = { "?n" }, where = { { "?e", "person/name", "?n" }, { "not-join", { "?e" },
        { "?f", "person/boss", "?e" } },
        { "or-join", { "?e" }, { "?e", "person/boss", "?b" }, { "?e", "person/friend",
          "?e" } } } } },
    { "[:find (pull ?e [:person/name {:person/boss [:person/name]}]) . :where [?e :person/email \"d@x\"]]",
      { find = { { "pull", "?e", { "person/name", { ["person/boss"] = { "person/name" } } } },
        "." }, where = { { "?e", "person/email", "d@x" } } } },
    { "[:find (pull ?e p) :in $ p :where [?e :a]]", { find = { { "pull", "?e", "p" } },
      ["in"] = { "$", "p" }, where = { { "?e", "a" } } } },
    { "[:find (count ?f) ?n :with ?e :where [?e :n ?n] (or [?e :f ?f] (and [?e :g ?f] [?f :h _]))]",
      { find = { { "count", "?f" }, "?n" }, with = { "?e" }, where = { { "?e", "n", "?n" },
        { "or", { "?e", "f", "?f" },
        { "and", { "?e", "g", "?f" }, { "?f", "h", "_" } } } } } },
    { "[:find ?e :in $ $b :where [$b ?e :k 1] ($b not [?e :l :m/n])]",
      { find = { "?e" }, ["in"] = { "$", "$b" }, where = { { "$b", "?e", "k", 1 },
        { "$b", "not", { "?e", "l", ":m/n" } } } } },
    { '[:find ?y :where [?e :n] [(get-else $ ?e :year "N/A") ?y] [(missing? $ ?e :end)]]',
      { find = { "?y" }, where = { { "?e", "n" }, { { "get-else", "$", "?e", "year", "N/A" },
        "?y" }, { { "missing?", "$", "?e", "end" } } } } },
    { "[:find ?n :in [[?a ?n]] [?x ...] :where [(= ?a ?x)]]",
      { find = { "?n" }, ["in"] = { { { "?a", "?n" } }, { "?x", "..." } },
        where = { { { "=", "?a", "?x" } } } } },
    { '[:find ?e :where [?e :s "?x"] [?e :s "..."]]',
      { find = { "?e" }, where = { { "?e", "s", values.str "?x" }, { "?e", "s", "..." } } } },
    { "[:find ?x ?y :keys a b :where [?x :a ?y] :order-by [?x :desc] :limit 3]",
      { find = { "?x", "?y" }, keys = { "a", "b" }, where = { { "?x", "a", "?y" } },
        order_by = { "?x", ":desc" }, limit = 3 } },
  } do
    it("means the same as " .. case[1], function() assert.same(ir_of(case[1]), ir_of(case[2])) end)
  end

  it("nests by tables in q", function()
    local inner = { find = { "?x" }, where = { { "_", "n", "?x" } } }
    local ir = ir_of { find = { "?n" }, where = { { { "q", inner, "$" }, { { "?n" } } } } }
    assert.same(ir_of(inner), ir.where[1][2])
    assert.same({ { "source", 0 } }, ir.where[1][3])
  end)

  for name, form in pairs {
    ["nothing in it"] = {}, ["an unknown part"] = { find = { "?x" }, where = { { "?x", "a" } },
      wher = {} }, ["a function"] = { find = { "?x" }, where = { { "?x", "a", print } } },
    ["a clause that is none"] = { find = { "?x" }, where = { "?x" } },
      ["a find that is no array"] = { find = "?x" }, ["an empty clause"] = { find = { "?x" },
      where = { {} } },
  } do
    it("is refused with " .. name, function() refused("lion/syntax", form) end)
  end

  it("is refused when it holds itself", function()
    local loop = { "not" }
    loop[2] = loop
    refused("lion/syntax", { find = { "?x" }, where = { { "?x", "a" }, loop } })
    local value = {}
    value[1] = value
    refused("lion/syntax", { find = { "?x" }, where = { { "?x", "a", value } } })
  end)
end)

describe("A query that makes no sense is refused:", function()
  for _, text in ipairs {
    "", "[", "[:find", "]", "[:find ?x :where [?x :a]", "[:find ?x] trailing",
      "{:find [?x] :where}", '[:find ?x :where [_ :a "open]]',
    "[:where [?x :a]]", "[:find :where [?x :a]]", "[:find ?x :where]",
      "[:find ?x :where [?x :a] :wheer [?x :b]]", "[:find ?x :where ?x]",
    "[:find ?x :where []]", "[:find ?x :where (not)]", "[:find ?x :where (or)]",
      "[:find ?x . ?y :where [?x :a ?y]]",
    "[:find [?x ... ?y] :where [?x :a ?y]]", "[:find ?x :in $ [?a :where [?x :a]]",
      "[:find (count) :where [?x :a]]", "42", '"text"', "nil",
    "[:find ?x :in $ $ :where [?x :a]]", "[:find #unknown ?x :where [?x :a]]",
      "[:find ?x :where [?x :a \\notachar]]",
    "[:find ?n ?a :keys name :where [?e :n ?n] [?e :m ?a]]",
      "[:find (averagge ?a) :where [_ :a ?a]]", "[:find ?nobody :where [?e :n ?n]]",
    "[:find (min ?n ?x) :where [_ :a ?x]]", "[:find ?x :in ?x ?x]",
      "[:find ?x :where [?x :a] (and [?x :b])]", "[:find ?x :where [?x :a (f 1)]]",
    "[:find ?x :where [?x :a] [(f (g ?x)) ?y]]", "[:find ?x :where [?x :a] [(f _)]]",
      "[:find ?x :where [$b ?x :a]]", "[:find ?x :where [?x :a foo]]",
    "[:find ?e :where (or [?e :x ?y] [?e :z])]", "[:find ?x :where [?x :a] :limit -2]",
      "[:find ?x :where [?x :a] :limit ?x]",
    "[:find ?x :where [?x :a] :order-by [:desc]]", "[:find ?x :find ?y :where [?x :a ?y]]",
      "[:find (pull ?x) :where [?x :a]]",
    "[:find (pull ?x [17]) :where [?x :a]]", "[:find (pull ?x p) :where [?x :a]]",
      "[:find ?x :where (not-join ?x [?x :a])]",
    "[:find ?n :where [(q [:find ?x :in ?y :where [_ :n ?x]]) [[?n]]]]", "[:find ?e :where [?e :a]"
      .. ("(not "):rep(700) .. "[?e :b]" .. (")"):rep(701),
    "[:find ?e :where [?e :a]" .. ("(not "):rep(20000) .. "[?e :b]" .. (")"):rep(20001),
  } do
    it(text:sub(1, 60), function() refused("lion/syntax", text) end)
  end

  it("a lookup ref in the place of an entity", function()
    refused("db.error/not-a-binding-form", '[:find ?n :where [[:a/b "x"] :c ?n]]')
    refused("db.error/not-a-binding-form",
      { find = { "?n" }, where = { { { "a/b", "x" }, "c", "?n" } } })
  end)

  it("full text, which is not built", function()
    local ok, e = pcall(query.compile, '[:find ?e :where [(fulltext $ :a "x") [[?e]]]]')
    assert.is_false(ok)
    assert.same({ "unsupported", "lion/unsupported" }, { e.category, e.code })
  end)

  it("a hundred nots within each other are fine", function()
    assert.equal(2, #ir_of("[:find ?e :where [?e :a]" .. ("(not "):rep(100) .. "[?e :b]"
      .. (")"):rep(100) .. "]").where)
  end)

  it("keeps a double that is written as one", function()
    local lion = require "lion"
    local function answer(expression, a) return lion.q("[:find ?r . :in ?a :where [" .. expression .. " ?r]]", a) end
    assert.equal(3.5, answer("(/ ?a 2.0)", 7))
    assert.equal(3, answer("(/ ?a 2)", 7))
    assert.equal(1 / 0, answer("(/ ?a 0.0)", 1))
    assert.equal("2.0 2", answer('(str 2.0 " " 2)', 1))
    assert.is_true(answer("(= ?a 2.0)", 2))
  end)
end)
