/* rule_rows.c - blocks of columns, open addressing over rows, chains for indexes.
 *
 * A row's hash is made of a word per value: whole numbers are their own, other values hash to one. Numbers that are equal across
 * types have the same word, as they are the same value. */
#include "query/rule_rows.h"

#include "base/hash.h"

#define FIRST_ROOM 32
#define SLOTS_FIRST 64
#define SLOTS_LARGE 16384 /* so many come zeroed */
#define AHEAD 8

void lion_rule_rows_init(lion_rule_rows *rows, lion_arena *arena, uint32_t width)
{
    *rows = (lion_rule_rows){ .arena = arena, .width = width };
}

void lion_rule_rows_clear(lion_rule_rows *rows)
{
    if (rows->count > 0 && rows->slot_count > 0) memset(rows->slots, 0, rows->slot_count * sizeof(*rows->slots));
    rows->count = 0;
    rows->clearings++;
}

/* ---- slots: none of them is kept that is not wanted ---- */

static void take_slots(lion_rule_rows *rows, size_t count)
{
    size_t size = count * sizeof(*rows->slots);
    rows->slots = count >= SLOTS_LARGE ? lion_arena_zalloc(rows->arena, size) : lion_arena_take(rows->arena, size);
    if (rows->slots == NULL || rows->arena->is_exhausted) return;
    if (count < SLOTS_LARGE) memset(rows->slots, 0, size);
    rows->slot_count = count;
}

static void give_slots(lion_rule_rows *rows)
{
    if (rows->slot_count >= SLOTS_LARGE) lion_arena_release(rows->arena, rows->slots, rows->slot_count * sizeof(*rows->slots));
    else if (rows->slot_count > 0) lion_arena_give(rows->arena, rows->slots);
    rows->slots = NULL;
    rows->slot_count = 0;
}

/* Behind a block's columns there is one more, which says whether somebody still reads them. */
static bool *is_left(const lion_rule_rows *rows, size_t block)
{
    return &rows->blocks[block][rows->width].is_constant;
}

/* The first block stays, unless it is left to whoever reads it. */
void lion_rule_rows_release(lion_rule_rows *rows)
{
    lion_rule_rows_clear(rows);
    for (size_t block = 0; block < rows->block_count; block++) {
        bool *left = is_left(rows, block);
        for (uint32_t i = 0; i < rows->width && (block > 0 || *left); i++) {
            if (!*left) lion_arena_give(rows->arena, rows->blocks[block][i].bits);
            rows->blocks[block][i].bits = NULL;
        }
        *left = false;
    }
    give_slots(rows);
}

void lion_rule_rows_leave(lion_rule_rows *rows, size_t row)
{
    *is_left(rows, row / LION_BATCH_ROWS) = true;
}

/* ---- words and hashes ---- */

static uint64_t word_of_double(double number)
{
    bool is_long = number >= -0x1p63 && number < 0x1p63 && number == (double)(int64_t)number;
    return is_long ? (uint64_t)(int64_t)number : lion_value_hash(lion_value_double(number));
}

static inline uint64_t word_of(const lion_value *value)
{
    if (value->type == LION_TYPE_DOUBLE) return word_of_double(value->number);
    return lion_type_is_scalar(value->type) ? (uint64_t)value->bits : lion_value_hash(*value);
}

static inline uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static inline bool is_whole(const lion_vector *column)
{
    return lion_type_is_scalar(column->type) && column->type != LION_TYPE_DOUBLE;
}

static inline uint64_t word_at(const lion_vector *column, size_t row)
{
    size_t at = column->is_constant ? 0 : row;
    if (is_whole(column)) return (uint64_t)column->bits[at];
    if (!lion_type_is_scalar(column->type)) return word_of(&column->values[at]);
    double number;
    memcpy(&number, &column->bits[at], sizeof number);
    return word_of_double(number);
}

/* Of the batch's rows, column by column. */
static void hash_batch(uint64_t *hashes, const lion_vector *columns, uint32_t width, const lion_batch *batch)
{
    uint32_t count = lion_batch_rows(batch);
    memset(hashes, 0, count * sizeof(*hashes));
    for (uint32_t i = 0; i < width; i++) {
        const lion_vector *column = &columns[i];
        if (is_whole(column) && !column->is_constant)
            for (uint32_t k = 0; k < count; k++) hashes[k] = mix(hashes[k], (uint64_t)column->bits[lion_batch_row(batch, k)]);
        else
            for (uint32_t k = 0; k < count; k++) hashes[k] = mix(hashes[k], word_at(column, lion_batch_row(batch, k)));
    }
}

static inline uint64_t word_stored(const lion_rule_rows *rows, size_t row, uint32_t column)
{
    return word_at(&rows->blocks[row / LION_BATCH_ROWS][column], row % LION_BATCH_ROWS);
}

/* Without asking for the types twice where both are whole numbers. */
static inline bool is_same(const lion_vector *a, size_t row_a, const lion_vector *b, size_t row_b)
{
    if (a->type == b->type && is_whole(a)) return a->bits[a->is_constant ? 0 : row_a] == b->bits[b->is_constant ? 0 : row_b];
    return lion_value_equal(lion_vector_get(a, row_a), lion_vector_get(b, row_b));
}

static bool is_same_row(const lion_rule_rows *rows, size_t row, const lion_vector *columns, uint32_t other)
{
    const lion_vector *stored = rows->blocks[row / LION_BATCH_ROWS];
    for (uint32_t i = 0; i < rows->width; i++)
        if (!is_same(&stored[i], row % LION_BATCH_ROWS, &columns[i], other)) return false;
    return true;
}

/* ---- room ---- */

/* The rows of a block into the slots. */
static void place_block(lion_rule_rows *rows, size_t block)
{
    uint64_t hashes[LION_BATCH_ROWS];
    size_t first = block * LION_BATCH_ROWS, left = rows->count - first;
    lion_batch batch = { .count = left < LION_BATCH_ROWS ? (uint32_t)left : LION_BATCH_ROWS };
    hash_batch(hashes, rows->blocks[block], rows->width, &batch);
    for (uint32_t k = 0; k < batch.count; k++) {
        if (k + AHEAD < batch.count) __builtin_prefetch(&rows->slots[hashes[k + AHEAD] & (rows->slot_count - 1)]);
        size_t at = hashes[k] & (rows->slot_count - 1);
        while (rows->slots[at] != 0) at = (at + 1) & (rows->slot_count - 1);
        rows->slots[at] = (uint32_t)(first + k) + 1;
    }
}

static bool grow_slots(lion_rule_rows *rows, size_t count)
{
    size_t slot_count = rows->slot_count == 0 ? SLOTS_FIRST : rows->slot_count;
    while (slot_count < count * 2) slot_count *= 2;
    if (slot_count == rows->slot_count) return true;
    give_slots(rows);
    take_slots(rows, slot_count);
    if (rows->slot_count == 0) return false;
    for (size_t block = 0; block * LION_BATCH_ROWS < rows->count; block++) place_block(rows, block);
    return true;
}

static size_t size_of(const lion_vector *column)
{
    return lion_type_is_scalar(column->type) ? sizeof(int64_t) : sizeof(lion_value);
}

/* Room for so many rows in the first block. Its columns move, but what was fed of them may still be read where it lies. */
static bool grow_first(lion_rule_rows *rows, size_t count)
{
    uint32_t room = rows->first_room == 0 ? FIRST_ROOM : rows->first_room;
    while (room < count && room < LION_BATCH_ROWS) room *= 2;
    if (room > LION_BATCH_ROWS) room = LION_BATCH_ROWS;
    if (room == rows->first_room) return true;
    for (uint32_t i = 0; rows->block_count > 0 && i < rows->width; i++) {
        lion_vector *column = &rows->blocks[0][i];
        void *larger = column->bits == NULL ? NULL : lion_arena_alloc(rows->arena, room * size_of(column));
        if (column->bits == NULL) continue;
        if (larger == NULL) return false;
        memcpy(larger, column->bits, rows->first_room * size_of(column));
        column->bits = larger;
    }
    rows->first_room = room;
    return true;
}

static bool add_block(lion_rule_rows *rows)
{
    if (rows->block_count == rows->block_room) {
        size_t room = rows->block_room == 0 ? 1 : rows->block_room * 2;
        rows->blocks = lion_arena_grow(rows->arena, rows->blocks, rows->block_room * sizeof(*rows->blocks), room * sizeof(*rows->blocks));
        if (rows->blocks == NULL) return false;
        rows->block_room = room;
    }
    lion_vector *columns = lion_arena_zalloc(rows->arena, sizeof(*columns) * (rows->width + 1));
    if (columns == NULL || rows->arena->is_exhausted) return false;
    rows->blocks[rows->block_count++] = columns;
    return true;
}

static bool make_room(lion_rule_rows *rows, uint32_t more)
{
    size_t count = rows->count + more;
    if (count >= LION_RELATION_ROWS_MAX || !grow_slots(rows, count) || !grow_first(rows, count)) return false;
    while (rows->block_count * LION_BATCH_ROWS < count)
        if (!add_block(rows)) return false;
    return !rows->arena->is_exhausted;
}

/* ---- columns ---- */

static size_t room_of(const lion_rule_rows *rows, size_t block)
{
    return block == 0 ? rows->first_room : LION_BATCH_ROWS;
}

/* All blocks but the first can be given back. */
static void *column_room(lion_rule_rows *rows, size_t block, size_t size)
{
    return block == 0 ? lion_arena_alloc(rows->arena, room_of(rows, block) * size) : lion_arena_take(rows->arena, LION_BATCH_ROWS * size);
}

/* A column of one type, with the first value that it gets. Where it had another before: rows that go on in a file fill it again and
 * again, so it is one of any type from then on. */
static bool begin_column(lion_rule_rows *rows, lion_vector *column, size_t block, uint8_t type)
{
    bool is_used = column->bits != NULL, was_scalar = lion_type_is_scalar(column->type), fits = was_scalar == lion_type_is_scalar(type);
    bool is_mixed = is_used && rows->spilled != NULL && (column->type == LION_TYPE_MIXED || !fits);
    if (is_used && (is_mixed ? !was_scalar : fits)) {
        column->type = is_mixed ? LION_TYPE_MIXED : type;
        return true;
    }
    if (is_mixed && block > 0) lion_arena_give(rows->arena, column->bits);
    column->type = is_mixed ? LION_TYPE_MIXED : type;
    column->bits = column_room(rows, block, size_of(column));
    return column->bits != NULL;
}

/* A value of another type came: values of any type from here on. What was fed is still read where it lies; of rows that go on in a
 * file nothing is. */
static bool mix_column(lion_rule_rows *rows, lion_vector *column, size_t block, size_t count)
{
    lion_vector mixed = { .type = LION_TYPE_MIXED, .values = column->values };
    if (lion_type_is_scalar(column->type)) {
        mixed.values = column_room(rows, block, sizeof(lion_value));
        if (mixed.values == NULL) return false;
        for (size_t i = 0; i < count; i++) mixed.values[i] = lion_vector_get(column, i);
        if (rows->spilled != NULL && block > 0) lion_arena_give(rows->arena, column->bits);
    }
    *column = mixed;
    return true;
}

/* Where the column is of another type, or of none yet. */
static bool put_other(lion_rule_rows *rows, lion_vector *column, const lion_value *value)
{
    size_t block = rows->count / LION_BATCH_ROWS, place = rows->count % LION_BATCH_ROWS;
    if (place == 0 && !begin_column(rows, column, block, value->type)) return false;
    if (column->type != value->type && column->type != LION_TYPE_MIXED && !mix_column(rows, column, block, place)) return false;
    if (lion_type_is_scalar(column->type)) column->bits[place] = value->bits;
    else column->values[place] = *value;
    return true;
}

static inline bool put(lion_rule_rows *rows, lion_vector *column, const lion_vector *from, uint32_t row)
{
    size_t place = rows->count % LION_BATCH_ROWS, at = from->is_constant ? 0 : row;
    if (place == 0 || column->type != from->type) {
        lion_value value = lion_vector_get(from, row);
        return put_other(rows, column, &value);
    }
    if (lion_type_is_scalar(column->type)) column->bits[place] = from->bits[at];
    else column->values[place] = from->values[at];
    return true;
}

static inline bool add_row(lion_rule_rows *rows, const lion_vector *columns, uint32_t row, uint64_t hash)
{
    size_t at = hash & (rows->slot_count - 1);
    for (; rows->slots[at] != 0; at = (at + 1) & (rows->slot_count - 1))
        if (is_same_row(rows, rows->slots[at] - 1, columns, row)) return true;
    for (uint32_t i = 0; i < rows->width; i++)
        if (!put(rows, &rows->blocks[rows->count / LION_BATCH_ROWS][i], &columns[i], row)) return false;
    rows->slots[at] = (uint32_t)++rows->count;
    return true;
}

/* The slot of a row to come, and, closer, what lies in the row that it names. */
static inline void fetch_ahead(const lion_rule_rows *rows, const uint64_t *hashes, uint32_t k, uint32_t count)
{
    if (k + 2 * AHEAD < count) __builtin_prefetch(&rows->slots[hashes[k + 2 * AHEAD] & (rows->slot_count - 1)]);
    if (k + AHEAD >= count) return;
    uint32_t named = rows->slots[hashes[k + AHEAD] & (rows->slot_count - 1)];
    if (named == 0) return;
    const lion_vector *columns = rows->blocks[(named - 1) / LION_BATCH_ROWS];
    for (uint32_t i = 0; i < rows->width; i++)
        if (lion_type_is_scalar(columns[i].type)) __builtin_prefetch(&columns[i].bits[(named - 1) % LION_BATCH_ROWS]);
}

lion_status lion_rule_rows_add(lion_rule_rows *rows, const lion_vector *columns, const lion_batch *batch, lion_error *error)
{
    uint64_t hashes[LION_BATCH_ROWS];
    uint32_t count = lion_batch_rows(batch);
    if (!make_room(rows, count)) return lion_fail_memory(error);
    hash_batch(hashes, columns, rows->width, batch);
    for (uint32_t k = 0; k < count; k++) {
        fetch_ahead(rows, hashes, k, count);
        if (!add_row(rows, columns, lion_batch_row(batch, k), hashes[k])) return lion_fail_memory(error);
    }
    return LION_OK;
}

uint32_t lion_rule_rows_piece(lion_vector *columns, const lion_rule_rows *rows, size_t from, size_t to)
{
    size_t place = from % LION_BATCH_ROWS, left = to - from, room = LION_BATCH_ROWS - place;
    for (uint32_t i = 0; i < rows->width; i++) {
        columns[i] = rows->blocks[from / LION_BATCH_ROWS][i];
        if (lion_type_is_scalar(columns[i].type)) columns[i].bits += place;
        else columns[i].values += place;
    }
    return (uint32_t)(left < room ? left : room);
}

lion_vector lion_rule_rows_gather(const lion_rule_rows *rows, uint32_t column, const uint32_t *numbers, uint32_t count, lion_value *room)
{
    lion_vector out = { .type = count == 0 ? LION_TYPE_MIXED : rows->blocks[numbers[0] / LION_BATCH_ROWS][column].type, .values = room };
    uint32_t k = 0;
    if (lion_type_is_scalar(out.type)) {
        for (; k < count; k++) {
            const lion_vector *from = &rows->blocks[numbers[k] / LION_BATCH_ROWS][column];
            if (from->type != out.type) break;
            out.bits[k] = from->bits[numbers[k] % LION_BATCH_ROWS];
        }
        if (k == count) return out;
    }
    out = (lion_vector){ .type = LION_TYPE_MIXED, .values = room };
    for (k = 0; k < count; k++) room[k] = lion_rule_rows_get(rows, numbers[k], column);
    return out;
}

/* ---- indexes ---- */

void lion_rule_index_init(lion_rule_index *index, const lion_rule_rows *rows, const uint32_t *key, uint32_t key_count)
{
    *index = (lion_rule_index){ .rows = rows, .key_count = key_count, .clearings = rows->clearings };
    index->key = lion_arena_array(rows->arena, uint32_t, key_count + 1);
    if (key_count > 0) memcpy(index->key, key, key_count * sizeof(*key));
}

static void chain(lion_rule_index *index, size_t row)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < index->key_count; i++) hash = mix(hash, word_stored(index->rows, row, index->key[i]));
    uint32_t *head = &index->heads[hash & (index->head_count - 1)];
    index->next[row] = *head;
    *head = (uint32_t)row + 1;
}

static bool grow_index(lion_rule_index *index, size_t count)
{
    lion_arena *arena = index->rows->arena;
    size_t room = index->room == 0 ? SLOTS_FIRST : index->room;
    while (room < count) room *= 2;
    if (room == index->room) return true;
    lion_arena_release(arena, index->heads, index->head_count * sizeof(*index->heads));
    index->head_count = 0;
    index->next = lion_arena_grow(arena, index->next, index->room * sizeof(*index->next), room * sizeof(*index->next));
    index->heads = lion_arena_zalloc(arena, room * sizeof(*index->heads));
    if (index->next == NULL || index->heads == NULL || arena->is_exhausted) return false;
    index->room = index->head_count = room;
    for (size_t row = 0; row < index->covered; row++) chain(index, row);
    return true;
}

lion_status lion_rule_index_follow(lion_rule_index *index, lion_error *error)
{
    size_t count = index->rows->count;
    if (index->clearings != index->rows->clearings) {
        index->clearings = index->rows->clearings;
        index->covered = 0;
        if (index->head_count > 0) memset(index->heads, 0, index->head_count * sizeof(*index->heads));
    }
    if (index->key_count > 0 && count > index->covered) {
        if (!grow_index(index, count)) return lion_fail_memory(error);
        for (size_t row = index->covered; row < count; row++) chain(index, row);
    }
    index->covered = count;
    return LION_OK;
}

void lion_rule_index_release(lion_rule_index *index)
{
    lion_arena *arena = index->rows->arena;
    lion_arena_release(arena, index->heads, index->head_count * sizeof(*index->heads));
    lion_arena_release(arena, index->next, index->room * sizeof(*index->next));
    index->heads = index->next = NULL;
    index->head_count = index->room = index->covered = 0;
}

static inline bool is_value(const lion_vector *column, size_t row, const lion_value *value)
{
    if (column->type == value->type && is_whole(column)) return column->bits[row] == value->bits;
    return lion_value_equal(lion_vector_get(column, row), *value);
}

static size_t first_match(const lion_rule_index *index, size_t found, const lion_value *key)
{
    for (; found != 0; found = index->next[found - 1]) {
        const lion_vector *columns = index->rows->blocks[(found - 1) / LION_BATCH_ROWS];
        uint32_t i = 0;
        while (i < index->key_count && is_value(&columns[index->key[i]], (found - 1) % LION_BATCH_ROWS, &key[i])) i++;
        if (i == index->key_count) break;
    }
    return found;
}

size_t lion_rule_index_find(const lion_rule_index *index, const lion_value *key)
{
    uint64_t hash = 0;
    if (index->key_count == 0 || index->covered == 0) return index->covered;
    for (uint32_t i = 0; i < index->key_count; i++) hash = mix(hash, word_of(&key[i]));
    return first_match(index, index->heads[hash & (index->head_count - 1)], key);
}

size_t lion_rule_index_next(const lion_rule_index *index, size_t found, const lion_value *key)
{
    return index->key_count == 0 ? found - 1 : first_match(index, index->next[found - 1], key);
}
