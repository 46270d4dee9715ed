local digest = require "lion.cli.digest"
local types = require "lion.cli.types"

-- All that the types of a result ask of a database.
local db = {}
function db.attribute(_, name)
  return ({
    ["p/born"] = { value_type = ":db.type/instant" },
    ["p/raw"] = { value_type = ":db.type/bytes" },
    ["p/age"] = { value_type = ":db.type/long" },
  })[name]
end

local EPOCH = "1970-01-01T00:00:00.000Z"

describe("A result for JSON", function()
  for _, case in ipairs {
    { "[:find ?b ?a :where [?e :p/born ?b] [?e :p/age ?a]]", "relation", { { 0, 0 } }, { { EPOCH, 0 } } },
    { "[:find [?r ...] :where [_ :p/raw ?r]]", "collection", { "a", "ab" }, { "YQ==", "YWI=" } },
    { "[:find (max ?b) . :where [_ :p/born ?b]]", "scalar", 0, EPOCH },
    { "[:find (count ?b) . :where [_ :p/born ?b]]", "scalar", 0, 0 },
    { "[:find (pull ?e [*]) . :where [?e :p/age]]", "scalar",
      { ["p/born"] = 0, ["p/age"] = 0 }, { ["p/born"] = EPOCH, ["p/age"] = 0 } },
  } do
    it("has instants and bytes in their forms: " .. case[1], function()
      assert.same(case[4], types.plain(case[1], { kind = case[2] }, case[3], db))
    end)
  end

  it("has them under the keys of a return map", function()
    local query = "[:find ?b :keys born :where [_ :p/born ?b]]"
    local shape = { kind = "relation", keys = { "born" } }
    assert.same({ { born = EPOCH } }, types.plain(query, shape, { { born = 0 } }, db))
  end)
end)

describe("A file's digest", function()
  it("is XXH3 and the size", function()
    assert.equal("xxh3:99aa06d3014798d86001c324468d497f:0", digest "")
    assert.is_truthy(digest("foobar"):find "^xxh3:%x+:6$")
    assert.are_not.equal(digest "foobar", digest "foobaz")
  end)
end)
