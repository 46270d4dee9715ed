--- The one gate: every clock, random number and outside call of an application's code passes here,
-- so that a call can be
-- recorded and run again exactly. `gate.source` is what answers; specs and replay put their own in
-- its place.
-- @module ions.gate
local sodium = require "ions.sodium"

local gate = {}

-- LuaJIT's numbers are the same in every state that nobody has seeded.
local a, b, c, d, e, f = sodium.random(6):byte(1, 6)
math.randomseed((((((a * 256) + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f)

local live = {}
function live.now() return require("lion").now_ms() end
function live.random() return math.random() end
function live.bytes(size) return sodium.random(size) end
function live.files() return require("ions.app").current:files_below() end

function live.fetch(request) return require("ions.fetch").run(request) end

gate.source = live

--- Wall clock, ms since 1970.
function gate.now() return gate.source.now() end

--- A number in [0, 1); with m a whole number in 1..m, with m and n in m..n.
function gate.random(m, n)
  local x = gate.source.random()
  if m == nil then return x end
  if n == nil then
    m, n = 1, m
  end
  return m + math.floor(x * (n - m + 1))
end

--- So many bytes (65,536 at most) that nobody can foretell: for what is secret or must be unlike all others.
-- @tparam number size
-- @treturn string
function gate.bytes(size) return gate.source.bytes(size) end

--- The folder of the application's own files, as of ions.files.
function gate.files() return gate.source.files() end

--- The answer to a request to somebody else, as of ions.fetch.
function gate.fetch(request) return gate.source.fetch(request) end

--- Let `source` ({ now =, random =, bytes =, files =, fetch = }) answer, until `gate.live()`.
function gate.use(source) gate.source = source end
function gate.live() gate.source = live end

return gate
