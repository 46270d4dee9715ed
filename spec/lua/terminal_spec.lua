--- The prompt at a real terminal: keys, history, completion, signals, and the terminal as it was afterwards.
local lion = require "lion"
local program = require "spec.lua.program"
local pty = require "spec.lua.pty"

local UP, DOWN, LEFT, HOME, DELETE = "\27[A", "\27[B", "\27[D", "\27[H", "\27[3~"
local CTRL_A, CTRL_C, CTRL_D, CTRL_E, CTRL_K, CTRL_U = "\1", "\3", "\4", "\5", "\11", "\21"
local BACKSPACE = "\127"
local SIGHUP, SIGTERM = 1, 15

describe("The prompt at a terminal", function()
  local terminal

  local function start(words, settings)
    terminal = pty.start(words or { "repl" }, settings)
    terminal:prompt()
    return terminal
  end

  after_each(function()
    if terminal then terminal:close() end
    terminal = nil
  end)

  it("greets, answers, and leaves by Ctrl-D as it came", function()
    start()
    assert.matches("^lion " .. lion.version .. " on a scratch database in memory", terminal.shown)
    assert.equal("3\r\n", terminal:ask "1 + 2")
    assert.are_not.equal(terminal.before, terminal:settings()) -- it edits
    terminal:type(CTRL_D)
    assert.equal(0, terminal:wait())
    assert.equal(terminal.before, terminal:settings())
    assert.matches("\r\n$", terminal:all())
  end)

  it("leaves by :quit, also when something failed before", function()
    start()
    assert.matches("^lion/syntax: ", terminal:ask "1 +* 2")
    terminal:type ":quit\r"
    assert.equal(0, terminal:wait())
    assert.equal(terminal.before, terminal:settings())
  end)

  for name, keys in pairs {
    ["at its beginning and end"] = "2" .. CTRL_A .. "4" .. CTRL_E .. " * 1",
    ["in the middle"] = "4 * 1" .. LEFT:rep(4) .. "2",
    ["by deleting backwards"] = "42 * 19" .. BACKSPACE,
    ["by deleting forwards"] = "942 * 1" .. HOME .. DELETE,
    ["by dropping the rest, and all"] = "nonsense" .. CTRL_U .. "42 * 1 + 5" .. LEFT:rep(4) .. CTRL_K,
  } do
    it("lets a line be changed " .. name, function()
      start()
      assert.equal("42\r\n", terminal:ask(keys))
    end)
  end

  it("takes characters beyond ASCII as one each, whatever the locale says", function()
    start()
    assert.equal('"ä"\r\n', terminal:ask('"äö' .. BACKSPACE .. '"'))
  end)

  it("brings back earlier lines, whole inputs as one", function()
    start()
    terminal:ask "40 + 1"
    terminal:ask "50 + 1"
    assert.equal("51\r\n", terminal:ask(UP))
    assert.equal("41\r\n", terminal:ask(UP .. UP))
    assert.equal("41\r\n", terminal:ask(UP .. UP .. DOWN))
    terminal:type "for i = 1, 2 do\r"
    terminal:prompt "  ... "
    terminal:type "print(i * 7) end\r"
    terminal:expect "7\r\n14\r\n"
    terminal:prompt()
    terminal:type(UP .. "\r")
    terminal:expect "7\r\n14\r\n"
  end)

  it("keeps lines from one session to the next, and other people's eyes off them", function()
    local folder = program.folder()
    local settings = { env = { "LION_HISTORY=" .. folder .. "/history" } }
    start({ "repl" }, settings)
    terminal:ask "6 * 7"
    terminal:type(CTRL_D)
    terminal:wait()
    terminal:close()
    start({ "repl" }, settings)
    assert.equal("42\r\n", terminal:ask(UP))
    local mode = io.popen("stat -c %a " .. folder .. "/history")
    assert.equal("600", mode:read "*l")
    mode:close()
    program.remove(folder)
  end)

  it("completes words with a colon, methods and attributes", function()
    start()
    terminal:ask [[conn:transact(lion.schema { person = { name = "string" } }) t = nil]]
    assert.matches("^attribute +type", (terminal:ask ":sche\t":gsub("\27%[%d*m", "")))
    terminal:type "tostring(db:pull_m\t"
    terminal:expect "any("
    terminal:type(CTRL_U)
    assert.matches("0 rows", terminal:ask "[:find ?n :where [_ :person/na\t ?n]]")
  end)

  it("lists what a word may become", function()
    start()
    terminal:type "db:pul\t\t"
    terminal:expect "db:pull(       db:pull_many("
    terminal:prompt()
    terminal:type(CTRL_U)
    assert.equal("2\r\n", terminal:ask "1 + 1")
  end)

  it("drops a line by Ctrl-C, and an input of lines too", function()
    start()
    terminal:type("nonsense" .. CTRL_C)
    terminal:expect "^C\r\n"
    terminal:prompt()
    assert.equal("2\r\n", terminal:ask "1 + 1")
    terminal:type "for i = 1, 3 do\r"
    terminal:prompt "  ... "
    terminal:type("print(i)" .. CTRL_C)
    terminal:expect "^C\r\n"
    terminal:prompt()
    assert.equal("4\r\n", terminal:ask "2 + 2")
  end)

  for what, line in pairs {
    ["an endless loop"] = "while true do end",
    ["an endless loop of calls"] = "local function f() end while true do f() end",
    ["a query that would take days"] = "[:find (count ?x) . :where " ..
      ("[?a :db/ident ?x] [?b :db/ident] [?c :db/ident] [?d :db/ident] [?e :db/ident] [?f :db/ident] "
        .. "[(+ ?a ?b ?c ?d ?e ?f) ?s] [(< ?s 0)]") .. "]",
  } do
    it("stops " .. what .. " by Ctrl-C, and goes on", function()
      start()
      terminal:type(line .. "\r")
      terminal:expect "\r\n"
      require("lion.terminal").wait(100) -- it is at work
      terminal:type(CTRL_C)
      assert.matches("lion/cancelled", terminal:prompt())
      assert.equal("2\r\n", terminal:ask "1 + 1")
      terminal:type(CTRL_D)
      assert.equal(0, terminal:wait())
      assert.equal(terminal.before, terminal:settings())
    end)
  end

  it("takes a query over lines", function()
    start()
    terminal:type "[:find ?v\r"
    terminal:prompt "  ... "
    terminal:type ' :in ?v] "x"\r'
    terminal:expect "1 row\r\n"
  end)

  for name, signal_number in pairs { SIGTERM = SIGTERM, SIGHUP = SIGHUP } do
    it("gives the terminal back when " .. name .. " ends it", function()
      start()
      terminal:type "half a line"
      terminal:expect "half a line"
      terminal:kill(signal_number)
      assert.equal(-signal_number, terminal:wait())
      assert.equal(terminal.before, terminal:settings())
    end)
  end

  it("cuts tables to the window, and knows when it changes", function()
    start({ "repl" }, { columns = 40 })
    local query = '[:find ?v :in ?v] "' .. ("long "):rep(20) .. '"'
    local function widest()
      local width = 0
      for line in terminal:ask(query):gsub("\27%[%d*m", ""):gmatch "[^\r\n]+" do
        width = math.max(width, #line:gsub("[\128-\191]", ""))
      end
      return width
    end
    assert.equal(40, widest())
    terminal:resize(60, 24)
    terminal:kill(28) -- SIGWINCH, which only the foreground of a shell would get by itself
    assert.equal(60, widest())
  end)

  it("shows headings in bold, unless NO_COLOR is set", function()
    start()
    assert.matches("\27%[1m%?v\27%[m\r\n", terminal:ask "[:find ?v :in ?v] 1")
    terminal:close()
    start({ "repl" }, { env = { "NO_COLOR=1" } })
    assert.is_nil(terminal:ask("[:find ?v :in ?v] 1"):find "\27")
  end)

  it("reads a database beside its owner, says so, and shows what it wrote last", function()
    local folder = program.folder()
    local conn = lion.connect(folder .. "/a.lion")
    start { "repl", folder .. "/a.lion" }
    assert.matches("Another process has it open", terminal.shown)
    local t = conn:transact({ { ["db/doc"] = "x" } }).t
    assert.equal(t .. "\r\n", terminal:ask "db.basis_t")
    assert.matches("^lion/read%-only", terminal:ask "conn:transact {}")
    conn:close()
    program.remove(folder)
  end)
end)

describe("Commands at a terminal", function()
  local folder

  before_each(function() folder = program.folder() end)
  after_each(function() program.remove(folder) end)

  local function run(...)
    local terminal = pty.start({ ... }, { columns = 30 })
    local code = terminal:wait()
    local shown = terminal:all()
    terminal:close()
    return shown, code
  end

  it("show how far long work is, and wipe that line when it is done", function()
    local path = folder .. "/a.lion"
    program.write(folder .. "/a.edn", ('[{:db/doc "x"}]\n'):rep(20))
    for _, words in ipairs {
      { "import", path, folder .. "/a.edn" }, { "transact", path, folder .. "/a.edn" },
      { "export", path, folder .. "/b.edn" }, { "db", "verify", path },
    } do
      local shown, code = run(unpack(words))
      assert.equal(0, code)
      assert.matches("\r%s*%d+ %%  ", shown)
      assert.matches("\r\27%[K[%w][^\r\27]*\r\n$", shown)
    end
    assert.matches("^\rbacking up .*\r\27%[K$", (run("db", "backup", path, folder .. "/b")))
    assert.matches("^\rrestoring .*\r\27%[K$", (run("db", "restore", folder .. "/b", folder .. "/c.lion")))
  end)

  it("cut tables to the window", function()
    lion.connect(folder .. "/a.lion"):close()
    local shown = run("q", folder .. "/a.lion", '[:find ?v :in ?v]', '"' .. ("long "):rep(20) .. '"')
    assert.matches("long…\r\n", shown)
  end)
end)
