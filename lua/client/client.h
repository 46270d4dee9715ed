/* client.h - an HTTP/1.1 client for one address, for programs that may wait: no event loop, no Lua.
 *
 * A client asks one thing at a time: lion_client_send gives the request away and comes back with
 * the answer's head, lion_client_read with its body, piece by piece. The connection is opened by
 * the first request and kept for the next; one that the other side has closed meanwhile is opened
 * anew. One thread at a time. A signal whose handler has run ends a wait with interrupted,
 * lion/cancelled. */
#ifndef LION_CLIENT_H
#define LION_CLIENT_H

#include <stdint.h>

#include "lion.h"

typedef struct lion_client lion_client;

typedef struct lion_client_header {
    const char *name; /* lower case in answers */
    const char *value;
} lion_client_header;

typedef struct lion_client_request {
    const char *method; /* "GET" */
    const char *path;   /* "/status?wait_ms=10", with %-escapes where they are needed */
    const lion_client_header *headers; /* besides host and content-length */
    size_t header_count;
    lion_slice body;
    int64_t deadline_ns; /* of the monotonic clock, for all until the answer's head is there */
} lion_client_request;

/* Take an address; nothing is opened yet. It is "unix:PATH", "HOST:PORT", "[IPV6]:PORT",
 * "http://HOST:PORT", or a path: of a socket, or of a folder with a control.sock in it. Where nothing
 * is yet, a path that ends in .sock is a socket's. Incorrect, lion/address. */
lion_status lion_client_new(lion_client **client_out, const char *address, lion_error *error);
void lion_client_free(lion_client *client); /* NULL is allowed */

/* What it comes down to: "unix:PATH" or "HOST:PORT". Lives as the client. */
const char *lion_client_address(const lion_client *client);

/* Errors, beside lion/out-of-memory, lion/io and lion/cancelled:
 * unavailable, lion/no-node: nobody listens there. Nothing was sent.
 * forbidden, lion/not-allowed: the socket is somebody else's.
 * unavailable, lion/lost: the other side has gone before the answer was whole.
 * interrupted, lion/timeout: the deadline.
 * incorrect, lion/not-http: what answers does not speak HTTP.
 * incorrect, lion/limit: the answer's head is over 64 KiB or has over 128 fields.
 * incorrect, lion/syntax: a method, path or header with bytes that would be taken for something
 * else. What is left of the answer before is dropped. */
lion_status lion_client_send(lion_client *client, const lion_client_request *request,
                             lion_error *error);

/* Of the answer whose head is there. Names and values live until the next request. */
int lion_client_status(const lion_client *client);
size_t lion_client_header_count(const lion_client *client);
lion_client_header lion_client_header_at(const lion_client *client, size_t index);

/* LION_OK: some bytes of the body, at least one, borrowed until the next call. LION_END: that was
 * all. Errors as above. */
lion_status lion_client_read(lion_slice *piece_out, lion_client *client, int64_t deadline_ns,
                             lion_error *error);

#endif
