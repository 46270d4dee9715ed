/* execute.c - the executor's process: its connection to the writer, its channel to the supervisor,
 * its end. */
#include "node/execute.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "lion: executor: %s: %s\n", what, why);
    return 1;
}

/* ---- the end ---- */

/* The loop ends when nothing is left; a revision that is being loaded is waited for. */
static void stop(executor *self)
{
    if (self->is_stopping) return;
    self->is_stopping = true;
    lion_link_close(self->link);
    self->link = NULL;
    uv_close((uv_handle_t *)&self->terminate, NULL);
    uv_close((uv_handle_t *)&self->interrupt, NULL);
    lion_bus_close(self->bus);
    self->bus = NULL;
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    stop(signal->data);
}

/* ---- what comes ---- */

static void on_frame(void *context, lion_frame_kind kind, uint64_t id, const uint8_t *payload,
                     size_t size)
{
    if (kind == LION_FRAME_CALL) execute_call(context, id, lion_slice_of(payload, size));
}

static void on_message(void *context, lion_bus_message *message)
{
    if (message->kind == LION_BUS_STOP)
        stop(context);
    else
        execute_message(context, message);
}

static void on_bus_closed(void *context)
{
    stop(context);
}

/* ---- the beginning ---- */

static void start_signal(executor *self, uv_signal_t *signal, int number)
{
    uv_signal_init(&self->loop, signal);
    signal->data = self;
    uv_signal_start(signal, on_signal, number);
}

static int start(executor *self)
{
    start_signal(self, &self->terminate, SIGTERM);
    start_signal(self, &self->interrupt, SIGINT);
    lion_link_events calls = { .frame = on_frame, .context = self };
    self->link = lion_link_open(&self->loop, self->socket_path, "executor", &calls);
    lion_bus_events events = { .message = on_message, .closed = on_bus_closed, .context = self };
    bool has_bus = self->options->bus_fd >= 0;
    if (has_bus) self->bus = lion_bus_open(&self->loop, self->options->bus_fd, &events);
    if (self->link == NULL || (has_bus && self->bus == NULL)) {
        stop(self);
        return complain("it cannot begin", "no memory");
    }
    execute_send(self, LION_BUS_READY, LION_BUS_SUPERVISOR, 0, NULL);
    return 0;
}

static char *socket_path_in(const char *folder)
{
    size_t size = strlen(folder) + sizeof "/writer.sock";
    char *path = malloc(size);
    if (path != NULL) snprintf(path, size, "%s/writer.sock", folder);
    return path;
}

int lion_node_execute(const lion_node_options *options)
{
    executor self = { .options = options };
    (void)signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&self.loop) != 0) return complain("no event loop", "uv_loop_init failed");
    self.socket_path = socket_path_in(options->primary);
    if (self.socket_path == NULL) return complain("it cannot begin", "no memory");
    execute_apps_load(&self);
    int code = start(&self);
    uv_run(&self.loop, UV_RUN_DEFAULT);
    uv_loop_close(&self.loop);
    while (self.apps != NULL) execute_apps_remove(&self, self.apps->name);
    execute_databases_close(&self);
    free(self.socket_path);
    return code;
}
