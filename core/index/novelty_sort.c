/* novelty_sort.c - the datoms of one transaction in the order of each tree.
 *
 * Few entries are sorted by insertion. Many go through stable byte-wise radix passes over (a, key,
 * minor), skipping bytes that all share; runs that the keys cannot tell are finished by comparing
 * records. */
#include <string.h>

#include "index/novelty_tree.h"

#define INSERTION_MAX 48

static int compare(const uint8_t *base, lion_index order, const lion_novelty_entry *x,
                   const lion_novelty_entry *y)
{
    if (order != LION_EAVT && x->a != y->a) return x->a < y->a ? -1 : 1;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    if (x->minor != y->minor) return x->minor < y->minor ? -1 : 1;
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

/* One stable pass by the byte at `offset`. */
static void radix_pass(const lion_novelty_entry *from, lion_novelty_entry *to, size_t count,
                       size_t offset)
{
    size_t starts[256] = { 0 }, sum = 0;
    for (size_t i = 0; i < count; i++) starts[((const uint8_t *)&from[i])[offset]]++;
    for (size_t digit = 0; digit < 256; digit++) {
        size_t here = starts[digit];
        starts[digit] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) to[starts[((const uint8_t *)&from[i])[offset]]++] = from[i];
}

/* Where the parts of an entry lie, the least significant first. */
static const struct {
    size_t offset, size;
} PARTS[3] = { { offsetof(lion_novelty_entry, minor), 4 },
               { offsetof(lion_novelty_entry, key), 8 },
               { offsetof(lion_novelty_entry, a), 4 } };

static void radix_sort(lion_index order, lion_novelty_entry *entries, size_t count,
                       lion_novelty_entry *spare)
{
    lion_novelty_entry differing = { 0 }; /* bytes that all share need no pass */
    for (size_t i = 1; i < count; i++) {
        differing.key |= entries[i].key ^ entries[0].key;
        differing.minor |= entries[i].minor ^ entries[0].minor;
        differing.a |= entries[i].a ^ entries[0].a;
    }
    lion_novelty_entry *from = entries, *to = spare;
    for (unsigned part = 0; part < (order == LION_EAVT ? 2 : 3); part++) {
        for (size_t byte = 0; byte < PARTS[part].size; byte++) {
            size_t offset = PARTS[part].offset + byte;
            if (((const uint8_t *)&differing)[offset] == 0) continue;
            radix_pass(from, to, count, offset);
            lion_novelty_entry *sorted = to;
            to = from;
            from = sorted;
        }
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
static void sort_runs(const uint8_t *base, lion_index order, lion_novelty_entry *entries,
                      size_t count, lion_novelty_entry *spare)
{
    for (size_t start = 0, end; start < count; start = end) {
        bool is_in_order = true;
        for (end = start + 1; end < count && entries[end].key == entries[start].key &&
                              entries[end].minor == entries[start].minor &&
                              (order == LION_EAVT || entries[end].a == entries[start].a);
             end++)
            is_in_order =
                is_in_order && compare(base, order, &entries[end - 1], &entries[end]) <= 0;
        if (!is_in_order) merge_sort(base, order, entries + start, end - start, spare);
    }
}

void lion_novelty_sort(const uint8_t *base, lion_index order, lion_novelty_entry *entries,
                       size_t count, lion_novelty_entry *spare)
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
