--- POST /eval: a chunk of Lua, evaluated in a process of its own that may be ended (docs/control.md).
-- @module ions.door.evaluation
local anomaly = require "lion.anomaly"
local answer = require "ions.door.answer"
local databases = require "ions.door.databases"
local utf8 = require "ions.utf8"

local evaluation = {}

local TIMEOUT_MS, TIMEOUT_MS_MAX = 5000, 30000
local CHUNK_MAX = 2 ^ 20

local FIELDS = { db = "string!", chunk = "string!", timeout_ms = "count", width = "count", rows = "count" }

-- What the supervisor says for a process that cannot.
local CATEGORIES = { ["lion/timeout"] = "interrupted", ["lion/busy"] = "busy",
  ["lion/process-lost"] = "interrupted" }

local function fail(told)
  local category = told.category or CATEGORIES[told.code] or "fault"
  local data = told.data or {}
  if told.trace then data.trace = utf8.repair(told.trace) end
  if told.output and told.output ~= "" then data.output = utf8.repair(told.output) end
  error(anomaly.new(category, told.code, told.message, next(data) and data), 0)
end

--- The route.
function evaluation.run(door, request)
  local body = answer.check(request.body, FIELDS)
  databases.refuse_system(body.db)
  databases.existing(door, body.db)
  if #body.chunk > CHUNK_MAX then
    anomaly.incorrect("lion/limit", "a chunk has at most %d bytes, not %d", CHUNK_MAX, #body.chunk)
  end
  body.timeout_ms = math.max(1, answer.bounded("timeout_ms", body.timeout_ms, TIMEOUT_MS, TIMEOUT_MS_MAX))
  local told = door.node:evaluate(body)
  if not told.is_ok then fail(told) end
  local values = {}
  for i, text in ipairs(told.values) do values[i] = utf8.repair(text) end
  return { output = utf8.repair(told.output), values = answer.list(values), is_cut = told.is_cut or nil,
    steps = told.steps }
end

return evaluation
