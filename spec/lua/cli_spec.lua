--- The command line: what all commands share. What each of them does is in specs of their own.
local cli = require "lion.cli"
local digest = require "lion.cli.digest"
local lion = require "lion"
local program = require "spec.lua.program"

describe("The command line", function()
  local folder

  setup(function()
    folder = program.folder()
    local conn = lion.connect(folder .. "/a.lion")
    conn:transact { { ["db/doc"] = "zero" } }
    conn:close()
    program.write(folder .. "/a.edn", '[{:db/doc "one"}]\n')
    program.write(folder .. "/wrong.edn", '[{:no/attribute "one"}]\n')
    program.write(folder .. "/fails.lua", 'error "on purpose"')
  end)

  teardown(function() program.remove(folder) end)

  local function run(...) return program.run(folder, { ... }) end

  for _, name in ipairs(cli.commands) do
    it("has a page for " .. name .. " with its usage and an example", function()
      local result = run(name, "--help")
      assert.equal(0, result.code)
      assert.equal("", result.err)
      assert.is_truthy(result.out:find("usage: lion " .. name, 1, true))
      assert.is_truthy(result.out:find("\n  [^\n]*lion " .. name))
      assert.equal(result.out, run("help", name).out)
      assert.equal(result.out, run(name, "-h").out)
      for line in result.out:gmatch "[^\n]+" do
        assert.is_true(#line:gsub("[\128-\191]", "") <= 120, line)
      end
    end)
  end

  it("gives help among other words too, and leaves a script's own words alone", function()
    assert.equal(run("q", "--help").out, run("q", "a.lion", "--help").out)
    program.write(folder .. "/words.lua", "print(...)")
    assert.equal("--help\t-h\n", run("run", "words.lua", "--help", "-h").out)
  end)

  it("lists its commands, their exit codes, and its version", function()
    local text = run("help").out
    assert.equal(text, run("--help").out)
    for _, name in ipairs(cli.commands) do
      assert.is_truthy(text:find("\n  lion " .. name .. " ", 1, true))
    end
    assert.matches("0 done, 1 failed, 2 misused,\n3 not found, 4 conflict, 5 unavailable or busy", text)
    assert.equal("lion " .. lion.version .. " (" .. jit.version .. ")\n", run("version").out)
    assert.equal(run("version").out, run("--version").out)
    local version = lion.json.read(run("version", "--json").out)
    assert.same({ version = lion.version, luajit = jit.version }, version)
    assert.equal(#cli.commands, #lion.json.read(run("help", "--json").out))
  end)

  -- Each exit code that scripts can use: the words, the code, what standard error says.
  for _, case in ipairs {
    { { "db", "verify", "a.lion" }, 0 },
    { { "transact", "a.lion", "wrong.edn" }, 1, "wrong.edn, line 1: .*no/attribute" },
    { { "run", "fails.lua" }, 1, "on purpose" },
    { { "qq" }, 2, "there is no command qq %(did you mean q%?%); `lion help` lists them" },
    { { "frobnicate" }, 2, "there is no command frobnicate; `lion help`" },
    { { "help", "imprt" }, 2, "did you mean import%?" },
    { { "help", "q", "log" }, 2, "one command" },
    { { "version", "now" }, 2, "takes no now" },
    { { "transact" }, 2, "lion transact URI FILE" },
    { { "import", "a.lion" }, 2, "lion import URI FILE" },
    { { "import", "a.lion", "a.edn", "--formt" }, 2, "no option %-%-formt %(did you mean %-%-format%?%)" },
    { { "import", "a.lion", "a.edn", "--batch", "many" }, 2, "whole number" },
    { { "import", "a.lion", "a.edn", "--batch", "0" }, 2, "whole number" },
    { { "import", "a.lion", "a.txt" }, 2, "edn, jsonl or csv" },
    { { "export", "a.lion" }, 2, "lion export URI FILE" },
    { { "log", "a.lion", "--jsn" }, 2, "did you mean %-%-json%?" },
    { { "log", "a.lion", "--json=yes" }, 2, "takes no value" },
    { { "repl", "a.lion", "b.lion" }, 2, "lion repl" },
    { { "run" }, 2, "lion run FILE" },
    { { "run", "--fast" }, 2, "lion run FILE" },
    { { "dev", ".", "--listen", "nowhere" }, 2, "HOST:PORT" },
    { { "q", "none.lion", "[:find ?e :where [?e]]" }, 3, "none.lion" },
    { { "repl", "none.lion" }, 3, "none.lion" },
    { { "log", "none.lion" }, 3, "none.lion" },
    { { "export", "none.lion", "-" }, 3, "none.lion" },
    { { "export", "a.lion", "none/a.edn" }, 3, "none/a.edn" },
    { { "import", "a.lion", "none.edn" }, 3, "none.edn" },
    { { "transact", "a.lion", "none.edn" }, 3, "none.edn" },
    { { "transact", "none/a.lion", "a.edn" }, 3, "none" },
    { { "run", "none.lua" }, 3, "none.lua" },
    { { "dev", "none" }, 3, "none/ion.lua" },
    { { "invoke" }, 2, "lion invoke FN" },
    { { "invoke", "fn", "--dir", "none" }, 3, "none/ion.lua" },
    { { "db", "create", "a.lion" }, 4, "a.lion exists" },
  } do
    it("ends with " .. case[2] .. ": lion " .. table.concat(case[1], " "), function()
      local result = program.run(folder, case[1])
      assert.equal(case[2], result.code)
      if case[2] == 0 then return assert.equal("", result.err) end
      assert.equal("", result.out)
      assert.matches("^lion: ", result.err)
      assert.matches(case[3], result.err)
    end)
  end

  it("makes nothing where it is misused, or where there is nothing", function()
    local files = io.popen("ls -A " .. folder)
    local text = files:read "*a"
    files:close()
    assert.is_nil(text:find "none")
  end)

  it("ends with 5 where another process owns what is to be written", function()
    local conn = lion.connect(folder .. "/a.lion")
    local result = run("transact", "a.lion", "a.edn")
    conn:close()
    assert.equal(5, result.code)
    assert.matches("is open in process %d+", result.err)
  end)

  it("ends with 1 where what it prints does not arrive", function()
    local result = program.run(folder, { "version" }, { out = "/dev/full" })
    assert.equal(1, result.code)
    assert.matches("standard output: No space left on device", result.err)
    assert.equal(5, program.run(folder, { "export", "a.lion", "/dev/full" }).code)
  end)

  it("prints no colours and no progress where nobody looks", function()
    for _, words in ipairs { { "db", "stats", "a.lion" }, { "db", "verify", "a.lion" },
      { "import", "b.lion", "a.edn" }, { "export", "b.lion", "b.edn" } } do
      local result = program.run(folder, words)
      assert.equal(0, result.code)
      assert.is_nil((result.out .. result.err):find "\27")
      assert.equal("", result.err)
    end
  end)

  it("runs a script from standard input", function()
    local result = program.run(folder, { "run", "-", "a", "b" }, { input = "print(arg[0], arg[1], ...)" })
    assert.equal("-\ta\ta\tb\n", result.out)
    assert.equal(0, result.code)
  end)
end)

describe("A file's digest", function()
  it("is XXH3 and the size", function()
    assert.equal("xxh3:99aa06d3014798d86001c324468d497f:0", digest "")
    assert.is_truthy(digest("foobar"):find "^xxh3:%x+:6$")
    assert.are_not.equal(digest "foobar", digest "foobaz")
  end)
end)
