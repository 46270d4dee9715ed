/* leaf.h - leaves: the rows of a stretch of a tree as columns, read in place.
 *
 * The first component of the order (the lead: e, in AVET v) is kept once for each run of rows that
 * share it, with the row at which each run starts (absent when every row has its own). So the
 * distinct leads of a leaf are counted for nothing, an entity's rows are two look-ups, and a value
 * that many entities share is there once. AEVT: e of the runs, v. AVET: v of the runs, e. Both: tx,
 * and in history the added bits.
 *
 * EAVT holds values of all attributes. Entities of one kind list the same attributes: that list is
 * a shape. Values are grouped by attribute into columns (each packs by its own nature), within it
 * by shape, so that the place of a value is a number of the shape's position plus the entity's
 * ordinal within its shape, and rows store neither a nor a place of their own.
 *
 * A leaf is opened in place, column by column as they are needed, without allocation:
 * O(columns). */
#ifndef LION_INDEX_LEAF_H
#define LION_INDEX_LEAF_H

#include "index/column.h"
#include "index/tree.h"

#define LION_SEGMENT_LEAF 1
#define LION_SEGMENT_BRANCH 2
#define LION_SEGMENT_LOG 3
#define LION_LEAF_ROWS_MAX 32768

typedef enum lion_leaf_part { /* columns, as bits of lion_leaf.opened */
                              LION_LEAF_E = 1,
                              LION_LEAF_V = 2,  /* EAVT: the directory of attributes */
                              LION_LEAF_TX = 4, /* with the added bits */
                              LION_LEAF_RUNS = 8,
                              LION_LEAF_SHAPES = 16,
                              LION_LEAF_ALL = 31,
} lion_leaf_part;

typedef struct lion_leaf {
    const uint8_t *bytes;
    size_t size;
    uint8_t order, type;
    uint8_t opened; /* lion_leaf_part bits */
    bool is_history;
    uint32_t rows, leads, attributes;
    uint32_t a;         /* of the tree, for AEVT and AVET */
    uint32_t places[6]; /* in the order of lion_leaf_place, 0: absent */

    lion_ints e;      /* EAVT, AEVT: of the runs; AVET: of the rows */
    lion_column v;    /* AEVT: of the rows; AVET: of the runs */
    lion_ints starts; /* leads + 1 rows; not opened when every row is a run */
    lion_ints tx;
    const uint8_t *added; /* NULL: all are assertions */

    const uint8_t *directory; /* EAVT: a and place of each column */
    uint32_t shapes, positions;
    lion_ints shape, ordinal; /* of the runs */
    lion_ints shape_starts;   /* shapes + 1 positions */
    lion_ints codes, slots;   /* of the positions */
    lion_column
        *columns; /* EAVT: the caller's cache of `attributes` columns, type 0: not open; or NULL */
    lion_column column; /* else the last one used */
    uint32_t column_code;
} lion_leaf;

/* View a leaf: checks the header. `a` is the tree's. */
lion_status lion_leaf_open(lion_leaf *leaf, lion_slice bytes, uint32_t a, lion_error *error);
/* Open the columns of `parts` that are not open yet. */
lion_status lion_leaf_need(lion_leaf *leaf, unsigned parts, lion_error *error);

/* First row that is not before key's prefix (upper: that is behind it). */
lion_status lion_leaf_lower_bound(uint32_t *row_out, lion_leaf *leaf, const lion_key *key,
                                  bool upper, lion_snapshot *snapshot, lion_error *error);

/* One row; large values stay stubs. */
lion_status lion_leaf_row(lion_datom *datom_out, lion_leaf *leaf, uint32_t row, lion_error *error);
/* The run of a row, and the rows of a run. */
lion_status lion_leaf_run_of(uint32_t *run_out, lion_leaf *leaf, uint32_t row, lion_error *error);
lion_status lion_leaf_run_rows(uint32_t *from_out, uint32_t *to_out, lion_leaf *leaf, uint32_t run,
                               lion_error *error);

/* EAVT: a and values (either may be NULL) of `count` rows from the offset-th of a run, or of rows
 * across runs; large values stay stubs. */
lion_status lion_leaf_read_run(lion_leaf *leaf, uint32_t run, uint32_t offset, uint32_t count,
                               uint32_t *a, lion_value *values, lion_error *error);
lion_status lion_leaf_read_entities(lion_leaf *leaf, uint32_t from, uint32_t count, uint32_t *a,
                                    lion_value *values, lion_error *error);

/* Where a range of rows goes; what is NULL is not read. v.type says which of bits or values. */
typedef struct lion_leaf_target {
    int64_t *e;
    uint32_t *a;
    lion_vector v; /* scalars of AEVT and AVET: bits, else values; v.bits NULL: not read */
    int64_t *tx;
    uint8_t *added;
} lion_leaf_target;

/* Rows [from, from + count). Large values are resolved, unless snapshot is NULL: then they stay
 * stubs. */
lion_status lion_leaf_read(lion_leaf *leaf, uint32_t from, uint32_t count,
                           const lion_leaf_target *target, lion_snapshot *snapshot,
                           lion_error *error);

lion_status lion_leaf_corrupt(lion_error *error, const char *what);

/* ---- writing ---- */

typedef struct lion_leaf_writer {
    lion_column_writer columns;
    int64_t *room[5]; /* capacity + 1 each */
    lion_value *values;
    uint32_t *slots, *codes, *shape_of;
    struct lion_leaf_attribute *attributes;
    struct lion_leaf_shape *shapes;
    size_t capacity;
} lion_leaf_writer;

void lion_leaf_writer_init(lion_leaf_writer *writer);
void lion_leaf_writer_deinit(lion_leaf_writer *writer);
/* Append the leaf of `count` (1 .. LION_LEAF_ROWS_MAX) rows in order; large values are stubs.
 * Failed memory latches in `buffer`. */
void lion_leaf_write(lion_buffer *buffer, lion_leaf_writer *writer, const lion_tree *tree,
                     const lion_datom *rows, size_t count);

/* Whether the leads of two rows are equal. */
static inline bool lion_lead_equal(uint8_t order, const lion_datom *a, const lion_datom *b)
{
    return order == LION_AVET ? lion_stub_equal(&a->v, &b->v) : a->e == b->e;
}

#endif
