--- lion log
local conns = require "lion.conn"
local edn = require "lion.edn"
local json = require "lion.json"
local open = require "lion.cli.open"
local options = require "lion.cli.options"
local terminal = require "lion.terminal"
local values = require "lion.values"

local log = {
  summary = "Print a database's transactions, oldest first.",
  usage = [==[URI [FROM [TO]] [--follow] [--json]

FROM (inclusive) and TO (exclusive) are each a t, a transaction's id or an instant. --json prints a
transaction a line, its data as [e, a, v, tx, added]. --follow goes on with what is written meanwhile, by
whichever process, until TO is reached, Ctrl-C or a request to terminate comes, or nobody reads on; each of
them ends it with 0.

  lion log shop.lion 1000
  lion log shop.lion 2026-01-31T12:00:00Z --follow --json]==],
}

local POLL_MS = 100

local function as_json(transaction)
  local data = {}
  for i, d in ipairs(transaction.data) do
    data[i] = { d.e, d.a, d.v, d.tx, d.added }
  end
  return json.write {
    t = transaction.t,
    tx = transaction.tx,
    tx_instant = values.format_instant(transaction.tx_instant),
    data = data,
  } .. "\n"
end

local function as_text(transaction)
  local lines = { ("t %d  %s"):format(transaction.t, values.format_instant(transaction.tx_instant)) }
  for _, d in ipairs(transaction.data) do
    lines[#lines + 1] = ("  %s %.0f :%s %s"):format(d.added and "+" or "-", d.e, d.a, edn.write(d.v))
  end
  return table.concat(lines, "\n") .. "\n"
end

-- A number is a t, an id or ms, anything else an instant's text.
local function point(text)
  if text == nil then return nil end
  local number = tonumber(text)
  if not number and not values.parse_instant(text) then
    options.misuse("%s is neither a t, a transaction's id nor an instant (2026-01-31T12:00:00Z)", text)
  end
  return number or text
end

-- Print from one point to another. The point behind the last one that was printed; `from` if there was none.
local function print_range(conn, from, to, form, is_over)
  for transaction in conns.typed_range(conn, from, to) do
    io.stdout:write(form(transaction))
    from = transaction.t + 1
    if is_over and is_over() then break end
  end
  return from
end

-- Until a signal comes, nobody reads on, or the end of the range is reached.
local function follow(conn, from, to, form)
  terminal.catch_end()
  local ending
  local function is_over(ms)
    ending = ending or terminal.wait(ms or 0)
    return ending ~= nil
  end
  while true do
    from = print_range(conn, from, to, form, is_over)
    local is_read = io.stdout:flush()
    if not is_read or to and conns.is_past(conn:db(), to) or is_over(POLL_MS) then return end
    conn:sync()
  end
end

function log.run(args)
  local found, words = options.parse(args, { follow = "flag", json = "flag" })
  if #words < 1 or #words > 3 then
    options.misuse("a database is needed: lion log URI [FROM [TO]]")
  end
  local from, to = point(words[2]), point(words[3])
  local conn = open.for_reading(words[1])
  local form = found.json and as_json or as_text
  if found.follow then
    follow(conn, from, to, form)
  else
    print_range(conn, from, to, form)
  end
  conn:close()
  return 0
end

return log
