--- The node's workers as events know them: what the supervisor tells of them, and what they are given to
-- handle over its channel (docs/node.md).
-- @module ions.events.workers
local bell = require "ions.events.bell"
local core = require "lion.core"

local workers = {}

-- Addresses and kinds of messages, as ions/node/bus.h numbers them.
local SUPERVISOR, WORKER = 0, 16
local REPLACE, DELIVER = 3, 12

local SLACK_MS = 30000 -- that a worker may be late, until it is replaced
local LAST_WORDS_MS = 1000 -- of one that was replaced and ends what it has in hand

local Workers = {}
Workers.__index = Workers

--- None is known yet.
-- @tparam table options tasks, port = { send = function(to, kind, id, payload) }, write = function(value)
function workers.new(options)
  return setmetatable({
    tasks = options.tasks,
    port = options.port,
    write = options.write,
    list = {}, -- address → { pid =, state =, in_hand = }
    pending = {}, -- id → { to =, pid =, bell =, answer = }
    last_id = core.now_ms() * 1000, -- what the process before this one asked is not taken for our own
  }, Workers)
end

-- ---- what comes ----------------------------------------------------------------------------------

local function settle(self, id, answer)
  local asked = self.pending[id]
  if not asked then return end
  self.pending[id] = nil
  asked.answer = answer
  asked.bell:ring()
end

-- What its last holder had in hand has failed. One that was replaced has a moment to end it.
local function fail(self, address, reason)
  local was_replaced = reason:find "^replaced" ~= nil
  for id, asked in pairs(self.pending) do
    if asked.to == address then
      local answer = { is_ok = false, message = "its worker has ended: " .. reason }
      if was_replaced then
        local timer = { on_time = function() settle(self, id, answer) end }
        self.tasks:at(timer, core.monotonic_ms() + LAST_WORDS_MS)
      else
        settle(self, id, answer)
      end
    end
  end
end

--- The supervisor tells of a process.
-- @tparam table process role, index, pid, state, reason
function Workers:changed(process)
  if process.role ~= "worker" then return end
  local address = WORKER + process.index
  local known = self.list[address]
  if known and known.pid ~= process.pid then fail(self, address, process.reason or "") end
  self.list[address] = { pid = process.pid, state = process.state,
    in_hand = known and known.pid == process.pid and known.in_hand or 0 }
end

--- A worker has answered.
-- @tparam number id
-- @tparam table|nil answer nil: it has no such application or event
function Workers:delivered(id, answer)
  if not answer or answer.is_ok == nil then answer = { is_absent = true } end
  settle(self, id, answer)
end

-- ---- delivering ----------------------------------------------------------------------------------

-- The ready one that has the least in hand.
local function pick(self)
  local best, address
  for at, worker in pairs(self.list) do
    if worker.state == "ready" and (not best or worker.in_hand < best.in_hand
      or worker.in_hand == best.in_hand and (worker.given or 0) < (best.given or 0)) then
      best, address = worker, at
    end
  end
  return best, address
end

-- It should have ended the call by itself.
local function give_up(self, asked, id)
  local reason = "it did not come back from an event's handler"
  self.port.send(SUPERVISOR, REPLACE, 0, self.write { reason = reason, who = asked.to })
  settle(self, id, { is_ok = false, message = "its worker did not answer in time, and was replaced" })
end

--- Have an event handled. Waits.
-- @tparam table payload app, event, input
-- @tparam number timeout_ms of the call
-- @treturn table { is_ok =, message =, trace = } or { is_absent = true }
function Workers:deliver(payload, timeout_ms)
  local worker, to = pick(self)
  if not worker then return { is_absent = true } end
  self.last_id = self.last_id + 1
  local id, asked = self.last_id, { to = to, pid = worker.pid, bell = bell.new(self.tasks) }
  self.pending[id] = asked
  worker.in_hand, worker.given = worker.in_hand + 1, (worker.given or 0) + 1
  payload.pid = worker.pid
  self.port.send(to, DELIVER, id, self.write(payload))
  asked.bell:wait(timeout_ms + SLACK_MS)
  if not asked.answer then give_up(self, asked, id) end
  worker.in_hand = worker.in_hand - 1
  return asked.answer
end

return workers
