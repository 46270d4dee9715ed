/* read.c - what embedding programs ask of a database value: single facts by attribute id, datoms of
 * an index, their number. Attributes are ids here, so that a program looks their names up once. */
#include "db/db.h"
#include "index/facts.h"

lion_db_info lion_db_info_of(const lion_db *db)
{
    return (lion_db_info){ .basis_t = db->basis_t,
                           .as_of_t = db->as_of_t,
                           .since_t = db->since_t,
                           .next_counter = db->next_counter,
                           .instant_ms = db->last_instant_ms,
                           .database = db->database,
                           .is_history = db->is_history,
                           .is_filtered = db->view.filter_count > 0 };
}

const lion_schema *lion_db_schema(const lion_db *db)
{
    return db->schema;
}

/* ---- single facts ---- */

static lion_status fail_unknown(lion_error *error, uint32_t attribute)
{
    return lion_fail(error, LION_INCORRECT, "lion/unknown-attribute",
                     "%u is the id of no attribute of this database", (unsigned)attribute);
}

/* The view to read single facts through: without history, whose first datom may be a retraction. */
static const lion_view *fact_view(const lion_db *db, lion_view *plain)
{
    if (!db->is_history) return &db->view;
    lion_db_plain_view(plain, db);
    return plain;
}

/* An attribute whose values entities can be found by. */
static lion_status find_key(const lion_attribute **found_out, const lion_db *db, uint32_t attribute,
                            lion_error *error)
{
    const lion_attribute *found = lion_schema_attribute(db->schema, attribute);
    if (found == NULL) return fail_unknown(error, attribute);
    if (!found->is_in_avet)
        return lion_fail(error, LION_INCORRECT, "db.error/attribute-not-indexed",
                         ":%.*s is not indexed: entities cannot be found by its values",
                         (int)found->ident.size, (const char *)found->ident.data);
    *found_out = found;
    return LION_OK;
}

lion_status lion_db_lookup(int64_t *id_out, const lion_db *db, uint32_t attribute, lion_value value,
                           lion_error *error)
{
    const lion_attribute *found = NULL;
    lion_status status = find_key(&found, db, attribute, error);
    if (status != LION_OK) return status;
    if (found->type != value.type) return LION_ABSENT; /* no value of another type is there */
    lion_view plain;
    lion_arena
        scratch; /* used by views with filters or time only; what they yield lies elsewhere */
    lion_arena_init(&scratch, 0);
    status = lion_view_find(id_out, NULL, fact_view(db, &plain), attribute, value, &scratch, error);
    lion_arena_deinit(&scratch);
    return status;
}

lion_status lion_db_get(lion_value *values_out, const lion_db *db, int64_t entity,
                        const uint32_t *attributes, uint32_t count, lion_error *error)
{
    lion_view plain;
    const lion_view *view = fact_view(db, &plain);
    lion_arena scratch;
    lion_arena_init(&scratch, 0);
    lion_status status =
        lion_view_row(values_out, view, entity, attributes, count, &scratch, error);
    lion_arena_deinit(&scratch);
    return status;
}

lion_status lion_facts_open(lion_facts **facts_out, const lion_db *db, uint32_t key,
                            const uint32_t *attributes, uint32_t count, lion_arena *arena,
                            lion_error *error)
{
    lion_type type = LION_TYPE_NIL;
    if (key != 0) {
        const lion_attribute *found = NULL;
        lion_status status = find_key(&found, db, key, error);
        if (status != LION_OK) return status;
        type = (lion_type)found->type;
    }
    lion_view plain;
    return lion_facts_new(facts_out, fact_view(db, &plain), key, type, attributes, count, arena,
                          error);
}

/* ---- datoms of an index ---- */

lion_status lion_db_datoms(lion_cursor **cursor_out, const lion_db *db, lion_index index,
                           const lion_form *components, size_t count,
                           const lion_cursor_options *options, lion_arena *arena, lion_error *error)
{
    static const lion_cursor_options all = { .columns = LION_COLUMN_ALL };
    lion_key *key = lion_arena_new(arena, lion_key);
    lion_status status = lion_db_key(key, db, index, components, count, arena, error);
    if (status != LION_OK) return status;
    return lion_cursor_open(cursor_out, &db->view, index, key, options == NULL ? &all : options,
                            arena, error);
}

lion_status lion_db_count(uint64_t *count_out, const lion_db *db, lion_index index,
                          const lion_form *components, size_t count, lion_arena *arena,
                          lion_error *error)
{
    if (db->view.filter_count > 0) return LION_ABSENT;
    lion_key key;
    lion_status status = lion_db_key(&key, db, index, components, count, arena, error);
    if (status < 0) return status;
    if (status == LION_ABSENT) {
        *count_out = 0; /* a name that is not there has no datoms */
        return LION_OK;
    }
    return lion_view_count(count_out, &db->view, index, &key, arena, error);
}
