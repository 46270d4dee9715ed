/* value_sample.c - the facts of the lowest ranks.
 *
 * In the root record, a sample is: varint count, u64 limit, then for each fact, ascending: u64 rank, and the value: u64 of a
 * scalar, else 1 byte size and the bytes. */
#include "index/value_sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

static bool is_scalar(const lion_value_sample *sample)
{
    return lion_type_is_scalar((lion_type)sample->type);
}

void lion_value_sample_init(lion_value_sample *sample, uint32_t a, uint8_t type)
{
    *sample = (lion_value_sample){ .a = a, .type = type, .limit = UINT64_MAX };
}

void lion_value_sample_deinit(lion_value_sample *sample)
{
    lion_free(sample->items);
    sample->items = NULL;
    sample->count = 0;
}

static bool reserve(lion_value_sample *sample)
{
    if (sample->items == NULL) sample->items = lion_alloc(sizeof(lion_sampled_value) * (LION_VALUE_SAMPLE_MAX + 1));
    return sample->items != NULL;
}

bool lion_value_sample_copy(lion_value_sample *to, const lion_value_sample *from)
{
    *to = *from;
    to->items = NULL;
    if (from->count == 0) return true;
    if (!reserve(to)) return false;
    memcpy(to->items, from->items, sizeof(lion_sampled_value) * from->count);
    return true;
}

/* ---- keeping ---- */

static uint64_t rank_of(const lion_value_sample *sample, const lion_datom *datom)
{
    uint64_t of_value = is_scalar(sample) ? lion_hash_u64((uint64_t)datom->v.bits + 1) : lion_hash(datom->v.data, datom->v.size);
    return lion_hash_u64(of_value ^ (lion_hash_u64((uint64_t)datom->e) << 1));
}

/* The first item of this rank or a higher one. */
static uint32_t place_of(const lion_value_sample *sample, uint64_t rank)
{
    uint32_t low = 0, high = sample->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (sample->items[middle].rank < rank) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void set_value(const lion_value_sample *sample, lion_sampled_value *item, lion_value value)
{
    if (is_scalar(sample)) {
        item->bits = value.bits;
        return;
    }
    item->size = (uint8_t)(value.size < LION_VALUE_SAMPLE_BYTES ? value.size : LION_VALUE_SAMPLE_BYTES);
    if (item->size > 0) memcpy(item->bytes, value.data, item->size);
}

bool lion_value_sample_add(lion_value_sample *sample, const lion_datom *datom)
{
    uint64_t rank = rank_of(sample, datom);
    if (rank >= sample->limit) return true;
    if (!reserve(sample)) return false;
    uint32_t at = place_of(sample, rank);
    if (at < sample->count && sample->items[at].rank == rank) return true;
    memmove(&sample->items[at + 1], &sample->items[at], sizeof(lion_sampled_value) * (sample->count - at));
    sample->items[at] = (lion_sampled_value){ .rank = rank };
    set_value(sample, &sample->items[at], datom->v);
    if (++sample->count > LION_VALUE_SAMPLE_MAX) sample->limit = sample->items[--sample->count].rank;
    return true;
}

void lion_value_sample_remove(lion_value_sample *sample, const lion_datom *datom)
{
    uint64_t rank = rank_of(sample, datom);
    uint32_t at = place_of(sample, rank);
    if (at == sample->count || sample->items[at].rank != rank) return;
    sample->count--;
    memmove(&sample->items[at], &sample->items[at + 1], sizeof(lion_sampled_value) * (sample->count - at));
}

/* ---- asking ---- */

lion_value lion_value_sample_get(const lion_value_sample *sample, uint32_t i)
{
    const lion_sampled_value *item = &sample->items[i];
    if (is_scalar(sample)) return lion_value_scalar((lion_type)sample->type, item->bits);
    return lion_value_bytes((lion_type)sample->type, lion_slice_of(item->bytes, item->size));
}

static lion_value as_kept(lion_value value)
{
    if (!lion_type_is_scalar((lion_type)value.type) && value.size > LION_VALUE_SAMPLE_BYTES) value.size = LION_VALUE_SAMPLE_BYTES;
    return value;
}

/* What no sampled fact has is as frequent as half of one. */
static double part(const lion_value_sample *sample, uint32_t found)
{
    return sample->count == 0 ? 0 : (found == 0 ? 0.5 : found) / sample->count;
}

double lion_value_sample_equal(const lion_value_sample *sample, lion_value value)
{
    uint32_t found = 0;
    value = as_kept(value);
    for (uint32_t i = 0; i < sample->count; i++) found += lion_value_equal(lion_value_sample_get(sample, i), value);
    return part(sample, found);
}

double lion_value_sample_range(const lion_value_sample *sample, const lion_value *low, const lion_value *end)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < sample->count; i++) {
        lion_value value = lion_value_sample_get(sample, i);
        found += (low == NULL || lion_value_compare(value, *low) >= 0) && (end == NULL || lion_value_compare(value, *end) < 0);
    }
    return part(sample, found);
}

static int by_value(const void *left, const void *right)
{
    return lion_value_compare(*(const lion_value *)left, *(const lion_value *)right);
}

/* Charikar's estimator: what was met once stands for the square root of as many as were not met. */
double lion_value_sample_distinct(const lion_value_sample *sample, double total)
{
    lion_value values[LION_VALUE_SAMPLE_MAX + 1];
    double once = 0, more = 0;
    if (sample->count == 0) return 0;
    for (uint32_t i = 0; i < sample->count; i++) values[i] = lion_value_sample_get(sample, i);
    qsort(values, sample->count, sizeof *values, by_value);
    for (uint32_t i = 0, end; i < sample->count; i = end) {
        for (end = i + 1; end < sample->count && lion_value_equal(values[i], values[end]);) end++;
        if (end == i + 1) once++;
        else more++;
    }
    bool is_all = total <= sample->count;
    return is_all ? once + more : fmin(total, sqrt(total / sample->count) * once + more);
}

/* ---- the record ---- */

void lion_value_sample_encode(lion_buffer *buffer, const lion_value_sample *sample)
{
    lion_buffer_put_varint(buffer, sample->count);
    lion_buffer_put_u64(buffer, sample->limit);
    for (uint32_t i = 0; i < sample->count; i++) {
        const lion_sampled_value *item = &sample->items[i];
        lion_buffer_put_u64(buffer, item->rank);
        if (is_scalar(sample)) {
            lion_buffer_put_u64(buffer, (uint64_t)item->bits);
        } else {
            lion_buffer_put_u8(buffer, item->size);
            lion_buffer_put(buffer, item->bytes, item->size);
        }
    }
}

static bool decode_item(const lion_value_sample *sample, lion_sampled_value *item, lion_reader *reader)
{
    *item = (lion_sampled_value){ .rank = lion_reader_u64(reader) };
    if (is_scalar(sample)) {
        item->bits = (int64_t)lion_reader_u64(reader);
        return !reader->is_failed;
    }
    item->size = lion_reader_u8(reader);
    if (reader->is_failed || item->size > LION_VALUE_SAMPLE_BYTES) return false;
    lion_slice bytes = lion_reader_bytes(reader, item->size);
    if (!reader->is_failed && item->size > 0) memcpy(item->bytes, bytes.data, item->size);
    return !reader->is_failed;
}

bool lion_value_sample_decode(lion_value_sample *sample, lion_reader *reader, uint32_t a, uint8_t type, bool *no_memory_out)
{
    lion_value_sample_init(sample, a, type);
    uint64_t count = lion_reader_varint(reader);
    sample->limit = lion_reader_u64(reader);
    if (reader->is_failed || count > LION_VALUE_SAMPLE_MAX) return false;
    if (count > 0 && !reserve(sample)) {
        *no_memory_out = true;
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        lion_sampled_value *item = &sample->items[i];
        if (!decode_item(sample, item, reader) || item->rank >= sample->limit) return false;
        if (i > 0 && item->rank <= sample->items[i - 1].rank) return false;
        sample->count = i + 1;
    }
    return true;
}
