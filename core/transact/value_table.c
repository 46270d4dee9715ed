/* value_table.c - open addressing in the transaction's arena, sized once. */
#include "base/hash.h"
#include "transact/tx.h"

typedef struct lion_value_entry {
    lion_value v;
    int64_t number;
    uint32_t a;
    bool is_used;
} lion_value_entry;

void lion_value_table_init(lion_value_table *table, size_t count_max, lion_arena *arena)
{
    size_t slots = 16;
    while (slots < count_max * 2) slots *= 2;
    table->mask = (uint32_t)(slots - 1);
    table->entries = lion_arena_zalloc(arena, slots * sizeof(lion_value_entry));
}

void lion_value_table_clear(lion_value_table *table)
{
    memset(table->entries, 0, (table->mask + (size_t)1) * sizeof *table->entries);
}

static uint64_t hash_of(uint32_t a, lion_value v)
{
    if (v.type == LION_TYPE_DOUBLE) return lion_value_hash(v) + a; /* one zero, one NaN */
    if (lion_type_is_scalar(v.type)) return lion_hash_u64((uint64_t)v.bits ^ (uint64_t)a << 40);
    return lion_hash_seed(v.data, v.size, a);
}

bool lion_value_table_put(lion_value_table *table, uint32_t a, lion_value v, int64_t number,
                          int64_t *old_out)
{
    for (uint32_t at = (uint32_t)hash_of(a, v) & table->mask;; at = (at + 1) & table->mask) {
        lion_value_entry *entry = &table->entries[at];
        if (!entry->is_used) {
            *entry = (lion_value_entry){ .v = v, .number = number, .a = a, .is_used = true };
            return false;
        }
        if (entry->a == a && entry->v.type == v.type && lion_value_compare(entry->v, v) == 0) {
            *old_out = entry->number;
            return true;
        }
    }
}
