--- What takes long at a control door, and whose client does not wait for it.
local client = require "spec.node.client"
local json = require "lion.json"
local node = require "spec.node.node"
local socket = require "spec.node.socket"

-- All triples of so many numbers: a question for a reader.
local function triples(count)
  local list = {}
  for i = 1, count do list[i] = i end
  return json.write { db = "shop", inputs = { list, list, list }, timeout_ms = 30000,
    query = "[:find (count ?a) . :in $ [?a ...] [?b ...] [?c ...] :where [(+ ?a ?b ?c) ?s] [(= ?s 3)]]" }
end

describe("A control door", function()
  local cluster, a

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "a", group = "main", workers = 1 }
    assert.equal(200, a:control("POST", "/db", { body = '{"name":"shop"}' }).status)
  end)
  teardown(function() cluster:close() end)

  it("stops queries whose clients have left, those that wait, too", function()
    local left = {}
    for i = 1, 6 do
      left[i] = socket.connect(a.door)
      left[i]:send(client.text("POST", "/q", { body = triples(3000) }))
    end
    assert.equal(1, a:control("POST", "/q", { body = triples(10) }).json().result)
    for _, one in ipairs(left) do one:close() end
    local told = a:control("POST", "/q", { body = triples(120) }) -- it waits behind the others: 60 s else
    assert.equal(200, told.status, told.body)
    assert.equal(1, told.json().result)
  end)

  local COUNT = 20000

  local function list_of(text) return "[" .. (text .. ","):rep(COUNT - 1) .. text .. "]" end

  it("reads what is large beside itself, and answers it as what is small", function()
    local schema = '{"db":"large","tx":[{"db/ident":":n/n","db/valueType":":db.type/long",'
      .. '"db/cardinality":":db.cardinality/one"}]}'
    assert.equal(200, a:control("POST", "/transact", { body = schema }).status)
    local tx = list_of('{"n/n":7}'):gsub("^%[", '[{"db/id":"first","n/n":8},')
    local body = ('{"db":"large","tx":%s}'):format(tx) .. (" "):rep(300000)
    local told = a:control("POST", "/transact", { body = body })
    assert.equal(200, told.status, told.body)
    assert.equal(COUNT + 2, told.json().datoms)
    assert.is_number(told.json().tempids.first)
    body = ('{:db "made" :tx [{:db/doc "x"}%s]}'):format((" "):rep(300000))
    told = a:control("POST", "/transact", { body = body,
      headers = { ["content-type"] = "application/edn", accept = "application/edn" } })
    assert.equal(200, told.status, told.body)
    assert.truthy(told.body:find(":datoms 2", 1, true), told.body)
    body = json.write { db = "large", query = "[:find (count ?e) . :in $ [?n ...] :where [?e :n/n ?n]]",
      inputs = { { 7, 8 } } } .. (" "):rep(300000)
    assert.equal(COUNT + 1, a:control("POST", "/q", { body = body }).json().result)
  end)

  it("is not held by bodies that are made to hurt", function()
    local deep = ("["):rep(150) .. list_of "[0]" .. ("]"):rep(150)
    local spaces = (" "):rep(300000)
    for _, case in ipairs {
      { "/transact", ('{"db":"shop","tx":%s}'):format(list_of "[]"), 400, "no operation" },
      { "/transact", ('{"db":"shop","tx":[%s]}'):format(deep), 400, "no operation" },
      { "/transact", ('{"db":"system","tx":%s}'):format(list_of "{}"), 403, "written by push" },
      { "/transact", ('{"db":"../x","tx":%s}'):format(list_of "{}"), 400, "no database's name" },
      { "/transact", ('{"db":"shop","more":%s}'):format(list_of "{}"), 400, "no field here" },
      { "/transact", '{"db":"shop","tx":' .. ("["):rep(300000), 400, "nested" },
      { "/transact", '{"db":"shop","tx":7}', 400, "tx is a list" },
      { "/q", ('{"db":"shop","query":%s}'):format(list_of "[]"), 400, "no part of a query" },
      { "/q", ('{"db":"shop","query":%s'):format(list_of "{}"), 400, "malformed JSON" },
      { "/q", '{"db":"shop","app":"shop","query":"[:find ?x :in ?x]"}', 503, "nothing is deployed" },
      { "/pull", ('{"db":"shop","pattern":%s,"id":1}'):format(list_of "[]"), 400, "" },
      { "/q?x=1", '{"db":"shop","query":"[]"}', 400, "is no field here" },
      { "/tokens", ('{"name":"x","roles":%s}'):format(list_of "[]"), 413, "256 KiB" },
      { "/eval", '{"db":"shop","chunk":"1"}' .. (" "):rep(2 ^ 21), 413, "2 MiB" },
    } do
      local told = a:control("POST", case[1], { body = case[2] .. spaces })
      assert.equal(case[3], told.status, told.body:sub(1, 300))
      assert.truthy(told.body:find(case[4], 1, true), told.body:sub(1, 300))
    end
    assert.equal(200, a:control("GET", "/node").status)
  end)
end)
