--- An application in a spec, as it runs in a node, without a server: asked, called, its clock in the spec's
-- hand. For `lion spec`; applications cannot require it.
--
--     local test = require "ion.test"
--     local shop = test.app("examples/shop", { now = "2026-01-01T00:00:00Z" })
--     assert.equal(201, shop:post("/orders", { json = { item = "tea" } }).status)
-- @module ion.test
local anomaly = require "lion.anomaly"
local app = require "ions.app"
local casting = require "ions.casting"
local core = require "lion.core"
local course = require "ions.events.course"
local fetch = require "ions.fetch"
local events_dir = require "ions.events.dir"
local folders = require "ions.events.folder"
local gate = require "ions.gate"
local handler = require "ions.events.handler"
local json = require "lion.json"
local lion = require "lion"
local nearest = require "lion.nearest"
local receive = require "ions.events.receive"
local terminal = require "lion.terminal"
local time = require "ion.time"
local tx = require "ions.events.tx"

local test = {}

local ask_others

-- How long a streamed body may take to its end.
local BODY_MS_MAX = 30000

local App = {}
App.__index = App

local Answer = {}
Answer.__index = Answer

local function refuse(message, ...) anomaly.incorrect("ion.test/invalid", message, ...) end

local function check_options(given, known, what)
  if given == nil then return {} end
  if type(given) ~= "table" then refuse("%s takes a table of options, not a %s", what, type(given)) end
  for name in pairs(given) do
    if not known[name] then
      local near = type(name) == "string" and nearest(name, known)
      local hint = near and (" (did you mean %s?)"):format(near) or ""
      refuse("%s has no option %s%s", what, tostring(name), hint)
    end
  end
  return given
end

-- ---- the clock and chance ----------------------------------------------------------------------

local function ms_of(at)
  if type(at) == "string" then return time.parse(at) end
  time.parts(at) -- refuses what is no time
  return at
end

local MULTIPLIER, MODULUS = 48271, 2 ^ 31 - 1

-- Numbers that are the same for the same seed, on every machine (the minimal standard of Park and Miller).
local function make_random(seed)
  if type(seed) ~= "number" or seed % 1 ~= 0 then
    refuse("random is a seed, a whole number, not %s", tostring(seed))
  end
  local state = seed % (MODULUS - 1) + 1
  local function random()
    state = state * MULTIPLIER % MODULUS
    return (state - 1) / (MODULUS - 1)
  end
  random() -- of seeds that are near each other the first numbers are, too
  random()
  return random
end

-- The application's own files, in memory: as a folder of ions.files.
local Files = {}
Files.__index = Files

function Files:write(path, bytes)
  self.files[path] = bytes
  return true
end

function Files:open(path)
  local bytes = self.files[path]
  if not bytes then return nil, "absent" end
  return {
    size = function() return #bytes end,
    changed = function() return gate.now() / 1000 end,
    read = function(_, offset, size) return bytes:sub(offset + 1, offset + size) end,
    close = function() end,
  }
end

function Files.make() return true end

function Files.close() end

function Files:list(path)
  local prefix, seen, list = path == "" and "" or path .. "/", {}, {}
  for name, bytes in pairs(self.files) do
    local below = name:sub(1, #prefix) == prefix and name:sub(#prefix + 1)
    local first, rest = (below or ""):match "^([^/]+)(.*)$"
    if first and not seen[first] then
      seen[first] = true
      local is_file = rest == ""
      list[#list + 1] = { name = first, kind = is_file and "file" or "folder",
        size = is_file and #bytes or 0, changed = gate.now() / 1000 }
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

function Files:move(from, to)
  if not self.files[from] then return nil, "it is not there", "absent" end
  self.files[from], self.files[to] = nil, self.files[from]
  return true
end

function Files:remove(path)
  if not self.files[path] then return nil, "it is not there", "absent" end
  self.files[path] = nil
  return true
end

-- ---- those that applications ask -----------------------------------------------------------------

local answer_for_others -- what test.http was given

local Asked = {}
Asked.__index = Asked

--- The body of what was asked, as JSON.
function Asked:json() return json.read(self.body) end

local ANSWERED = { status = true, headers = true, body = true, json = true }

local function shape_answer(request, given)
  if type(given) == "string" then given = { body = given } end
  if type(given) ~= "table" then
    refuse("what answers for others gives a string or { status =, headers =, body = or json = }, not a %s",
      type(given))
  end
  check_options(given, ANSWERED, "an answer")
  local headers = {}
  for name, value in pairs(given.headers or {}) do
    headers[#headers + 1] = { name:lower(), tostring(value) }
  end
  local body = given.body or ""
  if given.json ~= nil then
    body, headers[#headers + 1] = json.write(given.json), { "content-type", "application/json" }
  end
  if #body > request.max_bytes then
    local message = "the answer has more than max_bytes, " .. request.max_bytes
    error(anomaly.new("fault", "http/too-large", message), 0)
  end
  return { status = given.status or 200, url = request.url, headers = headers, body = body, ms = 0 }
end

-- In the stead of ions.fetch.
function ask_others(request)
  if not answer_for_others then return fetch.run(request) end
  local asked = { method = request.method, url = request.url, headers = request.by_name, body = request.body,
    timeout_ms = request.timeout_ms }
  return shape_answer(request, answer_for_others(setmetatable(asked, Asked)))
end

local before_http -- the gate's source

--- Have a function answer what ion.http asks, here and in applications; without one those who are asked do.
-- @tparam[opt] function fn of { method =, url =, headers = (names in lower case), body =, timeout_ms = } with
-- the method json(); gives a string, or { status = 200, headers =, body = or json = }; what it raises is
-- raised
function test.http(fn)
  if fn ~= nil and type(fn) ~= "function" then refuse("test.http takes a function, not a %s", type(fn)) end
  answer_for_others = fn
  if fn and not before_http then
    before_http = gate.source
    gate.use(setmetatable({ fetch = ask_others }, { __index = before_http }))
  elseif not fn and before_http then
    gate.use(before_http)
    before_http = nil
  end
end

-- ---- the gate ------------------------------------------------------------------------------------

local function make_source(self, seed)
  local random = make_random(seed)
  local function bytes(size)
    local list = {}
    for i = 1, size do list[i] = string.char(math.floor(random() * 256)) end
    return table.concat(list)
  end
  return {
    now = function() return self.ms end,
    random = random,
    bytes = bytes,
    files = function() return setmetatable({ files = self.files }, Files) end,
    fetch = ask_others,
  }
end

--- The time by the application's clock, ms since 1970. It stands still.
function App:now() return self.ms end

--- Set the clock.
-- @tparam number|string at ms, or a text of RFC 3339
function App:set_now(at) self.ms = ms_of(at) end

--- Move the clock on.
-- @tparam number|table by ms, or what ion.time's `add` takes: { days = 1 }
function App:advance(by) self.ms = time.add(self.ms, type(by) == "number" and { ms = by } or by) end

-- ---- inside ------------------------------------------------------------------------------------

-- Everything that the state shares is this application's while fn runs: several may be open at once.
local function within(self, fn, ...)
  local outer, source, stderr = app.current, gate.source, io.stderr
  app.current = self.app or outer
  for _, registered in ipairs(self.functions) do lion.fn(registered.name, registered.fn) end
  gate.use(self.source)
  casting.set_host(function(item) self.cast[#self.cast + 1] = item end)
  io.stderr = { write = function(_, ...) self.log = self.log .. table.concat { ... } end } -- luacheck: ignore
  local results = { pcall(fn, self, ...) }
  io.stderr = stderr -- luacheck: ignore
  casting.set_host(nil)
  gate.use(source)
  app.current = outer
  if not results[1] then error(results[2], 0) end
  return unpack(results, 2, 5)
end

local count = 0

local SETTINGS = { db = true, now = true, random = true, params = true, env = true, prepare = true,
  checks = true, with = true }

local function prepare(self, given)
  self.conn = lion.connect(self.uri)
  if given == nil then return end
  if type(given) == "function" then return given(self.conn) end
  self.conn:transact(given)
end

local function load(self, dir, options)
  prepare(self, options.prepare)
  self.app = app.load {
    dir = dir,
    uri = self.uri,
    folder = self.folder,
    env = options.env or "test",
    is_dev = false,
    params = options.params,
    checks = options.checks,
    with = options.with,
  }
  for name, fn in pairs(self.app.functions) do
    self.functions[#self.functions + 1] = { name = name, fn = fn }
  end
end

--- An application, loaded out of its folder.
-- @tparam string dir where its ion.lua is
-- @tparam[opt] table options db: the URI of its database ("mem:", an empty one of its own); prepare: what is
-- transacted there before the manifest's checks run, or a function of the connection; checks = false leaves
-- these out; now: where the clock stands, ms or RFC 3339 (the time of loading); random: the seed of chance
-- (1); params: path → value, before the manifest's; env ("test"); with: the folder of another application,
-- whose functions transactions may call, as they may call those of the primary group of a node
-- @treturn table the application; what it casts is in its `cast`, in order, what it logs in its `log`, the
-- files that it has written in its `files`, path → bytes
function test.app(dir, options)
  if type(dir) ~= "string" then refuse("test.app takes the folder of an application, not a %s", type(dir)) end
  options = check_options(options, SETTINGS, "test.app")
  count = count + 1
  local folder = "mem:ion-test-" .. count
  local self = setmetatable({ folder = folder, functions = {}, last_id = 0 }, App)
  self.cast, self.files, self.log = {}, {}, ""
  self.uri = options.db
  if self.uri == nil or self.uri == "mem:" then self.uri = self.folder end
  self.ms = options.now == nil and core.now_ms() or ms_of(options.now)
  self.source = make_source(self, options.random == nil and 1 or options.random)
  local ok, e = pcall(within, self, load, dir, options)
  if ok then return self end
  if self.conn then self.conn:close() end
  error(e, 0)
end

--- Close what it has opened.
function App:close()
  self.app:close()
  self.conn:close()
end

-- ---- calling -----------------------------------------------------------------------------------

--- Call an entry point of the manifest's `invoke`. What it raises is raised.
function App:invoke(name, input)
  return within(self, function() return self.app:invoke(name, input) end)
end

--- A connection to its database, or to the one of that name: they are in memory.
function App:connection(name)
  return within(self, function() return self.app:connection(name) end)
end

--- The newest value of it.
function App:db(name) return self:connection(name):db() end

--- Transact into its database; data may call the functions that the manifest allows. The instant of the
-- transaction is the database's, not the clock's.
-- @return the report
function App:transact(data)
  return within(self, function() return self.app:connection():transact(data) end)
end

--- What it has cast of a kind, and of a name.
-- @tparam[opt] string kind "event", "metric", "alert"
-- @tparam[opt] string name
-- @treturn table { { kind =, name =, time =, data = … or value =, tags = }, … }
function App:casts(kind, name)
  local list = {}
  for _, item in ipairs(self.cast) do
    local fits = (kind == nil or item.kind == kind) and (name == nil or item.name == name)
    if fits then list[#list + 1] = item end
  end
  return list
end

-- ---- asking ------------------------------------------------------------------------------------

local function encode(text)
  return (tostring(text):gsub("[^%w%-._~]", function(char) return ("%%%02X"):format(char:byte()) end))
end

local function encode_fields(fields, what)
  if type(fields) ~= "table" then refuse("%s is a table, not a %s", what, type(fields)) end
  local list = {}
  for name, value in pairs(fields) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      list[#list + 1] = encode(name) .. "=" .. encode(one)
    end
  end
  table.sort(list)
  return table.concat(list, "&")
end

local ASKED = { headers = true, body = true, json = true, form = true, query = true, cookies = true,
  remote = true, pieces = true }

local function headers_of(options)
  local headers = {}
  for _, what in ipairs { "headers", "cookies" } do
    local given = options[what]
    if given ~= nil and type(given) ~= "table" then refuse("%s is a table, not a %s", what, type(given)) end
  end
  for name, value in pairs(options.headers or {}) do headers[name:lower()] = tostring(value) end
  if options.cookies then
    local list = {}
    for name, value in pairs(options.cookies) do list[#list + 1] = name .. "=" .. tostring(value) end
    table.sort(list)
    headers.cookie = table.concat(list, "; ")
  end
  return headers
end

-- The body, and its type among the headers.
local function body_of(options, headers)
  local kind, body
  if options.json ~= nil then kind, body = "application/json", json.write(options.json) end
  if options.form ~= nil then
    if body then refuse "a request has one body: json, form or body" end
    kind, body = "application/x-www-form-urlencoded", encode_fields(options.form, "form")
  end
  if options.body ~= nil and body then refuse "a request has one body: json, form or body" end
  if kind and not headers["content-type"] then headers["content-type"] = kind end
  return body or options.body or ""
end

local function make_raw(self, method, path, options)
  local place, query = path:match "^([^?]*)%??(.*)$"
  if options.query then
    query = (query == "" and "" or query .. "&") .. encode_fields(options.query, "query")
  end
  local headers = headers_of(options)
  self.last_id = self.last_id + 1
  return {
    method = method,
    path = place,
    query = query,
    headers = headers,
    body = body_of(options, headers),
    remote = options.remote or "127.0.0.1:5000",
    id = self.last_id,
  }
end

-- Let the others go on until there is something to do.
local function rest(self)
  local due = self.app:due()
  if due and due > 0 then terminal.wait(math.min(math.ceil(due), 10)) end
end

local function wait(self)
  while true do
    local id, status, list, body = self.app:step()
    if id then return status, list, body end
    if self.app:due() == nil then refuse "the call waits for what nobody here gives it" end
    rest(self)
  end
end

-- All pieces of a streamed body, or the first so many.
local function collect(self, next_piece, wanted)
  local pieces, give_up = {}, core.monotonic_ms() + BODY_MS_MAX
  while #pieces < (wanted or math.huge) do
    local piece = next_piece()
    if piece == nil then break end
    if piece then
      pieces[#pieces + 1] = piece
    else
      self.app:step()
      rest(self)
    end
    if core.monotonic_ms() > give_up then
      refuse("the body does not end within %d ms: ask for pieces = 2, say", BODY_MS_MAX)
    end
  end
  return pieces
end

local function read_body(self, raw, body, wanted)
  if type(body) ~= "function" then return raw.method == "HEAD" and "" or body end
  local ok, pieces = true, {}
  if raw.method ~= "HEAD" then ok, pieces = pcall(collect, self, body, wanted) end
  self.app:finish(raw.id)
  if not ok then error(pieces, 0) end
  return table.concat(pieces), pieces
end

local function ask(self, method, path, options)
  local raw, logged = make_raw(self, method, path, options), #self.log
  local status, list, body = self.app:handle(raw)
  if status == false then status, list, body = wait(self) end
  local answer = setmetatable({ status = status, headers = {}, header_list = list }, Answer)
  for _, pair in ipairs(list) do answer.headers[pair[1]] = pair[2] end
  answer.body, answer.pieces = read_body(self, raw, body, options.pieces)
  answer.log = self.log:sub(logged + 1)
  return answer
end

--- Ask, and wait for the answer.
-- @tparam string method "GET"
-- @tparam string path "/orders/7?full=1"
-- @tparam[opt] table options headers, cookies, query: names and values; body, a text, or json or form, data;
-- remote; pieces: of a streamed body no more than these are waited for, then the client leaves
-- @treturn table { status =, headers = (names in lower case, the last of each), header_list = (pairs),
-- body =, pieces = (of a streamed body), log = (what was logged meanwhile) } with the method json()
function App:request(method, path, options)
  if type(method) ~= "string" or type(path) ~= "string" or path:sub(1, 1) ~= "/" then
    refuse "a request has a method and a path that begins with /"
  end
  return within(self, ask, method:upper(), path, check_options(options, ASKED, "a request"))
end

for _, method in ipairs { "get", "head", "post", "put", "patch", "delete", "options" } do
  App[method] = function(self, path, options) return self:request(method:upper(), path, options) end
end

-- ---- events ------------------------------------------------------------------------------------

-- Call the handler of an event, and wait until it has returned; false: its query has no rows.
local function handle(self, name, number, input)
  local event = self.app.events[name] or refuse("the manifest has no event %s", tostring(name))
  local whose = { app = self.app.manifest.app, name = name, on = event.spec.on }
  input = course.input("test", whose, number, input)
  input.attempt = 1
  local answer
  handler.run(self.app, name, input, function(told) answer = told end)
  while not answer do
    self.app:step()
    if not answer and self.app:due() == nil then refuse "the handler waits for what nobody here gives it" end
    rest(self)
  end
  if not answer.is_ok then
    local category = anomaly.is_category(answer.category) and answer.category or "fault"
    error(anomaly.new(category, "lion/handler-failed", answer.trace or answer.message), 0)
  end
  return not answer.is_skipped
end

--- Have the events handled that a transaction is one of, as in a node, each once. What a handler raises is
-- raised.
-- @tparam table report of `transact`
-- @tparam[opt] string db the name of its database; none: the application's own
-- @treturn table the names of the events, in order
function App:events(report, db)
  return within(self, function()
    local names, handled = {}, {}
    for name, event in pairs(self.app.events) do
      if event.spec.on == "tx" and event.spec.db == db then names[#names + 1] = name end
    end
    table.sort(names)
    for _, name in ipairs(names) do
      local datoms, is_partial = tx.match(tx.attributes(self.app.events[name].spec), report.tx_data)
      local input = datoms and tx.input(db, report.t, report.tx_instant, datoms, is_partial)
      if input and handle(self, name, report.t, input) then handled[#handled + 1] = name end
    end
    return handled
  end)
end

--- Have the webhooks handled that were posted (`app:post "/events/NAME"`), as in a node, each once. What a
-- handler raises is raised; its webhook waits no more.
-- @treturn table the names of the events, in order
function App:webhooks()
  return within(self, function()
    local conn, names = receive.connection(self.app), {}
    for datom in conn:db():datoms("aevt", "http.message/waiting") do
      local found, name = conn:db():entity(datom.e), datom.v:match "^[^/]*/[^/]*/(.*)$"
      local input = { message = found["http.message/content"], received = found["http.message/received"] }
      conn:transact { { "db/retract", datom.e, "http.message/waiting" } }
      handle(self, name, datom.tx - tx.id_of(0), input)
      names[#names + 1] = name
    end
    return names
  end)
end

local function event_of_folder(self, path)
  for name, event in pairs(self.app.events) do
    if event.spec.on == "dir" and event.spec.path == path then return name, event end
  end
  refuse("the manifest has no event on the folder %s", tostring(path))
end

--- Put a file into a folder that an event is on, and have it handled, as in a node. What its handler raises
-- is raised; the file is in done/ or failed/ then.
-- @tparam string path "inbox/orders.csv"
-- @tparam string bytes
function App:drop(path, bytes)
  within(self, function()
    local name, event = event_of_folder(self, path:match "^(.*)/")
    local now_ms = 0
    local host = { files = gate.files, monotonic = function() return now_ms end }
    local source = events_dir.open(host, { spec = event.spec })
    self.files[path] = bytes
    source:next()
    now_ms = folders.QUIET_MS
    local item = source:next() or refuse("%s is no name of a file that is looked at", path)
    local end_of = { input = { name = item.input.name, file = item.input.file } }
    local ok, e = pcall(handle, self, name, item.number, item.input)
    source:ended(end_of, ok)
    if not ok then error(e, 0) end
  end)
end

--- Have an event handled that is at a time, as if it were due by the application's clock. What its handler
-- raises is raised.
-- @tparam string name
function App:tick(name)
  within(self, function() handle(self, name, self.ms, { time = self.ms }) end)
end

-- ---- answers -----------------------------------------------------------------------------------

--- The body as JSON.
function Answer:json()
  local ok, value = pcall(json.read, self.body)
  if ok then return value end
  refuse("the answer (%d) is no JSON: %s", self.status, self.body:sub(1, 200))
end

return test
