/* branch.c - branches: writing, opening, searching.
 *
 *   offset  size  what
 *        0     1  2: a branch
 *        1     1  order
 *        2     1  type of the tree's values
 *        3     1  level (2: the children are leaves)
 *        4     4  entries
 *        8     8  rows below
 *       16     8  distinct leads below
 *       24    56  places of 14 columns in the segment (4 bytes each), by enum place
 *       80     …  the columns: integers(entries), but
 *                 ROWS has one more: rows before each child, then all;
 *                 VALUES is a column of BYTES (index/column.h): separators with bytes */
#include "index/branch.h"

#include <string.h>

#include "base/assert.h"
#include "index/leaf.h"

enum place {
    SEGMENT,
    ROWS,
    DISTINCT,
    FLAGS, /* bit 0 continues, bit 1 has_retractions, then parts (3 bits), then the type of v */
    E,
    A,
    TX,
    BITS, /* of v, where it is a scalar */
    VALUES,
    MIN_E,
    MAX_E,
    MIN_T,
    MAX_T,
    SPARE,
    PLACES
};
#define HEADER_SIZE (24 + 4 * PLACES)
_Static_assert(HEADER_SIZE == 80, "the header's layout is part of the format");

static uint32_t load_u32(const uint8_t *at)
{
    uint32_t x;
    memcpy(&x, at, 4);
    return x;
}

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t x;
    memcpy(&x, at, 8);
    return x;
}

static lion_status corrupt(lion_error *error, const char *what)
{
    return lion_fail_corrupt(error, "a branch segment is malformed: %s", what);
}

/* ---- opening ---- */

lion_status lion_branch_open(lion_branch *branch, lion_slice bytes, const lion_tree *tree,
                             unsigned level, lion_error *error)
{
    if (bytes.size < HEADER_SIZE || bytes.data[0] != LION_SEGMENT_BRANCH)
        return corrupt(error, "it has no branch's header");
    *branch = (lion_branch){ .bytes = bytes.data,
                             .size = bytes.size,
                             .count = load_u32(bytes.data + 4),
                             .a = tree->a,
                             .order = bytes.data[1],
                             .level = bytes.data[3],
                             .rows = load_u64(bytes.data + 8),
                             .distinct = load_u64(bytes.data + 16) };
    bool is_sound = branch->order == tree->order && branch->level == level && branch->count >= 1 &&
                    branch->count <= LION_BRANCH_ENTRIES_MAX;
    return is_sound ? LION_OK : corrupt(error, "its header makes no sense");
}

static lion_reader reader_at(const lion_branch *branch, enum place place)
{
    lion_reader reader;
    size_t offset = load_u32(branch->bytes + 24 + 4 * (size_t)place);
    bool is_inside = offset >= HEADER_SIZE && offset < branch->size;
    lion_reader_init(&reader, is_inside
                                  ? lion_slice_of(branch->bytes + offset, branch->size - offset)
                                  : lion_slice_of(branch->bytes, 0));
    return reader;
}

static lion_status open_ints(lion_ints *ints, const lion_branch *branch, enum place place,
                             lion_error *error)
{
    lion_reader reader = reader_at(branch, place);
    size_t count = branch->count + (place == ROWS ? 1u : 0u);
    return lion_ints_open(ints, &reader, count) ? LION_OK : corrupt(error, "a column");
}

static lion_status open_values(lion_column *values, const lion_branch *branch, lion_error *error)
{
    lion_reader reader = reader_at(branch, VALUES);
    bool is_sound = lion_column_open(values, &reader) && values->count == branch->count &&
                    values->type == LION_TYPE_BYTES;
    return is_sound ? LION_OK : corrupt(error, "its values");
}

lion_status lion_branch_child(uint64_t *segment_out, const lion_branch *branch, uint32_t child,
                              lion_error *error)
{
    LION_ASSERT(child < branch->count);
    lion_ints segments;
    lion_status status = open_ints(&segments, branch, SEGMENT, error);
    if (status == LION_OK) *segment_out = (uint64_t)lion_ints_get(&segments, child);
    return status;
}

lion_status lion_branch_rows_before(uint64_t *rows_out, const lion_branch *branch, uint32_t child,
                                    lion_error *error)
{
    LION_ASSERT(child <= branch->count);
    lion_ints rows;
    lion_status status = open_ints(&rows, branch, ROWS, error);
    if (status == LION_OK) *rows_out = (uint64_t)lion_ints_get(&rows, child);
    return status;
}

lion_status lion_branch_times(int64_t *min_out, int64_t *max_out, const lion_branch *branch,
                              uint32_t child, lion_error *error)
{
    LION_ASSERT(child < branch->count);
    lion_ints column;
    if (open_ints(&column, branch, MIN_T, error) != LION_OK) return LION_FAILED;
    *min_out = lion_ints_get(&column, child);
    if (open_ints(&column, branch, MAX_T, error) != LION_OK) return LION_FAILED;
    *max_out = lion_ints_get(&column, child);
    return LION_OK;
}

/* ---- separators ---- */

static bool unpack_flags(int64_t flags, lion_branch_entry *entry)
{
    if (flags < 0 || flags >> 9 != 0) return false;
    entry->continues = (flags & 1) != 0;
    entry->has_retractions = (flags & 2) != 0;
    entry->separator.parts = (uint8_t)(flags >> 2 & 7);
    entry->separator.datom.v.type = (uint8_t)(flags >> 5 & 15);
    return entry->separator.parts <= 4;
}

static int64_t pack_flags(const lion_branch_entry *entry)
{
    return (entry->continues ? 1 : 0) | (entry->has_retractions ? 2 : 0) |
           entry->separator.parts << 2 | entry->separator.datom.v.type << 5;
}

/* Complete a separator's value from its type (set), bits or bytes. */
static bool complete_value(lion_value *v, int64_t bits, const lion_column *values, size_t index)
{
    uint8_t type = v->type;
    if (type > LION_TYPE_DECIMAL) return false;
    if (lion_type_is_scalar(type)) {
        *v = lion_value_scalar((lion_type)type, bits);
        return true;
    }
    if (!lion_column_get_bytes(values, index, v)) return false;
    v->type = type;
    return type != LION_TYPE_UUID || v->size == 16;
}

/* The columns a separator is put together from, opened once for a search. */
typedef struct separators {
    const lion_branch *branch;
    lion_ints flags, e, a, tx, bits;
    lion_column values;
} separators;

static lion_status open_separators(separators *s, const lion_branch *branch, lion_error *error)
{
    s->branch = branch;
    bool is_sound = open_ints(&s->flags, branch, FLAGS, error) == LION_OK &&
                    open_ints(&s->e, branch, E, error) == LION_OK &&
                    open_ints(&s->a, branch, A, error) == LION_OK &&
                    open_ints(&s->tx, branch, TX, error) == LION_OK &&
                    open_ints(&s->bits, branch, BITS, error) == LION_OK &&
                    open_values(&s->values, branch, error) == LION_OK;
    return is_sound ? LION_OK : LION_FAILED;
}

static bool read_separator(lion_key *key, const separators *s, uint32_t child)
{
    lion_branch_entry entry;
    if (!unpack_flags(lion_ints_get(&s->flags, child), &entry)) return false;
    uint8_t type = entry.separator.datom.v.type;
    key->parts = entry.separator.parts;
    key->datom =
        (lion_datom){ .e = lion_ints_get(&s->e, child), .a = s->branch->a, .v = { .type = type } };
    if (s->branch->order == LION_EAVT) key->datom.a = (uint32_t)lion_ints_get(&s->a, child);
    if (key->parts == 4) key->datom.tx = lion_ints_get(&s->tx, child);
    if (type == LION_TYPE_NIL) return true;
    int64_t bits = lion_type_is_scalar(type) ? lion_ints_get(&s->bits, child) : 0;
    return complete_value(&key->datom.v, bits, &s->values, child);
}

/* Whether child's separator is at or below the place looked for: key's prefix, its parts behind
 * counted as lowest (upper: as highest). */
static lion_status is_before(bool *is_before_out, const separators *s, uint32_t child,
                             const lion_key *key, bool upper, lion_snapshot *snapshot,
                             lion_error *error)
{
    lion_key separator;
    int order;
    if (!read_separator(&separator, s, child)) return corrupt(error, "a separator");
    if (lion_key_compare(&order, s->branch->order, &separator, key, snapshot, error) != LION_OK)
        return LION_FAILED;
    *is_before_out = order < 0 || (order == 0 && (upper || separator.parts <= key->parts));
    return LION_OK;
}

/* ---- search ---- */

/* Last child in [low, high) whose separator is at or below the place; low - 1 if none. */
static lion_status find_between(uint32_t *child_out, const lion_branch *branch, uint32_t low,
                                uint32_t high, const lion_key *key, bool upper,
                                lion_snapshot *snapshot, lion_error *error)
{
    separators s;
    if (low < high && open_separators(&s, branch, error) != LION_OK) return LION_FAILED;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        bool before = false;
        if (is_before(&before, &s, middle, key, upper, snapshot, error) != LION_OK)
            return LION_FAILED;
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    *child_out = low - 1;
    return LION_OK;
}

/* The separators of children 1.. ascend (child 0's is the parent's affair), and so do their
 * leads. */
typedef struct leads {
    bool is_one_type; /* else (a key of another type) the separators are compared as a whole */
    lion_column column;
    lion_value key;
} leads;

static lion_status open_leads(leads *l, const lion_branch *branch, const lion_key *key,
                              lion_error *error)
{
    uint8_t type = branch->order == LION_AVET ? branch->bytes[2] : LION_TYPE_REF;
    l->key = branch->order == LION_AVET ? key->datom.v : lion_value_ref(key->datom.e);
    l->is_one_type = l->key.type == type;
    if (!l->is_one_type) return LION_OK;
    if (!lion_type_is_scalar(type)) {
        l->key.type = LION_TYPE_BYTES; /* as they are kept */
        return open_values(&l->column, branch, error);
    }
    l->column.type = type;
    l->column.mode = type == LION_TYPE_DOUBLE ? LION_COLUMN_RAW : 0;
    l->column.count = branch->count;
    return open_ints(&l->column.ints, branch, branch->order == LION_AVET ? BITS : E, error);
}

/* Among separators that share the key's lead: if the first of them is nothing but that lead, it is
 * where a prefix of the lead alone begins. */
static lion_status is_lead_alone(bool *is_alone_out, const lion_branch *branch, uint32_t child,
                                 unsigned lead_parts, lion_error *error)
{
    lion_ints flags;
    lion_branch_entry entry;
    if (open_ints(&flags, branch, FLAGS, error) != LION_OK) return LION_FAILED;
    if (!unpack_flags(lion_ints_get(&flags, child), &entry)) return corrupt(error, "its flags");
    *is_alone_out = entry.separator.parts <= lead_parts;
    return LION_OK;
}

lion_status lion_branch_find(uint32_t *child_out, const lion_branch *branch, const lion_key *key,
                             bool upper, lion_snapshot *snapshot, lion_error *error)
{
    unsigned lead_parts = branch->order == LION_EAVT ? 1 : 2;
    if (key->parts < lead_parts) {
        *child_out = upper ? branch->count - 1 : 0;
        return LION_OK;
    }
    leads l;
    size_t low, high;
    if (open_leads(&l, branch, key, error) != LION_OK) return LION_FAILED;
    if (!l.is_one_type)
        return find_between(child_out, branch, 1, branch->count, key, upper, snapshot, error);

    bool is_lead_only = key->parts == lead_parts;
    if (lion_column_lower_bound(&low, &l.column, 1, branch->count, &l.key, is_lead_only && upper,
                                snapshot, error) != LION_OK)
        return LION_FAILED;
    *child_out = (uint32_t)low - 1;
    if ((is_lead_only && upper) || low == branch->count) return LION_OK;
    if (lion_column_lower_bound(&high, &l.column, low, branch->count, &l.key, true, snapshot,
                                error) != LION_OK)
        return LION_FAILED;
    if (low == high) return LION_OK; /* no separator shares the lead */
    if (!is_lead_only)
        return find_between(child_out, branch, (uint32_t)low, (uint32_t)high, key, upper, snapshot,
                            error);
    bool is_alone = false;
    if (is_lead_alone(&is_alone, branch, (uint32_t)low, lead_parts, error) != LION_OK)
        return LION_FAILED;
    if (is_alone) *child_out = (uint32_t)low;
    return LION_OK;
}

/* ---- all entries ---- */

lion_status lion_branch_read(lion_branch_entry **entries_out, const lion_branch *branch,
                             lion_arena *arena, lion_error *error)
{
    lion_ints column[PLACES];
    lion_column values;
    for (int place = 0; place < SPARE; place++)
        if (place != VALUES &&
            open_ints(&column[place], branch, (enum place)place, error) != LION_OK)
            return LION_FAILED;
    if (open_values(&values, branch, error) != LION_OK) return LION_FAILED;
    lion_branch_entry *entries = lion_arena_array(arena, lion_branch_entry, branch->count);
    if (entries == NULL) return lion_fail_memory(error);
    memset(entries, 0, sizeof *entries * branch->count);

    for (uint32_t i = 0; i < branch->count; i++) {
        lion_branch_entry *entry = &entries[i];
        int64_t before = lion_ints_get(&column[ROWS], i);
        int64_t after = lion_ints_get(&column[ROWS], i + 1u);
        if (before < 0 || after <= before || (uint64_t)after > branch->rows)
            return corrupt(error, "its counts");
        if (!unpack_flags(lion_ints_get(&column[FLAGS], i), entry))
            return corrupt(error, "its flags");
        entry->segment = (uint64_t)lion_ints_get(&column[SEGMENT], i);
        entry->rows = (uint64_t)(after - before);
        entry->distinct = (uint64_t)lion_ints_get(&column[DISTINCT], i);
        entry->min_e = lion_ints_get(&column[MIN_E], i);
        entry->max_e = lion_ints_get(&column[MAX_E], i);
        entry->min_t = lion_ints_get(&column[MIN_T], i);
        entry->max_t = lion_ints_get(&column[MAX_T], i);
        lion_datom *datom = &entry->separator.datom;
        datom->e = lion_ints_get(&column[E], i);
        datom->a = branch->order == LION_EAVT ? (uint32_t)lion_ints_get(&column[A], i) : branch->a;
        datom->tx = lion_ints_get(&column[TX], i);
        datom->added = true;
        if (datom->v.type != LION_TYPE_NIL &&
            !complete_value(&datom->v, lion_ints_get(&column[BITS], i), &values, i))
            return corrupt(error, "a separator");
    }
    *entries_out = entries;
    return LION_OK;
}

lion_branch_entry lion_branch_sum(const lion_branch_entry *entries, size_t count)
{
    LION_ASSERT(count >= 1);
    lion_branch_entry sum = entries[0];
    sum.segment = 0;
    for (size_t i = 1; i < count; i++) {
        const lion_branch_entry *entry = &entries[i];
        sum.rows += entry->rows;
        sum.distinct += entry->distinct - (entry->continues ? 1 : 0);
        sum.min_e = entry->min_e < sum.min_e ? entry->min_e : sum.min_e;
        sum.max_e = entry->max_e > sum.max_e ? entry->max_e : sum.max_e;
        sum.min_t = entry->min_t < sum.min_t ? entry->min_t : sum.min_t;
        sum.max_t = entry->max_t > sum.max_t ? entry->max_t : sum.max_t;
        sum.has_retractions |= entry->has_retractions;
    }
    return sum;
}

/* ---- writing ---- */

static int64_t field(const lion_branch_entry *entry, enum place place)
{
    const lion_datom *datom = &entry->separator.datom;
    switch (place) {
    case SEGMENT: return (int64_t)entry->segment;
    case DISTINCT: return (int64_t)entry->distinct;
    case FLAGS: return pack_flags(entry);
    case E: return datom->e;
    case A: return datom->a;
    case TX: return datom->tx;
    case BITS: return lion_type_is_scalar(datom->v.type) ? datom->v.bits : 0;
    case MIN_E: return entry->min_e;
    case MAX_E: return entry->max_e;
    case MIN_T: return entry->min_t;
    case MAX_T: return entry->max_t;
    default: return 0;
    }
}

/* Only what the separator's parts say is kept: the rest is zero, and packs to nothing. */
static void write_column(lion_buffer *buffer, lion_column_writer *writer,
                         const lion_branch_entry *entries, size_t count, enum place place,
                         bool is_avet, int64_t *room, lion_value *values)
{
    if (place == VALUES) {
        for (size_t i = 0; i < count; i++) {
            const lion_value *v = &entries[i].separator.datom.v;
            values[i] = lion_value_bytes(LION_TYPE_BYTES, lion_slice_of("", 0));
            if (lion_type_is_scalar(v->type)) continue;
            values[i] = *v;
            values[i].type = LION_TYPE_BYTES;
        }
        lion_column_write(buffer, writer, LION_TYPE_BYTES, values, count,
                          is_avet ? LION_COLUMN_SORTED : LION_COLUMN_DISTINCT);
        return;
    }
    int64_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        room[i] = place == ROWS ? rows : field(&entries[i], place);
        rows += (int64_t)entries[i].rows;
    }
    room[count] = rows;
    lion_ints_write(buffer, &writer->ints, room, count + (place == ROWS ? 1 : 0), LION_INTS_RANDOM);
}

/* The separator's components beyond its parts carry nothing. */
static lion_key normal_key(uint8_t order, const lion_key *key)
{
    static const uint8_t NEEDS_E[3] = { 1, 2, 3 }, NEEDS_V[3] = { 3, 3, 2 };
    lion_key normal = *key;
    if (key->parts < NEEDS_V[order]) normal.datom.v = lion_value_nil();
    if (key->parts < NEEDS_E[order] && order == LION_AVET) normal.datom.e = 0;
    if (order != LION_EAVT || key->parts < 2) normal.datom.a = 0;
    if (key->parts < 4) normal.datom.tx = 0;
    return normal;
}

void lion_branch_write(lion_buffer *buffer, lion_column_writer *writer, const lion_tree *tree,
                       unsigned level, const lion_branch_entry *entries, size_t count)
{
    LION_ASSERT(count >= 1 && count <= LION_BRANCH_ENTRIES_MAX);
    size_t start = buffer->size;
    lion_branch_entry sum = lion_branch_sum(entries, count);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    int64_t *room = lion_arena_array(&arena, int64_t, count + 1);
    lion_value *values = lion_arena_array(&arena, lion_value, count);
    lion_branch_entry *normal = lion_arena_array(&arena, lion_branch_entry, count);
    if (!lion_buffer_reserve(buffer, HEADER_SIZE) || room == NULL || values == NULL ||
        normal == NULL || lion_arena_check(&arena, NULL) != LION_OK) {
        buffer->is_failed = true;
        lion_arena_deinit(&arena);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        normal[i] = entries[i];
        normal[i].separator = normal_key(tree->order, &entries[i].separator);
    }
    memset(buffer->data + start, 0, HEADER_SIZE);
    buffer->size += HEADER_SIZE;
    for (int place = 0; place < SPARE && !buffer->is_failed; place++) {
        uint32_t offset = (uint32_t)(buffer->size - start);
        memcpy(buffer->data + start + 24 + 4 * place, &offset, 4);
        write_column(buffer, writer, normal, count, (enum place)place, tree->order == LION_AVET,
                     room, values);
    }
    lion_arena_deinit(&arena);
    if (buffer->is_failed) return;
    uint8_t *header = buffer->data + start;
    uint32_t entry_count = (uint32_t)count;
    header[0] = LION_SEGMENT_BRANCH;
    header[1] = tree->order;
    header[2] = tree->type;
    header[3] = (uint8_t)level;
    memcpy(header + 4, &entry_count, 4);
    memcpy(header + 8, &sum.rows, 8);
    memcpy(header + 16, &sum.distinct, 8);
}
