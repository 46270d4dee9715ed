--- Events under `lion dev`: the engine in the application's own state. What it keeps is in .lion/system.lion,
-- or in memory where the application's database is elsewhere.
-- @module ions.events.dev
local bell = require "ions.events.bell"
local core = require "lion.core"
local engine = require "ions.events.engine"
local handler = require "ions.events.handler"
local lion = require "lion"
local message = require "ions.events.message"
local own_files = require "ions.own_files"
local receive = require "ions.events.receive"
local scheduler = require "ions.scheduler"
local sources = require "ions.events.sources"
local store = require "ions.events.store"
local system = require "ions.push.system"

local dev = {}

local LOOK_MS = 50 -- between two looks at a database: all who write it are in this process

-- The group, the node and the application that there are here.
local function enter(conn, name)
  system.install(conn)
  conn:transact {
    { ["db/id"] = "group", ["group/name"] = "dev" },
    { ["node/name"] = "dev", ["node/group"] = "group", ["node/state"] = ":node.state/up" },
    { ["app/name"] = name },
  }
end

local function open_store(app)
  local options = app.options
  local is_own = options.uri == options.folder .. "/dev.lion"
  local conn = lion.connect(is_own and options.folder .. "/system.lion" or "mem:lion-dev-system")
  enter(conn, app.manifest.app)
  local list = {}
  for name, event in pairs(app.events) do
    list[#list + 1] = { app = app.manifest.app, name = name, on = event.spec.on, spec = event.spec }
  end
  return store.new {
    conn = conn, group = "dev", node = "dev", run = lion.uuid(),
    declared = function(db)
      local id = db:entid { "app/name", app.manifest.app }
      for _, one in ipairs(list) do one.app_id = id end
      return list
    end,
    began = function() return nil end, -- now
  }
end

local function follow(tasks, conn, fn)
  tasks:spawn { fn = function()
    local t = -1
    while true do
      local basis = conn:db().basis_t
      if basis > t then
        t = basis
        fn(t)
      end
      scheduler.sleep(LOOK_MS)
    end
  end }
end

-- A call of the handler, waited for. It is given a copy, as a worker would be.
local function deliver(app, event, input)
  local ended, answer = bell.new(app.calls.tasks), nil
  local is_there = handler.run(app, event.name, core.form_read(core.form_write(input)), function(told)
    answer = told
    ended:ring()
  end)
  if not is_there then return { is_absent = true } end
  ended:wait()
  return answer
end

--- Begin. The application's own steps carry it.
-- @tparam table app
-- @treturn table the engine
function dev.start(app)
  local tasks = app.calls.tasks
  local function connection(name)
    if name == message.DATABASE then return receive.connection(app) end
    return app:connection(name ~= app.manifest.app and name or nil)
  end
  return engine.new {
    tasks = tasks,
    sources = sources,
    store = open_store(app),
    deliver = function(event, input) return deliver(app, event, input) end,
    now = core.now_ms,
    monotonic = core.monotonic_ms,
    random = math.random,
    log = function(text) io.stderr:write(text) end,
    connection = connection,
    follow = function(name, fn) follow(tasks, connection(name), fn) end,
    files = function() return own_files.open(app.options.folder, "files") end,
  }
end

return dev
