/* specs.c - the checks that users write: attribute predicates, entity specs and their predicates.
 *
 * Each of them may be a function of the host's: the step answers LION_CALL and comes back here to
 * read what was answered. Only true is true. */
#include "base/assert.h"
#include "transact/tx.h"

static bool is_true(const lion_form *form)
{
    return form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_BOOLEAN &&
           form->value.bits != 0;
}

static lion_status ask(lion_tx *tx, lion_call_kind kind, lion_slice name, void *db,
                       lion_value argument)
{
    tx->call_form = lion_form_value(argument);
    tx->call_result = lion_form_value(lion_value_nil());
    tx->call = (lion_call){ .kind = kind,
                            .count = 1,
                            .name = name,
                            .db = db,
                            .form_count = 1,
                            .forms = &tx->call_form,
                            .results = &tx->call_result,
                            .arena = tx->arena };
    tx->is_calling = true;
    return LION_CALL;
}

/* -- Attribute predicates --------------------------------------------------------------------- */

static lion_status fail_predicate(lion_error *error, lion_tx *tx, const lion_tx_check *check,
                                  lion_slice predicate)
{
    const lion_datom *datom = &tx->datoms.items[check->datom];
    lion_slice ident = check->attribute->ident;
    return lion_fail(error, LION_INCORRECT, "db.error/attr-pred",
                     "entity %s: the value %s of :%.*s does not satisfy its predicate %.*s, which "
                     "answered %.100s",
                     lion_tx_entity_text(tx, datom->e), lion_tx_value_text(tx, datom->v),
                     (int)ident.size, (const char *)ident.data, (int)predicate.size,
                     (const char *)predicate.data, lion_form_text(tx->arena, &tx->call_result));
}

lion_status lion_tx_check_predicates(lion_tx *tx, lion_error *error)
{
    for (; tx->check_at < tx->predicate_checks.count; tx->check_at++, tx->predicate_at = 0) {
        const lion_tx_check *check = &tx->predicate_checks.items[tx->check_at];
        for (; tx->predicate_at < check->attribute->predicate_count; tx->predicate_at++) {
            lion_slice predicate = check->attribute->predicates[tx->predicate_at];
            if (!tx->is_calling)
                return ask(tx, LION_CALL_ATTRIBUTE, predicate, NULL,
                           tx->datoms.items[check->datom].v);
            tx->is_calling = false;
            if (!is_true(&tx->call_result)) return fail_predicate(error, tx, check, predicate);
        }
    }
    return LION_OK;
}

/* -- Entity specs ----------------------------------------------------------------------------- */

lion_status lion_tx_db_after(lion_db **db_out, lion_tx *tx, lion_error *error)
{
    lion_status status = LION_OK;
    if (tx->db->is_open) return LION_CALL; /* others are derived from a sealed one alone */
    if (tx->db_after == NULL)
        status = lion_db_with(&tx->db_after, (lion_db *)(uintptr_t)tx->db, &tx->result, error);
    if (status == LION_OK) *db_out = tx->db_after;
    return status;
}

/* All values of (e, a): keywords or symbols, in the arena. */
static lion_status read_names(lion_slice **names_out, uint32_t *count_out, lion_tx *tx,
                              const lion_view *view, int64_t e, uint32_t a, lion_error *error)
{
    LION_TX_ARRAY(lion_slice, names) = { 0 };
    lion_key key = { .datom = { .e = e, .a = a }, .parts = 2 };
    lion_cursor_options options = { .columns = LION_COLUMN_V };
    lion_cursor *cursor = NULL;
    lion_status status =
        lion_cursor_open(&cursor, view, LION_EAVT, &key, &options, tx->arena, error);
    while (status == LION_OK) {
        lion_datom_batch batch;
        status = lion_cursor_next(cursor, &batch, error);
        for (uint32_t row = 0; status == LION_OK && row < batch.count; row++) {
            if (!lion_tx_room(&names, tx->arena)) return lion_fail_memory(error);
            lion_value name = lion_vector_get(&batch.v, row);
            names.items[names.count++] = lion_arena_copy(tx->arena, lion_value_slice(name));
        }
    }
    *names_out = names.items;
    *count_out = names.count;
    return status < 0 ? status : LION_OK;
}

static lion_status fail_missing(lion_error *error, lion_tx *tx, const lion_tx_ensure *ensure,
                                const char *missing)
{
    return lion_fail(error, LION_INCORRECT, "db.error/entity-attr",
                     "entity %s lacks%s, which the spec %s requires",
                     lion_tx_entity_text(tx, ensure->e), missing,
                     lion_tx_entity_text(tx, ensure->spec));
}

static lion_status check_attributes(lion_tx *tx, const lion_tx_ensure *ensure, const lion_db *after,
                                    const lion_view *view, const lion_slice *names, uint32_t count,
                                    lion_error *error)
{
    const char *missing = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const lion_attribute *attribute = lion_schema_attribute_named(after->schema, names[i]);
        lion_value value;
        lion_status status = LION_ABSENT;
        if (attribute != NULL)
            status = lion_view_get(&value, NULL, view, ensure->e, attribute->id, tx->arena, error);
        if (status < 0) return status;
        if (status == LION_ABSENT)
            missing = lion_arena_printf(tx->arena, "%s :%.*s", missing == NULL ? "" : missing,
                                        (int)names[i].size, (const char *)names[i].data);
    }
    return missing == NULL ? LION_OK : fail_missing(error, tx, ensure, missing);
}

/* Read the spec, check what it requires, and leave its predicates to be asked. */
static lion_status begin_spec(lion_tx *tx, const lion_tx_ensure *ensure, lion_error *error)
{
    lion_db *after = NULL;
    lion_status status = lion_tx_db_after(&after, tx, error);
    if (status != LION_OK) return status;
    lion_view view;
    lion_db_plain_view(&view, after);
    lion_slice *names = NULL;
    uint32_t count = 0;
    status = read_names(&names, &count, tx, &view, ensure->spec, LION_ID_ENTITY_ATTRS, error);
    if (status == LION_OK) status = check_attributes(tx, ensure, after, &view, names, count, error);
    if (status == LION_OK)
        status = read_names(&tx->spec_predicates, &tx->spec_predicate_count, tx, &view,
                            ensure->spec, LION_ID_ENTITY_PREDS, error);
    if (status == LION_OK && count == 0 && tx->spec_predicate_count == 0)
        return lion_fail(error, LION_INCORRECT, "db.error/not-an-entity",
                         "%s is no entity spec: it has neither db.entity/attrs nor db.entity/preds",
                         lion_tx_entity_text(tx, ensure->spec));
    tx->spec_predicate_at = 0;
    return status;
}

static lion_status fail_entity(lion_error *error, lion_tx *tx, const lion_tx_ensure *ensure,
                               lion_slice predicate)
{
    return lion_fail(error, LION_INCORRECT, "db.error/entity-pred",
                     "entity %s does not satisfy the predicate %.*s of the spec %s, which answered "
                     "%.100s",
                     lion_tx_entity_text(tx, ensure->e), (int)predicate.size,
                     (const char *)predicate.data, lion_tx_entity_text(tx, ensure->spec),
                     lion_form_text(tx->arena, &tx->call_result));
}

lion_status lion_tx_check_specs(lion_tx *tx, lion_error *error)
{
    for (; tx->ensure_at < tx->ensures.count; tx->ensure_at++, tx->is_spec_open = false) {
        const lion_tx_ensure *ensure = &tx->ensures.items[tx->ensure_at];
        if (!tx->is_spec_open) {
            lion_status status = begin_spec(tx, ensure, error);
            if (status != LION_OK) return status;
            tx->is_spec_open = true;
        }
        for (; tx->spec_predicate_at < tx->spec_predicate_count; tx->spec_predicate_at++) {
            lion_slice predicate = tx->spec_predicates[tx->spec_predicate_at];
            if (!tx->is_calling)
                return ask(tx, LION_CALL_ENTITY, predicate, tx->db_after,
                           lion_value_ref(ensure->e));
            tx->is_calling = false;
            if (!is_true(&tx->call_result)) return fail_entity(error, tx, ensure, predicate);
        }
    }
    return LION_OK;
}
