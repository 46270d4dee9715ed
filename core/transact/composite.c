/* composite.c - composite tuples follow their members: made anew whenever a member is spoken of,
 * even if what is said of it changes nothing (so that data older than the tuple's schema get
 * theirs). */
#include "base/assert.h"
#include "data/tuple.h"
#include "transact/tx.h"

/* The member's value after this transaction; NIL: none. `facts` are the entity's, sorted by
 * attribute; those said twice may stand there twice. */
static lion_status member_after(lion_value *value_out, lion_tx *tx, const lion_fact *facts,
                                size_t count, bool is_new, uint32_t a, lion_error *error)
{
    lion_value now = lion_value_nil();
    if (!is_new) {
        lion_status status = lion_view_get(&now, NULL, &tx->view, facts[0].e, a, tx->arena, error);
        if (status < 0) return status;
        if (status == LION_ABSENT) now = lion_value_nil();
    }
    for (size_t i = 0; i < count; i++) {
        if (facts[i].attribute->id != a) continue;
        if (facts[i].op == LION_FACT_ADD) {
            *value_out = facts[i].v;
            return LION_OK;
        }
        if (now.type != LION_TYPE_NIL && lion_value_compare(facts[i].v, now) == 0)
            now = lion_value_nil();
    }
    *value_out = now;
    return LION_OK;
}

static lion_status remake(lion_tx *tx, const lion_fact *facts, size_t count,
                          const lion_attribute *composite, lion_error *error)
{
    int64_t e = facts[0].e;
    bool is_new = lion_tx_is_new(tx, e), is_empty = true;
    lion_value slots[LION_TUPLE_SLOTS_MAX];
    for (uint32_t i = 0; i < composite->tuple_count; i++) {
        lion_status status = member_after(&slots[i], tx, facts, count, is_new,
                                          composite->tuple_attributes[i], error);
        if (status < 0) return status;
        if (slots[i].type != LION_TYPE_NIL) is_empty = false;
    }
    lion_value now = lion_value_nil(), after = lion_value_nil();
    lion_status status = LION_ABSENT;
    if (!is_new) status = lion_view_get(&now, NULL, &tx->view, e, composite->id, tx->arena, error);
    if (status < 0) return status;
    bool is_there = status == LION_OK;
    if (!is_empty) {
        status = lion_tuple_check_texts(slots, composite->tuple_count, composite, error);
        if (status < 0) return status;
        after = lion_tuple_make(tx->arena, slots, composite->tuple_count);
    }
    if (is_there && !is_empty && lion_value_compare(now, after) == 0) return LION_OK;
    status = LION_OK;
    if (is_there) status = lion_tx_emit(tx, e, composite, now, false, false, error);
    if (status == LION_OK && !is_empty)
        status = lion_tx_emit(tx, e, composite, after, true, false, error);
    return status;
}

/* Is the composite met earlier among the facts' attributes? */
static bool is_met(const lion_fact *facts, size_t at, uint32_t end, uint32_t id)
{
    for (size_t i = 0; i <= at; i++) {
        if (i > 0 && facts[i].attribute == facts[i - 1].attribute) continue;
        const lion_attribute *attribute = facts[i].attribute;
        uint32_t count = i == at ? end : attribute->composite_count;
        for (uint32_t k = 0; k < count; k++)
            if (attribute->composites[k] == id) return true;
    }
    return false;
}

lion_status lion_tx_composites(lion_tx *tx, const lion_fact *facts, size_t count, lion_error *error)
{
    lion_status status = LION_OK;
    for (size_t i = 0; status == LION_OK && i < count; i++) {
        const lion_attribute *attribute = facts[i].attribute;
        if (i > 0 && attribute == facts[i - 1].attribute) continue;
        for (uint32_t k = 0; status == LION_OK && k < attribute->composite_count; k++) {
            uint32_t id = attribute->composites[k];
            if (is_met(facts, i, k, id)) continue;
            const lion_attribute *composite = lion_schema_attribute(tx->schema, id);
            LION_ASSERT(composite != NULL);
            status = remake(tx, facts, count, composite, error);
        }
    }
    return status;
}
