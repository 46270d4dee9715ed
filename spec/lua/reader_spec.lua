--- A file read beside its live owner: a child process owns it and does what it is told, line by line.
local lion = require "lion"

local OWNER = [[
local lion = require "lion"
local conn = lion.connect(arg[1])
local number = tonumber(arg[2])
if number == 0 then conn:transact(lion.schema { item = { number = { "long", unique = "identity" } } }) end
for line in io.lines() do
  if line == "index" then
    conn:request_index()
  elseif line == "close" then
    conn:close()
  elseif line == "die" then
    os.execute "kill -9 $PPID"
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

  local function start_owner(number)
    local command = 'exec "$(readlink /proc/$PPID/exe)" run %s/owner.lua %s %d'
    owner = io.popen(command:format(folder, path, number), "w")
  end

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir " .. folder)
    path = folder .. "/a.lion"
    local script = assert(io.open(folder .. "/owner.lua", "wb"))
    script:write(OWNER)
    script:close()
    start_owner(0)
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

  it("sees what the owner writes that came after one that died with all indexed", function()
    tell "index"
    owner:write "die\n"
    owner:close()
    start_owner(3)
    tell "0" -- it has opened, and written nothing yet
    local reader = read_only()
    assert.equal(3, count(reader:db()))
    tell "2"
    assert.equal(5, count(reader:sync()))
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

--- A transaction as it is recorded (core/index/log_tree.h): what a writer's process sends. Long values alone.
local function record(transaction)
  local out = {}
  local function varint(x)
    while x >= 128 do
      out[#out + 1] = string.char(128 + x % 128)
      x = math.floor(x / 128)
    end
    out[#out + 1] = string.char(x)
  end
  local function zigzag(x) varint(x >= 0 and x * 2 or -x * 2 - 1) end
  varint(transaction.t)
  zigzag(transaction.instant)
  varint(transaction.next_counter)
  varint(#transaction.datoms)
  local before = 0
  for _, datom in ipairs(transaction.datoms) do
    zigzag(datom.e - before)
    varint(datom.a)
    varint(datom.type)
    zigzag(datom.v)
    before = datom.e
  end
  varint(0) -- no id
  varint(#transaction.tempids)
  for _, tempid in ipairs(transaction.tempids) do
    varint(#tempid.name)
    out[#out + 1] = tempid.name
    varint(tempid.id)
  end
  return table.concat(out)
end

describe("The report of a transaction that another process made", function()
  local core = require "lion.core"
  local LONG, INSTANT, TX_INSTANT = 2, 4, 50

  --- A database in memory, and the record of its newest transaction as its writer would send it.
  local function world()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { item = { number = { "long", unique = "identity" }, count = "long" } })
    conn:transact { { ["item/number"] = 1 }, { ["item/number"] = 2 } }
    local made = conn:transact { { ["db/id"] = "new", ["item/number"] = 3, ["item/count"] = 7 } }
    local datoms = {}
    for i, datom in ipairs(made.tx_data) do
      local is_instant = datom[2] == "db/txInstant"
      datoms[i] = { e = datom[1], a = is_instant and TX_INSTANT or made.db_after:entid(datom[2]),
        type = is_instant and INSTANT or LONG, v = datom[3] }
    end
    return conn, made, record {
      t = made.tx % 2 ^ 42, instant = made.tx_instant, next_counter = made.tempids.new % 2 ^ 42 + 1,
      datoms = datoms, tempids = { { name = "new", id = made.tempids.new } },
    }
  end

  it("is what its writer had", function()
    local conn, made, bytes = world()
    conn:transact { { ["item/number"] = 4 } } -- it is not the newest any more
    local db = require "lion.db"
    local report = core.record_report(conn.handle, bytes)
    assert.equal(made.tx, report.tx)
    assert.equal(made.db_after.basis_t, report.t)
    assert.equal(made.tx_instant, report.tx_instant)
    assert.same({ new = made.tempids.new }, report.tempids)
    assert.equal(#made.tx_data, #report.tx_data)
    for i, datom in ipairs(made.tx_data) do
      local same = report.tx_data[i]
      for field = 1, 5 do assert.equal(datom[field], same[field]) end
      assert.equal(getmetatable(datom), getmetatable(same))
    end
    local before, after = db.wrap(report.db_before, conn), db.wrap(report.db_after, conn)
    assert.equal(made.db_before.basis_t, before.basis_t)
    assert.equal(made.db_after.basis_t, after.basis_t)
    assert.is_true(made.db_before == before)
    assert.is_true(made.db_after == after)
    assert.equal(2, before:count("aevt", "item/number"))
    assert.equal(3, after:count("aevt", "item/number"))
    conn:close()
  end)

  it("of an id that was seen before has no datoms, and one value", function()
    local conn, made = world()
    local report = core.record_report(conn.handle, record {
      t = made.db_after.basis_t, instant = made.tx_instant, next_counter = 0, datoms = {},
      tempids = { { name = "new", id = made.tempids.new } },
    })
    assert.same({}, report.tx_data)
    assert.equal(made.db_after.basis_t, report.t)
    assert.same({ new = made.tempids.new }, report.tempids)
    conn:close()
  end)

  it("is waited for no longer than was said", function()
    local conn, made = world()
    local t = made.db_after.basis_t + 100
    local later = record { t = t, instant = 0, next_counter = 0, datoms = {}, tempids = {} }
    local ok, problem = pcall(core.record_report, conn.handle, later, 20)
    assert.is_false(ok)
    assert.equal("lion/timeout", problem.code)
    conn:close()
  end)

  it("is for readers where it is fed", function()
    local conn, _, bytes = world()
    for _, call in ipairs { core.conn_feed, core.conn_preview } do
      local ok, problem = pcall(call, conn.handle, bytes)
      assert.is_false(ok)
      assert.equal("lion/not-allowed", problem.code)
    end
    conn:close()
  end)
end)
