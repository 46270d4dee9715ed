--- lion db
local anomaly = require "lion.anomaly"
local json = require "lion.json"
local options = require "lion.cli.options"
local output = require "lion.cli.output"

local db = {
  summary = "Make, look at, and take care of database files.",
  usage = [[create URI | list [DIR] | stats URI | verify URI |
                   backup URI PATH | restore PATH URI | delete URI   [--json]

verify is not built in this version and answers so.

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

function actions.verify(words)
  needs(words, 1, "verify URI")
  local verify = require("lion").verify
  if not verify then anomaly.unsupported("this build cannot verify a database yet") end
  local result = verify(words[2])
  print(("sound: %d segments, %d rows"):format(result.segments, result.rows))
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
