--- lion q
local find = require "lion.find"
local form_text = require "lion.cli.form_text"
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local open = require "lion.cli.open"
local options = require "lion.cli.options"
local output = require "lion.cli.output"
local query = require "lion.query"

local q = {
  summary = "Ask a query of a database and print the answer.",
  usage = [==[URI QUERY [ARGS…] [--output table|json|edn|csv] [--json] [--explain] [--threads N]
       lion q DB QUERY [ARGS…] --node NODE [--token TOKEN]
       QUERY may be "-": it is read from standard input.

Each ARG is one EDN form, an input of the query after $. Standard output holds the result and nothing else;
a table is cut to the window of a terminal, and to nothing elsewhere. A database that another process has
open is read beside it. With --node, or LION_NODE and a name without / . and :, DB is
a database of that node. --explain runs the query and prints its plan instead, of a node's database too.
--threads lets up to N threads work on a query that takes long (1; 64 at most); a node's queries have one.

  lion q shop.lion --output json '[:find ?n :in $ ?c :where
    [?p :person/city ?c] [?p :person/name ?n]]' '"Oslo"']==],
}

-- The inputs' values; rules stay text.
local function read_inputs(text, inputs)
  local given, rules_at = {}, query.rules_argument(text)
  for i, input in ipairs(inputs) do
    given[i] = query.read_input(input)
  end
  if not rules_at then return given end
  given[rules_at] = inputs[rules_at]
  return given, inputs[rules_at]
end

--- Ask, with inputs as the command line and the prompt have them: each the text of one form.
-- @param db
-- @tparam string text the query
-- @tparam table inputs texts of EDN
-- @return the result, its values saying their types, and its shape as output.shape tells it
function q.ask(db, text, inputs)
  local given, rules = read_inputs(text, inputs)
  local compiled = query.compile(text, rules)
  local arguments, count = find.with_db(db, text, unpack(given, 1, #inputs))
  return find.ask(text, arguments, count, { typed = 1 }), output.shape(compiled)
end

--- How a query would be run, as text.
function q.explain(db, text, inputs)
  local given = read_inputs(text, inputs)
  return db:explain(text, unpack(given, 1, #inputs)).text
end

-- ---- of a file -------------------------------------------------------------------------------------

local function ask_file(uri, text, inputs, settings)
  local conn = open.for_reading(uri, settings.threads)
  local db = conn:db()
  if settings.explain then
    io.stdout:write(q.explain(db, text, inputs), "\n")
  else
    local result, shape = q.ask(db, text, inputs)
    io.stdout:write(output.write(settings.format, shape, result, options.screen()))
  end
  conn:close()
end

-- ---- of a node -------------------------------------------------------------------------------------

local ASK_MS_MAX = 40000 -- a node gives a query 30 s at most

local function request_of(db, text, inputs)
  local given = {}
  for i, input in ipairs(inputs) do
    given[i] = { edn = input }
  end
  return { db = db, query = text, inputs = #given > 0 and given or nil }
end

-- What EDN says of a value's type is kept: the node's own text is printed.
local function print_edn(node, request)
  local headers = { ["content-type"] = "application/json", accept = "application/edn" }
  local status, _, body = node:request { method = "POST", path = "/q", body = json.write(request),
    headers = headers, timeout_ms = ASK_MS_MAX }
  local entries = form_text.entries(node:check(status, body))
  io.stdout:write((entries.result:gsub("^[%s,]+", "")), "\n")
end

-- As output.shape tells it of a compiled query: rows with :keys are maps.
local function shape_of(answer)
  local row = answer.kind == "relation" and answer.result[1]
  local has_keys = row and row[1] == nil and next(row) ~= nil
  return { kind = answer.kind, headings = answer.headings, keys = has_keys and answer.headings or nil }
end

local function explain_on_node(db, name, text, inputs, settings)
  local conn = node_client.connect(db, name, settings)
  io.stdout:write(q.explain(conn:db(), text, inputs), "\n")
  conn:close()
end

local function ask_node(db, name, text, inputs, settings)
  if settings.explain then return explain_on_node(db, name, text, inputs, settings) end
  local node, request = node_client.open(name, settings.token), request_of(db, text, inputs)
  if settings.format == "edn" then
    print_edn(node, request)
  else
    local answer = node:post("/q", request, ASK_MS_MAX)
    io.stdout:write(output.write(settings.format, shape_of(answer), answer.result, options.screen()))
  end
  node:close()
end

function q.run(args)
  local known = { output = "value", explain = "flag", json = "flag", node = "value", token = "value",
    threads = "number" }
  local found, words = options.parse(args, known)
  local format = found.json and "json" or found.output or "table"
  options.one_of("output", format, output.formats)
  if #words < 2 then
    options.misuse("a database and a query are needed: lion q URI QUERY [ARGS…]")
  end
  local text, inputs = words[2], { unpack(words, 3) }
  local db, node = node_client.database(words[1], found.node)
  if text == "-" then text = options.read_file "-" end
  local settings = { format = format, explain = found.explain, token = found.token, threads = found.threads }
  if db then
    ask_node(db, node, text, inputs, settings)
  else
    ask_file(words[1], text, inputs, settings)
  end
  return 0
end

return q
