/* registry.h - the databases that are open in this process, so that opening one again gives the same.
 *
 * Opening may recover a long tail and closing may index one: meanwhile the database is busy, and only who wants that
 * very one waits. */
#ifndef LION_CONNECTION_REGISTRY_H
#define LION_CONNECTION_REGISTRY_H

#include "connection/database.h"

/* The open database of this key (canonical path or memory name), or one that is opened now: key NULL is a private one,
 * path NULL one in memory. The handle is counted. Takes key. */
lion_status lion_registry_open(lion_database **database_out, char *key, const char *path,
                               const lion_connection_options *options, lion_error *error);
/* The open database of this key, counted; NULL if there is none. */
lion_database *lion_registry_join(const char *key);
/* Give a handle back; the last one closes the database. */
lion_status lion_registry_leave(lion_database *database, lion_error *error);

#endif
