/* revision.h - one loaded revision of an application: a Lua state of its own, the files it was made of, the requests it has
 * in hand. A newer revision takes the new requests; this one is closed when its last is answered. */
#ifndef LION_IONS_REVISION_H
#define LION_IONS_REVISION_H

#include "http.h"

typedef struct lion_revision lion_revision;

typedef struct lion_revision_options {
    const char *dir;      /* the application's folder */
    const char *uri;      /* of the database that ion.connect() gives */
    const char *folder;   /* where databases named without a slash lie */
    const char *env;
    const char *with;     /* another application's folder, whose functions transactions may call; or NULL */
    const char *params;   /* given on the command line: JSON, path → value */
    bool is_dev;
} lion_revision_options;

/* NULL: it did not load; *message_out (to be freed) says why, with file and line. */
lion_revision *lion_revision_load(const lion_revision_options *options, char **message_out);
lion_revision *lion_revision_keep(lion_revision *revision);
void lion_revision_drop(lion_revision *revision); /* NULL is allowed; the last one closes the state */

/* It serves from now on: what it does by itself, as events, begins. */
void lion_revision_start(lion_revision *revision, uv_loop_t *loop);

/* Answer the exchange (now, or piece by piece through the loop). */
void lion_revision_handle(lion_revision *revision, uv_loop_t *loop, lion_http_exchange *exchange);
/* The peer is gone: stop streaming to it. */
void lion_revision_gone(lion_http_exchange *exchange);

/* Whether one of its files is newer, gone, or appeared, since it was loaded. */
bool lion_revision_is_stale(const lion_revision *revision);

#endif
