--- lion run bench/events/events.lua [TRANSACTIONS (10000)] [KILLS (40)], from the project's folder: a node
-- with two workers and a handler on its transactions. First how long it takes from a commit to its handler's
-- start, one transaction after the other; then many, while workers are killed at random. Fails if one was not
-- handled, or before its turn, or if a repetition had another key. Its short form: spec/node/events_spec.lua.
local application = require "spec.node.events_application"
local core = require "lion.core"
local json = require "lion.json"
local lion = require "lion"
local node = require "spec.node.node"

local count = tonumber(arg[1]) or 10000
local kills = tonumber(arg[2]) or 40
local QUIET = 500

local EVENT = "shop.events/number"
local HEADERS = { ["content-type"] = "application/json" }

io.stdout:setvbuf "no"
math.randomseed(tonumber(os.getenv "LION_SEED") or os.time())

local a -- the node

local function transact(list)
  local body = json.write { db = "shop", tx = list }
  local answer = a:control("POST", "/transact", { body = body, headers = HEADERS })
  if answer.status ~= 200 then error(answer.body) end
  return answer.json()
end

local function ask(query)
  local body = json.write { db = "shop", query = query }
  return a:control("POST", "/q", { body = body, headers = HEADERS }).json().result
end

local function until_handled(number)
  node.wait_for(function() return ask "[:find (max ?n) . :where [_ :call/number ?n]]" == number end,
    "number " .. number, 600000)
end

-- ---- from commit to handler ----------------------------------------------------------------------

local STARTS = [==[
  [:find ?n ?at ?started :where [?o :order/number ?n ?tx] [?tx :db/txInstant ?at] [?c :call/number ?n]
   [?c :call/started ?started] ] ]==]

local function quantile(list, q) return list[math.max(1, math.ceil(q * #list))] end

local function print_quiet(what, list)
  table.sort(list)
  local words = "%d transactions, quiet: from %s to the handler's start %.1f ms median, %.1f p99, %.1f max"
  print(words:format(#list, what, quantile(list, 0.5), quantile(list, 0.99), list[#list]))
end

local function measure_quiet()
  local acknowledged, since_instant, since_answer = {}, {}, {}
  for number = 1, QUIET do
    transact { { ["order/number"] = number } }
    acknowledged[number] = core.now_ms()
    until_handled(number)
  end
  for _, row in ipairs(ask(STARTS)) do
    since_instant[#since_instant + 1] = row[3] - lion.instant(row[2])
    since_answer[#since_answer + 1] = row[3] - acknowledged[row[1]]
  end
  print_quiet("the transaction's instant (before the disk)", since_instant)
  print_quiet("the answer to its client", since_answer)
end

-- ---- with workers that are killed ----------------------------------------------------------------

local function kill_one()
  local pids = a:pids "worker"
  if #pids == 0 then return 0 end
  node.kill(pids[math.random(#pids)])
  return 1
end

local function measure_killed()
  local began, killed = core.monotonic_ms(), 0
  for number = QUIET + 1, QUIET + count do
    transact { { ["order/number"] = number } }
    local is_time = kills > 0 and number % math.max(1, math.floor(count / kills)) == 0
    if is_time then killed = killed + kill_one() end
  end
  local written = core.monotonic_ms()
  until_handled(QUIET + count)
  local done = core.monotonic_ms()
  print(("%d transactions in %.1f s, %d workers killed meanwhile, all handled %.1f s later"):format(count,
    (written - began) / 1000, killed, (done - written) / 1000))
  local repeats = application.in_order(application.calls(a, EVENT), 1, QUIET + count)
  print(("each was handled, in order; %d repetitions, with their keys"):format(repeats))
end

local cluster = node.cluster()
local ok, why = pcall(function()
  a = cluster:start { name = "one", group = "a", workers = 2 }
  transact(application.SCHEMA)
  cluster:run(a, application.files("one",
    '{ on = "tx", attr = "order/number", fn = "shop.events/number", retries = 1000, backoff = 10 }'), "a")
  measure_quiet()
  measure_killed()
end)
if not ok then print(why, a and a.child:err():sub(-2000)) end
cluster:close()
os.exit(ok and 0 or 1)
