/* series.c - a list, looked through when a state is loaded and when it is told. */
#include "node/series.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "data/form_code.h"

/* An owner of a series: an older state may still count while a newer one does. */
typedef struct hold {
    struct hold *next;
    uint32_t owner;
} hold;

struct lion_series {
    lion_series *next;
    hold *holds;
    uint64_t released_ms; /* since when it has none */
    size_t count, label_size;
    uint8_t *label;  /* behind the numbers */
    double values[]; /* relaxed atomics by convention: whole doubles */
};

static uint64_t now_ms(void)
{
    return (uint64_t)lion_clock_monotonic_ns() / 1000000;
}

void lion_series_init(lion_series_list *self)
{
    *self = (lion_series_list){ .first = NULL };
    (void)uv_mutex_init(&self->mutex);
}

static lion_series *find(const lion_series_list *self, lion_slice label)
{
    lion_series *each = self->first;
    while (each != NULL &&
           (each->label_size != label.size || memcmp(each->label, label.data, label.size) != 0))
        each = each->next;
    return each;
}

static lion_series *make(lion_series_list *self, lion_slice label, size_t count)
{
    if (self->count >= LION_SERIES_MAX || count > LION_SERIES_NUMBERS_MAX) return NULL;
    lion_series *made = calloc(1, sizeof *made + count * sizeof *made->values + label.size);
    if (made == NULL) return NULL;
    made->count = count;
    made->label = (uint8_t *)(made->values + count);
    made->label_size = label.size;
    if (label.size > 0) memcpy(made->label, label.data, label.size);
    made->next = self->first;
    self->first = made;
    self->count++;
    return made;
}

static bool hold_for(lion_series *self, uint32_t owner)
{
    for (const hold *each = self->holds; each != NULL; each = each->next)
        if (each->owner == owner) return true;
    hold *made = malloc(sizeof *made);
    if (made == NULL) return false;
    *made = (hold){ .next = self->holds, .owner = owner };
    self->holds = made;
    return true;
}

double *lion_series_numbers(lion_series_list *self, uint32_t owner, lion_slice label, size_t count)
{
    uv_mutex_lock(&self->mutex);
    lion_series *found = find(self, label);
    if (found == NULL) found = make(self, label, count);
    if (found != NULL && (found->count != count || !hold_for(found, owner))) found = NULL;
    if (found == NULL) self->refused++;
    uv_mutex_unlock(&self->mutex);
    return found == NULL ? NULL : found->values;
}

void lion_series_release(lion_series_list *self, uint32_t owner)
{
    uv_mutex_lock(&self->mutex);
    for (lion_series *each = self->first; each != NULL; each = each->next) {
        hold **at = &each->holds;
        while (*at != NULL && (*at)->owner != owner) at = &(*at)->next;
        hold *held = *at;
        if (held == NULL) continue;
        *at = held->next;
        free(held);
        if (each->holds == NULL) each->released_ms = now_ms();
    }
    uv_mutex_unlock(&self->mutex);
}

static void drop_old(lion_series_list *self)
{
    uint64_t now = now_ms();
    for (lion_series **at = &self->first; *at != NULL;) {
        lion_series *each = *at;
        if (each->holds != NULL || now - each->released_ms < LION_SERIES_KEPT_MS) {
            at = &each->next;
            continue;
        }
        *at = each->next;
        self->count--;
        free(each);
    }
}

static lion_form map_of(lion_arena *arena, lion_form label, const double *values, size_t count)
{
    lion_form *forms = lion_arena_alloc(arena, count * sizeof *forms);
    for (size_t i = 0; i < count; i++) {
        uint64_t bits =
            __atomic_load_n((const uint64_t *)(const void *)&values[i], __ATOMIC_RELAXED);
        double value;
        memcpy(&value, &bits, sizeof value);
        forms[i] = lion_form_double(value);
    }
    lion_entry entries[] = { { "label", label },
                             { "values", lion_form_list(arena, forms, count) } };
    return lion_form_entries(arena, entries, 2);
}

void lion_series_tell_one(lion_forms *list, const char *const *label, const double *values,
                          size_t count)
{
    lion_forms texts = { .arena = list->arena };
    for (size_t i = 0; label[i] != NULL; i++) lion_forms_add(&texts, lion_form_string(label[i]));
    lion_form vector = lion_form_list(list->arena, texts.items, texts.count);
    lion_forms_add(list, map_of(list->arena, vector, values, count));
}

void lion_series_tell(lion_series_list *self, lion_forms *list)
{
    static const char *const refused[] = { "refused", "", NULL };
    uv_mutex_lock(&self->mutex);
    drop_old(self);
    for (const lion_series *each = self->first; each != NULL; each = each->next) {
        lion_slice bytes = { lion_arena_alloc(list->arena, each->label_size), each->label_size };
        memcpy((void *)(uintptr_t)bytes.data, each->label, bytes.size);
        lion_form label;
        if (lion_form_decode(&label, bytes, list->arena, NULL) == LION_OK)
            lion_forms_add(list, map_of(list->arena, label, each->values, each->count));
    }
    double count = (double)self->refused;
    uv_mutex_unlock(&self->mutex);
    lion_series_tell_one(list, refused, &count, 1);
}
