/* http_private.h - what the files of the HTTP server share: http.c has the connections, http_parse.c makes requests of
 * what they read, http_answer.c writes, http_expect.c knows who asks again at once,
 * http_take.c gives connections away. */
#ifndef LION_IONS_HTTP_PRIVATE_H
#define LION_IONS_HTTP_PRIVATE_H

#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#include "base/spin.h"
#include "http.h"

#define LION_HTTP_HEADERS_MAX 128
#define LION_HTTP_READ_SIZE 65536
#define LION_HTTP_LEFT_MS 1000 /* who ended its side and has no answer by then is taken for gone */
#define LION_HTTP_KEPT_MAX 65536 /* of a buffer that the next request has too */

typedef struct bytes {
    char *data;
    size_t size, capacity;
} bytes;

typedef enum stage {
    STAGE_RECEIVING,
    STAGE_HANDLING,
    STAGE_STREAMING,
    STAGE_SENDING, /* what is left of an answer */
    STAGE_LINGERING,
    STAGE_CLOSING
} stage;

typedef struct connection connection;

struct lion_http_exchange {
    connection *connection; /* NULL: the peer is gone, or the deadline has answered */
    lion_http_request request;
    lion_http_header headers[LION_HTTP_HEADERS_MAX];
    struct { size_t name, name_size, value, value_size; } spans[LION_HTTP_HEADERS_MAX];
    size_t header_count;
    bytes text;             /* target and headers */
    size_t target_size;
    bytes body;
    bool is_head, keeps_alive, is_in_value;
    bool is_old;            /* HTTP/1.0: keep-alive is said aloud, and nothing is chunked */
    bool is_sized;          /* streamed, and the size was told */
    bool has_head;          /* all headers have come */
    bool is_head_told;      /* the handler has had the head */
    bool owes_continue;     /* the client waits to be told to send its body */
    size_t left;            /* bytes that are still to come, if it was */
    int status;
    uint64_t began_ns;
    void *user;
};

struct connection {
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    uint64_t due_ms;        /* when something must have happened; 0: never */
    lion_http_server *server;
    connection *next, *previous;
    llhttp_t parser;
    bytes input;            /* read, not yet parsed */
    bytes part;             /* what has been parsed of a request that is not whole, unless its head is and tells its size */
    bool is_part_lost;      /* it was too long to be kept */
    stage stage;
    int refusal;            /* status to answer malformed input with, 0: none */
    bool is_fresh;          /* no byte of the next request has arrived */
    bool is_reading;
    bool has_ended;         /* the peer sends no more */
    bool is_advancing;      /* its requests are being taken from the input one after the other */
    bool closes_after_write;
    bool is_control;
    char remote[64];
    lion_http_exchange *exchange; /* being received or handled */
    lion_http_exchange *spare;    /* for the next request */
    size_t queued;          /* bytes given to writes that are not finished */
    uint64_t given, taken;  /* bytes of all answers: to writes; by the socket, when the timer was set */
};

struct lion_http_server {
    uv_tcp_t tcp, other;    /* the second socket, if there is one */
    uv_timer_t sweep;
    uint8_t open_handles;   /* tcp, sweep, other */
    bool has_other;
    bool is_control;
    lion_http_limits limits;
    lion_http_handler handler;
    llhttp_settings_t settings;
    connection *connections;
    size_t pending, connection_count;
    lion_spin spin;         /* for the next request of the connection that asked last */
    const connection *asking; /* NULL: it is gone */
    uint64_t in_a_row;      /* requests of its, nobody's in between */
    uint64_t answered_ns;   /* the last that was answered */
    lion_http_counters counters;
    uint64_t last_id;
    bytes out;              /* the answer being made */
    char read[LION_HTTP_READ_SIZE]; /* what a connection reads, until it is parsed */
    bool is_closing;
    void (*closed)(void *context);
    void *closed_context;
};

/* false: out of memory. */
static inline bool bytes_put(bytes *out, const void *data, size_t size)
{
    if (out->size + size > out->capacity) {
        size_t capacity = out->capacity == 0 ? 1024 : out->capacity;
        while (capacity < out->size + size) capacity *= 2;
        char *grown = realloc(out->data, capacity);
        if (grown == NULL) return false;
        out->data = grown;
        out->capacity = capacity;
    }
    if (size > 0) memcpy(out->data + out->size, data, size);
    out->size += size;
    return true;
}

static inline void put_text(bytes *out, const char *text) { bytes_put(out, text, strlen(text)); }

static inline bool equals_name(const lion_http_text *name, const char *other)
{
    return name->size == strlen(other) && strncasecmp(name->data, other, name->size) == 0;
}

static inline void set_due(connection *self, uint64_t ms) { self->due_ms = uv_now(self->tcp.loop) + ms; }

/* http.c */
void lion_http_exchange_free(lion_http_exchange *exchange); /* NULL is allowed */
void lion_http_exchange_rest(connection *self, lion_http_exchange *exchange); /* keep it for the next request */
void lion_http_connection_close(connection *self);
void lion_http_receive_next(connection *self);
void lion_http_read_on(connection *self);
void lion_http_linger(connection *self);

/* http_parse.c */
void lion_http_parser_init(llhttp_settings_t *settings);
/* Offsets become pointers: nothing moves any more. */
void lion_http_complete_request(connection *self, lion_http_exchange *exchange);
void lion_http_hand_over(connection *self); /* the request that is whole */
bool lion_http_looks_at_heads(const connection *self);
void lion_http_hand_over_head(connection *self); /* of the one that is not whole */

/* http_answer.c */
/* An empty buffer to make an answer in. It is used no more when those who send return: they may have begun the next. */
bytes *lion_http_new_answer(lion_http_server *server);
/* The socket is given what it takes now, and a copy of the rest later. The connection may be closed, or on to its next
 * request, when this returns. */
void lion_http_send(connection *self, const bytes *head, const void *body, size_t size, bool ends);
/* Malformed input, a full queue, a deadline: an answer of the server's own. */
void lion_http_refuse(connection *self, int status, const char *message, bool closes);
uint64_t lion_http_taken_by_socket(const connection *self); /* bytes */
/* The peer must take what is sent, a little at least, until each deadline. */
void lion_http_await_sent(connection *self);

/* http_expect.c */
void lion_http_expect_init(lion_http_server *server);
void lion_http_expect_asked(connection *self, uint64_t now_ns); /* before it is pending */
void lion_http_expect_answered(lion_http_server *server, uint64_t now_ns);
void lion_http_expect_gone(const connection *self);

/* http_take.c */
/* Of a request that is not whole: another server would have to read it from its beginning. */
void lion_http_keep_part(connection *self, const char *data, size_t size);
void lion_http_forget_part(connection *self);

#endif
