--- lion q URI QUERY [ARGS…]
-- @module lion.cli.q
local command = require "lion.cli.command"
local edn = require "lion.edn"
local format = require "lion.cli.format"
local terminal = require "lion.cli.terminal"
local types = require "lion.cli.types"

local q = {}

local OPTIONS = { output = "text", json = "flag", ["as-of"] = "text", limit = "number", offset = "number",
  timeout = "number" }

--- A point in time as people write it: a number, or RFC 3339.
function q.point(text)
  local number = tonumber(text)
  if number then return number end
  return require("lion.values").parse_instant(text)
    or command.misuse("%s is no point in time: give a t, a transaction id or an instant such as 2026-01-31", text)
end

local function output_of(options)
  local output = options.output or options.json and "json" or terminal.is_terminal("output") and "table" or "edn"
  if not format.is_output(output) then command.misuse("--output is table, json, edn or csv, not %s", output) end
  return output
end

local function query_of(text)
  local path = text:match("^@(.+)$")
  return path and command.read_file(path) or text
end

function q.run(arguments)
  local options, rest = command.parse(arguments, OPTIONS)
  local uri, text = command.need(rest, 1, "the URI of a database"), query_of(command.need(rest, 2, "a query"))
  local output, inputs = output_of(options), {}
  for i = 3, #rest do inputs[i - 2] = edn.read(rest[i]) end
  return command.with_connection(uri, { reads = true }, function(conn)
    local lion, db = require "lion", conn:db()
    if options["as-of"] then db = db:as_of(q.point(options["as-of"])) end
    local result = lion.q({ query = text, args = { db, unpack(inputs, 1, #rest - 2) }, limit = options.limit,
      offset = options.offset, timeout = options.timeout })
    command.print("%s", format.result(output, result, types.of_query(text, db), db))
    return command.DONE
  end)
end

return q
