--- What a second thread brings: queries of many rows with one thread and with two, by turns, in time of the
-- clock, on a machine that does nothing else. Answers are compared.
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
  { "last names, a set", [=[[:find ?l :where [?e :person/last_name ?l] [?e :person/sex "male"]]]=] },
  { "ages and names, a set", [=[[:find ?a ?x ?l :where [?e :person/age ?a] [?e :person/sex ?x]
      [?e :person/last_name ?l]]]=] },
}

local one = engine.open({ people.persons(tonumber(arg[1] or 400000)) }, {})

local function ask(query, threads)
  local found = lion.q { query = query, args = { one.db }, threads = threads }
  return type(found) == "table" and found or { { found } }
end

local function ms(query, threads)
  local begun = core.monotonic_ms()
  for _ = 1, REPEATS do ask(query, threads) end
  return (core.monotonic_ms() - begun) / REPEATS
end

for _, query in ipairs(QUERIES) do
  local title, text = unpack(query)
  assert(measure.digest(ask(text, 1)) == measure.digest(ask(text, 2)), title)
  local least = { math.huge, math.huge }
  for _ = 1, ROUNDS do
    for threads = 1, 2 do least[threads] = math.min(least[threads], ms(text, threads)) end
  end
  local ratio = least[1] / least[2]
  print(("%-26s 1 thread %6.1f ms, 2 threads %6.1f ms: %.2f x"):format(title, least[1], least[2], ratio))
end
one:close()
