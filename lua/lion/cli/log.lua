--- lion log
local edn = require "lion.edn"
local json = require "lion.json"
local options = require "lion.cli.options"
local values = require "lion.values"

local log = {
  summary = "Print a database's transactions, oldest first.",
  usage = [[URI [--from T] [--to T] [--json]

  lion log shop.lion --from 1000]],
}

function log.run(args)
  local found, words = options.parse(args, { from = "number", to = "number", json = "flag" })
  if #words ~= 1 then options.misuse("a database is needed: lion log URI") end
  local conn = require("lion.cli.q").open(words[1])
  for transaction in conn:tx_range(found.from, found.to) do
    if found.json then
      local data = {}
      for i, d in ipairs(transaction.data) do
        data[i] = { d.e, d.a, d.v, d.tx, d.added }
      end
      print(
        json.write {
          t = transaction.t,
          tx = transaction.tx,
          tx_instant = values.format_instant(transaction.tx_instant),
          data = data,
        }
      )
    else
      print(("t %d  %s"):format(transaction.t, values.format_instant(transaction.tx_instant)))
      for _, d in ipairs(transaction.data) do
        print(("  %s %.0f :%s %s"):format(d.added and "+" or "-", d.e, d.a, edn.write(d.v)))
      end
    end
  end
  conn:close()
  return 0
end

return log
