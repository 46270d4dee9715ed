--- Files that appear in a folder, as events: a source of ions.events.engine. Where a file lies tells how far
-- it is (ions.events.folder), so an event has no position here.
-- @module ions.events.dir
local anomaly = require "lion.anomaly"
local folder = require "ions.events.folder"
local gate = require "ions.gate"

local dir = {}

local LOOK_MS = 500 -- between two looks into the folder
local PIECE_MAX = 16 * 1024 * 1024 -- bytes that a handler reads at once

local Source = {}
Source.__index = Source

local function open_folder(below, spec) return folder.open(below, spec.path, { is_deleted = spec.delete }) end

--- Where an event begins that is new: what lies there is new, too.
function dir.first() return 0 end

--- A source of files.
function dir.open(host, event)
  local below = host.files(event.app)
  return setmetatable({ host = host, below = below, folder = open_folder(below, event.spec) }, Source)
end

function Source:next()
  local file = self.folder:next(self.host.monotonic())
  if not file then return nil end
  local changed = math.floor(file.changed * 1000)
  return {
    number = tonumber(file.key:sub(1, 13), 16),
    position = 0,
    input = { name = file.name, size = file.size, changed = changed, file = file.key },
  }
end

--- It is handled, or given up.
function Source:ended(item, is_ok)
  local file = { name = item.input.name, key = item.input.file }
  if is_ok then self.folder:done(file) else self.folder:failed(file) end
end

--- All that lies there is given up.
function Source:pass_over() self.folder:pass_over(self.host.monotonic()) end

function Source.due() return LOOK_MS end

function Source.passed() return 0 end

function Source.newest() return 0 end

function Source:lag() return self.folder:age(self.host.monotonic()) end

function Source:close() self.below:close() end

-- ---- in the worker -------------------------------------------------------------------------------

local function refuse(message, ...) anomaly.incorrect("lion/syntax", message, ...) end

-- Reads pieces of a file, or all of it.
local function reader(below, path)
  return function(offset, size)
    local found = below:open(path)
    if not found then
      error(anomaly.new("not-found", "lion/no-file", ("the file %s is there no more"):format(path)), 0)
    end
    offset, size = offset or 0, size or found:size()
    local is_piece = type(offset) == "number" and type(size) == "number" and offset >= 0 and size >= 0
    if not is_piece or size > PIECE_MAX then
      found:close()
      refuse("at most %d bytes of %s are read at once: event.read(offset, size)", PIECE_MAX, path)
    end
    local bytes = found:read(offset, size)
    found:close()
    return bytes
  end
end

--- In the worker: what the handler is given of what the source has said.
-- @tparam table _ of ions.app
-- @tparam table input
-- @tparam table spec of the manifest
-- @treturn boolean false: nobody has the file any more
function dir.prepare(_, input, spec)
  local below = gate.files()
  local path = open_folder(below, spec):find { name = input.name, key = input.file }
  if not path then return false end
  input.path, input.read, input.file = path, reader(below, path), nil
  return true
end

return dir
