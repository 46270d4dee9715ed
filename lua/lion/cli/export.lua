--- lion export
local conns = require "lion.conn"
local edn = require "lion.edn"
local json = require "lion.json"
local open = require "lion.cli.open"
local options = require "lion.cli.options"

local export = {
  summary = "Write a database's whole log as EDN: one transaction a form, with its instant.",
  usage = [[URI FILE [--json]        ("-" is standard output)

Entities are named by their ids as tempids, so that the file loads into an empty database; the past is in it.

  lion export shop.lion shop.edn
  lion export shop.lion - | lion import copy.lion - --format edn]],
}

local T_BOOTSTRAP = 1 -- every database has made its first transaction itself

local function name_of(db, id, tx)
  if id == tx then return "lion.tx" end
  return db:ident(id) or ("e%.0f"):format(id)
end

-- The operations that make a transaction again; what is derived (composite tuples) makes itself.
local function operations_of(db, transaction)
  local operations = {}
  for _, d in ipairs(transaction.data) do
    local attribute, value = db:attribute(d.a), d.v
    if attribute.value_type == ":db.type/ref" then value = name_of(db, value, transaction.tx) end
    if not attribute.tuple_attrs then
      local verb = d.added and ":db/add" or ":db/retract"
      operations[#operations + 1] = { verb, name_of(db, d.e, transaction.tx), ":" .. d.a, value }
    end
  end
  return operations
end

local function write_log(conn, write)
  local db, shows, count = conn:db(), options.shows_progress(), 0
  for transaction in conns.typed_range(conn, T_BOOTSTRAP + 1) do
    write(edn.write(operations_of(db, transaction)) .. "\n")
    count = count + 1
    if shows then options.progress("%3d %%  %d transactions", transaction.t * 100 / db.basis_t, count) end
  end
  if shows then options.progress() end
  return count
end

function export.run(args)
  local found, words = options.parse(args, { json = "flag" })
  if #words ~= 2 then options.misuse("a database and a file are needed: lion export URI FILE") end
  local conn = open.for_reading(words[1])
  local write, finish = options.writer(words[2])
  local count = write_log(conn, write)
  finish()
  conn:close()
  if words[2] ~= "-" then
    print(found.json and json.write { transactions = count } or ("%d transactions"):format(count))
  end
  return 0
end

return export
