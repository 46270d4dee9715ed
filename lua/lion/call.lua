--- User functions: their names, and the answers to what the core asks to be called. A step of the
-- core that wants a function
-- stops; here the function runs over the whole batch in a loop of its own, which LuaJIT compiles
-- together with it.
-- @module lion.call
local anomaly = require "lion.anomaly"
local column_code = require "lion.column_code"
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
-- @tparam table h hold() → x; release(x); is_held(). Where programs count their steps by calls: step, the
-- function they call, and pay_at_once(n), whether n steps were taken in one
function call.set_host(h) host = h end

--- Have the host pay for steps of a program that are not taken one by one.
-- @tparam number steps
-- @treturn boolean whether they were paid
function call.pay_at_once(steps) return host.pay_at_once(steps) end

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
  local how = hint:format(name)
  if kind == AGGREGATE then how = how:gsub("^lion%.fn", "lion.aggregate") end
  local message = ("there is no %s named %s: "):format(WHAT[kind], name) .. how
  if kind == TRANSACTION then
    anomaly.incorrect("db.error/not-a-data-function", (message:gsub("%%", "%%%%")))
  end
  error(anomaly.new("not-found", "lion/not-found", message), 0)
end

-- ---- pure functions ----------------------------------------------------------------------------

local pure_functions = setmetatable({}, { __mode = "k" })

--- Say of a function that its result depends on its arguments alone, and that it does nothing else: a query
-- then calls it once for equal arguments, where it is given one variable, or constants alone.
-- @tparam function fn
-- @treturn function the same
function call.pure(fn)
  if type(fn) ~= "function" then
    anomaly.incorrect("lion/syntax", "lion.pure takes a function, not a %s", type(fn))
  end
  pure_functions[fn] = true
  return fn
end

-- What pure functions answered, by step, function, columns' letters and constants: a tree of tables,
-- whose leaves are memos { results = by value, count =, rows = }.
local memos = setmetatable({}, { __mode = "k" })

local NOTHING = {} -- a result that is nil
local MEMO_MAX = 65536
local MEMO_ROWS_MIN = 1024 -- fewer do not tell how often values come again, as batches may be small

local function is_key(value)
  local kind = type(value)
  return kind == "number" and value == value or kind == "string" or kind == "boolean"
end

local function remember(memo, value, result)
  if not is_key(value) then return end
  if result == nil then result = NOTHING end
  memo.results[value], memo.count = result, memo.count + 1
end

local function child(tree, key)
  local found = tree[key]
  if not found then
    found = {}
    tree[key] = found
  end
  return found
end

-- The memo of a call, or nil where there is none, or none any more as it served too seldom. Constants
-- are among the columns.
local function memo_of(step, fn, rows, letters, columns)
  if not pure_functions[fn] or select(2, letters:gsub("[^c]", "")) > 1 then return nil end
  local tree = child(child(child(memos, step), fn), letters)
  for i = 1, #letters do
    if letters:sub(i, i) == "c" then
      if not is_key(columns[i]) or columns[i] == 0 then return nil end -- 0 may be -0
      tree = child(tree, columns[i])
    end
  end
  if not tree.results then tree.results, tree.count, tree.rows = {}, 0, 0 end
  local is_seldom = tree.rows >= MEMO_ROWS_MIN and tree.count > tree.rows / 2
  if tree.count > MEMO_MAX or is_seldom then return nil end
  tree.rows = tree.rows + rows
  return tree
end

-- ---- loops over rows ---------------------------------------------------------------------------
-- A loop is made for each function and each sequence of columns it is called with, from these
-- letters:
--   d number, as a double   l longs of which some are no doubles   b boolean
--   s string, uri or bytes   k keyword
--   c constant, one Lua value   a array of Lua values, made by the binding: all other types
-- The first five are read in place, and LuaJIT compiles the loop together with the function. Without
-- its compiler the FFI is slower than arrays: then all columns are arrays. Where a loop's paths part, as
-- at a comparison, the compiled code begins again at its head. What is arithmetic alone needs no loop here
-- (lion.column_code).

local C = ffi.C

-- Casts to a type, made once for an address: the same come up batch after batch, and the FFI is slow
-- outside of compiled loops.
local ADDRESSES_MAX = 1024

local function casts_to(type_name)
  local pointer, known, count = ffi.typeof(type_name), {}, 0
  return function(address)
    local found = known[address]
    if not found then
      if count >= ADDRESSES_MAX then known, count = {}, 0 end
      found = ffi.cast(pointer, address)
      known[address], count = found, count + 1
    end
    return found
  end
end

local as_call, as_flag = casts_to "lion_call *", casts_to "const bool *"
local as_bits, as_values = casts_to "const int64_t *", casts_to "const lion_value *"

local CAST = {
  l = as_bits, b = as_bits, d = casts_to "const double *", s = as_values, k = as_values,
}

-- Row i's value of column c$.
local READ = {
  l = "local v$ = tonumber(c$[i]) if v$ >= 0x1p53 or v$ <= -0x1p53 then v$ = exact(c$[i]) end",
  d = "local v$ = c$[i]",
  b = "local v$ = c$[i] ~= 0",
  c = "local v$ = c$",
  a = "local v$ = c$[i + 1]",
}

-- Texts come up again and again, and making a string is dear: what was made of the text at an address
-- is kept, and taken where the bytes there are still the same.
local TEXT = [[
    local data$, size$, v$ = c$[i].data, c$[i].size, nil
    if size$ > 64 then
      v$ = $JOIN text(data$, size$)
    else
      local at = band(tonumber(cast(address, data$)), 1023)
      local kept = $KEPT[at]
      if kept and #kept == size$ and memcmp(kept, data$, size$) == 0 then
        v$ = $MADE[at]
      else
        kept = text(data$, size$)
        v$ = $JOIN kept
        $KEPT[at], $MADE[at] = kept, v$
      end
    end]]
READ.s = TEXT:gsub("$(%u+)", { JOIN = "", KEPT = "texts", MADE = "texts" })
READ.k = TEXT:gsub("$(%u+)", { JOIN = "':' ..", KEPT = "names", MADE = "keywords" })

ffi.cdef "int memcmp(const char *, const void *, size_t);"
local texts, names, keywords = {}, {}, {}

-- What becomes of row i's result. The function may have closed the connection, and what the columns
-- point into with it: then nothing is touched any more, and the answer says so. Verdicts are 0 before.
-- Of 2^53 the compiler could make one more: where a sum becomes a long, it adds longs.
local WRITE = {
  verdict = [[
    if not open[0] then return end
    if result == true or result and result ~= null then out[i] = 1 end]],
  result = [[
    if not open[0] then return end
    local kind = type(result)
    if kind == "number" and result ~= 0x1p53 and result ~= -0x1p53 then
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
local DATOM = "db, setmetatable({ tonumber(datoms.e[i]), idents[datoms.a[i]], v1, "
  .. "tonumber(datoms.tx[i]), datoms.added[i] ~= 0 }, Datom)"

local LOOP = [[
local tonumber, type, setmetatable, exact, text, null, is_long, LONG, DOUBLE, BOOLEAN, Datom = ...
local cast, address, band, memcmp, texts, names, keywords, NOTHING, remember = select(12, ...)
return function(fn, rows, columns, out, open, memo, db, datoms, idents)
  %s
  local others
  for i = 0, rows - 1 do
    %s
    %s
%s
  end
  return others
end]]

-- Where all columns are arrays.
local ARRAY_LOOP = [[
local NOTHING, remember = ...
return function(fn, rows, columns, memo)
  %s
  local results = {}
  for i = 1, rows do
    %s
    %s
    results[i] = result
  end
  return results
end]]

local ASK = "local result = fn(%s)"

-- 0 and -0 are one key and may have two results: -0 is always asked for, where it can be.
local ASK_ONCE = [[
    local is_known_key = %s
    local result
    if is_known_key then result = memo.results[%s] end
    if result == nil then
      result = fn(%s)
      if is_known_key then remember(memo, %s, result) end
    elseif result == NOTHING then
      result = nil
    end]]

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

local function load(source)
  return setfenv(assert(loadstring(source, "=(rows)")), { select = select })
end

-- How the function is asked: each time, or for what the memo has not.
local function asking(letters, arguments, is_memo)
  if not is_memo then return ASK:format(arguments) end
  local at = letters:find "[^c]"
  local key = at and "v" .. at or "true"
  local may_be_double = at and letters:find("[da]", at) == at
  local condition = may_be_double and ("(%s ~= 0 or 1 / %s > 0)"):format(key, key) or "true"
  return ASK_ONCE:format(condition, key, arguments, key)
end

local function column_lines(letters)
  return table.concat(lines(letters, function() return "local c$ = columns[$]" end), "\n  ")
end

local function argument_list(letters)
  return table.concat(lines(letters, function() return "v$" end), ", ")
end

local function make_loop(letters, write, arguments, is_memo)
  local reads = lines(letters, function(letter) return READ[letter] end)
  local ask = asking(letters, arguments or argument_list(letters), is_memo)
  local source = LOOP:format(column_lines(letters), table.concat(reads, "\n    "), ask, WRITE[write])
  return load(source)(
    tonumber, type, setmetatable, exact, ffi.string, values.null, is_long,
    C.LION_TYPE_LONG, C.LION_TYPE_DOUBLE, C.LION_TYPE_BOOLEAN, core.datom_type(),
    ffi.cast, ffi.typeof "intptr_t", bit.band, C.memcmp, texts, names, keywords, NOTHING,
    remember)
end

local function make_array_loop(letters, is_memo)
  local reads = lines(letters, function(letter)
    return letter == "c" and "local v$ = c$" or "local v$ = c$[i]"
  end)
  local source = ARRAY_LOOP:format(
    column_lines(letters), table.concat(reads, "\n    "), asking(letters, argument_list(letters), is_memo))
  return load(source)(NOTHING, remember)
end

local loops = setmetatable({}, { __mode = "k" })

local function loop_of(fn, letters, write, arguments, is_memo)
  local known = child(child(loops, fn), (is_memo and "memo " or "") .. (write or "array"))
  local loop = known[letters]
  if not loop then
    loop = write and make_loop(letters, write, arguments, is_memo) or make_array_loop(letters, is_memo)
    known[letters] = loop
  end
  return loop
end

-- Names of attributes by id, looked up once a batch.
local function idents_of(db)
  return setmetatable({}, { __index = function(self, id)
    local name = core.ident(db, id) or id
    self[id] = name
    return name
  end })
end

-- The loop for these columns over the rows of a call, reading them where they lie.
local function run_loop(fn, write, rows, out, open, letters, columns, memo, db, datoms)
  local loop = loop_of(fn, letters, write, datoms and DATOM, memo ~= nil)
  if write == "verdict" then ffi.fill(out, rows) end
  return loop(fn, rows, columns, out, open, memo, db, datoms, datoms and idents_of(db))
end

-- Run a function over the rows of a call, row by row; returns what core.answer takes beside the step.
local function run_rows(step, is_compiled, kind, fn, rows, db, wanted, open, letters, ...)
  if not letters then -- a filter, without the compiler
    local datoms, out = core.call_datoms(step), {}
    for i = 1, rows do out[i] = fn(db, datoms[i]) and true or false end
    return out
  end
  local columns = { ... }
  for i = 1, #letters do
    local cast = CAST[letters:sub(i, i)]
    if cast then columns[i] = cast(columns[i]) end
  end
  wanted, open = as_call(wanted), as_flag(open)
  if kind == FILTER then
    run_loop(fn, "verdict", rows, wanted.verdict, open, letters, columns, nil, db, wanted.datoms)
    return nil, true
  end
  local memo = memo_of(step, fn, rows, letters, columns)
  if not is_compiled then
    return loop_of(fn, letters, nil, nil, memo ~= nil)(fn, rows, columns, memo)
  end
  if kind == PREDICATE then
    run_loop(fn, "verdict", rows, wanted.verdict, open, letters, columns, memo)
    return nil, true
  end
  return run_loop(fn, "result", rows, wanted.results, open, letters, columns, memo), true
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

local function answer_call(step, kind, rows, name, fn, db, arguments, count)
  fn = resolve(kind, name, fn)
  if arguments then return run(kind, fn, db, arguments, count) end
  if kind ~= FILTER and column_code.answer(step, fn, kind == PREDICATE, count, host) then return nil, true end
  local is_compiled = jit.status()
  return run_rows(step, is_compiled, kind, fn, rows, db, core.call_columns(step, is_compiled))
end

-- What ends a call: results handed over, or the step closed and the error raised.
local function finish(step, held, kind, name, ok, result, is_sparse)
  host.release(held)
  local is_verdict = ok and (kind == ATTRIBUTE or kind == ENTITY)
  local answered = is_verdict and result[1]
  if ok then ok, result = pcall(core.answer, step, result, is_sparse) end
  if ok then return is_verdict and answered ~= true, answered end
  core.step_close(step)
  error(wrap(kind, name, result), 0)
end

local function answer_wanted(step, kind, rows, name, ...)
  local held = host.hold()
  return finish(step, held, kind, name, pcall(answer_call, step, kind, rows, name, ...))
end

--- Answer the call that a step waits for. The step is closed when the function fails.
-- @treturn boolean did a predicate of a transaction answer other than true?
-- @return what it answered
function call.answer(step) return answer_wanted(step, core.call(step)) end

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
