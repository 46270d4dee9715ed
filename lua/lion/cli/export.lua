--- lion export
local edn = require "lion.edn"
local options = require "lion.cli.options"
local values = require "lion.values"

local export = {
  summary = "Write a database's whole log as EDN: one transaction a form, with its instant.",
  usage = [[URI FILE        ("-" is standard output)

Entities are named by their ids as tempids, so that the file loads into an empty database; the past is in it.

  lion export shop.lion shop.edn]],
}

local FIRST_USER_ID = 4 * 2 ^ 42

function export.run(args)
  local _, words = options.parse(args, {})
  if #words ~= 2 then options.misuse("a database and a file are needed: lion export URI FILE") end
  local conn = require("lion.cli.q").open(words[1])
  local db = conn:db()
  local file = words[2] == "-" and io.stdout or assert(io.open(words[2], "wb"))
  local count = 0
  local function name_of(id, tx)
    if id == tx then return "lion.tx" end
    return db:ident(id) or "e" .. ("%.0f"):format(id)
  end
  for transaction in conn:tx_range() do
    local ops = {}
    for _, d in ipairs(transaction.data) do
      local attribute = db:attribute(d.a)
      local is_derived = attribute.tuple_attrs ~= nil
      if
        not is_derived and (d.e >= FIRST_USER_ID or d.e == transaction.tx or transaction.t > 1)
      then
        local value = d.v
        if attribute.value_type == ":db.type/ref" then
          value = name_of(value, transaction.tx)
        elseif attribute.value_type == ":db.type/instant" then
          value = values.inst(value)
        elseif attribute.value_type == ":db.type/string" then
          value = values.str(value)
        end
        ops[#ops + 1] = {
          d.added and ":db/add" or ":db/retract",
          name_of(d.e, transaction.tx),
          ":" .. d.a,
          value,
        }
      end
    end
    if transaction.t > 1 then
      file:write(edn.write(ops), "\n")
      count = count + 1
    end
  end
  if file ~= io.stdout then
    file:close()
    print(("%d transactions"):format(count))
  end
  conn:close()
  return 0
end

return export
