--- Who may ask what of the control door. Over the Unix socket everything: who may open that may open the
-- node's files. Over TCP a token says who asks; it has roles, and each route needs one (docs/control.md).
-- @module ions.door.access
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local hash = require "ions.hash"
local sodium = require "ions.sodium"
local values = require "lion.values"

local access = {}

--- What a token may have, in the order in which it is told. Who has `admin` may everything.
access.ROLES = { "read", "transact", "invoke", "deploy", "admin" }

local ANY = { unpack(access.ROLES) }
local READ, LOOK, WRITE = { "read" }, { "read", "deploy" }, { "transact" }
local INVOKE, DEPLOY, ADMIN = { "invoke" }, { "deploy" }, { "admin" }

--- "METHOD PATTERN" → the roles of which one is needed.
access.NEEDED = {
  ["GET /node"] = ANY,
  ["GET /status"] = ANY,
  ["GET /metrics"] = READ,
  ["GET /groups"] = LOOK,
  ["GET /revisions"] = LOOK,
  ["GET /deployments"] = LOOK,
  ["GET /deployments/:id"] = LOOK,
  ["POST /push/plan"] = DEPLOY,
  ["PUT /push/files/:hash"] = DEPLOY,
  ["POST /push"] = DEPLOY,
  ["POST /deploy"] = DEPLOY,
  ["POST /rollback"] = DEPLOY,
  ["POST /groups"] = DEPLOY,
  ["GET /params"] = DEPLOY,
  ["GET /params/value"] = DEPLOY,
  ["GET /params/history"] = DEPLOY,
  ["POST /params"] = DEPLOY,
  ["POST /params/reveal"] = ADMIN,
  ["POST /params/key"] = ADMIN,
  ["POST /params/rotate-key"] = ADMIN,
  ["GET /events"] = LOOK,
  ["GET /events/dead"] = READ,
  ["GET /events/dead/:key"] = READ,
  ["POST /events/replay"] = DEPLOY,
  ["POST /events/forget"] = DEPLOY,
  ["POST /events/skip"] = DEPLOY,
  ["GET /databases"] = READ,
  ["POST /db"] = WRITE,
  ["POST /q"] = READ,
  ["POST /pull"] = READ,
  ["POST /transact"] = WRITE,
  ["POST /eval"] = ADMIN,
  ["GET /tx"] = READ,
  ["POST /values"] = { "read", "transact" }, -- its operations say which (ions.door.values)
  ["POST /values/:app"] = READ,
  ["POST /invoke/:app/:fn"] = INVOKE,
  ["GET /tokens"] = ADMIN,
  ["POST /tokens"] = ADMIN,
  ["DELETE /tokens/:name"] = ADMIN,
}

-- ---- who asks ------------------------------------------------------------------------------------

local LOCAL = { roles = { admin = true } }

local function refuse(message, ...)
  local e = anomaly.new("forbidden", "lion/unauthenticated", message:format(...))
  e.status, e.headers = 401, { { "www-authenticate", 'Bearer realm="lion"' } }
  error(e, 0)
end

-- What the system database says of a token, found by its hash: how long that takes says nothing of tokens.
local function read_token(db, digest)
  local id = db:entid { "token/hash", digest }
  local found = id and db:entity(id)
  if not found or not sodium.equal(found["token/hash"], digest) then return nil end
  local token = { name = found["token/name"], expires_at = found["token/expires-at"],
    revoked_at = found["token/revoked-at"], roles = {} }
  for _, ident in ipairs(found["token/roles"] or {}) do token.roles[ident:match "/(.+)$"] = true end
  return token
end

local Access = {}
Access.__index = Access

--- @tparam function newest gives the newest value of the system database
function access.new(newest) return setmetatable({ newest = newest, known = {} }, Access) end

-- Tokens that were read are kept until the system database has changed.
local function find(self, digest)
  local db = self.newest()
  if db.basis_t ~= self.basis_t then self.basis_t, self.known = db.basis_t, {} end
  local token = self.known[digest]
  if token == nil then
    token = read_token(db, digest)
    self.known[digest] = token
  end
  return token
end

--- Who sends a request; raises lion/unauthenticated if that is not known.
-- @tparam table raw the request, with its headers
-- @treturn table roles (name → true); name of the token, nil over the Unix socket
function Access:identify(raw)
  if raw.remote == "control" then return LOCAL end
  local given = raw.headers.authorization
  if not given then
    refuse "a token is needed: Authorization: Bearer TOKEN, which `lion token create` gives"
  end
  local secret = given:match "^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+)$"
  if not secret then refuse "a token is sent as Authorization: Bearer TOKEN, and as nothing else" end
  local token = find(self, hash.sha256(secret))
  if not token then refuse "there is no such token" end
  if token.revoked_at then refuse("the token %s was revoked", token.name) end
  if token.expires_at and token.expires_at <= core.now_ms() then
    refuse("the token %s ended at %s", token.name, values.format_instant(token.expires_at))
  end
  return token
end

-- ---- what it may ---------------------------------------------------------------------------------

--- Raise lion/forbidden unless who asks has one of the roles.
-- @tparam table who
-- @tparam table roles
-- @tparam string what is asked
function access.check(who, roles, what)
  if who.roles.admin then return end
  for _, role in ipairs(roles) do
    if who.roles[role] then return end
  end
  local message = ("%s needs the role %s, which the token %s has not"):format(what,
    table.concat(roles, " or "), tostring(who.name))
  error(anomaly.new("forbidden", "lion/forbidden", message, { roles = roles }), 0)
end

--- Whether a request that was let in still may go on; raises as `identify` and `check` do.
-- @tparam table request raw, who
-- @tparam string route
function Access:check(request, route)
  request.who = self:identify(request.raw)
  access.check(request.who, access.NEEDED[route], route)
end

--- The system database says what runs where and who did what: for those who read, not for those who only
-- write.
-- @tparam table who
-- @tparam string name of a database
function access.check_database(who, name)
  if name == "system" then access.check(who, READ, "reading the system database") end
end

return access
