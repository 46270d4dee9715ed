--- Errors that say that a program has called Lion wrongly: no client is to blame for them. What a handler
-- raises itself, and what is wrong with a text that it reads as JSON, is meant for the client.
-- @module ions.misuse
local anomaly = require "lion.anomaly"

local CODES = {
  ["lion/syntax"] = true, -- an argument of the wrong kind, a query that is none
  ["lion/misuse"] = true,
  ["lion/closed"] = true,
  ["db.error/insufficient-binding"] = true,
  ["db.error/not-a-binding-form"] = true,
  ["db.error/attribute-not-indexed"] = true,
  ["db.error/lookup-ref-attr-not-unique"] = true,
}

--- Is this error of that kind?
-- @tparam table e
-- @treturn boolean
return function(e)
  return CODES[rawget(e, "code")] == true
    and getmetatable(e) == anomaly.Anomaly
    and not rawget(e, "is_of_input")
end
