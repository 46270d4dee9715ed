-- `lion node`: what it takes, what it refuses, and what the supervisor is given.
local node = require "lion.cli.node"

local PROGRAM = os.getenv "LION" or "build/lion"

-- What the command prints, and its exit code at the end.
local function run(words)
  local pipe = assert(io.popen(("timeout 20 %s node %s 2>&1; echo $?"):format(PROGRAM, words)))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function with_config(text, words)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local answer = run("--config " .. path .. " " .. (words or ""))
  os.remove(path)
  return (answer:gsub(path:gsub("%p", "%%%0"), "FILE"))
end

describe("lion node refuses", function()
  for words, expected in pairs {
    [""] = "a folder is needed: lion node --data DIR\n2\n",
    ["--dta x"] = "there is no option --dta (did you mean --data?)\n2\n",
    ["here"] = "lion node takes options alone, not here\n2\n",
    ["--data x --workers 0"] = "--workers takes a whole number from 1 on, not 0\n2\n",
    ["--data x --listen 8080"] = "--listen is HOST:PORT, not 8080\n2\n",
    ["--data x --listen ::1:80"] = "--listen is HOST:PORT, not ::1:80\n2\n",
    ["--data x --listen 127.0.0.1:65536"] = "--listen is HOST:PORT, not 127.0.0.1:65536\n2\n",
    ["--data x --name a/b"] = "--name is made of letters, digits, - _ and ., not a/b\n2\n",
    ["--data x --control /c"] = "--control is unix:PATH, HOST:PORT, or unix:PATH,HOST:PORT, not /c\n2\n",
    ["--data x --control unix:"] = "--control is unix:PATH, HOST:PORT, or unix:PATH,HOST:PORT, "
      .. "not unix:\n2\n",
    ["--data x --follow http://127.0.0.1:1"] = "--follow is unix:PATH, not http://127.0.0.1:1: a node uses "
      .. "the files of the one that it follows, so both are on one machine\n1\n",
    ["--data /dev/null/x"] = "/dev/null/x cannot be made: Not a directory\n5\n",
    ["--data x --config /nowhere"] = "/nowhere: No such file or directory\n3\n",
    ["--data x --follow unix:/nowhere"] = "nobody answers at unix:/nowhere: No such file or directory\n5\n",
  } do
    it(words == "" and "no words" or words, function() assert.equal("lion: " .. expected, run(words)) end)
  end
end)

describe("A node's configuration file", function()
  for text, expected in pairs {
    ["return { dta = 1 }"] = "FILE: there is no option dta (did you mean data?)\n2\n",
    ["return { workers = '2' }"] = "FILE: workers is a number\n2\n",
    ["return { workers = 1.5 }"] = "FILE: workers is a whole number from 1 on\n2\n",
    ["return 1"] = "FILE does not return a table of options\n2\n",
    ["return { data = os.getenv 'HOME' }"] = "FILE:1: attempt to index global 'os' (a nil value)\n2\n",
    ["return {"] = "FILE:1: unexpected symbol near '<eof>'\n2\n",
    ["return { listen = '80' }"] = "a folder is needed: lion node --data DIR\n2\n",
    ["return { data = 'x', listen = '80' }"] = "--listen is HOST:PORT, not 80\n2\n",
  } do
    it("is refused: " .. text, function() assert.equal("lion: " .. expected, with_config(text)) end)
  end
  it("comes behind the command line", function()
    local text = "return { data = 'x', listen = '127.0.0.1:1' }"
    assert.equal("lion: --listen is HOST:PORT, not 81\n2\n", with_config(text, "--listen 81"))
  end)
end)

describe("The supervisor", function()
  it("is given what was told, and what is usual", function()
    assert.same({
      "lion", "node-process", "supervisor", "--dir", "d", "--name", "one", "--group", "main",
      "--listen", "127.0.0.1:8080",
    }, node.words { data = "d", name = "one" })
    assert.same({
      "lion", "node-process", "supervisor", "--dir", "d", "--name", "one", "--group", "g",
      "--listen", "[::1]:0", "--control", "unix:/c", "--workers", "3", "--memory", "67108864",
    }, node.words {
      data = "d", name = "one", group = "g", listen = "[::1]:0", control = "unix:/c", workers = 3,
      memory = 64,
    })
  end)
  it("is told where the control door is, on one machine and over TCP", function()
    for control, expected in pairs {
      ["unix:/c"] = { "--control", "unix:/c" },
      ["unix:/a,b"] = { "--control", "unix:/a,b" },
      ["127.0.0.1:0"] = { "--control-address", "127.0.0.1:0" },
      ["http://[::1]:81/"] = { "--control-address", "[::1]:81" },
      ["unix:/c,[::1]:81"] = { "--control", "unix:/c", "--control-address", "[::1]:81" },
    } do
      local words = node.words { data = "d", name = "one", control = control }
      assert.same(expected, { unpack(words, 12) }, control)
    end
  end)
  it("is given the primary's folder and group where it follows", function()
    assert.same({
      "lion", "node-process", "supervisor", "--dir", "d", "--name", "two", "--group", "production",
      "--listen", "127.0.0.1:8080", "--primary", "/p",
    }, node.words({ data = "d", name = "two" }, { dir = "/p", group = "production" }))
  end)
end)

describe("The door of a node that is to be followed", function()
  local client = require "lion.client"
  local new = client.new
  after_each(function() client.new = new end)

  local function ask(status, body)
    client.new = function(address)
      assert.equal("unix:/d", address)
      return {
        request = function(_, request)
          assert.equal("/node", request.path)
          return status, {}, body
        end,
        close = function() end,
      }
    end
    return node.ask_primary "unix:/d"
  end

  it("tells the folder and the group", function()
    local found = ask(200, '{"dir": "/p", "group": "production", "is_primary": true}')
    assert.equal("/p", found.dir)
    assert.equal("production", found.group)
  end)
  for name, case in pairs {
    ["another answer"] = { 404, '{"message": "no"}', "it answers 404, and no node" },
    ["no JSON"] = { 200, "hello", "it answers 200, and no node" },
    ["no folder"] = { 200, '{"is_primary": true}', "it answers 200, and no node" },
    ["a node that follows"] = { 200, '{"dir": "/p", "is_primary": false}', "it follows another one itself" },
  } do
    it("is refused for " .. name, function()
      local ok, e = pcall(ask, case[1], case[2])
      assert.is_false(ok)
      assert.equal("unavailable", e.category)
      assert.equal("the node at unix:/d cannot be followed: " .. case[3], e.message)
    end)
  end
end)
