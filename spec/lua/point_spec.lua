-- luacheck: max line length 140 (a transaction or a query stands on one line)
-- Entities and pulls of single values have a quick way of their own: it says what the slower ways say. A
-- filter that lets everything through is always read the slower way.
local lion = require "lion"

local function whole(db) return db:filter(function() return true end) end

local ATTRIBUTES = { "boolean", "long", "double", "instant", "string", "keyword", "uri", "uuid", "bytes", "symbol", "ref", "tuple" }
local SCHEMA = { thing = { key = { "string", unique = "identity" }, number = { "long", unique = "value" }, many = { "long", many = true },
  boolean = "boolean", long = "long", double = "double", instant = "instant", string = "string", keyword = "keyword", uri = "uri",
  uuid = "uuid", bytes = "bytes", symbol = "symbol", ref = "ref", tuple = { "tuple", tuple_types = { "long", "string" } } } }

-- The i-th value of a type.
local VALUES = {
  boolean = function(i) return i % 2 == 0 end,
  long = function(i) return i % 5 == 0 and 9007199254740993LL + i or i * (i % 3 - 1) end,
  double = function(i) return i % 7 == 0 and 0 / 0 or i / 8 end,
  instant = function(i) return i * 1000 end,
  string = function(i) return i % 4 == 0 and "" or i % 9 == 0 and ("x"):rep(70000 + i) or "text " .. i end,
  keyword = function(i) return ":kind/k" .. i % 6 end,
  uri = function(i) return "http://x.org/" .. i end,
  uuid = function(i) return ("00000000-0000-7000-8000-%012d"):format(i) end,
  bytes = function(i) return ("\0\1%d"):format(i) end,
  symbol = function(i) return lion.symbol("s" .. i) end,
  ref = function(i) return i % 2 == 0 and ":status/open" or { "thing/key", "key 1" } end,
  tuple = function(i) return { i, "t" .. i } end,
}

-- Values that can be compared by assert.same, NaN too.
local function plain(x)
  local kind = type(x)
  if kind == "cdata" then return tostring(x) end
  if kind == "number" and x ~= x then return "NaN" end
  if kind ~= "table" then return x end
  if getmetatable(x) and getmetatable(x).__lion == "entity" then return "entity " .. x.id end
  if getmetatable(x) then return tostring(x) end
  local out = {}
  for key, value in pairs(x) do out[key] = plain(value) end
  return out
end

local function things(count)
  local conn = lion.connect "mem:"
  conn:transact(lion.schema(SCHEMA))
  conn:transact { { ["db/ident"] = ":status/open" }, { ["thing/key"] = "key 1" } }
  local random = 7
  local function below(n)
    random = random * 16807 % 2147483647
    return random % n
  end
  local times = {}
  local function change(round)
    local tx, before = {}, conn:db()
    for i = 1, count do
      local entity = { ["thing/key"] = "key " .. i, ["thing/number"] = i }
      for k, name in ipairs(ATTRIBUTES) do
        if below(3) == 0 then entity["thing/" .. name] = VALUES[name](i * round + k) end
      end
      if below(4) == 0 then entity["thing/many"] = { i, i + round } end
      tx[#tx + 1] = entity
      local id, double = before:entid { "thing/key", "key " .. i }, entity["thing/double"]
      local old = id and before:entity(id)["thing/double"]
      if old ~= old and double and double == double then -- NaN is not replaced by an assertion alone
        tx[#tx + 1] = { "db/retract", id, "thing/double" }
      end
    end
    conn:transact(tx)
    tx = {}
    local db = conn:db()
    for i = 2, count do
      local name = "thing/" .. ATTRIBUTES[below(#ATTRIBUTES) + 1]
      local id = db:entid { "thing/key", "key " .. i }
      if below(3) == 0 and db:entity(id)[name] ~= nil then tx[#tx + 1] = { "db/retract", id, name } end
    end
    conn:transact(tx)
    times[#times + 1] = conn:db().basis_t
  end
  for round = 1, 3 do
    change(round)
    if round < 3 then conn:request_index() end
  end
  return conn, times
end

local NAMES = { "thing/key", "thing/number", "thing/many" }
for i, name in ipairs(ATTRIBUTES) do NAMES[i + 3] = "thing/" .. name end

local FLAT = { "thing/key", "thing/boolean", "thing/long", "thing/double", "thing/instant", "thing/string", "thing/keyword", "thing/uri",
  "thing/bytes" }
local TEXT = "[:" .. table.concat(FLAT, " :") .. "]"

local function compare(db, count)
  local slow = whole(db)
  for i = 0, count + 1 do
    local ref = { "thing/key", "key " .. i }
    local id = slow:entid(ref)
    assert.equal(id, db:entid(ref))
    assert.equal(slow:entid { "thing/number", i }, db:entid { "thing/number", i })
    local e, same = db:entity(ref), id and slow:entity(id)
    assert.equal(id, e and e.id)
    for _, name in ipairs(id and NAMES or {}) do
      assert.same(plain(same[name]), plain(e[name]))
      assert.same(plain(same[name]), plain(e[":" .. name]))
    end
    local pulled = plain(slow:pull(TEXT, ref))
    assert.same(pulled, plain(db:pull(TEXT, ref)))
    assert.same(pulled, plain(db:pull(FLAT, ref)))
    assert.same(id and plain(slow:pull(NAMES, ref)), id and plain(db:pull(NAMES, ref)))
  end
end

describe("Single facts", function()
  local COUNT = 70 -- enough for the compiler to come in

  it("are the same whichever way they are read, now and then", function()
    local conn, times = things(COUNT)
    local db = conn:db()
    compare(db, COUNT)
    for _, t in ipairs(times) do compare(db:as_of(t), COUNT) end
    compare(db:since(times[1]), COUNT)
    local changes = { { ["thing/key"] = "key 5", ["thing/long"] = 12345 }, { "db/retract", { "thing/key", "key 6" }, "thing/string" } }
    compare(db:with(changes).db_after, COUNT)
    conn:request_index()
    compare(conn:db(), COUNT)
  end)

  it("are pulled by tables that change", function()
    local conn = things(3)
    local db, pattern = conn:db(), { "thing/key", "thing/number" }
    assert.same({ ["thing/key"] = "key 2", ["thing/number"] = 2 }, db:pull(pattern, { "thing/key", "key 2" }))
    pattern[2] = "thing/many"
    assert.same(whole(db):pull(pattern, { "thing/key", "key 2" }), db:pull(pattern, { "thing/key", "key 2" }))
    pattern[2], pattern[3] = { "thing/number", as = "n" }, nil
    assert.same({ ["thing/key"] = "key 2", n = 2 }, db:pull(pattern, { "thing/key", "key 2" }))
    assert.is_nil(db:pull({ "thing/key" }, { "thing/key", "nobody" }))
    assert.is_nil(db:pull({ "nothing/here" }, { "thing/key", "key 2" }))
    assert.has_error(function() db:pull({}, { "thing/key", "key 2" }) end)
    assert.has_error(function() db:pull({ "thing/key", x = 1 }, { "thing/key", "key 2" }) end)
    assert.has_error(function() db:history():pull({ "thing/key" }, 1) end)
  end)

  it("are found by lookup refs only, whatever looks like one", function()
    local db = things(3):db()
    for _, ref in ipairs { { "thing/key", "key 2" }, { ":thing/key", "key 2" }, { "thing/number", 2 }, { "thing/number", 2LL } } do
      assert.equal(db:entid { "thing/key", "key 2" }, db:entid(ref))
    end
    for _, ref in ipairs { { "thing/key", "" }, { "thing/key", ("k"):rep(5000) }, { "thing/number", -7 }, { "thing/number", 2 ^ 53 } } do
      assert.is_nil(db:entid(ref))
    end
    for _, ref in ipairs { { "thing/key" }, { "thing/key", "key 2", 3 }, { "thing/key", "key 2", x = 1 }, { "thing/long", 1 },
      { "thing/key", 5 }, { "thing/number", 1.5 }, { "nothing/here", 1 }, { 1, 2 } } do
      local ok, e = pcall(db.entid, db, ref)
      local slow_ok, slow = pcall(function() return whole(db):entid(ref) end)
      assert.same({ slow_ok, slow_ok and slow or slow.code }, { ok, ok and e or e.code })
    end
  end)

  it("follow the schema", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { a = { x = { "string", unique = "identity" }, y = "long" } })
    conn:transact { { ["a/x"] = "1", ["a/y"] = 1 } }
    local before = conn:db()
    assert.equal(1, before:entity({ "a/x", "1" })["a/y"])
    assert.is_nil(before:entity({ "a/x", "1" })["a/z"])
    conn:transact { { ["db/id"] = ":a/y", ["db/ident"] = ":a/z", ["db/cardinality"] = ":db.cardinality/many" } }
    conn:transact { { "db/add", { "a/x", "1" }, "a/z", 2 } }
    assert.equal(1, before:entity({ "a/x", "1" })["a/y"])
    assert.same({ 1, 2 }, conn:db():entity({ "a/x", "1" })["a/z"])
    assert.same({ ["a/x"] = "1", ["a/z"] = { 1, 2 } }, conn:db():pull({ "a/x", "a/z" }, { "a/x", "1" }))
    assert.same({ ["a/x"] = "1", ["a/y"] = 1 }, before:pull({ "a/x", "a/y" }, { "a/x", "1" }))
  end)

  it("do not hide what entities have of their own", function()
    local conn = lion.connect "mem:"
    conn:transact { { ["db/ident"] = ":id", ["db/valueType"] = ":db.type/string", ["db/cardinality"] = ":db.cardinality/one",
      ["db/unique"] = ":db.unique/identity" } }
    conn:transact { { id = "me" } }
    local db = conn:db()
    local id = db:entid { "id", "me" }
    assert.same({ id = "me" }, db:pull({ "id" }, id))
    assert.equal(id, db:entity({ "id", "me" }).id)
    assert.equal("me", db:entity(id)[":id"])
    local e = db:entity(id)
    assert.equal("me", e[":id"])
    assert.is_nil(next(e))
  end)

  it("end with their connection", function()
    local conn = things(3)
    local db = conn:db()
    local e = db:entity { "thing/key", "key 2" }
    assert.equal("key 2", e["thing/key"])
    conn:close()
    assert.equal("key 2", e["thing/key"])
    for _, read in ipairs { function() return e["thing/number"] end, function() return db:entid { "thing/key", "key 2" } end,
      function() return db:pull({ "thing/key" }, e.id) end } do
      local ok, raised = pcall(read)
      assert.is_false(ok)
      assert.equal("lion/closed", raised.code)
    end
  end)

  it("outlive their database value in what was read", function()
    local path = os.tmpname()
    os.remove(path)
    local conn = lion.connect(path .. ".lion")
    conn:transact(lion.schema { a = { x = { "string", unique = "identity" }, y = "string" } })
    for i = 1, 200 do
      conn:transact { { ["a/x"] = "k" .. i % 20, ["a/y"] = "text " .. i } }
      if i % 40 == 0 then conn:request_index() end
      local e = conn:db():entity { "a/x", "k" .. i % 20 }
      local pulled = conn:db():pull({ "a/x", "a/y" }, { "a/x", "k" .. i % 20 })
      if i % 7 == 0 then collectgarbage() end
      assert.equal("text " .. i, e["a/y"])
      assert.same({ ["a/x"] = "k" .. i % 20, ["a/y"] = "text " .. i }, pulled)
    end
    conn:close()
    lion.delete(path .. ".lion")
  end)

  it("keeps leaves open that look-ups ask for again and again, as long as its root", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { thing = { key = { "long", unique = "identity" } } })
    local tx = {}
    for i = 1, 5000 do tx[i] = { ["thing/key"] = i } end
    conn:transact(tx)
    conn:request_index()
    assert.equal(0, conn:stats().kept_leaves)
    assert.equal(0, conn:stats().kept_bytes)
    local db = conn:db()
    for i = 1, 5000 do assert(db:entid { "thing/key", i }) end
    local stats = conn:stats()
    assert.is_true(stats.kept_leaves >= 1 and stats.kept_bytes > stats.kept_leaves)
    for i = 1, 5000 do assert(db:entid { "thing/key", i }) end
    assert.equal(stats.kept_leaves, conn:stats().kept_leaves)
    conn:transact { { ["thing/key"] = 5001 } }
    conn:request_index()
    assert.equal(0, conn:stats().kept_leaves)
    conn:close()
  end)
end)
