/* trial.c - loads a revision with its checks, says on the bus what came of it, ends. The supervisor
 * ends one that takes too long. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/worker.h"

static void on_message(void *context, lion_bus_message *message)
{
    (void)context;
    if (message->kind == LION_BUS_STOP) _exit(0);
}

static void on_closed(void *context)
{
    (void)context;
    _exit(0); /* the supervisor is gone */
}

static void on_work(uv_work_t *work)
{
    lion_load_run(work->data);
}

static void on_loaded(uv_work_t *work, int status)
{
    lion_load *load = work->data;
    (void)status;
    bool is_ok = load->state != NULL;
    const char *message = load->message == NULL ? "" : load->message,
               *trace = load->trace == NULL ? "" : load->trace;
    lion_entry entries[] = { { "is_ok", lion_form_boolean(is_ok) },
                             { "ms", lion_form_long((int64_t)load->ms) },
                             { "step", lion_form_string(load->is_check ? "check" : "load") },
                             { "message", lion_form_string(message) },
                             { "trace", lion_form_string(trace) } };
    lion_worker_tell(load->worker, LION_BUS_DOOR, LION_BUS_TRIED, 0, entries, is_ok ? 2 : 5);
    load->worker->is_over = true;
}

int lion_node_try(const lion_node_options *options)
{
    static lion_worker worker; /* as much of one as loading and telling need */
    lion_bus_events events = { .message = on_message, .closed = on_closed };
    char path[4096];
    snprintf(path, sizeof path, "%s/writer.sock", options->primary);
    worker.options = options;
    worker.role = "worker";
    worker.writer_path = path;
    lion_series_init(&worker.series);
    if (!lion_lines_init(&worker.casts, options, options->cast_file, false)) return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)fcntl(options->bus_fd, F_SETFD, FD_CLOEXEC);
    lion_load *load = lion_load_new(&worker, options->app, options->revision);
    if (load == NULL || options->app == NULL || options->revision == NULL ||
        uv_loop_init(&worker.loop) != 0)
        return 1;
    worker.bus = lion_bus_open(&worker.loop, options->bus_fd, &events);
    if (worker.bus == NULL) return 1;
    load->has_checks = true;
    load->work.data = load;
    (void)uv_queue_work(&worker.loop, &load->work, on_work, on_loaded);
    while (!worker.is_over || lion_bus_waiting(worker.bus) > 0)
        (void)uv_run(&worker.loop, UV_RUN_ONCE);
    (void)fflush(stderr);
    lion_lines_drain(&worker.casts, LION_LINES_DRAIN_MS);
    _exit(0);
}
