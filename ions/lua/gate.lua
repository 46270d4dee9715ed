--- The one gate: every clock, random number and outside call of an application's code passes here,
-- so that a call can be
-- recorded and run again exactly. `gate.source` is what answers; specs and replay put their own in
-- its place.
-- @module ions.gate
local gate = {}

local live = {}
function live.now() return require("lion").now_ms() end
function live.random() return math.random() end

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

--- Let `source` ({ now =, random = }) answer, until `gate.live()`.
function gate.use(source) gate.source = source end
function gate.live() gate.source = live end

return gate
