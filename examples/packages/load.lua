-- Load the package index into the example's database:  lion run examples/packages/load.lua [FILE]
-- FILE is an index as `apt-cache dumpavail` prints it; without one the machine's own is read. What is there
-- already stays as it is, so it can be run again.
local folder = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = folder .. "/?.lua;" .. package.path

local index = require "packages.index"
local lion = require "lion"
local schema = require "packages.schema"

local BATCH = 1000
local TOLD_EVERY = 10 * BATCH -- packages, a line each: as readable in a log as in a terminal

local function open_index(path)
  if path then return assert(io.open(path, "rb")) end
  local pipe = io.popen("apt-cache dumpavail 2>/dev/null")
  if pipe and pipe:read(0) then return pipe end
  return assert(io.open(folder .. "/data/cut.txt", "rb"))
end

os.execute("mkdir -p '" .. folder .. "/.lion'")
local conn = lion.connect(folder .. "/.lion/dev.lion")
conn:transact(schema())

local known = {}
for name in conn:db():rows("[:find ?n ?v :where [?p :package/name ?n] [?p :package/version ?v]]") do
  known[name] = true
end

local batch, loaded, began = {}, 0, os.time()
local function send()
  if #batch == 0 then return end
  conn:transact(batch)
  loaded = loaded + #batch
  batch = {}
  if loaded % TOLD_EVERY == 0 then io.stderr:write(("%6d packages\n"):format(loaded)) end
end

local seen = {}
for entity in index.read(open_index(arg[1])) do
  local name = entity["package/name"]
  if not known[name] and not seen[name] then
    seen[name] = true
    batch[#batch + 1] = entity
    if #batch == BATCH then send() end
  end
end
send()
io.stderr:write(
  ("%d packages loaded in %d s, %d in the database\n"):format(
    loaded,
    os.time() - began,
    conn:db():count("aevt", "package/version")
  )
)
conn:close()
