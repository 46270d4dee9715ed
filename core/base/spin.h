/* spin.h - to look again for a short time before one sleeps until something comes.
 *
 * When a thread sleeps and nothing else is to be done its processor sleeps as well, and what comes
 * wakes both: some 50 µs on a virtual machine, more than a small question takes to be answered.
 * Who can expect something within that time looks for it instead:
 *
 *     if (lion_spin_begin(&spin, since_ns))
 *         do look(); while (nothing has come && lion_spin_goes_on(&spin));
 *     ... wait; lion_spin_learn(&spin, how long it took from since_ns);
 *
 * It is looked for twice as long as it usually takes; not at all while that is more than the bound,
 * or this thread has one processor alone, or another thread has just been given the processor
 * meanwhile: all of these have better use for it. One thread at a time. */
#ifndef LION_BASE_SPIN_H
#define LION_BASE_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/* Times are of the monotonic clock. */
typedef struct lion_spin {
    int64_t most_ns;   /* to look at all; 0: never */
    int64_t usual_ns;  /* what was waited for took, the latest counting most */
    int64_t until_ns;  /* of the looking under way */
    int64_t looked_ns; /* last */
    int64_t rest_ns;   /* that follows when another thread was given the processor */
    int64_t rests_until_ns;
} lion_spin;

/* Nothing is expected before some of what came has come soon. */
void lion_spin_init(lion_spin *spin, int64_t most_ns);

/* Whether to look for what is waited for since then. */
bool lion_spin_begin(lion_spin *spin, int64_t since_ns);

/* Between two looks: whether to look again, in less than a microsecond. */
bool lion_spin_goes_on(lion_spin *spin);

/* What was waited for has come after so long, however it was waited for. */
void lion_spin_learn(lion_spin *spin, int64_t took_ns);

#endif
