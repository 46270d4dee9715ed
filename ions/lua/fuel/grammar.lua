--- Lua as LuaJIT reads it: Lua 5.1, `goto` and labels, escapes, literals of int64 and imaginary numbers.
--
-- LuaJIT itself judges the text first, so that what is wrong is told in its words, and so that nesting is
-- bounded (200 levels, its limit) before the grammar recurs. The grammar may therefore take more than
-- Lua is, as long as it reads every program as LuaJIT does. Each alternative is known by its first
-- tokens: nothing is parsed twice, and the time is linear.
--
-- LPeg nests captures 200 deep at most, a program's nodes may nest deeper: the grammar captures a flat
-- list of events, and a stack of our own makes the tree of it. The tree is for readers of names and
-- places: operators are kept flat, scalars are not read.
-- @module ions.fuel.grammar
local lpeg = require "lpeg"

local P, S, R, C, V = lpeg.P, lpeg.S, lpeg.R, lpeg.C, lpeg.V
local Cc, Cmt, Cp, Ct = lpeg.Cc, lpeg.Cmt, lpeg.Cp, lpeg.Ct

local grammar = {}

-- Entries of LPeg's stack of pending choices and calls: some 30 for each of the 200 levels.
local PENDING_MAX = 20000

-- ---- tokens --------------------------------------------------------------------------------------

local newline = S "\r\n"
local digit = R "09"
local letter = R("az", "AZ", "\128\255") + P "_"
local letter_or_digit = letter + digit

-- [[…]], [=[…]=], and so on.
local long_bracket = Cmt(P "[" * C(P "=" ^ 0) * P "[", function(source, at, equals)
  local _, last = source:find("]" .. equals .. "]", at, true)
  return last and last + 1
end)

local comment = P "--" * (long_bracket + (1 - newline) ^ 0)
local blank = (S " \t\v\f\r\n" ^ 1 + comment) ^ 0

local WORDS = { "and", "break", "do", "elseif", "else", "end", "false", "for", "function", "if", "in",
  "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

local reserved = P(false)
for _, word in ipairs(WORDS) do reserved = reserved + P(word) end
reserved = reserved * -letter_or_digit

-- A word or sign without the blank behind it, and with it.
local function bare(word) return P(word) * -letter_or_digit end
local function key(word) return bare(word) * blank end
local function sign(text) return P(text) * blank end

-- `goto` is a name where no name follows it.
local name = letter * letter_or_digit ^ 0 - reserved

local exponent = S "eE" * S "+-"
local number = (P "0" * S "xX" * (S "pP" * S "+-" + letter_or_digit + P ".") ^ 0
  + #(P "." ^ -1 * digit) * (exponent + letter_or_digit + P ".") ^ 1) * blank

local function quoted(quote) return P(quote) * (P "\\" * 1 + (1 - S("\\" .. quote))) ^ 0 * P(quote) end
local string = quoted '"' + quoted "'" + long_bracket

local binary = key "and" + key "or"
  + (P ".." + S "<>=~" * P "=" + S "<>+-*/^%") * blank
local unary = key "not" + S "#-" * blank

-- ---- events --------------------------------------------------------------------------------------

-- OPEN, tag, offset … CLOSE: a node. LABEL, label: the next node is a field of its parent, not an element.
-- SET, label, value: a field that is no node.
local OPEN, CLOSE, LABEL, SET = 1, 2, 3, 4

local function node(tag, pattern) return Cc(OPEN) * Cc(tag) * Cp() * pattern * Cc(CLOSE) end
local function field(label, pattern) return Cc(LABEL) * Cc(label) * pattern end
local function text(label, pattern) return Cc(SET) * Cc(label) * C(pattern) end

-- The offset behind what was just read is where the block it opens begins.
local opened = Cc(SET) * Cc "opened" * Cp() * blank

local function list(pattern) return pattern * (sign "," * pattern) ^ 0 end

local named = text("name", name) * blank
local variable = node("Name", named)
local names = field("names", node("List", list(variable)))
local no_names = field("names", node("List", true))
local values = field("values", node("List", list(V "expression")))
local no_values = field("values", node("List", true))
local block = field("block", V "block")
local close = key "end"
local separator = S ",;" * blank

local rules = {
  "chunk",
  chunk = P "\239\187\191" ^ -1 * (P "#" * (1 - newline) ^ 0) ^ -1 * blank * V "block" * -1,
  block = node("Block", (V "statement" * sign ";" ^ -1) ^ 0),

  statement = V "label" + V "jump" + V "loop" + V "choice" + V "declaration" + V "exit" + V "action",
  label = node("Label", sign "::" * named * sign "::"),
  jump = node("Goto", key "goto" * -bare "goto" * named),

  loop = node("While", key "while" * field("condition", V "expression") * bare "do" * opened * block * close)
    + node("Repeat", bare "repeat" * opened * block * key "until" * field("condition", V "expression"))
    + key "for" * (
        node("For", field("variable", variable) * sign "=" * values * bare "do" * opened * block * close)
      + node("ForIn", names * key "in" * values * bare "do" * opened * block * close)),

  choice = node("Do", key "do" * block * close)
    + node("If", key "if" * V "branch" * (key "elseif" * V "branch") ^ 0
      * (key "else" * node("Branch", block)) ^ -1 * close),
  branch = node("Branch", field("condition", V "expression") * key "then" * block),

  declaration = key "local" * (
      node("LocalFunction", key "function" * named * field("body", V "body"))
    + node("Local", names * (sign "=" * values + no_values)))
    + key "function" * node("FunctionStatement", named * V "path" * field("body", V "body")),
  path = (sign "." * text("member", name) * blank) ^ 0 * (sign ":" * text("method", name) * blank) ^ -1,

  exit = node("Return", key "return" * (values + no_values))
    + node("Break", key "break"),

  action = node("Assign", field("targets", node("List", list(V "chain"))) * (sign "=" * values) ^ -1),

  -- operands, without their operators
  expression = node("Operation", V "operand" * (binary * V "operand") ^ 0),
  operand = unary ^ 0 * (V "scalar" + V "closure" + V "table" + V "chain"),
  scalar = node("Scalar", number + key "nil" + key "true" + key "false" + sign "...") + V "string",
  string = node("String", text("text", string) * blank),
  closure = key "function" * V "body",
  body = node("Function", sign "(" * (V "parameters" + no_names) * P ")" * opened * block * close),
  parameters = field("names", node("List", list(variable))) * (sign "," * sign "...") ^ -1
    + sign "..." * no_names,

  table = node("Table", sign "{" * (V "items" * separator ^ -1) ^ -1 * sign "}"),
  items = V "item" * (separator * V "item") ^ 0,
  item = node("Item", P "[" * -S "[=" * blank * field("key", V "expression") * sign "]" * sign "="
      * field("value", V "expression"))
    + node("Item", named * P "=" * -P "=" * blank * field("value", V "expression"))
    + V "expression",

  -- a variable or an expression in brackets, and what is done to it, from left to right
  chain = node("Chain", V "head" * V "suffix" ^ 0),
  head = variable + node("Brackets", sign "(" * V "expression" * sign ")"),
  suffix = node("Call", V "arguments")
    + node("Field", P "." * -P "." * blank * named)
    + node("Key", sign "[" * V "expression" * sign "]")
    + node("Method", P ":" * -P ":" * blank * named * V "arguments"),
  arguments = sign "(" * list(V "expression") ^ -1 * sign ")" + V "table" + V "string",
}

lpeg.setmaxstack(PENDING_MAX)
local chunk = Ct(P(rules))

-- ---- the tree ------------------------------------------------------------------------------------

-- Of these, one that has a single element is that element.
local TRANSPARENT = { Operation = true, Chain = true }

-- A node is { tag =, at = offset of its first byte, elements …, fields … }.
local function build(events)
  local root, depth, label = {}, 1, nil
  local nodes, slots = { root }, { 0 } -- the open nodes; where each stands in its parent
  local i, count = 1, #events
  while i <= count do
    local event = events[i]
    local parent = nodes[depth]
    if event == OPEN then
      local slot = label or #parent + 1
      depth = depth + 1
      nodes[depth], slots[depth] = { tag = events[i + 1], at = events[i + 2] }, slot
      parent[slot], label = nodes[depth], nil
      i = i + 3
    elseif event == CLOSE then
      depth = depth - 1
      if TRANSPARENT[parent.tag] and parent[2] == nil then
        nodes[depth][slots[depth + 1]] = parent[1]
      end
      i = i + 1
    elseif event == LABEL then
      label = events[i + 1]
      i = i + 2
    else
      parent[events[i + 1]] = events[i + 2]
      i = i + 3
    end
  end
  return root[1]
end

-- ---- reading -------------------------------------------------------------------------------------

--- The tree of a source, or nil and what LuaJIT says of it, with file and line.
-- @tparam string source
-- @tparam string chunkname as for load: "@path" or "=name"
-- @treturn table|nil the block
-- @treturn string|nil
function grammar.parse(source, chunkname)
  local is_lua, message = load(source, chunkname, "t")
  if not is_lua then return nil, message end
  local events = chunk:match(source)
  if not events then
    return nil, (chunkname:gsub("^[@=]", "")) .. ": LuaJIT reads this text, the grammar of its fuel does not"
  end
  return build(events)
end

--- The line of a place in a source. A pair of \r and \n, in either order, ends one line.
-- @tparam string source
-- @tparam number at an offset
-- @treturn number
function grammar.line(source, at)
  local line, from = 1, 1
  while true do
    local found = source:find("[\r\n]", from)
    if not found or found >= at then return line end
    local first, second = source:byte(found, found + 1)
    local is_pair = (second == 10 or second == 13) and second ~= first
    line, from = line + 1, found + (is_pair and 2 or 1)
  end
end

return grammar
