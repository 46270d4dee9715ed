--- lion dev
local anomaly = require "lion.anomaly"
local options = require "lion.cli.options"

local dev = {
  summary = "Run an application from its folder; its code is taken anew when it is saved.",
  usage = [[[DIR (.)] [--listen 127.0.0.1:8080] [--db URI (DIR/.lion/dev.lion)] [--with DIR]

--with is another application, whose functions transactions may call, as they may call what the primary group
of a node runs.

  lion dev examples/packages]],
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

--- Where an application of a folder runs, and where its databases lie; what `ions.app` loads.
-- @tparam string dir
-- @tparam[opt] string db a URI instead of the application's own database
-- @tparam[opt] string with the folder of another application, whose functions transactions may call
function dev.place(dir, db, with)
  check_application(dir)
  if with then check_application(with) end
  local folder = dir .. "/.lion"
  if not db and os.execute("mkdir -p '" .. folder:gsub("'", "'\\''") .. "'") ~= 0 then
    options.misuse("cannot make %s", folder)
  end
  local uri = db or folder .. "/dev.lion"
  return { dir = dir, uri = uri, folder = folder, env = "dev", is_dev = true, with = with }
end

function dev.run(args)
  local found, words = options.parse(args, { listen = "value", db = "value", with = "value" })
  if #words > 1 then options.misuse("one folder is needed: lion dev [DIR]") end
  local host, port = (found.listen or "127.0.0.1:8080"):match "^%[?(.-)%]?:(%d+)$"
  if not host then options.misuse("--listen is HOST:PORT") end
  local place = dev.place(words[1] or ".", found.db, found.with)
  local conn = require("lion").connect(place.uri)
  place.host, place.port = host, tonumber(port)
  local code = require("ions.dev").run(place)
  conn:close()
  return code
end

return dev
