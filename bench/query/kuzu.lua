--- Kuzu as a peer, on node (bench/query/peers fetches it), for questions that have a text of their own
-- for it.
local measure = require "measure"
local other_process = require "other_process"

local Kuzu = {}
Kuzu.__index = Kuzu

local kuzu = { name = "Kuzu" }

function kuzu.text(query) return query.kuzu end

--- nil where it is not there, or the suite asks nothing of it.
function kuzu.open(folder, world)
  local is_asked = false
  for _, query in ipairs(world.queries) do
    is_asked = is_asked or query.kuzu ~= nil
  end
  local node = is_asked and other_process.node("kuzu.js", folder, "kuzu")
  if not node then return nil end
  return setmetatable({ name = kuzu.name, node = node, clock = node.clock }, Kuzu)
end

function Kuzu:fill_tables(tables) self.node:load(tables) end

function Kuzu:run_many(query, repeats)
  self.node:ask { op = "run", query = query.kuzu, repeats = repeats }
end

-- Kuzu ends a query by the clock; on a machine that does other work, too, its seconds are longer.
local CLOCK_TIMES = 3

--- All rows as arrays, within measure.LIMIT_S.
function Kuzu:rows(query)
  local begun = measure.now(self)
  local ok, answer = pcall(self.node.ask, self.node,
    { op = "rows", query = query.kuzu, limit = measure.LIMIT_S * 1000 * CLOCK_TIMES })
  local is_late = measure.now(self) - begun > measure.LIMIT_S * 1000
  if is_late or not ok and tostring(answer):find("Interrupted", 1, true) then error(measure.LATE, 0) end
  if not ok then error(answer, 0) end
  return answer.rows
end

function Kuzu:close() self.node:close() end

return kuzu
