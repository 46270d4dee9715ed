--- What a group runs.
-- @module ions.running
local lion = require "lion"

local running = {}

local RUNNING = [==[
  [:find ?app ?name :in $ ?group :where
   [?g :group/name ?group] [?g :group/running ?revision]
   [?revision :revision/app ?a] [?a :app/name ?app] [?revision :revision/name ?name]] ]==]

--- The revisions that a group's processes load when they start, by application.
-- @tparam string folder the primary's
-- @tparam string group
-- @treturn table { { app =, revision = }, … }; none if there is no system database yet, or no such group
function running.list(folder, group)
  local ok, conn = pcall(lion.connect, folder .. "/system.lion", { read_only = true, create = false })
  if not ok then
    if conn.category == "not-found" then return {} end
    error(conn, 0)
  end
  local list, db = {}, conn:db()
  if db:entid ":group/running" and db:entid ":revision/name" then
    for app, name in db:rows(RUNNING, group) do list[#list + 1] = { app = app, revision = name } end
  end
  conn:close()
  table.sort(list, function(a, b) return a.app < b.app end)
  return list
end

return running
