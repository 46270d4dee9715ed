--- An application's place in a node: its files and parameters in the system database, its databases in the
-- primary's folder.
-- @module ions.residence
local lion = require "lion"
local params = require "ions.params"
local remote = require "ions.remote"
local secrets = require "ions.secrets"
local source = require "ions.source"

local residence = {}

local Residence = {}
Residence.__index = Residence

--- The place of a revision.
-- @tparam table options app; revision; folder; group; secret_key (the key file, if it is not the folder's)
-- @treturn table `source` are its files
function residence.new(options)
  local system = lion.connect(options.folder .. "/system.lion", { read_only = true, create = false })
  -- Another state of this process may have opened it long ago: then it shows that time.
  local db = system:sync()
  return setmetatable({
    system = system,
    source = source.revision(db, options.app, options.revision),
    options = options,
    read_t = -1, -- of what `tree` and `env_name` are
  }, Residence)
end

--- The application's database, or a named one.
function Residence:connect(name)
  local options = self.options
  local maker = { app = options.app, revision = options.revision }
  return remote.connect(options.folder, name or options.app, maker)
end

-- So far apart (in t) transactions are looked into one by one, to see whether they are about parameters:
-- there are many others, and reading all parameters takes longer.
local LOOK_T_MAX = 64

local function is_about_params(system, from_t)
  for tx in system:tx_range(from_t + 1) do
    for _, datom in ipairs(tx.data) do
      if datom.a:find("^param/") or datom.a:find("^group/") then return true end
    end
  end
  return false
end

-- Of each call: what is set later is seen by the next one.
local function newest(self)
  local db = self.system:sync()
  local passed = db.basis_t - self.read_t
  if passed == 0 then return db end
  if passed < 0 or passed > LOOK_T_MAX or is_about_params(self.system, self.read_t) then
    self.tree, self.env_name = nil, nil
  end
  self.read_t = db.basis_t
  return db
end

--- The parameters that hold here, as one tree.
-- @tparam table|nil manifest those of the manifest
function Residence:params(manifest)
  local db, options = newest(self), self.options
  if self.tree then return self.tree end
  local layers = params.layers(params.list(db), options.group, options.app)
  table.insert(layers, 1, manifest or {})
  self.tree = params.merge(layers)
  return self.tree
end

--- The value of a secret parameter.
-- @tparam table secret as of params.copy
function Residence:reveal(secret)
  local path = self.options.secret_key or self.options.folder .. "/secret.key"
  return secrets.reveal(secrets.keys(path), secret)
end

--- What ion.env() says: what was set for the group, else its name.
function Residence:env()
  local group = self.options.group
  if not group then return nil end
  local db = newest(self)
  if not self.env_name then
    local entity = db:entid ":group/env" and db:entity { "group/name", group }
    self.env_name = entity and entity["group/env"] or group
  end
  return self.env_name
end

function Residence:close() self.system:close() end

return residence
