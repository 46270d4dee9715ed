--- Queries run: inputs matched with what the query takes, batches shaped as the find specification
-- says.
-- @module lion.find
local anomaly = require "lion.anomaly"
local call = require "lion.call"
local core = require "lion.core"
local log = require "lion.log"
local pull = require "lion.pull"
local query = require "lion.query"
local values = require "lion.values"

local find = {}

-- ---- prepared queries -------------------------------------------------------------------------

local Prepared = {
  __lion = "prepared", __tostring = function(self) return "prepared " .. tostring(self.query) end,
}

-- Queries given as tables are compiled once where they are prepared; texts are cached by
-- lion.query.
local function compile(q, rules)
  if getmetatable(q) == Prepared then
    if type(q.query) == "string" or rules ~= nil then return query.compile(q.query, rules) end
    q.compiled = q.compiled or query.compile(q.query)
    return q.compiled
  end
  if type(q) ~= "string" and type(q) ~= "table" then
    anomaly.incorrect(
      "lion/syntax",
      "a query is EDN text, a table or what lion.prepare made, not a %s",
      type(q)
    )
  end
  return query.compile(q, rules)
end

-- What `number_of` says of the query, if it is one.
local function rules_index(q, number_of)
  if getmetatable(q) == Prepared then q = q.query end
  if type(q) ~= "string" and type(q) ~= "table" then return nil end
  return number_of(q)
end

--- Check a query once, for many uses.
function find.prepare(q)
  local self = setmetatable({ query = q }, Prepared)
  if rules_index(self, query.rules_input) == nil then compile(self) end
  return self
end

-- ---- inputs -----------------------------------------------------------------------------------

local function is_db(x)
  local meta = type(x) == "table" and getmetatable(x)
  return meta and meta.__lion == "db" or false
end

local function input_for(parsed, argument, number)
  if parsed.kind == "rules" then return {} end
  if parsed.kind == "pattern" then return pull.normalise(argument) end
  if parsed.kind == "source" then
    if type(argument) ~= "table" or log.is(argument) then
      anomaly.incorrect(
        "lion/syntax",
        "input %d (%s) is a database or an array of arrays, not %s",
        number,
        parsed.name or "$",
        tostring(argument)
      )
    end
  elseif argument == nil then
    anomaly.incorrect(
      "lion/syntax",
      "input %d (%s) is nil: an absent value is lion.null",
      number,
      parsed.name or "?"
    )
  elseif is_db(argument) then
    anomaly.incorrect(
      "lion/syntax",
      "input %d (%s) is a database, where the query takes a value (or a log, which conn:log() makes)",
      number,
      parsed.name or "?"
    )
  end
  return argument
end

local function match_inputs(compiled, arguments, count)
  local parsed = compiled.inputs
  local wanted = #parsed
  if compiled.is_source_unused and count == 0 and wanted == 1 then return { {} }, 1 end
  if count ~= wanted then
    anomaly.incorrect(
      "lion/syntax",
      "the query takes %d inputs (databases and rules counted), and %d are given",
      wanted,
      count
    )
  end
  local inputs = {}
  for i = 1, wanted do inputs[i] = input_for(parsed[i], arguments[i], i) end
  return inputs, wanted
end

-- ---- running ----------------------------------------------------------------------------------

local function native(compiled)
  local handle = compiled.native
  if not handle then
    handle = core.query_new(compiled.ir)
    compiled.native = handle
    compiled.ir.where, compiled.ir.rules = nil, nil -- the core has them
    compiled.kind, compiled.width, compiled.keys = core.query_info(handle)
  end
  return handle
end

local function pulled_columns(run)
  local pulled = {}
  for _, column in ipairs(core.query_pulls(run)) do
    pulled[column] = core.pull_results(call.drive(core.query_pull(run, column)))
  end
  return pulled
end

-- The next batch behind out[at]: the number of its rows, or nil at the end.
local function next_batch(run, compiled, out, at)
  while true do
    local rows, has_pulls = core.query_next(run)
    if rows == nil then return nil end
    if rows > 0 then
      local pulled = has_pulls and pulled_columns(run) or nil
      local is_single = compiled.kind == "collection" or compiled.kind == "scalar"
      core.query_rows(run, out, at, is_single, compiled.keys, pulled)
      return rows
    end
    call.answer(run)
  end
end

local function all_rows(run, compiled, max)
  local out, count = {}, 0
  while count < max do
    local rows = next_batch(run, compiled, out, count)
    if not rows then break end
    count = count + rows
  end
  return out
end

local function shape(run, compiled)
  local kind = compiled.kind
  if kind == "relation" or kind == "collection" then return all_rows(run, compiled, math.huge) end
  local first = all_rows(run, compiled, 1)[1]
  if first == values.null then return nil end
  return first
end

--- Open a run.
-- @param q the query
-- @tparam table arguments inputs in the order of :in, databases counted
-- @tparam number count of them
-- @tparam table options timeout, limit, offset, rows_max, memory_max, temp_max, threads, statistics;
-- plan_without, plan_with: names of operators (for specs)
function find.open(q, arguments, count, options)
  local at = rules_index(q, query.rules_input)
  local rules
  if at ~= nil then
    rules = arguments[at]
    if rules == nil then
      anomaly.incorrect(
        "lion/syntax",
        "the query takes rules (%%), as input %d, and none are given",
        at
      )
    end
  end
  local compiled = compile(q, rules)
  local handle = native(compiled)
  local inputs, wanted = match_inputs(compiled, arguments, count)
  return core.query_open(handle, inputs, wanted, options), compiled
end

-- ---- slow queries -----------------------------------------------------------------------------

local slow -- { fn =, ms = } while somebody wants to be told

--- Be told of queries that take long: fn is given { query =, inputs =, ms =, plan =, tree = } after each
-- that took at least so many milliseconds. What it raises is the query's error. nil takes it away.
-- @tparam function fn
-- @tparam[opt=100] number ms
function find.on_slow_query(fn, ms)
  if fn == nil then
    slow = nil
    return
  end
  if type(fn) ~= "function" then
    anomaly.incorrect("lion/syntax", "on_slow_query takes a function and milliseconds, not a %s", type(fn))
  end
  if ms ~= nil and (type(ms) ~= "number" or ms ~= ms or ms < 0) then
    anomaly.incorrect("lion/syntax", "a query is slow from some milliseconds on, not %s", tostring(ms))
  end
  slow = { fn = fn, ms = ms or 100 }
end

-- The run is at its end, and not closed yet.
local function tell_slow(told, began, run, q, arguments, count)
  local ms = core.monotonic_ms() - began
  if ms < told.ms then return end
  local tree, text = core.explain(run)
  local inputs = {}
  for i = 1, count do inputs[i] = arguments[i] end
  local asked = getmetatable(q) == Prepared and q.query or q
  told.fn { query = asked, inputs = inputs, ms = ms, plan = text, tree = tree }
end

--- The whole result.
function find.all(q, arguments, count, options)
  local told, began = slow, slow and core.monotonic_ms()
  local run, compiled = find.open(q, arguments, count, options)
  local result = shape(run, compiled)
  if told then tell_slow(told, began, run, q, arguments, count) end
  if not options.statistics then
    core.step_close(run)
    return result
  end
  -- a scalar's or tuple's rest: actual numbers stand at the end alone
  while true do
    local rows = core.query_next(run)
    if rows == nil then break end
    if rows == 0 then call.answer(run) end
  end
  local tree = core.explain(run)
  core.step_close(run)
  return { ret = result, query_stats = tree }
end

--- An iterator over the rows' values.
function find.rows(q, arguments, count, options)
  local told, began = slow, slow and core.monotonic_ms()
  local run, compiled = find.open(q, arguments, count, options)
  local kind = compiled.kind
  local is_spread = compiled.keys == nil and (kind == "relation" or kind == "tuple")
  local width = compiled.width
  local buffer, at, filled = { inputs = arguments }, 0, 0 -- inputs live as long as the run
  return function()
    if at >= filled then
      if not run then return nil end
      at, filled = 0, next_batch(run, compiled, buffer, 0) or 0
      if filled == 0 then
        if told then tell_slow(told, began, run, q, arguments, count) end
        core.step_close(run)
        run = nil
        return nil
      end
    end
    at = at + 1
    local row = buffer[at]
    if is_spread then return unpack(row, 1, width) end
    return row
  end
end

--- The plan: { text =, tree = }, with the numbers of a run to its end.
function find.explain(q, arguments, count, options)
  options.statistics = 1
  local run = find.open(q, arguments, count, options)
  while true do
    local rows = core.query_next(run)
    if rows == nil then break end
    if rows == 0 then call.answer(run) end
  end
  local tree, text = core.explain(run)
  core.step_close(run)
  return { text = text, tree = tree }
end

-- ---- lion.q -----------------------------------------------------------------------------------

local MAP_KEYS = {
  query = true, args = true, timeout = true, limit = true, offset = true, stats = true, threads = true,
}

local function whole(name, value, least)
  if value == nil then return nil end
  if type(value) ~= "number" or value % 1 ~= 0 or value < least then
    anomaly.incorrect(
      "lion/syntax",
      "%s is a whole number from %d on, not %s",
      name,
      least,
      tostring(value)
    )
  end
  return value
end

--- The options of a query map; raises for what is none.
local function map_options(map)
  for key in pairs(map) do
    if not MAP_KEYS[key] then
      anomaly.incorrect(
        "lion/syntax",
        "%s is no option of a query (query, args, timeout, limit, offset, stats, threads)",
        tostring(key)
      )
    end
  end
  return { timeout = whole("timeout", map.timeout, 0), limit = whole("limit", map.limit, -1),
    offset = whole("offset", map.offset, 0), statistics = map.stats and 1 or nil,
    threads = whole("threads", map.threads, 1) }
end

-- A query's own timeout (0, nil: none), but no later than a host lets its caller run.
local function no_longer_than(most, timeout)
  if not most or timeout and timeout > 0 and timeout < most then return timeout end
  return most
end

-- Limits of the connection that the first database came from.
local function add_limits(options, arguments, count)
  for i = 1, count do
    local argument = arguments[i]
    local limits = (is_db(argument) or log.is(argument)) and argument.limits
    if limits then
      options.timeout = no_longer_than(limits.timeout_max, options.timeout or limits.timeout)
      options.memory_max = options.memory_max or limits.memory_max
      options.temp_max = options.temp_max or limits.temp_max
      options.threads = options.threads or limits.threads
      return options
    end
  end
  return options
end

find.add_limits = add_limits

--- The whole result, by the limits of the first database or log; a node answers where that is one of its.
-- @param q the query
-- @tparam table arguments inputs in the order of :in, databases counted
-- @tparam number count of them
-- @tparam table options as of `open`
function find.ask(q, arguments, count, options)
  for i = 1, count do
    local meta = type(arguments[i]) == "table" and getmetatable(arguments[i])
    local what = meta and meta.__lion
    if what == "remote_db" or what == "remote_log" then
      return arguments[i].conn:query(q, arguments, count, options)
    end
    if what == "db" or what == "log" then break end
  end
  return find.all(q, arguments, count, add_limits(options, arguments, count))
end

--- lion.q(query, inputs…), or lion.q{ query =, args =, … }.
function find.q(q, ...)
  if type(q) == "table" and q.query ~= nil and getmetatable(q) == nil then
    local options = map_options(q)
    local arguments = q.args or {}
    if type(arguments) ~= "table" then
      anomaly.incorrect("lion/syntax", "args of a query are an array, not a %s", type(arguments))
    end
    local count = table.maxn(arguments)
    return find.ask(q.query, arguments, count, options)
  end
  local arguments, count = { ... }, select("#", ...)
  return find.ask(q, arguments, count, {})
end

--- The arguments of db:q: the database before the first source, if the query takes one.
function find.with_db(db, q, ...)
  local arguments, count = { ... }, select("#", ...)
  local at = rules_index(q, query.rules_argument)
  local parsed = compile(q, at and (arguments[at] or "[]")).inputs
  for i, input in ipairs(parsed) do
    if input.kind == "source" then
      for k = count, i, -1 do arguments[k + 1] = arguments[k] end
      arguments[i] = db
      return arguments, count + 1
    end
  end
  return arguments, count
end

return find
