-- The order of datoms that is promised: that of the index, whatever a value is read from. Facts by chance,
-- partly indexed and partly not, are read merged and beside the columns that a value makes of what is not
-- indexed once its readers have paid for them. LION_SEED repeats a run.
package.path = "spec/?.lua;" .. package.path
local lion = require "lion"
local random_numbers = require "model.random"

local SEED = tonumber(os.getenv "LION_SEED") or os.time()
local ATTRIBUTES = { "a/one", "a/many", "a/plain", "a/ref" }
local PLACES = {
  eavt = { "e", "a", "v" }, aevt = { "a", "e", "v" }, avet = { "a", "v", "e" }, vaet = { "v", "a", "e" },
}

local conn, random

local function transact_some(entities)
  local tx, said = {}, {}
  for _ = 1, 400 do
    local e, a = entities[random(#entities)], ATTRIBUTES[random(4)]
    local v = a == "a/ref" and entities[random(#entities)] or random(40)
    local is_added = random(3) > 1
    local fact = a == "a/one" and e or ("%s %s %s"):format(e, a, v) -- which a transaction says one way
    if not said[fact] then
      said[fact] = true
      tx[#tx + 1] = { is_added and "db/add" or "db/retract", e, a, v }
    end
  end
  return conn:transact(tx).t
end

local function ids_of_attributes(db)
  local ids = {}
  for _, name in ipairs(ATTRIBUTES) do ids[name] = db:entid(":" .. name) end
  return ids
end

-- Is x before y in the index? Of one fact what came last is first.
local function is_before(x, y, index, ids)
  for _, place in ipairs(PLACES[index]) do
    local p, q = x[place], y[place]
    if place == "a" then p, q = ids[p], ids[q] end
    if p ~= q then return p < q end
  end
  return x.tx > y.tx
end

local function collect(datoms)
  local list = {}
  for datom in datoms do list[#list + 1] = datom end
  return list
end

local function text_of(datom)
  return ("%s %s %s %s %s"):format(datom.e, datom.a, datom.v, datom.tx, tostring(datom.added))
end

local function assert_ordered(list, index, ids)
  for i = 2, #list do
    if not is_before(list[i - 1], list[i], index, ids) then
      error(("%s: %s before %s"):format(index, text_of(list[i - 1]), text_of(list[i])))
    end
  end
  return list
end

-- All that a value shows of the attributes, in every way that has an order; the same from each.
local function assert_orders(db, ids)
  for _, a in ipairs(ATTRIBUTES) do
    local by_entity = assert_ordered(collect(db:datoms("aevt", a)), "aevt", ids)
    local function same_facts(list)
      local seen = {}
      for _, datom in ipairs(list) do seen[text_of(datom)] = true end
      for _, datom in ipairs(by_entity) do assert.is_true(seen[text_of(datom)], text_of(datom)) end
      assert.equal(#by_entity, #list)
    end
    if a ~= "a/plain" then
      local by_value = assert_ordered(collect(db:datoms("avet", a)), "avet", ids)
      same_facts(by_value)
      local low, high = random(40), random(40)
      if a ~= "a/ref" and low < high then
        local inside = {}
        for _, datom in ipairs(by_value) do
          if datom.v >= low and datom.v < high then inside[#inside + 1] = datom end
        end
        assert.same(inside, collect(db:index_range(a, low, high)))
      end
      if not db.is_history then
        local forward, backward = {}, {}
        local options = { index = "avet", pattern = "[:db/id]", start = { a } }
        for found in db:index_pull(options) do forward[#forward + 1] = found["db/id"] end
        options.reverse = true
        for found in db:index_pull(options) do table.insert(backward, 1, found["db/id"]) end
        assert.equal(#by_value, #forward)
        for i, datom in ipairs(by_value) do assert.same({ datom.e, datom.e }, { forward[i], backward[i] }) end
      end
    end
  end
  for _, index in ipairs { "eavt", "aevt", "avet" } do
    local shown = {}
    for datom in db:datoms(index) do
      if ids[datom.a] then shown[#shown + 1] = datom end
    end
    assert_ordered(shown, index, ids)
  end
  local refs = {}
  for datom in db:datoms("vaet") do
    if ids[datom.a] then refs[#refs + 1] = datom end
  end
  assert_ordered(refs, "vaet", ids)
end

-- Whole attributes, and ranges of them, until the value has made its columns.
local function read_much(db)
  for _, a in ipairs(ATTRIBUTES) do
    db:q("[:find (count ?e) . :with ?v :where [?e :" .. a .. " ?v] [(identity ?v) ?w] [(= ?w ?v)]]")
    for _ = 1, 20 do db:q("[:find (count ?e) . :with ?v :where [?e :" .. a .. " ?v] [(> ?v 3)]]") end
  end
end

describe("The order of an index (seed " .. SEED .. ")", function()
  before_each(function()
    random = random_numbers.new(SEED)
    conn = lion.connect("mem:", { segment_size = 1024, node_entries = 8 })
    conn:transact(lion.schema { a = {
      one = "long", many = { "long", many = true }, plain = { "long", many = true, index = false },
      ref = { "ref", many = true },
    } })
  end)
  after_each(function() conn:close() end)

  it("stays when a value has paid for columns, at any time and with history", function()
    local tx, entities, times = {}, {}, {}
    for i = 1, 60 do tx[i] = { "db/add", "e" .. i, "a/one", i } end
    for _, e in pairs(conn:transact(tx).tempids) do entities[#entities + 1] = e end
    table.sort(entities)
    for part = 1, 6 do
      times[part] = transact_some(entities)
      if part == 2 or part == 4 then conn:request_index() end
    end
    local before = conn:stats().kept_bytes
    local ids, now = ids_of_attributes(conn:db()), conn:db()
    local shown = { now, now:history(), now:with({ { "db/add", entities[1], "a/many", 7 } }).db_after }
    for _, t in ipairs(times) do
      shown[#shown + 1] = now:as_of(t)
      shown[#shown + 1] = now:since(t)
      shown[#shown + 1] = now:as_of(t):since(times[1])
    end
    for _, db in ipairs(shown) do
      assert_orders(db, ids)
      read_much(db)
      assert_orders(db, ids)
    end
    assert.is_true(conn:stats().kept_bytes > before)
  end)
end)
