--- PostgreSQL as a peer: the server that bench/query/run starts (its socket's folder is in
-- LION_BENCH_POSTGRES), through libpq by LuaJIT's FFI: no parallel workers, statements prepared once, results
-- taken in binary and counted. Its time is the backend's and the client's.
local ffi = require "ffi"
local measure = require "measure"
local other_process = require "other_process"

ffi.cdef [[
typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;
PGconn *PQconnectdb(const char *);
int PQstatus(const PGconn *);
int PQbackendPID(const PGconn *);
void PQfinish(PGconn *);
char *PQerrorMessage(const PGconn *);
PGresult *PQexec(PGconn *, const char *);
PGresult *PQprepare(PGconn *, const char *, const char *, int, const unsigned *);
PGresult *PQexecPrepared(PGconn *, const char *, int, const char *const *, const int *, const int *, int);
int PQresultStatus(const PGresult *);
void PQclear(PGresult *);
int PQntuples(const PGresult *);
int PQnfields(const PGresult *);
unsigned PQftype(const PGresult *, int);
char *PQgetvalue(const PGresult *, int, int);
int PQgetlength(const PGresult *, int, int);
int PQputCopyData(PGconn *, const char *, int);
int PQputCopyEnd(PGconn *, const char *);
PGresult *PQgetResult(PGconn *);
]]

local OK, COMMAND_OK, TUPLES_OK, COPY_IN = 0, 1, 2, 4
local NUMBERS = { [20] = true, [21] = true, [23] = true, [700] = true, [701] = true, [1700] = true }
local TEXT, BINARY = 0, 1
local C

local Postgres = {}
Postgres.__index = Postgres

local postgres = { name = "PostgreSQL" }

function postgres.text(query) return query.postgres or query.sql end

--- nil where the server is not there.
function postgres.open()
  local socket = os.getenv "LION_BENCH_POSTGRES"
  if not socket then return nil end
  local ok, library = pcall(ffi.load, "libpq.so.5")
  if not ok then return nil end
  C = library
  local connection = C.PQconnectdb(("host=%s user=bench dbname=postgres"):format(socket))
  assert(C.PQstatus(connection) == OK, ffi.string(C.PQerrorMessage(connection)))
  local self = { name = postgres.name, connection = connection, statements = {}, count = 0 }
  setmetatable(self, Postgres)
  self.clock = other_process.clock(C.PQbackendPID(connection))
  self:exec "set client_min_messages = error"
  self:exec "drop schema if exists public cascade"
  self:exec "create schema public"
  self:exec "set max_parallel_workers_per_gather = 0"
  return self
end

function Postgres:check(result, wanted, what)
  if C.PQresultStatus(result) == wanted then return result end
  C.PQclear(result)
  local message = ffi.string(C.PQerrorMessage(self.connection))
  if message:find("statement timeout", 1, true) then error(measure.LATE, 0) end
  error(("PostgreSQL: %s: %s"):format(what, message))
end

function Postgres:exec(sql) C.PQclear(self:check(C.PQexec(self.connection, sql), COMMAND_OK, sql)) end

local COPY_BYTES = 65536

function Postgres:fill(name, _, each)
  C.PQclear(self:check(C.PQexec(self.connection, ("copy %s from stdin"):format(name)), COPY_IN, name))
  local lines, bytes = {}, 0
  local function send()
    local text = table.concat(lines)
    assert(C.PQputCopyData(self.connection, text, #text) == 1)
    lines, bytes = {}, 0
  end
  each(function(row)
    local line = table.concat(row, "\t") .. "\n"
    lines[#lines + 1] = line
    bytes = bytes + #line
    if bytes > COPY_BYTES then send() end
  end)
  send()
  assert(C.PQputCopyEnd(self.connection, nil) == 1)
  C.PQclear(self:check(C.PQgetResult(self.connection), COMMAND_OK, name))
  assert(C.PQgetResult(self.connection) == nil)
end

function Postgres:loaded()
  self:exec "vacuum analyze"
  self:exec(("set statement_timeout = '%ds'"):format(measure.LIMIT_S))
end

-- A statement with $1 … for each question mark.
local function prepare(self, sql)
  local name = self.statements[sql]
  if name then return name end
  self.count = self.count + 1
  name = "s" .. self.count
  local at = 0
  local text = sql:gsub("%?", function()
    at = at + 1
    return "$" .. at
  end)
  C.PQclear(self:check(C.PQprepare(self.connection, name, text, 0, nil), COMMAND_OK, text))
  self.statements[sql] = name
  return name
end

local function execute(self, query, format)
  local sql = postgres.text(query)
  local name, parameters = prepare(self, sql), query.parameters or {}
  local texts, values = {}, ffi.new("const char *[?]", #parameters + 1)
  for i, value in ipairs(parameters) do
    texts[i] = tostring(value)
    values[i - 1] = texts[i]
  end
  local result = C.PQexecPrepared(self.connection, name, #parameters, values, nil, nil, format)
  return self:check(result, TUPLES_OK, sql)
end

--- All rows received and counted.
function Postgres:run(query)
  local result = execute(self, query, BINARY)
  local rows = C.PQntuples(result)
  C.PQclear(result)
  return rows
end

--- All rows as arrays.
function Postgres:rows(query)
  local result = execute(self, query, TEXT)
  local width, rows = C.PQnfields(result), {}
  for r = 0, C.PQntuples(result) - 1 do
    local row = {}
    for i = 0, width - 1 do
      local text = ffi.string(C.PQgetvalue(result, r, i), C.PQgetlength(result, r, i))
      row[i + 1] = NUMBERS[C.PQftype(result, i)] and tonumber(text) or text
    end
    rows[r + 1] = row
  end
  C.PQclear(result)
  return rows
end

function Postgres:close() C.PQfinish(self.connection) end

return postgres
