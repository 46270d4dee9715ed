--- lion dev
local anomaly = require "lion.anomaly"
local json = require "lion.json"
local options = require "lion.cli.options"

local dev = {
  summary = "Run an application from its folder; its code is taken anew when it is saved.",
  usage = [[[DIR (.)] [--listen 127.0.0.1:8080] [--db URI (DIR/.lion/dev.lion)] [--with DIR]
  [--param NAME=TEXT]…

--with is another application, whose functions transactions may call, as they may call what the primary group
of a node runs.

Parameters are those of --param, then those of the files DIR/.lion/params.json and DIR/.lion/params.lua (a
table that is returned), then the manifest's.

  lion dev examples/packages --param page_size=10]],
}

-- Before anything is made there: an application is a folder with an ion.lua.
local function check_application(dir)
  local file, reason = io.open(dir .. "/ion.lua")
  if not file then
    local message = ("there is no application: %s (it is a folder with an ion.lua)"):format(reason)
    error(anomaly.new("not-found", "lion/not-found", message), 0)
  end
  file:close()
end

local function read_params(list)
  local params = {}
  for _, text in ipairs(list) do
    local name, value = text:match "^/?([^=]+)=(.*)$"
    if not name then options.misuse("--param is NAME=TEXT, not %s", text) end
    params[name] = value
  end
  return params
end

--- Where an application of a folder runs, and where its databases lie; what `ions.app` loads.
-- @tparam string dir
-- @tparam[opt] string db a URI instead of the application's own database
-- @tparam[opt] string with the folder of another application, whose functions transactions may call
-- @tparam[opt] table given texts "NAME=TEXT", parameters
function dev.place(dir, db, with, given)
  check_application(dir)
  if with then check_application(with) end
  local folder = dir .. "/.lion"
  if not db and os.execute("mkdir -p '" .. folder:gsub("'", "'\\''") .. "'") ~= 0 then
    options.misuse("cannot make %s", folder)
  end
  return { dir = dir, uri = db or folder .. "/dev.lion", folder = folder, env = "dev", is_dev = true,
    with = with, params = json.write(read_params(given or {})) }
end

function dev.run(args)
  local found, words = options.parse(args, { listen = "value", db = "value", with = "value", param = "list" })
  if #words > 1 then options.misuse("one folder is needed: lion dev [DIR]") end
  local host, port = (found.listen or "127.0.0.1:8080"):match "^%[?(.-)%]?:(%d+)$"
  if not host then options.misuse("--listen is HOST:PORT") end
  local place = dev.place(words[1] or ".", found.db, found.with, found.param)
  local conn = require("lion").connect(place.uri)
  place.host, place.port = host, tonumber(port)
  local code = require("ions.dev").run(place)
  conn:close()
  return code
end

return dev
