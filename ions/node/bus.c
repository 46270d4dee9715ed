/* bus.c - one packet is one message: a head, then the payload. A payload that is too large for a
 * packet is a sealed memfd, the last of the descriptors that travel with it. */
#include "node/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LION_BUS_INLINE_MAX (32 << 10)
#define LION_BUS_PAYLOAD_MAX (256 << 20)
#define LION_BUS_QUEUE_MAX                                                                         \
    65536 /* messages that wait; a side that takes none for so long is as good as gone */
#define LION_BUS_TURN_MAX                                                                          \
    64 /* messages that are read before others of the loop have their turn                         \
        */
#define PASSED_FDS_MAX (LION_BUS_FDS_MAX + 1)

/* What travels before the payload, as the machine has it: both ends are this program on this
 * machine. */
typedef struct head {
    uint64_t id, size;
    uint16_t to, from, kind;
    uint8_t fd_count; /* without the payload's */
    uint8_t is_large; /* the payload is a memfd's */
} head;

typedef struct packet {
    struct packet *next;
    head head;
    int fds[PASSED_FDS_MAX]; /* owned */
    int fd_count;
    size_t size;       /* of what is in the packet behind its head */
    uint8_t payload[]; /* size bytes */
} packet;

struct lion_bus {
    uv_poll_t poll;
    int fd;
    lion_bus_events events;
    packet *first, *last; /* what the socket did not take */
    size_t waiting_count;
    bool is_closed; /* by lion_bus_close */
    bool is_broken; /* the other side is gone */
    uint8_t buffer[sizeof(head) + LION_BUS_INLINE_MAX];
};

typedef union rights {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int) * PASSED_FDS_MAX)];
} rights;

static void close_fds(int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        if (fds[i] >= 0) (void)close(fds[i]);
        fds[i] = -1;
    }
}

/* ---- sending ---- */

static bool write_whole(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

/* A memfd that nobody can change any more, or -1. */
static int payload_fd(const uint8_t *payload, size_t size)
{
    int fd = memfd_create("lion-bus", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -1;
    if (write_whole(fd, payload, size) &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* 0, EAGAIN, or the errno for which the channel is broken. */
static int send_packet(int fd, const head *head_, const uint8_t *payload, size_t size,
                       const int *fds, int fd_count)
{
    struct iovec parts[2] = { { .iov_base = (void *)(uintptr_t)head_, .iov_len = sizeof *head_ },
                              { .iov_base = (void *)(uintptr_t)payload, .iov_len = size } };
    rights control;
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = size > 0 ? 2 : 1 };
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)fd_count);
    }
    /* ECONNRESET is told once, then EPIPE: the other side ended with messages unread. */
    ssize_t sent;
    do sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && (errno == EINTR || errno == ECONNRESET));
    if (sent >= 0) return 0;
    /* Too many descriptors are under way, or there is no memory for the packet: the other side
     * makes room. */
    bool is_full = errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS;
    return is_full ? EAGAIN : errno;
}

static void packet_free(packet *self)
{
    close_fds(self->fds, self->fd_count);
    free(self);
}

static void drop_queue(lion_bus *bus)
{
    while (bus->first != NULL) {
        packet *next = bus->first->next;
        packet_free(bus->first);
        bus->first = next;
    }
    bus->last = NULL;
    bus->waiting_count = 0;
}

static void flush(lion_bus *bus)
{
    while (bus->first != NULL) {
        packet *first = bus->first;
        int code = send_packet(bus->fd, &first->head, first->payload, first->size, first->fds,
                               first->fd_count);
        if (code == EAGAIN) return;
        if (code != 0) { /* the reading side finds out, and tells */
            drop_queue(bus);
            return;
        }
        bus->first = first->next;
        if (bus->first == NULL) bus->last = NULL;
        bus->waiting_count--;
        packet_free(first);
    }
}

/* Keep a message for later: its payload copied, its descriptors duplicated. */
static bool enqueue(lion_bus *bus, const head *head_, const uint8_t *payload, size_t size,
                    const int *fds, int fd_count)
{
    if (bus->waiting_count >= LION_BUS_QUEUE_MAX) return false;
    packet *self = malloc(sizeof *self + size);
    if (self == NULL) return false;
    self->next = NULL;
    self->head = *head_;
    self->size = size;
    self->fd_count = 0;
    if (size > 0) memcpy(self->payload, payload, size);
    for (; self->fd_count < fd_count; self->fd_count++) {
        int copy = fcntl(fds[self->fd_count], F_DUPFD_CLOEXEC, 0);
        if (copy < 0) {
            packet_free(self);
            return false;
        }
        self->fds[self->fd_count] = copy;
    }
    if (bus->last != NULL)
        bus->last->next = self;
    else
        bus->first = self;
    bus->last = self;
    bus->waiting_count++;
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(lion_bus *bus)
{
    if (bus->is_closed || bus->is_broken) return;
    (void)uv_poll_start(&bus->poll, UV_READABLE | (bus->first != NULL ? UV_WRITABLE : 0), on_poll);
}

bool lion_bus_send(lion_bus *bus, const lion_bus_message *message)
{
    if (bus->is_closed || bus->is_broken) return false;
    if (message->fd_count < 0 || message->fd_count > LION_BUS_FDS_MAX ||
        message->size > LION_BUS_PAYLOAD_MAX)
        return false;
    bool is_large = message->size > LION_BUS_INLINE_MAX;
    head head_ = { .id = message->id,
                   .size = message->size,
                   .to = message->to,
                   .from = message->from,
                   .kind = message->kind,
                   .fd_count = (uint8_t)message->fd_count,
                   .is_large = is_large };
    int fds[PASSED_FDS_MAX], fd_count = message->fd_count, large = -1;
    memcpy(fds, message->fds, sizeof(int) * (size_t)fd_count);
    if (is_large) {
        large = payload_fd(message->payload, message->size);
        if (large < 0) return false;
        fds[fd_count++] = large;
    }
    size_t size = is_large ? 0 : message->size;
    int code = EAGAIN; /* behind what waits */
    if (bus->first == NULL)
        code = send_packet(bus->fd, &head_, message->payload, size, fds, fd_count);
    bool is_sent = code == 0;
    if (code == EAGAIN) {
        bool was_empty = bus->first == NULL;
        is_sent = enqueue(bus, &head_, message->payload, size, fds, fd_count);
        if (is_sent && was_empty) watch(bus);
    }
    if (large >= 0) (void)close(large);
    return is_sent;
}

/* ---- receiving ---- */

static int take_rights(struct msghdr *message, int *fds)
{
    int count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int given = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(header),
               sizeof(int) * (size_t)given); /* control has room for PASSED_FDS_MAX */
        count = given;
    }
    return count;
}

/* The payload of a memfd, to be unmapped; NULL if it is not what its head says. Only what is sealed
 * cannot shrink while it is read. */
static void *map_payload(int fd, uint64_t size)
{
    struct stat found;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & (F_SEAL_WRITE | F_SEAL_SHRINK)) != (F_SEAL_WRITE | F_SEAL_SHRINK))
        return NULL;
    if (fstat(fd, &found) != 0 || (uint64_t)found.st_size != size) return NULL;
    void *bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    return bytes == MAP_FAILED ? NULL : bytes;
}

/* Tell of a message. One that lost a part on its way (this process can open no more descriptors) is
 * dropped. */
static void deliver(lion_bus *bus, size_t received, int *fds, int fd_count)
{
    head head_;
    if (received < sizeof head_) return;
    memcpy(&head_, bus->buffer, sizeof head_);
    lion_bus_message message = { .to = head_.to,
                                 .from = head_.from,
                                 .kind = head_.kind,
                                 .id = head_.id,
                                 .payload = bus->buffer + sizeof head_,
                                 .size = received - sizeof head_ };
    void *mapped = NULL;
    if (fd_count != head_.fd_count + head_.is_large || head_.fd_count > LION_BUS_FDS_MAX) return;
    if (head_.is_large) {
        mapped = map_payload(fds[fd_count - 1], head_.size);
        if (mapped == NULL) return;
        message.payload = mapped;
        message.size = (size_t)head_.size;
    } else if (message.size != head_.size) {
        return;
    }
    message.fd_count = head_.fd_count;
    memcpy(message.fds, fds, sizeof(int) * head_.fd_count);
    bus->events.message(bus->events.context, &message);
    memcpy(fds, message.fds, sizeof(int) * head_.fd_count); /* those that were taken are -1 now */
    if (mapped != NULL) (void)munmap(mapped, message.size);
}

/* One message. false: there is none now, or the other side is gone (is_broken). */
static bool receive(lion_bus *bus)
{
    struct iovec part = { .iov_base = bus->buffer, .iov_len = sizeof bus->buffer };
    rights control;
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control.bytes };
    ssize_t received;
    /* ECONNRESET is told once, before what the other side had sent. */
    do received = recvmsg(bus->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (received < 0 && (errno == EINTR || errno == ECONNRESET));
    if (received < 0 && (errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS)) return false;
    bus->is_broken = received <= 0;
    if (bus->is_broken) return false;
    int fds[PASSED_FDS_MAX];
    int fd_count = take_rights(&message, fds);
    deliver(bus, (size_t)received, fds, fd_count);
    close_fds(fds, fd_count);
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    lion_bus *bus = poll->data;
    (void)events;
    for (int i = 0; i < LION_BUS_TURN_MAX && !bus->is_closed; i++) {
        if (!receive(bus)) break;
    }
    if (bus->is_closed) return;
    if (bus->is_broken) {
        (void)uv_poll_stop(poll);
        drop_queue(bus);
        bus->events.closed(bus->events.context);
        return;
    }
    bool was_waiting = bus->first != NULL;
    flush(bus);
    /* A status is an error of the socket: libuv has stopped watching, and what was sent before is
     * still to be read. */
    if (status < 0 || (was_waiting && bus->first == NULL)) watch(bus);
}

/* ---- its life ---- */

lion_bus *lion_bus_open(uv_loop_t *loop, int fd, const lion_bus_events *events)
{
    lion_bus *bus = malloc(sizeof *bus);
    if (bus == NULL || uv_poll_init(loop, &bus->poll, fd) != 0) {
        (void)close(fd);
        free(bus);
        return NULL;
    }
    bus->poll.data = bus;
    bus->fd = fd;
    bus->events = *events;
    bus->first = bus->last = NULL;
    bus->waiting_count = 0;
    bus->is_closed = bus->is_broken = false;
    watch(bus);
    return bus;
}

size_t lion_bus_waiting(const lion_bus *bus)
{
    return bus->waiting_count;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void lion_bus_close(lion_bus *bus)
{
    if (bus == NULL || bus->is_closed) return;
    bus->is_closed = true;
    drop_queue(bus);
    uv_close((uv_handle_t *)&bus->poll, on_closed);
    (void)close(bus->fd);
}
