/* table.h - an open-addressing hash table from 64-bit keys to 64-bit values. Key 0 is allowed.
 * For ids, interned names (by the caller's hash and equality see lion_names) and pointers. */
#ifndef LION_BASE_TABLE_H
#define LION_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

typedef struct lion_table {
    uint64_t *slots; /* key, value pairs */
    uint8_t *used;
    size_t count, capacity; /* capacity is a power of two, or 0 */
} lion_table;

void lion_table_init(lion_table *table);
void lion_table_deinit(lion_table *table);
bool lion_table_get(const lion_table *table, uint64_t key, uint64_t *value_out);
bool lion_table_put(lion_table *table, uint64_t key, uint64_t value); /* false: out of memory */
bool lion_table_remove(lion_table *table, uint64_t key);
/* Iterate: *cursor starts at 0. */
bool lion_table_next(const lion_table *table, size_t *cursor, uint64_t *key_out,
                     uint64_t *value_out);

/* Names: bytes to a 64-bit value; the table copies the bytes. */
typedef struct lion_names lion_names;
lion_names *lion_names_new(void); /* NULL: out of memory */
void lion_names_free(lion_names *names);
bool lion_names_get(const lion_names *names, lion_slice name, uint64_t *value_out);
bool lion_names_put(lion_names *names, lion_slice name, uint64_t value);
bool lion_names_remove(lion_names *names, lion_slice name);
size_t lion_names_count(const lion_names *names);
bool lion_names_next(const lion_names *names, size_t *cursor, lion_slice *name_out,
                     uint64_t *value_out);

#endif
