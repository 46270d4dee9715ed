/* datom.c - the four orders, and a sort that exploits what datoms look like.
 *
 * Large arrays are sorted by a byte-wise radix sort over integer keys taken from each datom,
 * skipping the bytes that all keys share (most: ids are dense, attributes few), then permuted once.
 * Where the keys cannot tell (long strings with one prefix, several values of one entity) runs of
 * equal keys are finished by a merge sort with the full comparison, and only if they are out of
 * order. */
#include "data/datom.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

/* -- Order ------------------------------------------------------------------------------------ */

static int compare_ids(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_values(const lion_datom *a, const lion_datom *b)
{
    /* Within an attribute the types agree, and most are integers. */
    bool is_integer =
        a->v.type == b->v.type && a->v.type != LION_TYPE_DOUBLE && lion_type_is_scalar(a->v.type);
    return is_integer ? compare_ids(a->v.bits, b->v.bits) : lion_value_compare(a->v, b->v);
}

int lion_datom_compare_fact(lion_index index, const lion_datom *a, const lion_datom *b)
{
    int by_e = compare_ids(a->e, b->e);
    int by_a = (a->a > b->a) - (a->a < b->a);
    int by_v;
    switch (index) {
    case LION_EAVT:
        if (by_e != 0) return by_e;
        return by_a != 0 ? by_a : compare_values(a, b);
    case LION_AEVT:
        if (by_a != 0) return by_a;
        return by_e != 0 ? by_e : compare_values(a, b);
    case LION_AVET:
        if (by_a != 0) return by_a;
        by_v = compare_values(a, b);
        return by_v != 0 ? by_v : by_e;
    case LION_VAET:
        by_v = compare_values(a, b);
        if (by_v != 0) return by_v;
        return by_a != 0 ? by_a : by_e;
    }
    LION_ASSERT(index <= LION_VAET);
    return 0;
}

int lion_datom_compare(lion_index index, const lion_datom *a, const lion_datom *b)
{
    int by_fact = lion_datom_compare_fact(index, a, b);
    return by_fact != 0 ? by_fact : compare_ids(b->tx, a->tx); /* the newest first */
}

/* -- Sorting by comparison -------------------------------------------------------------------- */

#define INSERTION_MAX 16

static void insertion_sort(lion_index index, lion_datom *datoms, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        lion_datom datom = datoms[i];
        size_t hole = i;
        for (; hole > 0 && lion_datom_compare(index, &datom, &datoms[hole - 1]) < 0; hole--)
            datoms[hole] = datoms[hole - 1];
        datoms[hole] = datom;
    }
}

/* `spare` has room for half of the datoms. Recursion is log2(count) deep. */
static void merge_sort(lion_index index, lion_datom *datoms, size_t count, lion_datom *spare)
{
    if (count <= INSERTION_MAX) {
        insertion_sort(index, datoms, count);
        return;
    }
    size_t half = count / 2;
    merge_sort(index, datoms, half, spare);
    merge_sort(index, datoms + half, count - half, spare);
    if (lion_datom_compare(index, &datoms[half - 1], &datoms[half]) <= 0) return;

    memcpy(spare, datoms, half * sizeof *datoms);
    size_t left = 0, right = half, out = 0;
    while (left < half && right < count) {
        bool is_right = lion_datom_compare(index, &datoms[right], &spare[left]) < 0;
        datoms[out++] = is_right ? datoms[right++] : spare[left++];
    }
    memcpy(datoms + out, spare + left, (half - left) * sizeof *datoms);
}

static void sift_down(lion_index index, lion_datom *datoms, size_t root, size_t count)
{
    lion_datom datom = datoms[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        bool has_right = child + 1 < count;
        if (has_right && lion_datom_compare(index, &datoms[child], &datoms[child + 1]) < 0) child++;
        if (lion_datom_compare(index, &datom, &datoms[child]) >= 0) break;
        datoms[root] = datoms[child];
    }
    datoms[root] = datom;
}

/* For when there is no memory to sort faster: a sort cannot fail. */
static void heap_sort(lion_index index, lion_datom *datoms, size_t count)
{
    for (size_t i = count / 2; i-- > 0;) sift_down(index, datoms, i, count);
    for (size_t end = count; end-- > 1;) {
        lion_datom largest = datoms[0];
        datoms[0] = datoms[end];
        datoms[end] = largest;
        sift_down(index, datoms, 0, end);
    }
}

/* -- Sorting by keys -------------------------------------------------------------------------- */

/* A value as 64 bits whose unsigned order never contradicts lion_value_compare: a class in the top
 * four bits, then the first 60 bits of an order-preserving form. Equal prefixes say nothing. */
static uint64_t value_prefix(lion_value value)
{
    static const uint8_t CLASS[16] = {
        [LION_TYPE_NIL] = 0,       [LION_TYPE_BOOLEAN] = 1, [LION_TYPE_LONG] = 2,
        [LION_TYPE_DOUBLE] = 2,    [LION_TYPE_INSTANT] = 2, [LION_TYPE_REF] = 2,
        [LION_TYPE_ATTRIBUTE] = 2, [LION_TYPE_STRING] = 3,  [LION_TYPE_KEYWORD] = 4,
        [LION_TYPE_SYMBOL] = 5,    [LION_TYPE_URI] = 6,     [LION_TYPE_UUID] = 7,
        [LION_TYPE_BYTES] = 8,     [LION_TYPE_TUPLE] = 9,   [LION_TYPE_DECIMAL] = 10,
    };
    uint64_t form = 0;
    if (lion_type_is_number(value.type)) {
        /* Through double, which rounds but never swaps; zeros and NaNs become one each. */
        double number = value.type == LION_TYPE_DOUBLE ? value.number : (double)value.bits;
        if (number == 0) number = 0.0;
        memcpy(&form, &number, sizeof form);
        form = form >> 63 ? ~form : form | UINT64_C(1) << 63;
        if (number != number) form = UINT64_MAX;
    } else if (lion_type_is_scalar(value.type)) {
        form = (uint64_t)value.bits << 63;
    } else if (value.size > 0) {
        memcpy(&form, value.data, value.size < 8 ? value.size : 8);
        form = __builtin_bswap64(form);
    }
    return (uint64_t)CLASS[value.type & 15] << 60 | form >> 4;
}

typedef struct sort_key {
    uint64_t e;
    uint64_t v; /* value_prefix; 0 where the order does not begin with it */
    uint32_t a;
    uint32_t row;
} sort_key;

_Static_assert(sizeof(sort_key) == 24, "a digit of a key is a byte at an offset in 0..19");

/* Where each part of the key lies (offset, size), the least significant part first. */
#define DIGITS_E 0, 8
#define DIGITS_V 8, 8
#define DIGITS_A 16, 4
static const struct {
    uint8_t offset, size;
} DIGITS[4][3] = {
    [LION_EAVT] = { { DIGITS_V }, { DIGITS_A }, { DIGITS_E } },
    [LION_AEVT] = { { DIGITS_V }, { DIGITS_E }, { DIGITS_A } },
    [LION_AVET] = { { DIGITS_E }, { DIGITS_V }, { DIGITS_A } },
    [LION_VAET] = { { DIGITS_E }, { DIGITS_A }, { DIGITS_V } },
};

static sort_key key_of(lion_index index, const lion_datom *datom, size_t row)
{
    bool has_value = index == LION_AVET || index == LION_VAET;
    return (sort_key){ .e = (uint64_t)datom->e ^ UINT64_C(1) << 63,
                       .v = has_value ? value_prefix(datom->v) : 0,
                       .a = datom->a,
                       .row = (uint32_t)row };
}

/* One stable pass by the byte at `offset`. */
static void radix_pass(const sort_key *keys, sort_key *out, size_t count, size_t offset)
{
    size_t starts[256] = { 0 };
    for (size_t i = 0; i < count; i++) starts[((const uint8_t *)&keys[i])[offset]]++;
    size_t sum = 0;
    for (size_t digit = 0; digit < 256; digit++) {
        size_t here = starts[digit];
        starts[digit] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) out[starts[((const uint8_t *)&keys[i])[offset]]++] = keys[i];
}

/* Sorts keys[0..count) with as many more keys of room behind them; where the result lies. */
static sort_key *radix_sort(lion_index index, sort_key *keys, size_t count)
{
    /* A byte in which no key differs from the first needs no pass. */
    sort_key differing = { 0 };
    for (size_t i = 1; i < count; i++) {
        differing.e |= keys[i].e ^ keys[0].e;
        differing.v |= keys[i].v ^ keys[0].v;
        differing.a |= keys[i].a ^ keys[0].a;
    }
    sort_key *from = keys, *to = keys + count;
    for (size_t part = 0; part < 3; part++) {
        for (size_t byte = 0; byte < DIGITS[index][part].size; byte++) {
            size_t offset = DIGITS[index][part].offset + byte;
            if (((const uint8_t *)&differing)[offset] == 0) continue;
            radix_pass(from, to, count, offset);
            sort_key *sorted = to;
            to = from;
            from = sorted;
        }
    }
    return from;
}

/* datoms[i] becomes what datoms[keys[i].row] was. By way of a copy: its loads do not wait for each
 * other, as those of a walk along cycles do. The copy takes the room of the keys, of which only the
 * rows are still needed: 4 bytes for each row in front, 40 for each datom behind, out of 48. */
static void permute(lion_datom *datoms, const sort_key *keys, uint8_t *room, size_t count)
{
    uint32_t *rows = (uint32_t *)(void *)room;
    for (size_t i = 0; i < count; i++) {
        uint32_t row = keys[i].row; /* read before anything is written at or past keys[i] */
        memcpy(&rows[i], &row, sizeof row);
    }
    lion_datom *copy = (lion_datom *)(void *)(room + (count * sizeof *rows + 15) / 16 * 16);
    for (size_t i = 0; i < count; i++) copy[i] = datoms[rows[i]];
    memcpy(datoms, copy, count * sizeof *datoms);
}

/* Could the radix keys not tell these two apart in the part that leads up to the value? */
static bool is_same_run(lion_index index, const lion_datom *a, const lion_datom *b)
{
    if (index == LION_EAVT || index == LION_AEVT) return a->e == b->e && a->a == b->a;
    /* In VAET a tie of prefixes is a tie whatever the attribute. */
    if (index == LION_AVET && a->a != b->a) return false;
    return value_prefix(a->v) == value_prefix(b->v);
}

/* Finish the runs that the keys left out of order. */
static void sort_runs(lion_index index, lion_datom *datoms, size_t count, lion_datom *spare)
{
    for (size_t start = 0, end; start < count; start = end) {
        bool is_sorted = true;
        for (end = start + 1; end < count && is_same_run(index, &datoms[end - 1], &datoms[end]);
             end++)
            is_sorted &= lion_datom_compare(index, &datoms[end - 1], &datoms[end]) <= 0;
        if (!is_sorted) merge_sort(index, datoms + start, end - start, spare);
    }
}

static bool is_sorted(lion_index index, const lion_datom *datoms, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (lion_datom_compare(index, &datoms[i - 1], &datoms[i]) > 0) return false;
    return true;
}

#define MERGE_MAX 192 /* from here on radix sort wins, measured */

void lion_datoms_sort(lion_index index, lion_datom *datoms, size_t count)
{
    if (count <= INSERTION_MAX) {
        insertion_sort(index, datoms, count);
        return;
    }
    if (is_sorted(index, datoms, count)) return;
    if (count <= MERGE_MAX) {
        lion_datom spare[MERGE_MAX / 2];
        merge_sort(index, datoms, count, spare);
        return;
    }
    /* Two arrays of keys, later the room to permute and to merge in. */
    _Static_assert(2 * sizeof(sort_key) > sizeof(lion_datom) + 4, "the keys' room serves both");
    size_t size;
    bool fits = count <= UINT32_MAX && lion_size_mul(&size, count, 2 * sizeof(sort_key));
    sort_key *keys = fits ? lion_alloc(size) : NULL;
    if (keys == NULL) {
        heap_sort(index, datoms, count);
        return;
    }
    for (size_t i = 0; i < count; i++) keys[i] = key_of(index, &datoms[i], i);
    permute(datoms, radix_sort(index, keys, count), (uint8_t *)keys, count);
    sort_runs(index, datoms, count, (lion_datom *)(void *)keys);
    lion_free(keys);
    LION_AUDIT(is_sorted(index, datoms, count));
}
