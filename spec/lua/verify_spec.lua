-- luacheck: max line length 140 (a transaction or a query stands on one line)
local lion = require "lion"
local db_command = require "lion.cli.db"

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_table(e)
  return e
end

local dir, path

local function fill(conn)
  conn:transact(lion.schema { page = { title = { "string", unique = "identity" }, text = "string", next = "ref" } })
  for i = 1, 50 do
    conn:transact { { ["page/title"] = "page " .. i, ["page/text"] = ("word %d "):format(i):rep(300) } }
  end
  return conn
end

local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local function write(name, text)
  local file = assert(io.open(name, "wb"))
  file:write(text)
  file:close()
end

-- The file of a database that was closed, with one byte of the first `words` in it another.
local function damage(words)
  local text = read(path)
  local at = assert(text:find(words, 1, true), words)
  write(path, text:sub(1, at - 1) .. string.char((text:byte(at) + 1) % 256) .. text:sub(at + 1))
end

-- What a command prints, and its exit code.
local function printed(...)
  local lines, real = {}, print
  _G.print = function(line) lines[#lines + 1] = line end
  local ok, code = pcall(db_command.run, { ... })
  _G.print = real
  assert(ok, tostring(code))
  return table.concat(lines, "\n"), code
end

describe("A verification", function()
  before_each(function()
    dir = os.tmpname()
    os.remove(dir)
    assert(os.execute("mkdir " .. dir) == 0)
    path = dir .. "/shop.lion"
  end)
  after_each(function() os.execute("rm -rf " .. dir) end)

  it("finds a closed file sound and leaves it as it is", function()
    fill(lion.connect(path)):close()
    local before = read(path)
    local result = lion.verify(path)
    assert.same({}, result.faults)
    assert.is_true(result.ok)
    assert.is_false(result.beside_owner)
    assert.is_true(result.segments > 0 and result.datoms > 150 and result.bytes > 10000 and result.seconds >= 0)
    assert.equal(50, result.blobs)
    assert.equal(52, result.transactions)
    assert.is_true(before == read(path))
  end)

  it("reads a live database, by its URI or its connection", function()
    local private, named, file = fill(lion.connect "mem:"), fill(lion.connect "mem:verified"), fill(lion.connect(path))
    for _, database in ipairs { private, "mem:verified", path, file } do
      local result = lion.verify(database)
      assert.same({}, result.faults)
      assert.equal(52, result.transactions)
    end
    file:request_index()
    assert.is_true(lion.verify(path).ok)
    private:close()
    named:close()
    file:close()
    assert.equal("lion/not-found", raised(lion.verify, "mem:verified").code)
  end)

  it("tells how far it is, and ends when told to", function()
    local conn, seen = fill(lion.connect "mem:"), {}
    conn:request_index()
    lion.verify(conn, { progress = function(stage, done, total)
      seen[#seen + 1] = stage
      assert.is_true(done <= total)
    end })
    assert.is_true(#seen > 0)
    assert.equal("enough", select(2, pcall(lion.verify, conn, { progress = function() error("enough", 0) end })))
    conn:close()
  end)

  it("refuses what it cannot look at", function()
    assert.equal("lion/not-found", raised(lion.verify, dir .. "/none.lion").code)
    assert.equal("lion/syntax", raised(lion.verify, 42).code)
    assert.equal("lion/syntax", raised(lion.verify, path, { loud = true }).code)
    assert.equal("lion/syntax", raised(lion.verify, path, { progress = true }).code)
  end)

  it("names what is damaged", function()
    fill(lion.connect(path)):close()
    damage("word 7 word 7 word 7 word 7 word 7 word 7 word 7 word 7 word 7 word 7 word 7 word 7 word 7 word 7")
    local result = lion.verify(path)
    assert.is_false(result.ok)
    local told = {}
    for _, fault in ipairs(result.faults) do
      assert.equal("lion/corrupt", fault.code)
      told[#told + 1] = fault.where .. ": " .. fault.message
    end
    assert.matches("values of :page/text: blob %x+ %(of entity %d+%) has a wrong checksum", table.concat(told, "\n"))
  end)
end)

describe("lion db verify", function()
  before_each(function()
    dir = os.tmpname()
    os.remove(dir)
    assert(os.execute("mkdir " .. dir) == 0)
    path = dir .. "/shop.lion"
  end)
  after_each(function() os.execute("rm -rf " .. dir) end)

  it("is one line and 0 for a sound file", function()
    fill(lion.connect(path)):close()
    local text, code = printed("verify", path)
    assert.equal(0, code)
    assert.matches("^sound: %d+ segments, [%d,]+ datoms, %d+%.%d MB, %d+%.%d s$", text)
    text, code = printed("verify", path, "--json")
    assert.equal(0, code)
    assert.is_true(lion.json.read(text).ok)
    assert.matches('"faults":%[%]', text)
  end)

  it("is 1 for one that is not, with a line a fault and what to do", function()
    fill(lion.connect(path)):close()
    damage("word 9 word 9 word 9 word 9 word 9 word 9 word 9 word 9 word 9 word 9 word 9 word 9 word 9 word 9")
    local text, code = printed("verify", path)
    assert.equal(1, code)
    assert.matches("wrong checksum", text)
    assert.matches("1 fault in .*shop%.lion: restore a backup", text)
    local json, json_code = printed("verify", path, "--json")
    assert.equal(1, json_code)
    assert.equal(1, #lion.json.read(json).faults)
  end)

  it("is 1 for what is no database, and for half of one", function()
    write(path, "name,mail\n")
    local text, code = printed("verify", path)
    assert.equal(1, code)
    assert.matches("is not a Lion database", text)
    os.remove(path)
    fill(lion.connect(path)):close()
    local whole = read(path)
    write(path, whole:sub(1, #whole / 2))
    text, code = printed("verify", path)
    assert.equal(1, code)
    assert.matches("cut off", text)
  end)
end)
