--- Those who hear of transactions: what connections of both kinds, embedded and a node's, do with them. They
-- are an array, each { fn =, is_gone = }.
-- @module lion.listeners
local anomaly = require "lion.anomaly"

local listeners = {}

--- Add one.
-- @tparam table list
-- @tparam function fn of a report
-- @treturn function that ends it
function listeners.add(list, fn)
  local listener = { fn = fn }
  table.insert(list, listener)
  return function()
    listener.is_gone = true
    for i, other in ipairs(list) do
      if other == listener then
        table.remove(list, i)
        break
      end
    end
  end
end

--- Raise unless it can be one.
function listeners.check(fn)
  if type(fn) == "function" then return end
  anomaly.incorrect("lion/syntax", "listen takes a function of a report, not a %s", type(fn))
end

--- All that are there now hear of a transaction. What stops the call that they hear in is raised at once.
-- @tparam table list
-- @tparam table report
-- @tparam[opt] table failure the first one so far
-- @treturn table|nil the first failure: t, error
function listeners.tell(list, report, failure)
  local snapshot = { unpack(list) }
  for _, listener in ipairs(snapshot) do
    local ok, problem = true, nil
    if not listener.is_gone then ok, problem = pcall(listener.fn, report) end
    if not ok and type(problem) == "table" and problem.code == "lion/cancelled" then error(problem, 0) end
    failure = failure or not ok and { t = report.t, error = problem } or nil
  end
  return failure
end

--- Raise what a listener raised, when all have heard.
-- @tparam[opt] table failure of tell
function listeners.raise(failure)
  if not failure then return end
  local message = "a listener failed on the transaction %d, which is written: %s"
  error(anomaly.new("fault", "lion/function-failed",
    message:format(failure.t, tostring(failure.error)), failure), 0)
end

return listeners
