-- Queries over many batches against loops over plain tables: what is read by columns, gathered by the leaf,
-- probed in tables, numbered by sets and cut by limits, on trees, on novelty and in the past.
local lion = require "lion"

local COUNT = 3000

-- Persons with gaps: a third has no age, some share long texts, scores are doubles.
local function make_rows(salt)
  local rows = {}
  for i = 1, COUNT do
    rows[i] = {
      key = i, name = "name" .. (i * 7 + salt) % 40,
      text = "text-" .. (i * 13 + salt) % 3000 .. ("x"):rep(i % 3),
      age = i % 3 > 0 and (i * 31 + salt) % 100 or nil, score = (i * 17 + salt) % 500 / 4, boss = i % 10 + 1,
      tags = { i % 6, i % 4 + 10 },
    }
  end
  return rows
end

local function entity(row, ids)
  return {
    ["db/id"] = ids[row.key] or "p" .. row.key, ["p/key"] = row.key, ["p/name"] = row.name,
    ["p/text"] = row.text,
    ["p/age"] = row.age, ["p/score"] = row.score, ["p/boss"] = ids[row.boss] or "p" .. row.boss,
    ["p/tags"] = row.tags,
  }
end

local function transact(conn, rows, ids, first, last)
  local tx = {}
  for i = first, last do
    tx[#tx + 1] = entity(rows[i], ids)
  end
  for name, id in pairs(conn:transact(tx).tempids) do
    ids[tonumber(name:sub(2))] = id
  end
end

-- A result as a set of lines; twice the same line is an error.
local function set_of(rows)
  local set = {}
  for _, row in ipairs(rows) do
    local line = type(row) == "table" and table.concat(row, "|") or tostring(row)
    assert.is_nil(set[line], "twice: " .. line)
    set[line] = true
  end
  return set
end

local function expect(rows, each)
  local set = {}
  for _, row in ipairs(rows) do
    each(row, function(...) set[table.concat({ ... }, "|")] = true end)
  end
  return set
end

local QUERIES = {
  { "a star", "[:find ?k ?n ?a :where [?e :p/name ?n] [?e :p/age ?a] [?e :p/key ?k]]", function(rows)
    return expect(rows, function(row, put)
      if row.age then put(row.key, row.name, row.age) end
    end)
  end },
  { "a star with predicates",
    [=[[:find ?k ?t ?s :where [?e :p/key ?k] [?e :p/text ?t] [?e :p/score ?s] [(< ?s 20.5)]
      [(not= ?t "text-13")]]]=], function(rows)
    return expect(rows, function(row, put)
      if row.score < 20.5 and row.text ~= "text-13" then put(row.key, row.text, row.score) end
    end)
  end },
  { "constants and a range",
    [=[[:find ?k :where [?e :p/age ?a] [(>= ?a 90)] [?e :p/name "name3"] [?e :p/key ?k]]]=],
    function(rows)
      return expect(rows, function(row, put)
        if row.age and row.age >= 90 and row.name == "name3" then put(row.key) end
      end)
    end },
  { "a reference and back", "[:find ?k ?b :where [?e :p/boss ?f] [?f :p/key ?b] [?e :p/key ?k]]",
    function(rows)
    return expect(rows, function(row, put) put(row.key, row.boss) end)
  end },
  { "values that join", "[:find ?n ?t :where [?e :p/name ?n] [?e :p/age ?a] [?f :p/age ?a] [?f :p/tags ?t]]",
    function(rows)
      local tags, set = {}, {}
      for _, row in ipairs(rows) do
        for _, tag in ipairs(row.age and row.tags or {}) do
          tags[row.age] = tags[row.age] or {}
          tags[row.age][tag] = true
        end
      end
      for _, row in ipairs(rows) do
        for tag in pairs(row.age and tags[row.age] or {}) do
          set[row.name .. "|" .. tag] = true
        end
      end
      return set
    end },
  { "not", "[:find ?k :where [?e :p/key ?k] (not [?e :p/age]) (not [?e :p/tags 3])]", function(rows)
    return expect(rows, function(row, put)
      if not row.age and row.tags[1] ~= 3 then put(row.key) end
    end)
  end },
  { "or", [=[[:find ?k :where [?e :p/key ?k] (or [?e :p/name "name5"] [?e :p/tags 2])]]=], function(rows)
    return expect(rows, function(row, put)
      if row.name == "name5" or row.tags[1] == 2 then put(row.key) end
    end)
  end },
  { "or-join with a new variable", [=[[:find ?k ?x :where [?e :p/key ?k]
      (or-join [?e ?x] [?e :p/age ?x] (and [?e :p/boss ?b] [?b :p/key ?x]))]]=], function(rows)
    return expect(rows, function(row, put)
      if row.age then put(row.key, row.age) end
      put(row.key, row.boss)
    end)
  end },
  { "distinct values", "[:find ?n ?s :where [?e :p/name ?n] [?e :p/score ?s]]", function(rows)
    return expect(rows, function(row, put) put(row.name, row.score) end)
  end },
  { "groups", "[:find ?n (count ?e) (sum ?a) (min ?a) (max ?a) :where [?e :p/name ?n] [?e :p/age ?a]]",
    function(rows)
    local groups, set = {}, {}
    for _, row in ipairs(rows) do
      local group = groups[row.name] or { count = 0, sum = 0, min = 1000, max = -1 }
      if row.age then
        groups[row.name] = group
        group.count, group.min, group.max = group.count + 1, math.min(group.min, row.age),
        math.max(group.max, row.age)
        group.sum = group.sum + row.age
      end
    end
    for name, group in pairs(groups) do
      set[table.concat({ name, group.count, group.sum, group.min, group.max }, "|")] = true
    end
    return set
  end },
}

describe("Queries by columns", function()
  for _, way in ipairs { "indexed", "in novelty", "half of each" } do
    describe(way, function()
      local conn, old, new, past
      setup(function()
        local ids = {}
        conn = lion.connect "mem:"
        conn:transact(lion.schema { p = { key = { "long", unique = "identity" }, name = "string",
        text = "string",
          age = "long", score = "double", boss = "ref", tags = { "long", many = true } } })
        old, new = make_rows(0), make_rows(0)
        transact(conn, old, ids, 1, way == "half of each" and COUNT / 2 or COUNT)
        if way ~= "in novelty" then conn:request_index() end
        if way == "half of each" then transact(conn, old, ids, COUNT / 2 + 1, COUNT) end
        past = conn:db()
        -- every seventh has another name and age since, every eleventh no age any more
        local changed = make_rows(5)
        for i = 1, COUNT do
          if i % 11 == 0 and old[i].age then
            conn:transact { { "db/retract", ids[i], "p/age" } }
            new[i].age = nil
          elseif i % 7 == 0 then
            new[i].name, new[i].age = changed[i].name, changed[i].age or old[i].age
            conn:transact { { ["db/id"] = ids[i], ["p/name"] = new[i].name, ["p/age"] = new[i].age } }
          end
        end
        if way == "indexed" then conn:request_index() end
      end)
      teardown(function() conn:close() end)

      for _, query in ipairs(QUERIES) do
        it("answer " .. query[1], function()
          assert.same(query[3](new), set_of(conn:db():q(query[2])))
        end)
        it("answer as of a time " .. query[1], function()
          assert.same(query[3](old), set_of(conn:db():as_of(past.basis_t):q(query[2])))
        end)
      end

      it("order with a limit", function()
        for _, direction in ipairs { "", ":desc" } do
          local all = {}
          for _, row in ipairs(new) do
            if row.age then all[#all + 1] = { row.age, row.key } end
          end
          table.sort(all, function(a, b)
            if a[1] ~= b[1] then return (a[1] < b[1]) == (direction == "") end
            return a[2] < b[2]
          end)
          local query = "[:find ?a ?k :where [?e :p/age ?a] [?e :p/key ?k] :order-by [?a %s ?k] :limit 150]"
          local found = conn:db():q(query:format(direction))
          assert.same({ unpack(all, 1, 150) }, found)
        end
      end)

      it("tell what was retracted", function()
        local found = conn:db():history():q("[:find ?k ?a :where [?e :p/age ?a _ false] [?e :p/key ?k]]")
        assert.same(expect(old, function(row, put)
          if row.age and new[row.key].age ~= row.age then put(row.key, row.age) end
        end), set_of(found))
      end)
    end)
  end
end)
