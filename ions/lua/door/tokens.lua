--- The control door's routes to tokens: made, told of, revoked (docs/control.md). A token is 32 random bytes,
-- told once; the system database has its SHA-256, which is enough for what nobody can guess.
-- @module ions.door.tokens
local access = require "ions.door.access"
local anomaly = require "lion.anomaly"
local answer = require "ions.door.answer"
local core = require "lion.core"
local hash = require "ions.hash"
local nearest = require "lion.nearest"
local sodium = require "ions.sodium"
local tell = require "ions.door.tell"
local values = require "lion.values"

local tokens = {}

local PREFIX = "lion_" -- by which tokens are found where they should not be
local SECRET_SIZE = 32
local NAME_MAX = 100

-- ---- making --------------------------------------------------------------------------------------

local function check_name(name)
  if #name > NAME_MAX or not name:find "^[%w_][%w_.@-]*$" then
    anomaly.incorrect("lion/syntax", "%q is no token's name: letters, digits, _, -, . and @, at most %d",
      name, NAME_MAX)
  end
end

local function check_roles(roles)
  local known = {}
  for _, role in ipairs(access.ROLES) do known[role] = true end
  for _, role in ipairs(roles) do
    if not known[role] then
      local near = nearest(role, known)
      anomaly.incorrect("lion/syntax", "there is no role %s%s (there are: %s)", role,
        near and (", did you mean %s?"):format(near) or "", table.concat(access.ROLES, ", "))
    end
  end
  if #roles == 0 then
    anomaly.incorrect("lion/syntax", "a token without a role may nothing (there are: %s)",
      table.concat(access.ROLES, ", "))
  end
end

-- ms; from EDN it is a number already.
local function check_expiry(given)
  if given == nil then return nil end
  local ms = type(given) == "number" and given or values.instant(given)
  if ms <= core.now_ms() then anomaly.incorrect("lion/syntax", "expires_at is in the past") end
  return ms
end

local function is_over(token)
  return token["token/revoked-at"] ~= nil
    or token["token/expires-at"] ~= nil and token["token/expires-at"] <= core.now_ms()
end

local function fail_taken(name)
  local message = ("there is a token %s: revoke it first, or take another name"):format(name)
  error(anomaly.new("conflict", "lion/name-taken", message), 0)
end

-- What a token of this name had before, and the new one has not.
local function take_back(tx, id, found, map)
  local wanted = {}
  for _, ident in ipairs(map["token/roles"]) do wanted[ident] = true end
  for _, ident in ipairs(found["token/roles"] or {}) do
    if not wanted[ident] then tx[#tx + 1] = { "db/retract", id, "token/roles", ident } end
  end
  for _, name in ipairs { "token/expires-at", "token/revoked-at" } do
    if found[name] and map[name] == nil then tx[#tx + 1] = { "db/retract", id, name, found[name] } end
  end
end

-- A name whose token is over may be given again. Of two who do it at once the second is refused.
local function write(door, body, digest, expires_at)
  local db, idents = door.system:db(), {}
  for i, role in ipairs(body.roles) do idents[i] = ":role/" .. role end
  local id = db:entid { "token/name", body.name }
  local found = id and db:entity(id) or {}
  if id and not is_over(found) then fail_taken(body.name) end
  local map = { ["db/id"] = id or "token", ["token/name"] = body.name, ["token/roles"] = idents,
    ["token/expires-at"] = expires_at }
  local tx = { map, { "db/cas", map["db/id"], "token/hash", found["token/hash"] or values.null, digest } }
  if id then take_back(tx, id, found, map) end
  local ok, e = pcall(door.system.transact, door.system, tx)
  if ok then return end
  if type(e) == "table" and e.category == "conflict" then fail_taken(body.name) end
  error(e, 0)
end

--- POST /tokens
function tokens.create(door, request)
  local body = answer.check(request.body, { name = "string!", roles = "strings!", expires_at = "any" })
  check_name(body.name)
  check_roles(body.roles)
  local expires_at = check_expiry(body.expires_at)
  local secret = PREFIX .. sodium.base64(sodium.random(SECRET_SIZE), true)
  write(door, body, hash.sha256(secret), expires_at)
  return { name = body.name, token = secret, roles = body.roles, expires_at = tell.instant(expires_at) }, 201
end

-- ---- telling -------------------------------------------------------------------------------------

local function roles_of(found)
  local has, list = {}, {}
  for _, ident in ipairs(found["token/roles"] or {}) do has[ident:match "/(.+)$"] = true end
  for _, role in ipairs(access.ROLES) do
    if has[role] then list[#list + 1] = role end
  end
  return list
end

local function state_of(found)
  if found["token/revoked-at"] then return "revoked" end
  return is_over(found) and "expired" or "live"
end

local function describe(found, created_at)
  return { name = found["token/name"], roles = answer.list(roles_of(found)), state = state_of(found),
    created_at = tell.instant(created_at), expires_at = tell.instant(found["token/expires-at"]),
    revoked_at = tell.instant(found["token/revoked-at"]) }
end

local ALL = "[:find ?token ?name ?at :where [?token :token/name ?name] [?token :token/hash _ ?tx] "
  .. "[?tx :db/txInstant ?at]]"

--- GET /tokens
function tokens.list(door, request)
  answer.check_query(request.query, {})
  local db, told = door.system:db(), {}
  for id, _, at in db:rows(ALL) do told[#told + 1] = describe(db:entity(id), at) end
  table.sort(told, function(a, b) return a.name < b.name end)
  return answer.list(told)
end

local function existing(db, name)
  local id = db:entid { "token/name", name }
  if id then return id end
  local known = {}
  for other in db:rows "[:find ?name :where [_ :token/name ?name]]" do known[other] = true end
  local near = nearest(name, known)
  local message = ("there is no token %s%s"):format(name, near and (" (did you mean %s?)"):format(near) or "")
  error(anomaly.new("not-found", "lion/not-found", message), 0)
end

--- DELETE /tokens/NAME
function tokens.revoke(door, request)
  answer.check_query(request.query, {})
  local db, name = door.system:db(), request.params.name
  local id = existing(db, name)
  local revoked_at = db:entity(id)["token/revoked-at"]
  if not revoked_at then
    revoked_at = core.now_ms()
    door.system:transact { { "db/add", id, "token/revoked-at", revoked_at } }
  end
  return { name = name, state = "revoked", revoked_at = tell.instant(revoked_at) }
end

return tokens
