--- What must hold before a revision takes requests.
local checks = {}

function checks.schema(db) return db:attribute("package/name").unique ~= nil end

return checks
