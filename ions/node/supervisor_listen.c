/* supervisor_listen.c - what only one supervisor of a folder can have: the lock, the public socket,
 * the control door's. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "node/supervisor.h"

enum { EXIT_FAILED = 1, EXIT_UNAVAILABLE = 5 };

#define LION_NODE_BACKLOG 4096
/* What is left of a node whose supervisor was killed closes its files and lets go. */
#define LION_NODE_LEFT_MS 3000
#define LION_NODE_LOOK_MS 20

static int fail(const char *what, const char *where, int code)
{
    fprintf(stderr, "lion: %s %s: %s\n", what, where, strerror(code));
    return code == EADDRINUSE ? EXIT_UNAVAILABLE : EXIT_FAILED;
}

static int fail_running(const char *where)
{
    fprintf(stderr, "lion: a node is running there: %s\n", where);
    return EXIT_UNAVAILABLE;
}

/* false: it has been waited for long enough. */
static bool wait_for_the_left(int *waited_ms)
{
    if (*waited_ms >= LION_NODE_LEFT_MS) return false;
    (void)nanosleep(&(struct timespec){ .tv_nsec = LION_NODE_LOOK_MS * 1000000L }, NULL);
    *waited_ms += LION_NODE_LOOK_MS;
    return true;
}

/* ---- the folder ---- */

/* The writer holds the lock beside the supervisor: a folder is free when both are gone. */
int supervisor_lock(supervisor *self)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/node.lock", self->options->dir);
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock_fd < 0) return fail("cannot open", path, errno);
    for (int waited_ms = 0; flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0;) {
        if (errno != EWOULDBLOCK && errno != EINTR) return fail("cannot lock", path, errno);
        if (!wait_for_the_left(&waited_ms)) return fail_running(self->options->dir);
    }
    return 0;
}

/* ---- the control door's socket ---- */

/* 1: somebody listens there, 0: nobody, or a negative errno. */
static int is_live(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    bool is_dead = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                   errno == ECONNREFUSED;
    (void)close(fd);
    return is_dead ? 0 : 1;
}

/* 0: nobody listens at the address, and what a dead node left there is gone. */
static int clear_socket(supervisor *self, const struct sockaddr_un *address)
{
    struct stat found;
    if (lstat(address->sun_path, &found) != 0)
        return errno == ENOENT ? 0 : fail("cannot look at", address->sun_path, errno);
    if (!S_ISSOCK(found.st_mode)) {
        fprintf(stderr, "lion: %s is there and is no socket\n", address->sun_path);
        return EXIT_FAILED;
    }
    self->follows_a_dead_one = true;
    int live, waited_ms = 0;
    while ((live = is_live(address)) > 0)
        if (!wait_for_the_left(&waited_ms)) return fail_running(address->sun_path);
    if (live < 0) return fail("cannot look at", address->sun_path, -live);
    return unlink(address->sun_path) == 0 ? 0 : fail("cannot replace", address->sun_path, errno);
}

int supervisor_listen_control(supervisor *self)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(self->control) >= sizeof address.sun_path) {
        fprintf(stderr,
                "lion: %s is too long for a socket's path (at most %zu bytes); --control gives "
                "another\n",
                self->control, sizeof address.sun_path - 1);
        return EXIT_FAILED;
    }
    strcpy(address.sun_path, self->control);
    int code = clear_socket(self, &address);
    if (code != 0) return code;
    self->control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->control_fd < 0) return fail("cannot listen at", self->control, errno);
    mode_t before = umask(0177); /* 0600 from the beginning: who can connect here can do anything */
    int bound = bind(self->control_fd, (const struct sockaddr *)&address, sizeof address);
    int bind_code = errno;
    (void)umask(before);
    if (bound != 0 || listen(self->control_fd, LION_NODE_BACKLOG) != 0)
        return fail("cannot listen at", self->control, bound != 0 ? bind_code : errno);
    return 0;
}

/* ---- the public socket ---- */

/* HOST:PORT or [HOST]:PORT in two; false: it is neither. */
static bool split(const char *address, char *host, size_t host_size, const char **port_out)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon[1] == '\0') return false;
    const char *begin = address, *end = colon;
    if (*begin == '[' && end > begin && end[-1] == ']') {
        begin++;
        end--;
    }
    if (begin == end || (size_t)(end - begin) >= host_size) return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    *port_out = colon + 1;
    return true;
}

/* A listening socket, or a negative errno. */
static int listen_at(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, LION_NODE_BACKLOG) == 0)
        return fd;
    int code = errno;
    if (fd >= 0) (void)close(fd);
    return -code;
}

/* The address as it is bound, its port too when any was asked for. */
static void name_address(int fd, char *out, size_t out_size)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    char host[NI_MAXHOST] = "", port[NI_MAXSERV] = "";
    (void)getsockname(fd, (struct sockaddr *)&bound, &size);
    (void)getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, out_size, bound.ss_family == AF_INET6 ? "[%.250s]:%s" : "%.250s:%s", host, port);
}

static int listen_tcp(supervisor *self, const char *option, const char *address, int *fd_out)
{
    char host[256];
    const char *port;
    if (!split(address, host, sizeof host, &port)) {
        fprintf(stderr, "lion: %s is HOST:PORT, not %s\n", option, address);
        return 2;
    }
    struct addrinfo *found = NULL,
                    hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0) {
        fprintf(stderr, "lion: cannot listen at %s: %s\n", address, gai_strerror(code));
        return EXIT_FAILED;
    }
    int fd, waited_ms = self->follows_a_dead_one ? 0 : LION_NODE_LEFT_MS;
    do {
        fd = -EADDRNOTAVAIL;
        for (const struct addrinfo *each = found; each != NULL && fd < 0; each = each->ai_next)
            fd = listen_at(each);
    } while (fd == -EADDRINUSE && wait_for_the_left(&waited_ms));
    freeaddrinfo(found);
    if (fd < 0) return fail("cannot listen at", address, -fd);
    *fd_out = fd;
    return 0;
}

int supervisor_listen(supervisor *self)
{
    int code = listen_tcp(self, "--listen", self->options->address, &self->listen_fd);
    if (code == 0) name_address(self->listen_fd, self->address, sizeof self->address);
    return code;
}

int supervisor_listen_control_tcp(supervisor *self)
{
    const char *address = self->options->control_address;
    if (address == NULL) return 0;
    int code = listen_tcp(self, "--control", address, &self->control_tcp_fd);
    if (code == 0)
        name_address(self->control_tcp_fd, self->control_address, sizeof self->control_address);
    return code;
}
