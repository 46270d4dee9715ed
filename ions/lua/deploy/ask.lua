--- Asking for deployments: what is to run where is checked as far as that can be, and written down as
-- `waiting`. The doors of the nodes do the rest (ions.deploy.roll).
-- @module ions.deploy.ask
local find = require "ions.deploy.find"
local hash = require "ions.hash"
local lion = require "lion"

local ask = {}

local fail = find.fail

-- ---- ids -----------------------------------------------------------------------------------------

local UUID = "^" .. ("%x"):rep(8) .. ("%-" .. ("%x"):rep(4)):rep(3) .. "%-" .. ("%x"):rep(12) .. "$"

local function check_id(id)
  if type(id) ~= "string" or not id:lower():find(UUID) then
    fail("incorrect", "lion/syntax", nil, "a deployment's id is a uuid, not %s", tostring(id))
  end
  return id:lower()
end

-- One for each group, the same whenever this id and this group are given.
local function derived(id, group)
  local digits = hash.sha256(id .. "/" .. group)
  return ("%s-%s-8%s-a%s-%s"):format(digits:sub(1, 8), digits:sub(9, 12), digits:sub(13, 15),
    digits:sub(16, 18), digits:sub(19, 30))
end

local function ids_of(id, groups)
  local ids = {}
  if id ~= nil then id = check_id(id) end
  for i, group in ipairs(groups) do
    ids[i] = not id and lion.uuid() or #groups == 1 and id or derived(id, group)
  end
  return ids
end

-- ---- groups --------------------------------------------------------------------------------------

local function check_groups(groups)
  if type(groups) ~= "table" or #groups == 0 then
    fail("incorrect", "lion/syntax", nil, "groups is a list of the names of groups, one at least")
  end
  local seen = {}
  for _, name in ipairs(groups) do
    if seen[name] then
      fail("incorrect", "lion/syntax", nil, "the group %s is named twice", tostring(name))
    end
    seen[name] = true
  end
end

-- What a group runs, and what is under way to it.
local function apps_of(db, group)
  local apps, seen = find.apps(db, group), {}
  for _, app in ipairs(apps) do seen[app] = true end
  for _, deployment in ipairs(find.open(db)[group] or {}) do
    local at = db:datoms("eavt", deployment.id, "deployment/revision")()
    local revision = at and find.described(db, at.v)
    if revision and not seen[revision.app] then
      apps[#apps + 1], seen[revision.app] = revision.app, true
    end
  end
  return apps
end

-- What a group runs is chosen once: a further application is not to get there by a slip.
local function check_app(db, group, name, revision, may_add)
  local apps = apps_of(db, group)
  if #apps == 0 or may_add then return end
  for _, app in ipairs(apps) do
    if app == revision.app then return end
  end
  local groups = find.groups_of(db, revision.app_id)
  local where = #groups > 0 and (" (%s runs in %s)"):format(revision.app, find.listed(groups)) or ""
  fail("conflict", "lion/wrong-app", { apps = apps, groups = groups }, "the group %s runs %s, not %s%s: "
    .. "with add it runs that too", name, find.listed(apps), revision.app, where)
end

-- ---- writing -------------------------------------------------------------------------------------

-- A deployment that was asked for before by this id; it must be the same.
local function find_again(db, id, group, fits, name)
  local found = db:entid { "deployment/id", id }
  if not found then return nil end
  if db:count("eavt", found, "deployment/group", group) == 0 or not fits(found) then
    fail("conflict", "lion/id-taken", nil, "the id %s is another deployment's than this one in %s", id, name)
  end
  return found
end

local function transaction_of(plan, by)
  return {
    ["deployment/id"] = plan.id,
    ["deployment/group"] = plan.group,
    ["deployment/revision"] = plan.revision.id,
    ["deployment/by"] = by,
    ["deployment/is-rollback"] = plan.is_rollback or nil,
    ["deployment/state"] = ":deployment.state/waiting",
  }
end

-- All of them, or none.
local function write(conn, plans, by)
  local tx, result = {}, {}
  for _, plan in ipairs(plans) do
    if plan.is_new then tx[#tx + 1] = transaction_of(plan, by) end
  end
  if #tx > 0 then conn:transact(tx) end
  local db = conn:db()
  for i, plan in ipairs(plans) do
    result[i] = { id = plan.id, entity = db:entid { "deployment/id", plan.id }, is_new = plan.is_new }
  end
  return result
end

local function check_by(by)
  if by ~= nil and type(by) ~= "string" then
    fail("incorrect", "lion/syntax", nil, "by is the name of who asks, not a %s", type(by))
  end
end

--- Ask for a revision in groups.
-- @param conn the system database
-- @tparam table options revision; groups = names; app = name, if several have such a revision; by; id = a
-- uuid, with which the same is asked once; add = whether a group that runs other applications takes this one
-- too
-- @treturn table for each group { id =, entity =, is_new = }
function ask.deploy(conn, options)
  check_groups(options.groups)
  check_by(options.by)
  local db, plans = conn:db(), {}
  local revision = find.revision(db, options.revision, options.app)
  local function is_same(found) return db:count("eavt", found, "deployment/revision", revision.id) > 0 end
  local ids = ids_of(options.id, options.groups)
  for i, name in ipairs(options.groups) do
    local group = find.group(db, name)
    local found = find_again(db, ids[i], group, is_same, name)
    if not found then check_app(db, group, name, revision, options.add) end
    plans[i] = { id = ids[i], group = group, revision = revision, is_new = not found }
  end
  return write(conn, plans, options.by)
end

-- ---- back ----------------------------------------------------------------------------------------

local function app_of_group(db, group, name)
  local apps = find.apps(db, group)
  if #apps == 1 then return find.app(db, apps[1]) end
  if #apps == 0 then
    fail("conflict", "lion/nothing-before", nil, "the group %s runs nothing: lion deploy does that first",
      name)
  end
  fail("incorrect", "lion/ambiguous", { candidates = apps }, "the group %s runs %s: name the application",
    name, find.listed(apps))
end

local function revision_before(db, group, app, name)
  local revision = find.before(db, group, app)
  if revision then return revision end
  fail("conflict", "lion/nothing-before", nil, "in the group %s no other revision of %s ran before: deploy "
    .. "the one that is to run", name, db:entity(app)["app/name"])
end

--- Ask for the revision that ran before the present one (find.before).
-- @param conn
-- @tparam table options groups, app, by, id as of `deploy`
-- @treturn table as of `deploy`
function ask.rollback(conn, options)
  check_groups(options.groups)
  check_by(options.by)
  local db, plans = conn:db(), {}
  local given = options.app and find.app(db, options.app)
  local function is_same(found) return db:count("eavt", found, "deployment/is-rollback", true) > 0 end
  local ids = ids_of(options.id, options.groups)
  for i, name in ipairs(options.groups) do
    local group = find.group(db, name)
    local found = find_again(db, ids[i], group, is_same, name)
    plans[i] = { id = ids[i], group = group, is_new = not found, is_rollback = true }
    if not found then
      plans[i].revision = revision_before(db, group, given or app_of_group(db, group, name), name)
    end
  end
  return write(conn, plans, options.by)
end

return ask
