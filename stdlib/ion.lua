--- What an application's code may ask of where it runs.
-- @module ion
local app = require "ions.app"
local gate = require "ions.gate"

local ion = {}

--- The application's database, or the one of that name.
-- @tparam[opt] string name a name, or a URI
function ion.connect(name) return app.current:connection(name) end

--- The newest value of it.
function ion.db(name) return ion.connect(name):db() end

--- The application's name.
function ion.app() return app.current.manifest.app end

--- Where it runs: "dev" under `lion dev`.
function ion.env() return app.current.options.env or "dev" end

--- A parameter of the manifest: `ion.param "currency"`, `ion.param "mail/from"` for nested ones. nil
-- if it is not there.
function ion.param(path)
  local value = app.current.manifest.params
  for name in path:gmatch("[^/]+") do
    if type(value) ~= "table" then return nil end
    value = value[name]
  end
  return value
end

--- Call an entry point of the application by its name in the manifest's `invoke`: plain data in, plain data
-- out, both copied. What it raises is raised.
function ion.invoke(name, input) return app.current:invoke(name, input) end

--- Wall clock, ms since 1970.
ion.now = gate.now
--- As math.random.
ion.random = gate.random

ion.cast = {}

--- A message for whoever develops: shown by `lion dev` on standard error.
-- @param message text, or a table that is shown as JSON
function ion.cast.dev(message)
  if not app.current.options.is_dev then return end
  local text = type(message) == "table" and require("lion.json").write(message) or tostring(message)
  io.stderr:write("dev: ", text, "\n")
end

return ion
