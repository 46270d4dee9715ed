--- Webhooks at the public port: POST /events/NAME of each event on http. One is checked, written down, and
-- only then answered; the engine hands it out (ions.events.http).
-- @module ions.events.receive
local anomaly = require "lion.anomaly"
local cloud = require "ions.events.cloud"
local entry = require "ions.entry"
local files = require "ions.files"
local gate = require "ions.gate"
local lion = require "lion"
local manifest = require "ions.manifest"
local message = require "ions.events.message"
local route = require "ions.route"
local signature = require "ions.events.signature"

local receive = {}

--- Bytes of a webhook's body.
receive.SIZE_MAX = 1024 * 1024

--- Webhooks of one event that wait to be handed out.
receive.WAITING_MAX = 10000

-- ---- answers -------------------------------------------------------------------------------------

local CATEGORIES = { [400] = "incorrect", [401] = "forbidden", [403] = "forbidden", [413] = "incorrect",
  [415] = "unsupported" }

local function refuse(request, status, code, text)
  local told = { category = CATEGORIES[status], code = code, message = text, request = request.id }
  return { status = status, body = { error = told } }
end

local function accept(key, is_repeated)
  return { status = 202, body = { key = key, is_repeated = is_repeated } }
end

-- ---- where they are written ----------------------------------------------------------------------

-- Without a node it is where named databases lie, or in memory, where nothing is kept.
local function uri_of(folder)
  local uri = folder .. "/" .. message.DATABASE .. ".lion"
  local found = files.folder(folder)
  if not found then return "mem:" .. uri end
  found:close()
  return uri
end

local function connect(app)
  if app.node then return require("ions.remote").open(app.options.folder, message.DATABASE) end
  return lion.connect(uri_of(app.options.folder))
end

--- A connection to the database in which webhooks wait.
-- @tparam table app
function receive.connection(app)
  app.webhooks = app.webhooks or connect(app)
  local conn = app.webhooks
  if not conn:db():entid ":http.message/content" then conn:transact(message.SCHEMA) end
  return conn
end

local function is_known(db, key) return db:entid { "http.message/key", key } ~= nil end

-- Write it down unless it is known. False: it was.
local function store(conn, queue, key, request)
  local db = conn:db()
  if is_known(db, queue .. "/" .. key) then return false end
  if db:count("avet", "http.message/waiting", queue) >= receive.WAITING_MAX then
    local text = ("%d webhooks wait for %s"):format(receive.WAITING_MAX, queue)
    error(anomaly.new("busy", "lion/too-many", text), 0)
  end
  local ops = message.ops(queue, key, request.headers, request.body, gate.now())
  local ok, e = pcall(conn.transact, conn, ops)
  if ok then return true end
  if type(e) ~= "table" or e.code ~= "db.error/unique-conflict" then error(e, 0) end
  conn:sync() -- the same one came a moment before, by another way
  return false
end

-- ---- taking --------------------------------------------------------------------------------------

local function check_coding(request)
  local coding = request.headers["content-encoding"]
  return coding == nil or coding:lower() == "identity"
end

-- What its signature says; or nil, a status and what is wrong.
local function verify(app, event, request)
  local settings = event.signature
  if not settings then return {} end
  local secret = app:param(settings.secret_param, nil)
  local verified, status, problem =
    signature.verify(settings, secret, request.headers, request.body, gate.now())
  if status == 503 then
    error(anomaly.new("unavailable", "lion/no-secret", ("events, %s: %s"):format(event.name, problem)), 0)
  end
  return verified, status, problem
end

--- The handler of an event's webhooks.
-- @tparam table app of ions.app
-- @tparam table event of the manifest, with its name
-- @treturn function(request) → response
function receive.handler(app, event)
  local queue = message.queue(app.options.group or app:env(), app.manifest.app, event.name)
  return function(request)
    if #request.body > receive.SIZE_MAX then
      local text = ("a webhook has at most %d bytes"):format(receive.SIZE_MAX)
      return refuse(request, 413, "lion/too-large", text)
    end
    local verified, status, problem = verify(app, event, request)
    if not verified then return refuse(request, status, "lion/signature", problem) end
    if not check_coding(request) then
      return refuse(request, 415, "lion/malformed-event", "a webhook that is compressed is not taken")
    end
    local read
    read, status, problem = cloud.read(request.headers, request.body, request.repeated)
    if not read then return refuse(request, status, "lion/malformed-event", problem) end
    local key = message.key(event, read, request.headers, request.body, verified.id)
    return accept(key, not store(receive.connection(app), queue, key, request))
  end
end

-- ---- routes --------------------------------------------------------------------------------------

local function is_taken(routes, path)
  for _, r in ipairs(routes) do
    local methods = type(r[1]) == "table" and table.concat(r[1], " ") or r[1]
    if (methods == "*" or methods:find "POST") and route.shape(r[2]) == path then return true end
  end
  return false
end

--- Add the routes of an application's webhooks, but where it has one of its own.
-- @tparam table app
-- @tparam table routes as route.new takes them
function receive.add_routes(app, routes)
  for name, event in pairs(manifest.events(app.manifest)) do
    local path = "/events/" .. name
    if event.on == "http" and not is_taken(routes, path) then
      local target = entry.new(path, receive.handler(app, event), nil, app:label(path))
      routes[#routes + 1] = { "POST", path, target }
    end
  end
end

return receive
