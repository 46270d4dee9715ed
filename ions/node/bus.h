/* bus.h - the channel between the supervisor and a process: messages that may carry file descriptors.
 *
 * SOCK_SEQPACKET pairs; docs/node.md has the table of kinds and their payloads (forms, core/data/form_code.h). Sending
 * never blocks: what the socket does not take now waits in a queue. One thread: the loop's. */
#ifndef LION_IONS_NODE_BUS_H
#define LION_IONS_NODE_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Addresses. Worker k, from 1, is LION_BUS_WORKER + k. */
enum {
    LION_BUS_SUPERVISOR = 0,
    LION_BUS_WRITER = 1,
    LION_BUS_EXECUTOR = 2,
    LION_BUS_DOOR = 3,
    LION_BUS_TRIAL = 4,
    LION_BUS_EVENTS = 5,
    LION_BUS_WORKER = 16,
    LION_BUS_ANY_WORKER = 0xffff /* that is ready, other than the sender */
};

typedef enum lion_bus_kind {
    LION_BUS_READY = 1,
    LION_BUS_STOP = 2,
    LION_BUS_REPLACE = 3,
    LION_BUS_HANDOVER = 4,
    LION_BUS_SWITCH = 5,
    LION_BUS_SWITCHED = 6,
    LION_BUS_TRY = 7,
    LION_BUS_TRIED = 8,
    LION_BUS_PROCESSES = 9,
    LION_BUS_CHANGED = 10,
    LION_BUS_STATUS = 11,
    LION_BUS_DELIVER = 12,
    LION_BUS_DELIVERED = 13,
    LION_BUS_METRICS = 20,
    LION_BUS_REOPEN = 21,
    LION_BUS_ALERT = 22
} lion_bus_kind;

#define LION_BUS_FDS_MAX 4

/* Borrowed until the callback returns; the descriptors belong to who receives them (-1: taken, else closed then). */
typedef struct lion_bus_message {
    uint16_t to, from;
    uint16_t kind; /* lion_bus_kind */
    uint64_t id;   /* a request's; its answer has the same */
    const uint8_t *payload;
    size_t size;
    int fds[LION_BUS_FDS_MAX];
    int fd_count;
} lion_bus_message;

typedef struct lion_bus lion_bus;
typedef struct lion_bus_events {
    void (*message)(void *context, lion_bus_message *message);
    void (*closed)(void *context); /* the other side is gone: close the bus */
    void *context;
} lion_bus_events;

/* Takes fd. NULL: out of memory. */
lion_bus *lion_bus_open(uv_loop_t *loop, int fd, const lion_bus_events *events);
/* Copies payload and duplicates the descriptors. false: it is closed, there is no memory, 65,536 messages wait already,
 * or the payload is over 256 MiB. */
bool lion_bus_send(lion_bus *bus, const lion_bus_message *message);
/* Messages that the socket has not taken yet. */
size_t lion_bus_waiting(const lion_bus *bus);
/* What waits in the queue is dropped. NULL is allowed. */
void lion_bus_close(lion_bus *bus);

#endif
