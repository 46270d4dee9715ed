--- What must hold before a revision takes calls.
local schema = require "store.schema"

local checks = {}

--- A schema that cannot be installed stops here, not in production.
function checks.schema(db)
  local report = db:with(schema())
  return report.db_after:attribute("order/state") ~= nil
end

return checks
