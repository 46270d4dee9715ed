--- lion db create|list|stats|verify|backup|restore|excise|delete
-- @module lion.cli.db
local anomaly = require "lion.anomaly"
local command = require "lion.cli.command"
local edn = require "lion.edn"
local format = require "lion.cli.format"

local db = {}
local actions = {}

local function uri_of(rest) return command.need(rest, 1, "the URI of a database") end

local function file_exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

function actions.create(options, rest)
  local lion, uri = require "lion", uri_of(rest)
  if file_exists(uri) then
    error(anomaly.new("conflict", "lion/exists", uri .. " is there already"), 0)
  end
  local conn = lion.connect(uri, { create = true })
  local name = conn.name
  conn:close()
  command.report(options.json, { uri = uri, name = name }, { "created " .. uri })
end

function actions.list(options, rest)
  local names = require("lion").list(rest[1] or ".")
  local lines = {}
  for i, name in ipairs(names) do lines[i] = tostring(type(name) == "table" and (name.uri or name.name) or name) end
  command.report(options.json, #names == 0 and require("lion.values").set {} or names, lines)
end

local function attribute_rows(attributes)
  local rows = {}
  for name, numbers in pairs(attributes) do rows[#rows + 1] = { name, numbers.count, numbers.distinct } end
  table.sort(rows, function(a, b) return a[1] < b[1] end)
  return rows
end

function actions.stats(options, rest)
  command.with_connection(uri_of(rest), { reads = true }, function(conn)
    local value = conn:db()
    local stats = value:stats()
    command.report(options.json, { datoms = stats.datoms, attrs = stats.attrs, basis_t = value.basis_t }, {
      ("%.0f datoms, t %s"):format(stats.datoms, tostring(value.basis_t)),
      format.table({ "attribute", "count", "distinct" }, attribute_rows(stats.attrs)) })
  end)
end

function actions.verify(options, rest)
  command.with_connection(uri_of(rest), { reads = true }, function(conn)
    if not conn.verify then
      anomaly.unsupported("this kind of connection cannot be verified: verify the file where it lies")
    end
    local sound = conn:verify()
    local report = type(sound) == "table" and sound or { rows = sound }
    command.report(options.json, report, { "sound" .. (report.rows and (": %s rows"):format(tostring(report.rows)) or "") })
  end)
end

function actions.backup(options, rest)
  local path = command.need(rest, 2, "the path of the backup")
  command.with_connection(uri_of(rest), { reads = true }, function(conn)
    conn:backup(path)
    command.report(options.json, { path = path, basis_t = conn:db().basis_t }, { "backed up to " .. path })
  end)
end

function actions.restore(options, rest)
  local path, uri = command.need(rest, 1, "the path of a backup"), command.need(rest, 2, "the URI of the new database")
  local restored = require("lion").restore(path, uri)
  if type(restored) == "table" and restored.close then restored:close() end
  command.report(options.json, { uri = uri }, { "restored " .. uri })
end

function actions.excise(options, rest)
  local uri, spec = uri_of(rest), edn.read(command.need(rest, 2, "what to excise, as EDN"))
  command.with_connection(uri, {}, function(conn)
    conn:excise(spec)
    command.report(options.json, { uri = uri }, { "excised" })
  end)
end

function actions.delete(options, rest)
  local uri = uri_of(rest)
  if not options.yes then command.misuse("lion db delete removes %s for good: say --yes", uri) end
  require("lion").delete(uri)
  command.report(options.json, { uri = uri }, { "deleted " .. uri })
end

function db.run(arguments)
  local options, rest = command.parse(arguments, { json = "flag", yes = "flag" })
  local name = table.remove(rest, 1)
  if not name or not actions[name] then
    command.misuse("lion db takes create, list, stats, verify, backup, restore, excise or delete")
  end
  actions[name](options, rest)
  return command.DONE
end

return db
