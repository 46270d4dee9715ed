/* spin.c - an average that follows what it is told, and forgets it soon. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/spin.h"

#include <sched.h>

#include "base/clock.h"

#define WEIGHT 4         /* the latest is this part of the average */
#define OFTEN 2          /* of most_ns: so long a wait says no more than any longer one */
#define PAUSES 16        /* well below a microsecond */
#define WANTED_NS 200000 /* between two looks: another thread has run */
/* Then it is likely to want more, the more so the sooner it does again. */
#define REST_NS_FIRST 100000000
#define REST_NS_MAX 3200000000

static bool has_others(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 1;
}

void lion_spin_init(lion_spin *spin, int64_t most_ns)
{
    *spin = (lion_spin){ .most_ns = has_others() ? most_ns : 0, .usual_ns = OFTEN * most_ns };
}

bool lion_spin_begin(lion_spin *spin, int64_t since_ns)
{
    if (spin->usual_ns >= spin->most_ns) return false;
    int64_t bound_ns = 2 * spin->usual_ns;
    spin->until_ns = since_ns + (bound_ns < spin->most_ns ? bound_ns : spin->most_ns);
    spin->looked_ns = lion_clock_monotonic_ns();
    return spin->looked_ns < spin->until_ns && spin->looked_ns >= spin->rests_until_ns;
}

/* Lets the other thread of this core go on. */
static void pause_shortly(void)
{
    for (int i = 0; i < PAUSES; i++) {
#if defined __x86_64__
        __builtin_ia32_pause();
#elif defined __aarch64__
        __asm__ volatile("isb");
#endif
    }
}

static void rest(lion_spin *spin, int64_t now_ns)
{
    bool is_again = now_ns - spin->rests_until_ns < spin->rest_ns;
    spin->rest_ns = is_again ? 4 * spin->rest_ns : REST_NS_FIRST;
    if (spin->rest_ns > REST_NS_MAX) spin->rest_ns = REST_NS_MAX;
    spin->rests_until_ns = now_ns + spin->rest_ns;
}

bool lion_spin_goes_on(lion_spin *spin)
{
    pause_shortly();
    int64_t now_ns = lion_clock_monotonic_ns();
    bool was_wanted = now_ns - spin->looked_ns > WANTED_NS;
    spin->looked_ns = now_ns;
    if (was_wanted) rest(spin, now_ns);
    return now_ns < spin->until_ns && !was_wanted;
}

void lion_spin_learn(lion_spin *spin, int64_t took_ns)
{
    int64_t longest_ns = OFTEN * spin->most_ns;
    if (took_ns > longest_ns) took_ns = longest_ns;
    spin->usual_ns += (took_ns - spin->usual_ns) / WEIGHT;
}
