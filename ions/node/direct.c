/* direct.c - from a request's JSON to the writer's frame, and from its report to the answer. */
#include "node/direct.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "index/log_tree.h"
#include "json_form.h"

#define SENT_MAX 1024 /* at once: as many as a server has in hand */
#define NAMES_MAX 256
#define BODY_MAX ((size_t)64 << 10) /* of what is ordinary */
#define TIMEOUT_DIGITS_MAX 4        /* of ms: below the longest that is allowed */
#define TEMPIDS_MAX 64
#define YEAR_10000_MS INT64_C(253402300800000)

struct lion_direct {
    char *names[NAMES_MAX]; /* of databases */
    size_t name_count;
    /* By number, from 1: the id of its frame. Tokens of Lua's are larger. */
    lion_node_request *sent[SENT_MAX + 1];
    uint16_t free[SENT_MAX];
    size_t free_count;
    lion_buffer frame, ops, answer; /* of the one that is being made */
    lion_arena arena;
};

static lion_direct *direct_of(lion_worker *worker)
{
    if (worker->direct != NULL) return worker->direct;
    lion_direct *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    for (uint16_t i = 0; i < SENT_MAX; i++) self->free[i] = (uint16_t)(SENT_MAX - i);
    self->free_count = SENT_MAX;
    lion_buffer_init(&self->frame);
    lion_buffer_init(&self->ops);
    lion_buffer_init(&self->answer);
    lion_arena_init(&self->arena, 0);
    worker->direct = self;
    return self;
}

static bool is_known(const lion_direct *self, lion_slice name)
{
    for (size_t i = 0; i < self->name_count; i++)
        if (strlen(self->names[i]) == name.size &&
            memcmp(self->names[i], name.data, name.size) == 0)
            return true;
    return false;
}

void lion_direct_know(lion_worker *worker, const char *name)
{
    lion_direct *self = direct_of(worker);
    if (self == NULL || self->name_count == NAMES_MAX || is_known(self, lion_slice_text(name)))
        return;
    char *copy = strdup(name);
    if (copy != NULL) self->names[self->name_count++] = copy;
}

/* ---- what is asked ---- */

static bool is_text(const lion_http_text *text, const char *other)
{
    return text->size == strlen(other) && memcmp(text->data, other, text->size) == 0;
}

static bool names_edn(const lion_http_text *value)
{
    for (size_t i = 0; i + 3 <= value->size; i++)
        if (strncasecmp(value->data + i, "edn", 3) == 0) return true;
    return false;
}

/* Over the Unix socket no token is looked at. */
static bool is_ordinary(const lion_http_request *request)
{
    bool is = strcmp(request->remote, "control") == 0 && strcmp(request->method, "POST") == 0 &&
              is_text(&request->path, "/transact") && request->query.size == 0 &&
              request->body.size <= BODY_MAX;
    for (size_t i = 0; is && i < request->header_count; i++) {
        const lion_http_header *header = &request->headers[i];
        if (is_text(&header->name, "accept") || is_text(&header->name, "content-type"))
            is = !names_edn(&header->value);
    }
    return is;
}

/* The fields of a body; absent ones are empty. */
typedef struct fields {
    lion_slice db, id, timeout;
    bool has_tx;
} fields;

static bool take_number(lion_json *text, lion_slice *out)
{
    lion_json_skip_blanks(text);
    const char *from = text->at;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') text->at++;
    *out = lion_slice_of(from, (size_t)(text->at - from));
    return out->size > 0 && out->size <= TIMEOUT_DIGITS_MAX && (out->size == 1 || *from != '0');
}

static bool is_name(lion_slice name, const char *other)
{
    return name.size == strlen(other) && memcmp(name.data, other, name.size) == 0;
}

/* A field, the first of its name. */
static bool take_field(lion_direct *self, lion_json *text, fields *found)
{
    lion_slice name;
    if (!lion_json_take_text(text, &name) || !lion_json_takes(text, ':')) return false;
    if (is_name(name, "db")) return found->db.size == 0 && lion_json_take_text(text, &found->db);
    if (is_name(name, "id"))
        return found->id.size == 0 && lion_json_take_text(text, &found->id) && found->id.size > 0;
    if (is_name(name, "timeout_ms"))
        return found->timeout.size == 0 && take_number(text, &found->timeout);
    if (!is_name(name, "tx") || found->has_tx || !lion_json_takes(text, '[')) return false;
    text->at--;
    found->has_tx = true;
    return lion_json_put_form(text, &self->ops);
}

static bool take_body(lion_direct *self, const lion_http_request *request, fields *found)
{
    lion_json text = { request->body.data, request->body.data + request->body.size };
    if (!lion_json_takes(&text, '{')) return false;
    do {
        if (!take_field(self, &text, found)) return false;
    } while (lion_json_takes(&text, ','));
    return lion_json_takes(&text, '}') && lion_json_is_over(&text) && found->has_tx &&
           is_known(self, found->db);
}

static void put_entry(lion_buffer *out, const char *key, lion_slice text)
{
    lion_json_put_text(out, lion_slice_text(key));
    lion_json_put_text(out, text);
}

static void put_timeout(lion_buffer *out, lion_slice digits)
{
    lion_json text = { (const char *)digits.data, (const char *)digits.data + digits.size };
    lion_json_put_text(out, lion_slice_text("timeout_ms"));
    (void)lion_json_put_form(&text, out);
}

/* As ions.remote makes it. */
static bool put_frame(lion_direct *self, const fields *found)
{
    lion_buffer *out = &self->frame;
    lion_json_put_map(out, 2u + (found->id.size > 0) + (found->timeout.size > 0));
    put_entry(out, "db", found->db);
    if (found->id.size > 0) put_entry(out, "id", found->id);
    if (found->timeout.size > 0) put_timeout(out, found->timeout);
    lion_json_put_text(out, lion_slice_text("ops"));
    lion_buffer_put(out, self->ops.data, self->ops.size);
    return lion_buffer_check(out, NULL) == LION_OK &&
           lion_buffer_check(&self->ops, NULL) == LION_OK;
}

bool lion_direct_send(lion_worker *worker, lion_node_request *request)
{
    lion_direct *self = worker->direct;
    const lion_http_request *asked = lion_http_request_view(request->exchange);
    if (self == NULL || self->free_count == 0 || !is_ordinary(asked)) return false;
    fields found = { 0 };
    lion_buffer_clear(&self->frame);
    lion_buffer_clear(&self->ops);
    if (!take_body(self, asked, &found) || !put_frame(self, &found)) return false;
    uint16_t number = self->free[--self->free_count];
    self->sent[number] = request;
    request->is_direct = true;
    atomic_store(&request->stage, LION_REQUEST_TAKEN);
    lion_link_send(worker->link, LION_FRAME_TRANSACT, number, self->frame.data, self->frame.size);
    return true;
}

/* ---- what is answered ---- */

static void put_text(lion_buffer *out, const char *text)
{
    lion_buffer_put(out, text, strlen(text));
}

static void put_whole(lion_buffer *out, int64_t x)
{
    char room[LION_WHOLE_SIZE];
    lion_slice digits = lion_text_whole(room, x);
    lion_buffer_put(out, digits.data, digits.size);
}

static bool is_plain(lion_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < 32 || c == '"' || c == '\\' || c == 127) return false;
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    const lion_slice *first = &((const lion_tempid *)a)->name,
                     *second = &((const lion_tempid *)b)->name;
    size_t size = first->size < second->size ? first->size : second->size;
    int order = memcmp(first->data, second->data, size);
    if (order != 0) return order;
    return (first->size > second->size) - (first->size < second->size);
}

/* In the order of their names. */
static bool put_tempids(lion_buffer *out, const lion_transaction *transaction)
{
    lion_tempid sorted[TEMPIDS_MAX];
    size_t count = transaction->tempid_count;
    if (count > TEMPIDS_MAX) return false;
    if (count > 0) memcpy(sorted, transaction->tempids, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_name);
    put_text(out, "\"tempids\":{");
    for (size_t i = 0; i < count; i++) {
        if (!is_plain(sorted[i].name)) return false;
        put_text(out, i == 0 ? "\"" : ",\"");
        lion_buffer_put(out, sorted[i].name.data, sorted[i].name.size);
        put_text(out, "\":");
        put_whole(out, sorted[i].id);
    }
    put_text(out, "}");
    return true;
}

/* As ions.door.databases tells it. false: it is not for here. */
static bool put_report(lion_direct *self, lion_slice record)
{
    lion_buffer *out = &self->answer;
    lion_transaction transaction;
    char instant[32];
    lion_arena_reset(&self->arena);
    lion_buffer_clear(out);
    if (lion_transaction_decode(&transaction, record, &self->arena, NULL) < 0 ||
        transaction.instant_ms < 0 || transaction.instant_ms >= YEAR_10000_MS)
        return false;
    lion_instant_format(instant, transaction.instant_ms);
    put_text(out, "{\"datoms\":");
    put_whole(out, transaction.datom_count);
    put_text(out, ",\"t\":");
    put_whole(out, transaction.t);
    put_text(out, ",");
    if (!put_tempids(out, &transaction)) return false;
    put_text(out, ",\"tx\":");
    put_whole(out, lion_t_to_tx(transaction.t));
    put_text(out, ",\"tx_instant\":\"");
    put_text(out, instant);
    put_text(out, "\"}\n");
    return lion_buffer_check(out, NULL) == LION_OK;
}

bool lion_direct_is_its(uint64_t id)
{
    return id > 0 && id <= SENT_MAX;
}

/* Lua tells what became of it. */
static void leave_to_lua(lion_worker *worker, lion_node_request *request, lion_frame_kind kind,
                         lion_slice payload)
{
    request->outcome = lion_item_new(LION_ITEM_FRAME, payload.data, payload.size);
    if (request->outcome != NULL) {
        request->outcome->code = kind;
        atomic_store(&request->stage, LION_REQUEST_WAITING);
        lion_inbox_put(&worker->inbox, &request->item.link);
        return;
    }
    lion_http_abort(request->exchange);
    lion_request_free(worker, request);
}

void lion_direct_answer(lion_worker *worker, lion_frame_kind kind, uint64_t id, lion_slice payload)
{
    static const lion_http_header type = { .name = { "content-type", 12 },
                                           .value = { "application/json", 16 } };
    lion_direct *self = worker->direct;
    lion_node_request *request = self == NULL ? NULL : self->sent[id];
    if (request == NULL) return;
    self->sent[id] = NULL;
    self->free[self->free_count++] = (uint16_t)id;
    if (worker->is_lost) return; /* it is answered already, and the process ends */
    if (kind != LION_FRAME_REPORT || !put_report(self, payload)) {
        leave_to_lua(worker, request, kind, payload);
        return;
    }
    lion_http_respond(request->exchange, 200, &type, 1, self->answer.data, self->answer.size);
    lion_request_free(worker, request);
}
