/* numbers.c - ids of new entities.
 *
 * New entities of one kind lie side by side, so that columns over them are dense: within a
 * transaction they are numbered in groups, by the namespace of the attribute with the smallest id
 * that they are given (which does not depend on the order of a map's keys). Schema entities come
 * from the db partition's own ids. */
#include "base/assert.h"
#include "transact/tx.h"

/* -- What the members of a union say together ------------------------------------------------- */

static void gather(lion_tx *tx)
{
    for (uint32_t i = 0; i < tx->tempids.count; i++) {
        uint32_t place = lion_tx_root(tx, i);
        if (place == i) continue;
        const lion_tx_tempid *tempid = &tx->tempids.items[i];
        lion_tx_tempid *root = &tx->tempids.items[place];
        root->is_entity |= tempid->is_entity;
        root->is_schema |= tempid->is_schema;
        root->is_named |= tempid->is_named;
        root->is_partition |= tempid->is_partition;
        if (tempid->first_attribute < root->first_attribute)
            root->first_attribute = tempid->first_attribute;
        if (root->partition < 0) root->partition = tempid->partition;
        if (root->partition_of == LION_NOBODY) root->partition_of = tempid->partition_of;
    }
}

/* -- Partitions ------------------------------------------------------------------------------- */

/* Where a new entity goes: where it was told, beside whom it was told, or to the user's. Follows
 * parents of nested maps, at most as many as there are. */
static int64_t partition_of(lion_tx *tx, uint32_t root)
{
    for (uint32_t steps = 0; steps <= tx->tempids.count; steps++) {
        const lion_tx_tempid *tempid = &tx->tempids.items[root];
        if (tempid->partition >= 0) return tempid->partition;
        int64_t other = tempid->partition_of;
        if (other == LION_NOBODY) break;
        if (other < 0) {
            root = lion_tx_root(tx, lion_tx_place(other));
            other = tx->tempids.items[root].id;
            if (other < 0) continue;
        }
        int64_t partition = lion_id_partition(other);
        if (partition == LION_PARTITION_DB || partition == LION_PARTITION_TX) break;
        return partition;
    }
    return LION_PARTITION_USER;
}

static lion_status number_schema(lion_tx *tx, lion_tx_tempid *tempid, lion_error *error)
{
    if (tempid->is_partition) {
        if (tx->next_partition > LION_PARTITION_MAX)
            return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                             "there are %d partitions, which is all there may be",
                             LION_PARTITION_MAX + 1 - LION_PARTITION_ID_FIRST);
        tempid->id = tx->next_partition++;
        return LION_OK;
    }
    if (tx->next_attribute > LION_ATTRIBUTE_ID_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                         "there are %d schema entities, which is all there may be",
                         LION_ATTRIBUTE_ID_MAX + 1 - LION_ATTRIBUTE_ID_FIRST);
    tempid->id = tx->next_attribute++;
    return LION_OK;
}

/* -- Groups ----------------------------------------------------------------------------------- */

static lion_slice namespace_of(const lion_attribute *attribute)
{
    lion_slice name = attribute->ident;
    const uint8_t *slash = name.size == 0 ? NULL : memchr(name.data, '/', name.size);
    return lion_slice_of(name.data, slash == NULL ? 0 : (size_t)(slash - name.data));
}

typedef struct grouping {
    uint32_t *of_attribute; /* id → group + 1, 0: not asked yet */
    lion_slice *namespaces; /* of the groups */
    uint32_t *sizes;        /* first how many entities, then where the next one goes */
    uint32_t count;
} grouping;

static uint32_t group_of(grouping *groups, const lion_tx *tx, uint32_t a)
{
    if (a == UINT32_MAX) return 0; /* asserted of only by db/ensure */
    if (groups->of_attribute[a] != 0) return groups->of_attribute[a] - 1;
    lion_slice name = namespace_of(lion_schema_attribute(tx->schema, a));
    uint32_t group = 0;
    while (group < groups->count && !lion_slice_equal(groups->namespaces[group], name)) group++;
    if (group == groups->count) groups->namespaces[groups->count++] = name;
    groups->of_attribute[a] = group + 1;
    return group;
}

/* New entities in the order of their ids: sorted by group, by counting. */
static uint32_t *in_groups(lion_tx *tx, const uint32_t *fresh, uint32_t count)
{
    uint32_t attributes = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t a = tx->tempids.items[fresh[i]].first_attribute;
        if (a != UINT32_MAX && a >= attributes) attributes = a + 1;
    }
    grouping groups = { .count = 1 }; /* group 0: of no namespace */
    groups.of_attribute = lion_arena_zalloc(tx->arena, attributes * sizeof(uint32_t));
    groups.namespaces = lion_arena_zalloc(tx->arena, (attributes + 1) * sizeof(lion_slice));
    groups.sizes = lion_arena_zalloc(tx->arena, (attributes + 2) * sizeof(uint32_t));
    uint32_t *group = lion_arena_array(tx->arena, uint32_t, count);
    uint32_t *order = lion_arena_array(tx->arena, uint32_t, count);
    if (groups.of_attribute == NULL || groups.namespaces == NULL || groups.sizes == NULL ||
        group == NULL || order == NULL || tx->arena->is_exhausted)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        group[i] = group_of(&groups, tx, tx->tempids.items[fresh[i]].first_attribute);
        groups.sizes[group[i] + 1]++;
    }
    for (uint32_t i = 0; i < groups.count; i++) groups.sizes[i + 1] += groups.sizes[i];
    for (uint32_t i = 0; i < count; i++) order[groups.sizes[group[i]]++] = fresh[i];
    return order;
}

lion_status lion_tx_number(lion_tx *tx, lion_error *error)
{
    gather(tx);
    uint32_t *fresh = lion_arena_array(tx->arena, uint32_t, tx->tempids.count);
    if (fresh == NULL) return lion_fail_memory(error);
    uint32_t count = 0;
    for (uint32_t i = 0; i < tx->tempids.count && !tx->arena->is_exhausted; i++) {
        lion_tx_tempid *tempid = &tx->tempids.items[i];
        if (tempid->parent != i || tempid->id >= 0 || !tempid->is_entity) continue;
        bool is_schema = tempid->is_schema || tempid->is_partition;
        if (!is_schema && tempid->partition == LION_PARTITION_DB) {
            if (!tempid->is_named)
                return lion_fail(error, LION_INCORRECT, "db.error/invalid-entity-id",
                                 "%s cannot lie in the partition db, which is for schema",
                                 lion_tx_entity_text(tx, -1 - (int64_t)i));
            is_schema = true;
        }
        if (!is_schema) {
            fresh[count++] = i;
            continue;
        }
        lion_status status = number_schema(tx, tempid, error);
        if (status < 0) return status;
    }
    uint32_t *order = count > 1 ? in_groups(tx, fresh, count) : fresh;
    if (order == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++) {
        int64_t partition =
            tx->is_partition_asked ? partition_of(tx, order[i]) : LION_PARTITION_USER;
        LION_ASSERT(tx->next_counter < INT64_C(1) << LION_COUNTER_BITS);
        tx->tempids.items[order[i]].id = lion_id_make(partition, tx->next_counter++);
    }
    return LION_OK;
}

bool lion_tx_is_new(const lion_tx *tx, int64_t e)
{
    if (lion_id_partition(e) != LION_PARTITION_DB) return lion_id_counter(e) >= tx->t;
    if (e < LION_ATTRIBUTE_ID_FIRST) return e >= lion_schema_next_partition(tx->schema);
    return e >= lion_schema_next_attribute(tx->schema);
}
