-- What is known of attributes that are in no index of values: drawn by the indexer,
-- seen in db:stats() and in plans.
local lion = require "lion"

describe("Statistics of an attribute without AVET", function()
  local folder, uri, conn

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    uri = folder .. ".lion"
    conn = lion.connect(uri)
    conn:transact(lion.schema {
      p = { name = "string", nick = { "string", index = false }, n = { "long", index = false } },
    })
    for part = 1, 4 do
      local tx = {}
      for i = 1, 1000 do
        local number = part * 1000 + i
        tx[i] = { ["p/name"] = "n" .. i, ["p/nick"] = i % 4 == 0 and "common" or "nick" .. number,
          ["p/n"] = number }
      end
      conn:transact(tx)
      conn:request_index()
    end
  end)
  after_each(function()
    conn:close()
    os.remove(uri)
    os.remove(uri .. "-log")
  end)

  local function near(expected, found, part)
    local is_near = found > expected * (1 - part) and found < expected * (1 + part)
    assert.is_true(is_near, ("%s is not near %s"):format(found, expected))
  end

  local function estimate(db, query) return db:explain(query).tree.rows_estimated end

  it("tell frequent values and equal parts, after a reopening too", function()
    for _ = 1, 2 do
      local stats = conn:db():stats()
      local nick, n = stats.details["p/nick"], stats.details["p/n"]
      assert.equal("common", nick.frequent[1][1])
      near(1000, nick.frequent[1][2], 0.5)
      assert.is_nil(nick.frequent[2])
      assert.same({}, n.frequent)
      assert.equal(9, #n.parts)
      near(3000, n.parts[5], 0.3)
      assert.equal(3001, stats.attrs["p/nick"].distinct)
      conn:close()
      conn = lion.connect(uri)
    end
  end)

  it("are estimates of equality and of ranges", function()
    local db = conn:db()
    near(1000, estimate(db, '[:find ?e :where [?e :p/nick "common"]]'), 0.5)
    assert.is_true(estimate(db, '[:find ?e :where [?e :p/nick "nick1001"]]') < 100)
    local star = "[:find ?e :where [?e :p/n ?n] [?e :p/name ?x] "
    near(500, estimate(db, star .. "[(> ?n 4500)]]"), 0.7)
    near(2000, estimate(db, star .. "[(> ?n 2500)] [(<= ?n 4500)]]"), 0.5)
  end)

  it("follow what is retracted", function()
    local tx = {}
    for _, e in ipairs(conn:db():q '[:find [?e ...] :where [?e :p/nick "common"]]') do
      tx[#tx + 1] = { "db/retract", e, "p/nick", "common" }
    end
    conn:transact(tx)
    conn:request_index()
    assert.same({}, conn:db():stats().details["p/nick"].frequent)
    assert.is_true(estimate(conn:db(), '[:find ?e :where [?e :p/nick "common"]]') < 100)
  end)

  it("are told of the first datoms where most are not indexed yet", function()
    local tx = {}
    for i = 1, 9000 do tx[i] = { ["p/nick"] = "new" .. i } end
    conn:transact(tx)
    local stats = conn:db():stats()
    assert.is_nil(stats.details["p/nick"].parts)
    assert.equal(13000, stats.attrs["p/nick"].count)
  end)
end)

describe("Statistics of twenty thousand attributes", function()
  local COUNT = 20000
  local conn

  local function define(i)
    return { ["db/ident"] = ":a/n" .. i, ["db/valueType"] = ":db.type/long",
      ["db/cardinality"] = ":db.cardinality/one", ["db/index"] = i % 2 == 0 }
  end

  -- An entity for each attribute, with the attribute's number.
  local function assert_all(add)
    local tx = {}
    for i = 1, COUNT do tx[i] = { "db/add", "e" .. i, "a/n" .. i, i + add } end
    return conn:transact(tx)
  end

  setup(function()
    conn = lion.connect "mem:"
    local tx = {}
    for i = 1, COUNT do tx[i] = define(i) end
    conn:transact(tx)
    assert_all(0)
  end)
  teardown(function() conn:close() end)

  local function assert_told(db, datoms)
    local stats = db:stats()
    for i = 1, COUNT do
      local told = stats.attrs["a/n" .. i]
      if told.count ~= datoms or told.distinct ~= datoms then assert.same({ i, datoms }, { i, told }) end
    end
  end

  it("tell all of them in novelty, indexed, and both at once", function()
    assert_told(conn:db(), 1)
    conn:request_index()
    assert_told(conn:db(), 1)
    local report = assert_all(-1)
    assert_told(conn:db(), 2)
    assert_told(conn:db():since(report.t - 1), 1)
  end)
end)
