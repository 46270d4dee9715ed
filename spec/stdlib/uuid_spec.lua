-- ion.uuid: version 7 through the gate; reading of any.
local gate = require "ions.gate"
local refuses = require "spec.stdlib.refuses"
local uuid = require "ion.uuid"

local function refused(words, fn, ...) refuses.with("ion.uuid/invalid", words, fn, ...) end

describe("A new UUID", function()
  after_each(gate.live)

  it("is of version 7: the clock's ms and random bits, laid out as RFC 9562 has them", function()
    gate.use {
      now = function() return 0x017f22e279b0 end,
      bytes = function(size) return ("\255"):rep(size) end,
    }
    assert.equal("017f22e2-79b0-7fff-bfff-ffffffffffff", uuid.new())
    gate.source.bytes = function(size) return ("\0"):rep(size) end
    assert.equal("017f22e2-79b0-7000-8000-000000000000", uuid.new())
  end)

  it("sorts behind those of earlier times, and says its time", function()
    local now = 1000
    local function tick()
      now = now + 1
      return now
    end
    gate.use { now = tick, bytes = require("ions.sodium").random }
    local last = ""
    for _ = 1, 1000 do
      local one = uuid.new()
      assert.is_true(last < one)
      assert.equal(now, uuid.time(one))
      last = one
    end
  end)

  it("is like no other, also in the same ms", function()
    local seen = {}
    for _ = 1, 10000 do
      local one = uuid.new()
      assert.is_nil(seen[one])
      seen[one] = true
    end
  end)

  it("is one that the database takes", function()
    local conn = require("lion").connect "mem:ion-uuid"
    conn:transact [[ [{:db/ident :thing/id :db/valueType :db.type/uuid :db/cardinality :db.cardinality/one
                       :db/unique :db.unique/identity}] ]]
    local id = uuid.new()
    conn:transact { { ["thing/id"] = id } }
    assert.equal(id, conn:db():pull("[:thing/id]", { "thing/id", id })["thing/id"])
    conn:close()
  end)
end)

describe("Reading a UUID", function()
  local TEXT = "c232ab00-9414-11ec-b3c8-9f6bdeced846"

  it("gives it in lower case, whoever wrote it", function()
    assert.equal(TEXT, uuid.parse(TEXT:upper()))
    assert.equal(TEXT, uuid.parse("urn:uuid:" .. TEXT))
    assert.equal(1, uuid.version(TEXT))
  end)

  it("goes to its bytes and back", function()
    assert.equal(16, #uuid.bytes(TEXT))
    assert.equal("\194\50\171\0", uuid.bytes(TEXT):sub(1, 4))
    assert.equal(TEXT, uuid.format(uuid.bytes(TEXT)))
  end)

  for _, bad in ipairs { "", "c232ab00941411ecb3c89f6bdeced846", TEXT .. "0", TEXT:sub(2), "{" .. TEXT .. "}",
    TEXT:gsub("c", "g", 1), TEXT:gsub("%-", "_"), ("a"):rep(100000) } do
    it(("refuses %q"):format(bad:sub(1, 40)), function()
      assert.is_false(uuid.is(bad))
      refused("is no UUID", uuid.parse, bad)
    end)
  end

  it("refuses what is no text, what has no time, and bytes that are too few", function()
    assert.is_false(uuid.is(nil))
    assert.is_false(uuid.is {})
    refused("a table is no UUID", uuid.parse, {})
    refused("of version 1", uuid.time, TEXT)
    refused("not 15", uuid.format, ("x"):rep(15))
    refused("not a nil", uuid.format)
  end)
end)
