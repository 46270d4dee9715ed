--- Prometheus' text format 0.0.4 read strictly: what breaks one of its rules, or the conventions that
-- docs/metrics.md promises, raises.
local prometheus = {}

local function fail(line, ...) error(("%s\n  in: %s"):format(string.format(...), line), 0) end

-- Labels, and what stands behind them.
local function read_labels(text, line)
  local labels, seen, at = {}, {}, 2
  while text:sub(at, at) ~= "}" do
    local name, next_at = text:match('^([%a_][%w_]*)="()', at)
    if not name then fail(line, "no label at %d", at) end
    if seen[name] then fail(line, "the label %s twice", name) end
    if name:find "^__" then fail(line, "the label %s is Prometheus' own", name) end
    local value = {}
    at = next_at
    while text:sub(at, at) ~= '"' do
      local char = text:sub(at, at)
      if char == "" then fail(line, "a label without an end") end
      if char == "\\" then
        local escaped = text:sub(at + 1, at + 1)
        char = ({ ["\\"] = "\\", ['"'] = '"', n = "\n" })[escaped] or fail(line, "the escape \\%s", escaped)
        at = at + 1
      end
      value[#value + 1] = char
      at = at + 1
    end
    seen[name], labels[name], at = true, table.concat(value), at + 1
    if text:sub(at, at) == "," then at = at + 1 elseif text:sub(at, at) ~= "}" then fail(line, "no comma") end
  end
  return labels, text:sub(at + 1)
end

local SPECIAL = { ["+Inf"] = math.huge, ["-Inf"] = -math.huge, NaN = 0 / 0 }

local function read_sample(line)
  local name, rest = line:match "^([%a_:][%w_:]*)(.*)$"
  if not name then fail(line, "no sample") end
  local labels = {}
  if rest:sub(1, 1) == "{" then labels, rest = read_labels(rest, line) end
  local text = rest:match "^ (%S+)$" or fail(line, "no value behind one blank")
  local value = SPECIAL[text] or text:find "^%-?%d[%d.e+-]*$" and tonumber(text)
  if not value then fail(line, "%s is no number", text) end
  return name, labels, value
end

local function key_of(name, labels, without)
  local names, parts = {}, { name }
  for label in pairs(labels) do
    if label ~= without then names[#names + 1] = label end
  end
  table.sort(names)
  for _, label in ipairs(names) do parts[#parts + 1] = ("%s=%q"):format(label, labels[label]) end
  return table.concat(parts, " ")
end

local function check_name(family)
  local name, kind = family.name, family.kind
  if (kind == "counter") ~= (name:find "_total$" ~= nil) then
    fail(name, "counters end in _total, others not")
  end
  if kind == "histogram" and name:find "_bucket$" then fail(name, "a histogram named like its samples") end
  for _, unit in ipairs { "_ms", "_milliseconds", "_us", "_kb", "_mb", "_minutes" } do
    if (name .. "_"):find(unit .. "_", 1, true) then fail(name, "seconds and bytes are the units") end
  end
end

-- Buckets ascend, are cumulative and end with +Inf, which is the count; there is a sum.
local function check_histogram(family)
  local each = {}
  for _, sample in ipairs(family.samples) do
    local key = key_of("", sample.labels, "le")
    local one = each[key] or { count = 0, bound = -math.huge }
    each[key] = one
    if sample.name == family.name .. "_bucket" then
      local bound = SPECIAL[sample.labels.le] or tonumber(sample.labels.le)
      if not bound or bound <= one.bound then fail(key, "buckets that do not ascend") end
      if sample.value < one.count then fail(key, "buckets that are not cumulative") end
      one.bound, one.count = bound, sample.value
    elseif sample.name == family.name .. "_sum" then
      one.has_sum = true
    elseif sample.name == family.name .. "_count" then
      one.total = sample.value
    else
      fail(sample.name, "no sample of a histogram")
    end
  end
  for key, one in pairs(each) do
    if one.bound ~= math.huge or one.total ~= one.count or not one.has_sum then
      fail(family.name .. key, "a histogram that is not whole")
    end
  end
end

local function check_family(family)
  if not family then return end
  check_name(family)
  if #family.samples == 0 then fail(family.name, "a family without samples") end
  if family.kind == "histogram" then return check_histogram(family) end
  for _, sample in ipairs(family.samples) do
    if sample.name ~= family.name then fail(sample.name, "a sample of another family") end
    if family.kind == "counter" and sample.value < 0 then fail(sample.name, "a counter below 0") end
  end
end

local Metrics = {}
Metrics.__index = Metrics

local function has(labels, wanted)
  for name, value in pairs(wanted or {}) do
    if labels[name] ~= tostring(value) then return false end
  end
  return true
end

--- The sum of the samples of a name whose labels have these values; nil if there is none.
function Metrics:value(name, labels)
  local sum
  for _, sample in ipairs(self.samples) do
    if sample.name == name and has(sample.labels, labels) then sum = (sum or 0) + sample.value end
  end
  return sum
end

--- The samples of a name.
function Metrics:all(name, labels)
  local list = {}
  for _, sample in ipairs(self.samples) do
    if sample.name == name and has(sample.labels, labels) then list[#list + 1] = sample end
  end
  return list
end

--- Read a text, all of it.
function prometheus.read(text)
  local self = setmetatable({ families = {}, samples = {} }, Metrics)
  local seen, family, helped = {}, nil, nil
  if text:sub(-1) ~= "\n" then fail(text:sub(-80), "the last line has no end") end
  for line in text:gmatch "([^\n]*)\n" do
    local name = line:match "^# HELP ([%a_:][%w_:]*) %S"
    local typed, kind = line:match "^# TYPE ([%a_:][%w_:]*) (%l+)$"
    if name then
      check_family(family)
      if self.families[name] then fail(line, "a family in two places") end
      helped, family = name, nil
    elseif typed then
      if typed ~= helped then fail(line, "a type without its help before it") end
      if kind ~= "counter" and kind ~= "gauge" and kind ~= "histogram" then
        fail(line, "the kind %s", kind)
      end
      family = { name = typed, kind = kind, samples = {} }
      self.families[typed] = family
    else
      local sample_name, labels, value = read_sample(line)
      if not family or sample_name:sub(1, #family.name) ~= family.name then
        fail(line, "a sample that stands with no family")
      end
      local key = key_of(sample_name, labels)
      if seen[key] then fail(line, "a sample twice") end
      seen[key] = true
      local sample = { name = sample_name, labels = labels, value = value }
      family.samples[#family.samples + 1], self.samples[#self.samples + 1] = sample, sample
    end
  end
  check_family(family)
  return self
end

return prometheus
