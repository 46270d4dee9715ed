--- lion repl: Lua with a database at hand, EDN queries bare, words with a colon in front for the
-- rest.
local anomaly = require "lion.anomaly"
local complete = require "lion.cli.complete"
local edn = require "lion.edn"
local node_client = require "lion.cli.node_client"
local open = require "lion.cli.open"
local options = require "lion.cli.options"
local output = require "lion.cli.output"
local prompt = require "lion.cli.prompt"
local q = require "lion.cli.q"
local show = require "lion.cli.show"
local terminal = require "lion.terminal"

local repl = {
  summary = "A prompt: Lua with `conn` and `db` at hand; EDN queries may be typed bare.",
  usage = [[[URI]        (a scratch database in memory without one)
       lion repl DB --node NODE [--token TOKEN] [--app APP]

  lion repl shop.lion

On a node (--node, or LION_NODE and a name without / . and :) Lua runs here, and asks the node's database by
its control door. Functions that queries call are those that APP allows, by name. What is
behind :eval runs at the node, for who may administer it.

Tab completes, the arrows bring back earlier lines (kept in LION_HISTORY, or lion/history below
XDG_STATE_HOME), Ctrl-C drops a line or stops what runs, Ctrl-D ends.]],
}

local Session = {}
Session.__index = Session

local HELP = [==[
  EDN query             [:find ?n :where [_ :person/name ?n]]   its inputs behind it: [:find … :in $ ?x …] "x"
  Lua                   conn:transact{ … }   db:pull("[*]", id)   x = 1 + 1
  :schema [PREFIX]      attributes
  :explain QUERY        the plan of a query, with its inputs
  :as-of POINT          look at the past: a t, an instant, or "3 days ago"; :as-of now comes back
  :doc NAME             what an attribute is for
  :eval LUA             Lua at the node (--node): conn, db and lion are there, nothing of here
  :revision             the application's revision that runs here
  :rows N               how many rows of a result are shown
  :help   :quit
]==]

local ROWS_SHOWN = 50

-- How much a result may take: the window, where there is one.
function Session:screen()
  local width = self.is_terminal and terminal.size() or 1000
  return { width = width, rows = self.rows_shown, color = self.is_terminal and options.wants_color() }
end

local UNITS = {
  second = 1e3,
  minute = 6e4,
  hour = 36e5,
  day = 864e5,
  week = 6048e5,
  month = 2592e6,
  year = 31536e6,
}

-- The text of each form: a query and its inputs.
local function forms_of(text)
  local texts, start = {}, 1
  for _, _, behind in edn.forms(text) do
    texts[#texts + 1], start = text:sub(start, behind - 1), behind
  end
  return table.remove(texts, 1) or "", texts
end

local function parse_point(text)
  local count, unit = text:match "^(%d+)%s+(%a-)s?%s+ago$"
  if count and UNITS[unit] then return require("lion").now_ms() - tonumber(count) * UNITS[unit] end
  return tonumber(text) or text:gsub('^"(.*)"$', "%1")
end

local words = {}

function words.help(self) self.write(HELP) end

function words.schema(self, prefix)
  local rows, db = {}, self.env.db
  prefix = prefix:gsub("^:", "")
  for datom in db:datoms("aevt", "db/valueType") do
    local a = db:attribute(datom.e)
    local name = a.ident:sub(2)
    if name:sub(1, #prefix) == prefix and (prefix ~= "" or not name:match "^db[./]") then
      rows[#rows + 1] = {
        name,
        a.value_type:match "/(.*)",
        a.cardinality:match "/(.*)",
        a.unique and a.unique:match "/(.*)" or "",
      }
    end
  end
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  local screen = self:screen()
  local headings = { "attribute", "type", "cardinality", "unique" }
  self.write(output.grid(headings, rows, screen.width, screen.color))
end

function words.explain(self, text)
  local query, inputs = forms_of(text)
  self.write(q.explain(self.env.db, query, inputs) .. "\n")
end

words["as-of"] = function(self, text)
  local point = text ~= "now" and text ~= "" and parse_point(text) or nil
  if point then self.env.conn:db():as_of(point) end -- one that is none raises, and changes nothing
  self.point = point
  self:refresh()
  self.write(point and "db is as of " .. text .. "\n" or "db is now\n")
end

function words.doc(self, name)
  local doc = self.env.db:pull("[:db/doc]", ":" .. name:gsub("^:", ""))
  self.write((doc and doc["db/doc"] or "no doc") .. "\n")
end

-- By the control door. What it printed is told also of a chunk that failed.
function words.eval(self, text)
  if not self.evaluate then
    anomaly.incorrect("lion/syntax", ":eval is for a database of a node: lion repl DB --node NODE")
  end
  if text == "" then anomaly.incorrect("lion/syntax", ":eval takes Lua: :eval db:stats()") end
  local screen = self:screen()
  local rows = screen.rows < math.huge and screen.rows or nil
  local ok, told = pcall(self.evaluate, { chunk = text, width = screen.width, rows = rows })
  if not ok then
    if type(told) == "table" and type(told.data) == "table" and told.data.output then
      self.write(told.data.output)
    end
    error(told, 0)
  end
  self.write(told.output)
  for _, value in ipairs(told.values) do self.write(value) end
  if told.is_cut then self.write "…: there is more than a chunk may write\n" end
end

function words.revision(self)
  self.write "there is none: this prompt is on a database, its Lua is no application's\n"
end

function words.rows(self, text)
  local count = tonumber(text)
  if not count or count < 1 or count % 1 ~= 0 then
    error(anomaly.new("incorrect", "lion/syntax", ":rows takes a number, not " .. edn.write(text)), 0)
  end
  self.rows_shown = count
end

function words.quit() return "quit" end

-- The newest value, or the chosen point of the past.
function Session:refresh()
  local conn = self.env.conn
  local db = self.is_reader and conn:sync() or conn:db()
  self.env.db = self.point and db:as_of(self.point) or db
end

local function query(self, text)
  local first, inputs = forms_of(text)
  local result, shape = q.ask(self.env.db, first, inputs)
  self.write(show.rows(shape.headings, output.rows(shape, result), self:screen()))
end

local function lua(self, text)
  -- a call in place of the bare results: a tail call of theirs would hide the prompt from their errors
  local chunk, message = loadstring("return __results(" .. text .. "\n)", "=prompt")
  if not chunk then
    chunk, message = loadstring(text, "=prompt")
  end
  if not chunk then error(anomaly.new("incorrect", "lion/syntax", message), 0) end
  setfenv(chunk, self.env)
  if self.is_terminal then jit.off(chunk, true) end -- Ctrl-C reaches interpreted loops alone
  local results = { chunk() }
  for i = 1, #results do
    self.write(show.value(results[i], self:screen()))
  end
end

local function is_open_edn(text)
  local ok, e = pcall(forms_of, text)
  return not ok and tostring(e):find "is not closed" ~= nil
end

local function is_open_lua(text)
  local chunk, message = loadstring("return " .. text)
  if not chunk then
    chunk, message = loadstring(text)
  end
  return not chunk and message:find "<eof>" ~= nil
end

-- Is more input needed? EDN or Lua that only its end makes wrong.
function repl.is_open(text)
  local chunk_text = text:match "^%s*:eval%s+(.*)$"
  if chunk_text then return is_open_lua(chunk_text) end
  if text:match "^%s*:" then
    local rest = text:match "^%s*:%S+%s+([%[{].*)$"
    return rest ~= nil and is_open_edn(rest)
  end
  if text:match "^%s*[%[{]" then return is_open_edn(text) end
  return is_open_lua(text)
end

--- Take one input. Returns "quit" to leave.
function Session:take(text)
  text = text:match "^%s*(.-)%s*$"
  if text == "" then return end
  self:refresh()
  local word, rest = text:match "^:(%S+)%s*(.*)$"
  if word and words[word] then return words[word](self, rest) end
  if word then
    error(
      anomaly.new(
        "incorrect",
        "lion/syntax",
        "there is no :" .. word .. "; :help lists what there is"
      ),
      0
    )
  end
  if text:match "^%[%s*:find" or text:match "^{%s*:find" then return query(self, text) end
  return lua(self, text)
end

local function make_env(conn)
  local env = { conn = conn, db = conn:db(), lion = require "lion" }
  function env.__results(...) return ... end
  return setmetatable(env, { __index = _G })
end

--- A session on a connection; `write` takes text.
function repl.session(conn, write, is_terminal)
  return setmetatable({
    env = make_env(conn),
    words = words,
    write = write,
    is_terminal = is_terminal,
    rows_shown = is_terminal and ROWS_SHOWN or math.huge,
  }, Session)
end

-- Take input after input. Whether something went wrong.
local function converse(session, reader)
  local failed = false
  local function begin_line(is_first) session.is_continued = not is_first end
  while true do
    local text = prompt.input(reader, repl.is_open, begin_line)
    if text == nil then return failed end
    if text then
      reader.remember(text)
      local ok, result = terminal.interruptible(session.take, session, text)
      io.stdout:flush()
      if not ok then
        failed = true
        collectgarbage() -- what was stopped half way may hold the writer's lock
        io.stderr:write(tostring(anomaly.wrap(result)), "\n")
      elseif result == "quit" then
        return failed
      end
    end
  end
end

local function greet(uri, is_owner)
  local lion = require "lion"
  local place = uri or "a scratch database in memory"
  print(("lion %s on %s — :help tells what can be typed"):format(lion.version, place))
  if not is_owner then print "Another process has it open; here it is read beside it, and not written to." end
end

-- What asks the node's control door to evaluate a chunk.
local function evaluator(name, node, found)
  return function(asked)
    local door = node_client.open(node, found.token)
    asked.db = name
    local ok, told = pcall(door.post, door, "/eval", asked)
    door:close()
    if not ok then error(told, 0) end
    return told
  end
end

-- The connection, whether it can be written to, and what evaluates at its node, if it is of one.
local function connect(word, found)
  local name, node = nil, nil
  if word then name, node = node_client.database(word, found.node) end
  if not name then
    if found.node or found.app then
      options.misuse "on a node a database is named: lion repl DB --node NODE"
    end
    return open.for_a_session(word or "mem:")
  end
  return node_client.connect(name, node, found), true, evaluator(name, node, found)
end

function repl.run(args)
  local found, given = options.parse(args, { node = "value", token = "value", app = "value" })
  if #given > 1 then options.misuse("one database is needed: lion repl [URI]") end
  local conn, is_owner, evaluate = connect(given[1], found)
  local session
  local reader, is_terminal = prompt.reader(
    function(before) return complete.answer(session, before, session:screen().width) end
  )
  session = repl.session(conn, function(text) io.stdout:write(text) end, is_terminal)
  session.is_reader, session.evaluate = not is_owner, evaluate
  if is_terminal then greet(given[1] and conn.uri, is_owner) end
  local failed = converse(session, reader)
  reader.close()
  conn:close()
  return failed and not is_terminal and 1 or 0
end

return repl
