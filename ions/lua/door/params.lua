--- The control door's routes to parameters (docs/control.md, docs/params.md), and to what groups are told.
-- @module ions.door.params
local anomaly = require "lion.anomaly"
local answer = require "ions.door.answer"
local core = require "lion.core"
local find = require "ions.deploy.find"
local json = require "lion.json"
local params = require "ions.params"
local scheduler = require "ions.scheduler"
local secrets = require "ions.secrets"
local values = require "lion.values"

local routes = {}

local HISTORY, HISTORY_MAX = 100, 1000
local VALUE_BYTES_MAX = 65536 -- as JSON: whoever asks for it gets a copy
local TRIES_MAX = 5
local LOCK_MS, LOCK_LOOK_MS = 10000, 10

local PLACE = { path = "string!", group = "string", app = "string" }

local function with(fields, more)
  local all = {}
  for name, kind in pairs(fields) do all[name] = kind end
  for name, kind in pairs(more) do all[name] = kind end
  return all
end

-- ---- places --------------------------------------------------------------------------------------

-- The place that is meant, with its entities: group, app, path, group_id, app_id.
local function place_of(db, given)
  return {
    path = params.path(given.path),
    group = given.group,
    app = given.app,
    group_id = given.group and find.group(db, given.group),
    app_id = given.app and find.app(db, given.app),
  }
end

local function entity_of(db, place)
  local key = { place.group_id or values.null, place.app_id or values.null, place.path }
  return db:entid { "param/group+app+path", key }
end

-- Where a parameter that is not there was looked for.
local function fail_missing(place)
  local command = { ("`lion param set /%s VALUE"):format(place.path) }
  if place.app then command[#command + 1] = "--app " .. place.app end
  if place.group then command[#command + 1] = "--group " .. place.group end
  local message = ("there is no parameter %s: looked for in %s. %s` sets it"):format(place.path,
    params.places(place.group, place.app), table.concat(command, " "))
  error(anomaly.new("not-found", "lion/no-param", message), 0)
end

local function instant(ms) return ms and values.inst(ms) end

-- ---- the key -------------------------------------------------------------------------------------

local function key_path(door) return door.secret_key or door.dir .. "/secret.key" end

-- Seals and changes of keys take turns, also with those of other doors: else a secret might be sealed by a
-- key that is taken out meanwhile.
local function with_key(door, fn)
  local path, until_ms = key_path(door), core.monotonic_ms() + LOCK_MS
  local lock = secrets.lock(path)
  while not lock do
    if core.monotonic_ms() > until_ms then
      error(anomaly.new("busy", "lion/busy", "somebody else changes secrets at the moment: try again"), 0)
    end
    scheduler.sleep(LOCK_LOOK_MS)
    lock = secrets.lock(path)
  end
  local ok, result = pcall(fn, path)
  lock:close()
  if not ok then error(result, 0) end
  return result
end

--- POST /params/key: make the key file, if there is none.
function routes.key(door, request)
  answer.check(request.body, {})
  return with_key(door, function(path)
    local keys, is_new = secrets.make_keys(path)
    return { file = path, key = keys[1].id, is_new = is_new }
  end)
end

-- Each secret that is not sealed by the first key. The transaction fails if one was changed meanwhile.
local function reseal(db, keys)
  local tx = {}
  for _, one in ipairs(params.list(db)) do
    if one.sealed and secrets.key_of(one.sealed) ~= keys[1].id then
      local sealed = secrets.seal(keys, one, secrets.open(keys, one))
      tx[#tx + 1] = { "db/cas", one.id, "param/secret", one.sealed, sealed }
    end
  end
  return tx
end

local function reseal_all(door, keys, by)
  for try = 1, TRIES_MAX do
    local tx = reseal(door.system:db(), keys)
    local count = #tx
    if count == 0 then return 0 end
    if by then tx[#tx + 1] = { ["db/id"] = "datomic.tx", ["param/by"] = by } end
    local ok, e = pcall(door.system.transact, door.system, tx)
    if ok then return count end
    if e.category ~= "conflict" or try == TRIES_MAX then error(e, 0) end
  end
end

--- POST /params/rotate-key. Whatever ends it on the way, the file has each key that a secret needs.
function routes.rotate_key(door, request)
  local body = answer.check(request.body, { by = "string" })
  return with_key(door, function(path)
    local keys = secrets.put_key_in_front(path, secrets.make_keys(path))
    local count = reseal_all(door, keys, body.by)
    secrets.keep_first_key(path, keys)
    return { file = path, key = keys[1].id, secrets = count }
  end)
end

-- ---- setting -------------------------------------------------------------------------------------

-- The facts of a value in a place, in the stead of what is there.
local function facts(db, place, attribute, text)
  local known = entity_of(db, place)
  local tx = { { ["db/id"] = known or "param", ["param/group"] = place.group_id,
    ["param/app"] = place.app_id, ["param/path"] = place.path, [attribute] = text } }
  local other = attribute == "param/value" and "param/secret" or "param/value"
  local old = known and db:entity(known)[other]
  if old then tx[2] = { "db/retract", known, other, old } end
  return tx
end

local function transact(door, tx, by)
  if by then tx[#tx + 1] = { ["db/id"] = "datomic.tx", ["param/by"] = by } end
  door.system:transact(tx)
end

local function text_of(value)
  local text = json.write(value)
  if #text <= VALUE_BYTES_MAX then return text end
  anomaly.incorrect("lion/limit", "a parameter has at most %d bytes as JSON, not %d", VALUE_BYTES_MAX, #text)
end

local function set_value(door, place, body)
  transact(door, facts(door.system:db(), place, "param/value", text_of(body.value)), body.by)
end

local function set_secret(door, place, body)
  local text = text_of(body.value)
  with_key(door, function(path)
    local sealed = secrets.seal(secrets.make_keys(path), place, text)
    transact(door, facts(door.system:db(), place, "param/secret", sealed), body.by)
  end)
end

local function unset(door, db, place, by)
  local known = entity_of(db, place)
  if known then transact(door, { { "db/retractEntity", known } }, by) end
  return known ~= nil
end

--- POST /params
function routes.set(door, request)
  local fields = with(PLACE, { value = "any!", is_secret = "boolean", by = "string" })
  local body = answer.check(request.body, fields)
  local db = door.system:db()
  local place = place_of(db, body)
  local told = { group = body.group, app = body.app, path = place.path, is_secret = body.is_secret or nil }
  if body.value == values.null then
    told.value, told.was_set = values.null, unset(door, db, place, body.by)
  elseif body.is_secret then
    set_secret(door, place, body)
  else
    set_value(door, place, body)
    told.value = body.value
  end
  return told
end

-- ---- telling -------------------------------------------------------------------------------------

-- A value as it is told: a secret is not.
local function put_value(told, one)
  if one.sealed then
    told.is_secret = true
  else
    told.value = json.read(one.value)
  end
  return told
end

local SINCE = [==[
  [:find ?at ?tx :in $ ?p :where (or [?p :param/value _ ?tx] [?p :param/secret _ ?tx])
   [?tx :db/txInstant ?at]] ]==]

local function told_of(db, one)
  local row = db:q(SINCE, one.id)[1] or {}
  local by = row[2] and db:entity(row[2])["param/by"]
  local told = { group = one.group, app = one.app, path = one.path, since = instant(row[1]), by = by }
  return put_value(told, one)
end

local function by_place(a, b)
  if a.path ~= b.path then return a.path < b.path end
  if a.group ~= b.group then return (a.group or "") < (b.group or "") end
  return (a.app or "") < (b.app or "")
end

local function fits(one, filter)
  return (filter.group == nil or one.group == filter.group) and (filter.app == nil or one.app == filter.app)
    and (filter.below == nil or (one.path .. "/"):sub(1, #filter.below) == filter.below)
end

--- GET /params
function routes.list(door, request)
  local query = answer.check_query(request.query, { group = "string", app = "string", path = "string" })
  local db, told = door.system:db(), {}
  if query.group then find.group(db, query.group) end
  if query.app then find.app(db, query.app) end
  query.below = query.path and params.path(query.path) .. "/"
  for _, one in ipairs(params.list(db)) do
    if fits(one, query) then told[#told + 1] = told_of(db, one) end
  end
  table.sort(told, by_place)
  return answer.list(told)
end

-- ---- one of them, as an application has it -------------------------------------------------------

-- What the manifest of the revision says that the group runs.
local function manifest_params(db, place)
  if not (place.group_id and place.app) then return {} end
  local runs = find.running(db, place.group_id)[place.app]
  local text = runs and db:entity(runs.id)["revision/manifest"]
  return text and json.read(text).params or {}
end

local NAMES = { "manifest", "everywhere", "app", "group", "group+app" }

-- Its layers, as of params.merge, and the names of those that have it, the most specific first.
local function look_up(db, place)
  local layers, from = params.layers(params.list(db), place.group, place.app), {}
  table.insert(layers, 1, manifest_params(db, place))
  for i = #layers, 1, -1 do
    if params.find(params.merge { layers[i] }, place.path) ~= nil then from[#from + 1] = NAMES[i] end
  end
  local value = params.find(params.merge(layers), place.path)
  if value == nil then fail_missing(place) end
  return value, from
end

--- GET /params/value: what ion.param says there. Secrets within it are hidden.
function routes.value(door, request)
  local query = answer.check_query(request.query, PLACE)
  local db = door.system:db()
  local place = place_of(db, query)
  local value, from = look_up(db, place)
  local is_secret = false
  value = params.copy(value, function()
    is_secret = true
    return secrets.HIDDEN
  end)
  return { path = place.path, value = value, from = from, is_secret = is_secret or nil }
end

--- POST /params/reveal: the same, with its secrets.
function routes.reveal(door, request)
  local body = answer.check(request.body, PLACE)
  local db = door.system:db()
  local place = place_of(db, body)
  local value, from = look_up(db, place)
  local keys
  value = params.copy(value, function(secret)
    keys = keys or secrets.keys(key_path(door))
    return json.read(secrets.open(keys, secret))
  end)
  return { path = place.path, value = value, from = from }
end

-- ---- as they were --------------------------------------------------------------------------------

local CHANGES = [==[
  [:find ?p ?tx ?at ?attribute ?value ?added :in $ ?path
   :where [?p :param/path ?path _ true] [?p ?a ?value ?tx ?added]
          [?a :db/ident ?attribute] [(ground [:param/value :param/secret]) [?attribute ...]]
          [?tx :db/txInstant ?at]] ]==]

local PLACES = [==[
  [:find ?name . :in $ ?p ?attribute ?named
   :where [?p ?attribute ?x _ true] [?x ?named ?name]] ]==]

-- What happened in each transaction: key → { p =, tx =, at =, one = what is there after it, or nil }
local function changes_of(history, path)
  local changes = {}
  for p, tx, at, attribute, value, is_added in history:rows(CHANGES, path) do
    local key = ("%.0f/%.0f"):format(p, tx)
    local change = changes[key] or { p = p, tx = tx, at = at }
    changes[key] = change
    if is_added then
      change.one = attribute == ":param/secret" and { sealed = value } or { value = value }
    end
  end
  return changes
end

local function told_change(db, history, change)
  local told = {
    group = history:q(PLACES, change.p, ":param/group", ":group/name"),
    app = history:q(PLACES, change.p, ":param/app", ":app/name"),
    at = instant(change.at),
    t = require("lion").tx_to_t(change.tx),
    by = db:entity(change.tx)["param/by"],
    is_unset = change.one == nil or nil,
  }
  return change.one and put_value(told, change.one) or told
end

--- GET /params/history
function routes.history(door, request)
  local query = answer.check_query(request.query, with(PLACE, { limit = "count" }))
  local limit = answer.bounded("limit", query.limit, HISTORY, HISTORY_MAX)
  local db, told, first = door.system:db(), {}, {}
  local history = db:history()
  for _, change in pairs(changes_of(history, params.path(query.path))) do
    local one = told_change(db, history, change)
    if (query.group == nil or one.group == query.group) and (query.app == nil or one.app == query.app) then
      told[#told + 1] = one
    end
  end
  table.sort(told, function(a, b) return a.t > b.t end)
  for i = 1, math.min(limit, #told) do first[i] = told[i] end
  return answer.list(first)
end

-- ---- groups --------------------------------------------------------------------------------------

--- POST /groups: what ion.env() says in a group.
function routes.set_group(door, request)
  local body = answer.check(request.body, { name = "string!", env = "any!" })
  local db = door.system:db()
  local group = find.group(db, body.name)
  local env, old = body.env, db:entity(group)["group/env"]
  if env ~= values.null and (type(env) ~= "string" or env == "" or #env > 100) then
    anomaly.incorrect("lion/syntax", "env is a text of 1 to 100 bytes, or null")
  end
  if env ~= values.null then
    door.system:transact { { ["db/id"] = group, ["group/env"] = env } }
  elseif old then
    door.system:transact { { "db/retract", group, "group/env", old } }
  end
  return { name = body.name, env = env }
end

return routes
