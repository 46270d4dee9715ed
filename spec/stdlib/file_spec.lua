-- Files of an application's own: on a disk, and in memory for specs.
local app = require "ions.app"
local file = require "ion.file"
local files = require "ions.files"
local gate = require "ions.gate"
local refuses = require "spec.stdlib.refuses"

local function shell(command, ...)
  assert.equal(0, os.execute(command:format(...)))
end

describe("An application's files", function()
  local top, current

  before_each(function()
    top = os.tmpname()
    os.remove(top)
    shell("mkdir -p %s", top)
    current = app.current
    app.current = setmetatable({ options = { folder = top }, manifest = { app = "shop" } }, app.App)
  end)
  after_each(function()
    if app.current.own_files then app.current.own_files:close() end
    app.current = current
    shell("rm -rf %s", top)
  end)

  it("are written whole, in folders that are made for them, and read again", function()
    file.write("outbox/2026/7.eml", "To: Ann\n")
    file.write("outbox/2026/7.eml", "To: Bob\n")
    assert.equal("To: Bob\n", file.read "outbox/2026/7.eml")
    assert.equal("To: Bob\n", io.open(top .. "/files/outbox/2026/7.eml"):read "*a")
    file.write("empty", "")
    assert.equal("", file.read "empty")
    assert.is_nil(file.read "outbox/8.eml")
    assert.is_nil(file.read "outbox")
  end)

  it("are listed by name, without what is hidden or no file", function()
    file.write("b", "12")
    file.write("a/c", "1")
    shell("touch %s/files/.hidden; mkfifo %s/files/pipe", top, top)
    local list = file.list()
    assert.equal(2, #list)
    assert.same({ "a", "folder" }, { list[1].name, list[1].kind })
    assert.same({ "b", "file", 2 }, { list[2].name, list[2].kind, list[2].size })
    assert.is_true(math.abs(list[2].changed - gate.now()) < 60000)
    assert.same({}, file.list "nowhere")
  end)

  it("are moved and removed", function()
    file.write("in/1", "x")
    assert.is_true(file.move("in/1", "done/1"))
    assert.is_false(file.move("in/1", "done/1"))
    assert.equal("x", file.read "done/1")
    assert.is_true(file.remove "done/1")
    assert.is_false(file.remove "done/1")
    assert.has_error(function() file.remove "done" end)
  end)

  it("leave nothing half done when the disk does not take them", function()
    file.write("a", "1")
    local ok, e = pcall(file.write, "a/b", "2")
    assert.is_false(ok)
    assert.same({ "unavailable", "ion.file/failed" }, { e.category, e.code })
    assert.equal("1", file.read "a")
    assert.equal(1, #file.list())
  end)

  it("reach nothing outside, by a name or by a link", function()
    shell("echo secret >%s/outside; mkdir -p %s/files", top, top)
    shell("ln -s ../outside %s/files/link; ln -s .. %s/files/up", top, top)
    assert.is_nil(file.read "link")
    assert.is_nil(file.read "up/outside")
    assert.has_error(function() file.write("up/inside", "x") end)
    assert.is_nil(io.open(top .. "/inside"))
    file.write("link", "mine")
    assert.equal("secret\n", io.open(top .. "/outside"):read "*a")
    local bad = { "../x", "a/../x", "/etc/passwd", "a//b", "", ".x", "a/.x", "a\\b", "a\nb", "a\0b", "x/" }
    for _, path in ipairs(bad) do
      refuses.with("ion.file/invalid", "is no file's name", file.write, path, "x")
      refuses.with("ion.file/invalid", "is no file's name", file.read, path)
    end
    refuses.with("ion.file/invalid", "16 folders deep", file.read, ("a/"):rep(16) .. "a")
  end)

  it("are bounded", function()
    refuses.with("ion.file/invalid", "at most 16777216 bytes", file.write, "a", ("x"):rep(file.SIZE_MAX + 1))
    refuses.with("ion.file/invalid", "a string, not a number", file.write, "a", 1)
    shell("mkdir -p %s/files; truncate -s 17M %s/files/large", top, top)
    refuses.with("ion.file/invalid", "at most 16777216 are read", file.read, "large")
  end)

  it("are told of when their folder cannot be made", function()
    shell("touch %s/files", top)
    local ok, e = pcall(file.read, "a")
    assert.is_false(ok)
    assert.equal("lion/io", e.code)
    assert.matches("/files cannot be made", e.message)
    assert.is_function(files.folder)
  end)
end)
