--- lion q
local edn = require "lion.edn"
local find = require "lion.find"
local open = require "lion.cli.open"
local options = require "lion.cli.options"
local output = require "lion.cli.output"

local q = {
  summary = "Ask a query of a database and print the answer.",
  usage = [==[URI QUERY [ARGS…] [--output table|json|edn|csv] [--json] [--explain]
       QUERY may be "-": it is read from standard input.

Each ARG is one EDN form, an input of the query after $. Standard output holds the result and nothing else;
a table is cut to the window of a terminal, and to nothing elsewhere. A database that another process has
open is read beside it.

  lion q shop.lion --output json '[:find ?n :in $ ?c :where
    [?p :person/city ?c] [?p :person/name ?n]]' '"Oslo"']==],
}

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
-- @return the result, its values saying their types, and its shape as output.shape tells it
function q.ask(db, text, inputs)
  local given, rules = read_inputs(text, inputs)
  local compiled = require("lion.query").compile(text, rules)
  local arguments, count = find.with_db(db, text, unpack(given, 1, #inputs))
  local limits = find.add_limits({ typed = 1 }, arguments, count)
  return find.all(text, arguments, count, limits), output.shape(compiled)
end

--- How a query would be run, as text.
function q.explain(db, text, inputs)
  local given = read_inputs(text, inputs)
  return db:explain(text, unpack(given, 1, #inputs)).text
end

function q.run(args)
  local found, words = options.parse(args, { output = "value", explain = "flag", json = "flag" })
  local format = found.json and "json" or found.output or "table"
  options.one_of("output", format, output.formats)
  if #words < 2 then
    options.misuse("a database and a query are needed: lion q URI QUERY [ARGS…]")
  end
  local text, inputs = words[2], { unpack(words, 3) }
  if text == "-" then text = options.read_file "-" end
  local conn = open.for_reading(words[1])
  local db = conn:db()
  if found.explain then
    io.stdout:write(q.explain(db, text, inputs), "\n")
  else
    local result, shape = q.ask(db, text, inputs)
    io.stdout:write(output.write(format, shape, result, options.screen()))
  end
  conn:close()
  return 0
end

return q
