-- luacheck: max line length 140 (a query stands on one line)
-- A query as a Lua table answers what its text answers.
local lion = require "lion"

local RULES = '[[(named ?e ?n) [?e :p/name ?n]]]'

local function row(...) return { ... } end

local ADULTS = { { "?e", "p/name", "?n" }, { "?e", "p/age", "?a" }, { { ">=", "?a", 30 } } }
local NAMES = { { "?e", "p/name", "?n" } }

-- What it is about, text, table, inputs.
local CASES = {
  row("a scalar", '[:find ?a . :where [?e :p/name "Ann"] [?e :p/age ?a]]',
    { find = { "?a", "." }, where = { { "?e", "p/name", "Ann" }, { "?e", "p/age", "?a" } } }),
  row("a tuple", '[:find [?n ?a] :where [?e :p/age 42] [?e :p/name ?n] [?e :p/age ?a]]',
    { find = { { "?n", "?a" } }, where = { { "?e", "p/age", 42 }, { "?e", "p/name", "?n" }, { "?e", "p/age", "?a" } } }),
  row("predicates", "[:find ?n :where [?e :p/name ?n] [?e :p/age ?a] [(>= ?a 30)] :order-by ?n]",
    { find = { "?n" }, where = ADULTS, order_by = { "?n" } }),
  row("keys", "[:find ?n ?a :keys name age :where [?e :p/name ?n] [?e :p/age ?a] :order-by [?n]]",
    { find = { "?n", "?a" }, keys = { "name", "age" }, where = { NAMES[1], { "?e", "p/age", "?a" } }, order_by = { "?n" } }),
  row("an aggregate and :with", "[:find (sum ?a) . :with ?e :where [?e :p/age ?a]]",
    { find = { { "sum", "?a" }, "." }, with = { "?e" }, where = { { "?e", "p/age", "?a" } } }),
  row("an aggregate of n", "[:find (min 2 ?a) . :where [?e :p/age ?a]]",
    { find = { { "min", 2, "?a" }, "." }, where = { { "?e", "p/age", "?a" } } }),
  row("not, and or with and", '[:find [?n ...] :where [?e :p/name ?n] (not [?e :p/city "Rome"])'
    .. ' (or (and [?e :p/city "Oslo"] [?e :p/age 42]) [?e :p/age 25]) :order-by ?n]',
    { find = { { "?n", "..." } }, order_by = { "?n" }, where = { NAMES[1], { "not", { "?e", "p/city", "Rome" } },
      { "or", { "and", { "?e", "p/city", "Oslo" }, { "?e", "p/age", 42 } }, { "?e", "p/age", 25 } } } }),
  row("or-join with a required variable",
    '[:find [?n ...] :where [?e :p/name ?n] (or-join [[?e]] [?e :p/city "Oslo"] [?e :p/age 25]) :order-by ?n]',
    { find = { { "?n", "..." } }, order_by = { "?n" },
      where = { NAMES[1], { "or-join", { { "?e" } }, { "?e", "p/city", "Oslo" }, { "?e", "p/age", 25 } } } }),
  row("a function and what it binds", "[:find [?y ...] :where [(ground [1 2]) [?x ...]] [(inc ?x) ?y] :order-by ?y]",
    { find = { { "?y", "..." } }, order_by = { "?y" },
      where = { { { "ground", { 1, 2 } }, { "?x", "..." } }, { { "inc", "?x" }, "?y" } } }),
  row("get-else, whose third argument is an attribute and whose fourth is not",
    '[:find ?n ?c :where [?e :p/name ?n] [(get-else $ ?e :p/city "p/city") ?c] :order-by ?n]',
    { find = { "?n", "?c" }, order_by = { "?n" },
      where = { NAMES[1], { { "get-else", "$", "?e", "p/city", "p/city" }, "?c" } } }),
  row("missing? and get-some", '[:find ?n ?v :where [?e :p/name ?n] [(missing? $ ?e :p/city)]'
    .. ' [(get-some $ ?e :p/city :p/age) [_ ?v]]]',
    { find = { "?n", "?v" }, where = { NAMES[1], { { "missing?", "$", "?e", "p/city" } },
      { { "get-some", "$", "?e", "p/city", "p/age" }, { "_", "?v" } } } }),
  row("a collection given", "[:find [?a ...] :in $ [?n ...] :where [?e :p/name ?n] [?e :p/age ?a] :order-by ?a]",
    { find = { { "?a", "..." } }, ["in"] = { "$", { "?n", "..." } }, order_by = { "?a" },
      where = { NAMES[1], { "?e", "p/age", "?a" } } }, { "Ann", "Bob" }),
  row("a relation given", "[:find ?n ?s :in $ [[?n ?s]] :where [?e :p/name ?n]]",
    { find = { "?n", "?s" }, ["in"] = { "$", { { "?n", "?s" } } }, where = NAMES }, { { "Ann", 1 }, { "Zed", 2 } }),
  row("an attribute given", "[:find ?v . :in $ ?a :where [?e :p/name \"Ann\"] [?e ?a ?v]]",
    { find = { "?v", "." }, ["in"] = { "$", "?a" }, where = { { "?e", "p/name", "Ann" }, { "?e", "?a", "?v" } } }, ":p/age"),
  row("the transaction, and whether it asserts", '[:find ?op . :where [_ :p/name "Ann" ?tx ?op]]',
    { find = { "?op", "." }, where = { { "_", "p/name", "Ann", "?tx", "?op" } } }),
  row("a rule", "[:find [?n ...] :in $ % :where (named _ ?n) :order-by ?n]",
    { find = { { "?n", "..." } }, ["in"] = { "$", "%" }, where = { { "named", "_", "?n" } }, order_by = { "?n" } }, RULES),
  row("a named source before a clause, not, or and a rule", '[:find [?n ...] :in $p % :where ($p named ?e ?n)'
    .. ' ($p not [?e :p/city "Rome"]) ($p or [?e :p/age 25] [?e :p/age 42]) [$p ?e :p/age] :order-by ?n]',
    { find = { { "?n", "..." } }, ["in"] = { "$p", "%" }, order_by = { "?n" }, where = { { "$p", "named", "?e", "?n" },
      { "$p", "not", { "?e", "p/city", "Rome" } }, { "$p", "or", { "?e", "p/age", 25 }, { "?e", "p/age", 42 } },
      { "$p", "?e", "p/age" } } }, RULES),
  row("a pull", '[:find (pull ?e [:p/age]) . :where [?e :p/name "Ann"]]',
    { find = { { "pull", "?e", { "p/age" } }, "." }, where = { { "?e", "p/name", "Ann" } } }),
  row("a query within", "[:find ?n . :where [(q [:find (max ?a) . :where [_ :p/age ?a]] $) ?m] [?e :p/age ?m] [?e :p/name ?n]]",
    { find = { "?n", "." }, where = { { { "q", { find = { { "max", "?a" }, "." }, where = { { "_", "p/age", "?a" } } }, "$" },
      "?m" }, { "?e", "p/age", "?m" }, NAMES[1] } }),
  row("an order, an offset and a limit", "[:find [?n ...] :where [?e :p/name ?n] :order-by [?n :desc] :offset 1 :limit 2]",
    { find = { { "?n", "..." } }, where = NAMES, ["order-by"] = { "?n", ":desc" }, offset = 1, limit = 2 }),
}

describe("A query as a table", function()
  local conn

  setup(function()
    conn = lion.connect "mem:"
    conn:transact(lion.schema { p = { name = "string", age = "long", city = "string" } })
    conn:transact { { ["p/name"] = "Ann", ["p/age"] = 31, ["p/city"] = "Oslo" },
      { ["p/name"] = "Bob", ["p/age"] = 25, ["p/city"] = "Rome" }, { ["p/name"] = "Cid", ["p/age"] = 42, ["p/city"] = "Oslo" },
      { ["p/name"] = "Dee", ["p/age"] = 25 } }
  end)
  teardown(function() conn:close() end)

  for _, case in ipairs(CASES) do
    it("answers as its text: " .. case[1], function()
      local db = conn:db()
      local answer = db:q(case[2], unpack(case, 4))
      assert.is_true(answer ~= nil and (type(answer) ~= "table" or next(answer) ~= nil))
      assert.same(answer, db:q(case[3], unpack(case, 4)))
      assert.same(answer, db:q(lion.prepare(case[3]), unpack(case, 4)))
    end)
  end
end)
