--- Peers that are processes of their own: their processor time, and asking one that node runs.
local json = require "lion.json"

local process = {}

--- The clock of another process' processor time, for clock_gettime (Linux makes it of the process id).
function process.clock(pid) return -8 * (pid + 1) + 2 end

local Node = {}
Node.__index = Node

local count = 0

--- A script under node with one question in the air: a line of JSON in, a line out.
-- @param script beside this file
-- @param modules the folder that holds node_modules
-- @return nil where node or the module is not there
function process.node(script, modules, module)
  local there = io.open(("%s/node_modules/%s/package.json"):format(modules, module))
  if not there or os.execute "command -v node >/dev/null" ~= 0 then return nil end
  there:close()
  count = count + 1
  local folder = os.tmpname()
  os.remove(folder)
  local source = debug.getinfo(1, "S").source:match "^@(.*/)" .. script
  assert(os.execute(("mkdir %s && mkfifo %s/in %s/out"):format(folder, folder, folder)) == 0)
  local command = "NODE_PATH=%s/node_modules exec node --max-old-space-size=8192 %s <%s/in >%s/out & echo $!"
  local started = io.popen(command:format(modules, source, folder, folder))
  local pid = tonumber(started:read "*l")
  started:close()
  local self = setmetatable({ folder = folder, pid = pid, clock = process.clock(pid) }, Node)
  self.input, self.output = io.open(folder .. "/in", "w"), io.open(folder .. "/out")
  return self
end

--- @return the answer to a question, decoded; raises what the script refuses
function Node:ask(question)
  self.input:write(json.write(question), "\n")
  self.input:flush()
  local line = self.output:read "*l" or error("the peer's process has ended", 0)
  local answer = json.read(line)
  if answer.error then error(answer.error, 0) end
  return answer
end

--- The suite's tables as files, and their description for the script.
function Node:load(tables)
  local list = {}
  for i, t in ipairs(tables) do
    local path = ("%s/%s.csv"):format(self.folder, t.name)
    local file = assert(io.open(path, "w"))
    for k, row in ipairs(t.rows) do
      local cells = { unpack(row, 1, t.columns and #t.columns or 2) }
      if not t.link then table.insert(cells, 1, k) end
      file:write(table.concat(cells, ","), "\n")
    end
    file:close()
    local columns = {}
    for k, column in ipairs(t.columns or {}) do
      columns[k] = { column[1], column[2] }
    end
    list[i] = { name = t.name, link = t.link, from = t.from, to = t.to, columns = columns, path = path }
  end
  self:ask { op = "load", tables = list }
end

function Node:close()
  self.input:close()
  self.output:close()
  os.execute("rm -r " .. self.folder)
end

return process
