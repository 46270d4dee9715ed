--- lion transact
local anomaly = require "lion.anomaly"
local form_text = require "lion.cli.form_text"
local json = require "lion.json"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"

local transact = {
  summary = "Send transactions from a file: each form is one.",
  usage = [[URI FILE [--json]        ("-" is standard input)
       lion transact DB FILE [--json] --node NODE [--token TOKEN]

FILE holds EDN: vectors of transaction data, or maps with :data. The database is made if it is not there. A
form that fails ends it; those before it are written. With --node, or LION_NODE and a name without / . and :,
DB is a database of that node.

  echo '[{:db/doc "hello"}]' | lion transact shop.lion -]],
}

-- How long a node may be away before a transaction is given up; it has an id, so it is written once.
local AWAY_MS_MAX, TRANSACT_MS_MAX = 15000, 60000

-- ---- where it goes: transact(form, its text) → the number of datoms ---------------------------------

local function to_file(uri)
  local conn, import = require("lion").connect(uri), require "lion.cli.import"
  return function(form) return #conn:transact(import.tx_of(form)).tx_data end, function() conn:close() end
end

-- As import.tx_of, in texts: what :data holds, and :batch-ident behind it.
local function tx_text(form, text)
  if type(form) == "table" and form.data == nil then return text end
  local entries = type(form) == "table" and form_text.entries(text)
  if not entries then anomaly.incorrect("lion/syntax", "a transaction is a vector or a map with :data") end
  local batch = entries["batch-ident"]
  return batch and entries.data:gsub("%]%s*$", "") .. " " .. batch .. "]" or entries.data
end

local function to_node(db, name, token)
  local node, lion = node_client.open(name, token), require "lion"
  local function send(form, text)
    local request = { db = db, tx = tx_text(form, text), id = lion.uuid() }
    local function post() return node:post("/transact", request, TRANSACT_MS_MAX) end
    return node_client.insist(AWAY_MS_MAX, post).datoms
  end
  return send, function() node:close() end
end

-- ---- the command -----------------------------------------------------------------------------------

function transact.run(args)
  local found, words = options.parse(args, { json = "flag", node = "value", token = "value" })
  if #words ~= 2 then options.misuse("a database and a file are needed: lion transact URI FILE") end
  local import, path = require "lion.cli.import", words[2]
  local db, node = node_client.database(words[1], found.node)
  local text = options.read_file(path)
  local send, close
  if db then
    send, close = to_node(db, node, found.token)
  else
    send, close = to_file(words[1])
  end
  local shows, transactions, datoms = options.shows_progress(), 0, 0
  for own, form, line, behind in form_text.each(text) do
    local count = import.at_line(path, line, function() return send(form, own) end)
    transactions, datoms = transactions + 1, datoms + count
    if shows then options.progress("%3d %%  %d transactions", behind * 100 / #text, transactions) end
  end
  close()
  if shows then options.progress() end
  if found.json then
    print(json.write { transactions = transactions, datoms = datoms })
  else
    print(("%d transactions, %d datoms"):format(transactions, datoms))
  end
  return 0
end

return transact
