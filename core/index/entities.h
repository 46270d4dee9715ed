/* entities.h - all that is known of one entity after the other: a run of a leaf of EAVT each, without the merging of a
 * cursor. Entities that ascend and lie close together find their leaf open. */
#ifndef LION_INDEX_ENTITIES_H
#define LION_INDEX_ENTITIES_H

#include "index/cursor.h"
#include "index/descent.h"

typedef struct lion_entities {
    const lion_view *view; /* borrowed, like the arena */
    lion_arena *arena;
    lion_descent *descent; /* NULL before the first entity */
    bool is_placed;
    lion_column *columns; /* of the open leaf */
    uint32_t column_room;
} lion_entities;

/* The facts of e, by attribute: into a_out and values_out, which have room for `room` of them. LION_END: it takes a
 * cursor to tell, as there are more, novelty knows the entity, its facts lie in two leaves, or the view is not one of
 * today's whole facts. */
lion_status lion_entities_read(lion_entities *entities, int64_t e, uint32_t *a_out, lion_value *values_out, uint32_t room,
                               uint32_t *count_out, lion_error *error);
/* The same of one of its attributes. */
lion_status lion_entities_values(lion_entities *entities, int64_t e, uint32_t a, lion_value *values_out, uint32_t room,
                                 uint32_t *count_out, lion_error *error);

#endif
