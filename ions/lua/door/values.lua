--- The control door's part of remote connections (lion.remote.conn): one route, POST /values, whose body is a
-- table { op =, … } in the bytes of lion.remote.codec. A database value is named by a token, which says how
-- it is made: the transaction it stands at, and the steps from there (as_of, filter, with …). So the door
-- keeps nothing that must not be lost: values, and iterators between two batches, are kept for a while to be
-- quick. Where a connection names an application, a worker answers what is asked of values
-- (POST /values/APP): it knows the functions that the application allows.
-- @module ions.door.values
local access = require "ions.door.access"
local anomaly = require "lion.anomaly"
local answer = require "ions.door.answer"
local call = require "lion.call"
local codec = require "lion.remote.codec"
local conn_of = require "lion.conn"
local core = require "lion.core"
local databases = require "ions.door.databases"
local dbs = require "lion.db"
local entity = require "lion.entity"
local find = require "lion.find"
local kept = require "ions.door.kept"
local log = require "lion.log"
local point = require "lion.point"

local served = {}

local STEPS_MAX, TOKEN_MAX = 64, 2 ^ 20
local QUERY_MS_MAX = 30000
local WAIT_MS_MAX = 20000
local BATCH_MAX, BATCH_BYTES = 4096, 4 * 2 ^ 20
local TX_FIRST = 3 * 2 ^ 42

-- ---- values --------------------------------------------------------------------------------------

local function fail_token() anomaly.incorrect("lion/syntax", "this is no database value of this node") end

-- What stands for a value: its database, the place in its log, and the steps from there.
local function token_of(value, steps)
  return codec.write { value.name, value.basis_t, value.next_counter, value.tx_instant, steps or {} }
end

local function tell_value(value, token)
  return { token = token, basis_t = value.basis_t, as_of_t = value.as_of_t, since_t = value.since_t,
    is_history = value.is_history, is_filtered = value.is_filtered }
end

-- A plain value of the log, which is kept.
local function told_plain(door, name, value)
  local token = codec.write { name, value.basis_t, value.next_counter, value.tx_instant, {} }
  kept.of(door):put(token, value)
  return tell_value(value, token)
end

-- Functions that this state knows by name.
local function filter_of(name)
  local fn = type(name) == "string" and call.named(name)
  if fn then return fn end
  if type(name) ~= "string" then
    anomaly.incorrect("lion/syntax", "filter takes the name of an allowed function, not a %s", type(name))
  end
  local message = ("there is no filter named %s here: app names the application that allows it"):format(name)
  error(anomaly.new("not-found", "lion/not-found", message), 0)
end

-- The instant is the one that was told when the value was made first.
local function with(value, tx, instant)
  if not instant then return value:with(tx) end
  local ops = {}
  for i, op in ipairs(dbs.tx_data(tx)) do ops[i] = op end
  ops[#ops + 1] = { "db/add", "datomic.tx", "db/txInstant", instant }
  return value:with(ops)
end

local STEPS = {
  as_of = function(value, x) return value:as_of(x) end,
  since = function(value, x) return value:since(x) end,
  history = function(value) return value:history() end,
  filter = function(value, name) return value:filter(filter_of(name)) end,
  with = function(value, tx, instant) return with(value, tx, instant).db_after end,
}

local function connection(door, name, who)
  if type(name) ~= "string" then fail_token() end
  access.check_database(who, name)
  return door.connections[name] or databases.existing(door, name)
end

local function value_at(door, who, name, t, counter, instant)
  local conn = connection(door, name, who)
  local value = conn:db()
  if value.basis_t < t then value = conn:sync(t, { timeout_ms = WAIT_MS_MAX }) end
  if value.basis_t == t then return value end
  return dbs.wrap(core.at_basis(value.handle, t, counter, instant), conn)
end

local function read_token(token)
  local said = type(token) == "string" and codec.read(token)
  if type(said) ~= "table" or type(said[5]) ~= "table" then fail_token() end
  for i = 2, 4 do
    if type(said[i]) ~= "number" then fail_token() end
  end
  return said
end

-- The value that a token means, for who may see it.
local function value_of(door, token, who)
  local values = kept.of(door)
  local value = values:get(token)
  if value then
    access.check_database(who, value.name)
    return value
  end
  local said = read_token(token)
  value = value_at(door, who, unpack(said, 1, 4))
  for _, step in ipairs(said[5]) do
    local make = type(step) == "table" and STEPS[step[1]] or fail_token()
    value = make(value, step[2], step[3])
  end
  values:put(token, value)
  return value
end

local function asked_value(door, asked) return value_of(door, asked.value, asked.who) end
local function asked_connection(door, asked) return connection(door, asked.name, asked.who) end

-- The token of a value that is a step from another's.
local function token_behind(token, step)
  local said = read_token(token)
  local steps = said[5]
  steps[#steps + 1] = step
  local bytes = codec.write(said)
  if #steps > STEPS_MAX or #bytes > TOKEN_MAX then
    local message = "a value of a node is at most %d steps (as_of, since, filter, with) and 1 MiB of them "
      .. "from a transaction of the log: transact what is to stay"
    error(anomaly.new("interrupted", "lion/limit", message:format(STEPS_MAX)), 0)
  end
  return bytes
end

-- ---- what is asked -------------------------------------------------------------------------------

local ops = {}

local ARGUMENTS_MAX = 1000

local function arguments_of(asked)
  local arguments = asked.arguments or {}
  local count = asked.count or type(arguments) == "table" and #arguments
  if type(arguments) ~= "table" or type(count) ~= "number" or count > ARGUMENTS_MAX then
    anomaly.incorrect("lion/syntax", "arguments are an array of at most %d", ARGUMENTS_MAX)
  end
  return arguments, count
end

-- Who may not write finds a database there, or does not.
local function open_or_make(door, asked)
  if asked.who.roles.transact or asked.who.roles.admin then databases.open(door, asked.name) end
end

--- A database is opened, or made.
function ops.open(door, asked)
  access.check_database(asked.who, asked.name)
  if asked.create then open_or_make(door, asked) end
  return told_plain(door, asked.name, databases.existing(door, asked.name):db())
end

function ops.newest(door, asked) return told_plain(door, asked.name, asked_connection(door, asked):db()) end

function ops.derive(door, asked)
  local value, arguments = asked_value(door, asked), arguments_of(asked)
  local kind, x = arguments[1], arguments[2]
  local made = (STEPS[kind] or fail_token())(value, x)
  local step = { kind, x }
  if kind == "as_of" then step[2] = made.as_of_t elseif kind == "since" then step[2] = made.since_t end
  local token = token_behind(asked.value, step)
  kept.of(door):put(token, made)
  return tell_value(made, token)
end

local function plain_report(report)
  return { t = report.t, tx = report.tx, tx_instant = report.tx_instant, tx_data = report.tx_data,
    tempids = report.tempids }
end

ops["with"] = function(door, asked)
  local tx = (arguments_of(asked))[1]
  local report = with(asked_value(door, asked), tx)
  local token = token_behind(asked.value, { "with", tx, report.tx_instant })
  kept.of(door):put(token, report.db_after)
  local told = plain_report(report)
  told.db_after = tell_value(report.db_after, token)
  return told
end

-- Methods of a value whose result is data.
local METHODS = { pull = "pull", pull_many = "pull_many", entid = "entid", ident = "ident",
  attribute_of = "attribute", attributes = "attributes", count = "count", stats = "stats" }

for op, method in pairs(METHODS) do
  ops[op] = function(door, asked)
    local value = asked_value(door, asked)
    local arguments, count = arguments_of(asked)
    return { (value[method](value, unpack(arguments, 1, count))) }
  end
end

-- ---- queries -------------------------------------------------------------------------------------

local function input_of(door, x, who)
  if codec.is_db(x) then return value_of(door, x[1], who) end
  if codec.is_log(x) then
    local value = value_of(door, x[1], who)
    return log.wrap(value.handle, value.conn)
  end
  return x
end

-- The arguments of a query, and its limits: no query here is without a timeout.
local function question(door, asked)
  local arguments, count = arguments_of(asked)
  for i = 1, count do arguments[i] = input_of(door, arguments[i], asked.who) end
  if asked.value then
    arguments, count = find.with_db(asked_value(door, asked), asked.query, unpack(arguments, 1, count))
  end
  local options, limits = asked.limits or {}, {}
  for _, name in ipairs { "limit", "offset", "memory_max", "temp_max", "statistics", "typed" } do
    limits[name] = options[name]
  end
  local timeout = options.timeout
  timeout = timeout and timeout > 0 and math.min(timeout, QUERY_MS_MAX) or QUERY_MS_MAX
  limits.timeout = door:patience(asked.request, timeout)
  if door.limit then door.limit(limits.timeout) end
  return arguments, count, limits
end

function ops.q(door, asked) return { result = find.all(asked.query, question(door, asked)) } end
function ops.explain(door, asked) return find.explain(asked.query, question(door, asked)) end

-- ---- entities ------------------------------------------------------------------------------------

-- Entities become what stands for them.
local function sent(value)
  if entity.is(value) then return codec.entity(value.id) end
  if type(value) ~= "table" or getmetatable(value) ~= nil then return value end
  local copy = {}
  for i, item in ipairs(value) do copy[i] = entity.is(item) and codec.entity(item.id) or item end
  return copy
end

function ops.entity(door, asked)
  local value = asked_value(door, asked)
  local found = value:entity((arguments_of(asked))[1])
  if not found then return {} end
  local attributes, components, name = {}, {}, nil
  for datom in value:datoms("eavt", found.id) do
    if datom[2] ~= name then
      name = datom[2]
      attributes[name] = sent(found[name])
      if point.attribute(value, name).is_component then components[#components + 1] = name end
    end
  end
  return { id = found.id, attributes = attributes, components = components }
end

function ops.attribute(door, asked)
  local found = entity.new(asked_value(door, asked), asked.id)
  return { value = sent(found[asked.name]) }
end

-- ---- walks ---------------------------------------------------------------------------------------

local walks = {}

for _, method in ipairs { "datoms", "seek", "index_range", "index_pull" } do
  walks[method] = function(door, asked)
    local value = asked_value(door, asked)
    local arguments, count = arguments_of(asked)
    return { next = value[method](value, unpack(arguments, 1, count)) }
  end
end

function walks.rows(door, asked)
  local rows = find.rows(asked.query, question(door, asked))
  local walk = {}
  function walk.next()
    local function packed(...)
      if (...) == nil then return nil end
      if select("#", ...) == 1 then return (...) end
      walk.width = select("#", ...)
      return { ... }
    end
    return packed(rows())
  end
  return walk
end

-- Up to the basis of the value given, else of the newest, which the answers then name.
function walks.tx_range(door, asked)
  local conn = asked_connection(door, asked)
  local value = asked.value and asked_value(door, asked) or conn:db()
  local walk = { next = function() end, value = told_plain(door, asked.name, value).token }
  local from, to = unpack(arguments_of(asked), 1, 2)
  local first, last = conn_of.log_point(value, from) or 0, conn_of.log_point(value, to) or math.huge
  last = math.min(last, value.basis_t + 1)
  if last <= first then return walk end
  local range = core.tx_range(conn.handle, first, last, asked.is_typed)
  function walk.next()
    local t, instant, data, counter = core.tx_range_next(range)
    if not t then return nil end
    local item = { t = t, tx = t + TX_FIRST, instant = instant, data = data }
    if asked.with_values then
      local plain = { name = asked.name, basis_t = t, next_counter = counter, tx_instant = instant }
      item.value = { token = token_of(plain), basis_t = t, is_history = false, is_filtered = false }
    end
    return item
  end
  return walk
end

-- About how many bytes an item has.
local function weight_of(item)
  if type(item) == "string" then return #item end
  if type(item) ~= "table" then return 8 end
  local weight = 16
  for _, part in next, item do weight = weight + weight_of(part) end
  return weight
end

local function open_walk(door, asked)
  local open = walks[asked.what]
  if not open then anomaly.incorrect("lion/syntax", "there is no walk over %s", tostring(asked.what)) end
  local walk = open(door, asked)
  walk.at = 0
  while walk.at < asked.at and walk.next() ~= nil do walk.at = walk.at + 1 end
  return walk
end

--- The next batch of a walk: items from number `at` on, at most `size` of them.
function ops.walk(door, asked)
  if type(asked.id) ~= "string" or type(asked.at) ~= "number" or type(asked.size) ~= "number" then
    anomaly.incorrect("lion/syntax", "a walk has an id, and the numbers at and size")
  end
  local walk = kept.of(door):take(asked.id)
  if not walk or walk.at ~= asked.at then walk = open_walk(door, asked) end
  local items, weight, is_over = {}, 0, false
  while #items < math.min(asked.size, BATCH_MAX) and weight < BATCH_BYTES do
    local item = walk.next()
    if item == nil then
      is_over = true
      break
    end
    items[#items + 1], weight = item, weight + weight_of(item)
  end
  walk.at = walk.at + #items
  if not is_over then kept.of(door):put(asked.id, walk) end
  return { items = items, is_over = is_over, width = walk.width, value = walk.value }
end

-- ---- the connection ------------------------------------------------------------------------------

function ops.transact(door, asked)
  databases.refuse_system(asked.name)
  local conn = asked_connection(door, asked)
  local report = conn:transact(asked.tx, { id = asked.id, wait = asked.wait, timeout_ms = asked.timeout_ms })
  local told = plain_report(report)
  if report.db_after then
    told.db_before = told_plain(door, asked.name, report.db_before)
    told.db_after = told_plain(door, asked.name, report.db_after)
  end
  return told
end

function ops.sync(door, asked)
  local wait_ms = math.min(asked.wait_ms or WAIT_MS_MAX, WAIT_MS_MAX)
  local conn = asked_connection(door, asked)
  local value = asked.t == nil and conn:sync { timeout_ms = wait_ms }
    or conn:sync(asked.t, { timeout_ms = wait_ms })
  return told_plain(door, asked.name, value)
end

function ops.index(door, asked) return { t = asked_connection(door, asked):request_index() } end
function ops.stats_of_conn(door, asked) return asked_connection(door, asked):stats() end

function ops.backup(door, asked)
  asked_connection(door, asked):backup(asked.path)
  return {}
end

-- ---- the route -----------------------------------------------------------------------------------

local HEADERS = { { "content-type", codec.TYPE } }

-- An error with all that it carries and that can travel.
local function fail(e, status_of)
  e = answer.anomaly_of(e)
  local told = {}
  for name, value in pairs(e) do
    if pcall(codec.write, value) then told[name] = value end
  end
  return { status = status_of(e), headers = HEADERS, body = codec.write(told) }
end

-- What is asked of a connection is not for workers; the roles of which one is needed for it. All else reads.
local OF_CONNECTION = { open = { "read", "transact" }, newest = { "read", "transact" },
  transact = { "transact" }, sync = { "read", "transact" }, index = { "admin" }, stats_of_conn = { "read" },
  backup = { "admin" } }
local READ = { "read" }

local MANY = 256 -- entities

local PATTERN_DEPTH_MAX = 400 -- tables of the deepest pattern there may be

local function is_recursive(pattern, depth)
  if type(pattern) == "string" then return pattern:find("...", 1, true) ~= nil end
  if type(pattern) ~= "table" or depth > PATTERN_DEPTH_MAX then return false end
  for _, part in next, pattern do
    if is_recursive(part, depth + 1) then return true end
  end
  return false
end

-- What is asked of a reader at once: what nothing here would end in time, and iterators over rows, which
-- may take their time for each batch.
local function is_long(asked)
  local arguments = type(asked.arguments) == "table" and asked.arguments or {}
  local list = arguments[2]
  if asked.op == "pull_many" and type(list) == "table" and #list > MANY then return true end
  if asked.op == "pull" or asked.op == "pull_many" then return is_recursive(arguments[1], 1) end
  return asked.op == "walk" and asked.what == "rows"
end

-- A value that is to come is waited for here.
local function ask_reader(door, asked)
  asked_value(door, asked)
  return door.readers:ask(asked.request, asked.op == "walk" and tostring(asked.id) or nil)
end

--- POST /values, POST /values/APP
-- @tparam table door or what a worker or a reader has in its place: connections, tasks, patience(request,
-- ms); readers, if there are some; is_worker; limit(ms), told how long a query may run with the functions
-- that it calls
-- @tparam table request raw, with its headers; who asks (ions.door.access)
-- @tparam function status_of an anomaly's HTTP status
-- @treturn table status, headers, body
function served.answer(door, request, status_of)
  local raw, who = request.raw, request.who
  local ok, result = pcall(function()
    if raw.headers["content-type"] ~= codec.TYPE then
      error(anomaly.new("unsupported", "lion/version", "this node speaks " .. codec.TYPE), 0)
    end
    local asked = codec.read(raw.body or "")
    local op = type(asked) == "table" and ops[asked.op]
    if op and door.is_worker and (OF_CONNECTION[asked.op] or asked.name) then
      anomaly.incorrect("lion/syntax", "%s is not for workers: POST /values", asked.op)
    end
    if not op then anomaly.incorrect("lion/syntax", "a body is a table with an op that there is") end
    access.check(who, OF_CONNECTION[asked.op] or READ, asked.op)
    asked.who, asked.request = who, request
    if door.readers and is_long(asked) then return ask_reader(door, asked) end
    return codec.write(op(door, asked))
  end)
  if not ok then
    if door.readers and door.readers:is_late(request, result) then error(result, 0) end
    return fail(result, status_of)
  end
  if type(result) == "table" then return result end
  return { status = 200, headers = HEADERS, body = result }
end

return served
