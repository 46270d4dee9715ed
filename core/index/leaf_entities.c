/* leaf_entities.c - a and v of EAVT leaves, by the shapes of entities: one run at a time, or, where
 * entities of one shape follow each other, column by column. */
#include <string.h>

#include "base/assert.h"
#include "index/leaf.h"
#include "index/leaf_format.h"

static uint32_t load_u32(const uint8_t *at)
{
    uint32_t x;
    memcpy(&x, at, 4);
    return x;
}

/* The column of an attribute of an EAVT leaf. */
static lion_column *attribute_column(lion_leaf *leaf, uint32_t code)
{
    lion_column *column = leaf->columns != NULL ? &leaf->columns[code] : &leaf->column;
    bool is_open =
        leaf->columns != NULL ? column->type != LION_TYPE_NIL : leaf->column_code == code;
    if (is_open) return column;

    uint32_t place = load_u32(leaf->directory + (size_t)code * 8 + 4);
    lion_reader reader;
    bool is_inside = place >= LION_LEAF_HEADER_SIZE && place < leaf->size;
    leaf->column_code = UINT32_MAX;
    if (is_inside) {
        lion_reader_init(&reader, lion_slice_of(leaf->bytes + place, leaf->size - place));
        if (lion_column_open(column, &reader)) {
            leaf->column_code = code;
            return column;
        }
    }
    column->type = LION_TYPE_NIL;
    return NULL;
}

lion_status lion_leaf_read_run(lion_leaf *leaf, uint32_t run, uint32_t offset, uint32_t count,
                               uint32_t *a, lion_value *values, lion_error *error)
{
    LION_ASSERT(run < leaf->leads && leaf->order == LION_EAVT);
    if (lion_leaf_need(leaf, LION_LEAF_SHAPES | LION_LEAF_V, error) != LION_OK) return LION_FAILED;
    uint64_t shape = (uint64_t)lion_ints_get(&leaf->shape, run);
    if (shape >= leaf->shapes) return lion_leaf_corrupt(error, "its shapes");
    uint64_t position = (uint64_t)lion_ints_get(&leaf->shape_starts, shape) + offset;
    if (position > leaf->positions || count > leaf->positions - position)
        return lion_leaf_corrupt(error, "its shapes");
    uint64_t ordinal = values != NULL ? (uint64_t)lion_ints_get(&leaf->ordinal, run) : 0;

    for (uint32_t i = 0; i < count; i++, position++) {
        uint64_t code = (uint64_t)lion_ints_get(&leaf->codes, position);
        if (code >= leaf->attributes) return lion_leaf_corrupt(error, "its shapes");
        if (a != NULL) a[i] = load_u32(leaf->directory + code * 8);
        if (values == NULL) continue;
        uint64_t slot = (uint64_t)lion_ints_get(&leaf->slots, position) + ordinal;
        lion_column *column = attribute_column(leaf, (uint32_t)code);
        if (column == NULL || slot >= column->count || !lion_column_get(column, slot, &values[i]))
            return lion_leaf_corrupt(error, "a column of an attribute");
    }
    return LION_OK;
}

/* ---- many entities ----
 *
 * Whole runs are taken in chunks. In a chunk the runs of one shape have consecutive ordinals, so
 * for each position of the shape their values are a stretch of one column: read at once, spread to
 * their rows. Bytes that are wrong may make that untrue; then the values are wrong, within bounds.
 */

#define CHUNK 256
#define ALIKE_MIN 4 /* fewer runs of one shape are read one by one */

typedef struct chunk {
    lion_leaf *leaf;
    uint32_t run, count;
    int64_t starts[CHUNK + 1]; /* rows */
    int64_t shapes[CHUNK];
    uint32_t members[CHUNK]; /* runs of the shape at hand, as indexes here */
    uint32_t member_count;
    uint32_t *a; /* of row starts[0]; either may be NULL */
    lion_value *values;
} chunk;

/* The values of a column from slot on, one for each member, to its row's offset-th. */
static bool spread(const chunk *c, const lion_column *column, uint64_t slot, uint32_t offset)
{
    uint32_t count = c->member_count;
    if (slot > column->count || count > column->count - slot) return false;
    lion_value *values = c->values + offset;
    if (!lion_type_is_scalar(column->type)) {
        lion_value bytes[CHUNK];
        if (!lion_column_read_values(column, slot, count, bytes)) return false;
        for (uint32_t i = 0; i < count; i++)
            values[c->starts[c->members[i]] - c->starts[0]] = bytes[i];
        return true;
    }
    int64_t bits[CHUNK];
    lion_column_read_bits(column, slot, count, bits);
    for (uint32_t i = 0; i < count; i++)
        values[c->starts[c->members[i]] - c->starts[0]] =
            lion_value_scalar((lion_type)column->type, bits[i]);
    return true;
}

/* Collect the runs that share the shape of the first-th; whether all are as long as it is. */
static bool find_members(chunk *c, uint32_t first, uint32_t *length_out)
{
    uint64_t shape = (uint64_t)c->shapes[first];
    c->member_count = 0;
    if (shape >= c->leaf->shapes) return false;
    int64_t length = lion_ints_get(&c->leaf->shape_starts, shape + 1) -
                     lion_ints_get(&c->leaf->shape_starts, shape);
    bool is_regular = length >= 1;
    for (uint32_t i = first; i < c->count; i++) {
        if (c->shapes[i] != c->shapes[first]) continue;
        is_regular &= c->starts[i + 1] - c->starts[i] == length;
        c->members[c->member_count++] = i;
    }
    *length_out = (uint32_t)length;
    return is_regular;
}

static bool read_members(const chunk *c, uint32_t length)
{
    lion_leaf *leaf = c->leaf;
    uint32_t first = c->members[0];
    uint64_t position = (uint64_t)lion_ints_get(&leaf->shape_starts, (size_t)c->shapes[first]);
    uint64_t ordinal = (uint64_t)lion_ints_get(&leaf->ordinal, c->run + first);
    if (position > leaf->positions || length > leaf->positions - position) return false;
    for (uint32_t offset = 0; offset < length; offset++, position++) {
        uint64_t code = (uint64_t)lion_ints_get(&leaf->codes, position);
        if (code >= leaf->attributes) return false;
        uint32_t a = load_u32(leaf->directory + code * 8);
        for (uint32_t i = 0; c->a != NULL && i < c->member_count; i++)
            c->a[c->starts[c->members[i]] - c->starts[0] + offset] = a;
        if (c->values == NULL) continue;
        uint64_t slot = (uint64_t)lion_ints_get(&leaf->slots, position) + ordinal;
        const lion_column *column = attribute_column(leaf, (uint32_t)code);
        if (column == NULL || !spread(c, column, slot, offset)) return false;
    }
    return true;
}

static lion_status read_one(const chunk *c, uint32_t i, lion_error *error)
{
    int64_t offset = c->starts[i] - c->starts[0];
    return lion_leaf_read_run(c->leaf, c->run + i, 0, (uint32_t)(c->starts[i + 1] - c->starts[i]),
                              c->a != NULL ? c->a + offset : NULL,
                              c->values != NULL ? c->values + offset : NULL, error);
}

static lion_status read_chunk(chunk *c, lion_error *error)
{
    lion_ints_read(&c->leaf->shape, c->run, c->count, c->shapes);
    for (uint32_t i = 0; i < c->count; i++)
        if (c->shapes[i] < 0) return lion_leaf_corrupt(error, "its shapes");
    for (uint32_t first = 0; first < c->count; first++) {
        uint32_t length = 0;
        if (c->shapes[first] < 0) continue; /* read with one before */
        if (!find_members(c, first, &length)) return lion_leaf_corrupt(error, "its shapes");
        if (c->member_count < ALIKE_MIN) {
            if (read_one(c, first, error) != LION_OK) return LION_FAILED;
            continue;
        }
        if (!read_members(c, length)) return lion_leaf_corrupt(error, "its shapes");
        for (uint32_t i = 0; i < c->member_count; i++) c->shapes[c->members[i]] = -1;
    }
    return LION_OK;
}

/* Borders of the runs from c->run on that end at or before `end`: at most CHUNK of them. */
static bool find_borders(chunk *c, uint32_t row, uint32_t end)
{
    uint32_t most = c->leaf->leads - c->run;
    if (most > CHUNK) most = CHUNK;
    if (most > end - row) most = end - row;
    if (c->leaf->leads == c->leaf->rows) {
        for (uint32_t i = 0; i <= most; i++) c->starts[i] = (int64_t)row + i;
    } else {
        lion_ints_read(&c->leaf->starts, c->run, most + 1u, c->starts);
    }
    if (c->starts[0] != row) return false;
    for (c->count = 0; c->count < most && c->starts[c->count + 1] <= end; c->count++)
        if (c->starts[c->count + 1] <= c->starts[c->count]) return false;
    return true;
}

lion_status lion_leaf_read_entities(lion_leaf *leaf, uint32_t from, uint32_t count, uint32_t *a,
                                    lion_value *values, lion_error *error)
{
    chunk c; /* large: nothing is set that is not used */
    uint32_t row = from, end = from + count;
    c.leaf = leaf;
    if (lion_leaf_need(leaf, LION_LEAF_SHAPES | LION_LEAF_V, error) != LION_OK) return LION_FAILED;
    if (lion_leaf_run_of(&c.run, leaf, from, error) != LION_OK) return LION_FAILED;
    while (row < end) {
        uint32_t start, stop;
        if (c.run >= leaf->leads) return lion_leaf_corrupt(error, "its runs");
        if (lion_leaf_run_rows(&start, &stop, leaf, c.run, error) != LION_OK) return LION_FAILED;
        if (row < start || row >= stop) return lion_leaf_corrupt(error, "its runs");
        c.a = a != NULL ? a + (row - from) : NULL;
        c.values = values != NULL ? values + (row - from) : NULL;
        lion_status status;
        if (row > start || stop >= end) { /* cut, or the last one */
            if (stop > end) stop = end;
            status = lion_leaf_read_run(leaf, c.run, row - start, stop - row, c.a, c.values, error);
            c.run++;
            row = stop;
        } else {
            if (!find_borders(&c, row, end)) return lion_leaf_corrupt(error, "its runs");
            status = read_chunk(&c, error);
            c.run += c.count;
            row = (uint32_t)c.starts[c.count];
        }
        if (status != LION_OK) return status;
    }
    return LION_OK;
}
