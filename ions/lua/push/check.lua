--- Everything that is wrong with a revision, at once, each with its file and line: the manifest's entries,
-- the functions they name, the modules these are in and what those require. A problem is
-- { file =, line =, message = }.
-- @module ions.push.check
local app = require "ions.app"
local deps = require "ions.push.deps"
local lines = require "ions.push.lines"
local manifest = require "ions.manifest"
local nearest = require "lion.nearest"
local program = require "ions.fuel.check"
local sandbox = require "ions.push.sandbox"

local check = {}

local MANIFEST = "ion.lua"

-- First parts of names that the database keeps for its own functions.
local BUILT_IN = { db = true, clojure = true }

local function did_you_mean(name, known)
  local near = nearest(name, known)
  return near and (" (did you mean %s?)"):format(near) or ""
end

local function adder(problems, file, line_of)
  return function(path, message, ...)
    problems[#problems + 1] = { file = file, line = line_of(path), message = message:format(...) }
  end
end

-- ---- the manifest --------------------------------------------------------------------------------

--- A manifest by itself.
-- @tparam table files of tree.read
-- @return its value, if it has one; it may have problems nevertheless
-- @treturn table problems
function check.manifest(files)
  local text
  for _, file in ipairs(files) do
    if file.path == MANIFEST then text = file.content end
  end
  if not text then
    local message = "there is none: an application is a folder with an ion.lua, and git has to know it"
    return nil, { { file = MANIFEST, line = 1, message = message } }
  end
  local value, wrong = manifest.parse(text, "@" .. MANIFEST)
  if wrong then
    local line = tonumber(wrong:match "ion%.lua:(%d+): ") or 1
    return nil, { { file = MANIFEST, line = line, message = (wrong:gsub("^.-ion%.lua:%d+: ", "")) } }
  end
  local problems, line_of = {}, lines.of(text)
  for _, fault in ipairs(manifest.faults(value)) do
    problems[#problems + 1] = { file = MANIFEST, line = line_of(fault.path), message = fault.message }
  end
  return type(value) == "table" and value or nil, problems
end

-- ---- entry points --------------------------------------------------------------------------------

-- "module/function", or a table with that first and settings behind it.
local function function_name(value)
  if type(value) == "table" then value = value[1] end
  return type(value) == "string" and value or nil
end

local function each_of(list, what, visit)
  if type(list) ~= "table" then return end
  for key, entry in pairs(list) do visit(key, what(entry)) end
end

-- Call `visit(path, name)` for each function that a manifest names; entries of wrong shape are passed over.
local function each_entry_point(value, visit)
  local function below(key)
    return function(place, name)
      if name then visit({ key, place }, name) end
    end
  end
  local function routed(route) return type(route) == "table" and function_name(route[3]) end
  local function handled(event) return type(event) == "table" and function_name(event.fn) end
  each_of(value.allow, function_name, below "allow")
  each_of(value.checks, function_name, below "checks")
  each_of(value.invoke, function_name, below "invoke")
  each_of(value.events, handled, below "events")
  local everything = function_name(value.http)
  if everything then visit({ "http" }, everything) else each_of(value.http, routed, below "http") end
end

-- ---- what a check works on -------------------------------------------------------------------------

local function by_path(files, list)
  local contents = {}
  for _, file in ipairs(files) do contents[file.path] = file.content end
  for _, dependency in ipairs(list) do
    for _, file in ipairs(dependency.files) do contents[file.path] = file.content end
  end
  return contents
end

local function module_names(contents)
  local names = {}
  for path in pairs(contents) do
    local name = path:match "^(.*)%.lua$"
    if name then names[(name:gsub("/", "."))] = true end
  end
  return names
end

-- ---- functions -----------------------------------------------------------------------------------

local function functions_of(module)
  local names = {}
  for name, value in pairs(module) do
    if type(value) == "function" then names[name] = true end
  end
  return names
end

-- Load the function's module, once, and look for it there.
local function check_function(self, name, add)
  local module_name, fn = manifest.split(name)
  if not module_name then return end
  if app.LIBRARY[module_name] then return add("%s: %s is Lion's own module", name, module_name) end
  if not self.contents[sandbox.path_of(module_name)] then
    return add("%s: there is no module %s, the revision has no file %s%s", name, module_name,
      sandbox.path_of(module_name), did_you_mean(module_name, self.modules))
  end
  self.entered[module_name] = true
  local module, problem = self.sandbox:load(module_name)
  if problem then
    self.failures[problem] = true
  elseif type(module) ~= "table" then
    add("%s: module %s returns no table", name, module_name)
  elseif type(module[fn]) ~= "function" then
    add("%s: module %s has no function %s%s", name, module_name, fn, did_you_mean(fn, functions_of(module)))
  end
end

-- What transactions and queries may call has its database and its arguments only.
local function check_allowed(self, name, add)
  local module_name, fn = manifest.split(name)
  if not module_name then return end
  if BUILT_IN[module_name:match "^[^.]*"] then
    return add("allow: %s collides with the database's own functions: name the module otherwise", name)
  end
  local path = sandbox.path_of(module_name)
  local content = self.contents[path]
  if not content then return end
  for _, problem in ipairs(program.transaction(content, "@" .. path, fn)) do
    self.problems[#self.problems + 1] = problem
  end
end

local function check_entry_points(self, value, file, text)
  local add = adder(self.problems, file, lines.of(text))
  each_entry_point(value, function(path, name)
    local function add_here(message, ...) add(path, message, ...) end
    check_function(self, name, add_here)
    if path[1] == "allow" then check_allowed(self, name, add_here) end
  end)
end

-- ---- modules -------------------------------------------------------------------------------------

-- The modules that are entered, and those that they name to require, in turn.
local function reachable(self)
  local list, seen = {}, {}
  local function reach(name)
    local path = sandbox.path_of(name)
    if seen[path] or not self.contents[path] then return end
    seen[path] = true
    list[#list + 1] = path
    for required in self.contents[path]:gmatch "require%s*%(?%s*[\"']([%w_.-]+)[\"']" do reach(required) end
  end
  for name in pairs(self.entered) do reach(name) end
  table.sort(list)
  return list
end

-- Their syntax and their names, also in what does not run while they load.
local function check_programs(self)
  local sources = {}
  for _, path in ipairs(reachable(self)) do sources[#sources + 1] = { self.contents[path], "@" .. path } end
  local found = program.sources(sources, {
    known = self.sandbox:names(),
    has_module = function(name) return app.LIBRARY[name] or self.modules[name] or false end,
  })
  for _, problem in ipairs(found) do self.problems[#self.problems + 1] = problem end
end

-- One place is told once: what stopped a module from loading may be what its text was found wrong in.
local function add_failures(self)
  local told = {}
  for _, problem in ipairs(self.problems) do told[problem.file .. ":" .. problem.line] = true end
  for problem in pairs(self.failures) do
    if not told[problem.file .. ":" .. problem.line] then
      self.problems[#self.problems + 1] =
        { file = problem.file, line = problem.line, message = problem.message }
    end
  end
end

local function sorted(problems)
  local function key(problem) return ("%s\0%09d\0%s"):format(problem.file, problem.line, problem.message) end
  table.sort(problems, function(a, b) return key(a) < key(b) end)
  for i = #problems, 2, -1 do
    if key(problems[i]) == key(problems[i - 1]) then table.remove(problems, i) end
  end
  return problems
end

-- ---- all of it -----------------------------------------------------------------------------------

--- All problems of a revision.
-- @tparam table options files = of tree.read; deps = of deps.resolve, nil where the manifest was not good
-- enough for it (without what it needs, an application is not looked into); steps = that loading a module
-- may take
-- @treturn table problems by file and line, empty when all is well
function check.problems(options)
  local value, problems = check.manifest(options.files)
  local needs = value and type(value.deps) == "table" and next(value.deps) ~= nil
  if not value or needs and not options.deps then return problems end
  local list = options.deps or {}
  local contents = by_path(options.files, list)
  local self = {
    contents = contents,
    modules = module_names(contents),
    sandbox = sandbox.new { files = contents, manifest = value, steps = options.steps },
    problems = problems,
    entered = {}, -- modules that entry points are in
    failures = {}, -- a set of what kept modules from loading
  }
  local add = adder(problems, MANIFEST, lines.of(contents[MANIFEST]))
  for _, collision in ipairs(deps.collisions(options.files, list)) do
    add({ "deps", collision.name }, "deps: %s belongs to the dependency %s: move it, or call that otherwise",
      collision.path, collision.name)
  end
  check_entry_points(self, value, MANIFEST, contents[MANIFEST])
  for _, dependency in ipairs(list) do
    local path = dependency.name .. "/" .. MANIFEST
    if dependency.manifest then
      check_entry_points(self, { allow = dependency.manifest.allow }, path, contents[path])
    end
  end
  check_programs(self)
  add_failures(self)
  return sorted(problems)
end

--- Problems as text, a line for each: "file:line: message".
-- @function check.text
-- @tparam table problems
-- @treturn string
check.text = program.text

return check
