-- What a push takes of other folders and repositories.
local deps = require "ions.push.deps"
local git = require "ions.push.git"
local manifest = require "ions.manifest"
local repository = dofile "spec/ions/repository.lua"

local function says(text, ...)
  for _, words in ipairs { ... } do
    assert(text:find(words, 1, true), ("%q does not say %q"):format(text, words))
  end
end

local function manifest_of(app, name, entry)
  return ("return { app = %q, deps = { %s = %s } }"):format(app, name, entry)
end

describe("The dependencies of an application", function()
  local root, made

  before_each(function()
    root = repository.new(true)
    made = {}
  end)
  after_each(function() root:remove() end)

  -- A repository below the root, so that paths lead from one to another.
  local function repo(name)
    local self = setmetatable({ dir = root.dir .. "/" .. name }, getmetatable(root))
    self:write { ["ion.lua"] = ("return { app = %q }"):format(name) }
    self:git("init", "--quiet", "--template=")
    made[name] = self
    return self
  end

  local function resolve(wanted, options)
    local told = {}
    local list = deps.resolve {
      manifest = { app = "shop", deps = wanted },
      dir = root.dir .. "/shop",
      cache = root.dir .. "/cache's",
      progress = function(text) told[#told + 1] = text end,
      bounds = options and options.bounds,
    }
    return list, told
  end

  local function failure(wanted, options)
    local ok, e = pcall(resolve, wanted, options)
    assert.is_false(ok)
    return tostring(e)
  end

  local function paths(dependency)
    local result = {}
    for i, file in ipairs(dependency.files) do result[i] = file.path end
    return result
  end

  describe("by path", function()
    before_each(function() repo("shop"):commit() end)

    it("are the folder beside, as it is now, below its name", function()
      local money = repo "money"
      money:commit { ["money/core.lua"] = "return 1", ["money.lua"] = "return 0", ["README.md"] = "x",
        [".gitignore"] = "*.log" }
      money:write { ["money/core.lua"] = "return 2", ["a.log"] = "y" }
      local list = resolve { money = { path = "../money" } }
      assert.equal(1, #list)
      assert.equal(money.dir, list[1].path)
      assert.same({ ["money/.gitignore"] = "*.log", ["money/README.md"] = "x", ["money.lua"] = "return 0",
        ["money/core.lua"] = "return 2", ["money/ion.lua"] = 'return { app = "money" }' },
        repository.contents(list[1].files))
      assert.equal(list[1], deps.unnamed(list))
    end)

    it("may be a folder of modules alone, without a manifest or a commit", function()
      local plain = repository.new()
      plain:write { ["core.lua"] = "return 1" }
      local list = resolve { money = { path = plain.dir } }
      assert.same({ "money/core.lua" }, paths(list[1]))
      assert.is_nil(list[1].manifest)
      plain:remove()
    end)

    it("have dependencies themselves, of which a name is one", function()
      repo("decimal"):write { ["decimal.lua"] = "return 1" }
      repo("money"):write { ["ion.lua"] = manifest_of("money", "decimal", '{ path = "../decimal" }') }
      repo("tax"):write { ["ion.lua"] = manifest_of("tax", "decimal", '{ path = "../tax/../decimal" }') }
      local list, told = resolve { money = { path = "../money" }, tax = { path = "../tax" } }
      assert.equal(3, #list)
      assert.same({ "shop", "money", "decimal" }, list[2].chain)
      assert.same({ "reading shop → money", "reading shop → money → decimal", "reading shop → tax" }, told)
    end)

    it("do not go in circles", function()
      repo("a"):write { ["ion.lua"] = manifest_of("a", "b", '{ path = "../b" }') }
      repo("b"):write { ["ion.lua"] = manifest_of("b", "a", '{ path = "../a" }') }
      says(failure { a = { path = "../a" } }, "in a circle: shop → a → b → a")
      repo("c"):write { ["ion.lua"] = manifest_of("c", "shop", '{ path = "../shop" }') }
      says(failure { c = { path = "../c" } }, "in a circle: shop → c → shop")
    end)

    it("are one of each name, and both chains are told where they are not", function()
      repo("other"):write { ["ion.lua"] = 'return { app = "decimal" }' }
      repo("decimal"):write { ["decimal.lua"] = "return 1" }
      repo("money"):write { ["ion.lua"] = manifest_of("money", "decimal", '{ path = "../other" }') }
      says(failure { decimal = { path = "../decimal" }, money = { path = "../money" } },
        "decimal is wanted twice: shop → decimal is " .. root.dir .. "/decimal, shop → money → decimal is "
        .. root.dir .. "/other")
    end)

    it("are refused where there is none, with what leads there", function()
      says(failure { money = { path = "../no" } }, "shop → money: there is no folder", "/shop/../no")
    end)

    it("are refused under a name that is not theirs", function()
      repo("cash"):write { ["cash/core.lua"] = "return 1" }
      says(failure { money = { path = "../cash" } }, "it calls itself cash", "deps = { cash = … }")
    end)

    it("are refused with a manifest that is wrong", function()
      repo("money"):write { ["ion.lua"] = "return {" }
      says(failure { money = { path = "../money" } },
        "shop → money: its manifest does not load: money/ion.lua:1:")
      made.money:write { ["ion.lua"] = "return { app = 'money', htpp = {} }" }
      says(failure { money = { path = "../money" } }, "money/ion.lua: unknown key htpp (did you mean http?)")
    end)

    it("are refused where two files would have one place", function()
      repo("money"):write { ["core.lua"] = "1", ["money/core.lua"] = "2" }
      says(failure { money = { path = "../money" } },
        "its files core.lua and money/core.lua would both be money/core.lua")
    end)

    it("keep to the bounds", function()
      repo("money"):write { ["big.bin"] = ("x"):rep(100) }
      local bounds = { files = 9, bytes = 999, file_bytes = 99 }
      says(failure({ money = { path = "../money" } }, { bounds = bounds }),
        "shop → money: a file of a revision has at most", "big.bin")
    end)

    it("are in the way of the application's own files of that name", function()
      repo("money"):write { ["money/core.lua"] = "1" }
      local list = resolve { money = { path = "../money" } }
      local files = { { path = "money.lua" }, { path = "money/core.lua" }, { path = "shop/money.lua" },
        { path = "moneybag.lua" } }
      assert.same({ { path = "money.lua", name = "money" }, { path = "money/core.lua", name = "money" } },
        deps.collisions(files, list))
    end)
  end)

  describe("by git", function()
    local router, first, second

    before_each(function()
      repo("shop"):commit()
      router = repo "router"
      first = router:commit { ["router.lua"] = "return 1", ["sub/it's/ion.lua"] = "return { app = 'part' }" }
      second = router:commit { ["router.lua"] = "return 2" }
      router:write { ["router.lua"] = "never committed" }
    end)

    local function content(list, path) return repository.contents(list[1].files)[path] end

    it("are the files of the commit, and reproducible", function()
      local list, told = resolve { router = { git = router.dir, rev = first } }
      assert.equal("return 1", content(list, "router.lua"))
      assert.equal(first, list[1].rev)
      assert.equal(router.dir, list[1].git)
      assert.is_nil(deps.unnamed(list))
      assert.same({ "cloning " .. router.dir, "reading shop → router" }, told)
    end)

    it("are cloned once, fetched for a commit that is not there yet, read otherwise", function()
      resolve { router = { git = router.dir, rev = first } }
      local third = router:commit { ["router.lua"] = "return 3" }
      local list, told = resolve { router = { git = router.dir, rev = third } }
      assert.equal("return 3", content(list, "router.lua"))
      assert.same({ "fetching " .. router.dir, "reading shop → router" }, told)
      git.remove_folder(router.dir)
      list, told = resolve { router = { git = router.dir, rev = second } }
      assert.equal("return 2", content(list, "router.lua"))
      assert.same({ "reading shop → router" }, told)
    end)

    it("may be named by the first digits of the commit, in either case, and by a relative path", function()
      local list = resolve { router = { git = "../router", rev = first:sub(1, 7):upper() } }
      assert.equal(first, list[1].rev)
      assert.equal(router.dir, list[1].git)
    end)

    it("may be a folder of the repository, whatever its name", function()
      local list = resolve { part = { git = "file://" .. router.dir, rev = first, dir = "./sub/it's/" } }
      assert.equal("sub/it's", list[1].dir)
      assert.same({ "part/ion.lua" }, paths(list[1]))
    end)

    it("bring with them by path what lies beside them in their commit", function()
      local family = repo "family"
      local commit = family:commit {
        ["a/ion.lua"] = manifest_of("a", "b", '{ path = "../b" }'),
        ["b/ion.lua"] = 'return { app = "b" }', ["b/b.lua"] = "return 1",
      }
      local list = resolve { a = { git = family.dir, rev = commit, dir = "a" } }
      assert.equal("b", list[2].dir)
      assert.equal(commit, list[2].rev)
      assert.is_nil(deps.unnamed(list))
    end)

    it("cannot leave their repository by path", function()
      local commit = router:commit { ["ion.lua"] = manifest_of("router", "x", '{ path = "../shop" }') }
      says(failure { router = { git = router.dir, rev = commit } },
        "shop → router → x: ../shop leads out of its repository")
      says(failure { router = { git = router.dir, rev = first, dir = "../shop" } },
        "../shop leads out of its repository")
    end)

    it("cannot name a path where there are no paths", function()
      local commit = router:commit {
        ["ion.lua"] = manifest_of("router", "x", '{ git = "../x", rev = "abcd" }'),
      }
      says(failure { router = { git = router.dir, rev = commit } }, "shop → router → x: ../x is a path")
    end)

    it("are one revision of each name", function()
      local money = repo "money"
      local commit = money:commit {
        ["ion.lua"] = manifest_of("money", "router", ("{ git = %q, rev = %q }"):format(router.dir, second)),
      }
      local wanted = { money = { git = money.dir, rev = commit }, router = { git = router.dir, rev = first } }
      says(failure(wanted), "router is wanted twice: shop → money → router is", second:sub(1, 12),
        "shop → router is", first:sub(1, 12))
      wanted.router.rev = second:sub(1, 9)
      assert.equal(2, #resolve(wanted))
    end)

    it("are refused with a commit that is not there", function()
      says(failure { router = { git = router.dir, rev = ("0"):rep(40) } }, "shop → router: ",
        "has no commit 000")
      says(failure { router = { git = router.dir, rev = "0000" } }, "has no commit 0000")
    end)

    it("are refused with digits that a branch has for a name, or that are a file's", function()
      router:git("branch", "abcdef")
      says(failure { router = { git = router.dir, rev = "abcdef" } }, "has no commit abcdef")
      local blob = router:git("rev-parse", "HEAD:router.lua"):match "%x+"
      says(failure { router = { git = router.dir, rev = blob } }, "has no commit " .. blob)
    end)

    it("are refused with digits that more than one commit begins with", function()
      local tree_id = router:git("rev-parse", "HEAD^{tree}"):match "%x+"
      for _, message in ipairs { "311", "367" } do -- found by trying
        local id = router:git("commit-tree", "-m", message, tree_id):match "%x+"
        router:git("update-ref", "refs/heads/b" .. message, id)
      end
      says(failure { router = { git = router.dir, rev = "daf7" } }, "more than one commit of",
        "with daf7: daf7046e540676a6b2b978062df1753b6f013f6a, daf7d86b48af81054c31670560d1727db6f9d382")
    end)

    it("are refused without the folder, the repository, or by what runs a program", function()
      says(failure { router = { git = router.dir, rev = first, dir = "no" } }, "there is no folder no in")
      says(failure { router = { git = "/nowhere", rev = first } }, "shop → router: git cannot read /nowhere")
      says(failure { router = { git = "ext::touch " .. root.dir .. "/x", rev = first } }, "not allowed")
      says(failure { router = { git = "-u/--upload-pack=touch x", rev = first } }, "git cannot read")
      local file = io.open(root.dir .. "/x")
      assert.is_nil(file)
    end)

    it("are as before where a clone was interrupted", function()
      os.execute(("mkdir -p %s"):format(git.quote(root.dir .. "/cache's")))
      says(failure { router = { git = root.dir .. "/no", rev = first } }, "git cannot read")
      assert.equal(1, #resolve { router = { git = router.dir, rev = first } })
    end)
  end)

  it("are none without a manifest's deps", function()
    repo("shop"):commit()
    assert.same({}, (resolve(nil)))
    assert.same({}, manifest.problems { app = "shop", deps = {} })
  end)
end)
