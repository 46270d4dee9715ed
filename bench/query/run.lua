--- The suites beside the peers: lion run run.lua FOLDER-OF-PEERS [SUITE[:SIZE]…]. bench/query/run is the
-- command.
local data = require "data"
local engine = require "engine"
local measure = require "measure"
local plot = require "plot"

local ALL = { "people", "rest", "pull", "time", "overhead", "rules", "packages", "reach", "movies",
"cyclic", "novelty",
  "calls", "growth" }
local PEERS = { require "sqlite", require "postgres", require "duckdb", require "datascript", require "kuzu" }

local folder = arg[1]

local function open_peers(world)
  local peers = {}
  for _, peer in ipairs(PEERS) do
    local opened = peer.open(folder, world)
    if opened then
      opened.text = peer.text
      data.fill(opened, world.tables)
      peers[#peers + 1] = opened
    end
  end
  return peers
end

local function ms(time)
  if not time then return "" end
  if time >= 100 then return ("%.0f"):format(time) end
  if time >= 1 then return ("%.2f"):format(time) end
  return ("%.4f"):format(time)
end

-- What Lion may take at most: a figure, scaled to the machine as it is now, a part of what the best peer
-- takes, or so many times an earlier line.
local function bound(query, best, earlier, slowness)
  local least = query.at_most and query.at_most * slowness
  if query.times and best then least = math.min(least or math.huge, best / query.times) end
  if query.of then least = math.min(least or math.huge, earlier[query.of[1]] * query.of[2]) end
  return least
end

local function able(engines, query)
  local list = {}
  for _, one in ipairs(engines) do
    local has
    if query.call then has = query.call[one.name] else has = one.is_lion and query.lion or one.text(query) end
    if has and not (query.without and query.without[one.name]) then list[#list + 1] = one end
  end
  return list
end

-- A peer whose time is over is late, and stands in the table as such.
local function rows_of(one, query)
  local ok, rows = pcall(measure.rows, one, query)
  if ok then return rows end
  if rows ~= measure.LATE or one.is_lion then error(rows, 0) end
end

-- What all answer, and which of them did in time.
local function compare(engines, query)
  local expected, in_time, late = nil, {}, {}
  for _, one in ipairs(engines) do
    local rows = rows_of(one, query)
    local digest = rows and measure.digest(rows) or expected
    if expected and digest ~= expected then
      error(("%s: %s answers %s, Lion %s"):format(query[1], one.name, digest, expected))
    end
    expected = expected or digest
    if rows then in_time[#in_time + 1] = one else late[one.name] = true end
  end
  return expected, in_time, late
end

-- Geometric means of what the engines take by what Lion takes, and of the ratios, as sums of logarithms.
local Means = {}
Means.__index = Means

function Means:add(name, ratio)
  if not self[name] then
    self[name] = { sum = 0, count = 0 }
    self[#self + 1] = name
  end
  self[name].sum, self[name].count = self[name].sum + math.log(ratio), self[name].count + 1
end

function Means:print()
  local parts = {}
  for i, name in ipairs(self) do
    parts[i] = ("%s %.2f"):format(name, math.exp(self[name].sum / self[name].count))
  end
  if #parts > 0 then print("\nGeometric means: " .. table.concat(parts, ", ")) end
end

local function run_query(engines, query, earlier, means)
  local digest, list, late = compare(able(engines, query), query)
  local rows = digest:match "%d+"
  local times, slowness = measure.times(list, query)
  local best
  for _, one in ipairs(list) do
    late[one.name] = not times[one.name]
    local time = one.name ~= "Lion" and times[one.name]
    if time then
      means:add(one.name, time / times.Lion)
      best = math.min(best or time, time)
    end
  end
  earlier[query[1]] = times.Lion
  local wanted = bound(query, best, earlier, slowness)
  local ratio = best and best / times.Lion
  local line = { ("| %-34s | %8s "):format(query[1], rows) }
  for _, one in ipairs(engines) do
    local told = late[one.name] and ("> %d s"):format(measure.LIMIT_S) or ms(times[one.name])
    line[#line + 1] = ("| %9s "):format(told)
  end
  print(("%s| %7s | %9s | %s"):format(table.concat(line), ratio and ("%.2f"):format(ratio) or "", ms(wanted),
    wanted and times.Lion > wanted and "no |" or "|"))
  io.stdout:flush()
  if ratio then means:add("the best of each line", ratio) end
  return times
end

-- What a plot shows: a line for each query and engine, as far as it came.
local series = {}

local function keep_times(name, size, engines, query, times)
  for _, one in ipairs(engines) do
    local key = ("%s: %s, %s"):format(name, query[1], one.name)
    if times[one.name] and not series[key] then
      local label = ("%s, %s"):format(query[1], one.name)
      series[key] = { name = label, group = query[1], is_peer = one.name ~= "Lion", points = {} }
      series[#series + 1] = series[key]
    end
    if times[one.name] then table.insert(series[key].points, { size, times[one.name] }) end
  end
end

local function write_plot(path)
  local file = assert(io.open(path, "w"))
  local labels = { title = "How times grow with the data", x = "rows of the largest table", y = "ms" }
  file:write(plot.svg(labels, series))
  file:close()
  print("\nThe plot is in " .. path)
end

local function print_head(name, world, engines)
  local head, rule = { ("| %-34s | %8s "):format("query", "rows") }, { "|---|---:" }
  for _, one in ipairs(engines) do
    head[#head + 1] = ("| %9s "):format(one.name)
    rule[#rule + 1] = "|---:"
  end
  print(("\n%s, %s; ms of processor time\n"):format(name, world.title))
  print(table.concat(head) .. ("| %7s | %9s |   |"):format("ratio", "at most"))
  print(table.concat(rule) .. "|---:|---:|---|")
end

local function run_size(name, suite, size)
  local world = suite.make(size)
  local engines = { engine.open(world.tables, world) }
  if world.beside then engines[2] = engine.open(world.tables, world.beside) end
  for _, peer in ipairs(world.beside and {} or open_peers(world)) do
    engines[#engines + 1] = peer
  end
  if world.opened then world.opened(engines) end
  print_head(name, world, engines)
  local earlier, means = {}, setmetatable({}, Means)
  for _, query in ipairs(world.queries) do
    local times = run_query(engines, query, earlier, means)
    if tonumber(size) then keep_times(name, size, engines, query, times) end
  end
  means:print()
  for _, one in ipairs(engines) do
    one:close()
  end
end

local wanted, plot_path = {}, nil
for i = 2, #arg do
  if arg[i] == "--plot" then plot_path = arg[i + 1]
  elseif arg[i - 1] ~= "--plot" then wanted[#wanted + 1] = arg[i]
  end
end
for _, given in ipairs(#wanted > 0 and wanted or ALL) do
  local name, size = given:match "^([^:]+):?(.*)$"
  local suite = require("suites." .. name)
  for _, one in ipairs(size ~= "" and { tonumber(size) or size } or suite.sizes) do
    run_size(name, suite, one)
  end
end
if plot_path then write_plot(plot_path) end
