/* db.c - making values of the database from parts and from each other. */
#include "db/db.h"

#include "base/assert.h"
#include "base/memory.h"
#include "db/bootstrap.h"

/* Below it a number is a t, from 3<<42 on a transaction id, between an instant (API: numbers as points in time). */
#define LION_POINT_T_MAX INT64_C(100000000000)

static void keep_parts(lion_db *db)
{
    if (db->view.root != NULL) lion_root_keep((lion_root *)(uintptr_t)db->view.root);
    lion_novelty_version_keep(&db->view.novelty);
    lion_novelty_version_keep(&db->view.speculative);
    lion_schema_keep(db->schema);
    if (db->unfiltered != NULL) lion_db_keep(db->unfiltered);
}

lion_status lion_db_new(lion_db **db_out, lion_root *root, const lion_novelty_version *novelty,
                        lion_schema *schema, int64_t basis_t, int64_t next_counter,
                        int64_t last_instant_ms, uint64_t database, lion_error *error)
{
    lion_db *db = lion_zalloc(sizeof *db);
    if (db == NULL) return lion_fail_memory(error);
    db->references = 1;
    db->view.root = root;
    if (novelty != NULL) db->view.novelty = *novelty;
    db->view.upper_t = basis_t;
    db->view.since_t = -1;
    db->view.vaet_attributes = lion_schema_refs(schema, &db->view.vaet_count);
    db->view.db = db;
    db->schema = schema;
    db->basis_t = basis_t;
    db->as_of_t = -1;
    db->since_t = -1;
    db->next_counter = next_counter;
    db->last_instant_ms = last_instant_ms;
    db->database = database;
    keep_parts(db);
    *db_out = db;
    return LION_OK;
}

lion_db *lion_db_keep(lion_db *db)
{
    __atomic_add_fetch(&db->references, 1, __ATOMIC_RELAXED);
    return db;
}

void lion_db_drop(lion_db *db)
{
    if (db == NULL || __atomic_sub_fetch(&db->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    if (db->owner != NULL) db->owner->released(db->owner, db);
    lion_novelty_version_release(&db->view.speculative);
    lion_novelty_version_release(&db->view.novelty);
    lion_root_drop((lion_root *)(uintptr_t)db->view.root);
    lion_schema_drop(db->schema);
    lion_db_drop(db->unfiltered);
    lion_free(db);
}

lion_status lion_db_derive(lion_db **db_out, const lion_db *db, lion_error *error)
{
    lion_db *derived = lion_alloc(sizeof *derived);
    if (derived == NULL) return lion_fail_memory(error);
    *derived = *db;
    derived->references = 1;
    derived->owner = NULL;
    derived->view.db = derived;
    keep_parts(derived);
    *db_out = derived;
    return LION_OK;
}

static void set_time(lion_db *db)
{
    db->view.upper_t = db->basis_t;
    if (db->as_of_t >= 0 && db->as_of_t < db->basis_t) db->view.upper_t = db->as_of_t;
    db->view.since_t = db->since_t;
    db->view.is_history = db->is_history;
}

lion_status lion_db_as_of(lion_db **db_out, lion_db *db, int64_t t, lion_error *error)
{
    lion_db *derived = NULL;
    lion_status status = lion_db_derive(&derived, db, error);
    if (status < 0) return status;
    derived->as_of_t = db->as_of_t >= 0 && db->as_of_t < t ? db->as_of_t : t;
    set_time(derived);
    *db_out = derived;
    return LION_OK;
}

lion_status lion_db_since(lion_db **db_out, lion_db *db, int64_t t, lion_error *error)
{
    lion_db *derived = NULL;
    lion_status status = lion_db_derive(&derived, db, error);
    if (status < 0) return status;
    derived->since_t = db->since_t > t ? db->since_t : t;
    set_time(derived);
    *db_out = derived;
    return LION_OK;
}

lion_status lion_db_history(lion_db **db_out, lion_db *db, lion_error *error)
{
    lion_db *derived = NULL;
    lion_status status = lion_db_derive(&derived, db, error);
    if (status < 0) return status;
    derived->is_history = true;
    set_time(derived);
    *db_out = derived;
    return LION_OK;
}

lion_status lion_db_filter(lion_db **db_out, lion_db *db, int64_t host_function, lion_error *error)
{
    if (db->view.filter_count == LION_VIEW_FILTERS_MAX)
        return lion_fail(error, LION_INCORRECT, "lion/limit", "a value takes at most %d filters",
                         LION_VIEW_FILTERS_MAX);
    lion_db *derived = NULL;
    lion_status status = lion_db_derive(&derived, db, error);
    if (status < 0) return status;
    if (derived->unfiltered == NULL) derived->unfiltered = lion_db_keep(db);
    derived->view.db = derived->unfiltered;
    derived->view.filters[derived->view.filter_count++] = host_function;
    *db_out = derived;
    return LION_OK;
}

lion_status lion_db_at_basis(lion_db **db_out, lion_db *db, int64_t t, int64_t next_counter,
                             int64_t instant_ms, lion_error *error)
{
    LION_ASSERT(t <= db->basis_t);
    lion_db *derived = NULL;
    lion_status status = lion_db_derive(&derived, db, error);
    if (status < 0) return status;
    derived->basis_t = t;
    derived->next_counter = next_counter;
    derived->last_instant_ms = instant_ms;
    set_time(derived);
    *db_out = derived;
    return LION_OK;
}

bool lion_db_equal(const lion_db *a, const lion_db *b)
{
    if (a == b) return true;
    if (a->database != b->database || a->branch != b->branch || a->basis_t != b->basis_t ||
        a->as_of_t != b->as_of_t || a->since_t != b->since_t || a->is_history != b->is_history ||
        a->view.filter_count != b->view.filter_count)
        return false;
    for (uint8_t i = 0; i < a->view.filter_count; i++)
        if (a->view.filters[i] != b->view.filters[i]) return false;
    return true;
}

/* ---- points in time ---- */

/* The newest transaction at or before an instant: the last one in AVET order whose instant is not after it. */
static lion_status t_of_instant(int64_t *t_out, const lion_db *db, int64_t instant_ms,
                                lion_arena *arena, lion_error *error)
{
    lion_view view = db->view;
    view.upper_t = db->basis_t;
    view.since_t = -1;
    view.is_history = false;
    view.filter_count = 0;
    lion_value end = lion_value_scalar(LION_TYPE_INSTANT, instant_ms);
    lion_key key = { .datom = { .a = LION_ID_TX_INSTANT, .v = end }, .parts = 2 };
    lion_cursor_options options = { .columns = LION_COLUMN_E | LION_COLUMN_V, .is_reverse = true, .is_seek = true,
                                    .is_in_attribute = true, .batch_rows = 8 };
    lion_cursor *cursor = NULL;
    lion_status status = lion_cursor_open(&cursor, &view, LION_AVET, &key, &options, arena, error);
    lion_datom_batch batch;
    if (status == LION_OK) status = lion_cursor_next(cursor, &batch, error);
    if (status < 0) return status;
    *t_out = status == LION_OK ? lion_tx_to_t(batch.e[0]) : 0;
    return LION_OK;
}

lion_status lion_db_point(int64_t *t_out, const lion_db *db, lion_value point, lion_arena *arena,
                          lion_error *error)
{
    int64_t instant_ms = 0;
    if (point.type == LION_TYPE_STRING) {
        if (lion_instant_parse(&instant_ms, lion_value_slice(point)) != LION_OK)
            return lion_fail(error, LION_INCORRECT, "lion/syntax",
                             "%s is no point in time: give a t, a transaction id, ms since 1970, or a text "
                             "such as 2026-01-31T12:00:00Z",
                             lion_value_text(arena, point));
        return t_of_instant(t_out, db, instant_ms, arena, error);
    }
    if (point.type == LION_TYPE_DOUBLE && point.number >= -9e15 && point.number <= 9e15)
        point = lion_value_long((int64_t)point.number);
    if (point.type != LION_TYPE_LONG && point.type != LION_TYPE_INSTANT && point.type != LION_TYPE_REF)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "%s is no point in time",
                         lion_value_text(arena, point));
    if (point.type == LION_TYPE_INSTANT) return t_of_instant(t_out, db, point.bits, arena, error);
    if (point.bits >= 0 && point.bits < LION_POINT_T_MAX) {
        *t_out = point.bits;
    } else if (lion_id_partition(point.bits) == LION_PARTITION_TX) {
        *t_out = lion_tx_to_t(point.bits);
    } else {
        return t_of_instant(t_out, db, point.bits, arena, error);
    }
    return LION_OK;
}
