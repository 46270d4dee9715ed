/* db.c - database values: made, shared, and made from one another by copying the struct. */
#include "db/db.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "db/bootstrap.h"

/* -- Life ------------------------------------------------------------------------------------- */

static void set_bounds(lion_db *db)
{
    db->view.upper_t = db->basis_t;
    if (db->as_of_t >= 0 && db->as_of_t < db->basis_t) db->view.upper_t = db->as_of_t;
    db->view.since_t = db->since_t;
    db->view.is_history = db->is_history;
}

lion_status lion_db_new(lion_db **db_out, lion_root *root, const lion_novelty_version *novelty,
                        lion_schema *schema, int64_t basis_t, int64_t next_counter,
                        int64_t last_instant_ms, uint64_t database, lion_error *error)
{
    lion_db *db = lion_zalloc(sizeof *db);
    if (db == NULL) return lion_fail_memory(error);
    *db = (lion_db){ .references = 1,
                     .schema = lion_schema_keep(schema),
                     .basis_t = basis_t,
                     .as_of_t = -1,
                     .since_t = -1,
                     .next_counter = next_counter,
                     .last_instant_ms = last_instant_ms,
                     .database = database };
    if (root != NULL) db->view.root = lion_root_keep(root);
    if (novelty != NULL) db->view.novelty = *novelty;
    lion_novelty_version_keep(&db->view.novelty);
    db->view.vaet_attributes = lion_schema_refs(schema, &db->view.vaet_count);
    db->view.db = db;
    db->view.overlays = &db->overlays;
    set_bounds(db);
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
    if (db == NULL) return;
    if (__atomic_sub_fetch(&db->references, 1, __ATOMIC_ACQ_REL) != 0) return;
    if (db->owner != NULL) db->owner->released(db->owner, db);
    lion_overlays_deinit(&db->overlays);
    lion_novelty_version_release(&db->view.speculative);
    if (!db->is_open) lion_novelty_version_release(&db->view.novelty);
    lion_root_drop((lion_root *)(uintptr_t)db->view.root);
    lion_schema_drop(db->schema);
    lion_db_drop(db->unfiltered);
    lion_free(db);
}

lion_status lion_db_derive(lion_db **db_out, const lion_db *db, lion_error *error)
{
    LION_ASSERT(!db->is_open);
    lion_db *copy = lion_zalloc(sizeof *copy);
    if (copy == NULL) return lion_fail_memory(error);
    /* Not the first member and the last ones, which other threads may be changing. */
    size_t from = offsetof(lion_db, view), to = offsetof(lion_db, is_extended);
    memcpy((uint8_t *)copy + from, (const uint8_t *)db + from, to - from);
    copy->references = 1;
    copy->owner = NULL;
    copy->is_extended = 1; /* only the original may extend its speculative novelty */
    copy->view.overlays = &copy->overlays;
    if (copy->view.root != NULL) lion_root_keep((lion_root *)(uintptr_t)copy->view.root);
    lion_novelty_version_keep(&copy->view.novelty);
    lion_novelty_version_keep(&copy->view.speculative);
    lion_schema_keep(copy->schema);
    if (copy->unfiltered != NULL)
        lion_db_keep(copy->unfiltered);
    else
        copy->view.db = copy;
    *db_out = copy;
    return LION_OK;
}

/* -- Other values from a value ---------------------------------------------------------------- */

lion_status lion_db_as_of(lion_db **db_out, lion_db *db, int64_t t, lion_error *error)
{
    lion_db *copy = NULL;
    lion_status status = lion_db_derive(&copy, db, error);
    if (status < 0) return status;
    if (t < 0) t = 0;
    copy->as_of_t = db->as_of_t >= 0 && db->as_of_t < t ? db->as_of_t : t; /* never more */
    set_bounds(copy);
    *db_out = copy;
    return LION_OK;
}

lion_status lion_db_since(lion_db **db_out, lion_db *db, int64_t t, lion_error *error)
{
    lion_db *copy = NULL;
    lion_status status = lion_db_derive(&copy, db, error);
    if (status < 0) return status;
    if (t < 0) t = 0;
    copy->since_t = db->since_t > t ? db->since_t : t;
    set_bounds(copy);
    *db_out = copy;
    return LION_OK;
}

lion_status lion_db_history(lion_db **db_out, lion_db *db, lion_error *error)
{
    lion_db *copy = NULL;
    lion_status status = lion_db_derive(&copy, db, error);
    if (status < 0) return status;
    copy->is_history = true;
    set_bounds(copy);
    *db_out = copy;
    return LION_OK;
}

lion_status lion_db_filter(lion_db **db_out, lion_db *db, int64_t host_function, lion_error *error)
{
    if (db->view.filter_count == LION_VIEW_FILTERS_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                         "a database value takes at most %d filters: join them in one function",
                         LION_VIEW_FILTERS_MAX);
    lion_db *copy = NULL;
    lion_status status = lion_db_derive(&copy, db, error);
    if (status < 0) return status;
    if (copy->unfiltered == NULL) copy->unfiltered = lion_db_keep(db);
    copy->view.db = copy->unfiltered;
    copy->view.filters[copy->view.filter_count++] = host_function;
    *db_out = copy;
    return LION_OK;
}

lion_status lion_db_at_basis(lion_db **db_out, lion_db *db, int64_t t, int64_t next_counter,
                             int64_t instant_ms, lion_error *error)
{
    LION_ASSERT(t <= db->basis_t);
    lion_db *copy = NULL;
    lion_status status = lion_db_derive(&copy, db, error);
    if (status < 0) return status;
    copy->basis_t = t;
    copy->next_counter = next_counter;
    copy->last_instant_ms = instant_ms;
    set_bounds(copy);
    *db_out = copy;
    return LION_OK;
}

lion_status lion_db_on(lion_db **db_out, const lion_db *db, lion_db *newest, lion_error *error)
{
    if (db->view.speculative.novelty != NULL) return LION_ABSENT;
    lion_db *unfiltered = NULL, *moved = NULL;
    lion_status status = LION_OK;
    if (db->unfiltered != NULL) status = lion_db_on(&unfiltered, db->unfiltered, newest, error);
    if (status == LION_OK)
        status = lion_db_at_basis(&moved, newest, db->basis_t, db->next_counter, db->last_instant_ms, error);
    if (status != LION_OK) {
        lion_db_drop(unfiltered);
        return status;
    }
    moved->as_of_t = db->as_of_t;
    moved->since_t = db->since_t;
    moved->is_history = db->is_history;
    moved->unfiltered = unfiltered;
    if (unfiltered != NULL) moved->view.db = unfiltered;
    moved->view.filter_count = db->view.filter_count;
    memcpy(moved->view.filters, db->view.filters, sizeof moved->view.filters);
    set_bounds(moved);
    *db_out = moved;
    return LION_OK;
}

bool lion_db_equal(const lion_db *a, const lion_db *b)
{
    if (a == b) return true;
    if (a->database != b->database || a->branch != b->branch || a->basis_t != b->basis_t)
        return false;
    if (a->as_of_t != b->as_of_t || a->since_t != b->since_t || a->is_history != b->is_history)
        return false;
    size_t size = sizeof(a->view.filters[0]) * a->view.filter_count;
    return a->view.filter_count == b->view.filter_count &&
           memcmp(a->view.filters, b->view.filters, size) == 0;
}

void lion_db_plain_view(lion_view *view, const lion_db *db)
{
    *view = db->view;
    view->is_history = false;
    view->filter_count = 0;
}

/* -- Points in time --------------------------------------------------------------------------- */

/* The newest transaction whose instant is not later: instants never run backwards, so it is the
 * last one in AVET order. */
static lion_status t_of_instant(int64_t *t_out, const lion_db *db, int64_t instant_ms,
                                lion_arena *arena, lion_error *error)
{
    if (instant_ms >= db->last_instant_ms) {
        *t_out = db->basis_t;
        return LION_OK;
    }
    lion_view view;
    lion_db_plain_view(&view, db);
    view.upper_t = db->basis_t;
    view.since_t = -1;
    view.overlays = NULL; /* those are of other bounds */
    lion_key key = { .datom = { .a = LION_ID_TX_INSTANT,
                                .v = lion_value_scalar(LION_TYPE_INSTANT, instant_ms) },
                     .parts = 2 };
    lion_cursor_options options = { .columns = LION_COLUMN_E,
                                    .is_reverse = true,
                                    .is_seek = true,
                                    .is_in_attribute = true,
                                    .batch_rows = 1 };
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    lion_status status = lion_cursor_open(&cursor, &view, LION_AVET, &key, &options, arena, error);
    if (status == LION_OK) status = lion_cursor_next(cursor, &batch, error);
    if (status < 0) return status;
    *t_out = status == LION_END ? 0 : lion_tx_to_t(batch.e[0]);
    return LION_OK;
}

/* LION_OK: the point is a t, in *at_out. LION_ABSENT: it is the instant there. */
static lion_status read_number(int64_t *at_out, int64_t number, lion_error *error)
{
    *at_out = number;
    if (number >= 0 && number < LION_POINT_T_MAX) return LION_OK;
    if (number < lion_t_to_tx(0)) return LION_ABSENT;
    if (lion_id_partition(number) != LION_PARTITION_TX)
        return lion_fail(error, LION_INCORRECT, "db.error/invalid-entity-id",
                         "%lld is an entity but no transaction: a point in time is a t, a "
                         "transaction id, or an instant",
                         (long long)number);
    *at_out = lion_tx_to_t(number);
    return LION_OK;
}

static lion_status read_point(int64_t *at_out, lion_value point, lion_arena *arena,
                              lion_error *error)
{
    bool is_exact = point.type == LION_TYPE_DOUBLE && fabs(point.number) <= 9e15;
    if (is_exact && point.number == floor(point.number))
        return read_number(at_out, (int64_t)point.number, error);
    switch (point.type) {
    case LION_TYPE_LONG:
    case LION_TYPE_REF: return read_number(at_out, point.bits, error);
    case LION_TYPE_INSTANT: *at_out = point.bits; return LION_ABSENT;
    case LION_TYPE_STRING:
        if (lion_instant_parse(at_out, lion_value_slice(point)) == LION_OK) return LION_ABSENT;
        break;
    default: break;
    }
    return lion_fail(error, LION_INCORRECT, "lion/syntax",
                     "%.200s is no point in time: give a t, a transaction id, an instant in ms or "
                     "as RFC 3339 text (\"2026-01-01T00:00:00Z\")",
                     lion_value_text(arena, point));
}

lion_status lion_db_point(int64_t *t_out, const lion_db *db, lion_value point, lion_arena *arena,
                          lion_error *error)
{
    int64_t at = 0;
    lion_status status = read_point(&at, point, arena, error);
    if (status == LION_ABSENT) return t_of_instant(t_out, db, at, arena, error);
    if (status == LION_OK) *t_out = at;
    return status;
}

lion_status lion_db_log_point(int64_t *t_out, const lion_db *db, lion_value point,
                              lion_arena *arena, lion_error *error)
{
    int64_t at = 0;
    lion_status status = read_point(&at, point, arena, error);
    if (status == LION_ABSENT) {
        status = t_of_instant(&at, db, at > INT64_MIN ? at - 1 : at, arena, error);
        at++;
    }
    if (status == LION_OK) *t_out = at;
    return status;
}
