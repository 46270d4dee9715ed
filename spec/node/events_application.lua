--- An application for the specs of events in a node: handlers that write down each of their calls.
local application = {}

local MANIFEST = [[
return {
  app = "shop",
  http = { { "GET", "/", "shop.events/home" } },
  events = {
    EVENTS
  },
}
]]

local EVENTS = [==[
local ion = require "ion"
local events = {}
function events.home() return "VERSION" end

-- One fact for each call, not for each event.
local function note(event, number)
  ion.connect():transact { { ["call/key"] = event.key, ["call/event"] = event.event, ["call/number"] = number,
    ["call/attempt"] = event.attempt, ["call/version"] = "VERSION", ["call/started"] = ion.now() } }
end

local function number_of(event)
  for _, datom in ipairs(event.datoms) do
    if datom.a == "order/number" then return datom.v end
  end
end

function events.number(event)
  assert(ion.db(event.db).basis_t >= event.t)
  note(event, number_of(event))
end

-- It may be repeated as it likes.
function events.once(event)
  ion.connect():transact({ { ["once/number"] = number_of(event) } }, { id = event.id })
end

function events.bad(event)
  local number = number_of(event)
  note(event, number)
  local is_mended = ion.db():count("aevt", "mended/at") > 0
  if number % 3 == 0 and not is_mended then error("number " .. number .. " is bad") end
end

function events.slow(event)
  ion.sleep(50)
  note(event, number_of(event))
end

function events.found(event)
  for _, row in ipairs(event.rows) do note(event, row[1]) end
end

function events.tick(event) note(event, event.time) end
EXTRA
return events
]==]

--- The files.
-- @tparam string version
-- @tparam string events what stands in the manifest's `events`
-- @tparam[opt] string extra more of the module
function application.files(version, events, extra)
  return {
    ["ion.lua"] = MANIFEST:gsub("EVENTS", function() return events end),
    ["shop/events.lua"] = EVENTS:gsub("VERSION", version):gsub("EXTRA", function() return extra or "" end),
  }
end

--- What the handlers and the specs write, as transaction data in JSON.
application.SCHEMA = {}
for _, one in ipairs {
  { "order/number", "long" }, { "other/number", "long" }, { "call/key", "string" },
  { "call/event", "string" },
  { "call/number", "long" }, { "call/attempt", "long" }, { "call/version", "string" },
  { "call/started", "long" }, { "once/number", "long" }, { "mended/at", "long" },
} do
  table.insert(application.SCHEMA, { ["db/ident"] = ":" .. one[1], ["db/valueType"] = ":db.type/" .. one[2],
    ["db/cardinality"] = ":db.cardinality/one" })
end

local CALLS = [==[
  [:find ?tx ?key ?n ?attempt ?version :in $ ?event
   :where [?c :call/event ?event] [?c :call/key ?key ?tx] [?c :call/number ?n] [?c :call/attempt ?attempt]
          [?c :call/version ?version]
   :order-by [?tx]] ]==]

--- The calls of an event, in the order in which they were written: a list of { key =, number =, attempt =,
-- version = }.
-- @param ask as Node:control
function application.calls(one, event)
  local answer = one:control("POST", "/q", { body = require("lion.json").write {
    db = "shop",
    query = CALLS,
    inputs = { event },
  }, headers = { ["content-type"] = "application/json" } })
  assert(answer.status == 200, answer.body)
  local list = {}
  for i, row in ipairs(answer.json().result) do
    list[i] = { key = row[2], number = row[3], attempt = row[4], version = row[5] }
  end
  return list
end

--- Raise unless each number was handled, none before its turn; repetitions go back to one that was handled,
-- go on from there in order again, and have the same keys.
-- @tparam table calls of `calls`
-- @tparam number first
-- @tparam number last
-- @treturn number how many repetitions there are
function application.in_order(calls, first, last)
  local keys, before, repeats = {}, first - 1, 0
  for _, call in ipairs(calls) do
    local number = call.number
    if number > before + 1 then error(("%d comes after %d"):format(number, before), 2) end
    if keys[number] and keys[number] ~= call.key then error(("%d has two keys"):format(number), 2) end
    if keys[number] then repeats = repeats + 1 end
    keys[number], before = call.key, number
  end
  for number = first, last do
    if not keys[number] then error(number .. " was not handled", 2) end
  end
  return repeats
end

return application
