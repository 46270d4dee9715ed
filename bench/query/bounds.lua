--- Bounds of the suites' queries: lion run bounds.lua [SUITE[:SIZE]…]. bench/query/bounds is the command.
local call = require "lion.call"
local core = require "lion.core"
local engine = require "engine"
local find = require "lion.find"
local lion = require "lion"

local ALL = { "people", "rest", "time", "rules", "reach", "movies", "cyclic", "growth" }
local RUNS, CANCELS, LONG_MS, MIB = 5, 20, 4, 2 ^ 20
local GROWS_MIN = 64 * 1024 -- less is not worth a ratio

local function drain(run)
  while true do
    local count = core.query_next(run)
    if count == nil then return end
    if count == 0 then call.answer(run) end
  end
end

-- Closed whether it ends or fails: → whether it came to its end, then what `look` makes of it, or the error.
local function run(one, query, options, look)
  local prepared = one.prepared[query.lion] or lion.prepare(query.lion)
  one.prepared[query.lion] = prepared
  local db = query.view and query.view(one) or one.db
  local inputs = { db, unpack(query.inputs or {}) }
  local opened, handle = pcall(find.open, prepared, inputs, #inputs, options)
  if not opened then return false, handle end
  local ok, why = pcall(drain, handle)
  local seen = look and ok and look(handle)
  core.step_close(handle)
  return ok, ok and seen or why
end

-- Of an operator that reads references into arrays these are what it works on: two numbers of 32 bits each.
local function largest(tree)
  local references = tree.detail:match "in arrays of (%d+) references"
  local most = math.max(tree.rows * tree.width * 16, (tonumber(references) or 0) * 8)
  for _, child in ipairs(tree.children) do most = math.max(most, largest(child)) end
  return most
end

-- Of an operator's memory, what its batches may take however much data there is: a value of 1,024 rows a
-- column.
local BATCH_ROWS = 1024
local function fixed_of(tree)
  local bytes = math.min(tree.memory, tree.width * BATCH_ROWS * 16)
  for _, child in ipairs(tree.children) do bytes = bytes + fixed_of(child) end
  return bytes
end

-- Of the run that was disturbed least, but with the peak of the one that took most: the first, where it makes
-- arrays that others find.
local function measured(one, query)
  local best, peak = nil, 0
  for _ = 1, RUNS do
    local ok, tree = run(one, query, { statistics = 1 }, core.explain)
    if not ok then return nil, tree end
    if not best or tree.unchecked_ns < best.unchecked_ns then best = tree end
    peak = math.max(peak, tree.memory_peak)
  end
  best.memory_peak = peak
  return best
end

local function took_ms(one, query)
  local began = core.monotonic_ms()
  run(one, query, {})
  return core.monotonic_ms() - began
end

local function longest_delay(one, query, ms)
  local longest
  if ms < LONG_MS then return nil end
  for _ = 1, CANCELS do
    local timeout = math.random(1, math.floor(ms) - 1)
    local began = core.monotonic_ms()
    if not run(one, query, { timeout = timeout }) then
      longest = math.max(longest or 0, core.monotonic_ms() - began - timeout)
    end
  end
  return longest
end

local function shown(format, value) return value and format:format(value) or "" end

local function print_query(one, query)
  local tree, why = measured(one, query)
  if not tree then return print(("| %-34s | %s"):format(query[1], tostring(why))) end
  local ms, most = took_ms(one, query), largest(tree)
  local delay = shown("%.2f", longest_delay(one, query, ms))
  local ratio = shown("%.2f", tree.memory_peak > MIB and tree.memory_peak / most or nil)
  local fixed = fixed_of(tree)
  local grown = tree.memory_peak - fixed
  local grows = shown("%.2f", grown > GROWS_MIN and grown / most or nil)
  print(("| %-34s | %9.2f | %9.2f | %7s | %7.2f | %6.2f | %6.2f | %8.2f | %6s | %6s |"):format(query[1], ms,
    tree.unchecked_ns / 1e6, delay, tree.memory_peak / MIB, fixed / MIB, tree.temp_peak / MIB, most / MIB,
    ratio, grows))
  io.stdout:flush()
end

local function run_size(name, suite, size)
  local world = suite.make(size)
  local one = engine.open(world.tables, world)
  if world.opened then world.opened { one } end
  print(("\n%s, %s; ms and MiB\n"):format(name, world.title))
  print(("| %-34s | %9s | %9s | %7s | %7s | %6s | %6s | %8s | %6s | %6s |"):format("query", "ms", "unchecked",
    "delay", "peak", "fixed", "file", "largest", "ratio", "grows"))
  print "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
  for _, query in ipairs(world.queries) do
    if query.lion and not query.call then print_query(one, query) end
  end
  one:close()
end

math.randomseed(20260101)
for _, given in ipairs(#arg > 0 and arg or ALL) do
  local name, size = given:match "^([^:]+):?(.*)$"
  local suite = require("suites." .. name)
  for _, each in ipairs(size ~= "" and { tonumber(size) or size } or suite.sizes) do
    run_size(name, suite, each)
  end
end
