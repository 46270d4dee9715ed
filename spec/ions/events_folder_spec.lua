local files = require "ions.files"
local folder = require "ions.events.folder"

local function shell(command, ...) assert.equal(0, os.execute(command:format(...))) end

local function put(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function content(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a"
  if file then file:close() end
  return text
end

describe("A folder of files that come", function()
  local top, below, inbox, now_ms

  before_each(function()
    top = os.tmpname()
    os.remove(top)
    shell("mkdir -p %s/files", top)
    below = assert(files.folder(top .. "/files"))
    inbox = folder.open(below, "in/box")
    now_ms = 0
  end)
  after_each(function()
    below:close()
    shell("rm -rf %s", top)
  end)

  local function path(name) return top .. "/files/in/box/" .. name end

  -- The next file when everything has stood still.
  local function next_file()
    local found = inbox:next(now_ms)
    now_ms = now_ms + folder.QUIET_MS
    return found or inbox:next(now_ms)
  end

  it("is made, with those for its ends", function()
    shell("test -d %s -a -d %s -a -d %s", path "taken", path "done", path "failed")
  end)

  it("gives out a file when it stands still", function()
    put(path "a.csv", "1")
    assert.is_nil(inbox:next(0))
    assert.is_nil(inbox:next(999))
    local file = inbox:next(1000)
    assert.equal("a.csv", file.name)
    assert.equal("in/box/taken/a.csv", file.path)
    assert.equal(1, file.size)
    assert.truthy(file.key:find "^%x+$")
    assert.equal("1", content(path "taken/a.csv"))
    assert.is_nil(content(path "a.csv"))
  end)

  it("waits for a file that grows", function()
    put(path "a", "1")
    assert.is_nil(inbox:next(0))
    put(path "a", "12")
    assert.is_nil(inbox:next(1000))
    assert.equal(2, inbox:next(2000).size)
  end)

  it("waits for a file that is replaced by one of the same size", function()
    put(path "a", "1")
    assert.is_nil(inbox:next(0))
    shell("touch -d 2001-01-01 %s", path "a")
    assert.is_nil(inbox:next(1000))
    assert.truthy(inbox:next(2000))
  end)

  it("gives out one at a time, the oldest first, until it has ended", function()
    for name, day in pairs { b = 1, c = 2, a = 2 } do
      put(path(name), name)
      shell("touch -d 2001-01-0%d %s", day, path(name))
    end
    local names = {}
    for i = 1, 3 do
      local file = next_file()
      assert.equal(file, next_file())
      names[i] = file.name
      inbox:done(file)
    end
    assert.same({ "b", "a", "c" }, names)
    assert.is_nil(next_file())
  end)

  it("moves what is handled, and what is given up", function()
    put(path "good", "1")
    put(path "bad", "2")
    for _ = 1, 2 do
      local file = next_file()
      if file.name == "good" then inbox:done(file) else inbox:failed(file) end
    end
    assert.equal("1", content(path "done/good"))
    assert.equal("2", content(path "failed/bad"))
    assert.is_nil(next_file())
  end)

  it("removes what is handled, if that is wanted", function()
    inbox = folder.open(below, "in/box", { is_deleted = true })
    put(path "a", "1")
    inbox:done(next_file())
    shell("test -z \"$(find %s -type f)\"", path "")
  end)

  it("keeps what was there under the same name", function()
    for i = 1, 3 do
      put(path "a", ("x"):rep(i))
      inbox:done(next_file())
    end
    assert.equal("x", content(path "done/a"))
    shell("test $(ls %s | wc -l) = 3", path "done")
  end)

  it("takes the file that comes under the same name while one is in hand", function()
    put(path "a", "1")
    local first = next_file()
    put(path "a", "22")
    inbox:done(first)
    local second = next_file()
    assert.equal(2, second.size)
    assert.not_equal(first.key, second.key)
    assert.equal("1", content(path "done/a"))
  end)

  it("gives out again, under the same key, what a process had that died", function()
    put(path "a", "1")
    local file = next_file()
    put(path "a", "22")
    inbox = folder.open(below, "in/box")
    local again = next_file()
    assert.equal(file.key, again.key)
    inbox:done(again)
    assert.equal(2, next_file().size)
  end)

  it("waits for a file that was still written when it was taken", function()
    put(path "a", "1")
    assert.is_nil(inbox:next(0))
    local move = below.move
    local racing = setmetatable({
      move = function(_, from, to)
        put(path "a", "22") -- behind the look
        return move(below, from, to)
      end,
    }, { __index = function(_, name) return function(_, ...) return below[name](below, ...) end end })
    inbox.below = racing
    assert.is_nil(inbox:next(1000))
    inbox.below = below
    assert.is_nil(inbox:next(1001))
    put(path "a", "333") -- the next one does not push it aside
    local file = inbox:next(2001)
    assert.equal(2, file.size)
    inbox:done(file)
    now_ms = 2001
    assert.equal(3, next_file().size)
  end)

  it("knows where a file is that was given up, to be handled once more", function()
    put(path "a", "1")
    local first = next_file()
    assert.equal("in/box/taken/a", inbox:find(first))
    inbox:failed(first)
    put(path "a", "22")
    local second = next_file()
    inbox:failed(second)
    assert.equal("in/box/failed/a", inbox:find(first))
    assert.equal("in/box/failed/" .. second.key .. "-a", inbox:find(second))
    inbox:failed(second) -- in vain
    inbox:done(second)
    assert.is_nil(inbox:find(second))
    assert.equal("22", content(path "done/a"))
    assert.equal("1", content(path "failed/a"))
  end)

  it("has nothing to do with a file that somebody took away", function()
    put(path "a", "1")
    local file = next_file()
    os.remove(path "taken/a")
    assert.is_nil(inbox:find(file))
    inbox:done(file)
    inbox:failed(file)
    assert.is_nil(next_file())
  end)

  it("is told why a file cannot be moved", function()
    put(path "a", "1")
    local file = next_file()
    shell("rm -r %s; touch %s", path "done", path "done")
    local ok, message = pcall(inbox.done, inbox, file)
    assert.is_false(ok)
    assert.equal("unavailable", message.category)
    shell("rm %s", path "done")
    inbox = folder.open(below, "in/box")
    inbox:done(next_file())
    assert.equal("1", content(path "done/a"))
  end)

  it("leaves alone what is unfinished, hidden, no file, or has no name that ion.file takes", function()
    for _, name in ipairs { ".a", "a.tmp", "a.part", "a.partial", "a.filepart", "a.crdownload", "a~",
      "a\\b", "a\nb", "a\255", ("a"):rep(201) } do
      put(path(name), "1")
    end
    shell("mkdir %s; mkfifo %s", path "folder", path "pipe")
    assert.is_nil(next_file())
  end)

  it("does not follow links, nor paths that lead out", function()
    put(top .. "/secret", "s")
    shell("ln -s %s/secret %s; ln -s ../../../secret %s", top, path "link", path "up")
    assert.is_nil(next_file())
    shell("ln -s %s %s/files/out", top, top)
    local ok, message = pcall(folder.open, below, "out/inbox")
    assert.is_false(ok)
    assert.equal("unavailable", message.category)
    shell("test ! -e %s/inbox", top)
    assert.is_nil(inbox:find { name = "../../../../secret", key = "0" })
  end)

  for _, case in ipairs {
    { "inbox" },
    { "orders/in" },
    { "..", true },
    { "a/../b", true },
    { "/etc", true },
    { "a//b", true },
    { "a/", true },
    { "", true },
    { ".hidden", true },
    { "a\0b", true },
    { "a\\b", true },
    { ("a/"):rep(15) .. "a", true },
    { 7, true },
  } do
    it((case[2] and "is refused at %q" or "may be %q"):format(tostring(case[1])), function()
      assert.equal(case[2] or false, folder.problem(case[1]) ~= nil)
    end)
  end
end)
