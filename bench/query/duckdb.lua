--- DuckDB as a peer: libduckdb.so of its npm package (bench/query/peers fetches it), through LuaJIT's FFI,
-- one database in memory, one thread, statements prepared once. Results are taken chunk by chunk: typed
-- columns.
local ffi = require "ffi"
local measure = require "measure"

ffi.cdef [[
typedef struct { uint64_t a, b, c; void *d; char *message; void *internal; } duckdb_result;
int duckdb_open(const char *, void **);
void duckdb_close(void **);
int duckdb_connect(void *, void **);
void duckdb_disconnect(void **);
int duckdb_query(void *, const char *, duckdb_result *);
void duckdb_destroy_result(duckdb_result *);
const char *duckdb_result_error(duckdb_result *);
int duckdb_prepare(void *, const char *, void **);
const char *duckdb_prepare_error(void *);
void duckdb_destroy_prepare(void **);
int duckdb_bind_int64(void *, uint64_t, int64_t);
int duckdb_bind_double(void *, uint64_t, double);
int duckdb_bind_varchar_length(void *, uint64_t, const char *, uint64_t);
int duckdb_execute_prepared(void *, duckdb_result *);
int duckdb_pending_prepared(void *, void **);
int duckdb_pending_execute_task(void *);
int duckdb_execute_pending(void *, duckdb_result *);
void duckdb_destroy_pending(void **);
void *duckdb_fetch_chunk(duckdb_result);
void duckdb_destroy_data_chunk(void **);
uint64_t duckdb_data_chunk_get_size(void *);
void *duckdb_data_chunk_get_vector(void *, uint64_t);
void *duckdb_vector_get_data(void *);
uint64_t duckdb_column_count(duckdb_result *);
int duckdb_column_type(duckdb_result *, uint64_t);
int duckdb_appender_create(void *, const char *, const char *, void **);
int duckdb_append_int64(void *, int64_t);
int duckdb_append_double(void *, double);
int duckdb_append_varchar_length(void *, const char *, uint64_t);
int duckdb_appender_end_row(void *);
int duckdb_appender_destroy(void **);
]]

local INT32, INT64, DOUBLE, HUGE, VARCHAR = 4, 5, 11, 16, 17
local READY, FAILED = 0, 2 -- of a pending result
local C

local Duckdb = {}
Duckdb.__index = Duckdb

local duckdb = { name = "DuckDB" }

function duckdb.text(query) return query.duckdb or query.sql end

--- nil where the library is not there. @param folder of the peers
function duckdb.open(folder)
  local path = folder .. "/node_modules/@duckdb/node-bindings-linux-x64/libduckdb.so"
  local ok, library = pcall(ffi.load, path)
  if not ok then return nil end
  C = library
  local db, connection = ffi.new "void *[1]", ffi.new "void *[1]"
  assert(C.duckdb_open(nil, db) == 0)
  assert(C.duckdb_connect(db[0], connection) == 0)
  local self = setmetatable({ name = duckdb.name, db = db, connection = connection, statements = {} }, Duckdb)
  self:exec "set threads = 1"
  return self
end

function Duckdb:exec(sql)
  local result = ffi.new "duckdb_result"
  if C.duckdb_query(self.connection[0], sql, result) ~= 0 then
    error(sql .. ": " .. ffi.string(C.duckdb_result_error(result)))
  end
  C.duckdb_destroy_result(result)
end

function Duckdb:prepare(sql)
  local statement = self.statements[sql]
  if statement then return statement end
  statement = ffi.new "void *[1]"
  if C.duckdb_prepare(self.connection[0], sql, statement) ~= 0 then
    error(sql .. ": " .. ffi.string(C.duckdb_prepare_error(statement[0])))
  end
  self.statements[sql] = statement
  return statement
end

function Duckdb:fill(name, _, each)
  local out = ffi.new "void *[1]"
  assert(C.duckdb_appender_create(self.connection[0], nil, name, out) == 0)
  local appender = out[0]
  each(function(row)
    for _, value in ipairs(row) do
      if type(value) == "string" then C.duckdb_append_varchar_length(appender, value, #value)
      elseif value % 1 == 0 then C.duckdb_append_int64(appender, value)
      else C.duckdb_append_double(appender, value)
      end
    end
    C.duckdb_appender_end_row(appender)
  end)
  assert(C.duckdb_appender_destroy(out) == 0)
end

function Duckdb:loaded() self:exec "analyze" end

local function bound(self, query)
  local statement = self:prepare(query.duckdb or query.sql)[0]
  for i, value in ipairs(query.parameters or {}) do
    if type(value) == "string" then C.duckdb_bind_varchar_length(statement, i, value, #value)
    elseif value % 1 == 0 then C.duckdb_bind_int64(statement, i, value)
    else C.duckdb_bind_double(statement, i, value)
    end
  end
  return statement
end

local function check(code, query, result)
  if code == 0 then return end
  error((query.duckdb or query.sql) .. ": " .. ffi.string(C.duckdb_result_error(result)))
end

local function execute(self, query, result)
  check(C.duckdb_execute_prepared(bound(self, query), result), query, result)
end

-- The same task by task, within measure.LIMIT_S.
local function execute_limited(self, query, result)
  local pending = ffi.new "void *[1]"
  assert(C.duckdb_pending_prepared(bound(self, query), pending) == 0)
  local limit = measure.now() + measure.LIMIT_S * 1000
  local state
  repeat
    state = C.duckdb_pending_execute_task(pending[0])
    local is_late = measure.now() > limit
  until state == READY or state == FAILED or is_late
  local is_done = state == READY or state == FAILED
  if is_done then check(C.duckdb_execute_pending(pending[0], result), query, result) end
  C.duckdb_destroy_pending(pending)
  if state ~= READY then error(measure.LATE, 0) end
end

local chunk_out = ffi.new "void *[1]"

function Duckdb:run(query)
  local result, rows = ffi.new "duckdb_result", 0
  execute(self, query, result)
  while true do
    local chunk = C.duckdb_fetch_chunk(result)
    if chunk == nil then break end
    rows = rows + tonumber(C.duckdb_data_chunk_get_size(chunk))
    chunk_out[0] = chunk
    C.duckdb_destroy_data_chunk(chunk_out)
  end
  C.duckdb_destroy_result(result)
  return rows
end

-- A string of 16 bytes: its length, then itself up to 12 bytes, or 4 of them and a pointer.
local function string_at(data, row)
  local at = ffi.cast("uint8_t *", data) + row * 16
  local size = ffi.cast("uint32_t *", at)[0]
  if size <= 12 then return ffi.string(at + 4, size) end
  return ffi.string(ffi.cast("char **", at + 8)[0], size)
end

local function cell(kind, data, row)
  if kind == VARCHAR then return string_at(data, row) end
  if kind == INT32 then return ffi.cast("int32_t *", data)[row] end
  if kind == INT64 then return tonumber(ffi.cast("int64_t *", data)[row]) end
  if kind == DOUBLE then return ffi.cast("double *", data)[row] end
  if kind == HUGE then return tonumber(ffi.cast("int64_t *", data)[row * 2]) end
  error("a column of DuckDB's type " .. kind)
end

--- All rows as arrays.
function Duckdb:rows(query)
  local result, rows = ffi.new "duckdb_result", {}
  execute_limited(self, query, result)
  local width, kinds = tonumber(C.duckdb_column_count(result)), {}
  for i = 1, width do
    kinds[i] = C.duckdb_column_type(result, i - 1)
  end
  while true do
    local chunk = C.duckdb_fetch_chunk(result)
    if chunk == nil then break end
    local columns = {}
    for i = 1, width do
      columns[i] = C.duckdb_vector_get_data(C.duckdb_data_chunk_get_vector(chunk, i - 1))
    end
    for r = 0, tonumber(C.duckdb_data_chunk_get_size(chunk)) - 1 do
      local row = {}
      for i = 1, width do
        row[i] = cell(kinds[i], columns[i], r)
      end
      rows[#rows + 1] = row
    end
    chunk_out[0] = chunk
    C.duckdb_destroy_data_chunk(chunk_out)
  end
  C.duckdb_destroy_result(result)
  return rows
end

function Duckdb:close()
  for _, statement in pairs(self.statements) do
    C.duckdb_destroy_prepare(statement)
  end
  C.duckdb_disconnect(self.connection)
  C.duckdb_close(self.db)
end

return duckdb
