/* leaf_format.h - the header of a leaf segment, shared by its reader and its writer.
 *
 *   offset  size  what
 *        0     1  1: a leaf
 *        1     1  order (0 EAVT, 1 AEVT, 2 AVET)
 *        2     1  type of the values (MIXED in EAVT)
 *        3     1  1: a history leaf (it has the added bits)
 *        4     4  rows
 *        8     4  runs (distinct leads)
 *       12     4  columns of values (EAVT), 0 in the others
 *       16    24  six places in the segment (4 bytes each, 0: absent), by lion_leaf_place */
#ifndef LION_INDEX_LEAF_FORMAT_H
#define LION_INDEX_LEAF_FORMAT_H

#define LION_LEAF_HEADER_SIZE 40

typedef enum lion_leaf_place {
    LION_LEAF_PLACE_E = 0,
    LION_LEAF_PLACE_V = 1,
    LION_LEAF_PLACE_STARTS = 2, /* absent: every row is a run */
    LION_LEAF_PLACE_TX = 3,
    LION_LEAF_PLACE_ADDED = 4,
    LION_LEAF_PLACE_SHAPES = 5,
    LION_LEAF_PLACE_COUNT = 6,
} lion_leaf_place;

#endif
