-- luacheck: max line length 140
-- Pulls of random patterns from random data, by a reference that walks one entity after the other and reads datoms:
-- many at once, one by one, and of a value with a filter, which is read fact by fact.
-- LION_SEED repeats a run, LION_PULLS says how many patterns.
local lion = require "lion"
local normalise = require "lion.pull".normalise

local seed = tonumber(os.getenv "LION_SEED") or os.time() % 100000
local PULLS = tonumber(os.getenv "LION_PULLS") or 120
local LIMIT = 1000

local random = seed + 1
local function below(n)
  random = random * 16807 % 2147483647
  return random % n
end
local function pick(list) return list[below(#list) + 1] end

local SCHEMA = { t = {
  name = "string", age = "long", size = "double", at = "instant", tags = { "string", many = true }, note = "string",
  friend = { "ref", many = true }, boss = "ref", part = { "ref", many = true, component = true },
  home = { "ref", component = true }, kind = "ref",
} }
local PLAIN = { "t/name", "t/age", "t/size", "t/at", "t/tags", "t/note", "t/unknown" }
local REFS = { "t/friend", "t/boss", "t/part", "t/home", "t/kind" }

lion.fn("spec.pull/box", function(value) return value ~= nil and { "boxed", value } or nil end)

-- ---- data --------------------------------------------------------------------------------------

local COUNT = 60

local function random_entity(i)
  local function other() return "e" .. below(COUNT) + 1 end
  local entity = { ["db/id"] = "e" .. i, ["t/age"] = below(5) }
  if below(3) > 0 then entity["t/name"] = "n" .. below(20) end
  if below(3) == 0 then entity["t/size"] = below(100) / 8 end
  if below(3) == 0 then entity["t/at"] = below(1e6) end
  if below(9) == 0 then entity["t/note"] = ("long text "):rep(200) .. i end
  if below(2) == 0 then entity["t/tags"] = { "a" .. below(9), "b" .. below(9), "c" .. below(9) } end
  if below(2) == 0 then entity["t/friend"] = below(3) == 0 and { other(), other() } or { other() } end
  if below(2) == 0 then entity["t/boss"] = other() end
  if below(3) == 0 then entity["t/part"] = { other() } end
  if below(4) == 0 then entity["t/home"] = other() end
  if below(3) == 0 then entity["t/kind"] = ":kind/" .. pick { "red", "blue" } end
  return entity
end

-- Values of the same facts: in novelty, in the trees, in both, earlier ones.
local function worlds()
  local conn = lion.connect "mem:"
  conn:transact(lion.schema(SCHEMA))
  conn:transact { { ["db/ident"] = ":kind/red" }, { ["db/ident"] = ":kind/blue" } }
  local tx = {}
  for i = 1, COUNT do tx[i] = random_entity(i) end
  local tempids, ids = conn:transact(tx).tempids, {}
  for i = 1, COUNT do ids[i] = tempids["e" .. i] end
  local values = { conn:db() }
  conn:request_index()
  values[2] = conn:sync()
  tx = {}
  for i = 1, COUNT, 3 do
    tx[#tx + 1] = { ["db/id"] = ids[i], ["t/name"] = "renamed " .. i, ["t/age"] = 7, ["t/tags"] = { "new" } }
    if i % 2 == 0 then tx[#tx + 1] = { "db/retract", ids[i], "t/friend" } end
  end
  tx[#tx + 1] = { "db/retractEntity", ids[5] }
  conn:transact(tx)
  values[3] = conn:db()
  values[4] = values[3]:as_of(values[1].basis_t)
  values[5] = values[1]:with({ { ["db/id"] = ids[1], ["t/note"] = "as if" } }).db_after
  return conn, values, ids
end

-- ---- the reference -----------------------------------------------------------------------------

local Reference = {}
Reference.__index = Reference

local function bare(name) return type(name) == "string" and name:gsub("^:", "") or name end

function Reference:attribute(name)
  if self.known[name] == nil then
    local found = name ~= "t/unknown" and self.db:attribute(name) or false
    self.known[name] = found and { name = name, is_ref = found.value_type == ":db.type/ref",
      is_many = found.cardinality == ":db.cardinality/many", is_component = found.is_component } or false
  end
  return self.known[name]
end

function Reference:values(entity, spec, attribute)
  local list, limit = {}, spec.limit or LIMIT
  if spec.reverse == 1 and attribute.is_component then limit = 1 end
  if spec.reverse == 1 then
    for datom in self.db:datoms("vaet", entity, spec.attr) do list[#list + 1] = datom.e end
  else
    for datom in self.db:datoms("eavt", entity, spec.attr) do list[#list + 1] = datom.v end
  end
  while limit >= 0 and #list > limit do list[#list] = nil end
  return list
end

function Reference:id_map(id, has_ident) return { ["db/id"] = id, ["db/ident"] = has_ident and self.db:ident(id) or nil } end

local WHOLE = { { attr = "*", reverse = 0 } }

local function first_levels(specs)
  local levels = {}
  for _, spec in ipairs(specs) do levels[spec] = spec.recursion end
  return levels
end

function Reference:value(specs, spec, attribute, value, seen, levels)
  if not attribute.is_ref then return value end
  if spec.pattern then return self:map(spec.pattern, value, {}, first_levels(spec.pattern)) end
  local is_whole = not spec.recursion and spec.reverse == 0 and attribute.is_component
  if (spec.recursion or is_whole) and seen[value] then return self:id_map(value, false) end
  if is_whole then return self:map(WHOLE, value, seen, {}) end
  if not spec.recursion then return self:id_map(value, true) end
  local below_levels = {}
  for key, left in pairs(levels) do below_levels[key] = left end
  if levels[spec] > 0 then below_levels[spec] = levels[spec] - 1 end
  return self:map(specs, value, seen, below_levels)
end

function Reference:put(map, specs, spec, entity, seen, levels)
  local attribute, list, result = self:attribute(spec.attr), {}, nil
  if attribute and levels[spec] ~= 0 then
    for _, value in ipairs(self:values(entity, spec, attribute)) do
      self.has_facts[entity] = true
      list[#list + 1] = self:value(specs, spec, attribute, value, seen, levels)
    end
    local is_list = attribute.is_many
    if spec.reverse == 1 then is_list = not attribute.is_component end
    if #list > 0 then if is_list then result = list else result = list[1] end end
  end
  if spec.xform then result = result ~= nil and { "boxed", result } or nil end
  if result == nil then result = spec.default end
  local key = spec.as and bare(spec.as) or spec.reverse == 1 and spec.attr:gsub("/", "/_") or spec.attr
  if result ~= nil then map[key] = result end
end

function Reference:put_whole(map, specs, entity, seen, levels)
  local named = {}
  for _, spec in ipairs(specs) do if spec.reverse == 0 then named[spec.attr] = true end end
  if not named["db/id"] then map["db/id"] = entity end
  local found = {}
  for datom in self.db:datoms("eavt", entity) do found[datom.a] = true end
  for name in pairs(found) do
    if not named[name] then self:put(map, specs, { attr = name, reverse = 0 }, entity, seen, levels) end
  end
end

-- The map, or nil where it is empty.
function Reference:map(specs, entity, seen, levels)
  local map, was_seen = {}, seen[entity]
  seen[entity] = true
  for _, spec in ipairs(specs) do
    if spec.attr == "*" then self:put_whole(map, specs, entity, seen, levels)
    elseif spec.attr == "db/id" then map[spec.as and bare(spec.as) or "db/id"] = entity
    else self:put(map, specs, spec, entity, seen, levels) end
  end
  seen[entity] = was_seen
  return next(map) ~= nil and map or nil
end

local function reference_pull(db, specs, entity)
  local reference = setmetatable({ db = db, known = {}, has_facts = {} }, Reference)
  local has_any = db:datoms("eavt", entity)() ~= nil
  return has_any and reference:map(specs, entity, {}, first_levels(specs)) or nil
end

-- ---- patterns ----------------------------------------------------------------------------------

local random_pattern

local function options(name)
  local text, has = ":" .. name, below(4) == 0
  if has and below(2) == 0 then text, has = text .. " :limit " .. below(3) + 1, true end
  if has and below(2) == 0 then text = text .. " :default 17" end
  if has and below(3) == 0 then text = text .. " :as :k" .. below(3) end
  if has and below(3) == 0 then text = text .. " :xform spec.pull/box" end
  return has and "(" .. text .. ")" or text
end

local function reference_name() return (pick(REFS):gsub("/", below(4) == 0 and "/_" or "/")) end

local function random_spec(depth)
  local kind = below(10)
  if kind < 4 then return options(pick(PLAIN)) end
  if kind == 4 then return "*" end
  if kind == 5 then return ":db/id" end
  if kind == 6 or depth == 0 then return options(reference_name()) end
  local below_it = kind == 7 and tostring(below(3) + 1) or kind == 8 and below(3) == 0 and "..." or random_pattern(depth - 1)
  return ("{%s %s}"):format(options(reference_name()), below_it)
end

function random_pattern(depth)
  local list = {}
  for i = 1, below(4) + 1 do list[i] = random_spec(depth) end
  return "[" .. table.concat(list, " ") .. "]"
end

local function same(expected, found, ...)
  if found == lion.null then found = nil end
  local ok, e = pcall(assert.same, expected, found)
  if not ok then error(("%s\nseed %d, %s"):format(tostring(e), seed, table.concat({ ... }, ", ")), 0) end
end

it("Pulls answer what they mean, many at once and one by one (seed " .. seed .. ")", function()
  local conn, values, ids = worlds()
  local asked = { ids[3], 2 ^ 44, ids[3] }
  for i = #ids, 1, -1 do asked[#asked + 1] = ids[i] end
  for n = 1, PULLS do
    local pattern, k = random_pattern(2), n % #values + 1
    local db = values[k]
    local specs, many = normalise(pattern), db:pull_many(pattern, asked)
    local filtered = n % 10 == 0 and db:filter(function() return true end)
    assert.equal(#asked, #many)
    for i, id in ipairs(asked) do
      local expected = reference_pull(db, specs, id)
      same(expected, many[i], "many", pattern, "value " .. k, "entity " .. i)
      if (i + n) % 7 == 0 then same(expected, db:pull(pattern, id), "one", pattern, "value " .. k, "entity " .. i) end
      if filtered and i % 9 == 0 then same(expected, filtered:pull(pattern, id), "filtered", pattern, "value " .. k, "entity " .. i) end
    end
  end
  conn:close()
end)

it("A pull in find pulls as a pull does", function()
  local conn, values = worlds()
  for n = 1, PULLS / 10 do
    local pattern, db = random_pattern(2), values[n % #values + 1]
    local rows = db:q(("[:find ?e (pull ?e %s) :where [?e :t/age]]"):format(pattern))
    assert.is_true(#rows > COUNT / 2)
    for _, row in ipairs(rows) do same(reference_pull(db, normalise(pattern), row[1]), row[2], "find", pattern) end
  end
  conn:close()
end)

it("Pulls read entities across leaves, and large ones", function()
  local conn = lion.connect "mem:"
  conn:transact(lion.schema(SCHEMA))
  local ids, tx, wide = {}, {}, { ["db/id"] = "wide", ["t/name"] = "wide", ["t/tags"] = {} }
  for i = 1, 6000 do
    tx[i] = { ["db/id"] = "e" .. i, ["t/name"] = "name " .. i, ["t/age"] = i, ["t/tags"] = { "a" .. i, "b" .. i }, ["t/boss"] = "wide" }
    if i % 500 == 0 then tx[i]["t/note"] = ("note %d "):format(i):rep(400) end
    wide["t/tags"][i] = ("tag %05d"):format(i)
  end
  tx[#tx + 1] = wide
  local tempids = conn:transact(tx).tempids
  conn:request_index()
  local db = conn:sync()
  for i = 1, 6000 do ids[i] = tempids["e" .. i] end
  for i, pulled in ipairs(db:pull_many("[* {:t/boss [:t/name]}]", ids)) do
    assert.equal(ids[i], pulled["db/id"])
    assert.same({ "name " .. i, i, { "a" .. i, "b" .. i }, { ["t/name"] = "wide" } },
                { pulled["t/name"], pulled["t/age"], pulled["t/tags"], pulled["t/boss"] })
    assert.equal(i % 500 == 0 and ("note %d "):format(i):rep(400) or nil, pulled["t/note"])
  end
  assert.equal(1000, #db:pull("[*]", tempids.wide)["t/tags"])
  assert.same(wide["t/tags"], db:pull("[(:t/tags :limit nil)]", tempids.wide)["t/tags"])
  local back = db:pull("[{(:t/_boss :limit nil) [:t/age *]}]", tempids.wide)["t/_boss"]
  assert.equal(6000, #back)
  local sum = 0
  for _, entity in ipairs(back) do sum = sum + entity["t/age"] end
  assert.equal(6000 * 6001 / 2, sum)
  conn:close()
end)
