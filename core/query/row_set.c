/* row_set.c - words, and open addressing over rows of them.
 *
 * Values are equal across types where lion_value_equal says so (2 and 2.0), so a column's words are of one mode: whole
 * while all its types are whole numbers, instants or booleans (each apart), interned once there is another. Rows that
 * are there already are then interned too. */
#include "query/row_set.h"

#include "base/hash.h"
#include "query/kernels.h"

enum { UNKNOWN, NUMBERS, INSTANTS, BOOLEANS, INTERNED };

#define RECENT_MIN 64 /* powers of two */
#define RECENT_MAX 16384
#define SHORT 16       /* bytes that fit in two words */
#define TEXT_MAX (UINT32_C(1) << 24) /* longer ones are always looked for */

/* A text that was interned, by where it lies. */
struct lion_interned {
    uint64_t place;
    uint32_t head;   /* its size and type; 0: nothing */
    uint32_t number;
};

/* A short one, by its bytes. */
struct lion_interned_short {
    uint64_t words[2];
    uint32_t head, number;
};

/* A column's words by the codes of the dictionary that it had last; by 0, which is no code, always UNKNOWN_WORD. */
struct lion_coded {
    uint64_t stamp;  /* the dictionary's; 0: there is none */
    uint32_t *words; /* UNKNOWN_WORD: not interned yet */
    uint32_t room;
};

#define UNKNOWN_WORD UINT32_MAX

void lion_row_set_init(lion_row_set *set, lion_arena *arena, uint32_t width)
{
    *set = (lion_row_set){ .arena = arena, .width = width };
    set->modes = lion_arena_zalloc(arena, width + 1);
    lion_relation_init(&set->interned, arena, 1);
}

static void forget_recent(lion_row_set *set)
{
    for (uint32_t i = 0; set->coded != NULL && i < set->width; i++) set->coded[i].stamp = 0;
    if (set->recent_count == 0) return;
    memset(set->recent, 0, sizeof(*set->recent) * set->recent_count);
    memset(set->recent_short, 0, sizeof(*set->recent_short) * set->recent_count);
}

void lion_row_set_clear(lion_row_set *set)
{
    if (set->count == 0) return; /* it is clear */
    set->count = 0;
    if (set->is_interned && set->width == 1) { /* its values are its rows */
        lion_relation_clear(&set->interned);
        forget_recent(set);
    }
    if (set->slot_count > 0) memset(set->slots, 0, set->slot_count * sizeof(*set->slots));
}

void lion_row_set_reset(lion_row_set *set)
{
    lion_row_set_clear(set);
    lion_relation_clear(&set->interned);
    forget_recent(set);
    memset(set->modes, UNKNOWN, set->width);
    set->is_interned = set->is_frozen = false;
}

static void release_slots(lion_row_set *set)
{
    lion_arena_release(set->arena, set->slots, set->slot_count * sizeof(*set->slots));
    set->slots = NULL;
    set->slot_count = 0;
}

static void release_words(lion_row_set *set)
{
    lion_arena_release(set->arena, set->words, set->room * set->width * sizeof(*set->words));
    set->words = NULL;
    set->room = 0;
}

static void release_recent(lion_row_set *set)
{
    lion_arena_release(set->arena, set->recent, set->recent_count * sizeof(*set->recent));
    lion_arena_release(set->arena, set->recent_short, set->recent_count * sizeof(*set->recent_short));
    set->recent = NULL;
    set->recent_short = NULL;
    set->recent_count = 0;
}

/* Of the batch at hand. */
static void release_batch(lion_row_set *set)
{
    lion_arena_release(set->arena, set->batch_words, ((size_t)set->batch_room * set->width + 1) * sizeof(*set->batch_words));
    lion_arena_release(set->arena, set->batch_hashes, set->batch_room * sizeof(*set->batch_hashes));
    set->batch_words = NULL;
    set->batch_hashes = NULL;
    set->batch_room = 0;
}

void lion_row_set_forget(lion_row_set *set)
{
    if (lion_arena_is_large(set->slot_count * sizeof(*set->slots))) release_slots(set);
    if (lion_arena_is_large(set->room * set->width * sizeof(*set->words))) release_words(set);
    if (lion_arena_is_large(set->recent_count * sizeof(*set->recent))) release_recent(set);
    lion_relation_forget(&set->interned);
    lion_row_set_reset(set);
}

void lion_row_set_release(lion_row_set *set)
{
    release_slots(set);
    release_words(set);
    release_recent(set);
    release_batch(set);
    lion_relation_release(&set->interned);
    lion_row_set_reset(set);
}

static uint8_t mode_of(uint8_t type)
{
    switch (type) {
    case LION_TYPE_LONG:
    case LION_TYPE_REF:
    case LION_TYPE_ATTRIBUTE: return NUMBERS;
    case LION_TYPE_INSTANT: return INSTANTS;
    case LION_TYPE_BOOLEAN: return BOOLEANS;
    default: return INTERNED;
    }
}

/* ---- interning ---- */

#define NO_WORD UINT64_MAX /* of a value that no row has */

static lion_status intern(lion_row_set *set, const lion_value *value, uint64_t *word_out, lion_error *error)
{
    size_t number = 0;
    if (set->is_frozen) {
        *word_out = lion_relation_has(&set->interned, value, &number) ? number : NO_WORD;
        return LION_OK;
    }
    size_t count = set->interned.count;
    if (!lion_relation_number(&set->interned, value, &number)) return lion_fail_memory(error);
    set->missed += set->interned.count == count;
    *word_out = number;
    return LION_OK;
}

/* The bytes of a short text; different ones of one size have different words. */
static inline void read_short(const uint8_t *data, uint32_t size, uint64_t *words)
{
    words[1] = 0;
    if (size >= 8) {
        memcpy(&words[0], data, 8);
        memcpy(&words[1], data + size - 8, 8);
    } else if (size >= 4) {
        uint32_t first, last;
        memcpy(&first, data, 4);
        memcpy(&last, data + size - 4, 4);
        words[0] = first | (uint64_t)last << 32;
    } else {
        words[0] = size == 0 ? 0 : data[0] | (uint64_t)data[size / 2] << 8 | (uint64_t)data[size - 1] << 16;
    }
}

#define PLACE_FACTOR UINT64_C(0x9e3779b97f4a7c15)
#define SHORT_FACTOR UINT64_C(0xd1342543de82ef95)

static inline uint32_t head_of(const lion_value *value)
{
    return value->size << 8 | value->type;
}

/* Short texts that lie elsewhere each time (novelty has every one by itself) are found without a hash of all bytes. */
static lion_status intern_bytes(lion_row_set *set, const lion_value *value, uint64_t *word_out, lion_error *error)
{
    uint64_t words[2];
    if (value->size > SHORT) return intern(set, value, word_out, error);
    read_short(value->data, value->size, words);
    uint64_t hash = (words[0] ^ (words[1] + value->size) * SHORT_FACTOR) * PLACE_FACTOR;
    struct lion_interned_short *entry = &set->recent_short[hash >> 40 & (set->recent_count - 1)];
    if (entry->words[0] == words[0] && entry->words[1] == words[1] && entry->head == head_of(value)) {
        *word_out = entry->number;
        return LION_OK;
    }
    lion_status status = intern(set, value, word_out, error);
    if (status == LION_OK && *word_out < UINT32_MAX)
        *entry = (struct lion_interned_short){ .words = { words[0], words[1] }, .head = head_of(value), .number = (uint32_t)*word_out };
    return status;
}

/* The same bytes at the same place are the same value. */
static inline lion_status intern_text(lion_row_set *set, const lion_value *value, uint64_t *word_out, lion_error *error)
{
    uint64_t place = (uintptr_t)value->data;
    struct lion_interned *entry = &set->recent[place * PLACE_FACTOR >> 40 & (set->recent_count - 1)];
    if (value->size >= TEXT_MAX) return intern(set, value, word_out, error);
    if (entry->place == place && entry->head == head_of(value)) { /* no head is 0 */
        *word_out = entry->number;
        return LION_OK;
    }
    lion_status status = intern_bytes(set, value, word_out, error);
    bool is_kept = entry->head == 0 || value->size > SHORT; /* what is short is found without, and may lie there but once */
    if (status == LION_OK && is_kept && *word_out < UINT32_MAX)
        *entry = (struct lion_interned){ .place = place, .head = head_of(value), .number = (uint32_t)*word_out };
    return status;
}

/* How many texts of so many are to be found fast. */
static uint32_t recent_wanted(size_t texts)
{
    uint32_t wanted = RECENT_MIN;
    while (wanted < RECENT_MAX && wanted < texts) wanted *= 2;
    return wanted;
}

/* As large as there are texts, within bounds, where they come again and were not found: half for places, half for short texts. */
static lion_status make_recent(lion_row_set *set, lion_error *error)
{
    uint32_t wanted = recent_wanted(set->interned.count), before = set->recent_count;
    if (before != 0 && (wanted <= before || set->missed < before)) return LION_OK;
    release_recent(set);
    set->recent = lion_arena_zalloc(set->arena, sizeof(*set->recent) * wanted);
    set->recent_short = lion_arena_zalloc(set->arena, sizeof(*set->recent_short) * wanted);
    bool is_there = set->recent != NULL && set->recent_short != NULL && !set->arena->is_exhausted;
    set->recent_count = is_there ? wanted : 0;
    set->missed = 0;
    return is_there ? LION_OK : lion_fail_memory(error);
}

/* ---- slots ---- */

/* Of one word as lion_kernel_hash. */
static uint32_t hash_words(const uint64_t *words, uint32_t width)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < width; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

static void place_all(lion_row_set *set)
{
    memset(set->slots, 0, set->slot_count * sizeof(*set->slots));
    for (size_t row = 0; row < set->count; row++) {
        size_t at = hash_words(set->words + row * set->width, set->width) & (set->slot_count - 1);
        while (set->slots[at] != 0) at = (at + 1) & (set->slot_count - 1);
        set->slots[at] = (uint32_t)row + 1;
    }
}

#define ROOM_MIN 64
#define ROOM_DOUBLED 1024 /* more grow by half, so that less of it lies idle */

static void room_for(const lion_row_set *set, size_t more, size_t *room_out, size_t *slots_out)
{
    size_t room = set->room == 0 ? ROOM_MIN : set->room, slots = set->slot_count == 0 ? ROOM_MIN * 2 : set->slot_count;
    while (room < set->count + more) room += room < ROOM_DOUBLED ? room : room / 2;
    while (slots < (set->count + more) * 2) slots *= 2;
    *room_out = room;
    *slots_out = slots;
}

size_t lion_row_set_growth(const lion_row_set *set, uint32_t more)
{
    size_t room, slots, bytes = lion_relation_growth(&set->interned, more, true);
    if (set->width == 1 && set->is_interned) return bytes;
    room_for(set, more, &room, &slots);
    if (set->interned.count == 0) bytes = 0;
    if (slots != set->slot_count) bytes += slots * sizeof(uint32_t);
    return bytes + (room - set->room) * sizeof(uint64_t) * set->width;
}

/* Room for `more` rows. */
static bool grow(lion_row_set *set, size_t more)
{
    size_t room, slots;
    if (set->count + more >= LION_RELATION_ROWS_MAX) return false;
    room_for(set, more, &room, &slots);
    if (room > set->room) {
        size_t size = sizeof(uint64_t) * set->width;
        set->words = lion_arena_grow(set->arena, set->words, set->room * size, room * size);
        if (set->words == NULL || set->arena->is_exhausted) return false;
        set->room = room;
    }
    if (slots == set->slot_count) return true;
    release_slots(set);
    set->slots = lion_arena_array(set->arena, uint32_t, slots);
    if (set->slots == NULL || set->arena->is_exhausted) return false;
    set->slot_count = slots;
    place_all(set);
    return true;
}

/* ---- columns ---- */

/* Rows of a batch: so many from the first one on, or those of the selection. */
typedef struct part {
    uint32_t first, count;
    const uint16_t *selection;
} part;

static inline uint32_t row_of(const part *rows, uint32_t i)
{
    return rows->selection != NULL ? rows->selection[i] : rows->first + i;
}

/* The column's words so far become those of interned values. */
static lion_status intern_column(lion_row_set *set, uint32_t column, lion_error *error)
{
    static const lion_type TYPES[] = { [NUMBERS] = LION_TYPE_LONG, [INSTANTS] = LION_TYPE_INSTANT, [BOOLEANS] = LION_TYPE_BOOLEAN };
    uint8_t mode = set->modes[column];
    bool is_frozen = set->is_frozen;
    set->modes[column] = INTERNED;
    set->is_frozen = false; /* no row is added */
    if (mode == UNKNOWN || mode == INTERNED || set->count == 0) {
        set->is_frozen = is_frozen;
        return LION_OK;
    }
    for (size_t row = 0; row < set->count; row++) {
        uint64_t *words = set->words + row * set->width;
        lion_value value = lion_value_scalar(TYPES[mode], (int64_t)words[column]);
        if (intern(set, &value, &words[column], error) != LION_OK) return LION_FAILED;
    }
    if (set->slot_count > 0) place_all(set);
    set->is_frozen = is_frozen;
    return LION_OK;
}

static lion_status intern_value(lion_row_set *set, const lion_value *value, uint64_t *word_out, lion_error *error)
{
    if (lion_type_is_scalar((lion_type)value->type)) return intern(set, value, word_out, error);
    if (set->recent_count == 0 && make_recent(set, error) != LION_OK) return LION_FAILED;
    return intern_text(set, value, word_out, error);
}

/* What one value has the others of a constant have. */
static lion_status intern_constant(lion_row_set *set, uint32_t column, const lion_vector *vector, uint32_t rows, lion_error *error)
{
    uint64_t word = 0;
    lion_value value = lion_vector_get(vector, 0);
    lion_status status = intern_value(set, &value, &word, error);
    for (uint32_t i = 0; i < rows; i++) set->batch_words[(size_t)i * set->width + column] = word;
    return status;
}

/* The column's words by the dictionary's codes. NULL: there is no memory. */
static uint32_t *words_of(lion_row_set *set, uint32_t column, const lion_dictionary *dictionary)
{
    uint32_t wanted = dictionary->count + 1;
    if (set->coded == NULL) set->coded = lion_arena_zalloc(set->arena, sizeof(*set->coded) * set->width);
    if (set->coded == NULL || set->arena->is_exhausted) return NULL;
    struct lion_coded *coded = &set->coded[column];
    if (coded->stamp == dictionary->stamp) return coded->words;
    coded->stamp = 0;
    if (coded->room < wanted) {
        lion_arena_release(set->arena, coded->words, sizeof(*coded->words) * coded->room);
        coded->room = coded->room * 2 < wanted ? wanted : coded->room * 2;
        coded->words = lion_arena_array(set->arena, uint32_t, coded->room);
    }
    if (coded->words == NULL || set->arena->is_exhausted) return NULL;
    memset(coded->words, 0xff, sizeof(*coded->words) * wanted); /* UNKNOWN_WORD */
    coded->stamp = dictionary->stamp;
    return coded->words;
}

/* A value is interned where a row has it first: the dictionary has others, too. So it is looked for once, at length; what has no code is
 * each time. */
static inline lion_status intern_codes(lion_row_set *set, uint32_t column, const lion_value *values, const uint16_t *selection, uint32_t rows,
                                       uint32_t *known, lion_error *error)
{
    uint64_t *words = set->batch_words + column;
    size_t width = set->width;
    for (uint32_t i = 0; i < rows; i++, words += width) {
        const lion_value *value = &values[selection != NULL ? selection[i] : i];
        *words = known[value->code];
        if (*words != UNKNOWN_WORD) continue;
        lion_status status = value->code != 0 ? intern(set, value, words, error) : intern_value(set, value, words, error);
        if (status != LION_OK) return LION_FAILED;
        if (value->code != 0 && *words < UNKNOWN_WORD) known[value->code] = (uint32_t)*words;
    }
    return LION_OK;
}

static lion_status intern_coded(lion_row_set *set, uint32_t column, const part *rows, const lion_vector *vector, lion_error *error)
{
    uint32_t *known = words_of(set, column, vector->dictionary);
    if (known == NULL) return lion_fail_memory(error);
    if (rows->selection == NULL) return intern_codes(set, column, vector->values + rows->first, NULL, rows->count, known, error);
    return intern_codes(set, column, vector->values, rows->selection, rows->count, known, error);
}

static lion_status intern_texts(lion_row_set *set, uint32_t column, const part *rows, const lion_vector *vector, lion_error *error)
{
    uint64_t *words = set->batch_words + column;
    lion_status status = make_recent(set, error);
    if (rows->selection == NULL)
        for (uint32_t i = 0; status == LION_OK && i < rows->count; i++)
            status = intern_text(set, &vector->values[rows->first + i], &words[(size_t)i * set->width], error);
    else
        for (uint32_t i = 0; status == LION_OK && i < rows->count; i++)
            status = intern_text(set, &vector->values[rows->selection[i]], &words[(size_t)i * set->width], error);
    return status;
}

static lion_status intern_part(lion_row_set *set, uint32_t column, const part *rows, const lion_vector *vector, lion_error *error)
{
    bool is_text = vector->type != LION_TYPE_MIXED && !lion_type_is_scalar((lion_type)vector->type);
    if (vector->is_constant) return intern_constant(set, column, vector, rows->count, error);
    if (vector->dictionary != NULL) return intern_coded(set, column, rows, vector, error);
    if (is_text) return intern_texts(set, column, rows, vector, error);
    for (uint32_t i = 0; i < rows->count; i++) {
        lion_value value = lion_vector_get(vector, row_of(rows, i));
        if (intern_value(set, &value, &set->batch_words[(size_t)i * set->width + column], error) != LION_OK) return LION_FAILED;
    }
    return LION_OK;
}

static lion_status read_column(lion_row_set *set, uint32_t column, const part *rows, const lion_vector *vector, lion_error *error)
{
    uint8_t mode = mode_of(vector->type);
    if (set->modes[column] == UNKNOWN) {
        set->modes[column] = mode;
        set->is_interned = mode == INTERNED;
    }
    if (set->modes[column] != mode && intern_column(set, column, error) != LION_OK) return LION_FAILED;
    if (set->modes[column] == INTERNED) return intern_part(set, column, rows, vector, error);
    size_t step = vector->is_constant ? 0 : 1;
    uint64_t *words = set->batch_words + column;
    for (uint32_t i = 0; i < rows->count; i++) words[(size_t)i * set->width] = (uint64_t)vector->bits[row_of(rows, i) * step];
    return LION_OK;
}

/* ---- rows ---- */

static inline bool is_same_row(const uint64_t *a, const uint64_t *b, uint32_t width)
{
    for (uint32_t i = 0; i < width; i++)
        if (a[i] != b[i]) return false;
    return true;
}

static inline uint32_t add_row(lion_row_set *set, const uint64_t *words, uint32_t hash)
{
    size_t at = hash & (set->slot_count - 1);
    for (; set->slots[at] != 0; at = (at + 1) & (set->slot_count - 1)) {
        uint32_t row = set->slots[at] - 1;
        if (is_same_row(set->words + (size_t)row * set->width, words, set->width)) return row;
    }
    if (set->is_frozen) return LION_ROW_NONE;
    uint32_t row = (uint32_t)set->count++;
    set->slots[at] = row + 1;
    for (uint32_t i = 0; i < set->width; i++) set->words[(size_t)row * set->width + i] = words[i];
    return row;
}

#define AHEAD 8
#define PART_ROWS 256 /* at a time: their words are few, and near */

/* Room for the words of so many rows. */
static bool make_batch(lion_row_set *set, uint32_t rows)
{
    uint32_t room = set->batch_room == 0 ? 16 : set->batch_room;
    if (set->batch_room >= rows && set->batch_words != NULL) return true;
    while (room < rows) room *= 2;
    release_batch(set);
    set->batch_words = lion_arena_array(set->arena, uint64_t, (size_t)room * set->width + 1);
    set->batch_hashes = lion_arena_array(set->arena, uint32_t, room);
    set->batch_room = room;
    return set->batch_words != NULL && set->batch_hashes != NULL && !set->arena->is_exhausted;
}

static lion_status add_part(lion_row_set *set, const lion_batch *batch, const part *at, const uint32_t *slots, uint32_t *numbers_out, lion_error *error)
{
    uint32_t rows = at->count;
    for (uint32_t i = 0; i < set->width; i++)
        if (read_column(set, i, at, &batch->columns[slots[i]], error) != LION_OK) return LION_FAILED;
    if (set->width == 1 && set->modes[0] == INTERNED && set->is_interned) { /* the word is the number */
        for (uint32_t i = 0; i < rows; i++) numbers_out[i] = (uint32_t)set->batch_words[i];
        set->count = set->interned.count;
        return LION_OK;
    }
    if (!set->is_frozen && !grow(set, rows)) return lion_fail_memory(error);
    if (set->width == 1) lion_kernel_hash(set->batch_hashes, set->batch_words, rows);
    for (uint32_t i = 0; i < rows && set->width != 1; i++) set->batch_hashes[i] = hash_words(set->batch_words + (size_t)i * set->width, set->width);
    for (uint32_t i = 0; i < rows; i++) {
        if (i + AHEAD < rows) __builtin_prefetch(&set->slots[set->batch_hashes[i + AHEAD] & (set->slot_count - 1)]);
        numbers_out[i] = add_row(set, set->batch_words + (size_t)i * set->width, set->batch_hashes[i]);
    }
    return LION_OK;
}

lion_status lion_row_set_add(lion_row_set *set, const lion_batch *batch, const uint32_t *slots, uint32_t *numbers_out, lion_error *error)
{
    uint32_t rows = lion_batch_rows(batch), most = rows < PART_ROWS ? rows : PART_ROWS;
    lion_status status = make_batch(set, most) ? LION_OK : lion_fail_memory(error);
    for (uint32_t first = 0; status == LION_OK && first < rows; first += most) {
        part at = { .first = first, .count = rows - first < most ? rows - first : most };
        if (batch->selection != NULL) at.selection = batch->selection + first;
        status = add_part(set, batch, &at, slots, numbers_out + first, error);
    }
    return status;
}
