--- Secret parameters: sealed by a key that lies in a file beside the databases and in none of them. What
-- was opened in this state is remembered, so that it can be taken out of what is logged.
--
-- A key file has a line for each key, 32 bytes in base64, the one that seals first. Others are there only
-- while secrets move from one key to the next.
-- @module ions.secrets
local anomaly = require "lion.anomaly"
local json = require "lion.json"
local key_file = require "ions.key_file"
local sodium = require "ions.sodium"

local secrets = {}

local KEY_SIZE = 32
local FORMAT = "1"

--- What stands where a secret was.
secrets.HIDDEN = "(secret)"

local function fail(category, code, message, ...)
  error(anomaly.new(category, code, message:format(...)), 0)
end

-- ---- the key file --------------------------------------------------------------------------------

-- By it a sealed value says which key it needs; of the key it tells nothing.
local function id_of(key) return sodium.hex(sodium.sha256("lion key\0" .. key)):sub(1, 12) end

local function parse(path, text)
  local keys = {}
  for line in text:gmatch "[^\n]+" do
    local key = line:sub(1, 1) ~= "#" and sodium.from_base64(line, false)
    if key and #key == KEY_SIZE then
      keys[#keys + 1] = { bytes = key, id = id_of(key) }
    elseif line:sub(1, 1) ~= "#" then
      fail("fault", "lion/key-file", "%s is no key file: a line of it is no key of %d bytes in base64", path,
        KEY_SIZE)
    end
  end
  if #keys == 0 then fail("fault", "lion/key-file", "%s holds no key", path) end
  return keys
end

local function read(path)
  local text, what, words = key_file.read(path)
  if text then return parse(path, text) end
  if what == "absent" then return nil end
  if what == "open" then
    local message = "the key file %s can be read by others (mode %s): chmod 600 %s"
    fail("unavailable", "lion/key-file", message, path, words, path)
  end
  fail("unavailable", "lion/key-file", "the key file %s cannot be read: %s", path, words)
end

local function write(path, keys, is_new)
  local lines = { "# Keys of Lion's secret parameters. Keep a copy where the databases are not." }
  for _, key in ipairs(keys) do lines[#lines + 1] = sodium.base64(key.bytes, false) end
  local ok, what, words = key_file.write(path, table.concat(lines, "\n") .. "\n", is_new)
  if ok or what == "exists" then return ok end
  fail("unavailable", "lion/key-file", "the key file %s cannot be written: %s", path, words)
end

local function make()
  local bytes = sodium.random(KEY_SIZE)
  return { bytes = bytes, id = id_of(bytes) }
end

--- The keys of a file.
-- @tparam string path
-- @treturn table { { bytes =, id = }, … }, the one that seals first; raises lion/key-file
function secrets.keys(path)
  local keys = read(path)
  if keys then return keys end
  fail("unavailable", "lion/key-file", "there is no key file %s: put it back from where a copy of it is "
    .. "kept. (Without one, set the secrets anew; `lion param key` makes a key.)", path)
end

--- The same; a key is made if there is no file.
-- @tparam string path
-- @treturn table keys
-- @treturn boolean whether one was made
function secrets.make_keys(path)
  local keys = read(path)
  if keys then return keys, false end
  local is_made = write(path, { make() }, true)
  return secrets.keys(path), is_made or false
end

--- Put another key in front, or leave only the first.
-- @tparam string path
-- @tparam table keys as of secrets.keys
function secrets.put_key_in_front(path, keys)
  local list = { make(), unpack(keys) }
  write(path, list)
  return list
end

function secrets.keep_first_key(path, keys) write(path, { keys[1] }) end

--- Nobody else changes keys, or seals, while one has this.
-- @tparam string path
-- @treturn table|nil a lock with close(); nil: somebody has it
function secrets.lock(path)
  local lock, what, words = key_file.lock(path)
  if lock or what == "taken" then return lock end
  fail("unavailable", "lion/key-file", "the key file %s cannot be locked: %s", path, words)
end

-- ---- sealing -------------------------------------------------------------------------------------

-- A sealed value is of one place: moved to another it does not open.
local function about(one) return ("%s\0%s\0%s"):format(one.group or "", one.app or "", one.path) end

--- Seal a text for a place.
-- @tparam table keys
-- @tparam table one group, app: names or nil; path
-- @tparam string text
-- @treturn string
function secrets.seal(keys, one, text)
  local bytes = sodium.seal(keys[1].bytes, text, about(one))
  return ("%s:%s:%s"):format(FORMAT, keys[1].id, sodium.base64(bytes, false))
end

--- The id of the key that opens it.
function secrets.key_of(sealed) return sealed:match "^%w+:(%x+):" end

local function fail_sealed(one, reason, ...)
  fail("fault", "lion/secret", "the secret %s does not open: %s", one.path, reason:format(...))
end

-- nil: none of the keys is the one.
local function try_open(keys, one)
  local format, id, body = one.sealed:match "^(%w+):(%x+):(.+)$"
  if format ~= FORMAT then fail_sealed(one, "it was sealed by another version of Lion") end
  for _, key in ipairs(keys) do
    if key.id == id then
      local bytes = sodium.from_base64(body, false)
      local text = bytes and sodium.open(key.bytes, bytes, about(one))
      if not text then fail_sealed(one, "it was changed, or it was sealed for another place") end
      return text
    end
  end
end

--- The text that was sealed.
-- @tparam table keys
-- @tparam table one group, app, path, sealed
-- @treturn string
function secrets.open(keys, one)
  local text = try_open(keys, one)
  if text then return text end
  fail_sealed(one, "it needs the key %s, and the key file has %s: put the right file back, or set it anew",
    tostring(secrets.key_of(one.sealed)), keys[1].id)
end

-- ---- what was opened -----------------------------------------------------------------------------

-- Texts that are shorter would be found in everything.
local HIDDEN_SIZE_MIN = 5
local KNOWN_MAX = 1000

local known, known_count = {}, 0

local function remember(value)
  if type(value) == "table" then
    for _, item in pairs(value) do remember(item) end
  end
  if type(value) ~= "string" or #value < HIDDEN_SIZE_MIN or known[value] then return end
  if known_count == KNOWN_MAX then
    known, known_count = {}, 0
  end
  known[value], known_count = true, known_count + 1
end

--- The value of a secret, which `hide` knows from now on.
-- @tparam table keys
-- @tparam table one as of secrets.open
function secrets.reveal(keys, one)
  local value = json.read(secrets.open(keys, one))
  remember(value)
  return value
end

-- As Lua has them: where applications run, the methods of strings are versions that count their work.
local find, sub = string.find, string.sub

local function without(text, secret)
  local from, to = find(text, secret, 1, true)
  if not from then return text end
  local parts, at = {}, 1
  while from do
    parts[#parts + 1] = sub(text, at, from - 1)
    at = to + 1
    from, to = find(text, secret, at, true)
  end
  parts[#parts + 1] = sub(text, at)
  return table.concat(parts, secrets.HIDDEN)
end

--- A text without the secrets that were opened in this state, also where they stand in JSON.
-- @tparam string text
-- @treturn string
function secrets.hide(text)
  if known_count == 0 then return text end
  for secret in pairs(known) do
    text = without(text, secret)
    local quoted = json.write(secret):sub(2, -2)
    if quoted ~= secret then text = without(text, quoted) end
  end
  return text
end

return secrets
