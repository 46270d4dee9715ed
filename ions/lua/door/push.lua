--- The control door's part of a push: what is missing, a file, the revision (docs/control.md). A file is
-- stored when it arrives, so a push that was interrupted goes on where it stood.
-- @module ions.door.push
local answer = require "ions.door.answer"
local anomaly = require "lion.anomaly"
local find = require "ions.deploy.find"
local hash = require "ions.hash"
local manifest = require "ions.manifest"
local revisions = require "ions.push.revision"
local system = require "ions.push.system"
local tell = require "ions.door.tell"

local push = {}

local FIELDS = { app = "string!", name = "string!", commit = "string!", files = "any!", manifest = "any!",
  deps = "any", url = "string", message = "string", committed_at = "any", pushed_at = "any",
  pushed_by = "string" }

local function read_revision(request)
  local revision = answer.check(request.body, FIELDS)
  revision.deps = revision.deps or {}
  revision.manifest = manifest.from_json(revision.manifest)
  revisions.validate(revision)
  return revision
end

-- The stored revision of that name; raises if it has other files.
local function stored(conn, db, revision)
  local app = db:entid { "app/name", revision.app }
  local id = app and db:entid { "revision/app+name", { app, revision.name } }
  if id then system.store(conn, revision, {}) end -- it compares, and writes nothing
  return id
end

--- POST /push/plan
function push.plan(door, request)
  local revision, db = read_revision(request), door.system:db()
  if stored(door.system, db, revision) then return { missing = answer.list(), is_new = false } end
  return { missing = answer.list(system.missing(db, revision)), is_new = true }
end

--- PUT /push/files/HASH
function push.file(door, request)
  answer.check_query(request.query, {})
  local digest, content = request.params.hash, request.raw.body or ""
  if not digest:find("^" .. ("[0-9a-f]"):rep(64) .. "$") then
    anomaly.incorrect("lion/push", "%q is no hash: SHA-256, 64 hexadecimal digits in lower case", digest)
  end
  if hash.sha256(content) ~= digest then
    anomaly.incorrect("lion/push", "what arrived has another hash than %s: it was changed on the way", digest)
  end
  local is_new = door.system:db():entid { "file/hash", digest } == nil
  if is_new then
    door.system:transact { { ["file/hash"] = digest, ["file/size"] = #content, ["file/content"] = content } }
  end
  return { hash = digest, bytes = #content, is_new = is_new }, is_new and 201 or 200
end

--- POST /push
function push.revision(door, request)
  local revision, db = read_revision(request), door.system:db()
  local id = stored(door.system, db, revision)
  local is_new = id == nil
  if is_new then
    local missing = system.missing(db, revision)
    if #missing > 0 then
      local message = ("%d files are missing: send them first (PUT /push/files/HASH)"):format(#missing)
      error(anomaly.new("incorrect", "lion/push", message, { missing = missing }), 0)
    end
    local result = system.store(door.system, revision, {})
    id, is_new = result.id, result.is_new
  end
  db = door.system:db()
  local files, bytes = tell.sizes(db, id)
  return { app = revision.app, revision = find.described(db, id).name, is_new = is_new, files = files,
    bytes = bytes }
end

return push
