--- What an application's code may ask of where it runs.
-- @module ion
local app = require "ions.app"
local gate = require "ions.gate"
local scheduler = require "ions.scheduler"

local ion = {}

--- The application's database, or the one of that name.
-- @tparam[opt] string name a name; under `lion dev` also a URI
function ion.connect(name) return app.current:connection(name) end

--- The newest value of it.
function ion.db(name) return ion.connect(name):db() end

--- The application's name.
function ion.app() return app.current.manifest.app end

--- Where it runs: "dev" under `lion dev`; in a node what `lion group set NAME --env` says, or its group's
-- name.
function ion.env() return app.current:env() end

--- A parameter: `ion.param "currency"`, `ion.param "mail/from"` for nested ones. What was set goes before
-- what the manifest has, what was set for this group or application before what was set for all.
-- @tparam string path
-- @param[opt] default what it is if it is not there; without one that raises lion/no-param
function ion.param(path, ...) return app.current:param(path, ...) end

--- Wait for so many ms; others are served meanwhile.
function ion.sleep(ms) scheduler.sleep(ms) end

--- Call an entry point of the application by its name in the manifest's `invoke`: plain data in, plain data
-- out, both copied. What it raises is raised.
function ion.invoke(name, input) return app.current:invoke(name, input) end

--- Wall clock, ms since 1970.
ion.now = gate.now
--- As math.random.
ion.random = gate.random

--- Tell those who run it: events, metrics, alerts, messages for developers (ion.cast).
ion.cast = require "ion.cast"

return ion
