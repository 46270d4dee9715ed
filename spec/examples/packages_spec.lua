-- The example on the cut of the package index that lies beside it.
package.path = "examples/packages/?.lua;" .. package.path

local index = require "packages.index"
local lion = require "lion"
local version = require "packages.version"

local function load_cut()
  local conn = lion.connect "mem:"
  conn:transact(require "packages.schema"())
  local batch = {}
  for entity in index.read(assert(io.open "examples/packages/data/cut.txt")) do
    batch[#batch + 1] = entity
  end
  conn:transact(batch)
  return conn
end

describe("The package index", function()
  local conn = load_cut()

  it("is read whole", function()
    assert.equal(108, conn:db():count("aevt", "package/version"))
    local git = conn:db():pull("[:package/version :package/section]", { "package/name", "git" })
    assert.same({ ["package/version"] = "1:2.39.5-0+deb12u3", ["package/section"] = "vcs" }, git)
  end)

  it(
    "keeps alternatives of one dependency together",
    function()
      assert.same({
        { name = "debconf", relation = ">=", version = "0.5", group = 1 },
        { name = "debconf-2.0", group = 1 },
        { name = "libc6", group = 2 },
      }, index.parse_dependencies "debconf (>= 0.5) | debconf-2.0, libc6:any")
    end
  )

  it("passes the application's check, which tells what to do with an empty database", function()
    local check = require("packages.checks").schema
    assert.is_true(check(conn:db()))
    local empty = lion.connect "mem:"
    local ok, message = pcall(check, empty:db())
    assert.is_false(ok)
    assert.equal("the database is empty: load an index first, lion run examples/packages/load.lua", message)
    empty:close()
  end)

  it("is asked what a package needs, through cycles", function()
    local rules = [==[[[(needs ?p ?q) [?p :package/depends ?d] [?d :dependency/on ?q]]
      [(reaches ?p ?q) (needs ?p ?q)] [(reaches ?p ?q) (needs ?p ?m) (reaches ?m ?q)]]]==]
    local query = [==[[:find [?n ...] :in $ % ?name :where [?a :package/name ?name] (reaches ?a ?b)
      [?b :package/name ?n]]]==]
    local needed = {}
    for _, name in ipairs(conn:db():q(query, rules, "libc6")) do
      needed[name] = true
    end
    assert.is_true(needed["libgcc-s1"])
    assert.is_true(needed["libc6"]) -- libgcc-s1 needs libc6
  end)
end)

describe("Debian's versions", function()
  for _, case in ipairs {
    { "1.0~rc1", "1.0", -1 },
    { "1.10", "1.9", 1 },
    { "1:1", "2", 1 },
    { "1.0-1", "1.0-1+b1", -1 },
    { "2.0", "2.0", 0 },
    { "1.0a", "1.0", 1 },
    { "1.001", "1.1", 0 },
  } do
    it(
      ("order %s and %s"):format(case[1], case[2]),
      function() assert.equal(case[3], version.compare(case[1], case[2])) end
    )
  end
end)

describe("Releasing a version", function()
  local conn = load_cut()
  local release = require("packages.tx").release

  it("takes a higher one", function()
    conn:transact { { release, "git", "1:3.0" } }
    assert.equal(
      "1:3.0",
      conn:db():pull("[:package/version]", { "package/name", "git" })["package/version"]
    )
  end)

  it("refuses a lower one, and a package that nobody knows", function()
    local ok, e = pcall(conn.transact, conn, { { release, "git", "1:2.9" } })
    assert.is_false(ok)
    assert.equal("conflict", e.category)
    ok, e = pcall(conn.transact, conn, { { release, "no-such-package", "1" } })
    assert.is_false(ok)
    assert.equal("not-found", e.category)
  end)
end)
