/* op_probe.c - a pattern that meets bound values with many entities, or bound entities with many values: each row of
 * the input becomes as many rows as its key has datoms.
 *
 * Few keys are looked up in the index one by one. Once there are enough, the attribute is read whole, in the order of
 * the keys, into runs: the keys, where the run of each begins, and what lies in it; keys that are numbers close
 * together are places in an array, others are found by their hash. Rows go out column by column. Where nobody wants what
 * lies in the run, a row goes out once. */
#include "base/hash.h"
#include "index/value_run.h"
#include "query/columns.h"
#include "query/pattern.h"
#include "query/threads.h"

enum { E, A, V, TX, OP };

#define TABLE_COUNT_MAX (UINT64_C(16) << 20)
#define KEY_BYTES 44    /* of a datom that has a key of its own: the key, where its run starts, places */
#define TABLE_PROBES 64 /* a table pays when so many times more datoms than keys are read for it */
#define ROOM_MIN 256
#define SHARED_ROWS 16384 /* of a part that is worth being another thread's */
#define DENSE_PART 8    /* keys are places when they spread at most so many times wider than there are keys */

typedef struct runs {
    uint64_t count, room;      /* runs */
    lion_vector keys;          /* bits or values; none where places tell */
    uint32_t *starts;          /* count + 1 */
    uint64_t target_count, target_room;
    lion_vector targets;       /* bits or values */
    uint32_t *places;          /* by key - base: the run + 1, or 0; NULL: by hash */
    int64_t base;
    uint64_t range;
    uint32_t *slots;           /* open addressing: the run + 1, or 0 */
    uint64_t slot_mask;
} runs;

typedef struct probe {
    lion_operator operator;
    lion_pattern_spec spec;
    bool is_by_value;          /* the key is V: of AVET; else E, of AEVT */
    uint8_t key_type;
    uint32_t key_slot, out;    /* out: NONE when the target is not wanted */
    lion_columns columns;
    lion_batch batch;
    bool has_batch;
    uint32_t at;               /* of the batch's rows */
    uint64_t probes;
    lion_cursor *cursor;
    bool is_open;              /* the row's datoms are being read … */
    lion_datom_batch datoms;
    uint32_t datom_at;         /* … as far as this, by the cursor, or in the table … */
    uint32_t run_to;           /* … to here */
    bool is_unique;            /* a value has one entity, which is found without a cursor */
    bool may_run;              /* a value's entities may be there without a cursor … */
    bool is_run;               /* … as the row's are, as far as they are not read */
    lion_value_run run;
    int64_t found;
    bool is_building, has_table;
    runs runs;
    uint16_t *rows;            /* LION_BATCH_ROWS */
} probe;

/* ---- keys ---- */

/* Equal keys have equal bits: one zero, one NaN. */
static inline int64_t key_bits(lion_value key)
{
    if (key.type != LION_TYPE_DOUBLE) return key.bits;
    if (key.number != key.number) return INT64_MIN + 1;
    return key.number == 0 ? 0 : key.bits;
}

/* The row's key as the index has it. LION_ABSENT: it can match nothing. */
static lion_status key_of(probe *self, uint32_t row, lion_value *key_out, lion_error *error)
{
    lion_value value = lion_batch_get(&self->batch, self->key_slot, row);
    lion_arena *arena = &self->operator.run->arena;
    if (value.type == self->key_type && value.type != LION_TYPE_TUPLE) {
        *key_out = value;
        return LION_OK;
    }
    if (self->is_by_value) return lion_pattern_value(key_out, &self->spec, self->spec.attribute, value, arena, error);
    return lion_pattern_entity(key_out, &self->spec, value, arena, error);
}

/* ---- the table ---- */

static inline size_t size_of(const lion_vector *column)
{
    return lion_type_is_scalar((lion_type)column->type) ? sizeof(int64_t) : sizeof(lion_value);
}

static inline void *column_at(const lion_vector *column, uint64_t at)
{
    return (uint8_t *)column->bits + at * size_of(column);
}

/* By half, so that little of them lies idle. */
static uint64_t larger(uint64_t room, uint64_t least, uint64_t wanted)
{
    if (room < least) room = least;
    if (room < ROOM_MIN) room = ROOM_MIN;
    while (room < wanted) room += room / 2;
    return room;
}

static bool grow_runs(runs *all, uint64_t more, lion_arena *arena)
{
    if (all->count + more <= all->room) return true;
    uint64_t room = larger(all->room, 0, all->count + more);
    size_t size = size_of(&all->keys);
    all->keys.bits = lion_arena_grow(arena, all->keys.bits, all->room * size, room * size);
    all->starts = lion_arena_grow(arena, all->starts, all->room == 0 ? 0 : (all->room + 1) * sizeof(*all->starts), (room + 1) * sizeof(*all->starts));
    all->room = room;
    return all->keys.bits != NULL && all->starts != NULL && !arena->is_exhausted;
}

/* `all_of_them`: as many as there are to be, as far as that is known. */
static bool grow_targets(runs *all, uint64_t more, uint64_t all_of_them, lion_arena *arena)
{
    if (all->target_count + more <= all->target_room) return true;
    uint64_t room = larger(all->target_room, all_of_them, all->target_count + more);
    size_t size = size_of(&all->targets);
    all->targets.bits = lion_arena_grow(arena, all->targets.bits, all->target_room * size, room * size);
    all->target_room = room;
    return all->targets.bits != NULL && !arena->is_exhausted;
}

static inline lion_value key_at(const runs *all, uint64_t at)
{
    return lion_vector_get(&all->keys, at);
}

/* Keys that are whole numbers, of which those that are new begin runs: no branch tells. */
static void add_whole_keys(runs *all, const int64_t *bits, uint32_t count)
{
    uint64_t at = all->count;
    int64_t last = at > 0 ? all->keys.bits[at - 1] : ~bits[0];
    for (uint32_t i = 0; i < count; i++) {
        all->keys.bits[at] = bits[i];
        all->starts[at] = (uint32_t)(all->target_count + i);
        at += bits[i] != last;
        last = bits[i];
    }
    all->count = at;
}

static void add_keys(runs *all, const lion_vector *keys, uint32_t count)
{
    bool is_bits = lion_type_is_scalar((lion_type)all->keys.type);
    for (uint32_t i = 0; i < count; i++) {
        lion_value key = lion_vector_get(keys, i);
        if (all->count > 0 && lion_value_equal(key_at(all, all->count - 1), key)) continue;
        if (is_bits) all->keys.bits[all->count] = key.bits;
        else all->keys.values[all->count] = key;
        all->starts[all->count++] = (uint32_t)(all->target_count + i);
    }
}

/* The datoms' targets behind those that are there, where somebody wants them; their keys, where they are new, begin runs. There is
 * room. */
static void add_datoms(const probe *self, runs *all, const lion_datom_batch *datoms)
{
    lion_vector entities = { .type = LION_TYPE_REF, .bits = (int64_t *)(uintptr_t)datoms->e };
    const lion_vector *keys = self->is_by_value ? &datoms->v : &entities, *targets = self->is_by_value ? &entities : &datoms->v;
    bool is_whole = lion_type_is_scalar((lion_type)keys->type) && keys->type != LION_TYPE_DOUBLE;
    if (is_whole) add_whole_keys(all, keys->bits, datoms->count);
    else add_keys(all, keys, datoms->count);
    if (self->out != LION_SLOT_NONE) {
        size_t size = size_of(&all->targets);
        memcpy((uint8_t *)all->targets.bits + all->target_count * size, targets->bits, datoms->count * size);
    }
    all->target_count += datoms->count;
}

static bool index_by_place(runs *all, lion_arena *arena)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (uint64_t i = 0; i < all->count; i++) {
        least = all->keys.bits[i] < least ? all->keys.bits[i] : least;
        most = all->keys.bits[i] > most ? all->keys.bits[i] : most;
    }
    uint64_t range = (uint64_t)most - (uint64_t)least;
    if (range / DENSE_PART > all->count + 64) return false;
    all->base = least;
    all->range = range + 1;
    all->places = lion_arena_zalloc(arena, sizeof(*all->places) * (range + 1));
    if (all->places == NULL) return false;
    for (uint64_t i = 0; i < all->count; i++) all->places[all->keys.bits[i] - least] = (uint32_t)i + 1;
    lion_arena_release(arena, all->keys.bits, all->room * sizeof(*all->keys.bits));
    all->keys.bits = NULL;
    return true;
}

static inline uint64_t hash_key(uint8_t type, lion_value key)
{
    return lion_type_is_scalar((lion_type)type) ? lion_hash_u64((uint64_t)key_bits(key)) : lion_value_hash(key);
}

static inline bool is_equal_key(uint8_t type, lion_value a, lion_value b)
{
    if (lion_type_is_scalar((lion_type)type)) return key_bits(a) == key_bits(b);
    return lion_value_equal(a, b);
}

static bool index_runs(probe *self, lion_arena *arena)
{
    runs *all = &self->runs;
    bool is_whole = lion_type_is_scalar((lion_type)self->key_type) && self->key_type != LION_TYPE_DOUBLE;
    if (all->count == 0 || (is_whole && index_by_place(all, arena))) return true;
    uint64_t slots = 64;
    while (slots < all->count * 2) slots *= 2;
    all->slots = lion_arena_zalloc(arena, sizeof(*all->slots) * slots);
    if (all->slots == NULL) return false;
    all->slot_mask = slots - 1;
    for (uint64_t i = 0; i < all->count; i++) {
        uint64_t at = hash_key(self->key_type, key_at(all, i)) & all->slot_mask;
        while (all->slots[at] != 0) at = (at + 1) & all->slot_mask;
        all->slots[at] = (uint32_t)i + 1;
    }
    return true;
}

/* The run + 1 of the key; 0: it has none. */
static inline uint32_t find_run(const probe *self, lion_value key)
{
    const runs *all = &self->runs;
    if (all->places != NULL) {
        uint64_t place = (uint64_t)key.bits - (uint64_t)all->base;
        return place < all->range ? all->places[place] : 0;
    }
    if (all->slots == NULL) return 0;
    uint64_t at = hash_key(self->key_type, key) & all->slot_mask;
    while (all->slots[at] != 0 && !is_equal_key(self->key_type, key_at(all, all->slots[at] - 1), key)) at = (at + 1) & all->slot_mask;
    return all->slots[at];
}

/* Of a key's first datoms so many are read at once, where few are estimated for each, or more. */
#define FEW_EACH 8
#define FEW_ROWS 16
#define MANY_ROWS 64

static double input_rows(const probe *self)
{
    double rows = self->operator.inputs[0]->rows_estimated;
    return rows < 1 ? 1 : rows;
}

static lion_status open_cursor(probe *self, const lion_key *key, lion_error *error)
{
    lion_cursor_options options = { .columns = LION_COLUMN_E | LION_COLUMN_V };
    if (key->parts > 1) {
        options.columns = self->is_by_value ? LION_COLUMN_E : LION_COLUMN_V;
        options.batch_rows = self->operator.rows_estimated < input_rows(self) * FEW_EACH ? FEW_ROWS : MANY_ROWS;
    }
    return lion_cursor_open(&self->cursor, &self->spec.db->view, self->is_by_value ? LION_AVET : LION_AEVT, key, &options,
                            &self->operator.run->arena, error);
}

static lion_status next_datoms(probe *self, lion_error *error)
{
    lion_status status = lion_cursor_next(self->cursor, &self->datoms, error);
    if (status == LION_CALL) self->operator.run->call = lion_cursor_call(self->cursor);
    if (status != LION_OK) self->datoms.count = 0; /* the batch before has gone out */
    self->datom_at = 0;
    return status;
}

/* ---- reading it all ---- */

/* By the run's own thread. Taken again after a LION_CALL. */
static lion_status read_all(probe *self, lion_error *error)
{
    lion_arena *arena = &self->operator.run->arena;
    lion_status status = LION_OK;
    if (!self->is_building) {
        lion_key key = { .datom = { .a = self->spec.attribute->id }, .parts = 1 };
        status = open_cursor(self, &key, error);
        if (status != LION_OK) return status;
        self->is_building = true;
    }
    while ((status = next_datoms(self, error)) == LION_OK) {
        bool has_room = grow_runs(&self->runs, self->datoms.count, arena);
        if (has_room && self->out != LION_SLOT_NONE) has_room = grow_targets(&self->runs, self->datoms.count, self->spec.count, arena);
        if (!has_room) return lion_fail_memory(error);
        add_datoms(self, &self->runs, &self->datoms);
        status = lion_run_check(self->operator.run, error);
        if (status != LION_OK) return status;
    }
    return status == LION_END ? LION_OK : status;
}

/* By several: parts of the tree, each of which goes where its rows would be if each had a key of its own. */
typedef struct reading_parts {
    const probe *probe;
    lion_key_range *parts;
    uint32_t count;
    uint64_t rows;             /* of all */
    runs *runs;                /* of each part */
} reading_parts;

static uint64_t part_end(const reading_parts *all, uint32_t number)
{
    return number + 1 < all->count ? all->parts[number + 1].rows_before : all->rows;
}

static lion_status read_part(void *context, uint32_t number, lion_run *run, lion_error *error)
{
    const reading_parts *all = context;
    const probe *self = all->probe;
    const lion_key_range *part = &all->parts[number];
    lion_cursor_options options = { .columns = LION_COLUMN_E | LION_COLUMN_V };
    lion_index index = self->is_by_value ? LION_AVET : LION_AEVT;
    lion_key key = { .datom = { .a = self->spec.attribute->id }, .parts = 1 };
    lion_cursor *cursor = NULL;
    lion_datom_batch datoms;
    lion_status status = lion_cursor_open(&cursor, &self->spec.db->view, index, &key, &options, &run->arena, error);
    if (status == LION_OK) status = lion_cursor_seek_range(cursor, part, error);
    while (status == LION_OK && (status = lion_cursor_next(cursor, &datoms, error)) == LION_OK) {
        if (part->rows_before + all->runs[number].target_count + datoms.count > part_end(all, number))
            return lion_fail_corrupt(error, "a tree of attribute %u has more rows than it counts", self->spec.attribute->id);
        add_datoms(self, &all->runs[number], &datoms);
        status = lion_run_check(run, error);
    }
    return status == LION_END ? LION_OK : status;
}

/* One part's runs behind the others': a key that both have goes on. */
static void join_runs(probe *self, const runs *part)
{
    runs *all = &self->runs;
    bool goes_on = all->count > 0 && part->count > 0 && lion_value_equal(key_at(all, all->count - 1), key_at(part, 0));
    uint64_t first = goes_on ? 1 : 0, count = part->count - first;
    memmove(column_at(&all->keys, all->count), column_at(&part->keys, first), count * size_of(&all->keys));
    for (uint64_t i = 0; i < count; i++) all->starts[all->count + i] = part->starts[first + i] + (uint32_t)all->target_count;
    all->count += count;
    all->target_count += part->target_count;
}

static lion_status read_parts(probe *self, reading_parts *parts, lion_error *error)
{
    lion_run *run = self->operator.run;
    runs *all = &self->runs;
    bool has_room = grow_runs(all, parts->rows, &run->arena);
    if (has_room && self->out != LION_SLOT_NONE) has_room = grow_targets(all, parts->rows, parts->rows, &run->arena);
    parts->runs = lion_arena_zalloc(&run->arena, sizeof(runs) * parts->count);
    if (!has_room || parts->runs == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < parts->count; i++) {
        uint64_t before = parts->parts[i].rows_before;
        parts->runs[i] = (runs){ .starts = all->starts + before, .keys = { .type = all->keys.type }, .targets = { .type = all->targets.type } };
        parts->runs[i].keys.bits = column_at(&all->keys, before);
        if (all->targets.bits != NULL) parts->runs[i].targets.bits = column_at(&all->targets, before);
    }
    lion_status status = lion_threads_share(run, parts->count, read_part, parts, error);
    for (uint32_t i = 0; status == LION_OK && i < parts->count; i++) {
        if (parts->parts[i].rows_before + parts->runs[i].target_count != part_end(parts, i))
            return lion_fail_corrupt(error, "a tree of attribute %u has fewer rows than it counts", self->spec.attribute->id);
        join_runs(self, &parts->runs[i]);
    }
    return status;
}

/* The parts, where there are threads and the trees have it all; else none. */
static lion_status find_parts(probe *self, reading_parts *parts, lion_error *error)
{
    lion_run *run = self->operator.run;
    const lion_view *view = &self->spec.db->view;
    uint32_t tasks = lion_threads_tasks(run);
    lion_key_range all = { .from = { .datom = { .a = self->spec.attribute->id }, .parts = 1 } };
    uint64_t each = run->options.plan_seed != 0 ? 1 : SHARED_ROWS;
    *parts = (reading_parts){ .probe = self };
    if (tasks == 0 || self->is_building || view->filter_count > 0) return LION_OK;
    lion_status status = lion_view_split(&parts->parts, &parts->count, view, self->is_by_value ? LION_AVET : LION_AEVT, &all, each, tasks, true,
                                         &run->arena, error);
    if (status != LION_OK || parts->count == 0) return status;
    return lion_view_count(&parts->rows, view, self->is_by_value ? LION_AVET : LION_AEVT, &all.from, &run->arena, error);
}

/* Taken again after a LION_CALL. */
static lion_status build_table(probe *self, lion_error *error)
{
    lion_arena *arena = &self->operator.run->arena;
    reading_parts parts;
    self->runs.keys.type = self->key_type;
    self->runs.targets.type = (uint8_t)(self->is_by_value ? LION_TYPE_REF : self->spec.attribute->type);
    lion_status status = find_parts(self, &parts, error);
    if (status == LION_OK) status = parts.count > 0 ? read_parts(self, &parts, error) : read_all(self, error);
    if (status != LION_OK) return status;
    if (!grow_runs(&self->runs, 1, arena) || !index_runs(self, arena)) return lion_fail_memory(error);
    self->runs.starts[self->runs.count] = (uint32_t)self->runs.target_count;
    self->is_building = false;
    self->has_table = true;
    self->operator.name = "hash-join";
    return LION_OK;
}

/* ---- emitting ---- */

/* Rows of the batch are gathered in self->rows, their targets already in place; then the kept columns follow. from NULL: entities
 * of the value's run. */
static inline bool put_targets(probe *self, uint32_t pending, const lion_vector *from, uint32_t first, uint32_t count)
{
    if (self->out == LION_SLOT_NONE) return true;
    uint8_t type = from == NULL ? (uint8_t)LION_TYPE_REF : from->type;
    if (pending > 0 && self->columns.vectors[self->out].type != type) return false;
    bool is_bits = lion_type_is_scalar((lion_type)type);
    uint8_t *room = lion_columns_room(&self->columns, self->out, type);
    if (room == NULL) return false;
    if (from == NULL) {
        lion_value_run_read(&self->run, count, (int64_t *)(void *)room + pending);
        return true;
    }
    for (uint32_t k = 0; is_bits && k < count; k++) ((int64_t *)(void *)room)[pending + k] = from->bits[first + k];
    for (uint32_t k = 0; !is_bits && k < count; k++) ((lion_value *)(void *)room)[pending + k] = from->values[first + k];
    return true;
}

static lion_vector datom_targets(const probe *self)
{
    if (!self->is_by_value) return self->datoms.v;
    return (lion_vector){ .type = LION_TYPE_REF, .bits = (int64_t *)(uintptr_t)self->datoms.e };
}

/* As many of the row's datoms as there is room for; the row stays open if there are more. LION_END: what is in the columns has to
 * go out first. */
static lion_status emit(probe *self, uint32_t row, const lion_vector *from, uint32_t to, uint32_t *pending)
{
    uint32_t left = to - self->datom_at, free = lion_columns_free(&self->columns) - *pending;
    if (self->out == LION_SLOT_NONE && left > 1) left = 1;
    uint32_t count = left < free ? left : free;
    if (count > 0 && !put_targets(self, *pending, from, self->datom_at, count)) return LION_END;
    for (uint32_t k = 0; k < count; k++) self->rows[*pending + k] = (uint16_t)row;
    *pending += count;
    self->datom_at += count;
    return count < left ? LION_END : LION_OK;
}

/* ---- stepping ---- */

static lion_status find_point(probe *self, lion_value key, lion_error *error)
{
    lion_status status = lion_view_find(&self->found, NULL, &self->spec.db->view, self->spec.attribute->id, key, &self->operator.run->arena, error);
    self->datoms = (lion_datom_batch){ .count = 1, .e = &self->found };
    self->datom_at = 0;
    return status;
}

static lion_status open_row(probe *self, uint32_t row, lion_error *error)
{
    lion_value key;
    lion_status status = key_of(self, row, &key, error);
    if (status != LION_OK) return status;
    self->probes++;
    if (self->has_table) {
        uint32_t run = find_run(self, key);
        if (run == 0) return LION_ABSENT;
        self->datom_at = self->runs.starts[run - 1];
        self->run_to = self->runs.starts[run];
        return LION_OK;
    }
    if (self->is_unique) return find_point(self, key, error);
    if (self->may_run) {
        status = lion_value_run_seek(&self->run, key, error);
        self->is_run = status == LION_OK;
        self->datom_at = 0;
        self->run_to = self->is_run ? lion_value_run_left(&self->run) : 0;
        if (status != LION_END) return status;
    }
    lion_key at = { .datom = { .a = self->spec.attribute->id }, .parts = 2 };
    if (self->is_by_value) at.datom.v = key;
    else at.datom.e = key.bits;
    self->datoms.count = self->datom_at = 0;
    return self->cursor == NULL ? open_cursor(self, &at, error) : lion_cursor_seek(self->cursor, &at, error);
}

/* Of the table, or of a value's run. */
static lion_status run_whole_row(probe *self, uint32_t row, uint32_t *pending)
{
    return emit(self, row, self->has_table ? &self->runs.targets : NULL, self->run_to, pending);
}

static lion_status run_cursor_row(probe *self, uint32_t row, uint32_t *pending, lion_error *error)
{
    for (;;) {
        lion_vector targets = datom_targets(self);
        if (self->datom_at < self->datoms.count) {
            if (emit(self, row, &targets, self->datoms.count, pending) == LION_END) return LION_END;
            if (self->out == LION_SLOT_NONE) return LION_OK;
        }
        if (self->is_unique) return LION_OK;
        lion_status status = next_datoms(self, error);
        if (status == LION_END) return LION_OK;
        if (status != LION_OK) return status;
    }
}

/* Rows of the batch until it is done (LION_OK), the columns are full (LION_END), or the host is asked. */
static lion_status run_batch(probe *self, lion_error *error)
{
    uint32_t pending = 0, count = lion_batch_rows(&self->batch);
    lion_status status = LION_OK;
    for (; self->at < count && status == LION_OK; self->at += status == LION_OK) {
        uint32_t row = lion_batch_row(&self->batch, self->at);
        if (!self->is_open) {
            status = open_row(self, row, error);
            if (status == LION_ABSENT) {
                status = LION_OK;
                continue;
            }
            if (status != LION_OK) break;
            self->is_open = true;
        }
        bool is_whole = self->has_table || self->is_run;
        status = is_whole ? run_whole_row(self, row, &pending) : run_cursor_row(self, row, &pending, error);
        if (status == LION_OK) self->is_open = false;
    }
    lion_columns_take(&self->columns, &self->batch, self->rows, pending);
    return status;
}

/* What a table takes at most, with keys that are all different. */
static bool has_table_room(probe *self)
{
    size_t each = KEY_BYTES, texts = sizeof(lion_value) - sizeof(int64_t);
    if (!lion_type_is_scalar((lion_type)self->key_type)) each += texts;
    if (self->out != LION_SLOT_NONE) each += sizeof(int64_t);
    if (self->out != LION_SLOT_NONE && !self->is_by_value && !lion_type_is_scalar((lion_type)self->spec.attribute->type)) each += texts;
    bool has_room = lion_run_has_room(self->operator.run, self->spec.count * each);
    if (!has_room && self->operator.advice == NULL) self->operator.advice = LION_NO_TABLE;
    return has_room;
}

static bool wants_table(probe *self)
{
    uint64_t probes = self->probes + lion_batch_rows(&self->batch) - self->at;
    lion_tables tables = lion_pattern_tables(self->operator.run);
    if (tables == LION_TABLES_NEVER) return false;
    bool is_worth_it = self->spec.count <= TABLE_COUNT_MAX && self->spec.count / TABLE_PROBES <= probes && probes > 4;
    is_worth_it = is_worth_it || tables == LION_TABLES_AT_ONCE;
    return is_worth_it && !self->has_table && !self->is_open && has_table_room(self);
}

static lion_status probe_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    probe *self = (probe *)operator;
    for (;;) {
        lion_status status = LION_OK;
        if (!self->has_batch) {
            status = lion_operator_next(operator->inputs[0], &self->batch, error);
            if (status == LION_END) break;
            if (status != LION_OK) return status;
            self->has_batch = true;
            self->at = 0;
        }
        if (self->is_building || wants_table(self)) status = build_table(self, error);
        if (status != LION_OK) return status;
        if (!lion_columns_fit(&self->columns, &self->batch)) break;
        status = run_batch(self, error);
        if (status == LION_OK) self->has_batch = false;
        if (status == LION_END) break;
        if (status != LION_OK) return status;
        if (lion_columns_free(&self->columns) == 0) break;
    }
    return lion_columns_yield(&self->columns, batch_out);
}

static lion_status probe_rewind(lion_operator *operator, lion_error *error)
{
    probe *self = (probe *)operator;
    (void)error;
    self->has_batch = self->is_open = false;
    self->columns.count = 0;
    return LION_OK;
}

static void open_run(probe *self)
{
    lion_value_run_init(&self->run, &self->spec.db->view, self->spec.attribute->id, &self->operator.run->arena);
}

/* A table is let go; the cursor's memory stays. */
static void probe_renew(lion_operator *operator)
{
    probe *self = (probe *)operator;
    self->spec.db = operator->run->sources[self->spec.source].db;
    if (self->cursor != NULL) lion_cursor_renew(self->cursor, &self->spec.db->view);
    if (self->may_run) open_run(self);
    if (self->has_table) self->runs = (runs){ 0 };
    self->has_table = self->is_building = false;
    self->probes = 0;
    operator->name = "lookup";
}

bool lion_probe_can(const lion_pattern_spec *spec)
{
    const lion_position *positions = spec->positions;
    const lion_attribute *attribute = spec->attribute;
    bool is_open = positions[TX].kind == LION_POSITION_BLANK && positions[OP].kind == LION_POSITION_BLANK;
    if (attribute == NULL || !is_open || attribute->type == LION_TYPE_MIXED) return false;
    bool has_open_e = positions[E].kind == LION_POSITION_OUT || positions[E].kind == LION_POSITION_BLANK;
    bool has_open_v = positions[V].kind == LION_POSITION_OUT || positions[V].kind == LION_POSITION_BLANK;
    bool is_by_value = positions[V].kind == LION_POSITION_BOUND && has_open_e && attribute->is_in_avet;
    return is_by_value || (positions[E].kind == LION_POSITION_BOUND && has_open_v);
}

/* One table serves all threads. */
static lion_status probe_prepare(lion_operator *operator, lion_error *error)
{
    probe *self = (probe *)operator;
    double probes = operator->inputs[0]->rows_estimated;
    bool pays = self->spec.count <= TABLE_COUNT_MAX && (double)(self->spec.count / TABLE_PROBES) <= probes && probes > 4;
    return self->has_table || !pays || !has_table_room(self) ? LION_OK : build_table(self, error);
}

static lion_operator *probe_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    const probe *from = (const probe *)operator;
    lion_pattern_spec spec = lion_pattern_spec_in(&from->spec, run);
    lion_operator *made = lion_probe_new(run, input, &spec, lion_operator_keep(operator, run));
    probe *self = (probe *)made;
    self->has_table = from->has_table;
    if (from->has_table) self->runs = from->runs;
    made->name = operator->name;
    return made;
}

lion_operator *lion_probe_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep)
{
    probe *self = LION_OPERATOR(run, probe, probe_next, "lookup");
    self->operator.rewind = probe_rewind;
    self->operator.inputs[0] = input;
    if (spec->db->view.filter_count == 0) {
        self->operator.prepare = probe_prepare;
        self->operator.copy = probe_copy;
        self->operator.renew = probe_renew;
    }
    self->spec = *spec;
    self->rows = lion_arena_array(&run->arena, uint16_t, LION_BATCH_ROWS);
    self->is_by_value = spec->positions[V].kind == LION_POSITION_BOUND;
    self->key_type = (uint8_t)(self->is_by_value ? spec->attribute->type : LION_TYPE_REF);
    self->key_slot = lion_operator_slot(input, spec->positions[self->is_by_value ? V : E].index);
    const lion_view *view = &spec->db->view;
    self->may_run = self->is_by_value && view->filter_count == 0;
    if (self->may_run) open_run(self);
    self->is_unique = self->is_by_value && lion_attribute_was_unique(spec->attribute, view->upper_t) && view->filter_count == 0 && !view->is_history;
    const lion_position *target = &spec->positions[self->is_by_value ? E : V];
    bool is_out = target->kind == LION_POSITION_OUT && keep[target->index];
    lion_columns_init(&self->columns, &self->operator, input, keep, &target->index, is_out);
    self->out = is_out ? self->columns.kept : LION_SLOT_NONE;
    return &self->operator;
}
