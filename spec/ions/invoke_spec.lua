-- Entry points that are called by name: from the command line, and by one another.
local application = require "spec.ions.application"
local program = require "spec.lua.program"

local MANIFEST = [==[
return {
  app = "shop",
  invoke = {
    total = "shop/total", same = "shop/same", outer = "shop/outer", slow = { "shop/slow", timeout = 50 },
    nested_slow = { "shop/nested_slow", timeout = 50 }, again = "shop/again", bad = "shop/bad",
    throws = "shop/throws", raises = "shop/raises", count = "shop/count", nothing = "shop/nothing",
    patient = "shop/patient",
  },
}
]==]

local SHOP = [==[
local ion = require "ion"
local shop, kept = {}, nil

function shop.total(order)
  local sum = 0
  for _, line in ipairs(order.lines) do sum = sum + line.price * line.count end
  return { order = order.id, total = sum }
end
function shop.same(x) return x end
function shop.nothing() end
function shop.outer(input)
  kept = { list = { 1 } }
  local result = ion.invoke("same", kept)
  result.list[1] = "changed"
  return { mine = kept.list[1], theirs = result.list[1], total = ion.invoke("total", input).total }
end
function shop.slow() while true do end end
function shop.nested_slow() ion.invoke "patient" end
function shop.patient() while true do end end
function shop.again(n) return n == 0 and 0 or ion.invoke("again", n - 1) end
function shop.throws() error "the function's own words" end
function shop.raises()
  error({ category = "not-found", code = "shop/no-order", message = "no order 7" }, 0)
end
function shop.count()
  ion.connect():transact { { ["db/doc"] = "counted" } }
  return ion.db():count("aevt", "db/doc") > 0
end

local bad = {}
function bad.f() return print end
function bad.f_within() return { a = { b = function() end } } end
function bad.thread() return coroutine.create(print) end
function bad.cycle() local t = {}; t.t = { t }; return t end
function bad.object() return setmetatable({}, { __index = {} }) end
function bad.db() return ion.db() end
function bad.conn() return { ion.connect() } end
function bad.key() return { [true] = 1 } end
function bad.deep() local t = {}; for _ = 1, 300 do t = { t } end; return t end
function bad.wide() local t = {}; for _ = 1, 100 do t = { t, t } end; return t end
function bad.hidden() return setmetatable({}, { __metatable = "no" }) end
function bad.input() return ion.invoke("same", print) end
function bad.unknown() return ion.invoke("totl", 1) end
function bad.no_name() return ion.invoke({}, 1) end
function shop.bad(name) return bad[name]() end
return shop
]==]

local FILES = { ["ion.lua"] = MANIFEST, ["shop.lua"] = SHOP }

describe("An entry point that is invoked", function()
  local shop

  setup(function() shop = application.new(FILES) end)
  teardown(function() shop:close() end)

  local function invoke(...) return shop.app:invoke(...) end
  local function failure(...)
    local ok, e = pcall(invoke, ...)
    assert.is_false(ok)
    return e
  end

  it("is given data and returns data", function()
    local order = { id = 7, lines = { { price = 2, count = 3 }, { price = 5, count = 1 } } }
    assert.same({ order = 7, total = 11 }, invoke("total", order))
    assert.is_nil(invoke "nothing")
  end)

  it("takes every kind of plain data, as a copy", function()
    local lion = require "lion"
    local data = { 1, "two", true, lion.null, { deep = { 3LL } }, lion.symbol "a/b", [10] = 0.5 }
    local copy = invoke("same", data)
    assert.same(data, copy)
    assert.is_false(data == copy or data[5] == copy[5])
    assert.is_true(invoke("same", lion.null) == lion.null)
    local twice = { 1 }
    assert.same({ { 1 }, { 1 } }, invoke("same", { twice, twice }))
    assert.equal('["a"]', require("lion.json").write(invoke("same", lion.set { "a" })))
  end)

  it("invokes others, and shares no table with them", function()
    local input = { id = 1, lines = { { price = 2, count = 2 } } }
    assert.same({ mine = 1, theirs = "changed", total = 4 }, invoke("outer", input))
  end)

  for _, case in ipairs {
    { "f", "the result of bad is not plain data: a function" },
    { "f_within", "a function" },
    { "thread", "a thread" },
    { "cycle", "a table that holds itself" },
    { "object", "an object (a table with a metatable)" },
    { "db", "a db" },
    { "conn", "a conn" },
    { "key", "a key that is a boolean" },
    { "deep", "deeper than 200 tables" },
    { "wide", "more than 1000000 items" },
    { "hidden", "a table with a hidden metatable" },
    { "input", "the input of same is not plain data: a function" },
  } do
    it("takes and returns nothing but data: " .. case[1], function()
      local e = failure("bad", case[1])
      assert.equal("lion/not-plain", e.code)
      assert.truthy(e.message:find(case[2], 1, true))
    end)
  end

  it("has a name", function()
    for name, expected in pairs { unknown = "no totl (did you mean total?)", no_name = "has no table: " } do
      local e = failure("bad", name)
      assert.same({ "not-found", "lion/no-entry-point" }, { e.category, e.code })
      assert.truthy(e.message:find(expected, 1, true))
    end
    assert.equal("lion/no-entry-point", failure("shop/total").code) -- the stable name, not the function's
  end)

  it("raises what its function raises", function()
    local e = failure "raises"
    assert.same({ "not-found", "shop/no-order" }, { e.category, e.code })
    e = failure "throws"
    assert.same({ "fault", "lion/handler-failed" }, { e.category, e.code })
    assert.truthy(e.message:find("shop.lua:%d+: the function's own words"))
  end)

  it("ends by its timeout, or by that of the call that it is part of", function()
    assert.truthy(failure("slow").message:find("the call ran past its deadline", 1, true))
    assert.truthy(failure("nested_slow").message:find("the call ran past its deadline", 1, true))
  end)

  it("may invoke itself, not for ever", function()
    assert.equal(0, invoke("again", 40))
    assert.equal("lion/nesting", failure("again", 60).code)
    assert.equal(0, invoke("again", 40))
  end)
end)

describe("lion invoke", function()
  local folder

  setup(function()
    folder = program.folder()
    for name, text in pairs(FILES) do
      program.write(folder .. "/" .. name, text)
    end
    os.execute("mkdir " .. folder .. "/broken " .. folder .. "/empty")
    program.write(folder .. "/broken/ion.lua", 'return { app = "broken", invok = {} }')
  end)
  teardown(function() program.remove(folder) end)

  for _, case in ipairs {
    { { "total", '{"id": 7, "lines": [{"price": 2, "count": 3}]}' }, 0, '{"order":7,"total":6}' },
    { { "same" }, 0, "null" },
    { { "same", "null" }, 0, "null" },
    { { "same", '["a", {"b": 1.5}]', "--dir", "." }, 0, '["a",{"b":1.5}]' },
    { { "same", "--", "-5" }, 0, "-5" },
    { { "same", "12345678901234567" }, 0, "12345678901234568" },
    { { "count" }, 0, "true" },
    { { "count", "--db", "mem:" }, 0, "true" },
    { { "same", "-" }, 0, '{"from":"input"}' },
    { { "throws" }, 1, "the function's own words" },
    { { "raises" }, 1, "no order 7" },
    { { "slow" }, 1, "the call ran past its deadline" },
    { { "bad", '"f"' }, 1, "not plain data: a function" },
    { { "total", "5" }, 1, "shop.lua" },
    { {}, 2, "a name is needed" },
    { { "same", "1", "2" }, 2, "a name is needed" },
    { { "same", "{" }, 2, "the input is no JSON" },
    { { "same", "" }, 2, "the input is no JSON" },
    { { "same", "--dirr", "x" }, 2, "did you mean --dir?" },
    { { "totl" }, 3, "the manifest's invoke has no totl (did you mean total?)" },
    { { "same", "--dir", "none" }, 3, "none/ion.lua" },
    { { "same", "--dir", "empty" }, 3, "empty/ion.lua" },
    { { "same", "--dir", "broken" }, 1, "unknown key invok (did you mean invoke?)" },
  } do
    local words, code, expected = { "invoke", unpack(case[1]) }, case[2], case[3]
    it(("ends with %d: lion %s"):format(code, table.concat(words, " ")), function()
      local result = program.run(folder, words, { input = '{"from": "input"}' })
      assert.equal(code, result.code)
      if code == 0 then
        assert.same({ expected .. "\n", "" }, { result.out, result.err })
      else
        assert.equal("", result.out)
        assert.truthy(result.err:find("^lion: "))
        assert.truthy(result.err:find(expected, 1, true))
      end
    end)
  end
end)
