--- lion transact
local options = require "lion.cli.options"

local transact = {
  summary = "Send transactions from a file: each form is one.",
  usage = [[URI FILE        ("-" is standard input)

FILE holds EDN: vectors of transaction data, or maps with :data. The database is made if it is not there.

  echo '[{:db/doc "hello"}]' | lion transact shop.lion -]],
}

function transact.run(args)
  local _, words = options.parse(args, {})
  if #words ~= 2 then options.misuse("a database and a file are needed: lion transact URI FILE") end
  local lion, import = require "lion", require "lion.cli.import"
  local text = import.read_file(words[2])
  local conn = lion.connect(words[1])
  local transactions, datoms = 0, 0
  for form, line in require("lion.edn").forms(text) do
    local report = import.at_line(
      words[2],
      line,
      function() return conn:transact((import.tx_of(form))) end
    )
    transactions, datoms = transactions + 1, datoms + #report.tx_data
  end
  conn:close()
  print(("%d transactions, %d datoms"):format(transactions, datoms))
  return 0
end

return transact
