-- Aggregates over whole columns: what is selected is what sorting finds, what is summed in parts is the sum.
package.path = "spec/?.lua;" .. package.path

local lion = require "lion"
local random_numbers = require "model.random"

local function relation(values)
  local rows = {}
  for i, value in ipairs(values) do rows[i] = { i, value } end
  return rows
end

local function aggregates(names, values)
  local elements = {}
  for i, name in ipairs(names) do elements[i] = ("(%s ?v)"):format(name) end
  local query = ("[:find %s :with ?i :in [[?i ?v] ...]]"):format(table.concat(elements, " "))
  return lion.q(query, relation(values))[1]
end

local function facts(values, options)
  local conn = lion.connect("mem:", options)
  conn:transact(lion.schema { m = { long = { "long" }, double = { "double" }, group = { "long" } } })
  local tx = {}
  for i, value in ipairs(values) do
    tx[i] = { ["db/id"] = "e" .. i, ["m/long"] = value, ["m/double"] = value + 0.5, ["m/group"] = i % 3 }
  end
  conn:transact(tx)
  return conn:db()
end

local function median_of(values)
  local sorted = { unpack(values) }
  table.sort(sorted)
  local low, high = sorted[math.ceil(#sorted / 2)], sorted[math.floor(#sorted / 2) + 1]
  return (low + high) / 2
end

describe("Aggregates over columns", function()
  it("find the median of few and of many, of any sign, as sorting does", function()
    local next_number = random_numbers.new(11)
    for _, count in ipairs { 1, 2, 3, 4, 255, 256, 1001, 2500 } do
      local values = {}
      for i = 1, count do values[i] = next_number(100000) - 50000 end
      local db = facts(values)
      local row = db:q "[:find (median ?l) (median ?d) :with ?e :where [?e :m/long ?l] [?e :m/double ?d]]"[1]
      assert.equal(median_of(values), tonumber(row[1]))
      assert.equal(median_of(values) + 0.5, row[2])
    end
  end)

  it("find it in each group, and of one value that all have", function()
    local db = facts { 7, 1, 5, 9, 3, 5, 8, 2, 5 }
    local rows = db:q "[:find ?g (median ?l) :with ?e :where [?e :m/group ?g] [?e :m/long ?l] :order-by [?g]]"
    assert.same({ { 0, 5 }, { 1, 8 }, { 2, 2 } }, rows)
    assert.equal(4, aggregates({ "median" }, { 4, 4, 4, 4 })[1])
  end)

  it("take longs and doubles together", function()
    assert.equal(2.5, aggregates({ "median" }, { 1, 2.5, 4 })[1])
    assert.equal(2.25, aggregates({ "median" }, { 1, 2, 2.5, 4 })[1])
  end)

  it("lose nothing of a variance at a large mean", function()
    local values = {}
    for i = 1, 1000 do values[i] = 1e9 + i % 2 end
    local row = aggregates({ "variance", "stddev" }, values)
    assert.near(0.25, row[1], 1e-12)
    assert.near(0.5, row[2], 1e-12)
    assert.near(0, aggregates({ "variance" }, { 1e308, 1e308, 1e308 })[1], 1e300)
  end)

  it("find a variance of longs and doubles together, of large longs and of one value", function()
    assert.near(2 / 3, aggregates({ "variance" }, { 1, 2, 3 })[1], 1e-15)
    assert.near(1.25, aggregates({ "variance" }, { 0.5, 2, 3.5, 2 })[1] + 0.125, 1e-15)
    assert.equal(2 ^ 100, aggregates({ "variance" }, { 2 ^ 52, -2 ^ 51 - 2 ^ 51, 2 ^ 52, -2 ^ 52 })[1] / 16)
    assert.equal(0, aggregates({ "variance" }, { 7 })[1])
    assert.equal(0, aggregates({ "stddev" }, { 0.1, 0.1, 0.1 })[1])
  end)

  it("sum an average exactly, whatever goes beyond doubles on the way", function()
    local large = 2 ^ 53
    assert.equal(large / 2 + 0.5, aggregates({ "avg" }, { large, 1 })[1])
    assert.equal((large + 2 + 1) / 3, aggregates({ "avg" }, { large, 2, 1 })[1])
    assert.equal(1.5, aggregates({ "avg" }, { 1, 2 })[1])
    assert.equal(1.75, aggregates({ "avg" }, { 1, 2.5 })[1])
  end)

  it("of one variable share its values, in memory and in a temporary file", function()
    local values, next_number = {}, random_numbers.new(3)
    for i = 1, 30000 do values[i] = next_number(2000) - 1000 end
    local query = [=[[:find ?g (median ?l) (count-distinct ?l) (min 3 ?l) (max 2 ?l) (count ?l) (median ?d)
      :with ?e :where [?e :m/group ?g] [?e :m/long ?l] [?e :m/double ?d] :order-by [?g]]]=]
    local small = facts(values, { memory_mb = 1.8 })
    local found = lion.q { query = query, args = { small }, stats = true }
    assert.same(facts(values):q(query), found.ret)
    assert.is_true(found.query_stats.temp_peak > 0)
  end)

  it("of the application get their values as they came, from a temporary file too", function()
    local values, next_number = {}, random_numbers.new(5)
    for i = 1, 30000 do values[i] = next_number(2000) - 1000 end
    lion.aggregate("spec.aggregate/list", function(list)
      local hash = 0
      for _, value in ipairs(list) do hash = (hash * 31 + value) % 1000003 end
      return hash
    end)
    local query = [=[[:find ?g (spec.aggregate/list ?l) :with ?e :where [?e :m/group ?g] [?e :m/long ?l]
      [?e :m/double ?d] :order-by [?g]]]=]
    local small = facts(values, { memory_mb = 0.7 })
    local found = lion.q { query = query, args = { small }, stats = true }
    assert.same(facts(values):q(query), found.ret)
    assert.is_true(found.query_stats.temp_peak > 0)
  end)

  it("draw from values in a temporary file what is there", function()
    local values, is_there = {}, {}
    for i = 1, 6000 do
      values[i] = i * 3 % 4001
      is_there[values[i]] = true
    end
    local row = facts(values, { memory_mb = 0.4 }):q [=[[:find (rand 5 ?l) (sample 7 ?l) (rand ?l) :with ?e
      :where [?e :m/long ?l]]]=][1]
    assert.equal(5, #row[1])
    assert.equal(7, #row[2])
    local seen = {}
    for _, value in ipairs(row[2]) do
      assert.is_true(is_there[value] and not seen[value])
      seen[value] = true
    end
    for _, value in ipairs(row[1]) do assert.is_true(is_there[value]) end
    assert.is_true(is_there[row[3]])
  end)

  it("say that a count does not fit", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { m = { to = { "ref", many = true } } })
    local tx, where, with = {}, {}, {}
    for i = 1, 20 do
      for k = 1, 20 do tx[#tx + 1] = { "db/add", "e" .. i, "m/to", "e" .. k } end
    end
    conn:transact(tx)
    for i = 1, 15 do
      where[i] = ("[?v%d :m/to ?v%d]"):format(i, i + 1)
      with[i] = "?v" .. i
    end
    local query = "[:find (count ?v16) :with %s :where %s]"
    query = query:format(table.concat(with, " "), table.concat(where, " "))
    local ok, raised = pcall(conn.db(conn).q, conn:db(), query)
    assert.is_false(ok)
    assert.equal("lion/overflow", raised.code)
  end)
end)

describe("An aggregate of the user's", function()
  it("has any name", function()
    lion.aggregate("spread", function(values) return math.max(unpack(values)) - math.min(unpack(values)) end)
    lion.aggregate("spec.aggregate/joined", function(values)
      table.sort(values)
      return table.concat(values, " ")
    end)
    assert.same({ 7 }, aggregates({ "spread" }, { 3, 9, 2 }))
    assert.same({ "a b c" }, aggregates({ "spec.aggregate/joined" }, { "b", "c", "a" }))
  end)

  it("that nobody made known is said to be none, and how to make it known", function()
    for name, part in pairs { medain = "median", ["spec.aggregate/none"] = "lion.aggregate" } do
      local ok, e = pcall(aggregates, { name }, { 1 })
      assert.is_false(ok)
      assert.truthy(tostring(e):find(part, 1, true))
    end
  end)
end)
