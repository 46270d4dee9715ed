--- The nodes as the system database has them: a node enters itself, and who does not answer is marked.
-- @module ions.deploy.nodes
local find = require "ions.deploy.find"

local nodes = {}

--- Is it a compare that failed: someone else was faster?
function nodes.is_overtaken(e) return type(e) == "table" and e.code == "db.error/cas-failed" end

local function group_of(node)
  return { ["db/id"] = "group", ["group/name"] = node.group, ["group/is-primary"] = node.is_primary or nil }
end

local function refuse_taken(db, id, node)
  local other = db:entity(id)
  find.fail("conflict", "lion/name-taken", { control = other["node/control"] },
    "another node is named %s and answers at %s: give this one another name (--name)", node.name,
    tostring(other["node/control"]))
end

--- Enter a node, and its group if it is new.
-- @param conn the system database
-- @tparam table node name, group, is_primary, address, control, workers, version, started_at;
-- is_answering(other) tells whether a node { name =, control = } lives
-- @treturn number its id
function nodes.register(conn, node)
  local db = conn:db()
  local known = db:entid { "node/name", node.name }
  local control = known and db:entity(known)["node/control"]
  if control and control ~= node.control and node:is_answering { name = node.name, control = control } then
    refuse_taken(db, known, node)
  end
  local tx = {
    group_of(node),
    { ["db/id"] = "node", ["node/name"] = node.name, ["node/group"] = "group",
      ["node/address"] = node.address, ["node/workers"] = node.workers, ["node/version"] = node.version,
      ["node/started-at"] = node.started_at, ["node/state"] = ":node.state/up" },
  }
  if control then -- of two that come at the same time one is refused
    tx[3] = { "db/cas", known, "node/control", control, node.control }
  else
    tx[2]["node/control"] = node.control
  end
  local ok, report = pcall(conn.transact, conn, tx)
  if ok then return report.tempids.node end
  if nodes.is_overtaken(report) then refuse_taken(conn:db(), known, node) end
  error(report, 0)
end

--- Write down a node's state, if it is another one.
-- @param conn
-- @tparam number id
-- @tparam string state up, leaving, down
function nodes.mark(conn, id, state)
  local ident = ":node.state/" .. state
  if conn:db():count("eavt", id, "node/state", ident) > 0 then return end
  conn:transact { { "db/add", id, "node/state", ident } }
end

--- The first of a group's nodes, by name, that answers and is wanted; those found dead on the way are told
-- too. A node that is leaving takes no turn any more.
-- @tparam table list of find.nodes
-- @tparam table node as of `register`: itself it knows to be alive
-- @tparam function is_wanted(one) whether that node is looked for
-- @treturn table|nil
-- @treturn table dead
function nodes.first(list, node, is_wanted)
  local dead = {}
  for _, one in ipairs(list) do
    if one.state == "up" and is_wanted(one) then
      if one.name == node.name or node:is_answering(one) then return one, dead end
      dead[#dead + 1] = one
    end
  end
  return nil, dead
end

return nodes
