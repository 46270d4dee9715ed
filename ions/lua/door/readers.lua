--- What the door does with questions that take long: it tries each for a moment, and what is not answered by
-- then is asked of a reader, a state on a thread of its own (ions/node/read.c), while the door goes on. What
-- is known to be long, and iterators over rows, are asked there at once.
-- @module ions.door.readers
local answer = require "ions.door.answer"
local codec = require "lion.remote.codec"
local core = require "lion.core"
local kept = require "ions.door.kept"
local scheduler = require "ions.scheduler"

local readers = {}

local COUNT = 3 -- as LION_READERS
local PATIENCE_MS = 20
local TIDY_MS = 20000 -- between two times that idle readers let go of what they keep

local Readers = {}
Readers.__index = Readers

--- The readers of a door.
-- @tparam table door with port.read, tasks
function readers.new(door)
  local self = setmetatable({ door = door, port = door.port, asked = {} }, Readers)
  for i = 1, COUNT do self.asked[i] = 0 end
  return self
end

local function least_asked(self)
  local least = 1
  for i = 2, COUNT do
    if self.asked[i] < self.asked[least] then least = i end
  end
  return least
end

-- What readers keep is let go in time also when nobody asks them.
local function tidy_later(self)
  if self.is_timed then return end
  self.is_timed = true
  local timer = {}
  function timer.on_time()
    self.is_timed = core.monotonic_ms() < self.tidy_until_ms
    for i = 1, COUNT do self.port.read(i, "") end
    if self.is_timed then self.door.tasks:at(timer, core.monotonic_ms() + TIDY_MS) end
  end
  self.door.tasks:at(timer, core.monotonic_ms() + TIDY_MS)
end

-- The last of the numbers that are kept for a walk is the reader that has it.
local function reader_of(self, walk)
  local store = kept.of(self.door)
  local key = "reader of " .. walk
  local reader = store:get(key) or least_asked(self)
  store:put(key, reader)
  return reader
end

--- How long a question may take here; what may take longer is marked, `is_cut_short`.
-- @tparam table request
-- @tparam number ms that it may take
-- @treturn number ms
function Readers.patience(_, request, ms)
  if ms <= PATIENCE_MS then return ms end
  request.is_cut_short = true
  return PATIENCE_MS
end

--- Whether an error only says that it takes longer.
-- @tparam table request
-- @param e
function Readers.is_late(_, request, e)
  return request.is_cut_short and type(e) == "table" and e.code == "lion/timeout"
end

--- Have a reader answer a request.
-- @tparam table request raw, who
-- @tparam[opt] string walk the id of the iterator that it goes on with
-- @treturn table status, headers, body
function Readers:ask(request, walk)
  local reader, raw = walk and reader_of(self, walk) or least_asked(self), request.raw
  local payload = codec.write { path = raw.path, body = raw.body, who = request.who,
    content_type = raw.headers["content-type"], accept = raw.headers.accept }
  self.asked[reader] = self.asked[reader] + 1
  self.tidy_until_ms = core.monotonic_ms() + 3 * TIDY_MS
  tidy_later(self)
  local token, task = self.port.read(reader, payload), scheduler.current()
  task.reading = token
  local ok, kind, bytes = pcall(scheduler.await, token)
  task.reading = nil
  self.asked[reader] = self.asked[reader] - 1
  if not ok then error(kind, 0) end
  if kind ~= 0 then return codec.read(bytes) end
  error(answer.anomaly_of "not enough memory", 0)
end

return readers
