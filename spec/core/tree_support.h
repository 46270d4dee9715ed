/* tree_support.h - rows, a store and a model for the tree tests: the model is a sorted array of
 * datoms. */
#ifndef LION_SPEC_TREE_SUPPORT_H
#define LION_SPEC_TREE_SUPPORT_H

#include <math.h>

#include "support.h"

#include "base/arena.h"
#include "data/datom.h"
#include "data/tuple.h"
#include "index/tree.h"
#include "store/store.h"

static lion_error failure;

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        failure = (lion_error){ 0 };                                                               \
        lion_status status_ = (call);                                                              \
        if (status_ != LION_OK) fail_msg("%s: status %d %s", #call, status_, failure.message);     \
    } while (0)

/* How values of a type are made: few distinct ones, or many; now and then large. */
typedef struct value_kind {
    uint8_t type;
    size_t distinct;
    bool has_large;
} value_kind;

static inline lion_value random_bytes_value(lion_arena *arena, lion_type type, size_t n, bool large)
{
    static const char *const WORDS[] = { "amber", "basalt", "cedar", "dune", "ember", "fjord", "" };
    char text[96];
    int size = snprintf(text, sizeof text, "%s/%s-%zu", WORDS[n % 7], WORDS[n / 7 % 7], n);
    if (n % 11 == 0) size = 0;
    if (!large)
        return lion_value_bytes(type, lion_arena_copy(arena, lion_slice_of(text, (size_t)size)));
    size_t total =
        1025 + n % 3 * 700; /* common prefixes of 64 bytes and more, so that ties read the blobs */
    uint8_t *bytes = lion_arena_alloc(arena, total);
    memset(bytes, 'x', total);
    memcpy(bytes + (n % 2 == 0 ? 0 : 900), text, (size_t)size);
    return lion_value_bytes(type, lion_slice_of(bytes, total));
}

static inline lion_value random_value(lion_arena *arena, const value_kind *kind)
{
    static const double DOUBLES[] = { 0.0, -0.5, 1.25, 1e300, -1e300, 19.99, 0.1, -7.0 };
    size_t n = random_below(kind->distinct);
    int64_t x = (int64_t)(n * n * 7919) - 100000;
    uint8_t uuid[16] = { 0 };
    double d = n < 8 ? DOUBLES[n] : (double)n / 100;
    switch (kind->type) {
    case LION_TYPE_BOOLEAN: return lion_value_boolean(n % 2 == 1);
    case LION_TYPE_LONG:
        if (n == 3) return lion_value_long(INT64_MIN);
        if (n == 4) return lion_value_long(INT64_MAX);
        return lion_value_long(x);
    case LION_TYPE_INSTANT: return lion_value_scalar(LION_TYPE_INSTANT, x * 1000);
    case LION_TYPE_REF: return lion_value_ref(lion_id_make(LION_PARTITION_USER, (int64_t)n));
    case LION_TYPE_DOUBLE:
        if (n == 9) return lion_value_double((double)INFINITY);
        if (n == 10) return lion_value_double((double)NAN);
        return lion_value_double(d);
    case LION_TYPE_UUID:
        memcpy(uuid, &n, sizeof n);
        uuid[15] = (uint8_t)(n * 31);
        return lion_value_bytes(LION_TYPE_UUID, lion_arena_copy(arena, lion_slice_of(uuid, 16)));
    case LION_TYPE_TUPLE: {
        lion_value slots[3] = { lion_value_long(x), lion_value_nil(),
                                random_bytes_value(arena, LION_TYPE_STRING, n, false) };
        return lion_tuple_make(arena, slots, 2 + n % 2);
    }
    default: {
        bool large = kind->has_large && n % 5 == 0;
        return random_bytes_value(arena, (lion_type)kind->type, n, large);
    }
    }
}

/* ---- the model ---- */

typedef struct model {
    uint8_t order;
    lion_datom *rows;
    size_t count, capacity;
} model;

static inline int compare_in_order(uint8_t order, const lion_datom *a, const lion_datom *b)
{
    return lion_datom_compare((lion_index)order, a, b);
}

/* First row not before `row`. */
static inline size_t model_place(const model *m, const lion_datom *row)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_in_order(m->order, &m->rows[middle], row) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline bool model_has(const model *m, const lion_datom *row)
{
    size_t place = model_place(m, row);
    return place < m->count && compare_in_order(m->order, &m->rows[place], row) == 0;
}

/* Sorted changes, merged in. */
static inline void model_apply(model *m, const lion_change *changes, size_t count)
{
    lion_datom *merged = malloc((m->count + count + 1) * sizeof *merged);
    size_t at = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        while (at < m->count && compare_in_order(m->order, &m->rows[at], &changes[i].datom) < 0)
            merged[size++] = m->rows[at++];
        if (changes[i].is_removal)
            at++;
        else
            merged[size++] = changes[i].datom;
    }
    while (at < m->count) merged[size++] = m->rows[at++];
    free(m->rows);
    m->rows = merged;
    m->count = size;
}

/* How a row compares with the first parts of a key. */
static inline int compare_prefix(uint8_t order, const lion_datom *row, const lion_key *key)
{
    static const char COMPONENTS[3][5] = { "eavt", "aevt", "avet" };
    const lion_datom *k = &key->datom;
    int result = 0;
    for (unsigned i = 0; i < key->parts && result == 0; i++) {
        switch (COMPONENTS[order][i]) {
        case 'e': result = (row->e > k->e) - (row->e < k->e); break;
        case 'a': result = (row->a > k->a) - (row->a < k->a); break;
        case 'v': result = lion_value_compare(row->v, k->v); break;
        default: result = (row->tx < k->tx) - (row->tx > k->tx); break;
        }
    }
    return result;
}

static inline size_t model_rank(const model *m, const lion_key *key, bool upper)
{
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_prefix(m->order, &m->rows[middle], key);
        if (order < 0 || (upper && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline bool same_lead(uint8_t order, const lion_datom *a, const lion_datom *b)
{
    return order == LION_AVET ? lion_value_compare(a->v, b->v) == 0 : a->e == b->e;
}

static inline size_t model_distinct(const model *m)
{
    size_t distinct = 0;
    for (size_t i = 0; i < m->count; i++)
        distinct += i == 0 || !same_lead(m->order, &m->rows[i - 1], &m->rows[i]);
    return distinct;
}

static inline void assert_same_datom(const lion_datom *found, const lion_datom *expected)
{
    assert_int_equal(found->e, expected->e);
    assert_int_equal(found->a, expected->a);
    assert_int_equal(found->tx, expected->tx);
    assert_int_equal(found->added, expected->added);
    assert_int_equal(found->v.type, expected->v.type);
    assert_int_equal(lion_value_compare(found->v, expected->v), 0);
}

#endif
