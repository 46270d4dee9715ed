/* tempid.c - names that stand for entities until they have ids.
 *
 * A name of the form #db/id[:a.partition -1] or #db/id:a.partition -1 (as readers of old tx data
 * hand on the tagged literal) also says the partition. */
#include "base/hash.h"
#include "transact/tx.h"

static lion_status grow_slots(lion_tx *tx, lion_error *error)
{
    uint32_t slots = tx->tempid_mask == 0 ? 64 : (tx->tempid_mask + 1) * 2;
    uint32_t *table = lion_arena_zalloc(tx->arena, slots * sizeof *table);
    if (table == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < tx->tempids.count; i++) {
        lion_slice name = tx->tempids.items[i].name;
        if (name.size == 0) continue;
        uint32_t at = (uint32_t)lion_hash(name.data, name.size) & (slots - 1);
        while (table[at] != 0) at = (at + 1) & (slots - 1);
        table[at] = i + 1;
    }
    tx->tempid_slots = table;
    tx->tempid_mask = slots - 1;
    return LION_OK;
}

int64_t lion_tx_tempid_new(lion_tx *tx, int64_t partition_of)
{
    if (!lion_tx_room(&tx->tempids, tx->arena)) return tx->tx; /* the arena's check answers */
    uint32_t place = tx->tempids.count++;
    tx->tempids.items[place] = (lion_tx_tempid){ .parent = place,
                                                 .first_attribute = UINT32_MAX,
                                                 .id = -1,
                                                 .partition = -1,
                                                 .partition_of = partition_of };
    if (partition_of != LION_NOBODY) tx->is_partition_asked = true;
    return -1 - (int64_t)place;
}

/* The partition in a name like #db/id[:db.part/user -1]; LION_ABSENT: no such name. */
static lion_status partition_in_name(int64_t *partition_out, const lion_tx *tx, lion_slice name,
                                     lion_error *error)
{
    static const char START[] = "#db/id";
    size_t start = sizeof START - 1;
    if (name.size <= start || memcmp(name.data, START, start) != 0) return LION_ABSENT;
    while (start < name.size && (name.data[start] == '[' || name.data[start] == ' ')) start++;
    if (start == name.size || name.data[start] != ':') return LION_ABSENT;
    size_t end = start;
    while (end < name.size && strchr(" ,]", name.data[end]) == NULL) end++;
    lion_slice part = lion_slice_of(name.data + start, end - start);
    if (lion_schema_entid(partition_out, tx->schema, part) == LION_OK &&
        lion_schema_has_partition(tx->schema, *partition_out))
        return LION_OK;
    return lion_fail(error, LION_INCORRECT, "db.error/not-an-entity",
                     "%.*s names no partition of this database", (int)name.size,
                     (const char *)name.data);
}

static bool is_text(lion_slice name, const char *text)
{
    return lion_slice_equal(name, lion_slice_text(text));
}

/* LION_OK: the current transaction. */
static lion_status reserved_name(int64_t *e_out, const lion_tx *tx, lion_slice name,
                                 lion_error *error)
{
    if (is_text(name, "lion.tx") || is_text(name, "datomic.tx")) {
        *e_out = tx->tx;
        return LION_OK;
    }
    if (name.size >= 8 && memcmp(name.data, "datomic.", 8) == 0)
        return lion_fail(error, LION_INCORRECT, "db.error/invalid-entity-id",
                         "tempids beginning with \"datomic.\" are reserved; the transaction itself "
                         "is \"datomic.tx\" or \"lion.tx\"");
    return LION_ABSENT;
}

static lion_status add_named(int64_t *e_out, lion_tx *tx, lion_slice name, lion_error *error)
{
    int64_t partition = -1;
    lion_status status = partition_in_name(&partition, tx, name, error);
    if (status < 0) return status;
    if (status == LION_OK && partition == LION_PARTITION_TX) { /* as old data name it */
        *e_out = tx->tx;
        return LION_OK;
    }
    *e_out = lion_tx_tempid_new(tx, LION_NOBODY);
    if (*e_out >= 0) return lion_fail_memory(error);
    lion_tx_tempid *tempid = &tx->tempids.items[lion_tx_place(*e_out)];
    tempid->name = name;
    tempid->partition = partition;
    if (partition >= 0) tx->is_partition_asked = true;
    return LION_OK;
}

lion_status lion_tx_tempid_named(int64_t *e_out, lion_tx *tx, lion_slice name, lion_error *error)
{
    lion_status status = reserved_name(e_out, tx, name, error);
    if (status != LION_ABSENT) return status;
    if (name.size == 0)
        return lion_fail(error, LION_INCORRECT, "db.error/invalid-entity-id",
                         "an empty string is no tempid");
    if (tx->tempids.count * 2 >= tx->tempid_mask && grow_slots(tx, error) < 0) return LION_FAILED;
    uint32_t at = (uint32_t)lion_hash(name.data, name.size) & tx->tempid_mask;
    for (; tx->tempid_slots[at] != 0; at = (at + 1) & tx->tempid_mask) {
        uint32_t place = tx->tempid_slots[at] - 1;
        if (!lion_slice_equal(tx->tempids.items[place].name, name)) continue;
        *e_out = -1 - (int64_t)place;
        return LION_OK;
    }
    status = add_named(e_out, tx, name, error);
    if (status == LION_OK && *e_out < 0) tx->tempid_slots[at] = lion_tx_place(*e_out) + 1;
    return status;
}

uint32_t lion_tx_root(lion_tx *tx, uint32_t tempid)
{
    lion_tx_tempid *items = tx->tempids.items;
    while (items[tempid].parent != tempid) {
        items[tempid].parent = items[items[tempid].parent].parent; /* halve the path */
        tempid = items[tempid].parent;
    }
    return tempid;
}

const char *lion_tx_entity_text(lion_tx *tx, int64_t e)
{
    lion_slice name;
    if (e < 0) {
        name = tx->tempids.items[lion_tx_place(e)].name;
        if (name.size == 0) return "a map without db/id";
        return lion_arena_printf(tx->arena, "\"%.*s\"", name.size > 100 ? 100 : (int)name.size,
                                 (const char *)name.data);
    }
    if (lion_schema_ident(&name, tx->schema, e) == LION_OK)
        return lion_arena_printf(tx->arena, ":%.*s", name.size > 100 ? 100 : (int)name.size,
                                 (const char *)name.data);
    return lion_arena_printf(tx->arena, "%lld", (long long)e);
}

const char *lion_tx_value_text(lion_tx *tx, lion_value v)
{
    lion_form form = lion_form_value(v);
    return lion_arena_printf(tx->arena, "%.150s", lion_form_text(tx->arena, &form));
}
