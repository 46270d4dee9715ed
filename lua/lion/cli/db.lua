--- lion db
local anomaly = require "lion.anomaly"
local json = require "lion.json"
local options = require "lion.cli.options"
local output = require "lion.cli.output"

local db = {
  summary = "Make, look at, and take care of database files.",
  usage = [[create URI | list [DIR] | stats URI | verify URI |
                   backup URI PATH | restore PATH URI | delete URI   [--json]

verify reads everything in a database, without changing it, and compares all that should agree: it
exits with 0 only if everything is sound, otherwise with 1, and names each bad thing.

  lion db stats shop.lion
  lion db backup shop.lion shop.backup]],
}

local actions = {}

local function needs(words, count, text)
  if #words ~= count + 1 then options.misuse("lion db %s", text) end
end

function actions.create(words)
  needs(words, 1, "create URI")
  local file = io.open(words[2], "rb")
  if file then
    file:close()
    error(anomaly.new("conflict", "lion/exists", words[2] .. " is there already"), 0)
  end
  require("lion").connect(words[2]):close()
end

function actions.list(words, found)
  local list = require("lion").list(words[2] or ".")
  if found.json then
    print(json.write(list))
    return
  end
  for _, path in ipairs(list) do
    print(path)
  end
end

function actions.stats(words, found)
  needs(words, 1, "stats URI")
  local conn = require("lion.cli.q").open(words[2])
  local about, stats = conn:stats(), conn:db():stats()
  conn:close()
  if found.json then
    about.attrs, about.datoms = stats.attrs, stats.datoms
    print(json.write(about))
    return
  end
  local rows = {}
  for name, value in pairs(about) do
    rows[#rows + 1] = { name, value }
  end
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  io.stdout:write(output.grid({ "what", "value" }, rows), "\n")
  local attributes = {}
  for name, counts in pairs(stats.attrs) do
    if not name:match "^db[./]" then
      attributes[#attributes + 1] = { name, counts.count, counts.distinct }
    end
  end
  table.sort(attributes, function(a, b) return a[1] < b[1] end)
  io.stdout:write(output.grid({ "attribute", "datoms", "distinct" }, attributes))
end

local function thousands(x)
  local text = ("%d"):format(x)
  return (text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function show_progress(stage, done, total)
  local percent = total > 0 and done * 100 / total or 0
  io.stderr:write(("\r%3d %%  %s\27[K"):format(percent, stage))
end

-- What else there is to know of a database, sound or not.
local function notes(result)
  if result.beside_owner then
    print(
      "note: its newest transactions (the tail) were not read: another process has it open, or its "
        .. "folder cannot be written to"
    )
  end
  if result.torn then
    print(
      ("note: the tail ends in a write that is not whole (byte %d): one that a crash cut short and "
        .. "nobody was told of, or else damage to the newest transactions, which cannot be told "
        .. "apart; the next opening drops it"):format(result.torn)
    )
  end
  local waste = result.waste_segments + result.waste_blobs
  if waste > 0 then
    print(("note: %s segments and blobs (%.1f MB) belong to no tree; they do no harm"):format(
      thousands(waste), result.waste_bytes / 1e6))
  end
end

local FAULTS_MAX = 100 -- as in connection/verify.h

local function report(uri, result)
  for _, fault in ipairs(result.faults) do
    print(fault.where .. ": " .. fault.message)
  end
  notes(result)
  if result.ok then
    print(("sound: %s segments, %s datoms, %.1f MB, %.1f s"):format(thousands(result.segments),
      thousands(result.datoms), result.bytes / 1e6, result.seconds))
    return
  end
  local count = #result.faults
  print(("%s%d %s in %s: restore a backup, to a new file: lion db restore BACKUP NEW.lion"):format(
    count >= FAULTS_MAX and "at least " or "", count, count == 1 and "fault" or "faults", uri))
end

function actions.verify(words, found)
  needs(words, 1, "verify URI")
  local is_shown = not found.json and options.shows_progress()
  local result = require("lion").verify(words[2], { progress = is_shown and show_progress or nil })
  if is_shown then io.stderr:write "\r\27[K" end
  if found.json then
    if #result.faults == 0 then result.faults = require("lion").set {} end -- [], not {}
    print(json.write(result))
  else
    report(words[2], result)
  end
  return result.ok and 0 or 1
end

function actions.backup(words)
  needs(words, 2, "backup URI PATH")
  local conn = require("lion").connect(words[2], { create = false })
  conn:backup(words[3])
  conn:close()
end

function actions.restore(words)
  needs(words, 2, "restore PATH URI")
  require("lion").restore(words[2], words[3])
end

function actions.delete(words)
  needs(words, 1, "delete URI")
  require("lion").delete(words[2])
end

function db.run(args)
  local found, words = options.parse(args, { json = "flag" })
  local action = actions[words[1]]
  if not action then options.misuse("lion db %s", db.usage:match "^[^\n]+") end
  return action(words, found)
end

return db
