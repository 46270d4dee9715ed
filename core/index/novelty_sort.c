/* novelty_sort.c - the datoms of one transaction in the order of each tree.
 *
 * Few entries are sorted by insertion. Many go through stable byte-wise radix passes over (a, key),
 * skipping bytes that all share; runs that the keys cannot tell are finished by comparing records. */
#include <string.h>

#include "index/novelty_tree.h"

#define INSERTION_MAX 48

uint64_t lion_novelty_key(lion_index order, const lion_datom *datom)
{
    const uint64_t sign = UINT64_C(1) << 63;
    if (order != LION_AVET) return (uint64_t)datom->e ^ sign;
    const lion_value *v = &datom->v;
    uint64_t bits = 0;
    if (v->type == LION_TYPE_DOUBLE) {
        double number = v->number;
        if (number != number) return UINT64_MAX;
        if (number == 0) number = 0.0; /* one zero */
        memcpy(&bits, &number, sizeof bits);
        return bits & sign ? ~bits : bits | sign;
    }
    if (lion_type_is_scalar(v->type)) return (uint64_t)v->bits ^ sign;
    if (v->size > 0) memcpy(&bits, v->data, v->size < 8 ? v->size : 8);
    return __builtin_bswap64(bits);
}

static int compare(const uint8_t *base, lion_index order, const lion_novelty_entry *x,
                   const lion_novelty_entry *y)
{
    if (order != LION_EAVT && x->a != y->a) return x->a < y->a ? -1 : 1;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    lion_datom a = lion_novelty_datom(base, x->record), b = lion_novelty_datom(base, y->record);
    return lion_datom_compare(order, &a, &b);
}

static void insertion_sort(const uint8_t *base, lion_index order, lion_novelty_entry *entries,
                           size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (compare(base, order, &entries[i - 1], &entries[i]) <= 0) continue;
        lion_novelty_entry entry = entries[i];
        size_t hole = i;
        for (; hole > 0 && compare(base, order, &entry, &entries[hole - 1]) < 0; hole--)
            entries[hole] = entries[hole - 1];
        entries[hole] = entry;
    }
}

/* `spare` has room for half of the entries. */
static void merge_sort(const uint8_t *base, lion_index order, lion_novelty_entry *entries,
                       size_t count, lion_novelty_entry *spare)
{
    if (count <= INSERTION_MAX / 4) {
        insertion_sort(base, order, entries, count);
        return;
    }
    size_t half = count / 2;
    merge_sort(base, order, entries, half, spare);
    merge_sort(base, order, entries + half, count - half, spare);
    if (compare(base, order, &entries[half - 1], &entries[half]) <= 0) return;

    memcpy(spare, entries, half * sizeof *entries);
    size_t left = 0, right = half, out = 0;
    while (left < half && right < count) {
        bool is_right = compare(base, order, &entries[right], &spare[left]) < 0;
        entries[out++] = is_right ? entries[right++] : spare[left++];
    }
    memcpy(entries + out, spare + left, (half - left) * sizeof *entries);
}

/* One stable pass by 8 bits of the key, or of a. */
static void radix_pass(const lion_novelty_entry *from, lion_novelty_entry *to, size_t count,
                       unsigned shift, bool by_a)
{
    size_t starts[256] = { 0 }, sum = 0;
    for (size_t i = 0; i < count; i++)
        starts[(by_a ? from[i].a : from[i].key) >> shift & 255]++;
    for (size_t digit = 0; digit < 256; digit++) {
        size_t here = starts[digit];
        starts[digit] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[(by_a ? from[i].a : from[i].key) >> shift & 255]++] = from[i];
}

static void radix_sort(lion_index order, lion_novelty_entry *entries, size_t count,
                       lion_novelty_entry *spare)
{
    uint64_t keys = 0;
    uint32_t attributes = 0;
    for (size_t i = 1; i < count; i++) {
        keys |= entries[i].key ^ entries[0].key;
        attributes |= entries[i].a ^ entries[0].a;
    }
    lion_novelty_entry *from = entries, *to = spare;
    for (unsigned pass = 0; pass < 12; pass++) {
        bool by_a = pass >= 8;
        unsigned shift = 8 * (by_a ? pass - 8 : pass);
        if (by_a && order == LION_EAVT) break;
        if (((by_a ? attributes : keys) >> shift & 255) == 0) continue;
        radix_pass(from, to, count, shift, by_a);
        lion_novelty_entry *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != entries) memcpy(entries, from, count * sizeof *entries);
}

static bool is_sorted(const uint8_t *base, lion_index order, const lion_novelty_entry *entries,
                      size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (compare(base, order, &entries[i - 1], &entries[i]) > 0) return false;
    return true;
}

/* The runs that the keys left out of order. */
static void sort_runs(const uint8_t *base, lion_index order, lion_novelty_entry *entries, size_t count,
                      lion_novelty_entry *spare)
{
    for (size_t start = 0, end; start < count; start = end) {
        bool is_in_order = true;
        for (end = start + 1; end < count && entries[end].key == entries[start].key &&
                              (order == LION_EAVT || entries[end].a == entries[start].a);
             end++)
            is_in_order = is_in_order && compare(base, order, &entries[end - 1], &entries[end]) <= 0;
        if (!is_in_order) merge_sort(base, order, entries + start, end - start, spare);
    }
}

void lion_novelty_sort(const uint8_t *base, lion_index order, lion_novelty_entry *entries, size_t count,
                       lion_novelty_entry *spare)
{
    if (count <= INSERTION_MAX) {
        insertion_sort(base, order, entries, count);
        return;
    }
    if (is_sorted(base, order, entries, count)) return;
    radix_sort(order, entries, count, spare);
    sort_runs(base, order, entries, count, spare);
    LION_AUDIT(is_sorted(base, order, entries, count));
}
