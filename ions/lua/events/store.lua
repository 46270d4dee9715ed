--- What events keep in the system database: leases, positions, what fails, dead letters (docs/system.md).
-- What is written for an event holds only if its lease is still the writer's, by its epoch; else it raises
-- db.error/cas-failed.
-- @module ions.events.store
local core = require "lion.core"
local edn = require "lion.edn"
local find = require "ions.deploy.find"
local json = require "lion.json"
local manifest = require "ions.manifest"

local store = {}

local Store = {}
Store.__index = Store

--- A store.
-- @tparam table options conn (to the system database); group, node (their names); run (of this process: a
-- text that no other has); declared = function(db, group's id) and began = function(), where no revisions are
-- deployed
function store.new(options)
  local self = { conn = options.conn, group = options.group, node = options.node, run = options.run,
    manifests = {} }
  if options.declared then
    self.declared = function(_, ...) return options.declared(...) end
    self.began = options.began
  end
  return setmetatable(self, Store)
end

-- ---- reading -------------------------------------------------------------------------------------

--- The newest value; nil: the node has not entered itself yet.
-- @treturn table|nil
-- @treturn number the group's id
-- @treturn number the node's
function Store:look()
  local db = self.conn:db()
  self.looked_t = db.basis_t
  if not db:entid ":event.dead/replay-at" then return nil end
  local group, node = db:entid { "group/name", self.group }, db:entid { "node/name", self.node }
  if not group or not node then return nil end
  return db, group, node
end

-- What is written again and again while events go their course, and tells nobody anything new.
local COURSE = {}
for _, name in ipairs { "event/position", "event/trying", "event/attempts", "event/error", "event/retry-at",
  "db/txInstant" } do
  COURSE[name] = true
end

local function is_course(datoms)
  for _, datom in ipairs(datoms) do
    if not COURSE[datom.a] then return false end
  end
  return true
end

--- Whether there is anything since the last look but where events are.
function Store:has_news()
  local basis = self.conn:db().basis_t
  local range = core.tx_range(self.conn.handle, self.looked_t + 1, basis + 1)
  local t, _, datoms = core.tx_range_next(range)
  while t do
    if not is_course(datoms) then return true end
    t, _, datoms = core.tx_range_next(range)
  end
  self.looked_t = basis
  return false
end

--- The nodes of the group: a list of { id =, name =, state =, beat = }.
function store.nodes(db, group)
  local list = find.nodes(db, group)
  for _, node in ipairs(list) do node.beat = db:entity(node.id)["node/beat"] end
  return list
end

local ROW = [==[
  [:db/id :event/name :event/on :event/epoch :event/run :event/position :event/trying :event/attempts
   :event/error :event/retry-at :event/asked {:event/app [:db/id :app/name]}
   {:event/holder [:db/id :node/name :node/state]}] ]==]

local function row_of(found)
  local holder = found["event/holder"]
  return {
    id = found["db/id"],
    app = found["event/app"]["app/name"],
    app_id = found["event/app"]["db/id"],
    name = found["event/name"],
    on = found["event/on"],
    epoch = found["event/epoch"],
    position = found["event/position"],
    holder = holder and holder["db/id"],
    holder_name = holder and holder["node/name"],
    is_holder_down = holder and holder["node/state"] == ":node.state/down",
    run = found["event/run"],
    trying = found["event/trying"],
    attempts = found["event/attempts"],
    error = found["event/error"],
    retry_at = found["event/retry-at"],
    asked = found["event/asked"] and found["event/asked"]:match "/(.+)$",
  }
end

--- The events of a group that are entered.
-- @param db
-- @tparam number group
-- @treturn table a list, by application and name
function store.rows(db, group)
  local ids = {}
  for datom in db:datoms("vaet", group, "event/group") do ids[#ids + 1] = datom.e end
  local list = {}
  for i, found in ipairs(db:pull_many(ROW, ids)) do list[i] = row_of(found) end
  table.sort(list, function(a, b)
    if a.app ~= b.app then return a.app < b.app end
    return a.name < b.name
  end)
  return list
end

-- A revision never changes.
local function events_of(self, db, revision)
  local found = self.manifests[revision]
  if not found then
    local text = db:entity(revision)["revision/manifest"]
    found = manifest.events(manifest.from_json(json.read(text)))
    self.manifests[revision] = found
  end
  return found
end

--- What the group runs has these events.
-- @param db
-- @tparam number group
-- @treturn table a list of { app =, app_id =, name =, on =, spec = as the manifest has it }
function Store:declared(db, group)
  local list = {}
  for app, revision in pairs(find.running(db, group)) do
    for name, spec in pairs(events_of(self, db, revision.id)) do
      list[#list + 1] = { app = app, app_id = revision.app_id, name = name, on = spec.on, spec = spec }
    end
  end
  return list
end

local RAN = [==[
  [:find ?r ?tx ?at :in $ ?g ?a
   :where [?g :group/running ?r ?tx true] [?tx :db/txInstant ?at] [?r :revision/app ?a]] ]==]

--- When the first of the revisions was deployed that have had an event since.
-- @param db
-- @tparam number group
-- @tparam table event of `declared`
-- @treturn number|nil ms since 1970; nil: it is not told
function Store:began(db, group, event)
  local ran = db:history():q(RAN, group, event.app_id)
  table.sort(ran, function(a, b) return a[2] > b[2] end)
  local began
  for _, row in ipairs(ran) do
    local has = db:entid(row[1]) and events_of(self, db, row[1])[event.name]
    if not has then break end
    began = row[3]
  end
  return began
end

--- The replays that are asked for: event's id → the ids of its dead letters, the oldest first.
function store.replays(db)
  local by_event = {}
  for datom in db:datoms("aevt", "event.dead/replay-at") do
    local whose = db:datoms("eavt", datom.e, "event.dead/event")()
    if whose then
      by_event[whose.v] = by_event[whose.v] or {}
      table.insert(by_event[whose.v], datom.e) -- in the order of ids
    end
  end
  return by_event
end

--- A dead letter.
-- @tparam number id
-- @treturn table|nil { id =, key =, input =, attempts =, first_at = }; nil: it was taken away
function Store:letter(id)
  local found = self.conn:db():entity(id)
  if not found or not found["event.dead/key"] then return nil end
  return { id = id, key = found["event.dead/key"], input = edn.read(found["event.dead/input"]),
    attempts = found["event.dead/attempts"], first_at = found["event.dead/first-at"] }
end

--- How many dead letters an event has.
function Store:dead_count(event) return self.conn:db():count("vaet", event.id, "event.dead/event") end

-- ---- leases --------------------------------------------------------------------------------------

local function holding(event) return { "db/cas", event.id, "event/epoch", event.epoch, event.epoch } end

--- Enter an event, with its lease.
-- @tparam number group
-- @tparam number node
-- @tparam table event of `declared`
-- @tparam number position
-- @treturn number its id
function Store:enter(group, node, event, position)
  local report = self.conn:transact {
    { ["db/id"] = "event", ["event/group"] = group, ["event/app"] = event.app_id, ["event/name"] = event.name,
      ["event/on"] = event.on, ["event/position"] = position, ["event/holder"] = node,
      ["event/run"] = self.run, ["event/epoch"] = 1 },
  }
  return report.tempids.event
end

--- Take a lease.
-- @tparam table row of `rows`
-- @tparam number node
-- @treturn number the epoch
function Store:take(row, node)
  local epoch = (row.epoch or 0) + 1
  self.conn:transact {
    { "db/cas", row.id, "event/epoch", row.epoch or json.null, epoch },
    { ["db/id"] = row.id, ["event/holder"] = node, ["event/run"] = self.run },
  }
  return epoch
end

--- Give leases back.
function Store:release(events)
  local tx = {}
  for _, event in ipairs(events) do
    tx[#tx + 1] = holding(event)
    tx[#tx + 1] = { "db/retract", event.id, "event/holder" }
    tx[#tx + 1] = { "db/retract", event.id, "event/run" }
  end
  if #tx > 0 then self.conn:transact(tx) end
end

--- Write down that the node lives.
function Store:beat(node, last)
  self.conn:transact { { "db/add", node, "node/beat", (last or 0) + 1 } }
end

-- ---- what is done and what fails -----------------------------------------------------------------

local PASSING = { "trying", "attempts", "error", "retry-at" }

local function add_failing(tx, event)
  local failing = event.failing
  if failing then
    tx[#tx + 1] = { ["db/id"] = event.id, ["event/trying"] = failing.key,
      ["event/attempts"] = failing.attempts, ["event/error"] = failing.error,
      ["event/retry-at"] = failing.retry_at }
  elseif event.is_failing_stored then
    for _, name in ipairs(PASSING) do tx[#tx + 1] = { "db/retract", event.id, "event/" .. name } end
  end
end

local function add_place(tx, event)
  tx[#tx + 1] = holding(event)
  tx[#tx + 1] = { "db/add", event.id, "event/position", event.position }
  add_failing(tx, event)
end

--- Write where events are.
-- @tparam table events a list of { id =, epoch =, position =, failing = { key =, attempts =, error =,
-- retry_at = } or nil, is_failing_stored = }
function Store:save(events)
  local tx = {}
  for _, event in ipairs(events) do add_place(tx, event) end
  self.conn:transact(tx)
end

--- A request of `asked` is done.
function Store:done_asked(event, asked)
  self.conn:transact { holding(event), { "db/retract", event.id, "event/asked", ":event.asked/" .. asked } }
end

--- Keep one that was given up, and go on behind it.
-- @tparam table event
-- @tparam number position
-- @tparam table dead key, input, error, trace, attempts, first_at, failed_at
function Store:bury(event, position, dead)
  local letter = {
    ["event.dead/event"] = event.id, ["event.dead/key"] = dead.key,
    ["event.dead/input"] = edn.write(dead.input), ["event.dead/error"] = dead.error,
    ["event.dead/trace"] = dead.trace, ["event.dead/attempts"] = dead.attempts,
    ["event.dead/first-at"] = dead.first_at, ["event.dead/failed-at"] = dead.failed_at,
  }
  self.conn:transact { holding(event), { "db/add", event.id, "event/position", position }, letter }
end

--- A replay has ended: without `dead` well, and the letter is gone; else with its new error.
-- @tparam table event
-- @tparam number id the letter's
-- @tparam[opt] table dead as of `bury`
function Store:replayed(event, id, dead)
  local tx = { holding(event) }
  if not dead then
    tx[2] = { "db/retractEntity", id }
  else
    tx[2] = { "db/retract", id, "event.dead/replay-at" }
    tx[3] = { ["db/id"] = id, ["event.dead/error"] = dead.error, ["event.dead/trace"] = dead.trace,
      ["event.dead/attempts"] = dead.attempts, ["event.dead/failed-at"] = dead.failed_at }
  end
  if self.conn:db():entity(id) then self.conn:transact(tx) end
end

return store
