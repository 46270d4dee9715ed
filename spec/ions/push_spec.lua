-- From a folder to a revision that is stored: what `lion push` does without a node.
local hash = require "ions.hash"
local lion = require "lion"
local push = require "ions.push"
local system = require "ions.push.system"
local repository = dofile "spec/ions/repository.lua"

describe("A push", function()
  local shop

  before_each(function()
    shop = repository.new()
    shop.commit_id = shop:commit({
      ["ion.lua"] = 'return { app = "shop", http = "shop/home" }',
      ["shop.lua"] = 'return { home = function() return "hello" end }',
      ["static/a.txt"] = "a",
    }, "the shop opens")
  end)
  after_each(function() shop:remove() end)

  local function read(name) return push.read { dir = shop.dir, name = name, pushed_by = "ann" } end

  local function failure(name)
    local ok, e = pcall(read, name)
    assert.is_false(ok)
    return e
  end

  it("is the revision of the commit, with its contents", function()
    local made, contents = read()
    assert.equal("shop", made.app)
    assert.equal(shop.commit_id, made.name)
    assert.equal("the shop opens", made.message)
    assert.equal("ann", made.pushed_by)
    assert.equal(hash.sha256 "a", made.files["static/a.txt"])
    assert.equal("a", contents[hash.sha256 "a"])
    assert.same({}, made.deps)
  end)

  it("is stored once, and comes out as it went in", function()
    local conn = lion.connect "mem:"
    system.install(conn)
    assert.is_true(system.store(conn, read()).is_new)
    assert.is_false(system.store(conn, read()).is_new)
    local files = system.files(conn:db(), "shop", shop.commit_id)
    assert.equal('return { app = "shop", http = "shop/home" }', files["ion.lua"])
    shop:write { ["static/a.txt"] = "b" }
    local stored = system.store(conn, read "try")
    assert.equal(1, stored.files)
    assert.equal("b", system.files(conn:db(), "shop", "unrepro/try")["static/a.txt"])
    conn:close()
  end)

  it("tells all that is wrong with what it would push", function()
    shop:commit { ["shop.lua"] = "return {\n home = function() return hello end }", ["ion.lua"] =
      'return { app = "shop",\n http = "shop/home", checks = { "shop/no" } }' }
    local e = failure()
    assert.equal("incorrect", e.category)
    assert.equal("ion.lua:2: shop/no: module shop has no function no\n"
      .. "shop.lua:2: no global is called hello", e.message)
    assert.equal(2, #e.data.problems)
  end)

  it("needs a name where a dependency is a folder", function()
    local money = repository.new()
    money:write { ["core.lua"] = "return { add = function() end }" }
    local manifest = 'return { app = "shop", deps = { money = { path = %q } }, http = "shop/home" }'
    shop:commit { ["ion.lua"] = manifest:format(money.dir),
      ["shop.lua"] = "return { home = require('money.core').add }" }
    local e = failure()
    assert.equal("conflict", e.category)
    assert.truthy(e.message:find("the dependency shop → money is a folder", 1, true))
    local made = read "try"
    assert.equal("unrepro/try", made.name)
    assert.same({ { name = "money", path = money.dir } }, made.deps)
    assert.truthy(made.files["money/core.lua"])
    money:remove()
  end)
end)
