/* column.c - reading typed columns in place. */
#include "index/column.h"

#include <string.h>

#include "base/assert.h"

static const double POWER_OF_TEN[] = { 1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
#define DIGITS_MAX 15

static bool type_is_stored(uint8_t type)
{
    return type >= LION_TYPE_BOOLEAN && type <= LION_TYPE_TUPLE;
}

static bool open_bytes(lion_column *column, lion_reader *reader)
{
    if ((column->mode & ~(LION_COLUMN_CODES | LION_COLUMN_STUBS)) != 0) return false;
    column->distinct = lion_reader_u32(reader);
    column->heap_size = lion_reader_u32(reader);
    bool has_codes = (column->mode & LION_COLUMN_CODES) != 0;
    if (!has_codes && column->distinct != column->count) return false;
    if (has_codes && !lion_ints_open(&column->ints, reader, column->count)) return false;
    if (!lion_ints_open(&column->places, reader, (size_t)column->distinct + 1)) return false;
    column->stubs = NULL;
    if ((column->mode & LION_COLUMN_STUBS) != 0)
        column->stubs = lion_reader_bytes(reader, ((size_t)column->distinct + 7) / 8).data;
    column->heap = lion_reader_bytes(reader, column->heap_size).data;
    return !reader->is_failed;
}

bool lion_column_open(lion_column *column_out, lion_reader *reader)
{
    column_out->type = lion_reader_u8(reader);
    column_out->mode = lion_reader_u8(reader);
    uint16_t zero = lion_reader_u16(reader);
    column_out->count = lion_reader_u32(reader);
    if (reader->is_failed || zero != 0 || !type_is_stored(column_out->type)) return false;
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
        return size == LION_STUB_SIZE &&
               lion_stub_view(value_out, (lion_type)column->type, data);
    if (column->type == LION_TYPE_UUID && size != 16) return false;
    *value_out = lion_value_bytes((lion_type)column->type, lion_slice_of(data, size));
    return true;
}

bool lion_column_get_bytes(const lion_column *column, size_t index, lion_value *value_out)
{
    if ((column->mode & LION_COLUMN_CODES) != 0) {
        uint64_t code = (uint64_t)lion_ints_get(&column->ints, index);
        if (code >= column->distinct) return false;
        index = (size_t)code;
    }
    int64_t start = lion_ints_get(&column->places, index);
    int64_t end = lion_ints_get(&column->places, index + 1);
    return view_value(column, index, start, end, value_out);
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

static bool read_coded(const lion_column *column, size_t from, size_t count, lion_value *values)
{
    int64_t codes[CHUNK];
    uint64_t last = UINT64_MAX;
    for (size_t done = 0; done < count;) {
        size_t take = count - done < CHUNK ? count - done : CHUNK;
        lion_ints_read(&column->ints, from + done, take, codes);
        for (size_t i = 0; i < take; i++) {
            uint64_t code = (uint64_t)codes[i];
            if (code == last) {
                values[done + i] = values[done + i - 1];
                continue;
            }
            if (code >= column->distinct) return false;
            int64_t start = lion_ints_get(&column->places, code);
            int64_t end = lion_ints_get(&column->places, code + 1);
            if (!view_value(column, code, start, end, &values[done + i])) return false;
            last = code;
        }
        done += take;
    }
    return true;
}

bool lion_column_read_values(const lion_column *column, size_t from, size_t count,
                             lion_value *values)
{
    LION_ASSERT(!lion_type_is_scalar(column->type));
    if ((column->mode & LION_COLUMN_CODES) != 0) return read_coded(column, from, count, values);
    int64_t places[CHUNK + 1];
    for (size_t done = 0; done < count;) {
        size_t take = count - done < CHUNK ? count - done : CHUNK;
        lion_ints_read(&column->places, from + done, take + 1, places);
        for (size_t i = 0; i < take; i++)
            if (!view_value(column, from + done + i, places[i], places[i + 1], &values[done + i]))
                return false;
        done += take;
    }
    return true;
}

/* ---- search ---- */

/* Both are integers in the order of their bits. */
static bool compares_as_bits(const lion_column *column, const lion_value *key)
{
    bool is_integer = lion_type_is_number(column->type) && column->type != LION_TYPE_DOUBLE &&
                      lion_type_is_number(key->type) && key->type != LION_TYPE_DOUBLE;
    return is_integer || (column->type == LION_TYPE_BOOLEAN && key->type == LION_TYPE_BOOLEAN);
}

lion_status lion_column_lower_bound(size_t *index_out, const lion_column *column, size_t from, size_t to,
                                    const lion_value *key, bool upper, lion_snapshot *snapshot,
                                    lion_error *error)
{
    LION_ASSERT(from <= to && to <= column->count);
    if (compares_as_bits(column, key)) {
        bool is_last = upper && key->bits == INT64_MAX;
        *index_out = is_last ? to
                             : lion_ints_lower_bound(&column->ints, from, to,
                                                     key->bits + (upper ? 1 : 0));
        return LION_OK;
    }
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        lion_value value;
        int order;
        if (!lion_column_get(column, middle, &value))
            return lion_fail_corrupt(error, "value %zu of a leaf lies outside its heap", middle);
        if (lion_stub_compare(&order, &value, key, snapshot, error) != LION_OK) return LION_FAILED;
        if (order < 0 || (upper && order == 0))
            from = middle + 1;
        else
            to = middle;
    }
    *index_out = from;
    return LION_OK;
}
