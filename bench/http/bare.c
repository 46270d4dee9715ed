/* bare.c - the least that answers HTTP: epoll, read, a fixed text. What it serves is what the
 * client can take on this machine at all. It prints "ready http://127.0.0.1:PORT/". */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 256

static const char ANSWER[] = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n"
                             "content-length: 6\r\n\r\nhello\n";

static bool watch(int epoll, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 511) != 0)
        return -1;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return -1;
    printf("ready http://127.0.0.1:%d/\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return fd;
}

static void accept_all(int epoll, int listener)
{
    int one = 1;
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!watch(epoll, fd)) (void)close(fd);
    }
}

/* Whatever was read is taken for one request. */
static void answer(int fd)
{
    char request[16384];
    if (read(fd, request, sizeof request) <= 0 || write(fd, ANSWER, sizeof ANSWER - 1) < 0)
        (void)close(fd);
}

int main(void)
{
    struct epoll_event events[EVENTS_MAX];
    int epoll = epoll_create1(0), listener = listen_anywhere();
    if (epoll < 0 || listener < 0 || !watch(epoll, listener)) {
        perror("bare");
        return 1;
    }
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else
                answer(events[i].data.fd);
        }
    }
}
