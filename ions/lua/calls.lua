--- The calls of an application that are in hand: they have a place at their entry point or wait for one, run
-- as tasks, are answered, and may go on as streams. A call is a table; it is its task as well.
-- @module ions.calls
local clock = require "ions.clock"
local fuel = require "ions.fuel"
local response = require "ions.response"
local scheduler = require "ions.scheduler"

local monotonic_ms = clock.monotonic_ms

local calls = {}

-- What a call took, as browsers show it.
local TIMING = 'call;dur=%.2f;desc="%d steps"'

-- Tables of calls that are kept for the next ones.
local SPARE_MAX = 256

-- What the shaping of an answer may take.
local ANSWER_MS = 250

local function unwatched(...)
  scheduler.watch(nil)
  return ...
end

local Calls = {}
Calls.__index = Calls

--- None in hand.
-- @tparam table options is_dev; log: of requests (ions.access_log), or nil
function calls.new(options)
  return setmetatable({
    is_dev = options.is_dev,
    log = options.log,
    tasks = scheduler.new(),
    steps = 0, -- that all calls so far have taken
    budget = fuel.budget(), -- for shaping answers
    spare = {}, -- tables of calls that were answered at once, for the next ones
    list = {}, -- id → call, of those that `begin` did not answer at once
    answers = {}, -- calls that are answered, from `first` to `last`; `step` hands them out
    first = 1,
    last = 0,
  }, Calls)
end

-- ---- what programs made --------------------------------------------------------------------------

-- As pcall. What a program returned may have metatables, whose functions run when it is looked at.
local function guarded(self, fn, ...)
  local deadline_ms = monotonic_ms() + ANSWER_MS
  self.budget:refill(nil, deadline_ms)
  scheduler.watch(deadline_ms)
  return unwatched(self.budget:call(fn, ...))
end

-- ---- places --------------------------------------------------------------------------------------

-- A call has ended: its place goes to one that waits.
local function leave(self, entry)
  local id = entry:leave()
  if id == nil then return end
  local call = self.list[id]
  self.tasks:forget(call)
  call.on_time, call.is_waiting = nil, nil
  call.deadline_ms, call.began_ms = monotonic_ms() + entry.timeout, monotonic_ms()
  self.tasks:spawn(call)
end

local function answer_later(self, call)
  self.last = self.last + 1
  self.answers[self.last] = call
end

-- A call was answered.
local function note(self, call, status, steps, bytes)
  local ms = monotonic_ms() - call.came_ms
  call.entry:count(status, ms)
  if self.log and bytes then self.log:write(call, call.entry, status, ms, steps, bytes) end
end

-- It has waited for a place as long as it may.
local function on_waited_in_vain(call)
  call.on_time, call.is_waiting = nil, nil
  call.entry:forget(call.id)
  call.status, call.headers, call.body = response.text(504, "no place in time: try again")
  note(call.owner, call, call.status, 0, #call.body)
  call.owner.list[call.id] = nil
  answer_later(call.owner, call)
end

-- ---- streams -------------------------------------------------------------------------------------

local NO_ARGUMENTS = {}

local function fail_stream(stream, words)
  local call = stream.call
  io.stderr:write(("%s %s (request %s): %s\n"):format(call.method, call.path, tostring(call.id), words))
  stream.is_failed, stream.next = true, nil
end

-- A piece that is empty is none: the body goes on when its turn comes, within the same deadline.
local function take_piece(value, stream)
  if value == nil or value == "" then
    stream.tasks:spawn(stream)
  elseif type(value) == "string" then
    stream.next = value
  else
    fail_stream(stream, "the body yielded a " .. type(value) .. "; a piece is a string")
    stream.tasks:cancel(stream)
  end
end

local function end_stream(ok, result, stream)
  stream.steps = scheduler.cost(stream)
  stream.entry:pay(stream.steps)
  if stream.is_failed or stream.is_unwanted then return end
  if not ok then
    fail_stream(stream, response.words(result))
  elseif type(result) == "string" and result ~= "" then
    stream.next = result
  elseif result ~= nil and type(result) ~= "string" then
    fail_stream(stream, "the body returned a " .. type(result) .. "; a piece is a string")
  end
end

-- The next piece, false if it has none yet, nil at the end; raises when the rest cannot be had.
local function next_piece(stream)
  if stream.next == nil and not stream.is_failed and (stream.state == nil or stream.state == "resting") then
    stream.deadline_ms = monotonic_ms() + stream.timeout -- each piece has its own
    stream.tasks:run(stream)
  end
  if stream.is_failed then error("the body failed", 0) end
  local piece = stream.next
  stream.next = nil
  if piece ~= nil then
    stream.bytes = stream.bytes + #piece
    return piece
  end
  if stream.state ~= "over" then return false end
end

-- The pieces that a body yields, then what it returns.
local function make_stream(self, call, body)
  local stream = {
    fn = body,
    args = NO_ARGUMENTS,
    piece = take_piece,
    done = end_stream,
    call = call,
    entry = call.entry,
    origin = call.origin,
    request = call.id,
    timeout = call.entry.timeout,
    bytes = 0,
    tasks = self.tasks,
  }
  call.stream = stream
  return function() return next_piece(stream) end
end

-- ---- running -------------------------------------------------------------------------------------

local function add_timing(headers, call)
  local list = { unpack(headers) }
  local timing = TIMING:format(monotonic_ms() - call.began_ms, scheduler.cost(call))
  list[#list + 1] = { "server-timing", timing }
  return list
end

-- Called by pcall in place of what it calls, which is compiled so; see `run` in ions.scheduler.
local function shaped(fn, result)
  local status, headers, body = fn(result)
  return status, headers, body
end

local function shape(self, call, ok, result)
  local status, headers, body
  if ok and call.shape == response.shape then status, headers, body = response.plain(result) end
  if ok and not status then
    ok, status, headers, body = guarded(self, shaped, call.shape, result)
    if not ok then result = status end
  end
  if not ok then status, headers, body = call.fail(result, call, self.is_dev) end
  if self.is_dev then headers = add_timing(headers, call) end
  call.status, call.headers, call.body = status, headers, body
end

-- `done` of a call's task.
local function on_end(ok, result, call)
  local self = call.owner
  local steps = scheduler.cost(call)
  self.steps = self.steps + steps
  call.entry:pay(steps)
  call.steps = steps
  if not call.is_unwanted then
    shape(self, call, ok, result)
    local is_stream = type(call.body) == "function"
    note(self, call, call.status, steps, not is_stream and #call.body)
    if is_stream then
      call.body = make_stream(self, call, call.body)
      self.list[call.id] = call
      if not call.is_direct then answer_later(self, call) end
      return
    end
  end
  self.list[call.id] = nil
  leave(self, call.entry)
  if not call.is_direct and not call.is_unwanted then answer_later(self, call) end
end

-- So that one that is answered at once costs no table.
local function take_call(self)
  local count = #self.spare
  local call = self.spare[count]
  if not call then return { args = {}, owner = self, done = on_end } end
  self.spare[count] = nil
  return call
end

-- Nobody knows it any more.
local function give_call_back(self, call)
  if #self.spare == SPARE_MAX then return end
  scheduler.clear(call)
  call.args[1], call.args[2], call.body, call.is_direct = nil, nil, nil, nil
  self.spare[#self.spare + 1] = call
end

--- A call that is to be filled and begun.
-- @tparam table raw the request; its id, method and path are the call's, whatever becomes of the request
-- @tparam table at the entry point
-- @treturn table to be set: fn; args[1], args[2]; origin (the function's name);
-- shape(result) → status, headers, body; fail(error, call, is_dev) → the same
function Calls:new(raw, at)
  local call = take_call(self)
  call.id, call.method, call.path, call.entry = raw.id, raw.method, raw.path, at
  return call
end

--- Begin a call: it is answered now, or later by `step`, or refused.
-- @tparam table call of `new`
-- @treturn number|boolean status; false: later
-- @treturn table headers
-- @treturn string|function body
function Calls:begin(call)
  local entry = call.entry
  local verdict = entry:admit(call.id)
  local now = monotonic_ms()
  call.came_ms = now
  if verdict == "refuse" then
    local status, headers, body = response.text(503, "busy: try again", { { "retry-after", "1" } })
    if self.log then self.log:write(call, entry, status, 0, 0, #body) end
    return status, headers, body
  end
  if verdict == "wait" then
    self.list[call.id], call.is_waiting, call.on_time = call, true, on_waited_in_vain
    self.tasks:at(call, now + entry.timeout)
    return false
  end
  call.deadline_ms, call.began_ms, call.is_direct = now + entry.timeout, now, true
  if self.tasks:run(call) then
    local status, headers, body = call.status, call.headers, call.body
    if type(body) == "string" then give_call_back(self, call) end
    return status, headers, body
  end
  call.is_direct = false
  self.list[call.id] = call
  return false
end

--- Keep in mind that something is streamed that is no call: `finish` ends it.
function Calls:note(id) self.list[id] = {} end

--- Do some of what is ready.
-- @treturn number|nil the id of one that is answered; then status, headers and body
function Calls:step()
  if self.first > self.last then self.tasks:step() end
  while self.first <= self.last do
    local call = self.answers[self.first]
    self.answers[self.first], self.first = nil, self.first + 1
    if self.first > self.last then self.first, self.last = 1, 0 end
    if not call.is_unwanted then return call.id, call.status, call.headers, call.body end
  end
end

--- As Scheduler:due.
function Calls:due()
  if self.first <= self.last then return 0 end
  return self.tasks:due()
end

-- ---- ends ----------------------------------------------------------------------------------------

local function end_streaming(self, call)
  local stream = call.stream
  stream.is_unwanted = true
  self.tasks:cancel(stream, "the client has gone")
  if self.log then
    local ms, steps = monotonic_ms() - call.came_ms, call.steps + (stream.steps or 0)
    self.log:write(call, call.entry, call.status, ms, steps, stream.bytes)
  end
  leave(self, call.entry)
end

--- Nobody waits for the answer any more: its task is cancelled, and its place given back when that has ended.
function Calls:gone(id)
  local call = self.list[id]
  if not call or call.is_unwanted then return end
  call.is_unwanted = true
  if call.is_waiting then
    self.list[id] = nil
    self.tasks:forget(call)
    call.entry:forget(id)
  elseif call.stream then
    self.list[id] = nil
    end_streaming(self, call)
  elseif call.entry then
    self.tasks:cancel(call, "nobody waits for the answer")
  else
    self.list[id] = nil
  end
end

--- What was streamed has been sent, or cannot be.
function Calls:finish(id)
  local call = self.list[id]
  if not call then return end
  if call.entry and not call.stream then return self:gone(id) end
  self.list[id] = nil
  if call.stream then end_streaming(self, call) end
end

--- As Scheduler:deliver.
function Calls:deliver(token, kind, payload) self.tasks:deliver(token, kind, payload) end

--- Whether nothing is in hand.
function Calls:is_idle() return next(self.list) == nil and self.first > self.last and self.tasks:is_idle() end

return calls
