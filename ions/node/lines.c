/* lines.c - a list of lines and the thread that writes them. */
#include "node/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define FILE_MODE 0640
/* Of whole lines in one write: what a pipe takes at once. A longer line is written alone. */
#define WRITE_SIZE 4096
#define PREFIX_SIZE 512

struct lion_line {
    lion_line *next;
    size_t size;
    char text[];
};

size_t lion_json_text(char *out, const char *text, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    char *at = out;
    *at++ = '"';
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c >= 0x80) { /* of a path: it may be no text */
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        } else if (c < 0x20 || c == 0x7f) {
            memcpy(at, "\\u00", 4);
            at[4] = digits[c >> 4];
            at[5] = digits[c & 15];
            at += 6;
        } else {
            *at++ = (char)c;
        }
    }
    *at++ = '"';
    return (size_t)(at - out);
}

/* ---- putting ---- */

static size_t put_time(char *out, size_t size)
{
    struct timespec now;
    struct tm parts;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    size_t used = strftime(out, size, "\"time\":\"%Y-%m-%dT%H:%M:%S", &parts);
    return used +
           (size_t)snprintf(out + used, size - used, ".%03dZ\",", (int)(now.tv_nsec / 1000000));
}

static lion_line *make(const lion_lines *self, const char *object, size_t size)
{
    char time[64];
    size_t time_size = self->has_time ? put_time(time, sizeof time) : 0;
    size_t whole = self->prefix_size + time_size + size; /* the object's brace for the line's end */
    lion_line *made = malloc(sizeof *made + whole);
    if (made == NULL) return NULL;
    *made = (lion_line){ .size = whole };
    char *at = made->text;
    memcpy(at, self->prefix, self->prefix_size);
    memcpy(at += self->prefix_size, time, time_size);
    memcpy(at += time_size, object + 1, size - 1);
    at[size - 1] = '\n';
    return made;
}

static void enqueue(lion_lines *self, lion_line *line)
{
    if (self->last != NULL)
        self->last->next = line;
    else
        self->first = line;
    self->last = line;
    self->waiting += line->size;
}

/* With the lock. */
static void tell_dropped(lion_lines *self)
{
    char text[128];
    int size = snprintf(text, sizeof text, "{\"kind\":\"dropped\",\"count\":%llu}",
                        (unsigned long long)self->untold);
    lion_line *line = make(self, text, (size_t)size);
    if (line == NULL) return;
    self->untold = 0;
    enqueue(self, line);
}

static void run(void *context);

void lion_lines_put(lion_lines *self, const char *object, size_t size)
{
    if (size < 2) return;
    lion_line *line = make(self, object, size);
    uv_mutex_lock(&self->mutex);
    bool has_room = line != NULL && self->waiting + line->size <= LION_LINES_BYTES_MAX;
    if (has_room && !self->has_thread) {
        uv_thread_t thread;
        self->has_thread = uv_thread_create(&thread, run, self) == 0;
    }
    if (has_room && self->has_thread) {
        if (self->untold > 0) tell_dropped(self);
        enqueue(self, line);
        line = NULL;
        uv_cond_broadcast(&self->changed);
    } else {
        self->dropped++;
        self->untold++;
    }
    uv_mutex_unlock(&self->mutex);
    free(line);
}

/* ---- writing: the thread ---- */

static void open_file(lion_lines *self)
{
    int fd = self->path == NULL
                 ? STDERR_FILENO
                 : open(self->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (fd < 0) {
        fprintf(stderr, "lion: %s cannot be opened: %s\n", self->path, strerror(errno));
        return; /* what was open stays so */
    }
    if (self->fd > STDERR_FILENO) (void)close(self->fd);
    self->fd = fd;
}

/* false: the rest is lost. */
static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, data, size);
        if (count < 0 && errno == EAGAIN) {
            struct pollfd wanted = { .fd = fd, .events = POLLOUT };
            (void)poll(&wanted, 1, -1);
        } else if (count < 0 && errno != EINTR) {
            return false;
        }
        if (count <= 0) continue;
        data += count;
        size -= (size_t)count;
    }
    return true;
}

static void note(lion_lines *self, bool is_written, uint64_t lines)
{
    uv_mutex_lock(&self->mutex);
    if (is_written) {
        self->written += lines;
    } else {
        self->dropped += lines;
        self->untold += lines;
    }
    uv_mutex_unlock(&self->mutex);
}

/* Whole lines in each write. Frees them. */
static void write_lines(lion_lines *self, lion_line *line)
{
    char together[WRITE_SIZE];
    while (line != NULL) {
        size_t size = 0, count = 0;
        bool is_alone = line->size > sizeof together;
        bool is_written = is_alone && self->fd >= 0 && write_all(self->fd, line->text, line->size);
        do {
            lion_line *next = line->next;
            if (!is_alone) memcpy(together + size, line->text, line->size);
            size += line->size;
            count++;
            free(line);
            line = next;
        } while (!is_alone && line != NULL && size + line->size <= sizeof together);
        if (!is_alone) is_written = self->fd >= 0 && write_all(self->fd, together, size);
        note(self, is_written, count);
    }
}

static void run(void *context)
{
    lion_lines *self = context;
    open_file(self);
    uv_mutex_lock(&self->mutex);
    for (;;) {
        while (self->first == NULL && !self->is_to_reopen)
            uv_cond_wait(&self->changed, &self->mutex);
        lion_line *lines = self->first;
        bool reopens = self->is_to_reopen;
        self->first = self->last = NULL;
        self->is_writing = true;
        self->is_to_reopen = false;
        uv_mutex_unlock(&self->mutex);
        if (reopens) open_file(self);
        size_t size = 0;
        for (const lion_line *each = lines; each != NULL; each = each->next) size += each->size;
        write_lines(self, lines);
        uv_mutex_lock(&self->mutex);
        self->waiting -= size;
        self->is_writing = false;
        uv_cond_broadcast(&self->changed);
    }
}

/* ---- the rest ---- */

bool lion_lines_init(lion_lines *self, const lion_node_options *options, const char *path,
                     bool has_time)
{
    *self = (lion_lines){ .path = path, .has_time = has_time, .fd = -1 };
    self->prefix = malloc(PREFIX_SIZE);
    if (self->prefix == NULL || uv_mutex_init(&self->mutex) != 0 ||
        uv_cond_init(&self->changed) != 0)
        return false;
    /* Names are of letters, digits and _.-, see `lion node`. */
    int size =
        options->index == 0
            ? snprintf(self->prefix, PREFIX_SIZE, "{\"node\":\"%.200s\",\"group\":\"%.200s\",",
                       options->name, options->group)
            : snprintf(self->prefix, PREFIX_SIZE,
                       "{\"node\":\"%.200s\",\"group\":\"%.200s\",\"worker\":%d,", options->name,
                       options->group, options->index);
    self->prefix_size = (size_t)size;
    return true;
}

void lion_lines_reopen(lion_lines *self)
{
    if (self->path == NULL) return;
    uv_mutex_lock(&self->mutex);
    if (self->has_thread) {
        self->is_to_reopen = true;
        uv_cond_broadcast(&self->changed);
    }
    uv_mutex_unlock(&self->mutex);
}

void lion_lines_drain(lion_lines *self, uint64_t ms)
{
    uint64_t until_ns = (uint64_t)lion_clock_monotonic_ns() + ms * 1000000;
    uv_mutex_lock(&self->mutex);
    while (self->has_thread && (self->first != NULL || self->is_writing)) {
        uint64_t now_ns = (uint64_t)lion_clock_monotonic_ns();
        if (now_ns >= until_ns) break;
        (void)uv_cond_timedwait(&self->changed, &self->mutex, until_ns - now_ns);
    }
    uv_mutex_unlock(&self->mutex);
}

void lion_lines_count(lion_lines *self, uint64_t *written_out, uint64_t *dropped_out)
{
    uv_mutex_lock(&self->mutex);
    *written_out = self->written;
    *dropped_out = self->dropped;
    uv_mutex_unlock(&self->mutex);
}
