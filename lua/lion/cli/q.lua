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

function q.run(args)
  local found, words = options.parse(args, { output = "value", explain = "flag", json = "flag" })
  local format = found.json and "json" or found.output or "table"
  if not output.formats[format] then options.misuse("--output is table, json, edn or csv") end
  if #words < 2 then
    options.misuse("a database and a query are needed: lion q URI QUERY [ARGS…]")
  end
  local compile = require("lion.query")
  local inputs = {}
  for i = 3, #words do
    inputs[i - 2] = edn.read(words[i])
  end
  local conn = q.open(words[1])
  local db = conn:db()
  if found.explain then
    io.stdout:write(db:explain(words[2], unpack(inputs, 1, #words - 2)).text, "\n")
  else
    local rules_at = compile.rules_input(words[2])
    local compiled = compile.compile(words[2], rules_at and words[rules_at + 1] or nil)
    if rules_at then inputs[rules_at - 1] = words[rules_at + 1] end
    local result = db:q(words[2], unpack(inputs, 1, #words - 2))
    local shape = output.shape(compiled)
    if format == "json" then result = require("lion.cli.types").plain(words[2], shape, result, db) end
    io.stdout:write(output.write(format, shape, result))
  end
  conn:close()
  return 0
end

return q
