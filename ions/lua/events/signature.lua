--- Who sends a webhook signs it with a secret that both sides know: HMAC-SHA-256 of the body, in one of the
-- ways that are in use. The manifest says in which:
--
--     signature = { scheme = "stripe", secret_param = "stripe/secret" }
--
-- - "hmac": of the body, in `header`, as `encoding` "hex" or "base64", behind a `prefix` if there is one.
-- - "github": that in X-Hub-Signature-256, in hexadecimal digits behind "sha256=".
-- - "stripe": of time and body, Stripe-Signature: t=…,v1=…
-- - "standard": of id, time and body, as Standard Webhooks have it: webhook-id, webhook-timestamp,
--   webhook-signature: v1,…; the secret is base64, behind whsec_ if that is there.
--
-- Where a time is signed, it is at most `tolerance` seconds away from now, so that what was overheard is of
-- no use later. Signatures are compared in a time that does not tell where they differ.
-- @module ions.events.signature
local nearest = require "lion.nearest"
local sodium = require "ions.sodium"

local signature = {}

local TOLERANCE_S = 300
local TOLERANCE_S_MAX = 86400
local CANDIDATES_MAX = 16 -- signatures in one header

-- The keys of `signature`, by scheme.
local KEYS = {
  hmac = { "scheme", "secret_param", "header", "encoding", "prefix" },
  github = { "scheme", "secret_param" },
  stripe = { "scheme", "secret_param", "tolerance" },
  standard = { "scheme", "secret_param", "tolerance" },
}

local DECODERS = {
  hex = sodium.from_hex,
  base64 = function(text) return sodium.from_base64(text, false) end,
}

-- ---- settings ------------------------------------------------------------------------------------

local function known(names)
  local set = {}
  for _, name in ipairs(names) do set[name] = true end
  return set
end

local function check_keys(settings, wrong)
  local names = KEYS[settings.scheme]
  local is_known = known(names)
  for key in pairs(settings) do
    if not is_known[key] then
      local near = nearest(tostring(key), is_known)
      local hint = near and ("did you mean %s?"):format(near) or "known: " .. table.concat(names, ", ")
      wrong(("signature: unknown key %s (%s)"):format(tostring(key), hint))
    end
  end
end

local function check_header(settings, wrong)
  local header, prefix, encoding = settings.header, settings.prefix, settings.encoding
  if type(header) ~= "string" or not header:find "^[%w!#$%%&'*+.^_`|~-]+$" then
    wrong 'signature: header is the name of the header with the signature, such as "x-signature"'
  end
  if prefix ~= nil and type(prefix) ~= "string" then wrong "signature: prefix is a string" end
  if encoding ~= nil and not DECODERS[encoding] then wrong 'signature: encoding is "hex" or "base64"' end
end

--- Check what a manifest says.
-- @param settings
-- @tparam function wrong is called with each message
function signature.check(settings, wrong)
  local keys = type(settings) == "table" and KEYS[settings.scheme]
  if not keys then
    return wrong 'signature is { scheme = "hmac", "github", "stripe" or "standard", secret_param = "…" }'
  end
  check_keys(settings, wrong)
  if type(settings.secret_param) ~= "string" or settings.secret_param == "" then
    wrong "signature: secret_param is the name of the parameter that is the secret"
  end
  if settings.scheme == "hmac" then check_header(settings, wrong) end
  local tolerance = settings.tolerance
  local is_whole = type(tolerance) == "number" and tolerance % 1 == 0
  if tolerance ~= nil and not (is_whole and tolerance >= 1 and tolerance <= TOLERANCE_S_MAX) then
    wrong(("signature: tolerance is a whole number of seconds from 1 to %d"):format(TOLERANCE_S_MAX))
  end
end

-- ---- what is signed, and the signatures that were sent -------------------------------------------

local function missing(header) return nil, ("the header %s is missing"):format(header) end
local function malformed(header) return nil, ("the header %s is no signature"):format(header) end

-- Each gives { content =, candidates = bytes of signatures, seconds =, id = }; or nil and what is wrong.
local readers = {}

local function read_hmac(settings, headers, body)
  local name = settings.header:lower()
  local value, prefix = headers[name], settings.prefix or ""
  if not value then return missing(name) end
  if value:sub(1, #prefix) ~= prefix then return malformed(name) end
  local bytes = DECODERS[settings.encoding or "hex"](value:sub(#prefix + 1))
  if not bytes then return malformed(name) end
  return { content = body, candidates = { bytes } }
end
readers.hmac = read_hmac

local GITHUB = { header = "x-hub-signature-256", prefix = "sha256=", encoding = "hex" }

function readers.github(_, headers, body) return read_hmac(GITHUB, headers, body) end

local function seconds_of(text) return #text <= 12 and text:find "^%d+$" and tonumber(text) or nil end

function readers.stripe(_, headers, body)
  local name = "stripe-signature"
  local value = headers[name]
  if not value then return missing(name) end
  local time, candidates = nil, {}
  for key, text in value:gmatch "([%w]+)=([^,%s]*)" do
    if key == "t" then
      if time then return malformed(name) end
      time = text
    elseif key == "v1" and #candidates < CANDIDATES_MAX then
      candidates[#candidates + 1] = sodium.from_hex(text) or nil
    end
  end
  local seconds = time and seconds_of(time)
  if not seconds or #candidates == 0 then return malformed(name) end
  return { content = time .. "." .. body, candidates = candidates, seconds = seconds }
end

function readers.standard(_, headers, body)
  for _, name in ipairs { "webhook-id", "webhook-timestamp", "webhook-signature" } do
    if not headers[name] or headers[name] == "" then return missing(name) end
  end
  local id, time, candidates = headers["webhook-id"], headers["webhook-timestamp"], {}
  local seconds = seconds_of(time)
  if not seconds then return nil, "the header webhook-timestamp is no time in seconds" end
  for version, text in headers["webhook-signature"]:gmatch "(%w+),(%S+)" do
    local bytes = version == "v1" and #candidates < CANDIDATES_MAX and sodium.from_base64(text, false)
    if bytes then candidates[#candidates + 1] = bytes end
  end
  if #candidates == 0 then return malformed "webhook-signature" end
  return { content = id .. "." .. time .. "." .. body, candidates = candidates, seconds = seconds, id = id }
end

-- ---- secrets -------------------------------------------------------------------------------------

local function key_of(scheme, secret)
  if type(secret) ~= "string" or secret == "" then return nil end
  if scheme ~= "standard" then return secret end
  local key = sodium.from_base64((secret:gsub("^whsec_", "")), false)
  return key ~= "" and key or nil
end

-- One secret, or several while one is being changed for another. Of each the key; nil: there is none, or one
-- is no secret.
local function keys_of(scheme, secret)
  local keys = {}
  for i, one in ipairs(type(secret) == "table" and secret or { secret }) do
    keys[i] = key_of(scheme, one)
    if not keys[i] then return nil end
  end
  return #keys > 0 and keys or nil
end

-- All are tried, whichever fits.
local function is_signed(read, keys)
  local fits = false
  for _, key in ipairs(keys) do
    local expected = sodium.hmac(key, read.content)
    for _, candidate in ipairs(read.candidates) do
      if sodium.equal(expected, candidate) then fits = true end
    end
  end
  return fits
end

--- Check what was sent.
-- @tparam table settings that signature.check found right
-- @param secret the parameter's value: a string, or an array of them, of which any may have been used
-- @tparam table headers name in lower case → value
-- @tparam string body
-- @tparam number now_ms ms since 1970
-- @treturn table|nil { id = of the message, if the scheme signs one }
-- @treturn number status that answers: 401 there is no signature, 403 it is wrong or too old, 503 the
-- parameter is no secret
-- @treturn string what is wrong
function signature.verify(settings, secret, headers, body, now_ms)
  local keys = keys_of(settings.scheme, secret)
  if not keys then
    return nil, 503, ("the parameter %s is not set, or is no secret"):format(settings.secret_param)
  end
  local read, problem = readers[settings.scheme](settings, headers, body)
  if not read then return nil, 401, problem end
  if not is_signed(read, keys) then return nil, 403, "the signature is wrong" end
  local tolerance = settings.tolerance or TOLERANCE_S
  if read.seconds and math.abs(now_ms / 1000 - read.seconds) > tolerance then
    return nil, 403, ("the signature's time is more than %d s from now"):format(tolerance)
  end
  return { id = read.id }
end

return signature
