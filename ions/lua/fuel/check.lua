--- What can be told of a program before it runs: names that nobody defines or that are not for
-- programs, globals that are written after loading, functions that are not there, and what reaches
-- outside in a function of transactions. Everything is told at once.
--
-- A problem is { file =, line =, code =, message = }.
-- @module ions.fuel.check
local grammar = require "ions.fuel.grammar"
local nearest = require "lion.nearest"
local scope = require "ions.fuel.scope"

local check = {}

-- Why a name of Lua is not for programs, and what is.
local OUTSIDE = {
  collectgarbage = "memory is the host's affair",
  debug = "the host makes the tracebacks",
  dofile = "modules are loaded by require",
  ffi = "C is out of reach",
  gcinfo = "memory is the host's affair",
  getfenv = "environments are fixed",
  io = "files and pipes are out of reach",
  jit = "the compiler is the host's affair",
  loadfile = "modules are loaded by require",
  module = "a module is a table that its file returns",
  newproxy = "tables have metatables too",
  package = "modules are loaded by require",
  setfenv = "environments are fixed; load takes one",
}

-- What a function of transactions does not ask for: it has its database and its arguments, and gives
-- the same data for the same ones.
local IMPURE_MODULES = { ion = true, lion = true, ["ion.cast"] = true, ["ion.file"] = true,
  ["ion.http"] = true }
local IMPURE_NAMES = { print = true, ["os.time"] = true, ["os.date"] = true, ["os.clock"] = true,
  ["math.random"] = true, ["ion.time.now"] = true, ["ion.time.parse_http"] = true, ["ion.uuid.new"] = true,
  ["ion.hash.token"] = true, ["ion.hash.password"] = true }
local PURE_MEMBERS = { ["lion.null"] = true, ["lion.symbol"] = true, ["lion.decimal"] = true,
  ["lion.instant"] = true, ["lion.uri"] = true, ["lion.set"] = true, ["lion.lookup"] = true,
  ["lion.str"] = true, ["lion.edn"] = true, ["lion.json"] = true, ["lion.version"] = true,
  ["lion.cancel"] = true, ["lion.q"] = true, ["lion.prepare"] = true, ["lion.pure"] = true,
  ["lion.tx_to_t"] = true, ["lion.t_to_tx"] = true,
  ["lion.keyword"] = true, ["lion.schema"] = true, ["ion.app"] = true, ["ion.param"] = true }

local GLOBAL_WRITE = "the global %s is written in a function: globals are frozen once the program is loaded;"
  .. " make it a local of its module"

local IMPURE = "%s in %s, which transactions may call: it may use its database and its arguments only"

local function plain_name(chunkname) return (chunkname:gsub("^[@=]", "")) end

-- ---- a source ------------------------------------------------------------------------------------

-- { chunkname =, source =, tree =, scope = }, or nil and LuaJIT's message.
local function read(source, chunkname)
  local tree, message = grammar.parse(source, chunkname)
  if not tree then return nil, message end
  return { source = source, chunkname = chunkname, tree = tree, scope = scope.resolve(tree) }
end

local function add(problems, unit, at, code, message, ...)
  problems[#problems + 1] = {
    file = plain_name(unit.chunkname),
    line = grammar.line(unit.source, at),
    code = code,
    message = message:format(...),
  }
end

local function add_syntax(problems, chunkname, message)
  local line, text = message:match ":(%d+): (.*)$"
  problems[#problems + 1] = { file = plain_name(chunkname), line = tonumber(line) or 1, code = "lion/syntax",
    message = text or message }
end

-- The member that a chain asks its head for: `string.rep` → "rep".
local function member_of(chain)
  local suffix = chain and chain[2]
  return suffix and suffix.tag == "Field" and suffix.name or nil
end

-- The text that a chain calls its head with: `require "x"` → "x".
local function called_with(chain)
  local call = chain and chain[2]
  local argument = call and call.tag == "Call" and call[1]
  if not argument or argument.tag ~= "String" or call[2] then return nil end
  return argument.text:match "^['\"](.*)['\"]$" or argument.text:match "^%[=*%[(.*)%]=*%]$"
end

-- ---- names ---------------------------------------------------------------------------------------

local function did_you_mean(name, known)
  local near = nearest(name, known)
  return near and (" (did you mean %s?)"):format(near) or ""
end

local function check_member(problems, unit, global, known, written)
  local member = member_of(global.chain)
  local library = known[global.name]
  if not member or type(library) ~= "table" or library[member] or written[global.name .. "." .. member] then
    return
  end
  add(problems, unit, global.at, "lion/unknown-name", "%s has no %s%s", global.name, member,
    did_you_mean(member, library))
end

local function check_read(problems, unit, global, known, written)
  local name = global.name
  if known[name] then return check_member(problems, unit, global, known, written) end
  if written[name] then return end
  if OUTSIDE[name] then
    local reason = OUTSIDE[name]
    return add(problems, unit, global.at, "lion/forbidden-name", "%s is not for programs: %s", name, reason)
  end
  local near = did_you_mean(name, known)
  add(problems, unit, global.at, "lion/unknown-name", "no global is called %s%s", name, near)
end

local function check_require(problems, unit, global, has_module)
  local module = has_module and global.name == "require" and called_with(global.chain)
  if not module or has_module(module) then return end
  local reason = OUTSIDE[module] and (" (" .. OUTSIDE[module] .. ")") or ""
  add(problems, unit, global.at, "lion/unknown-module", "no module is called %s%s", module, reason)
end

local function note_writes(unit, written)
  for _, global in ipairs(unit.scope.globals) do
    if global.is_write then written[global.name] = true end
    local member = global.is_target and member_of(global.chain)
    if member then written[global.name .. "." .. member] = true end
  end
end

local function check_unit(problems, unit, options, written)
  for _, global in ipairs(unit.scope.globals) do
    if not global.is_write then
      check_read(problems, unit, global, options.known, written)
      check_require(problems, unit, global, options.has_module)
    elseif global.depth > 0 then
      add(problems, unit, global.at, "lion/global-write", GLOBAL_WRITE, global.name)
    end
  end
end

local function sort_problems(problems)
  table.sort(problems, function(a, b)
    if a.file ~= b.file then return a.file < b.file end
    if a.line ~= b.line then return a.line < b.line end
    return a.message < b.message
  end)
  return problems
end

--- Check the sources of a program together: what one defines, another may use.
-- @tparam table sources a list of { source, chunkname }
-- @tparam table options known: names as of environment.names; has_module: whether `require` finds a name
-- @treturn table problems, by file and line; none: the list is empty
function check.sources(sources, options)
  local problems, units, written = {}, {}, {}
  for _, pair in ipairs(sources) do
    local unit, message = read(pair[1], pair[2])
    if unit then
      units[#units + 1] = unit
      note_writes(unit, written)
    else
      add_syntax(problems, pair[2], message)
    end
  end
  for _, unit in ipairs(units) do check_unit(problems, unit, options, written) end
  return sort_problems(problems)
end

-- ---- functions of a module -----------------------------------------------------------------------

-- Call `visit(node)` for each node from this one down.
local function each_node(node, visit)
  if node.tag then visit(node) end
  for _, child in pairs(node) do
    if type(child) == "table" then each_node(child, visit) end
  end
end

-- Put in the functions of `{ name = … }`; whether all of its keys are known.
local function note_items(functions, list)
  for _, item in ipairs(list) do
    if item.tag == "Item" and item.name then functions[item.name] = item.value end
    if item.tag == "Item" and not item.name then return false end
  end
  return true
end

local function note_locals(found, node)
  for i, name in ipairs(node.names) do
    local value = node.values[i]
    if value and value.tag == "Function" then found.locals[name.name] = value end
    if value and name.name == found.module then
      found.is_certain = value.tag == "Table" and note_items(found.functions, value)
    end
  end
end

local function note_members(found, node)
  for i, target in ipairs(node.targets) do
    local member = target.tag == "Chain" and target[1].name == found.module and member_of(target)
    if member and node.values then found.functions[member] = node.values[i] or target end
  end
end

-- How often a name stands for itself, and not for one of its members.
local function count_uses(tree, name)
  local uses = 0
  each_node(tree, function(node)
    if node.tag == "Name" and node.name == name then uses = uses + 1 end
    if node.tag == "Chain" and node[1].name == name and member_of(node) then uses = uses - 1 end
  end)
  return uses
end

-- { module = the local that the module returns, functions = what it holds, locals = other functions,
-- is_certain = whether it can hold no more }, or nil if it returns nothing.
local function find_functions(tree)
  local last = tree[#tree]
  local value = last and last.tag == "Return" and last.values[1]
  if not value then return nil end
  local found = { functions = {}, locals = {}, is_certain = false }
  if value.tag == "Table" then found.is_certain = note_items(found.functions, value) end
  found.module = value.tag == "Name" and value.name or nil
  each_node(tree, function(node)
    if node.tag == "Local" then
      note_locals(found, node)
    elseif node.tag == "LocalFunction" then
      found.locals[node.name] = node.body
    elseif node.tag == "FunctionStatement" and node.name == found.module then
      found.functions[node.member or node.method or ""] = node.body
    elseif node.tag == "Assign" then
      note_members(found, node)
    end
  end)
  local is_private = not found.module or count_uses(tree, found.module) == 2 -- its declaration, its return
  found.is_certain = found.is_certain and is_private
  return found
end

--- Check that a module has a function. A module whose functions cannot be known without running it is
-- not complained of.
-- @tparam string source
-- @tparam string chunkname
-- @tparam string name
-- @treturn table problems
function check.entry(source, chunkname, name)
  local problems = {}
  local unit, trouble = read(source, chunkname)
  if not unit then
    add_syntax(problems, chunkname, trouble)
    return problems
  end
  local found = find_functions(unit.tree)
  if not found then
    local message = "the module returns nothing, so it has no function %s"
    add(problems, unit, #source, "lion/no-entry", message, name)
  elseif found.is_certain and not found.functions[name] then
    add(problems, unit, unit.tree[#unit.tree].at, "lion/no-entry", "the module has no function %s%s", name,
      did_you_mean(name, found.functions))
  end
  return problems
end

-- ---- functions of transactions -------------------------------------------------------------------

-- Locals of the chunk that hold `require "ion"` and its like, and which.
local function find_modules(tree)
  local modules = {}
  for _, statement in ipairs(tree) do
    if statement.tag == "Local" then
      for i, name in ipairs(statement.names) do
        local value = statement.values[i]
        local module = value and value.tag == "Chain" and value[1].name == "require" and called_with(value)
        if module then modules[name.name] = module end
      end
    end
  end
  return modules
end

local function impure_name(node, modules)
  local head = node[1]
  if head.tag ~= "Name" then return nil end
  local member = member_of(node)
  local full = member and (modules[head.name] or head.name) .. "." .. member or head.name
  if IMPURE_NAMES[full] then return full end
  if IMPURE_MODULES[modules[head.name] or ""] and member and not PURE_MEMBERS[full] then return full end
end

-- Call `visit(node)` for each node of a function and of those of its module that it calls.
local function each_node_called(found, body, visit)
  local seen = {}
  local function follow(fn)
    if not fn or seen[fn] then return end
    seen[fn] = true
    each_node(fn, function(node)
      visit(node)
      local head = node.tag == "Chain" and node[1]
      if head and head.name == found.module then follow(found.functions[member_of(node)]) end
      if node.tag == "Name" then follow(found.locals[node.name]) end
    end)
  end
  follow(body)
end

--- Check that a function of transactions, and what it calls in its module, reaches nothing outside.
-- @tparam string source of the module
-- @tparam string chunkname
-- @tparam string name of the function
-- @treturn table problems
function check.transaction(source, chunkname, name)
  local problems = {}
  local unit, message = read(source, chunkname)
  if not unit then
    add_syntax(problems, chunkname, message)
    return problems
  end
  local found, modules = find_functions(unit.tree), find_modules(unit.tree)
  if not found then return problems end
  each_node_called(found, found.functions[name], function(node)
    local full = node.tag == "Chain" and impure_name(node, modules)
    if full then add(problems, unit, node.at, "lion/impure", IMPURE, full, name) end
  end)
  return sort_problems(problems)
end

-- ---- telling -------------------------------------------------------------------------------------

--- Problems as text, a line for each: "file:line: message".
-- @tparam table problems
-- @treturn string
function check.text(problems)
  local lines = {}
  for i, problem in ipairs(problems) do
    lines[i] = ("%s:%d: %s"):format(problem.file, problem.line, problem.message)
  end
  return table.concat(lines, "\n")
end

return check
