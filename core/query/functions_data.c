/* functions_data.c - functions on any value and on collections (tuples), and those that read the database. */
#include "base/text.h"
#include "data/tuple.h"
#include "db/value.h"
#include "query/functions.h"

#define FUNCTION(name) \
    static lion_status name(lion_function_call *call, const lion_value *arguments, uint32_t count, lion_value *out, lion_error *error)

static lion_status yes(lion_value *out, bool is_true)
{
    *out = lion_value_boolean(is_true);
    return LION_OK;
}

FUNCTION(is_nil)
{
    (void)call, (void)count, (void)error;
    return yes(out, arguments[0].type == LION_TYPE_NIL);
}
FUNCTION(is_some)
{
    (void)call, (void)count, (void)error;
    return yes(out, arguments[0].type != LION_TYPE_NIL);
}
FUNCTION(is_true)
{
    (void)call, (void)count, (void)error;
    return yes(out, arguments[0].type == LION_TYPE_BOOLEAN && arguments[0].bits != 0);
}
FUNCTION(is_false)
{
    (void)call, (void)count, (void)error;
    return yes(out, arguments[0].type == LION_TYPE_BOOLEAN && arguments[0].bits == 0);
}
FUNCTION(negate)
{
    (void)call, (void)count, (void)error;
    return yes(out, !lion_value_is_truthy(arguments[0]));
}

FUNCTION(conjunction)
{
    (void)call, (void)error;
    *out = lion_value_boolean(true);
    for (uint32_t i = 0; i < count; i++) {
        *out = arguments[i];
        if (!lion_value_is_truthy(arguments[i])) break;
    }
    return LION_OK;
}
FUNCTION(disjunction)
{
    (void)call, (void)error;
    *out = lion_value_nil();
    for (uint32_t i = 0; i < count; i++) {
        *out = arguments[i];
        if (lion_value_is_truthy(arguments[i])) break;
    }
    return LION_OK;
}

FUNCTION(identity)
{
    (void)call, (void)count, (void)error;
    *out = arguments[0];
    return LION_OK;
}

FUNCTION(hash)
{
    (void)call, (void)count, (void)error;
    *out = lion_value_long((int64_t)(lion_value_hash(arguments[0]) & 0x7fffffff));
    return LION_OK;
}

FUNCTION(make_tuple)
{
    for (uint32_t i = 0; i < count; i++)
        if (arguments[i].type == LION_TYPE_LOG) return lion_function_fail(call, "values", arguments[i], error);
    *out = lion_tuple_make(call->arena, arguments, count);
    return LION_OK;
}

static lion_status slots_of(lion_function_call *call, lion_value value, lion_value **slots_out, size_t *count_out, lion_error *error)
{
    if (value.type != LION_TYPE_TUPLE) return lion_function_fail(call, "a tuple or collection", value, error);
    return lion_tuple_read(slots_out, count_out, value, call->arena, error);
}

FUNCTION(untuple)
{
    lion_value *slots = NULL;
    size_t slot_count = 0;
    (void)count;
    lion_status status = slots_of(call, arguments[0], &slots, &slot_count, error);
    if (status == LION_OK) *out = arguments[0];
    return status;
}

FUNCTION(get)
{
    *out = count == 3 ? arguments[2] : lion_value_nil();
    if (arguments[0].type == LION_TYPE_NIL) return LION_OK;
    lion_value *slots = NULL;
    size_t slot_count = 0;
    lion_status status = slots_of(call, arguments[0], &slots, &slot_count, error);
    if (status != LION_OK) return status;
    if (!lion_type_is_number(arguments[1].type) || arguments[1].type == LION_TYPE_DOUBLE)
        return lion_function_fail(call, "an index", arguments[1], error);
    if (arguments[1].bits >= 0 && arguments[1].bits < (int64_t)slot_count) *out = slots[arguments[1].bits];
    return LION_OK;
}

FUNCTION(count_of)
{
    lion_value value = arguments[0];
    (void)count;
    size_t result = 0;
    if (value.type == LION_TYPE_STRING || value.type == LION_TYPE_URI) {
        result = lion_utf8_length(lion_value_slice(value));
    } else if (value.type == LION_TYPE_BYTES) {
        result = value.size;
    } else if (value.type != LION_TYPE_NIL) {
        lion_value *slots = NULL;
        if (value.type != LION_TYPE_TUPLE) return lion_function_fail(call, "a string or collection", value, error);
        lion_status status = lion_tuple_read(&slots, &result, value, call->arena, error);
        if (status != LION_OK) return status;
    }
    *out = lion_value_long((int64_t)result);
    return LION_OK;
}

const lion_function lion_functions_data[] = {
    { "nil?", 1, 1, false, is_nil },       { "some?", 1, 1, false, is_some },   { "true?", 1, 1, false, is_true },
    { "false?", 1, 1, false, is_false },   { "not", 1, 1, false, negate },      { "and", 0, -1, false, conjunction },
    { "or", 0, -1, false, disjunction },   { "identity", 1, 1, false, identity }, { "ground", 1, 1, false, identity },
    { "hash", 1, 1, false, hash },         { "vector", 0, -1, false, make_tuple }, { "tuple", 1, LION_TUPLE_SLOTS_MAX, false, make_tuple },
    { "untuple", 1, 1, false, untuple },   { "get", 2, 3, false, get },         { "count", 1, 1, false, count_of },
    { 0 },
};

/* ---- functions of the database: source, entity, attribute … ---- */

static lion_status attribute_of(lion_function_call *call, lion_value value, const lion_attribute **out, lion_error *error)
{
    lion_form form = lion_form_value(value);
    return lion_db_attribute(out, call->db, &form, error);
}

/* The first value of (e, a): OK, ABSENT, or CALL (of a filter; taken again, it goes on). */
static lion_status first_value(lion_function_call *call, int64_t e, const lion_attribute *attribute, lion_value *out, lion_error *error)
{
    const lion_view *view = &call->db->view;
    int64_t tx = 0;
    if (view->filter_count == 0 && !view->is_history)
        return lion_view_get(out, &tx, view, e, attribute->id, call->arena, error);
    if (call->cursor == NULL) {
        lion_key key = { .datom = { .e = e, .a = attribute->id }, .parts = 2 };
        lion_cursor_options options = { .columns = LION_COLUMN_V, .batch_rows = 16 };
        lion_status status = lion_cursor_open(&call->cursor, view, LION_AEVT, &key, &options, call->arena, error);
        if (status != LION_OK) return status;
    }
    lion_datom_batch batch;
    lion_status status = lion_cursor_next(call->cursor, &batch, error);
    if (status == LION_CALL) {
        call->run->call = lion_cursor_call(call->cursor);
        return status;
    }
    call->cursor = NULL;
    if (status == LION_OK) *out = lion_vector_get(&batch.v, 0);
    return status == LION_END ? LION_ABSENT : status;
}

static lion_status value_of(lion_function_call *call, lion_value entity, lion_value attribute, lion_value *out,
                            const lion_attribute **attribute_out, lion_error *error)
{
    int64_t e = 0;
    lion_status status = attribute_of(call, attribute, attribute_out, error);
    if (status == LION_OK) status = lion_query_entity(&e, call->db, entity, call->arena, error);
    return status == LION_OK ? first_value(call, e, *attribute_out, out, error) : status;
}

FUNCTION(get_else)
{
    const lion_attribute *attribute = NULL;
    (void)count;
    lion_status status = attribute_of(call, arguments[1], &attribute, error);
    if (status == LION_OK && attribute->is_many)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "get-else takes an attribute of cardinality one, but %.*s is many",
                         (int)attribute->ident.size, (const char *)attribute->ident.data);
    if (status == LION_OK) status = value_of(call, arguments[0], arguments[1], out, &attribute, error);
    if (status != LION_ABSENT) return status;
    *out = arguments[2];
    return LION_OK;
}

FUNCTION(get_some)
{
    for (; call->step + 1 < count; call->step++) {
        const lion_attribute *attribute = NULL;
        lion_value pair[2];
        lion_status status = value_of(call, arguments[0], arguments[call->step + 1], &pair[1], &attribute, error);
        if (status == LION_ABSENT) continue;
        if (status == LION_CALL) return status;
        call->step = 0;
        if (status != LION_OK) return status;
        pair[0] = lion_value_bytes(LION_TYPE_KEYWORD, attribute->ident);
        *out = lion_tuple_make(call->arena, pair, 2);
        return LION_OK;
    }
    call->step = 0;
    *out = lion_value_nil();
    return LION_OK;
}

FUNCTION(is_missing)
{
    const lion_attribute *attribute = NULL;
    lion_value value;
    (void)count;
    lion_status status = value_of(call, arguments[0], arguments[1], &value, &attribute, error);
    if (status != LION_OK && status != LION_ABSENT) return status;
    return yes(out, status == LION_ABSENT);
}

const lion_function lion_functions_db[] = {
    { "get-else", 3, 3, true, get_else },
    { "get-some", 2, -1, true, get_some },
    { "missing?", 2, 2, true, is_missing },
    { 0 },
};
