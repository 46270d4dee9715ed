/* tx_range.c - the log as a sequence: the log tree up to the root's t, novelty's transactions above it. */
#include "connection/database.h"

#include "base/memory.h"

struct lion_tx_range {
    lion_db *db;               /* kept: pins root and novelty */
    int64_t from, to;          /* from <= t < to */
    lion_log_iterator *tree;   /* NULL when the log tree is done or not wanted */
    uint32_t next;             /* of novelty's transactions */
    lion_arena arena;
};

static lion_status open_range(lion_tx_range **range_out, lion_db *db_take, int64_t from, int64_t to,
                              lion_error *error)
{
    lion_tx_range *range = lion_zalloc(sizeof *range);
    if (range == NULL) {
        lion_db_drop(db_take);
        return lion_fail_memory(error);
    }
    range->db = db_take;
    range->from = from;
    range->to = to <= 0 || to > db_take->basis_t + 1 ? db_take->basis_t + 1 : to;
    lion_arena_init(&range->arena, 0);
    const lion_root *root = db_take->view.root;
    if (from <= root->t && root->log.count > 0) {
        lion_status status =
            lion_log_iterator_open(&range->tree, &root->log, root->snapshot, from, error);
        if (status < 0) {
            lion_tx_range_close(range);
            return status;
        }
    }
    *range_out = range;
    return LION_OK;
}

lion_status lion_tx_range_open(lion_tx_range **range_out, lion_connection *connection, int64_t from,
                               int64_t to, lion_error *error)
{
    lion_db *db = NULL;
    lion_status status = lion_connection_db(&db, connection, error);
    return status < 0 ? status : open_range(range_out, db, from, to, error);
}

static lion_status next_of_tree(lion_tx_range *range, lion_transaction *transaction_out,
                                lion_error *error)
{
    lion_status status = lion_log_iterator_next(range->tree, transaction_out, error);
    if (status == LION_OK && transaction_out->t < range->to) return LION_OK;
    if (status == LION_OK) range->next = UINT32_MAX; /* past the range: novelty is later still */
    if (status < 0) return status;
    lion_log_iterator_close(range->tree);
    range->tree = NULL;
    return LION_END;
}

static lion_status next_of_novelty(lion_tx_range *range, lion_transaction *transaction_out,
                                   lion_error *error)
{
    const lion_novelty_version *version = &range->db->view.novelty;
    while (version->novelty != NULL && range->next < version->transactions) {
        int64_t t = 0;
        lion_slice record;
        lion_novelty_transaction(version, range->next++, &t, &record);
        if (t < range->from || t <= range->db->view.root->t) continue;
        if (t >= range->to) break;
        lion_arena_reset(&range->arena);
        return lion_transaction_decode(transaction_out, record, &range->arena, error);
    }
    return LION_END;
}

lion_status lion_tx_range_next(lion_tx_range *range, lion_transaction *transaction_out,
                               lion_error *error)
{
    if (range->tree != NULL) {
        lion_status status = next_of_tree(range, transaction_out, error);
        if (status != LION_END) return status;
    }
    if (range->next == UINT32_MAX) return LION_END;
    return next_of_novelty(range, transaction_out, error);
}

void lion_tx_range_close(lion_tx_range *range)
{
    if (range == NULL) return;
    if (range->tree != NULL) lion_log_iterator_close(range->tree);
    lion_db_drop(range->db);
    lion_arena_deinit(&range->arena);
    lion_free(range);
}

/* A copy of a transaction whose bytes outlive the iteration. */
static void copy_transaction(lion_transaction *copy_out, const lion_transaction *transaction,
                             lion_arena *arena)
{
    *copy_out = *transaction;
    copy_out->datoms = lion_arena_array(arena, lion_datom, transaction->datom_count + 1);
    for (uint32_t i = 0; i < transaction->datom_count; i++) {
        copy_out->datoms[i] = transaction->datoms[i];
        copy_out->datoms[i].v = lion_value_copy(arena, transaction->datoms[i].v);
    }
    copy_out->tempids = lion_arena_array(arena, lion_tempid, transaction->tempid_count + 1);
    for (uint32_t i = 0; i < transaction->tempid_count; i++) {
        copy_out->tempids[i].name = lion_arena_copy(arena, transaction->tempids[i].name);
        copy_out->tempids[i].id = transaction->tempids[i].id;
    }
}

lion_status lion_transaction_at(lion_transaction *transaction_out, lion_db *db, int64_t t,
                                lion_arena *arena, lion_error *error)
{
    lion_tx_range *range = NULL;
    lion_status status = open_range(&range, lion_db_keep(db), t, t + 1, error);
    if (status < 0) return status;
    lion_transaction transaction;
    status = lion_tx_range_next(range, &transaction, error);
    if (status == LION_OK) copy_transaction(transaction_out, &transaction, arena);
    lion_tx_range_close(range);
    if (status == LION_END)
        return lion_fail_corrupt(error, "the log has no transaction %lld", (long long)t);
    return status < 0 ? status : lion_arena_check(arena, error);
}
