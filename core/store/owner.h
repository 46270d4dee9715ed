/* owner.h - who has a database file open.
 *
 * NAME.lion-owner holds two advisory locks (open file description locks, so two opens within one
 * process exclude each other as well) and, as text, who the owner is:
 *
 *   byte 0   exclusive: the owner (the one process that writes)
 *   byte 1   shared: everyone who has the file open, readers too. Whoever leaves last takes it
 *            exclusively and removes the helper files, so that NAME.lion alone is left.
 *
 * Private to store/. (NAME.lion-lock, beside it, is LMDB's own: its reader table.) */
#ifndef LION_STORE_OWNER_H
#define LION_STORE_OWNER_H

#include <stdbool.h>

#include "base/error.h"

typedef struct lion_owner {
    int file;         /* -1: none (a reader on a read-only medium) */
    char *path;       /* owned */
    char *store_path; /* owned */
    bool is_reader;
} lion_owner;

/* Take the owner's lock and write pid and control door (NULL if none) into the file; or join as a
 * reader. lion/locked (unavailable) names the holder. */
lion_status lion_owner_open(lion_owner *owner, const char *store_path, bool is_reader,
                            const char *control, lion_error *error);
/* Keep everybody out until it is closed; false where somebody else has the file open, if only to read. */
bool lion_owner_seize(lion_owner *owner);
/* After LMDB is closed: release, and sweep the helper files if nobody else is there. `copy` (NULL: none) is a file
 * that then takes the store's place; if somebody else is there it is removed. */
void lion_owner_close(lion_owner *owner, const char *copy);

#endif
