/* key_set.c - a bitmap that grows to either side while its keys are dense, and the set of rows that it becomes when they are not. */
#include "query/key_set.h"

#include <stdlib.h>

#define WORD_BITS 64
/* A bitmap has at most so many bits for a key, and so many in any case: 16 bytes a key, less than a row of a set. */
#define BITS_PER_KEY 128
#define BITS_MIN (UINT64_C(1) << 16)
/* Added on the side where it grows, as a part of what it is. */
#define GROWTH_PART 2

void lion_key_set_init(lion_key_set *set, lion_arena *arena, uint32_t width)
{
    *set = (lion_key_set){ .arena = arena, .width = width, .is_rows = width != 1 };
    set->types = lion_arena_zalloc(arena, width + 1);
    lion_relation_init(&set->rows, arena, width);
}

void lion_key_set_clear(lion_key_set *set)
{
    lion_arena_release(set->arena, set->words, set->range / 8);
    lion_relation_clear(&set->rows);
    memset(set->types, LION_TYPE_NIL, set->width);
    set->words = NULL;
    set->range = 0;
    set->count = 0;
    set->is_rows = set->width != 1;
}

void lion_key_set_forget(lion_key_set *set)
{
    lion_key_set_clear(set);
    lion_relation_forget(&set->rows);
}

size_t lion_key_set_growth(const lion_key_set *set, uint32_t more)
{
    if (set->is_rows) return lion_relation_growth(&set->rows, more, true);
    return (size_t)(set->count + more) * BITS_PER_KEY / 8;
}

static void note_type(uint8_t *type, uint8_t seen)
{
    if (*type == LION_TYPE_NIL) *type = seen;
    else if (*type != seen) *type = LION_TYPE_MIXED;
}

static void note_types(lion_key_set *set, const lion_batch *batch, const uint32_t *slots)
{
    for (uint32_t i = 0; i < set->width; i++) {
        const lion_vector *column = &batch->columns[slots[i]];
        if (column->type != LION_TYPE_MIXED) note_type(&set->types[i], column->type);
        for (uint32_t k = 0; column->type == LION_TYPE_MIXED && k < lion_batch_rows(batch); k++)
            note_type(&set->types[i], lion_vector_get(column, lion_batch_row(batch, k)).type);
    }
}

/* ---- the bitmap ---- */

static bool is_whole(uint8_t type)
{
    return type == LION_TYPE_REF || type == LION_TYPE_LONG;
}

/* The bitmap that has room for keys from least to most; false: they would lie too far apart, or there is no memory (set->arena). */
static bool widen(lion_key_set *set, int64_t least, int64_t most, uint32_t more)
{
    int64_t low = set->words == NULL ? least : set->base, high = set->words == NULL ? most : set->base + (int64_t)(set->range - 1);
    if (set->words != NULL && least >= low && most <= high) return true;
    uint64_t margin = set->range / GROWTH_PART;
    bool is_lower = least < low, is_higher = most > high;
    if (is_lower) low = least;
    if (is_higher) high = most;
    uint64_t span = (uint64_t)high - (uint64_t)low;
    if (span >= BITS_MIN && span / BITS_PER_KEY > set->count + more) return false;
    if (is_lower && low >= INT64_MIN + (int64_t)margin) low -= (int64_t)margin;
    if (is_higher && high <= INT64_MAX - (int64_t)margin) high += (int64_t)margin;
    low = (int64_t)((uint64_t)low & ~(uint64_t)(WORD_BITS - 1));
    uint64_t range = ((uint64_t)high - (uint64_t)low) / WORD_BITS * WORD_BITS + WORD_BITS;
    uint64_t *words = lion_arena_zalloc(set->arena, range / 8);
    if (words == NULL) return false;
    if (set->words != NULL) memcpy(words + ((uint64_t)set->base - (uint64_t)low) / WORD_BITS, set->words, set->range / 8);
    lion_arena_release(set->arena, set->words, set->range / 8);
    set->words = words;
    set->base = low;
    set->range = range;
    return true;
}

static bool become_rows(lion_key_set *set)
{
    set->is_rows = true;
    for (uint64_t i = 0; i < set->range / WORD_BITS; i++)
        for (uint64_t word = set->words[i]; word != 0; word &= word - 1) {
            uint64_t key = (uint64_t)set->base + i * WORD_BITS + (uint64_t)__builtin_ctzll(word);
            lion_value value = lion_value_scalar(LION_TYPE_LONG, (int64_t)key);
            lion_relation_add(&set->rows, &value);
        }
    lion_arena_release(set->arena, set->words, set->range / 8);
    set->words = NULL;
    set->range = 0;
    return !set->arena->is_exhausted;
}

/* false: the keys are no bitmap's. */
static bool add_bits(lion_key_set *set, const lion_batch *batch, const lion_vector *column)
{
    uint32_t count = column->is_constant ? 1 : lion_batch_rows(batch);
    int64_t least = INT64_MAX, most = INT64_MIN;
    if (!is_whole(column->type) || set->types[0] == LION_TYPE_MIXED) return false;
    for (uint32_t k = 0; k < count; k++) {
        int64_t key = column->bits[column->is_constant ? 0 : lion_batch_row(batch, k)];
        least = key < least ? key : least;
        most = key > most ? key : most;
    }
    if (!widen(set, least, most, count)) return false;
    for (uint32_t k = 0; k < count; k++) {
        uint64_t at = (uint64_t)column->bits[column->is_constant ? 0 : lion_batch_row(batch, k)] - (uint64_t)set->base;
        uint64_t *word = &set->words[at / WORD_BITS], bit = UINT64_C(1) << (at % WORD_BITS);
        set->count += (*word & bit) == 0;
        *word |= bit;
    }
    return true;
}

/* ---- adding ---- */

static void add_rows(lion_key_set *set, const lion_batch *batch, const uint32_t *slots)
{
    lion_value key[set->width + 1];
    for (uint32_t k = 0; k < lion_batch_rows(batch); k++) {
        for (uint32_t i = 0; i < set->width; i++) key[i] = lion_batch_get(batch, slots[i], lion_batch_row(batch, k));
        lion_relation_add(&set->rows, key);
    }
    set->count = set->rows.count;
}

lion_status lion_key_set_add(lion_key_set *set, const lion_batch *batch, const uint32_t *slots, lion_error *error)
{
    note_types(set, batch, slots);
    if (lion_batch_rows(batch) == 0) return LION_OK;
    bool is_added = !set->is_rows && add_bits(set, batch, &batch->columns[slots[0]]);
    if (!is_added && !set->is_rows) become_rows(set);
    if (!is_added) add_rows(set, batch, slots);
    return set->arena->is_exhausted ? lion_fail_memory(error) : LION_OK;
}

/* ---- looking ---- */

/* The value as a key of the type would be; false: it can be none. */
static bool as_key(lion_value *key_out, uint8_t type, lion_value value)
{
    *key_out = value;
    if (type == value.type || type == LION_TYPE_MIXED) return true;
    if (lion_query_is_id(type) && lion_query_is_id(value.type)) return true;
    bool is_exact = type == LION_TYPE_LONG && value.type == LION_TYPE_DOUBLE && value.number >= -0x1p63 && value.number < 0x1p63 &&
                    (double)(int64_t)value.number == value.number;
    if (is_exact) *key_out = lion_value_long((int64_t)value.number);
    return is_exact || (type == LION_TYPE_LONG && value.type == LION_TYPE_INSTANT) || (type == LION_TYPE_DOUBLE && value.type == LION_TYPE_LONG);
}

static bool has_bit(const lion_key_set *set, int64_t key)
{
    uint64_t at = (uint64_t)key - (uint64_t)set->base;
    return at < set->range && (set->words[at / WORD_BITS] >> (at % WORD_BITS) & 1) != 0;
}

static bool has_row(const lion_key_set *set, const lion_batch *batch, const uint32_t *slots, uint32_t row)
{
    lion_value key[set->width + 1];
    for (uint32_t i = 0; i < set->width; i++)
        if (!as_key(&key[i], set->types[i], lion_batch_get(batch, slots[i], row))) return false;
    return set->is_rows ? lion_relation_has(&set->rows, key, NULL) : has_bit(set, key[0].bits);
}

static uint32_t select_bits(const lion_key_set *set, const lion_batch *batch, const int64_t *keys, bool is_in, uint16_t *selection_out)
{
    uint32_t count = 0, rows = lion_batch_rows(batch);
    for (uint32_t k = 0; k < rows; k++) {
        uint32_t row = lion_batch_row(batch, k);
        selection_out[count] = (uint16_t)row;
        count += has_bit(set, keys[row]) == is_in;
    }
    return count;
}

uint32_t lion_key_set_select(const lion_key_set *set, const lion_batch *batch, const uint32_t *slots, bool is_in, uint16_t *selection_out)
{
    const lion_vector *column = &batch->columns[slots[0]];
    uint32_t count = 0, rows = lion_batch_rows(batch);
    bool is_bits = set->words != NULL && lion_query_is_id(column->type) && !column->is_constant;
    if (is_bits) return select_bits(set, batch, column->bits, is_in, selection_out);
    for (uint32_t k = 0; k < rows; k++) {
        uint32_t row = lion_batch_row(batch, k);
        selection_out[count] = (uint16_t)row;
        count += (set->count > 0 && has_row(set, batch, slots, row)) == is_in;
    }
    return count;
}

/* ---- reading ---- */

static int compare_keys(const void *a, const void *b)
{
    int64_t one = ((const lion_value *)a)->bits, other = ((const lion_value *)b)->bits;
    return one < other ? -1 : one > other;
}

static uint32_t read_bits(const lion_key_set *set, uint64_t *at, int64_t *keys_out, uint32_t room)
{
    uint32_t count = 0;
    while (*at < set->range && count < room) {
        uint64_t word = set->words[*at / WORD_BITS] & (UINT64_MAX << (*at % WORD_BITS)), first = *at / WORD_BITS * WORD_BITS;
        for (; word != 0 && count < room; word &= word - 1) {
            *at = first + (uint64_t)__builtin_ctzll(word) + 1;
            keys_out[count++] = (int64_t)((uint64_t)set->base + *at - 1);
        }
        if (word == 0) *at = first + WORD_BITS;
    }
    return count;
}

uint32_t lion_key_set_read(lion_key_set *set, uint64_t *at, int64_t *keys_out, uint32_t room)
{
    uint32_t count = 0;
    if (set->words != NULL) return read_bits(set, at, keys_out, room);
    if (*at == 0 && set->rows.count > 1) qsort(set->rows.rows, set->rows.count, sizeof(lion_value), compare_keys);
    for (; *at < set->rows.count && count < room; (*at)++) keys_out[count++] = set->rows.rows[*at].bits;
    return count;
}
