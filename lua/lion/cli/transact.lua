--- lion transact URI FILE
-- @module lion.cli.transact
local command = require "lion.cli.command"
local edn = require "lion.edn"
local values = require "lion.values"

local transact = {}

-- One vector of operations, or operations one after the other.
local function operations_of(text)
  local forms = {}
  for form in edn.forms(text) do forms[#forms + 1] = form end
  local first = forms[1]
  if #forms == 1 and type(first) == "table" and (#first == 0 and next(first) == nil or type(first[1]) == "table") then
    return first
  end
  return forms
end

function transact.run(arguments)
  local options, rest = command.parse(arguments, { json = "flag" })
  local uri, path = command.need(rest, 1, "the URI of a database"), command.need(rest, 2, "a file (- for standard input)")
  local operations = operations_of(command.read_file(path))
  return command.with_connection(uri, { create = true }, function(conn)
    local report = conn:transact(operations)
    local lines = { ("t %s, %s, %d datoms"):format(tostring(report.t), values.format_instant(report.tx_instant),
      #report.tx_data) }
    local names = {}
    for name in pairs(report.tempids) do names[#names + 1] = name end
    table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
    for _, name in ipairs(names) do lines[#lines + 1] = ("%s = %.0f"):format(tostring(name), report.tempids[name]) end
    command.report(options.json, { t = report.t, tx = report.tx, tx_instant = values.format_instant(report.tx_instant),
      datoms = #report.tx_data, tempids = report.tempids }, lines)
    return command.DONE
  end)
end

return transact
