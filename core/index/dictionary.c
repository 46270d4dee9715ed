/* dictionary.c - laying out a column's distinct values, and reading its rows by them. */
#include "index/dictionary.h"

#include <stdatomic.h>

#include "base/assert.h"

#define VALUES_MAX 4096 /* that are laid out … */
#define ROWS_PART 4     /* … where a row is read for so many of them */

static uint64_t next_stamp(void)
{
    static _Atomic uint64_t last;
    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

static bool is_worth_it(const lion_column *column, uint32_t rows)
{
    bool is_coded = !lion_type_is_scalar(column->type) && (column->mode & LION_COLUMN_CODES) != 0;
    return is_coded && column->distinct <= VALUES_MAX && column->distinct / ROWS_PART <= rows;
}

/* What was there is no longer wanted. */
static lion_status reserve(lion_column_dictionary *self, uint32_t count, lion_arena *arena,
                           lion_error *error)
{
    uint32_t before = self->capacity;
    if (count <= before) return LION_OK;
    lion_arena_release(arena, self->room, sizeof(*self->room) * before);
    self->capacity = 0;
    self->room = lion_arena_array(arena, lion_value, before * 2 < count ? count : before * 2);
    if (lion_arena_check(arena, error) != LION_OK) return LION_FAILED;
    self->capacity = before * 2 < count ? count : before * 2;
    return LION_OK;
}

lion_status lion_column_dictionary_make(lion_column_dictionary *self, const lion_column *column,
                                        uint32_t rows, lion_snapshot *snapshot, lion_arena *arena,
                                        lion_error *error)
{
    uint32_t count = column->distinct;
    self->values.count = 0;
    if (!is_worth_it(column, rows)) return LION_ABSENT;
    if (reserve(self, count, arena, error) != LION_OK) return LION_FAILED;
    for (uint32_t i = 0; i < count; i++) {
        if (!lion_column_get_distinct(column, i, &self->room[i]))
            return lion_fail_corrupt(error, "value %u of a column lies outside its heap", i);
        if (lion_stub_resolve(&self->room[i], snapshot, error) != LION_OK) return LION_FAILED;
        self->room[i].code = (uint16_t)(i + 1);
    }
    self->values = (lion_dictionary){ .values = self->room, .count = count, .stamp = next_stamp() };
    return LION_OK;
}

bool lion_column_dictionary_read(const lion_column_dictionary *self, const lion_column *column,
                                 size_t from, uint32_t count, lion_value *values)
{
    int64_t numbers[LION_BATCH_ROWS];
    LION_ASSERT(count <= LION_BATCH_ROWS && self->values.count == column->distinct);
    lion_ints_read(&column->ints, from, count, numbers);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t number = (uint64_t)numbers[i];
        if (number >= self->values.count) return false;
        values[i] = self->room[number];
    }
    return true;
}
