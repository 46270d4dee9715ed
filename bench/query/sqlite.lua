--- SQLite as a peer: the library that Debian ships, through LuaJIT's FFI, one database in memory, statements
-- prepared once. Rows are stepped and each column read, as a C program would.
local ffi = require "ffi"
local measure = require "measure"

ffi.cdef [[
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
int sqlite3_open(const char *, sqlite3 **);
int sqlite3_close(sqlite3 *);
const char *sqlite3_errmsg(sqlite3 *);
int sqlite3_exec(sqlite3 *, const char *, void *, void *, char **);
int sqlite3_prepare_v2(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
int sqlite3_bind_int64(sqlite3_stmt *, int, int64_t);
int sqlite3_bind_double(sqlite3_stmt *, int, double);
int sqlite3_bind_text(sqlite3_stmt *, int, const char *, int, void (*)(void *));
int sqlite3_step(sqlite3_stmt *);
int sqlite3_reset(sqlite3_stmt *);
int sqlite3_finalize(sqlite3_stmt *);
int sqlite3_column_type(sqlite3_stmt *, int);
int64_t sqlite3_column_int64(sqlite3_stmt *, int);
double sqlite3_column_double(sqlite3_stmt *, int);
const unsigned char *sqlite3_column_text(sqlite3_stmt *, int);
int sqlite3_column_bytes(sqlite3_stmt *, int);
int sqlite3_column_count(sqlite3_stmt *);
void sqlite3_progress_handler(sqlite3 *, int, int (*)(void *), void *);
]]

local ROW, DONE, INTERRUPT, INTEGER, FLOAT, TEXT = 100, 101, 9, 1, 2, 3
local STEPS = 1000000 -- of SQLite's machine, between two looks at the time
local TRANSIENT = ffi.cast("void (*)(void *)", -1)
local C

local Sqlite = {}
Sqlite.__index = Sqlite

local sqlite = { name = "SQLite" }

function sqlite.text(query) return query.sql end

--- nil where the library is not there.
function sqlite.open()
  local ok, library = pcall(ffi.load, "sqlite3")
  if not ok then ok, library = pcall(ffi.load, "libsqlite3.so.0") end
  if not ok then return nil end
  C = library
  local handle = ffi.new "sqlite3 *[1]"
  assert(C.sqlite3_open(":memory:", handle) == 0)
  return setmetatable({ name = sqlite.name, handle = handle[0], statements = {} }, Sqlite)
end

function Sqlite:exec(sql)
  if C.sqlite3_exec(self.handle, sql, nil, nil, nil) ~= 0 then
    error(sql .. ": " .. ffi.string(C.sqlite3_errmsg(self.handle)))
  end
end

function Sqlite:prepare(sql)
  local statement = self.statements[sql]
  if statement then return statement end
  local out = ffi.new "sqlite3_stmt *[1]"
  if C.sqlite3_prepare_v2(self.handle, sql, #sql, out, nil) ~= 0 then
    error(sql .. ": " .. ffi.string(C.sqlite3_errmsg(self.handle)))
  end
  self.statements[sql] = out[0]
  return out[0]
end

local function bind(statement, values)
  for i, value in ipairs(values) do
    if type(value) == "string" then C.sqlite3_bind_text(statement, i, value, #value, TRANSIENT)
    elseif value % 1 == 0 then C.sqlite3_bind_int64(statement, i, value)
    else C.sqlite3_bind_double(statement, i, value)
    end
  end
end

--- Rows of a table: those of one statement, in one transaction.
function Sqlite:fill(name, width, each)
  self:exec "begin"
  local statement = self:prepare(("insert into %s values (%s)"):format(name, ("?,"):rep(width):sub(1, -2)))
  each(function(row)
    bind(statement, row)
    assert(C.sqlite3_step(statement) == DONE)
    C.sqlite3_reset(statement)
  end)
  self:exec "commit"
end

function Sqlite:loaded() self:exec "analyze" end

--- All rows read and counted, nothing kept.
function Sqlite:run(query)
  local statement = self:prepare(query.sql)
  bind(statement, query.parameters or {})
  local width, rows, sum = C.sqlite3_column_count(statement), 0, 0
  while C.sqlite3_step(statement) == ROW do
    rows = rows + 1
    for i = 0, width - 1 do
      if C.sqlite3_column_type(statement, i) == TEXT then
        sum = sum + C.sqlite3_column_bytes(statement, i) + C.sqlite3_column_text(statement, i)[0]
      else
        sum = sum + tonumber(C.sqlite3_column_int64(statement, i))
      end
    end
  end
  C.sqlite3_reset(statement)
  return rows
end

local function read_row(statement, width)
  local row = {}
  for i = 0, width - 1 do
    local kind = C.sqlite3_column_type(statement, i)
    if kind == TEXT then
      local text = C.sqlite3_column_text(statement, i)
      row[i + 1] = ffi.string(text, C.sqlite3_column_bytes(statement, i))
    elseif kind == INTEGER then row[i + 1] = tonumber(C.sqlite3_column_int64(statement, i))
    elseif kind == FLOAT then row[i + 1] = C.sqlite3_column_double(statement, i)
    end
  end
  return row
end

--- All rows as arrays, of a statement that is known to be quick.
function Sqlite:fetch(query)
  local statement = self:prepare(query.sql)
  bind(statement, query.parameters or {})
  local width, rows = C.sqlite3_column_count(statement), {}
  while C.sqlite3_step(statement) == ROW do
    rows[#rows + 1] = read_row(statement, width)
  end
  C.sqlite3_reset(statement)
  return rows
end

local function read_rows(statement)
  local width, rows, code = C.sqlite3_column_count(statement), {}, C.sqlite3_step(statement)
  while code == ROW do
    rows[#rows + 1] = read_row(statement, width)
    code = C.sqlite3_step(statement)
  end
  return rows, code
end
jit.off(read_rows) -- SQLite calls back while it steps

-- One callback for all: they are few, and a type that is written out is a new one each time.
local limit = math.huge
local is_late = ffi.cast("int (*)(void *)", function() return measure.now() > limit and 1 or 0 end)

--- All rows as arrays, within measure.LIMIT_S.
function Sqlite:rows(query)
  local statement = self:prepare(query.sql)
  bind(statement, query.parameters or {})
  limit = measure.now() + measure.LIMIT_S * 1000
  C.sqlite3_progress_handler(self.handle, STEPS, is_late, nil)
  local rows, code = read_rows(statement)
  C.sqlite3_progress_handler(self.handle, 0, nil, nil)
  C.sqlite3_reset(statement)
  if code == INTERRUPT then error(measure.LATE, 0) end
  return rows
end

function Sqlite:close()
  for _, statement in pairs(self.statements) do
    C.sqlite3_finalize(statement)
  end
  C.sqlite3_close(self.handle)
end

return sqlite
