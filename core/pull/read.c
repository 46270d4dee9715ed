/* read.c - three cursors, each moved from entity to entity: sorted probes are cheap. */
#include "pull/read.h"

#include "base/assert.h"

/* A first batch this small makes reading a small entity cheap; a long list takes some more steps.
 */
#define BATCH_ROWS 16
#define ROWS_FIRST 8

static lion_status add_row(lion_pull_reader *reader, uint32_t a, lion_value v, lion_error *error)
{
    if (reader->count == reader->capacity) {
        uint32_t capacity = reader->capacity == 0 ? ROWS_FIRST : reader->capacity * 2;
        lion_pull_row *rows =
            lion_arena_grow(reader->arena, reader->rows, sizeof(*rows) * reader->capacity,
                            sizeof(*rows) * capacity);
        if (rows == NULL || reader->arena->is_exhausted) return lion_fail_memory(error);
        reader->rows = rows;
        reader->capacity = capacity;
    }
    reader->rows[reader->count++] = (lion_pull_row){ .a = a, .v = v };
    return LION_OK;
}

static void begin_rows(lion_pull_reader *reader)
{
    reader->rows = NULL;
    reader->count = reader->capacity = 0;
}

/* Place the cursor for a read that begins; a read that waited for a call goes on where it was. */
static lion_status place(lion_pull_reader *reader, lion_cursor **cursor, lion_index index,
                         const lion_key *key, uint32_t columns, lion_error *error)
{
    if (reader->waiting != NULL) {
        LION_ASSERT(reader->waiting == *cursor);
        reader->waiting = NULL;
        return LION_OK;
    }
    begin_rows(reader);
    if (*cursor != NULL) return lion_cursor_seek(*cursor, key, error);
    lion_cursor_options options = { .columns = columns, .batch_rows = BATCH_ROWS };
    return lion_cursor_open(cursor, reader->view, index, key, &options, reader->arena, error);
}

/* The next batch; LION_CALL is remembered. */
static lion_status next_batch(lion_pull_reader *reader, lion_cursor *cursor,
                              lion_datom_batch *batch, lion_error *error)
{
    lion_status status = lion_cursor_next(cursor, batch, error);
    if (status == LION_CALL) reader->waiting = cursor;
    return status;
}

static bool is_full(const lion_pull_reader *reader, int64_t limit)
{
    return limit >= 0 && reader->count >= limit;
}

/* The one value of a view without filters: no cursor, no allocation. */
static lion_status read_one(lion_pull_reader *reader, int64_t e, const lion_attribute *attribute,
                            lion_error *error)
{
    lion_value value;
    int64_t tx;
    begin_rows(reader);
    lion_status status =
        lion_view_get(&value, &tx, reader->view, e, attribute->id, reader->arena, error);
    if (status == LION_OK) return add_row(reader, attribute->id, value, error);
    return status == LION_ABSENT ? LION_OK : status;
}

#define RUN_ROWS 64

static lion_entities *entities_of(lion_pull_reader *reader)
{
    if (reader->entities.view == NULL)
        reader->entities = (lion_entities){ .view = reader->view, .arena = reader->arena };
    return &reader->entities;
}

/* The same of several values, from where the entity's facts lie; LION_END where it takes a cursor.
 */
static lion_status read_several(lion_pull_reader *reader, int64_t e, uint32_t a, int64_t limit,
                                lion_error *error)
{
    lion_value values[RUN_ROWS];
    uint32_t count;
    lion_status status =
        lion_entities_values(entities_of(reader), e, a, values, RUN_ROWS, &count, error);
    if (status != LION_OK) return status;
    begin_rows(reader);
    for (uint32_t i = 0; status == LION_OK && i < count && !is_full(reader, limit); i++)
        status = add_row(reader, a, values[i], error);
    return status;
}

lion_status lion_pull_read_values(lion_pull_reader *reader, int64_t e,
                                  const lion_attribute *attribute, int64_t limit, lion_error *error)
{
    if (!attribute->is_many && reader->view->filter_count == 0)
        return read_one(reader, e, attribute, error);
    lion_status status = LION_END;
    if (reader->waiting == NULL) status = read_several(reader, e, attribute->id, limit, error);
    if (status != LION_END) return status;

    lion_key key = { .datom = { .e = e, .a = attribute->id }, .parts = 2 };
    status = place(reader, &reader->values, LION_EAVT, &key, LION_COLUMN_V, error);
    lion_datom_batch batch;
    while (status == LION_OK && !is_full(reader, limit)) {
        status = next_batch(reader, reader->values, &batch, error);
        for (uint32_t i = 0; status == LION_OK && i < batch.count && !is_full(reader, limit); i++)
            status = add_row(reader, attribute->id, lion_vector_get(&batch.v, i), error);
    }
    return status == LION_END ? LION_OK : status;
}

lion_status lion_pull_read_inbound(lion_pull_reader *reader, int64_t e,
                                   const lion_attribute *attribute, int64_t limit,
                                   lion_error *error)
{
    lion_key key = { .datom = { .v = lion_value_ref(e), .a = attribute->id }, .parts = 2 };
    lion_status status = place(reader, &reader->inbound, LION_VAET, &key, LION_COLUMN_E, error);
    lion_datom_batch batch;
    while (status == LION_OK && !is_full(reader, limit)) {
        status = next_batch(reader, reader->inbound, &batch, error);
        for (uint32_t i = 0; status == LION_OK && i < batch.count && !is_full(reader, limit); i++)
            status = add_row(reader, attribute->id, lion_value_ref(batch.e[i]), error);
    }
    return status == LION_END ? LION_OK : status;
}

/* Whether the attribute already has `limit` rows: rows of one attribute lie side by side. */
static bool has_enough(const lion_pull_reader *reader, uint32_t a, int64_t limit)
{
    return limit >= 0 && reader->count >= limit && reader->rows[reader->count - limit].a == a;
}

lion_status lion_pull_read(lion_pull_reader *reader, int64_t e, const lion_pull_spec *spec,
                           const lion_attribute *attribute, lion_error *error)
{
    if (!spec->is_reverse) return lion_pull_read_values(reader, e, attribute, spec->limit, error);
    int64_t limit = attribute->is_component ? 1 : spec->limit; /* a component has one owner */
    return lion_pull_read_inbound(reader, e, attribute, limit, error);
}

/* The facts of one entity from where they lie; LION_END where it takes a cursor. */
static lion_status read_run(lion_pull_reader *reader, int64_t e, int64_t limit, lion_error *error)
{
    uint32_t a[RUN_ROWS], count;
    lion_value values[RUN_ROWS];
    lion_status status =
        lion_entities_read(entities_of(reader), e, a, values, RUN_ROWS, &count, error);
    if (status != LION_OK) return status;
    begin_rows(reader);
    for (uint32_t i = 0; status == LION_OK && i < count; i++)
        if (!has_enough(reader, a[i], limit)) status = add_row(reader, a[i], values[i], error);
    return status;
}

lion_status lion_pull_read_entity(lion_pull_reader *reader, int64_t e, int64_t limit,
                                  lion_error *error)
{
    LION_ASSERT(limit != 0);
    lion_status status = LION_END;
    if (reader->waiting == NULL) status = read_run(reader, e, limit, error);
    if (status != LION_END) return status;
    lion_key key = { .datom = { .e = e }, .parts = 1 };
    status = place(reader, &reader->entity, LION_EAVT, &key, LION_COLUMN_A | LION_COLUMN_V, error);
    lion_datom_batch batch;
    while (status == LION_OK) {
        status = next_batch(reader, reader->entity, &batch, error);
        for (uint32_t i = 0; status == LION_OK && i < batch.count; i++)
            if (!has_enough(reader, batch.a[i], limit))
                status = add_row(reader, batch.a[i], lion_vector_get(&batch.v, i), error);
    }
    return status == LION_END ? LION_OK : status;
}
