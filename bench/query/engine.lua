--- Lion as the suites use it: the tables as facts in a database in memory, queries from the core to typed
-- columns (run) or to Lua's tables (rows).
local lion = require "lion"
local call = require "lion.call"
local core = require "lion.core"
local find = require "lion.find"

local Engine = { name = "Lion", is_lion = true }
Engine.__index = Engine

local engine = {}

local function schema_of(tables)
  local schema = {}
  for _, t in ipairs(tables) do
    if t.link then
      local space, name = t.link:match "(.-)/(.+)"
      schema[space] = schema[space] or {}
      schema[space][name] = { "ref", many = true }
    else
      schema[t.name] = schema[t.name] or {}
      for _, column in ipairs(t.columns) do
        local is_plain = column[2] == "string" or column[2] == "long" or column[2] == "double"
        schema[t.name][column[1]] = { is_plain and column[2] or "ref", unique = column.unique }
      end
    end
  end
  return lion.schema(schema)
end

local ROWS, LINKS = 50000, 100000 -- of a transaction
local INDEXED = 200000 -- rows that wait in memory at most, of tables with more
local SMALL = 1000 -- tables with fewer rows are indexed whole

-- A row as an entity; those of other tables are known, or named by "table number" in the same transaction.
local function entity_of(self, t, i)
  local row, entity = t.rows[i], { ["db/id"] = t.name .. i }
  for k, column in ipairs(t.columns) do
    local kind, value = column[2], row[k]
    local is_plain = kind == "string" or kind == "long" or kind == "double"
    entity[t.name .. "/" .. column[1]] = is_plain and value or self.ids[kind .. value] or kind .. value
  end
  if #t.columns == 0 then entity["db/doc"] = "-" end
  return entity
end

-- Rows from the first to the last of a table.
local function add_rows(self, t, first, last)
  local tx = {}
  for i = first, last do
    tx[#tx + 1] = entity_of(self, t, i)
    if #tx == ROWS or i == last then
      for name, id in pairs(self.conn:transact(tx).tempids) do
        self.ids[name] = id
        self.numbers[id] = tonumber(name:match "%d+$")
      end
      tx = {}
      if i % INDEXED == 0 and i < last then self.conn:request_index() end
    end
  end
end

local function add_links(self, t)
  local tx = {}
  for i, row in ipairs(t.rows) do
    tx[#tx + 1] = { "db/add", self.ids[t.from .. row[1]], t.link, self.ids[t.to .. row[2]] }
    if #tx == LINKS or i == #t.rows then
      self.conn:transact(tx)
      tx = {}
    end
  end
end

--- @param tables
-- @param options novelty: the part of each table's rows that is not indexed; name: instead of Lion
function engine.open(tables, options)
  local self = setmetatable({ prepared = {}, ids = {}, numbers = {}, name = options.name }, Engine)
  self.conn = lion.connect("mem:", { durability = "none", novelty_mb = 2048 })
  self.conn:transact(schema_of(tables))
  local part = 1 - (options.novelty or 0)
  local function first_rows(t) return #t.rows < SMALL and #t.rows or math.floor(#t.rows * part) end
  for _, t in ipairs(tables) do
    if not t.link then add_rows(self, t, 1, first_rows(t)) end
  end
  if part < 1 then self.conn:request_index() end
  for _, t in ipairs(tables) do
    if t.link then add_links(self, t)
    elseif part < 1 then add_rows(self, t, first_rows(t) + 1, #t.rows)
    end
  end
  if part == 1 then self.conn:request_index() end
  self.db = self.conn:db()
  return self
end

local function arguments(self, query)
  local prepared = self.prepared[query.lion]
  if not prepared then
    prepared = lion.prepare(query.lion)
    self.prepared[query.lion] = prepared
  end
  local db = query.view and query.view(self) or self.db
  return prepared, { db, unpack(query.inputs or {}) }
end

--- All rows as typed columns, counted.
function Engine:run(query)
  local prepared, inputs = arguments(self, query)
  local run, rows = find.open(prepared, inputs, #inputs, {}), 0
  while true do
    local count = core.query_next(run)
    if count == nil then break end
    if count == 0 then call.answer(run) end -- a function of Lua's is wanted
    rows = rows + count
  end
  core.step_close(run)
  return rows
end

-- Entities are below 2^53 and above all numbers of the suites.
local ENTITY_MIN = 2 ^ 43

--- All rows as arrays, entities as the numbers of their rows.
function Engine:rows(query)
  local prepared, inputs = arguments(self, query)
  local rows = lion.q(prepared, unpack(inputs))
  if type(rows) ~= "table" then rows = { { rows } } end
  for _, row in ipairs(rows) do
    for i, value in ipairs(row) do
      if type(value) == "number" and value > ENTITY_MIN then row[i] = self.numbers[value] or value end
    end
  end
  return rows
end

--- How a query is run: { text =, tree = }.
function Engine:explain(query)
  local prepared, inputs = arguments(self, query)
  local db = table.remove(inputs, 1)
  return db:explain(prepared, unpack(inputs))
end

function Engine:close() self.conn:close() end

return engine
