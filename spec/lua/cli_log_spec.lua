--- lion log: a database's transactions as text and as lines of JSON, and those that are still to come.
local lion = require "lion"
local program = require "spec.lua.program"

describe("lion log", function()
  local folder, path, schema_t

  local function transact(name)
    local conn = lion.connect(path)
    local t = conn:transact({ { ["p/name"] = name } }).t
    conn:close()
    return t
  end

  local function log(...) return program.run(folder, { "log", "a.lion", ... }) end

  -- The names that lines of JSON tell of, in their order.
  local function names_of(text)
    local names = {}
    for line in text:gmatch "[^\n]+" do
      for _, datom in ipairs(lion.json.read(line).data) do
        if datom[2] == "p/name" then names[#names + 1] = datom[3] end
      end
    end
    return table.concat(names, " ")
  end

  before_each(function()
    folder = program.folder()
    path = folder .. "/a.lion"
    local conn = lion.connect(path)
    schema_t = conn:transact(lion.schema { p = {
      name = "string", born = "instant", raw = "bytes", uid = "uuid", pair = { "tuple",
      tuple_types = { "instant", "string" } },
    } }).t
    conn:close()
  end)

  after_each(function() program.remove(folder) end)

  it("prints each transaction and its datoms, oldest first", function()
    local t = transact "Ann"
    local result = log()
    assert.equal(0, result.code)
    assert.equal("", result.err)
    assert.matches("^t 1  1970%-01%-01T00:00:00.000Z\n", result.out)
    assert.matches(("\nt %d  %%d+%%-%%d+%%-%%d+T[^\n]+Z\n"):format(t), result.out)
    assert.matches('\n  %+ %d+ :p/name "Ann"\n$', result.out)
  end)

  it("tells what is asserted from what is retracted", function()
    local conn = lion.connect(path)
    local id = conn:transact({ { ["db/id"] = "x", ["p/name"] = "Ann" } }).tempids.x
    local t = conn:transact({ { "db/retract", id, "p/name", "Ann" } }).t
    conn:close()
    assert.matches(('\n  %%- %d :p/name "Ann"\n$'):format(id), log(t).out)
    local data = lion.json.read(log(t, "--json").out).data
    assert.same({ id, "p/name", "Ann", t + 3 * 2 ^ 42, false }, data[#data])
  end)

  it("begins and ends where it is told: at a t, a transaction's id or an instant", function()
    local first, second = transact "Ann", transact "Bob"
    assert.equal("Ann Bob", names_of(log(schema_t, "--json").out))
    assert.equal("Bob", names_of(log(second, "--json").out))
    assert.equal("Ann", names_of(log(first, second, "--json").out))
    assert.equal("Ann", names_of(log(("%.0f"):format(first + 3 * 2 ^ 42), second, "--json").out))
    assert.equal("", names_of(log("2999-01-01", "--json").out))
    assert.equal("Ann Bob", names_of(log("2020-01-01T00:00:00Z", "2999-01-01", "--json").out))
  end)

  it("has instants, bytes and uuids in the forms of EDN and JSON, also in a tuple", function()
    local uid, conn = "0190a1b2-0000-7000-8000-000000000001", lion.connect(path)
    local t = conn:transact({ { ["p/born"] = 0, ["p/raw"] = "\0\255", ["p/uid"] = uid,
      ["p/pair"] = { 0, ":x" } } }).t
    conn:close()
    local text = log(t).out
    for _, form in ipairs {
      ':p/born #inst "1970-01-01T00:00:00.000Z"', ':p/raw #base64 "AP8="', ':p/uid #uuid "' .. uid .. '"',
      ':p/pair [#inst "1970-01-01T00:00:00.000Z" ":x"]',
    } do
      assert.is_truthy(text:find(form, 1, true), form)
    end
    local found = {}
    for _, datom in ipairs(lion.json.read(log(t, "--json").out).data) do
      found[datom[2]] = datom[3]
    end
    assert.equal("1970-01-01T00:00:00.000Z", found["p/born"])
    assert.equal("AP8=", found["p/raw"])
    assert.equal(uid, found["p/uid"])
    assert.same({ "1970-01-01T00:00:00.000Z", ":x" }, found["p/pair"])
  end)

  it("refuses what is no database and no point in time", function()
    assert.equal(3, program.run(folder, { "log", "b.lion" }).code)
    assert.equal(2, program.run(folder, { "log" }).code)
    assert.equal(2, log("1", "2", "3").code)
    local result = log "yesterday"
    assert.equal(2, result.code)
    assert.matches("yesterday", result.err)
    assert.equal("", result.out)
  end)

  describe("--follow", function()
    local function follow(...)
      local child = program.start(folder, { "log", "a.lion", ... })
      return child, function(names)
        program.wait_for(function() return names_of(child:out():match "^.*\n" or "") == names end, names)
      end
    end

    it("prints what is written by whoever opens the file meanwhile", function()
      transact "Ann"
      local child, has_printed = follow(schema_t, "--follow", "--json")
      has_printed "Ann"
      transact "Bob"
      has_printed "Ann Bob"
      transact "Cid"
      has_printed "Ann Bob Cid"
      child:signal "INT"
      assert.equal(0, child:wait())
      assert.equal("", child:err())
    end)

    it("stays beside a live owner, over its index jobs and its closing", function()
      local conn = lion.connect(path)
      local child, has_printed = follow(schema_t, "--follow", "--json")
      conn:transact { { ["p/name"] = "Ann" } }
      has_printed "Ann"
      conn:request_index()
      conn:transact { { ["p/name"] = "Bob" } }
      has_printed "Ann Bob"
      conn:close()
      transact "Cid"
      has_printed "Ann Bob Cid"
      child:signal "TERM"
      assert.equal(0, child:wait())
    end)

    it("ends by itself where its range ends", function()
      local t = transact "Ann"
      assert.equal("Ann", names_of(log(schema_t, t + 1, "--follow", "--json").out))
      local child, has_printed = follow(schema_t, t + 2, "--follow", "--json")
      has_printed "Ann"
      assert.is_nil(child:code())
      transact "Bob" -- whose t is not before the end
      assert.equal(0, child:wait())
      assert.equal("Ann", names_of(child:out()))
    end)

    it("waits for a point in time that is still to come", function()
      local t = transact "Ann"
      local child, has_printed = follow(t + 3, "--follow", "--json")
      assert.equal(t + 2, transact "Bob")
      transact "Cid"
      has_printed "Cid"
      child:signal "INT"
      assert.equal(0, child:wait())
    end)

    it("ends quietly when nobody reads on", function()
      local line = ("cd %s; { %s log a.lion --follow; echo $? >code; } 2>err | head -1 >first"):format(
        folder, program.path())
      assert.equal(0, os.execute(line))
      assert.matches("^t 1  1970", program.read(folder .. "/first"))
      assert.equal("0\n", program.read(folder .. "/code"))
      assert.equal("", program.read(folder .. "/err"))
    end)
  end)
end)
