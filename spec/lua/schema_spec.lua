local schema = require "lion.schema"

describe("lion.schema", function()
  it("defines attributes in order of their names", function()
    assert.same({
      { ["db/ident"] = ":person/email", ["db/valueType"] = ":db.type/string",
        ["db/cardinality"] = ":db.cardinality/one",
        ["db/unique"] = ":db.unique/identity", ["db/doc"] = "login" },
      { ["db/ident"] = ":person/friend", ["db/valueType"] = ":db.type/ref",
        ["db/cardinality"] = ":db.cardinality/many" },
      { ["db/ident"] = ":person/name", ["db/valueType"] = ":db.type/string",
        ["db/cardinality"] = ":db.cardinality/one" },
    }, schema.define { person = { name = "string", email = { "string", unique = "identity",
      doc = "login" }, friend = { "ref", many = true } } })
  end)

  it("knows every option", function()
    local tx = schema.define { v = {
      a = { "decimal", index = false, no_history = true, preds = "app.pred/fine" },
        b = { "ref", component = true },
      c = { "tuple", tuple_attrs = { "v/a", ":v/b" } },
        d = { tuple_types = { "long", "db.type/string" } }, e = { "tuple", tuple_type = "long" } } }
    assert.equal(":db.type/bigdec", tx[1]["db/valueType"])
    assert.equal(false, tx[1]["db/index"])
    assert.equal(true, tx[1]["db/noHistory"])
    assert.same({ "app.pred/fine" }, tx[1]["db.attr/preds"])
    assert.equal(true, tx[2]["db/isComponent"])
    assert.same({ ":v/a", ":v/b" }, tx[3]["db/tupleAttrs"])
    assert.equal(":db.type/tuple", tx[4]["db/valueType"])
    assert.same({ ":db.type/long", ":db.type/string" }, tx[4]["db/tupleTypes"])
    assert.equal(":db.type/long", tx[5]["db/tupleType"])
  end)

  for name, spec in pairs {
    ["an unknown type"] = { v = { x = "strnig" } },
      ["an unknown option"] = { v = { x = { "string", uniq = "identity" } } },
    ["an unknown uniqueness"] = { v = { x = { "string", unique = "yes" } } },
      ["no type"] = { v = { x = {} } }, ["no table"] = 7,
    ["a namespace that is no table"] = { v = "string" },
      ["a truth that is none"] = { v = { x = { "ref", many = 1 } } },
      ["words"] = { v = { x = { "ref", "many" } } },
  } do
    it("refuses " .. name, function()
      local ok, e = pcall(schema.define, spec)
      assert.is_false(ok)
      assert.equal("incorrect", e.category)
    end)
  end
end)
