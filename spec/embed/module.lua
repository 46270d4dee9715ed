--- lion.so under a LuaJIT that is not ours: luajit module.lua, with lion.so on LUA_CPATH.
local lion = require "lion"

local conn = lion.connect "mem:"
conn:transact(lion.schema {
  person = {
    email = { "string", unique = "identity" },
    name = "string",
    age = "long",
    friend = { "ref", many = true },
  },
})
local report = conn:transact {
  { ["db/id"] = "ann", ["person/email"] = "ann@x", ["person/name"] = "Ann", ["person/age"] = 40,
    ["person/friend"] = { "bob" } },
  { ["db/id"] = "bob", ["person/email"] = "bob@x", ["person/name"] = "Bob", ["person/age"] = 30 },
}
local db = conn:db()

-- text queries (LPeg is the host's), inputs, functions of the host
assert(db:q("[:find ?n . :in $ ?min :where [?p :person/name ?n] [?p :person/age ?a] [(> ?a ?min)]]",
            35) == "Ann")
lion.fn("app/is_young", function(age) return age < 35 end)
assert(db:q "[:find ?n . :where [?p :person/name ?n] [?p :person/age ?a] [(app/is_young ?a)]]" ==
       "Bob")

-- pull, entities, the past, errors
local ann = db:pull("[:person/name {:person/friend [:person/name]}]", { "person/email", "ann@x" })
assert(ann["person/friend"][1]["person/name"] == "Bob")
assert(db:entity({ "person/email", "bob@x" })["person/_friend"] ~= nil)
conn:transact { { "db/add", { "person/email", "bob@x" }, "person/age", 31 } }
assert(conn:db():as_of(report.t):entity(report.tempids.bob)["person/age"] == 30)
assert(conn:db():entity(report.tempids.bob)["person/age"] == 31)
local ok, e = pcall(conn.transact, conn, { { "db/add", "x", "person/nmae", "Eve" } })
assert(not ok and e.category == "incorrect" and e.code == "lion/unknown-attribute")

-- JSON (cjson is the host's)
assert(lion.json.write { 1, 2 } == "[1,2]")
conn:close()
