-- luacheck: max line length 140 (a query stands on one line)
local lion = require "lion"

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_table(e)
  return e
end

local function sorted(list)
  table.sort(list)
  return list
end

local function folder()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir " .. path) == 0)
  return path
end

-- Five transactions: schema, two people, a new age, a name taken back, one that says who did it.
local function fill(conn)
  local reports = { conn:transact(lion.schema { person = { name = { "string", unique = "identity" }, age = "long",
    friend = { "ref", many = true } }, audit = { by = "string" } }) }
  reports[2] = conn:transact { { ["db/id"] = "ann", ["person/name"] = "Ann", ["person/age"] = 30, ["person/friend"] = { "bob" } },
    { ["db/id"] = "bob", ["person/name"] = "Bob" } }
  reports[3] = conn:transact { { ["person/name"] = "Ann", ["person/age"] = 31 } }
  reports[4] = conn:transact { { "db/retract", { "person/name", "Bob" }, "person/name", "Bob" } }
  reports[5] = conn:transact { { ["db/id"] = "lion.tx", ["audit/by"] = "ann" } }
  return reports
end

local IDS = "[:find [?tx ...] :in ?log ?t1 ?t2 :where [(tx-ids ?log ?t1 ?t2) [?tx ...]]]"
local DATA = "[:find ?e ?a ?v ?tx ?op :in ?log ?tx :where [(tx-data ?log ?tx) [[?e ?a ?v ?tx ?op]]]]"

local function ids(conn, from, to) return sorted(lion.q(IDS, conn:log(), from, to)) end

-- Datoms as texts, of a query's rows or of a report's.
local function texts(datoms)
  local list = {}
  for i, d in ipairs(datoms) do
    list[i] = ("%s %s %s %s %s"):format(d[1], (tostring(d[2]):gsub("^:", "")), tostring(d[3]), d[4], tostring(d[5]))
  end
  return sorted(list)
end

local function check_all(conn, reports)
  local txs = {}
  for i, report in ipairs(reports) do txs[i] = report.tx end
  assert.same(txs, ids(conn, reports[1].t, lion.null))
  assert.same({ txs[2], txs[3] }, ids(conn, reports[2].t, reports[4].tx))
  for _, report in ipairs(reports) do
    assert.same(texts(report.tx_data), texts(lion.q(DATA, conn:log(), report.tx)))
  end
end

describe("The log as a source", function()
  local conn, reports
  setup(function()
    conn = lion.connect "mem:"
    reports = fill(conn)
  end)
  teardown(function() conn:close() end)

  it("gives the ids of its transactions, from one point (inclusive) to another (exclusive)", function()
    local t, tx = {}, {}
    for i, report in ipairs(reports) do t[i], tx[i] = report.t, report.tx end
    for _, case in ipairs {
      { t[2], t[4], { tx[2], tx[3] } },
      { tx[2], tx[4], { tx[2], tx[3] } },
      { t[4], lion.null, { tx[4], tx[5] } },
      { t[2] + 1, t[3], {} },
      { t[4], t[2], {} },
      { t[3], t[3], {} },
      { t[5] + 1, lion.null, {} },
      { lion.null, t[1], { lion.t_to_tx(1) } }, -- the one that made the database
      { "1971-01-01T00:00:00Z", lion.null, tx },
      { "1971-01-01T00:00:00Z", "1972-01-01T00:00:00Z", {} },
      { reports[5].tx_instant + 60000, lion.null, {} },
    } do
      assert.same(case[3], ids(conn, case[1], case[2]))
    end
  end)

  it("takes points in time as constants too", function()
    assert.same(ids(conn, "1971-01-01T00:00:00Z", lion.null), sorted(lion.q(
      [=[[:find [?tx ...] :in ?log :where [(tx-ids ?log #inst "1971-01-01" nil) [?tx ...]]]]=], conn:log())))
    assert.equal(6, #lion.q("[:find [?tx ...] :in ?log :where [(tx-ids ?log nil nil) [?tx ...]]]", conn:log()))
  end)

  it("gives the datoms of a transaction, by its id and by its t", function()
    for _, report in ipairs(reports) do
      assert.same(texts(report.tx_data), texts(lion.q(DATA, conn:log(), report.tx)))
      local rows = lion.q("[:find ?e ?a ?v ?tx ?op :in ?log ?t :where [(tx-data ?log ?t) [[?e ?a ?v ?tx ?op]]]]",
        conn:log(), report.t)
      assert.same(texts(report.tx_data), texts(rows))
    end
  end)

  it("has nothing of a transaction that is not there", function()
    for _, tx in ipairs { reports[2].t + 1, reports[5].tx + 1, 0, 99999999999, lion.t_to_tx(2 ^ 42 - 1) } do
      assert.same({}, lion.q(DATA, conn:log(), tx))
    end
  end)

  it("joins with the database: its entities, its attributes, its transactions", function()
    assert.same({ "Ann" }, conn:db():q([==[[:find [?name ...] :in $ ?log ?from ?op :where [(tx-ids ?log ?from nil) [?tx ...]]
      [(tx-data ?log ?tx) [[?e ?a _ _ ?op]]] [?a :db/ident :person/age] [?e :person/name ?name]]]==], conn:log(), reports[3].t, true))
    assert.same({ { ":db/txInstant", ":db.type/instant" }, { ":person/age", ":db.type/long" } }, conn:db():q(
      [==[[:find ?a ?type :in $ ?log ?tx :where [(tx-data ?log ?tx) [[_ ?a]]] [?a :db/valueType ?t] [?t :db/ident ?type]
      :order-by [?a]]]==], conn:log(), reports[3].tx))
    assert.same({ reports[3].tx }, conn:db():q([==[[:find [?tx ...] :in $ ?log ?old :where [?e :person/age 31 ?tx]
      [(tx-data ?log ?tx) [[?e _ ?old]]]]]==], conn:log(), 30))
  end)

  it("meets an attribute that is given by name, keyword or id", function()
    local text = "[:find [?v ...] :in $ ?log ?a :where [(tx-ids ?log nil nil) [?tx ...]] [(tx-data ?log ?tx) [[_ ?a ?v]]]]"
    for _, a in ipairs { "person/age", ":person/age", conn:db():entid ":person/age" } do
      assert.same({ 30, 31 }, sorted(conn:db():q(text, conn:log(), a)))
    end
    local alone = text:gsub("%$ ", "")
    assert.same({ 30, 31 }, sorted(lion.q(alone, conn:log(), ":person/age")))
    assert.same({}, lion.q(alone, conn:log(), ":person/none"))
    assert.same({ 30, 31 }, sorted(lion.q([==[[:find [?v ...] :in ?log :where [(tx-ids ?log nil nil) [?tx ...]]
      [(tx-data ?log ?tx) [[_ ?a ?v]]] [(= ?a :person/age)]]]==], conn:log())))
  end)

  it("meets what is bound: a value, an entity, whether it was added", function()
    assert.same({ true, false }, lion.q([==[[:find [?op ...] :in ?log ?v :where [(tx-ids ?log nil nil) [?tx ...]]
      [(tx-data ?log ?tx) [[_ _ ?v _ ?op]]] :order-by [?op :desc]]]==], conn:log(), 30))
    assert.same({ reports[5].tx }, lion.q([==[[:find [?tx ...] :in ?log ?by :where [(tx-ids ?log nil nil) [?tx ...]]
      [(tx-data ?log ?tx) [[?tx _ ?by]]]]]==], conn:log(), "ann"))
  end)

  it("is bound as collection, relation, tuple or whole", function()
    local log = conn:log()
    assert.equal(5, lion.q("[:find ?n . :in ?log ?t :where [(tx-ids ?log ?t nil) ?txs] [(count ?txs) ?n]]", log, reports[1].t))
    assert.same({ reports[4].tx, reports[5].tx },
      lion.q("[:find [?a ?b] :in ?log ?t :where [(tx-ids ?log ?t nil) [?a ?b]]]", log, reports[4].t))
    assert.equal(#reports[5].tx_data, lion.q("[:find (count ?d) . :in ?log ?tx :where [(tx-data ?log ?tx) [?d ...]]]",
      log, reports[5].tx))
    assert.same({ "ann" }, lion.q("[:find [?v ...] :in ?log ?tx ?a :where [(tx-data ?log ?tx) [[?e ?a ?v ?e]]]]",
      log, reports[5].tx, "audit/by"))
  end)

  it("is an argument of rules, and a required one", function()
    local rules = [==[[[(changed [?log] ?from ?e ?a) [(tx-ids ?log ?from nil) [?tx ...]] [(tx-data ?log ?tx) [[?e ?a]]]]
      [(both ?log ?tx ?e) (data ?log ?tx ?e)]
      [(data [?log ?tx] ?e) [(tx-data ?log ?tx) [[?e]]]]]]==]
    assert.same({ "Ann" }, conn:db():q([==[[:find [?name ...] :in $ % ?log ?from :where (changed ?log ?from ?e :person/age)
      [?e :person/name ?name]]]==], rules, conn:log(), reports[3].t))
    assert.equal(2, #conn:db():q("[:find [?e ...] :in $ % ?log ?tx :where (both ?log ?tx ?e)]", rules, conn:log(), reports[3].tx))
    assert.equal("db.error/insufficient-binding", raised(lion.q,
      "[:find ?e :in % ?tx :where (data ?log ?tx ?e)]", rules, 1).code)
  end)

  it("goes into not, or and nested queries", function()
    local log = conn:log()
    assert.same({ reports[1].tx, reports[2].tx, reports[4].tx, reports[5].tx }, sorted(lion.q(
      [==[[:find [?tx ...] :in ?log ?from ?v :where [(tx-ids ?log ?from nil) [?tx ...]]
      (not-join [?tx ?log ?v] [(tx-data ?log ?tx) [[_ _ ?v]]])]]==], log, reports[1].t, 31)))
    assert.same({ reports[3].tx, reports[5].tx }, sorted(lion.q([==[[:find [?tx ...] :in ?log ?from ?age ?by
      :where [(tx-ids ?log ?from nil) [?tx ...]]
      (or-join [?log ?tx ?age ?by] [(tx-data ?log ?tx) [[_ _ ?age]]] [(tx-data ?log ?tx) [[_ _ ?by]]])]]==],
      log, reports[1].t, 31, "ann")))
    assert.equal(5, lion.q([==[[:find ?n . :in ?log ?from :where
      [(q [:find (count ?tx) . :in ?log ?from :where [(tx-ids ?log ?from nil) [?tx ...]]] ?log ?from) ?n]]]==], log, reports[1].t))
  end)

  it("is read by queries that are tables", function()
    assert.same({ reports[2].tx, reports[3].tx }, sorted(lion.q({ find = { { "?tx", "..." } }, ["in"] = { "?log", "?from", "?to" },
      where = { { { "tx-ids", "?log", "?from", "?to" }, { "?tx", "..." } } } }, conn:log(), reports[2].t, reports[4].t)))
    assert.same(texts(reports[3].tx_data), texts(lion.q({ find = { "?e", "?a", "?v", "?tx", "?op" }, ["in"] = { "?log", "?tx" },
      where = { { { "tx-data", "?log", "?tx" }, { { "?e", "?a", "?v", "?tx", "?op" } } } } }, conn:log(), reports[3].tx)))
  end)

  it("may be found, and is then a log; two of one time are equal", function()
    local log = conn:log()
    local found = lion.q("[:find ?log . :in ?log]", log)
    assert.is_true(found == log and found == conn:log())
    assert.equal(#ids(conn, lion.null, lion.null), #lion.q(IDS, found, lion.null, lion.null))
    assert.is_truthy(tostring(log):find("up to " .. reports[5].t, 1, true))
  end)

  it("says what is wrong", function()
    local log, db = conn:log(), conn:db()
    for _, case in ipairs {
      { "a database where a log is wanted", "log", IDS, db, 1, 2 },
      { "a log where a database is wanted", "database", "[:find ?e :in $ :where [?e :db/ident]]", log },
      { "a number for a log", "log", IDS, 7, 1, 2 },
      { "no point in time", "point", IDS, log, "soon", lion.null },
      { "an entity that is no transaction", "transaction", IDS, log, lion.t_to_tx(0) + 2 ^ 42, lion.null },
      { "an instant as a transaction", "transaction", DATA, log, "2020-01-01T00:00:00Z" },
      { "nil as a transaction", "transaction", DATA, log, lion.null },
      { "too few arguments", "arguments", "[:find ?tx :in ?log :where [(tx-ids ?log 1) [?tx ...]]]", log },
      { "no binding", "bound", "[:find ?log :in ?log :where [(tx-ids ?log nil nil)]]", log },
      { "a source as a log", "?log", "[:find ?tx :in $ :where [(tx-ids $ nil nil) [?tx ...]]]", db },
      { "a log inside other values", "input of its own", "[:find ?x :in [?x ...]]", { log } },
      { "a log in a tuple", "log", "[:find ?x :in ?log :where [(tuple ?log 1) ?x]]", log },
    } do
      local e = raised(lion.q, unpack(case, 3))
      assert.equal("incorrect", e.category, case[1])
      assert.is_truthy(e.message:find(case[2], 1, true), case[1] .. ": " .. e.message)
    end
    local closed = lion.connect "mem:"
    log = closed:log()
    closed:close()
    assert.equal("lion/closed", raised(lion.q, IDS, log, 1, 2).code)
  end)
end)

describe("A log", function()
  it("is what was there when it was made", function()
    local conn = lion.connect "mem:"
    local first = conn:transact({}).tx
    local log = conn:log()
    conn:transact {}
    assert.same({ first }, lion.q(IDS, log, first, lion.null))
    conn:request_index()
    conn:transact {}
    assert.same({ first }, lion.q(IDS, log, first, lion.null))
    assert.equal(3, #ids(conn, first, lion.null))
    conn:close()
  end)

  for _, case in ipairs { { "in memory", function() return "mem:" end }, { "in a file", function(dir) return dir .. "/log.lion" end } } do
    it("is the same before and after an index job, " .. case[1], function()
      local dir = folder()
      local conn = lion.connect(case[2](dir), { segment_size = 512 })
      local reports = fill(conn)
      check_all(conn, reports)
      conn:request_index()
      check_all(conn, reports)
      for i = 6, 200 do
        reports[i] = conn:transact { { ["person/name"] = "P" .. i, ["person/age"] = i } }
        if i % 70 == 0 then conn:request_index() end
      end
      check_all(conn, reports)
      -- backwards, so that every step goes to another place
      local order = {}
      for i = #reports, 1, -1 do order[#order + 1] = reports[i].tx end
      local rows = lion.q("[:find ?tx (count ?e) :in ?log [?tx ...] :where [(tx-data ?log ?tx) [[?e ?a]]]]", conn:log(), order)
      assert.equal(#reports, #rows)
      conn:close()
      os.execute("rm -rf " .. dir)
    end)
  end

  it("is there after reopening, and beside a live owner", function()
    local dir = folder()
    local path = dir .. "/log.lion"
    local conn = lion.connect(path)
    local reports = fill(conn)
    conn:close()
    conn = lion.connect(path)
    check_all(conn, reports)
    reports[6] = conn:transact { { ["person/name"] = "Cid" } }
    check_all(conn, reports)
    conn:close()
    local reader = lion.connect(path, { read_only = true })
    check_all(reader, reports)
    reader:close()
    os.execute("rm -rf " .. dir)
  end)

  it("keeps to the query's bounds", function()
    local conn = lion.connect("mem:", { timeout_ms = 60000, memory_mb = 0.05 })
    for _ = 1, 20 do
      local tx = {}
      for i = 1, 200 do tx[i] = { ["db/doc"] = ("x"):rep(100) .. i } end
      conn:transact(tx)
    end
    assert.equal("lion/limit", raised(lion.q, [==[[:find ?e ?v :in ?log :where [(tx-ids ?log nil nil) [?tx ...]]
      [(tx-data ?log ?tx) [[?e _ ?v]]]]]==], conn:log()).code)
    conn:close()
  end)
end)
