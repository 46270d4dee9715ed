--- The first rows of an order: what is read by value from its end is what sorting everything finds.
package.path = "spec/?.lua;" .. package.path

local lion = require "lion"
local random_numbers = require "model.random"

local SCHEMA = lion.schema {
  p = { score = { "long" }, weight = { "double" }, name = { "string" }, tag = { "long", many = true },
    kind = { "long" }, plain = { "long", index = false } },
}

local function person(number, next_number)
  return {
    ["db/id"] = "e" .. number, ["p/score"] = next_number(40), ["p/weight"] = next_number(50) / 4 - 3,
    ["p/name"] = "name" .. next_number(60), ["p/kind"] = next_number(3), ["p/plain"] = next_number(30),
    ["p/tag"] = { next_number(20), 20 + next_number(20) },
  }
end

-- 400 persons, a part of them not indexed, changed and retracted: → now, and as it was before the changes.
local function world(options)
  local next_number = random_numbers.new(options.seed)
  local conn = lion.connect "mem:"
  conn:transact(SCHEMA)
  local tx = {}
  for i = 1, 250 do tx[i] = person(i, next_number) end
  conn:transact(tx)
  if options.is_indexed then conn:request_index() end
  tx = {}
  for i = 1, 150 do tx[i] = person(250 + i, next_number) end
  conn:transact(tx)
  local before = conn:db().basis_t
  local rows = conn:db():q "[:find ?e ?s :where [?e :p/score ?s]]"
  tx = {}
  for i, row in ipairs(rows) do
    if i % 5 == 0 then tx[#tx + 1] = { "db/retract", row[1], "p/score", row[2] }
    elseif i % 7 == 0 then tx[#tx + 1] = { "db/add", row[1], "p/score", next_number(60) }
    end
  end
  conn:transact(tx)
  if options.is_indexed_after then conn:request_index() end
  return conn:db(), conn:db():as_of(before)
end

-- The rows, sorted by the columns that `order` names (negative: descending), from which on so many.
local function first_of(rows, order, offset, limit)
  table.sort(rows, function(a, b)
    for _, column in ipairs(order) do
      local x, y = a[math.abs(column)], b[math.abs(column)]
      if x ~= y then return (x < y) == (column > 0) end
    end
    return false
  end)
  local found = {}
  for i = offset + 1, math.min(#rows, offset + limit) do found[#found + 1] = rows[i] end
  return found
end

local CASES = {
  { "?s ?e", "[?e :p/score ?s]", { -1, 2 } },
  { "?s ?e", "[?e :p/score ?s]", { 1, -2 } },
  { "?w ?e", "[?e :p/weight ?w]", { -1, 2 } },
  { "?n ?e", "[?e :p/name ?n]", { 1, 2 } },
  { "?t ?e", "[?e :p/tag ?t]", { -1, 2 } },
  { "?v ?e", "[?e :p/plain ?v]", { -1, 2 } },
  { "?s ?n ?e", "[?e :p/score ?s] [?e :p/name ?n]", { -1, 2, 3 } },
  { "?n ?s ?e", "[?e :p/score ?s] [?e :p/name ?n]", { 1, -2, 3 } },
  { "?s ?e", "[?e :p/kind 1] [?e :p/score ?s]", { -1, 2 } },
  { "?s ?e", "[?e :p/score ?s] [(> ?s 12)] (not [?e :p/kind 2])", { 1, 2 } },
  { "?s ?t ?e", "[?e :p/tag ?t] [?e :p/score ?s]", { -1, 2, 3 } },
  { "?s ?e ?f", "[?e :p/score ?s] [?e :p/kind 0] [?f :p/score ?s] [?f :p/kind 2] [(< ?s 9)]", { -1, 2, 3 } },
  { "?s", "[?e :p/score ?s]", { -1 } },
  { "?s", "[?e :p/score ?s] [?e :p/kind 1]", { 1 } },
  { "?n", "[?e :p/name ?n] [?e :p/weight ?w] [(> ?w 2)]", { -1 } },
}

local function text_of(case, bounds)
  local order, names = {}, {}
  for name in case[1]:gmatch "%S+" do names[#names + 1] = name end
  for i, column in ipairs(case[3]) do
    order[i] = column > 0 and names[column] or names[-column] .. " :desc"
  end
  return ("[:find %s :where %s%s]"):format(case[1], case[2], bounds and
    (" :order-by [%s] :offset %d :limit %d"):format(table.concat(order, " "), bounds[1], bounds[2])
    or "")
end

local BOUNDS = { { 0, 1 }, { 3, 7 }, { 0, 90 }, { 0, 5000 }, { 5000, 5 } }

local function compare(db)
  for _, case in ipairs(CASES) do
    local rows = db:q(text_of(case))
    for _, bounds in ipairs(BOUNDS) do
      local expected = first_of(rows, case[3], bounds[1], bounds[2])
      assert.same(expected, db:q(text_of(case, bounds)), text_of(case, bounds))
    end
  end
end

describe("The first rows of an order", function()
  for name, options in pairs {
    ["in novelty"] = {}, ["half indexed, changed since"] = { is_indexed = true },
    ["all indexed"] = { is_indexed = true, is_indexed_after = true },
  } do
    it("are those of all rows sorted: " .. name, function()
      options.seed = 31
      local now, before = world(options)
      compare(now)
      compare(before)
    end)
  end

  it("are those of a history, where a fact comes as often as it was told", function()
    local now = world { seed = 5, is_indexed = true }
    local history = now:history()
    local rows = history:q "[:find ?s ?e ?t ?o :where [?e :p/score ?s ?t ?o]]"
    for _, row in ipairs(rows) do row[4] = row[4] and 1 or 0 end
    local expected = first_of(rows, { -1, 2, 3 }, 0, 25)
    local found = history:q [=[[:find ?s ?e ?t ?o :where [?e :p/score ?s ?t ?o]
      :order-by [?s :desc ?e ?t] :limit 25]]=]
    for _, row in ipairs(found) do row[4] = row[4] and 1 or 0 end
    assert.same(expected, found)
  end)

  it("are read from the end of AVET, no more of it than is wanted", function()
    local db = world { seed = 9, is_indexed = true, is_indexed_after = true }
    local plan = db:explain "[:find ?s ?e :where [?e :p/score ?s] :order-by [?s :desc ?e] :limit 3]".tree
    local scan = plan.children[1]
    assert.equal("avet", scan.index)
    assert.is_true(scan.rows <= 64)
  end)

  it("are those of few distinct values, most of them equal", function()
    local conn = lion.connect "mem:"
    conn:transact(SCHEMA)
    local tx = {}
    for i = 1, 3000 do tx[i] = { ["db/id"] = "e" .. i, ["p/score"] = i % 2 } end
    conn:transact(tx)
    conn:request_index()
    local rows = conn:db():q "[:find ?e ?s :where [?e :p/score ?s] :order-by [?s ?e] :limit 20]"
    local all = conn:db():q "[:find [?e ...] :where [?e :p/score 0]]"
    table.sort(all)
    for i, row in ipairs(rows) do assert.same({ all[i], 0 }, row) end
    assert.equal(20, #rows)
  end)
end)
