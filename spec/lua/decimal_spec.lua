-- luacheck: max line length 155 (a transaction or a query stands on one line)
-- Decimals: exact numbers with a scale, from the transaction to every way back.
local lion = require "lion"

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_table(e)
  return e
end

local function texts(list)
  local result = {}
  for i, x in ipairs(list) do result[i] = tostring(x) end
  return result
end

local conn = lion.connect "mem:"
conn:transact(lion.schema { item = { price = "decimal", no = { "decimal", unique = "identity" }, qty = "long",
  pair = { tuple_types = { "decimal", "long" } }, both = { tuple_attrs = { "item/price", "item/qty" } } } })

local function back(value)
  local report = conn:db():with { { ["db/id"] = "e", ["item/price"] = value } }
  return report.db_after:pull("[:item/price]", report.tempids.e)["item/price"]
end

describe("A decimal", function()
  for written, read in pairs {
    ["0"] = "0", ["-0"] = "0", ["1"] = "1", ["1.50"] = "1.50", ["-1.50"] = "-1.50", ["0.001"] = "0.001", [".5"] = "0.5",
    ["1000.00"] = "1000.00", ["1e3"] = "1000", ["25E-2"] = "0.25", ["12345678901234567890.123456789"] = "12345678901234567890.123456789",
  } do
    it("keeps its digits and its scale: " .. written, function()
      assert.equal(read, tostring(back(written)))
      assert.equal(read, tostring(back(lion.decimal(written))))
    end)
  end

  it("may be given as a whole number, and has up to 1024 digits", function()
    assert.equal("-7", tostring(back(-7)))
    assert.equal("9007199254740993", tostring(back(9007199254740993LL)))
    for _, text in ipairs { ("9"):rep(1024), "-0." .. ("7"):rep(1023), "1e1023" } do
      assert.is_true(lion.decimal(text) == back(text))
    end
    for _, x in ipairs { ("9"):rep(1025), "1e1024", "1e9999", "", "abc", "1.2.3", "--1", "1e", 1.5, true } do
      assert.equal("db.error/wrong-type-for-attribute", raised(back, x).code)
    end
  end)

  it("comes back by every way, in EDN with its M", function()
    local id = conn:transact('[{:db/id "e" :item/no 7.250M}]').tempids.e
    local db = conn:db()
    assert.equal("7.250", tostring(db:entity(id)["item/no"]))
    assert.equal("7.250", tostring(db:q("[:find ?x . :in $ ?e :where [?e :item/no ?x]]", id)))
    assert.equal("7.250", tostring(db:datoms("eavt", id, "item/no")().v))
    assert.equal("{:item/no 7.250M}", lion.edn.write(db:pull("[:item/no]", id)))
    assert.equal(id, db:entid { "item/no", "7.250" })
    assert.is_nil(db:entid { "item/no", "7.25" })
    assert.equal(":db.type/bigdec", db:attribute("item/no").value_type)
    assert.equal(1, #conn:transact({ { "db/add", id, "item/no", lion.decimal "7.250" } }).tx_data)
  end)

  it("stands in tuples and composites", function()
    local id = conn:transact({ { ["db/id"] = "e", ["item/pair"] = { "0.10", 1 }, ["item/price"] = "2.50", ["item/qty"] = 3 } }).tempids.e
    local item = conn:db():pull("[:item/pair :item/both]", id)
    assert.same({ "0.10", "1" }, texts(item["item/pair"]))
    assert.same({ "2.50", "3" }, texts(item["item/both"]))
  end)
end)

for _, is_indexed in ipairs { false, true } do
  describe("Decimals" .. (is_indexed and " in trees" or ""), function()
    local shop = lion.connect "mem:"
    shop:transact(lion.schema { v = { x = { "decimal", unique = "value" } } })
    local tx = {}
    for i, text in ipairs { "3", "-2.5", "0", "1.50", "1.5", "100", "-100", "0.05", "-0.05", "99.99", "1e30", "-1e30" } do
      tx[i] = { ["v/x"] = text }
    end
    shop:transact(tx)
    if is_indexed then shop:request_index() end
    local db = shop:db()

    local function values(from, to)
      local list = {}
      for d in db:index_range("v/x", from, to) do list[#list + 1] = d.v end
      return texts(list)
    end
    local function where(predicate)
      return texts(db:q("[:find [?x ...] :where [_ :v/x ?x] [" .. predicate .. "] :order-by [?x]]"))
    end

    it("lie in the order of the numbers, then of the scales", function()
      assert.same({ "-1" .. ("0"):rep(30), "-100", "-2.5", "-0.05", "0", "0.05", "1.5", "1.50", "3", "99.99", "100", "1" .. ("0"):rep(30) }, values())
      assert.same({ "-0.05", "0", "0.05" }, values("-0.05", lion.decimal "1.5"))
    end)

    it("compare as numbers, with each other and with the other kinds", function()
      assert.same({ "1.5", "1.50" }, where "(= ?x 1.5M)")
      assert.same({ "1.5", "1.50" }, where "(= ?x 1.5)")
      assert.same({ "3" }, where "(= 3 ?x)")
      assert.same({ "99.99", "100", "1" .. ("0"):rep(30) }, where "(> ?x 3)")
      assert.same({ "-1" .. ("0"):rep(30), "-100" }, where '(<= ?x "-100.00")')
      assert.equal("incorrect", raised(where, "(< ?x :k)").category)
    end)

    it("are found by literal and input", function()
      assert.equal(1, #db:q "[:find ?e :where [?e :v/x 1.50M]]")
      assert.equal(1, #db:q("[:find ?e :in $ ?x :where [?e :v/x ?x]]", "99.99"))
      assert.equal(1, #db:q("[:find ?e :in $ [?x ...] :where [?e :v/x ?x]]", { lion.decimal "100", lion.decimal "100.0" }))
    end)

    it("have a least and a greatest, and are values of functions", function()
      assert.same({ "-1" .. ("0"):rep(30), "1" .. ("0"):rep(30) }, texts(db:q "[:find [(min ?x) (max ?x)] :where [_ :v/x ?x]]"))
      lion.fn("spec.decimal/twice", function(x) return x * 2 end)
      assert.equal("3.00", tostring(db:q "[:find ?y . :where [_ :v/x ?x] [(= ?x 1.5M)] [(spec.decimal/twice ?x) ?y] [(str ?y) ?s] [(= ?s \"3.00\")]]"))
    end)
  end)
end

describe("Arithmetic on decimals in queries", function()
  local function ask(name, a, b) return lion.q("[:find ?r . :in ?a ?b :where [(" .. name .. " ?a ?b) ?r]]", a, b) end

  it("is exact", function()
    for _, case in ipairs {
      { "+", "0.1", "0.2", "0.3" }, { "-", "1.50", "2", "-0.50" }, { "-", "1", "1.00", "0.00" }, { "*", "-1.5", "1.5", "-2.25" },
      { "+", "-0.05", "100", "99.95" },
      { "*", "12345678901234567890", "98765432109876543210", "1219326311370217952237463801111263526900" },
    } do
      assert.equal(case[4], tostring(ask(case[1], lion.decimal(case[2]), lion.decimal(case[3]))))
    end
  end)

  it("takes longs and doubles along, and nothing else", function()
    assert.equal("3.50", tostring(ask("+", lion.decimal "1.50", 2)))
    assert.equal("0.30", tostring(ask("*", 3, lion.decimal "0.10")))
    assert.equal("1.75", tostring(ask("+", lion.decimal "1.5", 0.25)))
    assert.equal("incorrect", raised(ask, "+", lion.decimal "1.5", ":x").category)
    assert.equal("incorrect", raised(ask, "+", lion.decimal "1.5", 0 / 0).category)
  end)

  it("fails loudly beyond 1024 digits", function()
    local large = lion.decimal(("9"):rep(1024))
    assert.equal(1024, #tostring(ask("*", lion.decimal(("9"):rep(512)), lion.decimal(("9"):rep(512)))))
    for _, name in ipairs { "+", "*" } do assert.equal("lion/overflow", raised(ask, name, large, large).code) end
    assert.equal("lion/overflow", raised(ask, "+", lion.decimal "1e1023", lion.decimal "1e-1023").code)
  end)

  it("sums and averages", function()
    local list = { lion.decimal "0.10", lion.decimal "0.20", lion.decimal "-5" }
    assert.equal("-4.70", tostring(lion.q("[:find (sum ?x) . :in [?x ...]]", list)))
    assert.equal("2.60", tostring(lion.q("[:find (sum ?x) . :in [?x ...]]", { lion.decimal "0.10", 2, 0.5 })))
    assert.equal(0.25, lion.q("[:find (avg ?x) . :in [?x ...]]", { lion.decimal "0.50", 0 }))
  end)
end)

describe("Decimals that are divided", function()
  local function decimal(text) return lion.decimal(text) end

  for _, case in ipairs {
    { "1", "4", "0.25" }, { "1.50", "0.5", "3.0" }, { "10", "4", "2.5" }, { "-7", "2", "-3.5" }, { "0", "3", "0" },
    { "6.00", "2", "3.00" }, { "1", "8e3", "0.000125" }, { "12345678901234567890", "-1000000000", "-12345678901.23456789" },
    { ("9"):rep(1024), "3", ("3"):rep(1024) },
  } do
    it("are so exactly: " .. case[1]:sub(1, 20) .. " / " .. case[2], function()
      local a, b = decimal(case[1]), decimal(case[2])
      assert.equal(case[3], tostring(a / b))
      assert.equal(case[3], tostring(lion.q("[:find ?r . :in ?a ?b :where [(/ ?a ?b) ?r]]", a, b)))
    end)
  end

  it("by what leaves digits without end, or by nothing, are refused", function()
    local query = "[:find ?r . :in ?a ?b :where [(/ ?a ?b) ?r]]"
    for code, divisor in pairs { ["lion/overflow"] = "3", ["lion/division-by-zero"] = "0.00" } do
      assert.equal(code, raised(function() return decimal "1" / decimal(divisor) end).code)
      assert.equal(code, raised(lion.q, query, decimal "1", decimal(divisor)).code)
    end
    for _, name in ipairs { "quot", "rem", "mod" } do
      assert.equal("lion/division-by-zero", raised(lion.q, ("[:find ?r . :where [(%s 1M 0) ?r]]"):format(name)).code)
    end
  end)

  it("leave a rest with the sign of the divisor in Lua, as numbers do", function()
    assert.same({ "1", "2", "-2", "1.5", "0" }, texts { decimal "7" % 3, decimal "-7" % 3, decimal "7" % -3, decimal "7.5" % 2, decimal "6" % 3 })
  end)
end)

describe("Functions of numbers", function()
  for call, result in pairs {
    ["(quot 7.5M 2)"] = "3", ["(quot -7.5M 2)"] = "-3", ["(rem -7.5M 2)"] = "-1.5", ["(mod -7.5M 2)"] = "0.5", ["(mod 7.5M -2)"] = "-0.5",
    ["(/ 7M 2 0.5)"] = "7", ["(abs -1.50M)"] = "1.50", ["(abs 1.50M)"] = "1.50", ["(zero? 0.00M)"] = "true", ["(zero? 0.01M)"] = "false",
    ["(pos? 0.1M)"] = "true", ["(neg? -0.1M)"] = "true", ["(neg? 0M)"] = "false", ["(max 1M 2.5)"] = "2.5", ["(min 3 2.50M 10)"] = "2.50",
  } do
    it("take decimals too: " .. call, function()
      assert.equal(result, tostring(lion.q("[:find ?r . :where [" .. call .. " ?r]]")))
    end)
  end

  it("are aggregates of them too: a median is one of them, or exactly between two", function()
    local function ask(name, list) return lion.q("[:find (" .. name .. " ?x) . :in [?x ...]]", list) end
    local three = { lion.decimal "1.5", lion.decimal "2.25", lion.decimal "3" }
    assert.equal("2.25", tostring(ask("median", three)))
    assert.equal("1.75", tostring(ask("median", { lion.decimal "2", lion.decimal "1.5" })))
    assert.equal(2, ask("median", { lion.decimal "1.5", 2.5 }))
    assert.equal(0.375, ask("variance", three))
    assert.near(0.375, ask("stddev", three) ^ 2, 1e-12)
    assert.equal("incorrect", raised(ask, "median", { lion.decimal "1.5", "x" }).category)
  end)
end)

it("Decimals survive a file", function()
  local path = os.tmpname()
  os.remove(path)
  local file = lion.connect(path)
  file:transact(lion.schema { v = { x = { "decimal", unique = "identity" }, many = { "decimal", many = true } } })
  local tx = {}
  for i = 1, 2000 do tx[i] = { ["v/x"] = lion.decimal(i) * lion.decimal "-0.25", ["v/many"] = { i, "0.5" } } end
  file:transact(tx)
  file:request_index()
  file:transact { { ["v/x"] = "5.50" } }
  file:close()
  file = lion.connect(path)
  local db = file:db()
  assert.equal(2001, db:count("avet", "v/x"))
  assert.equal("-500.00", tostring(db:datoms("avet", "v/x")().v))
  assert.equal("5.50", tostring(db:entity { "v/x", "5.50" }["v/x"]))
  assert.equal(2000, db:count("avet", "v/many", "0.5"))
  file:close()
  assert.same({}, lion.verify(path).faults)
  lion.delete(path)
end)
