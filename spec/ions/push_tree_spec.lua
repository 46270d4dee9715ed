-- What a push reads of a git repository.
local git = require "ions.push.git"
local hash = require "ions.hash"
local tree = require "ions.push.tree"
local repository = dofile "spec/ions/repository.lua"

local function failure(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(e)
end

local function says(text, words)
  assert(text:find(words, 1, true), ("%q does not say %q"):format(text, words))
end

describe("A file's hash", function()
  it("is SHA-256", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", hash.sha256 "abc")
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", hash.sha256 "")
  end)
end)

describe("The tree of a commit", function()
  local shop

  before_each(function() shop = repository.new() end)
  after_each(function() shop:remove() end)

  local function read(name, dir) return tree.read { dir = dir or shop.dir, name = name } end

  it("holds the files of the commit, with their hashes, by path", function()
    local commit = shop:commit({ ["ion.lua"] = "return {}", ["shop/tx.lua"] = "return 1" }, "the first")
    local found = read()
    assert.equal(commit, found.commit)
    assert.equal(commit, found.name)
    assert.is_false(found.is_dirty)
    assert.equal("the first", found.message)
    assert.equal(1700000000000, found.time)
    assert.same({
      { path = "ion.lua", size = 9, hash = hash.sha256 "return {}", content = "return {}" },
      { path = "shop/tx.lua", size = 8, hash = hash.sha256 "return 1", content = "return 1" },
    }, found.files)
  end)

  it("takes names with spaces, quotes, newlines and letters of all scripts, and any content", function()
    local files = { ["a b/c'd\"$(touch x)`y`.lua"] = "1", ["a\nb.txt"] = "2", ["größe/名.txt"] = "\0\255\r\n",
      [";rm -rf *"] = "", ["-rf"] = "4" }
    shop:commit(files)
    assert.same(files, repository.contents(read().files))
  end)

  it("is that of the application's folder alone", function()
    shop:commit { ["apps/it's/ion.lua"] = "1", ["apps/it's/b/c.lua"] = "2", ["apps/other/ion.lua"] = "3" }
    local found = read(nil, shop.dir .. "/apps/it's")
    assert.equal("apps/it's", found.folder)
    assert.same({ ["ion.lua"] = "1", ["b/c.lua"] = "2" }, repository.contents(found.files))
  end)

  it("is not troubled by changes outside the application's folder", function()
    shop:commit { ["shop/ion.lua"] = "1", ["other/ion.lua"] = "2" }
    shop:write { ["other/ion.lua"] = "changed" }
    assert.is_false(read(nil, shop.dir .. "/shop").is_dirty)
  end)

  it("is refused where the work tree differs, which names what does", function()
    shop:commit { ["ion.lua"] = "1", ["b.lua"] = "2" }
    shop:write { ["ion.lua"] = "changed", ["new.lua"] = "3" }
    local text = failure(read)
    says(text, "M ion.lua, ?? new.lua")
    says(text, "unrepro/NAME")
  end)

  it("is that of the work tree where a name is given", function()
    local commit = shop:commit { ["ion.lua"] = "1", ["gone.lua"] = "2", [".gitignore"] = "*.log\n.lion\n" }
    shop:write { ["ion.lua"] = "changed", ["new.lua"] = "3", ["a.log"] = "4", [".lion/dev.lion"] = "5" }
    os.remove(shop.dir .. "/gone.lua")
    local before = shop:git("count-objects", "-v")
    local found = read "fix-1"
    assert.equal("unrepro/fix-1", found.name)
    assert.equal(commit, found.commit)
    assert.is_true(found.is_dirty)
    assert.same({ ["ion.lua"] = "changed", ["new.lua"] = "3", [".gitignore"] = "*.log\n.lion\n" },
      repository.contents(found.files))
    assert.equal(before, shop:git("count-objects", "-v"))
    assert.equal(" M ion.lua\n?? new.lua\n",
      (shop:git("status", "--porcelain"):gsub(" D gone.lua\n", "")))
  end)

  it("of the work tree has what took a changed file's place", function()
    shop:commit { ["a"] = "1", ["b/c"] = "2" }
    os.remove(shop.dir .. "/a")
    os.remove(shop.dir .. "/b/c")
    os.remove(shop.dir .. "/b")
    shop:write { ["a/d"] = "3", ["b"] = "4" }
    assert.same({ ["a/d"] = "3", ["b"] = "4" }, repository.contents(read("x").files))
  end)

  it("never has the databases of lion dev, ignored or not", function()
    shop:commit { ["sub/ion.lua"] = "1" }
    shop:write { ["sub/.lion/dev.lion"] = "data" }
    assert.is_false(read(nil, shop.dir .. "/sub").is_dirty)
    shop:write { ["sub/ion.lua"] = "2" }
    assert.same({ ["ion.lua"] = "2" }, repository.contents(read("x", shop.dir .. "/sub").files))
  end)

  it("is unrepro for whoever gives a name, changed or not", function()
    shop:commit { ["ion.lua"] = "1" }
    local found = read "try"
    assert.equal("unrepro/try", found.name)
    assert.is_false(found.is_dirty)
  end)

  it("tells where it comes from, without passwords", function()
    shop:commit { ["ion.lua"] = "1" }
    assert.is_nil(read().url)
    shop:git("remote", "add", "origin", "https://ann:secret@x.org/shop.git")
    assert.equal("https://x.org/shop.git", read().url)
    assert.equal("ssh://git@x.org/shop", tree.public_url "ssh://git:secret@x.org/shop")
    assert.equal("git@x.org:shop", tree.public_url "git@x.org:shop")
  end)

  it("reads the repository it is asked for, inside another one's hook too", function()
    shop:commit { ["ion.lua"] = "1" }
    local other = repository.new()
    other:commit { ["ion.lua"] = "other" }
    local ffi = require "ffi"
    ffi.cdef "int setenv(const char *, const char *, int); int unsetenv(const char *);"
    ffi.C.setenv("GIT_DIR", other.dir .. "/.git", 1)
    local ok, found = pcall(read)
    ffi.C.unsetenv "GIT_DIR"
    other:remove()
    assert(ok, found)
    assert.same({ ["ion.lua"] = "1" }, repository.contents(found.files))
  end)

  describe("is refused, saying what to do,", function()
    it("without a repository", function()
      local plain = repository.new(true)
      local text = failure(read, nil, plain.dir)
      plain:remove()
      says(text, "is not in a git repository: git init")
    end)

    it("without a folder", function() says(failure(read, nil, shop.dir .. "/no"), "there is no folder") end)

    it("without a work tree", function()
      shop:commit { ["ion.lua"] = "1" }
      local bare = shop.dir .. "/bare"
      shop:git("clone", "--quiet", "--bare", ".", bare)
      says(failure(read, nil, bare), "without a work tree: push from a clone")
    end)

    it("without a commit", function() says(failure(read), "has no commit yet: git add and git commit") end)

    it("where the folder is in no commit", function()
      shop:commit { ["ion.lua"] = "1", [".gitignore"] = "new" }
      shop:write { ["new/ion.lua"] = "2" }
      says(failure(read, nil, shop.dir .. "/new"), "the folder new is not in commit")
    end)

    it("without git", function()
      git.program = "no-such-git"
      local text = failure(tree.read, { dir = "." })
      git.program = "git"
      says(text, "no-such-git): install it, on Debian by apt install git")
    end)

    it("with symbolic links, all of them named", function()
      shop:write { ["ion.lua"] = "1" }
      os.execute(("cd %s && ln -s ion.lua a.lua && ln -s /etc b"):format(shop.dir))
      shop:commit()
      says(failure(read), "symbolic links are not stored: a.lua, b")
      shop:write { ["ion.lua"] = "2" }
      says(failure(read, "x"), "symbolic links are not stored: a.lua, b")
    end)

    it("with submodules", function()
      local library = repository.new()
      library:commit { ["l.lua"] = "1" }
      shop:git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.dir, "lib")
      shop:commit()
      says(failure(read), "submodules are not stored: lib; name what it holds in deps")
      shop:write { ["x.lua"] = "1" }
      says(failure(read, "x"), "submodules are not stored: lib")
      library:remove()
    end)

    it("with a file or files beyond the bounds", function()
      shop:commit { ["a.bin"] = ("x"):rep(11), ["b.bin"] = ("x"):rep(10) }
      local function bounded(bounds, name)
        return tree.read { dir = shop.dir, bounds = bounds, name = name }
      end
      assert.equal(2, #bounded({ file_bytes = 11, bytes = 21, files = 2 }).files)
      says(failure(bounded, { file_bytes = 10, bytes = 21, files = 2 }), "a file of a revision has at most")
      says(failure(bounded, { file_bytes = 11, bytes = 20, files = 2 }), "of files, more than the")
      says(failure(bounded, { file_bytes = 11, bytes = 21, files = 1 }), "2 files, more than the 1")
      shop:write { ["c.bin"] = ("x"):rep(12) }
      says(failure(bounded, { file_bytes = 11, bytes = 99, files = 9 }, "x"), "c.bin (0.0 MiB)")
    end)

    it("with a name that is none", function()
      shop:commit { ["ion.lua"] = "1" }
      for _, name in ipairs { "", "a/b", "../x", "-x", "a b", ("x"):rep(101), "x\n" } do
        says(failure(read, name), "is no name for a revision")
      end
    end)

    it("with names of files that are no UTF-8", function()
      shop:commit { ["\255.lua"] = "1" }
      says(failure(read), "names of files are UTF-8")
    end)
  end)
end)
