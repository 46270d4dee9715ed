--- What `lion push` does before it talks to a node: an application's folder → a revision that is sound.
-- @module ions.push
local anomaly = require "lion.anomaly"
local check = require "ions.push.check"
local core = require "lion.core"
local deps = require "ions.push.deps"
local revision = require "ions.push.revision"
local tree = require "ions.push.tree"

local push = {}

local function all_files(found, list)
  local files = {}
  local function add(more)
    for _, file in ipairs(more) do files[#files + 1] = file end
  end
  add(found.files)
  for _, dependency in ipairs(list) do add(dependency.files) end
  return files
end

local function refuse_unnamed(list)
  local dependency = deps.unnamed(list)
  if not dependency then return end
  error(anomaly.new("conflict", "lion/push", ("the dependency %s is a folder (%s), which no commit tells: "
    .. "push with a name, which makes the revision unrepro/NAME, or take it by git and rev"):format(
    table.concat(dependency.chain, " → "), dependency.path)), 0)
end

local function refuse_problems(problems)
  if #problems == 0 then return end
  error(anomaly.new("incorrect", "lion/push", check.text(problems), { problems = problems }), 0)
end

--- Read the revision of a folder.
-- @tparam table options dir; name = for what no commit tells; pushed_by; cache and progress as of
-- deps.resolve; bounds as of tree.read
-- @treturn table the revision (ions.push.revision)
-- @treturn table its contents, hash → content
function push.read(options)
  local found = tree.read { dir = options.dir, name = options.name, bounds = options.bounds }
  local value, problems = check.manifest(found.files)
  if #problems > 0 then refuse_problems(check.problems { files = found.files }) end
  local list = deps.resolve { manifest = value, dir = options.dir, cache = options.cache,
    progress = options.progress, bounds = options.bounds }
  if not options.name then refuse_unnamed(list) end
  tree.check_bounds(all_files(found, list), options.bounds)
  refuse_problems(check.problems { files = found.files, deps = list })
  return revision.make { tree = found, manifest = value, deps = list, pushed_by = options.pushed_by,
    pushed_at = core.now_ms() }
end

return push
