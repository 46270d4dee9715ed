/* reduce.c - from what was said to what changes.
 *
 * Facts are sorted by entity, attribute and value. What is said twice counts once; what contradicts
 * itself is refused; what is there already, or retracted and not there, is dropped; an assertion of
 * cardinality one retracts the value before. Entities that the transaction makes have nothing
 * before and are not looked up. */
#include "transact/tx.h"

/* -- Sorting ---------------------------------------------------------------------------------- */

#define INSERTION_MAX 12

static inline int compare_facts(const lion_fact *x, const lion_fact *y)
{
    if (x->e != y->e) return x->e < y->e ? -1 : 1;
    if (x->attribute != y->attribute) return x->attribute->id < y->attribute->id ? -1 : 1;
    return lion_value_compare(x->v, y->v);
}

static void insertion_sort(lion_fact *facts, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (compare_facts(&facts[i - 1], &facts[i]) <= 0) continue;
        lion_fact fact = facts[i];
        size_t hole = i;
        for (; hole > 0 && compare_facts(&fact, &facts[hole - 1]) < 0; hole--)
            facts[hole] = facts[hole - 1];
        facts[hole] = fact;
    }
}

static void merge(lion_fact *facts, size_t half, size_t count, lion_fact *spare)
{
    if (compare_facts(&facts[half - 1], &facts[half]) <= 0) return; /* already in order */
    memcpy(spare, facts, half * sizeof *facts);
    size_t left = 0, right = half, to = 0;
    while (left < half && right < count)
        facts[to++] =
            compare_facts(&facts[right], &spare[left]) < 0 ? facts[right++] : spare[left++];
    memcpy(facts + to, spare + left, (half - left) * sizeof *facts);
}

/* Stable; spare has room for half of them. Runs in order cost a comparison each. Depth is log2 of
 * count. */
void lion_facts_sort(lion_fact *facts, size_t count, lion_fact *spare)
{
    if (count <= INSERTION_MAX) {
        insertion_sort(facts, count);
        return;
    }
    size_t half = count / 2;
    lion_facts_sort(facts, half, spare);
    lion_facts_sort(facts + half, count - half, spare);
    merge(facts, half, count, spare);
}

/* -- One entity and attribute ----------------------------------------------------------------- */

static lion_status fail_conflict(lion_error *error, lion_tx *tx, const lion_fact *d1,
                                 const lion_fact *d2)
{
    const char *what = d1->op == d2->op ? "two values for an attribute of cardinality one"
                                        : "one fact is both added and retracted";
    const char *op1 = d1->op == LION_FACT_ADD ? "add" : "retract";
    const char *op2 = d2->op == LION_FACT_ADD ? "add" : "retract";
    const char *entity = lion_tx_entity_text(tx, d1->e);
    lion_slice ident = d1->attribute->ident;
    return lion_fail(error, LION_INCORRECT, "db.error/datoms-conflict",
                     "%s: [%s %s :%.*s %s] and [%s %s :%.*s %s]", what, op1, entity,
                     (int)ident.size, (const char *)ident.data, lion_tx_value_text(tx, d1->v), op2,
                     entity, (int)ident.size, (const char *)ident.data,
                     lion_tx_value_text(tx, d2->v));
}

/* Facts said twice become one (with what is known of either); returns how many are left. */
static lion_status distinct(size_t *count_out, lion_tx *tx, lion_fact *facts, size_t count,
                            lion_error *error)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && lion_value_compare(facts[kept - 1].v, facts[i].v) == 0) {
            if (facts[kept - 1].op != facts[i].op)
                return fail_conflict(error, tx, &facts[kept - 1], &facts[i]);
            facts[kept - 1].flags |= facts[i].flags;
            continue;
        }
        facts[kept++] = facts[i];
    }
    *count_out = kept;
    return LION_OK;
}

static bool is_free(const lion_fact *fact)
{
    return (fact->flags & LION_FACT_IS_FREE) != 0;
}

static lion_status reduce_new(lion_tx *tx, const lion_fact *facts, size_t count, lion_error *error)
{
    lion_status status = LION_OK;
    for (size_t i = 0; status == LION_OK && i < count; i++)
        if (facts[i].op == LION_FACT_ADD)
            status = lion_tx_emit(tx, facts[i].e, facts[i].attribute, facts[i].v, true,
                                  is_free(&facts[i]), error);
    return status;
}

static lion_status reduce_many(lion_tx *tx, const lion_fact *facts, size_t count, lion_error *error)
{
    lion_status status = LION_OK;
    for (size_t i = 0; status == LION_OK && i < count; i++) {
        const lion_fact *fact = &facts[i];
        bool is_there = (fact->flags & LION_FACT_IS_THERE) != 0;
        if (!is_there && !is_free(fact)) {
            int64_t asserted = 0;
            status = lion_view_has(&asserted, &tx->view, fact->e, fact->attribute->id, fact->v,
                                   tx->arena, error);
            if (status < 0) return status;
            is_there = status == LION_OK;
        }
        status = LION_OK;
        if (is_there == (fact->op == LION_FACT_ADD)) continue;
        status = lion_tx_emit(tx, fact->e, fact->attribute, fact->v, fact->op == LION_FACT_ADD,
                              is_free(fact), error);
    }
    return status;
}

/* NaN equals no number, so none takes its place unasked: as Datomic has it. */
static lion_status fail_upsert(lion_error *error, lion_tx *tx, const lion_fact *add, lion_value now)
{
    lion_slice ident = add->attribute->ident;
    return lion_fail(error, LION_INCORRECT, "db.error/datoms-conflict",
                     "[add %s :%.*s %s]: the value is %s, which an assertion does not replace; "
                     "retract it in the same transaction",
                     lion_tx_entity_text(tx, add->e), (int)ident.size, (const char *)ident.data,
                     lion_tx_value_text(tx, add->v), lion_tx_value_text(tx, now));
}

/* At most one fact adds. */
static lion_status reduce_one(lion_tx *tx, const lion_fact *facts, size_t count, lion_error *error)
{
    int64_t e = facts[0].e;
    const lion_attribute *attribute = facts[0].attribute;
    lion_value now;
    lion_status status = lion_view_get(&now, NULL, &tx->view, e, attribute->id, tx->arena, error);
    if (status < 0) return status;
    bool is_there = status == LION_OK, is_retracted = false;
    const lion_fact *add = NULL;
    for (size_t i = 0; i < count; i++) {
        bool is_now = is_there && lion_value_compare(facts[i].v, now) == 0;
        if (facts[i].op == LION_FACT_ADD && is_now)
            return LION_OK; /* as it is; other facts retract nothing */
        if (facts[i].op == LION_FACT_ADD)
            add = &facts[i];
        else if (is_now)
            is_retracted = true;
    }
    if (is_there && !is_retracted && add != NULL && lion_value_is_nan(now))
        return fail_upsert(error, tx, add, now);
    status = LION_OK;
    if (is_there && (is_retracted || add != NULL))
        status = lion_tx_emit(tx, e, attribute, now, false, false, error);
    if (status == LION_OK && add != NULL)
        status = lion_tx_emit(tx, e, attribute, add->v, true, is_free(add), error);
    return status;
}

static lion_status reduce_attribute(lion_tx *tx, lion_fact *facts, size_t count, bool is_new,
                                    lion_error *error)
{
    if (facts[0].attribute->tuple_kind == 1) return LION_OK; /* composite.c makes them */
    lion_status status = LION_OK;
    if (count > 1) status = distinct(&count, tx, facts, count, error);
    if (status < 0) return status;
    if (!facts[0].attribute->is_many && count > 1) {
        const lion_fact *add = NULL;
        for (size_t i = 0; i < count; i++) {
            if (facts[i].op != LION_FACT_ADD) continue;
            if (add != NULL) return fail_conflict(error, tx, add, &facts[i]);
            add = &facts[i];
        }
    }
    if (is_new) return reduce_new(tx, facts, count, error);
    return facts[0].attribute->is_many ? reduce_many(tx, facts, count, error)
                                       : reduce_one(tx, facts, count, error);
}

static lion_status reduce_entity(lion_tx *tx, lion_fact *facts, size_t count, lion_error *error)
{
    bool is_new = lion_tx_is_new(tx, facts[0].e), has_members = false;
    lion_status status = LION_OK;
    for (size_t from = 0; status == LION_OK && from < count;) {
        const lion_attribute *attribute = facts[from].attribute;
        size_t to = from + 1;
        while (to < count && facts[to].attribute == attribute) to++;
        has_members |= attribute->composite_count > 0 || attribute->tuple_kind == 1;
        status = reduce_attribute(tx, facts + from, to - from, is_new, error);
        from = to;
    }
    if (status == LION_OK && has_members) status = lion_tx_composites(tx, facts, count, error);
    return status;
}

/* -- All -------------------------------------------------------------------------------------- */

static size_t drop_dropped(lion_fact *facts, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (facts[i].op == LION_FACT_DROPPED) continue;
        if (kept != i) facts[kept] = facts[i];
        kept++;
    }
    return kept;
}

lion_status lion_tx_reduce(lion_tx *tx, lion_error *error)
{
    size_t count = drop_dropped(tx->facts.items, tx->facts.count);
    lion_fact *facts = tx->facts.items;
    lion_fact *spare = lion_arena_array(tx->arena, lion_fact, count / 2 + 1);
    tx->datoms.capacity = (uint32_t)count + (uint32_t)count / 4 + 8;
    tx->datoms.items = lion_arena_array(tx->arena, lion_datom, tx->datoms.capacity);
    if (spare == NULL || tx->datoms.items == NULL) return lion_fail_memory(error);
    lion_status status = lion_arena_check(tx->arena, error);
    if (status < 0) return status;
    lion_facts_sort(facts, count, spare);
    for (size_t from = 0; status == LION_OK && from < count;) {
        size_t to = from + 1;
        while (to < count && facts[to].e == facts[from].e) to++;
        status = reduce_entity(tx, facts + from, to - from, error);
        from = to;
    }
    return status < 0 ? status : lion_arena_check(tx->arena, error);
}
