/* op_runtime_filter.c - rows that a hash join above would find nothing for go where they come from. */
#include "query/key_set.h"
#include "query/operators.h"
#include "query/overflow.h"
#include "query/runtime_filter.h"

/* After so many rows a filter that leaves more than three quarters of them gives way. */
#define TRIAL_ROWS 8192
/* Bits of a Bloom filter for each key: with four set for each, one row in some 400 goes through by chance. */
#define BITS_PER_KEY 16

struct lion_runtime_filter {
    lion_key_set keys;         /* a bitmap, or not used */
    uint64_t *words;           /* the Bloom filter's, a power of two of them; NULL: the bitmap it is */
    uint32_t shift;            /* 64 - log2 of their number */
    bool is_ready;             /* atomic: filled */
    lion_operator *operator;   /* that tells of it */
};

typedef struct sifting {
    lion_operator operator;
    lion_runtime_filter *filter;
    uint32_t slot;
    uint64_t seen, left;
    bool is_off;
    uint16_t *selection;       /* LION_BATCH_ROWS */
} sifting;

/* ---- the Bloom filter: a key's bits are all in one word ---- */

static uint64_t *word_of(const lion_runtime_filter *filter, lion_value value, uint64_t *bits_out)
{
    uint64_t hash = lion_values_hash(&value, 1) * UINT64_C(0x9e3779b97f4a7c15);
    *bits_out = UINT64_C(1) << (hash & 63) | UINT64_C(1) << (hash >> 6 & 63) | UINT64_C(1) << (hash >> 12 & 63) | UINT64_C(1) << (hash >> 18 & 63);
    return &filter->words[filter->shift == 64 ? 0 : hash >> filter->shift];
}

static lion_status fill_words(lion_runtime_filter *filter, const lion_relation *rows, uint32_t column, lion_error *error)
{
    lion_run *run = filter->operator->run;
    uint64_t count = 1;
    filter->shift = 64;
    for (; count * 64 < rows->count * BITS_PER_KEY; count *= 2) filter->shift--;
    if (!lion_run_has_room(run, count * 8)) return LION_ABSENT;
    filter->words = lion_arena_zalloc(&run->arena, count * 8);
    if (run->arena.is_exhausted) return lion_fail_memory(error);
    for (size_t i = 0; i < rows->count; i++) {
        uint64_t bits, *word = word_of(filter, lion_relation_row(rows, i)[column], &bits);
        *word |= bits;
        if (i % LION_BATCH_ROWS == 0 && lion_run_check(run, error) != LION_OK) return LION_FAILED;
    }
    return LION_OK;
}

/* ---- the bitmap ---- */

/* Up to a batch of the rows' keys from there on; false: they are not all of the type. */
static bool read_keys(lion_batch *batch, lion_type type, const lion_relation *rows, size_t from, uint32_t column)
{
    for (batch->count = 0; batch->count < LION_BATCH_ROWS && from + batch->count < rows->count; batch->count++) {
        lion_value value = lion_relation_row(rows, from + batch->count)[column];
        if (value.type != type) return false;
        batch->columns[0].bits[batch->count] = value.bits;
    }
    return true;
}

/* LION_ABSENT: the keys are no bitmap. */
static lion_status fill_bitmap(lion_runtime_filter *filter, const lion_relation *rows, uint32_t column, lion_error *error)
{
    lion_run *run = filter->operator->run;
    int64_t bits[LION_BATCH_ROWS];
    lion_type type = rows->count == 0 ? LION_TYPE_REF : (lion_type)lion_relation_row(rows, 0)[column].type;
    lion_vector vector = { .type = (uint8_t)type, .bits = bits };
    lion_batch batch = { .width = 1, .columns = &vector };
    uint32_t slot = 0;
    lion_status status = type == LION_TYPE_REF || type == LION_TYPE_LONG ? LION_OK : LION_ABSENT;
    for (size_t from = 0; status == LION_OK && from < rows->count; from += LION_BATCH_ROWS) {
        if (!read_keys(&batch, type, rows, from, column)) return LION_ABSENT;
        if (!lion_run_has_room(run, lion_key_set_growth(&filter->keys, batch.count))) return LION_ABSENT;
        status = lion_key_set_add(&filter->keys, &batch, &slot, error);
        if (status == LION_OK && filter->keys.is_rows) status = LION_ABSENT;
        if (status == LION_OK) status = lion_run_check(run, error);
    }
    return status;
}

lion_status lion_runtime_filter_fill(lion_runtime_filter *filter, const lion_relation *rows, uint32_t column, lion_error *error)
{
    lion_status status = fill_bitmap(filter, rows, column, error);
    if (status == LION_ABSENT) {
        lion_key_set_clear(&filter->keys);
        status = fill_words(filter, rows, column, error);
    }
    if (status == LION_ABSENT) return LION_OK; /* there is no room */
    if (status != LION_OK) return status;
    filter->operator->index = filter->words == NULL ? "bitmap" : "bloom";
    __atomic_store_n(&filter->is_ready, true, __ATOMIC_RELEASE);
    return LION_OK;
}

/* ---- the operator ---- */

static uint32_t select_rows(const sifting *self, const lion_batch *batch)
{
    const lion_runtime_filter *filter = self->filter;
    uint32_t count = 0;
    if (filter->words == NULL) return lion_key_set_select(&filter->keys, batch, &self->slot, true, self->selection);
    for (uint32_t k = 0; k < lion_batch_rows(batch); k++) {
        uint32_t row = lion_batch_row(batch, k);
        uint64_t bits, word = *word_of(filter, lion_batch_get(batch, self->slot, row), &bits);
        self->selection[count] = (uint16_t)row;
        count += (word & bits) == bits;
    }
    return count;
}

static lion_status sifting_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    sifting *self = (sifting *)operator;
    for (;;) {
        lion_status status = lion_operator_next(operator->inputs[0], batch_out, error);
        bool is_to_pass = self->is_off || !__atomic_load_n(&self->filter->is_ready, __ATOMIC_ACQUIRE);
        if (status != LION_OK || is_to_pass) return status;
        uint32_t rows = lion_batch_rows(batch_out), count = select_rows(self, batch_out);
        self->seen += rows;
        self->left += count;
        self->is_off = self->seen >= TRIAL_ROWS && self->left * 4 > self->seen * 3 && operator->run->dice == 0;
        if (count == rows) return LION_OK;
        if (count == 0) continue;
        batch_out->selection = self->selection;
        batch_out->selected = count;
        return LION_OK;
    }
}

static lion_operator *sifting_new(lion_run *run, lion_operator *input, lion_runtime_filter *filter, uint32_t slot);

static lion_operator *sifting_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    const sifting *from = (const sifting *)operator;
    return sifting_new(run, input, from->filter, from->slot);
}

static lion_operator *sifting_new(lion_run *run, lion_operator *input, lion_runtime_filter *filter, uint32_t slot)
{
    sifting *self = LION_OPERATOR(run, sifting, sifting_next, "runtime-filter");
    self->operator.copy = sifting_copy;
    self->operator.inputs[0] = input;
    self->operator.vars = input->vars;
    self->operator.width = input->width;
    self->operator.rows_estimated = input->rows_estimated;
    self->operator.is_distinct = input->is_distinct;
    self->operator.keeps_order = true;
    self->operator.ascending = input->ascending;
    self->operator.is_set = true;
    self->operator.is_unplanned = true;
    self->filter = filter;
    self->slot = slot;
    self->selection = lion_arena_array(&run->arena, uint16_t, LION_BATCH_ROWS);
    return &self->operator;
}

lion_operator **lion_runtime_filter_place(lion_operator **left, uint32_t var)
{
    lion_operator **place = left;
    while (strcmp((*place)->name, "checkpoint") != 0) {
        lion_operator *input = (*place)->inputs[0];
        if (input == NULL || lion_operator_slot(input, var) == LION_SLOT_NONE) break;
        place = &(*place)->inputs[0];
    }
    return place;
}

lion_runtime_filter *lion_runtime_filter_new(lion_run *run, lion_operator **place, uint32_t var)
{
    lion_runtime_filter *filter = lion_arena_new(&run->arena, lion_runtime_filter);
    lion_key_set_init(&filter->keys, &run->arena, 1);
    lion_operator *input = *place;
    *place = filter->operator = sifting_new(run, input, filter, lion_operator_slot(input, var));
    if (var < run->ir->var_count) filter->operator->detail = lion_arena_text(&run->arena, run->ir->var_names[var]);
    return filter;
}
