local route = require "ions.route"

describe("A router", function()
  local router = route.new {
    { "GET", "/", "home" },
    { "GET", "/orders/:id", "one" },
    { "GET", "/orders/new", "new" },
    { "POST", "/orders", "make" },
    { { "PUT", "PATCH" }, "/orders/:order/lines/:line", "line" },
    { "DELETE", "/orders/:other", "drop" },
    { "GET", "/files/*path", "file" },
    { "GET", "/files/index", "index" },
    { "*", "/any/:name", "any" },
    { "GET", "/any/:thing", "get" },
    { "HEAD", "/heads", "head" },
    { "GET", "/heads", "get" },
    { "GET", "/café", "coffee" },
  }

  for _, case in ipairs {
    { "GET", "/", "home", {} },
    { "POST", "/orders", "make", {} },
    { "POST", "/orders/", "make", {} },
    { "GET", "/orders/7", "one", { id = "7" } },
    { "GET", "/orders/a%20b", "one", { id = "a b" } },
    { "GET", "/orders/a%2Fb", "one", { id = "a/b" } },
    { "GET", "/orders/new", "new", {} },
    { "GET", "/orders/n%65w", "new", {} },
    { "DELETE", "/orders/new", "drop", { other = "new" } },
    { "PUT", "/orders/7/lines/2", "line", { order = "7", line = "2" } },
    { "PATCH", "/orders/7/lines/2", "line", { order = "7", line = "2" } },
    { "GET", "/files/a/b.txt", "file", { path = "a/b.txt" } },
    { "GET", "/files", "file", { path = "" } },
    { "GET", "/files/", "file", { path = "" } },
    { "GET", "/files/index", "index", {} },
    { "GET", "/files/index/more", "file", { path = "index/more" } },
    { "GET", "/files//x", "file", { path = "/x" } },
    { "GET", "/any/x", "get", { thing = "x" } },
    { "DELETE", "/any/x", "any", { name = "x" } },
    { "HEAD", "/orders/7", "one", { id = "7" } },
    { "HEAD", "/heads", "head", {} },
    { "HEAD", "/any/x", "get", { thing = "x" } },
    { "GET", "/caf%C3%A9", "coffee", {} },
  } do
    local method, path, expected, expected_params = unpack(case)
    it(("answers %s %s by %s"):format(method, path, expected), function()
      for _ = 1, 2 do -- the second time by what was learned
        local target, params = router:find(method, path)
        assert.equal(expected, target)
        assert.same(expected_params, params)
      end
    end)
  end

  it("keeps to the more specific route, whatever was asked before", function()
    local fresh = route.new {
      { "GET", "/a/:x", "named" },
      { "GET", "/a/b", "literal" },
      { "GET", "/:x/:y", "two" },
    }
    for _ = 1, 2 do
      assert.equal("named", (fresh:find("GET", "/a/c")))
      assert.equal("literal", (fresh:find("GET", "/a/b")))
      assert.equal("two", (fresh:find("GET", "/c/b")))
      assert.is_nil((fresh:find("GET", "/a/")))
    end
  end)

  it("gives the segments of the rest, each decoded", function()
    local _, _, tail = router:find("GET", "/files/a%2Fb/c")
    assert.same({ "a/b", "c" }, tail)
  end)

  it("knows the next best route", function()
    assert.equal("any", (router:find("GET", "/any/x", 1)))
    assert.equal("file", (router:find("GET", "/files/index", 1)))
    assert.is_nil(router:find("GET", "/files/index", 2))
  end)

  for _, case in ipairs {
    { "DELETE", "/files/x", { "GET", "HEAD", "OPTIONS" } },
    { "PUT", "/orders/7", { "GET", "HEAD", "DELETE", "OPTIONS" } },
    { "GET", "/orders", { "POST", "OPTIONS" } },
    { "GET", "/orders/7/lines/2", { "PUT", "PATCH", "OPTIONS" } },
    { "BREW", "/orders/new", { "GET", "HEAD", "DELETE", "OPTIONS" } },
    { "GET", "/nowhere", {} },
    { "GET", "/orders//lines/2", {} },
    { "GET", "//orders/7", {} },
    { "GET", "/orders/7/", nil },
  } do
    local method, path, expected = case[1], case[2], case[3]
    it(("tells the methods of %s for %s"):format(path, method), function()
      local target, allowed = router:find(method, path)
      if not expected then return assert.equal("one", target) end
      assert.is_nil(target)
      assert.same(expected, allowed)
    end)
  end

  for _, path in ipairs { "/orders/%zz", "/orders/%4", "/orders/%", "/%e", "orders", "*", "" } do
    it("calls malformed: " .. path, function()
      local target, allowed, problem = router:find("GET", path)
      assert.is_nil(target)
      assert.is_nil(allowed)
      assert.truthy(problem)
    end)
  end

  it("takes paths of any length and depth", function()
    local target, params = router:find("GET", "/files" .. ("/a"):rep(30000))
    assert.equal("file", target)
    assert.equal(59999, #params.path)
    assert.same({}, (select(2, router:find("GET", ("/"):rep(60000)))))
  end)
end)

describe("A pattern", function()
  for _, case in ipairs {
    { "orders", "begins with /" },
    { "/a//b", "a segment is empty" },
    { "/a?b=1", "a query" },
    { "/:", "is no name of a segment" },
    { "/*", "is no name of a segment" },
    { "/:a-b", "is no name of a segment" },
    { "/*rest/more", "its last segment" },
    { "/:id/:id", "two segments are named id" },
    { 5, "begins with /" },
  } do
    it(("is refused: %s"):format(case[1]), function()
      local steps, problem = route.parse(case[1])
      assert.is_nil(steps)
      assert.truthy(problem:find(case[2], 1, true))
    end)
  end
end)
