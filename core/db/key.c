/* key.c - the components of datoms, seek and count calls as a key of an index. */
#include "base/assert.h"
#include "db/bootstrap.h"
#include "db/value.h"

typedef enum component { COMPONENT_E, COMPONENT_A, COMPONENT_V, COMPONENT_TX } component;

static const uint8_t ORDERS[4][4] = {
    [LION_EAVT] = { COMPONENT_E, COMPONENT_A, COMPONENT_V, COMPONENT_TX },
    [LION_AEVT] = { COMPONENT_A, COMPONENT_E, COMPONENT_V, COMPONENT_TX },
    [LION_AVET] = { COMPONENT_A, COMPONENT_V, COMPONENT_E, COMPONENT_TX },
    [LION_VAET] = { COMPONENT_V, COMPONENT_A, COMPONENT_E, COMPONENT_TX },
};

static bool is_nil(const lion_form *form)
{
    return form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_NIL;
}

static lion_status put_attribute(lion_key *key, const lion_attribute **attribute_out,
                                 const lion_db *db, lion_index index, const lion_form *form,
                                 lion_error *error)
{
    const lion_attribute *attribute = NULL;
    lion_status status = lion_db_attribute(&attribute, db, form, error);
    if (status < 0) return status;
    if (index == LION_AVET && !attribute->is_indexed) {
        return lion_fail(error, LION_INCORRECT, "db.error/attribute-not-indexed",
                         ":%.*s is not in AVET: %s", (int)attribute->ident.size,
                         (const char *)attribute->ident.data,
                         attribute->type == LION_TYPE_BYTES ? "bytes have no order there"
                                                            : "its db/index is false");
    }
    key->datom.a = attribute->id;
    *attribute_out = attribute;
    if (index == LION_VAET && attribute->type != LION_TYPE_REF) return LION_ABSENT;
    return LION_OK;
}

static lion_status put_entity(int64_t *id_out, const lion_db *db, const lion_form *form,
                              lion_arena *arena, lion_error *error)
{
    return lion_db_entid(id_out, db, form, arena, error);
}

/* A value of the attribute before it, or in VAET of any ref. A ref to nobody matches nothing. */
static lion_status put_value(lion_key *key, const lion_db *db, const lion_attribute *attribute,
                             const lion_form *form, lion_arena *arena, lion_error *error)
{
    bool is_ref = attribute == NULL || attribute->type == LION_TYPE_REF;
    if (!is_ref) return lion_db_value(&key->datom.v, db, attribute, form, arena, error);
    int64_t id = 0;
    lion_status status = put_entity(&id, db, form, arena, error);
    key->datom.v = lion_value_ref(id);
    return status;
}

static lion_status put_tx(lion_key *key, const lion_db *db, const lion_form *form,
                          lion_arena *arena, lion_error *error)
{
    if (form->kind != LION_FORM_VALUE)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "a transaction is given by its t or its id, not by %.200s",
                         lion_form_text(arena, form));
    int64_t t = 0;
    lion_status status = lion_db_point(&t, db, form->value, arena, error);
    key->datom.tx = lion_t_to_tx(t);
    return status;
}

lion_status lion_db_key(lion_key *key_out, const lion_db *db, lion_index index,
                        const lion_form *forms, size_t count, lion_arena *arena, lion_error *error)
{
    lion_key key = { .parts = 0 };
    const lion_attribute *attribute = NULL;
    while (count > 0 && is_nil(&forms[count - 1])) count--;
    if (count > 4)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "an index has 4 components (e, a, v, tx in its order), not %zu", count);
    bool is_absent = false; /* the other components are still checked */
    for (size_t i = 0; i < count; i++) {
        lion_status status = LION_OK;
        switch ((component)ORDERS[index][i]) {
        case COMPONENT_E: status = put_entity(&key.datom.e, db, &forms[i], arena, error); break;
        case COMPONENT_A:
            status = put_attribute(&key, &attribute, db, index, &forms[i], error);
            break;
        case COMPONENT_V: status = put_value(&key, db, attribute, &forms[i], arena, error); break;
        case COMPONENT_TX: status = put_tx(&key, db, &forms[i], arena, error); break;
        }
        if (status < 0) return status;
        is_absent = is_absent || status == LION_ABSENT;
    }
    key.datom.added = true;
    key.parts = (uint8_t)count;
    *key_out = key;
    return is_absent ? LION_ABSENT : LION_OK;
}
