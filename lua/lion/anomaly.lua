--- Errors as values: the one shape of every failure that a caller can meet. The category says what
-- the caller may do
-- about it, the code what went wrong; the message is for people, data for programs.
-- @module lion.anomaly
local anomaly = {}

-- category → may the same call succeed if it is simply tried again?
local RETRYABLE = {
  busy = true,
  interrupted = true,
  unavailable = true,
  conflict = false,
  fault = false,
  forbidden = false,
  incorrect = false,
  ["not-found"] = false,
  unsupported = false,
}

local Anomaly = {}
Anomaly.__index = Anomaly

function Anomaly:__tostring() return tostring(self.code) .. ": " .. tostring(self.message) end

--- May the same call succeed if it is simply tried again?
-- @treturn boolean
function Anomaly:is_retryable() return RETRYABLE[self.category] end

--- Build an anomaly, to be raised.
-- @tparam string category one of the nine
-- @tparam string code stable and documented, such as "db.error/unique-conflict"
-- @tparam string message one sentence that names the offender and what would be right
-- @tparam[opt] table data what a program needs to act on it
-- @treturn table
function anomaly.new(category, code, message, data)
  assert(RETRYABLE[category] ~= nil, "unknown anomaly category")
  return setmetatable({ category = category, code = code, message = message, data = data }, Anomaly)
end

--- Is it a category's name?
function anomaly.is_category(name) return RETRYABLE[name] ~= nil end

--- Raise an incorrect.
-- @tparam string code
-- @tparam string message a format, with its arguments
function anomaly.incorrect(code, message, ...)
  error(anomaly.new("incorrect", code, select("#", ...) > 0 and message:format(...) or message), 0)
end

--- Raise an unsupported, code lion/unsupported.
function anomaly.unsupported(message, ...)
  error(
    anomaly.new(
      "unsupported",
      "lion/unsupported",
      select("#", ...) > 0 and message:format(...) or message
    ),
    0
  )
end

--- Give any raised thing the shape of an anomaly.
function anomaly.wrap(e)
  if type(e) == "table" and e.category and e.code then
    if getmetatable(e) == nil then setmetatable(e, Anomaly) end
    return e
  end
  return anomaly.new("fault", "lion/fault", tostring(e))
end

anomaly.Anomaly = Anomaly

return anomaly
