--- lion run bench/http/crash.lua [KILLS (1000)] [WORKERS (16)], from the project's folder: workers are killed
-- by SIGKILL under a flood of transactions. Fails if one that was acknowledged is not there, or there twice,
-- or if a request was lost that another worker had. The short form is spec/node/crash_spec.lua.
local crash = require "spec.node.crash"

local kills = tonumber(arg[1]) or 1000
local workers = tonumber(arg[2]) or 16

io.stdout:setvbuf "no"
local cluster, a = crash.cluster(workers)
local start = os.time()
local result = crash.kill_workers(a, kills, function(i)
  if i % 50 == 0 then print(("%d kills in %d s"):format(i, os.time() - start)) end
end)
local wrong = crash.wrong_numbers(a, "visit/number", result.told)
local said = a.child:err()
cluster:close()

local told = 0
for _ in pairs(result.told) do
  told = told + 1
end
print(("%d transactions acknowledged, %d of them wrong"):format(told, #wrong))
local strangers = #result.strangers
print(("%d requests lost with their worker, %d otherwise; %d refused"):format(
  result.lost - strangers, strangers, #result.bad))
for _, list in ipairs { wrong, result.strangers, result.bad } do
  for i = 1, math.min(#list, 10) do
    print(list[i])
  end
end
if #result.bad > 0 then print(said:sub(-2000)) end
os.exit(#wrong + #result.strangers + #result.bad == 0 and 0 or 1)
