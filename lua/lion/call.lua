--- User functions: their names, and the answers to what the core asks to be called. A step of the
-- core that wants a function
-- stops; here the function runs over the whole batch in a loop of its own, which LuaJIT compiles
-- together with it.
-- @module lion.call
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local edn = require "lion.edn"
local values = require "lion.values"

local call = {}

-- Kinds of calls, as core/data/call.h numbers them.
local PREDICATE, FUNCTION, AGGREGATE, FILTER = 1, 2, 3, 4
local TRANSACTION, ATTRIBUTE, ENTITY, XFORM = 5, 6, 7, 8

local WHAT = {
  [PREDICATE] = "predicate",
  [FUNCTION] = "function",
  [AGGREGATE] = "aggregate",
  [FILTER] = "filter",
  [TRANSACTION] = "transaction function",
  [ATTRIBUTE] = "attribute predicate",
  [ENTITY] = "entity predicate",
  [XFORM] = "xform",
}

-- ---- names ------------------------------------------------------------------------------------

local registry = {}

--- Give a function a name, so that queries, transactions and pulls can call it. nil takes the name
-- away.
-- @tparam string name "module/function"
-- @tparam function fn
function call.register(name, fn)
  if type(name) ~= "string" or not name:find("^[^/%s:]+/[^%s]+$") then
    anomaly.incorrect(
      "lion/syntax",
      "a function's name is \"module/function\", not %s",
      tostring(name)
    )
  end
  if fn ~= nil and type(fn) ~= "function" then
    anomaly.incorrect("lion/syntax", "%s is to be a function, not a %s", name, type(fn))
  end
  registry[name] = fn
end

--- The same for aggregates, whose names need no module.
function call.register_aggregate(name, fn)
  if type(name) ~= "string" or name == "" or type(fn) ~= "function" then
    anomaly.incorrect("lion/syntax", "lion.aggregate takes a name and a function of an array")
  end
  registry[name] = fn
end

local function resolve(kind, name, fn)
  if name == nil then
    if fn then return fn end
    error(anomaly.new("fault", "lion/function-failed", "the function of this value is gone"), 0)
  end
  fn = registry[name] or registry[name:gsub("^:", "")]
  if fn then return fn end
  local message = "there is no %s named %s: lion.fn(%q, f) makes one known"
  message = message:format(WHAT[kind], name, name)
  if kind == TRANSACTION then
    anomaly.incorrect("db.error/not-a-data-function", (message:gsub("%%", "%%%%")))
  end
  error(anomaly.new("not-found", "lion/not-found", message), 0)
end

-- ---- loops over rows, made for each function and number of arguments --------------------------

local loops = setmetatable({}, { __mode = "k" })

local function make_loop(count)
  local columns, cells = {}, {}
  for i = 1, count do
    columns[i] = ("local c%d = columns[%d]"):format(i, i)
    cells[i] = ("c%d[i]"):format(i)
  end
  return assert(loadstring(([[
    local fn, rows, columns = ...
    %s
    local out = {}
    for i = 1, rows do out[i] = fn(%s) end
    return out]]):format(table.concat(columns, "\n"), table.concat(cells, ", ")), "=(rows)"))
end

local function loop_of(fn, count)
  local known = loops[fn]
  if not known then
    known = {}
    loops[fn] = known
  end
  local loop = known[count]
  if not loop then
    loop = make_loop(count)
    known[count] = loop
  end
  return loop
end

local function filter_rows(fn, rows, db, datoms)
  local out = {}
  for i = 1, rows do out[i] = fn(db, datoms[i]) and true or false end
  return out
end

local function tx_data(result)
  if type(result) == "string" then return edn.read_tx(result) end
  if result == nil then return {} end
  return result
end

local function run(kind, fn, rows, db, arguments, count)
  if kind == PREDICATE or kind == FUNCTION then return loop_of(fn, count)(fn, rows, arguments) end
  if kind == FILTER then return filter_rows(fn, rows, db, arguments) end
  if kind == TRANSACTION then return { tx_data(fn(db, unpack(arguments, 1, count))) } end
  if kind == ENTITY then return { fn(db, unpack(arguments, 1, count)) == true } end
  if kind == ATTRIBUTE then return { fn(unpack(arguments, 1, count)) == true } end
  if kind == XFORM then
    for i = 1, count do if arguments[i] == values.null then arguments[i] = nil end end
  end
  return { (fn(unpack(arguments, 1, count))) }
end

-- ---- errors -----------------------------------------------------------------------------------

--- What a user's function raised, as an error that says whose it is.
local function wrap(kind, name, e)
  if type(e) == "table" and anomaly.is_category(e.category) then
    if e.code == nil then e.code = "lion/cancelled" end
    if e.message == nil then e.message = "cancelled by " .. (name or "a function") end
    return anomaly.wrap(e)
  end
  local whose = name and name .. " " or ""
  local message = ("the %s %sfailed: %s"):format(WHAT[kind] or "function", whose, tostring(e))
  return anomaly.new("fault", "lion/function-failed", message, { error = e })
end

--- Abort the transaction or query that runs the calling function.
-- @tparam table e category (default incorrect), message, and whatever else the caller of the
-- transaction is to know
function call.cancel(e)
  if type(e) ~= "table" then e = { message = tostring(e) } end
  local copy = {}
  for key, value in pairs(e) do copy[key] = value end
  if not anomaly.is_category(copy.category) then copy.category = "incorrect" end
  copy.code = copy.code or "lion/cancelled"
  copy.message = copy.message or "cancelled"
  error(anomaly.wrap(copy), 0)
end

--- Answer the call that a step waits for. The step is closed when the function fails.
function call.answer(step)
  local kind, rows, name, fn, db, arguments, count = core.call(step)
  local ok, result = pcall(function()
    fn = resolve(kind, name, fn)
    return run(kind, fn, rows, db, arguments, count)
  end)
  if ok then ok, result = pcall(core.answer, step, result) end
  if ok then return end
  core.step_close(step)
  error(wrap(kind, name, result), 0)
end

--- Drive a transaction, `with` or pull to its end.
function call.drive(step)
  while core.step(step) do call.answer(step) end
  return step
end

return call
