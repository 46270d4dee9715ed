--- What each command does, with an example.
-- @module lion.cli.help
local command = require "lion.cli.command"

local help = {}

local URIS = [[
URI is a file (data/shop.lion), mem: or mem:NAME, or a live node: unix:/run/lion.sock/shop, http://HOST:PORT/shop.]]

-- In the order of the overview: name, one line, usage, what to know, example.
local TOPICS = {
  { "repl", "a prompt on a database", "lion repl [URI] [--read-only]", [[
Without a URI it is a scratch database in memory. Lua with `conn`, `db` and `lion` at hand; EDN queries may be typed bare.
:help lists what else it knows. ]] .. URIS, "lion repl data/shop.lion" },
  { "run", "run a Lua script", "lion run FILE.lua [ARGS…]", [[
The script has `lion` and `ion` on its path and its arguments in `arg`.]], "lion run report.lua 2026" },
  { "dev", "run an application from its folder", "lion dev [DIR] [--listen HOST:PORT] [--db URI]", [[
DIR (.) holds ion.lua. It listens on 127.0.0.1:8080, keeps its database in DIR/.lion/dev.lion, and reloads on save.]],
    "lion dev examples/todo --listen 127.0.0.1:9000" },
  { "q", "ask a query", "lion q URI QUERY [ARGS…] [--output table|json|edn|csv] [--as-of T] [--limit N] [--timeout MS]", [[
QUERY and each of ARGS are one EDN form; ARGS are the inputs behind $. QUERY as @FILE is read from a file. ]] .. URIS,
    [==[lion q data/shop.lion '[:find ?n :in $ ?min :where [?e :user/name ?n] [?e :user/age ?a] [(>= ?a ?min)]]' 18]==] },
  { "transact", "one transaction", "lion transact URI FILE [--json]", [[
FILE (- for standard input) holds transaction data as EDN: one vector, or operations one after the other. ]] .. URIS,
    "echo '[{:user/name \"Ann\"}]' | lion transact data/shop.lion -" },
  { "import", "many transactions from a file",
    "lion import URI FILE [--format edn|jsonl|csv] [--map MAP.edn] [--batch N] [--json]", [[
EDN: each form is one transaction, a vector of tx data or a map with :data (and :batch-ident, an entity map for the
transaction). JSON lines and CSV: each record one entity, N (1000) in a transaction; --map names the attributes:
{"column" :user/name, "age" [:user/age :long]}. What was interrupted goes on where it stopped: each transaction carries the
file's digest and its position (lion.import/digest, lion.import/position).]],
    "lion import data/shop.lion users.csv --map users.edn" },
  { "export", "all transactions as EDN", "lion export URI FILE [--from T] [--to T]", [[
Each form is one transaction that `lion import` reads; entity ids become tempids and lookups within the file.]],
    "lion export data/shop.lion shop.edn" },
  { "db", "create, list, stats, verify, backup, restore, excise, delete", "lion db COMMAND …", [[
lion db create URI            make an empty database (a conflict if it is there)
lion db list [DIR]            the databases of a folder
lion db stats URI             datoms, and counts of each attribute
lion db verify URI            read everything and check it; 0 only if all is sound
lion db backup URI PATH       a copy, while others write
lion db restore PATH URI      a database from a backup
lion db excise URI SPEC       forget for good: {:entity ID} or {:attribute :a/b :before T}
lion db delete URI --yes      remove it]], "lion db stats data/shop.lion --json" },
  { "log", "what happened", "lion log URI [--from T] [--to T] [--limit N] [--follow] [--json]", [[
Transactions, oldest first, with their datoms. --follow waits for more.]], "lion log data/shop.lion --from 1010" },
  { "spec", "run specs in the program", "lion spec [FILES…]", "busted, inside the program.", "lion spec spec/lua" },
  { "version", "the version", "lion version", "Of Lion and of what it is made of.", "lion version" },
  { "help", "this text", "lion help [COMMAND]", "With a command: how to use it.", "lion help import" },
}

local function overview()
  command.print("lion: a database that is a value, scripted in Lua\n")
  for _, topic in ipairs(TOPICS) do command.print("  lion %-10s %s", topic[1], topic[2]) end
  command.print("\nlion help COMMAND tells more. Exit codes: 0 done, 1 failed, 2 misused, 3 not found, 4 conflict, 5 unavailable.")
end

--- The text of one command, or nil.
function help.text(name)
  for _, topic in ipairs(TOPICS) do
    if topic[1] == name then
      return ("usage: %s\n\n%s\n\nexample:\n  %s"):format(topic[3], topic[4], topic[5])
    end
  end
end

function help.run(arguments)
  local name = arguments[1]
  if not name then overview() return command.DONE end
  local text = help.text(name) or command.misuse("%s is no command of lion; `lion help` lists them", name)
  command.print("%s", text)
  return command.DONE
end

return help
