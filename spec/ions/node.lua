--- A node as a spec's material, without its processes: a folder of databases that this process owns,
-- revisions that were pushed, and a port to a writer that answers when it is told to.
local call = require "lion.call"
local core = require "lion.core"
local hash = require "ions.hash"
local lion = require "lion"
local manifest = require "ions.manifest"
local program = require "spec.lua.program"
local revision = require "ions.push.revision"
local system = require "ions.push.system"

local node = {}

local OPEN, TRANSACT, SYNC = 2, 3, 4
local LOST, DONE, ERROR, REPORT = 0, 17, 18, 19

-- ---- the port ------------------------------------------------------------------------------------

local current -- the node that the port leads to
local port = { limit = function() end }

function port.request(kind, payload)
  current.sent[#current.sent + 1] = { kind = kind, payload = payload }
  return current.sent[#current.sent]
end

function port.call(kind, payload) return current:answer(kind, payload) end

-- Only remote connections ask for it.
local before = package.loaded["ions.port"]
package.loaded["ions.port"] = port
require "ions.remote"
package.loaded["ions.port"] = before

-- ---- the writer ----------------------------------------------------------------------------------

local Node = {}
Node.__index = Node

-- A report in place of the bytes of a record.
local records = {}
local record_report, record_summary = core.record_report, core.record_summary
core.record_summary = function(bytes) -- luacheck: ignore
  local report = records[bytes]
  if not report then return record_summary(bytes) end
  return { t = report.t, tx = report.tx, tx_instant = report.tx_instant, tempids = report.tempids,
    datoms = #report.tx_data }
end
core.record_report = function(handle, bytes) -- luacheck: ignore
  return records[bytes] or record_report(handle, bytes)
end

local function transact(self, asked)
  local conn = self:database(asked.db)
  local step = call.drive(core.transact_open(conn.handle, asked.ops, asked.id, asked.wait == false,
    asked.timeout_ms))
  local record = "record " .. #self.transactions
  records[record] = core.report(step)
  self.transactions[#self.transactions + 1] = asked
  return REPORT, record
end

--- The writer's answer to a frame: its kind and payload.
function Node:answer(kind, payload)
  if self.is_lost then return LOST, "" end
  local asked = core.form_read(payload)
  local ok, answered, answer = pcall(function()
    if kind == TRANSACT then return transact(self, asked) end
    assert(kind == OPEN or kind == SYNC)
    return DONE, core.form_write { t = self:database(asked.db):db().basis_t }
  end)
  if ok then return answered, answer end
  local e = answered
  return ERROR, core.form_write { category = e.category, code = e.code, message = e.message, data = e.data }
end

--- Answer what an application has asked, oldest first.
-- @treturn number how many
function Node:serve(app)
  local sent = self.sent
  self.sent = {}
  for _, frame in ipairs(sent) do app:deliver(frame, self:answer(frame.kind, frame.payload)) end
  return #sent
end

--- Serve and step until a request is answered.
-- @return as App:step
function Node:wait(app)
  local give_up = core.monotonic_ms() + 30000
  while core.monotonic_ms() < give_up do
    local id, status, headers, body = app:step()
    if id then return id, status, headers, body end
    self:serve(app)
  end
  error "no request is answered"
end

-- ---- its databases -------------------------------------------------------------------------------

--- A database, which this process owns.
function Node:database(name)
  self.databases[name] = self.databases[name] or lion.connect(self.folder .. "/" .. name .. ".lion")
  return self.databases[name]
end

--- Push a revision.
-- @tparam string name unrepro/NAME
-- @tparam table files path → text, with an ion.lua
-- @tparam[opt] table deps names of dependencies
function Node:push(name, files, deps)
  local list = {}
  for path, content in pairs(files) do
    list[#list + 1] = { path = path, content = content, hash = hash.sha256(content), size = #content }
  end
  local dependencies = {}
  for i, dep in ipairs(deps or {}) do dependencies[i] = { name = dep, path = "../" .. dep, files = {} } end
  local made, contents = revision.make {
    tree = { files = list, commit = ("4f2a"):rep(10), name = name, message = "one", time = 1700000000000 },
    manifest = assert(manifest.parse(files["ion.lua"], "@ion.lua")),
    deps = dependencies,
    pushed_by = "ann",
    pushed_at = 1700000001000,
  }
  system.store(self.system, made, contents)
end

function Node:close()
  for _, conn in pairs(self.databases) do conn:close() end
  program.remove(self.folder)
end

--- A node with a system database and nothing in it.
function node.new()
  local self = setmetatable({ folder = program.folder(), databases = {}, sent = {}, transactions = {} }, Node)
  self.system = self:database "system"
  system.install(self.system)
  current = self
  return self
end

return node
