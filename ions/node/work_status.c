/* work_status.c - what a worker tells of itself: docs/node.md, "Counters". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/worker.h"

#define ENTRIES_MAX 40

typedef struct list {
    lion_entry entries[ENTRIES_MAX];
    char names[ENTRIES_MAX][32];
    size_t count;
} list;

static void put(list *out, const char *name, uint64_t value)
{
    out->entries[out->count++] = (lion_entry){ name, lion_form_long((int64_t)value) };
}

static void put_server(list *out, const lion_http_server *server)
{
    const lion_http_counters *counted = lion_http_counted(server);
    uint64_t count = 0;
    for (int i = 1; i <= 5; i++) {
        (void)snprintf(out->names[out->count], sizeof *out->names, "requests_%dxx", i);
        put(out, out->names[out->count], counted->answers[i]);
    }
    for (size_t i = 0; i < LION_HISTOGRAM_SLOTS; i++) count += counted->durations[i];
    put(out, "duration_ms_count", count);
    put(out, "duration_ms_sum", counted->duration_ns_sum / 1000000);
    put(out, "connections", lion_http_connections(server));
}

static lion_form apps_of(lion_arena *arena, const lion_worker *worker)
{
    lion_forms apps = { .arena = arena };
    for (const lion_app_entry *each = worker->apps; each != NULL; each = each->next) {
        lion_entry entries[] = { { "app", lion_form_string(each->name) },
                                 { "revision", lion_form_string(each->revision) },
                                 { "is_broken", lion_form_boolean(true) } };
        lion_forms_add(&apps, lion_form_entries(arena, entries, each->is_broken ? 3 : 2));
    }
    return lion_form_list(arena, apps.items, apps.count);
}

static size_t count_waiting(const lion_worker *worker)
{
    size_t waiting = 0;
    for (lion_node_request *each = worker->requests; each != NULL; each = each->next)
        waiting += atomic_load(&each->stage) == LION_REQUEST_WAITING;
    return waiting;
}

void lion_worker_status(lion_worker *worker, uint16_t to, uint64_t id)
{
    lion_arena arena;
    list out = { .count = 0 };
    lion_arena_init(&arena, 0);
    out.entries[out.count++] = (lion_entry){ "apps", apps_of(&arena, worker) };
    put(&out, "in_hand", worker->request_count);
    put(&out, "waiting", count_waiting(worker));
    put(&out, "memory", atomic_load(&worker->memory_used));
    put(&out, "steps", atomic_load(&worker->steps));
    if (worker->server != NULL) put_server(&out, worker->server);
    lion_worker_tell(worker, to, LION_BUS_STATUS, id, out.entries, out.count);
    lion_arena_deinit(&arena);
}

/* ---- the access log ---- */

void lion_worker_log_unrouted(lion_worker *worker, const lion_http_request *request, int status,
                              size_t size)
{
    if (!worker->has_access_log) return;
    size_t method_size = strlen(request->method);
    size_t room = 256 + 6 * (method_size + request->path.size);
    char *text = malloc(room);
    if (text == NULL) return;
    size_t used =
        (size_t)snprintf(text, room, "{\"id\":%llu,\"method\":", (unsigned long long)request->id);
    used += lion_json_text(text + used, request->method, method_size);
    used += (size_t)snprintf(text + used, room - used, ",\"path\":");
    used += lion_json_text(text + used, request->path.data, request->path.size);
    used += (size_t)snprintf(text + used, room - used,
                             ",\"status\":%d,\"ms\":0,\"steps\":0,\"bytes\":%zu}", status, size);
    lion_lines_put(&worker->access, text, used);
    free(text);
}

/* ---- for docs/metrics.md: what the labels are is told in ions/lua/door/families.lua ---- */

static void tell_server(lion_forms *told, const lion_worker *worker)
{
    static const char *const label[] = { "server", "", NULL };
    double values[5 + LION_HISTOGRAM_SLOTS + 6];
    size_t count = 0;
    const lion_http_counters *counted = lion_http_counted(worker->server);
    for (int i = 1; i <= 5; i++) values[count++] = (double)counted->answers[i];
    for (size_t i = 0; i < LION_HISTOGRAM_SLOTS; i++)
        values[count++] = (double)counted->durations[i];
    values[count++] = (double)counted->duration_ns_sum / 1e9;
    values[count++] = (double)lion_http_connections(worker->server);
    values[count++] = (double)worker->request_count;
    values[count++] = (double)count_waiting(worker);
    values[count++] = (double)atomic_load(&worker->memory_used);
    values[count++] = (double)atomic_load(&worker->steps);
    lion_series_tell_one(told, label, values, count);
}

static void tell_lines(lion_forms *told, const char *what, lion_lines *lines)
{
    const char *label[] = { "lines", "", "to", what, NULL };
    uint64_t written = 0, dropped = 0;
    lion_lines_count(lines, &written, &dropped);
    const double values[] = { (double)written, (double)dropped };
    lion_series_tell_one(told, label, values, 2);
}

void lion_worker_metrics(lion_worker *worker, uint16_t to, uint64_t id)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_forms told = { .arena = &arena };
    if (worker->server != NULL) tell_server(&told, worker);
    lion_series_tell(&worker->series, &told);
    tell_lines(&told, "casts", &worker->casts);
    tell_lines(&told, "access", &worker->access);
    lion_entry entry = { "series", lion_form_list(&arena, told.items, told.count) };
    lion_worker_tell(worker, to, LION_BUS_METRICS, id, &entry, 1);
    lion_arena_deinit(&arena);
}
