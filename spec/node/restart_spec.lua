--- A remote connection whose node loses processes, or is restarted, in the midst of transactions, queries and
-- iterators: nothing that was acknowledged is lost, nothing is done twice, and the program goes on.
local lion = require "lion"
local node = require "spec.node.node"
local program = require "spec.lua.program"

-- A program of its own, for what waits in it. It prints a line for each number that is in.
local CLIENT = [==[
local lion = require "lion"
local uri, last = arg[1], tonumber(arg[2])
local conn = lion.connect(uri)
conn:transact(lion.schema { step = { n = "long" } })
local heard = 0
conn:listen(function(report)
  for _, d in ipairs(report.tx_data) do
    if d[2] == "step/n" and d[5] then heard = heard + 1 end
  end
end)
local COUNT = "[:find (count ?e) . :where [?e :step/n]]"
for n = 1, last do
  local report = conn:transact { { ["step/n"] = n } }
  assert(report.db_after:q(COUNT) == n, "the report's value has another count")
  local db = conn:db()
  assert(db:q(COUNT) == n, "a query sees another count")
  local rows, sum = 0, 0
  for value in db:rows "[:find ?n :where [?e :step/n ?n]]" do rows, sum = rows + 1, sum + value end
  for datom in db:datoms("aevt", "step/n") do sum = sum - datom.v end
  assert(rows == n and sum == 0, "iterators saw other rows")
  io.stdout:write(n, "\n")
  io.stdout:flush()
end
assert(heard == last, "listeners heard " .. heard)
conn:close()
]==]

local LAST = 120

-- How often the threads of a process have gone to sleep, and for how many ms they have run.
local function sleeps_of(pid)
  local sleeps, ran = 0, 0
  local pipe = io.popen(("cat /proc/%d/task/*/status /proc/%d/task/*/schedstat"):format(pid, pid))
  for line in pipe:lines() do
    sleeps = sleeps + (tonumber(line:match "^voluntary_ctxt_switches:%s*(%d+)") or 0)
    ran = ran + (tonumber(line:match "^(%d+) %d+ %d+$") or 0) / 1e6
  end
  pipe:close()
  return sleeps, ran
end

describe("A remote connection", function()
  local cluster, a

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "a", group = "main", workers = 1 }
  end)
  teardown(function() cluster:close() end)

  it("goes on when processes are killed and the node restarts, with nothing lost or done twice", function()
    local script = cluster.folder .. "/client.lua"
    program.write(script, CLIENT)
    local child = cluster:begin("run", script, a.door .. "/steps", tostring(LAST))
    local function await(count)
      node.wait_for(function()
        if child:code() and child:code() ~= 0 then error("the client ended: " .. child:err(), 0) end
        return select(2, child:out():gsub("\n", "\n")) >= count
      end, count .. " steps")
    end
    await(5)
    for _, role in ipairs { "door", "writer", "door", "writer" } do
      local pid = a:ready_pids(role, 1)[1]
      local done = select(2, child:out():gsub("\n", "\n"))
      node.kill(pid)
      await(math.min(LAST, done + 5))
    end
    local done = select(2, child:out():gsub("\n", "\n"))
    node.kill(a.child.pid)
    a:gone()
    a = cluster:start(a.options)
    await(math.min(LAST, done + 5))
    a:stop()
    a = cluster:start(a.options)
    await(LAST)
    assert.equal(0, node.wait_for(function() return child:code() end, "the end of the client"), child:err())
    local conn = lion.connect(a.door .. "/steps")
    local numbers = {}
    for datom in conn:db():datoms("aevt", "step/n") do numbers[#numbers + 1] = datom.v end
    table.sort(numbers)
    for i = 1, LAST do assert.equal(i, numbers[i]) end
    assert.equal(LAST, #numbers)
    conn:close()
  end)

  it("asks question after question, and the node rests when it has asked the last", function()
    local conn = lion.connect(a.door .. "/steps")
    local db, pid = conn:db(), a:ready_pids("door", 1)[1]
    for _ = 1, 2000 do assert.equal(LAST, db:count("aevt", "step/n")) end
    local slept, ran = sleeps_of(pid)
    node.wait_for(function() return sleeps_of(pid) - slept >= 20 end, "the door's sleep")
    local now_slept, now_ran = sleeps_of(pid)
    assert.truthy((now_ran - ran) / (now_slept - slept) < 10, "it runs for " .. now_ran - ran .. " ms")
    conn:close()
  end)

  it("says that nobody answers when the node stays away", function()
    local conn = lion.connect(a.door .. "/steps")
    local db = conn:db()
    a:stop()
    local ok, e = pcall(db.count, db, "eavt")
    assert.is_false(ok)
    assert.equal("lion/no-node", e.code)
    assert.equal("unavailable", e.category)
    conn:close()
    ok, e = pcall(lion.connect, a.door .. "/steps") -- a node that was never met is not waited for
    assert.is_false(ok)
    assert.equal("lion/no-node", e.code)
  end)
end)
