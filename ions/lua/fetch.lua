--- Requests to others over HTTP, by libcurl in C (ions/curl.h): a task waits for the answer while others run,
-- where a loop turns beside the state; elsewhere the caller waits, and nobody else.
-- @module ions.fetch
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local curl = require "ions.curl"
local fuel = require "ions.fuel"
local scheduler = require "ions.scheduler"

local fetch = {}

--- Requests that a state has under way at once.
fetch.HANDS_MAX = 128

local DONE = 17 -- the kind of an answer; any other is a failure

-- The I/O thread, in a node's worker.
local port = (package.loaded["ions.port"] or package.preload["ions.port"]) and require "ions.port"

local in_hand = 0

-- As Lua has them: where applications run, the methods of strings are versions that count their work.
local find, match, sub = string.find, string.match, string.sub

-- ---- texts ---------------------------------------------------------------------------------------

local HEAD = "%.0f %.0f %.0f %.0f %s %s"

local function write(request)
  local lines = { HEAD:format(request.timeout_ms, request.connect_timeout_ms, request.max_bytes,
    request.redirects, request.method, request.url) }
  for _, header in ipairs(request.headers) do
    lines[#lines + 1] = header[2] == "" and header[1] .. ";" or header[1] .. ": " .. header[2]
  end
  lines[#lines + 1] = "Expect:" -- nobody waits a second to be told to go on
  if request.body ~= "" and not request.has_type then lines[#lines + 1] = "Content-Type:" end
  return table.concat(lines, "\n") .. "\n\n" .. request.body
end

local function read(text)
  local from, to = find(text, "\n\n", 1, true)
  local status, url = match(text, "^(%d+) ([^\n]*)\n")
  local headers = {}
  for line in string.gmatch(sub(text, 1, from), "([^\n]+)\n") do
    local name, value = match(line, "^([^:%s]+):[ \t]*(.-)[ \t]*$")
    if name then headers[#headers + 1] = { string.lower(name), value } end
  end
  return { status = tonumber(status), url = url, headers = headers, body = sub(text, to + 1) }
end

local function raise(text)
  local category, code, message = match(text, "^(%S+) (%S+) ([^\n]*)")
  error(anomaly.new(category, code, message), 0)
end

-- ---- asking --------------------------------------------------------------------------------------

-- Who is stopped while it waits wants no answer.
local function wait(start, forget, text)
  scheduler.check_wait()
  local token = start(text)
  local ok, kind, answer = pcall(scheduler.await, token)
  if ok then return kind == DONE, answer end
  forget(token)
  error(kind, 0)
end

local function ask(text)
  if not scheduler.current() then return curl.call(text) end
  if port and port.fetch then return wait(port.fetch, port.forget, text) end
  if curl.has_loop() then return wait(curl.start, curl.cancel, text) end
  return curl.call(text)
end

--- ms until what runs now has to have come back; nil: it may take as long as it likes.
function fetch.remaining_ms()
  local within = scheduler.current() or fuel.current()
  return within and within.deadline_ms and within.deadline_ms - core.monotonic_ms()
end

--- Wait for a time: a task beside others, else the caller alone.
-- @tparam number ms
function fetch.sleep(ms)
  if scheduler.current() then return scheduler.sleep(ms) end
  curl.rest(ms)
end

--- Ask.
-- @tparam table request method; url; headers, pairs; body; has_type: whether there is a content-type among
-- these; timeout_ms; connect_timeout_ms; max_bytes; redirects
-- @treturn table { status =, url =, headers = (pairs, names in lower case), body =, ms = }; failures are
-- raised
function fetch.run(request)
  if in_hand >= fetch.HANDS_MAX then
    local message = "%d requests of this application are under way here already: try again"
    error(anomaly.new("busy", "http/busy", message:format(in_hand)), 0)
  end
  in_hand = in_hand + 1
  local began_ms = core.monotonic_ms()
  local ok, is_sound, answer = pcall(ask, write(request))
  in_hand = in_hand - 1
  if not ok then error(is_sound, 0) end
  if not is_sound then raise(answer) end
  local told = read(answer)
  told.ms = core.monotonic_ms() - began_ms
  return told
end

return fetch
