/* bits_order.c - scalars of one type by keys that are whole numbers: sorted byte by byte, or only as far as the middle. */
#include "query/bits_order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RADIX_VALUES_MIN 256
#define RADIX_BYTES 8
#define SIGN (UINT64_C(1) << 63)

/* In the order of the values of a type. */
static uint64_t key_of_bits(int64_t bits, uint8_t type)
{
    double number;
    if (type != LION_TYPE_DOUBLE) return (uint64_t)bits ^ SIGN;
    memcpy(&number, &bits, sizeof(number));
    if (isnan(number)) return UINT64_MAX;
    uint64_t plain = number == 0 ? 0 : (uint64_t)bits; /* one zero */
    return plain & SIGN ? ~plain : plain | SIGN;
}

static int64_t bits_of_key(uint64_t key, uint8_t type)
{
    if (type != LION_TYPE_DOUBLE) return (int64_t)(key ^ SIGN);
    return (int64_t)(key & SIGN ? key ^ SIGN : ~key);
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Byte by byte, from the last, bytes that are the same for all left out. */
static void sort_keys(uint64_t *keys, uint64_t *room, size_t count)
{
    size_t counts[RADIX_BYTES][256] = { { 0 } };
    uint64_t *from = keys, *to = room;
    for (size_t i = 0; i < count; i++)
        for (int byte = 0; byte < RADIX_BYTES; byte++) counts[byte][keys[i] >> (8 * byte) & 255]++;
    for (int byte = 0; byte < RADIX_BYTES; byte++) {
        size_t *places = counts[byte], place = 0;
        if (places[from[0] >> (8 * byte) & 255] == count) continue;
        for (int digit = 0; digit < 256; digit++) {
            size_t here = places[digit];
            places[digit] = place;
            place += here;
        }
        for (size_t i = 0; i < count; i++) to[places[from[i] >> (8 * byte) & 255]++] = from[i];
        uint64_t *read = from;
        from = to;
        to = read;
    }
    if (from != keys) memcpy(keys, from, count * sizeof(*keys));
}

/* Which no key tells from the other zero. */
static bool has_negative_zero(const int64_t *bits, size_t count)
{
    bool has = false;
    for (size_t i = 0; i < count; i++) has = has || (uint64_t)bits[i] == SIGN;
    return has;
}

lion_status lion_bits_sort(int64_t *bits, size_t count, uint8_t type, lion_arena *arena, lion_error *error)
{
    uint64_t *keys = (uint64_t *)bits;
    if (type == LION_TYPE_DOUBLE && has_negative_zero(bits, count)) return LION_ABSENT;
    for (size_t i = 0; i < count; i++) keys[i] = key_of_bits(bits[i], type);
    if (count >= RADIX_VALUES_MIN) {
        uint64_t *room = lion_arena_take(arena, count * sizeof(*room));
        if (room == NULL) return lion_fail_memory(error);
        sort_keys(keys, room, count);
        lion_arena_give(arena, room);
    } else {
        qsort(keys, count, sizeof(*keys), by_key);
    }
    for (size_t i = 0; i < count; i++) bits[i] = bits_of_key(keys[i], type);
    return LION_OK;
}

/* ---- the middle without sorting ---- */

/* The key that would stand at `nth` if they were sorted: a byte at a time from the first bit that differs on, those that share all bits
 * so far stay. */
static uint64_t select_key(uint64_t *keys, size_t count, size_t nth)
{
    uint64_t differs = 0;
    for (size_t i = 1; i < count; i++) differs |= keys[i] ^ keys[0];
    for (int top = differs == 0 ? 0 : 64 - __builtin_clzll(differs); top > 0 && count > 1; top -= 8) {
        int shift = top > 8 ? top - 8 : 0;
        size_t counts[256] = { 0 }, left = 0;
        uint32_t digit = 0;
        for (size_t i = 0; i < count; i++) counts[keys[i] >> shift & 255]++;
        while (nth >= counts[digit]) nth -= counts[digit++];
        for (size_t i = 0; i < count; i++) {
            uint64_t key = keys[i];
            keys[left] = key;
            left += (key >> shift & 255) == digit;
        }
        count = left;
    }
    return keys[0];
}

/* The one that would stand before the first `key`. There are so many that are less. */
static uint64_t key_before(const int64_t *bits, size_t count, uint8_t type, uint64_t key, size_t *less_out)
{
    uint64_t most = 0;
    size_t less = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t other = key_of_bits(bits[i], type);
        bool is_less = other < key;
        less += is_less;
        most = is_less && other > most ? other : most;
    }
    *less_out = less;
    return most;
}

lion_status lion_bits_middle(lion_value *low_out, lion_value *high_out, const int64_t *bits, size_t count, uint8_t type, lion_arena *arena,
                             lion_error *error)
{
    size_t less = 0;
    uint64_t *keys = lion_arena_take(arena, count * sizeof(*keys));
    if (keys == NULL) return lion_fail_memory(error);
    for (size_t i = 0; i < count; i++) keys[i] = key_of_bits(bits[i], type);
    uint64_t high = select_key(keys, count, count / 2), low = high;
    lion_arena_give(arena, keys);
    if (count % 2 == 0) {
        uint64_t before = key_before(bits, count, type, high, &less);
        if (less == count / 2) low = before;
    }
    *low_out = lion_value_scalar((lion_type)type, bits_of_key(low, type));
    *high_out = lion_value_scalar((lion_type)type, bits_of_key(high, type));
    return LION_OK;
}
