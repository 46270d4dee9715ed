/* writer.h - the parts of the writer's process to each other. No Lua.
 *
 * The loop's thread owns the sockets: it reads frames, gives each request to the thread of its
 * database, and sends what these answer. A database has a thread of its own that commits: it
 * applies all that has come, waits once for the disk, and answers. So a slow function or a slow
 * disk holds up its own database alone. */
#ifndef LION_IONS_NODE_WRITER_H
#define LION_IONS_NODE_WRITER_H

#include <pthread.h>
#include <uv.h>

#include "connection/connection.h"
#include "histogram.h"
#include "node/bus.h"
#include "node/frame.h"
#include "node/node.h"

#define WRITER_NAME_MAX 200

typedef struct writer writer;

/* A request that a database's thread is to do. */
typedef struct job {
    struct job *next;
    writer *writer;
    uint64_t session; /* whom to answer */
    uint64_t id;
    lion_frame_kind kind;
    int64_t came_ns;
    lion_arena arena;
    lion_form map; /* in the arena, as its texts are */
} job;

/* Who is told when transactions have become durable. */
typedef struct follower {
    struct follower *next;
    uint64_t session;
    uint64_t id; /* of its request */
} follower;

/* What a database's thread has counted; docs/metrics.md. */
typedef struct tally {
    uint64_t transactions, conflicts, errors;
    uint64_t commits[LION_HISTOGRAM_SLOTS], commit_ns; /* from a request to its report */
    uint64_t groups[LION_HISTOGRAM_SLOTS], grouped;    /* transactions that waited for the disk together */
    uint64_t waits[LION_HISTOGRAM_SLOTS], wait_ns;     /* for the disk */
} tally;

/* An open database, or one that is being opened. */
typedef struct database {
    struct database *next;
    writer *writer;
    char name[WRITER_NAME_MAX + 1];
    char *path;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    job *first, **last;  /* guarded by lock */
    bool is_stopping;    /* guarded by lock */
    bool has_new;        /* jobs that its thread has not been told of; the loop's */
    follower *followers; /* guarded by lock */
    uint32_t upkeep;     /* index jobs and backups under way; guarded by lock */
    /* For who asks for metrics; guarded by lock. */
    size_t queued;
    tally tally;
    lion_connection_stats stats; /* as of the last look */
    bool wants_look;             /* the thread is to look, or does */
    bool has_disk_error;         /* that the door was not told of */
    lion_error disk_error;
    /* The thread's own. */
    lion_connection *connection; /* NULL: not open yet */
    struct applied *group,
        **group_last;      /* what was applied since the disk was waited for, in order */
    int64_t group_t;       /* of the newest of them, 0: none */
    bool is_broken;        /* the disk failed: it is closed, and opened anew for the next */
    uint64_t told_session; /* the executor that was told of the group up to told_t */
    int64_t told_t;
    lion_buffer failure; /* the error of the executor's last answer, as it came; empty: none */
} database;

/* A transaction that was applied and is not known to be durable. */
typedef struct applied {
    struct applied *next;
    job *job; /* NULL: answered already */
    int64_t t;
    lion_buffer record; /* as it is reported */
} applied;

/* A function that the executor was asked to run. Guarded by writer->lock. */
typedef struct call {
    struct call *next;
    uint64_t id;
    uint64_t session; /* the executor's when it was asked; 0: not yet asked */
    bool is_answered, is_lost;
    lion_frame_kind kind; /* of the answer */
    lion_buffer answer;
} call;

/* Bytes for a session, from another thread. */
typedef struct outgoing {
    struct outgoing *next;
    uint64_t session;
    lion_buffer bytes;
    bool is_told;         /* a TOLD: nobody waits for it, and who does not take it is not kept */
    bool asks_to_replace; /* not a session's: the supervisor is asked for another executor */
} outgoing;

typedef struct session {
    struct session *next;
    writer *writer;
    uint64_t number;
    uv_pipe_t pipe;
    lion_buffer input, output;
    bool is_writing, is_closing, is_executor;
    bool follows; /* some database */
    bool ends;    /* after what is being sent */
} session;

struct writer {
    const lion_node_options *options;
    char *socket_path;
    uv_loop_t loop;
    uv_pipe_t listener;
    uv_async_t wake; /* there is something in outgoing, or a database has stopped */
    uv_signal_t terminate, interrupt;
    lion_bus *bus; /* NULL: alone, or closed */
    session *sessions;
    uint64_t last_session;
    database *databases;
    bool is_stopping;
    uv_timer_t metrics_timer;
    struct metrics_request *metrics_requests;

    pthread_mutex_t lock;
    pthread_cond_t called; /* a call was answered or lost, or an executor came */
    outgoing *first, **last;
    call *calls;
    uint64_t last_call;
    uint64_t executor; /* its session, 0: there is none */
    bool is_closing;   /* nobody waits for an executor any more */
    int running;       /* databases whose thread runs */
};

/* ---- writer_session.c: the loop's thread ---- */

void session_accept(writer *self);
void session_put(session *to, lion_buffer *bytes); /* takes the bytes; session_flush sends them */
void session_flush(session *self);
void session_fail(session *to, uint64_t id, const lion_error *error);
void session_close(session *self);
session *session_of(writer *self, uint64_t number); /* NULL: it is gone */

/* ---- writer_database.c ---- */

/* Give a job to its database; what is wrong with it is an error, and the job the caller's. The
 * loop's thread. Its thread hears of it by database_wake_all, so that what came together is applied
 * together. */
lion_status database_give(writer *self, job *given, lion_error *error);
void database_wake_all(writer *self);
void job_free(job *self);
/* A session has ended: it follows no more. The loop's thread. */
void database_unfollow(writer *self, uint64_t number);
/* All databases: no more jobs; what was given is done. Waits. */
void database_stop_all(writer *self);

/* From any thread: bytes for a session (taken). */
void writer_post(writer *self, uint64_t number, lion_buffer *bytes);
/* The same with a TOLD. */
void writer_tell(writer *self, uint64_t number, lion_buffer *bytes);

/* ---- writer_metrics.c ---- */

/* The loop's thread: somebody asks for the numbers; those that asked are answered if all have
 * looked. */
void metrics_ask(writer *self, const lion_bus_message *message);
void metrics_check(writer *self);
void metrics_start(writer *self);
void metrics_stop(writer *self);
/* A database's thread. */
void metrics_look(database *self);
void metrics_note_commit(database *self, const job *of);
void metrics_note_group(database *self, size_t count, int64_t waited_ns);
void metrics_note_failure(database *self, const lion_error *error);
/* The disk has refused something; the loop's thread tells the door. */
void metrics_note_disk(database *self, const lion_error *error);
void metrics_tell_disk(writer *self);

/* ---- writer_call.c ---- */

/* Answer what a transaction asks, by the executor; a database's thread. deadline_ns 0: the default
 * alone. */
lion_status call_executor(database *of, lion_transacting *transacting, int64_t deadline_ns,
                          lion_error *error);
/* A transaction has failed: if a predicate refused it, the client is told what that answered. */
void call_note_refusal(database *of, lion_transacting *transacting, const lion_error *error);
/* The loop's thread: an answer of the executor's (payload borrowed); the executor of a session is
 * gone, or has come. */
void call_answered(writer *self, uint64_t number, const lion_frame *frame);
void call_executor_gone(writer *self, uint64_t number);
void call_executor_came(writer *self, uint64_t number);

#endif
