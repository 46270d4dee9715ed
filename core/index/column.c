/* column.c - reading typed columns in place. */
#include "index/column.h"

#include <string.h>

#include "base/assert.h"

static const double POWER_OF_TEN[] = { 1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
#define DIGITS_MAX 15

static bool type_is_stored(uint8_t type)
{
    return type >= LION_TYPE_BOOLEAN && type <= LION_TYPE_DECIMAL;
}

static size_t head_count(const lion_column *column)
{
    return ((size_t)column->distinct + LION_COLUMN_HEAD_STEP - 1) / LION_COLUMN_HEAD_STEP;
}

static bool open_bytes(lion_column *column, lion_reader *reader)
{
    unsigned known = LION_COLUMN_CODES | LION_COLUMN_STUBS | LION_COLUMN_HEADS;
    lion_slice sizes = lion_reader_bytes(reader, 8);
    if ((column->mode & ~known) != 0 || reader->is_failed) return false;
    memcpy(&column->distinct, sizes.data, 4);
    memcpy(&column->heap_size, sizes.data + 4, 4);
    bool has_codes = (column->mode & LION_COLUMN_CODES) != 0;
    if (!has_codes && column->distinct != column->count) return false;
    if (has_codes && !lion_ints_open(&column->ints, reader, column->count)) return false;
    if (!lion_ints_open(&column->places, reader, (size_t)column->distinct + 1)) return false;
    column->stubs = NULL;
    if ((column->mode & LION_COLUMN_STUBS) != 0)
        column->stubs = lion_reader_bytes(reader, ((size_t)column->distinct + 7) / 8).data;
    column->heads = NULL;
    if ((column->mode & LION_COLUMN_HEADS) != 0) {
        if (column->distinct < 2) return false;
        column->prefix = lion_reader_u32(reader);
        column->heads = lion_reader_bytes(reader, head_count(column) * 8).data;
    }
    column->heap = lion_reader_bytes(reader, column->heap_size).data;
    return !reader->is_failed;
}

bool lion_column_open(lion_column *column_out, lion_reader *reader)
{
    lion_slice header = lion_reader_bytes(reader, 8);
    if (reader->is_failed) return false;
    column_out->type = header.data[0];
    column_out->mode = header.data[1];
    memcpy(&column_out->count, header.data + 4, 4);
    if (header.data[2] != 0 || header.data[3] != 0 || !type_is_stored(column_out->type))
        return false;
    if (!lion_type_is_scalar(column_out->type)) return open_bytes(column_out, reader);
    bool is_decimal = column_out->type == LION_TYPE_DOUBLE && column_out->mode <= DIGITS_MAX;
    bool is_raw = column_out->type == LION_TYPE_DOUBLE ? column_out->mode == LION_COLUMN_RAW
                                                       : column_out->mode == 0;
    return (is_decimal || is_raw) && lion_ints_open(&column_out->ints, reader, column_out->count);
}

int64_t lion_column_double_bits(const lion_column *column, size_t index)
{
    int64_t bits = lion_ints_get(&column->ints, index);
    if (column->mode == LION_COLUMN_RAW) return bits;
    double x = (double)bits / POWER_OF_TEN[column->mode];
    memcpy(&bits, &x, 8);
    return bits;
}

/* The heap's value at [start, end). */
static inline bool view_value(const lion_column *column, size_t index, int64_t start, int64_t end,
                              lion_value *value_out)
{
    if (start < 0 || end < start || end > column->heap_size) return false;
    const uint8_t *data = column->heap + start;
    size_t size = (size_t)(end - start);
    if (column->stubs != NULL && (column->stubs[index / 8] >> (index % 8) & 1) != 0)
        return size == LION_STUB_SIZE && lion_stub_view(value_out, (lion_type)column->type, data);
    if (column->type == LION_TYPE_UUID && size != 16) return false;
    lion_column_put(value_out, column->type, size, (uintptr_t)data);
    return true;
}

bool lion_column_get_distinct(const lion_column *column, size_t index, lion_value *value_out)
{
    int64_t start = lion_ints_get(&column->places, index);
    int64_t end = lion_ints_get(&column->places, index + 1);
    return view_value(column, index, start, end, value_out);
}

bool lion_column_get_bytes(const lion_column *column, size_t index, lion_value *value_out)
{
    if ((column->mode & LION_COLUMN_CODES) != 0) {
        uint64_t code = (uint64_t)lion_ints_get(&column->ints, index);
        if (code >= column->distinct) return false;
        index = (size_t)code;
    }
    return lion_column_get_distinct(column, index, value_out);
}

/* ---- ranges ---- */

void lion_column_widen(const lion_column *column, size_t count, int64_t *bits)
{
    if (column->mode == LION_COLUMN_RAW) return;
    double power = POWER_OF_TEN[column->mode];
    for (size_t i = 0; i < count; i++) {
        double x = (double)bits[i] / power;
        memcpy(&bits[i], &x, 8);
    }
}

void lion_column_read_bits(const lion_column *column, size_t from, size_t count, int64_t *bits)
{
    LION_ASSERT(lion_type_is_scalar(column->type));
    lion_ints_read(&column->ints, from, count, bits);
    if (column->type == LION_TYPE_DOUBLE) lion_column_widen(column, count, bits);
}

#define CHUNK 256
#define EXPAND_MAX 512 /* distinct values that are worth a table for a batch */

/* Values between borders, none a stub: no branch for each, the verdict at the end. */
static bool view_values(const lion_column *column, const int64_t *places, size_t count,
                        lion_value *values)
{
    bool is_bad = places[0] < 0 || places[count] > column->heap_size;
    for (size_t i = 0; i < count; i++) {
        is_bad |= places[i + 1] < places[i];
        uint64_t start = (uint64_t)places[i]; /* ascending from 0 to the heap's size, or bad */
        uint32_t size = (uint32_t)((uint64_t)places[i + 1] - start);
        const uint8_t *data = column->heap + (start <= column->heap_size ? start : 0);
        lion_column_put(&values[i], column->type, size, (uintptr_t)data);
    }
    for (size_t i = 0; i < count && column->type == LION_TYPE_UUID; i++)
        is_bad |= values[i].size != 16;
    return !is_bad;
}

/* The values of the heap, from the from-th on. */
static bool read_heap(const lion_column *column, size_t from, size_t count, lion_value *values)
{
    int64_t places[CHUNK + 1];
    for (size_t done = 0; done < count;) {
        size_t take = count - done < CHUNK ? count - done : CHUNK;
        lion_ints_read(&column->places, from + done, take + 1, places);
        if (column->stubs == NULL && !view_values(column, places, take, values + done))
            return false;
        for (size_t i = 0; i < take && column->stubs != NULL; i++)
            if (!view_value(column, from + done + i, places[i], places[i + 1], &values[done + i]))
                return false;
        done += take;
    }
    return true;
}

static bool read_coded(const lion_column *column, size_t from, size_t count, lion_value *values)
{
    int64_t codes[CHUNK];
    lion_value table[EXPAND_MAX];
    bool has_table = column->distinct <= EXPAND_MAX && column->distinct <= count;
    if (has_table && !read_heap(column, 0, column->distinct, table)) return false;
    for (size_t done = 0; done < count;) {
        size_t take = count - done < CHUNK ? count - done : CHUNK;
        lion_ints_read(&column->ints, from + done, take, codes);
        for (size_t i = 0; i < take; i++) {
            uint64_t code = (uint64_t)codes[i];
            if (code >= column->distinct) return false;
            if (has_table)
                values[done + i] = table[code];
            else if (!lion_column_get_bytes(column, from + done + i, &values[done + i]))
                return false;
        }
        done += take;
    }
    return true;
}

bool lion_column_read_values(const lion_column *column, size_t from, size_t count,
                             lion_value *values)
{
    LION_ASSERT(!lion_type_is_scalar(column->type));
    bool has_codes = (column->mode & LION_COLUMN_CODES) != 0;
    return has_codes ? read_coded(column, from, count, values)
                     : read_heap(column, from, count, values);
}

/* ---- search ---- */

/* Both are integers in the order of their bits. */
static bool compares_as_bits(const lion_column *column, const lion_value *key)
{
    bool is_integer = lion_type_is_number(column->type) && column->type != LION_TYPE_DOUBLE &&
                      lion_type_is_number(key->type) && key->type != LION_TYPE_DOUBLE;
    return is_integer || (column->type == LION_TYPE_BOOLEAN && key->type == LION_TYPE_BOOLEAN);
}

static lion_status outside_heap(size_t index, lion_error *error)
{
    return lion_fail_corrupt(error, "value %zu of a column lies outside its heap", index);
}

/* Narrow [from, to) to where the heads say the key can be. Wrong bytes narrow wrongly, within the
 * range. */
static bool narrow_by_heads(const lion_column *column, size_t *from, size_t *to,
                            const lion_value *key)
{
    int64_t start = lion_ints_get(&column->places, 1), end = lion_ints_get(&column->places, 2);
    size_t prefix = column->prefix;
    if (start < 0 || end - start < (int64_t)prefix || end > column->heap_size) return false;
    size_t common = key->size < prefix ? key->size : prefix;
    int order = common == 0 ? 0 : memcmp(key->data, column->heap + start, common);
    if (order > 0) { /* above all but, maybe, the first */
        if (*to > 1 && *from < *to) *from = *to;
        return true;
    }
    if (order < 0 || key->size < prefix) { /* below all but, maybe, the first */
        if (*to > 1) *to = *from > 1 ? *from : 1;
        return true;
    }
    uint8_t bytes[8] = { 0 };
    uint64_t head, other;
    size_t left = key->size - prefix;
    memcpy(bytes, key->data + prefix, left < 8 ? left : 8);
    memcpy(&head, bytes, 8);
    head = __builtin_bswap64(head);

    size_t low = 0, high = head_count(column), behind = high; /* first head >= the key's */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        memcpy(&other, column->heads + middle * 8, 8);
        low = other < head ? middle + 1 : low;
        high = other < head ? high : middle;
    }
    size_t first = low == 0 ? 0 : (low - 1) * LION_COLUMN_HEAD_STEP;
    while (low < behind) { /* and the first that is above it: mostly the same */
        memcpy(&other, column->heads + low * 8, 8);
        if (other > head) break;
        low++;
    }
    size_t last = low * LION_COLUMN_HEAD_STEP;
    if (first > *from) *from = first < *to ? first : *to;
    if (last < *to) *to = last > *from ? last : *from;
    return true;
}

/* memcmp of a few bytes: by words, the last of which may overlap the one before. */
static inline int compare_bytes(const uint8_t *a, const uint8_t *b, size_t size)
{
    if (size < 8) return size == 0 ? 0 : memcmp(a, b, size);
    for (size_t at = 0;; at = at + 16 <= size ? at + 8 : size - 8) {
        uint64_t x, y;
        memcpy(&x, a + at, 8);
        memcpy(&y, b + at, 8);
        if (x != y) return __builtin_bswap64(x) < __builtin_bswap64(y) ? -1 : 1;
        if (at + 8 == size) return 0;
    }
}

#define CACHE_LINE 64
#define NARROW 64 /* values whose bytes are asked for at once */

/* The bytes of a few values, so that the search among them waits once. */
static void prefetch_heap(const lion_column *column, size_t from, size_t to)
{
    if (to - from > NARROW) return;
    int64_t start = lion_ints_get(&column->places, from);
    int64_t end = lion_ints_get(&column->places, to);
    if (start < 0 || end > column->heap_size || end - start > NARROW * CACHE_LINE) return;
    for (; start < end; start += CACHE_LINE) __builtin_prefetch(column->heap + start);
}

/* Plain bytes against plain bytes: the hot loop of finding a string. */
static lion_status search_heap(size_t *index_out, const lion_column *column, size_t from, size_t to,
                               const lion_value *key, bool upper, lion_error *error)
{
    if (column->heads != NULL && !narrow_by_heads(column, &from, &to, key))
        return outside_heap(1, error);
    prefetch_heap(column, from, to);
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int64_t start = lion_ints_get(&column->places, middle);
        int64_t end = lion_ints_get(&column->places, middle + 1);
        if (start < 0 || end < start || end > column->heap_size) return outside_heap(middle, error);
        size_t size = (size_t)(end - start), common = size < key->size ? size : key->size;
        int order = compare_bytes(column->heap + start, key->data, common);
        bool is_before = order != 0 ? order < 0 : size != key->size ? size < key->size : upper;
        if (is_before)
            from = middle + 1;
        else
            to = middle;
    }
    *index_out = from;
    return LION_OK;
}

/* Doubles: NaN is above all and equal to itself. */
static size_t search_doubles(const lion_column *column, size_t from, size_t to, double key,
                             bool upper)
{
    bool is_nan = key != key;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int64_t bits = lion_column_double_bits(column, middle);
        double x;
        memcpy(&x, &bits, 8);
        bool is_before = is_nan ? (x == x || upper) : (x < key || (upper && x == key));
        if (is_before)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

lion_status lion_column_lower_bound(size_t *index_out, const lion_column *column, size_t from,
                                    size_t to, const lion_value *key, bool upper,
                                    lion_snapshot *snapshot, lion_error *error)
{
    LION_ASSERT(from <= to && to <= column->count);
    if (compares_as_bits(column, key)) {
        bool is_last = upper && key->bits == INT64_MAX;
        *index_out =
            is_last ? to
                    : lion_ints_lower_bound(&column->ints, from, to, key->bits + (upper ? 1 : 0));
        return LION_OK;
    }
    if (column->type == LION_TYPE_DOUBLE && key->type == LION_TYPE_DOUBLE) {
        *index_out = search_doubles(column, from, to, key->number, upper);
        return LION_OK;
    }
    bool is_plain = !lion_type_is_scalar(column->type) &&
                    (column->mode & (LION_COLUMN_CODES | LION_COLUMN_STUBS)) == 0 &&
                    key->type == column->type && !lion_value_is_stub(key);
    if (is_plain) return search_heap(index_out, column, from, to, key, upper, error);
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        lion_value value;
        int order;
        if (!lion_column_get(column, middle, &value)) return outside_heap(middle, error);
        if (lion_stub_compare(&order, &value, key, snapshot, error) != LION_OK) return LION_FAILED;
        if (order < 0 || (upper && order == 0))
            from = middle + 1;
        else
            to = middle;
    }
    *index_out = from;
    return LION_OK;
}
