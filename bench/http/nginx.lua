--- The handlers for nginx: a greeting, and a record of LMDB by its key, whose five values become JSON.
-- Each value of a record ends with a zero byte.
local ffi = require "ffi"
local cjson = require "cjson"

ffi.cdef [[
typedef struct { size_t mv_size; void *mv_data; } MDB_val;
int mdb_env_create(void **env);
int mdb_env_set_mapsize(void *env, size_t size);
int mdb_env_open(void *env, const char *path, unsigned flags, int mode);
int mdb_txn_begin(void *env, void *parent, unsigned flags, void **txn);
int mdb_dbi_open(void *txn, const char *name, unsigned flags, unsigned *dbi);
int mdb_put(void *txn, unsigned dbi, MDB_val *key, MDB_val *data, unsigned flags);
int mdb_get(void *txn, unsigned dbi, MDB_val *key, MDB_val *data);
int mdb_txn_commit(void *txn);
void mdb_txn_reset(void *txn);
int mdb_txn_renew(void *txn);
char *mdb_strerror(int code);
]]
local lmdb = ffi.load "liblmdb.so.0"
local NO_SUBDIR, READ_ONLY, NO_SYNC = 0x4000, 0x20000, 0x10000

local handlers = {}

local function check(code)
  if code ~= 0 then error(ffi.string(lmdb.mdb_strerror(code)), 2) end
end

local function open(path, flags)
  local out = ffi.new "void *[1]"
  check(lmdb.mdb_env_create(out))
  local env = out[0]
  check(lmdb.mdb_env_set_mapsize(env, 2 ^ 30))
  check(lmdb.mdb_env_open(env, path, NO_SUBDIR + flags, tonumber("600", 8)))
  return env
end

local function begin(env, flags)
  local out, dbi = ffi.new "void *[1]", ffi.new "unsigned[1]"
  check(lmdb.mdb_txn_begin(env, nil, flags, out))
  check(lmdb.mdb_dbi_open(out[0], nil, 0, dbi))
  return out[0], dbi[0]
end

local function value_of(text)
  return ffi.new("MDB_val", #text, ffi.cast("void *", ffi.cast("const char *", text)))
end

--- Make the file with count records.
function handlers.fill(path, count)
  local txn, dbi = begin(open(path, NO_SYNC), 0)
  for i = 0, count - 1 do
    local key = ("key-%08d"):format(i)
    local values = { "name of " .. i, i, i / 4, i % 100, tostring(i % 2 == 0) }
    local record = table.concat(values, "\0") .. "\0"
    check(lmdb.mdb_put(txn, dbi, value_of(key), value_of(record), 0))
  end
  check(lmdb.mdb_txn_commit(txn))
end

local txn, dbi
local key, data = ffi.new "MDB_val", ffi.new "MDB_val"

function handlers.open(path)
  txn, dbi = begin(open(path, READ_ONLY), READ_ONLY)
  lmdb.mdb_txn_reset(txn)
end

--- A request for an item: its own read transaction, as each must see what was committed before it.
function handlers.item(ngx)
  local name = ngx.var.uri:sub(7)
  key.mv_size, key.mv_data = #name, ffi.cast("void *", ffi.cast("const char *", name))
  check(lmdb.mdb_txn_renew(txn))
  check(lmdb.mdb_get(txn, dbi, key, data))
  local record = ffi.string(data.mv_data, data.mv_size)
  lmdb.mdb_txn_reset(txn)
  local text, count, price, other, done = record:match "(%Z*)%z(%Z*)%z(%Z*)%z(%Z*)%z(%Z*)"
  ngx.header.content_type = "application/json"
  ngx.print(cjson.encode {
    name = text,
    count = tonumber(count),
    price = tonumber(price),
    other = tonumber(other),
    done = done == "true",
  })
end

return handlers
