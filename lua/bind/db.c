/* db.c - values of the database: their place in time, names, attributes, counts. */
#include "bind.h"

#include <string.h>

/* ---- time ---- */

/* info(db) → basis_t, as_of_t, since_t (-1: none), is_history, next_counter, instant_ms,
 * is_filtered, epoch of the schema */
static int info(lua_State *L)
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    lua_pushnumber(L, (lua_Number)db->basis_t);
    lua_pushnumber(L, (lua_Number)db->as_of_t);
    lua_pushnumber(L, (lua_Number)db->since_t);
    lua_pushboolean(L, db->is_history);
    lua_pushnumber(L, (lua_Number)db->next_counter);
    lua_pushnumber(L, (lua_Number)db->last_instant_ms);
    lua_pushboolean(L, db->view.filter_count > 0);
    lua_pushnumber(L, (lua_Number)lion_schema_epoch(db->schema));
    return 8;
}

/* The t of a point in time, a number or (a third argument is there) an instant, as `find` has it.
 */
static int push_point(lua_State *L, lion_status (*find)(int64_t *, const lion_db *, lion_value,
                                                        lion_arena *, lion_error *))
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    lion_value value;
    if (lua_type(L, 3) == LUA_TNONE) {
        value = lion_value_long(lion_bind_check_integer(L, 2, "a point in time"));
    } else {
        value = lion_value_scalar(LION_TYPE_INSTANT, lion_bind_check_integer(L, 2, "an instant"));
    }
    lion_arena arena; /* nothing below raises before it is freed */
    lion_arena_init(&arena, 0);
    int64_t t = 0;
    lion_error error;
    lion_status status = find(&t, db, value, &arena, &error);
    lion_arena_deinit(&arena);
    if (status < 0) return lion_bind_raise(L, &error);
    lua_pushnumber(L, (lua_Number)t);
    return 1;
}

/* point(db, number or instant) → t */
static int point(lua_State *L)
{
    return push_point(L, lion_db_point);
}

/* log_point(db, number or instant) → the t from which the log is read */
static int log_point(lua_State *L)
{
    return push_point(L, lion_db_log_point);
}

/* Push a value made from another by `make`. */
static int derived(lua_State *L, lion_bind_db *from, lion_bind_db *out, lion_status status,
                   lion_db *db, const lion_error *error)
{
    if (status < 0) return lion_bind_raise(L, error);
    lion_bind_db_take(L, out, db, from->link.conn);
    return 1;
}

static int as_of(lua_State *L)
{
    lion_bind_db *from = lion_bind_db_check(L, 1), *out = lion_bind_db_push(L);
    lion_db *db = NULL;
    lion_error error;
    lion_status status = lion_db_as_of(&db, from->db, (int64_t)luaL_checknumber(L, 2), &error);
    return derived(L, from, out, status, db, &error);
}

static int since(lua_State *L)
{
    lion_bind_db *from = lion_bind_db_check(L, 1), *out = lion_bind_db_push(L);
    lion_db *db = NULL;
    lion_error error;
    lion_status status = lion_db_since(&db, from->db, (int64_t)luaL_checknumber(L, 2), &error);
    return derived(L, from, out, status, db, &error);
}

static int history(lua_State *L)
{
    lion_bind_db *from = lion_bind_db_check(L, 1), *out = lion_bind_db_push(L);
    lion_db *db = NULL;
    lion_error error;
    lion_status status = lion_db_history(&db, from->db, &error);
    return derived(L, from, out, status, db, &error);
}

static int filter(lua_State *L)
{
    lion_bind_db *from = lion_bind_db_check(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    int64_t handle = lion_bind_handle(L, 2);
    lion_bind_db *out = lion_bind_db_push(L);
    lion_db *db = NULL;
    lion_error error;
    lion_status status = lion_db_filter(&db, from->db, handle, &error);
    return derived(L, from, out, status, db, &error);
}

/* at_basis(db, t, next_counter, instant_ms) → db */
static int at_basis(lua_State *L)
{
    lion_bind_db *from = lion_bind_db_check(L, 1), *out = lion_bind_db_push(L);
    lion_db *db = NULL;
    lion_error error;
    lion_status status =
        lion_db_at_basis(&db, from->db, (int64_t)luaL_checknumber(L, 2),
                         (int64_t)luaL_checknumber(L, 3), (int64_t)luaL_checknumber(L, 4), &error);
    return derived(L, from, out, status, db, &error);
}

static int equal(lua_State *L)
{
    lion_bind_db *a = lion_bind_db_test(L, 1), *b = lion_bind_db_test(L, 2);
    bool is_equal =
        a != NULL && b != NULL && a->db != NULL && b->db != NULL && lion_db_equal(a->db, b->db);
    lua_pushboolean(L, is_equal);
    return 1;
}

static int drop(lua_State *L)
{
    lion_bind_db *self = lion_bind_db_test(L, 1);
    if (self != NULL) lion_bind_db_release(self);
    return 0;
}

/* ---- names ---- */

/* An arena that a raised error cannot leak, pushed. */
static int arena_gc(lua_State *L)
{
    lion_arena_deinit(lua_touserdata(L, 1));
    return 0;
}

static lion_arena *push_arena(lua_State *L)
{
    lion_arena *arena = lua_newuserdata(L, sizeof *arena);
    lion_arena_init(arena, 0);
    luaL_getmetatable(L, "lion.arena");
    lua_setmetatable(L, -2);
    return arena;
}

/* entid(db, x) → id, or nil */
static int entid(lua_State *L)
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    lion_arena *arena = push_arena(L);
    lion_form form;
    lion_bind_read(L, 2, arena, &form);
    int64_t id = 0;
    lion_error error;
    lion_status status = lion_db_entid(&id, db, &form, arena, &error);
    lion_arena_deinit(arena);
    lion_arena_init(arena, 0);
    if (status < 0) return lion_bind_raise(L, &error);
    if (status == LION_ABSENT) return 0;
    lua_pushnumber(L, (lua_Number)id);
    return 1;
}

/* ident(db, id) → name without colon, or nil */
static int ident(lua_State *L)
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    lion_slice name;
    if (lion_schema_ident(&name, db->schema, lion_bind_check_integer(L, 2, "an entity id")) !=
        LION_OK)
        return 0;
    lion_bind_push_text(L, name);
    return 1;
}

/* ---- attributes ---- */

static void set_keyword(lua_State *L, const char *key, const char *prefix, const char *name)
{
    lua_pushfstring(L, "%s%s", prefix, name);
    lua_setfield(L, -2, key);
}

static void set_boolean(lua_State *L, const char *key, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, key);
}

static void push_tuple_parts(lua_State *L, const lion_attribute *attribute,
                             const lion_schema *schema)
{
    if (attribute->tuple_kind == 0) return;
    if (attribute->tuple_kind == 3) {
        set_keyword(L, "tuple_type", ":", lion_type_name(attribute->tuple_types[0]));
        return;
    }
    lua_createtable(L, attribute->tuple_count, 0);
    for (int i = 0; i < attribute->tuple_count; i++) {
        lion_slice name = { 0 };
        if (attribute->tuple_kind == 1) {
            if (lion_schema_ident(&name, schema, attribute->tuple_attributes[i]) != LION_OK)
                name.size = 0;
            lua_pushliteral(L, ":");
            lion_bind_push_text(L, name);
            lua_concat(L, 2);
        } else {
            lua_pushfstring(L, ":%s", lion_type_name(attribute->tuple_types[i]));
        }
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, attribute->tuple_kind == 1 ? "tuple_attrs" : "tuple_types");
}

static void push_attribute(lua_State *L, const lion_attribute *attribute, const lion_schema *schema)
{
    lua_createtable(L, 0, 12);
    lua_pushnumber(L, attribute->id);
    lua_setfield(L, -2, "id");
    lua_pushliteral(L, ":");
    lion_bind_push_text(L, attribute->ident);
    lua_concat(L, 2);
    lua_setfield(L, -2, "ident");
    set_keyword(L, "value_type", ":", lion_type_name(attribute->type));
    set_keyword(L, "cardinality", ":db.cardinality/", attribute->is_many ? "many" : "one");
    if (attribute->unique != LION_UNIQUE_NONE)
        set_keyword(L, "unique", ":db.unique/",
                    attribute->unique == LION_UNIQUE_VALUE ? "value" : "identity");
    set_boolean(L, "is_component", attribute->is_component);
    set_boolean(L, "indexed", attribute->is_indexed);
    set_boolean(L, "has_avet", attribute->is_in_avet);
    set_boolean(L, "no_history", attribute->no_history);
    set_boolean(L, "fulltext", false);
    push_tuple_parts(L, attribute, schema);
    if (attribute->predicate_count > 0) {
        lua_createtable(L, (int)attribute->predicate_count, 0);
        for (uint32_t i = 0; i < attribute->predicate_count; i++) {
            lion_bind_push_text(L, attribute->predicates[i]);
            lua_rawseti(L, -2, (int)i + 1);
        }
        lua_setfield(L, -2, "preds");
    }
}

/* attribute(db, a) → table; lion/unknown-attribute */
static int attribute(lua_State *L)
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    lion_arena *arena = push_arena(L);
    lion_form form;
    lion_bind_read(L, 2, arena, &form);
    const lion_attribute *found = NULL;
    lion_error error;
    if (lion_db_attribute(&found, db, &form, &error) != LION_OK) return lion_bind_raise(L, &error);
    push_attribute(L, found, db->schema);
    return 1;
}

/* attributes(db) → array of tables, ascending by id */
static int attributes(lua_State *L)
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    uint32_t count;
    const lion_attribute *const *all = lion_schema_attributes(db->schema, &count);
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        push_attribute(L, all[i], db->schema);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* attribute_kind(db, name) → the attribute's is_many, is_component, is_ref, id, type (a number),
 * is_unique; nil if there is none */
static int attribute_kind(lua_State *L)
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    size_t size;
    const char *name = luaL_checklstring(L, 2, &size);
    const lion_attribute *found =
        lion_schema_attribute_named(db->schema, lion_slice_of(name, size));
    if (found == NULL) return 0;
    lua_pushboolean(L, found->is_many);
    lua_pushboolean(L, found->is_component);
    lua_pushboolean(L, found->type == LION_TYPE_REF);
    lua_pushnumber(L, found->id);
    lua_pushnumber(L, found->type);
    lua_pushboolean(L, found->unique != LION_UNIQUE_NONE);
    return 6;
}

/* first(db, id, attribute's id) → true, the value or nil; false: it takes a reading of datoms to
 * tell (tuples, filtered values, histories). Without a step or a table: what entities are read by.
 */
static int first(lua_State *L)
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    int64_t id = lion_bind_check_integer(L, 2, "an entity id");
    const lion_attribute *found =
        lion_schema_attribute(db->schema, lion_bind_check_integer(L, 3, "an attribute's id"));
    if (found == NULL || found->type == LION_TYPE_TUPLE || db->is_history ||
        db->view.filter_count > 0) {
        lua_pushboolean(L, 0);
        return 1;
    }
    lion_value value;
    lion_error error;
    if (lion_db_get(&value, db, id, &found->id, 1, &error) < 0) return lion_bind_raise(L, &error);
    lua_pushboolean(L, 1);
    if (value.type == LION_TYPE_NIL) return 1;
    lion_bind_push_value(L, value, NULL); /* only tuples need scratch */
    return 2;
}

/* ---- counts ---- */

static const char *const index_names[] = { "eavt", "aevt", "avet", "vaet", NULL };

/* count(db, index, components) → number; nil: the value is filtered, so its datoms must be looked
 * at */
static int count(lua_State *L)
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    int index = luaL_checkoption(L, 2, NULL, index_names);
    luaL_checktype(L, 3, LUA_TTABLE);
    lion_arena *arena = push_arena(L);
    lion_form forms;
    lion_bind_read(L, 3, arena, &forms);
    uint64_t result = 0;
    lion_error error;
    lion_status status =
        lion_db_count(&result, db, (lion_index)index, forms.items, forms.count, arena, &error);
    if (status == LION_ABSENT) return 0;
    if (status < 0) return lion_bind_raise(L, &error);
    lua_pushnumber(L, (lua_Number)result);
    return 1;
}

/* indexed_distinct(db, attribute id, of entities) → distinct values (or entities) as the indexer counted
 * them; nil when novelty or time make them another number */
static int indexed_distinct(lua_State *L)
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    const lion_view *view = &db->view;
    bool is_exact = view->filter_count == 0 && !view->is_history && view->since_t < 0 &&
                    view->upper_t >= db->basis_t && view->root->t == db->basis_t && db->branch == 0;
    if (!is_exact) return 0;
    const lion_root_attribute *trees =
        lion_root_attribute_lookup(view->root, (uint32_t)luaL_checknumber(L, 2));
    bool is_entities = lua_toboolean(L, 3) != 0;
    if (trees != NULL && !is_entities && trees->avet.count == 0 && trees->aevt.count > 0) return 0;
    lua_pushnumber(L, trees == NULL ? 0 : (lua_Number)(is_entities ? trees->distinct_e : trees->distinct_v));
    return 1;
}

/* value_sample(db, attribute id) → values of facts that the indexer drew evenly, as an array; nil where it has none: the
 * attribute is in AVET, or not indexed for the most part, or the value is one of the past */
static int value_sample(lua_State *L)
{
    const lion_db *db = lion_bind_db_check(L, 1)->db;
    const lion_view *view = &db->view;
    uint32_t a = (uint32_t)luaL_checknumber(L, 2);
    bool is_present = view->filter_count == 0 && !view->is_history && view->since_t < 0 && view->upper_t >= db->basis_t;
    const lion_value_sample *sample = is_present ? lion_root_sample_lookup(view->root, a) : NULL;
    const lion_root_attribute *trees = lion_root_attribute_lookup(view->root, a);
    lion_key key = { .datom = { .a = a }, .parts = 1 };
    uint64_t total = 0;
    if (sample == NULL || trees == NULL || lion_view_estimate(&total, view, LION_AEVT, &key, NULL) != LION_OK) return 0;
    if (sample->count == 0 || trees->aevt.count * 2 < total) return 0;
    lion_arena *scratch = push_arena(L);
    lua_createtable(L, (int)sample->count, 0);
    for (uint32_t i = 0; i < sample->count; i++) {
        lion_bind_push_value(L, lion_value_sample_get(sample, i), scratch);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

const luaL_Reg lion_bind_db_functions[] = {
    { "info", info },
    { "point", point },
    { "log_point", log_point },
    { "as_of", as_of },
    { "since", since },
    { "history", history },
    { "filter", filter },
    { "at_basis", at_basis },
    { "equal", equal },
    { "drop", drop },
    { "entid", entid },
    { "ident", ident },
    { "attribute", attribute },
    { "attributes", attributes },
    { "attribute_kind", attribute_kind },
    { "first", first },
    { "count", count },
    { "indexed_distinct", indexed_distinct },
    { "value_sample", value_sample },
    { NULL, NULL },
};

void lion_bind_db_types(lua_State *L)
{
    lion_bind_make_type(L, "lion.arena", arena_gc);
}
