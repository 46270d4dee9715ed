-- The pages of the example, asked as in a node.
local test = require "ion.test"

local function prepare(conn)
  local path = package.path
  package.path = "examples/packages/?.lua;" .. path
  local index, schema = require "packages.index", require "packages.schema"
  package.path = path
  conn:transact(schema())
  local batch = {}
  for entity in index.read(assert(io.open "examples/packages/data/cut.txt")) do batch[#batch + 1] = entity end
  conn:transact(batch)
end

describe("The pages of the package index", function()
  local packages

  setup(function()
    packages = test.app("examples/packages", { prepare = prepare, params = { page_size = 3 } })
  end)
  teardown(function() packages:close() end)

  it("begin with how many there are", function()
    local answer = packages:get "/"
    assert.equal(200, answer.status)
    assert.equal("text/html; charset=utf-8", answer.headers["content-type"])
    assert.truthy(answer.body:find("<p>108 packages, ", 1, true))
  end)

  it("find packages by the beginning of their names, and escape what was asked", function()
    local answer = packages:get("/search", { query = { q = "lib" } })
    assert.equal(3, select(2, answer.body:gsub("<li>", "")))
    local strange = packages:get("/search", { query = { q = "<b>" } })
    assert.truthy(strange.body:find("with &lt;b&gt;</h1>", 1, true))
  end)

  it("show a package and what it needs", function()
    local body = packages:get("/packages/git").body
    assert.truthy(body:find("<dt>version</dt><dd>1:2.39.5-0+deb12u3</dd>", 1, true))
    assert.truthy(body:find('<a href="/packages/libc6">libc6</a> (&gt;= ', 1, true))
    assert.truthy(packages:get("/packages/git/needs").body:find(">libc6</a>", 1, true))
    assert.equal(404, packages:get("/packages/no-such").status)
  end)

  it("take a new version, tell it among the changes, and refuse a lower one", function()
    assert.equal(201, packages:post("/packages/git/releases", { json = { version = "1:9.0" } }).status)
    assert.equal(409, packages:post("/packages/git/releases", { json = { version = "1:2.0" } }).status)
    assert.equal(400, packages:post("/packages/git/releases", { json = {} }).status)
    assert.equal(400, packages:post("/packages/git/releases", { body = "{" }).status)
    local changes = packages:get("/changes", { headers = { accept = "application/json" } }):json().changes
    assert.is_true(#changes > 0)
    assert.equal(200, packages:get("/changes").status)
  end)

  it("are JSON for who asks for it", function()
    local answer = packages:get("/packages/git/breaks", { headers = { accept = "application/json" } })
    assert.is_number(answer:json().count)
  end)
end)
