--- The files of a folder, answered to GET and HEAD: tags by content, ranges, what was compressed before.
-- What is not a file of the folder is not answered here: the next route has it.
-- @module ions.static
local anomaly = require "lion.anomaly"
local files = require "ions.files"
local media = require "ions.media"

local static = {}

local CACHED_SIZE_MAX = 1024 * 1024 -- of one file whose content is kept
local CACHE_SIZE_MAX = 32 * 1024 * 1024 -- of all that is kept of a folder
local PIECE_SIZE = 64 * 1024

local Files = {}
Files.__index = Files
static.Files = Files

--- The files below a folder of the application.
-- @tparam table source of ions.source
-- @tparam string path where they are served
-- @tparam string|table folder as the manifest has it: "public", or { "public", max_age = s }
function static.new(source, path, folder)
  local settings = type(folder) == "table" and folder or { folder }
  local found, reason = source:folder(settings[1])
  if not found then
    local message = ("static, %s: %s is no folder of the application: %s"):format(path, settings[1], reason)
    error(anomaly.new("incorrect", "lion/static", message), 0)
  end
  local max_age = settings.max_age
  return setmetatable({
    folder = found,
    cache = {}, -- name → { version =, tag =, content = }
    cache_size = 0,
    cache_control = max_age and max_age > 0 and "public, max-age=" .. max_age or "no-cache",
  }, Files)
end

-- ---- what is asked for -------------------------------------------------------------------------

-- The segments as a name below the folder; nil if one of them is no name, or one that is hidden.
local function name_of(segments)
  for i, segment in ipairs(segments) do
    local is_hidden = segment:sub(1, 1) == "." and not (i == 1 and segment == ".well-known")
    if segment == "" or is_hidden or segment:find "[%z/\\]" then return nil end
  end
  return table.concat(segments, "/")
end

local function quality(parameters) return tonumber(parameters:match ";%s*[qQ]=([%d.]+)") or 1 end

local function accepts_gzip(header)
  local named, any
  for coding, parameters in (header or ""):gmatch "([^%s,;]+)%s*([^,]*)" do
    coding = coding:lower()
    if coding == "gzip" or coding == "x-gzip" then named = quality(parameters) end
    if coding == "*" then any = quality(parameters) end
  end
  return (named or any or 0) > 0
end

-- Does If-None-Match name the tag? Weak comparison: W/ does not count.
local function names_tag(header, tag)
  if not header then return false end
  if header:match "^%s*%*%s*$" then return true end
  for given in header:gmatch '"[^"]*"' do
    if given == tag then return true end
  end
  return false
end

-- The first and last byte of the one range that is asked for; nil: everything; false: none is there.
-- Several ranges, and what is no range, ask for everything.
local function range_of(headers, tag, size)
  local first, last = (headers.range or ""):match "^%s*[bB][yY][tT][eE][sS]=%s*(%d*)%s*%-%s*(%d*)%s*$"
  if not first or first == "" and last == "" then return nil end
  if headers["if-range"] and headers["if-range"] ~= tag then return nil end
  first, last = tonumber(first), tonumber(last)
  if not first then
    if last == 0 or size == 0 then return false end
    return math.max(size - last, 0), size - 1
  end
  if last and last < first then return nil end
  if first >= size then return false end
  return first, math.min(last or size - 1, size - 1)
end

-- ---- contents ----------------------------------------------------------------------------------

-- The tag of an open file, and its content if it is small; read once for each version of it.
function Files:content(name, file)
  local version, kept = file:version(), self.cache[name]
  if kept and kept.version == version then return kept.tag, kept.content end
  local content = file:size() <= CACHED_SIZE_MAX and file:read(0, CACHED_SIZE_MAX) or nil
  local tag = ('"%s"'):format(file.tag or content and files.hash(content) or file:hash())
  if kept and kept.content then self.cache_size = self.cache_size - #kept.content end
  local size = content and #content or 0
  if self.cache_size + size > CACHE_SIZE_MAX then
    self.cache, self.cache_size = {}, 0
  end
  self.cache[name] = { version = version, tag = tag, content = content }
  self.cache_size = self.cache_size + size
  return tag, content
end

local function pieces(file, first, size)
  local offset, last = first, first + size
  return function()
    if offset >= last then
      file:close()
      return nil
    end
    local piece = file:read(offset, math.min(PIECE_SIZE, last - offset))
    offset = offset + #piece
    return #piece > 0 and piece or nil -- shorter than it was: the connection is given up
  end
end

-- The file to send: compressed if that is accepted, there, and not older than what it was made of.
function Files:choose(name, headers)
  local file, kind = self.folder:open(name)
  if not file then return nil, kind end
  local compressed = self.folder:open(name .. ".gz")
  if compressed and compressed:changed() < file:changed() then
    compressed:close()
    compressed = nil
  end
  if not compressed then return { file = file, name = name } end
  if not accepts_gzip(headers["accept-encoding"]) then
    compressed:close()
    return { file = file, name = name, varies = true }
  end
  file:close()
  return { file = compressed, name = name .. ".gz", varies = true, is_gzip = true }
end

local function add(headers, name, value) headers[#headers + 1] = { name, value } end

function Files:send(name, chosen, raw)
  local file, size = chosen.file, chosen.file:size()
  local tag, content = self:content(chosen.name, file)
  if content then
    file:close()
    size = #content
  end
  local headers = { { "etag", tag }, { "cache-control", self.cache_control } }
  if chosen.varies then add(headers, "vary", "accept-encoding") end
  if names_tag(raw.headers["if-none-match"], tag) then return 304, headers, "" end
  add(headers, "accept-ranges", "bytes")
  local first, last = nil, nil
  if raw.method == "GET" then
    first, last = range_of(raw.headers, tag, size)
  end
  if first == false then
    add(headers, "content-range", "bytes */" .. size)
    return 416, headers, ""
  end
  add(headers, "content-type", media(name))
  add(headers, "x-content-type-options", "nosniff")
  if chosen.is_gzip then add(headers, "content-encoding", "gzip") end
  if first then add(headers, "content-range", ("bytes %d-%d/%d"):format(first, last, size)) end
  local status, from, count = first and 206 or 200, first or 0, first and last - first + 1 or size
  if content then return status, headers, count < size and content:sub(from + 1, from + count) or content end
  return status, headers, pieces(file, from, count), count
end

--- Answer a request for a file.
-- @tparam table raw the request
-- @tparam table segments the path below the folder, decoded
-- @treturn number|nil status; nil: there is no such file
-- @treturn table headers, pairs
-- @treturn string|function body
-- @treturn number|nil the size of what a function gives
function Files:answer(raw, segments)
  local name = name_of(segments)
  if not name then return nil end
  local ends_with_slash = raw.path:sub(-1) == "/"
  local chosen, kind
  if name ~= "" then
    chosen, kind = self:choose(name, raw.headers)
    if chosen and ends_with_slash or kind == "absent" then return nil end
  end
  if not chosen then
    name = (name == "" and "" or name .. "/") .. "index.html"
    chosen = self:choose(name, raw.headers)
    if not chosen then return nil end
    if not ends_with_slash then
      local query = raw.query and raw.query ~= "" and "?" .. raw.query or ""
      return 302, { { "location", raw.path .. "/" .. query } }, ""
    end
  end
  return self:send(name, chosen, raw)
end

return static
