/* execute.h - the parts of the executor's process to each other.
 *
 * One thread runs the loop and the functions: a call is run where its frame is read, so calls wait
 * for each other. Only an application that is switched to is loaded beside them. Each application
 * of the group has a Lua state of its own. */
#ifndef LION_IONS_NODE_EXECUTE_H
#define LION_IONS_NODE_EXECUTE_H

#include <lua.h>
#include <uv.h>

#include "connection/connection.h"
#include "memory.h"
#include "node/bus.h"
#include "node/frame.h"
#include "node/node.h"

/* An application at a revision, in its state. */
typedef struct execute_app {
    struct execute_app *next; /* by name */
    char *name, *revision;
    lua_State *state;
    lion_memory *memory; /* of the state */
    int executor;        /* registry reference: what ions.executor loaded */
} execute_app;

/* What functions were called on: open as long as the process, so that what the writer has told of
 * it stays known when states come and go. */
typedef struct execute_database {
    struct execute_database *next;
    char *name;
    lion_connection *connection;
} execute_database;

typedef struct executor {
    const lion_node_options *options;
    char *socket_path;
    uv_loop_t loop;
    uv_signal_t terminate, interrupt;
    lion_link *link;
    lion_bus *bus; /* NULL: alone, or closed */
    execute_app *apps;
    execute_database *databases;
    struct execute_switch *switches; /* that are being loaded */
    int64_t calls, errors, spent_ns;
    bool is_stopping;
    bool is_replaced; /* another was asked for */
} executor;

/* ---- execute_app.c ---- */

/* Why an application did not load: text, to be freed; "" for what there is not. */
typedef struct execute_failure {
    char *message, *trace;
} execute_failure;

/* Loads it; any thread. NULL: failure_out says why. */
execute_app *execute_app_load(const executor *self, const char *name, const char *revision,
                              execute_failure *failure_out);
void execute_app_close(execute_app *app); /* NULL is allowed */
bool execute_app_has(const execute_app *app, lion_slice function);
/* Runs the call of a frame. true: *out is the result's payload; false: the error's. LION_FAILED:
 * the state could not even say what is wrong. */
lion_status execute_app_call(bool *is_done_out, lion_buffer *out, const execute_app *app,
                             lion_slice payload, lion_error *error);
/* Has its state used up its memory once? */
bool execute_app_is_exhausted(const execute_app *app);
/* Loads what the group runs; what does not load is told on standard error. */
void execute_apps_load(executor *self);
/* In the place of the one of that name, which is closed. */
void execute_apps_put(executor *self, execute_app *app);
void execute_apps_remove(executor *self, const char *name);
execute_app *execute_apps_find(const executor *self, lion_slice name); /* NULL: none */

/* ---- execute_call.c ---- */

/* Answers a frame CALL. */
void execute_call(executor *self, uint64_t id, lion_slice payload);
void execute_databases_close(executor *self);

/* ---- execute_bus.c ---- */

void execute_message(executor *self, const lion_bus_message *message);
void execute_send(executor *self, lion_bus_kind kind, uint16_t to, uint64_t id,
                  const lion_form *map);

/* ---- execute_port.c ---- */

/* `ions.port` of a state here: modules may ask the writer while they are loaded. path of its
 * socket, copied. */
void execute_port_preload(lua_State *state, const char *path);

#endif
