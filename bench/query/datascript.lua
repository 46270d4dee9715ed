--- DataScript as a peer, on node (bench/query/peers fetches it): the same facts, Lion's own queries. A suite
-- asks for it by `datascript = true`.
local other_process = require "other_process"

local Datascript = {}
Datascript.__index = Datascript

local datascript = { name = "DataScript" }

function datascript.text(query)
  if query.view or query.datascript == false then return nil end
  return query.lion
end

--- nil where it is not there, or the suite does not ask for it.
function datascript.open(folder, world)
  local node = world.datascript and other_process.node("datascript.js", folder, "datascript")
  if not node then return nil end
  return setmetatable({ name = datascript.name, node = node, clock = node.clock }, Datascript)
end

function Datascript:fill_tables(tables) self.node:load(tables) end

-- Attributes are strings there.
local function translate(text) return (text:gsub(":([%w_]+/[%w_]+)", '"%1"')) end

local function question(query, op, repeats)
  local inputs = {}
  for i, value in ipairs(query.inputs or {}) do
    local is_rules = type(value) == "string" and value:sub(1, 1) == "["
    inputs[i] = is_rules and translate(value) or value
  end
  return { op = op, query = translate(query.lion), inputs = inputs[1] and inputs, repeats = repeats }
end

function Datascript:run_many(query, repeats) self.node:ask(question(query, "run", repeats)) end

function Datascript:rows(query) return self.node:ask(question(query, "rows")).rows end

function Datascript:close() self.node:close() end

return datascript
