--- What a program sees of Lua: its globals, without what reaches outside (ffi, debug, io, package,
-- bytecode), with library functions that are bounded, and frozen once it has been loaded.
--
-- The table that a program has as its globals is always empty: it reads from another one and refuses
-- or passes on what is written, so that freezing is a flag. The libraries are the same.
-- @module ions.fuel.environment
local anomaly = require "lion.anomaly"
local meter = require "ions.fuel.meter"
local rewrite = require "ions.fuel.rewrite"
local text = require "ions.fuel.text"

meter.disown()

local environment = {}

local PLAIN = { "assert", "error", "getmetatable", "ipairs", "next", "print", "rawequal", "select",
  "setmetatable", "tonumber", "tostring", "type", "unpack", "_VERSION" }

-- A table's elements that a library function moves for the price of a step.
local MOVED_PER_STEP = 16

-- ---- shields -------------------------------------------------------------------------------------

local contents = setmetatable({}, { __mode = "k" }) -- shield → the table behind it
local owners = setmetatable({}, { __mode = "k" }) -- shield → the globals it belongs to
local frozen = setmetatable({}, { __mode = "k" }) -- the globals that are frozen

local function fail(code, message, ...)
  error(anomaly.new("incorrect", code, meter.place() .. message:format(...)), 0)
end

local function write(shield, key, value)
  if frozen[owners[shield]] then
    fail("lion/frozen", "%s %s is written after the program was loaded; make it a local of its module",
      owners[shield] == shield and "the global" or "a library's", tostring(key))
  end
  contents[shield][key] = value
end

local function make_shield(content, owner)
  local shield = setmetatable({}, { __index = content, __newindex = write, __metatable = "protected" })
  contents[shield], owners[shield] = content, owner or shield
  return shield
end

-- ---- protected calls -----------------------------------------------------------------------------

-- A program that was stopped does not go on behind its pcall.
local function unless_stopped(...)
  meter.check()
  return ...
end

local function bounded_pcall(...) return unless_stopped(pcall(...)) end
local function bounded_xpcall(...) return unless_stopped(xpcall(...)) end

-- ---- coroutines ----------------------------------------------------------------------------------

-- A coroutine that resumes one that resumes one, and so on: each takes of the thread's C stack, which LuaJIT
-- does not look at.
local NESTING_MAX = 190

local nesting = 0

local function left(...)
  nesting = nesting - 1
  return ...
end

local function resume(co, ...)
  if type(co) ~= "thread" then return coroutine.resume(co) end -- raises
  if nesting >= NESTING_MAX then return false, "too many coroutines resume one another (C stack overflow)" end
  nesting = nesting + 1
  return left(coroutine.resume(co, ...))
end

-- The end of a slice goes outward to the scheduler, through all who have resumed. So does a wait, and what
-- was waited for goes back the same way.
local function pass(co, ok, first, ...)
  if ok and first == meter.AWAIT then
    if not meter.can_yield() then return pass(co, resume(co, meter.UNABLE)) end
    return pass(co, resume(co, coroutine.yield(first, ...)))
  end
  if ok and first == meter.SLICE then
    if meter.can_yield() then coroutine.yield(meter.SLICE) else meter.go_on() end
    return pass(co, resume(co))
  end
  meter.check()
  return ok, first, ...
end

local function bounded_resume(co, ...) return pass(co, resume(co, ...)) end

local function results(ok, first, ...)
  if ok then return first, ... end
  error(first, 0)
end

local function bounded_wrap(fn)
  local co = coroutine.create(fn)
  return function(...) return results(pass(co, resume(co, ...))) end
end

-- ---- tables --------------------------------------------------------------------------------------

local function bounded_insert(list, ...)
  if select("#", ...) > 1 and type(list) == "table" then meter.pay(#list / MOVED_PER_STEP) end
  return table.insert(list, ...)
end

local function bounded_remove(list, at)
  if at == nil then return table.remove(list) end
  if type(list) == "table" then meter.pay(#list / MOVED_PER_STEP) end
  return table.remove(list, at)
end

local function bounded_move(from, first, last, at, to)
  local count = (tonumber(last) or 0) - (tonumber(first) or 0)
  if count > 0 then meter.pay(count / MOVED_PER_STEP) end
  return table.move(from, first, last, at, to)
end

local function maxn(list)
  local most = 0
  for key in pairs(list) do
    if type(key) == "number" and key > most then most = key end
    meter.pay(1 / MOVED_PER_STEP)
  end
  return most
end

-- Heaps, so that no order of the elements makes it slow. Comparisons may yield.
local function sink(list, root, size, is_less)
  local value = list[root]
  while 2 * root <= size do
    local child = 2 * root
    if child < size and is_less(list[child], list[child + 1]) then child = child + 1 end
    if not is_less(value, list[child]) then break end
    list[root], root = list[child], child
  end
  list[root] = value
end

local function is_less_plainly(a, b) return a < b end

local function sort(list, is_less)
  if type(list) ~= "table" then return table.sort(list, is_less) end
  if is_less ~= nil and type(is_less) ~= "function" then return table.sort(list, is_less) end
  is_less = is_less or is_less_plainly
  local size = #list
  for root = math.floor(size / 2), 1, -1 do
    sink(list, root, size, is_less)
    meter.pay(1)
  end
  for last = size, 2, -1 do
    list[1], list[last] = list[last], list[1]
    sink(list, 1, last - 1, is_less)
    meter.pay(1)
  end
end

-- ---- reading through shields ---------------------------------------------------------------------

local function shielded_pairs(list)
  local content = contents[list]
  if not content then return pairs(list) end
  return function(_, key) return next(content, key) end, nil, nil
end

local function shielded_rawget(list, key) return rawget(contents[list] or list, key) end

local function shielded_rawset(list, key, value)
  if not contents[list] then return rawset(list, key, value) end
  write(list, key, value)
  return list
end

-- ---- the globals ---------------------------------------------------------------------------------

local function copy(source, names)
  local result = {}
  if names then
    for _, name in ipairs(names) do result[name] = source[name] end
  else
    for name, value in pairs(source) do result[name] = value end
  end
  return result
end

-- The text of a chunk that comes in pieces.
local function read_pieces(reader)
  local pieces, size = {}, 0
  while size <= rewrite.SOURCE_MAX do
    local piece = reader()
    if type(piece) ~= "string" or piece == "" then break end
    pieces[#pieces + 1] = piece
    size = size + #piece
    meter.pay(1)
  end
  return table.concat(pieces)
end

local function make_load(globals)
  return function(chunk, chunkname, mode, env)
    if type(chunk) == "function" then
      chunk, chunkname = read_pieces(chunk), chunkname or "=(load)"
    elseif type(chunk) ~= "string" then
      return nil, "load takes text, or a function that gives it piece by piece"
    end
    if mode ~= nil and not tostring(mode):find("t", 1, true) then
      return nil, "programs are loaded as text only"
    end
    meter.pay(#chunk)
    return rewrite.load(chunk, chunkname, env or globals)
  end
end

local function make_libraries()
  local math = copy(math)
  math.randomseed = function() end -- where numbers come from is the host's affair
  return {
    string = copy(text, text.NAMES),
    table = { concat = text.concat, insert = bounded_insert, remove = bounded_remove, sort = sort,
      move = bounded_move, maxn = maxn },
    math = math,
    bit = copy(require "bit"),
    coroutine = { create = coroutine.create, isyieldable = coroutine.isyieldable, resume = bounded_resume,
      running = coroutine.running, status = coroutine.status, wrap = bounded_wrap, yield = coroutine.yield },
  }
end

--- New globals for a program.
-- @tparam[opt] table extra what the host adds or puts in place: values, and for a library
-- ({ math = { random = fn } }) its functions
-- @treturn table to be given to load; the methods of strings are bounded in the whole state from now on
function environment.new(extra)
  text.install()
  local content = copy(_G, PLAIN)
  local globals = make_shield(content)
  content._G = globals
  content.pcall, content.xpcall = bounded_pcall, bounded_xpcall
  content.pairs, content.rawget, content.rawset = shielded_pairs, shielded_rawget, shielded_rawset
  content.load = make_load(globals)
  content.loadstring = function(chunk, chunkname) return content.load(chunk, chunkname) end
  local libraries = make_libraries()
  for name, value in pairs(extra or {}) do
    if libraries[name] then
      for key, fn in pairs(value) do libraries[name][key] = fn end
    else
      content[name] = value
    end
  end
  for name, library in pairs(libraries) do content[name] = make_shield(library, globals) end
  return globals
end

--- Refuse further writes to globals and to the libraries.
-- @tparam table globals of environment.new
function environment.freeze(globals) frozen[globals] = true end

--- What the globals hold: name → true, or for a library a table of its names.
-- @tparam table globals of environment.new
-- @treturn table
function environment.names(globals)
  local names = {}
  for name, value in pairs(contents[globals]) do
    local library = type(value) == "table" and value ~= globals and (contents[value] or value)
    names[name] = true
    if library then
      names[name] = {}
      for key in pairs(library) do names[name][key] = true end
    end
  end
  return names
end

return environment
