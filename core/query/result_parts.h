/* result_parts.h - what a result consists of. Shared by the files result*.c, which call each other downward: result.c opens one,
 * result_columns.c makes what goes out, of the rows of result_order.c, which has those of result_groups.c. */
#ifndef LION_QUERY_RESULT_PARTS_H
#define LION_QUERY_RESULT_PARTS_H

#include "query/group_values.h"
#include "query/groups.h"
#include "query/overflow.h"
#include "query/result.h"
#include "query/result_stages.h"
#include "query/sorter.h"

typedef struct lion_result_element {
    uint32_t slot;             /* of the root */
    bool is_aggregate, is_attribute;
    lion_aggregate aggregate;
    int64_t wanted;
    lion_states states;
    lion_group_values *values; /* instead of states; shared with other elements of the slot, of which the first adds */
    uint32_t number;           /* of values: which aggregate */
    bool adds;
} lion_result_element;

struct lion_result {
    lion_run *run;
    lion_operator *root;
    const lion_query_ir *ir;
    uint32_t weight;           /* the root's slot that says how many rows each row stands for, or NONE */
    const lion_query_pull *pulls;
    lion_result_element *elements;
    uint32_t width;
    int64_t offset_left, limit_left; /* limit -1: none */
    bool is_gathered;          /* aggregates or an order */
    bool has_aggregates, is_ended, is_complete;
    lion_reading reading;
    /* gathered: rows of `stride` forms: the elements, then the sort keys */
    uint32_t stride;
    lion_form *row;            /* the one that is made */
    lion_sorter sorter;
    lion_form *rows;           /* instead of the sorter's, where an order and a limit leave few: at most twice as many */
    size_t row_count, row_room, row_at;
    size_t wanted;             /* so few; SIZE_MAX: any number */
    bool is_cut;               /* `wanted` rows are there, in order: what is not before the last is not among them */
    uint32_t *order_slots;     /* per order: of the root (no aggregates) or of the elements */
    bool is_in_order;          /* rows come by their first sort key */
    /* groups */
    lion_groups group_of;
    uint32_t *key_slots, key_count;
    uint64_t *group_rows;      /* by group */
    size_t group_room, group_count, group_at; /* so many have begun */
    bool has_groups;           /* of the present round */
    bool is_turned;            /* values have been turned to the group at group_at */
    uint32_t element_at;
    bool is_asked;
    lion_overflow overflow;    /* rows of the root whose groups are of a later round */
    lion_value *aside;         /* room for one */
    uint16_t *selection;       /* of a batch: the rows of groups that are there */
    /* output */
    lion_vector *columns;
    const lion_form **forms;
    lion_form **form_rooms;
    int64_t **bits;
    lion_value **values;
    uint32_t *bit_rooms, *value_rooms; /* rows of each column of these */
    uint32_t filled;           /* rows of the batch that is made */
    lion_result_stages stages; /* with statistics, or once they are to be shown */
};

/* The next group as a row of forms, which lives until the call after it. LION_END; LION_CALL. */
lion_status lion_result_next_group(const lion_form **row_out, lion_result *result, lion_error *error);
/* The next row in the order, or of the groups as they come; so. */
lion_status lion_result_next_row(const lion_form **row_out, lion_result *result, lion_error *error);

void lion_result_open_columns(lion_result *result);
/* A batch of the rows that are wanted: of a result without aggregates and order, and of any other. LION_END; LION_CALL. */
lion_status lion_result_next_streamed(lion_result *result, lion_query_batch *batch_out, lion_error *error);
lion_status lion_result_next_gathered(lion_result *result, lion_query_batch *batch_out, lion_error *error);

/* A column's value as users see it. */
static inline lion_value lion_result_value(const lion_result *self, uint32_t column, lion_value value)
{
    lion_value seen = lion_run_shown(self->run, value, self->elements[column].is_attribute);
    return seen.type == LION_TYPE_ATTRIBUTE ? lion_value_ref(seen.bits) : seen; /* one without an ident */
}

#endif
