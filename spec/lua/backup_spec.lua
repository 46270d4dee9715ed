--- Backups, restoring, lists and deleting: by the API, and by lion db.
local lion = require "lion"
local program = require "spec.lua.program"

-- Writes 1, 2, 3 … and tells of each that is durable.
local WRITER = [[
local lion = require "lion"
io.stdout:setvbuf "no"
local conn = lion.connect "a.lion"
for number = 1, math.huge do
  conn:transact { { ["item/number"] = number } }
  print(number)
end
]]

-- Reads, until it is told to stop.
local READER = [[
local lion = require "lion"
local conn = lion.connect("a.lion", { read_only = true })
print(conn:db().basis_t)
io.stdout:flush()
io.read()
]]

describe("A database file", function()
  local folder, path

  local function at(name) return folder .. "/" .. name end

  local function run(...) return program.run(folder, { ... }) end

  -- The names in the folder, but for those that running the program makes.
  local function names()
    local pipe, list = io.popen("ls -A " .. folder), {}
    for name in pipe:lines() do
      if not name:find "^%." then list[#list + 1] = name end
    end
    pipe:close()
    return table.concat(list, " ")
  end

  local function fails(code, fn, ...)
    local ok, e = pcall(fn, ...)
    assert.is_false(ok)
    assert.equal(code, e.code)
    return e.message
  end

  -- The numbers of a database file, in order, which is sound.
  local function numbers(name)
    assert.is_true(lion.verify(at(name)).ok)
    local conn = lion.connect(at(name), { read_only = true })
    local list = conn:db():q "[:find [?n ...] :where [_ :item/number ?n]]"
    conn:close()
    table.sort(list)
    return list
  end

  before_each(function()
    folder = program.folder()
    path = at "a.lion"
    local conn = lion.connect(path)
    conn:transact(lion.schema { item = { number = { "long", unique = "identity" }, text = "string" } })
    conn:close()
  end)

  after_each(function() program.remove(folder) end)

  describe("that is backed up", function()
    it("goes on, and the backup stays as it was", function()
      local conn = lion.connect(path)
      conn:transact { { ["item/number"] = 1 } }
      conn:backup(at "b")
      conn:transact { { ["item/number"] = 2 } }
      assert.same({ 1 }, numbers "b")
      conn:backup(at "c")
      conn:close()
      assert.same({ 1, 2 }, numbers "a.lion")
      assert.same({ 1, 2 }, numbers "c")
    end)

    it("is one file, with nothing beside it", function()
      local conn = lion.connect(path)
      conn:backup(at "b")
      conn:close()
      os.remove(path .. "-log")
      assert.equal("a.lion b", names())
    end)

    it("may be one in memory", function()
      local conn = lion.connect "mem:"
      conn:transact(lion.schema { item = { number = "long" } })
      local t = conn:transact({ { ["item/number"] = 1 } }).t
      conn:backup(at "b")
      conn:close()
      assert.same({ 1 }, numbers "b")
      conn = lion.connect(at "b")
      assert.equal(t, conn:db().basis_t)
      assert.is_true(conn:transact({ { ["item/number"] = 2 } }).t > t)
      conn:close()
    end)

    it("may be read beside its owner: what the owner wrote is in it, indexed or not", function()
      local writer = program.start(folder, { "run", program.write(at "writer.lua", WRITER) })
      local reader = lion.connect(path, { read_only = true })
      for round = 1, 3 do
        local name = "b" .. round
        program.wait_for(function() return #writer:out():gsub("[^\n]", "") >= round * 20 end, "writes")
        local told = tonumber(writer:out():match "(%d+)\n[^\n]*$")
        if round == 1 then
          reader:backup(at(name))
        else
          local result = run("db", "backup", "a.lion", name)
          assert.equal("", result.err)
          assert.equal(0, result.code)
        end
        assert.is_nil(writer:code())
        local list = numbers(name)
        assert.is_true(#list >= told)
        assert.equal(#list, list[#list]) -- all of them, from 1 on
      end
      reader:close()
      writer:signal "KILL"
      writer:wait()
      local conn = lion.connect(at "b3") -- as its owner: it is a database like any other
      conn:transact { { ["item/number"] = 0 } }
      conn:close()
      assert.equal(0, numbers("b3")[1])
    end)

    it("is not there before it is whole, whenever whoever makes it dies", function()
      local conn = lion.connect(path)
      for number = 1, 40 do
        conn:transact { { ["item/number"] = number, ["item/text"] = ("text " .. number):rep(10000) } }
      end
      conn:close()
      local child = program.start(folder, { "db", "backup", "a.lion", "b" })
      program.wait_for(function() return names():find "%f[%w]b" end, "a backup that begins")
      if child:code() == nil then child:signal "KILL" end
      child:wait()
      if program.read(at "b") then assert.equal(40, #numbers "b") end
      assert.equal(0, run("db", "backup", "a.lion", "c").code)
      assert.equal(40, #numbers "c")
    end)

    it("replaces nothing, and leaves nothing where it cannot be made", function()
      local conn = lion.connect(path)
      program.write(at "there", "precious")
      local before = names()
      fails("lion/exists", conn.backup, conn, at "there")
      fails("lion/exists", conn.backup, conn, folder)
      fails("lion/exists", conn.backup, conn, path)
      assert.matches("none does not exist", fails("lion/not-found", conn.backup, conn, at "none/b"))
      fails("lion/syntax", conn.backup, conn)
      fails("lion/syntax", conn.backup, conn, "")
      fails("lion/unsupported", conn.backup, conn, "mem:b")
      assert.equal("precious", program.read(at "there"))
      assert.equal(before, names())
      conn:close()
      fails("lion/closed", conn.backup, conn, at "b")
    end)
  end)

  describe("that is restored", function()
    before_each(function()
      local conn = lion.connect(path)
      conn:transact { { ["item/number"] = 1 } }
      conn:backup(at "backup")
      conn:close()
    end)

    it("is a new database beside the backup, which stays", function()
      lion.restore(at "backup", at "b.lion")
      local conn = lion.connect(at "b.lion")
      conn:transact { { ["item/number"] = 2 } }
      conn:close()
      assert.same({ 1, 2 }, numbers "b.lion")
      assert.same({ 1 }, numbers "backup")
    end)

    it("replaces nothing, open or not, and no tail", function()
      local conn = lion.connect(path)
      fails("lion/exists", lion.restore, at "backup", path)
      conn:close()
      fails("lion/exists", lion.restore, at "backup", path)
      program.write(at "b.lion-log", "transactions that are in no file yet")
      assert.matches("b.lion%-log", fails("lion/exists", lion.restore, at "backup", at "b.lion"))
    end)

    it("comes of a backup alone: not of a database at work, of other files, or of nothing", function()
      local conn = lion.connect(path)
      conn:transact { { ["item/number"] = 2 } }
      program.write(at "junk", ("junk "):rep(2000))
      local before = names()
      assert.matches("make a backup of it", fails("lion/not-a-backup", lion.restore, path, at "b.lion"))
      assert.matches("/junk is not a Lion", fails("lion/corrupt", lion.restore, at "junk", at "b.lion"))
      assert.matches("none", fails("lion/not-found", lion.restore, at "none", at "b.lion"))
      assert.matches("none does not", fails("lion/not-found", lion.restore, at "backup", at "none/b.lion"))
      fails("lion/io", lion.restore, folder, at "b.lion")
      fails("lion/unsupported", lion.restore, at "backup", "mem:b")
      fails("lion/syntax", lion.restore, at "backup")
      assert.equal(before, names())
      conn:close()
    end)
  end)

  describe("that is deleted", function()
    it("is gone with all that lay beside it", function()
      local conn = lion.connect(path)
      conn:transact { { ["item/number"] = 1 } }
      conn:close()
      lion.delete(path)
      assert.equal("", names())
      fails("lion/not-found", lion.delete, path)
    end)

    it("stays where somebody has it open, here or elsewhere, if only to read", function()
      local conn = lion.connect(path)
      fails("lion/locked", lion.delete, path)
      assert.equal(5, run("db", "delete", "a.lion").code)
      conn:close()
      conn = lion.connect(path, { read_only = true })
      fails("lion/locked", lion.delete, path)
      assert.equal(5, run("db", "delete", "a.lion").code)
      conn:close()
      program.write(at "reader.lua", READER)
      os.execute("mkfifo " .. at "stop")
      local reader = program.start(folder, { "run", "reader.lua" }, { input = "stop" })
      local stop = assert(io.open(at "stop", "w"))
      program.wait_for(function() return reader:out() ~= "" end, "a reader")
      fails("lion/locked", lion.delete, path)
      stop:write "\n"
      stop:close()
      assert.equal(0, reader:wait())
      lion.delete(path)
      fails("lion/not-found", lion.delete, path)
    end)

    it("is a database: nothing else is removed", function()
      program.write(at "junk.lion", "junk")
      os.execute("mkdir " .. at "b.lion")
      fails("lion/corrupt", lion.delete, at "junk.lion")
      fails("lion/io", lion.delete, at "b.lion")
      fails("lion/unsupported", lion.delete, "mem:a")
      fails("lion/syntax", lion.delete)
      assert.equal("junk", program.read(at "junk.lion"))
    end)
  end)

  it("is listed, by its path, in order; folders and other files are not", function()
    lion.connect(at "b.lion"):close()
    os.execute("mkdir " .. at "c.lion")
    program.write(at "d.txt", "")
    assert.same({ at "a.lion", at "b.lion" }, lion.list(folder))
    assert.same({ at "a.lion", at "b.lion" }, lion.list(folder .. "/"))
    assert.same({}, lion.list(at "c.lion"))
    fails("lion/not-found", lion.list, at "none")
    fails("lion/not-found", lion.list, at "d.txt")
    fails("lion/syntax", lion.list)
  end)

  describe("by lion db", function()
    it("is made, listed, backed up, restored and deleted without a word", function()
      for _, words in ipairs {
        { "db", "create", "b.lion" }, { "db", "backup", "a.lion", "backup" }, { "db", "delete", "a.lion" },
        { "db", "restore", "backup", "a.lion" },
      } do
        local result = program.run(folder, words)
        assert.same({ "", "", 0 }, { result.out, result.err, result.code })
      end
      assert.equal("./a.lion\n./b.lion\n", run("db", "list").out)
      assert.equal(at "a.lion" .. "\n" .. at "b.lion" .. "\n", run("db", "list", folder).out)
      assert.same({}, numbers "a.lion")
    end)

    it("is told of in JSON where that is asked for", function()
      for _, case in ipairs {
        { { "db", "create", "b.lion" }, { database = "b.lion" } },
        { { "db", "backup", "a.lion", "backup" }, { backup = "backup" } },
        { { "db", "restore", "backup", "c.lion" }, { database = "c.lion" } },
        { { "db", "delete", "b.lion" }, { deleted = "b.lion" } },
        { { "db", "list" }, { "./a.lion", "./c.lion" } },
      } do
        table.insert(case[1], "--json")
        assert.same(case[2], lion.json.read(program.run(folder, case[1]).out))
      end
      os.execute("mkdir " .. at "empty")
      assert.equal("[]\n", run("db", "list", "empty", "--json").out)
    end)

    it("has its counts and sizes shown, also beside its owner", function()
      local conn = lion.connect(path)
      conn:transact { { ["item/number"] = 7 } }
      local result = run("db", "stats", "a.lion")
      assert.equal(0, result.code)
      assert.matches("\nbasis_t +" .. conn:db().basis_t, result.out)
      assert.matches("\nitem/number +1 +1\n", result.out)
      local stats = lion.json.read(run("db", "stats", "a.lion", "--json").out)
      assert.equal(conn:db().basis_t, stats.basis_t)
      assert.same({ count = 1, distinct = 1 }, stats.attrs["item/number"])
      conn:close()
    end)

    for _, case in ipairs {
      { { "create", "a.lion" }, 4, "exists already" },
      { { "create", "none/a.lion" }, 3, "none does not exist" },
      { { "list", "none" }, 3, "there is no folder none" },
      { { "stats", "none.lion" }, 3, "none.lion" },
      { { "verify", "none.lion" }, 3, "none.lion" },
      { { "backup", "none.lion", "b" }, 3, "none.lion" },
      { { "backup", "a.lion", "a.lion" }, 4, "exists already" },
      { { "backup", "a.lion", "none/b" }, 3, "none does not exist" },
      { { "restore", "none", "b.lion" }, 3, "no backup none" },
      { { "restore", "a.lion", "a.lion" }, 4, "exists already" },
      { { "delete", "none.lion" }, 3, "none.lion" },
      { {}, 2, "lion db create, list" },
      { { "remove", "a.lion" }, 2, "no lion db remove" },
      { { "stat", "a.lion" }, 2, "did you mean stats%?" },
      { { "backup", "a.lion" }, 2, "lion db backup URI PATH" },
      { { "restore" }, 2, "lion db restore PATH URI" },
      { { "list", "a", "b" }, 2, "lion db list %[DIR%]" },
      { { "verify", "a.lion", "--jason" }, 2, "did you mean %-%-json%?" },
    } do
      it("ends with " .. case[2] .. ": " .. table.concat(case[1], " "), function()
        local result = run("db", unpack(case[1]))
        assert.equal(case[2], result.code)
        assert.equal("", result.out)
        assert.matches("^lion: [^\n]*" .. case[3] .. "[^\n]*\n$", result.err)
      end)
    end

    it("leaves nothing where the disk takes no more", function()
      local conn = lion.connect(path)
      for number = 1, 60 do
        conn:transact { { ["item/number"] = number, ["item/text"] = ("text " .. number):rep(1000) } }
      end
      conn:backup(at "backup")
      conn:close()
      local before = names()
      for _, words in ipairs { "backup a.lion b", "restore backup b" } do
        -- files of at most 100 KB stand for a disk that is full
        local line = [[cd %s; (trap "" XFSZ; ulimit -f 100; exec %s db %s) >.out 2>.err]]
        assert.equal(5, os.execute(line:format(folder, program.path(), words)) / 256)
        assert.matches("^lion: [^\n]+\n$", program.read(at ".err"))
        assert.equal(before, names())
      end
    end)
  end)
end)
