/* dev.c - the loop of `lion dev`: requests to the newest revision, a look at its files five times a
 * second. */
#include "dev.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LION_DEV_LOOK_MS 200
#define LION_DEV_HANDLE_MS                                                                         \
    1210000 /* an entry point's own timeout, twice at most (waiting, running), comes first */

typedef struct dev {
    const lion_revision_options *options;
    uv_loop_t loop;
    uv_signal_t interrupt, terminate;
    uv_timer_t look;
    lion_http_server *server;
    lion_revision *revision; /* kept: the one that serves */
    char *complaint;         /* of the last loading that failed; told once */
    bool is_stopping;
} dev;

static void on_request(void *context, lion_http_exchange *exchange)
{
    dev *self = context;
    lion_revision *revision = lion_revision_keep(self->revision);
    lion_revision_handle(revision, &self->loop, exchange);
    lion_revision_drop(revision);
}

static void on_gone(void *context, lion_http_exchange *exchange)
{
    (void)context;
    lion_revision_gone(exchange);
}

/* Try the files as they are now. A failure is told when it is a new one; the old revision serves
 * on. */
static void reload(dev *self)
{
    char *message = NULL;
    lion_revision *revision = lion_revision_load(self->options, &message);
    if (revision != NULL) {
        lion_revision_drop(self->revision);
        self->revision = revision;
        lion_revision_start(revision, &self->loop);
        free(self->complaint);
        self->complaint = NULL;
        fprintf(stderr, "reloaded %s\n", self->options->dir);
        return;
    }
    if (self->complaint == NULL || strcmp(self->complaint, message) != 0)
        fprintf(stderr, "not reloaded, the revision before goes on serving:\n%s\n", message);
    free(self->complaint);
    self->complaint = message;
}

static void on_look(uv_timer_t *timer)
{
    dev *self = timer->data;
    if (self->is_stopping) return;
    if (lion_revision_is_stale(self->revision)) reload(self);
}

static void on_server_closed(void *context)
{
    ((dev *)context)->server = NULL;
}

static void stop(dev *self)
{
    if (self->is_stopping) return;
    self->is_stopping = true;
    uv_close((uv_handle_t *)&self->look, NULL);
    uv_close((uv_handle_t *)&self->interrupt, NULL);
    uv_close((uv_handle_t *)&self->terminate, NULL);
    if (self->server != NULL) lion_http_close(self->server, on_server_closed, self);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    stop(signal->data);
}

static int serve(dev *self, const char *host, int port)
{
    lion_http_limits limits = { .handle_ms = LION_DEV_HANDLE_MS };
    lion_http_handler handler = { .request = on_request, .gone = on_gone, .context = self };
    int code = lion_http_open(&self->server, &self->loop, host, port, &limits, &handler);
    if (code != 0) {
        fprintf(stderr, "lion: cannot listen on %s:%d: %s\n", host, port, uv_strerror(code));
        return 1;
    }
    bool is_ipv6 = strchr(host, ':') != NULL;
    printf(is_ipv6 ? "ready http://[%s]:%d/\n" : "ready http://%s:%d/\n", host,
           lion_http_port(self->server));
    fflush(stdout);
    return 0;
}

static void start_handles(dev *self)
{
    uv_signal_init(&self->loop, &self->interrupt);
    uv_signal_init(&self->loop, &self->terminate);
    uv_timer_init(&self->loop, &self->look);
    self->interrupt.data = self->terminate.data = self->look.data = self;
    uv_signal_start(&self->interrupt, on_signal, SIGINT);
    uv_signal_start(&self->terminate, on_signal, SIGTERM);
    uv_timer_start(&self->look, on_look, LION_DEV_LOOK_MS, LION_DEV_LOOK_MS);
}

int lion_dev_run(const lion_revision_options *options, const char *host, int port)
{
    dev self = { .options = options };
    char *message = NULL;
    self.revision = lion_revision_load(options, &message);
    if (self.revision == NULL) {
        fprintf(stderr, "lion: %s\n", message);
        free(message);
        return 1;
    }
    if (uv_loop_init(&self.loop) != 0) {
        fprintf(stderr, "lion: no event loop\n");
        lion_revision_drop(self.revision);
        return 1;
    }
    (void)signal(
        SIGPIPE,
        SIG_IGN); /* a client that went away is an answer less, not the end of the process */
    start_handles(&self);
    int code = serve(&self, host, port);
    if (code == 0)
        lion_revision_start(self.revision, &self.loop);
    else
        stop(&self);
    uv_run(&self.loop, UV_RUN_DEFAULT);
    lion_revision_drop(self.revision);
    uv_run(&self.loop, UV_RUN_DEFAULT); /* its timer closes */
    uv_loop_close(&self.loop);
    free(self.complaint);
    return code;
}
