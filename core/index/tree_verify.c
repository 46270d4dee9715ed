/* tree_verify.c - does a tree hold what its directories say? One leaf a step.
 *
 * A node that is damaged is an error of its step, and the next step goes on behind it. Across such
 * a gap rows are not compared: what lay there is not known. */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "index/branch.h"
#include "index/leaf.h"
#include "index/log_verify.h"

#define CHUNK 512

typedef struct level {
    lion_branch_entry *entries;
    uint32_t count, next;
    lion_arena_mark mark;
} level;

struct lion_tree_verifier {
    lion_tree tree;
    lion_snapshot *snapshot;
    lion_arena arena;
    level path[LION_TREE_HEIGHT_MAX];
    unsigned depth; /* levels open */
    bool is_started;
    bool is_gap;   /* what lies before the next leaf could not be read */
    bool has_last; /* of the row before the next leaf: */
    lion_datom last;
    lion_audit *audit; /* borrowed; NULL: none */
    lion_audit_kind kind;
    lion_log_verifier *log; /* borrowed; of the log tree, NULL: this is another */
    lion_tree_found found;
    int64_t e[CHUNK], tx[CHUNK];
    uint32_t a[CHUNK];
    lion_value v[CHUNK];
    uint8_t added[CHUNK];
};

lion_status lion_tree_verify_open(lion_tree_verifier **verifier_out, const lion_tree *tree,
                                  lion_snapshot *snapshot, lion_error *error)
{
    if (tree->height > LION_TREE_HEIGHT_MAX || tree->order > LION_AVET ||
        (tree->height == 0) != (tree->count == 0) || (tree->height == 0) != (tree->segment == 0))
        return lion_fail_corrupt(error, "a tree of height %u and %llu rows makes no sense",
                                 tree->height, (unsigned long long)tree->count);
    lion_tree_verifier *verifier = lion_zalloc(sizeof *verifier);
    if (verifier == NULL) return lion_fail_memory(error);
    verifier->tree = *tree;
    verifier->snapshot = snapshot;
    lion_arena_init(&verifier->arena, 0);
    *verifier_out = verifier;
    return LION_OK;
}

void lion_tree_verify_close(lion_tree_verifier *verifier)
{
    if (verifier == NULL) return;
    lion_arena_deinit(&verifier->arena);
    lion_free(verifier);
}

void lion_tree_verify_watch(lion_tree_verifier *verifier, lion_audit *audit, lion_audit_kind kind)
{
    verifier->audit = audit;
    verifier->kind = kind;
}

void lion_tree_verify_log(lion_tree_verifier *verifier, lion_log_verifier *log)
{
    verifier->log = log;
}

lion_tree_found lion_tree_verify_found(const lion_tree_verifier *verifier)
{
    return verifier->found;
}

static lion_status wrong(const char *what, lion_error *error)
{
    return lion_fail_corrupt(error, "%s", what);
}

/* Say which segment it is, unless the store said so; what follows is behind a gap. */
static lion_status note_damage(lion_tree_verifier *v, const lion_branch_entry *entry,
                               lion_error *error)
{
    v->has_last = false;
    v->is_gap = true;
    if (error == NULL || strcmp(error->code, "lion/corrupt") != 0) return LION_FAILED;
    lion_error told = *error;
    if (strncmp(told.message, "segment ", 8) == 0) return LION_FAILED;
    return lion_fail_corrupt(
        error, "segment %llu:%llu: %s", (unsigned long long)(entry->segment >> 40),
        (unsigned long long)(entry->segment & ((UINT64_C(1) << 40) - 1)), told.message);
}

static lion_status open_node(lion_tree_verifier *v, const lion_branch_entry *entry,
                             lion_slice *bytes_out, lion_error *error)
{
    v->found.segments++;
    if (v->audit != NULL && lion_audit_reach(v->audit, entry->segment, error) != LION_OK)
        return LION_FAILED;
    return lion_snapshot_segment(bytes_out, v->snapshot, entry->segment, error);
}

/* What a parent says of its child, but for the border, which the leaves check. */
static bool same_sums(const lion_branch_entry *said, const lion_branch_entry *found)
{
    return said->rows == found->rows && said->distinct == found->distinct &&
           said->min_e == found->min_e && said->max_e == found->max_e &&
           said->min_t == found->min_t && said->max_t == found->max_t &&
           said->has_retractions == found->has_retractions;
}

/* ---- branches ---- */

static lion_status enter_branch(lion_tree_verifier *v, const lion_branch_entry *entry, bool is_top,
                                lion_error *error)
{
    lion_slice bytes;
    lion_branch branch;
    if (open_node(v, entry, &bytes, error) != LION_OK) return LION_FAILED;
    unsigned node_level = v->tree.height - v->depth;
    if (lion_branch_open(&branch, bytes, &v->tree, node_level, error) != LION_OK)
        return LION_FAILED;
    level opened = { .count = branch.count, .mark = lion_arena_set_mark(&v->arena) };
    if (lion_branch_read(&opened.entries, &branch, &v->arena, error) != LION_OK) {
        lion_arena_rewind(&v->arena, opened.mark);
        return LION_FAILED;
    }
    lion_branch_entry sum = lion_branch_sum(opened.entries, opened.count);
    opened.entries[0].separator = entry->separator; /* what the parent says stands */
    opened.entries[0].continues = entry->continues;
    v->path[v->depth++] = opened;
    if (is_top) v->found.distinct = sum.distinct;
    if (sum.rows != branch.rows || sum.distinct != branch.distinct)
        return wrong("its sums are not those of its children", error);
    if (is_top ? sum.rows != v->tree.count : !same_sums(entry, &sum))
        return wrong("its parent says other sums than it has", error);
    return LION_OK;
}

/* ---- leaves ---- */

/* The separator lies above the row before and not above the first row. */
static lion_status check_border(lion_tree_verifier *v, const lion_branch_entry *entry,
                                const lion_datom *first, lion_error *error)
{
    uint8_t order = v->tree.order;
    lion_key low = { .datom = v->last, .parts = 4 }, high = { .datom = *first, .parts = 4 };
    int result;
    bool continues = v->has_last && lion_lead_equal(order, &v->last, first);
    if (!v->is_gap && entry->continues != continues)
        return wrong("its parent is wrong about whether a run goes on in it", error);
    if (entry->separator.parts == 0) {
        return v->has_last ? wrong("nothing separates it from its neighbour", error) : LION_OK;
    }
    if (lion_key_compare(&result, order, &entry->separator, &high, v->snapshot, error) != LION_OK)
        return LION_FAILED;
    if (result > 0) return wrong("its separator is above its first row", error);
    if (!v->has_last) return LION_OK;
    if (lion_key_compare(&result, order, &low, &entry->separator, v->snapshot, error) != LION_OK)
        return LION_FAILED;
    return result < 0 ? LION_OK : wrong("its separator is not above the row before it", error);
}

static lion_status check_row(lion_tree_verifier *v, const lion_datom *row, lion_branch_entry *found,
                             lion_error *error)
{
    int64_t t = lion_tx_to_t(row->tx);
    int order = -1;
    if (v->has_last) {
        lion_key low = { .datom = v->last, .parts = 4 }, high = { .datom = *row, .parts = 4 };
        if (lion_key_compare(&order, v->tree.order, &low, &high, v->snapshot, error) != LION_OK)
            return LION_FAILED;
    }
    if (order >= 0) return wrong("its rows are out of order", error);
    if (!row->added && !v->tree.is_history)
        return wrong("it retracts, but its tree is of the present", error);
    lion_value value = row->v; /* is the blob there? */
    lion_status status = v->audit != NULL ? lion_audit_row(v->audit, v->kind, row, error)
                                          : lion_stub_resolve(&value, v->snapshot, error);
    if (status != LION_OK) return LION_FAILED;

    if (found->rows == 0)
        *found = (lion_branch_entry){ .min_e = row->e, .max_e = row->e, .min_t = t, .max_t = t };
    if (found->rows == 0 || !lion_lead_equal(v->tree.order, &v->last, row)) found->distinct++;
    found->rows++;
    found->min_e = row->e < found->min_e ? row->e : found->min_e;
    found->max_e = row->e > found->max_e ? row->e : found->max_e;
    found->min_t = t < found->min_t ? t : found->min_t;
    found->max_t = t > found->max_t ? t : found->max_t;
    found->has_retractions |= !row->added;
    v->last = *row;
    v->has_last = true;
    return LION_OK;
}

static lion_status check_rows(lion_tree_verifier *v, const lion_branch_entry *entry,
                              lion_leaf *leaf, lion_branch_entry *found, lion_error *error)
{
    lion_leaf_target target = { .e = v->e,
                                .a = v->a,
                                .tx = v->tx,
                                .added = v->added,
                                .v = { .type = leaf->type, .values = v->v } };
    for (uint32_t from = 0; from < leaf->rows;) {
        uint32_t count = leaf->rows - from < CHUNK ? leaf->rows - from : CHUNK;
        if (lion_leaf_read(leaf, from, count, &target, NULL, error) != LION_OK) return LION_FAILED;
        for (uint32_t i = 0; i < count; i++) {
            lion_datom row = { .e = v->e[i],
                               .a = v->a[i],
                               .v = lion_vector_get(&target.v, i),
                               .tx = v->tx[i],
                               .added = v->added[i] != 0 };
            bool is_first = from + i == 0 && v->tree.height > 1;
            if (is_first && check_border(v, entry, &row, error) != LION_OK) return LION_FAILED;
            if (check_row(v, &row, found, error) != LION_OK) return LION_FAILED;
        }
        from += count;
    }
    return LION_OK;
}

static lion_status read_leaf(lion_tree_verifier *v, const lion_branch_entry *entry,
                             lion_slice bytes, lion_branch_entry *found, lion_error *error)
{
    lion_leaf leaf;
    if (lion_leaf_open(&leaf, bytes, v->tree.a, error) != LION_OK) return LION_FAILED;
    if (lion_leaf_need(&leaf, LION_LEAF_ALL, error) != LION_OK) return LION_FAILED;
    bool is_ours = leaf.order == v->tree.order && leaf.is_history == (v->tree.is_history != 0) &&
                   (leaf.order == LION_EAVT || leaf.type == v->tree.type);
    if (!is_ours) return wrong("it is of another tree", error);
    if (check_rows(v, entry, &leaf, found, error) != LION_OK) return LION_FAILED;
    return found->distinct == leaf.leads ? LION_OK : wrong("it counts its leads wrongly", error);
}

static lion_status check_leaf(lion_tree_verifier *v, const lion_branch_entry *entry, bool is_top,
                              uint64_t *rows_out, lion_error *error)
{
    lion_slice bytes;
    lion_branch_entry found = { 0 };
    if (open_node(v, entry, &bytes, error) != LION_OK) return LION_FAILED;
    lion_status status = v->log != NULL ? lion_log_verify_leaf(&found, v->log, bytes, error)
                                        : read_leaf(v, entry, bytes, &found, error);
    if (status != LION_OK) return LION_FAILED;
    if (is_top) v->found.distinct = found.distinct;
    if (found.max_t > v->found.max_t) v->found.max_t = found.max_t;
    v->found.rows += found.rows;
    v->is_gap = false;
    if (is_top ? found.rows != v->tree.count : !same_sums(entry, &found))
        return wrong("its parent says other sums than it has", error);
    *rows_out = found.rows;
    return LION_OK;
}

static lion_status check_node(lion_tree_verifier *v, const lion_branch_entry *entry, bool is_top,
                              uint64_t *rows_out, lion_error *error)
{
    bool is_leaf = v->depth + 1u == v->tree.height;
    lion_status status = is_leaf ? check_leaf(v, entry, is_top, rows_out, error)
                                 : enter_branch(v, entry, is_top, error);
    return status == LION_OK ? LION_OK : note_damage(v, entry, error);
}

lion_status lion_tree_verify_step(lion_tree_verifier *verifier, uint64_t *rows_out,
                                  lion_error *error)
{
    lion_tree_verifier *v = verifier;
    if (v->tree.height == 0) return LION_END;
    if (!v->is_started) {
        v->is_started = true;
        lion_branch_entry top = { .segment = v->tree.segment };
        if (check_node(v, &top, true, rows_out, error) != LION_OK) return LION_FAILED;
        if (v->tree.height == 1) return LION_OK;
    }
    while (v->depth > 0) {
        level *l = &v->path[v->depth - 1];
        if (l->next == l->count) {
            lion_arena_rewind(&v->arena, l->mark);
            v->depth--;
            continue;
        }
        lion_branch_entry *entry = &l->entries[l->next++];
        bool is_leaf = v->depth + 1u == v->tree.height;
        if (check_node(v, entry, false, rows_out, error) != LION_OK) return LION_FAILED;
        if (is_leaf) return LION_OK;
    }
    return LION_END;
}
