/* overflow.c - partitions that wait, the latest first, so that few are there at a time. */
#include "query/overflow.h"

#include "base/hash.h"

struct lion_overflow_part {
    lion_overflow_part *next;
    lion_spool spool;
    uint32_t level;            /* of the hash that its rows differ in next */
};

uint64_t lion_values_hash(const lion_value *values, uint32_t count)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0; i < count; i++) hash = lion_hash_u64(hash ^ lion_value_hash(values[i]));
    return hash;
}

uint32_t lion_partition(uint64_t hash, uint32_t level)
{
    return (uint32_t)(lion_hash_u64(hash + level * UINT64_C(0xd1342543de82ef95)) >> 32) % LION_PARTITIONS;
}

void lion_overflow_init(lion_overflow *overflow, lion_run *run, uint32_t width)
{
    *overflow = (lion_overflow){ .run = run, .width = width };
}

lion_status lion_overflow_add(lion_overflow *overflow, const lion_value *row, uint64_t hash, lion_error *error)
{
    lion_arena *arena = &overflow->run->arena;
    if (overflow->parts == NULL) {
        overflow->parts = lion_arena_array(arena, lion_spool, LION_PARTITIONS);
        for (uint32_t i = 0; i < LION_PARTITIONS; i++)
            lion_spool_init(&overflow->parts[i], &overflow->run->spill, (uint32_t)sizeof(lion_value) * overflow->width);
    }
    return lion_spool_add(&overflow->parts[lion_partition(hash, overflow->level)], row, error);
}

/* What was added is ready to be read. */
static lion_status put_waiting(lion_overflow *overflow, lion_error *error)
{
    for (uint32_t i = 0; overflow->parts != NULL && i < LION_PARTITIONS; i++) {
        if (overflow->parts[i].count == 0) continue;
        lion_status status = lion_spool_close(&overflow->parts[i], error);
        if (status != LION_OK) return status;
        lion_overflow_part *part = lion_arena_new(&overflow->run->arena, lion_overflow_part);
        *part = (lion_overflow_part){ .next = overflow->waiting, .spool = overflow->parts[i], .level = overflow->level + 1 };
        overflow->waiting = part;
        lion_spool_init(&overflow->parts[i], &overflow->run->spill, overflow->parts[i].row_size);
    }
    return LION_OK;
}

lion_status lion_overflow_turn(lion_overflow *overflow, lion_error *error)
{
    if (overflow->present != NULL) lion_spool_free(&overflow->present->spool);
    overflow->present = NULL;
    lion_status status = put_waiting(overflow, error);
    if (status != LION_OK) return status;
    if (overflow->waiting == NULL) return LION_END;
    overflow->present = overflow->waiting;
    overflow->waiting = overflow->present->next;
    overflow->level = overflow->present->level;
    if (overflow->output.vectors == NULL) lion_output_make(&overflow->output, &overflow->run->arena, overflow->width);
    return lion_spool_read(&overflow->present->spool, true, error);
}

lion_status lion_overflow_next(lion_overflow *overflow, lion_batch *batch_out, lion_error *error)
{
    return lion_output_unspool(&overflow->output, &overflow->present->spool, batch_out, error);
}

void lion_overflow_clear(lion_overflow *overflow)
{
    for (uint32_t i = 0; overflow->parts != NULL && i < LION_PARTITIONS; i++) lion_spool_free(&overflow->parts[i]);
    if (overflow->present != NULL) lion_spool_free(&overflow->present->spool);
    for (; overflow->waiting != NULL; overflow->waiting = overflow->waiting->next) lion_spool_free(&overflow->waiting->spool);
    overflow->present = NULL;
    overflow->level = 0;
}
