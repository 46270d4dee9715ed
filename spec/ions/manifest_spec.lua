local manifest = require "ions.manifest"

describe("A manifest", function()
  it(
    "is sound with an app and what it routes",
    function()
      assert.same(
        {},
        manifest.problems {
          app = "shop",
          http = { { "GET", "/orders/:id", "shop.web/order" } },
          allow = { "shop.tx/transfer" },
        }
      )
    end
  )

  it("takes methods in an array or all, settings, files, one function for everything", function()
    assert.same(
      {},
      manifest.problems {
        app = "shop",
        http = {
          { { "GET", "POST" }, "/orders/:id", "shop.web/order", timeout = 2000, queue = 100 },
          { "*", "/orders/:other", "shop.web/other" },
          { "GET", "/*rest", "shop.web/rest" },
        },
        static = { ["/assets"] = "public", ["/"] = { "site/www", max_age = 60 } },
        invoke = { total = "shop.api/total", ["slow.one"] = { "shop.api/slow", timeout = 60000 } },
      }
    )
    assert.same({}, manifest.problems { app = "shop", http = "shop.web/all" })
    assert.same({}, manifest.problems { app = "shop", http = { "shop.web/all", timeout = 100 } })
    assert.same({}, manifest.problems { app = "shop", http = {} })
  end)

  it("that came as JSON is as it was written", function()
    local written = {
      app = "shop",
      http = { { "GET", "/", "shop.web/home", timeout = 300 }, { { "PUT", "POST" }, "/a", "shop.web/a" } },
      static = { ["/files"] = { "files", max_age = 60 } },
      invoke = { total = { "shop.api/total", timeout = 10 } },
    }
    local json = require "lion.json"
    assert.same(written, manifest.from_json(json.read(json.write(written))))
    assert.same({ params = { ["1"] = "one" } }, manifest.from_json { params = { ["1"] = "one" } })
    assert.equal(7, manifest.from_json(7))
  end)

  for _, case in ipairs {
    { {}, "app is missing" },
    { { app = "shop", htpp = {} }, "unknown key htpp (did you mean http?)" },
    { { app = "shop", colors = {} }, "unknown key colors (known: app, deps" },
    { { app = "shop", http = { { "FETCH", "/x", "a/b" } } }, "FETCH is no method" },
    { { app = "shop", http = { { "GET", "x", "a/b" } } }, "a path begins with /" },
    { { app = "shop", allow = { "transfer" } }, "transfer is no function name" },
    { { app = "shop", http = { { "get", "/x", "a/b" } } }, "get is no method (did you mean GET?)" },
    { { app = "shop", http = { { {}, "/x", "a/b" } } }, "a method is" },
    { { app = "shop", http = { { true, "/x", "a/b" } } }, "a method is" },
    { { app = "shop", http = { { "GET", "/x" } } }, "route 1: a route is {" },
    { { app = "shop", http = { { "GET", "/:a/:a", "a/b" } } }, "two segments are named a" },
    { { app = "shop", http = { { "GET", "/x", "ab" } } }, "ab is no function name" },
    { { app = "shop", http = { { "GET", "/x", "a/b", timeoutt = 1 } } }, "did you mean timeout?" },
    { { app = "shop", http = { { "GET", "/x", "a/b", queue = -1 } } }, "route 1: queue is a whole number" },
    {
      { app = "shop", http = { { "GET", "/:a", "a/b" }, { { "PUT", "GET" }, "/:b/", "a/c" } } },
      "http, route 2 answers the same requests as http, route 1",
    },
    { { app = "shop", http = { "a/b", timeoutt = 1 } }, "http: unknown setting timeoutt (did you mean" },
    { { app = "shop", http = { "a/b", "a/c" } }, "http: a function is" },
    { { app = "shop", http = "ab" }, "http: ab is no function name" },
    { { app = "shop", http = 5 }, "http is a function name or an array" },
    { { app = "shop", http = { home = { "GET", "/", "a/b" } } }, "http is an array of routes" },
    { { app = "shop", invoke = { total = "total" } }, "invoke, total: total is no function name" },
    { { app = "shop", invoke = { "a/b" } }, "invoke, 1: a name is of letters" },
    { { app = "shop", invoke = { total = { "a/b", timeoutt = 1 } } }, "did you mean timeout?" },
    { { app = "shop", invoke = { total = {} } }, "invoke, total: a function is" },
    { { app = "shop", invoke = "a/b" }, "invoke is a table" },
    { { app = "shop", static = "public" }, 'static is a table of ["/path"] = "folder"' },
    { { app = "shop", static = { "public" } }, "static is a table" },
    { { app = "shop", static = { assets = "public" } }, "static, assets: a path begins with /" },
    { { app = "shop", static = { ["/a/:b"] = "public" } }, "has no named segments" },
    { { app = "shop", static = { ["/a"] = "/etc" } }, "/etc is no folder below the application's" },
    { { app = "shop", static = { ["/a"] = "a/../.." } }, "is no folder below" },
    { { app = "shop", static = { ["/a"] = "a\0b" } }, "is no folder below" },
    { { app = "shop", static = { ["/a"] = true } }, "true is no folder below" },
    { { app = "shop", static = { ["/a"] = { "p", max_aeg = 1 } } }, "did you mean max_age?" },
    { { app = "shop", static = { ["/a"] = { "p", max_age = -1 } } }, "max_age is a whole number of seconds" },
    { "text", "the manifest returns no table" },
    { { app = "shop", htpp = {} }, "did you mean http?" },
    { { app = "shop", allow = { "a/b", "a/b" } }, "allow: a/b stands there twice" },
    { { app = "shop", events = { { on = "tick", fn = "a/b" } } }, "events, event 1: an event is" },
    { { app = "shop", events = { { on = "tx", fn = "a/b" } } }, "has attr, a query, or both" },
    { { app = "shop", events = { { on = "tx", fn = "a/b", attr = "x" } } }, "attr is an attribute's name" },
    { { app = "shop", events = { { on = "tx", fn = "a/b", attr = "a/b", db = "system" } } },
      "db is not system" },
    { { app = "shop", events = { { on = "tx", fn = "a/b", attr = "a/b", retries = -1 } } },
      "retries is a whole number from 0 to 1000" },
    { { app = "shop", events = { { on = "cron", fn = "a/b" } } }, 'an event on "cron" has at' },
    { { app = "shop", events = { { on = "cron", at = "61 * * * *", fn = "a/b" } } }, "at: " },
    { { app = "shop", events = { { on = "cron", at = "@daily", name = "a b", fn = "a/b" } } },
      "name is a name of" },
    { { app = "shop", events = { { on = "cron", at = "@daily", fn = "a/b" },
      { on = "cron", at = "@hourly", fn = "a/b" } } }, "event 2 is named as event 1 is, a/b" },
    { { app = "shop", events = { { on = "cron", att = "x", at = "*", fn = "a/b" } } }, "did you mean at?" },
    { { app = "shop", events = { { on = "dir", path = "in", fn = "b" } } }, "fn = b is no function name" },
    { { app = "shop", params = 1 }, "params is a table" },
    { { app = "shop", params = { f = print } }, "params holds a function: a manifest is plain data" },
    { { app = "shop", deps = { a = "../a" } }, "deps: a is { path =" },
    { { app = "shop", deps = { a = {} } }, "deps: a is either" },
    { { app = "shop", deps = { a = { path = "a", git = "b", rev = "abcd" } } }, "deps: a is either" },
    { { app = "shop", deps = { a = { path = "a", rev = "abcd" } } }, "rev and dir go with git" },
    { { app = "shop", deps = { a = { git = "b" } } }, "deps: a: rev is the id of a commit" },
    { { app = "shop", deps = { a = { git = "b", rev = "main" } } }, "deps: a: rev is the id of a commit" },
    { { app = "shop", deps = { a = { git = "b", rev = 1234 } } }, "deps: a: rev is a string" },
    { { app = "shop", deps = { a = { pth = "b" } } }, "did you mean path?" },
    { { app = "shop", deps = { ["a.b"] = { path = "b" } } }, "a.b is no name for a module" },
    { { app = "shop", deps = { lion = { path = "b" } } }, "lion is a module of Lion's own" },
  } do
    local value, expected = case[1], case[2]
    it(
      "says: " .. expected,
      function() assert.truthy(table.concat(manifest.problems(value), "; "):find(expected, 1, true)) end
    )
  end

  it(
    "tells all that is wrong at once",
    function() assert.equal(3, #manifest.problems { a = 1, b = 2 }) end
  )

  it("tells where each fault lies", function()
    local faults = manifest.faults { app = "shop", allow = { "a/b", "c" }, events = { {} },
      http = { { "GET", "/", "a/b" }, { "GET", "x", "a/b" } } }
    assert.same({ "allow", 2 }, faults[1].path)
    assert.same({ "http", 2 }, faults[2].path)
    assert.same({ "events", 1 }, faults[3].path)
  end)

  it("holds no part of itself", function()
    local value = { app = "shop", params = {} }
    value.params.self = value.params
    assert.same({ "params holds itself" }, manifest.problems(value))
  end)

  it("is read as plain data, without globals and without end", function()
    assert.same({ app = "shop" }, manifest.parse('return { app = "shop" }', "@ion.lua"))
    for text, expected in pairs {
      ["return {"] = "ion.lua:1: ",
      ["\nreturn { app = os.getenv 'HOME' }"] = "ion.lua:2: attempt to index global 'os'",
      ["while true do end"] = "ion.lua:1: the call took more than",
      ["error({})"] = "sees no globals",
    } do
      local value, message = manifest.parse(text, "@ion.lua")
      assert.is_nil(value)
      assert.truthy(message:find(expected, 1, true), message)
    end
  end)
end)

describe("A function's name", function()
  it("is a module and a function", function()
    local module, name = manifest.split "shop.tx/transfer"
    assert.equal("shop.tx", module)
    assert.equal("transfer", name)
  end)
  it("is nothing else", function() assert.is_nil(manifest.split "transfer") end)
end)
