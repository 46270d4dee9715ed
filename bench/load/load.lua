-- Bulk load of a package index through conn:transact, a thousand packages a transaction, durability full.
--   lion run bench/load/load.lua INDEX FILE.lion FACTS
-- Prints what was timed: the transactions, and the closing that builds all trees. FACTS gets the same
-- facts as lines of e, a, v, tx (and whether v is a number) for the peers.
local folder = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = folder .. "/../../examples/packages/?.lua;" .. package.path

local ffi = require "ffi"
local index = require "packages.index"
local lion = require "lion"
local schema = require "packages.schema"

ffi.cdef [[
  struct bench_time { long seconds, nanoseconds; };
  int clock_gettime(int clock, struct bench_time *time);
]]
local at = ffi.new "struct bench_time"
local function now()
  ffi.C.clock_gettime(1, at)
  return tonumber(at.seconds) + tonumber(at.nanoseconds) * 1e-9
end

local BATCH = 1000
local index_path, path, facts_path = arg[1], arg[2], arg[3]
local conn = lion.connect(path)
local first = conn:transact(schema()).t + 1

local seconds, facts, batch, seen = 0, 0, {}, {}
local function send()
  if #batch == 0 then return end
  collectgarbage() -- of the parser
  local start = now()
  local report = conn:transact(batch)
  seconds = seconds + now() - start
  facts = facts + #report.tx_data
  batch = {}
end
for entity in index.read(assert(io.open(index_path, "rb"))) do
  local name = entity["package/name"]
  if not seen[name] then
    seen[name] = true
    batch[#batch + 1] = entity
    if #batch == BATCH then send() end
  end
end
send()
local start = now()
conn:close()
local closing = now() - start

local function size(name)
  local file = io.open(name, "rb")
  local bytes = file and file:seek "end" or 0
  if file then file:close() end
  return bytes
end
print(
  ("lion    %9d facts  %6.2f s + %.2f s closing  %9.0f facts/s  %5.1f bytes/fact"):format(
    facts,
    seconds,
    closing,
    facts / (seconds + closing),
    (size(path) + size(path .. "-log")) / facts
  )
)

conn = lion.connect(path)
local out = assert(io.open(facts_path, "wb"))
for transaction in conn:tx_range(first) do
  for _, d in ipairs(transaction.data) do
    local v = tostring(d.v):gsub("[\t\n]", " ")
    out:write(("%d\t%s\t%s\t%d\t%d\n"):format(d.e, d.a, v, d.tx, type(d.v) == "number" and 1 or 0))
  end
end
out:close()
conn:close()
