/* leaf_read.c - ranges of rows of a leaf, column by column. */
#include <string.h>

#include "base/assert.h"
#include "index/leaf.h"

#define CHUNK 256

static void read_added(const lion_leaf *leaf, uint32_t from, uint32_t count, uint8_t *added)
{
    if (leaf->added == NULL) {
        memset(added, 1, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        added[i] = leaf->added[(from + i) / 8] >> ((from + i) % 8) & 1;
}

/* A stretch of runs, unpacked: runs [run, run + count) and their borders, cut to the rows
 * wanted. */
typedef struct stretch {
    uint32_t count;
    uint32_t lengths[CHUNK];
} stretch;

static bool next_stretch(stretch *piece, const lion_leaf *leaf, uint32_t run, uint32_t row,
                         uint32_t end)
{
    int64_t starts[CHUNK + 1];
    uint32_t left = leaf->leads - run;
    uint32_t take = left < CHUNK ? left : CHUNK;
    if (take > end - row) take = end - row;
    if (take == 0) return false;
    lion_ints_read(&leaf->starts, run, take + 1u, starts);
    piece->count = 0;
    int64_t place = row;
    for (uint32_t i = 0; i < take && place < end; i++) {
        int64_t to = starts[i + 1] < end ? starts[i + 1] : end;
        if (to <= place) return false; /* runs are not empty */
        piece->lengths[piece->count++] = (uint32_t)(to - place);
        place = to;
    }
    return true;
}

/* The leads (integers) of rows, each repeated as often as its run is long. */
static lion_status read_lead_bits(lion_leaf *leaf, const lion_ints *leads, uint32_t from,
                                  uint32_t count, int64_t *out, lion_error *error)
{
    uint32_t run, row = from, end = from + count;
    if (lion_leaf_run_of(&run, leaf, from, error) != LION_OK) return LION_FAILED;
    while (row < end) {
        stretch piece;
        int64_t values[CHUNK];
        if (!next_stretch(&piece, leaf, run, row, end)) return lion_leaf_corrupt(error, "its runs");
        lion_ints_read(leads, run, piece.count, values);
        for (uint32_t i = 0; i < piece.count; i++)
            for (uint32_t j = 0; j < piece.lengths[i]; j++) out[row++ - from] = values[i];
        run += piece.count;
    }
    return LION_OK;
}

static lion_status read_lead_values(lion_leaf *leaf, uint32_t from, uint32_t count, lion_value *out,
                                    lion_error *error)
{
    uint32_t run, row = from, end = from + count;
    if (lion_leaf_run_of(&run, leaf, from, error) != LION_OK) return LION_FAILED;
    while (row < end) {
        stretch piece;
        lion_value values[CHUNK];
        if (!next_stretch(&piece, leaf, run, row, end)) return lion_leaf_corrupt(error, "its runs");
        if (!lion_column_read_values(&leaf->v, run, piece.count, values))
            return lion_leaf_corrupt(error, "column v");
        for (uint32_t i = 0; i < piece.count; i++)
            for (uint32_t j = 0; j < piece.lengths[i]; j++) out[row++ - from] = values[i];
        run += piece.count;
    }
    return LION_OK;
}

static lion_status read_e(lion_leaf *leaf, uint32_t from, uint32_t count, int64_t *e,
                          lion_error *error)
{
    if (leaf->order == LION_AVET || leaf->leads == leaf->rows) {
        lion_ints_read(&leaf->e, from, count, e);
        return LION_OK;
    }
    return read_lead_bits(leaf, &leaf->e, from, count, e, error);
}

static lion_status read_v(lion_leaf *leaf, uint32_t from, uint32_t count, const lion_vector *v,
                          lion_error *error)
{
    bool is_by_row = leaf->order == LION_AEVT || leaf->leads == leaf->rows;
    if (lion_type_is_scalar(leaf->type)) {
        if (is_by_row) {
            lion_column_read_bits(&leaf->v, from, count, v->bits);
            return LION_OK;
        }
        lion_status status = read_lead_bits(leaf, &leaf->v.ints, from, count, v->bits, error);
        if (status == LION_OK && leaf->type == LION_TYPE_DOUBLE)
            lion_column_widen(&leaf->v, count, v->bits);
        return status;
    }
    if (!is_by_row) return read_lead_values(leaf, from, count, v->values, error);
    return lion_column_read_values(&leaf->v, from, count, v->values)
               ? LION_OK
               : lion_leaf_corrupt(error, "column v");
}

static lion_status resolve(lion_value *values, uint32_t count, lion_snapshot *snapshot,
                           lion_error *error)
{
    for (uint32_t i = 0; i < count; i++)
        if (lion_stub_resolve(&values[i], snapshot, error) != LION_OK) return LION_FAILED;
    return LION_OK;
}

static lion_status read_eavt(lion_leaf *leaf, uint32_t from, uint32_t count,
                             const lion_leaf_target *target, lion_snapshot *snapshot,
                             lion_error *error)
{
    lion_value *values = target->v.values;
    if (target->a == NULL && values == NULL) return LION_OK;
    lion_status status = lion_leaf_read_entities(leaf, from, count, target->a, values, error);
    if (status != LION_OK || values == NULL || snapshot == NULL) return status;
    return resolve(values, count, snapshot, error);
}

lion_status lion_leaf_read(lion_leaf *leaf, uint32_t from, uint32_t count,
                           const lion_leaf_target *target, lion_snapshot *snapshot,
                           lion_error *error)
{
    LION_ASSERT(from <= leaf->rows && count <= leaf->rows - from);
    if (count == 0) return LION_OK;
    bool wants_v = target->v.values != NULL, is_eavt = leaf->order == LION_EAVT;
    unsigned parts = LION_LEAF_RUNS;
    if (target->e != NULL) parts |= LION_LEAF_E;
    if (wants_v || (target->a != NULL && is_eavt)) parts |= LION_LEAF_V;
    if (is_eavt && (wants_v || target->a != NULL)) parts |= LION_LEAF_SHAPES;
    if (target->tx != NULL || target->added != NULL) parts |= LION_LEAF_TX;
    if (lion_leaf_need(leaf, parts, error) != LION_OK) return LION_FAILED;

    if (target->tx != NULL) lion_ints_read(&leaf->tx, from, count, target->tx);
    if (target->added != NULL) read_added(leaf, from, count, target->added);
    if (target->e != NULL && read_e(leaf, from, count, target->e, error) != LION_OK)
        return LION_FAILED;
    if (is_eavt) return read_eavt(leaf, from, count, target, snapshot, error);

    for (uint32_t i = 0; target->a != NULL && i < count; i++) target->a[i] = leaf->a;
    if (!wants_v) return LION_OK;
    if (read_v(leaf, from, count, &target->v, error) != LION_OK) return LION_FAILED;
    if (snapshot == NULL || !lion_column_has_stubs(&leaf->v)) return LION_OK;
    return resolve(target->v.values, count, snapshot, error);
}
