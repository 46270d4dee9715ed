/* lists.h - ascending lists of numbers, each number once: where one is, and what two have in common. */
#ifndef LION_QUERY_LISTS_H
#define LION_QUERY_LISTS_H

#include <stdbool.h>
#include <stdint.h>

/* The first place from `at` on whose number is not less; count: there is none. */
uint32_t lion_list_seek(const uint32_t *list, uint32_t count, uint32_t at, uint32_t number);
bool lion_list_has(const uint32_t *list, uint32_t count, uint32_t number);
/* The numbers that are in both, and how many. Each of `few` is looked for in `many`; out may be either of them. */
uint32_t lion_list_meet(uint32_t *out, const uint32_t *few, uint32_t few_count, const uint32_t *many, uint32_t many_count);

#endif
