--- The live stream of a database's transactions, and that long questions hold nobody else.
local client = require "spec.node.client"
local edn = require "lion.edn"
local json = require "lion.json"
local lion = require "lion"
local node = require "spec.node.node"
local socket = require "spec.node.socket"

-- What has come of a chunked body, and whether its end is there.
local function unchunked(text)
  local at = select(2, text:find("\r\n\r\n", 1, true))
  local pieces = {}
  while at do
    local size, first = text:match("^(%x+)\r\n()", at + 1)
    size = size and tonumber(size, 16)
    if size == 0 then return table.concat(pieces), true end
    if not size or #text < first + size + 1 then break end
    pieces[#pieces + 1] = text:sub(first, first + size - 1)
    at = first + size + 1
  end
  return table.concat(pieces), false
end

local Stream = {}
Stream.__index = Stream

local function open(address, target, headers)
  local one = assert(socket.connect(address))
  one:send(client.text("GET", target, { headers = headers }))
  return setmetatable({ socket = one }, Stream)
end

-- The lines so far; whether the stream has ended: "whole", or "closed" and "reset" in the midst of it.
function Stream:lines()
  local ended = self.socket:fill()
  local text, is_whole = unchunked(self.socket.got)
  local lines = {}
  for line in text:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  return lines, is_whole and "whole" or ended
end

-- Wait for a line of a transaction with this doc.
function Stream:await(doc)
  return node.wait_for(function()
    for _, line in ipairs((self:lines())) do
      if line:find('"' .. doc .. '"', 1, true) then return line end
    end
  end, "a line with " .. doc)
end

-- It stands somewhere.
function Stream:await_first()
  return node.wait_for(function() return (self:lines())[1] end, "the first line")
end

function Stream:await_end()
  return node.wait_for(function()
    local lines, ended = self:lines()
    return ended and { lines = lines, ended = ended }
  end, "the end of the stream")
end

function Stream:close() self.socket:close() end

describe("The live stream of transactions", function()
  local cluster, a, conn

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "a", group = "main", workers = 1, control = "127.0.0.1:0", memory = 64 }
    conn = lion.connect(a.door .. "/orders")
  end)
  teardown(function()
    conn:close()
    cluster:close()
  end)

  local function write(doc) return conn:transact { { ["db/doc"] = doc } }.t end

  it("begins with the t where it stands, and tells each transaction as a line of JSON", function()
    local t = write "before"
    local stream = open(a.door, "/tx?db=orders")
    assert.same({ t = t }, json.read(stream:await_first()))
    t = write "one"
    local told = json.read(stream:await "one")
    assert.equal(t, told.t)
    assert.equal(3 * 2 ^ 42 + t, told.tx)
    assert.truthy(told.tx_instant:find "^20%d%d%-")
    assert.same({ "db/doc", "one", told.tx, true }, { unpack(told.data[#told.data], 2) })
    assert.is_nil(table.concat((stream:lines())):find("before", 1, true))
    stream:close()
  end)

  it("begins behind a t that is given, in EDN if that is asked for", function()
    local t = write "two"
    write "three"
    local stream = open(a.door, "/tx?db=orders&after=" .. t, { accept = "application/edn" })
    local told = edn.read(stream:await "three")
    assert.equal("number", type(told.tx_instant))
    assert.is_nil(table.concat((stream:lines())):find('"two"', 1, true))
    assert.truthy(stream.socket.got:find("content-type: application/edn", 1, true))
    stream:close()
  end)

  it("refuses what it cannot tell of", function()
    local function refused(target) return client.ask(a.door, "GET", target).json().error end
    assert.truthy(refused("/tx").message:find("the field db is needed", 1, true))
    assert.equal("lion/not-found", refused("/tx?db=order").code)
    assert.truthy(refused("/tx?db=orders&after=x").message:find("after is a whole number", 1, true))
    assert.truthy(refused("/tx?db=orders&from=1").message:find("from is no field", 1, true))
    assert.equal(405, client.ask(a.door, "POST", "/tx?db=orders").status)
  end)

  it("goes on when the writer is killed, with nothing lost", function()
    local stream = open(a.door, "/tx?db=orders&after=" .. write "four")
    node.kill(a:ready_pids("writer", 1)[1])
    write "five" -- asked again until there is a writer
    stream:await "five"
    write "six"
    stream:await "six"
    stream:close()
  end)

  it("is taken up behind the last t when the door was killed", function()
    local stream = open(a.door, "/tx?db=orders&after=" .. write "seven")
    local t = write "eight"
    stream:await "eight"
    node.kill(a:ready_pids("door", 1)[1])
    assert.not_equal("whole", stream:await_end().ended)
    stream:close()
    write "nine"
    stream = open(a.door, "/tx?db=orders&after=" .. t)
    stream:await "nine"
    assert.is_nil(table.concat((stream:lines())):find('"eight"', 1, true))
    stream:close()
  end)

  it("waits for who does not read, and holds nobody meanwhile", function()
    local stream = open(a.door, "/tx?db=orders&after=" .. write "slow")
    local long = ("x"):rep(100000)
    for i = 1, 30 do conn:transact { { ["db/doc"] = long .. i } } end -- more than sockets and windows take
    write "last of all"
    stream:await "last of all"
    local lines = stream:lines()
    assert.is_true(#lines >= 31)
    local t = 0
    for _, line in ipairs(lines) do
      local told = json.read(line)
      if told.data then
        assert.is_true(told.t > t)
        t = told.t
      end
    end
    stream:close()
  end)

  it("ends with a line that says why when its token is revoked", function()
    local made = a:control("POST", "/tokens", { body = '{"name":"hears","roles":["read"]}' }).json()
    local stream = open(a.tcp, "/tx?db=orders", { authorization = "Bearer " .. made.token })
    stream:await_first()
    write "heard"
    stream:await "heard"
    assert.equal(200, a:control("DELETE", "/tokens/hears").status)
    write "not for everybody"
    local ending = stream:await_end()
    assert.equal("whole", ending.ended)
    local last = json.read(ending.lines[#ending.lines])
    assert.equal("lion/unauthenticated", last.error.code)
    assert.is_nil(table.concat(ending.lines):find("not for everybody", 1, true))
    assert.equal(last.t, json.read(ending.lines[#ending.lines - 1]).t)
    stream:close()
  end)

  -- ---- questions that take long --------------------------------------------------------------------

  local SLOW = "[:find (count ?a) . :where [?a :row/n ?x] [?b :row/n ?y] [?c :row/n ?z]"
    .. " [(< ?x ?y)] [(< ?y ?z)]]"

  local function fill(count)
    conn:transact(lion.schema { row = { n = "long", text = "string" } })
    local tx = {}
    for i = 1, count do tx[i] = { ["row/n"] = i, ["row/text"] = ("text %d "):format(i):rep(20) } end
    conn:transact(tx)
  end

  it("holds nobody while a query takes its time", function()
    fill(3000)
    local body = json.write { db = "orders", query = SLOW, timeout_ms = 20000 }
    local slow = {}
    for i = 1, 2 do
      slow[i] = assert(socket.connect(a.door))
      slow[i]:send(client.text("POST", "/q", { body = body }))
    end
    for i = 1, 20 do
      assert.equal(200, a:control("GET", "/node").status)
      write("meanwhile " .. i)
      assert.equal(1, conn:db():q("[:find (count ?e) . :in $ ?d :where [?e :db/doc ?d]]", "meanwhile " .. i))
    end
    for i = 1, 2 do
      slow[i]:fill()
      assert.equal("", slow[i].got) -- neither is answered yet
      slow[i]:close()
    end
  end)

  it("tells of a query whose time is over what it may take, as anybody's", function()
    local body = json.write { db = "orders", query = SLOW, timeout_ms = 100 }
    local answer = a:control("POST", "/q", { body = body })
    assert.equal(504, answer.status)
    assert.equal("lion/timeout", answer.json().error.code)
    assert.truthy(answer.body:find("100 ms", 1, true))
  end)

  it("gives the same rows by an iterator as at once", function()
    local q, sum = "[:find ?n ?t :where [?e :row/n ?n] [?e :row/text ?t]]", 0
    for n in conn:db():rows(q) do sum = sum + n end
    assert.equal(3000 * 3001 / 2, sum)
    assert.equal(3000, #conn:db():q(q))
  end)

  it("refuses an answer that would take all memory, and serves on", function()
    local q = "[:find ?x ?y ?t ?u :where [?a :row/n ?x] [?a :row/text ?t] [?b :row/n ?y] [?b :row/text ?u]]"
    local ok, e = pcall(function() return conn:db():q(q) end)
    assert.is_false(ok)
    assert.truthy(e.code == "lion/limit", tostring(e))
    assert.truthy(e.message:find("ask for less", 1, true))
    assert.equal(3000, conn:db():q "[:find (count ?e) . :where [?e :row/n]]")
    local pids = a:ready_pids("door", 1)
    assert.equal(1, #pids)
  end)

  it("ends with a line that says so when the node stops", function()
    local stream = open(a.door, "/tx?db=orders")
    stream:await_first()
    assert.equal(0, a:stop())
    local ending = stream:await_end()
    assert.equal("whole", ending.ended)
    assert.equal("lion/leaving", json.read(ending.lines[#ending.lines]).error.code)
    stream:close()
  end)
end)
