--- What there is in the system database, by the names that people give: groups, applications, revisions; and
-- what runs where. Each takes a value of the database; what is not there is raised, with what may be meant.
-- @module ions.deploy.find
local anomaly = require "lion.anomaly"
local nearest = require "lion.nearest"

local find = {}

local PREFIX_MIN = 4 -- digits of a commit
local SHOWN_MAX = 5 -- names in a message

--- Raise an anomaly.
-- @tparam string category
-- @tparam string code
-- @tparam table|nil data
-- @tparam string message a format, with its arguments
function find.fail(category, code, data, message, ...)
  error(anomaly.new(category, code, message:format(...), data), 0)
end

local fail = find.fail

--- A list in words.
function find.listed(names)
  local shown = {}
  for i = 1, math.min(#names, SHOWN_MAX) do shown[i] = names[i] end
  if #names > SHOWN_MAX then shown[#shown + 1] = ("and %d more"):format(#names - SHOWN_MAX) end
  return table.concat(shown, ", ")
end

local function names_of(db, attribute)
  local names = {}
  for datom in db:datoms("aevt", attribute) do names[#names + 1] = datom.v end
  table.sort(names)
  return names
end

local function not_found(db, attribute, what, name)
  local names, known = names_of(db, attribute), {}
  for _, other in ipairs(names) do known[other] = true end
  local near = nearest(name, known)
  local hint = near and (" (did you mean %s?)"):format(near)
    or #names > 0 and (": there is " .. find.listed(names)) or ""
  fail("not-found", "lion/not-found", nil, "there is no %s %s%s", what, name, hint)
end

local function named(db, attribute, what, name)
  if type(name) ~= "string" or name == "" then
    fail("incorrect", "lion/syntax", nil, "the name of the %s is text, not %s", what, tostring(name))
  end
  return db:entid { attribute, name } or not_found(db, attribute, what, name)
end

--- The id of a group.
function find.group(db, name) return named(db, "group/name", "group", name) end

--- The id of an application.
function find.app(db, name) return named(db, "app/name", "application", name) end

-- ---- revisions -----------------------------------------------------------------------------------

local DESCRIBED = "[:revision/name {:revision/app [:db/id :app/name]}]"

--- A revision: { id =, name =, app =, app_id = }; nil for nil, or if it was taken away.
function find.described(db, id)
  local pulled = id and db:pull(DESCRIBED, id)
  local app = pulled and pulled["revision/app"]
  if not app then return nil end
  return { id = id, name = pulled["revision/name"], app = app["app/name"], app_id = app["db/id"] }
end

-- Revisions of that very name, of one application or of any.
local function exact(db, name, app_id)
  local list = {}
  local function add(id)
    local revision = db:entid { "revision/app+name", { id, name } }
    if revision then list[#list + 1] = find.described(db, revision) end
  end
  if app_id then
    add(app_id)
  else
    for datom in db:datoms("aevt", "app/name") do add(datom.e) end
  end
  return list
end

-- Revisions of commits that begin so.
local function beginning(db, prefix, app_id)
  local list = {}
  for datom in db:index_range("revision/commit", prefix, prefix .. "g") do
    local revision = find.described(db, datom.e)
    if revision and revision.name == datom.v and (not app_id or revision.app_id == app_id) then
      list[#list + 1] = revision
    end
  end
  return list
end

local function refuse_unknown(db, text, app)
  if app then
    fail("not-found", "lion/not-found", nil, "%s has no revision %s: lion push makes it", app, text)
  end
  if text:find "^%x+$" and #text < PREFIX_MIN then
    fail("incorrect", "lion/syntax", nil, "%s is too short: 4 digits of a commit at least name it", text)
  end
  local known = {}
  for datom in db:datoms("aevt", "revision/name") do known[datom.v] = true end
  local near = nearest(text, known)
  fail("not-found", "lion/not-found", nil, "there is no revision %s%s: lion push makes it", text,
    near and (" (did you mean %s?)"):format(near) or "")
end

local function refuse_ambiguous(text, list)
  local words, candidates = {}, {}
  for i, revision in ipairs(list) do
    words[i] = ("%s of %s"):format(revision.name, revision.app)
    candidates[i] = { app = revision.app, revision = revision.name }
  end
  table.sort(words)
  fail("incorrect", "lion/ambiguous", { candidates = candidates }, "%s may be %s: give more digits, or the "
    .. "application", text, find.listed(words))
end

--- The one revision that is meant.
-- @param db
-- @tparam string text a name, or the first digits of a commit, 4 at least
-- @tparam[opt] string app the application's name; nil if only one has such a revision
-- @treturn table { id =, name =, app =, app_id = }
function find.revision(db, text, app)
  if type(text) ~= "string" or text == "" then
    fail("incorrect", "lion/syntax", nil, "the revision's name is text, not %s", tostring(text))
  end
  local app_id = app and find.app(db, app)
  local list = exact(db, text, app_id)
  local digits = text:lower()
  if #list == 0 and #text >= PREFIX_MIN and digits:find "^%x+$" then list = beginning(db, digits, app_id) end
  if #list == 0 then refuse_unknown(db, text, app) end
  if #list > 1 then refuse_ambiguous(text, list) end
  return list[1]
end

-- ---- what runs -----------------------------------------------------------------------------------

local RUNNING = [==[
  [:find ?r ?name ?a ?app ?since :in $ ?g
   :where [?g :group/running ?r ?tx] [?tx :db/txInstant ?since] [?r :revision/name ?name]
          [?r :revision/app ?a] [?a :app/name ?app]] ]==]

--- What a group runs.
-- @param db
-- @tparam number group its id
-- @treturn table application's name → { id =, name =, app =, app_id =, since = ms }
function find.running(db, group)
  local running = {}
  for id, name, app_id, app, since in db:rows(RUNNING, group) do
    running[app] = { id = id, name = name, app = app, app_id = app_id, since = since }
  end
  return running
end

--- The names of the applications that a group may run, in order.
function find.apps(db, group)
  local names = {}
  for datom in db:datoms("eavt", group, "group/apps") do
    local app = db:entity(datom.v)
    if app then names[#names + 1] = app["app/name"] end
  end
  table.sort(names)
  return names
end

--- The names of the groups that may run an application, in order.
function find.groups_of(db, app_id)
  local names = db:q("[:find [?name ...] :in $ ?a :where [?g :group/apps ?a] [?g :group/name ?name]]", app_id)
  table.sort(names)
  return names
end

-- ---- deployments ---------------------------------------------------------------------------------

local ENDED_WELL = [==[
  [:find ?d ?r :in $ ?g ?a
   :where [?d :deployment/group ?g] [?d :deployment/state :deployment.state/done]
          [?d :deployment/revision ?r] [?r :revision/app ?a]] ]==]

--- The revision that a rollback brings back. What ended well lies in a stack: a deployment puts its revision
-- on top, a rollback takes the top away. So rollbacks one after the other lead further and further back.
-- @param db
-- @tparam number group
-- @tparam number app
-- @treturn table|nil a revision; nil: nothing ran there before
function find.before(db, group, app)
  local done, stack = db:q(ENDED_WELL, group, app), {}
  table.sort(done, function(x, y) return x[1] < y[1] end)
  for _, row in ipairs(done) do
    local deployment, revision = row[1], row[2]
    if db:count("eavt", deployment, "deployment/is-rollback", true) > 0 then
      stack[#stack] = nil
    elseif stack[#stack] ~= revision then
      stack[#stack + 1] = revision
    end
  end
  return find.described(db, stack[#stack - 1])
end

local OPEN = { "waiting", "rolling", "rolling-back" }

--- The deployments that are not over, in the order in which they were asked for.
-- @param db
-- @treturn table group's id → a list of { id =, state = }
function find.open(db)
  local groups = {}
  for _, state in ipairs(OPEN) do
    for datom in db:datoms("avet", "deployment/state", ":deployment.state/" .. state) do
      local at = db:datoms("eavt", datom.e, "deployment/group")()
      if at then
        groups[at.v] = groups[at.v] or {}
        table.insert(groups[at.v], { id = datom.e, state = state })
      end
    end
  end
  for _, list in pairs(groups) do
    table.sort(list, function(a, b) return a.id < b.id end)
  end
  return groups
end

-- ---- nodes ---------------------------------------------------------------------------------------

--- The nodes of a group, by name.
-- @param db
-- @tparam number group
-- @treturn table a list of { id =, name =, state = "up", "leaving", "down", control = }
function find.nodes(db, group)
  local list = {}
  for datom in db:datoms("vaet", group, "node/group") do
    local node = db:entity(datom.e)
    list[#list + 1] = { id = datom.e, name = node["node/name"], control = node["node/control"],
      state = (node["node/state"] or ""):match "/(.+)$" or "down" }
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

return find
