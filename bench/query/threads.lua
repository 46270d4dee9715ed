--- What a second thread brings: queries of many rows with one thread and with two, by turns, in time of the
-- clock, on a machine that does nothing else; on a busy one, how much processor time all threads take, and
-- how much of it the caller's, which the others cannot make shorter. Answers are compared.
--
--     LUA_PATH='bench/query/?.lua;;' build/lion run bench/query/threads.lua [PERSONS (400000)]
local core = require "lion.core"
local engine = require "engine"
local lion = require "lion"
local measure = require "measure"
local people = require "suites.people"

local ROUNDS, REPEATS = 7, 5

local QUERIES = {
  { "four attributes, counted", [=[[:find (count ?e) . :where [?e :person/name ?n] [?e :person/age ?a]
      [?e :person/salary ?s] [(> ?a 20)] [(< ?s 90000)] [?e :person/sex "male"]]]=] },
  { "not, counted", [=[[:find (count ?e) . :where [?e :person/last_name ?l] [?e :person/age ?a] [(!= ?a 50)]
      (not [?e :person/sex "male"]) [?e :person/salary ?s] [(> ?s 1000)]]]=] },
  { "functions of few", [=[[:find ?e ?a ?s :where [?e :person/name ?n] [?e :person/age ?a]
      [?e :person/salary ?s] [(> ?s 98000)] [(str ?n ?a) ?x] [(count ?x) ?c] [(> ?c 8)]]]=] },
  { "sums by age", [=[[:find ?a (sum ?s) (count ?e) :where [?e :person/age ?a] [?e :person/salary ?s]]]=] },
  { "averages by name and sex", [=[[:find ?n ?x (avg ?s) (max ?a) :with ?e :where [?e :person/name ?n]
      [?e :person/salary ?s] [?e :person/sex ?x] [?e :person/age ?a]]]=] },
  { "last names", [=[[:find ?l :where [?e :person/last_name ?l] [?e :person/sex "male"]]]=] },
  { "ages, sexes and last names", [=[[:find ?a ?x ?l :where [?e :person/age ?a] [?e :person/sex ?x]
      [?e :person/last_name ?l]]]=] },
  { "median by age", "[:find ?a (median ?s) :with ?e :where [?e :person/age ?a] [?e :person/salary ?s]]" },
  { "sum of products", [=[[:find (sum ?x) . :with ?e :where [?e :person/age ?a] [?e :person/salary ?s]
      [(* ?a ?s) ?x]]]=] },
}

local one = engine.open({ people.persons(tonumber(arg[1] or 400000)) }, {})

local function ask(query, threads)
  local found = lion.q { query = query, args = { one.db }, threads = threads }
  return type(found) == "table" and found or { { found } }
end

-- The least so far of the clock's time, of all threads' and of the caller's, in ms.
local function measured(least, query, threads)
  local clock, all, own = core.monotonic_ms(), measure.now(), measure.own_now()
  for _ = 1, REPEATS do ask(query, threads) end
  clock, all, own = core.monotonic_ms() - clock, measure.now() - all, measure.own_now() - own
  least.clock = math.min(least.clock, clock / REPEATS)
  least.all = math.min(least.all, all / REPEATS)
  least.own = math.min(least.own, own / REPEATS)
end

local function nothing_yet() return { clock = math.huge, all = math.huge, own = math.huge } end

for _, query in ipairs(QUERIES) do
  local title, text = unpack(query)
  assert(measure.digest(ask(text, 1)) == measure.digest(ask(text, 2)), title)
  local least = { nothing_yet(), nothing_yet() }
  for _ = 1, ROUNDS do
    for threads = 1, 2 do measured(least[threads], text, threads) end
  end
  local a, b = least[1], least[2]
  local ratio = a.clock / b.clock
  local by_clock = ("1 thread %6.1f ms, 2 threads %6.1f ms: %.2f x"):format(a.clock, b.clock, ratio)
  local by_processor = ("processor %6.1f, %6.1f, the caller's %6.1f"):format(a.all, b.all, b.own)
  print(("%-27s %s; %s"):format(title, by_clock, by_processor))
end
one:close()
