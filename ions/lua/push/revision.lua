--- A revision as data: an application's name, its own, and the files it holds by their hashes. What a push
-- sends, and what the system database stores (ions.push.system).
--
-- { app =, name = a commit or "unrepro/NAME", commit =, files = path → hash, manifest = data, deps = a list
-- of { name =, git =, rev =, dir = | path = }, url =, message =, committed_at =, pushed_at =, pushed_by = }
-- @module ions.push.revision
local anomaly = require "lion.anomaly"
local manifest = require "ions.manifest"
local utf8 = require "ions.utf8"

local revision = {}

local PATH_MAX = 4096

local function fail(message, ...)
  error(anomaly.new("incorrect", "lion/push", message:format(...)), 0)
end

--- Make a revision of what was read.
-- @tparam table options tree = of tree.read; manifest = one without problems; deps = of deps.resolve;
-- pushed_by; pushed_at = ms
-- @treturn table the revision
-- @treturn table its contents, hash → content
function revision.make(options)
  local tree, contents = options.tree, {}
  local made = {
    app = options.manifest.app,
    name = tree.name,
    commit = tree.commit,
    files = {},
    manifest = options.manifest,
    deps = {},
    url = tree.url,
    message = tree.message,
    committed_at = tree.time,
    pushed_at = options.pushed_at,
    pushed_by = options.pushed_by,
  }
  local function add(files)
    for _, file in ipairs(files) do
      made.files[file.path] = file.hash
      contents[file.hash] = file.content
    end
  end
  add(tree.files)
  for i, dependency in ipairs(options.deps) do
    add(dependency.files)
    made.deps[i] = { name = dependency.name, git = dependency.git, rev = dependency.rev, dir = dependency.dir,
      path = dependency.path }
  end
  return made, contents
end

-- ---- what others send ----------------------------------------------------------------------------

local function is_path(path)
  if type(path) ~= "string" or path == "" or #path > PATH_MAX or path:find "%z" then return false end
  if not utf8.is_valid(path) then return false end
  for part in (path .. "/"):gmatch "([^/]*)/" do
    if part == "" or part == "." or part == ".." then return false end
  end
  return true
end

local function is_digits(text, ...)
  if type(text) ~= "string" or not text:find "^[0-9a-f]+$" then return false end
  for _, size in ipairs { ... } do
    if #text == size then return true end
  end
  return false
end

local function is_text(value) return type(value) == "string" and utf8.is_valid(value) end
local function is_optional_text(value) return value == nil or is_text(value) end
local function is_optional_instant(value)
  return value == nil or type(value) == "number" and value % 1 == 0
end

local function is_name(name, commit)
  return type(name) == "string" and (name == commit or name:find "^unrepro/%w[%w._-]*$" ~= nil)
end

local function check_files(files)
  if type(files) ~= "table" then fail "a revision has files = { path = hash }" end
  for path, digest in pairs(files) do
    if not is_path(path) then fail("%q is no path of a file in a revision", tostring(path)) end
    if not is_digits(digest, 64) then fail("%s: %q is no hash of a content", path, tostring(digest)) end
  end
  if not files["ion.lua"] then fail "a revision holds an ion.lua" end
end

local function check_deps(list)
  if type(list) ~= "table" then fail "a revision has deps, a list" end
  for _, dependency in ipairs(list) do
    if type(dependency) ~= "table" or not is_text(dependency.name) then fail "a dependency has a name" end
    for _, key in ipairs { "git", "rev", "dir", "path" } do
      if not is_optional_text(dependency[key]) then fail("%s: %s is text", dependency.name, key) end
    end
  end
end

--- Raise what is wrong with a revision's shape: those who store it have not made it.
-- @tparam table value
function revision.validate(value)
  if type(value) ~= "table" then fail("a revision is a table, not a %s", type(value)) end
  local problems = manifest.problems(value.manifest)
  if #problems > 0 then fail("the revision's manifest: %s", table.concat(problems, "; ")) end
  if value.app ~= value.manifest.app then
    fail("the revision is one of %s, its manifest one of %s", tostring(value.app), value.manifest.app)
  end
  if not is_digits(value.commit, 40, 64) then fail("%q is no commit", tostring(value.commit)) end
  if not is_name(value.name, value.commit) then
    fail("%q is no revision's name: it is the commit's id or unrepro/NAME", tostring(value.name))
  end
  check_files(value.files)
  check_deps(value.deps)
  for _, key in ipairs { "url", "message", "pushed_by" } do
    if not is_optional_text(value[key]) then fail("the revision's %s is text", key) end
  end
  for _, key in ipairs { "committed_at", "pushed_at" } do
    if not is_optional_instant(value[key]) then fail("the revision's %s is a number of ms", key) end
  end
end

return revision
