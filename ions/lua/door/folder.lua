--- The databases of a node's folder, for who reads them: methods of what has dir, connections (name →
-- connection) and connect(name).
-- @module ions.door.folder
local lion = require "lion"

local folder = {}

--- The connection to a database; it is made if it is not there, where there is a writer.
function folder:connection(name)
  local conn = self.connections[name]
  if not conn then
    conn = self.connect(name)
    self.connections[name] = conn
  end
  return conn
end

--- The names of the databases, in order.
function folder:database_names()
  local names = {}
  for i, path in ipairs(lion.list(self.dir)) do names[i] = path:match "([^/]+)%.lion$" end
  return names
end

local function size_of(path)
  local file = io.open(path, "rb")
  if not file then return 0 end
  local size = file:seek "end"
  file:close()
  return size
end

--- Bytes of a database's files: its trees, and the log of what is not in them yet.
function folder:file_size(name)
  local path = ("%s/%s.lion"):format(self.dir, name)
  return size_of(path) + size_of(path .. "-log")
end

--- Give these to a class.
-- @tparam table class
function folder.give(class)
  class.connection, class.database_names, class.file_size =
    folder.connection, folder.database_names, folder.file_size
end

return folder
