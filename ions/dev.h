/* dev.h - `lion dev`: one application in one process, reloaded when its files change. */
#ifndef LION_IONS_DEV_H
#define LION_IONS_DEV_H

#include "revision.h"

/* Serve until SIGINT or SIGTERM. Prints "ready http://HOST:PORT/" when it serves; a revision that does not load is told on
 * standard error while the one before goes on serving. Returns the exit code: 0, 1 (told on standard error). */
int lion_dev_run(const lion_revision_options *options, const char *host, int port);

#endif
