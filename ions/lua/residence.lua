--- An application's place in a node: its files and parameters in the system database, its databases in the
-- primary's folder.
-- @module ions.residence
local json = require "lion.json"
local lion = require "lion"
local remote = require "ions.remote"
local source = require "ions.source"

local residence = {}

local Residence = {}
Residence.__index = Residence

--- The place of a revision.
-- @tparam table options app; revision; folder; group
-- @treturn table `source` are its files
function residence.new(options)
  local system = lion.connect(options.folder .. "/system.lion", { read_only = true, create = false })
  -- Another state of this process may have opened it long ago: then it shows that time.
  local db = system:sync()
  return setmetatable({
    system = system,
    source = source.revision(db, options.app, options.revision),
    options = options,
    params = {},
    params_t = -1, -- of what `params` are
  }, Residence)
end

--- The application's database, or a named one.
function Residence:connect(name)
  local options = self.options
  local maker = { app = options.app, revision = options.revision }
  return remote.connect(options.folder, name or options.app, maker)
end

local PARAMS = [==[
  [:find ?path ?value :in $ ?group ?app :where
   [?g :group/name ?group] [?a :app/name ?app] [?param :param/group ?g] [?param :param/app ?a]
   [?param :param/path ?path] [?param :param/value ?value]] ]==]

-- What is set now: path → value.
local function read_params(self)
  local db = self.system:sync()
  if db.basis_t == self.params_t then return self.params end
  local params = {}
  self.params, self.params_t = params, db.basis_t
  if not db:entid ":param/path" then return params end
  for path, value in db:rows(PARAMS, self.options.group, self.options.app) do
    params[path] = json.read(value)
  end
  return params
end

--- A parameter that was set for the group; one that is set for "mail" has "mail/from" in it. nil: none was.
-- @tparam string path
function Residence:param(path)
  if not self.options.group then return nil end
  local params, above = read_params(self), path
  while above do
    local value = params[above]
    if value ~= nil then
      for name in path:sub(#above + 1):gmatch "[^/]+" do
        if type(value) ~= "table" then return nil end
        value = value[name]
      end
      return value
    end
    above = above:match "^(.*)/[^/]*$"
  end
end

function Residence:close() self.system:close() end

return residence
