--- The control door's routes to deployments (docs/control.md): asking for them, and following them.
-- @module ions.door.deployments
local anomaly = require "lion.anomaly"
local answer = require "ions.door.answer"
local ask = require "ions.deploy.ask"
local find = require "ions.deploy.find"
local tell = require "ions.door.tell"

local deployments = {}

local LIST, LIST_MAX = 20, 1000
local REVISIONS = 100
local WAIT_MS_MAX = 30000

-- Those that need nobody are over when the answer is given.
local function told(door, made)
  door.roll:settle()
  door:wake()
  local db, list = door.system:db(), {}
  for i, one in ipairs(made) do
    list[i] = tell.deployment(db, one.entity)
    list[i].is_new = one.is_new
  end
  return { deployments = answer.list(list) }
end

--- POST /deploy
function deployments.deploy(door, request)
  local body = answer.check(request.body, { revision = "string!", groups = "strings!", app = "string",
    by = "string", id = "string", add = "boolean" })
  return told(door, ask.deploy(door.system, body))
end

--- POST /rollback
function deployments.rollback(door, request)
  local body = answer.check(request.body,
    { groups = "strings!", app = "string", by = "string", id = "string" })
  return told(door, ask.rollback(door.system, body))
end

--- GET /deployments
function deployments.list(door, request)
  local query = answer.check_query(request.query, { group = "string", app = "string", limit = "count" })
  local db = door.system:db()
  if query.group then find.group(db, query.group) end
  if query.app then find.app(db, query.app) end
  query.limit = answer.bounded("limit", query.limit, LIST, LIST_MAX)
  return tell.deployments(db, query)
end

local function entity_of(db, id)
  local ok, entity = pcall(db.entid, db, { "deployment/id", id:lower() })
  if ok and entity then return entity end
  error(anomaly.new("not-found", "lion/not-found", ("there is no deployment %s"):format(id)), 0)
end

local function is_news(one, query)
  return one.is_over or #one.steps > (query.after or 0) or query.state ~= nil and one.state ~= query.state
end

--- GET /deployments/ID
function deployments.one(door, request)
  local query = answer.check_query(request.query, { after = "count", state = "string", wait_ms = "count" })
  local wait_ms = answer.bounded("wait_ms", query.wait_ms, 0, WAIT_MS_MAX)
  local until_ms = door:monotonic() + wait_ms
  while true do
    local db = door.system:db()
    local one = tell.deployment(db, entity_of(db, request.params.id))
    local left = until_ms - door:monotonic()
    if left <= 0 or door.is_leaving or is_news(one, query) then return one end
    door:await_change(db.basis_t, until_ms)
  end
end

--- GET /groups
function deployments.groups(door, request)
  answer.check_query(request.query, {})
  return tell.groups(door.system:db())
end

--- GET /revisions
function deployments.revisions(door, request)
  local query = answer.check_query(request.query, { app = "string", limit = "count" })
  query.limit = answer.bounded("limit", query.limit, REVISIONS, LIST_MAX)
  return tell.revisions(door.system:db(), query)
end

return deployments
