--- lion import
--
-- Each record is a transaction that also carries the file's digest and how far it has come, so an
-- import that was interrupted goes on where it was.
local anomaly = require "lion.anomaly"
local json = require "lion.json"
local monotonic_ms = require("lion.core").monotonic_ms
local options = require "lion.cli.options"
local terminal = require "lion.terminal"

local import = {
  summary = "Load a file into a database: EDN, JSON lines or CSV, by its ending or --format.",
  usage = [[URI FILE [--format edn|jsonl|csv] [--map COLUMN=ATTRIBUTE,…] [--batch N] [--json]
       FILE may be "-": it is read from standard input, with --format.

EDN: each form is one transaction, a vector of transaction data or a map with :data (and a
:batch-ident entity map).
JSON lines: an entity map or an array of operations a line. CSV: a heading, and a mapping of
columns to attributes; without --map the headings are attributes. Lines of JSON and CSV go N (1000) to a
transaction. The database is made if it is not there.

An import that was interrupted or killed goes on where it was when the same command is given again. Ctrl-C
and a request to terminate end it behind the transaction under way, with 130 and 143.

  lion import music.lion artists.edn
  lion import shop.lion people.csv --map Name=person/name,Mail=person/email]],
}

--- Run fn; an error says at which line of which file.
function import.at_line(path, line, fn)
  local ok, result = pcall(fn)
  if ok then return result end
  local e = anomaly.wrap(result)
  error(
    anomaly.new(
      e.category,
      e.code,
      ("%s, line %d: %s"):format(path, line, e.message),
      { line = line }
    ),
    0
  )
end

--- A form of EDN → transaction data.
function import.tx_of(form)
  if type(form) ~= "table" then
    anomaly.incorrect("lion/syntax", "a transaction is a vector or a map with :data")
  end
  local data = form.data
  if not data then return form end
  local tx = {}
  for i, op in ipairs(data) do
    tx[i] = op
  end
  if form["batch-ident"] then tx[#tx + 1] = form["batch-ident"] end
  return tx
end

-- ---- records: iterators of tx data, line, position behind (bytes), ends of records or nil -------

local readers = {}

-- The db/valueType of what a batch is named by.
local function type_of(value)
  if type(value) == "boolean" then return ":db.type/boolean" end
  if type(value) == "number" then return value % 1 == 0 and ":db.type/long" or ":db.type/double" end
  return type(value) == "string" and value:byte(1) == 58 and ":db.type/keyword" or ":db.type/string"
end

-- The attributes that name a batch belong to the import, not to its data: those that the database does not
-- know are installed when they are first seen.
local function install_batch_ident(conn, form)
  local tx = {}
  for name, value in pairs(type(form) == "table" and form["batch-ident"] or {}) do
    if name ~= "db/id" and not conn:db():entid(":" .. name) then
      tx[#tx + 1] = {
        ["db/ident"] = ":" .. name,
        ["db/valueType"] = type_of(value),
        ["db/cardinality"] = ":db.cardinality/one",
        ["db/doc"] = "Names the batch of an import that a transaction was.",
      }
    end
  end
  if #tx > 0 then conn:transact(tx) end
end

function readers.edn(text, position, settings)
  local next_form = require("lion.edn").forms(text, position)
  return function()
    local form, line, behind = next_form()
    if form == nil then return nil end
    install_batch_ident(settings.conn, form)
    return import.tx_of(form), line, behind
  end
end

-- Lines from a position on, with their numbers.
local function lines_of(text, position)
  local line = 0
  for start in text:gmatch "()[^\n]*\n?" do
    if start >= position then break end
    line = line + 1
  end
  local at = position
  return function()
    if at > #text then return nil end
    local finish = text:find("\n", at, true) or #text + 1
    local content = text:sub(at, finish - 1):gsub("\r$", "")
    line, at = line + 1, finish + 1
    return content, line, at
  end
end

-- Records of lines, `size` operations and more to a transaction; `ends` tells where each record's
-- operations end in it, and its line.
local function batched(next_line, size, convert, path)
  return function()
    local tx, ends, behind = {}, {}, nil
    while #tx < size do
      local content, line, at = next_line()
      if not content then break end
      behind = at
      if content ~= "" then
        import.at_line(path, line, function() convert(tx, content) end)
        ends[#ends + 1] = { count = #tx, line = line }
      end
    end
    if #tx > 0 then return tx, ends[1].line, behind, ends end
  end
end

function readers.jsonl(text, position, settings)
  return batched(lines_of(text, position), settings.batch, function(tx, content)
    local record = json.read(content)
    if type(record) ~= "table" then
      anomaly.incorrect("lion/syntax", "a line is an entity map or an array of operations")
    end
    if record[1] ~= nil then
      for _, op in ipairs(record) do
        tx[#tx + 1] = op
      end
    else
      tx[#tx + 1] = record
    end
  end, settings.path)
end

local function split_csv(line)
  local fields, at = {}, 1
  while at <= #line + 1 do
    if line:sub(at, at) == '"' then
      local parts, finish = {}, at + 1
      while true do
        local close = line:find('"', finish, true)
        if not close then anomaly.incorrect("lion/syntax", "a quote is not closed") end
        parts[#parts + 1] = line:sub(finish, close - 1)
        if line:sub(close + 1, close + 1) ~= '"' then
          finish = close + 1
          break
        end
        parts[#parts + 1], finish = '"', close + 2
      end
      fields[#fields + 1] = table.concat(parts)
      at = finish + 1
    else
      local comma = line:find(",", at, true) or #line + 1
      fields[#fields + 1] = line:sub(at, comma - 1)
      at = comma + 1
    end
  end
  return fields
end

-- A record of CSV goes on over lines while a quote is open; it has the number of its first line.
local function records_of(next_line)
  return function()
    local content, line, at = next_line()
    if not content then return nil end
    while select(2, content:gsub('"', "")) % 2 == 1 do
      local more, _, behind = next_line()
      if not more then break end -- the reading of fields says that a quote is not closed
      content, at = content .. "\n" .. more, behind
    end
    return content, line, at
  end
end

local BOOLEANS = { ["true"] = true, ["1"] = true, ["false"] = false, ["0"] = false }

-- A field as the attribute's type wants it; nil where it is none.
local CONVERT = {
  [":db.type/long"] = tonumber,
  [":db.type/double"] = tonumber,
  [":db.type/boolean"] = function(text) return BOOLEANS[text:lower()] end,
}

local BOM = "^\239\187\191" -- which spreadsheets put in front

local function read_heading(text, path)
  local heading = text:match("^[^\n]*"):gsub("\r$", ""):gsub(BOM, "")
  if not heading:find "%S" then
    anomaly.incorrect("lion/syntax", "%s has no heading: its first line names the columns", path)
  end
  return split_csv(heading)
end

-- By a column's place: the attribute that its fields are of, and what they are converted by.
local function read_columns(columns, settings)
  local map, is_column, attributes, converts = settings.map, {}, {}, {}
  for i, column in ipairs(columns) do
    is_column[column] = true
    attributes[i] = not map and column or map and map[column]
    if attributes[i] then
      converts[i] = CONVERT[settings.conn:db():attribute(attributes[i]).value_type]
    end
  end
  for column in pairs(map or {}) do
    if not is_column[column] then
      local meant = options.hint(column, is_column, "")
      options.misuse("%s has no column %s%s", settings.path, column, meant)
    end
  end
  return attributes, converts
end

function readers.csv(text, position, settings)
  local columns = read_heading(text, settings.path)
  local attributes, converts = read_columns(columns, settings)
  if position == 1 then position = #text:match "^[^\n]*\n?" + 1 end
  return batched(records_of(lines_of(text, position)), settings.batch, function(tx, content)
    local fields, entity = split_csv(content), {}
    if #fields > #columns then
      anomaly.incorrect("lion/syntax", "%d fields, where the heading names %d", #fields, #columns)
    end
    for i, field in ipairs(fields) do
      local name = attributes[i]
      if name and field ~= "" then
        local value = field
        if converts[i] then value = converts[i](field) end
        if value == nil then
          anomaly.incorrect("lion/syntax", "%q is no value of :%s", field, name)
        end
        entity[name] = value
      end
    end
    if next(entity) then tx[#tx + 1] = entity end
  end, settings.path)
end

-- ---- the import --------------------------------------------------------------------------------

-- What is to be there before the first record. In a new database it is as old as that, so that records may
-- bring instants of their own.
local function install_as_old(conn, tx)
  local db = conn:db()
  if db.basis_t == 1 then tx[#tx + 1] = { ["db/id"] = "lion.tx", ["db/txInstant"] = db.tx_instant } end
  conn:transact(tx)
end

local function install(conn)
  if conn:db():entid ":lion.import/digest" then return end
  install_as_old(conn, {
    {
      ["db/ident"] = ":lion.import/digest",
      ["db/valueType"] = ":db.type/string",
      ["db/cardinality"] = ":db.cardinality/one",
      ["db/doc"] = "The file that a transaction was read from, by its digest.",
    },
    {
      ["db/ident"] = ":lion.import/position",
      ["db/valueType"] = ":db.type/long",
      ["db/cardinality"] = ":db.cardinality/one",
      ["db/doc"] = "How many bytes of that file were read when the transaction was made.",
    },
  })
end

local function resume_at(conn, digest)
  return conn:db():q(
    "[:find (max ?p) . :in $ ?d :where [?tx :lion.import/digest ?d] [?tx :lion.import/position ?p]]",
    digest
  ) or 1
end

-- The line of the record that a transaction fails by: the shortest beginning that fails ends with it.
local function failing_line(conn, tx, line, ends)
  if not ends then return line end
  local low, high = 1, #ends
  local db = conn:db()
  while low < high do
    local middle = math.floor((low + high) / 2)
    local fits = pcall(db.with, db, { unpack(tx, 1, ends[middle].count) })
    if fits then low = middle + 1 else high = middle end
  end
  return ends[low].line
end

-- A batch that fails is refused whole.
local function transact(conn, tx, path, line, ends)
  local ok, result = pcall(conn.transact, conn, tx)
  if ok then return result end
  return import.at_line(path, failing_line(conn, tx, line, ends), function() error(result, 0) end)
end

local function parse_map(text)
  if not text then return nil end
  local map = {}
  for pair in text:gmatch "[^,]+" do
    local column, attribute = pair:match "^%s*(.-)%s*=%s*(.-)%s*$"
    if not column then options.misuse("--map is COLUMN=ATTRIBUTE,…") end
    map[column] = attribute
  end
  return map
end

local FORMATS = { edn = "edn", jsonl = "jsonl", ndjson = "jsonl", json = "jsonl", csv = "csv" }

local function format_of(path, given)
  if given then options.one_of("format", given, readers) end
  local format = given or FORMATS[path:match "%.(%w+)$"]
  if not format then options.misuse("--format is edn, jsonl or csv (%s tells none)", path) end
  return format
end

local function print_result(result, is_json)
  if is_json then
    print(json.write(result))
  else
    print(
      ("%d transactions, %d datoms, %.1f seconds"):format(
        result.transactions,
        result.datoms,
        result.seconds
      )
    )
  end
end

local EXIT = { interrupt = 130, terminate = 143 } -- as of a program that the signal ended

-- Every transaction of the file from `position` on, until a signal comes: what was done, the position
-- behind it, the signal.
local function run_from(position, text, digest, format, settings)
  local transactions, datoms, began, signal = 0, 0, monotonic_ms(), nil
  local shows = options.shows_progress()
  for tx, line, behind, ends in readers[format](text, position, settings) do
    tx[#tx + 1] =
      { ["db/id"] = "lion.tx", ["lion.import/digest"] = digest, ["lion.import/position"] = behind }
    local report = transact(settings.conn, tx, settings.path, line, ends)
    transactions, datoms, position = transactions + 1, datoms + #report.tx_data, behind
    if shows then
      local rate = transactions * 1000 / math.max(monotonic_ms() - began, 1)
      options.progress("%3d %%  %d transactions, %d/s", behind * 100 / #text, transactions, rate)
    end
    signal = terminal.wait(0)
    if EXIT[signal] then break end
  end
  if shows then options.progress() end
  local seconds = (monotonic_ms() - began) / 1000
  return { transactions = transactions, datoms = datoms, seconds = seconds }, position, signal
end

function import.run(args)
  local found, words =
    options.parse(args, { format = "value", map = "value", batch = "number", json = "flag" })
  if #words ~= 2 then options.misuse("a database and a file are needed: lion import URI FILE") end
  local path = words[2]
  local format, text = format_of(path, found.format), options.read_file(path)
  local conn = require("lion").connect(words[1])
  install(conn)
  local digest = require("lion.cli.digest")(text)
  local position = resume_at(conn, digest)
  if position > #text and position > 1 then
    io.stderr:write(("all of %s was imported before\n"):format(path))
  elseif position > 1 then
    io.stderr:write(("going on at byte %d of %d\n"):format(position, #text))
  end
  local settings =
    { batch = found.batch or 1000, map = parse_map(found.map), path = path, conn = conn }
  terminal.catch_end()
  local result, behind, signal = run_from(position, text, digest, format, settings)
  conn:close()
  if EXIT[signal] and behind <= #text then
    io.stderr:write(
      ("lion: stopped at byte %d of %d; the same command goes on from there\n"):format(behind, #text)
    )
    return EXIT[signal]
  end
  print_result(result, found.json)
  return 0
end

return import
