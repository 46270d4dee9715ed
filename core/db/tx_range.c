/* tx_range.c - the log as a sequence: the log tree up to the root's t, novelty's transactions above
 * it. */
#include "base/memory.h"
#include "db/db.h"
#include "index/log_tree.h"

struct lion_tx_range {
    lion_db *db;             /* kept: pins root and novelty */
    int64_t from, to;        /* from <= t < to */
    lion_log_iterator *tree; /* NULL until the log tree is wanted */
    bool is_in_tree;         /* the next transaction may be in the tree */
    uint32_t next;           /* of novelty's transactions */
    lion_arena arena;
};

static int64_t novelty_t(const lion_novelty_version *version, uint32_t index)
{
    int64_t t = 0;
    lion_slice record;
    lion_novelty_transaction(version, index, &t, &record);
    return t;
}

/* The first of novelty's transactions at or after t. */
static uint32_t find_in_novelty(const lion_novelty_version *version, int64_t t)
{
    uint32_t low = 0, high = version->novelty == NULL ? 0 : version->transactions;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (novelty_t(version, middle) < t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

lion_status lion_tx_range_seek(lion_tx_range *range, int64_t from, int64_t to, lion_error *error)
{
    const lion_root *root = range->db->view.root;
    int64_t end = range->db->basis_t + 1, indexed_t = root == NULL ? -1 : root->t;
    range->from = from;
    range->to = to <= 0 || to > end ? end : to;
    range->next =
        find_in_novelty(&range->db->view.novelty, from > indexed_t ? from : indexed_t + 1);
    range->is_in_tree = from <= indexed_t && from < range->to && root->log.count > 0;
    if (!range->is_in_tree) return LION_OK;
    if (range->tree == NULL)
        return lion_log_iterator_open(&range->tree, &root->log, root->snapshot, from, error);
    lion_log_iterator_seek(range->tree, from);
    return LION_OK;
}

lion_status lion_db_tx_range(lion_tx_range **range_out, lion_db *db, int64_t from, int64_t to,
                             lion_error *error)
{
    lion_tx_range *range = lion_zalloc(sizeof *range);
    if (range == NULL) return lion_fail_memory(error);
    range->db = lion_db_keep(db);
    lion_arena_init(&range->arena, 0);
    lion_status status = lion_tx_range_seek(range, from, to, error);
    if (status < 0) {
        lion_tx_range_close(range);
        return status;
    }
    *range_out = range;
    return LION_OK;
}

static lion_status next_of_tree(lion_tx_range *range, lion_transaction *transaction_out,
                                lion_error *error)
{
    lion_status status = lion_log_iterator_next(range->tree, transaction_out, error);
    if (status == LION_OK && transaction_out->t < range->to) return LION_OK;
    if (status < 0) return status;
    if (status == LION_OK) range->next = UINT32_MAX; /* past the range: novelty is later still */
    range->is_in_tree = false;
    return LION_END;
}

static lion_status next_of_novelty(lion_tx_range *range, lion_transaction *transaction_out,
                                   lion_error *error)
{
    const lion_novelty_version *version = &range->db->view.novelty;
    if (version->novelty == NULL || range->next >= version->transactions) return LION_END;
    int64_t t = 0;
    lion_slice record;
    lion_novelty_transaction(version, range->next, &t, &record);
    if (t >= range->to) return LION_END;
    range->next++;
    lion_arena_reset(&range->arena);
    return lion_transaction_decode(transaction_out, record, &range->arena, error);
}

lion_status lion_tx_range_next(lion_tx_range *range, lion_transaction *transaction_out,
                               lion_error *error)
{
    if (range->is_in_tree) {
        lion_status status = next_of_tree(range, transaction_out, error);
        if (status != LION_END) return status;
    }
    return next_of_novelty(range, transaction_out, error);
}

void lion_tx_range_close(lion_tx_range *range)
{
    if (range == NULL) return;
    lion_log_iterator_close(range->tree);
    lion_db_drop(range->db);
    lion_arena_deinit(&range->arena);
    lion_free(range);
}
