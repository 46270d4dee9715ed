/* fault.h - named points where a spec makes things fail or die.
 * LION_FAULT_POINT("log.sync") is false unless armed. Armed by lion_fault_arm or by the environment
 * variable LION_FAULT="log.sync:3:fail,store.commit:1:kill" (point, n-th hit, what), read once.
 * Kinds: fail (the caller reports EIO), full (ENOSPC), kill (the process ends by SIGKILL at once),
 * torn (the caller writes half and then kills). Cost when nothing is armed: one relaxed load. */
#ifndef LION_BASE_FAULT_H
#define LION_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lion_fault_kind {
    LION_FAULT_NONE = 0,
    LION_FAULT_FAIL,
    LION_FAULT_FULL,
    LION_FAULT_TORN,
} lion_fault_kind;

void lion_fault_arm(const char *point, uint64_t hit, const char *kind);
void lion_fault_disarm(void);
lion_fault_kind lion_fault_hit(const char *point);

extern int lion_fault_is_armed; /* read relaxed, written under a lock */
#define LION_FAULT_POINT(point)                                                                    \
    (__atomic_load_n(&lion_fault_is_armed, __ATOMIC_RELAXED) ? lion_fault_hit(point)               \
                                                             : LION_FAULT_NONE)

#endif
