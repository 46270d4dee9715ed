/* novelty_key.c - the 96 bits by which novelty's trees are searched before any record is looked at.
 */
#include <string.h>

#include "index/novelty_tree.h"

#define SIGN (UINT64_C(1) << 63)
#define SHORT_SIZE 8                 /* bytes of a value that a key holds */
#define MINOR_LONG 0x80000000u       /* of values with more; the rest is the next bytes */
#define MINOR_ZERO_ENDED 0x7fffffffu /* of short ones that a key confuses with shorter ones still  \
                                      */

static uint64_t leading_bytes(const uint8_t *data, size_t size)
{
    uint64_t bits = 0;
    if (size > 0) memcpy(&bits, data, size < 8 ? size : 8);
    return __builtin_bswap64(bits);
}

static uint64_t value_key(const lion_value *v)
{
    if (v->type == LION_TYPE_DOUBLE) {
        double number = v->number;
        uint64_t bits;
        if (number != number) return UINT64_MAX;
        if (number == 0) number = 0.0; /* one zero */
        memcpy(&bits, &number, sizeof bits);
        return bits & SIGN ? ~bits : bits | SIGN;
    }
    if (lion_type_is_scalar(v->type)) return (uint64_t)v->bits ^ SIGN;
    return leading_bytes(v->data, v->size);
}

/* 32 bits in the order of ids: 5 of the partition, 27 of the counter; what is more than that ties.
 */
static uint32_t entity_minor(int64_t e)
{
    if (e < 0) return 0;
    int64_t partition = lion_id_partition(e), counter = lion_id_counter(e);
    if (partition >= 31) return UINT32_MAX;
    uint32_t low = counter < (1 << 27) ? (uint32_t)counter : (1u << 27) - 1;
    return (uint32_t)partition << 27 | low;
}

uint64_t lion_novelty_key(lion_index order, const lion_datom *datom)
{
    return order == LION_AVET ? value_key(&datom->v) : (uint64_t)datom->e ^ SIGN;
}

static uint32_t avet_minor(const lion_datom *datom)
{
    const lion_value *v = &datom->v;
    if (lion_type_is_scalar(v->type)) return entity_minor(datom->e);
    if (v->size > SHORT_SIZE)
        return MINOR_LONG |
               (uint32_t)(leading_bytes(v->data + SHORT_SIZE, v->size - SHORT_SIZE) >> 33);
    if (v->size > 0 && v->data[v->size - 1] == 0) return MINOR_ZERO_ENDED;
    uint32_t minor = entity_minor(datom->e) >> 1;
    return minor < MINOR_ZERO_ENDED ? minor : MINOR_ZERO_ENDED - 1;
}

uint32_t lion_novelty_minor(lion_index order, const lion_datom *datom)
{
    switch (order) {
    case LION_EAVT: return datom->a;
    case LION_AEVT: return (uint32_t)(value_key(&datom->v) >> 32);
    default: return avet_minor(datom);
    }
}

bool lion_novelty_minors_of_value(const lion_datom *datom, uint32_t *low_out, uint32_t *high_out)
{
    const lion_value *v = &datom->v;
    *low_out = 0;
    *high_out = UINT32_MAX;
    if (lion_type_is_scalar(v->type)) return true;
    bool is_short = v->size <= SHORT_SIZE && (v->size == 0 || v->data[v->size - 1] != 0);
    if (is_short)
        *high_out = MINOR_ZERO_ENDED - 1;
    else
        *low_out = *high_out = avet_minor(datom);
    return is_short;
}
