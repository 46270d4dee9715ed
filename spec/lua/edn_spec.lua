-- luacheck: max line length 170 (a query stands on one line)
local edn = require "lion.edn"
local values = require "lion.values"

local function refused(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_table(e)
  assert.equal("incorrect", e.category)
  assert.equal("lion/syntax", e.code)
  return e
end

describe("EDN text", function()
  for _, case in ipairs {
    { "42", 42 }, { "-7", -7 }, { "+5", 5 }, { "42N", 42 }, { "1.5e3", 1500 }, { "-0.25", -0.25 },
      { "true", true }, { "false", false },
    { '"a\\n\\"\\\\\\u00e9"', 'a\n"\\é' }, { '"\\\\u0041"', "\\u0041" },
      { '"\\ud83d\\ude00"', "😀" }, { '"\\nabc"', "\nabc" },
    { "\\a", "a" }, { "\\newline", "\n" }, { "\\u0041", "A" }, { "\\é", "é" }, { "\\(", "(" },
      { ":a/b", ":a/b" }, { ":a", ":a" },
    { '#inst "1970-01-02"', 86400000 }, { '#inst "1969-12-31T23:59:59.000-00:00"', -1000 },
    { '#base64 "AAH/eA=="', "\0\1\255x" }, { '#base64 ""', "" }, { '#base64 "TGlvbg"', "Lion" },
    { '#uuid "00000000-0000-0000-0000-00000000000F"', "00000000-0000-0000-0000-00000000000f" },
    { "##Inf", math.huge }, { "##-Inf", -math.huge }, { '#"a\\d+"', "a\\d+" }, { "^:meta 7", 7 },
      { "'x7", values.symbol "x7" },
    { "; all\n 5 ; of it", 5 }, { "#_ 1 #_ #_ 2 3 4", 4 }, { ",,1,,", 1 },
  } do
    it("reads " .. case[1], function() assert.equal(case[2], edn.read(case[1])) end)
  end

  it("nests: vectors and lists are arrays, keyword keys lose their colon", function()
    assert.same({ 1, { 2, { ["a/b"] = ":c", d = { 3 } } }, {} },
      edn.read "[1 (2 {:a/b :c, :d [3]}) ()]")
  end)

  it("gives a namespace to the keys of #:ns{…}, but for _/x and those that have one", function()
    assert.same({ ["p/a"] = 1, b = 2, ["q/c"] = 3 }, edn.read "#:p{:a 1 :_/b 2 :q/c 3}")
  end)

  it("has null, sets, symbols and decimals as values of their own", function()
    assert.equal(values.null, edn.read "nil")
    local set = edn.read "#{1 2}"
    assert.is_true(values.is_set(set))
    assert.equal(2, #set)
    for _, name in ipairs { "...", ".", "%", "$", "?x", "_", "a/b", "+", "-", "->x",
      "clojure.core/=" } do
      assert.equal(values.symbol(name), edn.read(name))
    end
    assert.equal("1.50", tostring(edn.read "1.50M"))
  end)

  it("keeps longs beyond 2^53 exact, and refuses those beyond 64 bits", function()
    assert.equal(9007199254740993LL, edn.read "9007199254740993")
    assert.equal(-9223372036854775807LL - 1, edn.read "-9223372036854775808")
    assert.equal(9223372036854775807LL, edn.read "9223372036854775807N")
    refused(edn.read, "9223372036854775808")
  end)

  it("is NaN where it says so", function()
    local nan = edn.read "##NaN"
    assert.is_true(nan ~= nan)
  end)

  for _, text in ipairs {
    "", "[", "]", "(]", "{:a}", "{:a 1", '"open', '#"open', "1 2", "1/2", "1x", "#unknown x",
      "\\notachar", '"\\q"', '"\\u12"', '"\\ud800"',
    "#:a 5", "#", ":", "::a", "#_", "#inst 5", '#inst "never"', '#uuid "x"', '#base64 "A"', '#base64 "A?=="',
    "##Neg", "{##NaN 1}",
      ("["):rep(100000), ("{:a "):rep(50000),
    ("["):rep(100000) .. ("]"):rep(100000), ("#_"):rep(100000), ("'"):rep(100000),
  } do
    it("refuses " .. text:sub(1, 30), function() refused(edn.read, text) end)
  end

  it("may nest a thousand deep", function()
    local form, depth = edn.read(("["):rep(1000) .. ("]"):rep(1000)), 1
    while form[1] do form, depth = form[1], depth + 1 end
    assert.equal(1000, depth)
  end)

  it("is refused with line and column", function()
    local e = refused(edn.read, "[1\n  2 #bad 3]")
    assert.same({ line = 2, column = 5 }, e.data)
    assert.is_truthy(tostring(e):find("line 2, column 5", 1, true))
  end)
end)

describe("EDN as transaction data", function()
  it("wraps a string that looks like a keyword", function()
    local tx = edn.read_tx '[[:db/add "e" :v/s ":not/keyword"] {:v/k :a/b}]'
    assert.is_true(values.is_str(tx[1][4]))
    assert.equal(":not/keyword", tx[1][4].text)
    assert.equal(":db/add", tx[1][1])
    assert.same({ ["v/k"] = ":a/b" }, tx[2])
  end)

  it("has the tempid of a number once, and a fresh one without", function()
    local tx = edn.read_tx "[#db/id[:db.part/user -1] #db/id[:db.part/user -1] #db/id[:db.part/user] #db/id[:db.part/user] #db/id[:db.part/tx]]"
    assert.equal(tx[1], tx[2])
    assert.are_not.equal(tx[3], tx[4])
    assert.are_not.equal(tx[1], tx[3])
    assert.equal("lion.tx", tx[5])
  end)

  it("is read form by form, with the line of each", function()
    local seen = {}
    for form, line in edn.forms "1\n; no form\n[2]\n\n3" do seen[#seen + 1] = { form, line } end
    assert.same({ { 1, 1 }, { { 2 }, 3 }, { 3, 5 } }, seen)
  end)
end)

describe("EDN nodes", function()
  it("know what they were and where they stood", function()
    local text = '[:find ?x "s"]'
    local node = edn.read_ast(text)
    assert.equal("vector", node.kind)
    assert.same({ "keyword", "symbol", "string" }, { node[1].kind, node[2].kind, node[3].kind })
    assert.equal("?x", text:sub(node[2].first, node[2].last))
    assert.equal('"s"', text:sub(node[3].first, node[3].last))
  end)
end)

describe("Written EDN", function()
  for _, text in ipairs {
    "nil", "true", "-42", "1.5", "9007199254740993", '"a\\n\\"\\\\"', ":a/b", "[1 [2] []]",
      "{:a/b :c, :d [3]}", "#{1 2}", "a/b", "1.50M",
    '{"Band Name" 1}', "##Inf", "0.1", "1e+300", '"\\u0000"',
  } do
    it("reads back: " .. text, function() assert.equal(text, edn.write(edn.read(text))) end)
  end

  it("marks instants and uuids that are wrapped", function()
    assert.equal('#inst "1970-01-01T00:00:00.000Z"', edn.write(values.inst(0)))
    assert.equal('#uuid "00000000-0000-0000-0000-00000000000f"',
      edn.write(values.uuid_const "00000000-0000-0000-0000-00000000000F"))
    assert.equal('#base64 "AAH/eA=="', edn.write(values.typed("bytes", "\0\1\255x")))
    assert.equal('":a"', edn.write(values.str ":a"))
  end)

  it("loses nothing of a table that is no array", function()
    assert.equal("{1 :a, :b 2}", edn.write { ":a", b = 2 })
    assert.equal("{1 1, 3 3}", edn.write { [1] = 1, [3] = 3 })
  end)

  it("has no form for functions, nor for a table within itself", function()
    refused(edn.write, print)
    local loop = {}
    loop[1] = loop
    refused(edn.write, loop)
  end)
end)
