/* sorter.c - runs in memory and on file, merged by a heap. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* qsort_r */
#endif
#include "query/sorter.h"

#include <stdlib.h>

/* More runs on file than this are merged into one: each is read through a block in memory. */
#define FILES_MAX 12
#define CHECK_EVERY 1024

struct lion_sorted_run {
    lion_form *rows;           /* in memory; NULL: on file */
    uint32_t count, at, room;
    lion_spool spool;
    const lion_form *row;      /* the next one */
};

void lion_sorter_init(lion_sorter *sorter, lion_run *run, uint32_t stride, const lion_sort_key *orders, uint32_t order_count)
{
    *sorter = (lion_sorter){ .run = run, .stride = stride, .key = stride - order_count, .orders = orders, .order_count = order_count, .run_rows = LION_SORTER_RUN };
}

int lion_sorter_compare(const lion_sorter *sorter, const lion_form *a, const lion_form *b)
{
    for (uint32_t i = 0; i < sorter->order_count; i++) {
        const lion_form *x = &a[sorter->key + i], *y = &b[sorter->key + i];
        bool are_values = x->kind == LION_FORM_VALUE && y->kind == LION_FORM_VALUE;
        int order = are_values ? lion_value_compare(x->value, y->value) : (int)x->kind - (int)y->kind;
        if (order != 0) return sorter->orders[i].is_descending ? -order : order;
    }
    return 0;
}

static int compare_rows(const void *a, const void *b, void *context)
{
    return lion_sorter_compare(context, a, b);
}

void lion_sorter_sort(const lion_sorter *sorter, lion_form *rows, size_t count)
{
    if (count > 1) qsort_r(rows, count, sizeof(lion_form) * sorter->stride, compare_rows, (void *)(uintptr_t)sorter);
}

/* ---- runs ---- */

static size_t row_size(const lion_sorter *sorter)
{
    return sizeof(lion_form) * sorter->stride;
}

static lion_sorted_run *add_run(lion_sorter *sorter)
{
    lion_arena *arena = &sorter->run->arena;
    if (sorter->run_count == sorter->run_room) {
        uint32_t room = sorter->run_room == 0 ? 16 : sorter->run_room * 2;
        lion_sorted_run *runs = lion_arena_grow(arena, sorter->runs, sorter->run_room * sizeof(*runs), room * sizeof(*runs));
        if (runs == NULL || arena->is_exhausted) return NULL;
        sorter->runs = runs;
        sorter->run_room = room;
    }
    lion_sorted_run *run = &sorter->runs[sorter->run_count++];
    *run = (lion_sorted_run){ 0 };
    return run;
}

static void free_run(lion_sorter *sorter, lion_sorted_run *run)
{
    if (run->rows != NULL) lion_arena_give(&sorter->run->arena, run->rows);
    else lion_spool_free(&run->spool);
    run->rows = NULL;
}

/* The rows that were added become a run. */
static lion_status end_run(lion_sorter *sorter, lion_error *error)
{
    if (sorter->count == 0) return LION_OK;
    lion_sorter_sort(sorter, sorter->rows, sorter->count);
    lion_sorted_run *run = add_run(sorter);
    if (run == NULL) return lion_fail_memory(error);
    run->rows = sorter->rows;
    run->count = sorter->count;
    run->room = sorter->room;
    sorter->memory_count++;
    sorter->rows = NULL;
    sorter->count = sorter->room = 0;
    return LION_OK;
}

/* The run's next row into ->row: LION_END when it is through; its memory goes back. */
static lion_status advance(lion_sorter *sorter, lion_sorted_run *run, lion_error *error)
{
    const void *row = NULL;
    lion_status status = LION_END;
    if (run->rows == NULL) status = lion_spool_next(&row, &run->spool, error);
    else if (run->at < run->count) {
        row = run->rows + (size_t)run->at++ * sorter->stride;
        status = LION_OK;
    }
    if (status == LION_OK) run->row = row;
    if (status == LION_END) free_run(sorter, run);
    return status;
}

/* ---- merging: runs [first, run_count) ---- */

static bool is_before(const lion_sorter *sorter, uint32_t a, uint32_t b)
{
    int order = lion_sorter_compare(sorter, sorter->runs[a].row, sorter->runs[b].row);
    return order < 0 || (order == 0 && a < b);
}

static void sink(lion_sorter *sorter, uint32_t at)
{
    uint32_t *heap = sorter->heap, moved = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < sorter->heap_count; at = child) {
        if (child + 1 < sorter->heap_count && is_before(sorter, heap[child + 1], heap[child])) child++;
        if (!is_before(sorter, heap[child], moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static lion_status start_merge(lion_sorter *sorter, uint32_t first, lion_error *error)
{
    lion_arena *arena = &sorter->run->arena;
    sorter->heap = lion_arena_array(arena, uint32_t, sorter->run_count + 1);
    sorter->heap_count = 0;
    if (sorter->heap == NULL || arena->is_exhausted) return lion_fail_memory(error);
    for (uint32_t i = first; i < sorter->run_count; i++) {
        lion_sorted_run *run = &sorter->runs[i];
        lion_status status = run->rows != NULL ? LION_OK : lion_spool_read(&run->spool, true, error);
        if (status == LION_OK) status = advance(sorter, run, error);
        if (status < 0) return status;
        if (status == LION_OK) sorter->heap[sorter->heap_count++] = i;
    }
    for (uint32_t i = sorter->heap_count / 2; i > 0; i--) sink(sorter, i - 1);
    return LION_OK;
}

/* The first row leaves the heap. */
static lion_status step_merge(lion_sorter *sorter, lion_error *error)
{
    lion_status status = advance(sorter, &sorter->runs[sorter->heap[0]], error);
    if (status < 0) return status;
    if (status == LION_END) sorter->heap[0] = sorter->heap[--sorter->heap_count];
    if (sorter->heap_count > 0) sink(sorter, 0);
    return LION_OK;
}

/* Runs from `first` on become one on file. */
static lion_status merge_to_file(lion_sorter *sorter, uint32_t first, lion_error *error)
{
    lion_spool spool;
    lion_spool_init(&spool, &sorter->run->spill, (uint32_t)row_size(sorter));
    lion_status status = start_merge(sorter, first, error);
    for (uint32_t done = 0; status == LION_OK && sorter->heap_count > 0; done++) {
        if (done % CHECK_EVERY == 0) status = lion_run_check(sorter->run, error);
        if (status == LION_OK) status = lion_spool_add(&spool, sorter->runs[sorter->heap[0]].row, error);
        if (status == LION_OK) status = step_merge(sorter, error);
    }
    if (status == LION_OK) status = lion_spool_close(&spool, error);
    if (status != LION_OK) return status;
    lion_arena_release(&sorter->run->arena, sorter->heap, (sorter->run_count + 1) * sizeof(*sorter->heap));
    sorter->run_count = first;
    sorter->memory_count = 0;
    lion_sorted_run *run = add_run(sorter);
    if (run == NULL) return lion_fail_memory(error);
    run->spool = spool;
    return LION_OK;
}

static lion_status spill_runs(lion_sorter *sorter, lion_error *error)
{
    uint32_t files = sorter->run_count - sorter->memory_count;
    return merge_to_file(sorter, files >= FILES_MAX ? 0 : files, error);
}

/* ---- rows ---- */

#define RUN_MIN 64
#define SHORT_RUN_MIN 1024

static uint32_t next_room(const lion_sorter *sorter)
{
    uint32_t room = sorter->room > 0 ? sorter->room * 2 : sorter->run_count > 0 ? sorter->run_rows : RUN_MIN; /* one grows, others follow */
    return room < sorter->run_rows ? room : sorter->run_rows;
}

static bool make_room(lion_sorter *sorter)
{
    lion_arena *arena = &sorter->run->arena;
    size_t size = row_size(sorter);
    uint32_t room = next_room(sorter);
    if (sorter->count < sorter->room) return true;
    lion_form *rows = lion_arena_take(arena, room * size);
    if (rows == NULL) return false;
    if (sorter->count > 0) memcpy(rows, sorter->rows, sorter->count * size);
    lion_arena_give(arena, sorter->rows);
    sorter->rows = rows;
    sorter->room = room;
    return true;
}

/* A run that the memory has no room for is a short one, and so are those that follow. */
static bool is_run_full(lion_sorter *sorter)
{
    uint64_t rows_max = sorter->run->options.table_rows_max;
    bool grows = sorter->count == sorter->room && sorter->count >= SHORT_RUN_MIN && sorter->count < sorter->run_rows;
    if (grows && lion_run_is_tight(sorter->run, sorter->count, next_room(sorter) * row_size(sorter))) sorter->run_rows = sorter->count;
    return sorter->count == sorter->run_rows || (rows_max != 0 && sorter->count >= rows_max);
}

lion_status lion_sorter_add(lion_sorter *sorter, const lion_form *row, lion_error *error)
{
    size_t size = row_size(sorter);
    if (is_run_full(sorter)) {
        lion_status status = end_run(sorter, error);
        if (status == LION_OK && lion_run_is_tight(sorter->run, sorter->memory_count, sorter->run_rows * size)) status = spill_runs(sorter, error);
        if (status != LION_OK) return status;
    }
    if (!make_room(sorter)) return lion_fail_memory(error);
    memcpy(sorter->rows + (size_t)sorter->count++ * sorter->stride, row, size);
    return LION_OK;
}

lion_status lion_sorter_next(const lion_form **row_out, lion_sorter *sorter, lion_error *error)
{
    lion_status status = LION_OK;
    if (!sorter->is_merging) {
        status = end_run(sorter, error);
        if (status == LION_OK) status = start_merge(sorter, 0, error);
        sorter->is_merging = true;
    } else if (sorter->heap_count > 0) {
        status = step_merge(sorter, error);
    }
    if (status != LION_OK) return status;
    if (sorter->heap_count == 0) return LION_END;
    *row_out = sorter->runs[sorter->heap[0]].row;
    return LION_OK;
}
