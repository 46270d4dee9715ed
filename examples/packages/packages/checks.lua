--- What must hold before a revision takes requests.
local checks = {}

function checks.schema(db)
  if not db:entid ":package/name" then
    error("the database is empty: load an index first, lion run examples/packages/load.lua", 0)
  end
  return db:attribute("package/name").unique ~= nil
end

return checks
