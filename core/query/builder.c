/* builder.c - queries written in C: each call adds a part in the layout of the IR (see
 * lion_query_new), which lion_query_build puts together. Variables are numbered as they come up. */
#include "data/value.h"

static bool is_same_text(const lion_form *form, const char *name)
{
    return lion_slice_equal(lion_value_slice(form->value), lion_slice_text(name));
}

/* The number of a variable, new or known. */
static lion_form number_of(lion_query_builder *builder, const char *name)
{
    uint32_t number = 0;
    while (number < builder->vars.count && !is_same_text(&builder->vars.items[number], name))
        number++;
    if (number == builder->vars.count) lion_forms_add(&builder->vars, lion_form_string(name));
    return lion_form_long(number);
}

static lion_form list2(lion_query_builder *builder, const char *head, lion_form second)
{
    lion_form items[2] = { lion_form_string(head), second };
    return lion_form_list(builder->vars.arena, items, 2);
}

static lion_form var_of(lion_query_builder *builder, const char *name)
{
    return list2(builder, "var", number_of(builder, name));
}

static lion_form term_of(lion_query_builder *builder, lion_form form)
{
    if (form.kind != LION_FORM_VALUE || form.value.type != LION_TYPE_SYMBOL)
        return list2(builder, "const", form);
    lion_slice name = lion_value_slice(form.value);
    if (name.size == 1 && name.data[0] == '_') {
        lion_form blank = lion_form_string("blank");
        return lion_form_list(builder->vars.arena, &blank, 1);
    }
    /* The name of lion_var: zero-terminated behind its slice. */
    return name.size > 0 && name.data[0] == '?' ? var_of(builder, (const char *)name.data)
                                                : list2(builder, "const", form);
}

static lion_form terms_of(lion_query_builder *builder, const lion_form *terms, size_t count)
{
    lion_form list = lion_form_vector(builder->vars.arena, count);
    for (size_t i = 0; i < count && list.items != NULL; i++)
        list.items[i] = term_of(builder, terms[i]);
    return list;
}

/* The clause for messages. */
static lion_form text_of(lion_query_builder *builder, const lion_form *parts, size_t count)
{
    lion_form all = lion_form_list(builder->vars.arena, parts, count);
    return lion_form_string(lion_form_text(builder->vars.arena, &all));
}

void lion_query_builder_init(lion_query_builder *builder, lion_arena *arena)
{
    *builder = (lion_query_builder){ .limit = -1 };
    builder->vars.arena = builder->inputs.arena = builder->where.arena = arena;
    builder->find.arena = builder->order.arena = arena;
    lion_forms_add(&builder->inputs, list2(builder, "source", lion_form_long(0)));
}

/* ---- clauses ---- */

void lion_query_pattern(lion_query_builder *builder, const lion_form *terms, size_t count)
{
    lion_form clause[4] = { lion_form_string("pattern"), lion_form_long(0),
                            terms_of(builder, terms, count), text_of(builder, terms, count) };
    lion_forms_add(&builder->where, lion_form_list(builder->vars.arena, clause, 4));
}

void lion_query_where(lion_query_builder *builder, lion_form e, const char *attribute, lion_form v)
{
    lion_form terms[3] = { e, lion_form_keyword(attribute), v };
    lion_query_pattern(builder, terms, 3);
}

static lion_form call_text(lion_query_builder *builder, const char *name,
                           const lion_form *arguments, size_t count)
{
    lion_forms parts = { .arena = builder->vars.arena };
    lion_forms_add(&parts, lion_var(name));
    for (size_t i = 0; i < count; i++) lion_forms_add(&parts, arguments[i]);
    return text_of(builder, parts.items, parts.count);
}

void lion_query_predicate(lion_query_builder *builder, const char *name, const lion_form *arguments,
                          size_t count)
{
    lion_form clause[4] = { lion_form_string("predicate"), lion_form_string(name),
                            terms_of(builder, arguments, count),
                            call_text(builder, name, arguments, count) };
    lion_forms_add(&builder->where, lion_form_list(builder->vars.arena, clause, 4));
}

void lion_query_function(lion_query_builder *builder, const char *out, const char *name,
                         const lion_form *arguments, size_t count)
{
    lion_form terms = terms_of(builder, arguments, count);
    lion_form clause[5] = { lion_form_string("function"), lion_form_string(name), terms,
                            list2(builder, "scalar", number_of(builder, out)),
                            call_text(builder, name, arguments, count) };
    lion_forms_add(&builder->where, lion_form_list(builder->vars.arena, clause, 5));
}

/* ---- inputs and outputs ---- */

void lion_query_in(lion_query_builder *builder, const char *variable)
{
    lion_forms_add(&builder->inputs, list2(builder, "scalar", number_of(builder, variable)));
}

void lion_query_in_each(lion_query_builder *builder, const char *variable)
{
    lion_form one = list2(builder, "scalar", number_of(builder, variable));
    lion_forms_add(&builder->inputs, list2(builder, "collection", one));
}

void lion_query_find(lion_query_builder *builder, const char *variable)
{
    lion_forms_add(&builder->find, var_of(builder, variable));
}

void lion_query_find_aggregate(lion_query_builder *builder, const char *aggregate,
                               const char *variable)
{
    lion_form argument = var_of(builder, variable);
    lion_form element[3] = { lion_form_string("aggregate"), lion_form_string(aggregate),
                             lion_form_list(builder->vars.arena, &argument, 1) };
    lion_forms_add(&builder->find, lion_form_list(builder->vars.arena, element, 3));
}

void lion_query_order(lion_query_builder *builder, const char *variable, bool is_descending)
{
    lion_form by[2] = { number_of(builder, variable),
                        lion_form_string(is_descending ? "desc" : "asc") };
    lion_forms_add(&builder->order, lion_form_list(builder->vars.arena, by, 2));
}

static lion_form list_of(const lion_forms *forms)
{
    return lion_form_list(forms->arena, forms->items, forms->count);
}

lion_status lion_query_build(lion_query **query_out, lion_query_builder *builder, lion_error *error)
{
    lion_arena *arena = builder->vars.arena;
    lion_entry find[2] = { { "kind", lion_form_string("relation") },
                           { "elements", list_of(&builder->find) } };
    lion_entry parts[9] = {
        { "vars", list_of(&builder->vars) },           { "sources", lion_form_long(1) },
        { "find", lion_form_entries(arena, find, 2) }, { "with", lion_form_vector(arena, 0) },
        { "inputs", list_of(&builder->inputs) },       { "where", list_of(&builder->where) },
        { "order", list_of(&builder->order) },         { "limit", lion_form_long(builder->limit) },
        { "offset", lion_form_long(builder->offset) }
    };
    lion_form ir = lion_form_entries(arena, parts, 9);
    lion_status status = lion_arena_check(arena, error);
    return status < 0 ? status : lion_query_new(query_out, &ir, error);
}
