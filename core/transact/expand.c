/* expand.c - operations one after the other; lists by their head.
 *
 * A transaction is a set of facts, so what functions answer may wait its turn at the end of the
 * queue. */
#include "transact/tx.h"

lion_status lion_tx_enqueue(lion_tx *tx, const lion_form *ops, lion_error *error)
{
    bool is_nothing = (ops->kind == LION_FORM_VALUE && ops->value.type == LION_TYPE_NIL) ||
                      (ops->kind == LION_FORM_MAP && ops->count == 0);
    if (is_nothing) return LION_OK;
    if (ops->kind != LION_FORM_VECTOR && ops->kind != LION_FORM_SET)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "tx data is an array of operations (maps and lists), not %.200s",
                         lion_form_text(tx->arena, ops));
    lion_tx_batch *batch = lion_arena_new(tx->arena, lion_tx_batch);
    batch->ops = ops->items;
    batch->count = ops->count;
    if (tx->batch == NULL)
        tx->batch = batch;
    else
        tx->last_batch->later = batch;
    tx->last_batch = batch;
    return LION_OK;
}

/* -- Lists ------------------------------------------------------------------------------------ */

static lion_status fail_shape(lion_error *error, lion_tx *tx, const lion_form *op,
                              const char *shape)
{
    return lion_fail(error, LION_INCORRECT, "lion/syntax", "%.200s is not of the form %s",
                     lion_form_text(tx->arena, op), shape);
}

static lion_status expand_add(lion_tx *tx, const lion_form *op, lion_error *error)
{
    if (op->count != 4) return fail_shape(error, tx, op, "[db/add entity attribute value]");
    int64_t e = 0;
    const lion_attribute *attribute = NULL;
    lion_value v;
    lion_status status = lion_tx_entity_of(&e, tx, &op->items[1], error);
    if (status == LION_OK) status = lion_tx_attribute_of(&attribute, tx, &op->items[2], error);
    if (status < 0) return status;
    if (attribute->id == LION_ID_ENSURE) return lion_tx_ensure_spec(tx, e, &op->items[3], error);
    status = lion_tx_value_of(&v, tx, attribute, &op->items[3], error);
    if (status < 0) return status;
    return lion_tx_add(tx, e, attribute, v, LION_FACT_ADD, error);
}

static lion_status defer(lion_tx *tx, lion_tx_deferred deferred, lion_error *error)
{
    if (!lion_tx_room(&tx->deferred, tx->arena)) return lion_fail_memory(error);
    tx->deferred.items[tx->deferred.count++] = deferred;
    return LION_OK;
}

static lion_status expand_retract(lion_tx *tx, const lion_form *op, lion_error *error)
{
    if (op->count != 3 && op->count != 4)
        return fail_shape(error, tx, op, "[db/retract entity attribute] or [… value]");
    int64_t e = 0;
    const lion_attribute *attribute = NULL;
    lion_value v;
    lion_status status = lion_tx_entity_of(&e, tx, &op->items[1], error);
    if (status == LION_OK) status = lion_tx_attribute_of(&attribute, tx, &op->items[2], error);
    if (status < 0) return status;
    if (op->count == 3) {
        lion_tx_deferred all = { .kind = LION_DEFERRED_VALUES, .e = e, .attribute = attribute };
        return defer(tx, all, error);
    }
    status = lion_tx_value_of(&v, tx, attribute, &op->items[3], error);
    if (status < 0) return status;
    return lion_tx_add(tx, e, attribute, v, LION_FACT_RETRACT, error);
}

static lion_status expand_retract_entity(lion_tx *tx, const lion_form *op, lion_error *error)
{
    if (op->count != 2) return fail_shape(error, tx, op, "[db/retractEntity entity]");
    lion_tx_deferred deferred = { .kind = LION_DEFERRED_ENTITY };
    lion_status status = lion_tx_entity_of(&deferred.e, tx, &op->items[1], error);
    return status < 0 ? status : defer(tx, deferred, error);
}

static lion_status expand_cas(lion_tx *tx, const lion_form *op, lion_error *error)
{
    if (op->count != 5) return fail_shape(error, tx, op, "[db/cas entity attribute old new]");
    lion_tx_deferred cas = { .kind = LION_DEFERRED_CAS };
    const lion_form *old = &op->items[3];
    lion_status status = lion_tx_entity_of(&cas.e, tx, &op->items[1], error);
    if (status == LION_OK) status = lion_tx_attribute_of(&cas.attribute, tx, &op->items[2], error);
    if (status < 0) return status;
    if (cas.attribute->is_many)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "db/cas compares one value, but :%.*s is of cardinality many",
                         (int)cas.attribute->ident.size, (const char *)cas.attribute->ident.data);
    cas.is_absent = old->kind == LION_FORM_VALUE && old->value.type == LION_TYPE_NIL;
    if (!cas.is_absent) status = lion_tx_value_of(&cas.old, tx, cas.attribute, old, error);
    if (status == LION_OK)
        status = lion_tx_value_of(&cas.v, tx, cas.attribute, &op->items[4], error);
    if (status == LION_OK) status = defer(tx, cas, error);
    if (status < 0) return status;
    return lion_tx_add(tx, cas.e, cas.attribute, cas.v, LION_FACT_ADD, error);
}

/* -- Partition directives --------------------------------------------------------------------- */

static lion_status partition_of_form(int64_t *partition_out, lion_tx *tx, const lion_form *form,
                                     lion_error *error)
{
    lion_status status = lion_db_entid(partition_out, tx->db, form, tx->arena, error);
    if (status < 0) return status;
    if (status == LION_OK && lion_schema_has_partition(tx->schema, *partition_out) &&
        *partition_out != LION_PARTITION_TX)
        return LION_OK;
    if (status == LION_OK && *partition_out > LION_PARTITION_MAX)
        return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported",
                         "implicit partitions are not offered: install a named one with "
                         "db.install/_partition");
    return lion_fail(error, LION_INCORRECT, "db.error/not-an-entity",
                     "%.200s is no partition: install it with db.install/_partition",
                     lion_form_text(tx->arena, form));
}

static lion_status direct(lion_tx *tx, const lion_form *name, const lion_form *where, bool is_match,
                          lion_error *error)
{
    int64_t e = 0, target = 0;
    lion_status status = lion_tx_entity_of(&e, tx, name, error);
    if (status == LION_OK)
        status = is_match ? lion_tx_entity_of(&target, tx, where, error)
                          : partition_of_form(&target, tx, where, error);
    if (status < 0) return status;
    if (e >= 0)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "%.200s is there already: only new entities (tempids) take a partition",
                         lion_form_text(tx->arena, name));
    lion_tx_tempid *tempid = &tx->tempids.items[lion_tx_place(e)];
    if (is_match)
        tempid->partition_of = target;
    else
        tempid->partition = target;
    tx->is_partition_asked = true;
    return LION_OK;
}

static lion_status expand_directive(lion_tx *tx, const lion_form *op, bool is_match,
                                    lion_error *error)
{
    const char *shape = is_match ? "[db/match-partition {tempid entity}]"
                                 : "[db/force-partition {tempid partition}]";
    if (op->count != 2 || op->items[1].kind != LION_FORM_MAP)
        return fail_shape(error, tx, op, shape);
    const lion_form *map = &op->items[1];
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < map->count; i++)
        status = direct(tx, &map->items[2 * i], &map->items[2 * i + 1], is_match, error);
    return status;
}

/* -- Functions -------------------------------------------------------------------------------- */

static lion_status call_function(lion_tx *tx, const lion_form *op, lion_slice name, int64_t host,
                                 lion_error *error)
{
    if (++tx->expansions > tx->options.expansions_max)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                         "more than %u calls of functions in one transaction: does one answer "
                         "itself for ever?",
                         tx->options.expansions_max);
    tx->call_result = lion_form_value(lion_value_nil());
    tx->call = (lion_call){ .kind = LION_CALL_TRANSACTION,
                            .count = 1,
                            .name = name,
                            .host = host,
                            .db = (void *)(uintptr_t)tx->db,
                            .form_count = op->count - 1,
                            .forms = op->items + 1,
                            .results = &tx->call_result,
                            .arena = tx->arena };
    tx->is_calling = true;
    return LION_CALL;
}

/* -- Heads ------------------------------------------------------------------------------------ */

static lion_status expand_named(lion_tx *tx, const lion_form *op, lion_slice head,
                                lion_error *error)
{
    if (head.size > 0 && head.data[0] == ':') head = lion_slice_of(head.data + 1, head.size - 1);
#define IS(text) lion_slice_equal(head, lion_slice_text(text))
    if (IS("db/add")) return expand_add(tx, op, error);
    if (IS("db/retract")) return expand_retract(tx, op, error);
    if (IS("db/retractEntity") || IS("db.fn/retractEntity"))
        return expand_retract_entity(tx, op, error);
    if (IS("db/cas") || IS("db.fn/cas")) return expand_cas(tx, op, error);
    if (IS("db/force-partition")) return expand_directive(tx, op, false, error);
    if (IS("db/match-partition")) return expand_directive(tx, op, true, error);
#undef IS
    bool is_reserved = head.size > 3 && memcmp(head.data, "db/", 3) == 0;
    if (is_reserved || head.size == 0)
        return lion_fail(error, LION_INCORRECT, "db.error/not-a-data-function",
                         "there is no operation \"%.*s\"; there are db/add, db/retract, "
                         "db/retractEntity, db/cas, db/force-partition, db/match-partition, and "
                         "functions by name",
                         (int)(head.size > 100 ? 100 : head.size), (const char *)head.data);
    return call_function(tx, op, head, 0, error);
}

static lion_status expand_op(lion_tx *tx, const lion_form *op, lion_error *error)
{
    if (op->kind == LION_FORM_MAP) return lion_tx_expand_map(tx, op, error);
    lion_slice head;
    if (op->kind == LION_FORM_VECTOR && op->count > 0) {
        if (op->items[0].kind == LION_FORM_HOST)
            return call_function(tx, op, (lion_slice){ 0 }, op->items[0].value.bits, error);
        if (lion_form_as_slice(&op->items[0], &head)) return expand_named(tx, op, head, error);
    }
    return lion_fail(error, LION_INCORRECT, "lion/syntax",
                     "%.200s is no operation: give a map {db/id …} or a list headed by db/add, "
                     "db/retract, db/cas … or a function",
                     lion_form_text(tx->arena, op));
}

lion_status lion_tx_expand(lion_tx *tx, lion_error *error)
{
    while (tx->batch != NULL) {
        lion_tx_batch *batch = tx->batch;
        if (batch->next == batch->count) {
            tx->batch = batch->later;
            continue;
        }
        lion_status status = expand_op(tx, &batch->ops[batch->next++], error);
        if (status != LION_OK) return status;
        if (tx->arena->is_exhausted) break;
    }
    return lion_arena_check(tx->arena, error);
}
