-- The executor of a node with real processes: a writer, an executor, and this one as their client.
-- luacheck: max line length 130 (an application's code stands in it)
local application = require "spec.ions.application"
local core = require "lion.core"
local frames = require "spec.ions.frames"
local lion = require "lion"
local nodes = require "spec.ions.node"
local program = require "spec.lua.program"
local remote = require "ions.remote"

local HELLO, OPEN, TRANSACT = 1, 2, 3
local CALL, DONE, ERROR, REPORT = 16, 17, 18, 19
local SUPERVISOR, DOOR, WORKER = 0, 3, 17
local READY, STOP, REPLACE, SWITCH, SWITCHED, STATUS = 1, 2, 3, 5, 6, 11

local MANIFEST = [==[
  return { app = "shop", allow = { "tx/add", "tx/twice", "tx/text", "tx/nothing", "tx/calls", "tx/fails", "tx/cancels",
    "tx/cancels_with", "tx/throws_table", "tx/times", "tx/writes", "tx/connects", "tx/invokes", "tx/answers", "tx/forever",
    "tx/slowly", "tx/queries", "tx/waits", "tx/big", "tx/even", "tx/raises", "tx/balanced", "tx/not_true",
    "tx/types", "tx/clock", "tx/heavy" } }
]==]

local MODULE = [==[
  local ion, lion = require "ion", require "lion"
  local tx = {}
  local conn = ion.connect()
  local function count_of(db, name)
    return db:q("[:find ?c . :in $ ?n :where [?e :counter/name ?n] [?e :counter/count ?c]]", name) or 0
  end
  function tx.add(db, name, n)
    return { { ["counter/name"] = name, ["counter/count"] = count_of(db, name) + n } }
  end
  function tx.twice(db, name) return { { "tx/add", name, 2 * count_of(db, name) } } end
  function tx.text(_, name) return '[[:db/add "x" :counter/name "' .. name .. '"]]' end
  function tx.nothing() end
  function tx.calls(_, name) return { { "tx/add", name, 1 }, { "db/add", "y", "counter/note", "called" } } end
  function tx.fails() error "no luck" end
  function tx.throws_table() error { some = "table", fn = tostring } end
  function tx.cancels() lion.cancel { category = "conflict", code = "shop/sold-out", message = "sold out", left = 3 } end
  function tx.cancels_with(_, x) lion.cancel(x) end
  function tx.times(_, n)
    local list = {}
    for i = 1, n do list[i] = { "db/add", "e" .. i, "counter/note", "n" } end
    return list
  end
  function tx.writes() conn:transact {} end
  function tx.connects() ion.connect() end
  function tx.invokes() ion.invoke("x", {}) end
  function tx.waits() ion.sleep(1) end
  function tx.answers(_, x) return x end
  function tx.forever() while true do end end
  function tx.slowly() pcall(function() while true do end end) return {} end
  function tx.queries(db) return db:q("[:find ?x :in $ [?x ...] :where [(tx/none ?x)]]", { 1 }) end
  function tx.big() local list = {} while true do list[#list + 1] = ("x"):rep(50000) .. #list end end
  function tx.clock() return { { "db/add", "x", "counter/seen", ion.now() }, { "db/add", "x", "counter/lot", ion.random() } } end
  function tx.heavy(db)
    local list = {}
    for i = 1, 5000 do list[i] = i end
    return db:q("[:find (count ?c) . :in $ [?a ...] [?b ...] [?c ...] :where [(< ?a ?b)] [(< ?b ?c)]]", list, list, list)
  end
  function tx.even(n) return n % 2 == 0 end
  function tx.raises(n) if n > 100 then error "too large" end return true end
  function tx.not_true() return "well" end
  function tx.balanced(db, id)
    return db:q("[:find (sum ?n) . :in $ ?e :where [?e :pair/left ?l] [?e :pair/right ?r] [(+ ?l ?r) ?n]]", id) == 0
  end
  function tx.types(_, ...)
    local list = {}
    for i = 1, select("#", ...) do
      local x = select(i, ...)
      list[i] = type(x) .. " " .. tostring(x == lion.null and "null" or x)
    end
    return { { "db/add", "x", "counter/note", table.concat(list, ", ") } }
  end
  return tx
]==]

local SCHEMA = {
  { ["db/ident"] = ":pair/guard", ["db.entity/preds"] = { "tx/balanced" } },
  { ["db/ident"] = ":pair/strange", ["db.entity/preds"] = { "tx/not_true" } },
  { ["db/ident"] = ":pair/unknown", ["db.entity/preds"] = { "tx/none" } },
}
for _, attribute in ipairs(lion.schema {
  counter = { name = { "string", unique = "identity" }, count = "long", note = "string", seen = "instant", lot = "double" },
  checked = { even = { "long", preds = { "tx/even" } }, small = { "long", preds = { "tx/raises" } },
    strange = { "long", preds = { "tx/not_true" } }, unknown = { "long", preds = { "tx/none" } } },
  pair = { left = "long", right = "long" },
}) do SCHEMA[#SCHEMA + 1] = attribute end

-- ---- a node of two processes ---------------------------------------------------------------------

local Small = {}
Small.__index = Small

local function folder_in(self, name)
  os.execute(("mkdir -p '%s/%s'"):format(self.folder, name))
  return self.folder .. "/" .. name
end

function Small:start(role, words)
  self.started = self.started + 1
  local line = { "node-process", role, "--dir", self.folder, "--group", "main" }
  for _, word in ipairs(words or {}) do line[#line + 1] = word end
  local child = program.start(folder_in(self, "." .. role .. self.started), line)
  self.children[#self.children + 1] = child
  return child
end

-- A link to the writer, when it listens.
function Small:link()
  return program.wait_for(function() return frames.connect(self.folder .. "/writer.sock") end, "the writer")
end

function Small:close()
  if self.own then self.own:close() end
  if self.bus then self.bus:close() end
  if self.conn then self.conn:close() end
  local problems = {}
  for _, child in ipairs(self.children) do
    local is_running = not child:code()
    if is_running then pcall(child.signal, child, "TERM") end
    local code = child:wait()
    if is_running and code ~= 0 then problems[#problems + 1] = code .. ": " .. child:err() end
  end
  self.node:close()
  assert.same({}, problems)
end

-- files: app → { ["ion.lua"] =, … }. bus: the executor has a channel.
local function start(files, options)
  local node = nodes.new()
  local self = setmetatable({ node = node, folder = node.folder, children = {}, started = 0 }, Small)
  local running = {}
  for name, of in pairs(files) do
    node:push("unrepro/" .. name, of)
    running[#running + 1] = node.system:db():q("[:find ?r . :in $ ?n :where [?r :revision/name ?n]]", "unrepro/" .. name)
  end
  if options.also then
    for _, pair in ipairs(options.also) do node:push(pair[1], pair[2]) end
  end
  node.system:transact { { ["group/name"] = "main", ["group/running"] = running } }
  for _, conn in pairs(node.databases) do conn:close() end
  node.databases = {}
  self.writer = self:start "writer"
  self.own = self:link()
  function node.answer(_, kind, payload)
    self.own:send { { kind, 1, payload } }
    local answered, _, answer = self.own:receive()
    return answered, answer
  end
  if options.bus then
    self.bus = frames.channel()
    self.executor = self:start("executor", { "--bus", tostring(self.bus.child), unpack(options.words or {}) })
    self.bus.close_child()
    assert.same({ READY, SUPERVISOR, 0, "" }, { self.bus:receive() })
  else
    self.executor = self:start "executor"
  end
  self.conn = remote.open(self.folder, "shop")
  self.conn:transact(SCHEMA)
  return self
end

local FILES = { shop = { ["ion.lua"] = MANIFEST, ["tx.lua"] = MODULE } }

local function raised(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local COUNT = "[:find ?c . :in $ ?n :where [?e :counter/name ?n] [?e :counter/count ?c]]"
local NOTED = "[:find ?e . :in $ ?n :where [?e :counter/note ?n]]"

-- What is asked of a transaction, embedded and in a node, and what then is there, or the error's category and code.
local CASES = {
  { "a function", { { "tx/add", "a", 3 } }, function(db) return db:q(COUNT, "a") == 3 end },
  { "a function's name as a keyword", { { ":tx/add", "k", 3 } }, function(db) return db:q(COUNT, "k") == 3 end },
  { "a function that calls a function", { { "tx/calls", "b" } }, function(db) return db:q(COUNT, "b") == 1 end },
  { "a function that answers text", { { "tx/text", "c" } }, function(db) return db:entid { "counter/name", "c" } ~= nil end },
  { "a function that answers nothing", { { "tx/nothing" } }, function() return true end },
  { "a function that answers much", { { "tx/times", 3000 } }, function(db)
    return db:q "[:find (count ?e) . :where [?e :counter/note \"n\"]]" == 3000
  end },
  { "arguments of all kinds", { { "tx/types", 1, 2.5, "s", ":k/w", true, false, lion.null, 2LL ^ 60 } }, function(db)
    return db:q(NOTED, "number 1, number 2.5, string s, string :k/w, boolean true, boolean false, userdata null, "
      .. "cdata 1152921504606846976LL") ~= nil
  end },
  { "an attribute predicate that agrees", { { ["checked/even"] = 4 } }, function() return true end },
  { "an entity predicate that agrees", { { ["pair/left"] = 2, ["pair/right"] = -2, ["db/ensure"] = ":pair/guard" } },
    function() return true end },
  { "a function nobody knows", { { "tx/none", 1 } }, "incorrect", "db.error/not-a-data-function" },
  { "a function that fails", { { "tx/fails" } }, "fault", "lion/function-failed" },
  { "a function that throws a table", { { "tx/throws_table" } }, "fault", "lion/function-failed" },
  { "a function that cancels", { { "tx/cancels" } }, "conflict", "shop/sold-out" },
  { "a function that cancels with a text", { { "tx/cancels_with", "no" } }, "incorrect", "lion/cancelled" },
  { "a function that writes", { { "tx/writes" } }, "forbidden", "lion/not-allowed" },
  { "a function that connects", { { "tx/connects" } }, "forbidden", "lion/not-allowed" },
  { "a function that invokes", { { "tx/invokes" } }, "forbidden", "lion/not-allowed" },
  { "a function that answers a number", { { "tx/answers", 7 } }, "incorrect" },
  { "a function that answers an operation nobody knows", { { "tx/answers", { { "db/none", 1 } } } }, "incorrect" },
  { "a function whose query fails", { { "tx/queries" } }, "not-found" },
  { "an attribute predicate that disagrees", { { ["checked/even"] = 5 } }, "incorrect" },
  { "an attribute predicate that is not true", { { ["checked/strange"] = 5 } }, "incorrect" },
  { "an attribute predicate that fails", { { ["checked/small"] = 500 } }, "fault", "lion/function-failed" },
  { "an attribute predicate nobody knows", { { ["checked/unknown"] = 5 } }, "not-found", "lion/not-found" },
  { "an entity predicate that disagrees", { { ["pair/left"] = 2, ["pair/right"] = 3, ["db/ensure"] = ":pair/guard" } },
    "incorrect" },
  { "an entity predicate that is not true", { { ["pair/left"] = 2, ["db/ensure"] = ":pair/strange" } }, "incorrect" },
  { "an entity predicate nobody knows", { { ["pair/left"] = 2, ["db/ensure"] = ":pair/unknown" } }, "not-found",
    "lion/not-found" },
}

describe("An executor", function()
  local small, embedded, conn

  setup(function()
    embedded = application.new(FILES.shop)
    conn = embedded.app:connection()
    conn:transact(SCHEMA)
    small = start(FILES, {})
  end)
  teardown(function()
    if small then small:close() end
    if embedded then embedded:close() end
  end)

  for _, case in ipairs(CASES) do
    it("answers as the database in one's own process does: " .. case[1], function()
      local there, here = small.conn, conn
      if type(case[3]) == "function" then
        here:transact(case[2])
        assert.is_true(case[3](here:db()))
        local report = there:transact(case[2])
        assert.is_true(case[3](report.db_after))
        return
      end
      local expected, e = raised(here.transact, here, case[2]), raised(there.transact, there, case[2])
      assert.same({ case[3], case[4] or expected.code }, { expected.category, expected.code })
      assert.same({ expected.category, expected.code }, { e.category, e.code })
      local function returned(of) return (of.data or {})["db.error/pred-return"] end
      assert.equal(returned(expected), returned(e))
      if e.code == "db.error/not-a-data-function" or e.code == "lion/not-found" then
        local message = expected.message:gsub("lion.fn%(.*$", "")
        assert.equal(message, e.message:sub(1, #message))
      elseif e.code ~= "lion/function-failed" then
        assert.equal(expected.message:gsub("%d+", "N"), e.message:gsub("%d+", "N"))
      end
    end)
  end

  it("says what makes a function known", function()
    local e = raised(small.conn.transact, small.conn, { { "tx/none" } })
    assert.equal("there is no transaction function named tx/none: the manifest's allow makes one known", e.message)
  end)

  it("tells the error of a function, where it was, and what a cancelling one gave along", function()
    local e = raised(small.conn.transact, small.conn, { { "tx/fails" } })
    assert.truthy(e.message:find("the transaction function tx/fails failed: shop/tx.lua:%d+: no luck"), e.message)
    assert.truthy(e.data.trace:find("stack traceback", 1, true))
    e = raised(small.conn.transact, small.conn, { { "tx/cancels" } })
    assert.same({ "sold out", 3 }, { e.message, e.left })
  end)

  it("cannot wait in a function", function()
    local e = raised(small.conn.transact, small.conn, { { "tx/waits" } })
    assert.equal("lion/cannot-wait", e.code)
  end)

  it("takes the clock and chance from the gate", function()
    local before = lion.now_ms()
    local db = small.conn:transact({ { "tx/clock" } }).db_after
    local seen = db:q "[:find (max ?t) . :where [_ :counter/seen ?t]]"
    assert.is_true(seen >= before - 1 and seen <= lion.now_ms() + 1)
    assert.is_number(db:q "[:find (max ?x) . :where [_ :counter/lot ?x]]")
  end)

  it("sees what was applied before in the same group", function()
    local link, list = small:link(), {}
    for i = 1, 200 do
      local ops = i % 10 == 0 and { { "db/add", "x", "counter/note", "between" } } or { { "tx/add", "group", 1 } }
      list[i] = { TRANSACT, i, core.form_write { db = "shop", ops = ops } }
    end
    link:send(list)
    for _ = 1, 200 do
      local kind, id, payload = link:receive()
      assert.equal(REPORT, kind, id .. tostring(kind == ERROR and core.form_read(payload).message))
    end
    link:close()
    assert.equal(180, small.conn:sync():q(COUNT, "group"))
    small.conn:transact { { "tx/twice", "group" } }
    assert.equal(180 * 3, small.conn:db():q(COUNT, "group"))
  end)

  it("is asked for predicates in the same group, too", function()
    local link, list = small:link(), {}
    for i = 1, 60 do
      local entity = { ["pair/left"] = i, ["pair/right"] = i % 6 == 0 and i or -i, ["db/ensure"] = ":pair/guard" }
      list[i] = { TRANSACT, i, core.form_write { db = "shop", ops = { i % 2 == 0 and entity or { ["checked/even"] = i + 1 } } } }
    end
    link:send(list)
    for _ = 1, 60 do
      local kind, id, payload = link:receive()
      local is_refused = id % 6 == 0
      assert.same({ id, is_refused and ERROR or REPORT }, { id, kind })
      if is_refused then assert.equal("db.error/entity-pred", core.form_read(payload).code) end
    end
    link:close()
  end)

  it("sees several databases, each by itself", function()
    local link = small:link()
    local names, sent = { "one", "two", "three" }, {}
    for i, name in ipairs(names) do
      link:send { { OPEN, i, core.form_write { db = name } } }
      link:receive()
      link:send { { TRANSACT, i, core.form_write { db = name, ops = SCHEMA } } }
      link:receive()
    end
    for i = 1, 90 do
      sent[i] = { TRANSACT, i, core.form_write { db = names[i % 3 + 1], ops = { { "tx/add", "n", i } } } }
    end
    link:send(sent)
    for _ = 1, 90 do assert.equal(REPORT, (link:receive())) end
    link:close()
    for k, name in ipairs(names) do
      local sum = 0
      for i = 1, 90 do sum = sum + (i % 3 + 1 == k and i or 0) end
      local other = remote.open(small.folder, name)
      assert.equal(sum, other:db():q(COUNT, "n"))
      other:close()
    end
  end)

  it("stops a function at its deadline, and goes on", function()
    for _, case in ipairs { { "tx/forever", 100 }, { "tx/slowly", 100 }, { "tx/heavy", 100 }, { "tx/forever" } } do
      local e = raised(small.conn.transact, small.conn, { { case[1] } }, { timeout_ms = case[2] })
      assert.same({ "interrupted", "lion/timeout" }, { e.category, e.code })
      small.conn:transact { { "tx/add", "after", 1 } }
    end
    assert.equal(4, small.conn:db():q(COUNT, "after"))
    assert.is_nil(small.executor:code())
  end)

  it("has no more time for a function that had to wait for another", function()
    local link = small:link()
    for _, name in ipairs { "left", "right" } do
      link:send { { OPEN, 1, core.form_write { db = name } } }
      link:receive()
    end
    local ops = { { "tx/forever" } }
    link:send {
      { TRANSACT, 1, core.form_write { db = "left", ops = ops } },
      { TRANSACT, 2, core.form_write { db = "right", ops = ops } },
    }
    for _ = 1, 2 do
      local _, _, payload = link:receive()
      assert.equal("lion/timeout", core.form_read(payload).code)
    end
    link:close()
    assert.is_nil(small.executor:code())
    small.conn:transact { { "tx/add", "waited", 1 } }
  end)

  it("goes back with a writer that is killed before the disk has all", function()
    for round = 1, 5 do
      local link, list = small:link(), {}
      for i = 1, 100 do
        list[i] = { TRANSACT, i, core.form_write { db = "shop", ops = { { "tx/add", "lost", 1 } } } }
      end
      link:send(list)
      local answered = 0
      while answered < 10 * round do
        assert.equal(REPORT, (link:receive()))
        answered = answered + 1
      end
      small.writer:signal "KILL"
      small.writer:wait()
      while pcall(link.receive, link) do answered = answered + 1 end
      link:close()
      small.own:close()
      small.writer = small:start "writer"
      small.own = small:link()
      local before = small.conn:sync():q(COUNT, "lost")
      assert.is_true(before >= answered)
      local after = small.conn:transact({ { "tx/add", "lost", 1000 } }).db_after
      assert.equal(before + 1000, after:q(COUNT, "lost"))
      small.conn:transact { { "tx/add", "lost", -after:q(COUNT, "lost") } }
    end
  end)

  it("that is killed in the middle fails the transaction alone", function()
    local link = small:link()
    link:send {
      { TRANSACT, 1, core.form_write { db = "shop", ops = { { "tx/add", "killed", 1 } } } },
      { TRANSACT, 2, core.form_write { db = "shop", ops = { { "tx/forever" } } } },
      { TRANSACT, 3, core.form_write { db = "shop", ops = { { "tx/add", "killed", 1 } } } },
    }
    -- The third waits for the second; the second runs when the executor works.
    local function cpu_ticks()
      local text = program.read(("/proc/%s/stat"):format(small.executor.pid))
      return tonumber(text:match "%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+)")
    end
    local at = cpu_ticks()
    program.wait_for(function() return cpu_ticks() > at + 5 end, "the function")
    small.executor:signal "KILL"
    small.executor:wait()
    small.executor = small:start "executor"
    local answers = {}
    for _ = 1, 3 do
      local kind, id, payload = link:receive()
      answers[id] = kind == ERROR and core.form_read(payload).code or kind
    end
    link:close()
    assert.same({ REPORT, "lion/function-failed", REPORT }, answers)
    assert.equal(2, small.conn:sync():q(COUNT, "killed"))
  end)

  it("that does not answer fails the transaction, and another takes the next", function()
    local stopped = small.executor
    stopped:signal "STOP"
    local e = raised(small.conn.transact, small.conn, { { "tx/add", "stopped", 1 } }, { timeout_ms = 50 })
    assert.same({ "interrupted", "lion/timeout" }, { e.category, e.code })
    small.executor = small:start "executor"
    small.conn:transact { { "tx/add", "stopped", 1 } }
    stopped:signal "CONT"
    stopped:signal "TERM"
    assert.equal(0, stopped:wait())
    small.conn:transact { { "tx/add", "stopped", 1 } }
    assert.equal(2, small.conn:db():q(COUNT, "stopped"))
  end)

  it("ends when it is told to, and a new one has what was recorded", function()
    small.conn:transact { { "tx/add", "kept", 7 } }
    small.executor:signal "TERM"
    assert.equal(0, small.executor:wait())
    small.executor = small:start "executor"
    small.conn:transact { { "tx/add", "kept", 7 } }
    assert.equal(14, small.conn:db():q(COUNT, "kept"))
    assert.equal("", small.executor:err())
  end)
end)

-- ---- its channel ---------------------------------------------------------------------------------

local function noting(text)
  return ("return { note = function() return { { 'db/add', 'x', 'counter/note', '%s' } } end }"):format(text)
end

-- An application whose functions note who they are; more: other modules.
local function noter(name, allow, version, more)
  local files = {
    ["ion.lua"] = ("return { app = %q, allow = { %s } }"):format(name, allow),
    ["tx.lua"] = noting(name .. " " .. version),
    ["both.lua"] = noting(name),
    [name .. ".lua"] = noting(name .. " alone"),
  }
  for path, text in pairs(more or {}) do files[path] = text end
  return files
end

describe("An executor of several applications", function()
  local small

  local function ask(kind, map, from)
    small.bus:send(from, kind, 7, core.form_write(map))
    local answered, to, id, payload = small.bus:receive()
    assert.same({ from, 7 }, { to, id })
    return answered, core.form_read(payload)
  end

  local function switch(name, revision)
    local kind, answer = ask(SWITCH, { app = name, revision = revision }, DOOR)
    assert.equal(SWITCHED, kind)
    return answer
  end

  local function status()
    local kind, answer = ask(STATUS, {}, WORKER)
    assert.equal(STATUS, kind)
    return answer
  end

  local function note(name)
    local report = small.conn:transact { { name } }
    return report.db_after:q("[:find ?n . :in $ ?tx :where [?e :counter/note ?n ?tx]]", report.tx)
  end

  local function code_of(name) return raised(small.conn.transact, small.conn, { { name } }).code end

  setup(function()
    small = start({
      shop = noter("shop", '"tx/note"', 1),
      wiki = noter("wiki", '"tx/note", "both/note", "wiki/note"', 1),
      mail = noter("mail", '"both/note", "mail/note"', 1),
      bad = noter("bad", '"bad/note"', 1, { ["bad.lua"] = "error 'no luck'" }),
    }, {
      bus = true,
      also = {
        { "unrepro/shop2", noter("shop", '"tx/note"', 2) },
        { "unrepro/shop3", noter("shop", '"tx/note"', 3, { ["tx.lua"] = "error 'no luck'" }) },
        { "unrepro/wiki2", noter("wiki", '"tx/note", "wiki/note"', 2) },
      },
    })
  end)
  teardown(function() if small then small:close() end end)

  it("says which did not load, and knows the others' functions", function()
    assert.truthy(small.executor:err():find("^lion: executor: bad unrepro/bad did not load[^\n]*no luck"), small.executor:err())
    assert.same({
      { app = "mail", revision = "unrepro/mail" },
      { app = "shop", revision = "unrepro/shop" },
      { app = "wiki", revision = "unrepro/wiki" },
    }, status().apps)
    assert.equal("db.error/not-a-data-function", code_of "bad/note")
    assert.equal("wiki alone", note "wiki/note")
    assert.equal("mail alone", note "mail/note")
  end)

  it("takes the function of the database's application, and none where two have it", function()
    assert.equal("shop 1", note "tx/note")
    assert.equal("lion/ambiguous-function", code_of "both/note")
  end)

  it("switches to another revision, and keeps the old one where that does not load", function()
    assert.is_true(switch("shop", "unrepro/shop2").is_ok)
    assert.equal("shop 2", note "tx/note")
    local answer = switch("shop", "unrepro/shop3")
    assert.is_false(answer.is_ok)
    assert.truthy(answer.message:find "no luck")
    assert.truthy(answer.trace:find "stack traceback")
    assert.equal("shop 2", note "tx/note")
    answer = switch("shop", "unrepro/none")
    assert.is_false(answer.is_ok)
    assert.truthy(#answer.message > 0)
    assert.is_true(switch("shop", "unrepro/shop2").is_ok)
    assert.is_true(switch("wiki", "unrepro/wiki2").is_ok)
    assert.equal("mail", note "both/note")
    assert.is_true(switch("wiki").is_ok)
    assert.equal("db.error/not-a-data-function", code_of "wiki/note")
    assert.is_true(switch("nobody").is_ok)
    assert.is_false(switch().is_ok)
  end)

  it("counts its calls", function()
    local before = status()
    note "tx/note"
    code_of "wiki/note"
    local after = status()
    assert.same({ 2, 1 }, { after.calls - before.calls, after.errors - before.errors })
  end)

  it("goes on at what it cannot understand", function()
    small.bus:send(DOOR, SWITCH, 7, "nonsense")
    small.bus:send(DOOR, 99, 7, "")
    assert.equal("shop 2", note "tx/note")
  end)

  it("ends when the supervisor says so, or is gone", function()
    small.bus:send(SUPERVISOR, STOP, 0, core.form_write { grace_ms = 2000 })
    assert.equal(0, small.executor:wait())
    small.bus:close()
    small.bus = frames.channel()
    small.executor = small:start("executor", { "--bus", tostring(small.bus.child) })
    small.bus.close_child()
    assert.equal(READY, (small.bus:receive()))
    assert.equal("shop 1", note "tx/note")
    small.bus:close()
    assert.equal(0, small.executor:wait())
  end)
end)

describe("An executor whose memory is bounded", function()
  it("fails the call that reaches the bound, asks for another executor, and goes on until then", function()
    local small = start(FILES, { bus = true, words = { "--memory", tostring(32 * 2 ^ 20) } })
    local e = raised(small.conn.transact, small.conn, { { "tx/big" } })
    local kind, to, _, payload = small.bus:receive()
    local ok = pcall(small.conn.transact, small.conn, { { "tx/add", "after", 1 } })
    small:close()
    assert.equal("lion/function-failed", e.code)
    assert.truthy(e.message:find("not enough memory", 1, true), e.message)
    assert.same({ REPLACE, SUPERVISOR }, { kind, to })
    assert.truthy(core.form_read(payload).reason:find("memory", 1, true))
    assert.is_true(ok)
  end)
end)

describe("An executor with a strange writer", function()
  local small, link, t

  setup(function()
    small = start(FILES, {})
    t = small.conn:transact({ { "tx/add", "a", 1 } }).t
    small.writer:signal "KILL"
    small.writer:wait()
    link = frames.accept(small.folder .. "/writer.sock")
    local kind, _, payload = link:receive()
    assert.same({ HELLO, "executor" }, { kind, core.form_read(payload).role })
  end)
  teardown(function()
    if link then link:close() end
    if small then small:close() end
  end)

  local function call(map)
    local asked = { db = "shop", t = t, records = {}, kind = 5, name = "tx/add", arguments = { "a", 1 },
      deadline_ms = core.monotonic_ms() + 1000 }
    for key, value in pairs(map) do asked[key] = value end
    for key, value in pairs(asked) do if value == "none" then asked[key] = nil end end
    link:send { { CALL, 5, core.form_write(asked) } }
    local kind, id, payload = link:receive()
    assert.equal(5, id)
    return kind, core.form_read(payload)
  end

  it("answers what it can", function()
    local kind, answer = call {}
    assert.same({ DONE, { { ["counter/name"] = "a", ["counter/count"] = 2 } } }, { kind, answer.result })
  end)

  it("does not take an older value for the one that is meant", function()
    local kind, answer = call { t = t + 1 }
    assert.same({ ERROR, "unavailable", "lion/unavailable" }, { kind, answer.category, answer.code })
  end)

  it("takes the value that is meant where it has a newer one", function()
    local kind, answer = call { t = t - 1 }
    if kind == ERROR then error(answer.message) end
    assert.equal(1, answer.result[1]["counter/count"])
  end)

  for name, case in pairs {
    ["without a database"] = { { db = "none" }, "lion/syntax" },
    ["of a database that is not there"] = { { db = "nowhere" } },
    ["without a name"] = { { name = "none" }, "lion/syntax" },
    ["of a kind nobody knows"] = { { kind = 99 }, "lion/syntax" },
    ["of a kind that is no number"] = { { kind = "five" }, "lion/syntax" },
    ["with records that are no bytes"] = { { records = { 1, 2 } }, "lion/syntax" },
    ["without arguments"] = { { arguments = "none" } },
    ["without a deadline"] = { { deadline_ms = "none" } },
    ["of an entity predicate without a transaction"] = { { kind = 7, name = "tx/balanced" } },
  } do
    it("answers an error to a call " .. name, function()
      local kind, answer = call(case[1])
      assert.equal(ERROR, kind)
      assert.is_string(answer.category)
      assert.truthy(#answer.message > 0)
      assert.equal(case[2] or answer.code, answer.code)
      assert.equal(DONE, (call {}))
    end)
  end

  it("answers an error to what is no call", function()
    link:send { { CALL, 9, "nonsense" } }
    local kind, id, payload = link:receive()
    assert.same({ ERROR, 9, "lion/syntax" }, { kind, id, core.form_read(payload).code })
  end)

  it("comes again when the writer ends in the middle of a call", function()
    link:send { { CALL, 5, core.form_write { db = "shop", t = t, records = {}, kind = 5, name = "tx/forever", arguments = {},
      deadline_ms = core.monotonic_ms() + 100 } } }
    link:close()
    link = frames.accept(small.folder .. "/writer.sock")
    assert.equal(HELLO, (link:receive()))
    assert.equal(DONE, (call {}))
  end)
end)
