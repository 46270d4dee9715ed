--- The text of plain values is made by the core, that of others in Lua: it is the same.
local json = require "lion.json"
local lion = require "lion"

-- What is large is written in Lua; so is what stands beside it.
local LARGE = ("x"):rep(8192)

local function by_lua(value)
  local text = json.write { value, LARGE }
  return text:sub(2, -(#LARGE + 5))
end

local function check(expected, value)
  assert.equal(expected, json.write(value))
  assert.equal(expected, by_lua(value))
end

describe("JSON", function()
  it("has numbers that read back", function()
    check("0", 0)
    check("-0", -0.0)
    check("-7", -7)
    check("-99999999999999984", -99999999999999984)
    check("12345678901234568", 12345678901234568)
    check("9007199254740992", 2 ^ 53)
    check("99999999999999984", 99999999999999984)
    check("1e+17", 1e17)
    check("-1e+300", -1e300)
    check("0.1", 0.1)
    check("0.30000000000000004", 0.1 + 0.2)
    check("4.94065645841247e-324", 4.9406564584124654e-324)
    check("3.75", 3.75)
  end)

  it("refuses numbers that have no form", function()
    for _, x in ipairs { 1 / 0, -1 / 0, 0 / 0 } do
      assert.is_false((pcall(json.write, x)))
      assert.is_false((pcall(json.write, { a = { x } })))
    end
  end)

  it("escapes texts", function()
    check('""', "")
    check('"a/b äö"', "a/b äö")
    check([["\"\\\n\r\t\u0000\u001f\u007f"]], '"\\\n\r\t\0\31\127')
    check([[{"a\"b":1}]], { ['a"b'] = 1 })
  end)

  it("has keys in order of their bytes", function()
    check('{"":0,"B":1,"a":2,"a\\u0000":3,"aa":4,"ä":5}',
      { [""] = 0, B = 1, a = 2, ["a\0"] = 3, aa = 4, ["ä"] = 5 })
    check('{"1":"one","a":2}', { ["1"] = "one", a = 2 })
    local many, text = {}, {}
    for i = 10, 99 do many["k" .. i], text[#text + 1] = i, ('"k%d":%d'):format(i, i) end
    check("{" .. table.concat(text, ",") .. "}", many)
  end)

  it("has arrays, objects, truth and null", function()
    check("{}", {})
    check('[1,"two",[true,false],{},null]', { 1, "two", { true, false }, {}, lion.null })
    check('{"a":{"b":[{"c":null}]}}', { a = { b = { { c = lion.null } } } })
    check('{"1":1,"3":3}', { [1] = 1, [3] = 3 })
    assert.equal("null", json.write(nil))
    check("[]", lion.set {})
  end)

  it("is nested as deep as either way has it", function()
    local value, text = {}, "{}"
    for _ = 1, 100 do value, text = { value }, "[" .. text .. "]" end
    check(text, value)
    local endless = {}
    endless[1] = endless
    assert.is_false((pcall(json.write, endless)))
  end)

  it("has any size", function()
    for _, size in ipairs { 4093, 4094, 4095, 4096, 4097, 100000 } do
      assert.equal(size + 2, #json.write(("y"):rep(size)))
      assert.equal(size + 4, #json.write { ("y"):rep(size) })
    end
    local list = {}
    for i = 1, 3000 do list[i] = 1 end
    assert.equal("[" .. ("1,"):rep(2999) .. "1]", json.write(list))
  end)

  it("refuses what has no form", function()
    for _, x in ipairs { print, coroutine.create(print), io.stdout } do
      assert.is_false((pcall(json.write, { x })))
    end
    assert.is_false((pcall(json.write, { [true] = 1 })))
  end)
end)
