local lion = require "lion"
local complete = require "lion.cli.complete"
local repl = require "lion.cli.repl"

describe("The prompt", function()
  local conn, session, written

  before_each(function()
    conn = lion.connect "mem:"
    conn:transact(lion.schema { person = { name = { "string", doc = "what people call them" } } })
    conn:transact { { ["person/name"] = "Ann" } }
    written = {}
    session = repl.session(conn, function(text) written[#written + 1] = text end, false)
  end)

  after_each(function() conn:close() end)

  local function take(text)
    written = {}
    local result = session:take(text)
    return table.concat(written), result
  end

  it("answers Lua, expressions and statements", function()
    assert.equal("2\n", (take "1 + 1"))
    assert.equal("", (take "x = 3"))
    assert.equal("3\n", (take "x"))
    assert.equal('"Ann"\n', (take 'db:q "[:find ?n . :where [_ :person/name ?n]]"'))
  end)

  it("answers a bare query as a table", function()
    local text = take "[:find ?n :where [_ :person/name ?n]]"
    assert.is_truthy(text:find "^%?n\n")
    assert.is_truthy(text:find "\nAnn\n1 row\n$")
  end)

  it("shows attributes, what they are for, and plans", function()
    assert.is_truthy(take(":schema"):find "person/name  string")
    assert.equal("what people call them\n", (take ":doc person/name"))
    assert.is_truthy(take(":explain [:find ?n :where [_ :person/name ?n]]"):find "person/name")
  end)

  it("takes the inputs of a query behind it, over lines too", function()
    local text = take '[:find ?e ?x :in $ ?x\n :where [?e :person/name ?x]] "Ann"'
    assert.is_truthy(text:find "1 row\n$")
    local plan = take ':explain [:find ?e :in $ ?x\n:where [?e :person/name ?x]] "Ann"'
    assert.is_truthy(plan:find "person/name")
    assert.is_true(repl.is_open ":explain [:find ?e")
    assert.is_false(repl.is_open ":schema")
  end)

  it("shows attributes that have no facts yet", function()
    take 'conn:transact(lion.schema { thing = { size = "long" } })'
    assert.is_truthy(take(":schema thing"):find "thing/size  long")
  end)

  it("stays where it is when a point in time is none", function()
    assert.is_false((pcall(take, ":as-of yesterday evening")))
    assert.equal("1\n", (take 'db:count("aevt", "person/name")'))
  end)

  it("goes into the past and comes back", function()
    take(":as-of " .. conn:db().basis_t)
    take 'conn:transact { { ["person/name"] = "Bob" } }'
    assert.equal("1\n", (take 'db:count("aevt", "person/name")'))
    take ":as-of now"
    assert.equal("2\n", (take 'db:count("aevt", "person/name")'))
    assert.equal("db is as of 3 days ago\n", (take ":as-of 3 days ago"))
    assert.equal("0\n", (take 'db:count("aevt", "person/name")'))
  end)

  it("shows no more rows than asked for", function()
    take 'conn:transact { { ["person/name"] = "Bob" } }'
    take ":rows 1"
    assert.is_truthy(take("[:find ?n :where [_ :person/name ?n]]"):find "2 rows, 1 shown")
  end)

  it("tells where an error of Lua is", function()
    local ok, err = pcall(take, 'error "on purpose"')
    assert.is_false(ok)
    assert.equal("prompt:1: on purpose", err)
  end)

  it("says what it does not know", function()
    local ok, err = pcall(take, ":nonsense")
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find ":help")
  end)

  it("asks for more where only the end is missing", function()
    for text, is_open in pairs {
      ["[:find ?n"] = true, ["for i = 1, 2 do"] = true, ["1 + 1"] = false, ["x = = 1"] = false,
      ["[:find ?n :where [_ :a ?n]]"] = false,
    } do
      assert.equal(is_open, repl.is_open(text), text)
    end
  end)

  for _, case in ipairs {
    { ":sch", ":schema" }, { "[:find ?n :where [_ :person/n", ":person/name" },
    { "db:pull_m", "db:pull_many(" },
    { "conn:trans", "conn:transact(" }, { "person/na", "person/name" }, { "lion.conn", "lion.connect(" },
  } do
    it("completes " .. case[1], function()
      local _, list = complete.candidates(session, case[1])
      assert.same({ case[2] }, list)
    end)
  end
end)
