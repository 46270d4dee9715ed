--- Something that answers as a node's control door does (docs/control.md), for the specs of the commands
-- that ask one: an application that `lion dev` serves. What it tells is made up; /asked tells what it was
-- asked.
local json = require "lion.json"
local program = require "spec.lua.program"

local MANIFEST = [==[
return { app = "door", http = {
  { "GET", "/asked", "door/asked" }, { "GET", "/status", "door/status" }, { "GET", "/groups", "door/groups" },
  { "GET", "/revisions", "door/revisions" }, { "POST", "/push/plan", "door/plan" },
  { "PUT", "/push/files/:hash", "door/put" }, { "POST", "/push", "door/push" },
  { "POST", "/deploy", "door/deploy" }, { "POST", "/rollback", "door/rollback" },
  { "GET", "/deployments/:id", "door/deployment" }, { "POST", "/q", "door/q" },
  { "POST", "/transact", "door/transact" }, { "POST", "/invoke/:app/:fn", "door/invoke" },
} }
]==]

local DOOR = [==[
local json = require "ion.json"
local door, asked, files, revisions, deployments, lost, status_count = {}, {}, {}, {}, {}, {}, 0

local NULL = json.read "null"
local AT = { "2026-11-28T16:00:00.000Z", "2026-11-28T16:00:00.250Z", "2026-11-28T16:00:01.500Z" }
local STATUS = { incorrect = 400, ["not-found"] = 404, conflict = 409, unavailable = 503 }

local function fail(category, code, message, data)
  local e = { category = category, code = code, message = message, data = data }
  return { status = STATUS[category], body = { error = e } }
end

local function note(request, body)
  asked[#asked + 1] = { path = request.path, query = request.query, body = body }
end

function door.asked() return { body = { list = asked, files = files } } end

function door.status()
  status_count = status_count + 1
  local state = status_count < 3 and "starting" or "ready"
  return { body = {
    node = { name = "one", group = "production", is_primary = true, state = "up", started_at = AT[1],
      workers = 1, address = "127.0.0.1:8080", control = "unix:/data/control.sock", dir = "/data",
      version = "0.1.0" },
    processes = {
      { role = "writer", index = 1, pid = 11, state = "ready", started_at = AT[1], restarts = 0 },
      { role = "worker", index = 1, pid = 12, state = state, started_at = AT[1], restarts = 2,
        reason = "signal 9" },
    },
    apps = { { app = "shop", revision = ("a"):rep(40), since = AT[2], by = "ann" } },
    workers = { { worker = 1, is_answering = true, counters = {},
      apps = { { app = "shop", revision = ("b"):rep(40) } } } },
    deployments = {},
  } }
end

function door.groups()
  local running = { { app = "shop", revision = ("a"):rep(40), since = AT[2], by = "ann" } }
  local node = { name = "one", state = "up", workers = 1 }
  return { body = {
    { name = "production", is_primary = true, apps = { "shop" }, running = running, deployments = {},
      nodes = { node, { name = "two", state = "down" } } },
    { name = "staging", is_primary = false, apps = { "other" }, running = {}, nodes = { node },
      deployments = {} },
    { name = "empty", is_primary = false, apps = {}, running = {}, nodes = {}, deployments = {} },
  } }
end

function door.revisions(request)
  note(request)
  if request.query.app == "none" then return "[]" end
  return { body = {
    { app = "shop", name = ("a"):rep(40), message = "the shop opens\nand more", pushed_at = AT[1],
      pushed_by = "ann", files = 2, bytes = 10, deps = {}, running_in = { "production" } },
    { app = "shop", name = "unrepro/try", pushed_at = AT[1], files = 2, bytes = 10, deps = {},
      running_in = {} },
  } }
end

function door.plan(request)
  local body, missing = json.read(request.body), {}
  note(request, body)
  if revisions[body.name] then return { body = { missing = {}, is_new = false } } end
  for _, hash in pairs(body.files) do
    if not files[hash] then missing[#missing + 1] = hash end
  end
  return { body = { missing = missing, is_new = true } }
end

function door.put(request)
  files[request.params.hash] = #request.body
  return { status = 201, body = { hash = request.params.hash, bytes = #request.body, is_new = true } }
end

function door.push(request)
  local body, count = json.read(request.body), 0
  for _, hash in pairs(body.files) do
    count = count + 1
    if not files[hash] then return fail("incorrect", "lion/push", "files are missing") end
  end
  revisions[body.name] = true
  return { body = { app = body.app, revision = body.name, is_new = true, files = count, bytes = 1 } }
end

local function step(order, kind, state, more)
  local made = { order = order, node = "one", kind = kind, state = state }
  made.started_at, made.ended_at = AT[1], AT[2]
  for name, value in pairs(more or {}) do made[name] = value end
  return made
end

-- What a deployment is, time after time that it is asked for.
local function course(id, group, revision)
  local function at(state, is_over, steps, more)
    local d = { id = id, group = group, app = "shop", revision = revision, by = "ann", state = state,
      steps = steps, previous = ("a"):rep(40), asked_at = AT[1], started_at = AT[1],
      ended_at = is_over and AT[3] or nil, is_over = is_over }
    for name, value in pairs(more or {}) do d[name] = value end
    return d
  end
  local load, check = step(1, "load", "done"), step(2, "check", "done")
  local switch = step(3, "switch", "running", { target = "worker", worker = 1 })
  local first = at("waiting", false, {})
  if revision:find "^5105" then return { first, at("rolling", false, { load }) } end
  if revision:find "^a+$" then return { at("done", true, {}, { is_running_already = true }) } end
  if revision:find "^bad" then
    local failed = step(2, "check", "failed", { reason = "shop/smoke: no orders" })
    local why = { reason = "shop/smoke: no orders", trace = "stack traceback:\n\tshop.lua:7: in smoke" }
    return { first, at("rolling", false, { load }), at("failed", true, { load, failed }, why) }
  end
  local switched = step(3, "switch", "done", { target = "worker", worker = 1 })
  return { first, at("rolling", false, { load, check }), at("rolling", false, { load, check, switch }),
    at("done", true, { load, check, switched }) }
end

local function begin(body, revision, more)
  local list = {}
  for i, group in ipairs(body.groups) do
    if group == "prod" then
      return fail("not-found", "lion/not-found", "there is no group prod")
    end
    local id = ("00000000-0000-7000-8000-%012d"):format(#deployments + 1)
    deployments[#deployments + 1] = id
    deployments[id] = { course = course(id, group, revision), at = 1 }
    list[i] = deployments[id].course[1]
    for name, value in pairs(more or {}) do
      for _, d in ipairs(deployments[id].course) do d[name] = value end
    end
  end
  return { body = { deployments = list, is_new = true } }
end

-- The first time that a revision that begins with "1057" is asked for, the writer is lost.
function door.deploy(request)
  local body = json.read(request.body)
  note(request, body)
  if body.revision:find "^1057" and not lost[body.id] then
    lost[body.id] = true
    return fail("unavailable", "lion/writer-lost", "the writer was lost")
  end
  return begin(body, body.revision)
end

function door.rollback(request)
  local body = json.read(request.body)
  note(request, body)
  if body.groups[1] == "empty" then return fail("conflict", "lion/nothing-before", "nothing ran there") end
  return begin(body, ("c"):rep(40), { is_rollback = true })
end

function door.deployment(request)
  local d = deployments[request.params.id]
  if not d then return fail("not-found", "lion/not-found", "there is no such deployment") end
  if request.query.wait_ms then d.at = math.min(d.at + 1, #d.course) end
  return { body = d.course[d.at] }
end

local RESULTS = {
  relation = { { "Ann", "2026-11-28T16:00:00.000Z" }, { "Bob", NULL } },
  keys = { { name = "Ann", at = ":a/b" } }, scalar = 7, none = NULL, collection = { "a", "b" },
}

function door.q(request)
  local body = json.read(request.body)
  note(request, body)
  if body.query:find "wrong" then return fail("incorrect", "lion/syntax", "the query is wrong") end
  if request.headers.accept == "application/edn" then
    return '{:kind :relation, :headings ["?n"], :result [["Ann" #inst "2026-11-28T16:00:00Z" :a/b]], :t 7}\n'
  end
  local kind = body.query:match "^%a+"
  local shapes = { keys = "relation", none = "scalar" }
  local headings = kind == "keys" and { "name", "at" } or { "?n", "?at" }
  return { body = { result = RESULTS[kind], kind = shapes[kind] or kind, headings = headings, t = 7 } }
end

function door.transact(request)
  local body = json.read(request.body)
  note(request, body)
  if body.tx:find "away" and not lost[body.id] then
    lost[body.id] = true
    return fail("unavailable", "lion/writer-lost", "the writer was lost")
  end
  if body.tx:find "wrong" then return fail("conflict", "db.error/cas-failed", "it is another value") end
  return { body = { t = 7, tx = 1, tx_instant = AT[1], datoms = 2, tempids = {} } }
end

function door.invoke(request)
  local fn = request.params.fn
  if fn == "none" then
    local e = { category = "not-found", code = "lion/no-entry-point", message = "no none" }
    return { status = 404, body = { error = e } }
  end
  if fn == "text" then return { status = 404, body = "not here" } end
  local input = request.body ~= "" and json.read(request.body) or NULL
  return { body = { app = request.params.app, fn = fn, input = input } }
end

return door
]==]

local fake_door = {}

local Door = {}
Door.__index = Door

--- Start it in a folder of its own.
function fake_door.start()
  local self = setmetatable({ folder = program.folder() }, Door)
  program.write(self.folder .. "/ion.lua", MANIFEST)
  program.write(self.folder .. "/door.lua", DOOR)
  self.child = program.start(self.folder, { "dev", ".", "--listen", "127.0.0.1:0" })
  self.address = program.wait_for(function()
    if self.child:code() then error("no door: " .. self.child:err()) end
    return self.child:out():match "ready http://(%S+)/"
  end, "the door")
  return self
end

-- One request, of this very state.
function Door:get(path)
  local client = require("lion.client").new(self.address)
  local _, _, body = client:request { path = path }
  client:close()
  return json.read(body)
end

--- What was asked of a path, oldest first: bodies.
function Door:asked(path)
  local list = {}
  for _, one in ipairs(self:get("/asked").list) do
    if one.path == path then list[#list + 1] = one.body or one.query end
  end
  return list
end

function Door:stop()
  self.child:signal "TERM"
  self.child:wait()
  program.remove(self.folder)
end

return fake_door
