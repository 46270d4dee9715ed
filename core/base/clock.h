/* clock.h - the only source of time and randomness in the core. */
#ifndef LION_BASE_CLOCK_H
#define LION_BASE_CLOCK_H

#include "lion.h"

int64_t lion_clock_instant_ms(void); /* wall clock, ms since 1970 UTC */
int64_t lion_clock_monotonic_ns(void);
int64_t lion_clock_thread_ns(void);  /* processor time of the calling thread */
/* The moment, of the monotonic clock, so many ms from now: a million seconds at most. */
int64_t lion_clock_deadline_ns(int64_t timeout_ms);
/* Specs freeze the wall clock: >= 0 sets it, -1 lets it run again. */
void lion_clock_freeze(int64_t instant_ms);
void lion_random_bytes(void *out, size_t size);

#endif
