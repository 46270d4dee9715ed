/* link.h - a client's connection to a node's writer: frames over its Unix socket (docs/node.md).
 *
 * The connection is made when it is opened and again, with short pauses, whenever it is lost; frames that are sent
 * meanwhile wait. What was sent and not answered when it is lost is told as lost, each by its id; so is a FOLLOW, which
 * goes on behind its answer. One thread: the loop's. */
#ifndef LION_IONS_NODE_LINK_H
#define LION_IONS_NODE_LINK_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

typedef enum lion_frame_kind {
    LION_FRAME_LOST = 0, /* never sent: the writer was lost before it answered */
    LION_FRAME_HELLO = 1,
    LION_FRAME_OPEN = 2,
    LION_FRAME_TRANSACT = 3,
    LION_FRAME_SYNC = 4,
    LION_FRAME_INDEX = 5,
    LION_FRAME_BACKUP = 6,
    LION_FRAME_FOLLOW = 7,
    LION_FRAME_CALL = 16,
    LION_FRAME_DONE = 17,
    LION_FRAME_ERROR = 18,
    LION_FRAME_REPORT = 19,
    LION_FRAME_TOLD = 20
} lion_frame_kind;

typedef struct lion_link lion_link;
typedef struct lion_link_events {
    /* An answer, or LOST; payload borrowed. */
    void (*frame)(void *context, lion_frame_kind kind, uint64_t id, const uint8_t *payload, size_t size);
    void *context;
} lion_link_events;

/* path of the socket, role of the hello. NULL: out of memory. */
lion_link *lion_link_open(uv_loop_t *loop, const char *path, const char *role, const lion_link_events *events);
/* id: the caller's, unique among what is not answered. Bytes are copied. Requests go out together, at the end of the
 * loop's turn, so that the writer is woken once for all of them; answers at once. */
void lion_link_send(lion_link *link, lion_frame_kind kind, uint64_t id, const uint8_t *payload, size_t size);
/* Send what waits now: for who leaves the loop to itself for a while. */
void lion_link_flush(lion_link *link);
void lion_link_close(lion_link *link); /* NULL is allowed; nothing is told any more */

/* One request on a connection of its own, waiting for the answer: for what must be done before a loop runs. 0, or a
 * negative errno (-ETIMEDOUT). *payload_out is to be freed. */
int lion_link_call(const char *path, const char *role, lion_frame_kind kind, const uint8_t *payload, size_t size,
                   uint64_t timeout_ms, lion_frame_kind *kind_out, uint8_t **payload_out, size_t *size_out);

#endif
