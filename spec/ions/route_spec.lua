local route = require "ions.route"

describe("A router", function()
  local router = route.new {
    { "GET", "/orders/:id", "one" },
    { "GET", "/orders/new", "new" },
    { "POST", "/orders", "make" },
    { "GET", "/files/*path", "file" },
  }

  it("finds a literal path", function() assert.equal("make", (router:find("POST", "/orders"))) end)

  it("names the segments of a path", function()
    local target, params = router:find("GET", "/orders/a%20b")
    assert.equal("one", target)
    assert.same({ id = "a b" }, params)
  end)

  it(
    "prefers the literal to the named, whatever the order",
    function() assert.equal("new", (router:find("GET", "/orders/new"))) end
  )

  it("gives the rest of a path to *name", function()
    local target, params = router:find("GET", "/files/a/b.txt")
    assert.equal("file", target)
    assert.same({ path = "a/b.txt" }, params)
  end)

  it("answers HEAD by GET", function() assert.equal("one", (router:find("HEAD", "/orders/7"))) end)

  it("tells the methods that a known path allows", function()
    local target, allowed = router:find("DELETE", "/orders/7")
    assert.is_nil(target)
    assert.same({ "GET" }, allowed)
  end)

  it("knows no other path", function()
    local target, allowed = router:find("GET", "/nowhere")
    assert.is_nil(target)
    assert.same({}, allowed)
  end)
end)

describe("A query string", function()
  it(
    "is a table of its names",
    function() assert.same({ a = "1 2", b = "x&y", c = "" }, route.parse_query "a=1+2&b=x%26y&c") end
  )
end)
