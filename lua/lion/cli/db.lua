--- lion db
local anomaly = require "lion.anomaly"
local json = require "lion.json"
local open = require "lion.cli.open"
local options = require "lion.cli.options"
local output = require "lion.cli.output"

local db = {
  summary = "Make, look at, and take care of database files.",
  usage = [[create URI
       lion db list [DIR (.)]
       lion db stats URI
       lion db verify URI
       lion db backup URI PATH
       lion db restore PATH URI
       lion db delete URI

Each takes --json. backup makes one clean file of a database, also while another process writes to it;
restore puts such a file in place as a new database; neither replaces anything. delete removes a database that
nobody has open. verify reads everything in a database, without changing it, and compares all that should
agree: it exits with 0 only if everything is sound, otherwise with 1, and names each bad thing.

  lion db stats shop.lion
  lion db backup shop.lion shop.backup]],
}

local actions = {}

-- What is missing behind an action's name.
local NEEDS = {
  create = { "URI" }, list = {}, stats = { "URI" }, verify = { "URI" }, backup = { "URI", "PATH" },
  restore = { "PATH", "URI" }, delete = { "URI" },
}

local function check_words(words)
  local name = words[1]
  local needs = NEEDS[name]
  if not needs then options.no_action("db", name, NEEDS) end
  local is_enough = #words == #needs + 1 or name == "list" and #words == 2
  if not is_enough then
    local text = name == "list" and "[DIR]" or table.concat(needs, " ")
    options.misuse("give it as lion db %s %s", name, text)
  end
end

-- An action without an answer is silent; with --json it says what there is now.
local function tell(found, made)
  if found.json then print(json.write(made)) end
end

function actions.create(words, found)
  local uri = words[2]
  local file = io.open(uri, "rb")
  if file then
    file:close()
    error(anomaly.new("conflict", "lion/exists", uri .. " exists already: choose another path"), 0)
  end
  require("lion").connect(uri):close()
  tell(found, { database = uri })
end

function actions.list(words, found)
  local lion = require "lion"
  local list = lion.list(words[2] or ".")
  if found.json then
    print(json.write(#list == 0 and lion.set {} or list))
    return
  end
  for _, path in ipairs(list) do
    print(path)
  end
end

local function by_name(a, b) return a[1] < b[1] end

function actions.stats(words, found)
  local conn = open.for_reading(words[2])
  local about, stats = conn:stats(), conn:db():stats()
  conn:close()
  if found.json then
    about.attrs, about.datoms = stats.attrs, stats.datoms
    print(json.write(about))
    return
  end
  local rows, attributes = {}, {}
  for name, value in pairs(about) do
    rows[#rows + 1] = { name, value }
  end
  for name, counts in pairs(stats.attrs) do
    if not name:match "^db[./]" then
      attributes[#attributes + 1] = { name, counts.count, counts.distinct }
    end
  end
  table.sort(rows, by_name)
  table.sort(attributes, by_name)
  local screen = options.screen()
  io.stdout:write(output.grid({ "what", "value" }, rows, screen.width, screen.color), "\n")
  local headings = { "attribute", "datoms", "distinct" }
  io.stdout:write(output.grid(headings, attributes, screen.width, screen.color))
end

local function thousands(x)
  local text = ("%d"):format(x)
  return (text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function show_progress(stage, done, total)
  options.progress("%3d %%  %s", total > 0 and done * 100 / total or 0, stage)
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
  local is_shown = not found.json and options.shows_progress()
  local lion = require "lion"
  local result = lion.verify(words[2], { progress = is_shown and show_progress or nil })
  options.progress()
  if found.json then
    if #result.faults == 0 then result.faults = lion.set {} end -- [], not {}
    print(json.write(result))
  else
    report(words[2], result)
  end
  return result.ok and 0 or 1
end

-- Work of one step in the core: it cannot say how far it is.
local function announce(text, ...)
  if options.shows_progress() then options.progress(text, ...) end
end

function actions.backup(words, found)
  local uri, path = words[2], words[3]
  local conn = open.for_reading(uri)
  announce("backing up %s …", uri)
  conn:backup(path)
  conn:close()
  options.progress()
  tell(found, { backup = path })
end

function actions.restore(words, found)
  announce("restoring %s …", words[2])
  require("lion").restore(words[2], words[3])
  options.progress()
  tell(found, { database = words[3] })
end

function actions.delete(words, found)
  require("lion").delete(words[2])
  tell(found, { deleted = words[2] })
end

function db.run(args)
  local found, words = options.parse(args, { json = "flag" })
  if #words == 0 then
    options.misuse("say what: lion db create, list, stats, verify, backup, restore or delete")
  end
  check_words(words)
  return actions[words[1]](words, found)
end

return db
