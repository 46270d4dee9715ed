/* runner.h - the Lua thread: its states, and the requests they have in hand. */
#ifndef LION_IONS_NODE_RUNNER_H
#define LION_IONS_NODE_RUNNER_H

#include "node/worker.h"

#define LION_CALL_BUCKETS 1024

/* A request that is not answered at once: a step will answer it, or its answer is streamed. */
typedef struct lion_node_call {
    struct lion_node_call *next;  /* of its bucket */
    struct lion_node_call *after; /* of its state's streams */
    lion_node_request *request;
    uint64_t id;
    lion_node_state *state;
    int pieces; /* registry reference of the function that gives them; LUA_NOREF: not streamed */
    bool is_stalled; /* without a piece for now */
    size_t waiting;  /* bytes of pieces that the socket has not taken */
} lion_node_call;

struct lion_runner {
    lion_worker *worker;
    lion_node_state *states;  /* that take requests, by name */
    lion_node_state *retired; /* closed when what they have in hand is done */
    lion_node_call *calls[LION_CALL_BUCKETS];
    lion_node_request *current; /* being handled, not yet a call */
    double turn;        /* a number that grows: all that has come by its beginning is known */
    uint64_t looked_ms; /* when steps were last asked for */
    bool is_stopping;
};

/* runner_call.c: app:method(…). The arguments are pushed between the two; so many results are left.
 * false: it raised, which was told on standard error, and nothing is left. */
void lion_runner_push(lion_node_state *state, lion_node_method method);
bool lion_runner_call(lion_node_state *state, int arguments, int results);
/* app:handle(request), with four results; also when there is no memory for the request. Of one that
 * was sent to the writer in the loop (direct.h) app:handle(request, kind, payload): what it
 * answered; of a head app:handle(request, "head"). */
bool lion_runner_handle(lion_node_state *state, const lion_node_request *request);

/* runner_answer.c */
lion_node_call *lion_runner_find(lion_runner *runner, uint64_t id); /* NULL: no such call */
/* Answer with status, headers, body, size: what stands on the stack from first on. true: it is
 * answered or a call; false: the state has no route for it. */
bool lion_runner_answer(lion_runner *runner, lion_node_state *state, lion_node_request *request,
                        int first);
/* Text, or JSON if it begins as an object. */
void lion_runner_respond(lion_runner *runner, lion_node_request *request, int status,
                         const char *text);
/* The request has ended. */
void lion_runner_end(lion_runner *runner, lion_item_kind kind, lion_node_request *request);
/* Let go of a call; its request has ended. */
void lion_runner_drop(lion_runner *runner, lion_node_call *call);
/* A turn for each stream of the state that may go on. */
void lion_runner_stream(lion_runner *runner, lion_node_state *state);
bool lion_runner_can_stream(const lion_node_state *state);

#endif
