--- Prometheus' text format 0.0.4: families of samples, each told once, with what they are.
-- @module ions.door.exposition
local series = require "ions.series"

local exposition = {}

local Exposition = {}
Exposition.__index = Exposition

--- An empty text.
-- @tparam table labels names and values in turn, of all samples
function exposition.new(labels)
  return setmetatable({ labels = labels, families = {}, names = {}, refused = 0 }, Exposition)
end

local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

local function write_labels(...)
  local parts = {}
  for _, list in ipairs { ... } do
    for i = 1, #list, 2 do
      local value = tostring(list[i + 1]):gsub('[\\"\n]', ESCAPES)
      parts[#parts + 1] = ('%s="%s"'):format(list[i], value)
    end
  end
  return table.concat(parts, ",")
end

local function write_number(value)
  if value ~= value then return "NaN" end
  if value == math.huge then return "+Inf" elseif value == -math.huge then return "-Inf" end
  return value % 1 == 0 and math.abs(value) < 2 ^ 63 and ("%.0f"):format(value) or ("%.15g"):format(value)
end

-- nil: it is known as another kind.
local function family_of(self, name, kind, help)
  local family = self.families[name]
  if not family then
    family = { kind = kind, help = help, lines = {}, seen = {} }
    self.families[name], self.names[#self.names + 1] = family, name
  end
  return family.kind == kind and family or nil
end

-- false: the family has these labels already, or is of another kind.
local function begin(self, name, kind, help, labels)
  local family = family_of(self, name, kind, help)
  local text = write_labels(self.labels, labels)
  if not family or family.seen[text] then
    self.refused = self.refused + 1
    return nil
  end
  family.seen[text] = true
  return family, text
end

local function add(family, name, labels, value)
  family.lines[#family.lines + 1] = ("%s{%s} %s\n"):format(name, labels, write_number(value))
end

--- A number.
-- @tparam string name
-- @tparam string kind "counter" or "gauge"
-- @tparam string help
-- @tparam number value
-- @tparam[opt] table labels names and values in turn
function Exposition:sample(name, kind, help, value, labels)
  local family, text = begin(self, name, kind, help, labels or {})
  if family then add(family, name, text, value) end
end

--- A histogram.
-- @tparam string name
-- @tparam string help
-- @tparam table slots counts of each slot alone, from 1 on; the last has no end
-- @tparam number first the end of the first slot
-- @tparam number factor of an end to the next
-- @tparam number sum
-- @tparam[opt] table labels
function Exposition:histogram(name, help, slots, first, factor, sum, labels)
  local family, text = begin(self, name, "histogram", help, labels or {})
  if not family then return end
  local count, bound = 0, first
  for i = 1, series.SLOTS do
    count = count + slots[i]
    local le = i == series.SLOTS and "+Inf" or write_number(bound)
    add(family, name .. "_bucket", text .. ',le="' .. le .. '"', count)
    bound = bound * factor
  end
  add(family, name .. "_sum", text, sum)
  add(family, name .. "_count", text, count)
end

--- All of it.
-- @treturn string
function Exposition:text()
  local out = {}
  for _, name in ipairs(self.names) do
    local family = self.families[name]
    local help = family.help:gsub("[\\\n]", ESCAPES)
    out[#out + 1] = ("# HELP %s %s\n# TYPE %s %s\n"):format(name, help, name, family.kind)
    for _, line in ipairs(family.lines) do out[#out + 1] = line end
  end
  return table.concat(out)
end

return exposition
