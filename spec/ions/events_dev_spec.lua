--- Events under `lion dev`: they run as in a node, over changes of the files and over restarts.
local core = require "lion.core"
local program = require "spec.lua.program"
local terminal = require "lion.terminal"

local MANIFEST = [==[
return { app = "shop",
  http = { { "POST", "/order/:number", "shop/order" }, { "GET", "/calls", "shop/calls" } },
  events = { { on = "tx", attr = "order/number", fn = "shop/paid", backoff = 5, retries = 2,
    query = [=[ [:find ?n :in $tx :where [$tx _ :order/number ?n _ true]] ]=] } } }
]==]

local MODULE = [==[
local ion = require "ion"
local lion = require "lion"
local shop = {}
function shop.order(request)
  if not ion.db():entid ":order/number" then
    ion.connect():transact(lion.schema { order = { number = "long" }, call = { words = "string" } })
  end
  ion.connect():transact { { ["order/number"] = tonumber(request.params.number) } }
  return "ok"
end
function shop.paid(event)
  local number = event.rows[1][1]
  local tx = { { ["call/words"] = "VERSION " .. number .. " " .. event.attempt } }
  ion.connect():transact(tx, { id = number ~= 13 and event.id or nil }) -- a repetition writes nothing
  if number == 13 then error "no luck" end
end
function shop.calls()
  local list = {}
  if ion.db():entid ":call/words" then
    for datom in ion.db():datoms("aevt", "call/words") do list[#list + 1] = { datom.tx, datom.v } end
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  for i, one in ipairs(list) do list[i] = one[2] end
  return table.concat(list, ", ")
end
return shop
]==]

describe("Events under lion dev", function()
  local client = require "spec.node.client"
  local folder, child, url

  local function wait_for(fn, what)
    local last = core.monotonic_ms() + 30000
    while true do
      local found = fn()
      if found then return found end
      if core.monotonic_ms() > last then error("waited in vain for " .. what .. "\n" .. child:err(), 2) end
      terminal.wait(10)
    end
  end

  local function write(version)
    program.write(folder .. "/app/ion.lua", MANIFEST)
    program.write(folder .. "/app/shop.lua", (MODULE:gsub("VERSION", version)))
  end

  local function start()
    os.execute(("mkdir -p '%s/run'"):format(folder))
    child = program.start(folder .. "/run", { "dev", folder .. "/app", "--listen", "127.0.0.1:0" })
    url = wait_for(function() return child:out():match "ready (http://[^/%s]+)" end, "lion dev")
  end

  local function stop()
    os.execute("kill " .. child.pid)
    wait_for(function() return child:code() end, "its end")
  end

  local function order(number) assert.equal("ok", client.ask(url, "POST", "/order/" .. number).body) end

  local function until_calls(expected)
    local calls
    local ok = pcall(wait_for, function()
      calls = client.ask(url, "GET", "/calls").body
      return calls == expected
    end, "calls")
    if not ok then assert.equal(expected, calls) end
  end

  setup(function()
    folder = program.folder()
    os.execute(("mkdir -p '%s/app'"):format(folder))
    write "one"
    start()
  end)
  teardown(function()
    stop()
    program.remove(folder)
  end)

  it("are handled, repeated and given up as in a node", function()
    order(1)
    order(13)
    order(2)
    until_calls "one 1 1, one 13 1, one 13 2, one 13 3, one 2 1"
    assert.truthy(child:err():find("dev/shop/shop/paid/%d+ is given up, tried 3 times"))
  end)

  it("go on in the next revision, and when it is started again", function()
    write "two"
    wait_for(function() return child:err():find "reloaded" end, "the new files")
    order(3)
    until_calls "one 1 1, one 13 1, one 13 2, one 13 3, one 2 1, two 3 1"
    stop()
    start()
    order(4)
    until_calls "one 1 1, one 13 1, one 13 2, one 13 3, one 2 1, two 3 1, two 4 1"
  end)
end)
