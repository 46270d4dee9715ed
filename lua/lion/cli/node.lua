--- lion node: the words of the command line become those of the supervisor, which takes this process over.
local anomaly = require "lion.anomaly"
local options = require "lion.cli.options"

local FOLLOW_TIMEOUT_MS = 10000
local FOLDER_MODE = 448 -- 0700: what is in it is for who runs the node

local node = {
  summary = "Run a node: databases, their writer, workers that answer HTTP, and a control door.",
  usage = [[--data DIR [--name NAME (GROUP-HOST)] [--group NAME (main)] [--workers N (the cores)]
  [--listen HOST:PORT (127.0.0.1:8080)] [--control [unix:PATH][,][HOST:PORT] (unix:DIR/control.sock)]
  [--follow unix:PATH] [--memory MB] [--secret-key FILE (DIR/secret.key)] [--cast FILE]
  [--access-log FILE] [--alert-url URL] [--config FILE]

  --data     the folder in which all is that the node keeps; it is made if there is none
  --control  where the control door is: a Unix socket, and with HOST:PORT TCP beside it, where each request
             needs a token (lion token --help)
  --follow   the control door of a node on this machine whose databases this one uses
  --memory   what an application may hold in one process
  --secret-key   the file of the key of secret parameters; it is made when the first secret is set
  --cast     where events and alerts of applications are written, a line of JSON each; else standard error
  --access-log   where each request is written, a line of JSON each; - is standard error
  --alert-url    http:// or https://HOST:PORT/PATH, to which alerts are posted as JSON
  --config   a Lua file that returns a table of these options by name; the command line goes before it

When all has started it prints `ready http://HOST:PORT/ unix:PATH`, and behind it http://HOST:PORT/ of a
control door over TCP. Ctrl-C or SIGTERM ends it cleanly. SIGHUP has it open the files of --cast and
--access-log anew.

  lion node --data /var/lib/lion --listen 0.0.0.0:8080]],
}

local KNOWN = {
  data = "value",
  name = "value",
  group = "value",
  workers = "number",
  listen = "value",
  control = "value",
  follow = "value",
  memory = "number",
  ["secret-key"] = "value",
  cast = "value",
  ["access-log"] = "value",
  ["alert-url"] = "value",
  config = "value",
}
local LUA_TYPES = { value = "string", number = "number" }

local function check_setting(path, name, value)
  local kind = KNOWN[name]
  if not kind or name == "config" then
    local hint = options.hint(tostring(name), KNOWN, "")
    options.misuse("%s: there is no option %s%s", path, tostring(name), hint)
  end
  if type(value) ~= LUA_TYPES[kind] then options.misuse("%s: %s is a %s", path, name, LUA_TYPES[kind]) end
  if kind == "number" and (value < 1 or value % 1 ~= 0) then
    options.misuse("%s: %s is a whole number from 1 on", path, name)
  end
end

-- A file that is data: it sees no names.
local function read_config(path)
  local chunk, problem = loadstring(options.read_file(path), "@" .. path)
  if not chunk then options.misuse("%s", problem) end
  local ok, settings = pcall(setfenv(chunk, {}))
  if not ok then options.misuse("%s", tostring(settings)) end
  if type(settings) ~= "table" then options.misuse("%s does not return a table of options", path) end
  for name, value in pairs(settings) do
    check_setting(path, name, value)
  end
  return settings
end

local function check_name(option, name)
  if not name:match "^[%w_][%w_%.%-]*$" or #name > 100 then
    options.misuse("--%s is made of letters, digits, - _ and ., not %s", option, name)
  end
end

local function is_address(address)
  local host, port = address:match "^%[(.+)%]:(%d+)$"
  if not host then
    host, port = address:match "^([^:/,]+):(%d+)$"
  end
  return host ~= nil and host ~= "unix" and tonumber(port) <= 65535
end

local function check_address(address)
  if not is_address(address) then options.misuse("--listen is HOST:PORT, not %s", address) end
end

-- "unix:PATH,HOST:PORT", or one of the two → "unix:PATH", "HOST:PORT"
local function split_control(text)
  local place, address = text:match "^(unix:.+),([^,]+)$"
  if place and is_address(address) then return place, address end
  if text:find "^unix:." then return text, nil end
  address = text:gsub("^http://", ""):gsub("/$", "")
  if is_address(address) then return nil, address end
  options.misuse("--control is unix:PATH, HOST:PORT, or unix:PATH,HOST:PORT, not %s", text)
end

-- Another node's files are used where they are.
local function check_followed(address)
  if address:match "^unix:." then return end
  local message = "--follow is unix:PATH, not %s: a node uses the files of the one that it follows, "
    .. "so both are on one machine"
  error(anomaly.new("unsupported", "lion/unsupported", message:format(address)), 0)
end

local function check_alert_url(url)
  if not require("ions.door.alerts").is_url(url) then
    options.misuse("--alert-url is http://HOST:PORT/PATH or https://…, not %s", url)
  end
end

local function host_name()
  local file = io.open "/proc/sys/kernel/hostname"
  local name = file and file:read "*l"
  if file then file:close() end
  return name and name:gsub("[^%w_%.%-]", "-"):match "^[%w_].*" or "node"
end

local function fail_follow(address, reason)
  local message = ("the node at %s cannot be followed: %s"):format(address, reason)
  error(anomaly.new("unavailable", "lion/unavailable", message), 0)
end

--- What the primary's door says of its node: its folder, its group.
-- @tparam string address unix:PATH
-- @treturn table as `GET /node` has it
function node.ask_primary(address)
  local client = require("lion.client").new(address)
  local status, _, body = client:request { path = "/node", timeout_ms = FOLLOW_TIMEOUT_MS }
  client:close()
  local ok, found = pcall(require("lion.json").read, body)
  if status ~= 200 or not ok or type(found) ~= "table" or type(found.dir) ~= "string" then
    fail_follow(address, ("it answers %d, and no node"):format(status))
  end
  if not found.is_primary then fail_follow(address, "it follows another one itself") end
  return found
end

local ENOENT, EEXIST = 2, 17

-- With the folders that it lies in.
local function make_folder(ffi, path)
  if ffi.C.mkdir(path, FOLDER_MODE) == 0 or ffi.errno() == EEXIST then return end
  local above = ffi.errno() == ENOENT and path:match "^(.*[^/])/+[^/]+/*$"
  if above then
    make_folder(ffi, above)
    if ffi.C.mkdir(path, FOLDER_MODE) == 0 or ffi.errno() == EEXIST then return end
  end
  local reason = ffi.string(ffi.C.strerror(ffi.errno()))
  error(anomaly.new("unavailable", "lion/io", ("%s cannot be made: %s"):format(path, reason)), 0)
end

local EXISTS, WRITABLE = 0, 2

-- What cannot be written is known before anything starts.
local function check_writable(ffi, option, path)
  if not path or path == "-" then return end
  local is_there = ffi.C.access(path, EXISTS) == 0
  if ffi.C.access(is_there and path or path:match "^(.*/)[^/]*$" or ".", WRITABLE) == 0 then return end
  local reason = ffi.string(ffi.C.strerror(ffi.errno()))
  options.misuse("--%s: %s cannot be written: %s", option, path, reason)
end

--- The words of `lion node-process supervisor` for what was given.
-- @tparam table found the options
-- @tparam[opt] table primary what the primary said of itself
-- @treturn table
function node.words(found, primary)
  local words = { "lion", "node-process", "supervisor" }
  local function add(name, value)
    if value == nil then return end
    words[#words + 1] = "--" .. name
    words[#words + 1] = ("%s"):format(value)
  end
  local group = found.group or primary and primary.group or "main"
  add("dir", found.data)
  add("name", found.name or group .. "-" .. host_name())
  add("group", group)
  add("listen", found.listen or "127.0.0.1:8080")
  if found.control then
    local place, address = split_control(found.control)
    add("control", place)
    add("control-address", address)
  end
  add("workers", found.workers)
  add("memory", found.memory and ("%.0f"):format(found.memory * 1048576))
  add("primary", primary and primary.dir)
  add("secret-key", found["secret-key"])
  add("cast", found.cast)
  add("access-log", found["access-log"])
  add("alert-url", found["alert-url"])
  return words
end

-- Does not return: the supervisor is this process, without Lua.
local function become(ffi, words)
  local arguments = ffi.new("const char *[?]", #words + 1)
  for i, word in ipairs(words) do
    arguments[i - 1] = word
  end
  arguments[#words] = nil
  io.stdout:flush()
  ffi.C.execv("/proc/self/exe", ffi.cast("char *const *", arguments))
  local reason = ffi.string(ffi.C.strerror(ffi.errno()))
  error(anomaly.new("fault", "lion/fault", "the node cannot be started: " .. reason), 0)
end

function node.run(args)
  local found, words = options.parse(args, KNOWN)
  if #words > 0 then options.misuse("lion node takes options alone, not %s", words[1]) end
  if found.config then
    for name, value in pairs(read_config(found.config)) do
      if found[name] == nil then found[name] = value end
    end
  end
  if not found.data then options.misuse "a folder is needed: lion node --data DIR" end
  if found.name then check_name("name", found.name) end
  if found.group then check_name("group", found.group) end
  if found.listen then check_address(found.listen) end
  if found.control then split_control(found.control) end
  if found.follow then check_followed(found.follow) end
  if found["alert-url"] then check_alert_url(found["alert-url"]) end
  local primary = found.follow and node.ask_primary(found.follow)
  local ffi = require "ffi"
  ffi.cdef [[
    int execv(const char *path, char *const arguments[]);
    int mkdir(const char *path, unsigned int mode);
    char *strerror(int code);
    int access(const char *path, int mode);
  ]]
  check_writable(ffi, "cast", found.cast)
  check_writable(ffi, "access-log", found["access-log"])
  make_folder(ffi, found.data)
  become(ffi, node.words(found, primary))
end

return node
