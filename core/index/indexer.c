/* indexer.c - novelty into trees.
 *
 * Novelty is walked fact by fact in each tree's order. The assertions and retractions of a fact
 * alternate, so its oldest novelty datom tells whether the current tree holds it: a retraction
 * means it does (and that row must be found, to move to history with its transaction), an assertion
 * that it does not. The newest one stays current if it is an assertion; all the others are history.
 */
#include "index/indexer.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "index/log_tree.h"
#include "index/stub.h"

typedef struct changes {
    lion_change *items; /* heap */
    size_t count, capacity;
} changes;

typedef struct indexing {
    const lion_index_job *job;
    lion_commit *commit;
    lion_snapshot *snapshot;
    lion_root root;           /* being made */
    changes current, history; /* of the tree at hand, reused */
    lion_arena arena;         /* of the tree at hand, reset */
} indexing;

static lion_status push(changes *list, const lion_datom *datom, bool is_removal, lion_error *error)
{
    if (list->count == list->capacity) {
        size_t grown = list->capacity == 0 ? 1024 : list->capacity * 2;
        lion_change *items = lion_realloc(list->items, grown * sizeof *items);
        if (items == NULL) return lion_fail_memory(error);
        list->items = items;
        list->capacity = grown;
    }
    list->items[list->count++] = (lion_change){ .datom = *datom, .is_removal = is_removal };
    return LION_OK;
}

/* ---- one fact ---- */

typedef struct fact_datoms {
    lion_datom *datoms; /* newest first */
    size_t count, capacity;
} fact_datoms;

static lion_status push_fact(fact_datoms *list, const lion_datom *datom, lion_error *error)
{
    if (list->count == list->capacity) {
        size_t grown = list->capacity == 0 ? 16 : list->capacity * 2;
        lion_datom *datoms = lion_realloc(list->datoms, grown * sizeof *datoms);
        if (datoms == NULL) return lion_fail_memory(error);
        list->datoms = datoms;
        list->capacity = grown;
    }
    list->datoms[list->count++] = *datom;
    return LION_OK;
}

/* The row of the current tree that the oldest novelty datom retracts. */
static lion_status find_current(lion_datom *row_out, lion_tree_iterator *tree,
                                const lion_datom *retraction, lion_error *error)
{
    lion_key key = { .datom = *retraction, .parts = 3 };
    lion_status status = lion_tree_iterator_seek(tree, &key, false, error);
    lion_datom_batch batch;
    if (status == LION_OK) status = lion_tree_iterator_next(tree, &batch, 1, error);
    if (status < 0) return status;
    if (status == LION_OK) {
        *row_out =
            *retraction; /* the same fact: the retraction's value outlives the iterator's batch */
        row_out->tx = batch.tx[0];
        row_out->added = true;
        bool is_same = batch.e[0] == retraction->e &&
                       lion_value_compare(lion_vector_get(&batch.v, 0), retraction->v) == 0;
        if (is_same) return LION_OK;
    }
    return lion_fail_corrupt(
        error, "novelty retracts a fact of entity %lld, attribute %u, that the trees do not hold",
        (long long)retraction->e, retraction->a);
}

/* Must a datom that was superseded in transaction tx go to history? */
static bool is_kept(const indexing *run, bool keeps_history, int64_t tx)
{
    return keeps_history || lion_tx_to_t(tx) > run->job->keep_t;
}

/* A retraction supersedes the assertion before it: both are past, or both are forgotten. */
static lion_status split_fact(indexing *run, const fact_datoms *of, lion_tree_iterator *tree,
                              bool keeps_history, lion_error *error)
{
    const lion_datom *newest = &of->datoms[0], *oldest = &of->datoms[of->count - 1];
    lion_status status = LION_OK;
    if (newest->added) status = push(&run->current, newest, false, error);
    for (size_t i = newest->added ? 1 : 0; status == LION_OK && i < of->count; i++) {
        const lion_datom *retraction = &of->datoms[of->datoms[i].added ? i - 1 : i];
        if (is_kept(run, keeps_history, retraction->tx))
            status = push(&run->history, &of->datoms[i], false, error);
    }
    if (status < 0 || oldest->added) return status;
    lion_datom row;
    if (tree == NULL)
        return lion_fail_corrupt(error, "novelty retracts a fact of an empty tree (attribute %u)",
                                 oldest->a);
    status = find_current(&row, tree, oldest, error);
    if (status == LION_OK) status = push(&run->current, &row, true, error);
    if (status == LION_OK && is_kept(run, keeps_history, oldest->tx))
        status = push(&run->history, &row, false, error);
    return status;
}

/* ---- one tree ---- */

static const lion_indexed_attribute *describe(const lion_index_job *job, uint32_t a)
{
    uint32_t low = 0, high = job->attribute_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (job->attributes[middle].a < a)
            low = middle + 1;
        else
            high = middle;
    }
    return low < job->attribute_count && job->attributes[low].a == a ? &job->attributes[low] : NULL;
}

static bool keeps_history(const indexing *run, uint32_t a)
{
    const lion_indexed_attribute *attribute = describe(run->job, a);
    return attribute == NULL || !attribute->no_history;
}

/* The next datom that the trees do not cover yet. */
static bool next_datom(const indexing *run, lion_novelty_iterator *novelty, lion_datom *datom_out)
{
    int64_t covered = lion_t_to_tx(run->job->root->t);
    do {
        if (!lion_novelty_iterator_next(novelty, datom_out)) return false;
    } while (datom_out->tx <= covered);
    return true;
}

/* Novelty's datoms of one order as changes of its current and history trees. */
static lion_status split(indexing *run, const lion_tree *current, lion_index order, uint32_t a,
                         lion_error *error)
{
    run->current.count = run->history.count = 0;
    lion_arena_reset(&run->arena);
    lion_tree_iterator tree;
    bool has_tree = current->count > 0;
    if (has_tree) {
        lion_status status = lion_tree_iterator_init(&tree, current, run->snapshot, LION_COLUMN_ALL,
                                                     false, &run->arena, error);
        if (status < 0) return status;
    }
    lion_novelty_iterator novelty;
    lion_novelty_iterator_init(&novelty, &run->job->version, order, a, false);
    lion_key start = { .datom = { .a = a }, .parts = order == LION_EAVT ? 0 : 1 };
    lion_novelty_iterator_seek(&novelty, &start, false);
    fact_datoms fact = { 0 };
    lion_datom datom;
    lion_status status = LION_OK;
    bool is_there = next_datom(run, &novelty, &datom);
    while (status == LION_OK && is_there) {
        fact.count = 0;
        do {
            status = push_fact(&fact, &datom, error);
            is_there = next_datom(run, &novelty, &datom);
        } while (status == LION_OK && is_there &&
                 lion_datom_compare_fact(order, &datom, &fact.datoms[0]) == 0);
        if (status == LION_OK)
            status = split_fact(run, &fact, has_tree ? &tree : NULL,
                                keeps_history(run, fact.datoms[0].a), error);
    }
    lion_free(fact.datoms);
    return status;
}

static lion_status update(indexing *run, lion_tree *tree, const changes *list,
                          uint64_t *distinct_out, lion_error *error)
{
    if (list->count == 0) return LION_OK;
    lion_tree made = *tree;
    lion_tree_statistics statistics = { 0 };
    lion_status status = lion_tree_update(&made, &statistics, tree, run->snapshot, run->commit,
                                          list->items, list->count, &run->job->options, error);
    if (status < 0) return status;
    *tree = made;
    if (distinct_out != NULL) *distinct_out = statistics.distinct_lead;
    return LION_OK;
}

static lion_status index_family(indexing *run, lion_tree *current, lion_tree *history,
                                lion_index order, uint32_t a, uint64_t *distinct_out,
                                lion_error *error)
{
    if (run->job->is_cancelled != NULL && *run->job->is_cancelled)
        return lion_fail(error, LION_INTERRUPTED, "lion/cancelled", "the index job was cancelled");
    lion_status status = split(run, current, order, a, error);
    if (status == LION_OK) status = update(run, current, &run->current, distinct_out, error);
    if (status == LION_OK) status = update(run, history, &run->history, NULL, error);
    return status;
}

/* ---- trees that come and go ---- */

/* All rows of a tree, as changes. Their bytes live as long as the snapshot. */
static lion_status read_tree(indexing *run, changes *list, const lion_tree *tree, bool is_removal,
                             lion_error *error)
{
    list->count = 0;
    lion_arena_reset(&run->arena);
    lion_tree_iterator iterator;
    lion_status status = lion_tree_iterator_init(&iterator, tree, run->snapshot, LION_COLUMN_ALL,
                                                 false, &run->arena, error);
    while (status == LION_OK) {
        lion_datom_batch batch;
        status = lion_tree_iterator_next(&iterator, &batch, LION_BATCH_ROWS, error);
        for (uint32_t row = 0; status == LION_OK && row < batch.count; row++) {
            lion_datom datom = lion_datom_batch_get(&batch, row);
            status = push(list, &datom, is_removal, error);
        }
    }
    return status == LION_END ? LION_OK : status;
}

/* An attribute that left AVET: its tree goes. */
static lion_status drop_tree(indexing *run, lion_tree *tree, uint64_t *distinct_out,
                             lion_error *error)
{
    if (tree->height == 0) return LION_OK;
    lion_status status = read_tree(run, &run->current, tree, true, error);
    return status == LION_OK ? update(run, tree, &run->current, distinct_out, error) : status;
}

/* Rows of the AEVT tree as it was and what it gained and lost (both in its order), in AVET's order.
 */
static lion_status turn(changes *rows, const changes *gained, lion_error *error)
{
    size_t count = 0, next = 0, all = rows->count + gained->count;
    lion_datom *datoms = lion_alloc((all + 1) * sizeof *datoms);
    if (datoms == NULL) return lion_fail_memory(error);
    for (size_t i = 0; i < rows->count || next < gained->count;) {
        const lion_change *row = i < rows->count ? &rows->items[i] : NULL;
        const lion_change *change = next < gained->count ? &gained->items[next] : NULL;
        int order = row == NULL      ? 1
                    : change == NULL ? -1
                                     : lion_datom_compare(LION_AEVT, &row->datom, &change->datom);
        if (order == 0) { /* lost */
            i++;
            next++;
        } else if (order < 0) {
            datoms[count++] = rows->items[i++].datom;
        } else {
            datoms[count++] = gained->items[next++].datom;
        }
    }
    lion_datoms_sort(LION_AVET, datoms, count);
    rows->count = 0;
    lion_status status = LION_OK;
    for (size_t i = 0; status == LION_OK && i < count; i++)
        status = push(rows, &datoms[i], false, error);
    lion_free(datoms);
    return status;
}

/* An attribute that came into AVET: its tree is made of what AEVT had and of the changes just made
 * there. */
static lion_status build_avet(indexing *run, lion_root_attribute *attribute,
                              const lion_root_attribute *old, lion_error *error)
{
    changes rows = { 0 }, gained_current = run->current, gained_history = run->history;
    run->current = run->history = (changes){ 0 };
    lion_status status = read_tree(run, &rows, &old->aevt, false, error);
    if (status == LION_OK) status = turn(&rows, &gained_current, error);
    if (status == LION_OK)
        status = update(run, &attribute->avet, &rows, &attribute->distinct_v, error);
    if (status == LION_OK) status = read_tree(run, &rows, &old->history_aevt, false, error);
    if (status == LION_OK) status = turn(&rows, &gained_history, error);
    if (status == LION_OK) status = update(run, &attribute->history_avet, &rows, NULL, error);
    lion_free(rows.items);
    lion_free(gained_current.items);
    lion_free(gained_history.items);
    return status;
}

/* ---- all attributes ---- */

static lion_tree empty_tree(lion_index order, uint8_t type, uint32_t a, bool is_history)
{
    return (lion_tree){ .order = (uint8_t)order, .type = type, .a = a, .is_history = is_history };
}

static void init_attribute(lion_root_attribute *attribute, uint32_t a, uint8_t type)
{
    *attribute = (lion_root_attribute){ .a = a,
                                        .type = type,
                                        .aevt = empty_tree(LION_AEVT, type, a, false),
                                        .avet = empty_tree(LION_AVET, type, a, false),
                                        .history_aevt = empty_tree(LION_AEVT, type, a, true),
                                        .history_avet = empty_tree(LION_AVET, type, a, true) };
}

static int by_attribute(const void *left, const void *right)
{
    const lion_root_attribute *a = left, *b = right;
    return (a->a > b->a) - (a->a < b->a);
}

/* The root's attributes and those that novelty brings, in a heap array of the new root's own. */
static lion_status join_attributes(indexing *run, lion_error *error)
{
    const lion_index_job *job = run->job;
    uint32_t extra = 0, cursor = 0, a = 0;
    while (lion_novelty_attribute_next(&job->version, &cursor, &a)) extra++;
    size_t count = job->root->attribute_count;
    lion_root_attribute *list = lion_zalloc((count + extra + 1) * sizeof *list);
    if (list == NULL) return lion_fail_memory(error);
    if (count > 0) memcpy(list, job->root->attributes, count * sizeof *list);
    run->root.attributes = list;
    run->root.samples = lion_zalloc((count + extra + 1) * sizeof *run->root.samples);
    if (run->root.samples == NULL) return lion_fail_memory(error);
    cursor = 0;
    while (lion_novelty_attribute_next(&job->version, &cursor, &a)) {
        if (lion_root_attribute_lookup(job->root, a) != NULL) continue;
        const lion_indexed_attribute *described = describe(job, a);
        if (described == NULL)
            return lion_fail_corrupt(
                error, "novelty has datoms of attribute %u, which the schema does not know", a);
        init_attribute(&list[count++], a, described->type);
    }
    qsort(list, count, sizeof *list, by_attribute);
    run->root.attribute_count = (uint32_t)count;
    return LION_OK;
}

/* ---- samples ---- */

/* Others are not asked for by a value or a range. */
static bool is_sampled(uint8_t type)
{
    return lion_type_is_scalar(type) || type == LION_TYPE_STRING || type == LION_TYPE_KEYWORD ||
           type == LION_TYPE_SYMBOL || type == LION_TYPE_UUID || type == LION_TYPE_URI;
}

/* All of a tree as it was. */
static lion_status sample_tree(indexing *run, lion_value_sample *sample, const lion_tree *tree,
                               lion_error *error)
{
    if (tree->count == 0) return LION_OK;
    lion_arena arena;
    lion_tree_iterator iterator;
    lion_arena_init(&arena, 0);
    lion_status status =
        lion_tree_iterator_init(&iterator, tree, run->snapshot, LION_COLUMN_E | LION_COLUMN_V,
                                false, &arena, error);
    while (status == LION_OK) {
        lion_datom_batch batch;
        status = lion_tree_iterator_next(&iterator, &batch, LION_BATCH_ROWS, error);
        for (uint32_t row = 0; status == LION_OK && row < batch.count; row++) {
            lion_datom fact = { .e = batch.e[row], .v = lion_vector_get(&batch.v, row) };
            if (lion_value_is_stub(&fact.v)) continue; /* its text lies elsewhere */
            if (!lion_value_sample_add(sample, &fact)) status = lion_fail_memory(error);
        }
    }
    lion_arena_deinit(&arena);
    return status == LION_END ? LION_OK : status;
}

/* The attribute's sample after the changes of its AEVT tree, which are at hand. What was never sampled, or has lost too much of
 * its sample, is read once. */
static lion_status keep_sample(indexing *run, const lion_root_attribute *old, lion_error *error)
{
    const lion_value_sample *before = lion_root_sample_lookup(run->job->root, old->a);
    lion_value_sample *sample = &run->root.samples[run->root.sample_count++];
    bool is_worn = before != NULL && before->count < LION_VALUE_SAMPLE_MIN &&
                   old->aevt.count > before->count;
    lion_status status = LION_OK;
    lion_value_sample_init(sample, old->a, old->type);
    if (before == NULL || is_worn)
        status = sample_tree(run, sample, &old->aevt, error);
    else if (!lion_value_sample_copy(sample, before))
        status = lion_fail_memory(error);
    for (size_t i = 0; status == LION_OK && i < run->current.count; i++)
        if (run->current.items[i].is_removal)
            lion_value_sample_remove(sample, &run->current.items[i].datom);
    for (size_t i = 0; status == LION_OK && i < run->current.count; i++)
        if (!run->current.items[i].is_removal &&
            !lion_value_sample_add(sample, &run->current.items[i].datom))
            status = lion_fail_memory(error);
    return status;
}

/* ---- an attribute ---- */

static lion_status index_attribute(indexing *run, lion_root_attribute *attribute, lion_error *error)
{
    const lion_indexed_attribute *described = describe(run->job, attribute->a);
    lion_root_attribute old = *attribute;
    lion_status status = index_family(run, &attribute->aevt, &attribute->history_aevt, LION_AEVT,
                                      attribute->a, &attribute->distinct_e, error);
    if (status < 0) return status;
    if (described != NULL && !described->is_in_avet) {
        if (is_sampled(attribute->type)) status = keep_sample(run, &old, error);
        if (status == LION_OK) status = drop_tree(run, &attribute->avet, &attribute->distinct_v, error);
        return status == LION_OK ? drop_tree(run, &attribute->history_avet, NULL, error) : status;
    }
    if (described != NULL && lion_root_attribute_lacks_avet(&old)) return build_avet(run, attribute, &old, error);
    return index_family(run, &attribute->avet, &attribute->history_avet, LION_AVET, attribute->a,
                        &attribute->distinct_v, error);
}

static lion_status index_trees(indexing *run, lion_error *error)
{
    lion_status status = join_attributes(run, error);
    if (status == LION_OK)
        status =
            index_family(run, &run->root.eavt, &run->root.history_eavt, LION_EAVT, 0, NULL, error);
    for (uint32_t i = 0; status == LION_OK && i < run->root.attribute_count; i++)
        status = index_attribute(run, &run->root.attributes[i], error);
    return status;
}

/* ---- the log ---- */

static lion_status index_log(indexing *run, lion_error *error)
{
    const lion_novelty_version *version = &run->job->version;
    lion_log_entry *entries = lion_alloc((version->transactions + 1) * sizeof *entries);
    if (entries == NULL) return lion_fail_memory(error);
    size_t count = 0;
    for (uint32_t i = 0; i < version->transactions; i++) {
        lion_log_entry *entry = &entries[count];
        lion_novelty_transaction(version, i, &entry->t, &entry->record);
        if (entry->t > run->job->root->t) count++;
    }
    lion_status status = LION_OK;
    if (count > 0) {
        lion_tree log = run->root.log;
        status = lion_log_tree_append(&log, &run->root.log, run->snapshot, run->commit, entries,
                                      count, &run->job->options, error);
        if (status == LION_OK) run->root.log = log;
    }
    lion_free(entries);
    return status;
}

/* ---- the job ---- */

static lion_status commit_root(indexing *run, lion_error *error)
{
    lion_buffer record;
    lion_buffer_init(&record);
    lion_root_encode(&record, &run->root);
    lion_status status = lion_buffer_check(&record, error);
    if (status == LION_OK) {
        lion_commit *commit = run->commit;
        run->commit = NULL; /* taken, whatever comes of it */
        status = lion_commit_finish_take(commit, lion_buffer_view(&record), error);
    }
    lion_buffer_deinit(&record);
    return status;
}

static void init_root(indexing *run)
{
    const lion_index_job *job = run->job;
    /* Not its references, which others count meanwhile. */
    memcpy(&run->root, job->root, offsetof(lion_root, snapshot));
    run->root.attributes = NULL;
    run->root.samples = NULL;
    run->root.attribute_count = run->root.sample_count = 0;
    run->root.snapshot = NULL;
    if (job->root->t == 0) {
        run->root.eavt = empty_tree(LION_EAVT, LION_TYPE_MIXED, 0, false);
        run->root.history_eavt = empty_tree(LION_EAVT, LION_TYPE_MIXED, 0, true);
    }
    if (job->version.t > job->root->t) run->root.t = job->version.t;
    run->root.next_counter = job->next_counter;
    run->root.log_sequence = job->log_sequence;
    run->root.generation = lion_store_generation(job->store);
    run->root.has_tail = job->has_tail;
}

lion_status lion_index_run(const lion_index_job *job, lion_error *error)
{
    indexing run = { .job = job, .snapshot = job->root->snapshot };
    lion_arena_init(&run.arena, 0);
    init_root(&run);
    lion_status status = lion_commit_begin(&run.commit, job->store, error);
    if (status == LION_OK) status = index_trees(&run, error);
    if (status == LION_OK) status = index_log(&run, error);
    run.root.datoms = run.root.eavt.count;
    if (status == LION_OK) status = commit_root(&run, error);
    if (run.commit != NULL) lion_commit_abort(run.commit);
    lion_root_clear(&run.root);
    lion_free(run.current.items);
    lion_free(run.history.items);
    lion_arena_deinit(&run.arena);
    return status;
}
