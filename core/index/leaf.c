/* leaf.c - opening leaves, and where their runs lie. */
#include "index/leaf.h"

#include <string.h>

#include "base/assert.h"
#include "index/leaf_format.h"

lion_status lion_leaf_corrupt(lion_error *error, const char *what)
{
    return lion_fail_corrupt(error, "a leaf segment is malformed: %s", what);
}

static uint32_t load_u32(const uint8_t *at)
{
    uint32_t x;
    memcpy(&x, at, 4);
    return x;
}

/* ---- opening ---- */

lion_status lion_leaf_open(lion_leaf *leaf, lion_slice bytes, uint32_t a, lion_error *error)
{
    if (bytes.size < LION_LEAF_HEADER_SIZE || bytes.data[0] != LION_SEGMENT_LEAF)
        return lion_leaf_corrupt(error, "it has no leaf's header");
    leaf->bytes = bytes.data;
    leaf->size = bytes.size;
    leaf->order = bytes.data[1];
    leaf->type = bytes.data[2];
    leaf->is_history = bytes.data[3] == 1;
    leaf->rows = load_u32(bytes.data + 4);
    leaf->leads = load_u32(bytes.data + 8);
    leaf->attributes = load_u32(bytes.data + 12);
    memcpy(leaf->places, bytes.data + 16, sizeof leaf->places);
    leaf->a = a;
    leaf->opened = 0;
    leaf->added = NULL;
    leaf->columns = NULL;
    leaf->column_code = UINT32_MAX;

    bool is_mixed = leaf->order == LION_EAVT;
    bool is_sound = leaf->order <= LION_AVET && bytes.data[3] <= 1 &&
                    is_mixed == (leaf->type == LION_TYPE_MIXED) &&
                    is_mixed == (leaf->attributes > 0) && leaf->rows >= 1 &&
                    leaf->rows <= LION_LEAF_ROWS_MAX && leaf->leads >= 1 &&
                    leaf->leads <= leaf->rows && leaf->attributes <= leaf->rows;
    return is_sound ? LION_OK : lion_leaf_corrupt(error, "its header makes no sense");
}

/* A reader of what lies at a place, to the end of the segment. */
static lion_reader reader_at(const lion_leaf *leaf, lion_leaf_place place)
{
    lion_reader reader;
    size_t offset = leaf->places[place];
    bool is_inside = offset >= LION_LEAF_HEADER_SIZE && offset < leaf->size;
    lion_reader_init(&reader, is_inside ? lion_slice_of(leaf->bytes + offset, leaf->size - offset)
                                        : lion_slice_of(leaf->bytes, 0));
    return reader;
}

static bool open_e(lion_leaf *leaf)
{
    lion_reader reader = reader_at(leaf, LION_LEAF_PLACE_E);
    return lion_ints_open(&leaf->e, &reader, leaf->order == LION_AVET ? leaf->rows : leaf->leads);
}

static bool open_v(lion_leaf *leaf)
{
    lion_reader reader = reader_at(leaf, LION_LEAF_PLACE_V);
    if (leaf->order == LION_EAVT) {
        leaf->directory = lion_reader_bytes(&reader, (size_t)leaf->attributes * 8).data;
        return !reader.is_failed;
    }
    return lion_column_open(&leaf->v, &reader) && leaf->v.type == leaf->type &&
           leaf->v.count == (leaf->order == LION_AVET ? leaf->leads : leaf->rows) &&
           (leaf->order != LION_AVET || lion_type_is_scalar(leaf->type) ||
            (leaf->v.mode & LION_COLUMN_CODES) == 0);
}

static bool open_tx(lion_leaf *leaf)
{
    lion_reader reader = reader_at(leaf, LION_LEAF_PLACE_TX);
    if (!lion_ints_open(&leaf->tx, &reader, leaf->rows)) return false;
    if (!leaf->is_history) return true;
    reader = reader_at(leaf, LION_LEAF_PLACE_ADDED);
    leaf->added = lion_reader_bytes(&reader, ((size_t)leaf->rows + 7) / 8).data;
    return !reader.is_failed;
}

static bool open_runs(lion_leaf *leaf)
{
    if (leaf->leads == leaf->rows) return true;
    lion_reader reader = reader_at(leaf, LION_LEAF_PLACE_STARTS);
    return lion_ints_open(&leaf->starts, &reader, (size_t)leaf->leads + 1);
}

static bool open_shapes(lion_leaf *leaf)
{
    if (leaf->order != LION_EAVT) return true;
    lion_reader reader = reader_at(leaf, LION_LEAF_PLACE_SHAPES);
    leaf->shapes = lion_reader_u32(&reader);
    leaf->positions = lion_reader_u32(&reader);
    return !reader.is_failed && leaf->shapes <= leaf->leads && leaf->positions <= leaf->rows &&
           lion_ints_open(&leaf->shape, &reader, leaf->leads) &&
           lion_ints_open(&leaf->ordinal, &reader, leaf->leads) &&
           lion_ints_open(&leaf->shape_starts, &reader, (size_t)leaf->shapes + 1) &&
           lion_ints_open(&leaf->codes, &reader, leaf->positions) &&
           lion_ints_open(&leaf->slots, &reader, leaf->positions);
}

lion_status lion_leaf_need(lion_leaf *leaf, unsigned parts, lion_error *error)
{
    unsigned missing = parts & ~(unsigned)leaf->opened;
    if (missing == 0) return LION_OK;
    if ((missing & LION_LEAF_E) != 0 && !open_e(leaf)) return lion_leaf_corrupt(error, "column e");
    if ((missing & LION_LEAF_V) != 0 && !open_v(leaf)) return lion_leaf_corrupt(error, "column v");
    if ((missing & LION_LEAF_TX) != 0 && !open_tx(leaf))
        return lion_leaf_corrupt(error, "column tx");
    if ((missing & LION_LEAF_RUNS) != 0 && !open_runs(leaf))
        return lion_leaf_corrupt(error, "its runs");
    if ((missing & LION_LEAF_SHAPES) != 0 && !open_shapes(leaf))
        return lion_leaf_corrupt(error, "its shapes");
    leaf->opened = (uint8_t)(leaf->opened | missing);
    return LION_OK;
}

/* ---- runs ---- */

lion_status lion_leaf_run_of(uint32_t *run_out, lion_leaf *leaf, uint32_t row, lion_error *error)
{
    LION_ASSERT(row < leaf->rows);
    if (lion_leaf_need(leaf, LION_LEAF_RUNS, error) != LION_OK) return LION_FAILED;
    if (leaf->leads == leaf->rows) {
        *run_out = row;
        return LION_OK;
    }
    size_t behind = lion_ints_lower_bound(&leaf->starts, 0, leaf->leads + 1u, (int64_t)row + 1);
    if (behind == 0 || behind > leaf->leads) return lion_leaf_corrupt(error, "its runs");
    *run_out = (uint32_t)behind - 1;
    return LION_OK;
}

lion_status lion_leaf_run_rows(uint32_t *from_out, uint32_t *to_out, lion_leaf *leaf, uint32_t run,
                               lion_error *error)
{
    LION_ASSERT(run < leaf->leads);
    if (lion_leaf_need(leaf, LION_LEAF_RUNS, error) != LION_OK) return LION_FAILED;
    if (leaf->leads == leaf->rows) {
        *from_out = run;
        *to_out = run + 1;
        return LION_OK;
    }
    int64_t from = lion_ints_get(&leaf->starts, run), to = lion_ints_get(&leaf->starts, run + 1u);
    if (from < 0 || to <= from || to > leaf->rows) return lion_leaf_corrupt(error, "its runs");
    *from_out = (uint32_t)from;
    *to_out = (uint32_t)to;
    return LION_OK;
}
