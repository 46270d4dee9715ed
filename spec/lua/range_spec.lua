-- luacheck: max line length 140 (a query stands on one line)
-- Comparisons that become ranges of an index, and orders of which only the first rows are wanted: they answer as
-- the same query does that must look at everything.
local lion = require "lion"

local SWAPPED = { ["<"] = ">", [">"] = "<", ["<="] = ">=", [">="] = "<=" }

local function random_source(seed)
  return function(n)
    seed = (seed * 16807) % 2147483647
    return math.floor(seed / 1024) % n + 1
  end
end

local function numbers(conn)
  local random, tx = random_source(7), {}
  conn:transact(lion.schema {
    v = { n = "long", d = "double", s = "string", t = "instant", i = { "long", index = false }, many = { "long", many = true } },
  })
  for i = 1, 2000 do
    tx[i] = {
      ["v/n"] = random(1000) - 500, ["v/d"] = random(1000) / 7 - 50, ["v/s"] = "s" .. random(300), ["v/t"] = random(1000),
      ["v/i"] = random(100), ["v/many"] = { random(50), random(50) },
    }
  end
  conn:transact(tx)
end

local function count(db, clause, comparison, k)
  return db:q("[:find (count ?e) . :with ?v :in $ ?k :where [?e " .. clause .. " ?v] " .. comparison .. "]", k) or 0
end

-- The comparison as it stands and the other way round, against one that nothing can be made of.
local function check(db, attribute, op, k)
  local clause = ":v/" .. attribute
  local expected = count(db, clause, "[(identity ?v) ?w] [(" .. op .. " ?w ?k)]", k)
  local note = clause .. " " .. op .. " " .. tostring(k)
  assert.equal(expected, count(db, clause, "[(" .. op .. " ?v ?k)]", k), note)
  assert.equal(expected, count(db, clause, "[(" .. SWAPPED[op] .. " ?k ?v)]", k), note .. ", swapped")
end

local function values_of(conn)
  local db = conn:db()
  return {
    db, db:as_of(db.basis_t), db:history(), db:filter(function() return true end),
    db:with({ { ["v/n"] = 499, ["v/s"] = "s2999" }, { ["v/n"] = -500 } }).db_after,
  }
end

describe("A comparison with a value that is known", function()
  it("finds what a look at everything finds", function()
    local conn = lion.connect("mem:", { segment_size = 1024, node_entries = 8 })
    numbers(conn)
    for _ = 1, 2 do
      for _, db in ipairs(values_of(conn)) do
        for op in pairs(SWAPPED) do
          for _, k in ipairs { -500, -499.5, 0, 450.5, 499, 500, 1e300, -1e300 } do
            for _, attribute in ipairs { "n", "d", "i" } do check(db, attribute, op, k) end
          end
          for _, k in ipairs { "s1", "s299", "s29", "t", "", "s2\0" } do check(db, "s", op, k) end
          check(db, "t", op, 990)
          check(db, "many", op, 48)
        end
      end
      conn:request_index()
      conn:transact { { ["v/n"] = 498, ["v/d"] = 92.5, ["v/s"] = "s2998", ["v/many"] = { 49, 1 } } }
    end
    conn:close()
  end)

  it("finds all that start with a text, and nothing else", function()
    local conn = lion.connect("mem:", { segment_size = 1024, node_entries = 8 })
    numbers(conn)
    conn:transact { { ["v/s"] = "s2\127" }, { ["v/s"] = "s2\127z" }, { ["v/s"] = "s2é" }, { ["v/s"] = "s3" } }
    for _ = 1, 2 do
      for _, db in ipairs(values_of(conn)) do
        for _, k in ipairs { "s", "s1", "s29", "s299", "s2999x", "t", "", "s2\127", "s2é", "s2\195", "\255" } do
          local expected = count(db, ":v/s", "[(identity ?v) ?w] [(starts-with? ?w ?k)]", k)
          assert.equal(expected, count(db, ":v/s", "[(starts-with? ?v ?k)]", k), k)
          local both = "[(starts-with? ?v ?k)] [(> ?v \"s15\")] [(<= ?v \"s29\")]"
          assert.equal(count(db, ":v/s", "[(identity ?v) ?w]" .. both:gsub("?v", "?w"), k), count(db, ":v/s", both, k), k)
        end
      end
      conn:request_index()
    end
    local text = conn:db():explain('[:find ?e :where [?e :v/s ?v] [(starts-with? ?v "s29")]]').text
    assert.truthy(text:find('range [?e :v/s ?v]  avet "s29" .. "s2:"', 1, true), text)
    local ok, e = pcall(count, conn:db(), ":v/n", "[(starts-with? ?v ?k)]", "s") -- which numbers cannot
    assert.same({ false, "lion/syntax" }, { ok, e.code })
    conn:close()
  end)

  it("reads no more of the index than lies in the range", function()
    local conn = lion.connect "mem:"
    numbers(conn)
    conn:request_index()
    local text = conn:db():explain("[:find ?e :where [?e :v/n ?v] [(> ?v 490)] [(< ?v 495)]]").text
    assert.truthy(text:find("range [?e :v/n ?v]", 1, true), text)
    local n = 0
    for _ in conn:db():index_range("v/n", 490, 496) do n = n + 1 end
    assert.truthy(text:find("range [^\n]* " .. n .. " actual"), text)
    conn:close()
  end)

  it("holds in its own branch alone", function()
    local conn = lion.connect "mem:"
    numbers(conn)
    conn:request_index()
    local db = conn:db()
    local all = db:q "[:find (count ?e) . :where [?e :v/n ?v]]"
    local high = db:q "[:find (count ?e) . :where [?e :v/n ?v] [(> ?v 480)]]"
    assert.equal(all, db:q "[:find (count ?e) . :where [?e :v/n ?v] (or-join [?e] [?e :v/d] (and [?e :v/n ?v] [(> ?v 480)]))]")
    assert.equal(all - high, db:q "[:find (count ?e) . :where [?e :v/n] (not-join [?e] [?e :v/n ?v] [(> ?v 480)])]")
    conn:close()
  end)
end)

describe("An order with a limit", function()
  it("gives the rows that the whole order begins with", function()
    local conn = lion.connect "mem:"
    numbers(conn)
    local db, order = conn:db(), "[:find ?v ?e :where [?e :v/n ?v] :order-by [?v :desc ?e :asc]"
    local all = db:q(order .. "]")
    for _, limit in ipairs { 0, 1, 3, 255, 256, 257, 700, 1999, 5000 } do
      for _, offset in ipairs { 0, 2, 300 } do
        local expected = {}
        for i = offset + 1, math.min(offset + limit, #all) do expected[#expected + 1] = all[i] end
        assert.same(expected, db:q(("%s :limit %d :offset %d]"):format(order, limit, offset)))
      end
    end
    assert.equal(all[1][1], db:q "[:find ?v . :where [_ :v/n ?v] :order-by [?v :desc]]")
    conn:close()
  end)
end)
