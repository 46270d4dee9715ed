--- An application as a spec's material: its files in a folder of their own, loaded into this state, asked
-- without a server.
local app = require "ions.app"
local core = require "lion.core"
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

-- What is not there yet is there after some steps.
local function all_of(loaded, body)
  if type(body) ~= "function" then return body end
  local list, give_up = {}, core.monotonic_ms() + 30000
  while core.monotonic_ms() < give_up do
    local piece = body()
    if piece == nil then return table.concat(list) end
    if piece then list[#list + 1] = piece else loaded:step() end
  end
  error "the body does not end"
end

--- Step until a request is answered.
-- @treturn number|nil its id, then status, headers, body, size; nil: none is going to be, by itself
function Application:wait()
  local give_up = core.monotonic_ms() + 30000
  while core.monotonic_ms() < give_up do
    local id, status, headers, body, size = self.app:step()
    if id then return id, status, headers, body, size end
    if self.app:due() == nil then return nil end
  end
  error "no request is answered"
end

--- Ask: "GET /path?query", with headers and a body. Returns { status =, headers = (of one name: the last),
-- list = (all pairs), body =, size =, was_later = it came from step }; {} if there is no such route.
function Application:ask(line, headers, body, is_control)
  local method, path, query = line:match "^(%S+) ([^?]*)%??(.*)$"
  self.last_id = self.last_id + 1
  local raw = {
    method = method,
    path = path,
    query = query,
    headers = headers or {},
    body = body or "",
    remote = is_control and "control" or "127.0.0.1:5",
    id = self.last_id,
    is_control = is_control,
  }
  return listening(self, function()
    local status, list, answer, size = self.app:handle(raw)
    local was_later = status == false
    if was_later then
      local id
      id, status, list, answer, size = self:wait()
      assert(id == raw.id, "another request is answered, or none")
    end
    if status == nil then return {} end
    local result = { status = status, list = list, headers = {}, size = size }
    result.is_streamed = type(answer) == "function"
    for _, pair in ipairs(list) do
      result.headers[pair[1]] = pair[2]
    end
    result.body, result.was_later = all_of(self.app, answer), was_later
    if result.is_streamed then self.app:finish(raw.id) end
    return result
  end)
end

function Application:close()
  self.app:close()
  program.remove(self.dir)
end

return application
