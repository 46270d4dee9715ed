-- Doubles that do not equal by their bits as they do by their meaning: NaN and the two zeros. As the value of
-- a fact NaN equals itself and stands above all others, so that facts are told apart and joined as any;
-- in comparisons it equals nothing. Zeros are one value.
local lion = require "lion"

local NAN = 0 / 0

local conn, path

local function add(...)
  return conn:transact { ... }
end

-- What a transaction changed, but for its instant: "+NaN", "-0" …
local function changes(report)
  local found = {}
  for _, datom in ipairs(report.tx_data) do
    if datom.a ~= "db/txInstant" then
      local text = datom.v ~= datom.v and "NaN" or ("%g"):format(datom.v + 0)
      found[#found + 1] = (datom.added and "+" or "-") .. text
    end
  end
  return table.concat(found, " ")
end

local function refused(code, ...)
  local ok, e = pcall(add, ...)
  assert.is_false(ok)
  assert.equal(code, e.code)
  return e.message
end

before_each(function()
  path = os.tmpname()
  os.remove(path)
  conn = lion.connect(path .. ".lion", { durability = "none" })
  conn:transact(lion.schema { a = {
    one = "double", many = { "double", many = true }, plain = { "double", index = false },
    key = { "double", unique = "identity" }, only = { "double", unique = "value" },
  } })
end)
after_each(function()
  conn:close()
  os.remove(path .. ".lion")
  os.remove(path .. ".lion-log")
end)

-- In novelty, indexed, and indexed with novelty above.
local function each_state(test)
  test()
  conn:request_index()
  test()
end

describe("NaN as the value of a fact", function()
  it("is there already where it is said again", function()
    local e = add({ ["db/id"] = "e", ["a/one"] = NAN, ["a/many"] = NAN, ["a/plain"] = NAN }).tempids.e
    each_state(function()
      for _, a in ipairs { "a/one", "a/many", "a/plain" } do
        assert.equal("", changes(add({ "db/add", e, a, NAN }, { "db/add", e, a, -NAN })), a)
      end
    end)
  end)

  it("is not replaced by an assertion: it is retracted first, or with it", function()
    local e = add({ "db/add", "e", "a/one", NAN }).tempids.e
    each_state(function()
      assert.matches("retract it", refused("db.error/datoms-conflict", { "db/add", e, "a/one", 1.5 }))
      refused("db.error/datoms-conflict", { ["db/id"] = e, ["a/one"] = 1.5 })
      local report = conn:db():with { { "db/retract", e, "a/one", NAN }, { "db/add", e, "a/one", 1.5 } }
      assert.equal("-NaN +1.5", changes(report))
      report = conn:db():with { { "db/retract", e, "a/one" }, { "db/add", e, "a/one", 1.5 } }
      assert.equal("-NaN +1.5", changes(report))
    end)
    assert.equal("-NaN", changes(add({ "db/retract", e, "a/one", NAN })))
    assert.equal("+1.5", changes(add({ "db/add", e, "a/one", 1.5 })))
    assert.equal("-1.5 +NaN", changes(add({ "db/add", e, "a/one", NAN })))
  end)

  it("is compared and replaced by db/cas, which says what it retracts", function()
    local e = add({ "db/add", "e", "a/one", NAN }).tempids.e
    refused("db.error/cas-failed", { "db/cas", e, "a/one", 1.5, 2.5 })
    assert.equal("", changes(add({ "db/cas", e, "a/one", NAN, NAN })))
    assert.equal("-NaN +1.5", changes(add({ "db/cas", e, "a/one", NAN, 1.5 })))
    assert.equal("-1.5 +NaN", changes(add({ "db/cas", e, "a/one", 1.5, NAN })))
  end)

  it("is unique, and finds its entity", function()
    local e = add({ "db/add", "e", "a/key", NAN }, { "db/add", "e", "a/only", NAN }).tempids.e
    each_state(function()
      assert.equal(e, conn:db():entid { "a/key", NAN })
      assert.equal(e, add({ ["db/id"] = "same", ["a/key"] = NAN, ["a/many"] = 1.5 }).tempids.same)
      refused("db.error/unique-conflict", { "db/add", "other", "a/only", NAN })
    end)
  end)
end)

describe("NaN in a query", function()
  local e, f

  before_each(function()
    local ids = add({ ["db/id"] = "e", ["a/one"] = NAN, ["a/plain"] = NAN },
      { ["db/id"] = "f", ["a/one"] = -NAN, ["a/plain"] = NAN },
      { ["db/id"] = "g", ["a/one"] = 2.5, ["a/plain"] = 2.5 }).tempids
    e, f = ids.e, ids.f
  end)

  local function ask(query, a, ...)
    return conn:db():q((query:gsub("ATTRIBUTE", ":" .. a)), ...)
  end

  local function sorted(list)
    table.sort(list)
    return list
  end

  for _, a in ipairs { "a/one", "a/plain" } do
    it("is one value among facts, joins and groups: " .. a, function()
      each_state(function()
        assert.same({ e, f }, sorted(ask("[:find [?e ...] :where [?e ATTRIBUTE ##NaN]]", a)))
        assert.same({ e, f }, sorted(ask("[:find [?e ...] :in $ ?v :where [?e ATTRIBUTE ?v]]", a, NAN)))
        assert.equal(2, ask("[:find (count-distinct ?v) . :where [_ ATTRIBUTE ?v]]", a))
        assert.equal(2, #ask("[:find ?v :where [_ ATTRIBUTE ?v]]", a))
        assert.equal(5, #ask("[:find ?x ?y :where [?x ATTRIBUTE ?v] [?y ATTRIBUTE ?v]]", a))
        local counts = {}
        for _, row in ipairs(ask("[:find ?v (count ?e) :where [?e ATTRIBUTE ?v]]", a)) do
          counts[row[1] == row[1] and row[1] or "NaN"] = row[2]
        end
        assert.same({ NaN = 2, [2.5] = 1 }, counts)
      end)
    end)

    it("equals nothing where it is compared, and is neither below nor above: " .. a, function()
      each_state(function()
        local g = ask("[:find ?e . :where [?e ATTRIBUTE 2.5]]", a)
        assert.same({ g }, ask("[:find [?e ...] :where [?e ATTRIBUTE ?v] [(= ?v ?v)]]", a))
        for _, test in ipairs { "= ?v ##NaN", "< ?v ##NaN", ">= ?v ##NaN", "< ?v 2.5", "> ?v 2.5" } do
          assert.same({}, ask("[:find [?e ...] :where [?e ATTRIBUTE ?v] [(" .. test .. ")]]", a), test)
        end
        assert.same({ e, f }, sorted(ask("[:find [?e ...] :where [?e ATTRIBUTE ?v] [(not= ?v 2.5)]]", a)))
      end)
    end)

    it("comes last in an order and is the greatest: " .. a, function()
      each_state(function()
        local rows = ask("[:find ?v ?e :where [?e ATTRIBUTE ?v] :order-by [?v ?e]]", a)
        assert.same({ 2.5, e, f }, { rows[1][1], rows[2][2], rows[3][2] })
        local most = ask("[:find (max ?v) . :where [_ ATTRIBUTE ?v]]", a)
        assert.is_true(most ~= most)
        assert.equal(2.5, ask("[:find (min ?v) . :where [_ ATTRIBUTE ?v]]", a))
      end)
    end)
  end

  it("is counted and found in the index", function()
    each_state(function()
      local db = conn:db()
      assert.equal(2, db:count("avet", "a/one", NAN))
      local last
      for datom in db:datoms("avet", "a/one") do last = datom end
      assert.equal(f, last.e)
      assert.same({ count = 3, distinct = 2 }, db:stats().attrs["a/one"])
    end)
  end)
end)

describe("Minus zero", function()
  it("is the value 0: said again, retracted, unique, found and compared", function()
    local zeros = { ["db/id"] = "e", ["a/one"] = 0, ["a/many"] = 0, ["a/key"] = 0, ["a/only"] = -0.0 }
    local e = add(zeros).tempids.e
    each_state(function()
      assert.equal("", changes(add({ "db/add", e, "a/one", -0.0 }, { "db/add", e, "a/many", -0.0 })))
      assert.equal(e, conn:db():entid { "a/key", -0.0 })
      refused("db.error/unique-conflict", { "db/add", "other", "a/only", 0 })
      assert.same({ e }, conn:db():q("[:find [?e ...] :in $ ?v :where [?e :a/one ?v]]", -0.0))
      assert.same({ e }, conn:db():q "[:find [?e ...] :where [?e :a/one ?v] [(= ?v -0.0)]]")
      assert.equal(1, conn:db():count("avet", "a/one", -0.0))
      assert.equal("-0 +1.5", changes(conn:db():with { { "db/cas", e, "a/one", -0.0, 1.5 } }))
    end)
    add({ "db/retract", e, "a/one", -0.0 })
    add({ "db/retract", e, "a/many", -0.0 })
    each_state(function()
      assert.same({}, conn:db():q "[:find ?v :where (or [_ :a/one ?v] [_ :a/many ?v])]")
      assert.is_true(lion.verify(conn).ok)
    end)
  end)
end)
