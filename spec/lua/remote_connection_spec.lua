--- Connections to the databases of a node, by its control door: what an embedded connection does, they do.
local codec = require "lion.remote.codec"
local lion = require "lion"
local node = require "spec.node.node"

local SCHEMA = {
  person = { name = { "string", unique = "identity" }, age = "long", friend = { "ref", many = true },
    score = "decimal", tag = { "keyword", many = true }, key = "uuid", born = "instant", blob = "bytes",
    home = { "ref", component = true } },
  home = { city = "string" },
}

describe("A connection to a node", function()
  local cluster, one
  local conns = {}

  setup(function()
    cluster = node.cluster()
    one = cluster:start { name = "one", group = "main", workers = 1 }
  end)

  teardown(function() cluster:close() end)

  after_each(function()
    for _, conn in ipairs(conns) do conn:close() end
    conns = {}
  end)

  local function connect(name, options)
    local conn = lion.connect(one.door .. "/" .. name, options)
    conns[#conns + 1] = conn
    return conn
  end

  -- One database for all; each test has people of its own.
  local function people()
    local conn = connect "people"
    if not conn:db():entid ":person/name" then conn:transact(lion.schema(SCHEMA)) end
    return conn
  end

  local function refused(code, fn, ...)
    local ok, e = pcall(fn, ...)
    assert.is_false(ok)
    assert.equal(code, type(e) == "table" and e.code or e)
    return e
  end

  it("makes the database, or says that there is none", function()
    local e = refused("lion/not-found", connect, "nowhere", { create = false })
    assert.equal("not-found", e.category)
    assert.equal("made", connect("made").name)
    assert.equal("made", connect("made", { create = false }).name)
    refused("lion/syntax", connect, "..")
    refused("lion/syntax", lion.connect, "unix:nothing")
    refused("lion/no-node", lion.connect, "unix:/nowhere/control.sock/people")
  end)

  it("writes and reads values of all types exactly", function()
    local conn = people()
    local key = lion.uuid()
    local report = conn:transact { { ["db/id"] = "ann", ["person/name"] = "Types",
      ["person/age"] = 9007199254740993LL, ["person/score"] = lion.decimal "1.50",
      ["person/tag"] = lion.set { ":a/b", ":c" }, ["person/key"] = key,
      ["person/born"] = "2026-01-31T12:00:00Z", ["person/blob"] = "\0\255" } }
    local id = report.tempids.ann
    assert.equal(report.t, report.db_after.basis_t)
    assert.is_true(report.db_before.basis_t < report.t)
    local all = conn:db():pull("[*]", id)
    assert.equal(9007199254740993LL, all["person/age"])
    assert.equal("1.50", tostring(all["person/score"]))
    assert.same({ ":a/b", ":c" }, all["person/tag"])
    assert.equal(key, all["person/key"])
    assert.equal(lion.instant "2026-01-31T12:00:00Z", all["person/born"])
    assert.equal("\0\255", all["person/blob"])
    assert.equal(id, conn:db():q("[:find ?e . :in $ ?age :where [?e :person/age ?age]]", 9007199254740993LL))
  end)

  it("keeps values as they were", function()
    local conn = people()
    local first = conn:transact { { ["person/name"] = "Old", ["person/age"] = 1 } }
    conn:transact { { ["person/name"] = "Old", ["person/age"] = 2 } }
    local QUERY = "[:find ?age . :where [?e :person/name \"Old\"] [?e :person/age ?age]]"
    assert.equal(1, first.db_after:q(QUERY))
    assert.equal(2, conn:db():q(QUERY))
    local past = conn:db():as_of(first.t)
    assert.equal(1, past:q(QUERY))
    assert.equal(first.t, past.as_of_t)
    assert.is_true(past == conn:db():as_of(first.tx))
    assert.is_false(past == conn:db())
    assert.equal(3, conn:db():history():count("eavt", { "person/name", "Old" }, "person/age"))
    assert.equal(2, lion.q("[:find ?age . :in $ $past "
      .. ":where [?e :person/name \"Old\"] [?e :person/age ?age]]", conn:db(), past))
  end)

  it("makes values that are not written, on top of each other", function()
    local conn = people()
    local id = conn:transact({ { ["db/id"] = "x", ["person/name"] = "With" } }).tempids.x
    local report = conn:db():with { { "db/add", id, "person/age", 1 } }
    local next_report = report.db_after:with "[[:db/add [:person/name \"With\"] :person/age 2]]"
    assert.equal(1, report.db_after:pull("[:person/age]", id)["person/age"])
    assert.equal(2, next_report.db_after:pull("[:person/age]", id)["person/age"])
    assert.is_nil(conn:db():pull("[:person/age]", id))
    local value = conn:db()
    local e = refused("lion/limit", function()
      for i = 1, 70 do value = value:with({ { "db/add", id, "person/age", i } }).db_after end
    end)
    assert.is_truthy(e.message:find "64 steps")
    assert.equal(64, value:pull("[:person/age]", id)["person/age"])
    refused("lion/limit", value.with, conn:db(), { { "db/add", id, "db/doc", ("x"):rep(2 ^ 20) } })
  end)

  it("makes such a value again where the node has let it go", function()
    local conn = people()
    local made = conn:transact { { ["db/id"] = "x", ["person/name"] = "Again" } }
    local report = made.db_after:with { { ["db/id"] = "y", ["person/name"] = "New",
      ["person/friend"] = made.tempids.x } }
    local before = report.db_after:datoms("eavt", report.tx)()
    node.kill(one:pids("door")[1])
    assert.equal(report.tempids.y, report.db_after:entid { "person/name", "New" })
    assert.same(before, report.db_after:datoms("eavt", report.tx)())
  end)

  it("has lazy entities that come whole", function()
    local conn = people()
    conn:transact { { ["person/name"] = "Ann", ["person/age"] = 3,
      ["person/home"] = { ["home/city"] = "Oslo" },
      ["person/friend"] = { { ["person/name"] = "Bob" } } } }
    local db = conn:db()
    local ann = db:entity { "person/name", "Ann" }
    assert.equal(3, ann["person/age"])
    assert.equal("Bob", ann["person/friend"][1][":person/name"])
    assert.equal(ann, ann["person/friend"][1]["person/_friend"][1])
    assert.equal(ann, ann["person/home"]["person/_home"])
    assert.is_nil(ann["person/nothing"])
    assert.equal(db, ann.db)
    local seen = {}
    for name in pairs(ann:touch()) do seen[name] = true end
    assert.same({ ["person/name"] = true, ["person/age"] = true, ["person/home"] = true,
      ["person/friend"] = true }, seen)
    assert.equal("Oslo", rawget(ann["person/home"], "home/city"))
    assert.is_nil(db:entity { "person/name", "Nobody" })
    assert.equal(":db/ident", db:entity(10).db:ident(10))
    refused("lion/syntax", function() ann.x = 1 end)
    conn:transact { { "db/add", ann, "person/age", 4 } } -- stands for its id
    assert.equal(4, conn:db():entity(ann.id)["person/age"])
  end)

  it("has attributes by the names that they had", function()
    local conn = connect "renamed"
    conn:transact(lion.schema { v = { x = "long" } })
    local id = conn:transact({ { ["db/id"] = "e", ["v/x"] = 1 } }).tempids.e
    conn:transact { { ["db/id"] = ":v/x", ["db/ident"] = ":v/y" } }
    local e = conn:db():entity(id)
    assert.same({ 1, 1 }, { e["v/x"], e["v/y"] })
    assert.is_nil(e["v/z"])
  end)

  it("walks over more than a batch, and may be left early", function()
    local conn = connect "many"
    conn:transact(lion.schema { item = { number = { "long", index = true } } })
    local tx = {}
    for i = 1, 7000 do tx[i] = { ["item/number"] = i } end
    conn:transact(tx)
    local db = conn:db()
    local sum = 0
    for datom in db:datoms("avet", "item/number") do
      sum = sum + 1
      assert.equal(sum, datom.v)
      if sum == 3000 then node.kill(one:pids("door")[1]) end -- the place is found again
    end
    assert.equal(7000, sum)
    sum = 0
    for n, e in db:rows "[:find ?n ?e :where [?e :item/number ?n]]" do
      sum = sum + (e and n)
    end
    assert.equal(7000 * 7001 / 2, sum)
    local range = db:index_range("item/number", 10, 12)
    assert.same({ 10, 11 }, { range().v, range().v })
    assert.is_nil(range())
    local count = 0
    local START = { "item/number", 6901 }
    for item in db:index_pull { index = "avet", pattern = "[:item/number]", start = START } do
      count = count + 1
      assert.equal(6900 + count, item["item/number"])
    end
    assert.equal(100, count)
    assert.equal(7000, db:count("aevt", "item/number"))
    assert.equal(7000, db:stats().attrs["item/number"].count)
  end)

  it("tells of transactions, in order, its own before transact returns", function()
    local conn, other = people(), people()
    local heard = {}
    local unlisten = conn:listen(function(report)
      heard[#heard + 1] = report
      assert.equal(report.t, report.db_after.basis_t)
    end)
    local first = other:transact { { ["person/name"] = "Told" } }
    local second = conn:transact { { ["person/name"] = "Told", ["person/age"] = 5 } }
    assert.same({ first.t, second.t }, { heard[1].t, heard[2].t })
    assert.is_true(heard[1].db_after:entid { "person/name", "Told" } ~= nil)
    assert.is_nil(heard[1].db_before:entid { "person/name", "Told" })
    unlisten()
    conn:transact { { ["person/name"] = "Told", ["person/age"] = 6 } }
    assert.equal(2, #heard)
    local ts = {}
    for tx in conn:tx_range(first.t, second.t + 1) do ts[#ts + 1] = tx.t end
    assert.same({ first.t, second.t }, ts)
  end)

  it("waits for a transaction that is to come", function()
    local conn, other = people(), people()
    local t = other:transact({ { ["person/name"] = "Synced" } }).t
    assert.is_true(conn:sync(t).basis_t >= t)
    assert.is_true(conn:sync().basis_t >= t)
    local e = refused("lion/timeout", conn.sync, conn, t + 100000, { timeout_ms = 50 })
    assert.equal("interrupted", e.category)
  end)

  it("sends a transaction again with its id, and it is written once", function()
    local conn = people()
    local id = lion.uuid()
    local first = conn:transact({ { ["db/id"] = "x", ["person/name"] = "Once" } }, { id = id })
    local again = conn:transact({ { ["db/id"] = "x", ["person/name"] = "Once" } }, { id = id })
    assert.same({ first.t, first.tempids }, { again.t, again.tempids })
    node.kill(one:pids("writer")[1])
    local third = conn:transact { { ["person/name"] = "Once", ["person/age"] = 1 } }
    assert.is_true(third.t > first.t)
    assert.equal(2, conn:db():history():count("eavt", { "person/name", "Once" }))
    for _, datom in ipairs(third.tx_data) do assert.is_true(datom.a ~= "lion.tx/id") end
  end)

  it("takes what a body may hold, and says what is too much", function()
    local conn = connect "large"
    local function texts(count)
      local tx = {}
      for i = 1, count do tx[i] = { ["db/doc"] = ("x"):rep(2 ^ 20 - 100) .. i } end
      return tx
    end
    conn:transact(texts(15))
    local size = 0
    for datom in conn:db():datoms("aevt", "db/doc") do size = size + #datom.v end
    assert.is_true(size > 15 * (2 ^ 20 - 100))
    local LARGE = "[:find [?doc ...] :where [?e :db/doc ?doc] [(count ?doc) ?n] [(< 1000 ?n)]]"
    assert.equal(15, #conn:db():q(LARGE))
    assert.equal("interrupted", refused("lion/limit", conn.transact, conn, texts(17)).category)
    assert.is_true(conn:db().basis_t > 0)
  end)

  it("says of patterns that are too deep what an embedded one says", function()
    local pattern = { "person/name" }
    for _ = 1, 20000 do pattern = { { ["person/home"] = pattern } } end
    local db = people():db()
    for _, method in ipairs { "pull", "pull_many" } do
      local e = refused("lion/syntax", db[method], db, pattern, method == "pull" and 5 or { 5 })
      assert.truthy(e.message:find("deeper than", 1, true))
    end
  end)

  it("raises what was raised there", function()
    local conn = people()
    conn:transact { { ["person/name"] = "Cas", ["person/age"] = 1 } }
    local e = refused("db.error/cas-failed", conn.transact, conn,
      { { "db/cas", { "person/name", "Cas" }, "person/age", 7, 8 } })
    assert.equal("conflict", e.category)
    assert.is_false(e:is_retryable())
    refused("lion/unknown-attribute", conn.transact, conn, { { "db/add", "x", "no/such", 1 } })
    refused("lion/syntax", conn.db(conn).q, conn:db(), "[:find")
    refused("lion/timeout", lion.q, { query = "[:find (count ?a) . :with ?b ?c ?d :where [?a :db/ident] "
      .. "[?b :db/ident] [?c :db/ident] [?d :db/ident]]", args = { conn:db() }, timeout = 1 })
    refused("lion/not-allowed", conn.transact, connect "system", {})
  end)

  it("says that functions are names here", function()
    local conn = people()
    assert.equal("unsupported", refused("lion/unsupported", conn.db(conn).filter, conn:db(), print).category)
    refused("lion/unsupported", conn.transact, conn, { { function() return {} end } })
    refused("lion/not-found", conn.db(conn).filter, conn:db(), "no/such")
    local near = lion.connect "mem:"
    refused("lion/unsupported", lion.q, "[:find ?e . :in $ $b :where [?e :db/ident]]", conn:db(), near:db())
    near:close()
  end)

  it("may be read only, and is over when it is closed", function()
    people()
    local conn = connect("people", { read_only = true })
    assert.equal("forbidden", refused("lion/read-only", conn.transact, conn, {}).category)
    local db = conn:db()
    conn:close()
    refused("lion/closed", conn.db, conn)
    refused("lion/closed", db.entid, db, ":db/ident")
  end)

  it("has indexes made, backups too", function()
    local conn = people()
    local t = conn:transact({ { ["person/name"] = "Kept" } }).t
    assert.is_true(conn:request_index() >= t)
    assert.is_true(type(conn:stats()) == "table")
    local path = cluster.folder .. "/copy.lion"
    conn:backup(path)
    local copy = lion.connect(path, { create = false })
    assert.is_true(copy:db():entid { "person/name", "Kept" } ~= nil)
    copy:close()
    refused("lion/syntax", conn.backup, conn, "relative.lion")
  end)

  it("serves the command line, which prints what it prints of a file", function()
    local conn = people()
    conn:transact { { ["person/name"] = "Shell", ["person/born"] = "2026-01-31T12:00:00Z" } }
    local function lion_q(...) return cluster:lion("q", one.door .. "/people", ...) end
    local BORN = "[:find ?born . :in $ ?n :where [?e :person/name ?n] [?e :person/born ?born]]"
    local result = lion_q(BORN, '"Shell"', "--json")
    assert.same({ "", 0 }, { result.err, result.code })
    assert.equal('"2026-01-31T12:00:00.000Z"\n', result.out)
    result = lion_q("[:find ?e :where [?e :person/name \"Shell\"]]", "--explain")
    assert.same({ "", 0 }, { result.err, result.code })
    assert.is_truthy(result.out:find "person/name")
    result = cluster:lion("q", "people", BORN, '"Shell"', "--explain", "--node", one.door)
    assert.same({ "", 0 }, { result.err, result.code })
    assert.is_truthy(result.out:find "person/born")
    result = cluster:lion("log", one.door .. "/people")
    assert.same({ "", 0 }, { result.err, result.code })
    assert.is_truthy(result.out:find("2026-01-31T12:00:00.000Z", 1, true))
    local QUERY = "[:find ?e :where [?e :db/ident]]"
    assert.equal(cluster:lion("q", "/nowhere.lion", QUERY).code,
      cluster:lion("q", one.door .. "/nowhere", QUERY).code)
  end)

  it("is refused by its version, and by what is no request", function()
    local function post(body, kind)
      local headers = { ["content-type"] = kind or codec.TYPE }
      return one:control("POST", "/values", { body = body, headers = headers })
    end
    local whole = codec.write { op = "newest", name = "people" }
    local answer = post(whole, "application/x-lion-values; version=0")
    assert.equal(501, answer.status)
    assert.equal("lion/version", codec.read(answer.body).code)
    local NONE, STRANGE = { "people", 1, 2, 3, {} }, { "people", 1, 2, 3, { 4 } }
    for _, body in ipairs { "", "nonsense", codec.write(5), codec.write {}, codec.write { op = "nothing" },
      codec.write { op = "newest" }, codec.write { op = "q", value = "x" }, codec.write { op = "walk" },
      codec.write { op = "pull", value = 5 }, codec.write { op = "entid", arguments = 5 },
      codec.write { op = "walk", what = "rows", id = "x", at = 0, size = 1, value = "x" },
      codec.write { op = "derive", value = codec.write(NONE), arguments = { "x" } },
      codec.write { op = "derive", value = codec.write(STRANGE), arguments = { "history" } } } do
      answer = post(body)
      assert.is_true(answer.status >= 400 and answer.status < 500)
      assert.equal("string", type(codec.read(answer.body).message))
    end
    assert.is_true(people():db().basis_t > 0)
  end)
end)

describe("What a node answers before anybody there has read the question", function()
  local clients = require "lion.client"
  local link = require "lion.remote.link"
  local new = clients.new

  after_each(function() clients.new = new end)

  for status, code in pairs { [413] = "lion/limit", [504] = "lion/timeout", [418] = "lion/version" } do
    it("is told for what it is: " .. status, function()
      local client = { address = function() return "unix:/door" end }
      function client.request() return status, {}, "late" end
      clients.new = function() return client end
      local door = link.new "unix:/door"
      local ok, e = pcall(door.ask, door, { op = "newest", name = "people" })
      assert.is_false(ok)
      assert.equal(code, e.code)
      assert.equal(code == "lion/version" and "unsupported" or "interrupted", e.category)
    end)
  end
end)
