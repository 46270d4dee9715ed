--- A file read beside its live owner: a child process owns it and does what it is told, line by line.
local lion = require "lion"

local OWNER = [[
local lion = require "lion"
local conn = lion.connect(arg[1])
conn:transact(lion.schema { item = { number = { "long", unique = "identity" } } })
local number = 0
for line in io.lines() do
  if line == "index" then
    conn:request_index()
  elseif line == "close" then
    conn:close()
  elseif line == "open" then
    conn = lion.connect(arg[1])
  else
    for _ = 1, tonumber(line) do
      number = number + 1
      conn:transact { { ["item/number"] = number } }
    end
  end
  local done = assert(io.open(arg[1] .. ".done", "wb"))
  done:write(line)
  done:close()
end
]]

describe("A reader beside a live owner", function()
  local folder, path, owner

  local function exists(name)
    local file = io.open(name)
    if file then file:close() end
    return file ~= nil
  end

  local function tell(command)
    owner:write(command, "\n")
    owner:flush()
    while not exists(path .. ".done") do
      os.execute "sleep 0.02"
    end
    os.remove(path .. ".done")
  end

  local function read_only() return lion.connect(path, { read_only = true }) end

  local function count(db) return db:count("aevt", "item/number") end

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir " .. folder)
    path = folder .. "/a.lion"
    local script = assert(io.open(folder .. "/owner.lua", "wb"))
    script:write(OWNER)
    script:close()
    owner = io.popen(('exec "$(readlink /proc/$PPID/exe)" run %s/owner.lua %s'):format(folder, path), "w")
    tell "3"
  end)

  after_each(function()
    owner:close()
    os.execute("rm -r " .. folder)
  end)

  it("sees what was acknowledged when it opened, indexed or not", function()
    local reader = read_only()
    assert.equal(3, count(reader:db()))
    tell "2"
    assert.equal(3, count(reader:db()))
    reader:close()
    tell "index"
    tell "1"
    reader = read_only()
    assert.equal(6, count(reader:db()))
    reader:close()
  end)

  it("moves forward by sync, over index jobs and a clean close too", function()
    local reader = read_only()
    local first = reader:db()
    tell "2"
    assert.equal(5, count(reader:sync()))
    tell "index"
    tell "4"
    tell "index"
    assert.equal(9, count(reader:sync()))
    tell "1"
    tell "close"
    assert.equal(10, count(reader:sync()))
    assert.equal(10, #reader:db():q "[:find [?n ...] :where [_ :item/number ?n]]")
    assert.equal(3, count(first))
    reader:close()
  end)

  it("moves forward over an opening that came after it", function()
    tell "close"
    local reader = read_only()
    assert.equal(3, count(reader:db()))
    tell "open"
    tell "2"
    assert.equal(5, count(reader:sync()))
    tell "index"
    tell "1"
    assert.equal(6, count(reader:sync()))
    reader:close()
  end)

  it("waits for a transaction no longer than it was told to", function()
    local reader = read_only()
    local t = reader:db().basis_t
    local ok, err = pcall(reader.sync, reader, t + 1, { timeout_ms = 30 })
    assert.is_false(ok)
    assert.equal("lion/timeout", err.code)
    tell "1"
    assert.is_true(reader:sync(t + 1).basis_t > t)
    reader:close()
  end)

  it("writes nothing", function()
    local reader = read_only()
    local ok, err = pcall(reader.transact, reader, { { ["item/number"] = 77 } })
    assert.is_false(ok)
    assert.equal("lion/read-only", err.code)
    reader:close()
  end)
end)
