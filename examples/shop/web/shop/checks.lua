--- What must hold before a revision takes requests.
local checks = {}

function checks.catalogue(db)
  if not db:entid ":product/sku" then
    error("the database has no catalogue yet: lion invoke store install", 0)
  end
  return true
end

return checks
