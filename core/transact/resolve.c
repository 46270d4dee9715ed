/* resolve.c - which tempids are which entities.
 *
 * An assertion of an identity (db.unique/identity) makes its tempid the entity that has the value:
 * in the database before, or among the other assertions. Where the value is itself a tempid's ref
 * it waits until that one is known; so rounds are made until nothing new comes out. What is left
 * are new entities. */
#include "base/assert.h"
#include "data/tuple.h"
#include "transact/tx.h"

/* -- Uniting ---------------------------------------------------------------------------------- */

static lion_status fail_two_entities(lion_error *error, lion_tx *tx, uint32_t root, int64_t id,
                                     const lion_fact *fact)
{
    return lion_fail(error, LION_CONFLICT, "db.error/unique-conflict",
                     "%s would be two entities, %s and %s, by :%.*s %s",
                     lion_tx_entity_text(tx, -1 - (int64_t)root),
                     lion_tx_entity_text(tx, tx->tempids.items[root].id),
                     lion_tx_entity_text(tx, id), (int)fact->attribute->ident.size,
                     (const char *)fact->attribute->ident.data, lion_tx_value_text(tx, fact->v));
}

/* The tempid e is the entity `id`. */
static lion_status bind(lion_tx *tx, int64_t e, int64_t id, const lion_fact *fact, bool *is_news,
                        lion_error *error)
{
    uint32_t root = lion_tx_root(tx, lion_tx_place(e));
    lion_tx_tempid *tempid = &tx->tempids.items[root];
    if (tempid->id == id) return LION_OK;
    if (tempid->id >= 0) return fail_two_entities(error, tx, root, id, fact);
    tempid->id = id;
    *is_news = true;
    return LION_OK;
}

/* Two entities with one identity are one: both numbers may be ids or tempids. Two ids are left to
 * the check of uniqueness, which says which value they share. */
static lion_status unite(lion_tx *tx, int64_t a, int64_t b, const lion_fact *fact, bool *is_news,
                         lion_error *error)
{
    if (a >= 0 && b >= 0) return LION_OK;
    if (a >= 0) return bind(tx, b, a, fact, is_news, error);
    if (b >= 0) return bind(tx, a, b, fact, is_news, error);
    uint32_t root_a = lion_tx_root(tx, lion_tx_place(a));
    uint32_t root_b = lion_tx_root(tx, lion_tx_place(b));
    if (root_a == root_b) return LION_OK;
    lion_tx_tempid *left = &tx->tempids.items[root_a], *right = &tx->tempids.items[root_b];
    if (left->id >= 0 && right->id >= 0 && left->id != right->id)
        return fail_two_entities(error, tx, root_a, right->id, fact);
    if (left->id < 0) left->id = right->id;
    right->parent = root_a;
    *is_news = true;
    return LION_OK;
}

/* -- Rounds ----------------------------------------------------------------------------------- */

/* The value as it is known now; false: it is a ref to, or a tuple with, an entity not known yet. */
static bool value_now(lion_value *value_out, lion_tx *tx, const lion_fact *fact)
{
    *value_out = fact->v;
    if (fact->v.type == LION_TYPE_REF && fact->v.bits < 0) {
        uint32_t root = lion_tx_root(tx, lion_tx_place(fact->v.bits));
        int64_t id = tx->tempids.items[root].id;
        *value_out = lion_value_ref(id >= 0 ? id : -1 - (int64_t)root);
        return id >= 0;
    }
    if (fact->v.type != LION_TYPE_NIL) return true;
    lion_tx_tuple tuple = tx->tuples.items[fact->v.bits];
    bool is_known = true;
    for (size_t i = 0; i < tuple.count; i++) {
        if (tuple.slots[i].type != LION_TYPE_REF || tuple.slots[i].bits >= 0) continue;
        uint32_t root = lion_tx_root(tx, lion_tx_place(tuple.slots[i].bits));
        int64_t id = tx->tempids.items[root].id;
        tuple.slots[i].bits = id >= 0 ? id : -1 - (int64_t)root;
        is_known = is_known && id >= 0;
    }
    *value_out = lion_tuple_make(tx->arena, tuple.slots, tuple.count);
    return is_known;
}

typedef struct identity_search {
    lion_value_table known;                    /* over all rounds: values that are known */
    lion_value_table open;                     /* of one round: values with entities that are not */
    uint32_t empty_attribute, other_attribute; /* remembered: nobody has it, somebody has it */
} identity_search;

/* Who has the value in the database before; for attributes that nobody has at all, without asking
 * again. */
static lion_status find(int64_t *id_out, lion_tx *tx, identity_search *search, uint32_t a,
                        lion_value v, lion_error *error)
{
    if (a == search->empty_attribute) return LION_ABSENT;
    if (a != search->other_attribute) {
        lion_key key = { .datom = { .a = a }, .parts = 1 };
        uint64_t count = 0;
        lion_status status = lion_view_estimate(&count, &tx->view, LION_AEVT, &key, error);
        if (status < 0) return status;
        if (status == LION_OK && count == 0) {
            search->empty_attribute = a;
            return LION_ABSENT;
        }
        search->other_attribute = a;
    }
    return lion_view_find(id_out, NULL, &tx->view, a, v, tx->arena, error);
}

static lion_status settle(lion_tx *tx, identity_search *search, lion_fact *fact, lion_value v,
                          bool *is_news, lion_error *error)
{
    int64_t other = 0;
    if (lion_value_table_put(&search->known, fact->attribute->id, v, fact->e, &other)) {
        return unite(tx, fact->e, other, fact, is_news, error);
    }
    if (fact->e >= 0) return LION_OK;
    int64_t id = 0;
    lion_status status = find(&id, tx, search, fact->attribute->id, v, error);
    if (status < 0) return status;
    if (status == LION_OK) {
        fact->flags |= LION_FACT_IS_THERE;
        return bind(tx, fact->e, id, fact, is_news, error);
    }
    fact->flags |= LION_FACT_IS_FREE;
    return LION_OK;
}

/* One pass over the identities not settled yet (kept in place). Values still open are compared
 * among themselves: two entities that own one new entity are one. */
static lion_status make_round(lion_tx *tx, identity_search *search, uint32_t *waiting,
                              uint32_t *count, bool *is_news, lion_error *error)
{
    uint32_t left = 0;
    lion_status status = LION_OK;
    if (search->open.entries != NULL) lion_value_table_clear(&search->open);
    for (uint32_t i = 0; status == LION_OK && i < *count; i++) {
        lion_fact *fact = &tx->facts.items[waiting[i]];
        lion_value v;
        if (value_now(&v, tx, fact)) {
            status = settle(tx, search, fact, v, is_news, error);
            continue;
        }
        if (search->open.entries == NULL) lion_value_table_init(&search->open, *count, tx->arena);
        if (search->open.entries == NULL) return lion_fail_memory(error);
        int64_t other = 0;
        if (lion_value_table_put(&search->open, fact->attribute->id, v, fact->e, &other))
            status = unite(tx, fact->e, other, fact, is_news, error);
        waiting[left++] = waiting[i];
    }
    *count = left;
    return status;
}

static lion_status find_identities(lion_tx *tx, lion_error *error)
{
    uint32_t count = tx->identities.count;
    uint32_t *waiting = tx->identities.items;
    identity_search search = { .empty_attribute = UINT32_MAX, .other_attribute = UINT32_MAX };
    lion_value_table_init(&search.known, count, tx->arena);
    if (search.known.entries == NULL) return lion_fail_memory(error);
    bool is_news = true;
    lion_status status = LION_OK;
    while (status == LION_OK && is_news && count > 0) {
        is_news = false;
        status = make_round(tx, &search, waiting, &count, &is_news, error);
    }
    return status;
}

/* -- From numbers to ids ---------------------------------------------------------------------- */

static lion_status fail_no_entity(lion_error *error, lion_tx *tx, int64_t e)
{
    return lion_fail(error, LION_INCORRECT, "db.error/tempid-not-an-entity",
                     "the tempid %s is used, but nothing is asserted of it: it names no entity",
                     lion_tx_entity_text(tx, e));
}

static lion_status id_of(int64_t *e, lion_tx *tx, lion_error *error)
{
    if (*e >= 0) return LION_OK;
    int64_t id = tx->tempids.items[lion_tx_root(tx, lion_tx_place(*e))].id;
    if (id < 0) return fail_no_entity(error, tx, *e);
    *e = id;
    return LION_OK;
}

static lion_status resolve_value(lion_value *v, lion_tx *tx, lion_error *error)
{
    if (v->type == LION_TYPE_REF) return id_of(&v->bits, tx, error);
    LION_ASSERT(v->type == LION_TYPE_NIL && (size_t)v->bits < tx->tuples.count);
    lion_tx_tuple *tuple = &tx->tuples.items[v->bits];
    for (size_t i = 0; i < tuple->count; i++) {
        if (tuple->slots[i].type != LION_TYPE_REF) continue;
        lion_status status = id_of(&tuple->slots[i].bits, tx, error);
        if (status < 0) return status;
    }
    *v = lion_tuple_make(tx->arena, tuple->slots, tuple->count);
    return LION_OK;
}

static bool is_open(lion_value v)
{
    return v.type == LION_TYPE_NIL || (v.type == LION_TYPE_REF && v.bits < 0);
}

static lion_status take_instant(lion_tx *tx, lion_fact *fact, lion_error *error)
{
    if (fact->e != tx->tx || fact->op != LION_FACT_ADD)
        return lion_fail(error, LION_INCORRECT, "db.error/reset-tx-instant",
                         "db/txInstant may be set on the current transaction alone (\"lion.tx\"), "
                         "not on %s",
                         lion_tx_entity_text(tx, fact->e));
    if (tx->has_instant && tx->instant_ms != fact->v.bits)
        return lion_fail(
            error, LION_INCORRECT, "db.error/datoms-conflict",
            "two different instants for one transaction: %s and %s",
            lion_tx_value_text(tx, lion_value_scalar(LION_TYPE_INSTANT, tx->instant_ms)),
            lion_tx_value_text(tx, fact->v));
    tx->has_instant = true;
    tx->instant_ms = fact->v.bits;
    fact->op = LION_FACT_DROPPED; /* the transaction's own instant is added once, by us */
    return LION_OK;
}

static lion_status resolve_facts(lion_tx *tx, lion_error *error)
{
    for (uint32_t i = 0; i < tx->facts.count; i++) {
        lion_fact *fact = &tx->facts.items[i];
        lion_status status = fact->e < 0 ? id_of(&fact->e, tx, error) : LION_OK;
        if (status == LION_OK && is_open(fact->v)) status = resolve_value(&fact->v, tx, error);
        if (status == LION_OK && fact->attribute->id == LION_ID_TX_INSTANT)
            status = take_instant(tx, fact, error);
        if (status < 0) return status;
        /* Composite tuples are ours: what is said of them served to find the entity. */
        if (fact->attribute->tuple_kind == 1) fact->op = LION_FACT_DROPPED;
    }
    return LION_OK;
}

static lion_status resolve_others(lion_tx *tx, lion_error *error)
{
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < tx->deferred.count; i++) {
        lion_tx_deferred *deferred = &tx->deferred.items[i];
        status = id_of(&deferred->e, tx, error);
        if (deferred->kind != LION_DEFERRED_CAS) continue;
        if (status == LION_OK && !deferred->is_absent && is_open(deferred->old))
            status = resolve_value(&deferred->old, tx, error);
        if (status == LION_OK && is_open(deferred->v))
            status = resolve_value(&deferred->v, tx, error);
    }
    for (uint32_t i = 0; status == LION_OK && i < tx->ensures.count; i++)
        status = id_of(&tx->ensures.items[i].e, tx, error);
    return status;
}

lion_status lion_tx_resolve(lion_tx *tx, lion_error *error)
{
    lion_status status = LION_OK;
    if (tx->has_identity_on_tempid) status = find_identities(tx, error);
    if (status == LION_OK) status = lion_tx_number(tx, error);
    if (status == LION_OK) status = resolve_facts(tx, error);
    if (status == LION_OK) status = resolve_others(tx, error);
    return status < 0 ? status : lion_arena_check(tx->arena, error);
}
