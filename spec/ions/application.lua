--- An application as a spec's material: its files in a folder of their own, loaded into this state, asked
-- without a server.
local app = require "ions.app"
local program = require "spec.lua.program"

local application = {}

local Application = {}
Application.__index = Application

--- Write files (name → text, folders are made) and load what they are.
-- @tparam table files
-- @tparam[opt] boolean is_dev
function application.new(files, is_dev)
  local dir = program.folder()
  for name, text in pairs(files) do
    local folder = name:match "^(.*)/[^/]*$"
    if folder then os.execute(("mkdir -p '%s/%s'"):format(dir, folder)) end
    program.write(dir .. "/" .. name, text)
  end
  local self = setmetatable({ dir = dir, last_id = 0, logged = "" }, Application)
  local ok, loaded = pcall(app.load, {
    dir = dir,
    uri = "mem:" .. dir,
    folder = dir,
    env = "spec",
    is_dev = is_dev or false,
  })
  if not ok then
    program.remove(dir)
    error(loaded, 0)
  end
  self.app = loaded
  return self
end

-- What fn writes to standard error is kept in `logged`.
local function listening(self, fn)
  local stderr = io.stderr
  self.logged = ""
  io.stderr = { write = function(_, ...) self.logged = self.logged .. table.concat { ... } end } -- luacheck: ignore
  local results = { pcall(fn) }
  io.stderr = stderr -- luacheck: ignore
  if not results[1] then error(results[2], 0) end
  return unpack(results, 2, 5)
end

local function all_of(body)
  if type(body) ~= "function" then return body end
  local list = {}
  for piece in body do
    list[#list + 1] = piece
  end
  return table.concat(list)
end

--- Ask: "GET /path?query", with headers and a body. Returns { status =, headers = (of one name: the last),
-- list = (all pairs), body =, size = }.
function Application:ask(line, headers, body)
  local method, path, query = line:match "^(%S+) ([^?]*)%??(.*)$"
  self.last_id = self.last_id + 1
  local raw = {
    method = method,
    path = path,
    query = query,
    headers = headers or {},
    body = body or "",
    remote = "127.0.0.1:5",
    id = self.last_id,
  }
  return listening(self, function()
    local status, list, answer, size = self.app:handle(raw)
    if not status then return { waits = list, id = raw.id } end
    local result = { status = status, list = list, headers = {}, size = size }
    result.is_streamed = type(answer) == "function"
    for _, pair in ipairs(list) do
      result.headers[pair[1]] = pair[2]
    end
    result.body = all_of(answer)
    if result.is_streamed then self.app:finish(raw.id) end
    return result
  end)
end

function Application:close()
  self.app:close()
  program.remove(self.dir)
end

return application
