/* execute_call.c - a call of the writer's: its database brought to the value that is meant, the
 * application found whose function it is, the answer sent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/form_code.h"
#include "node/execute.h"

/* ---- databases ---- */

static lion_status open_database(execute_database **found_out, executor *self, lion_slice name,
                                 lion_error *error)
{
    for (execute_database *each = self->databases; each != NULL; each = each->next) {
        if (strlen(each->name) != name.size || memcmp(each->name, name.data, name.size) != 0)
            continue;
        *found_out = each;
        return LION_OK;
    }
    execute_database *made = calloc(1, sizeof *made);
    size_t path_size = strlen(self->options->primary) + name.size + sizeof "/.lion";
    char *path = malloc(path_size);
    if (made != NULL) made->name = calloc(1, name.size + 1);
    lion_status status = LION_OK;
    if (path == NULL || made == NULL || made->name == NULL) status = lion_fail_memory(error);
    if (status == LION_OK) {
        memcpy(made->name, name.data, name.size);
        snprintf(path, path_size, "%s/%s.lion", self->options->primary, made->name);
        lion_connection_options options = { .read_only = true, .no_create = true };
        status = lion_connection_open(&made->connection, path, &options, error);
    }
    free(path);
    if (status == LION_OK) {
        made->next = self->databases;
        self->databases = made;
        *found_out = made;
    } else if (made != NULL) {
        free(made->name);
        free(made);
    }
    return status;
}

void execute_databases_close(executor *self)
{
    while (self->databases != NULL) {
        execute_database *first = self->databases;
        self->databases = first->next;
        lion_connection_close(first->connection, NULL);
        free(first->name);
        free(first);
    }
}

/* What the tail shows, and then what it does not show yet. */
static lion_status catch_up(lion_connection *connection, const lion_form *records,
                            lion_error *error)
{
    lion_db *db = NULL;
    lion_status status = lion_connection_sync(&db, connection, 0, 0, error);
    lion_db_drop(db);
    size_t count = records == NULL ? 0 : records->count;
    for (size_t i = 0; i < count && status == LION_OK; i++)
        status = lion_connection_feed(connection, lion_value_slice(records->items[i].value), error);
    return status;
}

static lion_status check_basis(lion_connection *connection, int64_t t, lion_error *error)
{
    lion_db *db = NULL;
    lion_status status = lion_connection_db(&db, connection, error);
    if (status < 0) return status;
    int64_t basis_t = lion_db_info_of(db).basis_t;
    lion_db_drop(db);
    if (basis_t >= t) return LION_OK;
    return lion_fail(error, LION_UNAVAILABLE, "lion/unavailable",
                     "the executor has not heard of all transactions up to %lld, the newest it "
                     "has is %lld: try again",
                     (long long)t, (long long)basis_t);
}

/* ---- applications ---- */

static const char *what_is(int64_t kind)
{
    if (kind == LION_CALL_TRANSACTION) return "transaction function";
    return kind == LION_CALL_ATTRIBUTE ? "attribute predicate" : "entity predicate";
}

static lion_status fail_unknown(int64_t kind, lion_slice name, lion_error *error)
{
    bool is_function = kind == LION_CALL_TRANSACTION;
    return lion_fail(error, is_function ? LION_INCORRECT : LION_NOT_FOUND,
                     is_function ? "db.error/not-a-data-function" : "lion/not-found",
                     "there is no %s named %.*s: the manifest's allow makes one known",
                     what_is(kind), (int)name.size, (const char *)name.data);
}

/* The application whose own database it is goes before the others; of those only one may have it.
 */
static lion_status find_app(const execute_app **found_out, const executor *self, lion_slice db,
                            int64_t kind, lion_slice name, lion_error *error)
{
    const execute_app *found = execute_apps_find(self, db);
    if (found != NULL && execute_app_has(found, name)) {
        *found_out = found;
        return LION_OK;
    }
    found = NULL;
    for (const execute_app *each = self->apps; each != NULL; each = each->next) {
        if (!execute_app_has(each, name)) continue;
        if (found != NULL)
            return lion_fail(error, LION_INCORRECT, "lion/ambiguous-function",
                             "%.*s is a function of %s and of %s, and %.*s is the database of "
                             "neither: give it another name in one of them",
                             (int)name.size, (const char *)name.data, found->name, each->name,
                             (int)db.size, (const char *)db.data);
        found = each;
    }
    if (found == NULL) return fail_unknown(kind, name, error);
    *found_out = found;
    return LION_OK;
}

/* ---- a call ---- */

static lion_status read_call(lion_slice *db_out, lion_slice *name_out, int64_t *kind_out,
                             int64_t *t_out, const lion_form *map, lion_error *error)
{
    const lion_form *records = lion_form_get(map, "records");
    bool is_whole = lion_form_as_slice(lion_form_get(map, "db"), db_out) &&
                    lion_form_as_slice(lion_form_get(map, "name"), name_out) &&
                    lion_form_as_long(lion_form_get(map, "kind"), kind_out) &&
                    lion_form_as_long(lion_form_get(map, "t"), t_out) &&
                    *kind_out >= LION_CALL_TRANSACTION && *kind_out <= LION_CALL_ENTITY;
    for (size_t i = 0; records != NULL && is_whole && i < records->count; i++)
        is_whole = records->kind != LION_FORM_MAP && records->items[i].kind == LION_FORM_VALUE &&
                   records->items[i].value.type == LION_TYPE_BYTES;
    if (is_whole) return LION_OK;
    return lion_fail(error, LION_INCORRECT, "lion/syntax",
                     "a call has db, t, records, name, arguments and a kind from %d to %d",
                     LION_CALL_TRANSACTION, LION_CALL_ENTITY);
}

static lion_status run(bool *is_done_out, lion_buffer *out, const execute_app **app_out,
                       executor *self, lion_slice payload, lion_arena *arena, lion_error *error)
{
    lion_form map;
    lion_slice db = { 0 }, name = { 0 };
    int64_t kind = 0, t = 0;
    execute_database *database = NULL;
    lion_status status = lion_form_decode(&map, payload, arena, error);
    if (status == LION_OK) status = read_call(&db, &name, &kind, &t, &map, error);
    if (status == LION_OK) status = open_database(&database, self, db, error);
    if (status == LION_OK)
        status = catch_up(database->connection, lion_form_get(&map, "records"), error);
    if (status == LION_OK) status = check_basis(database->connection, t, error);
    if (status == LION_OK) status = find_app(app_out, self, db, kind, name, error);
    if (status == LION_OK) status = execute_app_call(is_done_out, out, *app_out, payload, error);
    return status;
}

static void answer_error(executor *self, uint64_t id, const lion_error *error)
{
    lion_buffer frame;
    lion_buffer_init(&frame);
    lion_frame_put_error(&frame, id, error);
    if (!frame.is_failed) /* else the writer finds out by its deadline */
        lion_link_send(self->link, LION_FRAME_ERROR, id, frame.data + LION_FRAME_HEAD,
                       frame.size - LION_FRAME_HEAD);
    lion_buffer_deinit(&frame);
}

/* A state that has reached its bound has little room left: another process begins with none used.
 */
static void replace_exhausted(executor *self, const execute_app *app)
{
    if (app == NULL || self->is_replaced || !execute_app_is_exhausted(app)) return;
    self->is_replaced = true;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    char reason[300];
    snprintf(reason, sizeof reason, "the functions of %s reached their bound of memory", app->name);
    lion_entry entries[] = { { "reason", lion_form_string(reason) } };
    lion_form map = lion_form_entries(&arena, entries, 1);
    execute_send(self, LION_BUS_REPLACE, LION_BUS_SUPERVISOR, 0, &map);
    lion_arena_deinit(&arena);
}

void execute_call(executor *self, uint64_t id, lion_slice payload)
{
    int64_t begun_ns = lion_clock_monotonic_ns();
    lion_arena arena;
    lion_buffer out;
    lion_error error = { 0 };
    bool is_done = false;
    const execute_app *app = NULL;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&out);
    lion_status status = run(&is_done, &out, &app, self, payload, &arena, &error);
    if (status == LION_OK)
        lion_link_send(self->link, is_done ? LION_FRAME_DONE : LION_FRAME_ERROR, id, out.data,
                       out.size);
    else
        answer_error(self, id, &error);
    lion_buffer_deinit(&out);
    lion_arena_deinit(&arena);
    replace_exhausted(self, app);
    self->calls++;
    if (!is_done) self->errors++;
    self->spent_ns += lion_clock_monotonic_ns() - begun_ns;
}
