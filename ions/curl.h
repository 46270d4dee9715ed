/* curl.h - an HTTP client in a loop of libuv: libcurl's multi interface, driven by the loop's polls and timers.
 *
 * A request is text, as HTTP has it, with what curl is to do in front:
 *
 *     TIMEOUT_MS CONNECT_TIMEOUT_MS MAX_BYTES REDIRECTS METHOD URL
 *     name: value                                    (any number; "name;" where the value is empty)
 *
 *     the body
 *
 * So is the answer, "STATUS URL" being its first line; the URL is the last one, behind redirects. A failure is one line,
 * "CATEGORY CODE MESSAGE", the category being one of Lion's, and an empty body.
 *
 * Only http and https are spoken, also where a redirect leads; an https that redirects to http is a failure. Bodies
 * are decoded (gzip, deflate), and MAX_BYTES counts what comes out. Connections are kept and used again. One thread at
 * a time, the loop's. */
#ifndef LION_IONS_CURL_H
#define LION_IONS_CURL_H

#include <stdbool.h>
#include <uv.h>

#include "base/slice.h"

typedef struct lion_curl lion_curl;

/* Called once for each request that is not cancelled, from the loop. What it is given is borrowed. */
typedef void (*lion_curl_done)(void *context, uint64_t id, bool is_sound, lion_slice head, lion_slice body);

/* NULL: out of memory. Nothing is opened yet, and nothing keeps the loop from ending. */
lion_curl *lion_curl_new(uv_loop_t *loop, lion_curl_done done, void *context);
/* Cancels what is under way. Its handles are closed when the loop has run; NULL is allowed. */
void lion_curl_close(lion_curl *curl);

/* The request is copied. `id` is the caller's, and no other's that is under way. */
void lion_curl_start(lion_curl *curl, uint64_t id, lion_slice request);
/* `done` is not called for it any more. Nothing happens if there is no such request. */
void lion_curl_cancel(lion_curl *curl, uint64_t id);

#endif
