--- A folder into which others put files, below the folder of an application's own files (ion.file). A file is
-- given out when it is whole, one at a time, and its place tells how far it is:
--
--     inbox/NAME          put there; it is whole when its size and time of change stand still
--     inbox/taken/NAME    in hand, or to be handled again: nobody who puts the next NAME there touches it
--     inbox/done/NAME     handled
--     inbox/failed/NAME   given up
--
-- So nothing has to be remembered, and a process that dies leaves the file where the next one finds it. Names
-- are single segments of what is listed, links are not followed, and the kernel keeps all paths below the
-- application's folder (ions.files): nothing outside is reached, whatever the names are.
-- @module ions.events.folder
local anomaly = require "lion.anomaly"
local files = require "ions.files"
local utf8 = require "ions.utf8"

local folder = {}

-- For so long a file has to stand still.
folder.QUIET_MS = 1000

local NAME_SIZE_MAX = 200
local DEPTH_MAX = 15 -- of ion.file, less the folder for those that are taken

local PLACES = { "taken", "done", "failed" }

-- Ends of names that programs give to what they have not finished.
local UNFINISHED = { "%.tmp$", "%.part$", "%.partial$", "%.filepart$", "%.crdownload$", "~$" }

-- ---- names ---------------------------------------------------------------------------------------

-- As ion.file takes them, so that a handler can read what it is told of.
local function is_name(name)
  return #name <= NAME_SIZE_MAX and name ~= "" and name:byte() ~= 46 and not name:find "[%z\1-\31/\\\127]"
    and utf8.is_valid(name)
end

local function is_finished(name)
  for _, pattern in ipairs(UNFINISHED) do
    if name:find(pattern) then return false end
  end
  return true
end

--- What is wrong with a path of a manifest; nil: nothing.
-- @param path "inbox", "orders/in"
function folder.problem(path)
  local depth, shape = 0, "path is a folder below the application's own files, such as \"inbox\""
  if type(path) ~= "string" then return shape end
  for segment in (path .. "/"):gmatch "([^/]*)/" do
    depth = depth + 1
    if not is_name(segment) then return shape end
  end
  if depth > DEPTH_MAX then return ("path is at most %d folders deep"):format(DEPTH_MAX) end
end

-- ---- places --------------------------------------------------------------------------------------

local function fail(what, path, reason)
  local message = ("the file %s cannot be %s: %s"):format(path, what, tostring(reason))
  error(anomaly.new("unavailable", "lion/folder", message), 0)
end

local Folder = {}
Folder.__index = Folder

--- Open a folder; it and those for what is taken, done and failed are made.
-- @tparam userdata below the application's folder, of ions.files
-- @tparam string path below it, of which folder.problem finds nothing
-- @tparam[opt] table options is_deleted: what is handled is removed, not moved to done/
-- @treturn table
function folder.open(below, path, options)
  for _, place in ipairs(PLACES) do
    local ok, reason = below:make(path .. "/" .. place)
    if not ok then fail("made", path .. "/" .. place, reason) end
  end
  return setmetatable({
    below = below,
    path = path,
    is_deleted = options and options.is_deleted or false,
    seen = {}, -- path → { size =, changed =, since = ms }, of what was there at the last look
    queue = {}, -- whole files of the last look, from `first` on
    first = 1,
  }, Folder)
end

-- The same name with the same size and time of change is the same file, wherever it lies.
local function key_of(name, size, changed)
  return files.hash(("%s\n%.0f\n%.6f"):format(name, size, changed)):sub(1, 16)
end

-- The file at a path if it is the one of this key.
local function is_at(self, path, file)
  local found = self.below:open(path)
  if not found then return false end
  local key = key_of(file.name, found:size(), found:changed())
  found:close()
  return key == file.key
end

-- ---- looking -------------------------------------------------------------------------------------

-- Note how a file is; whether it has been so for long enough.
local function is_quiet(self, path, entry, now_ms, seen)
  local last = self.seen[path]
  local is_same = last and last.size == entry.size and last.changed == entry.changed
  seen[path] = is_same and last or { size = entry.size, changed = entry.changed, since = now_ms }
  return now_ms - seen[path].since >= folder.QUIET_MS
end

local function by_age(a, b)
  if a.changed ~= b.changed then return a.changed < b.changed end
  return a.name < b.name
end

-- Add what is whole in a folder to the queue, the oldest first.
local function look_into(self, path, now_ms, seen)
  local list, reason = self.below:list(path)
  if not list then fail("looked into", path, reason) end
  local found = {}
  for _, entry in ipairs(list) do
    local place = path .. "/" .. entry.name
    if entry.kind == "file" and is_name(entry.name) and is_finished(entry.name)
      and is_quiet(self, place, entry, now_ms, seen) then
      found[#found + 1] = { name = entry.name, size = entry.size, changed = entry.changed, place = place,
        since = seen[place].since }
    end
  end
  table.sort(found, by_age)
  for _, file in ipairs(found) do self.queue[#self.queue + 1] = file end
end

-- What was taken before goes first.
local function look(self, now_ms)
  local seen = {}
  self.queue, self.first = {}, 1
  look_into(self, self.path .. "/taken", now_ms, seen)
  look_into(self, self.path, now_ms, seen)
  self.seen = seen
end

local function is_there(self, path)
  local found, kind = self.below:open(path)
  if found then found:close() end
  return found ~= nil or kind ~= "absent"
end

-- Take a file into our hands. False: it is gone, or it is another one now, which has to stand still first.
local function take(self, file)
  file.key, file.path = key_of(file.name, file.size, file.changed), self.path .. "/taken/" .. file.name
  if file.place ~= file.path then
    if is_there(self, file.path) then return false end -- one of that name that does not stand still yet
    local ok, reason, why = self.below:move(file.place, file.path)
    if not ok and why == "absent" then return false end
    if not ok then fail("taken", file.place, reason) end
    self.seen[file.path], self.seen[file.place] = self.seen[file.place], nil
  end
  file.place = nil
  return is_at(self, file.path, file)
end

--- The file that is to be handled next. It is taken, and stays the next one until it is done or has failed.
-- @tparam number now_ms on a clock that goes forward
-- @treturn table|nil { name =, path = below the application's folder, size =, changed = s since 1970, key = }
-- or nothing yet
function Folder:next(now_ms)
  if self.taken then return self.taken end
  if self.first > #self.queue then look(self, now_ms) end
  while self.first <= #self.queue do
    local file = self.queue[self.first]
    self.first = self.first + 1
    if take(self, file) then
      self.taken = file
      return file
    end
  end
end

--- How long the oldest of the whole files that are known has been there, with the one in hand.
-- @tparam number now_ms as of next
-- @treturn number ms; 0: there is none
function Folder:age(now_ms)
  local since = self.taken and self.taken.since or now_ms
  for i = self.first, #self.queue do since = math.min(since, self.queue[i].since) end
  return now_ms - since
end

-- ---- ends ----------------------------------------------------------------------------------------

-- A path that no other file has there.
local function free_path(self, place, file)
  local path = ("%s/%s/%s"):format(self.path, place, file.name)
  if not is_there(self, path) then return path end
  return ("%s/%s/%s-%s"):format(self.path, place, file.key, file.name)
end

--- Where a file is that was given out, by its key: it may have been given up since.
-- @tparam table file name and key
-- @treturn string|nil its path below the application's folder; nil: nobody has it any more
function Folder:find(file)
  for _, place in ipairs { "taken/", "failed/", "failed/" .. file.key .. "-" } do
    local path = self.path .. "/" .. place .. file.name
    if is_at(self, path, file) then return path end
  end
end

local function move(self, file, place)
  if self.taken and self.taken.key == file.key then self.taken = nil end
  local path = self:find(file)
  if not path then return end -- somebody has taken it away
  local target = free_path(self, place, file)
  local ok, reason = self.below:move(path, target)
  if not ok then fail("moved to " .. place, path, reason) end
end

--- A file is handled, at its first turn or later. It goes to done/, or is removed.
-- @tparam table file name and key
function Folder:done(file)
  if not self.is_deleted then return move(self, file, "done") end
  local path = self:find(file)
  if self.taken and self.taken.key == file.key then self.taken = nil end
  local ok, reason = true, nil
  if path then ok, reason = self.below:remove(path) end
  if not ok then fail("removed", path, reason) end
end

--- A file is given up: it goes to failed/.
-- @tparam table file name and key
function Folder:failed(file)
  local path = self:find(file)
  if path and path:sub(#self.path + 2):find "^failed/" then return end -- a replay
  move(self, file, "failed")
end

--- All that is whole is given up.
-- @tparam number now_ms as of next
function Folder:pass_over(now_ms)
  self.queue, self.first = {}, 1 -- what is there now
  while true do
    local file = self:next(now_ms)
    if not file then return end
    self:failed(file)
  end
end

return folder
