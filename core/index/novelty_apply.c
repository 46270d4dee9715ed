/* novelty_apply.c - what the writer does: one transaction's datoms into all trees.
 *
 * Records are appended, then the references to them are sorted for each tree and inserted as runs.
 * All memory is seen to before the first change, so that a failure leaves nothing behind. */
#include <string.h>

#include "base/memory.h"
#include "index/novelty_tree.h"

#define SCRATCH_KEPT                                                                               \
    4096 /* entries: room for small transactions is kept, for large ones given back */

/* -- Room ---------------------------------------------------------------------------------------
 */

/* The nodes that `count` datoms can replace at most, over all trees. */
static uint64_t replaced_max(const lion_novelty *novelty, size_t count)
{
    uint64_t paths = 3 * (uint64_t)count * (novelty->height + 1ull) + 3 * (uint64_t)count + 3;
    return paths < novelty->node_count ? paths : novelty->node_count;
}

/* The attributes among the datoms at most; the more there are, the better it is to know. */
static uint64_t attributes_max(const lion_datom *datoms, size_t count)
{
    if (count <= SCRATCH_KEPT) return count;
    uint8_t *seen = lion_zalloc(LION_ATTRIBUTE_ID_MAX / 8 + 1);
    if (seen == NULL) return count < LION_ATTRIBUTE_ID_MAX ? count : LION_ATTRIBUTE_ID_MAX + 1;
    uint64_t attributes = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *byte = &seen[datoms[i].a / 8], bit = (uint8_t)(1u << datoms[i].a % 8);
        attributes += (*byte & bit) == 0;
        *byte |= bit;
    }
    lion_free(seen);
    return attributes;
}

/* The nodes that they can make at most: for each replaced one a copy, for each full one another
 * (each level adds less than half of what the one below did), new ones for the trees of new
 * attributes. */
static uint64_t made_max(const lion_novelty *novelty, const lion_datom *datoms, size_t count)
{
    uint64_t full = count / novelty->node_entries + 1;
    uint64_t touched = replaced_max(novelty, count) + attributes_max(datoms, count);
    return replaced_max(novelty, count) + 3 * 2 * (full + touched) + 3ull * novelty->height + 8;
}

static lion_status prepare_scratch(lion_novelty *novelty, size_t count, lion_error *error)
{
    size_t entries = 3 * count; /* all datoms, those of AVET, and spare room */
    if (entries > novelty->entry_capacity) {
        lion_novelty_entry *room = lion_realloc(novelty->entries, entries * sizeof *room);
        if (room == NULL) return lion_fail_memory(error);
        novelty->entries = room;
        novelty->entry_capacity = entries;
    }
    size_t children = 4 * count + 4 * (size_t)LION_NODE_ENTRIES_MAX * (novelty->height + 2);
    if (children > novelty->child_capacity) {
        lion_novelty_child *room = lion_realloc(novelty->children, children * sizeof *room);
        if (room == NULL) return lion_fail_memory(error);
        novelty->children = room;
        novelty->child_capacity = children;
    }
    return LION_OK;
}

static void trim_scratch(lion_novelty *novelty)
{
    if (novelty->entry_capacity > SCRATCH_KEPT) {
        lion_free(novelty->entries);
        novelty->entries = NULL;
        novelty->entry_capacity = 0;
    }
    if (novelty->child_capacity > 4 * SCRATCH_KEPT) {
        lion_free(novelty->children);
        novelty->children = NULL;
        novelty->child_capacity = 0;
    }
}

static lion_status prepare(lion_novelty *novelty, const lion_datom *datoms, size_t count,
                           uint64_t record_size, lion_error *error)
{
    if (count > UINT32_MAX / 64 || record_size > UINT32_MAX)
        return lion_fail(error, LION_INCORRECT, "lion/transaction-too-large",
                         "a transaction of %zu datoms is too large; split it", count);
    uint64_t bytes = record_size + LION_NOVELTY_UNIT;
    for (size_t i = 0; i < count; i++) bytes += lion_record_size(datoms[i].v.size);
    lion_novelty_expect(novelty, bytes);
    uint64_t transactions = novelty->transactions + 2ull * LION_TRANSACTION_CHUNK_FIRST;
    bytes += transactions *
             sizeof(lion_transaction_entry); /* the next chunk is no longer than all before */
    if (lion_novelty_reserve(novelty, bytes, made_max(novelty, datoms, count), error) != LION_OK ||
        lion_novelty_prepare(novelty, replaced_max(novelty, count), error) != LION_OK)
        return LION_FAILED;
    return prepare_scratch(novelty, count, error);
}

/* -- Records ------------------------------------------------------------------------------------
 */

static uint32_t append_record(lion_novelty *novelty, const lion_datom *datom, bool is_in_avet)
{
    uint32_t offset = lion_novelty_append(novelty, lion_record_size(datom->v.size));
    lion_record *record = lion_novelty_at(novelty->base, offset);
    record->e = datom->e;
    record->tx = datom->tx;
    record->head = datom->a | (is_in_avet ? LION_RECORD_IN_AVET : 0) |
                   (datom->added ? LION_RECORD_ADDED : 0) |
                   (uint32_t)datom->v.type << LION_RECORD_TYPE_SHIFT;
    record->size = datom->v.size;
    if (lion_type_is_scalar(datom->v.type))
        record->bits = datom->v.bits;
    else if (datom->v.size > 0)
        memcpy(record->bytes, datom->v.data, datom->v.size);
    return offset;
}

static uint32_t append_records(lion_novelty *novelty, const lion_datom *datoms,
                               const uint8_t *is_in_avet, size_t count)
{
    uint32_t first = 0;
    for (size_t i = 0; i < count; i++) {
        LION_ASSERT(datoms[i].a <= LION_ATTRIBUTE_ID_MAX);
        LION_ASSERT(lion_type_is_scalar(datoms[i].v.type) ? datoms[i].v.size == 0 : true);
        uint32_t offset = append_record(novelty, &datoms[i], is_in_avet[i] != 0);
        if (i == 0) first = offset;
        novelty->entries[i] =
            (lion_novelty_entry){ .key = lion_novelty_key(LION_EAVT, &datoms[i]),
                                  .minor = lion_novelty_minor(LION_EAVT, &datoms[i]),
                                  .record =
                                      offset | (datoms[i].added ? 0 : LION_REFERENCE_RETRACTION),
                                  .a = datoms[i].a };
    }
    return first;
}

static void append_transaction(lion_novelty *novelty, int64_t t, uint32_t first_record,
                               size_t count, lion_slice record)
{
    uint32_t index = novelty->transactions;
    uint32_t first = index / LION_TRANSACTION_CHUNK_FIRST + 1;
    uint32_t chunk = 31u - (uint32_t)__builtin_clz(first);
    LION_ASSERT(chunk < LION_TRANSACTION_CHUNKS);
    lion_novelty_header *header = (lion_novelty_header *)(void *)novelty->base;
    if (header->chunks[chunk] == 0)
        header->chunks[chunk] = lion_novelty_append(
            novelty, (uint64_t)LION_TRANSACTION_CHUNK_FIRST * sizeof(lion_transaction_entry)
                         << chunk);

    uint32_t offset = lion_novelty_append(novelty, record.size);
    if (record.size > 0) memcpy(lion_novelty_at(novelty->base, offset), record.data, record.size);
    *lion_novelty_transaction_entry(novelty->base, index) =
        (lion_transaction_entry){ .t = t,
                                  .record = offset,
                                  .record_size = (uint32_t)record.size,
                                  .datoms = first_record,
                                  .count = (uint32_t)count };
    novelty->transactions++;
}

/* -- Trees --------------------------------------------------------------------------------------
 */

/* Sorted by a: each attribute's run into its tree. */
static void insert_by_attribute(lion_novelty *novelty, lion_index order,
                                const lion_novelty_entry *entries, size_t count)
{
    for (size_t start = 0, end; start < count; start = end) {
        uint32_t a = entries[start].a;
        for (end = start + 1; end < count && entries[end].a == a;) end++;
        uint32_t aevt, avet;
        lion_directory_get(novelty->base, novelty->attributes, a, &aevt, &avet);
        uint32_t *top = order == LION_AEVT ? &aevt : &avet;
        *top = lion_novelty_insert(novelty, order, *top, entries + start, end - start);
        lion_directory_set(novelty, a, aevt, avet);
    }
}

/* AEVT has EAVT's keys, but other minor ones. Entries that go into AVET are put into `avet`, with
 * its keys. */
static size_t turn_entries(const lion_novelty *novelty, lion_novelty_entry *entries, size_t count,
                           lion_novelty_entry *avet)
{
    size_t selected = 0;
    for (size_t i = 0; i < count; i++) {
        const lion_record *record =
            lion_novelty_at(novelty->base, entries[i].record & ~LION_REFERENCE_RETRACTION);
        lion_datom datom = lion_record_datom(record);
        entries[i].minor = lion_novelty_minor(LION_AEVT, &datom);
        if ((record->head & LION_RECORD_IN_AVET) == 0) continue;
        avet[selected] = entries[i];
        avet[selected].key = lion_novelty_key(LION_AVET, &datom);
        avet[selected++].minor = lion_novelty_minor(LION_AVET, &datom);
    }
    return selected;
}

/* entries[0..count) are of new records, in the order these came. */
static void insert_all(lion_novelty *novelty, size_t count)
{
    lion_novelty_entry *entries = novelty->entries, *avet = entries + count, *spare = avet + count;
    lion_novelty_sort(novelty->base, LION_EAVT, entries, count, spare);
    novelty->eavt = lion_novelty_insert(novelty, LION_EAVT, novelty->eavt, entries, count);
    size_t selected = turn_entries(novelty, entries, count, avet);
    lion_novelty_sort(novelty->base, LION_AEVT, entries, count, spare);
    insert_by_attribute(novelty, LION_AEVT, entries, count);
    lion_novelty_sort(novelty->base, LION_AVET, avet, selected, spare);
    insert_by_attribute(novelty, LION_AVET, avet, selected);
}

lion_status lion_novelty_apply(lion_novelty *novelty, int64_t t, const lion_datom *datoms,
                               const uint8_t *is_in_avet, size_t count, lion_slice record,
                               lion_error *error)
{
    LION_ASSERT(t > novelty->t);
    if (prepare(novelty, datoms, count, record.size, error) != LION_OK) return LION_FAILED;

    uint32_t first = append_records(novelty, datoms, is_in_avet, count);
    append_transaction(novelty, t, first, count, record);
    if (count > 0) insert_all(novelty, count);
    novelty->t = t;
    novelty->datoms += count;
    novelty->is_changed = true;
    lion_novelty_reclaim(novelty);
    trim_scratch(novelty);
    return LION_OK;
}

/* Is exactly this datom in the AVET tree? */
static bool is_in_avet_tree(const lion_novelty_version *version, const lion_datom *datom)
{
    lion_key key = { .datom = *datom, .parts = 4 };
    uint64_t count;
    int64_t net;
    lion_novelty_count(&count, &net, version, LION_AVET, &key);
    return count > 0;
}

lion_status lion_novelty_add_avet(lion_novelty *novelty, const lion_datom *datoms, size_t count,
                                  lion_error *error)
{
    if (count == 0) return LION_OK;
    if (prepare(novelty, datoms, count, 0, error) != LION_OK) return LION_FAILED;
    lion_novelty_version version = lion_novelty_peek(novelty);
    lion_novelty_entry *entries = novelty->entries;
    size_t selected = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_in_avet_tree(&version, &datoms[i])) continue;
        uint32_t offset = append_record(novelty, &datoms[i], true);
        entries[selected++] =
            (lion_novelty_entry){ .key = lion_novelty_key(LION_AVET, &datoms[i]),
                                  .minor = lion_novelty_minor(LION_AVET, &datoms[i]),
                                  .record =
                                      offset | (datoms[i].added ? 0 : LION_REFERENCE_RETRACTION),
                                  .a = datoms[i].a };
    }
    lion_novelty_sort(novelty->base, LION_AVET, entries, selected, entries + selected);
    insert_by_attribute(novelty, LION_AVET, entries, selected);
    novelty->is_changed = true;
    lion_novelty_reclaim(novelty);
    trim_scratch(novelty);
    return LION_OK;
}

/* -- The rest -----------------------------------------------------------------------------------
 */

/* The transaction's datoms again, from their records. Bytes are borrowed from the arena. */
static void read_datoms(const lion_novelty_version *version, const lion_transaction_entry *entry,
                        lion_datom *datoms, uint8_t *is_in_avet)
{
    const uint8_t *base = version->novelty->base;
    uint32_t offset = entry->datoms;
    for (uint32_t i = 0; i < entry->count; i++) {
        const lion_record *record = lion_novelty_at(base, offset);
        datoms[i] = lion_record_datom(record);
        is_in_avet[i] = (record->head & LION_RECORD_IN_AVET) != 0;
        if (!is_in_avet[i]) is_in_avet[i] = is_in_avet_tree(version, &datoms[i]); /* added later? */
        offset += (uint32_t)(lion_record_size(record->size) / LION_NOVELTY_UNIT);
    }
}

static lion_status copy_transactions(lion_novelty *rest, const lion_novelty_version *version,
                                     uint32_t from, lion_datom *datoms, uint8_t *is_in_avet,
                                     lion_error *error)
{
    const uint8_t *base = version->novelty->base;
    for (uint32_t i = from; i < version->transactions; i++) {
        const lion_transaction_entry *entry = lion_novelty_transaction_entry(base, i);
        read_datoms(version, entry, datoms, is_in_avet);
        lion_slice record = lion_slice_of(lion_novelty_at(base, entry->record), entry->record_size);
        if (lion_novelty_apply(rest, entry->t, datoms, is_in_avet, entry->count, record, error) !=
            LION_OK)
            return LION_FAILED;
    }
    return LION_OK;
}

/* The first transaction above t; *largest_out: datoms of the largest from there on. */
static uint32_t first_above(const lion_novelty_version *version, int64_t t, size_t *largest_out)
{
    uint32_t from = version->transactions;
    *largest_out = 1;
    for (; from > 0; from--) {
        const lion_transaction_entry *entry =
            lion_novelty_transaction_entry(version->novelty->base, from - 1);
        if (entry->t <= t) break;
        if (entry->count > *largest_out) *largest_out = entry->count;
    }
    return from;
}

lion_status lion_novelty_follow(lion_novelty *rest, const lion_novelty_version *version,
                                int64_t above_t, lion_error *error)
{
    if (version->novelty == NULL) return LION_OK;
    size_t largest;
    uint32_t from = first_above(version, above_t, &largest);
    if (from == version->transactions) return LION_OK;
    lion_datom *datoms = lion_alloc(largest * sizeof *datoms);
    uint8_t *is_in_avet = lion_alloc(largest);
    lion_status status = datoms != NULL && is_in_avet != NULL
                             ? copy_transactions(rest, version, from, datoms, is_in_avet, error)
                             : lion_fail_memory(error);
    lion_free(datoms);
    lion_free(is_in_avet);
    return status;
}

lion_status lion_novelty_rest(lion_novelty **novelty_out, const lion_novelty_version *version,
                              int64_t above_t, lion_error *error)
{
    lion_novelty_options options = { 0 };
    if (version->novelty != NULL)
        options = (lion_novelty_options){ .node_entries = version->novelty->node_entries,
                                          .reserve_size = version->novelty->reserved };
    lion_novelty *rest;
    if (lion_novelty_new(&rest, &options, error) != LION_OK) return LION_FAILED;
    if (lion_novelty_follow(rest, version, above_t, error) != LION_OK) {
        lion_novelty_drop(rest);
        return LION_FAILED;
    }
    *novelty_out = rest;
    return LION_OK;
}
