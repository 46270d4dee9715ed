/* lists.c - galloping: steps that double, then a binary search in the last one. So a list that is
 * much longer than the other is not walked. */
#include "query/lists.h"

uint32_t lion_list_seek(const uint32_t *list, uint32_t count, uint32_t at, uint32_t number)
{
    uint32_t step = 1, low = at;
    while (at < count && list[at] < number) {
        low = at + 1;
        at = count - at > step ? at + step : count;
        step *= 2;
    }
    while (low < at) {
        uint32_t middle = low + (at - low) / 2;
        if (list[middle] < number)
            low = middle + 1;
        else
            at = middle;
    }
    return low;
}

bool lion_list_has(const uint32_t *list, uint32_t count, uint32_t number)
{
    uint32_t at = lion_list_seek(list, count, 0, number);
    return at < count && list[at] == number;
}

uint32_t lion_list_meet(uint32_t *out, const uint32_t *few, uint32_t few_count,
                        const uint32_t *many, uint32_t many_count)
{
    uint32_t count = 0, at = 0;
    for (uint32_t i = 0; i < few_count && at < many_count; i++) {
        at = lion_list_seek(many, many_count, at, few[i]);
        if (at < many_count && many[at] == few[i]) out[count++] = few[i];
    }
    return count;
}
