--- User functions: their names, and the answers to what the core asks to be called. A step of the
-- core that wants a function
-- stops; here the function runs over the whole batch in a loop of its own, which LuaJIT compiles
-- together with it.
-- @module lion.call
local anomaly = require "lion.anomaly"
local ffi = require "lion.cdata"
local core = require "lion.core"
local edn = require "lion.edn"
local values = require "lion.values"

local call = {}

-- Kinds of calls, as lion_call_kind numbers them.
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

-- ---- the host's part ---------------------------------------------------------------------------

local function nothing() end

-- What is told when a function of the program begins and ends to run for the core; see call.set_host.
local host = { hold = nothing, release = nothing, is_held = nothing }

--- Have a host told when the core waits for a function: others must not run meanwhile in this state, and the
-- function may not write or wait.
-- @tparam table h hold() → x; release(x); is_held()
function call.set_host(h) host = h end

--- Raise forbidden, lion/not-allowed, where a function runs for the core, if there is a host that says so.
-- @tparam string what is not allowed there
function call.refuse_within(what)
  if not host.is_held() then return end
  local message = "%s: not in a function that a query or a transaction calls; it has its arguments alone"
  error(anomaly.new("forbidden", "lion/not-allowed", message:format(what)), 0)
end

-- ---- names ------------------------------------------------------------------------------------

local registry = {}

-- How a name is made known here.
local hint = "lion.fn(%q, f) makes one known"

--- Say how a name is made known where programs do not do it.
-- @tparam string text
function call.set_hint(text) hint = text:gsub("%%", "%%%%") end

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

--- The function of a name; nil if it is not known.
-- @tparam string name
function call.named(name) return registry[name] or registry[name:gsub("^:", "")] end

-- What stands in a string, as EDN; each of a list of them.
local function read_string(x)
  if x == nil then return nil end
  if type(x) ~= "table" then return edn.read(x) end
  local list = {}
  for i = 1, #x do list[i] = edn.read(x[i]) end
  return list
end

-- The functions of :xform that the core leaves to its host.
local XFORMS = { ["edn/read-string"] = read_string, ["clojure.edn/read-string"] = read_string }

local function resolve(kind, name, fn)
  if name == nil then
    if fn then return fn end
    error(anomaly.new("fault", "lion/function-failed", "the function of this value is gone"), 0)
  end
  fn = call.named(name) or kind == XFORM and XFORMS[name]
  if fn then return fn end
  local message = ("there is no %s named %s: "):format(WHAT[kind], name) .. hint:format(name)
  if kind == TRANSACTION then
    anomaly.incorrect("db.error/not-a-data-function", (message:gsub("%%", "%%%%")))
  end
  error(anomaly.new("not-found", "lion/not-found", message), 0)
end

-- ---- loops over rows ---------------------------------------------------------------------------
-- A loop is made for each function and each sequence of columns it is called with, from these
-- letters:
--   l long   d double   b boolean   n instant or ref   s string, uri or bytes   k keyword
--   c constant, one Lua value   a array of Lua values, made by the binding: all other types
-- The first six are read in place, and LuaJIT compiles the loop together with the function. Without
-- its compiler the FFI is slower than arrays: then all columns are arrays.

local call_pointer, flag_pointer = ffi.typeof "lion_call *", ffi.typeof "const bool *"
local double_pointer = ffi.typeof "const double *"
local C = ffi.C

local LETTERS = {
  [C.LION_TYPE_BOOLEAN] = "b",
  [C.LION_TYPE_LONG] = "l",
  [C.LION_TYPE_DOUBLE] = "d",
  [C.LION_TYPE_INSTANT] = "n",
  [C.LION_TYPE_REF] = "n",
  [C.LION_TYPE_STRING] = "s",
  [C.LION_TYPE_URI] = "s",
  [C.LION_TYPE_BYTES] = "s",
  [C.LION_TYPE_KEYWORD] = "k",
}

-- Row i's value of column c$.
local READ = {
  l = "local v$ = tonumber(c$[i]) if v$ >= 0x1p53 or v$ <= -0x1p53 then v$ = exact(c$[i]) end",
  d = "local v$ = c$[i]",
  b = "local v$ = c$[i] ~= 0",
  n = "local v$ = tonumber(c$[i])",
  s = "local v$ = text(c$[i].data, c$[i].size)",
  k = "local v$ = ':' .. text(c$[i].data, c$[i].size)",
  c = "local v$ = c$",
  a = "local v$ = c$[i + 1]",
}

-- What becomes of row i's result. The function may have closed the connection, and what the columns
-- point into with it: then nothing is touched any more, and the answer says so.
local WRITE = {
  verdict = [[
    if not open[0] then return end
    out[i] = result and result ~= null and 1 or 0]],
  result = [[
    if not open[0] then return end
    local kind = type(result)
    if kind == "number" then
      local value = out[i].value
      if is_long(result) then
        value.type, value.bits = LONG, result
      else
        value.type, value.number = DOUBLE, result
      end
    elseif kind == "boolean" then
      local value = out[i].value
      value.type, value.bits = BOOLEAN, result and 1 or 0
    elseif result ~= nil then
      others = others or {}
      others[i + 1] = result
    end]],
}

-- A datom as filters are given it.
local DATOM = "db, setmetatable({ tonumber(datoms.e[i]), names[datoms.a[i]], v1, "
  .. "tonumber(datoms.tx[i]), datoms.added[i] ~= 0 }, Datom)"

local LOOP = [[
local tonumber, type, setmetatable, exact, text, null, is_long, LONG, DOUBLE, BOOLEAN, Datom = ...
return function(fn, rows, columns, out, open, db, datoms, names)
  %s
  local others
  for i = 0, rows - 1 do
    %s
    local result = fn(%s)
%s
  end
  return others
end]]

-- Where all columns are arrays.
local ARRAY_LOOP = [[
local fn, rows, columns = ...
%s
local results = {}
for i = 1, rows do results[i] = fn(%s) end
return results]]

local EXACT_MAX = 2 ^ 53

-- A long that is no double stays an int64_t.
local function exact(x)
  if x >= -9007199254740992LL and x <= 9007199254740992LL then return tonumber(x) end
  return x
end

-- Numbers as the binding reads them: whole ones are longs, but for -0.
local function is_long(x)
  return x >= -EXACT_MAX and x <= EXACT_MAX and x == math.floor(x) and (x ~= 0 or 1 / x > 0)
end

-- A line for each column, of a template whose $ is its number.
local function lines(letters, template_of)
  local out = {}
  for i = 1, #letters do out[i] = template_of(letters:sub(i, i)):gsub("%$", i) end
  return out
end

local function load(source) return setfenv(assert(loadstring(source, "=(rows)")), {}) end

local function make_loop(letters, write, arguments)
  local columns = lines(letters, function() return "local c$ = columns[$]" end)
  local reads = lines(letters, function(letter) return READ[letter] end)
  arguments = arguments or table.concat(lines(letters, function() return "v$" end), ", ")
  local source = LOOP:format(
    table.concat(columns, "\n  "), table.concat(reads, "\n    "), arguments, WRITE[write])
  return load(source)(
    tonumber, type, setmetatable, exact, ffi.string, values.null, is_long,
    C.LION_TYPE_LONG, C.LION_TYPE_DOUBLE, C.LION_TYPE_BOOLEAN, core.datom_type())
end

local function make_array_loop(letters)
  local columns = lines(letters, function() return "local c$ = columns[$]" end)
  local cells = lines(letters, function(letter) return letter == "c" and "c$" or "c$[i]" end)
  return load(ARRAY_LOOP:format(table.concat(columns, "\n"), table.concat(cells, ", ")))
end

local loops = setmetatable({}, { __mode = "k" })

local function loop_of(fn, letters, write, arguments)
  local known = loops[fn]
  if not known then
    known = {}
    loops[fn] = known
  end
  local key = (write or "array") .. letters
  local loop = known[key]
  if not loop then
    loop = write and make_loop(letters, write, arguments) or make_array_loop(letters)
    known[key] = loop
  end
  return loop
end

-- The letter of a column, and what the loop reads.
local function column_of(step, vector, number, is_compiled)
  if vector.is_constant then return "c", core.call_column(step, number) end
  local letter = is_compiled and LETTERS[vector.type] or "a"
  if letter == "a" then return letter, core.call_column(step, number) end
  if letter == "s" or letter == "k" then return letter, vector.values end
  if letter == "d" then return letter, ffi.cast(double_pointer, vector.bits) end
  return letter, vector.bits
end

-- Names of attributes by id, looked up once a batch.
local function names_of(db)
  return setmetatable({}, { __index = function(self, id)
    local name = core.ident(db, id) or id
    self[id] = name
    return name
  end })
end

-- Run a function over the rows of a call; returns what core.answer takes beside the step.
local function run_rows(step, kind, fn, rows, db, count, wanted, open)
  local is_compiled = jit.status()
  wanted, open = ffi.cast(call_pointer, wanted), ffi.cast(flag_pointer, open)
  if kind == FILTER and not is_compiled then
    local datoms, out = core.call_datoms(step), {}
    for i = 1, rows do out[i] = fn(db, datoms[i]) and true or false end
    return out
  end
  local letters, columns = {}, {}
  if kind == FILTER then
    letters[1], columns[1] = column_of(step, wanted.datoms.v, 1, true)
    local loop = loop_of(fn, letters[1], "verdict", DATOM)
    loop(fn, rows, columns, wanted.verdict, open, db, wanted.datoms, names_of(db))
    return nil, true
  end
  for i = 1, count do
    letters[i], columns[i] = column_of(step, wanted.arguments[i - 1], i, is_compiled)
  end
  letters = table.concat(letters)
  if not is_compiled then return loop_of(fn, letters)(fn, rows, columns) end
  if kind == PREDICATE then
    loop_of(fn, letters, "verdict")(fn, rows, columns, wanted.verdict, open)
    return nil, true
  end
  return loop_of(fn, letters, "result")(fn, rows, columns, wanted.results, open), true
end

local function tx_data(result)
  if type(result) == "string" then return edn.read_tx(result) end
  if result == nil then return {} end
  return result
end

-- What an attribute's or a spec's predicate answered, for the core and its message: only true is true.
local function verdict(answered)
  local kind = type(answered)
  if kind == "boolean" or kind == "number" or kind == "string" then return answered end
  return answered == nil and values.null or tostring(answered)
end

local function run(kind, fn, db, arguments, count)
  if kind == TRANSACTION then return { tx_data(fn(db, unpack(arguments, 1, count))) } end
  if kind == ENTITY then return { verdict((fn(db, unpack(arguments, 1, count)))) } end
  if kind == ATTRIBUTE then return { verdict((fn(unpack(arguments, 1, count)))) } end
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

--- As `answer` raises what a function raised, by its kind and name.
call.failure = wrap

--- Run a function of a transaction that is another process's, as `answer` runs it.
-- @tparam number kind of a transaction function, an attribute predicate or an entity predicate
-- @tparam string name
-- @tparam function fn
-- @param db the value it is given, nil for attribute predicates
-- @tparam table arguments
-- @tparam number count of them
-- @return what the core is to be given; raises as `answer` does, a Lua error with its trace
function call.apply(kind, name, fn, db, arguments, count)
  local held, trace = host.hold(), nil
  local ok, result = xpcall(run, function(e)
    if type(e) ~= "table" then trace = debug.traceback(tostring(e), 2) end
    return e
  end, kind, fn, db, arguments, count)
  host.release(held)
  if ok then return result[1] end
  local e = wrap(kind, name, result)
  if trace and e.data then e.data.trace = trace end
  error(e, 0)
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
  copy.message = copy.message ~= nil and tostring(copy.message) or "cancelled"
  error(anomaly.wrap(copy), 0)
end

--- Answer the call that a step waits for. The step is closed when the function fails.
-- @treturn boolean did a predicate of a transaction answer other than true?
-- @return what it answered
function call.answer(step)
  local kind, rows, name, fn, db, arguments, count, wanted, open = core.call(step)
  local held = host.hold()
  local ok, result, is_sparse = pcall(function()
    fn = resolve(kind, name, fn)
    if arguments then return run(kind, fn, db, arguments, count) end
    return run_rows(step, kind, fn, rows, db, count, wanted, open)
  end)
  host.release(held)
  local is_verdict = ok and (kind == ATTRIBUTE or kind == ENTITY)
  local answered = is_verdict and result[1]
  if ok then ok, result = pcall(core.answer, step, result, is_sparse) end
  if ok then return is_verdict and answered ~= true, answered end
  core.step_close(step)
  error(wrap(kind, name, result), 0)
end

-- The step after a refusal raises: what was answered goes along.
local function refuse(step, answered)
  local _, e = pcall(core.step, step)
  e.data = { ["db.error/pred-return"] = answered }
  error(e, 0)
end

--- Drive a transaction, `with` or pull to its end.
function call.drive(step)
  while core.step(step) do
    local is_refused, answered = call.answer(step)
    if is_refused then refuse(step, answered) end
  end
  return step
end

return call
