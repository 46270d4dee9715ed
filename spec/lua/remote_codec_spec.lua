--- Lua values as bytes between a connection to a node and its door.
local codec = require "lion.remote.codec"
local lion = require "lion"
local portable = require "lion.remote.portable"
local values = require "lion.values"

local function again(value) return codec.read(codec.write(value)) end

describe("The codec of remote connections", function()
  it("gives back what it was given, exactly", function()
    for _, value in ipairs { 1, -2.5, 2 ^ 60, 1 / 0, "text", ":key/word", "\0\255", true, false,
      9007199254740993LL, lion.null } do
      assert.equal(value, again(value))
    end
    assert.is_nil(again(nil))
    assert.equal(-1 / 0, 1 / again(-0.0))
    assert.same({ 1, { a = { "x", {} } } }, again { 1, { a = { "x", {} } } })
  end)

  it("keeps what says how a value is meant", function()
    assert.equal(lion.symbol "a/b", again(lion.symbol "a/b"))
    assert.equal("12.50", tostring(again(lion.decimal "12.50")))
    assert.equal(lion.decimal "12.5", again(lion.decimal "12.50"))
    assert.is_true(values.is_str(again(lion.str ":a")))
    assert.is_true(values.is_set(again(lion.set { 1, 2 })))
    assert.is_true(values.is_lookup(again(lion.lookup("a/b", 1))))
    assert.is_true(values.is_inst(again(values.inst(5))))
    assert.is_true(values.is_uuid(again(values.uuid_const(lion.uuid()))))
  end)

  it("keeps datoms", function()
    local conn = lion.connect "mem:"
    local datom = conn:db():datoms "eavt"()
    local copy = again(datom)
    assert.equal(tostring(datom), tostring(copy))
    assert.equal(datom.a, copy.a)
    conn:close()
  end)

  it("goes deeper than a buffer does", function()
    local root = {}
    local deepest = root
    for i = 1, 5000 do
      deepest[1], deepest.n = {}, i
      deepest = deepest[1]
    end
    deepest.is_end = true
    local copy, depth = again(root), 0
    while copy[1] do copy, depth = copy[1], depth + 1 end
    assert.equal(5000, depth)
    assert.is_true(copy.is_end)
  end)

  it("refuses what is no data, and says what to do", function()
    local ok, e = pcall(codec.write, { print })
    assert.is_false(ok)
    assert.equal("lion/unsupported", e.code)
    assert.is_truthy(e.message:find "name")
    ok, e = pcall(codec.write, { io.stdout })
    assert.is_false(ok)
    assert.equal("lion/syntax", e.code)
    assert.same({ 1 }, again { 1 }) -- nothing of it is left
  end)

  it("refuses bytes that are no value", function()
    local whole = codec.write { 1, { a = "text" } }
    for size = 0, #whole - 1 do
      local ok, e = pcall(codec.read, whole:sub(1, size))
      assert.is_false(ok)
      assert.equal("lion/syntax", e.code)
    end
    for _, bytes in ipairs { whole .. "x", "\255\255\255\255", ("\9"):rep(50) } do
      assert.is_false((pcall(codec.read, bytes)))
    end
    assert.same({ 1, { a = "text" } }, codec.read(whole))
  end)

  it("takes no harm from bytes that were changed", function()
    local list = { 1, -2.5, 9007199254740993LL, lion.symbol "a", lion.decimal "1.5" }
    local whole = codec.write { op = "q", list,
      { a = { b = { lion.set { ":c" }, lion.null, true } } } }
    math.randomseed(7)
    for _ = 1, 20000 do
      local at = math.random(#whole)
      local bytes = whole:sub(1, at - 1) .. string.char(math.random(0, 255)) .. whole:sub(at + 1)
      local ok, e = pcall(codec.read, bytes)
      assert.is_true(ok or e.code == "lion/syntax")
    end
  end)
end)

describe("What a program gives", function()
  it("is sent as it is where it can be", function()
    local tx = { { ["db/id"] = "a", ["person/name"] = "Ann" }, lion.set { 1 } }
    assert.equal(tx, portable(tx))
  end)

  it("is sent with the ids of entities, and left alone itself", function()
    local conn = lion.connect "mem:"
    local e = conn:db():entity(0)
    local tx = { { "db/add", e, "db/doc", lion.set { e } } }
    local sent = portable(tx)
    assert.equal(0, sent[1][2])
    assert.equal(0, sent[1][4][1])
    assert.is_true(values.is_set(sent[1][4]))
    assert.equal(e, tx[1][2])
    conn:close()
  end)

  it("is no embedded database", function()
    local conn = lion.connect "mem:"
    local ok, e = pcall(portable, { conn:db() })
    assert.is_false(ok)
    assert.equal("lion/unsupported", e.code)
    conn:close()
  end)
end)
