--- The suites beside the peers: lion run run.lua FOLDER-OF-PEERS [SUITE[:SIZE]…]. bench/query/run is the
-- command.
local data = require "data"
local engine = require "engine"
local measure = require "measure"

local ALL = { "people", "rest", "pull", "time", "overhead" }
local PEERS = { require "sqlite", require "duckdb" }

local folder = arg[1]

local function open_peers(tables)
  local peers = {}
  for _, peer in ipairs(PEERS) do
    local opened = peer.open(folder)
    if opened then
      data.fill(opened, tables)
      peers[#peers + 1] = opened
    end
  end
  return peers
end

local function ms(time)
  if not time then return "" end
  if time >= 100 then return ("%.0f"):format(time) end
  if time >= 1 then return ("%.2f"):format(time) end
  return ("%.4f"):format(time)
end

-- What Lion may take at most: as a figure, or as a part of what the best peer takes.
local function bound(query, best)
  local least = query.at_most
  if query.times and best then least = math.min(least or math.huge, best / query.times) end
  return least
end

local function able(engines, query)
  local list = {}
  for _, one in ipairs(engines) do
    local has = query.call and query.call[one.name] or not query.call and (query.sql or query.duckdb)
    if one.name == "Lion" or (has and not (query.without and query.without[one.name])) then
      list[#list + 1] = one
    end
  end
  return list
end

local function compare(engines, query)
  local expected
  for _, one in ipairs(engines) do
    local digest = measure.digest(measure.rows(one, query))
    if not query.is_uncompared and expected and digest ~= expected then
      error(("%s: %s answers %s, Lion %s"):format(query[1], one.name, digest, expected))
    end
    expected = expected or digest
  end
  return expected
end

local function run_query(engines, query)
  local list = able(engines, query)
  local rows = compare(list, query):match "%d+"
  local times, best = measure.times(list, query), nil
  for name, time in pairs(times) do
    if name ~= "Lion" and (not best or time < best) then best = time end
  end
  local wanted = bound(query, best)
  local ratio = best and best / times.Lion
  print(("| %-34s | %8s | %9s | %9s | %9s | %7s | %9s | %s"):format(query[1], rows, ms(times.Lion),
    ms(times.SQLite), ms(times.DuckDB), ratio and ("%.2f"):format(ratio) or "", ms(wanted),
    wanted and times.Lion > wanted and "no |" or "|"))
  io.stdout:flush()
  return ratio
end

local function run_size(name, suite, size)
  local world = suite.make(size)
  local engines = { engine.open(world.tables, world.is_indexed) }
  for _, peer in ipairs(open_peers(world.tables)) do
    engines[#engines + 1] = peer
  end
  if world.opened then world.opened(engines) end
  print(("\n%s, %s; ms of processor time\n"):format(name, world.title))
  print(("| %-34s | %8s | %9s | %9s | %9s | %7s | %9s |"):format("query", "rows", "Lion", "SQLite", "DuckDB",
    "ratio", "at most"))
  print "|---|---:|---:|---:|---:|---:|---:|"
  local product, count = 0, 0
  for _, query in ipairs(world.queries) do
    local ratio = run_query(engines, query)
    if ratio then
      product, count = product + math.log(ratio), count + 1
    end
  end
  if count > 1 then print(("\nGeometric mean of the ratios: %.2f"):format(math.exp(product / count))) end
  for _, one in ipairs(engines) do
    one:close()
  end
end

local wanted = { unpack(arg, 2) }
for _, given in ipairs(#wanted > 0 and wanted or ALL) do
  local name, size = given:match "^([^:]+):?(%d*)$"
  local suite = require("suites." .. name)
  for _, one in ipairs(size ~= "" and { tonumber(size) } or suite.sizes) do
    run_size(name, suite, one)
  end
end
