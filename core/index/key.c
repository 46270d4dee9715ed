/* key.c - comparing keys in a tree's order, and the shortest key between two rows. */
#include <string.h>

#include "base/assert.h"
#include "index/branch.h"

static int compare_ids(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

typedef enum component { E, A, V, TX } component;

/* The components of the orders; a is compared where given, though trees of one attribute have
 * one. */
static const uint8_t COMPONENTS[3][4] = {
    [LION_EAVT] = { E, A, V, TX },
    [LION_AEVT] = { A, E, V, TX },
    [LION_AVET] = { A, V, E, TX },
};

lion_status lion_key_compare(int *order_out, uint8_t order, const lion_key *a, const lion_key *b,
                             lion_snapshot *snapshot, lion_error *error)
{
    LION_ASSERT(order <= LION_AVET);
    unsigned parts = a->parts < b->parts ? a->parts : b->parts;
    int result = 0;
    for (unsigned i = 0; i < parts && result == 0; i++) {
        switch (COMPONENTS[order][i]) {
        case E: result = compare_ids(a->datom.e, b->datom.e); break;
        case A: /* a tree of one attribute has no other */
            if (order == LION_EAVT) result = compare_ids(a->datom.a, b->datom.a);
            break;
        case V:
            if (lion_stub_compare(&result, &a->datom.v, &b->datom.v, snapshot, error) != LION_OK)
                return LION_FAILED;
            break;
        default: result = compare_ids(b->datom.tx, a->datom.tx); break;
        }
    }
    *order_out = result;
    return LION_OK;
}

/* Values that may be cut: any prefix of them is a value of their type in the order of bytes. */
static bool may_cut(const lion_value *value)
{
    return !lion_type_is_scalar(value->type) && value->type != LION_TYPE_UUID;
}

/* What is known of a value's bytes: a stub's prefix, or all. */
static lion_slice known_bytes(const lion_value *value)
{
    if (lion_value_is_stub(value)) return lion_slice_of(value->data + 16, LION_STUB_PREFIX);
    return lion_value_slice(*value);
}

/* `first` is above `last`: its shortest prefix that still is; the whole where what is known does
 * not tell. */
static lion_value cut_value(const lion_value *last, const lion_value *first)
{
    if (!may_cut(first) || last->type != first->type) return *first;
    lion_slice low = known_bytes(last), high = known_bytes(first);
    size_t common = low.size < high.size ? low.size : high.size, same = 0;
    while (same < common && low.data[same] == high.data[same]) same++;
    if (same >= high.size) return *first; /* only stubs with one prefix */
    if (same >= low.size && lion_value_is_stub(last)) return *first;
    return lion_value_bytes((lion_type)first->type, lion_slice_of(high.data, same + 1));
}

static bool component_equal(component part, const lion_datom *a, const lion_datom *b)
{
    switch (part) {
    case E: return a->e == b->e;
    case A: return a->a == b->a;
    case V: return lion_stub_equal(&a->v, &b->v);
    default: return a->tx == b->tx;
    }
}

lion_key lion_key_separate(uint8_t order, const lion_datom *last, const lion_datom *first)
{
    LION_ASSERT(order <= LION_AVET);
    lion_key key = { .parts = 4, .datom = *first };
    bool has_v = false;
    for (unsigned i = 0; i < 4; i++) {
        component part = COMPONENTS[order][i];
        has_v |= part == V;
        if (component_equal(part, last, first)) continue;
        key.parts = (uint8_t)(i + 1);
        if (part == V) key.datom.v = cut_value(&last->v, &first->v);
        break;
    }
    if (!has_v) key.datom.v = lion_value_nil();
    return key;
}
