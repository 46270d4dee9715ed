--- lion export
--
-- Ids of one database mean nothing in another. In its first transaction an entity is named by a tempid,
-- later by its ident where it had one by then, otherwise by an attribute that the file brings along
-- (lion.export/id), which whoever needs it got in that first transaction.
local conns = require "lion.conn"
local edn = require "lion.edn"
local json = require "lion.json"
local open = require "lion.cli.open"
local options = require "lion.cli.options"
local values = require "lion.values"

local export = {
  summary = "Write a database's whole log as EDN: one transaction a form, with its instant.",
  usage = [[URI FILE [--json]        ("-" is standard output)

The file loads into an empty database, and the past is in it. Entities get new ids there; those that more than
one transaction tells of keep the old one as :lion.export/id, by which the file refers to them.

  lion export shop.lion shop.edn
  lion transact copy.lion shop.edn]],
}

local T_BOOTSTRAP = 1 -- every database has made its first transaction itself
local TX_FIRST = 3 * 2 ^ 42
local EXPORT_ID = "lion.export/id"

-- What an import noted of the file that it read, and an export of ids: of no meaning elsewhere.
local IS_BOOKKEEPING = {
  [EXPORT_ID] = true, ["lion.import/digest"] = true, ["lion.import/position"] = true,
}

-- ---- names -------------------------------------------------------------------------------------

-- id → its idents over time, oldest first: { t =, added =, name = }.
local function idents_of(db)
  local idents = {}
  for d in db:history():datoms("aevt", "db/ident") do
    idents[d.e] = idents[d.e] or {}
    table.insert(idents[d.e], { t = d.tx - TX_FIRST, added = d.added, name = d.v })
  end
  for _, list in pairs(idents) do
    table.sort(list, function(a, b)
      if a.t ~= b.t then return a.t < b.t end
      return not a.added and b.added -- the old name goes before the new one comes
    end)
  end
  return idents
end

-- The ident that an entity had before a transaction, or nil.
local function ident_before(self, id, t)
  local ident
  for _, event in ipairs(self.idents[id] or {}) do
    if event.t >= t then break end
    ident = event.added and event.name or nil
  end
  return ident
end

local function is_ref(self, d) return self.attributes[d.a].value_type == ":db.type/ref" end

-- A transaction tells of an entity: is that the first time, or does it need a name for later?
local function meet(self, id, t)
  local first = self.first[id]
  if not first then
    self.first[id] = t
  elseif first ~= t and not ident_before(self, id, t) then
    self.needs_id[id] = true
  end
end

-- The first walk over the log: when each entity comes, and which need a name for later.
local function survey(conn)
  local db = conn:db()
  local self = { db = db, idents = idents_of(db), first = {}, needs_id = {} }
  self.attributes = setmetatable({}, { __index = function(cache, name)
    cache[name] = db:attribute(name)
    return rawget(cache, name)
  end })
  self.own_entity = db:entid(":" .. EXPORT_ID)
  for transaction in conn:tx_range(T_BOOTSTRAP) do
    for _, d in ipairs(transaction.data) do
      meet(self, d.e, transaction.t)
    end
    for _, d in ipairs(transaction.data) do
      if is_ref(self, d) then
        -- known by being referred to alone: without a fact of its own a tempid is no entity
        if not self.first[d.v] then self.needs_id[d.v] = true end
        meet(self, d.v, transaction.t)
      end
    end
  end
  return self
end

local function name_of(self, id, transaction)
  if id == transaction.tx then return "lion.tx" end
  if self.first[id] == transaction.t then return ("e%.0f"):format(id) end
  return ident_before(self, id, transaction.t) or { ":" .. EXPORT_ID, id }
end

-- ---- writing -----------------------------------------------------------------------------------

local function operation_of(self, d, transaction)
  local attribute = self.attributes[d.a]
  if attribute.tuple_attrs then return nil end -- composite tuples make themselves
  local value = is_ref(self, d) and name_of(self, d.v, transaction) or d.v
  local name = ident_before(self, attribute.id, transaction.t) or ":" .. d.a
  return { d.added and ":db/add" or ":db/retract", name_of(self, d.e, transaction), name, value }
end

-- The operations that make a transaction again, or nil where it is bookkeeping alone.
local function operations_of(self, transaction)
  local operations, is_named, has_skipped = {}, {}, false
  local function name_for_later(id)
    if self.needs_id[id] and self.first[id] == transaction.t and not is_named[id] then
      is_named[id] = true
      operations[#operations + 1] = { ":db/add", name_of(self, id, transaction), ":" .. EXPORT_ID, id }
    end
  end
  for _, d in ipairs(transaction.data) do
    if IS_BOOKKEEPING[d.a] or d.e == self.own_entity then
      has_skipped = true
    else
      operations[#operations + 1] = operation_of(self, d, transaction)
      name_for_later(d.e)
      if is_ref(self, d) then name_for_later(d.v) end
    end
  end
  if has_skipped and #operations == 1 then return nil end -- its instant
  return operations
end

-- The attribute that the file refers by, as old as what comes behind it.
local function installation(instant_ms)
  return {
    {
      ["db/ident"] = ":" .. EXPORT_ID,
      ["db/valueType"] = ":db.type/long",
      ["db/cardinality"] = ":db.cardinality/one",
      ["db/unique"] = ":db.unique/identity",
      ["db/doc"] = "The id that an entity had in the database it was exported from.",
    },
    { ["db/id"] = "lion.tx", ["db/txInstant"] = values.inst(instant_ms) },
  }
end

local function write_log(conn, write)
  local self, shows, count = survey(conn), options.shows_progress(), 0
  for transaction in conns.typed_range(conn, T_BOOTSTRAP + 1) do
    local operations = operations_of(self, transaction)
    if operations then
      if count == 0 and next(self.needs_id) then
        write(edn.write(installation(transaction.tx_instant)) .. "\n")
      end
      write(edn.write(operations) .. "\n")
      count = count + 1
    end
    if shows then
      options.progress("%3d %%  %d transactions", transaction.t * 100 / self.db.basis_t, count)
    end
  end
  if shows then options.progress() end
  return count
end

function export.run(args)
  local found, words = options.parse(args, { json = "flag" })
  if #words ~= 2 then options.misuse("a database and a file are needed: lion export URI FILE") end
  local conn = open.for_reading(words[1])
  local write, finish = options.writer(words[2])
  local count = write_log(conn, write)
  finish()
  conn:close()
  if words[2] ~= "-" then
    print(found.json and json.write { transactions = count } or ("%d transactions"):format(count))
  end
  return 0
end

return export
