-- Small git repositories in temporary folders, for the specs of push.
local git = require "ions.push.git"

local Repository = {}
Repository.__index = Repository

local repository = {}

local IDENTITY = { GIT_AUTHOR_NAME = "Ann", GIT_AUTHOR_EMAIL = "ann@x.org", GIT_COMMITTER_NAME = "Ann",
  GIT_COMMITTER_EMAIL = "ann@x.org", GIT_AUTHOR_DATE = "1700000000 +0000",
  GIT_COMMITTER_DATE = "1700000000 +0000", GIT_CONFIG_NOSYSTEM = "1", GIT_CONFIG_GLOBAL = "/dev/null" }

local function parent_of(path) return path:match "^(.*)/[^/]*$" end

--- A repository without a commit; with is_plain a folder alone.
function repository.new(is_plain)
  local self = setmetatable({ dir = git.make_folder() }, Repository)
  if not is_plain then self:git("init", "--quiet", "--template=") end
  return self
end

function Repository:git(...) return git.run({ dir = self.dir }, { ... }, { environment = IDENTITY }) end

--- Write files, path → content.
function Repository:write(files)
  for path, content in pairs(files) do
    local full = self.dir .. "/" .. path
    os.execute("mkdir -p -- " .. git.quote(parent_of(full)))
    local file = assert(io.open(full, "wb"))
    file:write(content)
    file:close()
  end
  return self
end

--- Write files and commit all that there is; gives the commit.
function Repository:commit(files, message)
  self:write(files or {})
  self:git("add", "-A")
  self:git("commit", "--quiet", "--allow-empty", "-m", message or "a commit")
  return self:git("rev-parse", "HEAD"):match "%x+"
end

function Repository:remove() git.remove_folder(self.dir) end

--- Files of a revision as path → content.
function repository.contents(files)
  local result = {}
  for _, file in ipairs(files) do result[file.path] = file.content end
  return result
end

return repository
