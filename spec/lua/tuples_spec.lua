-- luacheck: max line length 130 (a transaction or a query stands on one line)
-- What a tuple may hold: its types are checked with the schema, its values with the transaction.
local lion = require "lion"

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_table(e)
  return e
end

local function with_schema(attributes)
  local conn = lion.connect "mem:"
  conn:transact(lion.schema { v = attributes })
  return conn
end

describe("A tuple's types", function()
  for _, kind in ipairs { "float", "bytes", "tuple" } do
    it("are no " .. kind, function()
      for _, tuple in ipairs { { tuple_types = { "long", kind } }, { tuple_type = kind } } do
        local e = raised(with_schema, { x = tuple })
        assert.same({ "incorrect", "db.error/invalid-tuple-attrs" }, { e.category, e.code })
        assert.truthy(e.message:find("db.type/" .. kind, 1, true))
      end
    end)
  end

  it("are no float, bytes or tuple in a composite either", function()
    for _, member in ipairs { "float", "bytes", { "tuple", tuple_type = "long" } } do
      local e = raised(with_schema, { a = "long", b = member, ab = { tuple_attrs = { "v/a", "v/b" } } })
      assert.equal("db.error/invalid-tuple-attrs", e.code)
      assert.truthy(e.message:find("v/b", 1, true))
    end
  end)

  it("are all the others", function()
    for _, kind in ipairs { "boolean", "double", "instant", "keyword", "long", "ref", "string", "symbol", "uri", "uuid" } do
      with_schema { x = { tuple_types = { kind, "long" } }, y = { tuple_type = kind } }:close()
    end
  end)

  it("of what is not there yet are unsupported, as attributes of it are", function()
    assert.equal("unsupported", raised(with_schema, { x = { tuple_type = "bigint" } }).category)
  end)
end)

describe("A string in a tuple", function()
  local conn = with_schema { pair = { tuple_types = { "string", "long" } }, run = { tuple_type = "string" },
    name = "string", n = "long", both = { tuple_attrs = { "v/name", "v/n" } } }

  local function refused(operation)
    local before = conn:db().basis_t
    local e = raised(conn.transact, conn, { operation })
    assert.same({ "incorrect", "db.error/invalid-tuple-value" }, { e.category, e.code })
    assert.equal(before, conn:db().basis_t)
  end

  it("has at most 256 characters", function()
    for _, letter in ipairs { "x", "é" } do
      local text = letter:rep(256)
      local id = conn:transact({ { ["db/id"] = "e", ["v/pair"] = { text, 1 }, ["v/run"] = { "a", text } } }).tempids.e
      assert.same({ ["v/pair"] = { text, 1 }, ["v/run"] = { "a", text } }, conn:db():pull("[:v/pair :v/run]", id))
      refused { ["v/pair"] = { text .. letter, 1 } }
      refused { ["v/run"] = { "a", text .. letter } }
    end
  end)

  it("has at most 256 in a composite", function()
    conn:transact { { ["v/name"] = ("x"):rep(256), ["v/n"] = 1 } }
    refused { ["v/name"] = ("x"):rep(257), ["v/n"] = 1 }
  end)

  it("has as many as it wants outside of tuples", function()
    local free = with_schema { name = "string" }
    local id = free:transact({ { ["db/id"] = "e", ["v/name"] = ("x"):rep(5000) } }).tempids.e
    assert.equal(5000, #free:db():entity(id)["v/name"])
  end)
end)
