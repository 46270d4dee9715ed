/* curl.c - curl says which sockets to watch and when to be woken; the loop does both. A request has
 * a timer of its own, since curl's does not run while names are looked up or a connection is waited
 * for. */
#include "curl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "curl_library.h"

static_assert(LIBCURL_VERSION_NUM >= 0x075700,
              "libcurl 7.87: CURLOPT_PROTOCOLS_STR, CURLOPT_QUICK_EXIT");

enum { HEAD_SIZE_MAX = 65536, CONNECTIONS_MAX = 256, HOST_CONNECTIONS_MAX = 64, KEPT_MAX = 64 };

typedef enum problem { NONE, TOO_LARGE, HEAD_TOO_LARGE, ENCODING, NO_MEMORY } problem;

/* A request under way. */
typedef struct fetch {
    struct fetch *next, *previous;
    lion_curl *owner;
    uint64_t id;
    char *text;               /* the request, cut into lines */
    const char *method, *url; /* in text */
    size_t max_bytes;
    CURL *easy;
    struct curl_slist *lines; /* its headers */
    lion_buffer head, body;   /* of the answer so far; the head's lines without the first */
    problem problem;          /* why we have curl give up */
    const char *failure;      /* a head that says why, when curl cannot */
    uv_timer_t deadline;
    char error[CURL_ERROR_SIZE];
} fetch;

struct lion_curl {
    uv_loop_t *loop;
    const lion_curl_library *library; /* NULL before the first request */
    CURLM *multi;
    uv_timer_t timer; /* curl's */
    fetch *first;
    lion_curl_done done;
    void *context;
};

/* A socket that curl has us watch. */
typedef struct watched {
    uv_poll_t poll;
    lion_curl *owner;
    curl_socket_t fd;
} watched;

/* ---- the end of a request ---- */

static void on_deadline_closed(uv_handle_t *handle)
{
    fetch *self = handle->data;
    lion_buffer_deinit(&self->head);
    lion_buffer_deinit(&self->body);
    free(self->text);
    free(self);
}

static void fetch_close(fetch *self)
{
    lion_curl *owner = self->owner;
    if (self->easy != NULL) {
        (void)owner->library->multi_remove_handle(owner->multi, self->easy);
        owner->library->easy_cleanup(self->easy);
        owner->library->slist_free_all(self->lines);
    }
    if (self->next != NULL) self->next->previous = self->previous;
    if (self->previous != NULL)
        self->previous->next = self->next;
    else
        owner->first = self->next;
    uv_close((uv_handle_t *)&self->deadline, on_deadline_closed);
}

/* Tell of it, and let go of it. */
static void finish(fetch *self, bool is_sound, const char *head, lion_slice lines, lion_slice body)
{
    lion_curl *owner = self->owner;
    lion_buffer whole;
    lion_buffer_init(&whole);
    lion_buffer_put(&whole, head, strlen(head));
    lion_buffer_put(&whole, lines.data, lines.size);
    uint64_t id = self->id;
    if (whole.is_failed)
        owner->done(owner->context, id, false,
                    lion_slice_text("unavailable lion/out-of-memory out of memory"),
                    lion_slice_text(""));
    else
        owner->done(owner->context, id, is_sound, lion_buffer_view(&whole), body);
    lion_buffer_deinit(&whole);
    fetch_close(self);
}

static void fail(fetch *self, const char *category_and_code, const char *message)
{
    char head[CURL_ERROR_SIZE + 128];
    snprintf(head, sizeof head, "%s %s", category_and_code, message);
    finish(self, false, head, lion_slice_text(""), lion_slice_text(""));
}

/* What a code of curl's is to who asked. */
static const char *kind_of(CURLcode code, bool is_redirected)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST: return "unavailable http/unknown-host";
    case CURLE_COULDNT_CONNECT: return "unavailable http/refused";
    case CURLE_OPERATION_TIMEDOUT: return "interrupted http/timeout";
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return "unavailable http/cut";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_USE_SSL_FAILED: return "fault http/tls";
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_LOGIN_DENIED: return "fault http/redirects";
    case CURLE_UNSUPPORTED_PROTOCOL:
        return is_redirected ? "fault http/redirects" : "fault http/protocol";
    case CURLE_FILESIZE_EXCEEDED: return "fault http/too-large";
    case CURLE_URL_MALFORMAT:
        return is_redirected ? "fault http/redirects" : "incorrect ion.http/invalid";
    case CURLE_OUT_OF_MEMORY: return "unavailable lion/out-of-memory";
    default: return "fault http/protocol";
    }
}

static void fail_by_problem(fetch *self)
{
    char message[128];
    switch (self->problem) {
    case TOO_LARGE:
        snprintf(message, sizeof message, "the answer has more than max_bytes, %zu",
                 self->max_bytes);
        fail(self, "fault http/too-large", message);
        break;
    case HEAD_TOO_LARGE:
        fail(self, "fault http/too-large", "the answer's head has more than 64 KiB");
        break;
    case ENCODING:
        fail(self, "fault http/protocol",
             "the answer is encoded by something else than gzip or deflate");
        break;
    default: fail(self, "unavailable lion/out-of-memory", "out of memory"); break;
    }
}

static void on_result(fetch *self, CURLcode code)
{
    const lion_curl_library *library = self->owner->library;
    long status = 0, redirects = 0;
    const char *url = NULL;
    (void)library->easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)library->easy_getinfo(self->easy, CURLINFO_REDIRECT_COUNT, &redirects);
    (void)library->easy_getinfo(self->easy, CURLINFO_EFFECTIVE_URL, &url);
    if (self->problem != NONE) {
        fail_by_problem(self);
        return;
    }
    if (code != CURLE_OK) {
        fail(self, kind_of(code, redirects > 0),
             self->error[0] != '\0' ? self->error : library->easy_strerror(code));
        return;
    }
    lion_buffer line; /* a URL has no bound of its own */
    lion_buffer_init(&line);
    char number[16];
    lion_buffer_put(&line, number, (size_t)snprintf(number, sizeof number, "%ld ", status));
    lion_buffer_put(&line, url == NULL ? self->url : url, strlen(url == NULL ? self->url : url));
    lion_buffer_put(&line, "\n", sizeof "\n"); /* with the NUL behind it */
    if (line.is_failed) {
        self->problem = NO_MEMORY;
        fail_by_problem(self);
    } else {
        finish(self, true, (const char *)line.data, lion_buffer_view(&self->head),
               lion_buffer_view(&self->body));
    }
    lion_buffer_deinit(&line);
}

static fetch *fetch_of(lion_curl *self, const CURL *easy)
{
    fetch *each = self->first;
    while (each != NULL && each->easy != easy) each = each->next;
    return each;
}

static void take_results(lion_curl *self)
{
    int left;
    for (CURLMsg *message;
         (message = self->library->multi_info_read(self->multi, &left)) != NULL;) {
        fetch *found = message->msg == CURLMSG_DONE ? fetch_of(self, message->easy_handle) : NULL;
        if (found != NULL) on_result(found, message->data.result);
    }
}

static void on_deadline(uv_timer_t *timer)
{
    fetch *self = timer->data;
    if (self->failure != NULL)
        finish(self, false, self->failure, lion_slice_text(""), lion_slice_text(""));
    else
        fail(self, "interrupted http/timeout", "no whole answer has come in time");
}

/* ---- the loop ---- */

static void on_timer(uv_timer_t *timer)
{
    lion_curl *self = timer->data;
    int running;
    (void)self->library->multi_socket_action(self->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_results(self);
}

static int set_timer(CURLM *multi, long ms, void *context)
{
    (void)multi;
    lion_curl *self = context;
    if (uv_is_closing((uv_handle_t *)&self->timer)) return 0;
    if (ms < 0)
        (void)uv_timer_stop(&self->timer);
    else
        (void)uv_timer_start(&self->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    const watched *self = poll->data;
    lion_curl *owner = self->owner;
    int happened = status < 0 ? CURL_CSELECT_ERR : 0, running;
    if ((events & UV_READABLE) != 0) happened |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0) happened |= CURL_CSELECT_OUT;
    (void)owner->library->multi_socket_action(owner->multi, self->fd, happened, &running);
    take_results(owner);
}

static void on_watched_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static watched *watch(lion_curl *self, curl_socket_t fd)
{
    watched *made = calloc(1, sizeof *made);
    if (made == NULL) return NULL;
    made->owner = self;
    made->fd = fd;
    made->poll.data = made;
    if (uv_poll_init_socket(self->loop, &made->poll, fd) != 0) {
        free(made);
        return NULL;
    }
    (void)self->library->multi_assign(self->multi, fd, made);
    return made;
}

static int on_socket(CURL *easy, curl_socket_t fd, int action, void *context, void *assigned)
{
    (void)easy;
    lion_curl *self = context;
    watched *of = assigned;
    if (action == CURL_POLL_REMOVE) {
        if (of == NULL) return 0;
        (void)self->library->multi_assign(self->multi, fd, NULL);
        (void)uv_poll_stop(&of->poll);
        uv_close((uv_handle_t *)&of->poll, on_watched_closed);
        return 0;
    }
    if (of == NULL) of = watch(self, fd);
    if (of == NULL) return -1;
    int events =
        (action & CURL_POLL_IN ? UV_READABLE : 0) | (action & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&of->poll, events, on_poll) == 0 ? 0 : -1;
}

/* ---- what an answer brings ---- */

/* Those that nobody asked for may need much memory to be decoded. */
static bool is_known_encoding(const char *line, size_t size)
{
    static const char name[] = "content-encoding:", *const known[] = { "gzip", "x-gzip", "deflate",
                                                                       "identity" };
    if (size < sizeof name - 1 || strncasecmp(line, name, sizeof name - 1) != 0) return true;
    for (size_t at = sizeof name - 1; at < size;) {
        at += strspn(line + at, " \t,");
        size_t length = strcspn(line + at, " \t,;");
        bool is_known = length == 0;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            is_known |= strlen(known[i]) == length && strncasecmp(line + at, known[i], length) == 0;
        if (!is_known) return false;
        at += length + strcspn(line + at + length, ",");
    }
    return true;
}

static size_t give_up(fetch *self, problem why)
{
    self->problem = why;
    return 0; /* curl takes it as a failure to write */
}

/* A line; that of the status begins another answer (1xx, redirects). */
static size_t on_header(char *bytes, size_t one, size_t count, void *context)
{
    fetch *self = context;
    size_t whole = one * count, size = whole;
    while (size > 0 && (bytes[size - 1] == '\r' || bytes[size - 1] == '\n')) size--;
    if (size >= 5 && memcmp(bytes, "HTTP/", 5) == 0 && self->body.size == 0) {
        lion_buffer_clear(&self->head);
        return whole;
    }
    if (size == 0) return whole;
    char line[256];
    snprintf(line, sizeof line, "%.*s", size < sizeof line ? (int)size : (int)sizeof line - 1,
             bytes);
    if (!is_known_encoding(line, strlen(line))) return give_up(self, ENCODING);
    if (self->head.size + size >= HEAD_SIZE_MAX) return give_up(self, HEAD_TOO_LARGE);
    lion_buffer_put(&self->head, bytes, size);
    lion_buffer_put(&self->head, "\n", 1);
    return self->head.is_failed ? give_up(self, NO_MEMORY) : whole;
}

static size_t on_body(char *bytes, size_t one, size_t count, void *context)
{
    fetch *self = context;
    size_t size = one * count;
    if (size > self->max_bytes - self->body.size) return give_up(self, TOO_LARGE);
    lion_buffer_put(&self->body, bytes, size);
    return self->body.is_failed ? give_up(self, NO_MEMORY) : size;
}

/* ---- the start of a request ---- */

/* What is in the text, which is cut into lines. */
typedef struct parsed {
    unsigned long timeout_ms, connect_timeout_ms, redirects;
    char *headers; /* lines, the last one is empty */
    lion_slice body;
} parsed;

static bool parse(fetch *self, size_t size, parsed *out)
{
    char *at = self->text, *end;
    unsigned long *const numbers[] = { &out->timeout_ms, &out->connect_timeout_ms, &self->max_bytes,
                                       &out->redirects };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        *numbers[i] = strtoul(at, &end, 10);
        if (end == at || *end != ' ') return false;
        at = end + 1;
    }
    char *line = strchr(at, '\n'), *blank = strstr(at, "\n\n"), *space = strchr(at, ' ');
    if (blank == NULL || space == NULL || space > line) return false;
    *space = *line = '\0';
    self->method = at;
    self->url = space + 1;
    out->headers = line + 1;
    out->body.data = (const uint8_t *)blank + 2;
    out->body.size = size - (size_t)(blank + 2 - self->text);
    blank[1] = '\0';
    return true;
}

/* The lines of the headers, each ended by a newline. */
static bool set_headers(fetch *self, char *at)
{
    const lion_curl_library *library = self->owner->library;
    while (*at != '\0') {
        char *end = strchr(at, '\n');
        if (end == NULL) break;
        *end = '\0';
        struct curl_slist *longer = library->slist_append(self->lines, at);
        if (longer == NULL) return false;
        self->lines = longer;
        at = end + 1;
    }
    return library->easy_setopt(self->easy, CURLOPT_HTTPHEADER, self->lines) == CURLE_OK;
}

static bool set_method(const fetch *self, lion_slice body)
{
    const lion_curl_library *library = self->owner->library;
    CURL *easy = self->easy;
    bool is_post = strcmp(self->method, "POST") == 0, is_sound = true;
    if (body.size > 0 || is_post) {
        is_sound =
            library->easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
            library->easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)body.data) == CURLE_OK &&
            library->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size) ==
                CURLE_OK;
    } else if (strcmp(self->method, "HEAD") == 0) {
        return library->easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
    } else if (strcmp(self->method, "GET") == 0) {
        return library->easy_setopt(easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    }
    /* A method that is given so is kept behind redirects: curl knows POST itself. */
    return is_sound &&
           (is_post || library->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, self->method) == CURLE_OK);
}

/* Where it may lead, and whom it trusts. */
static bool set_bounds(const fetch *self, const parsed *of)
{
    const lion_curl_library *library = self->owner->library;
    const char *authorities = getenv("SSL_CERT_FILE");
    bool is_secure = strncasecmp(self->url, "https:", 6) == 0;
    CURL *easy = self->easy;
    if (authorities != NULL && authorities[0] != '\0')
        (void)library->easy_setopt(easy, CURLOPT_CAINFO, authorities);
    (void)library->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)of->connect_timeout_ms);
    (void)library->easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)self->max_bytes);
    (void)library->easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    (void)library->easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)library->easy_setopt(easy, CURLOPT_QUICK_EXIT,
                               1L); /* a name that is looked up is not waited for */
    return library->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           library->easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR,
                                is_secure ? "https" : "http,https") == CURLE_OK &&
           library->easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) == CURLE_OK &&
           library->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, of->redirects > 0 ? 1L : 0L) ==
               CURLE_OK &&
           library->easy_setopt(easy, CURLOPT_MAXREDIRS, (long)of->redirects) == CURLE_OK &&
           library->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
               CURLE_OK;
}

static bool set_all(fetch *self, const parsed *of)
{
    const lion_curl_library *library = self->owner->library;
    CURL *easy = self->easy = library->easy_init();
    if (easy == NULL) return false;
    (void)library->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)library->easy_setopt(easy, CURLOPT_ERRORBUFFER, self->error);
    (void)library->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)library->easy_setopt(easy, CURLOPT_HEADERDATA, self);
    (void)library->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)library->easy_setopt(easy, CURLOPT_WRITEDATA, self);
    return library->easy_setopt(easy, CURLOPT_URL, self->url) == CURLE_OK &&
           set_method(self, of->body) && set_bounds(self, of) && set_headers(self, of->headers);
}

/* Answered when the loop has turned, as all others are. */
static void fail_later(fetch *self, const char *head)
{
    self->failure = head;
    (void)uv_timer_start(&self->deadline, on_deadline, 0, 0);
}

static bool open_multi(lion_curl *self)
{
    if (self->multi != NULL) return true;
    self->library = lion_curl_library_open();
    self->multi = self->library == NULL ? NULL : self->library->multi_init();
    if (self->multi == NULL) return false;
    (void)self->library->multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)self->library->multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self);
    (void)self->library->multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    (void)self->library->multi_setopt(self->multi, CURLMOPT_TIMERDATA, self);
    (void)self->library->multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_MAX);
    (void)self->library->multi_setopt(self->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                                      (long)CONNECTIONS_MAX);
    (void)self->library->multi_setopt(self->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                                      (long)HOST_CONNECTIONS_MAX);
    return true;
}

static fetch *fetch_new(lion_curl *owner, uint64_t id, lion_slice request)
{
    fetch *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->owner = owner;
    self->id = id;
    self->text = malloc(request.size + 1);
    lion_buffer_init(&self->head);
    lion_buffer_init(&self->body);
    (void)uv_timer_init(owner->loop, &self->deadline);
    self->deadline.data = self;
    self->next = owner->first;
    if (owner->first != NULL) owner->first->previous = self;
    owner->first = self;
    if (self->text == NULL) return self;
    memcpy(self->text, request.data, request.size);
    self->text[request.size] = '\0';
    return self;
}

void lion_curl_start(lion_curl *self, uint64_t id, lion_slice request)
{
    parsed of = { 0 };
    fetch *made = fetch_new(self, id, request);
    uv_update_time(self->loop); /* timers are set by it */
    if (made == NULL)
        self->done(self->context, id, false,
                   lion_slice_text("unavailable lion/out-of-memory out of memory"),
                   lion_slice_text(""));
    else if (made->text == NULL || !parse(made, request.size, &of))
        fail_later(made, "incorrect ion.http/invalid the request cannot be read");
    else if (!open_multi(self))
        fail_later(made,
                   "unsupported lion/no-curl requests need libcurl: install the package libcurl4");
    else if (!set_all(made, &of) ||
             self->library->multi_add_handle(self->multi, made->easy) != CURLM_OK)
        fail_later(
            made,
            "unsupported lion/no-curl libcurl does not take the request: 7.87 or newer is needed");
    else
        (void)uv_timer_start(&made->deadline, on_deadline, of.timeout_ms, 0);
}

void lion_curl_cancel(lion_curl *self, uint64_t id)
{
    fetch *each = self->first;
    while (each != NULL && each->id != id) each = each->next;
    if (each != NULL) fetch_close(each);
}

/* ---- its life ---- */

lion_curl *lion_curl_new(uv_loop_t *loop, lion_curl_done done, void *context)
{
    lion_curl *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->loop = loop;
    self->done = done;
    self->context = context;
    (void)uv_timer_init(loop, &self->timer);
    uv_unref((uv_handle_t *)&self->timer); /* requests keep the loop going by their own timers */
    self->timer.data = self;
    return self;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void lion_curl_close(lion_curl *self)
{
    if (self == NULL) return;
    while (self->first != NULL) fetch_close(self->first);
    if (self->multi != NULL) (void)self->library->multi_cleanup(self->multi);
    uv_close((uv_handle_t *)&self->timer, on_timer_closed);
}
