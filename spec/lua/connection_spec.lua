-- luacheck: max line length 140 (a transaction or a query stands on one line)
local lion = require "lion"

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_table(e)
  assert.is_string(e.category)
  assert.is_string(e.message)
  return e
end

local function people()
  local conn = lion.connect "mem:"
  conn:transact(lion.schema { person = { email = { "string", unique = "identity" }, name = "string", age = "long",
    friend = { "ref", many = true } } })
  return conn
end

local function folder()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir " .. path) == 0)
  return path
end

describe("Connections", function()
  it("are many in one process: their files share its address space", function()
    local path, open = folder(), {}
    for i = 1, 160 do
      open[i] = lion.connect(("%s/%d.lion"):format(path, i), { durability = "none" })
      open[i]:transact { { ["db/doc"] = tostring(i) } }
    end
    for i, conn in ipairs(open) do
      assert.equal(1, #conn:db():q("[:find ?e :in $ ?doc :where [?e :db/doc ?doc]]", tostring(i)))
      conn:close()
    end
    os.execute("rm -rf " .. path)
  end)
end)

describe("A connection", function()
  it("has one newest value, until something is written", function()
    local conn = people()
    local before = conn:db()
    assert.is_true(rawequal(before, conn:db()))
    conn:transact { { ["person/email"] = "ada@x" } }
    local after = conn:db()
    assert.is_false(rawequal(before, after))
    assert.is_nil(before:entid { "person/email", "ada@x" })
    assert.is_number(after:entid { "person/email", "ada@x" })
    before, after = nil, nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.is_number(conn:db():entid { "person/email", "ada@x" })
    local last = conn:db()
    conn:close()
    assert.equal("lion/closed", raised(conn.db, conn).code)
    assert.equal("lion/closed", raised(last.entid, last, { "person/email", "ada@x" }).code)
  end)

  it("refuses what is no database", function()
    for _, uri in ipairs { 42, "", "nothing://here", {}, "/tmp/a\0.lion", "mem:\0" } do
      assert.equal("incorrect", raised(lion.connect, uri).category)
    end
    assert.equal("lion/no-node", raised(lion.connect, "http://127.0.0.1:1/x").code)
    assert.equal("lion/unsupported", raised(lion.connect, "https://127.0.0.1:1/x").code)
    assert.equal("lion/syntax", raised(lion.connect, "http://x").code)
    assert.equal("incorrect", raised(lion.connect, "mem:", { durabilty = "none" }).category)
    assert.equal("incorrect", raised(lion.connect, "mem:", { durability = "some" }).category)
  end)

  it("is not made where create is false", function()
    for _, uri in ipairs { "mem:nobody", "/tmp/lion-nobody.lion" } do
      assert.equal("lion/not-found", raised(lion.connect, uri, { create = false }).code)
    end
    local conn = lion.connect "mem:somebody"
    lion.connect("mem:somebody", { create = false }):close()
    conn:close()
  end)

  it("is shared by name and private without one", function()
    local a, b, c = lion.connect "mem:shared", lion.connect "mem:shared", lion.connect "mem:"
    a:transact { { ["db/doc"] = "one" } }
    assert.is_true(a:db() == b:db())
    assert.is_false(a:db() == c:db())
    a:close()
    assert.equal(1, #b:db():q '[:find [?e ...] :where [?e :db/doc "one"]]')
    b:close()
    c:close()
  end)

  it("answers closed once it is closed, and so do its values", function()
    local conn = people()
    local db = conn:db()
    local datoms, range, log = db:datoms "eavt", conn:tx_range(), conn:log()
    assert.is_table(datoms())
    assert.is_table(range())
    conn:close()
    assert.has_no.errors(function() conn:close() end)
    assert.equal("lion/closed", raised(conn.db, conn).code)
    assert.equal("lion/closed", raised(conn.transact, conn, {}).code)
    assert.equal("lion/closed", raised(db.q, db, "[:find ?e :where [?e :db/ident]]").code)
    assert.equal("lion/closed", raised(db.as_of, db, 1).code)
    assert.equal("lion/closed", raised(range).code)
    assert.equal("lion/closed", raised(lion.q, "[:find ?log :in ?log]", log).code)
    assert.equal("lion/closed", raised(function() for _ = 1, 1e6 do if not datoms() then return end end end).code)
  end)

  it("may be closed by a function that it runs", function()
    local conn = people()
    local e = raised(conn.transact, conn, { { function()
      conn:close()
      return {}
    end } })
    assert.is_truthy(tostring(e):find("closed", 1, true))
    conn = people()
    local db = conn:db()
    lion.fn("spec.connection/close", function() conn:close() return true end)
    raised(db.q, db, "[:find ?e :where [?e :db/ident ?i] [(spec.connection/close ?i)]]")
  end)

  it("may leave the wait for the disk for later", function()
    local path = folder()
    local conn = lion.connect(path .. "/a.lion")
    conn:transact(lion.schema { person = { email = { "string", unique = "identity" }, age = "long" } })
    local heard = {}
    conn:listen(function(report) heard[#heard + 1] = report.t end)
    local reports = {}
    for i = 1, 100 do
      reports[i] = conn:transact({ { ["db/id"] = "p", ["person/email"] = "p" .. i % 10, ["person/age"] = i } }, { wait = false })
    end
    assert.is_nil(reports[1].db_after)
    assert.is_number(reports[1].tempids.p)
    assert.equal(reports[1].tempids.p, reports[11].tempids.p)
    local db = conn:sync(reports[100].t)
    assert.is_true(db.basis_t >= reports[100].t)
    assert.same({ 100 }, { db:q('[:find ?a . :where [?e :person/email "p0"] [?e :person/age ?a]]') })
    assert.equal(91, db:as_of(reports[95].t):q('[:find ?a . :where [?e :person/email "p1"] [?e :person/age ?a]]'))
    assert.equal(100, #heard)
    assert.equal("incorrect", raised(conn.transact, conn, {}, { wait = 1 }).category)
    conn:close()
  end)

  it("gives a function a value that stays, however many are under way", function()
    local conn = people()
    local kept = {}
    for i = 1, 20 do
      conn:transact({ { ["person/email"] = "p" .. i } }, { wait = false })
      conn:transact({ { function(db)
        kept[i] = db
        return { { ["person/email"] = "f" .. i } }
      end } }, { wait = i % 2 == 0 })
    end
    for i, db in ipairs(kept) do
      assert.equal(2 * i - 1, db:q "[:find (count ?e) . :where [?e :person/email]]")
    end
    conn:close()
  end)

  it("checks a spec and the data of an altered attribute while others wait for the disk", function()
    local path = folder()
    local conn = lion.connect(path .. "/a.lion")
    conn:transact(lion.schema { v = { n = "long", tags = { "string", many = true } } })
    conn:transact { { ["db/ident"] = ":v/guard", ["db.entity/attrs"] = { ":v/n" } } }
    local t
    local function beside(ops)
      t = conn:transact({ { ["v/n"] = 1, ["v/tags"] = { "a", "b" } } }, { wait = false }).t
      return conn:transact(ops)
    end
    beside { { ["v/n"] = 2, ["db/ensure"] = ":v/guard" } }
    assert.equal("db.error/entity-attr",
      raised(beside, { { ["v/tags"] = { "c" }, ["db/ensure"] = ":v/guard" } }).code)
    local e = raised(beside, { { ["db/id"] = ":v/tags", ["db/cardinality"] = ":db.cardinality/one" } })
    assert.equal("db.error/invalid-alter-attribute", e.code)
    beside { { ["db/id"] = ":v/tags", ["db/index"] = true } }
    e = raised(beside, { { ["db/id"] = ":v/tags", ["db/cardinality"] = ":db.cardinality/one",
      ["db/unique"] = ":db.unique/value" } })
    assert.equal("db.error/invalid-alter-attribute", e.code)
    assert.equal(6, conn:sync(t):q "[:find (count ?e) . :where [?e :v/n]]")
    conn:close()
  end)

  it("lives as long as a value of it", function()
    local db = people():db()
    collectgarbage()
    collectgarbage()
    assert.is_number(db:entid ":person/name")
  end)

  it("writes a million facts at once", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { v = { n = { "long", many = true } } })
    local numbers = {}
    for i = 1, 1000000 do numbers[i] = i end
    local report = conn:transact { { ["db/id"] = "e", ["v/n"] = numbers } }
    assert.equal(1000001, #report.tx_data)
    assert.equal(1000000, report.db_after:count("avet", "v/n"))
    assert.equal(report.tempids.e, report.db_after:q "[:find ?e . :where [?e :v/n 1000000]]")
    conn:close()
  end)

  it("writes a transaction with an id once", function()
    local conn, id = people(), lion.uuid()
    local first = conn:transact({ { ["db/id"] = "a", ["person/name"] = "Ann" } }, { id = id })
    local again = conn:transact({ { ["db/id"] = "a", ["person/name"] = "Ann" } }, { id = id })
    assert.same({ first.t, first.tx, first.tempids }, { again.t, again.tx, again.tempids })
    assert.equal(1, conn:db():count("aevt", "person/name"))
    assert.equal("incorrect", raised(conn.transact, conn, {}, { id = "no uuid" }).category)
    conn:close()
  end)

  it("keeps serving after a function failed, and tells whose it was", function()
    local conn = people()
    lion.fn("spec.connection/boom", function() error "boom" end)
    local e = raised(conn.transact, conn, { { "spec.connection/boom" } })
    assert.equal("lion/function-failed", e.code)
    assert.is_truthy(e.message:find("spec.connection/boom", 1, true) and e.message:find("boom", 1, true))
    e = raised(conn.transact, conn, { { function() lion.cancel { category = "conflict", message = "no", why = { 1 } } end } })
    assert.same({ "conflict", "no", { 1 } }, { e.category, e.message, e.why })
    e = raised(conn.transact, conn, { { function() return { { "db/add", 1, "person/name", print } } end } })
    assert.is_string(e.code)
    conn:transact { { ["person/name"] = "Ann" } }
    conn:close()
  end)

  it("takes functions that transact themselves as what they are: refused or done, never stuck", function()
    local conn = people()
    local other = lion.connect "mem:"
    conn:transact { { function() other:transact {} return {} end } }
    other:close()
    conn:close()
  end)
end)

describe("A transaction function", function()
  for _, case in ipairs {
    { "transact", function(conn) conn:transact { { ["v/k"] = "x" } } end },
    { "ask for an index job", function(conn) conn:request_index() end },
    { "ask for statistics", function(conn) conn:stats() end },
  } do
    it("cannot " .. case[1] .. " on its own database: it would wait for itself", function()
      local conn = lion.connect "mem:"
      conn:transact(lion.schema { v = { k = "string" } })
      local ok, err = pcall(conn.transact, conn, { { function()
        case[2](conn)
        return {}
      end } })
      assert.is_false(ok)
      assert.equal("lion/not-allowed", err.code)
      conn:transact { { ["v/k"] = "after" } }
      assert.equal(1, conn:db():count("aevt", "v/k"))
      conn:close()
    end)
  end
end)

describe("The options of lion.connect", function()
  it("are taken, those too that there is nothing to bound for", function()
    local conn = lion.connect("mem:", { durability = "full", interval_ms = 5, read_only = false, create = true, cache_mb = 1,
      novelty_mb = 8, memory_mb = 64.5, temp_mb = 0, timeout_ms = 1e12, map_gb = 0.5, token = "t" })
    conn:transact {}
    assert.is_table(conn:db():q "[:find ?e :where [?e :db/ident]]")
    conn:close()
  end)

  for _, case in ipairs {
    { { durabilty = "none" }, "did you mean durability?" },
    { { readonly = true }, "did you mean read_only?" },
    { { timeout = 5 }, "timeout_ms" },
    { { [1] = "read_only" }, "1 is no option" },
    { { whatever = 1 }, "novelty_mb" },
    { { durability = "some" }, "full, interval or none" },
    { { durability = false }, "durability" },
    { { read_only = "no" }, "read_only is true or false" },
    { { create = 0 }, "create is true or false" },
    { { cache_mb = "64" }, "cache_mb is a number" },
    { { temp_mb = -1 }, "not negative" },
    { { memory_mb = -0.5 }, "not negative" },
    { { novelty_mb = 0 / 0 }, "novelty_mb is a number" },
    { { map_gb = math.huge }, "map_gb is a number" },
    { { timeout_ms = {} }, "timeout_ms is a number" },
    { { interval_ms = 1.5 }, "interval_ms is a whole number" },
    { { interval_ms = 1e12 }, "interval_ms is a whole number" },
    { { token = 7 }, "token is a string" },
    { 42, "table" },
    { "read_only", "table" },
  } do
    it("are refused when they are wrong: " .. case[2], function()
      local e = raised(lion.connect, "mem:", case[1])
      assert.equal("incorrect", e.category)
      assert.is_truthy(e.message:find(case[2], 1, true), e.message)
    end)
  end

  describe("bound queries", function()
    local numbers = {}
    for i = 1, 3000 do numbers[i] = i end
    local SLOW = "[:find (count ?x) . :in $ [?x ...] [?y ...] :where [(+ ?x ?y) ?z] [(< ?z 0)]]"

    it("in time: of the database's and the log's connection, and a query's own time wins", function()
      local conn = lion.connect("mem:", { timeout_ms = 0.5 })
      local db = conn:db()
      assert.equal("lion/timeout", raised(lion.q, SLOW, db, numbers, numbers).code)
      assert.equal("lion/timeout", raised(db.q, db, SLOW, numbers, numbers).code)
      assert.equal("lion/timeout", raised(lion.q, (SLOW:gsub("%$", "?log")), conn:log(), numbers, numbers).code)
      assert.is_nil(lion.q { query = SLOW, args = { db, numbers, { 1 } }, timeout = 60000 })
      conn:close()
    end)

    it("in memory", function()
      local conn = lion.connect("mem:", { memory_mb = 0.25 })
      assert.equal("lion/limit", raised(lion.q, "[:find ?x ?y :in $ [?x ...] [?y ...]]", conn:db(), numbers, numbers).code)
      conn:close()
    end)
  end)
end)

describe("A second connection to a file", function()
  it("is to the same open database", function()
    local dir = folder()
    local path = dir .. "/a.lion"
    local a, b = lion.connect(path), lion.connect(dir .. "/../" .. dir:match "[^/]*$" .. "/a.lion")
    a:transact { { ["db/doc"] = "one" } }
    assert.is_true(a:db() == b:db())
    a:close()
    assert.equal(1, #b:db():q '[:find ?e :where [?e :db/doc "one"]]')
    b:close()
    os.execute("rm -rf " .. dir)
  end)

  it("does not write where it is read_only, and sees what the other writes", function()
    local dir = folder()
    local path = dir .. "/a.lion"
    local writer, reader = lion.connect(path), lion.connect(path, { read_only = true })
    assert.equal("lion/read-only", raised(reader.transact, reader, {}).code)
    writer:transact { { ["db/doc"] = "one" } }
    assert.is_true(reader:sync() == writer:db())
    writer:close()
    reader:close()
    os.execute("rm -rf " .. dir)
  end)

  it("cannot write where the first is read_only", function()
    local dir = folder()
    local path = dir .. "/a.lion"
    lion.connect(path):close()
    local reader = lion.connect(path, { read_only = true })
    local e = raised(lion.connect, path)
    assert.same({ "forbidden", "lion/read-only" }, { e.category, e.code })
    reader:close()
    local writer = lion.connect(path)
    writer:transact {}
    writer:close()
    os.execute("rm -rf " .. dir)
  end)
end)

describe("sync", function()
  local conn
  before_each(function() conn = lion.connect "mem:" end)
  after_each(function() conn:close() end)

  it("takes a t, a transaction's id, an instant, or nothing", function()
    local report = conn:transact {}
    for _, point in ipairs { report.t, report.tx, report.tx_instant, "2020-01-01", "2020-01-01T00:00:00Z", -1, 0 } do
      assert.equal(report.t, conn:sync(point).basis_t)
    end
    assert.equal(report.t, conn:sync().basis_t)
    assert.equal(report.t, conn:sync({ timeout_ms = 10 }).basis_t)
  end)

  it("waits no longer than it is told", function()
    local e = raised(conn.sync, conn, 1e6, { timeout_ms = 1.5 })
    assert.same({ "interrupted", "lion/timeout" }, { e.category, e.code })
  end)

  it("refuses what is no point in time and no option", function()
    for _, case in ipairs { { "soon" }, { true }, { 1.5 }, { lion.t_to_tx(0) + 2 ^ 42 }, { 1, { timeout = 1 } },
      { 1, { timeout_ms = "1" } }, { 1, { timeout_ms = -1 } }, { 1, 5 } } do
      assert.equal("incorrect", raised(conn.sync, conn, unpack(case)).category)
    end
  end)
end)

describe("The options of transact", function()
  local conn
  before_each(function()
    conn = lion.connect "mem:"
    conn:transact(lion.schema { v = { k = { "string", unique = "identity" } } })
  end)
  after_each(function() conn:close() end)

  it("are id and timeout_ms, and no others", function()
    local err = raised(conn.transact, conn, { { ["v/k"] = "x" } }, { timeout = 5 })
    assert.equal("incorrect", err.category)
    assert.is_truthy(err.message:find("timeout_ms", 1, true))
    for _, options in ipairs { { timeout_ms = -1 }, { timeout_ms = "5" }, { id = 5 }, { wait = 0 }, { [1] = 1 }, 5 } do
      assert.equal("incorrect", raised(conn.transact, conn, {}, options).category)
    end
    assert.is_truthy(raised(conn.transact, conn, {}, { timout_ms = 1 }).message:find("did you mean timeout_ms?", 1, true))
    conn:transact({}, { timeout_ms = 0 })
  end)

  it("give a transaction up whose functions take too long: nothing is written", function()
    local function slow()
      local start = os.clock()
      while os.clock() - start < 0.05 do end
      return { { ["v/k"] = "late" } }
    end
    assert.equal("lion/timeout", raised(conn.transact, conn, { { slow } }, { timeout_ms = 10 }).code)
    assert.is_nil(conn:db():entid { "v/k", "late" })
    conn:transact({ { ["v/k"] = "in time" } }, { timeout_ms = 1000 })
    assert.is_number(conn:db():entid { "v/k", "in time" })
  end)
end)

describe("A filtered value", function()
  it("finds no entity by a lookup ref whose fact it hides", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { v = { k = { "string", unique = "identity" } } })
    conn:transact { { ["v/k"] = "hidden" }, { ["v/k"] = "shown" } }
    local db = conn:db():filter(function(_, d) return d.v ~= "hidden" end)
    assert.is_nil(db:entid { "v/k", "hidden" })
    assert.is_number(db:entid { "v/k", "shown" })
    conn:close()
  end)
end)

describe("Listeners", function()
  it("hear of every transaction in order, their own and others'", function()
    local a, b = lion.connect "mem:heard", lion.connect "mem:heard"
    local ts = {}
    local unlisten = a:listen(function(report)
      ts[#ts + 1] = report.t
      assert.equal(report.t, report.db_after.basis_t)
      assert.is_true(report.db_before.basis_t < report.t)
      assert.equal(lion.t_to_tx(report.t), report.tx)
    end)
    local t1 = a:transact({}).t
    assert.same({ t1 }, ts)
    local t2 = b:transact({ { ["db/doc"] = "x" } }).t
    a:db()
    assert.same({ t1, t2 }, ts)
    local t3, t4 = b:transact({}).t, a:transact({}).t
    assert.same({ t1, t2, t3, t4 }, ts)
    unlisten()
    a:transact {}
    assert.equal(4, #ts)
    a:close()
    b:close()
  end)

  for name, call in pairs {
    db = function(conn) conn:db() end,
    sync = function(conn) conn:sync() end,
    log = function(conn) conn:log() end,
    tx_range = function(conn) conn:tx_range() end,
    stats = function(conn) conn:stats() end,
    request_index = function(conn) conn:request_index() end,
    transact = function(conn) conn:transact {} end,
  } do
    it("hear of others' at the next call of " .. name, function()
      local a, b = lion.connect "mem:heard", lion.connect "mem:heard"
      local first
      a:listen(function(report) first = first or report.t end)
      local t = b:transact({}).t
      assert.is_nil(first)
      call(a)
      assert.equal(t, first)
      a:close()
      b:close()
    end)
  end

  it("hear of what is not waited for, once it is durable", function()
    local conn = people()
    local heard = {}
    conn:listen(function(report) heard[#heard + 1] = report.t end)
    local t = conn:transact({}, { wait = false }).t
    conn:sync(t)
    assert.same({ t }, heard)
    conn:close()
  end)

  it("all hear, though one fails; what failed is told, and that the transaction is written", function()
    local conn = people()
    local heard = {}
    conn:listen(function(report) error("no use for " .. report.t, 0) end)
    conn:listen(function(report) heard[#heard + 1] = report.t end)
    local e = raised(conn.transact, conn, { { ["person/name"] = "Ann" } })
    local t = conn:db().basis_t
    assert.same({ "fault", "lion/function-failed", t }, { e.category, e.code, e.data.t })
    assert.equal("no use for " .. t, e.data.error)
    assert.is_truthy(e.message:find("is written", 1, true))
    assert.same({ t }, heard)
    assert.equal(1, conn:db():count("aevt", "person/name"))
    local next_t = raised(conn.transact, conn, {}).data.t
    assert.same({ t, next_t }, heard)
    conn:close()
  end)

  it("may transact themselves", function()
    local conn = people()
    local heard = 0
    conn:listen(function()
      heard = heard + 1
      if heard < 3 then conn:transact {} end
    end)
    conn:transact {}
    assert.equal(3, heard)
    conn:close()
  end)
end)

describe("The log", function()
  it("is read by t, transaction id and instant", function()
    local conn = people()
    local reports = {}
    for i = 1, 4 do reports[i] = conn:transact { { ["person/age"] = i } } end
    local function ts(...)
      local list = {}
      for tx in conn:tx_range(...) do
        assert.equal(lion.t_to_tx(tx.t), tx.tx)
        list[#list + 1] = tx.t
      end
      return list
    end
    assert.same({ reports[2].t, reports[3].t }, ts(reports[2].t, reports[4].tx))
    assert.equal(#ts(), #ts("1969-01-01T00:00:00Z"))
    assert.same({}, ts(reports[4].tx_instant + 60000))
    assert.equal(#ts() - 1, #ts("1971-01-01T00:00:00Z")) -- all but the one that made the database
    assert.equal("incorrect", raised(conn.tx_range, conn, {}).category)
    conn:close()
  end)
end)

describe("Files", function()
  it("are listed, backed up, restored and deleted", function()
    local dir = folder()
    local path = dir .. "/a.lion"
    local conn = lion.connect(path)
    conn:transact { { ["db/doc"] = "kept" } }
    assert.equal("lion/locked", raised(lion.delete, path).code)
    conn:backup(dir .. "/copy")
    conn:close()
    lion.restore(dir .. "/copy", dir .. "/b.lion")
    assert.same({ dir .. "/a.lion", dir .. "/b.lion" }, lion.list(dir))
    lion.delete(path)
    assert.same({ dir .. "/b.lion" }, lion.list(dir))
    assert.equal("not-found", raised(lion.connect, path, { create = false }).category)
    local copy = lion.connect(dir .. "/b.lion")
    assert.is_number(copy:db():q '[:find ?e . :where [?e :db/doc "kept"]]')
    copy:close()
    assert.equal("not-found", raised(lion.list, dir .. "/none").category)
    os.execute("echo nothing >" .. dir .. "/text")
    local e = raised(lion.restore, dir .. "/text", dir .. "/c.lion")
    assert.equal("lion/corrupt", e.code)
    assert.is_truthy(e.message:find(dir .. "/text", 1, true))
    assert.same({ dir .. "/b.lion" }, lion.list(dir))
    for _, bad in ipairs { "", dir .. "/b.lion\0" } do
      assert.equal("incorrect", raised(lion.delete, bad).category)
      assert.equal("incorrect", raised(lion.restore, bad, dir .. "/c.lion").category)
    end
    os.execute("rm -rf " .. dir)
  end)
end)

describe("Partitions", function()
  it("are made once and hold entities", function()
    local conn = people()
    local id = lion.partition(conn, "orders")
    assert.equal(id, lion.partition(conn, ":orders"))
    local report = conn:transact { { ["db/id"] = "o", ["person/name"] = "O" }, { "db/force-partition", { o = ":orders" } } }
    assert.is_number(report.tempids.o)
    assert.equal(4, lion.partition(conn, "db.part/user"))
    assert.equal("incorrect", raised(lion.partition, conn, "person/name").category)
    conn:close()
  end)
end)
