--- Connections of an application in a node: values are read beside the writer's process, transactions go to
-- it as frames (docs/node.md), and a task waits for the answer while others run.
-- @module ions.remote
local anomaly = require "lion.anomaly"
local conn = require "lion.conn"
local core = require "lion.core"
local scheduler = require "ions.scheduler"
local schema = require "lion.schema"

local remote = {}

-- The thread's way to the writer; the executor has none, and reads alone.
local port = (package.loaded["ions.port"] or package.preload["ions.port"]) and require "ions.port"

-- Kinds of frames.
local OPEN, TRANSACT, SYNC, INDEX, BACKUP = 2, 3, 4, 5, 6
local DONE, ERROR, REPORT = 17, 18, 19

-- Between two looks for a transaction that is to come.
local LOOK_MS = 5

-- ---- asking --------------------------------------------------------------------------------------

-- What a worker has to say of the writer's error.
local function raise(payload)
  local e = core.form_read(payload)
  local category = anomaly.is_category(e.category) and e.category or "fault"
  local raised = anomaly.new(category, e.code or "lion/fault", e.message or "the writer failed", e.data)
  for key, value in pairs(e) do
    if raised[key] == nil then raised[key] = value end -- what lion.cancel was given
  end
  error(raised, 0)
end

-- What the writer answers where it has done it; raises what it says else.
local function take(answered, answer)
  if answered == ERROR then raise(answer) end
  if answered == DONE or answered == REPORT then return answered, answer end
  local message = "the writer was lost: what was asked of it is done or it is not; with an id a transaction "
    .. "may be sent again"
  error(anomaly.new("unavailable", "lion/writer-lost", message), 0)
end

-- While modules load and checks run there is no task, and the thread itself waits.
local function ask(kind, map)
  if not port then
    error(anomaly.new("forbidden", "lion/not-allowed", "this process does not write: calls of workers do"), 0)
  end
  local payload = core.form_write(map)
  local answered, answer
  if scheduler.current() then
    scheduler.check_wait()
    answered, answer = scheduler.await(port.request(kind, payload))
  else
    answered, answer = port.call(kind, payload)
  end
  return take(answered, answer)
end

--- What the writer's answer says of a transaction, without values and data: no connection need have read it
-- yet. Raises what the writer refused it for.
-- @tparam number kind of the frame
-- @tparam string payload
-- @treturn table t, tx, tx_instant, tempids, datoms (how many)
function remote.summary(kind, payload)
  local _, record = take(kind, payload)
  return core.record_summary(record)
end

-- ---- who made a transaction ----------------------------------------------------------------------

local PROVENANCE = schema.define {
  ion = {
    app = { "string", doc = "The application that made the transaction." },
    revision = { "string", doc = "The application's revision." },
    entry = { "string", doc = "The entry point whose call made it." },
  },
}

local function signed(ops, maker)
  local list = {}
  for i, op in ipairs(ops) do list[i] = op end
  local task = scheduler.current()
  list[#list + 1] = {
    ["db/id"] = "datomic.tx",
    ["ion/app"] = maker.app,
    ["ion/revision"] = maker.revision,
    ["ion/entry"] = task and task.origin or nil,
  }
  return list
end

local function knows_provenance(db)
  return db:entid ":ion/app" and db:entid ":ion/revision" and db:entid ":ion/entry"
end

-- ---- the writer of a connection ------------------------------------------------------------------

local turn_of = port and port.turn or function() return 0 end

-- What can be known of a commit has come by the beginning of the thread's turn: so a look in each is enough.
local function newest(self, last)
  local turn = turn_of()
  if last and turn > 0 and self.turn == turn then return last end
  local handle = core.conn_sync(self.handle, 0, 0, last)
  self.turn = turn
  return handle
end

local function frame_of(name, ops, options)
  return { db = name, ops = ops, id = options.id, timeout_ms = options.timeout_ms, wait = options.wait }
end

--- The bytes of a transaction's frame, and its kind.
-- @tparam string name of the database
-- @param ops
-- @tparam table options id, timeout_ms, wait
-- @treturn string
-- @treturn number
function remote.transaction(name, ops, options)
  return core.form_write(frame_of(name, ops, options)), TRANSACT
end

local function send(self, name, ops, options)
  local kind, payload = ask(TRANSACT, frame_of(name, ops, options))
  if kind == DONE then return core.form_read(payload) end
  return core.record_report(self.handle, payload)
end

-- Wait until the reader has a transaction.
local function follow(self, name, t, timeout_ms)
  local deadline = timeout_ms > 0 and core.monotonic_ms() + timeout_ms or math.huge
  while true do
    local handle = newest(self)
    if core.info(handle) >= t then return handle end
    if core.monotonic_ms() >= deadline then
      local message = ("%s has not come to %.0f in time"):format(name, t)
      error(anomaly.new("interrupted", "lion/timeout", message), 0)
    end
    scheduler.sleep(LOOK_MS)
  end
end

local function forbid(what)
  local message = ("%s is not for applications: the command line does it"):format(what)
  error(anomaly.new("forbidden", "lion/not-allowed", message), 0)
end

-- As lion.conn has it. Which database it is and who writes stand in no field: no program can change them.
local function make_writer(name, maker)
  local writer, has_provenance = { newest = newest }, false

  -- Attributes are known to a transaction that comes after theirs.
  local function install(self)
    if has_provenance then return end
    if not knows_provenance(self:db()) then send(self, name, PROVENANCE, {}) end
    has_provenance = true
  end

  function writer.transact(self, ops, options)
    if not maker then return send(self, name, ops, options) end
    install(self)
    return send(self, name, signed(ops, maker), options)
  end

  -- For the door, which answers many transactions and waits for none: send one; what is delivered under the
  -- token is for remote.summary.
  function writer.begin(ops, options)
    return port.request(TRANSACT, core.form_write(frame_of(name, ops, options)))
  end

  -- Without a t: all that was acknowledged so far.
  function writer.sync(self, t, timeout_ms)
    if t == 0 then ask(SYNC, { db = name }) end
    return follow(self, name, t, timeout_ms)
  end

  function writer.index()
    if maker then forbid "an index job" end
    local _, payload = ask(INDEX, { db = name })
    return core.form_read(payload).t
  end

  function writer.backup(_, path)
    if maker then forbid "a backup" end
    ask(BACKUP, { db = name, path = path })
  end
  return writer
end

-- ---- opening -------------------------------------------------------------------------------------

local function check_name(name)
  if type(name) ~= "string" or not name:find "^[%w_][%w_.-]*$" then
    anomaly.incorrect("lion/syntax", "a database's name is of letters, digits, _, - and ., not %s",
      tostring(name))
  end
  if name == "system" or name:find "^system%." then
    error(anomaly.new("forbidden", "lion/not-allowed", "the system's databases are not for applications"), 0)
  end
end

local READER = { read_only = true, no_create = true }

-- A file that another process has made just now may be no database yet, as far as the writer has come.
local function connect(path, name)
  local ok, found = pcall(core.connect, path, READER)
  if ok then return found end
  if type(found) ~= "table" or found.code ~= "lion/not-found" then error(found, 0) end
  ask(OPEN, { db = name })
  return core.connect(path, READER)
end

--- Connect to a database of the node; the writer makes it if there is none. For the node itself: any one,
-- and transactions carry nobody's name unless there is a maker.
-- @tparam string folder the primary's
-- @tparam string name
-- @tparam[opt] table maker app and revision, which transactions carry
-- @treturn table a connection
function remote.open(folder, name, maker)
  local path = folder .. "/" .. name .. ".lion"
  return conn.wrap(connect(path, name), path, make_writer(name, maker))
end

--- The same for an application, which may not have each of them.
-- @tparam string folder
-- @tparam string name
-- @tparam table maker
-- @treturn table a connection
function remote.connect(folder, name, maker)
  check_name(name)
  return remote.open(folder, name, maker)
end

return remote
