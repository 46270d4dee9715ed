/* clock.c - time and randomness from the system, and the frozen clock of specs. */
#define _GNU_SOURCE
#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/assert.h"

static _Atomic int64_t frozen_ms = -1;

int64_t lion_clock_instant_ms(void)
{
    int64_t frozen = atomic_load_explicit(&frozen_ms, memory_order_relaxed);
    if (frozen >= 0) return frozen;

    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t lion_clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t lion_clock_thread_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t lion_clock_deadline_ns(int64_t timeout_ms)
{
    int64_t most_ms = INT64_C(1000000000);
    return lion_clock_monotonic_ns() + (timeout_ms < most_ms ? timeout_ms : most_ms) * 1000000;
}

void lion_clock_freeze(int64_t instant_ms)
{
    atomic_store_explicit(&frozen_ms, instant_ms < 0 ? -1 : instant_ms, memory_order_relaxed);
}

void lion_random_bytes(void *out, size_t size)
{
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        LION_ASSERT(got >= 0 || errno == EINTR); /* with flags 0 nothing else can happen */
        if (got < 0) continue;
        at += got;
        size -= (size_t)got;
    }
}

/* Milliseconds in the high 48 bits and a 12-bit counter below, so that ids of one process ascend
 * even within a millisecond (RFC 9562, 6.2, method 1: the counter may run over into the time). */
static uint64_t next_stamp(void)
{
    static _Atomic uint64_t last_stamp;
    uint64_t now = (uint64_t)lion_clock_instant_ms() << 12;
    uint64_t last = atomic_load_explicit(&last_stamp, memory_order_relaxed);
    uint64_t stamp;
    do {
        stamp = now > last ? now : last + 1;
    } while (!atomic_compare_exchange_weak_explicit(&last_stamp, &last, stamp, memory_order_relaxed,
                                                    memory_order_relaxed));
    return stamp;
}

void lion_uuid7(uint8_t out[16])
{
    uint64_t stamp = next_stamp();
    uint64_t high = (stamp >> 12) << 16 | UINT64_C(0x7000) | (stamp & 0xfff);
    for (int i = 0; i < 8; i++) out[i] = (uint8_t)(high >> (56 - 8 * i));
    lion_random_bytes(out + 8, 8);
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}
