/* cursor_parts.h - what a cursor is made of. Private to cursor*.c. */
#ifndef LION_INDEX_CURSOR_PARTS_H
#define LION_INDEX_CURSOR_PARTS_H

#include "index/lane.h"

typedef enum lion_cursor_mode {
    LION_CURSOR_SINGLE, /* one lane */
    LION_CURSOR_CHAIN,  /* one lane after another, by attribute */
    LION_CURSOR_VAET,   /* lanes of all ref attributes, merged by value */
} lion_cursor_mode;

/* VAET: the lane of one attribute, and its rows that are not merged yet. */
typedef struct lion_vaet_leg {
    lion_lane lane;
    uint32_t a, row;
    lion_datom_batch batch;
} lion_vaet_leg;

struct lion_cursor {
    const lion_view *view;
    lion_index index;
    lion_cursor_mode mode;
    lion_cursor_options options;
    lion_arena *arena;
    lion_key key; /* its value's bytes are in key_bytes */
    uint8_t *key_bytes;
    uint32_t key_capacity;
    uint32_t limit; /* rows of the next batch */
    bool is_done, has_lane;
    lion_lane lane;

    const uint32_t *attributes; /* CHAIN: ascending */
    uint32_t attribute_count;
    uint32_t next; /* forward: index of the next; reverse: how many are left */

    lion_vaet_leg *legs;  /* VAET */
    lion_vaet_leg **heap; /* those with rows; the first is the one whose row comes next */
    uint32_t leg_count, heap_count;
    lion_rows merged;

    lion_datom_batch batch; /* the present one, before or between filters */
    lion_rows kept;
    uint8_t *verdict;
    uint8_t filter; /* the one that is asked */
    bool is_asking;
    lion_call call;
};

/* ---- cursor_vaet.c ---- */

lion_status lion_cursor_place_vaet(lion_cursor *cursor, lion_error *error);
lion_status lion_cursor_next_vaet(lion_cursor *cursor, lion_datom_batch *batch_out, uint32_t limit,
                                  lion_error *error);

#endif
