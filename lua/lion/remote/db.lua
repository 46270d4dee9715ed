--- Values of a node's database: a token, which says to the node what is meant, and what it told of the value.
-- Each question is one request.
-- @module lion.remote.db
local anomaly = require "lion.anomaly"
local entity = require "lion.remote.entity"
local portable = require "lion.remote.portable"
local walk = require "lion.remote.walk"

local db = {}

local Db = { __lion = "remote_db" }
Db.__index = Db

--- A value of what a node told of it.
-- @tparam table told token, basis_t, as_of_t, since_t, is_history, is_filtered
-- @param conn the remote connection
function db.wrap(told, conn)
  told.conn, told.name = conn, conn.name
  told.names = {} -- of attributes that entities were asked for and have not
  return setmetatable(told, Db)
end

--- Is it a value of a node?
function db.is(x) return type(x) == "table" and getmetatable(x) == Db end

function Db.__eq(a, b) return a.token == b.token and a.conn.address == b.conn.address end

function Db:__tostring()
  local view = self.is_history and " history" or ""
  if self.as_of_t then view = view .. (" as of %d"):format(self.as_of_t) end
  if self.since_t then view = view .. (" since %d"):format(self.since_t) end
  return ("db %s at %d%s"):format(self.name or "", self.basis_t, view)
end

--- Ask the node something of this value; arguments are made portable.
-- @tparam table asked
function Db:ask(asked)
  asked.value = self.token
  return self.conn.reader:ask(asked)
end

-- As nils in between are counted.
local function packed(...)
  local arguments, count = { ... }, select("#", ...)
  for i = 1, count do arguments[i] = portable(arguments[i]) end
  return arguments, count
end

local function call(self, op, ...)
  local arguments, count = packed(...)
  return self:ask { op = op, arguments = arguments, count = count }
end

-- ---- time ----------------------------------------------------------------------------------------

local function derive(self, ...) return db.wrap(call(self, "derive", ...), self.conn) end

--- What was known at that time.
function Db:as_of(x) return derive(self, "as_of", x) end
--- What became known after that time.
function Db:since(x) return derive(self, "since", x) end
--- All assertions and retractions.
function Db:history() return derive(self, "history") end

--- The datoms that an allowed function of the node lets through.
-- @tparam string name "module/function"
function Db:filter(name)
  if type(name) == "function" then
    anomaly.unsupported("filter takes the name of an allowed function where the database is a node's: "
      .. "a function cannot be sent")
  end
  return derive(self, "filter", name)
end

--- The report of a transaction that is not made: db_after is the value it would make.
function Db:with(tx)
  local report = call(self, "with", tx)
  report.db_before, report.db_after = self, db.wrap(report.db_after, self.conn)
  return report
end

-- ---- queries -------------------------------------------------------------------------------------

--- Ask: the shape follows the find specification.
function Db:q(q, ...)
  local arguments, count = packed(...)
  return self:ask { op = "q", query = portable(q), arguments = arguments, count = count,
    limits = self.conn.limits }.result
end

--- Ask, and walk over the rows' values.
function Db:rows(q, ...)
  local arguments, count = packed(...)
  local rows, first = walk(self.conn, { what = "rows", value = self.token, query = portable(q),
    arguments = arguments, count = count, limits = self.conn.limits })
  local width = first.answer.width
  if not width then return rows end
  return function()
    local row = rows()
    if row ~= nil then return unpack(row, 1, width) end
  end
end

--- How a query is run: { text =, tree = }.
function Db:explain(q, ...)
  local arguments, count = packed(...)
  return self:ask { op = "explain", query = portable(q), arguments = arguments, count = count,
    limits = self.conn.limits }
end

-- ---- entities ------------------------------------------------------------------------------------

--- A tree of an entity's data; nil where it has nothing of the pattern.
function Db:pull(pattern, x) return call(self, "pull", pattern, x)[1] end
--- The same of many entities, in their order; lion.null for what has nothing.
function Db:pull_many(pattern, list) return call(self, "pull_many", pattern, list)[1] end
--- The id of an entity given as id, ident or lookup ref; nil where there is none.
function Db:entid(x) return call(self, "entid", x)[1] end
--- The newest ident of an entity, with its colon; nil where it has none.
function Db:ident(x) return call(self, "ident", x)[1] end
--- What the schema says of an attribute.
function Db:attribute(a) return call(self, "attribute_of", a)[1] end
--- The attributes that the value knows, by id.
function Db:attributes() return call(self, "attributes")[1] end

--- An entity as a lazy map; nil where a lookup ref or ident is not there.
function Db:entity(x)
  local told = call(self, "entity", x)
  return told.id and entity.new(self, told) or nil
end

-- ---- indexes -------------------------------------------------------------------------------------

local function walk_over(self, what, ...)
  local arguments, count = packed(...)
  return (walk(self.conn, { what = what, value = self.token, arguments = arguments, count = count }))
end

--- The datoms with these components, in the order of the index.
function Db:datoms(index, ...) return walk_over(self, "datoms", index, ...) end
--- The datoms from these components on, to the end of the index.
function Db:seek(index, ...) return walk_over(self, "seek", index, ...) end
--- The datoms of an attribute whose value is at least `from` and below `to`, by value.
function Db:index_range(attr, from, to) return walk_over(self, "index_range", attr, from, to) end
--- Pull along an index: an iterator, lazy by batches.
function Db:index_pull(options) return walk_over(self, "index_pull", options) end
--- The exact number of datoms with these components.
function Db:count(index, ...) return call(self, "count", index, ...)[1] end
--- Numbers of the value: { datoms =, attrs = { ["person/name"] = { count =, distinct = } } }.
function Db:stats() return call(self, "stats")[1] end

return db
