/* lines.h - lines of JSON on their way to a file or standard error.
 *
 * Whoever puts a line never waits: a thread of their own writes them, whole ones with one write
 * each to a file that is opened for appending, so that all processes of a node may write into the
 * same. What finds no room is dropped and counted, and a line says so later. */
#ifndef LION_IONS_NODE_LINES_H
#define LION_IONS_NODE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "node/node.h"

#define LION_LINES_BYTES_MAX ((size_t)4 << 20) /* that wait in a process */
#define LION_LINES_DRAIN_MS 1000               /* that the end of a process waits for them */

typedef struct lion_line lion_line;

typedef struct lion_lines {
    const char *path; /* NULL: standard error */
    char *prefix;     /* of each line: who writes, as the first fields of an object */
    size_t prefix_size;
    bool has_time; /* "time" follows it */
    int fd;        /* the thread's; -1: not open */
    uv_mutex_t mutex;
    uv_cond_t changed;
    /* guarded by mutex */
    lion_line *first, *last;
    size_t waiting; /* bytes */
    bool has_thread, is_writing, is_to_reopen;
    uint64_t written, dropped; /* lines since the process started */
    uint64_t untold;           /* dropped, and no line has said so */
} lion_lines;

/* path as of lion_node_options, or NULL; index of a worker, 0: of the door. false: no memory. */
bool lion_lines_init(lion_lines *self, const lion_node_options *options, const char *path,
                     bool has_time);
/* An object as JSON (copied), on one line. Any thread. */
void lion_lines_put(lion_lines *self, const char *object, size_t size);
/* From now on into the file that has the path then. Any thread. */
void lion_lines_reopen(lion_lines *self);
/* Until all is written, so long at most. */
void lion_lines_drain(lion_lines *self, uint64_t ms);
/* Since the process started. */
void lion_lines_count(lion_lines *self, uint64_t *written_out, uint64_t *dropped_out);

/* A path as JSON, with its quotes; what is not ASCII is written as %xx. Returns its size, at most six times as much
 * and two more. */
size_t lion_json_text(char *out, const char *text, size_t size);

#endif
