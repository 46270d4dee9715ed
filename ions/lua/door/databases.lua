--- The control door's routes to databases: which there are, queries, pulls, transactions (docs/control.md).
-- @module ions.door.databases
local access = require "ions.door.access"
local anomaly = require "lion.anomaly"
local answer = require "ions.door.answer"
local core = require "lion.core"
local dbs = require "lion.db"
local find = require "lion.find"
local form_text = require "lion.cli.form_text"
local json = require "lion.json"
local nearest = require "lion.nearest"
local output = require "lion.cli.output"
local query = require "lion.query"
local scheduler = require "ions.scheduler"
local tell = require "ions.door.tell"
local values = require "lion.values"

local databases = {}

local LIMIT_MAX = 100000
local TIMEOUT_MS, TIMEOUT_MS_MAX = 5000, 30000
local NAME_MAX = 100
local SYSTEM = "system"

-- ---- names ---------------------------------------------------------------------------------------

local function check_name(name)
  if #name > NAME_MAX or not name:find "^[%w_][%w_.-]*$" then
    anomaly.incorrect("lion/syntax", "%q is no database's name: letters, digits, _, - and ., at most %d",
      name,
      NAME_MAX)
  end
end

--- The connection to a database that is there.
local function existing(door, name)
  if door.connections[name] then return door.connections[name] end
  check_name(name)
  local known = {}
  for _, other in ipairs(door:database_names()) do known[other] = true end
  if known[name] then return door:connection(name) end
  local near = nearest(name, known)
  local hint = near and (" (did you mean %s?)"):format(near) or ""
  local message = ("there is no database %s%s: POST /db makes one"):format(name, hint)
  error(anomaly.new("not-found", "lion/not-found", message), 0)
end

local function refuse_system(name)
  if name ~= SYSTEM then return end
  error(anomaly.new("forbidden", "lion/not-allowed",
    "the system database is written by push, deploy, rollback, params and tokens alone"), 0)
end

databases.existing, databases.refuse_system = existing, refuse_system

local function is_there(door, name)
  for _, other in ipairs(door:database_names()) do
    if other == name then return true end
  end
  return false
end

-- Make it, or find it there; its name is written down when it is made.
local function make(door, name, doc)
  if door.connections[name] and not doc then return door.connections[name], false end
  check_name(name)
  local is_new = not is_there(door, name)
  local conn = door:connection(name)
  if is_new or doc then
    door.system:transact { { ["database/name"] = name, ["database/file"] = name .. ".lion",
      ["database/doc"] = doc } }
  end
  return conn, is_new
end

--- The connection to a database, which is made if it is not there.
function databases.open(door, name)
  if name == SYSTEM then return existing(door, name) end
  return (make(door, name))
end

--- POST /db
function databases.make(door, request)
  local body = answer.check(request.body, { name = "string!", doc = "string" })
  refuse_system(body.name)
  local _, is_new = make(door, body.name, body.doc)
  return { name = body.name, is_new = is_new }
end

local function describe(door, name, doc)
  local told = { name = name, doc = doc }
  local ok, e = pcall(function()
    local conn = door:connection(name)
    local db = conn:db()
    told.basis_t, told.datoms = db.basis_t, db:count "eavt"
    told.bytes = door:file_size(name)
  end)
  if not ok then told.error = anomaly.wrap(e).message end
  return told
end

--- GET /databases
function databases.list(door, request)
  answer.check_query(request.query, {})
  local docs, told = {}, {}
  for name, doc in door.system:db():rows("[:find ?name ?doc :where [?d :database/name ?name] "
    .. "[(get-else $ ?d :database/doc \"\") ?doc]]") do
    docs[name] = doc ~= "" and doc or nil
  end
  for i, name in ipairs(door:database_names()) do told[i] = describe(door, name, docs[name]) end
  return answer.list(told)
end

-- ---- reading -------------------------------------------------------------------------------------

local VIEW = { db = "string!", as_of = "any", since = "any", history = "boolean" }

local function with_view(fields)
  for name, kind in pairs(VIEW) do fields[name] = kind end
  return fields
end

-- A point in time is what as_of takes; from EDN an instant is a number already.
local function view(door, request)
  local body = request.body
  access.check_database(request.who, body.db)
  local db = existing(door, body.db):db()
  if body.as_of ~= nil then db = db:as_of(body.as_of) end
  if body.since ~= nil then db = db:since(body.since) end
  if body.history then db = db:history() end
  return db
end

-- Forms of an EDN body that are compiled are so from their text: read, a list is a vector.
local function put_texts(request, ...)
  if not request.is_edn then return end
  local texts = form_text.entries(request.raw.body) or {}
  for _, name in ipairs { ... } do
    if type(request.body[name]) == "table" then request.body[name] = texts[name] end
  end
end

-- The text of an item of a vector.
local function item_text(text, number)
  local at = 0
  for own in form_text.each(text:match "^%s*%[(.*)%]%s*$" or "") do
    at = at + 1
    if at == number then return own end
  end
end

-- { "edn": "…" } in JSON is that form.
local function input_of(value)
  if type(value) ~= "table" or type(value.edn) ~= "string" then return value end
  return query.read_input(value.edn)
end

-- Rules stay text.
local function rules_of(request, value, number)
  if request.is_edn and type(value) == "table" then
    return item_text(form_text.entries(request.raw.body).inputs, number)
  end
  return type(value) == "table" and value.edn or value
end

local function inputs_of(request)
  local given, rules_at = {}, query.rules_argument(request.body.query)
  local rules
  for i, value in ipairs(request.body.inputs or {}) do
    local is_rules = rules_at == i
    given[i] = is_rules and rules_of(request, value, i) or request.is_edn and value or input_of(value)
    if is_rules then rules = given[i] end
  end
  return given, rules
end

local Q = with_view { query = "any!", inputs = "list", limit = "count", offset = "count",
  timeout_ms = "count" }

-- An empty table is a list, but where the result is one value.
local function as_list(result, kind)
  if result == nil then return values.null end
  if kind ~= "scalar" and type(result) == "table" and next(result) == nil then return answer.list() end
  return result
end

--- Whether a query is one that calls an application's functions: a worker has them.
function databases.is_for_worker(body) return body.app ~= nil end

--- POST /q
function databases.q(door, request)
  local body = answer.check(request.body, Q)
  put_texts(request, "query")
  local limits = {
    typed = 1,
    limit = answer.bounded("limit", body.limit, LIMIT_MAX, LIMIT_MAX),
    offset = body.offset,
  }
  local timeout = answer.bounded("timeout_ms", body.timeout_ms, TIMEOUT_MS, TIMEOUT_MS_MAX)
  limits.timeout = door:patience(request, timeout)
  local db = view(door, request)
  local inputs, rules = inputs_of(request)
  local shape = output.shape(query.compile(body.query, rules))
  local arguments, count = find.with_db(db, body.query, unpack(inputs, 1, #inputs))
  local result = find.all(body.query, arguments, count, limits)
  return { result = as_list(result, shape.kind), kind = shape.kind, headings = answer.list(shape.headings),
    t = db.basis_t }
end

local PULL = with_view { pattern = "any!", id = "any", ids = "list" }

local function pulled(db, pattern, entity, timeout)
  local id = db:entid(entity)
  if not id then return values.null end
  local text = "[:find (pull ?e pattern) . :in $ pattern ?e]"
  local result = find.all(text, { db, pattern, id }, 3, { typed = 1, timeout = timeout })
  return result == nil and values.null or result
end

local function fail_late()
  local message = ("the pulls took longer than %d ms: ask for fewer entities at once"):format(TIMEOUT_MS)
  error(anomaly.new("interrupted", "lion/timeout", message), 0)
end

--- POST /pull
function databases.pull(door, request)
  local body = answer.check(request.body, PULL)
  put_texts(request, "pattern")
  if (body.id == nil) == (body.ids == nil) then
    anomaly.incorrect("lion/syntax",
      "either id or ids is needed: an id, an ident or a lookup ref, or a list of these")
  end
  local db, list = view(door, request), {}
  local until_ms = core.monotonic_ms() + door:patience(request, TIMEOUT_MS)
  local function left() return math.max(1, math.ceil(until_ms - core.monotonic_ms())) end
  if body.id ~= nil then return { result = pulled(db, body.pattern, body.id, left()), t = db.basis_t } end
  for i, entity in ipairs(body.ids) do
    if core.monotonic_ms() > until_ms then fail_late() end
    list[i] = pulled(db, body.pattern, entity, left())
  end
  return { result = answer.list(list), t = db.basis_t }
end

-- ---- writing -------------------------------------------------------------------------------------

local TRANSACT = { db = "string!", tx = "any!", id = "string", timeout_ms = "count" }

local function tempids_of(report)
  local told = {}
  for name, id in pairs(report.tempids or {}) do told[tostring(name)] = id end
  return told
end

local function transaction_of(request)
  local body = answer.check(request.body, TRANSACT)
  refuse_system(body.db)
  if type(body.tx) ~= "table" and type(body.tx) ~= "string" then
    anomaly.incorrect("lion/syntax", "tx is a list of operations, or EDN text that holds one")
  end
  local options = { id = body.id,
    timeout_ms = answer.bounded("timeout_ms", body.timeout_ms, nil, TIMEOUT_MS_MAX) }
  return body, options
end

local function told_of(report)
  return { t = report.t, tx = report.tx, tx_instant = tell.instant(report.tx_instant), datoms = report.datoms,
    tempids = tempids_of(report) }
end

local JSON = { { "content-type", "application/json" } }

-- What told_of tells as json.write writes it, which takes longer: many are told of.
local function text_of(report)
  local tempids = next(report.tempids) ~= nil and json.write(tempids_of(report)) or "{}"
  local body = ('{"datoms":%d,"t":%.0f,"tempids":%s,"tx":%.0f,"tx_instant":"%s"}\n'):format(report.datoms,
    report.t, tempids, report.tx, values.format_instant(report.tx_instant))
  return { status = 200, headers = JSON, body = body }
end

--- POST /transact
function databases.transact(door, request)
  local body, options = transaction_of(request)
  local report = make(door, body.db):transact(body.tx, options)
  report.datoms = #(report.tx_data or {})
  return told_of(report)
end

--- What is told of a transaction that the writer has answered.
-- @tparam number kind of its frame
-- @tparam string payload
-- @treturn table told (status, headers, body)
function databases.outcome(kind, payload)
  return { told = text_of(require("ions.remote").summary(kind, payload)) }
end

local function result_of(kind, payload, is_edn)
  local report = require("ions.remote").summary(kind, payload)
  return is_edn and { value = told_of(report) } or { told = text_of(report) }
end

-- From now on the loop itself sends what is ordinary to this database (ions/node/direct.h).
local function let_through(door, conn, name)
  if conn.is_let_through or not door.port.knows then return end
  conn.is_let_through = true
  door.port.knows(name)
end

--- The same where the database is open beside a writer: the transaction is sent, and no task waits for it.
-- @treturn table|nil token of what will be delivered; result(kind, payload, is_edn) of that: value, or told
-- (status, headers, body). nil: not so here
function databases.send_transaction(door, request)
  local body, options = transaction_of(request)
  local conn = door.connections[body.db]
  local begin = conn and conn.writer and conn.writer.begin
  if not begin then return nil end
  local token = begin(dbs.tx_data(body.tx), options)
  let_through(door, conn, body.db)
  return { token = token, result = result_of }
end

--- A reader's part of a large one: what the body says, as the writer takes it.
-- @tparam table request body
-- @treturn table db, frame, kind
function databases.frame(request)
  local body, options = transaction_of(request)
  check_name(body.db)
  local frame, kind = require("ions.remote").transaction(body.db, dbs.tx_data(body.tx), options)
  return { db = body.db, frame = frame, kind = kind }
end

--- The door's part: a reader reads the body, while the door goes on.
function databases.transact_large(door, request)
  local told = door.readers:ask(request)
  if told.status then return { told = told } end
  make(door, told.db)
  local kind, payload = scheduler.await(door.port.request(told.kind, told.frame))
  return result_of(kind, payload, answer.wants_edn(request.raw))
end

return databases
