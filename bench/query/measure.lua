--- Answers compared, then times: medians of processor time, the engines by turns.
local bit = require "bit"
local ffi = require "ffi"
local reference = require "reference"

ffi.cdef [[
typedef struct { int64_t seconds, nanoseconds; } bench_time;
int clock_gettime(int, bench_time *);
]]

local measure = {}

local PROCESS_TIME, THREAD_TIME = 2, 3
local now_out = ffi.new "bench_time"

local function read(clock)
  ffi.C.clock_gettime(clock, now_out)
  return tonumber(now_out.seconds) * 1e3 + tonumber(now_out.nanoseconds) / 1e6
end

--- Processor time in ms, of this process and of the one that an engine has besides.
function measure.now(engine)
  return read(PROCESS_TIME) + (engine and engine.clock and read(engine.clock) or 0)
end

--- Processor time of the calling thread alone, in ms.
function measure.own_now() return read(THREAD_TIME) end

--- Seconds that a peer is given to answer once; where it takes longer, the line goes on without it.
measure.LIMIT_S = 20

--- What a peer raises when its seconds are over.
measure.LATE = setmetatable({}, { __tostring = function() return "the peer's time is over" end })

-- FNV-1a.
local function hash(text)
  local h = bit.tobit(2166136261)
  for i = 1, #text do
    h = bit.bxor(h, text:byte(i))
    h = bit.tobit(bit.lshift(h, 24) + h * 403)
  end
  return h % 4294967296
end

local function cell(value)
  if type(value) ~= "number" then return tostring(value) end
  return value % 1 == 0 and ("%d"):format(value) or ("%.9g"):format(value)
end

--- The sum of the rows' hashes: the same for the same rows in any order.
function measure.digest(rows)
  local sum = 0
  for _, row in ipairs(rows) do
    local cells = {}
    for i, value in ipairs(row) do
      cells[i] = cell(value)
    end
    sum = (sum + hash(table.concat(cells, "\t"))) % 4294967296
  end
  return ("%d rows %08x"):format(#rows, sum)
end

local SAMPLE_MS, SAMPLES_MIN, SAMPLES_MAX, BUDGET_MS, SLOW_MS = 2, 5, 15, 1500, 4000

local function median(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
end

--- The rows of an answer. A query is a text for each engine, or, as `call`, a function for each.
function measure.rows(engine, query)
  if not query.call then return engine:rows(query) end
  local rows = query.call[engine.name](engine)
  return query.shape and query.shape(rows) or rows
end

-- A loop of its own for each function, which LuaJIT compiles for it alone: one loop for all would be compiled
-- for what ran in it first.
local LOOP = "local call, engine, repeats = ... for _ = 1, repeats do call(engine) end"
local loops = setmetatable({}, { __mode = "k" })

local function run(engine, query, repeats)
  if engine.run_many then return engine:run_many(query, repeats) end
  if query.call then
    local call = query.call[engine.name]
    loops[call] = loops[call] or assert(load(LOOP))
    return loops[call](call, engine, repeats)
  end
  for _ = 1, repeats do
    engine:run(query)
  end
end

local function sample(engine, query, repeats)
  local begun = measure.now(engine)
  run(engine, query, repeats)
  return (measure.now(engine) - begun) / repeats
end

-- How often a query is repeated for a sample: twice as often until that takes long enough. And ms of one.
local function find_repeats(engine, query, once)
  local repeats = 1
  while once * repeats < SAMPLE_MS do
    repeats = repeats * 2
    once = sample(engine, query, repeats)
    -- What LuaJIT compiles meanwhile takes as long as many runs.
    if once * repeats >= SAMPLE_MS then once = sample(engine, query, repeats) end
  end
  return repeats, once
end

-- How many samples there are. What is slow is measured once.
local function count_samples(once)
  if once > SLOW_MS then return 1 end
  return math.min(SAMPLES_MAX, math.max(SAMPLES_MIN, math.floor(BUDGET_MS / math.max(once, SAMPLE_MS))))
end

-- The second run: what others put into the cache is gone again, as it is for repeated queries.
local function sample_reference()
  reference.run()
  local begun = measure.now()
  reference.run()
  return measure.now() - begun
end

-- ms, or nil if the engine is over its time.
local function sample_in_time(engine, query)
  local ok, ms = pcall(sample, engine, query, 1)
  if ok then return ms end
  if ms ~= measure.LATE then error(ms, 0) end
end

--- Median ms of a query by engine, as a table by name, without those that are over their time. Warm: each has
-- run it before (query.warm times, so that Lua's compiler has seen what is new each time). The second result
-- says how many times as long as noted the reference loop took meanwhile.
function measure.times(engines, query)
  collectgarbage() -- of what was loaded: Lua's part of a query would go through it, a step at a time
  local repeats, samples, counts = {}, {}, {}
  for i, engine in ipairs(engines) do
    if query.warm then run(engine, query, query.warm) end
    local once = sample_in_time(engine, query) or math.huge
    if once <= SLOW_MS then once = math.min(once, sample(engine, query, 1)) end
    repeats[i], once = find_repeats(engine, query, once)
    counts[i] = count_samples(once)
    samples[i] = counts[i] == 1 and once < math.huge and { once } or {}
  end
  local references = {}
  for at = 1, SAMPLES_MAX do
    references[at] = sample_reference()
    for i, engine in ipairs(engines) do
      local is_due = at <= counts[i] and counts[i] > 1
      if is_due then table.insert(samples[i], sample(engine, query, repeats[i])) end
    end
  end
  local times = {}
  for i, engine in ipairs(engines) do
    times[engine.name] = median(samples[i])
  end
  return times, median(references) / reference.NOTED_MS
end

return measure
