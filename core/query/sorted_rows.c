/* sorted_rows.c - pages and their first rows; places; merges of several by the least row. */
#include "query/sorted_rows.h"

#include "base/assert.h"

#define ROOM_FIRST 16
#define MEMORY_PART 4 /* of a page may rest in memory */
#define CHECK_EVERY 1024

static size_t row_size(const lion_sorted_rows *self)
{
    return sizeof(lion_value) * self->width;
}

void lion_sorted_rows_init(lion_sorted_rows *self, lion_run *run, uint32_t width)
{
    uint64_t rows = run->spill.block_size / (sizeof(lion_value) * (width == 0 ? 1 : width)), rows_max = run->options.table_rows_max;
    if (rows == 0) rows = 1; /* lion_sorted_rows_end says that it is too wide */
    *self = (lion_sorted_rows){ .run = run, .width = width };
    self->page_rows = (uint32_t)(rows_max != 0 && rows_max < rows ? rows_max : rows);
    self->memory_rows = rows_max != 0 ? self->page_rows : self->page_rows / MEMORY_PART;
}

/* ---- writing ---- */

/* A larger block, which can be given back at any time. */
static void *larger(lion_arena *arena, void *old, size_t old_size, size_t size)
{
    void *block = lion_arena_take(arena, size);
    if (block == NULL) return NULL;
    if (old_size > 0) memcpy(block, old, old_size);
    lion_arena_give(arena, old);
    return block;
}

static bool grow_pages(lion_sorted_rows *self)
{
    lion_arena *arena = &self->run->arena;
    uint32_t room = self->page_room == 0 ? ROOM_FIRST : self->page_room * 2;
    if (self->page_count < self->page_room) return true;
    uint32_t *pages = larger(arena, self->pages, sizeof(uint32_t) * self->page_count, sizeof(uint32_t) * room);
    if (pages == NULL) return false;
    self->pages = pages;
    lion_value *fences = larger(arena, self->fences, row_size(self) * self->page_count, row_size(self) * room + 1);
    if (fences == NULL) return false;
    self->fences = fences;
    self->page_room = room;
    return true;
}

/* Rows that are not in pages yet. */
static uint32_t rows_at_hand(const lion_sorted_rows *self)
{
    return (uint32_t)(self->count - (uint64_t)self->page_count * self->page_rows);
}

static lion_status write_page(lion_sorted_rows *self, lion_error *error)
{
    size_t size = row_size(self) * rows_at_hand(self);
    if (size > self->run->spill.block_size)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit", "a row of %u values is too wide for a temporary file; raise memory_mb",
                         (unsigned)self->width);
    if (!grow_pages(self)) return lion_fail_memory(error);
    lion_status status = lion_spill_write(&self->pages[self->page_count], &self->run->spill, self->rows, (uint32_t)size, error);
    if (status != LION_OK) return status;
    if (self->width > 0) memcpy(self->fences + (size_t)self->page_count * self->width, self->rows, row_size(self));
    self->page_count++;
    return LION_OK;
}

lion_status lion_sorted_rows_add(lion_sorted_rows *self, const lion_value *row, lion_error *error)
{
    uint32_t at = rows_at_hand(self);
    if (at == self->page_rows) {
        lion_status status = write_page(self, error);
        if (status != LION_OK) return status;
        at = 0;
    }
    if (at == self->room) {
        uint32_t room = self->room == 0 ? ROOM_FIRST : self->room * 2;
        if (room > self->page_rows) room = self->page_rows;
        lion_value *rows = larger(&self->run->arena, self->rows, row_size(self) * at, row_size(self) * room + 1);
        if (rows == NULL) return lion_fail_memory(error);
        self->rows = rows;
        self->room = room;
    }
    if (self->width > 0) memcpy(self->rows + (size_t)at * self->width, row, row_size(self));
    self->count++;
    return LION_OK;
}

lion_status lion_sorted_rows_end(lion_sorted_rows *self, lion_error *error)
{
    if (self->page_count == 0 && self->count <= self->memory_rows) return LION_OK;
    lion_status status = write_page(self, error);
    if (status != LION_OK) return status;
    lion_arena_give(&self->run->arena, self->rows);
    self->rows = NULL;
    self->room = 0;
    return LION_OK;
}

void lion_sorted_rows_free(lion_sorted_rows *self)
{
    lion_arena *arena = &self->run->arena;
    for (uint32_t i = 0; i < self->page_count; i++) lion_spill_give(&self->run->spill, self->pages[i]);
    lion_arena_give(arena, self->rows);
    lion_arena_give(arena, self->pages);
    lion_arena_give(arena, self->fences);
    lion_sorted_rows_init(self, self->run, self->width);
}

/* ---- comparing ---- */

static inline int compare(const lion_value *a, const lion_value *b)
{
    bool are_ids = a->type == b->type && a->type == LION_TYPE_REF;
    return are_ids ? (a->bits > b->bits) - (a->bits < b->bits) : lion_value_compare(*a, *b);
}

int lion_sorted_rows_compare(const lion_value *a, const lion_value *b, uint32_t width)
{
    int order = 0;
    for (uint32_t i = 0; i < width && order == 0; i++) order = compare(&a[i], &b[i]);
    return order;
}

int lion_sorted_key_compare(const lion_sorted_key *key, const lion_value *row, const lion_value *values)
{
    int order = 0;
    if (key->columns == NULL) return lion_sorted_rows_compare(row, values, key->count);
    for (uint32_t i = 0; i < key->count && order == 0; i++) {
        lion_value value = lion_sorted_key_get(key, row, i);
        order = compare(&value, &values[i]);
    }
    return order;
}

/* ---- places ---- */

void lion_sorted_cursor_open(lion_sorted_cursor *self, const lion_sorted_rows *rows)
{
    *self = (lion_sorted_cursor){ .rows = rows, .page_number = LION_SLOT_NONE };
}

void lion_sorted_cursor_close(lion_sorted_cursor *self)
{
    if (self->page != NULL) lion_arena_give(&self->rows->run->arena, self->page);
    *self = (lion_sorted_cursor){ .rows = self->rows, .page_number = LION_SLOT_NONE };
}

static lion_status read_page(lion_sorted_cursor *self, uint32_t page, lion_error *error)
{
    const lion_sorted_rows *rows = self->rows;
    uint64_t left = rows->count - (uint64_t)page * rows->page_rows, count = left < rows->page_rows ? left : rows->page_rows;
    if (self->page == NULL) self->page = lion_arena_take(&rows->run->arena, row_size(rows) * rows->page_rows + 1);
    if (self->page == NULL) return lion_fail_memory(error);
    self->page_number = LION_SLOT_NONE;
    lion_status status = lion_spill_read(self->page, &rows->run->spill, rows->pages[page], (uint32_t)(row_size(rows) * count), error);
    if (status == LION_OK) self->page_number = page;
    return status;
}

lion_status lion_sorted_cursor_to(lion_sorted_cursor *self, uint64_t number, lion_error *error)
{
    const lion_sorted_rows *rows = self->rows;
    self->at = number;
    self->row = NULL;
    if (number >= rows->count) return LION_OK;
    if (rows->page_count == 0) {
        self->row = rows->rows + (size_t)number * rows->width;
        return LION_OK;
    }
    uint32_t page = (uint32_t)(number / rows->page_rows);
    lion_status status = page == self->page_number ? LION_OK : read_page(self, page, error);
    if (status == LION_OK) self->row = self->page + (size_t)(number % rows->page_rows) * rows->width;
    return status;
}

static inline const lion_value *fence(const lion_sorted_rows *rows, uint32_t page)
{
    return rows->fences + (size_t)page * rows->width;
}

/* The last page, from one on, whose first row is less than the values; that one, if there is none. */
static uint32_t find_page(const lion_sorted_rows *rows, uint32_t page, const lion_sorted_key *key, const lion_value *values)
{
    uint32_t low = page + 1, high = rows->page_count;
    if (low >= high || lion_sorted_key_compare(key, fence(rows, low), values) >= 0) return page;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (lion_sorted_key_compare(key, fence(rows, middle), values) < 0) low = middle;
        else high = middle;
    }
    return low;
}

/* Is the row of that number less than the values? The cursor stands on it then. */
static lion_status is_less(bool *is_less_out, lion_sorted_cursor *self, uint64_t number, const lion_sorted_key *key, const lion_value *values,
                           lion_error *error)
{
    lion_status status = lion_sorted_cursor_to(self, number, error);
    if (status == LION_OK) *is_less_out = lion_sorted_key_compare(key, self->row, values) < 0;
    return status;
}

/* Rows [from, end) lie together. What is looked for is often near: steps double, then halve. */
static lion_status seek_between(lion_sorted_cursor *self, uint64_t from, uint64_t end, const lion_sorted_key *key, const lion_value *values,
                                lion_error *error)
{
    uint64_t step = 1;
    bool less = true;
    lion_status status = LION_OK;
    while (status == LION_OK && from < end && less) {
        uint64_t next = from + step - 1;
        if (next >= end) break;
        status = is_less(&less, self, next, key, values, error);
        if (!less) end = next;
        else from = next + 1;
        step *= 2;
    }
    while (status == LION_OK && from < end) {
        uint64_t middle = from + (end - from) / 2;
        status = is_less(&less, self, middle, key, values, error);
        if (less) from = middle + 1;
        else end = middle;
    }
    return status == LION_OK ? lion_sorted_cursor_to(self, from, error) : status;
}

lion_status lion_sorted_cursor_seek(lion_sorted_cursor *self, uint64_t from, const lion_sorted_key *key, const lion_value *values,
                                    lion_error *error)
{
    const lion_sorted_rows *rows = self->rows;
    uint64_t end = rows->count;
    if (from >= end) return lion_sorted_cursor_to(self, end, error);
    if (rows->page_count > 0) {
        uint32_t at = (uint32_t)(from / rows->page_rows), page = find_page(rows, at, key, values);
        if (page > at) from = (uint64_t)page * rows->page_rows;
        uint64_t page_end = ((uint64_t)page + 1) * rows->page_rows;
        end = page_end < end ? page_end : end;
    }
    return seek_between(self, from, end, key, values, error);
}

/* ---- several ---- */

uint64_t lion_sorted_parts_rows(const lion_sorted_parts *parts)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < parts->count; i++) count += parts->items[i].count;
    return count;
}

void lion_sorted_parts_free(lion_sorted_parts *parts)
{
    for (uint32_t i = 0; i < parts->count; i++) lion_sorted_rows_free(&parts->items[i]);
    parts->count = 0;
}

typedef struct merge {
    lion_sorted_cursor from[LION_SORTED_PARTS_MAX + 1], minus[LION_SORTED_PARTS_MAX + 1];
    uint32_t from_count, minus_count;
    lion_sorted_key whole;     /* of a row */
    lion_sorted_rows *out;
} merge;

static lion_status step(lion_sorted_cursor *cursor, lion_error *error)
{
    return lion_sorted_cursor_to(cursor, cursor->at + 1, error);
}

/* The cursor of the least row; the others that stand on it go on. NULL: none has rows. */
static lion_status find_least(lion_sorted_cursor **least_out, merge *self, lion_error *error)
{
    lion_sorted_cursor *least = NULL;
    for (uint32_t i = 0; i < self->from_count; i++) {
        lion_sorted_cursor *cursor = &self->from[i];
        if (cursor->row == NULL) continue;
        int order = least == NULL ? -1 : lion_sorted_rows_compare(cursor->row, least->row, self->whole.count);
        if (order < 0) least = cursor;
        lion_status status = order == 0 ? step(cursor, error) : LION_OK;
        if (status != LION_OK) return status;
    }
    *least_out = least;
    return LION_OK;
}

/* LION_ABSENT: none of them has the row. */
static lion_status find_in_minus(merge *self, const lion_value *row, lion_error *error)
{
    for (uint32_t i = 0; i < self->minus_count; i++) {
        lion_sorted_cursor *cursor = &self->minus[i];
        lion_status status = lion_sorted_cursor_seek(cursor, cursor->at, &self->whole, row, error);
        if (status != LION_OK) return status;
        if (cursor->row != NULL && lion_sorted_rows_compare(cursor->row, row, self->whole.count) == 0) return LION_OK;
    }
    return LION_ABSENT;
}

static lion_status run_merge(merge *self, lion_error *error)
{
    for (uint64_t done = 0;; done++) {
        lion_sorted_cursor *least = NULL;
        lion_status status = done % CHECK_EVERY == 0 ? lion_run_check(self->out->run, error) : LION_OK;
        if (status == LION_OK) status = find_least(&least, self, error);
        if (status != LION_OK || least == NULL) return status;
        status = find_in_minus(self, least->row, error);
        if (status == LION_ABSENT) status = lion_sorted_rows_add(self->out, least->row, error);
        if (status == LION_OK) status = step(least, error);
        if (status != LION_OK) return status;
    }
}

/* The first `from` parts stay. */
static lion_status merge_parts(lion_sorted_rows *out, lion_sorted_parts *parts, uint32_t from, const lion_sorted_parts *minus, lion_error *error)
{
    lion_arena *arena = &out->run->arena;
    merge *self = lion_arena_take(arena, sizeof(merge));
    lion_status status = LION_OK;
    if (self == NULL) return lion_fail_memory(error);
    self->from_count = parts->count - from;
    self->minus_count = minus == NULL ? 0 : minus->count;
    self->whole = (lion_sorted_key){ .count = out->width };
    self->out = out;
    for (uint32_t i = 0; i < self->from_count; i++) lion_sorted_cursor_open(&self->from[i], &parts->items[from + i]);
    for (uint32_t i = 0; i < self->minus_count; i++) lion_sorted_cursor_open(&self->minus[i], &minus->items[i]);
    for (uint32_t i = 0; status == LION_OK && i < self->from_count; i++) status = lion_sorted_cursor_to(&self->from[i], 0, error);
    if (status == LION_OK) status = run_merge(self, error);
    for (uint32_t i = 0; i < self->from_count; i++) lion_sorted_cursor_close(&self->from[i]);
    for (uint32_t i = 0; i < self->minus_count; i++) lion_sorted_cursor_close(&self->minus[i]);
    lion_arena_give(arena, self);
    if (status == LION_OK) status = lion_sorted_rows_end(out, error);
    if (status != LION_OK) return status;
    for (; parts->count > from; parts->count--) lion_sorted_rows_free(&parts->items[parts->count - 1]);
    return LION_OK;
}

lion_status lion_sorted_parts_merge(lion_sorted_rows *out, lion_sorted_parts *parts, const lion_sorted_parts *minus, lion_error *error)
{
    bool is_there = parts->count == 1 && (minus == NULL || minus->count == 0);
    if (!is_there) return merge_parts(out, parts, 0, minus, error);
    *out = parts->items[0];
    parts->count = 0;
    return LION_OK;
}

/* The last part, and those before it as long as they are not larger than all behind them. */
static uint32_t first_to_merge(const lion_sorted_parts *parts)
{
    uint32_t first = parts->count - 2;
    uint64_t rows = parts->items[first].count + parts->items[first + 1].count;
    while (first > 0 && parts->items[first - 1].count <= rows) rows += parts->items[--first].count;
    return first;
}

lion_status lion_sorted_parts_add_take(lion_sorted_parts *parts, lion_sorted_rows *rows, uint32_t count_max, lion_error *error)
{
    LION_ASSERT(count_max >= 1 && count_max <= LION_SORTED_PARTS_MAX && parts->count <= count_max);
    if (rows->count == 0) return LION_OK;
    parts->items[parts->count++] = *rows;
    lion_sorted_rows_init(rows, rows->run, rows->width);
    if (parts->count <= count_max) return LION_OK;
    lion_sorted_rows merged;
    lion_sorted_rows_init(&merged, rows->run, rows->width);
    lion_status status = merge_parts(&merged, parts, first_to_merge(parts), NULL, error);
    if (status == LION_OK) parts->items[parts->count++] = merged;
    return status;
}
