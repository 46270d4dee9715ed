/* model_support.h - a database as an array of datoms, answering by brute force, and random
 * histories: what novelty, cursors and the indexer are compared with. */
#ifndef LION_SPEC_MODEL_SUPPORT_H
#define LION_SPEC_MODEL_SUPPORT_H

#include "support.h"

#include "base/memory.h"
#include "data/datom.h"
#include "data/tuple.h"
#include "index/cursor.h"

typedef struct model_attribute {
    uint32_t a;
    lion_type type;
    bool is_many, is_in_avet;
} model_attribute;

/* Ids far apart, so that the directory of attributes has several nodes. */
static const model_attribute MODEL_ATTRIBUTES[] = {
    { 10, LION_TYPE_LONG, false, true },      { 11, LION_TYPE_STRING, false, true },
    { 12, LION_TYPE_REF, true, true },        { 13, LION_TYPE_DOUBLE, false, true },
    { 70, LION_TYPE_KEYWORD, true, true },    { 1000, LION_TYPE_BYTES, false, false },
    { 1001, LION_TYPE_UUID, false, true },    { 1063, LION_TYPE_BOOLEAN, false, true },
    { 9000, LION_TYPE_INSTANT, true, false }, { 9001, LION_TYPE_TUPLE, false, true },
    { 9002, LION_TYPE_REF, false, true },     { 900000, LION_TYPE_STRING, true, true },
};
#define MODEL_ATTRIBUTE_COUNT (sizeof MODEL_ATTRIBUTES / sizeof MODEL_ATTRIBUTES[0])
static const uint32_t MODEL_REFS[] = { 12, 9002 };

typedef struct model {
    lion_arena arena;
    lion_datom *datoms; /* in the order they came */
    size_t count, capacity;
    int64_t t;
    size_t entities;
    size_t *starts; /* starts[t]: of the transaction's datoms; t counts from 1 */
    size_t start_capacity;
} model;

static inline const model_attribute *model_attribute_of(uint32_t a)
{
    for (size_t i = 0; i < MODEL_ATTRIBUTE_COUNT; i++)
        if (MODEL_ATTRIBUTES[i].a == a) return &MODEL_ATTRIBUTES[i];
    return NULL;
}

static inline void model_init(model *m, size_t entities)
{
    *m = (model){ .entities = entities };
    lion_arena_init(&m->arena, 0);
}

static inline void model_deinit(model *m)
{
    lion_arena_deinit(&m->arena);
    free(m->datoms);
    free(m->starts);
}

static inline int64_t model_entity(const model *m)
{
    static const int64_t PARTITIONS[] = { 0, 3, 4, 4, 4, 9 };
    return lion_id_make(PARTITIONS[random_below(6)], 1000 + (int64_t)random_below(m->entities));
}

static inline lion_value model_bytes(model *m, lion_type type)
{
    static const size_t SIZES[] = { 0, 1, 3, 7, 8, 9, 12, 20, 64, 80, 1500 };
    size_t size = SIZES[random_below(random_below(10) == 0 ? 11 : 8)];
    uint8_t *data = lion_arena_alloc(&m->arena, size + 1);
    memset(data, 'a', size);
    for (size_t i = size > 1 ? size - 2 : 0; i < size; i++)
        data[i] = (uint8_t)('a' + random_below(3));
    return lion_value_bytes(type, lion_slice_of(data, size));
}

static inline lion_value model_value(model *m, lion_type type)
{
    switch (type) {
    case LION_TYPE_LONG: return lion_value_long((int64_t)random_below(40) - 20);
    case LION_TYPE_INSTANT: return lion_value_scalar(type, (int64_t)random_below(20) * 1000 - 5000);
    case LION_TYPE_BOOLEAN: return lion_value_boolean(random_below(2) != 0);
    case LION_TYPE_REF: return lion_value_ref(model_entity(m));
    case LION_TYPE_DOUBLE: return lion_value_double((double)random_below(50) / 4 - 6);
    case LION_TYPE_UUID: {
        uint8_t *data = lion_arena_zalloc(&m->arena, 16);
        data[0] = (uint8_t)random_below(3), data[15] = (uint8_t)random_below(3);
        return lion_value_bytes(type, lion_slice_of(data, 16));
    }
    case LION_TYPE_TUPLE: {
        lion_value slots[2] = { lion_value_long((int64_t)random_below(5) - 2),
                                random_below(3) == 0 ? lion_value_nil()
                                                     : model_bytes(m, LION_TYPE_STRING) };
        return lion_tuple_make(&m->arena, slots, 2);
    }
    default: return model_bytes(m, type);
    }
}

/* The newest datom of a fact (e, a, v), or of (e, a) any asserted one; NULL: none asserted. */
static inline const lion_datom *model_asserted(const model *m, int64_t e, uint32_t a,
                                               const lion_value *v, size_t end)
{
    for (size_t i = end; i-- > 0;) {
        const lion_datom *datom = &m->datoms[i];
        if (datom->e != e || datom->a != a) continue;
        if (v != NULL && lion_value_compare(datom->v, *v) != 0) continue;
        if (v != NULL) return datom->added ? datom : NULL;
        if (datom->added && model_asserted(m, e, a, &datom->v, end) == datom) return datom;
    }
    return NULL;
}

static inline void model_put(model *m, int64_t e, uint32_t a, lion_value v, bool added)
{
    if (m->count == m->capacity) {
        m->capacity = m->capacity == 0 ? 256 : m->capacity * 2;
        m->datoms = realloc(m->datoms, m->capacity * sizeof *m->datoms);
    }
    m->datoms[m->count++] =
        (lion_datom){ .e = e, .a = a, .v = v, .tx = lion_t_to_tx(m->t), .added = added };
}

/* One random transaction: additions, replacements, retractions; t has gaps. */
static inline void model_transact(model *m, size_t operations)
{
    m->t += 1 + (int64_t)random_below(2);
    size_t start = m->count;
    for (size_t i = 0; i < operations; i++) {
        const model_attribute *attribute = &MODEL_ATTRIBUTES[random_below(MODEL_ATTRIBUTE_COUNT)];
        int64_t e = model_entity(m);
        bool is_touched = false;
        for (size_t j = start; j < m->count; j++)
            if (m->datoms[j].e == e && m->datoms[j].a == attribute->a) is_touched = true;
        if (is_touched) continue;
        lion_value v = model_value(m, attribute->type);
        const lion_datom *present =
            model_asserted(m, e, attribute->a, attribute->is_many ? &v : NULL, start);
        bool is_same = present != NULL && lion_value_compare(present->v, v) == 0;
        if (present != NULL) model_put(m, e, attribute->a, present->v, false);
        if (!is_same && random_below(5) != 0) model_put(m, e, attribute->a, v, true);
    }
    if (m->count == start)
        model_put(m, lion_t_to_tx(m->t), 9000, lion_value_scalar(LION_TYPE_INSTANT, m->t), true);
    if (m->start_capacity <= (size_t)m->t) {
        m->start_capacity = (size_t)m->t * 2 + 64;
        m->starts = realloc(m->starts, m->start_capacity * sizeof *m->starts);
    }
    m->starts[m->t] = start;
}

/* The model's newest transaction into a novelty. */
static inline lion_status model_apply(const model *m, lion_novelty *novelty, lion_slice record,
                                      lion_error *error)
{
    size_t start = m->starts[m->t], count = m->count - start;
    uint8_t *is_in_avet = malloc(count + 1);
    for (size_t i = 0; i < count; i++)
        is_in_avet[i] = model_attribute_of(m->datoms[start + i].a)->is_in_avet;
    lion_status status =
        lion_novelty_apply(novelty, m->t, m->datoms + start, is_in_avet, count, record, error);
    free(is_in_avet);
    return status;
}

static inline bool model_is_indexed(lion_index order, uint32_t a)
{
    const model_attribute *attribute = model_attribute_of(a);
    if (order == LION_VAET) return attribute->type == LION_TYPE_REF;
    return order != LION_AVET || attribute->is_in_avet;
}

static lion_index model_order;
static inline int model_compare(const void *x, const void *y)
{
    return lion_datom_compare(model_order, x, y);
}

/* All datoms (of the first `count`) that the time rules show, in order; malloced. */
static inline lion_datom *model_view(const model *m, size_t count, lion_index order,
                                     int64_t upper_t, int64_t since_t, bool is_history,
                                     size_t *count_out)
{
    lion_datom *rows = malloc((count + 1) * sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        const lion_datom *datom = &m->datoms[i];
        int64_t t = lion_tx_to_t(datom->tx);
        if (t > since_t && t <= upper_t && model_is_indexed(order, datom->a)) rows[n++] = *datom;
    }
    model_order = order;
    qsort(rows, n, sizeof *rows, model_compare);
    if (!is_history) {
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
            if (i > 0 && lion_datom_compare_fact(order, &rows[i], &rows[i - 1]) == 0) continue;
            rows[kept++] = rows[i]; /* the newest of its fact; retractions go below */
            rows[kept - 1].zero[0] = !rows[i].added;
        }
        /* The comparison above needs neighbours: drop retractions in a second walk. */
        n = 0;
        for (size_t i = 0; i < kept; i++)
            if (rows[i].zero[0] == 0) rows[n++] = rows[i];
    }
    *count_out = n;
    return rows;
}

static inline bool datom_equal(const lion_datom *x, const lion_datom *y)
{
    return x->e == y->e && x->a == y->a && x->tx == y->tx && x->added == y->added &&
           x->v.type == y->v.type && lion_value_compare(x->v, y->v) == 0;
}

/* A prefix match, by obvious means. */
static inline bool model_matches(lion_index order, const lion_key *key, const lion_datom *datom)
{
    bool e = datom->e == key->datom.e, a = datom->a == key->datom.a;
    bool v = key->datom.v.type == datom->v.type && lion_value_compare(datom->v, key->datom.v) == 0;
    bool tx = datom->tx == key->datom.tx;
    bool parts[4][4] = { { e, a, v, tx }, { a, e, v, tx }, { a, v, e, tx }, { v, a, e, tx } };
    for (unsigned i = 0; i < key->parts; i++)
        if (!parts[order][i]) return false;
    return true;
}

/* A datom against a prefix: <0 before those that match, 0 matches, >0 behind them. */
static inline int model_place(lion_index order, const lion_key *key, const lion_datom *row)
{
    static const char PARTS[4][4] = { "eavt", "aevt", "avet", "vaet" };
    for (unsigned i = 0; i < key->parts; i++) {
        int by = 0;
        switch (PARTS[order][i]) {
        case 'e': by = (row->e > key->datom.e) - (row->e < key->datom.e); break;
        case 'a': by = (row->a > key->datom.a) - (row->a < key->datom.a); break;
        case 'v': by = lion_value_compare(row->v, key->datom.v); break;
        default:
            by = (row->tx < key->datom.tx) - (row->tx > key->datom.tx);
            break; /* newest first */
        }
        if (by != 0) return by;
    }
    return 0;
}

/* A random prefix: parts of some datom, or of none. */
static inline lion_key model_key(model *m, lion_index order, size_t count)
{
    lion_key key = { .datom = m->datoms[random_below(count)], .parts = (uint8_t)random_below(5) };
    while (!model_is_indexed(order, key.datom.a)) {
        const model_attribute *attribute = &MODEL_ATTRIBUTES[random_below(MODEL_ATTRIBUTE_COUNT)];
        key.datom.a = attribute->a;
        key.datom.v = model_value(m, attribute->type);
    }
    if (random_below(4) == 0) key.datom.e = model_entity(m);
    if (random_below(4) == 0) key.datom.v = model_value(m, model_attribute_of(key.datom.a)->type);
    return key;
}

#endif
