--- Hashes, secrets and the encodings of bytes. The work is libsodium's.
-- @module ion.hash
local anomaly = require "lion.anomaly"
local gate = require "ions.gate"
local meter = require "ions.fuel.meter"
local nearest = require "lion.nearest"
local sodium = require "ions.sodium"

local hash = {}

local BYTES_PER_STEP = 64
local TOKEN_MIN, TOKEN_MAX = 16, 1024

-- What hashing a password costs. It holds up the state, so it is bounded, also for what was stored elsewhere.
local PASSES, MEMORY_KIB = 2, 64 * 1024
local PASSES_MAX, MEMORY_KIB_MAX = 10, 256 * 1024
local PASSWORD_MAX = 4096
local PASSWORD_STEPS = 100000

local function refuse(message, ...) anomaly.incorrect("ion.hash/invalid", message, ...) end

-- Text that is worked on is paid for.
local function check_bytes(value, what)
  if type(value) ~= "string" then refuse("%s takes a string, not a %s", what, type(value)) end
  meter.pay(#value / BYTES_PER_STEP)
  return value
end

-- ---- encodings ---------------------------------------------------------------------------------

--- Bytes as hexadecimal digits, in lower case.
function hash.hex(bytes) return sodium.hex(check_bytes(bytes, "hash.hex")) end

--- The bytes of hexadecimal digits.
function hash.from_hex(text)
  local bytes = sodium.from_hex(check_bytes(text, "hash.from_hex"))
  if bytes then return bytes end
  refuse "hash.from_hex takes pairs of hexadecimal digits and nothing else"
end

--- Bytes as base64 (RFC 4648, 4), with padding.
function hash.base64(bytes) return sodium.base64(check_bytes(bytes, "hash.base64"), false) end

--- The bytes of base64.
function hash.from_base64(text)
  local bytes = sodium.from_base64(check_bytes(text, "hash.from_base64"), false)
  if bytes then return bytes end
  refuse "hash.from_base64 takes base64 with its padding and nothing else"
end

--- Bytes as base64 for URLs, file names and cookies (RFC 4648, 5): - and _, no padding.
function hash.base64url(bytes) return sodium.base64(check_bytes(bytes, "hash.base64url"), true) end

--- The bytes of base64 for URLs.
function hash.from_base64url(text)
  local bytes = sodium.from_base64(check_bytes(text, "hash.from_base64url"), true)
  if bytes then return bytes end
  refuse "hash.from_base64url takes base64 of URLs (- and _, no padding) and nothing else"
end

local ENCODINGS = {
  hex = hash.hex,
  base64 = hash.base64,
  base64url = hash.base64url,
  bytes = function(bytes) return bytes end,
}

local function encode(bytes, encoding)
  local write = ENCODINGS[encoding == nil and "hex" or encoding]
  if write then return write(bytes) end
  local near = type(encoding) == "string" and nearest(encoding, ENCODINGS)
  refuse("an encoding is hex, base64, base64url or bytes, not %s%s", tostring(encoding),
    near and (" (did you mean %s?)"):format(near) or "")
end

-- ---- hashes ------------------------------------------------------------------------------------

--- SHA-256.
-- @tparam string data
-- @tparam[opt] string encoding "hex" (if it is left out), "base64", "base64url", or "bytes"
-- @treturn string
function hash.sha256(data, encoding)
  return encode(sodium.sha256(check_bytes(data, "hash.sha256")), encoding)
end

--- HMAC-SHA-256: shows that data comes from who knows the key.
-- @tparam string key
-- @tparam string data
-- @tparam[opt] string encoding as of sha256
-- @treturn string
function hash.hmac(key, data, encoding)
  check_bytes(key, "hash.hmac")
  if key == "" then refuse "hash.hmac takes a key that is not empty" end
  return encode(sodium.hmac(key, check_bytes(data, "hash.hmac")), encoding)
end

--- Whether two strings are equal, in a time that does not tell where they differ: for what is secret.
-- @treturn boolean
function hash.equal(a, b) return sodium.equal(check_bytes(a, "hash.equal"), check_bytes(b, "hash.equal")) end

--- A secret that nobody can guess, for links, sessions and keys.
-- @tparam[opt] number size bytes of randomness, 32 if it is left out
-- @treturn string base64 for URLs: 43 characters for 32 bytes
function hash.token(size)
  if size == nil then size = 32 end
  if type(size) ~= "number" or size % 1 ~= 0 or size < TOKEN_MIN or size > TOKEN_MAX then
    refuse("a token has %d to %d bytes, not %s", TOKEN_MIN, TOKEN_MAX, tostring(size))
  end
  return sodium.base64(gate.bytes(size), true)
end

-- ---- passwords ---------------------------------------------------------------------------------

local function check_password(password, what)
  check_bytes(password, what)
  if #password > PASSWORD_MAX then
    refuse("%s takes a password of at most %d bytes, not %d", what, PASSWORD_MAX, #password)
  end
  meter.pay(PASSWORD_STEPS)
end

local function without_padding(bytes) return (sodium.base64(bytes, false):gsub("=*$", "")) end

--- What to store of a password: by argon2id, with a salt of its own, so that who steals it has to try
-- passwords at this price each. It takes 64 MiB and about a tenth of a second, in which the state does
-- nothing else.
-- @tparam string password
-- @treturn string "$argon2id$v=19$m=65536,t=2,p=1$…"
function hash.password(password)
  check_password(password, "hash.password")
  local salt = gate.bytes(16)
  local key = sodium.argon2id(password, salt, PASSES, MEMORY_KIB)
  if not key then
    error(anomaly.new("unavailable", "lion/limit", "there are no 64 MiB to hash a password in: try again"), 0)
  end
  local kept = "$argon2id$v=19$m=%d,t=%d,p=1$%s$%s"
  return kept:format(MEMORY_KIB, PASSES, without_padding(salt), without_padding(key))
end

--- Whether a password is the one of which this was stored.
-- @tparam string password
-- @tparam string stored what hash.password gave, or another argon2id of at most 256 MiB and 10 passes
-- @treturn boolean
function hash.verify(password, stored)
  check_password(password, "hash.verify")
  check_bytes(stored, "hash.verify")
  local memory, passes = stored:match "^%$argon2id%$v=19%$m=(%d+),t=(%d+),p=1%$[%w+/]+%$[%w+/]+$"
  memory, passes = tonumber(memory), tonumber(passes)
  if not memory or #stored > 127 then refuse "hash.verify takes what hash.password gave: $argon2id$v=19$…" end
  if memory > MEMORY_KIB_MAX or passes > PASSES_MAX then
    refuse("hash.verify takes hashes of at most %d KiB and %d passes", MEMORY_KIB_MAX, PASSES_MAX)
  end
  return sodium.argon2id_verify(password, stored)
end

return hash
