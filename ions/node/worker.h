/* worker.h - what the two threads of a worker share, and what each keeps for itself.
 *
 * Who keeps the loop (keeper.h) has the sockets, the bus and the link to the writer (work*.c,
 * watch.c): the I/O thread, or between two of its turns the Lua thread. The Lua thread (runner*.c)
 * owns the states. The two parts know of one another by the items of two queues, and by the fields
 * of lion_worker that say so. */
#ifndef LION_IONS_NODE_WORKER_H
#define LION_IONS_NODE_WORKER_H

#include <lua.h>
#include <stdatomic.h>

#include "curl.h"
#include "data/form_code.h"
#include "http.h"
#include "memory.h"
#include "node/bus.h"
#include "node/inbox.h"
#include "node/keeper.h"
#include "node/lines.h"
#include "node/link.h"
#include "node/node.h"
#include "node/series.h"

typedef struct lion_worker lion_worker;
typedef struct lion_runner lion_runner;
typedef struct lion_node_reader lion_node_reader;
typedef struct lion_direct lion_direct;

#define LION_STREAM_WINDOW (256u << 10) /* bytes of a stream that wait for its socket */
#define LION_READERS 3 /* of a door; the loop's pool has 4 threads, and one is for loading */

/* ---- items of the queues ---- */

typedef enum lion_item_kind {
    /* to the Lua thread */
    LION_ITEM_REQUEST, /* a lion_node_request begins with it */
    LION_ITEM_GONE,    /* id */
    LION_ITEM_ROOM,    /* id, size: bytes of its stream that have been sent */
    LION_ITEM_FRAME,   /* both ways: id (token), code (lion_frame_kind), bytes */
    LION_ITEM_LOADED,  /* state; to and id of who asked for it; code: ms it took */
    LION_ITEM_REMOVE,  /* bytes: the application's name; to, id */
    LION_ITEM_MESSAGE, /* both ways: to (or from), code (lion_bus_kind), id, bytes */
    LION_ITEM_STOP,    /* end when all is idle */
    /* from it */
    LION_ITEM_ANSWER,   /* request, code (status), headers, bytes: the body */
    LION_ITEM_BEGIN,    /* request, code, headers; size of the whole, or LION_HTTP_SIZE_UNKNOWN */
    LION_ITEM_PIECE,    /* request, bytes */
    LION_ITEM_END,      /* request */
    LION_ITEM_ABORT,    /* request: nobody wants it, or the rest cannot be had */
    LION_ITEM_HANDOVER, /* request: to any worker */
    LION_ITEM_GO_ON,    /* request, of which only the head has come: its body may come */
    LION_ITEM_READ, /* id (token), to (the reader, from 0), bytes; its answer is a FRAME */
    LION_ITEM_STOP_READING, /* id (token): nobody waits for it */
    LION_ITEM_RUNS, /* bytes: application, NUL, revision, NUL. It takes calls now; to and id of who
                       asked, code: ms */
    LION_ITEM_REMOVED,   /* bytes: application, NUL; to, id */
    LION_ITEM_EXHAUSTED, /* a state has reached its cap */
    LION_ITEM_FETCH,     /* id (token), bytes: a request of curl.h; a frame answers it */
    LION_ITEM_FORGET,    /* id of one that nobody waits for any more */
    LION_ITEM_KNOW,      /* bytes: a database's name, NUL (direct.h) */
    LION_ITEM_OVER       /* the Lua thread has ended */
} lion_item_kind;

/* Who sent it has it no more: each is freed by who takes it. */
typedef struct lion_item {
    lion_inbox_link link;
    lion_item_kind kind;
    uint16_t to;
    int code;
    uint64_t id;
    struct lion_node_request *request;
    struct lion_node_state *state;
    lion_http_header *headers; /* in bytes, behind the size */
    size_t header_count;
    size_t size;    /* of bytes, or what the kind says */
    uint8_t *bytes; /* behind the item */
} lion_item;

/* Room for size bytes, which may be copied from data. NULL: out of memory. */
lion_item *lion_item_new(lion_item_kind kind, const void *data, size_t size);

/* A request in hand. Made and freed by who keeps the loop; the Lua thread may use it until it has
 * sent what ends it. */
typedef struct lion_node_request {
    lion_item item; /* LION_ITEM_REQUEST, its place in the queue */
    lion_http_exchange *exchange;
    uint64_t id;
    atomic_int stage; /* lion_request_stage: who moves it from WAITING has it */
    atomic_bool is_gone;
    bool is_passed_on; /* the loop's keeper's own from here */
    bool is_streamed;
    bool is_head;       /* only its head has come: may the body? */
    bool is_direct;     /* sent to the writer without Lua (direct.h) */
    lion_item *outcome; /* what the writer answered then, if Lua is to tell it; NULL: none */
    size_t unconfirmed; /* bytes of its stream that the Lua thread takes for waiting */
    struct lion_node_request *next, *previous;
} lion_node_request;

enum { LION_REQUEST_WAITING, LION_REQUEST_BEGUN, LION_REQUEST_TAKEN };

/* ---- states ---- */

/* What an application has, as far as it is called here; in the order of its names in runner_call.c.
 */
typedef enum lion_node_method {
    LION_METHOD_HANDLE,
    LION_METHOD_STEP,
    LION_METHOD_DUE,
    LION_METHOD_GONE,
    LION_METHOD_FINISH,
    LION_METHOD_DELIVER,
    LION_METHOD_MESSAGE,
    LION_METHOD_IS_IDLE,
    LION_METHOD_STEPS,
    LION_METHOD_COUNT
} lion_node_method;

/* An application at a revision. Its loader's thread, then the Lua thread's. */
typedef struct lion_node_state {
    struct lion_node_state *next;
    lion_worker *worker;
    lua_State *lua;
    lion_memory *memory;            /* NULL: without a cap */
    int app;                        /* registry reference of the application */
    int methods[LION_METHOD_COUNT]; /* registry references of those called so far; 0: not yet */
    char *name, *revision;
    uint32_t number; /* upper half of its tokens */
    uint32_t last_token;
    uint64_t steps; /* as of the last look */
    bool is_installed;
    bool is_exhausted; /* which was told */
    double due_ms; /* from the end of its last turn until it has something to do; negative: never */
    double *limit; /* what port.limit sets: its own until it is installed, then the worker's */
    double own_limit;
    double *turn; /* what port.turn tells: 0 until it is installed, then the runner's */
    double own_turn;
    struct lion_node_call *streams; /* those that have pieces to come */
} lion_node_state;

/* What is to be loaded, and what came of it. */
typedef struct lion_load {
    uv_work_t work;
    struct lion_load *next;
    lion_worker *worker;
    char *app, *revision; /* NULL: of the door; of a start, what the group runs */
    bool is_list;         /* find out what the group runs: `found` */
    bool has_checks;
    uint16_t to; /* who asked, and its id; 0: a start */
    uint64_t id;
    lion_node_state *state; /* NULL: it failed */
    struct lion_load *found;
    char *message, *trace;
    uint64_t ms;
    bool is_check; /* a check failed */
} lion_load;

/* NULL: out of memory. app and revision are copied; NULL is allowed. */
lion_load *lion_load_new(lion_worker *worker, const char *app, const char *revision);
void lion_load_run(lion_load *load);  /* on this thread */
void lion_load_free(lion_load *load); /* without the state; NULL is allowed */
void lion_node_state_free(lion_node_state *state);

/* package.preload["ions.port"] of a state. */
void lion_port_preload(lion_node_state *state);

/* ---- the worker ---- */

typedef struct lion_app_entry {
    struct lion_app_entry *next;
    char *name, *revision;
    bool is_broken; /* it did not load when the process started */
} lion_app_entry;

struct lion_worker {
    const lion_node_options *options;
    const char *role; /* as the writer is told */
    const char
        *host; /* the module of its one application: the door's, that of events. NULL: a worker */
    bool is_door;
    char *writer_path;
    /* shared */
    lion_keeper keeper;      /* of the loop */
    lion_inbox inbox;        /* to the Lua thread */
    lion_inbox outbox;       /* from it */
    double limit_ms;         /* written by the Lua thread, also by compiled Lua; read atomically */
    atomic_uint last_number; /* of a state */
    atomic_size_t memory_used; /* of all states, as of the last turn */
    _Atomic uint64_t steps;    /* that calls have taken, as of the last look */
    atomic_bool is_lost;       /* the I/O thread goes on alone: requests must not be looked at */
    atomic_bool has_broken;    /* an application did not load when the process started */
    lion_series_list series;   /* what states count */
    lion_lines casts, access;  /* what they cast; requests, if has_access_log */
    bool has_access_log;
    lion_runner *runner; /* the Lua thread's */
    /* the loop's keeper's */
    uv_loop_t loop;
    uv_async_t async; /* something is in the outbox */
    uv_timer_t watch;
    uv_timer_t grace;
    uv_timer_t due; /* of the Lua thread while it runs the loop */
    bool is_due;
    uv_thread_t thread;
    lion_http_server *server;
    lion_bus *bus;
    lion_link *link;
    lion_curl *curl;  /* NULL before the first request of an application's */
    lion_load *loads; /* that wait; one at a time is done */
    lion_direct *direct; /* of a door; NULL: no database is known yet */
    lion_node_reader *readers[LION_READERS]; /* of a door; NULL: nobody has asked it yet */
    bool is_loading, is_ready, is_stopping, is_over;
    lion_node_request *requests; /* in hand */
    size_t request_count;
    lion_app_entry *apps; /* what runs */
    int exit_code;
};

/* work_requests.c */
lion_http_limits lion_worker_limits(const lion_worker *worker);
lion_http_handler lion_worker_handler(lion_worker *worker);
void lion_worker_take(lion_worker *worker); /* what is in the outbox */
/* work_fetch.c: requests of applications to others. */
void lion_worker_fetch(lion_worker *worker, const lion_item *item);
void lion_worker_hand_over(lion_worker *worker,
                           lion_http_taken *taken); /* to any worker; takes it */
/* Those without a request; a door has nobody to give them to. */
void lion_worker_hand_over_idle(lion_worker *worker);
void lion_request_free(lion_worker *worker, lion_node_request *request);

/* work.c */
void lion_worker_leave(int code); /* ends the process */
/* The Lua thread, which keeps the loop: run it until something has come for Lua, or so many ms are
 * over (0: take what is there; negative: without end). */
void lion_worker_turn(lion_worker *worker, double ms);
void lion_worker_stop(lion_worker *worker, uint64_t grace_ms);
void lion_worker_replace(
    lion_worker *worker,
    const char *reason); /* have another started, finish what is in hand, end */
void lion_worker_runs(lion_worker *worker, const char *app, const char *revision,
                      bool is_broken); /* NULL: no longer */
void lion_worker_tell(lion_worker *worker, uint16_t to, lion_bus_kind kind, uint64_t id,
                      const lion_entry *entries, size_t count);

/* read.c: takes an item for a reader. */
void lion_worker_read(lion_worker *worker, lion_item *item);
/* Nobody waits for an answer any more: a query stops, and an answer comes all the same. */
void lion_worker_stop_reading(lion_worker *worker, uint64_t id);

/* work_status.c */
void lion_worker_status(lion_worker *worker, uint16_t to, uint64_t id);
void lion_worker_metrics(lion_worker *worker, uint16_t to, uint64_t id);

/* work_status.c: into the access log, of a request that no application has */
void lion_worker_log_unrouted(lion_worker *worker, const lion_http_request *request, int status,
                              size_t size);

/* watch.c */
void lion_worker_watch(lion_worker *worker); /* now and from now on */

/* item.c: from the Lua thread or a loader's to the loop's keeper */
void lion_worker_send(lion_worker *worker, lion_item *item);

/* runner.c */
void lion_runner_run(void *worker); /* the Lua thread */
/* Of a request that a state has in hand; NULL: it has none of that id. */
const lion_http_request *lion_runner_request(lion_runner *runner, uint64_t id);

#endif
