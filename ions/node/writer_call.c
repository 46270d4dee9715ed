/* writer_call.c - what a transaction asks of a function: sent to the executor, waited for. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "data/form_code.h"
#include "node/writer.h"

#define CALL_MS 1000     /* that a function may take */
#define GRACE_MS 250     /* that its executor has to say so itself */
#define EXECUTOR_MS 2000 /* to wait for one that is being started */

#define NS_PER_MS 1000000

/* ---- what is sent ---- */

static lion_form bytes_form(lion_slice bytes)
{
    return lion_form_value(lion_value_bytes(LION_TYPE_BYTES, bytes));
}

/* What this executor has not been told of the group. Those before are in the tail. */
static lion_form untold_records(const database *of, uint64_t number, lion_arena *arena)
{
    int64_t told = of->told_session == number ? of->told_t : 0;
    lion_forms records = { .arena = arena };
    for (const applied *each = of->group; each != NULL; each = each->next)
        if (each->t > told) lion_forms_add(&records, bytes_form(lion_buffer_view(&each->record)));
    return lion_form_list(arena, records.items, records.count);
}

static lion_status encode_call(lion_buffer *bytes, database *of, const call *waiting,
                               lion_transacting *transacting, int64_t until_ns, lion_error *error)
{
    const lion_call *asked = lion_transacting_call(transacting);
    lion_arena arena;
    lion_buffer payload, pending;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&payload);
    lion_buffer_init(&pending);
    bool is_entity = asked->kind == LION_CALL_ENTITY;
    if (is_entity) lion_transaction_encode(&pending, lion_transacting_pending(transacting));
    bool has_t = asked->kind == LION_CALL_TRANSACTION && asked->db != NULL;
    lion_entry entries[] = {
        { "db", lion_form_string(of->name) },
        { "t", lion_form_long(has_t ? lion_db_info_of(asked->db).basis_t : 0) },
        { "records", untold_records(of, waiting->session, &arena) },
        { "kind", lion_form_long(asked->kind) },
        { "name", lion_form_value(lion_value_bytes(LION_TYPE_STRING, asked->name)) },
        { "arguments", lion_form_list(&arena, asked->forms, asked->form_count) },
        { "deadline_ms", lion_form_long(until_ns / NS_PER_MS) },
        { "pending", bytes_form(lion_buffer_view(&pending)) },
    };
    lion_form map = lion_form_entries(&arena, entries, is_entity ? 8 : 7);
    lion_status status = lion_form_encode(&payload, &map, error);
    if (status == LION_OK)
        lion_frame_put(bytes, LION_FRAME_CALL, waiting->id, lion_buffer_view(&payload));
    if (status == LION_OK) status = lion_buffer_check(bytes, error);
    lion_buffer_deinit(&payload);
    lion_buffer_deinit(&pending);
    lion_arena_deinit(&arena);
    return status;
}

/* ---- what comes back ---- */

static int32_t category_named(lion_slice name)
{
    for (int32_t i = LION_UNAVAILABLE; i <= LION_BUSY; i++) {
        const char *known = lion_category_name(i);
        if (strlen(known) == name.size && memcmp(known, name.data, name.size) == 0) return i;
    }
    return LION_FAULT;
}

static lion_slice text_of(const lion_form *map, const char *key, const char *otherwise)
{
    const lion_form *form = lion_form_get(map, key);
    lion_slice text;
    return form != NULL && lion_form_as_slice(form, &text) ? text : lion_slice_text(otherwise);
}

/* The client gets the error's bytes as they are; here it is known by its code. */
static lion_status take_error(database *of, const call *answered, lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form map;
    lion_status status = lion_form_decode(&map, lion_buffer_view(&answered->answer), &arena, error);
    if (status == LION_OK) {
        lion_slice code = text_of(&map, "code", "lion/function-failed");
        lion_slice message = text_of(&map, "message", "the function failed");
        char code_text[LION_ERROR_CODE_SIZE] = "";
        memcpy(code_text, code.data,
               code.size < sizeof code_text ? code.size : sizeof code_text - 1);
        lion_fail(error, (lion_category)category_named(text_of(&map, "category", "fault")),
                  code_text, "%.*s", (int)message.size, (const char *)message.data);
        lion_buffer_clear(&of->failure);
        lion_buffer_put(&of->failure, answered->answer.data, answered->answer.size);
    }
    lion_arena_deinit(&arena);
    return LION_FAILED;
}

static lion_status take_result(lion_transacting *transacting, const call *answered,
                               lion_error *error)
{
    lion_call *asked = lion_transacting_call(transacting);
    lion_slice bytes = lion_arena_copy(asked->arena, lion_buffer_view(&answered->answer));
    lion_form map;
    lion_status status = lion_arena_check(asked->arena, error);
    if (status == LION_OK) status = lion_form_decode(&map, bytes, asked->arena, error);
    if (status < 0) return status;
    const lion_form *result = lion_form_get(&map, "result");
    asked->results[0] = result == NULL ? lion_form_value(lion_value_nil()) : *result;
    asked->is_answered = true;
    return LION_OK;
}

/* ---- waiting: writer->lock is held ---- */

static bool wait_until(writer *self, int64_t deadline_ns)
{
    struct timespec until = { .tv_sec = deadline_ns / 1000000000,
                              .tv_nsec = deadline_ns % 1000000000 };
    return pthread_cond_timedwait(&self->called, &self->lock, &until) == 0;
}

/* The session of an executor, 0: none came. */
static uint64_t await_executor(writer *self, int64_t deadline_ns)
{
    while (self->executor == 0 && !self->is_closing)
        if (!wait_until(self, deadline_ns)) break;
    return self->executor;
}

static void await_answer(writer *self, const call *waiting, int64_t deadline_ns)
{
    while (!waiting->is_answered && !waiting->is_lost && !self->is_closing)
        if (!wait_until(self, deadline_ns)) break;
}

static void forget(writer *self, const call *waiting)
{
    call **place = &self->calls;
    while (*place != waiting) place = &(*place)->next;
    *place = waiting->next;
}

static void ask_to_replace(writer *self)
{
    outgoing *out = calloc(1, sizeof *out);
    if (out == NULL) return;
    out->asks_to_replace = true;
    lion_buffer_init(&out->bytes);
    pthread_mutex_lock(&self->lock);
    *self->last = out;
    self->last = &out->next;
    if (self->executor != 0) self->executor = 0; /* it answers nothing any more */
    pthread_mutex_unlock(&self->lock);
    uv_async_send(&self->wake);
}

/* ---- a call ---- */

static lion_status fail_unanswered(writer *self, const call *waiting, lion_slice name,
                                   lion_error *error)
{
    int size = name.size > 200 ? 200 : (int)name.size;
    const char *text = (const char *)name.data;
    if (self->is_closing)
        return lion_fail(error, LION_UNAVAILABLE, "lion/closed",
                         "the writer is stopping: try again");
    if (waiting->is_lost)
        return lion_fail(
            error, LION_FAULT, "lion/function-failed",
            "the process that ran %.*s ended in the middle of it; another one is started", size,
            text);
    ask_to_replace(self);
    return lion_fail(error, LION_INTERRUPTED, "lion/timeout",
                     "%.*s did not come back in its time; the process that ran it is replaced",
                     size, text);
}

static lion_status send_call(database *of, call *waiting, lion_transacting *transacting,
                             int64_t until_ns, lion_error *error)
{
    lion_buffer bytes;
    lion_buffer_init(&bytes);
    lion_status status = encode_call(&bytes, of, waiting, transacting, until_ns, error);
    if (status == LION_OK) {
        of->told_session = waiting->session;
        of->told_t = of->group_t;
        writer_post(of->writer, waiting->session, &bytes);
    }
    lion_buffer_deinit(&bytes);
    return status;
}

lion_status call_executor(database *of, lion_transacting *transacting, int64_t deadline_ns,
                          lion_error *error)
{
    writer *self = of->writer;
    const lion_call *asked = lion_transacting_call(transacting);
    call waiting = { 0 };
    lion_buffer_init(&waiting.answer);
    pthread_mutex_lock(&self->lock);
    waiting.session = await_executor(self, lion_clock_deadline_ns(EXECUTOR_MS));
    waiting.id = ++self->last_call;
    waiting.next = self->calls;
    self->calls = &waiting;
    pthread_mutex_unlock(&self->lock);

    int64_t until_ns = lion_clock_deadline_ns(CALL_MS);
    if (deadline_ns > 0 && deadline_ns < until_ns) until_ns = deadline_ns;
    lion_status status = LION_OK;
    if (waiting.session == 0)
        status = lion_fail(error, LION_UNAVAILABLE, "lion/unavailable",
                           "no executor runs that could call %.*s: try again",
                           (int)asked->name.size, (const char *)asked->name.data);
    if (status == LION_OK) status = send_call(of, &waiting, transacting, until_ns, error);

    pthread_mutex_lock(&self->lock);
    if (status == LION_OK) await_answer(self, &waiting, until_ns + GRACE_MS * NS_PER_MS);
    forget(self, &waiting);
    pthread_mutex_unlock(&self->lock);
    if (status == LION_OK && !waiting.is_answered)
        status = fail_unanswered(self, &waiting, asked->name, error);
    else if (status == LION_OK && waiting.kind == LION_FRAME_ERROR)
        status = take_error(of, &waiting, error);
    else if (status == LION_OK)
        status = take_result(transacting, &waiting, error);
    lion_buffer_deinit(&waiting.answer);
    return status;
}

/* ---- what a predicate refused ---- */

static lion_status encode_refusal(lion_buffer *bytes, const lion_form *answered,
                                  const lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_entry returned[] = { { "db.error/pred-return", *answered } };
    lion_entry entries[] = { { "category", lion_form_string(lion_category_name(error->category)) },
                             { "code", lion_form_string(error->code) },
                             { "message", lion_form_string(error->message) },
                             { "data", lion_form_entries(&arena, returned, 1) } };
    lion_form map = lion_form_entries(&arena, entries, 4);
    lion_status status = lion_form_encode(bytes, &map, NULL);
    lion_arena_deinit(&arena);
    return status;
}

void call_note_refusal(database *of, lion_transacting *transacting, const lion_error *error)
{
    bool is_refusal = strcmp(error->code, "db.error/attr-pred") == 0 ||
                      strcmp(error->code, "db.error/entity-pred") == 0;
    if (!is_refusal || of->failure.size > 0) return;
    const lion_call *asked = lion_transacting_call(transacting);
    if (!asked->is_answered) return;
    if (encode_refusal(&of->failure, &asked->results[0], error) < 0 || of->failure.is_failed)
        lion_buffer_clear(&of->failure); /* the error is told without it */
}

/* ---- the loop's thread ---- */

void call_answered(writer *self, uint64_t number, const lion_frame *frame)
{
    pthread_mutex_lock(&self->lock);
    for (call *each = self->calls; each != NULL; each = each->next) {
        if (each->id != frame->id || each->session != number || each->is_answered) continue;
        each->kind = frame->kind;
        lion_buffer_put(&each->answer, frame->payload.data, frame->payload.size);
        if (each->answer.is_failed)
            each->is_lost = true;
        else
            each->is_answered = true;
    }
    pthread_cond_broadcast(&self->called);
    pthread_mutex_unlock(&self->lock);
}

void call_executor_gone(writer *self, uint64_t number)
{
    pthread_mutex_lock(&self->lock);
    if (self->executor == number) self->executor = 0;
    for (call *each = self->calls; each != NULL; each = each->next)
        if (each->session == number && !each->is_answered) each->is_lost = true;
    pthread_cond_broadcast(&self->called);
    pthread_mutex_unlock(&self->lock);
}

void call_executor_came(writer *self, uint64_t number)
{
    pthread_mutex_lock(&self->lock);
    self->executor = number;
    pthread_cond_broadcast(&self->called);
    pthread_mutex_unlock(&self->lock);
}
