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

  for _, case in ipairs {
    { {}, "app is missing" },
    { { app = "shop", htpp = {} }, "unknown key htpp" },
    { { app = "shop", http = { { "FETCH", "/x", "a/b" } } }, "FETCH is no method" },
    { { app = "shop", http = { { "GET", "x", "a/b" } } }, "a path begins with /" },
    { { app = "shop", allow = { "transfer" } }, "transfer is no function name" },
    { "text", "the manifest returns no table" },
    { { app = "shop", htpp = {} }, "did you mean http?" },
    { { app = "shop", allow = { "a/b", "a/b" } }, "allow: a/b stands there twice" },
    { { app = "shop", events = { { on = "tick", fn = "a/b" } } }, "events, event 1: an event is" },
    { { app = "shop", events = { { on = "tx", fn = "a/b" } } }, 'an event on "tx" has attr = a string' },
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
