--- Alerts on their way to a webhook (docs/node.md, "Alerts"): what applications cast, and what the node
-- itself has to say. One goes after the other, tried again where nobody answers; one that was sent is not
-- sent again soon.
-- @module ions.door.alerts
local core = require "lion.core"
local find = require "ions.deploy.find"
local json = require "lion.json"
local scheduler = require "ions.scheduler"
local tell = require "ions.door.tell"
local time = require "ion.time"

local alerts = {}

alerts.WINDOW_MS = 5 * 60000 -- in which alerts of one key are one
alerts.QUEUE_MAX = 100
alerts.TRIES = 10
alerts.PAUSE_MS, alerts.PAUSE_MS_MAX = 1000, 60000 -- behind the first try; it doubles

-- Keys that are remembered.
local KEYS_MAX = 1000

-- A process that was started again so often within so long.
local RESTARTS, RESTARTS_MS = 3, 60000

local Alerts = {}
Alerts.__index = Alerts

--- Whether alerts can be posted there: HTTP, with or without TLS.
-- @treturn boolean
function alerts.is_url(url)
  local rest = url:match "^https?://[^/?#%s@]+(.*)$"
  return rest == "" or rest ~= nil and rest:find "^[/?][^#%s]*$" ~= nil
end

--- Those of a node.
-- @tparam table options url (nil: they are written as lines alone); node, group; tasks: the scheduler;
-- post(url, body) → the status of the answer, or 0 and why there is none; cast(text): a line; log(text)
function alerts.new(options)
  return setmetatable({
    options = options,
    queue = {}, -- the oldest first
    sent_at = {}, -- key → when it was taken
    held_back = {}, -- key → how many since
    keys = {}, -- as they came
    restarts = {}, -- place → { count =, since = }
    since = core.now_ms(), -- deployments that ended before are not news
    ended = {}, -- ids of those that were told
    sent = 0, failed = 0, dropped = 0, repeated = 0,
  }, Alerts)
end

-- ---- sending -------------------------------------------------------------------------------------

-- true; or nil, why not, and whether it may be otherwise another time.
local function try(self, body)
  local status, message = self.options.post(self.options.url, body)
  if status >= 200 and status < 300 then return true end
  if status == 0 then return nil, message, true end
  return nil, ("it answered %d"):format(status), status >= 500 or status == 429 or status == 408
end

local function complain(self, alert, what, why)
  self.options.log(("door: the alert %s %s %s: %s\n"):format(alert.name, what, self.options.url, why))
end

local function send(self, alert)
  local body, pause = json.write(alert), alerts.PAUSE_MS
  for i = 1, alerts.TRIES do
    local ok, why, may_retry = try(self, body)
    if ok then
      self.sent = self.sent + 1
      return
    end
    if not may_retry or i == alerts.TRIES then
      self.failed = self.failed + 1
      return complain(self, alert, "was not taken by", why)
    end
    if i == 1 then complain(self, alert, "is tried again at", why) end
    scheduler.sleep(pause * (0.5 + math.random() / 2))
    pause = math.min(pause * 2, alerts.PAUSE_MS_MAX)
  end
end

local function send_all(self)
  while self.queue[1] do
    send(self, self.queue[1])
    table.remove(self.queue, 1)
  end
  self.is_sending = false
end

-- ---- taking --------------------------------------------------------------------------------------

local function remember(self, key, now)
  if not self.sent_at[key] then
    self.keys[#self.keys + 1] = key
    if #self.keys > KEYS_MAX then
      local oldest = table.remove(self.keys, 1)
      self.sent_at[oldest], self.held_back[oldest] = nil, nil
    end
  end
  self.sent_at[key] = now
end

-- Whether one of the key was taken a moment ago.
local function is_repeated(self, key, now)
  local at = self.sent_at[key]
  if not at or now - at >= alerts.WINDOW_MS then return false end
  self.repeated = self.repeated + 1
  self.held_back[key] = (self.held_back[key] or 0) + 1
  return true
end

--- Send an alert, if there is where to.
-- @tparam table alert name; key (of what is the same matter; the name if it is left out); whatever else is to
-- be told
function Alerts:take(alert)
  local key, now = alert.key or alert.name, core.monotonic_ms()
  if not self.options.url or is_repeated(self, key, now) then return end
  if #self.queue >= alerts.QUEUE_MAX then
    self.dropped = self.dropped + 1
    if self.dropped == 1 then
      self.options.log(("door: alerts are dropped: %d wait for %s\n"):format(#self.queue, self.options.url))
    end
    return
  end
  remember(self, key, now)
  local told = { kind = "alert", node = self.options.node, group = self.options.group, key = key,
    repeated = self.held_back[key] }
  for name, value in pairs(alert) do told[name] = value end
  told.time = told.time or time.format(core.now_ms())
  self.held_back[key] = nil
  self.queue[#self.queue + 1] = told
  if self.is_sending then return end
  self.is_sending = true
  self.options.tasks:spawn { fn = send_all, args = { self } }
end

--- One of the node's own: it is written as a line, too.
function Alerts:raise(alert)
  alert.time = time.format(core.now_ms())
  self.options.cast(json.write { kind = "alert", name = alert.name, time = alert.time,
    data = { message = alert.message } })
  self:take(alert)
end

-- ---- what the node has to say --------------------------------------------------------------------

--- A process has changed, as the supervisor tells it.
function Alerts:note_process(process)
  local place = process.role .. (process.index and process.index > 0 and " " .. process.index or "")
  local now, seen = core.monotonic_ms(), self.restarts[place]
  if not seen or now - seen.since > RESTARTS_MS then
    seen = { count = process.restarts, since = now }
    self.restarts[place] = seen
  end
  if process.restarts - seen.count < RESTARTS then return end
  self.restarts[place] = nil
  self:raise { name = "lion/process", key = "lion/process " .. place,
    message = ("%s was started again %d times within a minute; last: %s"):format(place, RESTARTS,
      process.reason ~= "" and process.reason or "no reason is known") }
end

local ENDED = [==[
  [:find ?d ?state :in $ ?g ?since
   :where [?d :deployment/group ?g] [?d :deployment/ended-at ?at] [(> ?at ?since)]
          [?d :deployment/state ?state]]
]==]

local FAILED = { [":deployment.state/failed"] = true, [":deployment.state/rolled-back"] = true }

-- Of a group's nodes one tells: the first by name that is up.
local function is_teller(self, db, group)
  for _, one in ipairs(find.nodes(db, group)) do
    if one.state == "up" then return one.name == self.options.node end
  end
  return false
end

local function raise_failed(self, told)
  self:raise { name = "lion/deployment", key = "lion/deployment " .. told.id, app = told.app,
    revision = told.revision,
    message = ("the deployment of %s %s to %s %s: %s"):format(told.app, told.revision, told.group,
      told.state == "failed" and "has failed" or "was rolled back", told.reason or "no reason is known") }
end

--- Look for deployments of the node's group that have failed.
-- @param db the system database's newest value
function Alerts:look(db)
  if db.basis_t == self.looked_t then return end
  self.looked_t = db.basis_t
  local group = db:entid { "group/name", self.options.group }
  if not group then return end
  for id, state in db:rows(ENDED, group, self.since) do
    if FAILED[state] and not self.ended[id] then
      self.ended[id] = true
      if is_teller(self, db, group) then raise_failed(self, tell.deployment(db, id, true)) end
    end
  end
end

-- ---- what other processes have to say ------------------------------------------------------------

local FIELDS = { "name", "key", "message", "time", "app", "revision", "entry", "request", "data" }

--- An alert has come on the channel.
-- @tparam table given name, key, message …; is_written: it is a line already
function Alerts:hear(given)
  local alert = {}
  for _, name in ipairs(FIELDS) do alert[name] = given[name] end
  if type(alert.name) ~= "string" then return end
  if given.is_written then return self:take(alert) end
  self:raise(alert)
end

return alerts
