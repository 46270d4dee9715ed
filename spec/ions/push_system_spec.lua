-- The system database: revisions go in and come out again, and it answers what its documentation asks.
local hash = require "ions.hash"
local lion = require "lion"
local revision = require "ions.push.revision"
local system = require "ions.push.system"

local COMMIT = ("4f2a"):rep(10)

-- A revision of these files as it is pushed, and its contents.
local function make(files, changes)
  files["ion.lua"] = files["ion.lua"] or 'return { app = "shop" }'
  local list = {}
  for path, content in pairs(files) do
    list[#list + 1] = { path = path, content = content, hash = hash.sha256(content), size = #content }
  end
  changes = changes or {}
  local name = changes.name or changes.commit or COMMIT
  return revision.make {
    tree = { files = list, commit = changes.commit or COMMIT, name = name, message = "the first",
      time = 1700000000000, url = "https://x.org/shop" },
    manifest = { app = changes.app or "shop", params = { currency = "EUR" } },
    deps = changes.deps or {},
    pushed_by = "ann",
    pushed_at = 1700000001000,
  }
end

local function failure(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("The system database", function()
  local conn

  before_each(function()
    conn = lion.connect "mem:"
    system.install(conn)
  end)
  after_each(function() conn:close() end)

  it("has its schema once, with words for each attribute", function()
    assert.equal(0, system.install(conn))
    for namespace, attributes in pairs(system.SCHEMA) do
      for name in pairs(attributes) do
        local entity = conn:db():entity(":" .. namespace .. "/" .. name)
        assert.truthy(entity and #entity["db/doc"] > 5, namespace .. "/" .. name)
      end
    end
  end)

  it("lacks every content of a new revision, once each", function()
    local made = make { ["a.lua"] = "1", ["b.lua"] = "1", ["c.lua"] = "2" }
    local expected = { hash.sha256 "1", hash.sha256 "2", hash.sha256 'return { app = "shop" }' }
    table.sort(expected)
    assert.same(expected, system.missing(conn:db(), made))
  end)

  it("gives the files of a revision as they were stored", function()
    local files = { ["a b/c.lua"] = "1", ["b.bin"] = "\0\255\r\n", ["empty"] = "", ["same"] = "1",
      ["größe.txt"] = ("long "):rep(5000) }
    local made, contents = make(files)
    local stored = system.store(conn, made, contents)
    assert.is_true(stored.is_new)
    assert.equal(5, stored.files)
    assert.same(files, system.files(conn:db(), "shop", COMMIT))
    assert.same({}, system.missing(conn:db(), made))
  end)

  it("tells what a revision was made from", function()
    local made, contents = make({}, { deps = {
      { name = "money", path = "/home/ann/money", files = {} },
      { name = "router", git = "https://x.org/r", rev = ("ab"):rep(20), dir = "lua", files = {} },
    } })
    local id = system.store(conn, made, contents).id
    local found = conn:db():pull("[* {:revision/app [:app/name]}]", id)
    assert.equal("shop", found["revision/app"]["app/name"])
    assert.equal("ann", found["revision/pushed-by"])
    assert.equal(1700000001000, found["revision/pushed-at"])
    assert.equal(1700000000000, found["revision/committed-at"])
    assert.equal("the first", found["revision/message"])
    assert.same({ app = "shop", params = { currency = "EUR" } }, lion.json.read(found["revision/manifest"]))
    local names = {}
    for _, dependency in ipairs(found["revision/deps"]) do
      names[dependency["revision.dep/name"]] = dependency["revision.dep/path"]
        or dependency["revision.dep/rev"]
    end
    assert.same({ money = "/home/ann/money", router = ("ab"):rep(20) }, names)
  end)

  it("writes nothing for a revision that it has, and says so", function()
    local made, contents = make { ["a.lua"] = "1" }
    local first = system.store(conn, made, contents)
    local basis = conn:db().basis_t
    made.pushed_at, made.pushed_by = made.pushed_at + 1000, "bob"
    local again = system.store(conn, made, {})
    assert.is_false(again.is_new)
    assert.equal(first.id, again.id)
    assert.equal(0, again.files)
    assert.equal(basis, conn:db().basis_t)
  end)

  it("takes of the next revision only what is new, in one transaction", function()
    system.store(conn, make { ["a.lua"] = "1", ["b.lua"] = "2" })
    local basis = conn:db().basis_t
    local transactions = 0
    local made, contents = make({ ["a.lua"] = "1", ["b.lua"] = "3" }, { commit = ("ab"):rep(20) })
    local missing = system.missing(conn:db(), made)
    assert.same({ hash.sha256 "3" }, missing)
    local stored = system.store(conn, made, { [missing[1]] = contents[missing[1]] })
    assert.equal(1, stored.files)
    assert.equal(1, stored.bytes)
    for _ in conn:tx_range(basis + 1) do transactions = transactions + 1 end
    assert.equal(1, transactions)
    assert.equal("3", system.files(conn:db(), "shop", made.name)["b.lua"])
    assert.equal("2", system.files(conn:db(), "shop", COMMIT)["b.lua"])
  end)

  it("holds a content once, whoever has it", function()
    system.store(conn, make({ ["a.lua"] = "1" }))
    local files = { ["ion.lua"] = 'return { app = "bank" }', ["x.lua"] = "1" }
    local made, contents = make(files, { app = "bank" })
    assert.equal(1, system.store(conn, made, contents).files)
    assert.equal(3, conn:db():count("aevt", "file/hash"))
  end)

  it("never changes a revision", function()
    system.store(conn, make({ ["a.lua"] = "1", ["b.lua"] = "1" }, { name = "unrepro/try" }))
    local made, contents = make({ ["a.lua"] = "2", ["c.lua"] = "1" }, { name = "unrepro/try" })
    local e = failure(system.store, conn, made, contents)
    assert.equal("conflict", e.category)
    assert.truthy(e.message:find("with other files (a.lua and 2 more)", 1, true), e.message)
    assert.truthy(e.message:find("give this one another name", 1, true))
  end)

  it("takes a revision once from two that push it at the same time", function()
    local made, contents = make { ["a.lua"] = "1" }
    local slow = setmetatable({ db = function() return conn:db() end, transact = function(_, tx)
      system.store(conn, made, contents)
      return conn:transact(tx)
    end }, { __index = conn })
    assert.is_false(system.store(slow, made, contents).is_new)
    assert.equal(1, conn:db():count("aevt", "revision/name"))
    assert.equal(2, conn:db():count("aevt", "revision.file/path"))
  end)

  it("knows what it has no revision of", function()
    system.store(conn, make {})
    local function words(app, name) return failure(system.files, conn:db(), app, name).message end
    assert.equal("shop has no revision unrepro/x: lion push makes it", words("shop", "unrepro/x"))
    assert.equal("there is no application shops (did you mean shop?): lion push makes it",
      words("shops", "x"))
  end)

  describe("refuses", function()
    local made, contents

    before_each(function() made, contents = make { ["a.lua"] = "1" } end)

    local function refuses(expected)
      local basis = conn:db().basis_t
      local e = failure(system.store, conn, made, contents)
      assert.truthy(e.message:find(expected, 1, true), e.message)
      assert.equal(basis, conn:db().basis_t)
    end

    it("a content that has another hash than it is said to have", function()
      contents[hash.sha256 "1"] = "2"
      refuses "another hash"
    end)

    it("a revision of which contents are missing", function()
      contents[hash.sha256 "1"] = nil
      refuses("files are missing: " .. hash.sha256 "1")
    end)

    it("paths that lead elsewhere", function()
      for _, path in ipairs { "../x", "/etc/x", "a/../../x", "a//b", "./a", "", "a/", "a\0b", "\255" } do
        made.files[path] = hash.sha256 "1"
        refuses "is no path of a file"
        made.files[path] = nil
      end
    end)

    it("hashes that are none", function()
      for _, digest in ipairs { "1", ("g"):rep(64), ("A"):rep(64) } do
        made.files["a.lua"] = digest
        refuses "is no hash"
      end
    end)

    it("names that are none, or another's", function()
      for _, name in ipairs { "main", "unrepro/", "unrepro/a/b", ("0"):rep(40) } do
        made.name = name
        refuses "is no revision's name"
      end
      made.name, made.app = COMMIT, "bank"
      refuses "the revision is one of bank, its manifest one of shop"
    end)

    it("shapes that are none", function()
      made.message = 1
      refuses "the revision's message is text"
      made.message, made.pushed_at = nil, "now"
      refuses "the revision's pushed_at is a number"
      made.pushed_at, made.deps = nil, { {} }
      refuses "a dependency has a name"
      made.deps, made.files["ion.lua"] = {}, nil
      refuses "a revision holds an ion.lua"
      made.manifest = { app = "shop", htpp = {} }
      refuses "unknown key htpp"
    end)
  end)
end)

-- docs/system.md: each of its questions, of a system in which something has happened.
describe("The documentation of the system database", function()
  local text, conn, was

  setup(function()
    local file = assert(io.open "docs/system.md")
    text = file:read "*a"
    file:close()
    conn = lion.connect "mem:"
    system.install(conn)
    local first, contents = make({ ["a.lua"] = "1\n" }, { deps = {
      { name = "money", git = "https://x.org/money", rev = ("cd"):rep(20), files = {} } } })
    local old = system.store(conn, first, contents).id
    local second, more = make({ ["a.lua"] = "2\n" }, { commit = ("ab"):rep(20) })
    local new = system.store(conn, second, more).id
    local report = conn:transact {
      { ["db/id"] = "production", ["group/name"] = "production", ["group/running"] = old },
      { ["db/id"] = "one", ["node/name"] = "one", ["node/group"] = "production",
        ["node/address"] = "127.0.0.1:8080", ["node/state"] = ":node.state/up" },
      { ["event/group"] = "production", ["event/app"] = { "app/name", "shop" }, ["event/name"] = "paid",
        ["event/holder"] = "one", ["event/position"] = 7 },
      { ["deployment/id"] = lion.uuid(), ["deployment/revision"] = old, ["deployment/group"] = "production",
        ["deployment/by"] = "ann", ["deployment/state"] = ":deployment.state/done" },
    }
    was = report.t
    local group = report.tempids.production
    conn:transact {
      { ["deployment/id"] = lion.uuid(), ["deployment/revision"] = new, ["deployment/group"] = group,
        ["deployment/by"] = "bob", ["deployment/state"] = ":deployment.state/rolled-back",
        ["deployment/reason"] = "a check failed", ["deployment/started-at"] = 1700000000000,
        ["deployment/steps"] = { { ["deployment.step/order"] = 1,
          ["deployment.step/kind"] = ":deployment.step/check",
          ["deployment.step/state"] = ":deployment.step.state/failed" } } },
    }
    conn:transact { { "db/retract", group, "group/running", old }, { "db/add", group, "group/running", new } }
    conn:transact {
      { ["param/path"] = "shop/web/currency", ["param/group"] = group, ["param/value"] = '"EUR"' },
      { ["db/id"] = "datomic.tx", ["param/by"] = "ann" },
    }
  end)
  teardown(function() conn:close() end)

  it("names every attribute", function()
    for namespace, attributes in pairs(system.SCHEMA) do
      for name, spec in pairs(attributes) do
        local row = ("| `%s/%s` |"):format(namespace, name)
        assert.truthy(text:find(row, 1, true), row)
        assert.truthy(text:find(spec.doc, 1, true), spec.doc)
      end
    end
  end)

  it("asks what the database answers", function()
    local count = 0
    for query in text:gmatch "```edn\n(.-)```" do
      count = count + 1
      assert.truthy(#conn:db():as_of(was):q(query) + #conn:db():history():q(query) > 0, query)
    end
    assert.equal(12, count)
  end)

  it("tells what ran at a time that is past", function()
    local query = text:match "What ran.-```edn\n(.-)```"
    assert.same({ { "shop", COMMIT, "ann" } }, conn:db():as_of(was):q(query))
    assert.same({ { "shop", ("ab"):rep(20), "bob" } }, conn:db():q(query))
  end)
end)
