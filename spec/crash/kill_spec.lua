--- A script that writes is killed, again and again: what it was told is there, and every index says the same.
local lion = require "lion"

local ROUNDS = 6

local WRITER = [[
local lion = require "lion"
io.stdout:setvbuf "no"
local conn = lion.connect(arg[1], { durability = "full" })
for n = tonumber(arg[2]) + 1, math.huge do
  local entry = { ["entry/number"] = n, ["entry/text"] = "text " .. n }
  entry["entry/parts"] = { n * 10, n * 10 + 1 }
  local report = conn:transact { entry }
  io.write(("%d %d\n"):format(n, report.t))
  if n % 150 == 0 then conn:request_index() end
end
]]

-- At a moment that the arguments choose: seconds after the first transaction was acknowledged.
local LIFE = [[
rm -f FOLDER/told
"$(readlink /proc/$PPID/exe)" run FOLDER/writer.lua FOLDER/a.lion LAST >FOLDER/told 2>FOLDER/errors & pid=$!
for try in $(seq 1000); do [ -s FOLDER/told ] && break; sleep 0.01; done
sleep SECONDS; kill -9 $pid; wait $pid 2>>FOLDER/waited
]]

local SCHEMA = {
  entry = {
    number = { "long", unique = "identity" },
    text = { "string", index = true },
    parts = { "long", many = true, index = true },
  },
}

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local function length(iterator)
  local count = 0
  for _ in iterator do
    count = count + 1
  end
  return count
end

describe("A script that is killed while it writes", function()
  local folder, path

  -- number → t of what it was told by then; a line that was cut off was not.
  local function live_and_die(last, seconds)
    local words = { FOLDER = folder, LAST = last, SECONDS = ("%.3f"):format(seconds) }
    os.execute((LIFE:gsub("%u+", words)))
    assert.equal("", read(folder .. "/errors"))
    local told = {}
    for number, t in read(folder .. "/told"):gmatch "(%d+) (%d+)\n" do
      told[tonumber(number)] = tonumber(t)
    end
    return told
  end

  -- Transactions are whole and in order; the answer is number → t of all that are there.
  local function written(conn)
    local ts, last = {}, 0
    for transaction in conn:tx_range() do
      for _, datom in ipairs(transaction.data) do
        if datom.a == "entry/number" then
          assert.equal(last + 1, datom.v)
          assert.equal(5, #transaction.data)
          last = datom.v
          ts[last] = transaction.t
        end
      end
    end
    return ts
  end

  local function check_indexes(db, count)
    for number = 1, count do
      assert.same(
        { ["entry/text"] = "text " .. number, ["entry/parts"] = { number * 10, number * 10 + 1 } },
        db:pull("[:entry/text :entry/parts]", { "entry/number", number })
      )
    end
    for _, index in ipairs { "aevt", "avet" } do
      for attribute, each in pairs { ["entry/number"] = 1, ["entry/text"] = 1, ["entry/parts"] = 2 } do
        assert.equal(count * each, db:count(index, attribute))
        assert.equal(count * each, length(db:datoms(index, attribute)))
      end
    end
    assert.equal(db:count "eavt", length(db:datoms "eavt"))
  end

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir " .. folder)
    path = folder .. "/a.lion"
    local script = assert(io.open(folder .. "/writer.lua", "wb"))
    script:write(WRITER)
    script:close()
  end)

  after_each(function() os.execute("rm -r " .. folder) end)

  it("loses nothing that it was told, and leaves indexes that agree", function()
    local seed = tonumber(os.getenv "LION_SEED") or 20260101
    print("LION_SEED=" .. seed)
    math.randomseed(seed)
    local conn = lion.connect(path)
    conn:transact(lion.schema(SCHEMA))
    conn:close()
    local last = 0
    for _ = 1, ROUNDS do
      local told = live_and_die(last, math.random() * 0.5)
      conn = lion.connect(path)
      local found = written(conn)
      assert.is_not_nil(told[last + 1])
      for number, t in pairs(told) do
        assert.equal(t, found[number])
      end
      last = #found
      check_indexes(conn:db(), last)
      conn:close()
    end
  end)
end)
