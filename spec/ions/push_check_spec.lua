-- What is told of a revision before it is stored: all that is wrong, each with its file and line.
-- luacheck: max line length 130 (a problem stands on one line)
local app = require "ions.app"
local check = require "ions.push.check"

local function list_of(files)
  local list = {}
  for path, content in pairs(files) do list[#list + 1] = { path = path, content = content } end
  return list
end

local function problems(files, dependencies, steps)
  return check.text(check.problems { files = list_of(files), deps = dependencies, steps = steps })
end

-- A dependency of these files, as deps.resolve gives it.
local function dependency(name, files, manifest)
  return { name = name, files = list_of(files), manifest = manifest, chain = { "shop", name } }
end

local GOOD = [[
local lion = require "lion"
local tx = {}
local function twice(n) return n * 2 end
function tx.transfer(db, n) return { { "db/add", "x", "a/b", twice(n) }, lion.null } end
return tx
]]

describe("The check of a revision", function()
  it("has nothing to say of a good one", function()
    assert.equal("", problems {
      ["ion.lua"] = [[
        return { app = "shop", allow = { "shop.tx/transfer" }, http = { { "GET", "/", "shop.web/home" } },
          invoke = { total = "shop.web/home" }, checks = { "shop.web/home" },
          events = { { on = "cron", at = "* * * * *", fn = "shop.web/home" } }, params = { limit = 3 } }
      ]],
      ["shop/tx.lua"] = GOOD,
      ["shop/web.lua"] = [[
        local ion, tx = require "ion", require("shop.tx")
        local limit, started = ion.param "limit", os.time()
        assert(limit == 3 and ion.app() == "shop" and ion.env() == "push" and started > 0)
        return { home = function() return tx.transfer(ion.db(), limit) end }
      ]],
      ["spec/web_spec.lua"] = "describe 'what only the specs load'",
      ["data/broken.lua"] = "this is no Lua",
      ["logo.png"] = "\137PNG",
    })
  end)

  it("has nothing to say of the example", function()
    local files, pipe = {}, assert(io.popen "cd examples/packages && find . -type f -name '*.lua'")
    for path in pipe:lines() do
      local file = assert(io.open("examples/packages/" .. path))
      files[path:sub(3)] = file:read "*a"
      file:close()
    end
    pipe:close()
    assert.truthy(files["ion.lua"])
    assert.equal("", problems(files))
  end)

  it("tells everything at once, by file and line", function()
    assert.equal("ion.lua:2: unknown key htpp (did you mean http?)\n"
      .. "ion.lua:4: shop.tx/transfr: module shop.tx has no function transfr (did you mean transfer?)\n"
      .. "ion.lua:5: shop.wbe/home: there is no module shop.wbe, the revision has no file shop/wbe.lua"
      .. " (did you mean shop.web?)\n"
      .. "shop/bad.lua:2: '=' expected near 'is'\n"
      .. "shop/web.lua:2: no global is called totsring (did you mean tostring?)",
      problems {
        ["ion.lua"] = 'return { app = "shop",\n htpp = {},\n invoke = {\n  a = "shop.tx/transfr",\n'
          .. '  ["b"] = "shop.wbe/home", c = "shop.web/home", d = "shop.bad/x" } }',
        ["shop/tx.lua"] = GOOD,
        ["shop/web.lua"] = "return { home = function()\n return totsring(1) end }",
        ["shop/bad.lua"] = "local x = 1\nthis is no Lua",
      })
  end)

  describe("of the manifest", function()
    local function of(text) return problems { ["ion.lua"] = text } end

    it("wants one", function()
      assert.equal("ion.lua:1: there is none: an application is a folder with an ion.lua, and git has to know it",
        problems { ["web.lua"] = "return {}" })
    end)

    it("tells the line on which it does not load", function()
      assert.truthy(of("return {\n app = ,\n}"):find "^ion.lua:2: unexpected symbol near ','")
      assert.truthy(of("\nreturn { app = os.getenv 'HOME' }"):find "^ion.lua:2: attempt to index global 'os'")
      assert.truthy(of("\n\nwhile true do end"):find "^ion.lua:3: the call took more than")
      assert.truthy(of("return { app = \27LJ }"):find "^ion.lua:1: ")
      assert.equal("ion.lua:1: the manifest returns no table", of "return 42")
      assert.equal("ion.lua:1: the manifest returns no table", of "")
      assert.truthy(of("\27LJ\2\0"):find "^ion.lua:1: ")
    end)

    it("tells the line of what is wrong in it, held by a local too", function()
      assert.equal("ion.lua:4: allow: transfer is no function name (\"module/function\")\n"
        .. "ion.lua:6: events, event 1: unknown key att (did you mean at?)",
        of('local m = {\n app = "shop",\n allow = {\n  "transfer",\n },\n events = { { on = "cron", at = "@daily", '
          .. 'att = 1, fn = "a/b" } },\n}\nreturn m'):gsub("\n[^\n]*there is no module[^\n]*", ""))
    end)

    it("tells the line of a route", function()
      assert.equal("ion.lua:3: http, route 2: x: a path begins with /",
        (of 'return { app = "shop", http = {\n { "GET", "/", "a/b" },\n { "GET", "x", "a/b" } } }'
          :gsub("\n?[^\n]*there is no module[^\n]*\n?", "")))
    end)

    it("takes the line of the whole where no more can be known", function()
      assert.truthy(of("local t = {}\nt.app = 1\nreturn t"):find "^ion.lua:1: app is the application's name")
    end)
  end)

  describe("of modules", function()
    local function of(text, steps, more)
      local files = more or {}
      files["ion.lua"], files["m.lua"] = 'return { app = "m", invoke = { f = "m/f" } }', text
      return problems(files, {}, steps)
    end

    it("tells where one throws as it is loaded", function()
      assert.equal("m.lua:3: no luck", of "local x\n\nerror 'no luck'\nreturn {}")
      assert.equal("m.lua:2: attempt to index local 'x' (a nil value)", of "local x\nx.y = 1\nreturn {}")
      assert.equal("m.lua:1: it raised a boolean", of "error(false)")
    end)

    it("tells where in another that it requires", function()
      assert.equal("a/b.lua:2: no luck",
        of("return { f = require('a.b') }", nil, { ["a/b.lua"] = "\nerror 'no luck'" }))
    end)

    it("tells the place in a file of a long name", function()
      local name = ("long/"):rep(30) .. "name"
      assert.equal(name .. ".lua:2: no luck",
        of("return { f = require '" .. name:gsub("/", ".") .. "' }", nil, { [name .. ".lua"] = "\nerror 'no luck'" }))
    end)

    it("stops one that loads for ever, which no pcall helps", function()
      assert.truthy(of("local i = 0\nwhile true do i = i + 1 end", 10000):find "^m.lua:2: the call took more than")
      assert.truthy(of("while true do pcall(error, 1) end", 10000):find "^m.lua:1: the call took more than")
      assert.truthy(of("return { f = ('x'):rep(1e9):find(('x?'):rep(40)) }", 10000):find "^m.lua:1: ")
    end)

    it("tells what requires itself, and what is not there", function()
      assert.equal("a.lua:1: module m requires itself", of("return require 'a'", nil, { ["a.lua"] = "return require 'm'" }))
      assert.equal("m.lua:1: no module is called nowhere", of "local x = require 'nowhere'\nreturn { f = x }")
    end)

    it("looks into what is required later only", function()
      assert.equal("a.lua:1: unexpected symbol near '}'",
        of("return { f = function() return require 'a' end }", nil, { ["a.lua"] = "}" }))
      assert.equal("m.lua:1: no module is called nowhere", of "return { f = function() require 'nowhere' end }")
    end)

    it("has no database for what asks for it as it is loaded", function()
      assert.truthy(of("local ion = require 'ion'\nlocal db = ion.db()\nreturn { f = db }")
        :find "^m.lua:2: there is no database while a revision is checked")
      assert.is_nil(app.current)
    end)

    it("gives nothing that reaches outside", function()
      assert.equal("m.lua:1: io is not for programs: files and pipes are out of reach",
        of "local f = io.open('x', 'w')\nreturn { f = f }")
      assert.equal("m.lua:1: no module is called ffi (C is out of reach)", of "local ffi = require 'ffi'\nreturn { f = ffi }")
      assert.truthy(of("\27LJ\2\0"):find "^m.lua:1: ")
    end)

    it("leaves ours as they are", function()
      of "string.upper = nil\ntable.shop = 1\nreturn { f = function() end }"
      assert.equal("A", ("a"):upper())
      assert.is_nil(rawget(table, "shop"))
      assert.is_nil(package.loaded.m)
    end)

    it("goes on where a program goes on without a module", function()
      assert.equal("", of "local ok = pcall(require, 'no' .. 'where')\nreturn { f = function() return ok end }")
    end)
  end)

  describe("of functions", function()
    local function of(manifest, files)
      files = files or { ["m.lua"] = "return { f = function() end, n = 1 }" }
      files["ion.lua"] = manifest
      return problems(files)
    end

    for what, entry in pairs {
      allow = 'allow = { "m/g" }', checks = 'checks = { "m/g" }', invoke = 'invoke = { x = "m/g" }',
      ["an event"] = 'events = { { on = "tx", attr = "a/b", fn = "m/g" } }',
      ["a route"] = 'http = { { "GET", "/", "m/g" } }', ["http as a whole"] = 'http = "m/g"',
    } do
      it("wants each that is named in " .. what, function()
        assert.equal("ion.lua:2: m/g: module m has no function g (did you mean f?)",
          of('return { app = "m",\n' .. entry .. " }"))
      end)
    end

    it("takes no other value for one", function()
      assert.equal("ion.lua:1: m/n: module m has no function n (did you mean f?)",
        of 'return { app = "m", invoke = { x = "m/n" } }')
      assert.equal("ion.lua:1: m/f: module m returns no table",
        of('return { app = "m", invoke = { x = "m/f" } }', { ["m.lua"] = "return 1" }))
    end)

    it("takes none of Lion's own", function()
      assert.equal("ion.lua:1: ion/db: ion is Lion's own module", of 'return { app = "m", invoke = { x = "ion/db" } }')
    end)

    it("takes none that collides with the database's", function()
      assert.equal("ion.lua:1: allow: db/add collides with the database's own functions: name the module otherwise",
        of('return { app = "m", allow = { "db/add" } }', { ["db.lua"] = "return { add = function() end }" }))
      assert.truthy(of('return { app = "m", allow = { "clojure.string/trim" } }',
        { ["clojure/string.lua"] = "return { trim = function() end }" }):find "collides")
    end)

    it("takes none twice", function()
      assert.equal("ion.lua:2: allow: m/f stands there twice", of 'return { app = "m", allow = { "m/f",\n"m/f" } }')
    end)

    it("takes none into transactions that reaches outside", function()
      assert.truthy(of('return { app = "m", allow = { "m/f" } }', {
        ["m.lua"] = "local ion = require 'ion'\nlocal m = {}\nfunction m.f(db)\n return ion.now() end\nreturn m",
      }):find "^m.lua:4: ion.now in ")
    end)

    it("takes into transactions what cancels them, asks their database, reads and writes text", function()
      assert.equal("", of('return { app = "m", allow = { "m/f" } }', { ["m.lua"] = [==[
        local lion = require "lion"
        local m = {}
        function m.f(db, text)
          if lion.q("[:find ?e . :where [?e :a/b]]", db) then lion.cancel { message = text } end
          return lion.json.read(text)
        end
        return m
      ]==] }))
    end)
  end)

  describe("of dependencies", function()
    local MANIFEST = 'return { app = "shop",\n deps = {\n  money = { path = "../money" } },\n'
      .. ' invoke = { f = "shop/f" } }'

    it("finds their modules, and what these require of one another", function()
      assert.equal("", problems({
        ["ion.lua"] = MANIFEST, ["shop.lua"] = "return { f = require('money.core').f }",
      }, { dependency("money", { ["money/core.lua"] = "return require 'money.part'",
        ["money/part.lua"] = "return { f = function() end }" }) }))
    end)

    it("tells what is wrong in them", function()
      assert.equal("money/core.lua:1: no luck", problems({
        ["ion.lua"] = MANIFEST, ["shop.lua"] = "return { f = require 'money.core' }",
      }, { dependency("money", { ["money/core.lua"] = "error 'no luck'" }) }))
    end)

    it("wants the functions that theirs allow", function()
      assert.equal("money/ion.lua:2: money.tx/pay: there is no module money.tx, the revision has no file money/tx.lua",
        problems({ ["ion.lua"] = MANIFEST, ["shop.lua"] = "return { f = function() end }" }, {
          dependency("money", { ["money/ion.lua"] = 'return { app = "money",\n allow = { "money.tx/pay" } }' },
            { app = "money", allow = { "money.tx/pay" } }),
        }))
    end)

    it("tells what of the application is in their way", function()
      assert.equal("ion.lua:3: deps: money/mine.lua belongs to the dependency money: move it, or call that otherwise",
        problems({
          ["ion.lua"] = MANIFEST, ["shop.lua"] = "return { f = function() end }", ["money/mine.lua"] = "return 1",
        }, { dependency("money", { ["money/core.lua"] = "return 1" }) }))
    end)

    it("looks no further where they could not be found", function()
      assert.equal("ion.lua:3: deps: money: unknown key pth (did you mean path?)\n"
        .. "ion.lua:3: deps: money is either { path = \"../folder\" } or { git = URL, rev = COMMIT }",
        problems { ["ion.lua"] = MANIFEST:gsub("path", "pth"), ["shop.lua"] = "return require 'money.core'" })
    end)
  end)
end)
