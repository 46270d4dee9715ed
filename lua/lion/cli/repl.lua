--- lion repl: Lua with a database at hand, EDN queries bare, words with a colon in front for the
-- rest.
local anomaly = require "lion.anomaly"
local edn = require "lion.edn"
local options = require "lion.cli.options"
local output = require "lion.cli.output"

local repl = {
  summary = "A prompt: Lua with `conn` and `db` at hand; EDN queries may be typed bare.",
  usage = [[[URI]        (a scratch database in memory without one)

  lion repl shop.lion]],
}

local Session = {}
Session.__index = Session

local HELP = [==[
  EDN query             [:find ?n :where [_ :person/name ?n]]
  Lua                   conn:transact{ … }   db:pull("[*]", id)   x = 1 + 1
  :schema [PREFIX]      attributes
  :explain QUERY        the plan of a query
  :as-of POINT          look at the past: a t, an instant, or "3 days ago"; :as-of now comes back
  :doc NAME             what an attribute is for
  :help   :quit
]==]

local function show(self, result)
  local kind = type(result)
  if kind == "table" and type(result[1]) == "table" and result[1].a and result[1].e then
    local rows = {}
    for i, d in ipairs(result) do
      rows[i] = { ("%.0f"):format(d.e), d.a, d.v, ("%.0f"):format(d.tx), tostring(d.added) }
    end
    self.write(output.grid({ "e", "a", "v", "tx", "added" }, rows))
  elseif kind == "table" and getmetatable(result) == nil then
    local ok, text = pcall(edn.write, result)
    self.write((ok and text or tostring(result)) .. "\n")
  elseif kind == "string" then
    self.write(edn.write(result) .. "\n")
  else
    self.write(tostring(result) .. "\n")
  end
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

local function parse_point(text)
  local count, unit = text:match "^(%d+)%s+(%a-)s?%s+ago$"
  if count and UNITS[unit] then return require("lion").now_ms() - tonumber(count) * UNITS[unit] end
  return tonumber(text) or text:gsub('^"(.*)"$', "%1")
end

local words = {}

function words.help(self) self.write(HELP) end

function words.schema(self, prefix)
  local rows = {}
  for name in pairs(self.env.db:stats().attrs) do
    if name:sub(1, #prefix) == prefix and (prefix ~= "" or not name:match "^db[./]") then
      local a = self.env.db:attribute(name)
      rows[#rows + 1] = {
        name,
        a.value_type:match "/(.*)",
        a.cardinality:match "/(.*)",
        a.unique and a.unique:match "/(.*)" or "",
      }
    end
  end
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  self.write(output.grid({ "attribute", "type", "cardinality", "unique" }, rows))
end

function words.explain(self, text) self.write(self.env.db:explain(text).text .. "\n") end

words["as-of"] = function(self, text)
  self.point = text ~= "now" and text ~= "" and parse_point(text) or nil
  self:refresh()
  self.write(self.point and "db is as of " .. tostring(text) .. "\n" or "db is now\n")
end

function words.doc(self, name)
  local doc = self.env.db:pull("[:db/doc]", ":" .. name:gsub("^:", ""))
  self.write((doc and doc["db/doc"] or "no doc") .. "\n")
end

function words.quit() return "quit" end

-- The newest value, or the chosen point of the past.
function Session:refresh()
  local db = self.env.conn:db()
  self.env.db = self.point and db:as_of(self.point) or db
end

local function query(self, text)
  local compile = require "lion.query"
  local shape = output.shape(compile.compile(text))
  self.write(output.write("table", shape, self.env.db:q(text)))
end

local function lua(self, text)
  local chunk, message = loadstring("return " .. text, "=prompt")
  if not chunk then
    chunk, message = loadstring(text, "=prompt")
  end
  if not chunk then error(anomaly.new("incorrect", "lion/syntax", message), 0) end
  setfenv(chunk, self.env)
  local results = { chunk() }
  for i = 1, #results do
    show(self, results[i])
  end
end

-- Is more input needed? EDN or Lua that only its end makes wrong.
function repl.is_open(text)
  if text:match "^%s*[%[{]" then
    local ok, e = pcall(edn.read_ast, text)
    return not ok and tostring(e):find "is not closed" ~= nil
  end
  local chunk, message = loadstring("return " .. text)
  if not chunk then
    chunk, message = loadstring(text)
  end
  return not chunk and message:find "<eof>" ~= nil
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
  local env = setmetatable({ conn = conn, db = conn:db(), lion = require "lion" }, { __index = _G })
  return env
end

--- A session on a connection; `write` takes text.
function repl.session(conn, write)
  return setmetatable({ env = make_env(conn), write = write }, Session)
end

local function read_input(prompt_more, read)
  local text = read()
  while text and text:sub(1, 1) ~= ":" and repl.is_open(text) do
    prompt_more()
    local more = read()
    if not more then break end
    text = text .. "\n" .. more
  end
  return text
end

-- Line editing and history where the program has an editor, plain lines elsewhere.
local function line_reader(is_terminal)
  local found, editor = pcall(require, "lion.line")
  if found and is_terminal then
    local prompt = "lion> "
    return function()
      local text = editor.read(prompt)
      prompt = "lion> "
      return text
    end, function() prompt = "  ... " end
  end
  local function prompt(text)
    if is_terminal then
      io.stdout:write(text)
      io.stdout:flush()
    end
  end
  local next_prompt = "lion> "
  return function()
    prompt(next_prompt)
    next_prompt = "lion> "
    return io.read "*l"
  end, function() next_prompt = "  ... " end
end

function repl.run(args)
  local _, given = options.parse(args, {})
  if #given > 1 then options.misuse("one database is needed: lion repl [URI]") end
  local lion = require "lion"
  local conn = given[1] and require("lion.cli.q").open(given[1]) or lion.connect "mem:"
  local is_terminal = os.execute "test -t 0" == 0
  if is_terminal then
    print(
      ("lion %s on %s — :help tells what can be typed"):format(
        lion.version,
        given[1] or "a scratch database in memory"
      )
    )
  end
  local session = repl.session(conn, function(text) io.stdout:write(text) end)
  local read, more = line_reader(is_terminal)
  local failed = false
  while true do
    local text = read_input(more, read)
    if not text then break end
    local ok, result = pcall(session.take, session, text)
    if not ok then
      failed = true
      io.stderr:write(tostring(anomaly.wrap(result)), "\n")
    elseif result == "quit" then
      break
    end
  end
  if is_terminal then io.stdout:write "\n" end
  conn:close()
  return failed and not is_terminal and 1 or 0
end

return repl
