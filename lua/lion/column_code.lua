--- Functions that are nothing but arithmetic and comparisons of numbers, as code that runs over whole
-- columns (bind/column_code.c): a compiled loop has a branch for each comparison, and where nobody can
-- foretell what comes of it, the processor starts again at every other row.
--
-- The function's bytecode is walked along all of its paths, with registers of columns in place of its
-- locals. Each path ends in a return and has a mask, of the rows that take it: what comparisons said on
-- the way. Arithmetic is done for all rows, as it can neither fail nor be seen. What is not known here (a
-- call, a table, a text, a loop) ends the walk: then the function runs as it is, row by row. So it does
-- where an upvalue is no number; upvalues are read anew each time, and nothing can change them while a
-- batch is computed.
--
-- What a bytecode does is not looked up but learnt, from functions whose meaning is known: LuaJIT numbers
-- them otherwise from version to version.
-- @module lion.column_code
local bit = require "bit"
local core = require "lion.core"
local util = require "jit.util"

local band, rshift = bit.band, bit.rshift
local funcbc, funcinfo, funck = util.funcbc, util.funcinfo, util.funck

local column_code = {}

-- As bind/column_code.c has them.
local ADD, SUBTRACT, MULTIPLY, DIVIDE, MODULO, NEGATE, TAKE = 1, 2, 3, 4, 5, 6, 7
local LESS, AT_MOST, EQUAL, AND, AND_NOT, NOT, OR = 8, 9, 10, 11, 12, 13, 14
local REGISTERS_MAX = 32 -- of numbers, and of masks
local STEPS_MAX = 200 -- of the walk, along all paths

-- ---- what bytecodes do -------------------------------------------------------------------------

-- Where in a function of known meaning the bytecode stands.
local EXAMPLES = {
  less = { 1, function(a, b) return a < b end },
  not_less = { 1, function(a, b) if a < b then return 1 end end },
  at_most = { 1, function(a, b) return a <= b end },
  not_at_most = { 1, function(a, b) if a <= b then return 1 end end },
  equal = { 1, function(a, b) return a == b end },
  unequal = { 1, function(a, b) return a ~= b end },
  equal_number = { 1, function(a) return a == 1 end },
  unequal_number = { 1, function(a) return a ~= 1 end },
  equal_primitive = { 1, function(a) return a == nil end },
  unequal_primitive = { 1, function(a) return a ~= nil end },
  if_true = { 1, function(a) return not a and 1 end },
  if_false = { 1, function(a) if a then return 1 end end },
  take_if_true = { 1, function(a, b) local c = a or b return c end },
  take_if_false = { 1, function(a, b) local c = a and b return c end },
  jump = { 2, function(a, b) return a < b end },
  move = { 1, function(a) local b = a return b end },
  negation = { 1, function(a) return not a end },
  minus = { 1, function(a) return -a end },
  add_constant = { 1, function(a) return a + 1 end },
  subtract_constant = { 1, function(a) return a - 1 end },
  multiply_constant = { 1, function(a) return a * 2 end },
  divide_constant = { 1, function(a) return a / 2 end },
  modulo_constant = { 1, function(a) return a % 2 end },
  constant_add = { 1, function(a) return 1 + a end },
  constant_subtract = { 1, function(a) return 1 - a end },
  constant_multiply = { 1, function(a) return 2 * a end },
  constant_divide = { 1, function(a) return 2 / a end },
  constant_modulo = { 1, function(a) return 2 % a end },
  add = { 1, function(a, b) return a + b end },
  subtract = { 1, function(a, b) return a - b end },
  multiply = { 1, function(a, b) return a * b end },
  divide = { 1, function(a, b) return a / b end },
  modulo = { 1, function(a, b) return a % b end },
  short = { 1, function() return 5 end },
  number = { 1, function() return 0.5 end },
  primitive = { 1, function() return true end },
  upvalue = { 1, function() return core end },
  call = { 2, function() core() end },
  give = { 2, function() return 5 end },
  give_nothing = { 1, function() end },
}

-- By the number of the bytecode; nil where two examples had the same one.
local meanings = {}
for meaning, example in pairs(EXAMPLES) do
  local number = band(funcbc(example[2], example[1]), 0xff)
  if meanings[number] then
    meanings = nil
    break
  end
  meanings[number] = meaning
end

-- ---- code --------------------------------------------------------------------------------------

-- What ends the walk: there is no such code.
local NONE = {}
local function give_up() error(NONE, 0) end

-- A value is the number of a register of numbers, or one of these.
local NIL, FALSE, TRUE = { "nil" }, { "false" }, { "true" }
local PRIMITIVES = { [0] = NIL, FALSE, TRUE }

local Writer = {}
Writer.__index = Writer

local function register(self, kind)
  local number = self[kind]
  if number == REGISTERS_MAX then give_up() end
  self[kind] = number + 1
  return number
end

-- The same computation is done once.
function Writer:emit(operation, a, b)
  local key = operation .. " " .. a .. " " .. (b or 0)
  if not self.known[key] then
    local out = register(self, operation < LESS and "numbers" or "masks")
    self.known[key] = out
    self.code[#self.code + 1] = string.char(operation, out, a, b or 0)
  end
  return self.known[key]
end

-- What is given to the code beside the arguments: constants, and upvalues by their place.
function Writer:operand(kind, value)
  local key = kind .. " " .. ("%.17g"):format(value)
  if not self.known[key] then
    self.known[key] = self.argument_count + #self.operands
    self.operands[#self.operands + 1] = { kind = kind, value = value }
    if self.known[key] >= REGISTERS_MAX / 2 then give_up() end
  end
  return self.known[key]
end

-- Operands come before all that is computed, and their number is known at the end: until then
-- computed registers count from REGISTERS_MAX / 2.
local function writer(argument_count)
  if argument_count > REGISTERS_MAX / 2 then give_up() end
  return setmetatable({
    argument_count = argument_count, numbers = REGISTERS_MAX / 2, masks = 0,
    known = {}, code = {}, operands = {}, ends = {}, steps = 0,
  }, Writer)
end

-- Of the rows of `reach` (nil: all) those that the mask has, or has not.
function Writer:narrow(reach, mask, is_in)
  if is_in then return reach and self:emit(AND, reach, mask) or mask end
  return reach and self:emit(AND_NOT, reach, mask) or self:emit(NOT, mask)
end

-- ---- the walk ----------------------------------------------------------------------------------

local function is_number(value) return type(value) == "number" end

local function numbers(a, b)
  if not is_number(a) or not is_number(b) then give_up() end
  return a, b
end

local function fields(instruction)
  return band(rshift(instruction, 8), 0xff), rshift(instruction, 24), band(rshift(instruction, 16), 0xff),
    rshift(instruction, 16)
end

local function constant(self, index)
  local value = funck(self.fn, index)
  if type(value) ~= "number" then give_up() end
  return self:operand("constant", value)
end

-- operation, whether it is the contrary, what the operand in D is
local COMPARISONS = {
  less = { LESS, false, "register" }, not_less = { LESS, true, "register" },
  at_most = { AT_MOST, false, "register" }, not_at_most = { AT_MOST, true, "register" },
  equal = { EQUAL, false, "register" }, unequal = { EQUAL, true, "register" },
  equal_number = { EQUAL, false, "constant" }, unequal_number = { EQUAL, true, "constant" },
  equal_primitive = { EQUAL, false, "primitive" }, unequal_primitive = { EQUAL, true, "primitive" },
}

-- A mask, or the boolean that it is for all rows.
local function compare(self, operation, x, y)
  if is_number(x) and is_number(y) then return self:emit(operation, x, y) end
  if operation ~= EQUAL then give_up() end
  return x == y
end

-- operation, and whether the constant, if there is one, stands first
local ARITHMETIC = {
  add_constant = { ADD, "last" }, constant_add = { ADD, "first" },
  subtract_constant = { SUBTRACT, "last" }, constant_subtract = { SUBTRACT, "first" },
  multiply_constant = { MULTIPLY, "last" }, constant_multiply = { MULTIPLY, "first" },
  divide_constant = { DIVIDE, "last" }, constant_divide = { DIVIDE, "first" },
  modulo_constant = { MODULO, "last" }, constant_modulo = { MODULO, "first" },
  add = { ADD }, subtract = { SUBTRACT }, multiply = { MULTIPLY }, divide = { DIVIDE }, modulo = { MODULO },
}

local function compute(self, locals, entry, b, c)
  local operation, place = entry[1], entry[2]
  if not place then return self:emit(operation, numbers(locals[b], locals[c])) end
  local variable, fixed = locals[b], constant(self, c)
  if place == "first" then return self:emit(operation, numbers(fixed, variable)) end
  return self:emit(operation, numbers(variable, fixed))
end

local SET = {
  move = function(_, locals, _, _, d) return locals[d] end,
  minus = function(self, locals, _, _, d) return self:emit(NEGATE, (numbers(locals[d], 0))) end,
  negation = function(_, locals, _, _, d)
    local value = locals[d]
    return (value == NIL or value == FALSE) and TRUE or FALSE
  end,
  short = function(self, _, _, _, d) return self:operand("constant", d < 0x8000 and d or d - 0x10000) end,
  number = function(self, _, _, _, d) return constant(self, d) end,
  primitive = function(_, _, _, _, d) return PRIMITIVES[d] end,
  upvalue = function(self, _, _, _, d) return self:operand("upvalue", d + 1) end,
}
for meaning, entry in pairs(ARITHMETIC) do
  SET[meaning] = function(self, locals, b, c) return compute(self, locals, entry, b, c) end
end

-- Whether a test of D's truth jumps, and takes D along.
local TESTS = {
  if_true = { true }, if_false = { false }, take_if_true = { true, true }, take_if_false = { false, true },
}

local function copy(locals)
  local out = {}
  for number, value in pairs(locals) do out[number] = value end
  return out
end

local walk

-- Both ways where rows differ, else the one that all take. Returns where this path goes on, and its rows.
local function part(self, pc, locals, reach, condition, is_contrary)
  local instruction = funcbc(self.fn, pc + 1)
  if not instruction or meanings[band(instruction, 0xff)] ~= "jump" then give_up() end
  local target = pc + 2 + rshift(instruction, 16) - 0x8000
  if target <= pc then give_up() end
  if type(condition) == "boolean" then
    return condition ~= is_contrary and target or pc + 2, reach
  end
  walk(self, target, copy(locals), self:narrow(reach, condition, not is_contrary))
  return pc + 2, self:narrow(reach, condition, is_contrary)
end

local function test(self, pc, locals, reach, entry, a, d)
  local value = locals[d]
  if value == nil then give_up() end
  local is_jump = (value ~= NIL and value ~= FALSE) == entry[1]
  if is_jump and entry[2] then locals[a] = value end
  return part(self, pc, locals, reach, is_jump, false)
end

-- One step: where to go on and with which rows, or nothing.
local function step(self, pc, locals, reach)
  local instruction = funcbc(self.fn, pc)
  if not instruction then give_up() end
  local meaning, a, b, c, d = meanings[band(instruction, 0xff)], fields(instruction)
  local comparison = COMPARISONS[meaning]
  if comparison then
    local operation, is_contrary, kind = unpack(comparison)
    local other = kind == "register" and locals[d] or kind == "primitive" and PRIMITIVES[d]
      or kind == "constant" and constant(self, d)
    if locals[a] == nil or not other then give_up() end
    return part(self, pc, locals, reach, compare(self, operation, locals[a], other), is_contrary)
  elseif TESTS[meaning] then
    return test(self, pc, locals, reach, TESTS[meaning], a, d)
  elseif SET[meaning] then
    locals[a] = meaning == "move" and locals[d] or SET[meaning](self, locals, b, c, d)
    if locals[a] == nil then give_up() end
    return pc + 1, reach
  elseif meaning == "jump" then
    local target = pc + 1 + rshift(instruction, 16) - 0x8000
    if target <= pc then give_up() end
    return target, reach
  end
  local value = meaning == "give" and d == 2 and locals[a] or meaning == "give_nothing" and NIL
  if not value then give_up() end
  self.ends[#self.ends + 1] = { reach = reach, value = value }
end

function walk(self, pc, locals, reach)
  while pc do
    self.steps = self.steps + 1
    if self.steps > STEPS_MAX then give_up() end
    pc, reach = step(self, pc, locals, reach)
  end
end

-- ---- what comes of it --------------------------------------------------------------------------

-- The mask of the rows whose end `is_wanted` accepts; nil: that is all of them, or none.
local function mask_of(self, is_wanted)
  local mask
  for _, ending in ipairs(self.ends) do
    if is_wanted(ending.value) then
      if not ending.reach then return nil end
      mask = mask and self:emit(OR, mask, ending.reach) or ending.reach
    end
  end
  return mask
end

local function is_truthy(value) return value ~= NIL and value ~= FALSE end
local function is_true(value) return value == TRUE end

local function all_are(self, holds)
  for _, ending in ipairs(self.ends) do
    if not holds(ending.value) then return false end
  end
  return true
end

-- Where paths end with different numbers, each is taken into one register for its rows.
local function number_of(self)
  local out = self.ends[1].value
  if #self.ends == 1 then return out end
  out = register(self, "numbers")
  for _, ending in ipairs(self.ends) do
    self.code[#self.code + 1] = string.char(TAKE, out, ending.reach, ending.value)
  end
  return out
end

-- What is computed: "verdict" or "boolean" and a mask, "number" and a register.
local function result_of(self, is_predicate)
  if is_predicate then return "verdict", mask_of(self, is_truthy) end
  if all_are(self, is_number) then return "number", number_of(self) end
  local is_boolean = all_are(self, function(value) return value == TRUE or value == FALSE end)
  return "boolean", is_boolean and mask_of(self, is_true) or nil
end

-- The fuel of a rewritten program is paid where its function begins: by an upvalue's call.
local function step_upvalue(fn)
  local first, second = funcbc(fn, 1), funcbc(fn, 2)
  local is_call = second and meanings[band(first, 0xff)] == "upvalue"
    and meanings[band(second, 0xff)] == "call"
  if not is_call then return nil end
  local into, _, _, place = fields(first)
  local called, results, arguments = fields(second)
  return into == called and results == 1 and arguments == 1 and place + 1 or nil
end

local function derive(fn, argument_count, is_predicate)
  local info = funcinfo(fn)
  if info.ffid or info.isvararg or info.params > argument_count then give_up() end
  local self, locals, stepping = writer(argument_count), {}, step_upvalue(fn)
  self.fn = fn
  for i = 0, info.params - 1 do locals[i] = i end
  walk(self, stepping and 3 or 1, locals, nil)
  local kind, result = result_of(self, is_predicate)
  if not result then give_up() end
  return {
    code = table.concat(self.code), kind = kind, result = result, step_upvalue = stepping,
    operands = self.operands, argument_count = argument_count,
  }
end

local known = setmetatable({}, { __mode = "k" }) -- function → by what it is asked as → code, or false

--- The code of a function, or nil where it has none.
-- @tparam function fn
-- @tparam number argument_count
-- @tparam boolean is_predicate only whether its result is true is asked for
-- @treturn table|nil
function column_code.of(fn, argument_count, is_predicate)
  if not meanings then return nil end
  local key, mine = (is_predicate and 1 or -1) * (argument_count + 1), known[fn]
  if not mine then
    mine = {}
    known[fn] = mine
  end
  if mine[key] == nil then
    local ok, found = pcall(derive, fn, argument_count, is_predicate)
    if not ok and found ~= NONE then error(found, 0) end
    mine[key] = ok and found
  end
  return mine[key] or nil
end

local getupvalue = debug.getupvalue

-- What the function has from elsewhere, in the order of the code's registers; nil: an upvalue is no number.
local function constants_of(fn, code)
  local constants = {}
  for i, operand in ipairs(code.operands) do
    local value = operand.value
    if operand.kind == "upvalue" then value = select(2, getupvalue(fn, value)) end
    if type(value) ~= "number" then return nil end
    constants[i] = value
  end
  return constants
end

--- Answer a step's call of a function by its code, if it has some and the columns are numbers; false: it is
-- to be called, nothing was done. The core then answers the step's next calls of the same function itself,
-- until another function was called or rows were handed out (bind/answers.c).
-- @param waiting the step
-- @tparam function fn
-- @tparam boolean is_predicate
-- @tparam number argument_count
-- @tparam table host step, a function whose call pays one step, and pay_at_once(n), whether n were paid;
-- or neither
-- @treturn boolean
function column_code.answer(waiting, fn, is_predicate, argument_count, host)
  local code = column_code.of(fn, argument_count, is_predicate)
  local constants = code and constants_of(fn, code)
  if not constants then return false end
  if code.step_upvalue then
    local _, paid = getupvalue(fn, code.step_upvalue)
    if paid ~= host.step or not host.pay_at_once then return false end
  end
  return core.compute(waiting, code.code, code.kind, code.result, argument_count, code.step_upvalue ~= nil,
    unpack(constants, 1, #constants))
end

return column_code
