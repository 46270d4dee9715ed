/* relation.h - rows of values in an arena: inputs, plain sources, sets of rows (distinct, rule answers), and hash
 * indexes over some of their columns. Row-major; a row is `width` values side by side. */
#ifndef LION_QUERY_RELATION_H
#define LION_QUERY_RELATION_H

#include "data/value.h"

#define LION_RELATION_ROWS_MAX UINT32_C(0xfffffff0)

typedef struct lion_relation {
    lion_arena *arena;
    uint32_t width;
    size_t count, capacity;
    lion_value *rows;      /* moves when the relation grows */
    uint32_t *hashes;      /* of a set: one per row */
    uint32_t *slots;       /* of a set: row number + 1, or 0 */
    size_t slot_count;     /* a power of two, or 0: no set */
    uint32_t clearings;    /* how often it was emptied */
} lion_relation;

void lion_relation_init(lion_relation *relation, lion_arena *arena, uint32_t width);
/* No rows; the memory is kept. */
void lion_relation_clear(lion_relation *relation);
/* No rows, and the memory of many goes back. */
void lion_relation_forget(lion_relation *relation);
/* The same, and all memory goes back, for others that are filled now. */
void lion_relation_release(lion_relation *relation);
/* Room for so many rows at once. */
void lion_relation_reserve(lion_relation *relation, size_t rows);
/* The bytes that it grows by for so many rows more; as a set, if it is to be one. */
size_t lion_relation_growth(const lion_relation *relation, size_t more, bool is_set);
/* Append without looking. */
void lion_relation_append(lion_relation *relation, const lion_value *row);
/* Append unless there is an equal row: true if it is new. A relation is filled by one of the two, not both. */
bool lion_relation_add(lion_relation *relation, const lion_value *row);
/* The same, and the number of the row that is there then. false: there is no room. */
bool lion_relation_number(lion_relation *relation, const lion_value *row, size_t *row_out);
/* Whether an equal row is there (of a relation filled by add); its number in *row_out, which may be NULL. */
bool lion_relation_has(const lion_relation *relation, const lion_value *row, size_t *row_out);

static inline const lion_value *lion_relation_row(const lion_relation *relation, size_t row)
{
    return relation->rows + row * relation->width;
}

/* A hash index over columns `key` of a relation; follows the relation as it grows, or is emptied. Rows are found newest first, so that a
 * reader who wants only rows from some number on stops early. */
typedef struct lion_row_index {
    const lion_relation *relation;
    uint32_t key_count;
    uint32_t *key;
    size_t covered;        /* rows [0, covered) are in the index */
    uint32_t clearings;    /* of the relation, then */
    uint32_t *heads;       /* row number + 1, or 0 */
    size_t head_count;     /* a power of two, or 0 */
    uint32_t *next;        /* per row: row number + 1 of the next in the chain */
    uint32_t *hashes;      /* per row */
    size_t room;           /* of next and hashes */
} lion_row_index;

/* The bytes that one of so many rows takes. */
size_t lion_row_index_size(size_t rows);
void lion_row_index_init(lion_row_index *index, const lion_relation *relation, const uint32_t *key, uint32_t key_count);
/* Take in the rows added since. */
void lion_row_index_follow(lion_row_index *index);
/* The same by several threads, step by step: room for rows [covered, relation->count) (false: there is no memory); the hashes of some of
 * these; the places [from, to) of all heads, once there are all hashes. Whoever shares it out sets `covered` at the end. */
bool lion_row_index_reserve(lion_row_index *index);
void lion_row_index_hash(lion_row_index *index, size_t from, size_t to);
void lion_row_index_link(lion_row_index *index, size_t from, size_t to);
/* The first candidate row + 1 for the key values, 0 for none; then the next one. Candidates are real matches. */
size_t lion_row_index_find(const lion_row_index *index, const lion_value *key);
size_t lion_row_index_next(const lion_row_index *index, size_t found, const lion_value *key);

#endif
