/* bare.h - the limit that commits are measured against: overwrites of 4096 bytes in a file that is there already, each
 * synced. */
#ifndef LION_BENCH_BARE_H
#define LION_BENCH_BARE_H

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define BARE_SIZE (16 << 20)

static inline double now(void)
{
    return (double)lion_clock_monotonic_ns() * 1e-9;
}

/* A second, with `payload` bytes that change; the file at path is made and removed. */
static inline double bare_rate(const char *path, size_t payload, double seconds)
{
    static uint8_t block[4096];
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    for (off_t at = 0; at < BARE_SIZE; at += 4096)
        if (pwrite(file, block, sizeof block, at) != sizeof block) exit(1);
    if (fsync(file) != 0) exit(1);

    double start = now();
    uint64_t count = 0;
    for (off_t at = 0; now() - start < seconds; at = (at + 4096) % BARE_SIZE, count++) {
        memset(block, (int)count, payload);
        if (pwrite(file, block, sizeof block, at) != sizeof block || fdatasync(file) != 0) exit(1);
    }
    double rate = (double)count / (now() - start);
    close(file);
    unlink(path);
    return rate;
}

#endif
