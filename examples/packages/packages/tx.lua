--- Transaction ions.
local lion = require "lion"
local version = require "packages.version"

local tx = {}

--- { "packages.tx/release", name, version }: a package's new version. Refuses an unknown package,
-- and one that is not higher.
function tx.release(db, name, new)
  local package = db:pull("[:db/id :package/version]", { "package/name", name })
  if not package then
    lion.cancel { category = "not-found", message = "there is no package " .. name }
  end
  local old = package["package/version"]
  if old and version.compare(new, old) <= 0 then
    lion.cancel {
      category = "conflict",
      message = ("%s is at %s: %s is not higher"):format(name, old, new),
    }
  end
  return { { "db/add", package["db/id"], "package/version", new } }
end

return tx
