--- What is wrong with a query, said at the clause where it is wrong.
-- @module lion.query.faults
local anomaly = require "lion.anomaly"
local edn = require "lion.edn"
local nodes = require "lion.query.nodes"

local faults = {}

--- The text of a clause, as it was written.
function faults.text_of(self, node)
  node = node.whole or node
  if self.text and node.first then return self.text:sub(node.first, node.last) end
  return nodes.text(node)
end

-- Where a clause stands in its text, and the message that points at it.
local function point_at(self, node, message)
  local data = { clause = faults.text_of(self, node) }
  node = node.whole or node
  if self.text and node.first then
    data.line, data.column = edn.line_and_column(self.text, node.first)
    message = ("line %d, column %d: %s"):format(data.line, data.column, message)
  end
  return message .. ", in clause: " .. data.clause, data
end

function faults.fail_with(self, code, node, message, ...)
  if select("#", ...) > 0 then message = message:format(...) end
  local text, data = point_at(self, node, message)
  error(anomaly.new("incorrect", code, text, data), 0)
end

function faults.fail_clause(self, node, message, ...)
  faults.fail_with(self, "lion/syntax", node, message, ...)
end

function faults.fail_unbound(self, node, name, hint)
  faults.fail_with(self, "db.error/insufficient-binding", node, "%s is not bound%s", name, hint or "")
end

return faults
