--- A program that counts its steps: each turn of a loop, each entry of a function and each jump back
-- calls a function, given to it from outside, that counts and may raise. The program is otherwise the
-- same, line for line.
--
-- The count is an upvalue's call, because that is cheap both compiled (0.3 to 0.8 ns: LuaJIT knows the
-- function and inlines it) and interpreted (13 ns). A counter in memory of the FFI costs nothing
-- compiled, but 70 ns interpreted, and what makes closures or matches patterns is interpreted; a field
-- of a table costs up to 7 ns compiled, for LuaJIT does not hold upvalues that are tables for constants.
-- `bench/lua/fuel_bench.lua` measures what a program pays.
--
-- A function that has 60 upvalues can have none more; there a method of strings counts, since a
-- literal takes neither an upvalue nor a local nor a global. So do the functions inside it.
-- @module ions.fuel.rewrite
local grammar = require "ions.fuel.grammar"
local meter = require "ions.fuel.meter"
local scope = require "ions.fuel.scope"

local rewrite = {}

-- LuaJIT's limit.
local UPVALUES_MAX = 60

--- The bytes of one source.
rewrite.SOURCE_MAX = 4 * 1024 * 1024

--- The name of the method of strings that counts.
rewrite.METHOD = "lion_step"

-- It stands as a block, so that it is no argument of the expression before it.
local BY_METHOD = (" do (''):%s() end "):format(rewrite.METHOD)

-- A name that the program does not use, so that it can neither reach nor hide it.
local function free_name(names)
  local name, number = "lion_step", 1
  while names[name] do
    number = number + 1
    name = "lion_step" .. number
  end
  return name
end

local function is_full(fn)
  if fn.is_full == nil then
    fn.is_full = fn.upvalue_count >= UPVALUES_MAX or fn.parent ~= nil and is_full(fn.parent)
  end
  return fn.is_full
end

local function insert_steps(source, from, steps, name)
  local by_upvalue = (" %s();"):format(name)
  local parts = {}
  for _, step in ipairs(steps) do
    parts[#parts + 1] = source:sub(from, step.at - 1)
    parts[#parts + 1] = is_full(step.fn) and BY_METHOD or by_upvalue
    from = step.at
  end
  parts[#parts + 1] = source:sub(from)
  return table.concat(parts)
end

-- Where the program begins: behind a byte order mark and a line of "#!".
local function find_start(source)
  local start = source:sub(1, 3) == "\239\187\191" and 4 or 1
  if source:byte(start) == 35 then start = source:find("[\r\n]", start) or #source + 1 end
  return start
end

--- A source that, called with the counting function, returns the program as a function.
-- @tparam string source
-- @tparam string chunkname as for load
-- @treturn string|nil the rewritten source
-- @treturn string|nil what is wrong with it, with file and line
-- @treturn table|nil what scope.resolve found, of use to checks
function rewrite.source(source, chunkname)
  if #source > rewrite.SOURCE_MAX then
    return nil, ("%s: %d bytes, more than the %d that a source may have"):format(
      (chunkname:gsub("^[@=]", "")), #source, rewrite.SOURCE_MAX)
  end
  local tree, message = grammar.parse(source, chunkname)
  if not tree then return nil, message end
  local outcome = scope.resolve(tree)
  local name = free_name(outcome.names)
  local body = insert_steps(source, find_start(source), outcome.steps, name)
  return ("local %s=... return function(...) %s(); %s\nend"):format(name, name, body), nil, outcome
end

getmetatable("").__index[rewrite.METHOD] = meter.step

--- Load a program as text, rewritten.
-- @tparam string source
-- @tparam[opt] string chunkname as for load; without one, the source is its name
-- @tparam[opt] table env the program's globals; default: the host's
-- @treturn function|nil
-- @treturn string|nil what is wrong with it, with file and line
function rewrite.load(source, chunkname, env)
  chunkname = chunkname or source
  local rewritten, message = rewrite.source(source, chunkname)
  if not rewritten then return nil, message end
  local outer
  outer, message = load(rewritten, chunkname, "t", env or _G)
  if not outer then return nil, message .. " (in the text with its steps counted)" end
  return outer(meter.step)
end

return rewrite
