/* http.h - an HTTP/1.1 server on libuv and llhttp: sockets and bytes, no Lua.
 *
 * A request is handed over whole (headers and body within limits); its exchange must be answered exactly once,
 * now or later: by lion_http_respond, or by stream_begin, stream_piece…, stream_end (or abort). Keep-alive and pipelining:
 * requests of one connection are handed over one at a time, in order. Malformed and oversized input is answered
 * here (400, 408, 413, 414, 431) and never reaches the handler. Who asks whether to send its body (Expect:
 * 100-continue) is told to. Upgrades are not offered: such a request is one like others. Trailers are dropped. To
 * HTTP/1.0 a streamed answer ends with the connection. Who ends its side of the connection while its request is in hand has
 * left, if it is not answered within a second. A connection can be taken away, with what was read of it, and be adopted by a server of another process. One thread:
 * the loop's. The process must ignore SIGPIPE. */
#ifndef LION_IONS_HTTP_H
#define LION_IONS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "histogram.h"

typedef struct lion_http_server lion_http_server;
typedef struct lion_http_exchange lion_http_exchange;

typedef struct lion_http_limits {
    size_t header_size;       /* all header bytes and the target; 0: 64 KiB */
    size_t body_size;         /* 0: 8 MiB */
    uint64_t receive_ms;      /* from the first byte of a request to its last; 0: 30 s */
    uint64_t idle_ms;         /* keep-alive; 0: 75 s */
    uint64_t handle_ms;       /* until the answer begins, else 504; 0: 30 s */
    uint64_t send_ms;         /* without the peer taking a byte of what is sent; 0: 30 s */
    size_t pending_max;       /* exchanges in hand at once, else 503 with Retry-After; 0: 1024 */
} lion_http_limits;

typedef struct lion_http_text {
    const char *data;
    size_t size;
} lion_http_text;

typedef struct lion_http_header {
    lion_http_text name;      /* lower case in requests */
    lion_http_text value;
} lion_http_header;

/* Borrowed until the exchange is answered. */
typedef struct lion_http_request {
    const char *method;       /* "GET" */
    lion_http_text path;      /* as sent, without the query */
    lion_http_text query;     /* without the question mark */
    const lion_http_header *headers;
    size_t header_count;
    lion_http_text body;
    const char *remote;       /* "127.0.0.1:5123"; "control": of the control door's Unix socket */
    bool is_control;
    uint64_t id;              /* counts up in the process */
} lion_http_request;

typedef struct lion_http_handler {
    void (*request)(void *context, lion_http_exchange *exchange);
    /* Of the control door over TCP, where a request's body is still to come: its head alone, before any more is read.
     * Exactly once it goes on (lion_http_go_on; the same request comes whole later, with another id), or is answered,
     * and the connection closes then. NULL: heads are not looked at. */
    void (*head)(void *context, lion_http_exchange *exchange);
    /* The peer went away, or the deadline answered for it, before the answer: what is sent later is dropped. */
    void (*gone)(void *context, lion_http_exchange *exchange);
    /* All that was streamed so far has been taken by the socket. NULL is allowed. */
    void (*drained)(void *context, lion_http_exchange *exchange);
    void *context;
} lion_http_handler;

/* Since the server was opened. */
typedef struct lion_http_counters {
    uint64_t answers[6];      /* by hundreds of their status */
    uint64_t durations[LION_HISTOGRAM_SLOTS]; /* exchanges by what they took */
    uint64_t duration_ns_sum;
} lion_http_counters;

/* Negative errno of libuv on failure. host: an address, IPv4 or IPv6. port 0: any; lion_http_port tells. */
int lion_http_open(lion_http_server **server_out, uv_loop_t *loop, const char *host, int port,
                   const lion_http_limits *limits, const lion_http_handler *handler);
/* The same on a socket that is bound, TCP or Unix; fd is the server's then. is_control: of the control door. */
int lion_http_listen(lion_http_server **server_out, uv_loop_t *loop, int fd, bool is_control,
                     const lion_http_limits *limits, const lion_http_handler *handler);
/* Listen on one more socket that is bound; fd is the server's then, also when it fails. Once a server. */
int lion_http_listen_also(lion_http_server *server, int fd);
/* Go on with a connection of another server. Takes fd; copies what was read of it. */
int lion_http_adopt(lion_http_server *server, int fd, const void *read, size_t size, bool is_control);
int lion_http_port(const lion_http_server *server);
size_t lion_http_pending(const lion_http_server *server);
size_t lion_http_connections(const lion_http_server *server);
const lion_http_counters *lion_http_counted(const lion_http_server *server);
/* Whether it pays to run the loop without waiting, since the next request of the one client that asks is expected at
 * once; and, after each time, whether it still does. */
bool lion_http_expects(lion_http_server *server);
bool lion_http_still_expects(lion_http_server *server);
/* Stop listening; answer what is in hand; close idle connections. closed is called when all is gone and the server freed. */
void lion_http_close(lion_http_server *server, void (*closed)(void *context), void *context);

/* fd and bytes (malloc) are the caller's. */
typedef struct lion_http_taken {
    int fd;
    char *bytes;              /* to be read first: a request as HTTP/1.1 text, and what has come behind it */
    size_t size;
    bool is_control;
} lion_http_taken;

/* Take the connection away from the server; the exchange is over. false: its client is gone, its answer has begun, or
 * there is no descriptor or memory: it is still to be answered. */
bool lion_http_take(lion_http_exchange *exchange, lion_http_taken *taken_out);
/* Take one of those that have no request in hand; of one that is half read what has come goes along, but a body in chunks
 * of over 256 KiB, whose connection is closed. false: there is none. */
bool lion_http_take_idle(lion_http_server *server, lion_http_taken *taken_out);

const lion_http_request *lion_http_request_view(const lion_http_exchange *exchange);
void lion_http_set_user(lion_http_exchange *exchange, void *user);
void *lion_http_user(const lion_http_exchange *exchange);

#define LION_HTTP_SIZE_UNKNOWN SIZE_MAX

/* Bytes are copied. Content-Length, Date-free; Connection as the request asked. HEAD sends no body. */
void lion_http_respond(lion_http_exchange *exchange, int status, const lion_http_header *headers,
                       size_t header_count, const void *body, size_t size);
/* Of a head: its body may come. The exchange is not the handler's any more. */
void lion_http_go_on(lion_http_exchange *exchange);
/* size: of all pieces together, told to the client; LION_HTTP_SIZE_UNKNOWN: they are chunks. */
void lion_http_stream_begin(lion_http_exchange *exchange, int status, const lion_http_header *headers,
                            size_t header_count, size_t size);
/* Bytes queued but not yet taken by the socket after this piece: the caller waits while it is large. */
size_t lion_http_stream_piece(lion_http_exchange *exchange, const void *data, size_t size);
/* When fewer bytes than were told have come: as lion_http_abort. */
void lion_http_stream_end(lion_http_exchange *exchange);
/* The rest cannot be had: the connection closes, so that the client does not take a part for the whole. */
void lion_http_abort(lion_http_exchange *exchange);

#endif
