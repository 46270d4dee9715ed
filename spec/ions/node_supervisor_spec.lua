-- The supervisor of a node with real processes: children that do what a line on their sockets tells them
-- (node_child.c), killed, replaced, told to stop.
local PROGRAM = os.getenv "LION_NODE_CHILD" or "build/node_child"
local DEADLINE_S = 30

local function shell(command, ...)
  local pipe = assert(io.popen(command:format(...)))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function read(path)
  local file = io.open(path)
  local text = file and file:read "*a"
  if file then file:close() end
  return text
end

-- What `look` returns, when it is true.
local function eventually(what, look)
  local deadline = os.time() + DEADLINE_S
  repeat
    local found = look()
    if found then return found end
    os.execute "sleep 0.02"
  until os.time() > deadline
  error(what .. " has not come about", 2)
end

local function is_alive(pid)
  local state = (read("/proc/" .. pid .. "/stat") or ""):match "%) (%a)"
  return state ~= nil and state ~= "Z"
end

local nodes, folders = {}, {}

local function new_folder()
  local folder = shell("mktemp -d"):match "%S+"
  folders[#folders + 1] = folder
  return folder
end

-- Start a node in a folder. options: workers, told (LION_CHILD), listen, words.
local function launch(folder, options)
  local node = { dir = folder, id = #nodes + 1 }
  node.out, node.err = folder .. "/out" .. node.id, folder .. "/err" .. node.id
  node.code = folder .. "/code" .. node.id
  node.pid = shell(
    [[LION_CHILD="%s" sh -c '{ %s node-process supervisor --dir %s --listen %s --workers %d %s >%s 2>%s &
      echo $!; exec >&- 2>&-; wait $!; echo $? >%s; } &']],
    options.told or "", PROGRAM, folder, options.listen or "127.0.0.1:0", options.workers or 2,
    options.words or "", node.out, node.err, node.code):match "%d+"
  nodes[node.id] = node
  return node
end

local function start(options)
  local node = launch(options.dir or new_folder(), options)
  local line = eventually("a ready node", function() return (read(node.out) or ""):match "^(ready .*)\n" end)
  node.url, node.control = line:match "^ready http://(%S+)/ unix:(%S+)$"
  node.port = node.url:match ":(%d+)$"
  return node
end

local function ask(where, command, ...)
  return shell("%s ask %s '%s'", PROGRAM, where, command:format(...))
end

-- Has the node a process of that role?
local function has(node, role)
  return shell("ps -o args= --ppid %s", node.pid):find("node-process " .. role, 1, true) ~= nil
end

-- name ("worker 2") → { pid =, state =, restarts =, reason = }
local function processes(node)
  local found = {}
  local text = ask(node.control, "processes"):gsub("^id 7 from 0 ", "")
  for role, index, pid, state, restarts, reason in text:gmatch '"(%a+)" (%d+) (%d+) "(%a+)" (%d+) "(.-)"\n' do
    local name = role == "worker" and "worker " .. index or role
    assert(not found[name], "two of a place")
    found[name] = { pid = pid, state = state, restarts = tonumber(restarts), reason = reason }
  end
  return found
end

-- The process that holds the place now, ready, and is not the one with that pid.
local function another(node, name, pid)
  return eventually("another " .. name, function()
    local found = processes(node)[name]
    return found and found.state == "ready" and found.pid ~= pid and found
  end)
end

local function kill(pid, signal) os.execute(("kill -%s %s"):format(signal or "KILL", pid)) end

local function exit_code(node)
  return eventually("an end", function() return (read(node.code) or ""):match "(%d+)\n" end)
end

local function assert_none_left(found)
  for name, process in pairs(found) do
    eventually("the end of " .. name, function() return not is_alive(process.pid) end)
  end
end

describe("A node's supervisor", function()
  after_each(function()
    for _, node in ipairs(nodes) do
      if not read(node.code) then kill(node.pid) end
    end
    for _, node in ipairs(nodes) do
      exit_code(node)
    end
    for _, folder in ipairs(folders) do
      os.execute("rm -rf " .. folder)
    end
    nodes, folders = {}, {}
  end)

  describe("when it starts", function()
    it("has all its processes ready, sockets for its owner alone, and says where they are", function()
      local node = start { workers = 3 }
      local states = {}
      for name, process in pairs(processes(node)) do
        states[name] = process.state
      end
      assert.same({
        writer = "ready", door = "ready", executor = "ready", events = "ready",
        ["worker 1"] = "ready", ["worker 2"] = "ready", ["worker 3"] = "ready",
      }, states)
      assert.equal(node.dir .. "/control.sock", node.control)
      assert.equal("600\n600\n", shell("stat -c %%a %s %s/node.lock", node.control, node.dir))
      assert.truthy(ask(node.port, "who"):find "^worker %d %d+\n$")
    end)
    it("listens on IPv6, and where the control door is told to be", function()
      local folder = new_folder()
      local node = start { dir = folder, listen = "[::1]:0", words = "--control unix:" .. folder .. "/door" }
      assert.truthy(node.url:find "^%[::1%]:%d+$")
      assert.equal(folder .. "/door", node.control)
      assert.truthy(ask(node.control, "who"):find "^door")
    end)
    it("has no writer and no executor where it follows", function()
      local node = start { workers = 1, words = "--primary /somewhere" }
      local found = processes(node)
      assert.is_nil(found.writer)
      assert.is_nil(found.executor)
      assert.equal("ready", found["worker 1"].state)
    end)
    it("waits for the writer before it starts another", function()
      local node = launch(new_folder(), { told = "slow-writer" })
      eventually("a writer", function() return has(node, "writer") end)
      assert.is_false(has(node, "door"))
      io.open(node.dir .. "/go", "w"):close()
      eventually("a ready node", function() return (read(node.out) or ""):find "^ready" end)
    end)
    for _, role in ipairs { "writer", "door", "worker" } do
      it("gives up when its " .. role .. " ends over and over", function()
        local node = launch(new_folder(), { told = "die-" .. role })
        assert.equal("1", exit_code(node))
        local _, count = read(node.err):gsub(role .. " cannot live\n", "")
        assert.truthy(count >= 5)
        local reason = "the node does not start: its %s[ %%d]* ended 5 times, last by exit code 1"
        assert.truthy(read(node.err):find(reason:format(role)))
        assert.equal("", read(node.out))
        assert.equal("", shell("ps -o args= --ppid %s", node.pid))
      end)
    end
    it("can be told to stop before it is ready", function()
      local node = launch(new_folder(), { told = "slow-door" })
      eventually("a door", function() return has(node, "door") end)
      kill(node.pid, "TERM")
      assert.equal("0", exit_code(node))
      assert.equal("", read(node.out))
    end)
  end)

  describe("beside another", function()
    it("leaves a folder that is taken", function()
      local node = start {}
      local second = launch(node.dir, {})
      assert.equal("5", exit_code(second))
      assert.equal("lion: a node is running there: " .. node.dir .. "\n", read(second.err))
      assert.truthy(ask(node.control, "who"):find "^door")
    end)
    it("leaves a control socket that is answered, and a file that is no socket", function()
      local node = start {}
      local second = launch(new_folder(), { words = "--control unix:" .. node.control })
      assert.equal("5", exit_code(second))
      assert.truthy(read(second.err):find("a node is running there", 1, true))
      local third = launch(new_folder(), { words = "--control unix:" .. node.out })
      assert.equal("1", exit_code(third))
      assert.truthy(read(third.err):find("is there and is no socket", 1, true))
      assert.truthy(read(node.out):find "^ready")
    end)
    it("leaves a port that is taken", function()
      local node = start {}
      local second = launch(new_folder(), { listen = "127.0.0.1:" .. node.port })
      assert.equal("5", exit_code(second))
      assert.truthy(read(second.err):find("cannot listen at 127.0.0.1:" .. node.port, 1, true))
    end)
    it("takes the place of one that was killed", function()
      local node = start {}
      local found = processes(node)
      kill(node.pid)
      local second = start { dir = node.dir }
      assert.truthy(ask(second.control, "who"):find "^door")
      assert_none_left(found)
    end)
  end)

  describe("when a process is killed", function()
    for _, name in ipairs { "writer", "executor", "door", "events", "worker 1", "worker 2" } do
      it("starts another " .. name, function()
        local node = start {}
        local before = processes(node)
        kill(before[name].pid)
        local after = another(node, name, before[name].pid)
        assert.equal(1, after.restarts)
        assert.equal("signal 9 (Killed)", after.reason)
        for other, process in pairs(processes(node)) do
          if other ~= name then assert.equal(before[other].pid, process.pid) end
        end
      end)
    end
    it("pauses when it is killed again and again, and goes on", function()
      local node = start { workers = 1 }
      eventually("a pause", function()
        local worker = processes(node)["worker 1"]
        if worker.pid == "0" then return true end
        kill(worker.pid)
      end)
      local after = another(node, "worker 1", "0")
      assert.truthy(after.restarts >= 2)
      assert.truthy(ask(node.port, "who"):find "^worker 1")
    end)
    it("tells the door", function()
      local node = start {}
      local pid = processes(node)["worker 2"].pid
      kill(pid)
      another(node, "worker 2", pid)
      local changes = ask(node.control, "changes")
      assert.truthy(changes:find('"index" 2 "pid" %d+ "state" "ready" "started" %d+ "restarts" 1 '
        .. '"reason" "signal 9 %(Killed%)"}'))
    end)
  end)

  describe("passes on", function()
    it("a message to a process, and its answer", function()
      local node = start {}
      local found = processes(node)
      for name, address in pairs { executor = 2, ["worker 1"] = 17, ["worker 2"] = 18 } do
        local expected = ('id 8 from %d {"pid" %s}\n'):format(address, found[name].pid)
        assert.equal(expected, ask(node.control, "status %d", address))
      end
    end)
    it("a connection to workers in turn, and the one that takes it answers on it", function()
      local node = start { workers = 3 }
      local counts = {}
      for _ = 1, 9 do
        local answer = ask(node.control, "handover")
        local worker = answer:match '^worker (%d) %(pid %d+%) was given {"bytes" "GET /"}\n$'
        counts[worker] = (counts[worker] or 0) + 1
      end
      assert.same({ ["1"] = 3, ["2"] = 3, ["3"] = 3 }, counts)
    end)
    it("a connection to another worker than the one that hands it over", function()
      local node = start { workers = 2 }
      for _ = 1, 6 do
        local sender, worker = ask(node.port, "hand"):match "^from (%d) worker (%d)"
        assert.truthy(sender)
        assert.not_equal(sender, worker)
      end
    end)
    it("the last connection of a worker that ends, to the one that takes its place", function()
      local node = start { workers = 1 }
      local pid = processes(node)["worker 1"].pid
      local answer = ask(node.port, "handover and die")
      local heir = answer:match '^worker 1 %(pid (%d+)%) was given {"bytes" "GET /"}\n$'
      assert.truthy(heir)
      assert.not_equal(pid, heir)
      assert.equal("replaced: lost", processes(node)["worker 1"].reason)
    end)
  end)

  it("closes a connection that no worker takes", function()
    local node = start { workers = 1 }
    assert.equal("", ask(node.port, "handover")) -- never to the one that gave it
    assert.truthy(ask(node.port, "who"):find "^worker 1")
  end)
  it("keeps no descriptor of what has gone through it", function()
    local node = start { workers = 2 }
    local function count() return tonumber(shell("ls /proc/%s/fd | wc -l", node.pid)) end
    local before = count()
    for i = 1, 30 do
      ask(node.control, "handover")
      if i % 10 == 0 then
        local pid = processes(node)["worker 1"].pid
        ask(node.control, "replace 17")
        another(node, "worker 1", pid)
        ask(node.control, "try 5000 good")
      end
    end
    eventually("as many descriptors as before", function() return count() == before end)
  end)

  describe("replaces", function()
    it("a worker that asks for it", function()
      local node = start { workers = 1 }
      local pid = processes(node)["worker 1"].pid
      ask(node.port, "replace")
      local after = another(node, "worker 1", pid)
      assert.equal("replaced: tired", after.reason)
      assert.equal(1, after.restarts)
      eventually("its end", function() return not is_alive(pid) end)
    end)
    for name, address in pairs { writer = 1, executor = 2, events = 5, ["worker 2"] = 18 } do
      it("the " .. name .. " when another asks for it", function()
        local node = start {}
        local pid = processes(node)[name].pid
        ask(node.control, "replace %d", address)
        assert.equal("replaced: told to", another(node, name, pid).reason)
        eventually("its end", function() return not is_alive(pid) end)
      end)
    end
    it("nobody where there is none", function()
      local node = start {}
      local before = processes(node)
      for _, address in ipairs { 0, 4, 16, 19, 65535 } do
        ask(node.control, "replace %d", address)
      end
      assert.same(before, processes(node))
    end)
  end)

  describe("runs a trial", function()
    local function try(revision, timeout_ms)
      local node = start { workers = 1 }
      local answer = ask(node.control, "try %d %s", timeout_ms or 20000, revision)
      eventually("its end", function() return not has(node, "trial") end)
      return answer
    end
    it("and passes on what it says", function() assert.equal('id 9 from 4 {"is_ok" true}\n', try "good") end)
    it("and says how it died", function()
      assert.truthy(try("crash"):find("signal 6 (Aborted)", 1, true))
    end)
    it("and says that it ended without a word", function()
      assert.truthy(try("silent"):find '^id 9 from 4 {"is_ok" false .*exit code 0 before it had answered')
    end)
    it("and ends it when its time is over", function()
      assert.truthy(try("stuck", 200):find("the trial has not ended in 200 ms", 1, true))
    end)
    it("but not any number at a time", function()
      local node = start { workers = 1 }
      for _ = 1, 4 do
        os.execute(("%s ask %s 'try 60000 stuck' >/dev/null &"):format(PROGRAM, node.control))
      end
      eventually("four trials", function()
        local _, count = shell("ps -o args= --ppid %s", node.pid):gsub("process trial", "")
        return count == 4
      end)
      assert.truthy(ask(node.control, "try 1000 good"):find("too many trials", 1, true))
    end)
  end)

  describe("when it is told to stop", function()
    for _, signal in ipairs { "TERM", "INT" } do
      it("by SIG" .. signal .. " ends with all its processes and its socket", function()
        local node = start {}
        local found = processes(node)
        kill(node.pid, signal)
        assert.equal("0", exit_code(node))
        assert_none_left(found)
        assert.is_nil(io.open(node.control))
        assert.equal("", read(node.err))
      end)
    end
    it("by its door ends with the reason", function()
      local node = start {}
      local found = processes(node)
      ask(node.control, "stop")
      assert.equal("1", exit_code(node))
      assert.equal("lion: the node ends: two of a name\n", read(node.err))
      assert_none_left(found)
    end)
    it("by a second signal kills those that do not end", function()
      local node = start { told = "deaf-worker deaf-writer" }
      local found = processes(node)
      kill(node.pid, "TERM")
      eventually("its end", function()
        kill(node.pid, "TERM") -- two that come at once are one
        return not is_alive(node.pid)
      end)
      assert.equal("0", exit_code(node))
      assert_none_left(found)
    end)
    it("waits for those that take long to finish, then kills them", function()
      local node = start { workers = 1, told = "deaf-executor" }
      local found = processes(node)
      kill(node.pid, "TERM")
      assert.equal("0", exit_code(node))
      assert_none_left(found)
    end)
  end)

  it("that is killed leaves no process behind", function()
    local node = start { told = "deaf-worker" }
    local found = processes(node)
    kill(node.pid)
    exit_code(node)
    assert_none_left(found)
  end)
end)
