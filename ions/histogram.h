/* histogram.h - counts of what was measured, in slots that double: slot i holds what is at most
 * unit * 2^i and more than the slot before; the last holds the rest. */
#ifndef LION_IONS_HISTOGRAM_H
#define LION_IONS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define LION_HISTOGRAM_SLOTS 21
#define LION_HISTOGRAM_UNIT_NS 15625 /* of durations: 15.6 us to 8.2 s */

static inline size_t lion_histogram_slot(uint64_t value, uint64_t unit)
{
    uint64_t units = (value + unit - 1) / unit;
    size_t slot = units <= 1 ? 0 : 64 - (size_t)__builtin_clzll(units - 1);
    return slot < LION_HISTOGRAM_SLOTS ? slot : LION_HISTOGRAM_SLOTS - 1;
}

#endif
