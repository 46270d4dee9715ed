/* series.h - numbers that one thread counts and another tells: what docs/metrics.md shows.
 *
 * A series is a few doubles with a label, a form in bytes that only who counts and who shows
 * understand. Its numbers are written where they lie, by plain stores, from compiled Lua too, and
 * read each as a whole at any time. */
#ifndef LION_IONS_NODE_SERIES_H
#define LION_IONS_NODE_SERIES_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "lion.h"

#define LION_SERIES_MAX 20000      /* of a process */
#define LION_SERIES_NUMBERS_MAX 64 /* of a series */
#define LION_SERIES_KEPT_MS                                                                        \
    (10 * 60000) /* after its owner has gone, so that it is told once more */

typedef struct lion_series lion_series;

typedef struct lion_series_list {
    uv_mutex_t mutex;
    lion_series *first;
    size_t count;
    uint64_t refused; /* that found no room */
} lion_series_list;

void lion_series_init(lion_series_list *self);
/* The numbers of a label (copied): those that it has, or so many new zeros. They stay while
 * one of the owners that asked for them is there. NULL: no room. */
double *lion_series_numbers(lion_series_list *self, uint32_t owner, lion_slice label, size_t count);
/* An owner has gone. */
void lion_series_release(lion_series_list *self, uint32_t owner);
/* Add maps of `label`, `values` to a list, in its arena. */
void lion_series_tell(lion_series_list *self, lion_forms *list);
/* One that is not kept here: label is a vector that begins with these texts (a NULL ends them). */
void lion_series_tell_one(lion_forms *list, const char *const *label, const double *values,
                          size_t count);

#endif
