/* keeper.c - the loop's keeper is a word that both threads change at once or not at all. */
#include "node/keeper.h"

#define LOOK_NS 2000000 /* a turn that is seen twice so far apart lasts */

enum { HAS_IO, HAS_LUA, LENT, OWNERS = 3, LENDING = 4 };

void lion_keeper_init(lion_keeper *keeper)
{
    atomic_store(&keeper->word, HAS_IO);
    atomic_store(&keeper->is_dozing, false);
    (void)uv_mutex_init(&keeper->mutex);
    (void)uv_cond_init(&keeper->condition);
}

bool lion_keeper_is_io(const lion_keeper *keeper)
{
    return (atomic_load(&keeper->word) & OWNERS) == HAS_IO;
}

static void wake(lion_keeper *keeper)
{
    uv_mutex_lock(&keeper->mutex);
    atomic_store(&keeper->is_dozing, false);
    uv_cond_signal(&keeper->condition);
    uv_mutex_unlock(&keeper->mutex);
}

void lion_keeper_lend(lion_keeper *keeper)
{
    uint64_t word = atomic_load(&keeper->word);
    atomic_store(&keeper->word, ((word & ~(uint64_t)OWNERS) + LENDING) | LENT);
    /* It says that it dozes, then looks at the word once more: one of us sees the other. */
    if (atomic_load(&keeper->is_dozing)) wake(keeper);
}

bool lion_keeper_reclaim(lion_keeper *keeper)
{
    uint64_t word = atomic_load(&keeper->word);
    while ((word & OWNERS) == LENT)
        if (atomic_compare_exchange_weak(&keeper->word, &word,
                                         (word & ~(uint64_t)OWNERS) | HAS_LUA))
            return true;
    return false;
}

static bool take(lion_keeper *keeper, uint64_t word)
{
    return atomic_compare_exchange_strong(&keeper->word, &word,
                                          (word & ~(uint64_t)OWNERS) | HAS_IO);
}

void lion_keeper_stand_by(lion_keeper *keeper)
{
    uint64_t seen = 0;
    uv_mutex_lock(&keeper->mutex);
    while (true) {
        uint64_t word = atomic_load(&keeper->word);
        bool is_same = word == seen;
        seen = word;
        if (is_same && (word & OWNERS) == LENT && take(keeper, word)) break;
        /* The Lua thread has waited in the loop since the last look: it wakes us. */
        atomic_store(&keeper->is_dozing, is_same && (word & OWNERS) == HAS_LUA);
        bool is_still = atomic_load(&keeper->word) == seen;
        if (is_still && atomic_load(&keeper->is_dozing))
            uv_cond_wait(&keeper->condition, &keeper->mutex);
        else
            (void)uv_cond_timedwait(&keeper->condition, &keeper->mutex, LOOK_NS);
        atomic_store(&keeper->is_dozing, false);
    }
    uv_mutex_unlock(&keeper->mutex);
}
