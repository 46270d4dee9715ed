/* execute_bus.c - what the supervisor's channel asks of an executor: another revision, its status,
 * its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/form_code.h"
#include "node/execute.h"
#include "node/series.h"

#define NS_PER_MS 1000000

/* A revision that is loaded beside what runs, on a thread of its own. */
typedef struct execute_switch {
    struct execute_switch *next;
    uv_work_t work;
    executor *self;
    bool is_overtaken; /* another was asked for its application since */
    uint16_t from;
    uint64_t id;
    char *name, *revision;
    int64_t begun_ns;
    execute_app *loaded; /* NULL: failure */
    execute_failure failure;
} execute_switch;

void execute_send(executor *self, lion_bus_kind kind, uint16_t to, uint64_t id,
                  const lion_form *map)
{
    lion_buffer bytes;
    lion_buffer_init(&bytes);
    lion_status status = map == NULL ? LION_OK : lion_form_encode(&bytes, map, NULL);
    if (self->bus != NULL && status == LION_OK && !bytes.is_failed) {
        lion_bus_message message = { .to = to,
                                     .from = LION_BUS_EXECUTOR,
                                     .kind = (uint16_t)kind,
                                     .id = id,
                                     .payload = bytes.data,
                                     .size = bytes.size };
        lion_bus_send(self->bus, &message);
    }
    lion_buffer_deinit(&bytes);
}

/* ---- switching ---- */

static const char *text_or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

static void answer_switch(executor *self, uint16_t to, uint64_t id, bool is_ok,
                          const execute_failure *failure, int64_t ms)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_entry entries[] = { { "is_ok", lion_form_boolean(is_ok) },
                             { "ms", lion_form_long(ms) },
                             { "message", lion_form_string(text_or_empty(failure->message)) },
                             { "trace", lion_form_string(text_or_empty(failure->trace)) } };
    lion_form map = lion_form_entries(&arena, entries, is_ok ? 2 : 4);
    execute_send(self, LION_BUS_SWITCHED, to, id, &map);
    lion_arena_deinit(&arena);
}

static void load(uv_work_t *work)
{
    execute_switch *self = work->data;
    self->loaded = execute_app_load(self->self, self->name, self->revision, &self->failure);
}

static void switch_free(execute_switch *self)
{
    free(self->name);
    free(self->revision);
    free(self->failure.message);
    free(self->failure.trace);
    free(self);
}

static void forget(execute_switch *self)
{
    execute_switch **place = &self->self->switches;
    while (*place != self) place = &(*place)->next;
    *place = self->next;
}

/* Between calls, in the loop's thread. */
static void on_loaded(uv_work_t *work, int status)
{
    execute_switch *self = work->data;
    executor *of = self->self;
    (void)status;
    if (self->loaded != NULL && self->is_overtaken) {
        execute_app_close(self->loaded);
        self->loaded = NULL;
        self->failure.message = strdup("another revision was asked for meanwhile");
    }
    bool is_ok = self->loaded != NULL;
    if (is_ok) execute_apps_put(of, self->loaded);
    answer_switch(of, self->from, self->id, is_ok, &self->failure,
                  (lion_clock_monotonic_ns() - self->begun_ns) / NS_PER_MS);
    forget(self);
    switch_free(self);
}

static char *text_of(const lion_form *map, const char *key)
{
    lion_slice text;
    const lion_form *form = lion_form_get(map, key);
    if (form == NULL || !lion_form_as_slice(form, &text)) return NULL;
    return strndup((const char *)text.data, text.size);
}

/* What is asked for an application stands, whatever is being loaded for it. */
static void overtake(executor *self, const char *name)
{
    for (execute_switch *each = self->switches; each != NULL; each = each->next)
        if (strcmp(each->name, name) == 0) each->is_overtaken = true;
}

static void start_switch(executor *self, const lion_bus_message *message, char *name,
                         char *revision)
{
    execute_switch *made = calloc(1, sizeof *made);
    if (made == NULL) {
        execute_failure failure = { .message = "there is no memory" };
        answer_switch(self, message->from, message->id, false, &failure, 0);
        free(name);
        free(revision);
        return;
    }
    made->self = self;
    made->from = message->from;
    made->id = message->id;
    made->name = name;
    made->revision = revision;
    made->begun_ns = lion_clock_monotonic_ns();
    made->work.data = made;
    made->next = self->switches;
    self->switches = made;
    uv_queue_work(&self->loop, &made->work, load, on_loaded);
}

static void switch_to(executor *self, const lion_bus_message *message, const lion_form *map)
{
    char *name = text_of(map, "app"), *revision = text_of(map, "revision");
    execute_failure failure = { 0 };
    if (name == NULL) {
        failure.message = "a switch needs the name of an application";
    } else {
        overtake(self, name);
        const execute_app *running = execute_apps_find(self, lion_slice_text(name));
        bool is_running =
            running != NULL && revision != NULL && strcmp(running->revision, revision) == 0;
        if (revision != NULL && !is_running) {
            start_switch(self, message, name, revision);
            return;
        }
        if (revision == NULL) execute_apps_remove(self, name);
    }
    answer_switch(self, message->from, message->id, name != NULL, &failure, 0);
    free(name);
    free(revision);
}

/* ---- status ---- */

static void answer_status(executor *self, const lion_bus_message *message)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_forms apps = { .arena = &arena };
    for (const execute_app *each = self->apps; each != NULL; each = each->next) {
        lion_entry entries[] = { { "app", lion_form_string(each->name) },
                                 { "revision", lion_form_string(each->revision) } };
        lion_forms_add(&apps, lion_form_entries(&arena, entries, 2));
    }
    lion_entry entries[] = { { "apps", lion_form_list(&arena, apps.items, apps.count) },
                             { "calls", lion_form_long(self->calls) },
                             { "errors", lion_form_long(self->errors) },
                             { "calls_ms_sum", lion_form_long(self->spent_ns / NS_PER_MS) } };
    lion_form map = lion_form_entries(&arena, entries, 4);
    execute_send(self, LION_BUS_STATUS, message->from, message->id, &map);
    lion_arena_deinit(&arena);
}

static void answer_metrics(executor *self, const lion_bus_message *message)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_forms list = { .arena = &arena };
    const char *label[] = { "executor", "", NULL };
    double values[] = { (double)self->calls, (double)self->errors, (double)self->spent_ns / 1e9 };
    lion_series_tell_one(&list, label, values, 3);
    for (const execute_app *each = self->apps; each != NULL; each = each->next) {
        const char *of[] = { "executor_state", "",  "app", each->name, "revision",
                             each->revision,   NULL };
        double used = (double)lion_memory_used(each->memory);
        lion_series_tell_one(&list, of, &used, 1);
    }
    lion_entry entry = { "series", lion_form_list(&arena, list.items, list.count) };
    lion_form map = lion_form_entries(&arena, &entry, 1);
    execute_send(self, LION_BUS_METRICS, message->from, message->id, &map);
    lion_arena_deinit(&arena);
}

void execute_message(executor *self, const lion_bus_message *message)
{
    lion_arena arena;
    lion_form map;
    lion_arena_init(&arena, 0);
    if (message->kind == LION_BUS_STATUS)
        answer_status(self, message);
    else if (message->kind == LION_BUS_METRICS)
        answer_metrics(self, message);
    else if (message->kind == LION_BUS_SWITCH &&
             lion_form_decode(&map, lion_slice_of(message->payload, message->size), &arena, NULL) ==
                 LION_OK)
        switch_to(self, message, &map);
    lion_arena_deinit(&arena);
}
