--- The files of an application as git holds them: those of a commit, never those of the work tree unless
-- a name is given for what no commit tells. Only the application's folder counts, which may lie anywhere
-- in its repository.
--
-- A work tree is read through an index and a store of objects that are thrown away: so its files are what
-- `git add` would take, and nothing of the repository changes.
-- @module ions.push.tree
local anomaly = require "lion.anomaly"
local git = require "ions.push.git"
local hash = require "ions.hash"
local utf8 = require "ions.utf8"

local tree = {}

--- What a revision may hold.
tree.BOUNDS = { file_bytes = 16 * 2 ^ 20, bytes = 64 * 2 ^ 20, files = 10000 }

-- Where `lion dev` keeps its databases: never a part of the application.
local NOT_DEV = ":(exclude).lion"

local NAME_MAX = 100
local SHOWN_MAX = 5 -- of a list in a message

local function fail(category, message, ...)
  error(anomaly.new(category, "lion/push", message:format(...)), 0)
end

-- ---- texts ---------------------------------------------------------------------------------------

local function listed(names)
  local shown = {}
  for i = 1, math.min(#names, SHOWN_MAX) do shown[i] = names[i] end
  if #names > SHOWN_MAX then shown[#shown + 1] = ("and %d more"):format(#names - SHOWN_MAX) end
  return table.concat(shown, ", ")
end

local function megabytes(bytes) return ("%.1f MiB"):format(bytes / 2 ^ 20) end

local function split(text)
  local parts = {}
  for part in text:gmatch "([^%z]+)" do parts[#parts + 1] = part end
  return parts
end

--- A URL without the password or token in it.
-- @tparam string url
-- @treturn string
function tree.public_url(url)
  return (url:gsub("^(https?://)[^/]*@", "%1"):gsub("^(%a[%w+.-]*://[^/@:]*):[^/@]*@", "%1@"))
end

-- ---- listing and reading -------------------------------------------------------------------------

local KINDS = { ["120000"] = "symbolic links", ["160000"] = "submodules" }

local function refuse(kind, paths, label)
  local advice = kind == "submodules" and "name what it holds in deps, as { git = URL, rev = COMMIT }"
    or "put the files themselves there"
  fail("unsupported", "%s%s are not stored: %s; %s", label, kind, listed(paths), advice)
end

--- Refuse files that are too big, together or each, or too many.
-- @tparam table files a list of { path =, size = }
-- @tparam[opt] table bounds default: tree.BOUNDS
-- @tparam[opt] string label what a message begins with
function tree.check_bounds(files, bounds, label)
  bounds, label = bounds or tree.BOUNDS, label or ""
  local total, big = 0, {}
  if #files > bounds.files then
    fail("incorrect", "%s%d files, more than the %d that a revision may have", label, #files, bounds.files)
  end
  for _, file in ipairs(files) do
    total = total + file.size
    if file.size > bounds.file_bytes then
      big[#big + 1] = ("%s (%s)"):format(file.path, megabytes(file.size))
    end
  end
  if #big > 0 then
    fail("incorrect", "%sa file of a revision has at most %s: %s", label, megabytes(bounds.file_bytes),
      listed(big))
  end
  if total > bounds.bytes then
    fail("incorrect", "%s%s of files, more than the %s that a revision may have", label, megabytes(total),
      megabytes(bounds.bytes))
  end
end

-- The files of a tree object, { path =, size =, object = git's id }, by path.
local function list(where, treeish, options, label)
  local output = git.run(where, { "ls-tree", "-r", "-z", "-l", "--full-tree", treeish }, options)
  local files, refused, odd = {}, {}, {}
  for _, entry in ipairs(split(output)) do
    local mode, object, size, path = entry:match "^(%d+) %a+ (%x+) +([%d-]+)\t(.*)$"
    local kind = KINDS[mode]
    if kind then
      refused[kind] = refused[kind] or {}
      table.insert(refused[kind], path)
    else
      if not utf8.is_valid(path) then odd[#odd + 1] = ("%q"):format(path) end
      files[#files + 1] = { path = path, size = tonumber(size), object = object }
    end
  end
  for kind, paths in pairs(refused) do refuse(kind, paths, label) end
  if #odd > 0 then fail("incorrect", "%snames of files are UTF-8: %s", label, listed(odd)) end
  table.sort(files, function(a, b) return a.path < b.path end)
  return files
end

-- Put content and content hash into each.
local function read_contents(where, files, options, label)
  local ids = {}
  for i, file in ipairs(files) do ids[i] = file.object end
  local output = git.run(where, { "cat-file", "--batch" },
    { input = table.concat(ids, "\n") .. "\n", environment = options and options.environment })
  local at = 1
  for _, file in ipairs(files) do
    local _, last, size = output:find("^%x+ blob (%d+)\n", at)
    if not last then fail("not-found", "%sthe repository lacks the content of %s", label, file.path) end
    file.content = output:sub(last + 1, last + size)
    file.hash = hash.sha256(file.content)
    file.object = nil
    at = last + size + 2 -- a newline stands behind each
  end
end

local function read_tree(where, treeish, options, settings)
  local label = settings.label and settings.label .. ": " or ""
  local files = list(where, treeish, options, label)
  tree.check_bounds(files, settings.bounds, label)
  if #files > 0 then read_contents(where, files, options, label) end
  return files
end

local function treeish_of(commit, folder) return folder == "" and commit or commit .. ":" .. folder end

--- The files of a folder of a commit.
-- @tparam table where as of git.run
-- @tparam string commit
-- @tparam string folder from the repository's top, without a slash at its end; "" is the top
-- @tparam table settings label = what a message begins with; bounds
-- @treturn table|nil a list of { path =, size =, hash =, content = } by path; nil: no such folder
function tree.of_commit(where, commit, folder, settings)
  local treeish = treeish_of(commit, folder)
  local code, output = git.try(where, { "cat-file", "-t", treeish })
  if code ~= 0 or not output:find "^[ct]" then return nil end -- commit or tree
  return read_tree(where, treeish, nil, settings)
end

-- ---- the work tree -------------------------------------------------------------------------------

local IS_FOLDER = 21 -- errno EISDIR

-- The size of what lies there; nil if nothing does; 0 and true if it is a folder.
local function look_at(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local _, _, code = file:read(1)
  local size = code == IS_FOLDER and 0 or file:seek "end"
  file:close()
  return size, code == IS_FOLDER
end

local function is_link(path) return os.execute("test -L " .. git.quote(path)) == 0 end

-- The paths that `git add` would take. Their sizes are looked at first: git would pack what we then refuse.
local function list_work_tree(dir, settings, label)
  local files, paths, modules = {}, {}, {}
  local words = { "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".", NOT_DEV }
  for _, path in ipairs(split(git.run({ dir = dir }, words))) do
    local size, is_folder = look_at(dir .. "/" .. path)
    if is_folder and not is_link(dir .. "/" .. path) then -- where a file was, or another repository
      if look_at(dir .. "/" .. path .. "/.git") then modules[#modules + 1] = (path:gsub("/$", "")) end
    else
      files[#files + 1] = { path = path, size = size or 0 }
      paths[#paths + 1] = path .. "\0"
    end
  end
  if #modules > 0 then refuse("submodules", modules, label) end
  tree.check_bounds(files, settings.bounds, label)
  return table.concat(paths)
end

--- The files of a work tree's folder as they are now, without what git ignores.
-- @tparam string dir
-- @tparam string folder the same from the repository's top, as of tree.locate
-- @tparam table settings as of tree.of_commit
-- @treturn table as of tree.of_commit
function tree.of_work_tree(dir, folder, settings)
  local paths = list_work_tree(dir, settings, settings.label and settings.label .. ": " or "")
  local scratch = git.make_folder()
  local ok, result = pcall(function()
    local environment = {
      GIT_INDEX_FILE = scratch .. "/index", GIT_OBJECT_DIRECTORY = scratch .. "/objects",
    }
    local where, options = { dir = dir }, { environment = environment }
    os.execute("mkdir " .. git.quote(environment.GIT_OBJECT_DIRECTORY))
    git.run(where, { "update-index", "--add", "--remove", "-z", "--stdin" },
      { environment = environment, input = paths })
    local words = { "write-tree" }
    if folder ~= "" then words[#words + 1] = "--prefix=" .. folder .. "/" end
    return read_tree(where, git.run(where, words, options):match "%x+", options, settings)
  end)
  git.remove_folder(scratch)
  if not ok then error(result, 0) end
  return result
end

-- ---- where one is --------------------------------------------------------------------------------

local function no_repository(dir, complaint)
  if complaint:find "not a git repository" then
    fail("not-found", "%s is not in a git repository: git init, git add and git commit make it one, and a "
      .. "commit names a revision", dir)
  elseif complaint:find("cannot change to", 1, true) then
    fail("not-found", "there is no folder %s", dir)
  end
  fail("incorrect", "%s: %s", dir, complaint)
end

--- The folder's place in its repository.
-- @tparam string dir
-- @treturn string the folder from the repository's top, "" for the top
function tree.locate(dir)
  local code, output, complaint =
    git.try({ dir = dir }, { "rev-parse", "--is-inside-work-tree", "--show-prefix" })
  if code ~= 0 then no_repository(dir, complaint) end
  local is_inside, folder = output:match "^(%a+)\n(.-)/?\n?$"
  if is_inside ~= "true" then
    fail("incorrect", "%s is a repository without a work tree: push from a clone of it", dir)
  end
  return folder
end

-- What differs from the commit, as git writes it: " M shop/tx.lua".
local function changes(dir)
  local words = { "status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal",
    "--ignore-submodules=none", "--", ".", NOT_DEV }
  return split(git.run({ dir = dir }, words))
end

local function check_name(name)
  if #name > NAME_MAX or not name:find "^%w[%w._-]*$" then
    fail("incorrect", "%q is no name for a revision: letters, digits, points, _ and -, at most %d", name,
      NAME_MAX)
  end
end

local function head_of(dir)
  local code, output = git.try({ dir = dir }, { "rev-parse", "--verify", "--quiet", "HEAD^{commit}" })
  if code ~= 0 then
    fail("not-found", "%s has no commit yet: git add and git commit make the first; it names the revision",
      dir)
  end
  return output:match "%x+"
end

local function describe(dir, commit)
  local words = { "-c", "i18n.logOutputEncoding=UTF-8", "log", "-1", "--no-show-signature",
    "--format=%ct%x00%B", commit }
  local output = git.run({ dir = dir }, words)
  local seconds, message = output:match "^(%d+)%z(.-)%s*$"
  local code, url = git.try({ dir = dir }, { "config", "--get", "remote.origin.url" })
  return tonumber(seconds) * 1000, utf8.repair(message),
    code == 0 and utf8.repair(tree.public_url((url:gsub("\n$", "")))) or nil
end

local function not_in_commit(dir, folder, commit)
  fail("not-found", "%s: the folder %s is not in commit %s: git add and git commit put it there", dir,
    folder, commit:sub(1, 12))
end

--- The application of a folder: its newest commit's files; those of the work tree if they differ and
-- a name is given.
-- @tparam table options dir; name (of a revision that is no commit's); bounds
-- @treturn table { commit =, is_dirty =, name = the revision's name, folder = as of tree.locate,
-- url =, message =, time = ms, files = as of tree.of_commit }
function tree.read(options)
  local dir = options.dir
  if options.name then check_name(options.name) end
  local folder = tree.locate(dir)
  local commit = head_of(dir)
  local changed = changes(dir)
  if #changed > 0 and not options.name then
    fail("conflict", "%s differs from its commit (%s): commit that, or push with a name, which makes "
      .. "the revision unrepro/NAME", dir, listed(changed))
  end
  local files
  if #changed > 0 then
    files = tree.of_work_tree(dir, folder, options)
  else
    files = tree.of_commit({ dir = dir }, commit, folder, options) or not_in_commit(dir, folder, commit)
  end
  local time, message, url = describe(dir, commit)
  return {
    commit = commit,
    is_dirty = #changed > 0,
    name = options.name and "unrepro/" .. options.name or commit,
    folder = folder,
    url = url,
    message = message,
    time = time,
    files = files,
  }
end

return tree
