--- How a state is: its memory, how often that was collected, its tasks, how far it has read databases. It is
-- looked at now and then, when the steps of its calls are asked for.
-- @module ions.vitals
local core = require "lion.core"
local series = require "ions.series"

local vitals = {}

local AT = series.STATE

local Vitals = {}
Vitals.__index = Vitals

-- Each cycle of the collector finds one that is garbage, and leaves the next.
local function count_collections(numbers)
  local sentinel = newproxy(true)
  getmetatable(sentinel).__gc = function()
    numbers[AT.COLLECTIONS] = numbers[AT.COLLECTIONS] + 1
    count_collections(numbers)
  end
end

--- Those of an application's state.
-- @tparam table app
function vitals.new(app)
  local label = { "state", "", "app", app.manifest.app, "revision", app.options.revision or "" }
  local self = setmetatable({ app = app, numbers = series.new(AT.SIZE, label), readers = {} }, Vitals)
  count_collections(self.numbers)
  return self
end

local function reader_of(self, name)
  local app = self.app
  return series.new(3, { "reader", "", "app", app.manifest.app, "db", name })
end

--- Look.
function Vitals:look()
  self.numbers[AT.MEMORY] = collectgarbage "count" * 1024
  self.numbers[AT.TASKS] = self.app.calls.tasks.count
  for key, conn in pairs(self.app.connections) do
    local ok, stats = pcall(core.conn_stats, conn.handle)
    if ok then
      self.readers[key] = self.readers[key] or reader_of(self, key == 1 and self.app.manifest.app or key)
      local numbers = self.readers[key]
      numbers[0], numbers[1], numbers[2] = stats.basis_t, stats.kept_leaves, stats.kept_bytes
    end
  end
end

return vitals
