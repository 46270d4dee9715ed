--- Events of a group, as one of its nodes has them (docs/events.md): takes leases, and has a course for each
-- event that it holds (ions.events.course). It knows no channel and no clock: where it runs gives it those,
-- as `host`:
--
-- - tasks: the scheduler that it runs in
-- - store: of ions.events.store
-- - sources: an event's kind → its source, see below
-- - deliver(event, input) → answer: have the handler called; waits. { is_ok =, message =, trace = }, or
--   { is_absent = true }: nobody here has it now
-- - now(), monotonic(): ms; random(): 0 … 1; log(text)
-- - and what sources ask of it: connection(db), a connection, may wait; follow(db, fn), have fn(t) called
--   whenever everything up to t has become durable; files(app), the folder of its own files; readers, a
--   table that they share
--
-- A source is a module with
--
-- - first(host, event, began) → the position of an event that is new; began: ms since 1970, or nil: now
-- - open(host, event) → what has happened behind event.position, an object:
--   - :next() → the next one, { number =, position =, input = }, or nil: nothing now. It is asked again when
--     event.wake() was called or what :due() says has passed. number is in the key; position is the event's
--     when it is done; input is what the handler is given besides what the engine adds
--   - :due() → ms until :next() may have one without having been woken, or nil
--   - :passed() → the position up to which all was handed out or passed over; nil: it has more in hand
--   - :newest() → the position of what happened last; :lag() → ms since the oldest happened that is not done
--   - :close()
--   - and if there are these: :ended(item, is_ok), an item is done, or given up; it has its input alone when
--     it was replayed. :pass_over(), all that has happened
--
-- first, open and :next() may wait.
-- @module ions.events.engine
local bell = require "ions.events.bell"
local course = require "ions.events.course"
local nodes = require "ions.deploy.nodes"
local scheduler = require "ions.scheduler"
local store = require "ions.events.store"

local engine = {}

local WATCH_MS = 5000 -- between two looks at the system database, and two beats
local REST_MS = 20 -- from a look to the next, however often it is asked for
local RETRY_MS = 1000 -- after something went wrong there
local LEASE_MS = 15000 -- of silence, until others take a node's leases
local SAVE_MS, SAVE_MS_MAX = 100, 500 -- in which positions gather: without a new one, and at all

local Engine = {}
Engine.__index = Engine

--- Tell what goes wrong, once while it stays the same.
function Engine:complain(what, e)
  local text = ("events: %s: %s\n"):format(what, tostring(type(e) == "table" and (e.trace or e.message) or e))
  if text ~= self.last_complaint and not self.is_leaving then self.host.log(text) end
  self.last_complaint = text
end

--- Have the system database looked at at once.
function Engine:wake()
  self.is_called = true
  self.bell:ring()
end

--- The system database has something new.
function Engine:heard() self.bell:ring() end

-- ---- where events are ----------------------------------------------------------------------------

--- An event is at another place: it is written down soon.
function Engine:touch(event)
  event.is_dirty, self.is_touched = true, true
  self.saving:ring()
end

--- An event's lease is another one's.
function Engine.lose(_, event)
  event.is_held, event.is_dirty = false, false
  event.wake()
end

-- Find out which were taken; the others are written at the next try.
local function lose_overtaken(self)
  local db, group = self.host.store:look()
  if not db then return end
  local epochs = {}
  for _, row in ipairs(store.rows(db, group)) do epochs[row.id] = row.epoch end
  for _, event in pairs(self.events) do
    if event.is_held and epochs[event.id] ~= event.epoch then self:lose(event) end
  end
end

-- As of now: more is done while it is written.
local function place_of(event)
  return { id = event.id, epoch = event.epoch, position = event.position, failing = event.failing,
    is_failing_stored = event.is_failing_stored }
end

local function save(self)
  local list, places = {}, {}
  for _, event in pairs(self.events) do
    if event.is_held and event.is_dirty then
      list[#list + 1], places[#places + 1] = event, place_of(event)
      event.is_dirty = false
      event.is_failing_stored = event.is_failing_stored or event.failing ~= nil -- or will be
    end
  end
  if #list == 0 then return end
  local ok, e = pcall(self.host.store.save, self.host.store, places)
  if not ok then
    for _, event in ipairs(list) do event.is_dirty = event.is_held end
    if not nodes.is_overtaken(e) then error(e, 0) end
    return lose_overtaken(self)
  end
  for i, event in ipairs(list) do event.is_failing_stored = places[i].failing ~= nil end
end

-- Each save is one more wait for the disk, in which a commit of what happens next may be caught.
local function let_gather(self)
  local until_ms = self.host.monotonic() + SAVE_MS_MAX
  repeat
    self.is_touched = false
    scheduler.sleep(SAVE_MS)
  until not self.is_touched or self.host.monotonic() >= until_ms
end

local function keep_saving(self)
  while not self.has_left do
    self.saving:wait()
    let_gather(self)
    local ok, e = pcall(save, self)
    if not ok then
      self:complain("positions are not written yet", e)
      scheduler.sleep(RETRY_MS)
      self.saving:ring()
    end
  end
end

-- ---- leases --------------------------------------------------------------------------------------

local function start(self, event, id, epoch, row)
  event.id, event.epoch, event.is_held, event.is_ending = id, epoch, true, false
  event.position, event.failing, event.is_failing_stored = row.position, nil, row.trying ~= nil
  if row.trying then
    event.failing = { key = row.trying, attempts = row.attempts or 0, error = row.error or "",
      retry_at = row.retry_at or 0 }
  end
  event.replays, event.replaying, event.is_running = {}, {}, true
  self.host.tasks:spawn {
    fn = course.run,
    args = { self, event },
    done = function(ok, e)
      event.is_running = false
      if not ok then self:complain(event.name .. " has ended", e) end
      self:wake()
    end,
  }
end

-- A conflict is that of two that want it: who has it is seen at the next look.
local function unless_conflict(fn)
  local ok, result = pcall(fn)
  if ok then return result end
  if type(result) == "table" and result.category == "conflict" then return nil end
  error(result, 0)
end

local function enter(self, look, event)
  local host = self.host
  local began = host.store:began(look.db, look.group, event)
  local position = host.sources[event.on].first(host, event, began)
  local id = unless_conflict(function() return host.store:enter(look.group, look.node, event, position) end)
  if id then start(self, event, id, 1, { position = position }) end
end

local function take(self, look, event, row)
  local epoch = unless_conflict(function() return self.host.store:take(row, look.node) end)
  if epoch then start(self, event, row.id, epoch, row) end
end

-- Whether its holder is gone: it said so, or another process of this node had it, or it is silent.
local function is_free(self, look, row)
  if not row.holder or row.is_holder_down then return true end
  if row.holder == look.node then return row.run ~= self.host.store.run end
  local seen = self.seen[row.holder]
  return seen ~= nil and self.host.monotonic() - seen.at > LEASE_MS
end

-- ---- what an event is told -----------------------------------------------------------------------

local function heed(self, event, row)
  if not row.asked then return end
  local is_done = course.insist(self, event, "what was asked is heeded", function()
    self.host.store:done_asked(event, row.asked)
  end)
  if not is_done then return end
  event.skip = row.asked
  event.wake()
end

local function replay(event, letters)
  for _, id in ipairs(letters or {}) do
    if not event.replaying[id] then
      event.replaying[id] = true
      table.insert(event.replays, id)
      event.wake()
    end
  end
end

-- What happens and is not for it moves it, too.
local function advance(self, event)
  local passed = not event.item and event.source and event.source:passed()
  if not passed or passed <= event.position then return end
  event.position = passed
  self:touch(event)
end

local function guide(self, look, event, row)
  if not row or row.epoch ~= event.epoch then return self:lose(event) end
  heed(self, event, row)
  replay(event, look.replays[event.id])
  advance(self, event)
end

-- ---- looking -------------------------------------------------------------------------------------

local function key_of(one) return one.app .. "\0" .. one.name end

-- Another revision may have other settings of it.
local function event_of(self, one)
  local key = key_of(one)
  local event = self.events[key]
  if not event then
    event = { app = one.app, app_id = one.app_id, name = one.name, bell = bell.new(self.host.tasks),
      delivered = 0, failed = 0, is_held = false }
    function event.wake() event.bell:ring() end
    self.events[key] = event
  end
  if event.spec ~= one.spec then
    event.spec, event.on, event.is_stale = one.spec, one.on, true
    event.wake()
  end
  return event
end

local function consider(self, look, event)
  local row = look.rows[key_of(event)]
  if event.is_held then return guide(self, look, event, row) end
  if event.is_running then return end -- it ends what it had before
  if not row then return enter(self, look, event) end
  if is_free(self, look, row) then take(self, look, event, row) end
end

-- What no revision has any more rests.
local function let_go(self, declared)
  local list = {}
  for _, event in pairs(self.events) do
    if event.is_held and not declared[event] then
      if event.is_running then
        event.is_ending = true
        event.wake()
      else
        list[#list + 1] = event
      end
    end
  end
  if #list == 0 then return end
  save(self)
  self.host.store:release(list)
  for _, event in ipairs(list) do event.is_held = false end
end

local function watch_beats(self, list)
  local now = self.host.monotonic()
  self.has_others = false
  for _, node in ipairs(list) do
    local seen = self.seen[node.id]
    if not seen or seen.beat ~= node.beat then self.seen[node.id] = { beat = node.beat, at = now } end
    if node.name ~= self.host.store.node and node.state == "up" then self.has_others = true end
  end
end

local function beat(self, look)
  local now = self.host.monotonic()
  if not self.has_others or now - self.beat_ms < WATCH_MS / 2 then return end
  for _, event in pairs(self.events) do
    if event.is_held then
      self.host.store:beat(look.node, self.seen[look.node] and self.seen[look.node].beat)
      self.beat_ms = now
      return
    end
  end
end

-- false: the node is not entered yet.
local function pass(self)
  local host = self.host
  local db, group, node = host.store:look()
  if not db then return false end
  local look = { db = db, group = group, node = node, rows = {}, replays = store.replays(db) }
  for _, row in ipairs(store.rows(db, group)) do look.rows[key_of(row)] = row end
  watch_beats(self, store.nodes(db, group))
  local declared = {}
  for _, one in ipairs(host.store:declared(db, group)) do
    if host.sources[one.on] then
      local event = event_of(self, one)
      declared[event] = true
      local ok, e = pcall(consider, self, look, event)
      if not ok then self:complain(("%s of %s is not held"):format(one.name, one.app), e) end
    end
  end
  let_go(self, declared)
  self.looked_ms = host.monotonic()
  beat(self, look)
  return true
end

-- What cannot be read is news, too.
local function has_news(self)
  local ok, has = pcall(self.host.store.has_news, self.host.store)
  return not ok or has
end

-- Until something is to be looked at. Where events are, which is written all the time, is not.
local function await_news(self, ms)
  local until_ms = self.host.monotonic() + ms
  repeat
    self.bell:wait(math.max(0, until_ms - self.host.monotonic()))
  until self.is_called or self.host.monotonic() >= until_ms or has_news(self)
end

local function watch(self)
  while not self.is_leaving do
    self.is_called = false
    local ok, result = pcall(pass, self)
    if not ok then self:complain("the system database", result) end
    scheduler.sleep(REST_MS)
    await_news(self, ok and result and WATCH_MS or RETRY_MS)
  end
end

-- ---- for where it runs ---------------------------------------------------------------------------

--- An engine; it begins at once.
-- @tparam table host
function engine.new(host)
  host.readers = host.readers or {}
  local self = setmetatable({ host = host, events = {}, seen = {}, bell = bell.new(host.tasks),
    saving = bell.new(host.tasks), looked_ms = host.monotonic(), beat_ms = -math.huge }, Engine)
  host.tasks:spawn { fn = watch, args = { self } }
  host.tasks:spawn { fn = keep_saving, args = { self } }
  return self
end

local function is_any_running(self)
  for _, event in pairs(self.events) do
    if event.is_running then return true end
  end
  return false
end

--- End: what is in hand is finished, positions are written, leases given back. Waits.
-- @tparam number grace_ms for what is in hand; what takes longer keeps its lease, for the next process of
-- this node
function Engine:leave(grace_ms)
  local until_ms = self.host.monotonic() + grace_ms
  self.is_leaving = true
  self:wake()
  for _, event in pairs(self.events) do event.wake() end
  while is_any_running(self) and self.host.monotonic() < until_ms do scheduler.sleep(10) end
  local list = {}
  for _, event in pairs(self.events) do
    if event.is_held and not event.is_running then list[#list + 1] = event end
  end
  save(self)
  self.host.store:release(list)
  for _, event in ipairs(list) do event.is_held = false end
  self.has_left = true
  self.saving:ring()
end

--- The events that are held, by application and name: a list of { app =, event =, lag_ms =, and since this
-- began delivered =, failed = }.
function Engine:told()
  local list = {}
  for key, event in pairs(self.events) do
    if event.is_held then
      list[#list + 1] = { key = key, app = event.app, event = event.name, delivered = event.delivered,
        failed = event.failed, lag_ms = event.source and event.source:lag() or nil }
    end
  end
  table.sort(list, function(a, b) return a.key < b.key end)
  for _, one in ipairs(list) do one.key = nil end
  return list
end

return engine
