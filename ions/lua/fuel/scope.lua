--- Whose the names of a program are: locals, variables of functions outside (upvalues), globals.
--
-- One walk over the tree also finds where a program can go on for ever: the bodies of its loops, the
-- entries of its functions, its jumps back.
-- @module ions.fuel.scope
local scope = {}

-- The walk's state: { outcome =, fn = innermost function, block = innermost block }.
-- A function is { parent =, depth = 0 for the chunk, upvalues = a set, upvalue_count = }.
-- A block is { parent =, fn =, locals = name → { fn = }, labels = name → offset }.

local visit = {} -- tag → function(walk, node)

local function visit_all(walk, nodes, from)
  for i = from or 1, #nodes do visit[nodes[i].tag](walk, nodes[i]) end
end

local function visit_one(walk, node) visit[node.tag](walk, node) end

-- ---- names ---------------------------------------------------------------------------------------

local function declare(walk, name)
  walk.block.locals[name] = { fn = walk.fn }
  walk.outcome.names[name] = true
end

local function declare_all(walk, names)
  for _, node in ipairs(names) do declare(walk, node.name) end
end

local function find_local(walk, name)
  local block = walk.block
  while block do
    local variable = block.locals[name]
    if variable then return variable end
    block = block.parent
  end
end

-- A variable of a function outside is an upvalue of every function between.
local function capture(walk, variable)
  local fn = walk.fn
  while fn ~= variable.fn do
    if fn.upvalues[variable] then return end
    fn.upvalues[variable] = true
    fn.upvalue_count = fn.upvalue_count + 1
    fn = fn.parent
  end
end

local function use(walk, name, at, is_write, chain, is_target)
  walk.outcome.names[name] = true
  local variable = find_local(walk, name)
  if variable then return capture(walk, variable) end
  local globals = walk.outcome.globals
  globals[#globals + 1] = { name = name, at = at, is_write = is_write or false, depth = walk.fn.depth,
    chain = chain, is_target = is_target or false }
end

-- ---- blocks --------------------------------------------------------------------------------------

local function enter_block(walk, node)
  local labels = {}
  for _, statement in ipairs(node) do
    if statement.tag == "Label" then labels[statement.name] = statement.at end
  end
  walk.block = { parent = walk.block, fn = walk.fn, locals = {}, labels = labels }
end

local function leave_block(walk) walk.block = walk.block.parent end

local function visit_block(walk, node)
  enter_block(walk, node)
  visit_all(walk, node)
  leave_block(walk)
end

local function add_step(walk, at)
  local steps = walk.outcome.steps
  steps[#steps + 1] = { at = at, fn = walk.fn }
end

local function visit_function(walk, node, has_self)
  local fn, block = walk.fn, walk.block
  walk.fn = { parent = fn, depth = fn.depth + 1, upvalues = {}, upvalue_count = 0 }
  walk.block = { parent = block, fn = walk.fn, locals = {}, labels = {} }
  if has_self then declare(walk, "self") end
  declare_all(walk, node.names)
  add_step(walk, node.opened)
  visit_block(walk, node.block)
  walk.fn, walk.block = fn, block
end

-- ---- statements ----------------------------------------------------------------------------------

function visit.Label() end
visit.Break = visit.Label

-- The label is the one of the innermost block that has it, in this function.
function visit.Goto(walk, node)
  local block = walk.block
  while block and block.fn == walk.fn and not block.labels[node.name] do block = block.parent end
  local label = block and block.labels[node.name]
  if label and label < node.at then add_step(walk, node.at) end
end

function visit.Do(walk, node) visit_block(walk, node.block) end

function visit.While(walk, node)
  visit_one(walk, node.condition)
  add_step(walk, node.opened)
  visit_block(walk, node.block)
end

-- The condition sees the locals of the body.
function visit.Repeat(walk, node)
  add_step(walk, node.opened)
  enter_block(walk, node.block)
  visit_all(walk, node.block)
  visit_one(walk, node.condition)
  leave_block(walk)
end

local function visit_for(walk, node, names)
  visit_all(walk, node.values)
  add_step(walk, node.opened)
  walk.block = { parent = walk.block, fn = walk.fn, locals = {}, labels = {} }
  declare_all(walk, names)
  visit_block(walk, node.block)
  leave_block(walk)
end

function visit.For(walk, node) visit_for(walk, node, { node.variable }) end
function visit.ForIn(walk, node) visit_for(walk, node, node.names) end

function visit.If(walk, node) visit_all(walk, node) end

function visit.Branch(walk, node)
  if node.condition then visit_one(walk, node.condition) end
  visit_block(walk, node.block)
end

function visit.Local(walk, node)
  visit_all(walk, node.values)
  declare_all(walk, node.names)
end

function visit.LocalFunction(walk, node)
  declare(walk, node.name)
  visit_function(walk, node.body)
end

function visit.FunctionStatement(walk, node)
  use(walk, node.name, node.at, not (node.member or node.method))
  visit_function(walk, node.body, node.method ~= nil)
end

function visit.Return(walk, node) visit_all(walk, node.values) end

function visit.Assign(walk, node)
  for _, target in ipairs(node.targets) do
    if target.tag == "Name" then
      use(walk, target.name, target.at, true)
    else
      visit.Chain(walk, target, node.values ~= nil)
    end
  end
  if node.values then visit_all(walk, node.values) end
end

-- ---- expressions ---------------------------------------------------------------------------------

function visit.Scalar() end
visit.String, visit.Field = visit.Scalar, visit.Scalar
function visit.Name(walk, node) use(walk, node.name, node.at) end
function visit.Function(walk, node) visit_function(walk, node) end
function visit.Operation(walk, node) visit_all(walk, node) end
visit.Table, visit.Brackets, visit.Key = visit.Operation, visit.Operation, visit.Operation
visit.Call, visit.Method = visit.Operation, visit.Operation

function visit.Item(walk, node)
  if node.key then visit_one(walk, node.key) end
  visit_one(walk, node.value)
end

function visit.Chain(walk, node, is_target)
  local head = node[1]
  if head.tag == "Name" then
    use(walk, head.name, head.at, false, node, is_target)
  else
    visit_one(walk, head)
  end
  visit_all(walk, node, 2)
end

-- ---- the walk ------------------------------------------------------------------------------------

--- Resolve the names of a tree.
-- @tparam table tree of grammar.parse
-- @treturn table names: a set of all variables' names. globals: a list of { name =, at =, is_write =,
-- depth = functions around it, chain = the node it heads, or nil, is_target = whether that is assigned }.
-- steps: a list of { at = an offset, fn = { parent =, upvalue_count = } } in the order of the text, the
-- chunk's own entry not among them
function scope.resolve(tree)
  local chunk = { depth = 0, upvalues = {}, upvalue_count = 0 }
  local outcome = { names = {}, globals = {}, steps = {} }
  visit_block({ outcome = outcome, fn = chunk }, tree)
  table.sort(outcome.steps, function(a, b) return a.at < b.at end)
  return outcome
end

return scope
