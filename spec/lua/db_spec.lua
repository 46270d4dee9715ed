-- luacheck: max line length 140 (a transaction or a query stands on one line)
local lion = require "lion"

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_table(e)
  assert.is_string(e.category)
  return e
end

local function people()
  local conn = lion.connect "mem:"
  conn:transact(lion.schema { person = { email = { "string", unique = "identity" }, name = "string", age = "long",
    boss = "ref", friend = { "ref", many = true } } })
  local ids = conn:transact({
    { ["db/id"] = "ann", ["person/email"] = "ann@x.org", ["person/name"] = "Ann", ["person/age"] = 31, ["person/friend"] = { "bob" } },
    { ["db/id"] = "bob", ["person/email"] = "bob@x.org", ["person/name"] = "Bob", ["person/age"] = 25, ["person/boss"] = "ann" },
  }).tempids
  return conn, ids
end

describe("Values across the border", function()
  local conn = lion.connect "mem:"
  conn:transact(lion.schema { v = { long = "long", double = "double", text = "string" } })
  local function back(attribute, value)
    local id = conn:transact({ { ["db/id"] = "e", [attribute] = value } }).tempids.e
    return conn:db():pull("[*]", id)[attribute]
  end

  it("keep every long", function()
    for _, x in ipairs { 0, -1, 2 ^ 53, -(2 ^ 53) } do assert.equal(x, back("v/long", x)) end
    for _, x in ipairs { 9007199254740993LL, 9223372036854775807LL, -9223372036854775807LL - 1LL } do
      assert.is_true(back("v/long", x) == x)
    end
    assert.equal(7, back("v/long", 7ULL))
    assert.equal("lion/overflow", raised(back, "v/long", 9223372036854775808ULL).code)
    assert.equal("incorrect", raised(back, "v/long", 1.5).category)
  end)

  it("keep doubles and strings as they are", function()
    for _, x in ipairs { 0.1, -2.5e300, 3, math.huge } do assert.equal(x, back("v/double", x)) end
    for _, x in ipairs { "", ":", ":a", "a\0b", ("é"):rep(5000) } do assert.equal(x, back("v/text", x)) end
  end)

  it("keep a whole number as a long, however it was computed", function()
    assert.equal(0, back("v/long", -0))
    assert.is_true(back("v/long", 2 ^ 60) == 1152921504606846976LL)
    assert.equal("db.error/wrong-type-for-attribute", raised(back, "v/long", 2 ^ 63).code)
    assert.equal(-math.huge, 1 / back("v/double", -0))
  end)

  it("keep bytes and uris that look like keywords", function()
    local binary = lion.connect "mem:"
    binary:transact(lion.schema { v = { bytes = "bytes", uri = "uri" } })
    for _, x in ipairs { ":a", ":a/b c", ":", "", ":\255\0" } do
      local id = binary:transact({ { ["db/id"] = "e", ["v/bytes"] = x } }).tempids.e
      assert.equal(x, binary:db():pull("[:v/bytes]", id)["v/bytes"])
    end
    local id = binary:transact({ { ["db/id"] = "e", ["v/uri"] = ":relative" } }).tempids.e
    assert.equal(":relative", binary:db():entity(id)["v/uri"])
    binary:close()
  end)

  it("refuse what is no value", function()
    for _, x in ipairs { coroutine.create(print), io.stdout, require("ffi").new "int[2]" } do
      assert.equal("incorrect", raised(back, "v/text", x).category)
    end
  end)

  it("refuse data without end", function()
    local loop = {}
    loop[1] = loop
    assert.equal("lion/limit", raised(conn.transact, conn, loop).code)
    local map = {}
    map.a = map
    assert.equal("lion/limit", raised(conn.transact, conn, { map }).code)
  end)

  it("come back from functions", function()
    local got
    conn:transact { { function(_, ...)
      got = { ... }
      return {}
    end, 1, "s", ":k", true, { 1, lion.null, 3 }, { a = { b = 9007199254740993LL } } } }
    assert.same({ 1, "s", ":k", true, { 1, lion.null, 3 } }, { unpack(got, 1, 5) })
    assert.is_true(got[6].a.b == 9007199254740993LL)
  end)
end)

describe("A database value", function()
  it("equals the same view of the same database", function()
    local conn = people()
    local a, b = conn:db(), conn:db()
    assert.is_true(a == b)
    assert.is_true(a:as_of(a.basis_t) == b:as_of(b.basis_t))
    assert.is_false(a == a:history())
    conn:transact {}
    assert.is_false(a == conn:db())
    conn:close()
  end)

  it("knows its place in time", function()
    local conn = people()
    local db = conn:db()
    assert.is_nil(db.as_of_t)
    assert.equal(5, db:as_of(5).as_of_t)
    assert.equal(db.basis_t, db:as_of(5).basis_t)
    assert.equal(db.basis_t, db:since(lion.t_to_tx(db.basis_t)).since_t)
    assert.is_true(db:history().is_history)
    for _, x in ipairs { "yesterday", {}, true } do assert.equal("incorrect", raised(db.as_of, db, x).category) end
    conn:close()
  end)

  describe("as of a time", function()
    local conn, then_t = lion.connect "mem:", nil
    local EACH = "[:find (count ?v) . :with ?e :where [?e :item/name ?n] [?e :item/tag ?v]]"
    local NAMED = "[:find (count ?v) . :with ?e :in $ ?n :where [?e :item/name ?n] [?e :item/tag ?v]]"
    local OF_CODE = "[:find (count ?v) . :with ?e :in $ ?c :where [?e :item/code ?c] [?e :item/tag ?v]]"

    local function tags(db) return { lion.q(EACH, db), lion.q(NAMED, db, "n1"), lion.q(OF_CODE, db, 3) } end

    setup(function()
      local items, fewer = {}, {}
      for i = 1, 60 do -- each with two tags, and two of a code
        items[i] = { ["db/id"] = "i" .. i, ["item/name"] = "n" .. i, ["item/tag"] = { i, 1000 + i }, ["item/code"] = i % 30 }
      end
      conn:transact(lion.schema { item = { name = "string", tag = { "long", many = true }, code = "long" } })
      local report = conn:transact(items)
      then_t = conn:db().basis_t
      for i = 1, 60 do
        local id = report.tempids["i" .. i]
        fewer[#fewer + 1] = { "db/retract", id, "item/tag", i }
        if i >= 30 then fewer[#fewer + 1] = { "db/retract", id, "item/code", i % 30 } end
      end
      conn:transact(fewer)
      conn:transact { { ["db/id"] = ":item/tag", ["db/cardinality"] = ":db.cardinality/one" },
        { ["db/id"] = ":item/code", ["db/unique"] = ":db.unique/value" } }
    end)
    teardown(function() conn:close() end)

    it("shows all values that an attribute had, though it may have but one by now", function()
      assert.same({ 60, 1, 1 }, tags(conn:db()))
      for _ = 1, 3 do assert.same({ 120, 2, 4 }, tags(conn:db():as_of(then_t))) end
    end)

    it("shows them when that is long indexed", function()
      conn:request_index()
      for _ = 1, 3 do assert.same({ 120, 2, 4 }, tags(conn:db():as_of(then_t))) end
      assert.same({ 60, 1, 1 }, tags(conn:db()))
    end)
  end)

  it("keeps its filters, whatever the collector does", function()
    local conn, ids = people()
    local name = "Bob"
    local db = conn:db():filter(function(_, d) return d.v ~= name end):as_of(conn:db().basis_t)
    for _ = 1, 3 do collectgarbage() end
    assert.is_nil(db:entity(ids.bob)["person/name"])
    assert.equal("Ann", db:entity(ids.ann)["person/name"])
    assert.equal(1, db:count("aevt", "person/name"))
    local datoms = conn:db():filter(function() return true end):datoms "eavt"
    for _ = 1, 3 do collectgarbage() end
    assert.is_table(datoms())
    local failing = conn:db():filter(function() error "no filter" end)
    assert.equal("lion/function-failed", raised(failing.count, failing, "eavt").code)
    conn:close()
  end)

  it("gives datoms by name and by position", function()
    local conn, ids = people()
    local datom = conn:db():datoms("eavt", ids.ann, "person/name")()
    assert.same({ ids.ann, "person/name", "Ann", true }, { datom.e, datom.a, datom.v, datom.added })
    assert.same({ datom[1], datom[2], datom[3], datom[4], datom[5] }, { unpack(datom) })
    assert.equal(datom.tx, datom[4])
    assert.equal(1, #conn:db():q("[:find [?v ...] :in $ $d :where [$d _ _ ?v]]", { datom }))
    conn:close()
  end)

  it("walks indexes both ways and in parts", function()
    local conn = people()
    local tx = {}
    for i = 1, 1000 do tx[i] = { ["person/age"] = i } end
    conn:transact(tx)
    local db = conn:db()
    local function ages(options)
      options.index, options.pattern = "avet", "[:person/age]"
      local list = {}
      for row in db:index_pull(options) do list[#list + 1] = row["person/age"] end
      return list
    end
    assert.same({ 998, 999, 1000 }, ages { start = { "person/age", 998 } })
    assert.same({ 3, 2, 1 }, ages { start = { "person/age", 3 }, reverse = true })
    assert.same({ 1000, 999 }, ages { start = { "person/age" }, reverse = true, limit = 2 })
    assert.equal(1002, #ages { start = { "person/age" } })
    assert.equal("incorrect", raised(db.datoms, db, "tave").category)
    assert.equal("incorrect", raised(db.datoms, db, "eavt", nil, "person/age").category)
    assert.equal("incorrect", raised(db.index_pull, db, { index = "eavt", start = { 1 } }).category)
    conn:close()
  end)

  it("walks as far as limit and offset say, which are whole numbers", function()
    local conn = people()
    local db = conn:db()
    local function ages(options)
      options.index, options.pattern, options.start = ":avet", "[:person/age]", { "person/age" }
      local list = {}
      for row in db:index_pull(options) do list[#list + 1] = row["person/age"] end
      return list
    end
    assert.same({ 25, 31 }, ages { limit = -1 })
    assert.same({}, ages { limit = 0 })
    assert.same({ 31 }, ages { offset = 1 })
    assert.same({ 25 }, ages { reverse = true, offset = 1 })
    for _, options in ipairs { { limit = -2 }, { limit = 1.5 }, { limit = "2" }, { offset = -1 }, { offset = "1" } } do
      assert.equal("incorrect", raised(ages, options).category)
    end
    conn:close()
  end)

  it("of history has no entities, whoever is asked for", function()
    local conn, ids = people()
    local db = conn:db():history()
    for _, who in ipairs { ids.ann, { "person/email", "nobody" }, ":no/body" } do
      assert.equal("incorrect", raised(db.entity, db, who).category)
      assert.equal("incorrect", raised(db.pull, db, "[*]", who).category)
      assert.equal("incorrect", raised(db.pull_many, db, "[*]", { who }).category)
    end
    local walk = { index = "avet", pattern = "[*]", start = { "person/age" } }
    assert.equal("incorrect", raised(db.index_pull, db, walk).category)
    conn:close()
  end)

  it("reads EDN out of strings, where a pattern says so", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { v = { form = "string", forms = { "string", many = true } } })
    local id = conn:transact({ { ["db/id"] = "e", ["v/form"] = "{:a [1 2]}", ["v/forms"] = { "1", ":k" } } }).tempids.e
    local db = conn:db()
    assert.same({ ["v/form"] = { a = { 1, 2 } } }, db:pull("[[:v/form :xform edn/read-string]]", id))
    assert.same({ ["v/forms"] = { 1, ":k" } }, db:pull("[[:v/forms :xform clojure.edn/read-string]]", id))
    assert.is_nil(db:pull("[[:db/doc :xform edn/read-string]]", id))
    conn:close()
  end)

  it("counts and explains", function()
    local conn = people()
    local db = conn:db()
    local stats = db:stats()
    assert.equal(db:count "eavt", stats.datoms)
    assert.same({ count = 2, distinct = 2 }, stats.attrs["person/name"])
    assert.same({}, stats.details["person/name"].frequent)
    conn:transact { { ["person/name"] = "Bob" } }
    conn:request_index()
    stats = conn:db():stats()
    assert.same({ count = 3, distinct = 2 }, stats.attrs["person/name"])
    assert.same({ entities = 3, frequent = { { "Bob", 2 } } }, stats.details["person/name"])
    local plan = db:explain "[:find ?n :where [?e :person/name ?n] [?e :person/age 31]]"
    assert.is_string(plan.text)
    assert.is_table(plan.tree)
    conn:close()
  end)

  it("pulls many, with null for what is not there", function()
    local conn, ids = people()
    local rows = conn:db():pull_many("[:person/name]", { ids.bob, { "person/email", "nobody" }, ids.ann })
    assert.same({ { ["person/name"] = "Bob" }, lion.null, { ["person/name"] = "Ann" } }, rows)
    conn:close()
  end)

  it("reads results nine thousand deep", function()
    local conn, tx, n = people(), {}, 9000
    for i = 1, n do tx[i] = { ["db/id"] = "n" .. i, ["person/boss"] = i < n and "n" .. i + 1 or nil, ["person/age"] = i } end
    local node, depth = conn:db():with(tx), 0
    node = node.db_after:pull("[:person/age {:person/boss ...}]", node.tempids.n1)
    while node do
      depth = depth + 1
      assert(node["person/age"] == depth)
      node = node["person/boss"]
    end
    assert.equal(n, depth)
    conn:close()
  end)

  it("branches by with, and by with again", function()
    local conn, ids = people()
    local first = conn:db():with { { "db/add", ids.ann, "person/age", 32 } }
    local second = first.db_after:with { { ["db/id"] = "cid", ["person/email"] = "cid@x.org", ["person/boss"] = ids.ann } }
    assert.equal(32, second.db_after:entity(ids.ann)["person/age"])
    assert.is_number(second.db_after:entid { "person/email", "cid@x.org" })
    assert.is_nil(first.db_after:entid { "person/email", "cid@x.org" })
    assert.equal(31, conn:db():entity(ids.ann)["person/age"])
    conn:close()
  end)
end)

describe("A transaction that is refused", function()
  it("tells what a predicate answered instead of true", function()
    local conn = lion.connect "mem:"
    lion.fn("spec.db/answers", function(n) if n == 1 then return 1 elseif n == 2 then return "true" elseif n == 3 then return false end end)
    lion.fn("spec.db/entity", function() return "no" end)
    conn:transact(lion.schema { v = { n = { "long", preds = { "spec.db/answers" } }, x = "long" } })
    conn:transact { { ["db/ident"] = ":spec/guard", ["db.entity/preds"] = { "spec.db/entity" } } }
    for n, answered in ipairs { 1, "true", false, lion.null } do
      local e = raised(conn.transact, conn, { { ["v/n"] = n } })
      assert.same({ "incorrect", "db.error/attr-pred" }, { e.category, e.code })
      assert.equal(answered, e.data["db.error/pred-return"])
    end
    local e = raised(conn.transact, conn, { { ["v/x"] = 1, ["db/ensure"] = ":spec/guard" } })
    assert.same({ "db.error/entity-pred", "no" }, { e.code, e.data["db.error/pred-return"] })
    conn:close()
  end)

  it("tells what cas compared: the old value, nothing for none, and the new one", function()
    local conn, ids = people()
    local e = raised(conn.transact, conn, { { "db/cas", ids.ann, "person/age", 5, 6 } })
    assert.same({ "conflict", "db.error/cas-failed" }, { e.category, e.code })
    assert.truthy(e.message:find("Compare failed: 5 6", 1, true))
    e = raised(conn.transact, conn, { { "db/cas", ids.ann, "person/age", lion.null, 6 } })
    assert.truthy(e.message:find("Compare failed:  6", 1, true))
    conn:close()
  end)
end)

describe("Queries of the user's functions", function()
  it("tell what failed, and nothing stays behind", function()
    local conn = people()
    local db = conn:db()
    lion.fn("spec.db/fail", function() error { odd = true } end)
    for _ = 1, 3 do
      local e = raised(db.q, db, "[:find ?n :where [_ :person/name ?n] [(spec.db/fail ?n)]]")
      assert.equal("lion/function-failed", e.code)
    end
    lion.fn("spec.db/stop", function() lion.cancel { category = "busy", message = "later" } end)
    assert.equal("busy", raised(db.q, db, "[:find ?x :where [_ :person/name ?n] [(spec.db/stop ?n) ?x]]").category)
    conn:close()
  end)

  it("may ask the database themselves", function()
    local conn, ids = people()
    local db = conn:db()
    lion.fn("spec.db/age", function(id) return db:entity(id)["person/age"] end)
    assert.equal(31, db:q("[:find ?a . :in $ ?e :where [(spec.db/age ?e) ?a]]", ids.ann))
    lion.aggregate("spec.db/join", function(list) table.sort(list) return table.concat(list, "+") end)
    assert.equal("Ann+Bob", db:q "[:find (spec.db/join ?n) . :where [_ :person/name ?n]]")
    conn:close()
  end)

  it("take their arguments from any row, a thousand at a time", function()
    local list = {}
    for i = 1, 5000 do list[i] = i end
    lion.fn("spec.db/third", function(x, y) return x % 3 == 0 and y end)
    assert.equal(1666, #lion.q("[:find [?x ...] :in [?x ...] :where [(spec.db/third ?x true)]]", list))
  end)

  it("are refused by names that are none", function()
    assert.equal("incorrect", raised(lion.fn, "plain", print).category)
    assert.equal("incorrect", raised(lion.fn, "a/b", 42).category)
    assert.equal("incorrect", raised(lion.aggregate, "x", nil).category)
  end)
end)

describe("Rows", function()
  it("come as values, lazily, and by keys", function()
    local db = people():db()
    local seen = {}
    for name, age in db:rows "[:find ?n ?a :where [?e :person/name ?n] [?e :person/age ?a]]" do seen[name] = age end
    assert.same({ Ann = 31, Bob = 25 }, seen)
    for row in db:rows "[:find ?n :keys name :where [_ :person/name ?n]]" do assert.is_number(seen[row.name]) end
    for tree in db:rows "[:find [(pull ?e [:person/name]) ...] :where [?e :person/age]]" do
      assert.is_string(tree["person/name"])
    end
  end)
end)
