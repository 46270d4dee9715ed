--- The system database: what there is to run, where it runs, since when and by whom. An ordinary Lion
-- database (docs/system.md), so that all of it can be asked, as it is and as it was.
-- @module ions.push.system
local anomaly = require "lion.anomaly"
local hash = require "ions.hash"
local json = require "lion.json"
local nearest = require "lion.nearest"
local revisions = require "ions.push.revision"
local schema = require "lion.schema"

local system = {}

-- ---- the schema ----------------------------------------------------------------------------------

local function attribute(kind, doc, more)
  local spec = more or {}
  spec[1], spec.doc = kind, doc
  return spec
end

local function identity(doc) return attribute("string", doc, { unique = "identity" }) end
local function many(kind, doc) return attribute(kind, doc, { many = true }) end
local function passing(kind, doc) return attribute(kind, doc, { no_history = true, index = false }) end
local function parts(doc) return attribute("ref", doc, { many = true, component = true }) end

--- The attributes, as lion.schema takes them.
system.SCHEMA = {
  app = {
    name = identity "The application's name, which its manifest gives.",
  },
  file = {
    hash = identity "The file's content hash: SHA-256, 64 hexadecimal digits. Each content is stored once.",
    size = attribute("long", "Bytes of the content."),
    content = attribute("bytes", "What the file holds."),
  },
  revision = {
    app = attribute("ref", "The application that it is a revision of."),
    name = attribute("string", "Its name: the commit's id, or unrepro/NAME if no commit tells all of it."),
    ["app+name"] = { unique = "value", tuple_attrs = { "revision/app", "revision/name" },
      doc = "A name is given once in an application: a revision never changes." },
    commit = attribute("string", "The commit that it was made from; an unrepro one may differ from it.",
      { index = true }),
    files = parts "The files that it holds.",
    manifest = attribute("string", "What its ion.lua returns, as JSON."),
    deps = parts "The dependencies that were taken in.",
    url = attribute("string", "Where its repository comes from (git's origin), without passwords."),
    message = attribute("string", "The commit's message."),
    ["committed-at"] = attribute("instant", "When the commit was made."),
    ["pushed-at"] = attribute("instant", "When it was pushed."),
    ["pushed-by"] = attribute("string", "Who pushed it."),
  },
  ["revision.file"] = {
    path = attribute("string",
      "The file's path below the application's folder; a dependency's lie below its name."),
    file = attribute("ref", "Its content."),
  },
  ["revision.dep"] = {
    name = attribute("string", "The name that its modules have."),
    git = attribute("string", "The repository that it was taken from, without passwords."),
    rev = attribute("string", "The commit that was taken."),
    dir = attribute("string", "The folder in that repository, if it is not the top."),
    path = attribute("string", "The folder that it was, if it was no commit's."),
  },
  group = {
    name = identity "The group's name.",
    ["is-primary"] = attribute("boolean", "Whether it owns the writer."),
    env = attribute("string", "What ion.env() says in it, if not the group's name."),
    apps = many("ref", "The applications that it runs: what may be deployed to it."),
    running = many("ref", "The revisions that its nodes run, one of an application: those of the last "
      .. "deployments that ended well."),
  },
  node = {
    name = identity "The node's name.",
    group = attribute("ref", "The group that it belongs to."),
    address = attribute("string", "Where it answers HTTP: HOST:PORT."),
    control = attribute("string", "Where its control door is: unix:PATH or HOST:PORT."),
    workers = attribute("long", "How many workers it has."),
    version = attribute("string", "The version of Lion that it runs."),
    ["started-at"] = attribute("instant", "When it was started."),
    state = attribute("keyword", ":node.state/up, /leaving, /down."),
    beat = passing("long", "Counts up while the node holds events' leases and others of its group are up."),
  },
  deployment = {
    id = attribute("uuid", "Its name, given by who asked for it: asked twice, it is made once.",
      { unique = "identity" }),
    revision = attribute("ref", "The revision that is to run."),
    group = attribute("ref", "Where."),
    previous = attribute("ref", "The revision that ran there before, to which a failure goes back."),
    by = attribute("string", "Who asked for it."),
    state = attribute("keyword",
      ":deployment.state/waiting, /rolling, /done, /rolling-back, /rolled-back, /failed.", { index = true }),
    ["is-rollback"] = attribute("boolean", "Whether it takes back the deployment before it."),
    turn = attribute("ref", "The node whose turn it is."),
    moved = many("ref",
      "The nodes that have put the revision in place, until they put back the previous one."),
    passed = many("ref", "The nodes that were passed over, since they did not answer."),
    steps = parts "What was done, node by node.",
    reason = attribute("string", "Why it did not end well."),
    trace = attribute("string", "The Lua trace that goes with the reason."),
    ["started-at"] = attribute("instant", "When the first node began."),
    ["ended-at"] = attribute("instant", "When it was over."),
  },
  ["deployment.step"] = {
    order = attribute("long", "Its place among the steps, from 1."),
    node = attribute("ref", "The node that takes it."),
    worker = attribute("long", "The worker, from 1, if it concerns one."),
    kind = attribute("keyword", ":deployment.step/load, /check, /switch, /restore."),
    state = attribute("keyword", ":deployment.step.state/running, /done, /failed."),
    reason = attribute("string", "Why it failed."),
    ["started-at"] = attribute("instant", "When it began."),
    ["ended-at"] = attribute("instant", "When it was over."),
  },
  event = {
    group = attribute("ref", "Where it runs."),
    app = attribute("ref", "The application whose manifest has it."),
    name = attribute("string", "Its name, which the manifest gives."),
    ["group+app+name"] = { unique = "value", tuple_attrs = { "event/group", "event/app", "event/name" },
      doc = "An event is there once in an application of a group." },
    on = attribute("string", "Its kind: tx, cron."),
    holder = attribute("ref", "The node that holds its lease."),
    run = attribute("string",
      "The run of the holder's events process that has it: another process of that node may take it."),
    epoch = attribute("long",
      "Counts up whenever its lease changes hands; who writes for it says under which."),
    position = passing("long", "Up to where it is done: a t, or ms since 1970."),
    trying = passing("string", "The key of the one in hand that has failed."),
    attempts = passing("long",
      "How often the one in hand was tried in vain; there is none while nothing fails."),
    error = passing("string", "Why the one in hand failed last."),
    ["retry-at"] = passing("instant", "When the one in hand is tried again."),
    asked = attribute("keyword", "What is asked of its holder: :event.asked/skip-one, /skip-all."),
  },
  ["event.dead"] = {
    event = attribute("ref", "Whose it is."),
    key = identity "Its key.",
    input = attribute("string", "What the handler was given, as EDN."),
    error = attribute("string", "Why it failed last."),
    trace = attribute("string", "The Lua trace that goes with the error."),
    attempts = attribute("long", "How often it was tried."),
    ["first-at"] = attribute("instant", "When it was tried first."),
    ["failed-at"] = attribute("instant", "When it failed last."),
    ["replay-at"] = attribute("instant", "When its replay was asked for, until that has ended."),
  },
  param = {
    group = attribute("ref", "The group that it holds for; without it for each."),
    app = attribute("ref", "The application that it holds for; without it for each."),
    path = attribute("string", "Its name, with a / before each nested one, as ion.param takes it."),
    ["group+app+path"] = { unique = "value", tuple_attrs = { "param/group", "param/app", "param/path" },
      doc = "A parameter has one value in a place." },
    value = attribute("string", "Its value, as JSON; it goes before the manifest's."),
    secret = attribute("string", "Instead of the value of one that is secret: its JSON, sealed by a key that "
      .. "is not in the database."),
    by = attribute("string", "Of a transaction: who set parameters by it, or took them away."),
  },
  token = {
    name = identity "What it is called by those who give and revoke it.",
    hash = attribute("string", "SHA-256 of the token: the token itself is stored nowhere.",
      { unique = "value" }),
    roles = many("keyword", ":role/read, /transact, /invoke, /deploy, /admin."),
    ["expires-at"] = attribute("instant", "When it ends, if it does."),
    ["revoked-at"] = attribute("instant", "When it was revoked."),
  },
  database = {
    name = identity "The name that ion.connect takes.",
    file = attribute("string", "Its file, below the node's data folder."),
    doc = attribute("string", "What it is for."),
  },
}

--- Make the schema known to a database, or what it lacks of it.
-- @param conn
-- @treturn number how many attributes were new
function system.install(conn)
  local db, tx = conn:db(), {}
  for _, map in ipairs(schema.define(system.SCHEMA)) do
    if not db:entid(map["db/ident"]) then tx[#tx + 1] = map end
  end
  if #tx > 0 then conn:transact(tx) end
  return #tx
end

--- Whether a database has the whole schema.
-- @param db
-- @treturn boolean
function system.is_installed(db)
  for namespace, attributes in pairs(system.SCHEMA) do
    for name in pairs(attributes) do
      if not db:entid((":%s/%s"):format(namespace, name)) then return false end
    end
  end
  return true
end

-- ---- finding -------------------------------------------------------------------------------------

local function fail(category, code, message, ...)
  error(anomaly.new(category, code, message:format(...)), 0)
end

-- The revision's id, or nil.
local function find(db, app, name)
  local id = db:entid { "app/name", app }
  return id and db:entid { "revision/app+name", { id, name } }
end

local FILES = [==[
  [:find ?path ?hash ?file :in $ ?revision :where
   [?revision :revision/files ?entry] [?entry :revision.file/path ?path]
   [?entry :revision.file/file ?file] [?file :file/hash ?hash]] ]==]

--- The hashes of a revision's files that the database does not hold.
-- @param db
-- @tparam table revision
-- @treturn table a list, in order
function system.missing(db, revision)
  local seen, list = {}, {}
  for _, digest in pairs(revision.files) do
    if not seen[digest] and not db:entid { "file/hash", digest } then list[#list + 1] = digest end
    seen[digest] = true
  end
  table.sort(list)
  return list
end

local function unknown_revision(db, app, name)
  if not db:entid { "app/name", app } then
    local known = {}
    for other in db:rows "[:find ?name :where [_ :app/name ?name]]" do known[other] = true end
    local near = nearest(app, known)
    fail("not-found", "lion/not-found", "there is no application %s%s: lion push makes it", app,
      near and (" (did you mean %s?)"):format(near) or "")
  end
  fail("not-found", "lion/not-found", "%s has no revision %s: lion push makes it", app, name)
end

--- The files of a revision.
-- @param db
-- @tparam string app
-- @tparam string name
-- @treturn table path → content
function system.files(db, app, name)
  local id = find(db, app, name) or unknown_revision(db, app, name)
  local contents = {}
  for path, _, file in db:rows(FILES, id) do contents[path] = db:entity(file)["file/content"] end
  return contents
end

local ENTRIES = [==[
  [:find ?path ?hash ?size ?file :in $ ?revision :where
   [?revision :revision/files ?entry] [?entry :revision.file/path ?path]
   [?entry :revision.file/file ?file] [?file :file/hash ?hash] [?file :file/size ?size]] ]==]

--- What files a revision has, without their contents.
-- @param db
-- @tparam string app
-- @tparam string name
-- @treturn table path → { hash =, size = in bytes, file = the entity that has the content }
function system.entries(db, app, name)
  local id = find(db, app, name) or unknown_revision(db, app, name)
  local entries = {}
  for path, digest, size, file in db:rows(ENTRIES, id) do
    entries[path] = { hash = digest, size = size, file = file }
  end
  return entries
end

local DEPENDENCIES = [==[
  [:find [?name ...] :in $ ?revision :where
   [?revision :revision/deps ?dep] [?dep :revision.dep/name ?name]] ]==]

--- The names of a revision's dependencies, sorted.
-- @param db
-- @tparam string app
-- @tparam string name
-- @treturn table
function system.dependencies(db, app, name)
  local names = db:q(DEPENDENCIES, find(db, app, name) or unknown_revision(db, app, name))
  table.sort(names)
  return names
end

-- ---- storing -------------------------------------------------------------------------------------

local function check_contents(missing, contents)
  local absent = {}
  for _, digest in ipairs(missing) do
    local content = contents[digest]
    if not content then
      absent[#absent + 1] = digest
    elseif hash.sha256(content) ~= digest then
      fail("incorrect", "lion/push", "a file's content has another hash than it was sent with: %s", digest)
    end
  end
  if #absent > 0 then
    fail("incorrect", "lion/push", "files are missing: %s", table.concat(absent, ", "))
  end
end

local function transaction_of(revision, missing, contents)
  local tx, place = {}, {}
  for _, digest in ipairs(missing) do
    place[digest] = digest
    tx[#tx + 1] = { ["db/id"] = digest, ["file/hash"] = digest, ["file/size"] = #contents[digest],
      ["file/content"] = contents[digest] }
  end
  local files, dependencies = {}, {}
  for path, digest in pairs(revision.files) do
    files[#files + 1] = { ["revision.file/path"] = path,
      ["revision.file/file"] = place[digest] or { "file/hash", digest } }
  end
  for i, dependency in ipairs(revision.deps) do
    dependencies[i] = { ["revision.dep/name"] = dependency.name, ["revision.dep/git"] = dependency.git,
      ["revision.dep/rev"] = dependency.rev, ["revision.dep/dir"] = dependency.dir,
      ["revision.dep/path"] = dependency.path }
  end
  tx[#tx + 1] = { ["db/id"] = "app", ["app/name"] = revision.app }
  tx[#tx + 1] = {
    ["db/id"] = "revision",
    ["revision/app"] = "app",
    ["revision/name"] = revision.name,
    ["revision/commit"] = revision.commit,
    ["revision/files"] = files,
    ["revision/manifest"] = json.write(revision.manifest),
    ["revision/deps"] = #dependencies > 0 and dependencies or nil,
    ["revision/url"] = revision.url,
    ["revision/message"] = revision.message,
    ["revision/committed-at"] = revision.committed_at,
    ["revision/pushed-at"] = revision.pushed_at,
    ["revision/pushed-by"] = revision.pushed_by,
  }
  return tx
end

-- Paths of which one revision has other contents than the other, or none.
local function differences(db, id, revision)
  local paths, stored = {}, {}
  for path, digest in db:rows(FILES, id) do
    stored[path] = true
    if revision.files[path] ~= digest then paths[#paths + 1] = path end
  end
  for path in pairs(revision.files) do
    if not stored[path] then paths[#paths + 1] = path end
  end
  table.sort(paths)
  return paths
end

local function already_there(db, id, revision)
  local different = differences(db, id, revision)
  if #different > 0 then
    local others = #different > 1 and (" and %d more"):format(#different - 1) or ""
    fail("conflict", "lion/revision-exists",
      "%s has a revision %s already, with other files (%s%s), and a revision never changes: %s",
      revision.app, revision.name, different[1], others, revision.name:find "^unrepro/"
        and "give this one another name" or "is there another application of that name?")
  end
  return { is_new = false, id = id, files = 0, bytes = 0 }
end

--- Store a revision: one transaction of what is not there yet. A revision that is there is left alone.
-- @param conn
-- @tparam table revision of revision.make
-- @tparam table contents hash → content, of those that system.missing told at least
-- @treturn table { is_new =, id =, files =, bytes = of the files that were stored, t = of the transaction }
function system.store(conn, revision, contents)
  revisions.validate(revision)
  local db = conn:db()
  local id = find(db, revision.app, revision.name)
  if id then return already_there(db, id, revision) end
  local missing = system.missing(db, revision)
  check_contents(missing, contents)
  local ok, report = pcall(conn.transact, conn, transaction_of(revision, missing, contents))
  if not ok then -- another one may have pushed the same in the meantime
    db = conn:db()
    id = find(db, revision.app, revision.name)
    if id then return already_there(db, id, revision) end
    error(report, 0)
  end
  local bytes = 0
  for _, digest in ipairs(missing) do bytes = bytes + #contents[digest] end
  return { is_new = true, id = report.tempids.revision, files = #missing, bytes = bytes, t = report.t }
end

return system
