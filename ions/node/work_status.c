/* work_status.c - what a worker tells of itself: docs/node.md, "Counters". */
#include <stdio.h>

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
    static const uint64_t bounds[] = LION_HTTP_DURATIONS_MS;
    const lion_http_counters *counted = lion_http_counted(server);
    for (int i = 1; i <= 5; i++) {
        (void)snprintf(out->names[out->count], sizeof *out->names, "requests_%dxx", i);
        put(out, out->names[out->count], counted->answers[i]);
    }
    for (size_t i = 0; i < LION_HTTP_DURATION_COUNT; i++) {
        (void)snprintf(out->names[out->count], sizeof *out->names, "duration_ms_le_%llu",
                       (unsigned long long)bounds[i]);
        put(out, out->names[out->count], counted->durations[i]);
    }
    put(out, "duration_ms_count", counted->duration_count);
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

void lion_worker_status(lion_worker *worker, uint16_t to, uint64_t id)
{
    lion_arena arena;
    list out = { .count = 0 };
    size_t waiting = 0;
    lion_arena_init(&arena, 0);
    for (lion_node_request *each = worker->requests; each != NULL; each = each->next)
        waiting += atomic_load(&each->stage) == LION_REQUEST_WAITING;
    out.entries[out.count++] = (lion_entry){ "apps", apps_of(&arena, worker) };
    put(&out, "in_hand", worker->request_count);
    put(&out, "waiting", waiting);
    put(&out, "memory", atomic_load(&worker->memory_used));
    put(&out, "steps", atomic_load(&worker->steps));
    if (worker->server != NULL) put_server(&out, worker->server);
    lion_worker_tell(worker, to, LION_BUS_STATUS, id, out.entries, out.count);
    lion_arena_deinit(&arena);
}
