--- Where an application's files are: a folder, or a revision in the system database.
--
-- A source has path(name) (what messages and traces call a file), read(name) → text or nil and what is
-- wrong, has(name), folder(name) → what ions.static serves of it, and `dependencies`, the names of those
-- whose files lie below their name.
-- @module ions.source
local files = require "ions.files"
local system = require "ions.push.system"

local source = {}

-- ---- a folder ------------------------------------------------------------------------------------

local Folder = {}
Folder.__index = Folder

--- The files of a folder.
-- @tparam string dir
function source.folder(dir)
  return setmetatable({ dir = dir, dependencies = {}, taken = {} }, Folder)
end

--- Have dependencies, too: folders are read where they lie, commits as they were.
-- @tparam table list of ions.push.deps, is_live
function Folder:take(list)
  for i, dependency in ipairs(list) do
    local one = { dir = dependency.path, rev = dependency.rev, files = {} }
    local contents = dependency.path and {} or dependency.files
    for _, file in ipairs(contents) do one.files[file.path] = file.content end
    self.dependencies[i], self.taken[dependency.name] = dependency.name, one
  end
end

local function is_file(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

-- The dependency that a file belongs to, and where it lies in its folder: `money/core.lua` of the dependency
-- money is money/core.lua or core.lua there.
local function owner_of(self, name)
  local first, rest = name:match "^([^/]+)/(.*)$"
  first = first or name:match "^(.*)%.lua$"
  local owner = self.taken[first]
  if not owner or not owner.dir then return owner end
  local same = owner.dir .. "/" .. name
  if not rest or is_file(same) then return owner, same end
  return owner, owner.dir .. "/" .. rest
end

function Folder:path(name)
  local owner, path = owner_of(self, name)
  if not owner then return self.dir .. "/" .. name end
  return path or ("%s at %s"):format(name, owner.rev:sub(1, 12))
end

function Folder:read(name)
  local owner = owner_of(self, name)
  if owner and not owner.dir then return owner.files[name], "the commit has no file " .. name end
  local file, reason = io.open(self:path(name), "rb")
  if not file then return nil, reason end
  local text = file:read "*a"
  file:close()
  return text
end

function Folder:has(name)
  local owner = owner_of(self, name)
  if owner and not owner.dir then return owner.files[name] ~= nil end
  return is_file(self:path(name))
end

function Folder:folder(name)
  local top, reason = files.folder(self.dir)
  if not top then return nil, reason end
  local found
  found, reason = top:folder(name)
  top:close()
  return found, reason
end

-- ---- a file of a revision ------------------------------------------------------------------------

-- As those of ions.files; its content is read when it is asked for.
local File = {}
File.__index = File

function File:size() return self.entry.size end
function File.changed() return 0 end -- none is older than another
function File:version() return self.entry.hash end
function File:hash() return self.entry.hash end
function File:close() self.content = nil end
function File:read(offset, size)
  self.content = self.content or self.revision:content(self.entry)
  return self.content:sub(offset + 1, offset + size)
end

local Below = {}
Below.__index = Below

function Below:open(name)
  local path = self.prefix .. name
  local entry = self.revision.entries[path]
  if entry then return setmetatable({ revision = self.revision, entry = entry, tag = entry.hash }, File) end
  return nil, self.revision.folders[path] and "folder" or "absent"
end

-- ---- a revision ----------------------------------------------------------------------------------

local Revision = {}
Revision.__index = Revision

-- "a/b/c.txt" → "a", "a/b"
local function folders_of(entries)
  local folders = {}
  for path in pairs(entries) do
    local at = path:find("/", 1, true)
    while at do
      folders[path:sub(1, at - 1)] = true
      at = path:find("/", at + 1, true)
    end
  end
  return folders
end

--- The files of a revision. A revision never changes, so that it is read as the value shows it.
-- @tparam table db a value of the system database
-- @tparam string app
-- @tparam string name the revision's
function source.revision(db, app, name)
  local entries = system.entries(db, app, name)
  return setmetatable({
    db = db,
    app = app,
    entries = entries,
    folders = folders_of(entries),
    dependencies = system.dependencies(db, app, name),
  }, Revision)
end

function Revision:path(name) return self.app .. "/" .. name end

function Revision:content(entry) return self.db:entity(entry.file)["file/content"] or "" end

function Revision:has(name) return self.entries[name] ~= nil end

function Revision:read(name)
  local entry = self.entries[name]
  if not entry then return nil, "the revision has no file " .. name end
  return self:content(entry)
end

function Revision:folder(name)
  name = name:gsub("/+$", ""):gsub("^%./", "")
  if not self.folders[name] then return nil, "the revision has no folder " .. name end
  return setmetatable({ revision = self, prefix = name .. "/" }, Below)
end

return source
