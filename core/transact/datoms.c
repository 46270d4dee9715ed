/* datoms.c - the datoms that a transaction comes to: put one after another, with the checks that they call for,
 * and found again by their entity. And the room of its arrays. */
#include "base/assert.h"
#include "transact/tx.h"

#define FACTS_FIRST 64

bool lion_tx_reserve(void **items, uint32_t count, uint32_t *capacity, size_t size,
                     lion_arena *arena)
{
    uint32_t grown = *capacity == 0 ? FACTS_FIRST : *capacity * 2;
    if (grown <= *capacity) return false;
    void *larger = lion_arena_grow(arena, *items, *capacity * size, grown * size);
    if (larger == NULL || arena->is_exhausted) return false;
    LION_ASSERT(count <= grown);
    *items = larger;
    *capacity = grown;
    return true;
}

/* -- Putting ----------------------------------------------------------------------------------- */

static lion_status note_check(lion_tx_check **items, uint32_t *count, uint32_t *capacity,
                              lion_tx_check check, lion_arena *arena, lion_error *error)
{
    if (*count == *capacity &&
        !lion_tx_reserve((void **)items, *count, capacity, sizeof **items, arena))
        return lion_fail_memory(error);
    (*items)[(*count)++] = check;
    return LION_OK;
}

lion_status lion_tx_emit(lion_tx *tx, int64_t e, const lion_attribute *attribute, lion_value v,
                         bool added, bool is_free, lion_error *error)
{
    if (!lion_tx_room(&tx->datoms, tx->arena)) return lion_fail_memory(error);
    uint32_t place = tx->datoms.count++;
    tx->datoms.items[place] =
        (lion_datom){ .e = e, .v = v, .tx = tx->tx, .a = attribute->id, .added = added };
    if (attribute->id <= LION_ID_ATTR_PREDS && attribute->id != LION_ID_TX_INSTANT &&
        attribute->id != LION_ID_DOC)
        tx->is_schema_touched = true;
    if (!added) return LION_OK;
    lion_tx_check check = { .datom = place, .is_free = is_free, .attribute = attribute };
    lion_status status = LION_OK;
    if (attribute->unique != LION_UNIQUE_NONE)
        status = note_check(&tx->unique_checks.items, &tx->unique_checks.count,
                            &tx->unique_checks.capacity, check, tx->arena, error);
    if (status == LION_OK && attribute->predicate_count > 0)
        status = note_check(&tx->predicate_checks.items, &tx->predicate_checks.count,
                            &tx->predicate_checks.capacity, check, tx->arena, error);
    return status;
}

/* -- Finding ----------------------------------------------------------------------------------- */

uint32_t lion_tx_first_of(const lion_tx *tx, int64_t e)
{
    uint32_t low = 0, high = tx->datoms.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (tx->datoms.items[middle].e < e)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const lion_datom *lion_tx_said(const lion_tx *tx, int64_t e, uint32_t a, bool added)
{
    for (uint32_t i = lion_tx_first_of(tx, e); i < tx->datoms.count; i++) {
        const lion_datom *datom = &tx->datoms.items[i];
        if (datom->e != e) break;
        if (datom->a == a && datom->added == added) return datom;
    }
    return NULL;
}
