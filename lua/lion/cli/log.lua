--- lion log URI: what happened, transaction by transaction.
-- @module lion.cli.log
local command = require "lion.cli.command"
local format = require "lion.cli.format"
local json = require "lion.json"
local point = require("lion.cli.q").point
local terminal = require "lion.cli.terminal"
local types = require "lion.cli.types"
local values = require "lion.values"

local log = {}

local OPTIONS = { from = "text", to = "text", limit = "number", follow = "flag", json = "flag" }

local function value_of(datom, db) return format.plain(datom.v, types.of_attribute(db, datom.a), db) end

local function print_json(entry, db)
  local data = {}
  for i, datom in ipairs(entry.data) do data[i] = { datom.e, datom.a, value_of(datom, db), datom.added } end
  command.print("%s", json.write { t = entry.t, tx = entry.tx, tx_instant = values.format_instant(entry.tx_instant),
    data = data })
end

local function print_text(entry, db)
  command.print("%s", terminal.color("bold", ("t %s  %s"):format(tostring(entry.t),
    values.format_instant(entry.tx_instant))))
  for _, datom in ipairs(entry.data) do
    command.print("  %s %.0f :%s %s", datom.added and "+" or "-", datom.e, datom.a, format.cell(value_of(datom, db)))
  end
end

-- Print what lies in the range; returns the t to go on from and how many are left to print.
local function print_range(conn, from, to, left, show)
  local db, next_t = conn:db(), from
  for entry in conn:tx_range(from, to) do
    if left == 0 then break end
    show(entry, db)
    next_t, left = entry.t + 1, left - 1
  end
  io.stdout:flush()
  return next_t, left
end

-- Wait a moment, without a busy loop, for a file that another process writes.
local function pause() os.execute("sleep 0.5") end

function log.run(arguments)
  local options, rest = command.parse(arguments, OPTIONS)
  local uri = command.need(rest, 1, "the URI of a database")
  local from, to = options.from and point(options.from) or nil, options.to and point(options.to) or nil
  return command.with_connection(uri, { reads = true }, function(conn)
    local show = options.json and print_json or print_text
    local next_t, left = print_range(conn, from, to, options.limit or -1, show)
    while options.follow and left ~= 0 do
      pause()
      conn:sync()
      next_t, left = print_range(conn, next_t or 0, to, left, show)
    end
    return command.DONE
  end)
end

return log
