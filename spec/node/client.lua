--- An HTTP client for the specs of a node: one request, or a flood over connections that are kept.
local core = require "lion.core"
local json = require "lion.json"
local socket = require "spec.node.socket"

local PATIENCE_MS = 30000

local client = {}

--- The text of a request: method, path, options { headers = { name = value }, body = }.
function client.text(method, path, options)
  options = options or {}
  local lines = { ("%s %s HTTP/1.1"):format(method, path), "host: lion" }
  for name, value in pairs(options.headers or {}) do
    lines[#lines + 1] = name .. ": " .. value
  end
  if options.body then lines[#lines + 1] = "content-length: " .. #options.body end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. (options.body or "")
end

local function headers_of(head)
  local headers = {}
  for name, value in head:gmatch "\r\n([^:\r\n]+):%s*([^\r\n]*)" do
    headers[name:lower()] = value
  end
  return headers
end

-- The body of a chunked answer and where it ends; nil if it is not all there.
local function unchunk(text, at)
  local pieces = {}
  while true do
    local first, last, size = text:find("^(%x+)[^\r\n]*\r\n", at)
    if not first then return nil end
    size = tonumber(size, 16)
    if size == 0 then
      local _, stop = text:find("\r\n", last + 1, true)
      return stop and table.concat(pieces), stop
    end
    if #text < last + size + 2 then return nil end
    pieces[#pieces + 1] = text:sub(last + 1, last + size)
    at = last + size + 3
  end
end

local function has_no_body(status) return status < 200 or status == 204 or status == 304 end

--- Take one whole answer off a socket's text: { status =, headers =, body =, head = }, or nil if it is not
-- all there.
-- @tparam Socket one
-- @tparam[opt] string ended "closed" when no more will come
function client.take(one, ended)
  local _, stop = one.got:find("\r\n\r\n", 1, true)
  if not stop then return nil end
  local head = one.got:sub(1, stop - 2)
  local status = tonumber(head:match "^HTTP/1%.[01] (%d%d%d)")
  assert(status, "no answer in HTTP: " .. head)
  local headers = headers_of(head)
  local body, last
  if has_no_body(status) then
    body, last = "", stop
  elseif headers["transfer-encoding"] then
    body, last = unchunk(one.got, stop + 1)
  elseif headers["content-length"] then
    last = stop + tonumber(headers["content-length"])
    body = #one.got >= last and one.got:sub(stop + 1, last) or nil
  elseif ended == "closed" then
    body, last = one.got:sub(stop + 1), #one.got
  end
  if not body then return nil end
  one.got = one.got:sub(last + 1)
  return { status = status, headers = headers, body = body, head = head }
end

--- Wait for a socket's answer. Returns it, or nil and "closed", "reset" or "nothing came".
function client.answer(one, patience_ms)
  local last = core.monotonic_ms() + (patience_ms or PATIENCE_MS)
  while true do
    local ended = one:fill()
    local answer = client.take(one, ended)
    if answer or ended then return answer, ended end
    local left = last - core.monotonic_ms()
    if left <= 0 then return nil, "nothing came" end
    socket.wait({ one }, left)
  end
end

--- Ask once, by a connection of its own. Raises if nobody answers.
-- @treturn table { status =, headers =, body =, json() }
function client.ask(address, method, path, options)
  local one = socket.connect(address)
  if not one then error("nobody listens at " .. address, 2) end
  one:send(client.text(method, path, options))
  local answer, why = client.answer(one)
  one:close()
  if not answer then error(("no answer to %s %s: %s"):format(method, path, why), 2) end
  function answer.json() return json.read(answer.body) end
  return answer
end

-- ---- a flood -------------------------------------------------------------------------------------

local Flood = {}
Flood.__index = Flood

-- The next request of a connection, made anew if it was lost.
local function go_on(self, lane)
  if not lane.socket then
    lane.socket = socket.connect(self.address)
    if not lane.socket then return end -- nobody listens at the moment: tried again
    self.connects = self.connects + 1
    lane.port = lane.socket:port()
  end
  if lane.has_asked then return end
  lane.request = self.settings.request(lane.retry)
  lane.retry = nil
  lane.has_asked, lane.since = true, core.monotonic_ms()
  if not lane.socket:send(lane.request.text) then self:lose(lane, "reset") end
end

-- Begin with so many connections, each of which always has one request in the air.
-- settings: connections; request(retry) → { text =, … }, retry is the request that was lost or refused
-- before; answered(answer, request) → true if the request is to be sent again; lost(request, why) → the same.
function client.flood(address, settings)
  local self = setmetatable({ address = address, settings = settings, lanes = {}, connects = 0 }, Flood)
  self.counts = { asked = 0, ok = 0, bad = 0, lost = 0, slowest_ms = 0 }
  self.bad = {}
  for i = 1, settings.connections do
    self.lanes[i] = { index = i }
    go_on(self, self.lanes[i])
  end
  return self
end

function Flood:lose(lane, why)
  local request = lane.has_asked and lane.request or nil
  lane.socket:close()
  lane.socket, lane.has_asked = nil, false
  if not request then return end -- it was kept for nothing: no harm
  self.counts.lost = self.counts.lost + 1
  if self.settings.lost and self.settings.lost(request, why, lane) then lane.retry = request end
end

local function note(self, lane, answer)
  local counts = self.counts
  counts.asked = counts.asked + 1
  counts.slowest_ms = math.max(counts.slowest_ms, core.monotonic_ms() - lane.since)
  if answer.status == 200 then
    counts.ok = counts.ok + 1
  else
    counts.bad = counts.bad + 1
    self.bad[#self.bad + 1] = answer.status .. " " .. answer.body:sub(1, 200)
  end
  local request = lane.request
  lane.has_asked = false
  if self.settings.answered and self.settings.answered(answer, request) then lane.retry = request end
end

-- What a socket has to tell.
local function hear(self, lane)
  local one = lane.socket
  local ended = one:fill()
  local answer = lane.has_asked and client.take(one, ended)
  if answer then
    note(self, lane, answer)
    if answer.headers.connection == "close" then ended = "closed" end
  end
  if ended then self:lose(lane, ended) end
end

--- Go on for at most so many ms, or until something was heard.
function Flood:pump(timeout_ms)
  local list, of = {}, {}
  for _, lane in ipairs(self.lanes) do
    if not self.is_ending then go_on(self, lane) end
    if lane.socket then
      list[#list + 1] = lane.socket
      of[lane.socket] = lane
    end
  end
  if #list == 0 then return os.execute "sleep 0.01" end
  for _, one in ipairs(socket.wait(list, timeout_ms)) do
    hear(self, of[one])
  end
end

--- Go on until fn() gives something, which is returned; raises after patience_ms.
function Flood:until_(fn, what, patience_ms)
  local last = core.monotonic_ms() + (patience_ms or PATIENCE_MS)
  local next_look = 0
  while true do
    self:pump(10)
    local now = core.monotonic_ms()
    if now >= next_look then
      local result = fn()
      if result then return result end
      if now > last then error("waited in vain for " .. what, 2) end
      next_look = now + 10
    end
  end
end

--- Go on until so many more requests were answered.
function Flood:answers(count)
  local goal = self.counts.ok + count
  self:until_(function() return self.counts.ok >= goal end, count .. " more answers")
end

--- Send no more, take what is in the air, close.
function Flood:finish()
  self.is_ending = true
  local last = core.monotonic_ms() + PATIENCE_MS
  local function is_waiting()
    for _, lane in ipairs(self.lanes) do
      if lane.has_asked then return true end
    end
  end
  while is_waiting() and core.monotonic_ms() < last do
    self:pump(100)
  end
  for _, lane in ipairs(self.lanes) do
    if lane.has_asked then self:lose(lane, "nothing came") end
    if lane.socket then lane.socket:close() end
    lane.socket = nil
  end
  return self.counts
end

return client
