/* point.c - single facts for compiled Lua. */
#include "point.h"

#include <string.h>

#define VALUES_MAX (sizeof((lion_lua_points){ 0 }.values) / sizeof(lion_value))
#define BYTES_MAX 65536 /* of the values of one reading: more than that is not quick anyway */

typedef struct reader {
    lion_lua_points points; /* first: Lua sees no more */
    uint8_t bytes[BYTES_MAX];
} reader;

static bool keep_bytes(reader *self, uint32_t count)
{
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        lion_value *value = &self->points.values[i];
        if (value->type <= LION_TYPE_ATTRIBUTE || value->size == 0) continue;
        if (value->size > BYTES_MAX - used) return false;
        memcpy(self->bytes + used, value->data, value->size);
        value->data = self->bytes + used;
        used += value->size;
    }
    return true;
}

/* NULL: its connection is closed. */
static const lion_db *db_of(const void *userdata)
{
    return ((const lion_bind_db *)userdata)->db;
}

static int get(lion_lua_points *self, const void *userdata, int64_t entity,
               const uint32_t *attributes, uint32_t count)
{
    const lion_db *db = db_of(userdata);
    self->uses++;
    if (db == NULL || count > VALUES_MAX) return LION_FAILED;
    lion_status status = lion_db_get(self->values, db, entity, attributes, count, NULL);
    if (status == LION_OK && !keep_bytes((reader *)(void *)self, count)) status = LION_FAILED;
    return status;
}

static int find(lion_lua_points *self, const void *userdata, uint32_t attribute, lion_value value)
{
    const lion_db *db = db_of(userdata);
    return db == NULL ? LION_FAILED : lion_db_lookup(&self->id, db, attribute, value, NULL);
}

static int find_bits(lion_lua_points *self, const void *userdata, uint32_t attribute, int type,
                     int64_t bits)
{
    return find(self, userdata, attribute, lion_value_scalar((lion_type)type, bits));
}

static int find_text(lion_lua_points *self, const void *userdata, uint32_t attribute, int type,
                     const char *text, uint32_t size)
{
    return find(self, userdata, attribute,
                lion_value_bytes((lion_type)type, lion_slice_of(text, size)));
}

/* points() → userdata: a lion_lua_points */
static int points(lua_State *L)
{
    reader *self = lua_newuserdata(L, sizeof *self);
    memset(&self->points, 0, sizeof self->points);
    self->points.get = get;
    self->points.find_bits = find_bits;
    self->points.find_text = find_text;
    return 1;
}

const luaL_Reg lion_bind_point_functions[] = {
    { "points", points },
    { NULL, NULL },
};
