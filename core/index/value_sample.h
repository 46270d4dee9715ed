/* value_sample.h - some facts of an attribute that has no AVET tree, drawn evenly: how frequent a value is, and how much of the
 * attribute lies in a range, without reading it.
 *
 * A fact's rank is a hash of its entity and value. The sample holds all facts of the current tree whose rank is below `limit`,
 * which falls as the tree grows, so that they are never more than LION_VALUE_SAMPLE_MAX: an even choice, whatever comes and goes. The
 * indexer keeps it from the changes that it writes anyway; it rests in the root record. */
#ifndef LION_INDEX_VALUE_SAMPLE_H
#define LION_INDEX_VALUE_SAMPLE_H

#include "base/buffer.h"
#include "data/datom.h"

#define LION_VALUE_SAMPLE_MAX 256
/* Fewer than this, of a tree that has more, are made anew. */
#define LION_VALUE_SAMPLE_MIN 64
/* Longer values are kept to this length. */
#define LION_VALUE_SAMPLE_BYTES 48

typedef struct lion_sampled_value {
    uint64_t rank;
    int64_t bits;                 /* of scalars */
    uint8_t size;                 /* of others */
    uint8_t bytes[LION_VALUE_SAMPLE_BYTES];
} lion_sampled_value;

typedef struct lion_value_sample {
    uint32_t a;
    uint8_t type;                 /* of the values */
    uint32_t count;
    uint64_t limit;
    lion_sampled_value *items;    /* ascending by rank; heap, owned */
} lion_value_sample;

/* An empty one, of an empty tree. */
void lion_value_sample_init(lion_value_sample *sample, uint32_t a, uint8_t type);
void lion_value_sample_deinit(lion_value_sample *sample);
/* *to becomes one of its own; false: out of memory. */
bool lion_value_sample_copy(lion_value_sample *to, const lion_value_sample *from);

/* A fact came into the tree, or left it. false: out of memory. */
bool lion_value_sample_add(lion_value_sample *sample, const lion_datom *datom);
void lion_value_sample_remove(lion_value_sample *sample, const lion_datom *datom);

/* The part (0 to 1) of the facts that have the value; those from low on, below end (NULL: no bound). */
double lion_value_sample_equal(const lion_value_sample *sample, lion_value value);
double lion_value_sample_range(const lion_value_sample *sample, const lion_value *low, const lion_value *end);
/* How many different values `total` facts have. */
double lion_value_sample_distinct(const lion_value_sample *sample, double total);
/* The i-th fact's value, borrowed from the sample. */
lion_value lion_value_sample_get(const lion_value_sample *sample, uint32_t i);

void lion_value_sample_encode(lion_buffer *buffer, const lion_value_sample *sample);
/* type: of the attribute. false: malformed. *no_memory_out: it is not the bytes' fault. */
bool lion_value_sample_decode(lion_value_sample *sample, lion_reader *reader, uint32_t a, uint8_t type, bool *no_memory_out);

#endif
