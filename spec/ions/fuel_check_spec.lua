-- What is told of a program before it runs.
-- luacheck: max line length 140 (a program stands on one line)
local check = require "ions.fuel.check"
local environment = require "ions.fuel.environment"

local known = environment.names(environment.new { require = require, os = { time = os.time } })

local function has_module(name) return name == "shop.tx" or name == "ion" end

local function problems(...)
  local sources = {}
  for i, source in ipairs { ... } do sources[i] = { source, "@m" .. i .. ".lua" } end
  return check.text(check.sources(sources, { known = known, has_module = has_module }))
end

describe("The check of a program", function()
  it("has nothing to say of good code", function()
    assert.equal("", problems [[
      local shop = {}
      local count = 0
      function shop.f(a, ...) count = count + #a; return string.rep(a, 2), select("#", ...), _G.x, self end
      function shop:g() return self.x, ("x"):rep(3), table.concat {}, os.time(), require "shop.tx" end
      limit = 5
      self = limit
      goto on
      ::on::
      return shop
    ]])
  end)

  it("tells unknown globals, and what may have been meant", function()
    assert.equal("m1.lua:2: no global is called totsring (did you mean tostring?)\n"
      .. "m1.lua:3: no global is called frobnicate",
      problems "local x = 1\nx = totsring(x)\nreturn function() return frobnicate end")
  end)

  it("tells names that are not for programs, and why", function()
    assert.equal("m1.lua:1: io is not for programs: files and pipes are out of reach\n"
      .. "m1.lua:2: debug is not for programs: the host makes the tracebacks", problems "io.write 'x'\nreturn debug.traceback()")
  end)

  it("tells members that a library does not have", function()
    assert.equal("m1.lua:1: string has no fnd (did you mean find?)\nm1.lua:2: os has no execute",
      problems "local a = string.fnd('a', 'b')\nos.execute 'rm'")
    assert.equal("m1.lua:1: string has no dump", problems "return string.dump")
  end)

  it("takes what another module defines", function()
    assert.equal("", problems("shared = 1 string.twice = function(s) return s .. s end", "return shared, string.twice 'a'"))
  end)

  it("tells globals that are written after loading", function()
    assert.equal("m1.lua:2: the global total is written in a function: globals are frozen once the program is"
      .. " loaded; make it a local of its module\nm1.lua:3: the global helper is written in a function: globals"
      .. " are frozen once the program is loaded; make it a local of its module",
      problems "return function()\n  total = 1\n  function helper() end\nend")
  end)

  it("tells modules that are not there", function()
    assert.equal("m1.lua:1: no module is called shop.txx\n"
      .. "m1.lua:2: no module is called ffi (C is out of reach)",
      problems "local tx = require 'shop.txx'\nlocal ffi = require [[ffi]]\nreturn require(tx)")
  end)

  it("tells everything at once, of all files, by line", function()
    assert.equal("m1.lua:1: no global is called aa\nm1.lua:3: no global is called bb\n"
      .. "m2.lua:1: '=' expected near 'is'\nm3.lua:1: no global is called cc",
      problems("x = aa\n\ny = bb", "this is no Lua", "z = cc"))
  end)

  it("gives problems as data", function()
    local list = check.sources({ { "return nope", "@m.lua" } }, { known = known })
    assert.same({ { file = "m.lua", line = 1, code = "lion/unknown-name", message = "no global is called nope" } }, list)
  end)

  it("knows locals from globals as Lua does", function()
    assert.equal("m1.lua:1: no global is called x", problems "local x = x\nreturn x")
    assert.equal("m1.lua:1: no global is called f", problems "local f = function() return f() end")
    assert.equal("", problems "local function f() return f() end return f")
    assert.equal("m1.lua:1: no global is called i", problems "for i = 1, 2 do end return i")
    assert.equal("", problems "repeat local done = true until done")
    assert.equal("m1.lua:1: no global is called done", problems "while done do local done = true end")
    assert.equal("m1.lua:1: no global is called b", problems "local t = { b = b, ['c'] = 1 } return t.b")
  end)
end)

describe("The check of an entry point", function()
  local function entry(source, name) return check.text(check.entry(source, "@shop/tx.lua", name)) end

  it("finds functions, however they are put in", function()
    for _, source in ipairs {
      "local tx = {} function tx.pay() end return tx", "local tx = {} tx.pay = function() end return tx",
      "local tx = { pay = function() end } return tx", "return { pay = function() end }",
      "local tx = {} if true then function tx.pay() end end return tx", "local tx = {} tx.pay = require 'x' return tx",
    } do
      assert.equal("", entry(source, "pay"))
    end
  end)

  it("tells a function that is not there", function()
    assert.equal("shop/tx.lua:2: the module has no function payy (did you mean pay?)",
      entry("local tx = {} function tx.pay() end\nreturn tx", "payy"))
    assert.equal("shop/tx.lua:1: the module has no function pay", entry("return { buy = 1 }", "pay"))
    assert.equal("shop/tx.lua:1: the module returns nothing, so it has no function pay", entry("local tx = {}", "pay"))
  end)

  it("is silent where only running could tell", function()
    for _, source in ipairs {
      "return require 'shop.other'", "local tx = setmetatable({}, mt) return tx", "local tx = {} mixin(tx) return tx",
      "local tx = {} for k in pairs(x) do tx[k] = 1 end return tx", "local tx = make() return tx",
    } do
      assert.equal("", entry(source, "pay"))
    end
  end)
end)

describe("The check of a function of transactions", function()
  local function transaction(source) return check.text(check.transaction(source, "@shop/tx.lua", "pay")) end

  it("has nothing to say of one that uses its arguments", function()
    assert.equal("", transaction [==[
      local lion, ion = require "lion", require "ion"
      local tx = {}
      local function fee(n) return n * 0.01 end
      function tx.pay(db, from, n)
        if db:q("[:find ?x . :in $ ?f :where [?f :account/balance ?x]]", from) < n then error "too little" end
        return { { "db/add", from, "account/fee", fee(n) }, { "db/add", from, "x", lion.decimal "1" }, ion.param "y" }
      end
      function tx.report() print(ion.now()) end
      return tx
    ]==])
  end)

  it("tells what reaches outside, in what it calls too", function()
    assert.equal("shop/tx.lua:3: print in pay, which transactions may call: it may use its database and its arguments only\n"
      .. "shop/tx.lua:4: ion.now in pay, which transactions may call: it may use its database and its arguments only\n"
      .. "shop/tx.lua:6: ion.connect in pay, which transactions may call: it may use its database and its arguments only\n"
      .. "shop/tx.lua:7: math.random in pay, which transactions may call: it may use its database and its arguments only",
      transaction [[
local ion = require "ion"
local tx = {}
local function log(x) print(x) end
function tx.stamp() return ion.now() end
function tx.pay(db)
  log(ion.connect "other")
  return tx.stamp() + math.random()
end
return tx
]])
  end)

  it("knows what of the library is the same for the same arguments", function()
    assert.equal("shop/tx.lua:4: ion.time.now in pay, which transactions may call: it may use its database and its"
      .. " arguments only\nshop/tx.lua:5: ion.uuid.new in pay, which transactions may call: it may use its database"
      .. " and its arguments only", transaction [[
local time, uuid, hash = require "ion.time", require "ion.uuid", require "ion.hash"
local tx = {}
function tx.pay(db, at, id)
  local late = time.add(time.parse(at), { days = 14 }) < time.now()
  return { { "db/add", uuid.parse(id), "x", hash.sha256(id) }, late, uuid.new() }
end
return tx
]])
  end)
end)
