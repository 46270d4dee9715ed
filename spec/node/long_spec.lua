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
end)
