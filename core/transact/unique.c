/* unique.c - no two entities with one unique value after this transaction. */
#include "base/assert.h"
#include "transact/tx.h"

static lion_status fail_unique(lion_error *error, lion_tx *tx, const lion_attribute *attribute,
                               lion_value v, int64_t e1, int64_t e2)
{
    return lion_fail(error, LION_CONFLICT, "db.error/unique-conflict",
                     "%s and %s cannot both have :%.*s %s, which is unique",
                     lion_tx_entity_text(tx, e1), lion_tx_entity_text(tx, e2),
                     (int)attribute->ident.size, (const char *)attribute->ident.data,
                     lion_tx_value_text(tx, v));
}

static bool is_retracted(const lion_tx *tx, int64_t e, uint32_t a, lion_value v)
{
    for (uint32_t i = lion_tx_first_of(tx, e); i < tx->datoms.count && tx->datoms.items[i].e == e;
         i++) {
        const lion_datom *datom = &tx->datoms.items[i];
        if (datom->a == a && !datom->added && lion_value_compare(datom->v, v) == 0) return true;
    }
    return false;
}

lion_status lion_tx_check_unique(lion_tx *tx, lion_error *error)
{
    if (tx->unique_checks.count == 0) return LION_OK;
    lion_value_table table;
    lion_value_table_init(&table, tx->unique_checks.count, tx->arena);
    if (table.entries == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < tx->unique_checks.count; i++) {
        const lion_tx_check *check = &tx->unique_checks.items[i];
        const lion_datom *datom = &tx->datoms.items[check->datom];
        int64_t other = 0;
        if (lion_value_table_put(&table, datom->a, datom->v, datom->e, &other) && other != datom->e)
            return fail_unique(error, tx, check->attribute, datom->v, other, datom->e);
        if (check->is_free) continue; /* looked up when its tempid was resolved */
        lion_status status =
            lion_view_find(&other, NULL, &tx->view, datom->a, datom->v, tx->arena, error);
        if (status < 0) return status;
        if (status == LION_OK && other != datom->e && !is_retracted(tx, other, datom->a, datom->v))
            return fail_unique(error, tx, check->attribute, datom->v, other, datom->e);
    }
    return LION_OK;
}
