/* form_build.c - forms as embedding programs write them: lists, maps, operations, patterns. */
#include <string.h>

#include "base/memory.h"
#include "data/value.h"

#define FORMS_FIRST 8 /* room of a list that begins to grow */

lion_form lion_form_list(lion_arena *arena, const lion_form *items, size_t count)
{
    lion_form list = lion_form_vector(arena, count);
    if (count > 0 && list.items != NULL) memcpy(list.items, items, sizeof *items * count);
    return list;
}

lion_form lion_form_entries(lion_arena *arena, const lion_entry *entries, size_t count)
{
    lion_form map = lion_form_map(arena, count);
    for (size_t i = 0; i < count && map.items != NULL; i++) {
        map.items[2 * i] = lion_form_string(entries[i].key);
        map.items[2 * i + 1] = entries[i].value;
    }
    return map;
}

lion_form lion_form_lookup(lion_arena *arena, const char *attribute, lion_form value)
{
    lion_form parts[2] = { lion_form_keyword(attribute), value };
    lion_form lookup = lion_form_list(arena, parts, 2);
    lookup.flags = LION_FORM_LOOKUP;
    return lookup;
}

static lion_form operation(lion_arena *arena, const char *name, lion_form e, const char *attribute,
                           lion_form v)
{
    lion_form parts[4] = { lion_form_keyword(name), e, lion_form_keyword(attribute), v };
    return lion_form_list(arena, parts, 4);
}

lion_form lion_form_add(lion_arena *arena, lion_form e, const char *attribute, lion_form v)
{
    return operation(arena, "db/add", e, attribute, v);
}

lion_form lion_form_retract(lion_arena *arena, lion_form e, const char *attribute, lion_form v)
{
    return operation(arena, "db/retract", e, attribute, v);
}

lion_form lion_form_pattern(lion_arena *arena, const char *const *attributes, size_t count)
{
    lion_form pattern = lion_form_vector(arena, count);
    for (size_t i = 0; i < count && pattern.items != NULL; i++) {
        lion_entry spec = { "attr", lion_form_string(attributes[i]) };
        pattern.items[i] = lion_form_entries(arena, &spec, 1);
    }
    return pattern;
}

void lion_forms_add(lion_forms *forms, lion_form item)
{
    if (forms->count == forms->capacity) {
        uint32_t capacity = forms->capacity == 0 ? FORMS_FIRST : forms->capacity * 2;
        lion_form *items = lion_arena_grow(forms->arena, forms->items,
                                           sizeof item * forms->capacity, sizeof item * capacity);
        if (items == NULL) return; /* the arena has latched it */
        forms->items = items;
        forms->capacity = capacity;
    }
    forms->items[forms->count++] = item;
}
