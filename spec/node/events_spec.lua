--- Events in real nodes: workers, the events process and nodes that are killed, revisions that come.
local application = require "spec.node.events_application"
local core = require "lion.core"
local json = require "lion.json"
local node = require "spec.node.node"

local seed = tonumber(os.getenv "LION_SEED") or os.time()

local JSON = { ["content-type"] = "application/json" }

local function transact(one, list)
  local body = json.write { db = "shop", tx = list, id = core.uuid() }
  return node.wait_for(function()
    local ok, answer = pcall(one.control, one, "POST", "/transact", { body = body, headers = JSON })
    if ok and answer.status == 200 then return answer.json() end
    if ok and answer.status ~= 503 then error(answer.body, 0) end
  end, "a transaction")
end

local function orders(one, first, last)
  for number = first, last do transact(one, { { ["order/number"] = number } }) end
end

local function until_calls(one, event, count)
  return node.wait_for(function()
    local calls = application.calls(one, event)
    return #calls >= count and calls
  end, count .. " calls of " .. event)
end

-- Wait until an event has been called for this number; its calls.
local function until_number(one, event, number)
  return node.wait_for(function()
    local calls = application.calls(one, event)
    return #calls > 0 and calls[#calls].number == number and calls
  end, ("number %d at %s"):format(number, event))
end

local function on_order(fn, more)
  return ('{ on = "tx", attr = "order/number", fn = "shop.events/%s", %s },'):format(fn, more)
end

local NUMBER = on_order("number", "retries = 100, backoff = 10")

describe("Events of a node", function()
  local cluster, a

  before_each(function()
    math.randomseed(seed)
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 2 }
    transact(a, application.SCHEMA)
  end)
  after_each(function() cluster:close() end)

  it("are handled while their workers are killed at random", function()
    print("seed " .. seed)
    local once = on_order("once", "retries = 100, backoff = 10")
    cluster:run(a, application.files("one", NUMBER .. once), "a")
    local count, kills = 100, 0
    for number = 1, count do
      transact(a, { { ["order/number"] = number } })
      if number % 25 == 0 then
        local pids = node.wait_for(function()
          local list = a:pids "worker"
          return #list > 0 and list
        end, "a worker")
        node.kill(pids[math.random(#pids)])
        kills = kills + 1
      end
    end
    local calls = until_number(a, "shop.events/number", count)
    application.in_order(calls, 1, count)
    assert.equal(4, kills)
    -- what is written under the event's id is written once
    local function ask(query)
      local body = json.write { db = "shop", query = query }
      return a:control("POST", "/q", { headers = JSON, body = body }).json().result
    end
    node.wait_for(function() return ask "[:find (max ?n) . :where [_ :once/number ?n]]" == count end, "all")
    assert.equal(count, ask "[:find (count ?o) . :where [?o :once/number]]")
  end)

  it("go on when the events process, the writer, the node are killed", function()
    cluster:run(a, application.files("one", NUMBER), "a")
    orders(a, 1, 20)
    node.kill(a:pids "events"[1])
    orders(a, 21, 40)
    until_number(a, "shop.events/number", 40)
    node.kill(a:pids "writer"[1])
    orders(a, 41, 60)
    until_number(a, "shop.events/number", 60)
    orders(a, 61, 65)
    node.kill(a.child.pid)
    a:gone()
    a = cluster:start { name = "one", group = "a", workers = 2 }
    orders(a, 66, 70)
    application.in_order(until_number(a, "shop.events/number", 70), 1, 70)
  end)

  it("that fail for ever are given up, and looked at, replayed and skipped by commands", function()
    local bad = on_order("bad", 'name = "bad", retries = 2, backoff = 5')
    cluster:run(a, application.files("one", bad), "a")
    orders(a, 1, 7)
    local calls = until_number(a, "bad", 7)
    local numbers = {}
    for i, call in ipairs(calls) do numbers[i] = call.number end
    assert.same({ 1, 2, 3, 3, 3, 4, 5, 6, 6, 6, 7 }, numbers)

    local function lion(...)
      local words = { ... }
      words[#words + 1], words[#words + 2] = "--node", a.door
      local result = cluster:lion(unpack(words))
      assert.equal("", result.code == 0 and "" or result.err)
      return result.out
    end
    assert.truthy(lion("events"):find("bad +tx +one"))
    local letters = json.read(lion("events", "dead", "--json"))
    assert.equal(2, #letters)
    assert.equal(3, letters[1].attempts)
    assert.truthy(letters[1].error:find("number 3 is bad", 1, true))
    local whole = lion("events", "dead", letters[1].key)
    assert.truthy(whole:find(":a \"order/number\"", 1, true), whole)
    assert.truthy(whole:find("shop/events.lua", 1, true), whole) -- the trace

    assert.equal("1 dead letter forgotten\n", lion("events", "forget", letters[2].key))
    assert.equal("bad of shop gives up what it is stuck at\n", lion("events", "skip", "bad"))
    assert.equal(3, cluster:lion("events", "skip", "nothing", "--node", a.door).code)
    assert.equal(3, cluster:lion("events", "replay", letters[2].key, "--node", a.door).code)
    assert.equal(2, cluster:lion("events", "replay", "--node", a.door).code)
    assert.equal(2, cluster:lion("events", "reply", "x", "--node", a.door).code)
    assert.equal(2, cluster:lion("events", "dead", "--all", "--node", a.door).code)

    transact(a, { { ["mended/at"] = 1 } })
    lion("events", "replay", letters[1].key)
    node.wait_for(function() return #json.read(lion("events", "dead", "--json")) == 0 end, "the replay")
    calls = application.calls(a, "bad")
    assert.equal(letters[1].key, calls[#calls].key)
    local counted = 'lion_event_delivered_total{node="one",group="a",app="shop",event="bad"} 6\n'
    assert.truthy(a:control("GET", "/metrics").body:find(counted, 1, true))
  end)

  it("go on from their position in the next revision, and rest while one leaves them out", function()
    local OTHER = [[{ on = "tx", attr = "other/number", fn = "shop.events/slow", name = "other" },]]
    cluster:run(a, application.files("one", NUMBER), "a")
    orders(a, 1, 5)
    until_number(a, "shop.events/number", 5)
    cluster:run(a, application.files("two", NUMBER .. OTHER), "a")
    orders(a, 6, 8)
    cluster:run(a, application.files("three", OTHER), "a")
    orders(a, 9, 10)
    cluster:run(a, application.files("four", NUMBER .. OTHER), "a")
    local calls = until_number(a, "shop.events/number", 10)
    application.in_order(calls, 1, 10)
    assert.equal("one", calls[1].version)
    assert.equal("four", calls[#calls].version)
  end)

  it("with a query are those for which it has rows", function()
    local found = on_order("found", [==[query = [=[
      [:find ?n :in $ $tx :where [$tx ?o :order/number ?n _ true] [?o :other/number 1]] ]=] ]==])
    cluster:run(a, application.files("one", found), "a")
    transact(a, { { ["order/number"] = 1 } })
    transact(a, { { ["order/number"] = 2, ["other/number"] = 1 } })
    transact(a, { { ["order/number"] = 3, ["other/number"] = 2 } })
    transact(a, { { ["order/number"] = 4, ["other/number"] = 1 } })
    local calls = until_calls(a, "shop.events/found", 2)
    assert.same({ 2, 4 }, { calls[1].number, calls[2].number })
    assert.equal(2, #calls)
  end)

  it("are held by one node of a group, and by the other one when that is stopped", function()
    local b = cluster:start { name = "two", group = "a", workers = 1, follow = a }
    cluster:run(a, application.files("one", NUMBER), "a")
    orders(a, 1, 20)
    local calls = until_number(a, "shop.events/number", 20)
    assert.equal(0, application.in_order(calls, 1, 20))
    local function holder()
      local list = json.read(cluster:lion("events", "--json", "--node", a.door).out)
      return list[1].holder
    end
    if holder() == "two" then
      b:stop()
      node.wait_for(function() return holder() == "one" end, "the other node")
    end
    orders(a, 21, 30)
    assert.equal(0, application.in_order(until_number(a, "shop.events/number", 30), 1, 30))
  end)
end)
