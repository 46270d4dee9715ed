--- The control door's live stream of transactions: GET /tx (docs/control.md). Nothing is queued for a client:
-- each piece is read from the log when its socket has room, so one that reads slowly is behind and costs
-- nothing. The writer tells when there is more.
-- @module ions.door.stream
local access = require "ions.door.access"
local anomaly = require "lion.anomaly"
local answer = require "ions.door.answer"
local core = require "lion.core"
local databases = require "ions.door.databases"
local edn = require "lion.edn"
local json = require "lion.json"
local tell = require "ions.door.tell"

local stream = {}

local FOLLOW, TOLD, LOST = 7, 20, 0 -- kinds of the writer's frames
local STREAMS_MAX = 256
local PIECE_BYTES = 65536
local BEAT_MS = 10000
local AGAIN_MS = 200 -- until a writer that was lost is asked again
local LOOK_MS = 25 -- where there is no writer to tell

local TYPES = { [true] = "application/edn", [false] = "application/x-ndjson" }

local Streams = {}
Streams.__index = Streams

--- The streams of a door.
-- @tparam table door
function stream.new(door)
  return setmetatable({ door = door, open = {}, count = 0, followed = {}, names = {} }, Streams)
end

-- ---- news ----------------------------------------------------------------------------------------

-- Each of the writer's answers under this token says that there may be more.
local function follow(self, name)
  if self.followed[name] or not self.door.port.request then return end
  local token = self.door.port.request(FOLLOW, self.door.forms.write { db = name })
  self.followed[name], self.names[token] = token, name
end

local function has_any(self, name)
  for _, one in pairs(self.open) do
    if one.name == name then return true end
  end
  return false
end

local function on_lost(self, token, name)
  self.followed[name], self.names[token] = nil, nil
  if not has_any(self, name) then return end
  local timer = { on_time = function() follow(self, name) end }
  self.door.tasks:at(timer, core.monotonic_ms() + AGAIN_MS)
end

--- What the writer says; false: it is not for a stream.
function Streams:deliver(token, kind)
  local name = self.names[token]
  if not name then return false end
  if kind == LOST then on_lost(self, token, name) end
  if kind == TOLD or kind == LOST then self.is_told = has_any(self, name) or self.is_told end
  return true
end

-- Steps make the streams look: for hearts to beat, and where nobody tells.
local function look_later(self)
  if self.is_timed or self.count == 0 then return end
  self.is_timed = true
  local ms = self.door.port.request and BEAT_MS or LOOK_MS
  local timer = {}
  function timer.on_time()
    self.is_timed, self.is_told = false, true
    look_later(self)
  end
  self.door.tasks:at(timer, core.monotonic_ms() + ms)
end

-- ---- a stream ------------------------------------------------------------------------------------

local function line_of(one, value)
  return (one.is_edn and edn.write(value) or json.write(value)) .. "\n"
end

local function transaction_line(one, t, instant, data)
  local list = {}
  for i, d in ipairs(data) do list[i] = { d.e, d.a, d.v, d.tx, d.added } end
  return line_of(one, { t = t, tx = t + 3 * 2 ^ 42, tx_instant = tell.instant(instant), data = list })
end

-- What the log has behind the last line, about a piece of it; nil: nothing.
local function read_piece(one)
  local basis = one.conn:db().basis_t
  if basis <= one.t then return nil end
  local range = core.tx_range(one.conn.handle, one.t + 1, basis + 1, true)
  local lines, size = {}, 0
  while size < PIECE_BYTES do
    local t, instant, data = core.tx_range_next(range)
    if not t then
      one.t = basis
      break
    end
    local line = transaction_line(one, t, instant, data)
    lines[#lines + 1], size, one.t = line, size + #line, t
  end
  return lines[1] and table.concat(lines) or nil
end

-- Its last line says why it ends.
local function last_line(one, e)
  one.is_over = true
  local wrapped = anomaly.wrap(e)
  return line_of(one, { t = one.t, error = { category = wrapped.category, code = wrapped.code,
    message = tostring(wrapped.message) } })
end

local function fail_leaving()
  error(anomaly.new("unavailable", "lion/leaving", "the node stops: ask again, after the last t"), 0)
end

local function next_piece(self, one)
  if one.is_over then return nil end
  local ok, piece = pcall(function()
    self.door.access:check(one.request, "GET /tx")
    if self.door.is_leaving then fail_leaving() end
    return read_piece(one)
  end)
  local now = core.monotonic_ms()
  if not ok then return last_line(one, piece) end
  if not piece and now < one.beat_ms then return false end
  one.beat_ms = now + BEAT_MS
  return piece or line_of(one, { t = one.t })
end

--- GET /tx
-- @treturn table headers, body (a function), for the answer
function Streams:begin(request)
  local query = answer.check_query(request.query, { db = "string!", after = "count" })
  access.check_database(request.who, query.db)
  local conn = databases.existing(self.door, query.db)
  if self.count >= STREAMS_MAX then
    error(anomaly.new("busy", "lion/busy", ("%d streams are open, which is the most"):format(STREAMS_MAX)), 0)
  end
  local one = { request = request, conn = conn, name = query.db, is_edn = answer.wants_edn(request.raw),
    t = query.after or conn:db().basis_t, beat_ms = 0 }
  self.open[request.raw.id], self.count = one, self.count + 1
  follow(self, query.db)
  look_later(self)
  return { status = 200, headers = { { "content-type", TYPES[one.is_edn] } },
    body = function() return next_piece(self, one) end }
end

--- Its client has gone, or it has ended.
function Streams:finish(id)
  if self.open[id] then self.open[id], self.count = nil, self.count - 1 end
end

--- Whether there may be more; once.
function Streams:take_news()
  local is_told = self.is_told
  self.is_told = false
  return is_told
end

return stream
