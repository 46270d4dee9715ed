--- Ordinary transactions are answered by the control door's loop, all others by its application: what one
-- says the other must say. Each body here goes both ways, to two databases that were given the same before.
local client = require "spec.node.client"
local json = require "lion.json"
local node = require "spec.node.node"
local socket = require "spec.node.socket"

local SEED = tonumber(os.getenv "LION_SEED" or 1)
local MADE = 400 -- bodies of no intention

-- What a client sends along so that the application answers, and answers the same.
local GENERAL = { accept = "application/json, text/x-edn" }

local SCHEMA = [==[{"db":"%s","tx":[
  {"db/ident":":p/name","db/valueType":":db.type/string","db/cardinality":":db.cardinality/one",
   "db/unique":":db.unique/identity"},
  {"db/ident":":p/age","db/valueType":":db.type/long","db/cardinality":":db.cardinality/one"},
  {"db/ident":":p/size","db/valueType":":db.type/double","db/cardinality":":db.cardinality/one"},
  {"db/ident":":p/is","db/valueType":":db.type/boolean","db/cardinality":":db.cardinality/one"},
  {"db/ident":":p/state","db/valueType":":db.type/keyword","db/cardinality":":db.cardinality/one"},
  {"db/ident":":p/tags","db/valueType":":db.type/string","db/cardinality":":db.cardinality/many"},
  {"db/ident":":p/friend","db/valueType":":db.type/ref","db/cardinality":":db.cardinality/many"},
  {"db/ident":":p/at","db/valueType":":db.type/instant","db/cardinality":":db.cardinality/one"},
  {"db/ident":":p/key","db/valueType":":db.type/uuid","db/cardinality":":db.cardinality/one"},
  {"db/ident":":p/part","db/valueType":":db.type/ref","db/cardinality":":db.cardinality/one",
   "db/isComponent":true}]}]==]

local ID = "0190a000-0000-7000-8000-00000000000"

-- $DB is the database's name.
local BODIES = {
  -- what is ordinary
  '{"db":"$DB","tx":[{"p/name":"Ann","p/age":30}]}',
  '{"tx":[{"p/name":"Ben"}],"db":"$DB"}',
  ' {\n\t"db" : "$DB" ,\r\n "tx" : [ { "p/name" : "Cid" , "p/age" : -7 } ] } \n',
  '{"db":"$DB","tx":[{":p/name":"colon","p/state":":state/new"}]}',
  '{"db":"$DB","tx":[{"p/name":"Grüße, 世界 🦁","p/tags":["ä","ö","世"]}]}',
  '{"db":"$DB","tx":[{"p/name":"esc \\" \\\\ \\/ \\b \\f \\n \\r \\t end"}]}',
  '{"db":"$DB","tx":[{"p/name":"\\u00e4\\ud83e\\udd81"}]}',
  '{"db":"$DB","tx":[{"db/id":"ann","p/name":"A","p/friend":["ben"]},{"db/id":"ben","p/name":"B"}]}',
  '{"db":"$DB","tx":[{"db/id":"q\\"uote","p/name":"Q"}]}',
  '{"db":"$DB","tx":[{"db/id":"z","p/name":"Z1"},{"db/id":"a","p/name":"A1"},{"db/id":"m","p/name":"M1"}]}',
  '{"db":"$DB","tx":[{"db/id":["p/name","Ann"],"p/age":31}]}',
  '{"db":"$DB","tx":[["db/add",["p/name","Ann"],"p/age",32]]}',
  '{"db":"$DB","tx":[[":db/add",["p/name","Ann"],":p/size",1.5]]}',
  '{"db":"$DB","tx":[["db/cas",["p/name","Ann"],"p/age",32,33]]}',
  '{"db":"$DB","tx":[["db/cas",["p/name","Ann"],"p/age",99,33]]}',
  '{"db":"$DB","tx":[["db/cas",["p/name","Ben"],"p/age",null,33]]}',
  '{"db":"$DB","tx":[["db/retract",["p/name","Ann"],"p/age",33]]}',
  '{"db":"$DB","tx":[["db/retract",["p/name","Ann"],"p/size"]]}',
  '{"db":"$DB","tx":[["db/retractEntity",["p/name","Cid"]]]}',
  '{"db":"$DB","tx":[{"p/name":"Dan","p/part":{"p/age":1}}]}',
  '{"db":"$DB","tx":[{"p/name":"Eve","p/part":{"p/age":1,"p/part":{"p/age":2}}}]}',
  '{"db":"$DB","tx":[{"p/name":"Fay","p/_friend":["p/name","Ann"]}]}',
  '{"db":"$DB","tx":[{"db/id":"lion.tx","db/doc":"why"},{"p/name":"Gus"}]}',
  '{"db":"$DB","tx":[{"db/id":"datomic.tx","db/doc":"why"}]}',
  '{"db":"$DB","tx":[{"p/name":"Hal","p/is":true},{"p/name":"Ida","p/is":false}]}',
  '{"db":"$DB","tx":[{"p/name":"Jan","p/at":1700000000000},{"p/name":"Kim","p/at":"2026-01-31T12:00:00Z"}]}',
  '{"db":"$DB","tx":[{"p/name":"Leo","p/key":"0190a000-0000-7000-8000-000000000000"}]}',
  '{"db":"$DB","tx":[],"timeout_ms":0}', '{"db":"$DB","tx":[]}', '{"db":"$DB","tx":[[]]}',
  '{"db":"$DB","tx":[{}]}', '{"db":"$DB","tx":[{"p/name":"M","p/tags":[]}]}',
  '{"db":"$DB","tx":[{"p/name":"N","p/tags":{}}]}',
  '{"db":"$DB","tx":[{"p/name":"O","p/age":null}]}', '{"db":"$DB","tx":[null]}',
  -- numbers
  '{"db":"$DB","tx":[{"p/name":"n1","p/age":9007199254740992}]}',
  '{"db":"$DB","tx":[{"p/name":"n2","p/age":9007199254740993}]}',
  '{"db":"$DB","tx":[{"p/name":"n3","p/age":9223372036854775807}]}',
  '{"db":"$DB","tx":[{"p/name":"n4","p/age":1e3}]}', '{"db":"$DB","tx":[{"p/name":"n5","p/age":1.0}]}',
  '{"db":"$DB","tx":[{"p/name":"n6","p/age":1.5}]}', '{"db":"$DB","tx":[{"p/name":"n7","p/size":-0}]}',
  '{"db":"$DB","tx":[{"p/name":"n8","p/size":-0.0}]}', '{"db":"$DB","tx":[{"p/name":"n9","p/size":1e400}]}',
  '{"db":"$DB","tx":[["db/retract",["p/name","n9"],"p/size"]]}', -- what has no form in JSON
  '{"db":"$DB","tx":[{"p/name":"n10","p/size":1e-400}]}', '{"db":"$DB","tx":[{"p/name":"n11","p/size":0.1}]}',
  '{"db":"$DB","tx":[{"p/name":"n12","p/size":123456789012345678901234567890}]}',
  '{"db":"$DB","tx":[{"p/name":"n13","p/size":01}]}', '{"db":"$DB","tx":[{"p/name":"n14","p/size":1.}]}',
  '{"db":"$DB","tx":[{"p/name":"n15","p/size":.5}]}', '{"db":"$DB","tx":[{"p/name":"n16","p/size":+1}]}',
  '{"db":"$DB","tx":[{"p/name":"n17","p/size":0x10}]}', '{"db":"$DB","tx":[{"p/name":"n18","p/size":1e}]}',
  '{"db":"$DB","tx":[{"p/name":"n19","p/size":NaN}]}', '{"db":"$DB","tx":[{"p/name":"n20","p/size":1e5}]}',
  '{"db":"$DB","tx":[{"p/name":"n21","p/age":-}]}', '{"db":"$DB","tx":[{"p/name":"n22","p/age":1 2}]}',
  '{"db":"$DB","tx":[{"p/name":"n23","p/size":0.31415926535897932384626433832795028841971693993}]}',
  -- what the writer refuses
  '{"db":"$DB","tx":[{"p/name":7}]}', '{"db":"$DB","tx":[{"p/none":1}]}', '{"db":"$DB","tx":["x"]}',
  '{"db":"$DB","tx":[1]}', '{"db":"$DB","tx":[true]}', '{"db":"$DB","tx":[["db/add"]]}',
  '{"db":"$DB","tx":[["no/function",1]]}', '{"db":"$DB","tx":[{"db/id":["p/name","nobody"],"p/age":1}]}',
  '{"db":"$DB","tx":[{"db/id":"x","p/name":"Ann"},{"db/id":"x","p/name":"Ben"}]}',
  '{"db":"$DB","tx":[{"p/name":"U","p/age":1},{"p/name":"U","p/age":2}]}',
  '{"db":"$DB","tx":[{"p/name":"V","p/friend":"nobody"}]}', '{"db":"$DB","tx":[{"p/state":"plain"}]}',
  '{"db":"$DB","tx":[{"p/name":":kw"}]}', '{"db":"$DB","tx":[{"p/name":":"}]}', '{"db":"$DB","tx":[{"":1}]}',
  '{"db":"$DB","tx":[{"p/name":""}]}',
  -- options
  '{"db":"$DB","tx":[{"p/name":"Id1"}],"id":"' .. ID .. '1"}',
  '{"db":"$DB","tx":[{"p/name":"Id1"}],"id":"' .. ID .. '1"}',
  '{"db":"$DB","tx":[{"db/id":"t","p/name":"Id2"}],"id":"' .. ID .. '2","timeout_ms":1000}',
  '{"db":"$DB","tx":[{"db/id":"t","p/name":"Id2"}],"id":"' .. ID .. '2"}',
  '{"db":"$DB","tx":[{"p/name":"Id3"}],"id":"none"}', '{"db":"$DB","tx":[{"p/name":"Id4"}],"id":""}',
  '{"db":"$DB","tx":[{"p/name":"Id5"}],"id":7}', '{"db":"$DB","tx":[{"p/name":"Id6"}],"id":":k"}',
  '{"db":"$DB","tx":[{"p/name":"Id7"}],"id":null}',
  '{"db":"$DB","tx":[{"p/name":"T1"}],"timeout_ms":30000}',
  '{"db":"$DB","tx":[{"p/name":"T2"}],"timeout_ms":30001}',
  '{"db":"$DB","tx":[{"p/name":"T3"}],"timeout_ms":-1}',
  '{"db":"$DB","tx":[{"p/name":"T4"}],"timeout_ms":1.5}',
  '{"db":"$DB","tx":[{"p/name":"T5"}],"timeout_ms":"1"}',
  '{"db":"$DB","tx":[{"p/name":"T6"}],"timeout_ms":007}',
  '{"db":"$DB","tx":[{"p/name":"T7"}],"timeout_ms":1e3}',
  -- bodies that are others
  '{"db":"$DB","tx":"[{:p/name \\"edn\\"}]"}', '{"db":"$DB","tx":{"p/name":"map"}}', '{"db":"$DB","tx":7}',
  '{"db":"$DB","tx":null}', '{"db":"$DB"}', '{"tx":[{"p/name":"W"}]}', '{"db":"","tx":[]}',
  '{"db":7,"tx":[]}',
  '{"db":"system","tx":[]}', '{"db":"../$DB","tx":[]}', '{"db":"$DB","db":"$DB","tx":[{"p/name":"twice"}]}',
  '{"db":"$DB","tx":[{"p/name":"X"}],"tx":[{"p/name":"Y"}]}',
  '{"db":"$DB","tx":[{"p/name":"X1","p/name":"X2"}]}',
  '{"db":"$DB","tx":[{"p/name":"Y1"}],"more":1}', '{"db":"$DB","tx":[{"p/name":"Y2"}]} x',
  '{"db":"$DB","tx":[',
  '{"db":"$DB","tx":[{"p/name":"Y3"}', '{"db":"$DB","tx":[{"p/name":"Y4"},]}',
  '{"db":"$DB","tx":[{"p/name":"Y5",}]}',
  '{"db":"$DB","tx":[{"p/name":}]}', '{"db":"$DB","tx":[{"p/name"}]}', '{"db":"$DB","tx":[{p:1}]}', '',
  '{}', '[]',
  'null', '7', '"x"', '{"db":"$DB","tx":[{"p/name":"a\1b"}]}', '{"db":"$DB","tx":[{"p/name":"a\0b"}]}',
  '{"db":"$DB","tx":[{"p/name":"a\127b"}]}', '{"db":"$DB","tx":[{"db/id":"d\127","p/name":"del"}]}',
  '{"db":"$DB","tx":[{"p/name":"\255\254"}]}', '{"db":"$DB","tx":[{"p/name":"\\x"}]}',
  '{"db":"$DB","tx":[{"p/name":"open', '{"\\u0064b":"$DB","tx":[{"p/name":"Z2"}]}', "{'db':'$DB','tx':[]}",
  '{"db":"$DB","tx":[tru]}', '{"db":"$DB","tx":[nul]}', '{"db":"$DB","tx":[{"p/is":truex}]}',
  '\239\187\191{"db":"$DB","tx":[{"p/name":"mark"}]}',
  '{"db":"$DB","tx":' .. ("["):rep(60) .. ("]"):rep(60) .. "}",
  '{"db":"$DB","tx":' .. ("["):rep(150) .. ("]"):rep(150) .. "}",
  '{"db":"$DB","tx":' .. ("["):rep(5000) .. ("]"):rep(5000) .. "}",
  '{"db":"$DB","tx":' .. ("["):rep(5000) .. "}",
}

-- ---- bodies of no intention ------------------------------------------------------------------------

local function pick(list, first) return list[math.random(first or 1, #list)] end

local NAMES = { "Ann", "Ben", "Cid", "Dan", "ä", "new", ":k", "", "1" }
local VALUES = { "1", "-3", "2.5", "true", "false", "null", '"x"', '":a/b"', "[]", "{}", '["p/name","Ann"]',
  '{"p/age":4}', '["x","y"]', "1e2", '"2026-01-31T12:00:00Z"' }
local ATTRIBUTES = { "p/name", "p/age", "p/size", "p/is", "p/state", "p/tags", "p/friend", "p/at", "p/part",
  "db/doc", "p/none" }

local function value() return math.random(3) > 1 and pick(VALUES) or ('"%s"'):format(pick(NAMES)) end

-- At most one thing is wrong with it: of two, that is told which stands first, and Lua's tables have an order
-- of their own.
local function map()
  local fields = { ('"p/name":"%s%d"'):format(pick { "Ann", "ä", "" }, math.random(50)) }
  if math.random(3) > 1 then fields[2] = ('"%s":%s'):format(pick(ATTRIBUTES, 2), value()) end
  if math.random(3) == 1 then fields[#fields + 1] = ('"db/id":"%s"'):format(pick { "t", "u", "v" }) end
  return "{" .. table.concat(fields, ",") .. "}"
end

local function list()
  return ('["%s",["p/name","%s"],"%s",%s]'):format(pick { "db/add", "db/retract", ":db/add" }, pick(NAMES),
    pick(ATTRIBUTES), value())
end

local WHOLE = '{"db":"$DB","tx":[{"p/name":"Ann7"},["db/add",["p/name","Ann7"],"p/tags",["a","b"]],'
  .. '{"p/size":-12.5e1},{"p/part":{"p/is":true}}],"timeout_ms":900}'

local function made()
  local ops = {}
  for i = 1, math.random(3) do ops[i] = math.random(3) > 1 and map() or list() end
  local body = ('{"db":"$DB","tx":[%s]}'):format(table.concat(ops, ","))
  if math.random(4) > 1 then return body end
  body = WHOLE
  local at = math.random(#body) -- something is wrong with it
  return body:sub(1, at - 1) .. pick { "", ",", '"', "]", "}", "\\", " ", "7" } .. body:sub(at + 1)
end

-- ---- both ways -------------------------------------------------------------------------------------

describe("A transaction at the control door", function()
  local cluster, a, lanes

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "a", group = "main", workers = 1 }
    lanes = { short = socket.connect(a.door), whole = socket.connect(a.door) }
  end)
  teardown(function() cluster:close() end)

  local function ask(way, body)
    local lane = lanes[way]
    body = body:gsub("%$DB", way)
    local headers = way == "whole" and GENERAL or nil
    lane:send(client.text("POST", "/transact", { body = body, headers = headers }))
    local told, why = client.answer(lane)
    assert(told, why)
    if told.headers.connection == "close" then
      lane:close()
      lanes[way] = socket.connect(a.door)
    end
    return told
  end

  local MASKED = '"tx_instant":"%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ"'

  -- Of the time and of the database's name each has its own.
  local function plain(told)
    local body = told.body:gsub("short", "whole"):gsub(MASKED, '"tx_instant":"NOW"')
    return { status = told.status, type = told.headers["content-type"],
      retry = told.headers["retry-after"], body = body }
  end

  local counts = {}

  local function compare(body)
    local one, other = plain(ask("short", body)), plain(ask("whole", body))
    assert.same(other, one, "the answers to " .. body:sub(1, 300))
    counts[one.status] = (counts[one.status] or 0) + 1
  end

  -- All facts but the times of transactions.
  local function facts(name)
    local query = "[:find ?e ?a ?v ?tx :where [?e ?a ?v ?tx] (not [?e :db/txInstant ?v ?tx])]"
    local told = a:control("POST", "/q", { body = json.write { db = name, query = query } }).json()
    local lines = {}
    assert.is_table(told.result, json.write(told))
    for i, row in ipairs(told.result) do lines[i] = json.write(row) end
    table.sort(lines)
    return table.concat(lines, "\n")
  end

  it("is answered the same by the loop and by the application", function()
    compare(SCHEMA:gsub("%%s", "$DB"))
    for _, body in ipairs(BODIES) do compare(body) end
    assert.is_true(counts[200] > 30 and counts[400] > 30 and counts[409] > 1, json.write(counts))
    assert.equal(facts "whole", facts "short")
  end)

  it("is so whatever comes", function()
    math.randomseed(SEED)
    for _ = 1, MADE do compare(made()) end
    assert.equal(facts "whole", facts "short", "LION_SEED=" .. SEED)
  end)

  it("is answered in EDN, or read in EDN, or refused for its query, by the application", function()
    local function told(path, headers, body)
      return client.ask(a.door, "POST", path, { headers = headers, body = body })
    end
    local body = '{"db":"short","tx":[{"db/id":"t","p/name":"edn answer"}]}'
    local edn = told("/transact", { accept = "application/EDN" }, body)
    assert.equal(200, edn.status)
    assert.truthy(edn.headers["content-type"] == "application/edn" and edn.body:find(":tempids {", 1, true))
    local text = '{:db "short" :tx [{:p/name "edn body"}]}'
    assert.equal(200, told("/transact", { ["content-type"] = "application/edn" }, text).status)
    assert.equal(400, told("/transact?x=1", nil, body).status)
  end)

  it("comes back in order where its client sends many at once", function()
    local lane, count = socket.connect(a.door), 100
    local texts = {}
    for i = 1, count do
      local body = ('{"db":"short","tx":[{"db/id":"t%d","p/name":"many %d"}]}'):format(i, i)
      texts[i] = client.text("POST", "/transact", { body = body, headers = i % 7 == 0 and GENERAL or nil })
    end
    lane:send(table.concat(texts))
    for i = 1, count do
      assert.truthy(assert(client.answer(lane)).body:find(('"t%d":'):format(i), 1, true))
    end
    lane:close()
  end)

  it("is in although its client has left", function()
    local lane = socket.connect(a.door)
    lane:send(client.text("POST", "/transact", { body = '{"db":"short","tx":[{"p/name":"left"}]}' }))
    lane:close()
    node.wait_for(function()
      local query = '[:find ?e . :where [?e :p/name "left"]]'
      local body = json.write { db = "short", query = query }
      return type(a:control("POST", "/q", { body = body }).json().result) == "number"
    end, "what the client sent")
  end)
end)
