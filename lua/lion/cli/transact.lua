--- lion transact
local json = require "lion.json"
local options = require "lion.cli.options"

local transact = {
  summary = "Send transactions from a file: each form is one.",
  usage = [[URI FILE [--json]        ("-" is standard input)

FILE holds EDN: vectors of transaction data, or maps with :data. The database is made if it is not there. A
form that fails ends it; those before it are written.

  echo '[{:db/doc "hello"}]' | lion transact shop.lion -]],
}

function transact.run(args)
  local found, words = options.parse(args, { json = "flag" })
  if #words ~= 2 then options.misuse("a database and a file are needed: lion transact URI FILE") end
  local lion, import = require "lion", require "lion.cli.import"
  local path = words[2]
  local text = options.read_file(path)
  local conn, shows = lion.connect(words[1]), options.shows_progress()
  local transactions, datoms = 0, 0
  for form, line, behind in require("lion.edn").forms(text) do
    local report = import.at_line(path, line, function() return conn:transact(import.tx_of(form)) end)
    transactions, datoms = transactions + 1, datoms + #report.tx_data
    if shows then options.progress("%3d %%  %d transactions", behind * 100 / #text, transactions) end
  end
  conn:close()
  if shows then options.progress() end
  if found.json then
    print(json.write { transactions = transactions, datoms = datoms })
  else
    print(("%d transactions, %d datoms"):format(transactions, datoms))
  end
  return 0
end

return transact
