--- Bounds of programs: text that is loaded here counts its own steps, with the compiler on, and a
-- budget stops it. The cost of a call is the same on every machine.
--
--     local fn = assert(fuel.load(source, "@shop/web.lua", env))
--     local budget = fuel.budget { steps = 1000000, deadline_ms = now_ms + 5000 }
--     local ok, value = budget:call(fn, request)      -- false and an anomaly lion/fuel if it takes more
--     print(budget:cost())
--
-- Layers: grammar and scope know Lua, rewrite puts the steps in, meter counts them.
-- @module ions.fuel
local meter = require "ions.fuel.meter"
local rewrite = require "ions.fuel.rewrite"

local fuel = {}

--- Load a program; see rewrite.load.
-- @function fuel.load
fuel.load = rewrite.load

--- A budget for one call; see meter.budget.
-- @function fuel.budget
fuel.budget = meter.budget

--- The budget that pays now, or nil.
-- @function fuel.current
fuel.current = meter.current

--- What Budget:resume gives first when a slice has ended.
fuel.SLICE = meter.SLICE

return fuel
