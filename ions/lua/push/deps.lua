--- The dependencies of an application: other folders, whose modules it may require. `path` is a folder
-- beside it, taken as it is now; `git` and `rev` are a commit of another repository.
--
-- A dependency's name is the first part of its modules' names and belongs to it: its files are stored below
-- that name, what already lies there in its own folder keeps its place. So `money.core` is money/core.lua
-- or core.lua of the dependency money; README.md of it is money/README.md. Names are those of the whole
-- revision: two dependencies that need a third one share it, and have to mean the same.
-- @module ions.push.deps
local anomaly = require "lion.anomaly"
local git = require "ions.push.git"
local hash = require "ions.hash"
local manifest = require "ions.manifest"
local tree = require "ions.push.tree"

local deps = {}

local COUNT_MAX = 200

local function fail(category, message, ...)
  error(anomaly.new(category, "lion/push", message:format(...)), 0)
end

-- "shop → money → decimal"
local function chain_text(chain) return table.concat(chain, " → ") end

local function extended(chain, name)
  local longer = { unpack(chain) }
  longer[#longer + 1] = name
  return longer
end

-- ---- paths ---------------------------------------------------------------------------------------

-- "apps/shop", "../money" → "apps/money"; nil where it leads out of the top.
local function join(folder, path)
  local parts = {}
  for part in (folder .. "/" .. path):gmatch "[^/]+" do
    if part == ".." then
      if #parts == 0 then return nil end
      parts[#parts] = nil
    elseif part ~= "." then
      parts[#parts + 1] = part
    end
  end
  return table.concat(parts, "/")
end

local function is_remote(url) return url:find("://", 1, true) ~= nil or url:find "^[^/]*:" ~= nil end

-- The folder's one name, whatever way leads there.
local function real_folder(path)
  local pipe = assert(io.popen("cd -- " .. git.quote(path) .. " 2>/dev/null && pwd -P"))
  local text = pipe:read "*a":gsub("\n$", "")
  pipe:close()
  return text ~= "" and text or nil
end

-- ---- the cache of repositories -------------------------------------------------------------------

--- Where repositories of dependencies are kept unless one says otherwise.
-- @treturn string
function deps.default_cache()
  local base = os.getenv "XDG_CACHE_HOME"
  if not base or base:sub(1, 1) ~= "/" then base = (os.getenv "HOME" or "/tmp") .. "/.cache" end
  return base .. "/lion/git"
end

local function make_folder(path)
  if os.execute("mkdir -p -- " .. git.quote(path)) ~= 0 then
    fail("unavailable", "the folder %s cannot be made", path)
  end
end

local function failed_remote(chain, url, complaint)
  fail("unavailable", "%s: git cannot read %s: %s", chain_text(chain), tree.public_url(url), complaint)
end

-- The bare repository of a URL in the cache: cloned when first asked for, put in place when it is whole.
local function repository_of(self, url, chain)
  local label = url:gsub("/+$", ""):gsub("%.git$", ""):match "[%w._-]*$"
  local place = ("%s/%s-%s.git"):format(self.cache, label, hash.sha256(url):sub(1, 16))
  if real_folder(place) then return place end
  self.progress(("cloning %s"):format(tree.public_url(url)))
  make_folder(self.cache)
  local scratch = git.make_folder(self.cache)
  local clone = scratch .. "/clone"
  local words = { "clone", "--quiet", "--bare", "--template=", "--", url, clone }
  local code, _, complaint = git.try({ dir = "/" }, words)
  local move = ("mv -T -- %s %s 2>/dev/null"):format(git.quote(clone), git.quote(place))
  local is_there = code == 0 and os.execute(move) == 0
  git.remove_folder(scratch)
  if code ~= 0 then failed_remote(chain, url, complaint) end
  if not is_there and not real_folder(place) then -- else another push was first
    fail("unavailable", "the clone of %s cannot be kept in %s", tree.public_url(url), self.cache)
  end
  return place
end

-- The commits whose ids begin with these digits.
local function commits_of(repository, digits)
  local where, found = { git_dir = repository }, {}
  local _, ids = git.try(where, { "rev-parse", "--disambiguate=" .. digits })
  if not ids:find "%x" then return found end
  for line in git.run(where, { "cat-file", "--batch-check" }, { input = ids }):gmatch "[^\n]+" do
    found[#found + 1] = line:match "^(%x+) commit "
  end
  return found
end

-- Some hosts give a commit that no branch leads to any more to who names it whole.
local function fetch(self, repository, url, rev, chain)
  self.progress(("fetching %s"):format(tree.public_url(url)))
  local where = { git_dir = repository }
  local code, _, complaint = git.try(where, { "fetch", "--quiet", "--force", "--", url,
    "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*" })
  if code ~= 0 then failed_remote(chain, url, complaint) end
  local commits = commits_of(repository, rev)
  if #commits == 0 and #rev >= 40 then
    git.try(where, { "fetch", "--quiet", "--", url, rev })
    commits = commits_of(repository, rev)
  end
  return commits
end

local function find_commit(self, repository, url, rev, chain)
  rev = rev:lower()
  local commits = commits_of(repository, rev)
  if #commits == 0 then commits = fetch(self, repository, url, rev, chain) end
  if #commits == 1 then return commits[1] end
  if #commits == 0 then
    fail("not-found", "%s: %s has no commit %s", chain_text(chain), tree.public_url(url), rev)
  end
  fail("incorrect", "%s: more than one commit of %s begins with %s: %s", chain_text(chain),
    tree.public_url(url), rev, table.concat(commits, ", "))
end

-- ---- one dependency ------------------------------------------------------------------------------
-- A place is where a manifest lies: { dir = } in a work tree, or { repository =, url =, commit =, folder = }.

-- Where a dependency of the manifest at `place` lies.
local function locate(self, place, entry, chain)
  if entry.path and not place.repository then
    local path = entry.path:sub(1, 1) == "/" and entry.path or place.dir .. "/" .. entry.path
    local dir = real_folder(path)
    if not dir then fail("not-found", "%s: there is no folder %s", chain_text(chain), path) end
    return { dir = dir, id = dir }
  end
  local repository, url, commit, folder
  if entry.path then -- of a commit: then so is what lies beside it there
    repository, url, commit = place.repository, place.url, place.commit
    folder = entry.path:sub(1, 1) ~= "/" and join(place.folder, entry.path) or nil
  else
    url = entry.git
    if not is_remote(url) and url:sub(1, 1) ~= "/" then
      if place.repository then
        fail("incorrect", "%s: %s is a path, and its manifest lies in a commit: a URL is needed",
          chain_text(chain), url)
      end
      url = real_folder(place.dir .. "/" .. url) or place.dir .. "/" .. url
    end
    repository = repository_of(self, url, chain)
    commit = find_commit(self, repository, url, entry.rev, chain)
    folder = join("", entry.dir or "")
  end
  if not folder then
    fail("incorrect", "%s: %s leads out of its repository", chain_text(chain), entry.path or entry.dir)
  end
  return { repository = repository, url = url, commit = commit, folder = folder,
    id = ("%s %s %s"):format(url, commit, folder) }
end

-- What the place is to those who read of it.
local function place_text(place)
  if place.dir then return place.dir end
  local folder = place.folder ~= "" and " " .. place.folder or ""
  return ("%s at %s%s"):format(tree.public_url(place.url), place.commit:sub(1, 12), folder)
end

-- Of a folder that is read where it lies, as it is at any time: its manifest alone.
local function live_files(dir)
  local file = io.open(dir .. "/ion.lua", "rb")
  if not file then return {} end
  local content = file:read "*a"
  file:close()
  return { { path = "ion.lua", content = content } }
end

local function read_files(self, place, chain)
  if place.dir and self.is_live then return live_files(place.dir) end
  local settings = { bounds = self.bounds, label = chain_text(chain) }
  if place.dir then
    return tree.of_work_tree(place.dir, tree.locate(place.dir), settings)
  end
  local files = tree.of_commit({ git_dir = place.repository }, place.commit, place.folder, settings)
  if files then return files end
  fail("not-found", "%s: there is no folder %s in %s", chain_text(chain), place.folder, place_text(place))
end

-- The path of a dependency's file in the revision.
local function stored_path(name, path)
  if path == name .. ".lua" or path:sub(1, #name + 1) == name .. "/" then return path end
  return name .. "/" .. path
end

-- Two files of one dependency cannot have one place.
local function store_under(name, files, chain)
  local stored, by_path = {}, {}
  for i, file in ipairs(files) do
    local path = stored_path(name, file.path)
    if by_path[path] then
      fail("conflict", "%s: its files %s and %s would both be %s", chain_text(chain), by_path[path],
        file.path, path)
    end
    by_path[path] = file.path
    stored[i] = { path = path, size = file.size, hash = file.hash, content = file.content }
  end
  return stored
end

-- The dependency's own manifest, if it has one.
local function read_manifest(name, files, chain)
  for _, file in ipairs(files) do
    if file.path == "ion.lua" then
      local value, message = manifest.parse(file.content, "@" .. stored_path(name, "ion.lua"))
      if message then fail("incorrect", "%s: its manifest does not load: %s", chain_text(chain), message) end
      local problems = manifest.problems(value)
      if #problems > 0 then
        fail("incorrect", "%s: its manifest %s: %s", chain_text(chain), stored_path(name, "ion.lua"),
          table.concat(problems, "; "))
      end
      if value.app ~= name then
        fail("incorrect", "%s: it calls itself %s, and so are its modules named: deps = { %s = … }",
          chain_text(chain), value.app, value.app)
      end
      return value
    end
  end
end

-- ---- all of them ---------------------------------------------------------------------------------

local resolve_all

local function check_cycle(chain, name)
  for _, above in ipairs(chain) do
    if above == name then
      fail("conflict", "dependencies go in a circle: %s", chain_text(extended(chain, name)))
    end
  end
end

local function resolve_one(self, place, name, entry, chain)
  check_cycle(chain, name)
  chain = extended(chain, name)
  local found = locate(self, place, entry, chain)
  local known = self.by_name[name]
  if known then
    if known.place.id == found.id then return end
    fail("conflict", "%s is wanted twice: %s is %s, %s is %s; a revision has one of each name", name,
      chain_text(known.chain), place_text(known.place), chain_text(chain), place_text(found))
  end
  if #self.list == COUNT_MAX then fail("incorrect", "more than %d dependencies", COUNT_MAX) end
  self.progress(("reading %s"):format(chain_text(chain)))
  local files = read_files(self, found, chain)
  local dependency = {
    name = name,
    chain = chain,
    place = found,
    path = found.dir,
    git = found.url and tree.public_url(found.url),
    rev = found.commit,
    dir = found.folder ~= "" and found.folder or nil,
    manifest = read_manifest(name, files, chain),
    files = store_under(name, files, chain),
  }
  self.by_name[name] = dependency
  self.list[#self.list + 1] = dependency
  if dependency.manifest then resolve_all(self, found, dependency.manifest.deps, chain) end
end

function resolve_all(self, place, wanted, chain)
  local names = {}
  for name in pairs(wanted or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do resolve_one(self, place, name, wanted[name], chain) end
end

--- The dependencies of an application, and theirs.
-- @tparam table options manifest = one without problems; dir = its folder; cache = a folder for clones
-- (deps.default_cache()); progress = a function of a line of text; bounds as of tree.read; is_live: folders
-- need not be git's, and of their files there is the manifest alone
-- @treturn table a list, each before what it needs: { name =, chain = names that lead to it, git =, rev = the
-- whole commit, dir = | path =, manifest = if it has one, files = as of tree.read with their paths in the
-- revision }
function deps.resolve(options)
  local self = {
    cache = options.cache or deps.default_cache(),
    progress = options.progress or function() end,
    bounds = options.bounds,
    is_live = options.is_live,
    list = {},
    by_name = {},
  }
  local dir = real_folder(options.dir) or options.dir
  resolve_all(self, { dir = dir }, options.manifest.deps, { options.manifest.app })
  return self.list
end

--- The first dependency that no commit names, or nil.
-- @tparam table list of deps.resolve
-- @treturn table|nil
function deps.unnamed(list)
  for _, dependency in ipairs(list) do
    if dependency.path then return dependency end
  end
end

--- The files of the application that lie where a dependency's name is, and so are in its way.
-- @tparam table files of tree.read
-- @tparam table list of deps.resolve
-- @treturn table a list of { path =, name = of the dependency }
function deps.collisions(files, list)
  local collisions, is_name = {}, {}
  for _, dependency in ipairs(list) do is_name[dependency.name] = true end
  for _, file in ipairs(files) do
    local name = file.path:match "^([^/]+)/" or file.path:match "^([^/]+)%.lua$"
    if is_name[name] then collisions[#collisions + 1] = { path = file.path, name = name } end
  end
  return collisions
end

return deps
