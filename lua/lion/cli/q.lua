--- lion q
local edn = require "lion.edn"
local options = require "lion.cli.options"
local output = require "lion.cli.output"

local q = {
  summary = "Ask a query of a database and print the answer.",
  usage = [==[URI QUERY [ARGS…] [--output table|json|edn|csv] [--explain]

Each ARG is one EDN form, an input of the query after $. Standard output holds the result and nothing else.

  lion q shop.lion --output json '[:find ?n :in $ ?c :where
    [?p :person/city ?c] [?p :person/name ?n]]' '"Oslo"']==],
}

--- Open for reading; where another process owns the file, beside it.
function q.open(uri)
  local lion = require "lion"
  local ok, conn = pcall(lion.connect, uri, { create = false })
  if ok then return conn end
  if conn.code ~= "lion/locked" then error(conn, 0) end
  return lion.connect(uri, { create = false, read_only = true })
end

-- The inputs' values; rules stay text.
local function read_inputs(text, inputs)
  local given, rules_at = {}, require("lion.query").rules_input(text)
  for i, input in ipairs(inputs) do
    given[i] = edn.read(input)
  end
  if not rules_at then return given end
  given[rules_at - 1] = inputs[rules_at - 1]
  return given, inputs[rules_at - 1]
end

--- Ask, with inputs as the command line and the prompt have them: each the text of one form.
-- @param db
-- @tparam string text the query
-- @tparam table inputs texts of EDN
-- @return the result, and its shape as output.shape tells it
function q.ask(db, text, inputs)
  local given, rules = read_inputs(text, inputs)
  local compiled = require("lion.query").compile(text, rules)
  return db:q(text, unpack(given, 1, #inputs)), output.shape(compiled)
end

--- How a query would be run, as text.
function q.explain(db, text, inputs)
  local given = read_inputs(text, inputs)
  return db:explain(text, unpack(given, 1, #inputs)).text
end

function q.run(args)
  local found, words = options.parse(args, { output = "value", explain = "flag", json = "flag" })
  local format = found.json and "json" or found.output or "table"
  if not output.formats[format] then options.misuse("--output is table, json, edn or csv") end
  if #words < 2 then
    options.misuse("a database and a query are needed: lion q URI QUERY [ARGS…]")
  end
  local conn = q.open(words[1])
  local db, text, inputs = conn:db(), words[2], { unpack(words, 3) }
  if found.explain then
    io.stdout:write(q.explain(db, text, inputs), "\n")
  else
    local result, shape = q.ask(db, text, inputs)
    if format == "json" then result = require("lion.cli.types").plain(text, shape, result, db) end
    io.stdout:write(output.write(format, shape, result))
  end
  conn:close()
  return 0
end

return q
