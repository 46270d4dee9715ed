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
end)

describe("A function's name", function()
  it("is a module and a function", function()
    local module, name = manifest.split "shop.tx/transfer"
    assert.equal("shop.tx", module)
    assert.equal("transfer", name)
  end)
  it("is nothing else", function() assert.is_nil(manifest.split "transfer") end)
end)
