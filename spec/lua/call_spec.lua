local ffi = require "ffi"
local lion = require "lion"

-- What a function is given and answers must not depend on how its loop runs.
local function each_way(check)
  for _, mode in ipairs { "on", "off" } do
    it("with the compiler " .. mode, function()
      local was_on = jit.status()
      jit[mode]()
      local ok, e = pcall(check)
      jit[was_on and "on" or "off"]()
      if not ok then error(e, 0) end
    end)
  end
end

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local ROWS = 3000 -- of more than two batches
local BIG = 2 ^ 53

-- A value of each type by its number, as functions are to see it.
local TYPES = {
  long = function(i) return i % 7 - 3 end,
  double = function(i) return i / 8 end,
  boolean = function(i) return i % 3 == 0 end,
  instant = function(i) return 1.7e12 + i end,
  string = function(i) return i == 1 and "" or "text " .. i % 50 end,
  keyword = function(i) return ":kind/k" .. i % 50 end,
  uri = function(i) return "http://x/" .. i end,
  bytes = function(i) return "\0\255" .. i end,
  uuid = function(i) return ("00000000-0000-4000-8000-%012d"):format(i) end,
  symbol = function(i) return lion.symbol("s/" .. i % 5) end,
}

local function world()
  local conn, attributes, tx = lion.connect "mem:", {}, {}
  for name in pairs(TYPES) do attributes[name] = name end
  attributes.ref = "ref"
  attributes.pair = { "tuple", tuple_types = { "long", "string" } }
  conn:transact(lion.schema { v = attributes })
  for i = 1, ROWS do
    local entity = { ["db/id"] = "e" .. i, ["v/ref"] = "e" .. (i % 10 + 1), ["v/pair"] = { i, "p" } }
    for name, make in pairs(TYPES) do entity["v/" .. name] = make(i) end
    tx[i] = entity
  end
  return conn, conn:transact(tx).tempids
end

describe("A function in a query", function()
  local conn, ids, db
  setup(function()
    conn, ids = world()
    db = conn:db()
  end)
  teardown(function() conn:close() end)

  for name, make in pairs(TYPES) do
    describe("of " .. name .. "s", function()
      each_way(function()
        local wanted, seen, expected = make(5), 0, 0
        lion.fn("spec.call/predicate", function(v)
          seen = seen + 1
          return v == wanted
        end)
        lion.fn("spec.call/same", function(v) return v end)
        for i = 1, ROWS do if make(i) == wanted then expected = expected + 1 end end
        local where = (":where [?e :v/%s ?v]"):format(name)
        local found = db:q("[:find (count ?e) . " .. where .. " [(spec.call/predicate ?v)]]")
        assert.equal(expected, found)
        assert.equal(ROWS, seen)
        local results, by_entity = db:q("[:find ?e ?v ?w " .. where .. " [(spec.call/same ?v) ?w]]"), {}
        assert.equal(ROWS, #results)
        for _, row in ipairs(results) do
          by_entity[row[1]] = row[2]
          assert.equal(row[2], row[3])
        end
        for i = 1, ROWS do assert.equal(make(i), by_entity[ids["e" .. i]]) end
      end)
    end)
  end

  describe("sees refs as ids, and tuples as arrays", function()
    each_way(function()
      local target = ids.e3
      lion.fn("spec.call/is_target", function(id) return id == target end)
      lion.fn("spec.call/second", function(pair) return pair[2] == "p" and pair[1] or nil end)
      assert.equal(ROWS / 10, db:q [==[[:find (count ?e) . :where [?e :v/ref ?r]
                                       [(spec.call/is_target ?r)]]]==])
      assert.equal(ROWS * (ROWS + 1) / 2, db:q [==[[:find (sum ?n) . :with ?e
                                                  :where [?e :v/pair ?p] [(spec.call/second ?p) ?n]]]==])
    end)
  end)

  describe("takes constants, wherever they stand", function()
    each_way(function()
      lion.fn("spec.call/all", function(a, v, b, c, d, e)
        return a == 7 and b == "text" and c == ":k/w" and d == 1.5 and e == true and v < 0
      end)
      local expected = 0
      for i = 1, ROWS do if TYPES.long(i) < 0 then expected = expected + 1 end end
      assert.equal(expected, db:q [==[[:find (count ?e) . :where [?e :v/long ?v]
        [(spec.call/all 7 ?v "text" :k/w 1.5 true)]]]==])
      assert.equal(expected, db:q([==[[:find (count ?e) . :in $ ?a :where [?e :v/long ?v]
        [(spec.call/all ?a ?v "text" :k/w 1.5 true)]]]==], 7))
    end)
  end)

  describe("takes columns of several types at once, and mixed ones", function()
    each_way(function()
      local kinds, list = {}, {}
      lion.fn("spec.call/kind", function(v) return type(v) end)
      for i = 1, 1500 do
        list[#list + 1] = i
        list[#list + 1] = "s" .. i
      end
      for _, kind in ipairs(lion.q("[:find [?k ...] :in [?v ...] :where [(spec.call/kind ?v) ?k]]", list)) do
        kinds[kind] = true
      end
      assert.same({ number = true, string = true }, kinds)
      lion.fn("spec.call/three", function(l, s, d) return l == -2 and s == "text 1" and d > 100 end)
      local expected = 0
      for i = 1, ROWS do
        local is_one = TYPES.long(i) == -2 and TYPES.string(i) == "text 1" and i / 8 > 100
        if is_one then expected = expected + 1 end
      end
      assert.equal(expected, db:q [==[[:find (count ?e) . :where [?e :v/long ?l] [?e :v/string ?s]
        [?e :v/double ?d] [(spec.call/three ?l ?s ?d)]]]==])
    end)
  end)

  describe("sees an attribute as a keyword", function()
    each_way(function()
      lion.fn("spec.call/is_ref", function(a) return a == ":v/ref" end)
      local query = "[:find [?a ...] :in $ ?e :where [?e ?a] [(spec.call/is_ref ?a)]]"
      assert.same({ ":v/ref" }, db:q(query, ids.e1))
    end)
  end)

  describe("sees longs beyond 2^53 whole", function()
    each_way(function()
      local beyond, list = 9007199254740993LL, { BIG, 9007199254740993LL, -9007199254740993LL, -BIG, 5 }
      lion.fn("spec.call/beyond", function(v) return ffi.istype("int64_t", v) end)
      lion.fn("spec.call/exactly", function(v) return v == beyond end)
      lion.fn("spec.call/back", function(v) return v end)
      local find = "[:find [?v ...] :in [?v ...] :where "
      assert.equal(2, #lion.q(find .. "[(spec.call/beyond ?v)]]", list))
      assert.equal(1, #lion.q(find .. "[(spec.call/exactly ?v)]]", list))
      assert.equal(beyond, lion.q("[:find ?w . :in ?v :where [(spec.call/back ?v) ?w]]", beyond))
      assert.equal(BIG, lion.q("[:find ?w . :in ?v :where [(spec.call/back ?v) ?w]]", BIG))
    end)
  end)

  describe("answers what it likes", function()
    each_way(function()
      local function answer(value)
        lion.fn("spec.call/answer", function() return value end)
        return db:q("[:find ?w . :in $ ?e :where [?e :v/long ?v] [(spec.call/answer ?v) ?w]]", ids.e1)
      end
      local answers = { 1, -3.5, true, false, "text", "", ":a/b", 0, 2 ^ 60, 1e300, lion.symbol "a/b" }
      for _, value in ipairs(answers) do
        assert.equal(value, answer(value))
      end
      assert.equal(math.huge, answer(math.huge))
      assert.equal(-math.huge, 1 / answer(-0.0))
      local nan = answer(0 / 0)
      assert.is_true(nan ~= nan)
      assert.same({ 1, "x" }, answer { 1, "x" })
      assert.is_nil(answer(nil))
      assert.is_nil(answer(lion.null))
    end)
  end)

  describe("is false for nil, false and null, true for all else", function()
    each_way(function()
      local function count(value)
        lion.fn("spec.call/verdict", function() return value end)
        return db:q "[:find (count ?e) . :where [?e :v/long ?v] [(spec.call/verdict ?v)]]"
      end
      for _, value in ipairs { true, 0, "", ":a", {}, 1LL } do assert.equal(ROWS, count(value)) end
      assert.is_nil(count(nil))
      assert.is_nil(count(false))
      assert.is_nil(count(lion.null))
    end)
  end)

  describe("that is short says the same of any number of rows", function()
    local null = lion.null
    each_way(function()
      local predicates = {
        ["spec.call/above"] = function(v) return v > 4 end,
        ["spec.call/itself"] = function(v) return v == 3 and v end,
        ["spec.call/nothing"] = function(v) return v ~= 3 or nil end,
        ["spec.call/null"] = function(v) return v < 5 and null end,
      }
      for name, predicate in pairs(predicates) do
        lion.fn(name, predicate)
        for count = 0, 11 do
          local list, expected = {}, {}
          for i = 1, count do
            list[i] = i * 3 % 8
            local verdict = predicate(list[i])
            if verdict and verdict ~= null then expected[list[i]] = true end
          end
          local found = {}
          for _, v in ipairs(lion.q(("[:find [?v ...] :in [?v ...] :where [(%s ?v)]]"):format(name), list)) do
            found[v] = true
          end
          assert.same(expected, found)
        end
      end
      local bad
      local known = setmetatable({}, { __index = function(_, v)
        if v == bad then error "bad" end
        return v < 5
      end })
      lion.fn("spec.call/known", function(v) return known[v] end)
      for i = 0, 9 do -- it fails at each place of four, or nowhere
        bad = i > 0 and i or nil
        local ok, e = pcall(lion.q, "[:find [?v ...] :in [?v ...] :where [(spec.call/known ?v)]]",
          { 1, 2, 3, 4, 5, 6, 7, 8, 9 })
        assert.equal(i == 0, ok)
        if ok then assert.equal(4, #e) else assert.equal("lion/function-failed", e.code) end
      end
    end)
  end)

  describe("that is pure is called once for equal arguments", function()
    local calls
    local function counted(fn)
      calls = 0
      return lion.pure(function(...)
        calls = calls + 1
        return fn(...)
      end)
    end
    local function distinct_of(make)
      local seen, count = {}, 0
      for i = 1, ROWS do
        if not seen[make(i)] then seen[make(i)], count = true, count + 1 end
      end
      return count
    end
    each_way(function()
      for _, name in ipairs { "long", "boolean", "string", "keyword", "double" } do
        local make = TYPES[name]
        lion.fn("spec.call/shown", counted(function(v, x) return tostring(v) .. x end))
        local query = [=[[:find ?e ?v ?w :where [?e :v/%s ?v] [(spec.call/shown ?v "!") ?w]]]=]
        local rows = db:q(query:format(name))
        assert.equal(ROWS, #rows)
        for _, row in ipairs(rows) do assert.equal(tostring(row[2]) .. "!", row[3]) end
        assert.equal(distinct_of(make), calls)
      end
      lion.fn("spec.call/odd", counted(function(v) return v % 2 == 1 and "odd" or nil end))
      local found = db:q "[:find (count ?e) . :where [?e :v/long ?v] [(spec.call/odd ?v)]]"
      assert.equal(7, calls) -- what is nil is remembered as well
      calls = 0
      assert.equal(found, db:q "[:find (count ?e) . :where [?e :v/long ?v] [(spec.call/odd ?v) ?w]]")
      assert.equal(7, calls) -- another query asks again
    end)
    each_way(function()
      lion.fn("spec.call/sum", counted(function(a, b) return a + b end))
      local constant = "[:find (sum ?w) . :with ?e :where [?e :v/long] [(spec.call/sum 2 3) ?w]]"
      assert.equal(5 * ROWS, db:q(constant))
      assert.equal(1, calls)
      local both = "[:find ?v ?x ?w :in $ [?x ...] :where [?e :v/long ?v] [(spec.call/sum ?v ?x) ?w]]"
      local rows = db:q(both, { 1, 2 })
      assert.equal(14, #rows)
      for _, row in ipairs(rows) do assert.equal(row[1] + row[2], row[3]) end
    end)
  end)

  describe("that is pure tells 0 from -0, and gives up where nothing is equal", function()
    each_way(function()
      lion.fn("spec.call/inverse", lion.pure(function(v) return 1 / v end))
      local inverse = "[:find [?w ...] :in [?v ...] :where [(spec.call/inverse ?v) ?w]]"
      assert.same({ math.huge, -math.huge }, (function()
        local list = lion.q(inverse, { 0.0, -0.0, 0.5 })
        table.sort(list, function(a, b) return a > b end)
        return { list[1], list[#list] }
      end)())
      local calls = 0
      lion.fn("spec.call/whole", lion.pure(function(v)
        calls = calls + 1
        return v == math.floor(v)
      end))
      for _ = 1, 2 do
        assert.equal(ROWS / 8, db:q "[:find (count ?e) . :where [?e :v/double ?v] [(spec.call/whole ?v)]]")
      end
      assert.equal(2 * ROWS, calls)
      assert.equal("lion/syntax", raised(lion.pure, 7).code)
    end)
  end)

  describe("stops its query where it fails, in the middle of a batch too", function()
    each_way(function()
      local calls = 0
      lion.fn("spec.call/fail", function()
        calls = calls + 1
        if calls == 1500 then lion.cancel { category = "conflict", code = "my/code", message = "enough" } end
        if calls == 1501 then error "never" end
        return true
      end)
      local e = raised(db.q, db, "[:find ?e :where [?e :v/long ?v] [(spec.call/fail ?v)]]")
      assert.same({ "conflict", "my/code", "enough" }, { e.category, e.code, e.message })
      assert.equal(1500, calls)
      e = raised(db.q, db, "[:find ?e :where [?e :v/long ?v] [(spec.call/fail ?v)]]")
      assert.same({ "fault", "lion/function-failed" }, { e.category, e.code })
    end)
  end)

  describe("may yield, and ask other queries that call it", function()
    each_way(function()
      lion.fn("spec.call/inner", function(v) return v == 3 end)
      local calls = 0
      lion.fn("spec.call/outer", function(v)
        calls = calls + 1
        if calls % 1000 == 0 then
          coroutine.yield "again"
          assert(db:q "[:find (count ?e) . :where [?e :v/long ?v] [(spec.call/inner ?v)]]" > 400)
        end
        return v == 3
      end)
      local found
      local running, yields = coroutine.wrap(function()
        found = db:q "[:find (count ?e) . :where [?e :v/long ?v] [(spec.call/outer ?v)]]"
      end), 0
      while running() == "again" do yields = yields + 1 end
      assert.equal(3, yields)
      assert.equal(db:q "[:find (count ?e) . :where [?e :v/long 3]]", found)
    end)
  end)

  describe("may close the connection it runs on: the query ends, nothing else does", function()
    each_way(function()
      for _, clause in ipairs { "[(spec.call/close ?v)]", "[(spec.call/close ?v) ?w]" } do
        local other = lion.connect "mem:"
        other:transact(lion.schema { v = { long = "long" } })
        local tx, calls = {}, 0
        for i = 1, ROWS do tx[i] = { ["v/long"] = i } end
        other:transact(tx)
        lion.fn("spec.call/close", function()
          calls = calls + 1
          if calls == 1500 then other:close() end
          return 1
        end)
        local value = other:db()
        local e = raised(value.q, value, ("[:find ?e :where [?e :v/long ?v] %s]"):format(clause))
        assert.equal("lion/closed", e.code == "lion/function-failed" and e.data.error.code or e.code)
        assert.is_true(calls >= 1500 and calls < ROWS) -- at once, or behind the batch
      end
    end)
  end)
end)

describe("A filter", function()
  each_way(function()
    local conn, ids = world()
    local seen = {}
    local filtered = conn:db():filter(function(unfiltered, datom)
      assert(unfiltered.basis_t == conn:db().basis_t and datom[2] == datom.a and datom.tx > 0 and datom.added)
      seen[datom.a] = true
      return datom.a ~= "v/long" or datom.v > 0
    end)
    local expected = 0
    for i = 1, ROWS do if TYPES.long(i) > 0 then expected = expected + 1 end end
    assert.equal(expected, filtered:q "[:find (count ?e) . :where [?e :v/long]]")
    local entity = filtered:entity(ids.e6)
    assert.same({ 3, "text 6", ":kind/k6", 0.75 },
                { entity["v/long"], entity["v/string"], entity["v/keyword"], entity["v/double"] })
    local all, names = filtered:pull("[*]", ids.e1), 0
    for name in pairs(TYPES) do
      if name ~= "long" then assert.equal(TYPES[name](1), all["v/" .. name]) end
      names = names + 1
    end
    assert.is_nil(all["v/long"]) -- it is -2
    assert.same({ 1, "p" }, all["v/pair"])
    assert.is_true(seen["v/pair"] and seen["v/symbol"] and seen["v/uuid"] and names == 10)
    conn:close()
  end)
end)
