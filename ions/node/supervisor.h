/* supervisor.h - the supervisor's parts to each other. One thread, no Lua.
 *
 * A place is what there must be (the writer, worker 3); a process is who holds it. A process that was replaced holds
 * none any more and is still looked after until it has ended: it may hand connections over. */
#ifndef LION_IONS_NODE_SUPERVISOR_H
#define LION_IONS_NODE_SUPERVISOR_H

#include <sys/types.h>

#include "lion.h"
#include "node/bus.h"
#include "node/node.h"

#define LION_NODE_WORKERS_MAX 256
#define LION_NODE_TRIALS_MAX 4     /* at once */
#define LION_NODE_EVALUATORS_MAX 4 /* at once */
#define LION_NODE_REASON_SIZE 256

typedef struct supervisor supervisor;
typedef struct place place;

typedef enum process_state { PROCESS_STARTING, PROCESS_READY, PROCESS_STOPPING } process_state;

typedef struct process {
    struct process *next;
    supervisor *supervisor;
    place *place;       /* that it holds or has held; NULL: a trial, an evaluator */
    pid_t pid;
    bool has_ended;     /* with status; what it said last may be under way */
    int status;         /* as waitpid gives it */
    lion_bus *bus;      /* NULL: closed */
    process_state state;
    bool is_lost;       /* its channel takes nothing */
    int64_t started_ms; /* since 1970 */
    uint64_t born_ms;   /* the loop's clock */
    uint64_t kill_at;   /* the loop's clock; 0: never. When it has ended: to close its channel */
    uint64_t handovers; /* that it was given */
    bool is_evaluator;  /* without a place: it runs a chunk of Lua, and is no trial */
    /* Of a trial or an evaluator: who asked, and whether that was answered. */
    uint16_t asked_by;
    uint64_t asked_id;
    uint64_t timeout_ms;
    bool is_answered;
} process;

struct place {
    const char *role;
    int index;         /* of a worker, from 1; else 0 */
    char name[24];     /* for people: "worker 2" */
    uint16_t address;
    int stage;         /* those of a stage are started when all of the one before are ready */
    process *current;  /* NULL: it waits for start_at, or for its stage */
    uint64_t start_at; /* the loop's clock; 0: no */
    bool was_ready;
    unsigned quick_deaths; /* in a row */
    unsigned deaths_before_ready;
    int64_t restarts;
    char reason[LION_NODE_REASON_SIZE]; /* of the last end */
};

/* A message for a worker while none is ready. */
typedef struct waiting {
    struct waiting *next;
    uint64_t until; /* the loop's clock */
    pid_t sender;   /* that it is not for */
    lion_bus_message message; /* payload and descriptors owned */
} waiting;

struct supervisor {
    const lion_node_options *options;
    uv_loop_t loop;
    uv_signal_t child, interrupt, terminate, hangup;
    uv_timer_t timer;
    lion_arena arena; /* of the message that is handled */
    place *places;
    int place_count;
    int stage;           /* that is being started */
    process *processes;  /* all that have not ended or whose channel is open */
    waiting *first_waiting, *last_waiting;
    int waiting_count;
    char address[300], control[120]; /* where it listens: HOST:PORT, and a path */
    char control_address[300];       /* HOST:PORT of the control door; "": none */
    int lock_fd, listen_fd, control_fd, control_tcp_fd;
    bool follows_a_dead_one; /* which left its control door's socket */
    bool is_ready, is_stopping;
    int exit_code;
};

/* ---- supervisor_listen.c: each → 0, or the exit code when it was told on standard error why not ---- */

int supervisor_lock(supervisor *self);
int supervisor_listen(supervisor *self);
int supervisor_listen_control(supervisor *self);
int supervisor_listen_control_tcp(supervisor *self); /* if it is asked for */

/* ---- supervisor_spawn.c ---- */

/* Start a process of a place, or (place NULL) a trial of app and revision, or without these an evaluator. NULL: it
 * cannot be started, errno says why. */
process *supervisor_spawn(supervisor *self, place *of, const char *app, const char *revision);

/* ---- supervisor_route.c ---- */

void supervisor_message(process *sender, lion_bus_message *message);
void supervisor_tell_changed(supervisor *self, const place *of);
void supervisor_serve_waiting(supervisor *self);
void supervisor_drop_waiting(supervisor *self, uint64_t until);
/* Send a form; a process that has no channel gets none. */
void supervisor_send(process *to, lion_bus_kind kind, uint64_t id, lion_form form);

/* false: it is lost. */
bool supervisor_pass(process *to, const lion_bus_message *message);
uint16_t supervisor_address(const process *of);
place *supervisor_place(supervisor *self, int64_t address); /* NULL: there is none */
/* A text of a map, in self->arena. */
const char *supervisor_text(supervisor *self, const lion_form *map, const char *key, const char *otherwise);

/* ---- supervisor_trial.c ---- */

void supervisor_try(process *sender, const lion_bus_message *message, const lion_form *request);
void supervisor_deliver_trial(process *trial, lion_bus_message *message); /* its `tried` */
void supervisor_trial_overdue(process *trial);
void supervisor_trial_ended(process *trial, const char *reason);

/* ---- supervisor.c ---- */

void supervisor_closed(process *of);           /* its channel */
void supervisor_ready(process *of);
void supervisor_replace(place *of, process *sender, const char *reason);
void supervisor_kill_within(process *self, uint64_t ms);
void supervisor_stop(supervisor *self, int exit_code);
void supervisor_schedule(supervisor *self); /* kill_at, start_at or what waits has changed */

#endif
