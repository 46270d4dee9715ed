--- The course of one event whose lease is held: what has happened is handled, one at a time and in order;
-- what fails is repeated after a pause, what fails too often is buried. A part of ions.events.engine, which
-- says what `host` is.
-- @module ions.events.course
local nodes = require "ions.deploy.nodes"
local scheduler = require "ions.scheduler"
local sodium = require "ions.sodium"

local course = {}

local RETRY_MS = 1000 -- after something went wrong in the system database
local HOLD_MS = 10000 -- since the last look there, in which a lease is taken for one's own
local LOOK_MS = 100
local PAUSE_MS_MAX = 60000 -- between two tries
local ABSENT_MS_MAX = 1000 -- between two looks for someone who has the handler
local DEAD_MAX = 10000 -- dead letters of an event
local ERROR_BYTES_MAX = 4000
local TRACE_BYTES_MAX = 16000

--- What holds where the manifest says nothing.
course.DEFAULTS = { retries = 8, backoff = 200 }

-- ---- the lease -----------------------------------------------------------------------------------

local function goes_on(engine, event)
  return event.is_held and not event.is_ending and not engine.is_leaving
end

-- Whoever was silent for long may not know yet that another one holds the lease.
local function await_hold(engine, event)
  local host = engine.host
  while goes_on(engine, event) and engine.has_others and host.monotonic() - engine.looked_ms > HOLD_MS do
    engine:wake()
    scheduler.sleep(LOOK_MS)
  end
  return goes_on(engine, event)
end

--- Do what is written under an event's lease, until it is written.
-- @tparam table engine
-- @tparam table event
-- @tparam string what is not done while it fails
-- @tparam function fn
-- @treturn boolean false: the lease is another one's by now, or the engine leaves
function course.insist(engine, event, what, fn)
  while event.is_held do
    local ok, e = pcall(fn)
    if ok then return true end
    if nodes.is_overtaken(e) then
      engine:lose(event)
    else
      engine:complain(what .. " not yet", e)
      if engine.is_leaving then return false end
      scheduler.sleep(RETRY_MS)
    end
  end
  return false
end

-- ---- what is handled -----------------------------------------------------------------------------

--- The id of a key: a uuid of version 8.
-- @tparam string key
-- @treturn string
function course.id_of(key)
  local digits = sodium.hex(sodium.sha256(key))
  return ("%s-%s-8%s-8%s-%s"):format(digits:sub(1, 8), digits:sub(9, 12), digits:sub(14, 16),
    digits:sub(18, 20), digits:sub(21, 32))
end

--- What a handler is given.
-- @tparam string group
-- @tparam table event app, name, on
-- @tparam number number of what has happened
-- @tparam table input what its source has to say; it is filled
-- @treturn table the input
function course.input(group, event, number, input)
  input.event, input.on = event.name, event.on
  input.key = ("%s/%s/%s/%.0f"):format(group, event.app, event.name, number)
  input.id = course.id_of(input.key)
  return input
end

local function next_replay(engine, event)
  while event.replays[1] do
    local id = table.remove(event.replays, 1)
    local letter = engine.host.store:letter(id)
    if letter then return { key = letter.key, input = letter.input, replay = letter } end
    event.replaying[id] = nil -- it was taken away
  end
end

-- What is replayed goes first.
local function next_item(engine, event)
  local replay = next_replay(engine, event)
  if replay then return replay end
  local item = event.source:next()
  if not item then return nil end
  item.input = course.input(engine.host.store.group, event, item.number, item.input)
  item.key = item.input.key
  return item
end

-- How often it was tried before.
local function tries_of(event, item)
  if event.failing and event.failing.key == item.key then return event.failing.attempts end
  return 0
end

-- ---- its ends ------------------------------------------------------------------------------------

local function move_on(engine, event, item)
  event.position, event.failing = item.position, nil
  engine:touch(event)
end

-- Sources that have something of their own to keep are told of each end.
local function tell_source(engine, event, item, is_ok)
  local source = event.source
  if not source.ended then return end
  course.insist(engine, event, "an end is noted", function() source:ended(item, is_ok) end)
end

local function end_replay(engine, event, item, letter)
  course.insist(engine, event, "a replay is written", function()
    engine.host.store:replayed(event, item.replay.id, letter)
  end)
  event.replaying[item.replay.id] = nil
end

local function finish(engine, event, item)
  event.delivered = event.delivered + 1
  tell_source(engine, event, item, true)
  if item.replay then end_replay(engine, event, item) else move_on(engine, event, item) end
end

local function words_of(answer) return (answer.message or "it failed"):sub(1, ERROR_BYTES_MAX) end

local function letter_of(engine, item, answer, attempts)
  local trace, replay = answer.trace, item.replay
  return {
    key = item.key,
    input = item.input,
    error = words_of(answer),
    trace = trace and trace ~= "" and trace:sub(1, TRACE_BYTES_MAX) or nil,
    attempts = attempts + (replay and replay.attempts or 0),
    first_at = replay and replay.first_at or item.first_at,
    failed_at = engine.host.now(),
  }
end

local function tell_given_up(engine, event, words)
  engine.host.log("events: " .. words .. "\n")
  if not engine.host.alert then return end
  local key = ("lion/dead-letter %s/%s"):format(event.app, event.name)
  engine.host.alert { name = "lion/dead-letter", key = key, app = event.app, message = words }
end

-- Give it up. false: there are too many letters, or the lease is gone.
local function bury(engine, event, item, answer, attempts)
  local letter, letters, is_full = letter_of(engine, item, answer, attempts), engine.host.store, false
  if item.replay then
    end_replay(engine, event, item, letter)
    return true
  end
  local is_written = course.insist(engine, event, "a dead letter is written", function()
    is_full = letters:dead_count(event) >= DEAD_MAX
    if not is_full then letters:bury(event, item.position, letter) end
  end)
  if is_full or not is_written then return false end
  tell_source(engine, event, item, false)
  move_on(engine, event, item)
  local words = "%s is given up, tried %d times: %s"
  tell_given_up(engine, event, words:format(item.key, attempts, letter.error))
  return true
end

-- ---- tries ---------------------------------------------------------------------------------------

-- ms until the next try: twice as long each time, shortened by up to a half.
local function pause_of(engine, event, attempts)
  local ms = (event.spec.backoff or course.DEFAULTS.backoff) * 2 ^ math.min(attempts - 1, 30)
  return math.min(PAUSE_MS_MAX, ms) * (1 - engine.host.random() / 2)
end

local function pause(engine, event, ms)
  local until_ms = engine.host.monotonic() + ms
  while goes_on(engine, event) and not event.skip do
    local left = until_ms - engine.host.monotonic()
    if left <= 0 then return end
    event.bell:wait(left)
  end
end

local function note_failure(engine, event, item, answer, attempts, pause_ms)
  if item.replay then return end
  event.failing = { key = item.key, attempts = attempts, error = words_of(answer),
    retry_at = math.floor(engine.host.now() + pause_ms) }
  engine:touch(event)
end

-- It has failed; true: it is given up.
local function fail(engine, event, item, answer, attempts)
  event.failed = event.failed + 1
  local is_last = attempts > (event.spec.retries or course.DEFAULTS.retries)
  if is_last and bury(engine, event, item, answer, attempts) then return true end
  local ms = is_last and PAUSE_MS_MAX or pause_of(engine, event, attempts)
  note_failure(engine, event, item, answer, attempts, ms)
  pause(engine, event, ms)
  if event.skip ~= "skip-one" then return false end
  event.skip = nil
  return bury(engine, event, item, answer, attempts)
end

-- Until it is done or given up, or it is not ours any more.
local function handle(engine, event, item)
  local attempts, pause_ms = tries_of(event, item), 5
  item.first_at = engine.host.now()
  if event.skip == "skip-one" then event.skip = nil end -- this one has not failed
  while await_hold(engine, event) and (item.replay or event.skip ~= "skip-all") do
    item.input.attempt = attempts + 1
    local answer = engine.host.deliver(event, item.input)
    if answer.is_ok then return finish(engine, event, item) end
    if answer.is_absent then
      pause_ms = math.min(ABSENT_MS_MAX, 2 * pause_ms)
      pause(engine, event, pause_ms)
      if event.skip == "skip-one" then event.skip = nil end
    else
      attempts = attempts + 1
      if fail(engine, event, item, answer, attempts) then return end
    end
  end
end

-- ---- the course ----------------------------------------------------------------------------------

-- All that has happened is passed over.
local function pass_over(engine, event)
  event.skip = nil
  if event.source.pass_over then event.source:pass_over() end
  event.position, event.failing = math.max(event.position, event.source:newest()), nil
  engine:touch(event)
end

-- Until the event has other settings, or it does not go on.
local function work(engine, event)
  event.is_stale = false
  event.source = engine.host.sources[event.on].open(engine.host, event)
  while goes_on(engine, event) and not event.is_stale do
    if event.skip == "skip-all" then return pass_over(engine, event) end
    event.item = next_item(engine, event)
    if event.item then
      handle(engine, event, event.item)
      event.item = nil
    else
      event.bell:wait(event.source:due())
    end
  end
end

--- Run until the lease is lost or given up. What goes wrong in the source is told, and it is opened anew.
-- @tparam table engine
-- @tparam table event
function course.run(engine, event)
  while goes_on(engine, event) do
    local ok, e = pcall(work, engine, event)
    if event.source then event.source:close() end
    event.source, event.item = nil, nil
    if not ok then
      if type(e) == "table" and e.code == "lion/cancelled" then error(e, 0) end
      engine:complain(("%s of %s does not go on"):format(event.name, event.app), e)
      pause(engine, event, RETRY_MS)
    end
  end
end

return course
